/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_transfer.c - `berth import` and `berth export`: from registry:2's
 * directory and back. `berth serve` calls the first by itself.
 */
#include "base/clock.h"
#include "base/log.h"
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

static int only_config(const char *command, int argc, char **argv, const char **path)
{
	if (argc > 1 && argv[1][0] == '-')
		return usage_error(command, "%s has no option %s", command, argv[1]);
	if (argc > 2)
		return usage_error(command, "%s takes one configuration file, not %d", command, argc - 1);
	*path = argc > 1 ? argv[1] : NULL;
	return EXIT_OK;
}

int cmd_import(int argc, char **argv)
{
	struct adopting a = {0};
	struct adopt_report r;
	struct err err = {0};
	struct offline o;
	const char *path;
	struct config *cfg;
	enum err_code rc;

	if (only_config("import", argc, argv, &path) != EXIT_OK)
		return EXIT_USAGE;
	cfg = offline_config(path);
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

int cmd_export(int argc, char **argv)
{
	struct release_report r = {0};
	struct err err = {0};
	struct offline o;
	struct bar bar;
	const char *path;
	struct config *cfg;
	enum err_code rc;

	if (only_config("export", argc, argv, &path) != EXIT_OK)
		return EXIT_USAGE;
	cfg = offline_config(path);
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
