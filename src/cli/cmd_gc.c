/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_gc.c - `berth gc`, and `registry garbage-collect` as operators' scripts
 * call it: on the registry that is running, or on its directory when none is.
 */
#include "cli/command.h"
#include "cli/control.h"
#include "cli/offline.h"
#include "cli/serve.h"

#include <getopt.h>

struct gc_call {
	bool dry_run, now, untagged, quiet;
	bool stock; /* speak as registry:2 does */
	struct bar bar;
	struct gc_report report;
};

/* ---- output -------------------------------------------------------------------- */

static void show_bar(struct gc_call *g)
{
	const struct gc_report *r = &g->report;
	char bytes[32];

	bar_show(&g->bar, r->reviewed, r->waiting, "%llu candidates, %llu blobs, %s", (unsigned long long)r->reviewed,
	    (unsigned long long)r->blobs, human_bytes(r->bytes, bytes));
}

static void show_removed(struct gc_call *g, const char *kind, struct slice repo, const char *digest, uint64_t size)
{
	char bytes[32];

	if (g->quiet)
		return;
	bar_clear(&g->bar);
	if (g->stock && strcmp(kind, "blob") == 0)
		printf("blob eligible for deletion: %s\n", digest);
	else if (g->stock)
		printf("manifest eligible for deletion: %s\n", digest);
	else
		printf("%s %s %.*s%s%s (%s)\n", g->dry_run ? "would remove" : "removed", kind, SLICE_ARG(repo),
		    repo.n ? "@" : "", digest, human_bytes(size, bytes));
}

static void show_summary(struct gc_call *g)
{
	const struct gc_report *r = &g->report;
	char bytes[32];

	bar_clear(&g->bar);
	printf("%s %llu manifests and %llu blobs, %s; %llu candidates were reviewed\n",
	    g->dry_run ? "would remove" : "removed", (unsigned long long)r->manifests, (unsigned long long)r->blobs,
	    human_bytes(r->bytes, bytes), (unsigned long long)r->reviewed);
}

/* ---- on a running registry ------------------------------------------------------- */

static uint64_t number(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

static bool on_line(json_t *line, void *arg)
{
	struct gc_call *g = arg;
	const char *kind = json_string_value(json_object_get(line, "removed"));

	if (kind) {
		const char *digest = json_string_value(json_object_get(line, "digest"));

		show_removed(g, kind, slice_cstr(json_string_value(json_object_get(line, "repository"))),
		    digest ? digest : "", number(line, "size"));
		return true;
	}
	g->report = (struct gc_report){.reviewed = number(line, "reviewed"),
	    .waiting = number(line, "waiting"),
	    .manifests = number(line, "manifests"),
	    .links = number(line, "links"),
	    .blobs = number(line, "blobs"),
	    .bytes = number(line, "bytes"),
	    .stuck = number(line, "stuck")};
	show_bar(g);
	return true;
}

static enum err_code run_remote(const struct config *cfg, struct gc_call *g, struct err *err)
{
	json_t *parameters = json_pack("{s:b,s:b,s:b,s:b}", "dry_run", g->dry_run, "now", g->now, "untagged",
	    g->untagged, "keep_promised", g->stock);
	enum err_code rc = control_call(cfg->storage.filesystem.rootdirectory, "gc", parameters, on_line, g, err);

	json_decref(parameters);
	return rc;
}

/* ---- on a directory ---------------------------------------------------------------- */

static bool on_progress(const struct gc_report *r, void *arg)
{
	struct gc_call *g = arg;

	g->report = *r;
	show_bar(g);
	return true;
}

static void on_removed(const char *kind, struct slice repo, const struct digest *d, uint64_t size, void *arg)
{
	char text[DIGEST_TEXT];

	show_removed(arg, kind, repo, digest_format(d, text), size);
}

static enum err_code run_here(const struct config *cfg, struct gc_call *g, struct err *err)
{
	struct gc_control control = {.progress = on_progress, .removed = on_removed, .arg = g};
	struct offline o;
	struct gc_rules rules;
	enum err_code rc;

	serve_gc_rules(cfg, &rules);
	rules.dry_run = g->dry_run;
	if (g->now)
		rules.grace = 0;
	if (g->untagged)
		rules.untagged = 0;
	rc = offline_open(cfg, &o, err);
	if (rc)
		return rc;
	/* A directory of registry:2 that was taken over halfway has layers whose
	 * manifests have not come yet. */
	rc = serve_adopt(cfg, o.storage, o.meta, err);
	if (rc == ERR_OK)
		rc = gc_run(o.meta, o.storage, &rules, &control, &g->report, err);
	offline_close(&o);
	return rc;
}

/* ---- the commands --------------------------------------------------------------------- */

static int run(struct gc_call *g, const char *path)
{
	struct config *cfg = offline_config(path);
	struct err err = {0};
	enum err_code rc;

	if (!cfg)
		return EXIT_USAGE;
	bar_init(&g->bar, !g->quiet);
	rc = run_remote(cfg, g, &err);
	if (rc == ERR_NOT_FOUND)
		rc = run_here(cfg, g, &err);
	config_free(&cfg);
	if (rc) {
		bar_clear(&g->bar);
		fprintf(stderr, "berth: garbage collection failed: %s\n", err.msg);
		return EXIT_FAILED;
	}
	if (!g->quiet)
		show_summary(g);
	if (g->report.stuck) {
		fprintf(stderr,
		    "berth: %llu useless blob%s could not be removed; the log says why, and the next collection tries again\n",
		    (unsigned long long)g->report.stuck, g->report.stuck == 1 ? "" : "s");
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

int cmd_gc(int argc, char **argv)
{
	static const struct option options[] = {{"dry-run", no_argument, NULL, 'd'},
	    {"untagged", no_argument, NULL, 'm'}, {"now", no_argument, NULL, 'n'}, {"quiet", no_argument, NULL, 'q'},
	    {NULL, 0, NULL, 0}};
	struct gc_call g = {0};
	int o;

	optind = 1;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "dmnq", options, NULL)) != -1) {
		if (o == '?')
			return usage_error("gc", "gc has no option %s", argv[optind - 1]);
		g.dry_run |= o == 'd';
		g.untagged |= o == 'm';
		g.now |= o == 'n';
		g.quiet |= o == 'q';
	}
	if (argc - optind > 1)
		return usage_error("gc", "gc takes one configuration file, not %d", argc - optind);
	return run(&g, optind < argc ? argv[optind] : NULL);
}

/* --delete-untagged=true and the like, as the stock command takes them. */
static bool truth(const char *value, bool *out)
{
	static const char *const words[] = {"false", "true", "0", "1", "f", "t"};

	*out = true;
	if (!value)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(value, words[i]) == 0) {
			*out = i % 2;
			return true;
		}
	}
	return false;
}

/* The stock command collects at once. A registry that is running keeps what the
 * pushes under way count on: scripts stop it no longer. */
int cmd_garbage_collect(int argc, char **argv)
{
	static const struct option options[] = {{"dry-run", optional_argument, NULL, 'd'},
	    {"delete-untagged", optional_argument, NULL, 'm'}, {"quiet", optional_argument, NULL, 'q'},
	    {NULL, 0, NULL, 0}};
	struct gc_call g = {.now = true, .stock = true};
	int o;

	optind = 1;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "dmq", options, NULL)) != -1) {
		bool *flag = o == 'd' ? &g.dry_run : o == 'm' ? &g.untagged : &g.quiet;

		if (o == '?')
			return usage_error("garbage-collect", "garbage-collect has no option %s", argv[optind - 1]);
		if (!truth(optarg, flag))
			return usage_error("garbage-collect", "%s: it is true or false", argv[optind - 1]);
	}
	if (argc - optind > 1)
		return usage_error(
		    "garbage-collect", "garbage-collect takes one configuration file, not %d", argc - optind);
	return run(&g, optind < argc ? argv[optind] : NULL);
}
