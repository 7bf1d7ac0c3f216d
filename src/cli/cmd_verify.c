/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_verify.c - `berth verify`: on the registry that is running, or on its
 * directory when none is. Both ways end in the same objects, one a finding and
 * one of progress, which are shown here.
 */
#include "cli/command.h"
#include "cli/control.h"
#include "cli/offline.h"
#include "cli/verify_json.h"
#include "registry/manifest.h"
#include "transfer/adopt.h"

#include <getopt.h>

struct verify_call {
	struct verify_rules rules;
	struct bar bar;
	json_t *last; /* the newest report */
};

/* ---- output --------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static uint64_t number_of(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v > 0 ? (uint64_t)v : 0;
}

static void show_finding(const json_t *line)
{
	const json_t *images = json_object_get(line, "images");

	printf("%s: %s%s%s%s\n", text_of(line, "digest"), text_of(line, "problem"),
	    *text_of(line, "detail") ? ": " : "", text_of(line, "detail"),
	    json_is_true(json_object_get(line, "repaired")) ? " (put right)" : "");
	for (size_t i = 0; i < json_array_size(images); i++)
		printf("    needed by %s\n", json_string_value(json_array_get(images, i)));
}

static bool on_line(json_t *line, void *arg)
{
	struct verify_call *v = arg;
	char bytes[32];

	if (json_object_get(line, "problem")) {
		bar_clear(&v->bar);
		show_finding(line);
		return true;
	}
	json_decref(v->last);
	v->last = json_incref(line);
	if (v->rules.bytes)
		bar_show(&v->bar, number_of(line, "bytes"), number_of(line, "bytes_total"), "%s read",
		    human_bytes(number_of(line, "bytes"), bytes));
	else
		bar_show(&v->bar, number_of(line, "blobs"), number_of(line, "blobs_total"), "%llu blobs",
		    (unsigned long long)number_of(line, "blobs"));
	return true;
}

/* ---- on a directory ---------------------------------------------------------------- */

static bool on_progress(const struct verify_report *r, void *arg)
{
	json_t *line = verify_report_json(r);

	on_line(line, arg);
	json_decref(line);
	return true;
}

static void on_found(const struct verify_finding *f, void *arg)
{
	json_t *line = verify_finding_json(f);

	on_line(line, arg);
	json_decref(line);
}

/* Before a directory of registry:2 was taken over nothing speaks of its blobs. */
static enum err_code need_adopted(const struct config *cfg, const struct offline *o, struct err *err)
{
	struct adopt_options a = {
	    .root = cfg->storage.filesystem.rootdirectory, .meta = o->meta, .storage = o->storage};
	bool needed;
	enum err_code rc = adopt_needed(&a, &needed, err);

	if (rc || !needed)
		return rc;
	return err_set(err, ERR_CONFLICT,
	    "%s was written by registry:2 and was not taken over yet: run `berth import` first, or start the registry",
	    a.root);
}

static enum err_code run_here(const struct config *cfg, struct verify_call *v, struct err *err)
{
	struct verify_control control = {.progress = on_progress, .found = on_found, .arg = v};
	struct verify_report report;
	struct offline o;
	enum err_code rc = offline_open(cfg, &o, err);

	if (rc)
		return rc;
	rc = need_adopted(cfg, &o, err);
	if (rc == ERR_OK)
		rc = verify_run(o.meta, o.storage, &v->rules, &control, &report, err);
	offline_close(&o);
	if (rc == ERR_OK)
		on_progress(&report, v);
	return rc;
}

static enum err_code run_remote(const struct config *cfg, struct verify_call *v, struct err *err)
{
	json_t *parameters = json_pack(
	    "{s:b,s:b,s:I}", "bytes", v->rules.bytes, "repair", v->rules.repair, "rate", (json_int_t)v->rules.rate);
	enum err_code rc = control_call(cfg->storage.filesystem.rootdirectory, "verify", parameters, on_line, v, err);

	json_decref(parameters);
	return rc;
}

/* ---- the command ---------------------------------------------------------------------- */

static int summary(const struct verify_call *v)
{
	uint64_t damage = number_of(v->last, "damage"), orphans = number_of(v->last, "orphans");
	char bytes[32], read[32];

	printf("%llu blobs and %llu manifests verified, %s read: %llu damaged or missing, %llu useless files (%s), "
	       "%llu put right\n",
	    (unsigned long long)number_of(v->last, "blobs"), (unsigned long long)number_of(v->last, "manifests"),
	    human_bytes(number_of(v->last, "bytes"), read), (unsigned long long)damage, (unsigned long long)orphans,
	    human_bytes(number_of(v->last, "orphan_bytes"), bytes), (unsigned long long)number_of(v->last, "repaired"));
	return damage ? EXIT_FAILED : EXIT_OK;
}

static int run(struct verify_call *v, const char *path)
{
	struct config *cfg = offline_config(path);
	struct err err = {0};
	int status = EXIT_FAILED;
	enum err_code rc;

	if (!cfg)
		return EXIT_USAGE;
	bar_init(&v->bar, true);
	rc = run_remote(cfg, v, &err);
	if (rc == ERR_NOT_FOUND)
		rc = run_here(cfg, v, &err);
	bar_clear(&v->bar);
	config_free(&cfg);
	if (rc)
		fprintf(stderr, "berth: verification failed: %s\n", err.msg);
	else
		status = summary(v);
	json_decref(v->last);
	return status;
}

/* "50MiB", "50M" or plain bytes, a second. */
static bool parse_rate(const char *text, uint64_t *out)
{
	static const struct {
		const char *suffix;
		unsigned shift;
	} units[] = {{"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"K", 10}, {"M", 20}, {"G", 30}, {"", 0}};
	struct slice s = slice_cstr(text);

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		struct slice suffix = slice_cstr(units[i].suffix);

		if (!slice_ends(s, suffix))
			continue;
		if (!slice_u64(slice_sub(s, 0, s.n - suffix.n), INT64_MAX >> units[i].shift, out))
			return false;
		*out <<= units[i].shift;
		return true;
	}
	return false;
}

int cmd_verify(int argc, char **argv)
{
	static const struct option options[] = {{"blobs", no_argument, NULL, 'b'}, {"repair", no_argument, NULL, 'r'},
	    {"rate", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0}};
	struct verify_call v = {.rules.needs = manifest_needs};
	int o;

	optind = 1;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "brl:", options, NULL)) != -1) {
		if (o == '?')
			return usage_error("verify", "verify has no option %s, or it needs a value", argv[optind - 1]);
		v.rules.bytes |= o == 'b';
		v.rules.repair |= o == 'r';
		if (o == 'l' && !parse_rate(optarg, &v.rules.rate))
			return usage_error("verify", "'%s' is not a rate like 50MiB", optarg);
	}
	if (argc - optind > 1)
		return usage_error("verify", "verify takes one configuration file, not %d", argc - optind);
	return run(&v, optind < argc ? argv[optind] : NULL);
}
