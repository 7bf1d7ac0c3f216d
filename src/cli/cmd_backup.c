/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_backup.c - `berth backup`, on the registry that is running or on its
 * directory when none is, and `berth restore`, which needs that none is.
 */
#include "cli/backup_json.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/offline.h"
#include "jobs/verify.h"
#include "transfer/restore.h"

#include <errno.h>
#include <getopt.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEEP_MAX 1000000

struct backup_call {
	const char *dest; /* absolute */
	unsigned keep;
	bool quiet;
	struct bar bar;
	struct backup_report report;
};

/* ---- backup: what is shown ------------------------------------------------------- */

static void show_progress(struct backup_call *b)
{
	const struct backup_report *r = &b->report;
	char bytes[32], copied[32];

	bar_show(&b->bar, r->blobs, r->blobs_total, "%llu/%llu blobs, %s, %s copied", (unsigned long long)r->blobs,
	    (unsigned long long)r->blobs_total, human_bytes(r->bytes, bytes), human_bytes(r->copied, copied));
}

static void show_problem(struct bar *bar, const char *digest, const char *what)
{
	bar_clear(bar);
	printf("%s: %s\n", digest, what);
}

static int summary(struct backup_call *b)
{
	const struct backup_report *r = &b->report;
	char bytes[32], copied[32], database[32];

	if (!b->quiet) {
		printf("%s/%s: %llu blobs, %s, of which %s were copied; database %s", b->dest, r->name,
		    (unsigned long long)(r->blobs - r->missing), human_bytes(r->bytes, bytes),
		    human_bytes(r->copied, copied), human_bytes(r->database, database));
		if (r->pruned)
			printf("; %llu old backups removed", (unsigned long long)r->pruned);
		printf("\n");
	}
	if (r->missing == 0)
		return EXIT_OK;
	fprintf(stderr,
	    "berth: the backup is complete but for %llu blobs that are missing or damaged in the registry itself; no "
	    "old backup was removed. `berth verify` names the images\n",
	    (unsigned long long)r->missing);
	return EXIT_FAILED;
}

/* ---- backup: on a running registry ------------------------------------------------- */

static bool on_line(json_t *line, void *arg)
{
	struct backup_call *b = arg;
	const char *problem = json_string_value(json_object_get(line, "problem"));
	const char *what = json_string_value(json_object_get(line, "what"));

	if (problem) {
		show_problem(&b->bar, problem, what ? what : "");
		return true;
	}
	backup_report_from_json(line, &b->report);
	show_progress(b);
	return true;
}

static enum err_code backup_remote(const struct config *cfg, struct backup_call *b, struct err *err)
{
	json_t *parameters = json_pack("{s:s,s:i}", "dest", b->dest, "keep", (int)b->keep);
	enum err_code rc;

	if (!parameters)
		return err_set(err, ERR_INVALID, "the path of the backups is not UTF-8");
	rc = control_call(cfg->storage.filesystem.rootdirectory, "backup", parameters, on_line, b, err);
	json_decref(parameters);
	return rc;
}

/* ---- backup: on a directory ---------------------------------------------------------- */

static bool on_progress(const struct backup_report *r, void *arg)
{
	struct backup_call *b = arg;

	b->report = *r;
	show_progress(b);
	return true;
}

static void on_problem(const struct digest *d, const char *what, void *arg)
{
	struct backup_call *b = arg;
	char text[DIGEST_TEXT];

	show_problem(&b->bar, digest_format(d, text), what);
}

static enum err_code backup_here(const struct config *cfg, struct backup_call *b, struct err *err)
{
	struct backup_control control = {.progress = on_progress, .problem = on_problem, .arg = b};
	struct backup_options o = {.root = cfg->storage.filesystem.rootdirectory, .dest = b->dest, .keep = b->keep};
	struct offline offline;
	enum err_code rc;

	/* Pruning would remove backups of the real registry for one of an empty one. */
	rc = offline_open_existing(cfg, "back up", &offline, err);
	if (rc)
		return rc;
	o.meta = offline.meta;
	o.storage = offline.storage;
	rc = backup_run(&o, &control, &b->report, err);
	offline_close(&offline);
	return rc;
}

/* ---- backup: the command --------------------------------------------------------------- */

/* The process that serves has another working directory. */
static char *absolute(const char *path)
{
	CLEANUP(free_ptr) char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);

	return cwd ? xasprintf("%s/%s", cwd, path) : xstrdup(path);
}

static int run_backup(struct backup_call *b, const char *path)
{
	struct config *cfg = offline_config(path);
	struct err err = {0};
	enum err_code rc;

	if (!cfg)
		return EXIT_USAGE;
	bar_init(&b->bar, !b->quiet);
	rc = backup_remote(cfg, b, &err);
	if (rc == ERR_NOT_FOUND)
		rc = backup_here(cfg, b, &err);
	bar_clear(&b->bar);
	config_free(&cfg);
	if (rc == ERR_OK)
		return summary(b);
	fprintf(stderr, "berth: the backup failed: %s\n", err.msg);
	return EXIT_FAILED;
}

int cmd_backup(int argc, char **argv)
{
	static const struct option options[] = {
	    {"keep", required_argument, NULL, 'k'}, {"quiet", no_argument, NULL, 'q'}, {NULL, 0, NULL, 0}};
	CLEANUP(free_ptr) char *dest = NULL;
	struct backup_call b = {0};
	uint64_t keep;
	int o;

	optind = 1;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "k:q", options, NULL)) != -1) {
		if (o == '?')
			return usage_error("backup", "backup has no option %s, or it needs a value", argv[optind - 1]);
		b.quiet |= o == 'q';
		if (o != 'k')
			continue;
		if (!slice_u64(slice_cstr(optarg), KEEP_MAX, &keep) || keep == 0)
			return usage_error("backup", "'%s' is not a number of backups to keep", optarg);
		b.keep = (unsigned)keep;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return usage_error(
		    "backup", "backup takes a directory for the backups and perhaps a configuration file");
	if (argv[optind][0] == '\0')
		return usage_error("backup", "the name of the directory for the backups is empty");
	dest = absolute(argv[optind]);
	b.dest = dest;
	return run_backup(&b, optind + 1 < argc ? argv[optind + 1] : NULL);
}

/* ---- restore ------------------------------------------------------------------------------ */

struct restore_call {
	const char *source, *name, *config;
	bool list, replace, verify, bytes, quiet;
	struct bar bar;
	struct restore_report report;
	struct verify_report verified;
};

static int list_backups(const char *source)
{
	struct backup_list list;
	struct err err = {0};
	struct stat st;
	char bytes[32], database[32];

	if (stat(source, &st) != 0 ? err_sys(&err, errno, "cannot use %s", source) : backup_list(source, &list, &err)) {
		fprintf(stderr, "berth: %s\n", err.msg);
		return EXIT_FAILED;
	}
	printf("%-16s %12s %8s %9s %8s %11s %11s  %s\n", "NAME", "REPOSITORIES", "TAGS", "MANIFESTS", "BLOBS", "BYTES",
	    "DATABASE", "NOTE");
	for (size_t i = 0; i < list.n; i++) {
		const struct backup_info *b = &list.v[i];

		printf("%-16s %12llu %8llu %9llu %8llu %11s %11s  ", b->name, (unsigned long long)b->repositories,
		    (unsigned long long)b->tags, (unsigned long long)b->manifests, (unsigned long long)b->blobs,
		    human_bytes(b->bytes, bytes), human_bytes(b->database_bytes, database));
		if (b->missing)
			printf("%llu blobs are missing", (unsigned long long)b->missing);
		printf("\n");
	}
	backup_list_free(&list);
	return EXIT_OK;
}

static bool on_restored(const struct restore_report *r, void *arg)
{
	struct restore_call *c = arg;
	char bytes[32];

	bar_show(&c->bar, r->blobs, r->blobs_total, "%llu/%llu blobs, %s", (unsigned long long)r->blobs,
	    (unsigned long long)r->blobs_total, human_bytes(r->bytes, bytes));
	return true;
}

static void on_damaged(const struct digest *d, const char *what, void *arg)
{
	struct restore_call *c = arg;
	char text[DIGEST_TEXT];

	show_problem(&c->bar, digest_format(d, text), what);
}

static bool on_verified(const struct verify_report *r, void *arg)
{
	struct restore_call *c = arg;

	bar_show(&c->bar, r->blobs, r->blobs_total, "verified %llu/%llu blobs", (unsigned long long)r->blobs,
	    (unsigned long long)r->blobs_total);
	return true;
}

static void on_found(const struct verify_finding *f, void *arg)
{
	struct restore_call *c = arg;
	char text[DIGEST_TEXT];

	if (f->problem == VERIFY_ORPHAN)
		return; /* of the registry that was replaced; they are counted */
	show_problem(&c->bar, digest_format(&f->digest, text), verify_problem_text(f->problem));
	for (size_t i = 0; i < f->nusers; i++)
		printf("    needed by %.*s%s%.*s\n", SLICE_ARG(f->users[i].repo), f->users[i].tag.n ? ":" : "",
		    SLICE_ARG(f->users[i].tag));
}

static enum err_code verify(const struct config *cfg, struct restore_call *c, struct storage *storage, struct err *err)
{
	struct verify_control control = {.progress = on_verified, .found = on_found, .arg = c};
	struct verify_rules rules = {.bytes = c->bytes};
	struct meta *meta = NULL;
	enum err_code rc;

	if (!c->verify)
		return ERR_OK;
	rc = meta_open(&(struct meta_options){.path = cfg->berth.database.path}, &meta, err);
	if (rc == ERR_OK)
		rc = verify_run(meta, storage, &rules, &control, &c->verified, err);
	meta_close(&meta);
	return rc;
}

static enum err_code restore(const struct config *cfg, struct restore_call *c, struct err *err)
{
	struct restore_control control = {.progress = on_restored, .problem = on_damaged, .arg = c};
	struct restore_options o = {.root = cfg->storage.filesystem.rootdirectory,
	    .database = cfg->berth.database.path,
	    .source = c->source,
	    .name = c->name,
	    .replace = c->replace};
	struct backup_info info;
	char at[BACKUP_PATH];
	/* Before a root directory is made for nothing. */
	enum err_code rc = restore_find(c->source, c->name, &info, at, err);

	if (rc == ERR_OK)
		rc = storage_fs_open(o.root, &o.storage, err);
	if (rc == ERR_OK)
		rc = restore_run(&o, &control, &c->report, err);
	if (rc == ERR_OK)
		rc = verify(cfg, c, o.storage, err);
	storage_free(&o.storage);
	return rc;
}

static int restored(const struct restore_call *c)
{
	const struct restore_report *r = &c->report;
	uint64_t damage = verify_damage(&c->verified);
	char bytes[32], orphans[32];

	if (!c->quiet)
		printf("restored %s: %llu blobs, %s%s\n", r->name, (unsigned long long)(r->blobs - r->damaged),
		    human_bytes(r->bytes, bytes), c->verify ? "; verified" : "");
	if (!c->quiet && r->old_database[0])
		printf("the database that was there before is %s\n", r->old_database);
	if (!c->quiet && c->verified.orphan_bytes)
		printf(
		    "%s of blobs that only the replaced registry had are still there; `berth verify --repair` removes "
		    "them\n",
		    human_bytes(c->verified.orphan_bytes, orphans));
	if (r->damaged == 0 && damage == 0)
		return EXIT_OK;
	fprintf(stderr,
	    "berth: the backup was damaged: %llu of its blobs could not be restored. All else was; pushing the images "
	    "that need them again heals them\n",
	    (unsigned long long)(r->damaged > damage ? r->damaged : damage));
	return EXIT_FAILED;
}

static int run_restore(struct restore_call *c)
{
	struct config *cfg;
	struct err err = {0};
	enum err_code rc;

	cfg = offline_config(c->config);
	if (!cfg)
		return EXIT_USAGE;
	bar_init(&c->bar, !c->quiet);
	rc = restore(cfg, c, &err);
	bar_clear(&c->bar);
	config_free(&cfg);
	if (rc == ERR_OK)
		return restored(c);
	fprintf(
	    stderr, "berth: %s: %s\n", c->report.blobs_total ? "the restore failed" : "nothing was restored", err.msg);
	return EXIT_FAILED;
}

int cmd_restore(int argc, char **argv)
{
	static const struct option options[] = {{"list", no_argument, NULL, 'l'}, {"replace", no_argument, NULL, 'r'},
	    {"no-verify", no_argument, NULL, 'n'}, {"blobs", no_argument, NULL, 'b'}, {"quiet", no_argument, NULL, 'q'},
	    {NULL, 0, NULL, 0}};
	struct restore_call c = {.verify = true};
	int o;

	optind = 1;
	opterr = 0;
	while ((o = getopt_long(argc, argv, "lrnbq", options, NULL)) != -1) {
		if (o == '?')
			return usage_error("restore", "restore has no option %s", argv[optind - 1]);
		c.list |= o == 'l';
		c.replace |= o == 'r';
		c.verify &= o != 'n';
		c.bytes |= o == 'b';
		c.quiet |= o == 'q';
	}
	if (optind == argc)
		return usage_error("restore", "restore needs the directory of the backups");
	c.source = argv[optind++];
	if (c.list)
		return optind == argc ? list_backups(c.source)
		                      : usage_error("restore", "--list takes a directory only");
	if (optind < argc && backup_name_valid(argv[optind]))
		c.name = argv[optind++];
	if (optind < argc)
		c.config = argv[optind++];
	if (optind < argc)
		return usage_error("restore",
		    "restore takes the directory of the backups, one of their names, and a "
		    "configuration file; not also %s",
		    argv[optind]);
	return run_restore(&c);
}
