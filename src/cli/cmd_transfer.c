/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_transfer.c - `berth import` and `berth export`: from registry:2's
 * directory and back, and what says that archives of images are meant
 * (archive.h). `berth serve` takes over a directory by itself.
 */
#include "base/clock.h"
#include "base/log.h"
#include "cli/archive.h"
#include "cli/command.h"
#include "cli/offline.h"
#include "cli/serve.h"
#include "transfer/adopt.h"
#include "transfer/release.h"

#include <getopt.h>

/* A running start tells the log about it this often. */
#define LOG_INTERVAL (5 * CLOCK_S)

/* ---- taking over ------------------------------------------------------------------ */

struct adopting {
	struct bar bar;
	bool log; /* tell the log, not a person */
	int64_t told;
};

/* Time left at the pace so far. */
static int64_t estimate(const struct adopt_report *r)
{
	int64_t took = clock_mono() - r->began;

	if (r->repositories == 0)
		return 0;
	return (int64_t)((double)took / (double)r->repositories * (double)(r->repositories_total - r->repositories));
}

static bool on_progress(const struct adopt_report *r, void *arg)
{
	struct adopting *a = arg;
	long long left = estimate(r) / CLOCK_S;

	bar_show(&a->bar, r->repositories, r->repositories_total,
	    "%llu/%llu repositories, %llu tags, about %lld s left", (unsigned long long)r->repositories,
	    (unsigned long long)r->repositories_total, (unsigned long long)r->tags, left);
	if (a->log && clock_mono() - a->told >= LOG_INTERVAL) {
		a->told = clock_mono();
		LOG_INFO("taking over the directory of registry:2", LOG_INT("repositories", r->repositories),
		    LOG_INT("of", r->repositories_total), LOG_INT("seconds_left", left));
	}
	return true;
}

static void on_problem(const char *repository, const char *what, void *arg)
{
	struct adopting *a = arg;

	if (a->log) {
		LOG_WARN(
		    "broken in the directory of registry:2", LOG_STR("repository", repository), LOG_STR("what", what));
		return;
	}
	bar_clear(&a->bar);
	printf("%s: %s\n", repository, what);
}

static enum err_code adopt(const struct config *cfg, struct storage *storage, struct meta *meta, struct adopting *a,
    struct adopt_report *report, struct err *err)
{
	struct adopt_options o = {.root = cfg->storage.filesystem.rootdirectory,
	    .meta = meta,
	    .storage = storage,
	    .manifest_max = (size_t)cfg->berth.manifest.maxbytes};
	struct adopt_control control = {.progress = on_progress, .problem = on_problem, .arg = a};

	return adopt_run(&o, &control, report, err);
}

enum err_code serve_adopt(const struct config *cfg, struct storage *storage, struct meta *meta, struct err *err)
{
	struct adopt_options o = {.root = cfg->storage.filesystem.rootdirectory, .meta = meta, .storage = storage};
	struct adopting a = {.log = true, .told = clock_mono()};
	struct adopt_report report;
	bool needed;
	enum err_code rc = adopt_needed(&o, &needed, err);

	if (rc || !needed)
		return rc;
	LOG_INFO("this directory was written by registry:2: taking it over in place, nothing in it is changed");
	rc = adopt(cfg, storage, meta, &a, &report, err);
	if (rc == ERR_OK)
		LOG_INFO("taken over", LOG_INT("repositories", report.repositories), LOG_INT("tags", report.tags),
		    LOG_INT("manifests", report.manifests), LOG_INT("uploads_dropped", report.uploads),
		    LOG_INT("problems", report.problems));
	return rc;
}

static int import_directory(const char *path)
{
	struct adopting a = {0};
	struct adopt_report r;
	struct err err = {0};
	struct offline o;
	struct config *cfg = offline_config(path);
	enum err_code rc;

	if (!cfg)
		return EXIT_USAGE;
	bar_init(&a.bar, true);
	rc = offline_open(cfg, &o, &err);
	if (rc == ERR_OK) {
		rc = adopt(cfg, o.storage, o.meta, &a, &r, &err);
		offline_close(&o);
	}
	bar_clear(&a.bar);
	config_free(&cfg);
	if (rc) {
		fprintf(stderr, "berth: the import stopped and can be gone on with: %s\n", err.msg);
		return EXIT_FAILED;
	}
	printf(
	    "took over %llu repositories, %llu manifests, %llu tags and %llu links of blobs; dropped %llu uploads in "
	    "progress; %llu problems\n",
	    (unsigned long long)r.repositories, (unsigned long long)r.manifests, (unsigned long long)r.tags,
	    (unsigned long long)r.links, (unsigned long long)r.uploads, (unsigned long long)r.problems);
	return EXIT_OK;
}

/* ---- and back ---------------------------------------------------------------------- */

static bool on_release(const struct release_report *r, void *arg)
{
	bar_show(arg, r->repositories, 0, "%llu repositories, %llu manifests, %llu tags",
	    (unsigned long long)r->repositories, (unsigned long long)r->manifests, (unsigned long long)r->tags);
	return true;
}

static int export_directory(const char *path)
{
	struct release_report r = {0};
	struct err err = {0};
	struct offline o;
	struct bar bar;
	struct config *cfg = offline_config(path);
	enum err_code rc;

	if (!cfg)
		return EXIT_USAGE;
	bar_init(&bar, true);
	rc = offline_open(cfg, &o, &err);
	if (rc == ERR_OK) {
		struct release_control control = {.progress = on_release, .arg = &bar};

		rc = release_run(cfg->storage.filesystem.rootdirectory, o.meta, o.storage, &control, &r, &err);
		offline_close(&o);
	}
	bar_clear(&bar);
	config_free(&cfg);
	if (rc) {
		fprintf(stderr, "berth: nothing was exported: %s\n", err.msg);
		return EXIT_FAILED;
	}
	printf(
	    "wrote %llu repositories, %llu manifests, %llu tags and %llu links of blobs; registry:2 can serve the directory\n",
	    (unsigned long long)r.repositories, (unsigned long long)r.manifests, (unsigned long long)r.tags,
	    (unsigned long long)r.links);
	if (r.old_tree[0])
		printf("the tree that was there before is %s\n", r.old_tree);
	return EXIT_OK;
}

/* ---- the commands ---------------------------------------------------------------------- */

/* The configuration file behind the options. */
static int take_config(const char *command, int argc, char **argv, const char **path)
{
	if (argc - optind > 1)
		return usage_error(command, "%s takes one configuration file, not %d", command, argc - optind);
	*path = optind < argc ? argv[optind] : NULL;
	return EXIT_OK;
}

int cmd_import(int argc, char **argv)
{
	static const struct option options[] = {{"input", required_argument, NULL, 'i'},
	    {"name", required_argument, NULL, 'n'}, {"quiet", no_argument, NULL, 'q'}, {NULL, 0, NULL, 0}};
	struct archive_import a = {0};
	const char *path = NULL;
	int o;

	optind = 1;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "i:n:q", options, NULL)) != -1) {
		if (o == '?')
			return usage_error("import", "import has no option %s, or it needs a value", argv[optind - 1]);
		if (o == 'i')
			a.input = optarg;
		else if (o == 'n')
			a.name = optarg;
		a.quiet |= o == 'q';
	}
	if (take_config("import", argc, argv, &path) != EXIT_OK)
		return EXIT_USAGE;
	if (a.input)
		return archive_import(&a, path);
	if (a.name || a.quiet)
		return usage_error("import", "--name and --quiet are for archives: --input says which");
	return import_directory(path);
}

int cmd_export(int argc, char **argv)
{
	static const struct option options[] = {{"oci", required_argument, NULL, 'o'},
	    {"image", required_argument, NULL, 'i'}, {"quiet", no_argument, NULL, 'q'}, {NULL, 0, NULL, 0}};
	CLEANUP(free_ptr) const char **images = xcalloc((size_t)argc + 1, sizeof(*images));
	struct archive_export a = {.images = images};
	const char *path = NULL;
	int o;

	optind = 1;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "o:i:q", options, NULL)) != -1) {
		if (o == '?')
			return usage_error("export", "export has no option %s, or it needs a value", argv[optind - 1]);
		if (o == 'o')
			a.dest = optarg;
		else if (o == 'i')
			images[a.nimages++] = optarg;
		a.quiet |= o == 'q';
	}
	if (take_config("export", argc, argv, &path) != EXIT_OK)
		return EXIT_USAGE;
	if (a.dest)
		return archive_export(&a, path);
	if (a.nimages || a.quiet)
		return usage_error("export", "--image and --quiet are for an OCI image layout: --oci says where to");
	return export_directory(path);
}
