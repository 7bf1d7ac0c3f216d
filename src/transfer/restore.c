/* SPDX-License-Identifier: Apache-2.0 */
/* restore.c - brings a backup back; see restore.h. */
#include "transfer/restore.h"
#include "base/clock.h"
#include "base/fsys.h"
#include "meta/walk.h"
#include "transfer/adopt.h"
#include "transfer/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE 500
#define ARENA_MAX ((size_t)16 << 20)

struct restore {
	const struct restore_options *o;
	const struct restore_control *control;
	struct restore_report *report;
	struct backup_info info;
	char at[BACKUP_PATH];     /* the backup */
	char fresh[LAYOUT_PATH];  /* the restored database, until it takes its place */
	char before[LAYOUT_PATH]; /* where the one that is there goes */
	struct meta *meta;        /* open on `fresh` */
	struct arena arena;
	bool ended;
};

static bool go_on(struct restore *r)
{
	if (!r->ended && r->control && r->control->progress && !r->control->progress(r->report, r->control->arg))
		r->ended = true;
	return !r->ended;
}

/* ---- which backup -------------------------------------------------------------------- */

static enum err_code find_in(
    const char *source, const char *name, const struct backup_list *list, struct backup_info *info, struct err *err)
{
	if (list->n == 0)
		return err_set(err, ERR_NOT_FOUND, "there is no complete backup in %s", source);
	if (!name) {
		*info = list->v[list->n - 1];
		return ERR_OK;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->v[i].name, name) == 0) {
			*info = list->v[i];
			return ERR_OK;
		}
	}
	return err_set(err, ERR_NOT_FOUND, "there is no complete backup %s in %s; the newest is %s", name, source,
	    list->v[list->n - 1].name);
}

enum err_code restore_find(
    const char *source, const char *name, struct backup_info *info, char at[BACKUP_PATH], struct err *err)
{
	struct backup_list list;
	struct stat st;
	enum err_code rc;

	if (strlen(source) > BACKUP_DIR_MAX)
		return err_set(err, ERR_TOO_LARGE, "the path of the backups is longer than %d bytes", BACKUP_DIR_MAX);
	if (fsys->stat(source, &st) != 0)
		return err_sys(err, errno, "cannot use %s", source);
	rc = name ? ERR_NOT_FOUND : backup_info_read(source, info, err);
	if (rc != ERR_NOT_FOUND) {
		snprintf(at, BACKUP_PATH, "%s", source);
		return rc;
	}
	rc = backup_list(source, &list, err);
	if (rc == ERR_OK)
		rc = find_in(source, name, &list, info, err);
	if (rc == ERR_OK)
		snprintf(at, BACKUP_PATH, "%.*s/%s", BACKUP_DIR_MAX, source, info->name);
	backup_list_free(&list);
	return rc;
}

/* ---- what is there already -------------------------------------------------------------- */

static bool seen_one(const struct digest *d, uint64_t size, void *arg)
{
	bool *seen = arg;

	*seen = true;
	return false;
}

static enum err_code check_empty(struct restore *r, struct err *err)
{
	bool blobs = false;
	struct stat st;
	enum err_code rc;

	if (r->o->replace)
		return ERR_OK;
	if (fsys->stat(r->o->database, &st) == 0)
		return err_set(
		    err, ERR_EXISTS, "there is a registry already: %s; --replace replaces it", r->o->database);
	/* An interrupted restore may have left blobs. */
	if (fsys->stat(r->fresh, &st) == 0)
		return ERR_OK;
	rc = storage_list(r->o->storage, seen_one, &blobs, err);
	if (rc == ERR_OK && blobs)
		rc = err_set(err, ERR_EXISTS, "%s holds blobs already; --replace puts the backup there nevertheless",
		    r->o->root);
	return rc;
}

/* ---- blobs ------------------------------------------------------------------------------- */

static bool on_copied(uint64_t n, void *arg)
{
	struct restore *r = arg;

	r->report->bytes += n;
	r->report->copied += n;
	return go_on(r);
}

static enum err_code bring_blob(struct restore *r, const struct meta_walk_blob *blob, struct err *err)
{
	struct storage_copy copy = {.progress = on_copied, .arg = r};
	uint64_t bytes = r->report->bytes, copied = r->report->copied;
	char from[BACKUP_PATH];
	enum err_code rc = storage_import(
	    r->o->storage, &blob->digest, blob->size, backup_blob_path(r->at, &blob->digest, from), &copy, err);

	r->report->blobs++;
	r->report->bytes = bytes + (rc ? 0 : blob->size);
	if (rc)
		r->report->copied = copied;
	if (rc != ERR_NOT_FOUND && rc != ERR_MISMATCH && rc != ERR_CORRUPT)
		return rc;
	r->report->damaged++;
	if (r->control && r->control->problem)
		r->control->problem(&blob->digest, err->msg, r->control->arg);
	return ERR_OK;
}

static enum err_code bring_blobs(struct restore *r, struct err *err)
{
	struct meta_walk_blobs page;
	int64_t after = 0;
	enum err_code rc;

	do {
		arena_reset(&r->arena);
		rc = meta_walk_blobs(r->meta, after, PAGE, &r->arena, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			after = page.v[i].id;
			rc = go_on(r) ? bring_blob(r, &page.v[i], err) : err_set(err, ERR_CLOSED, "interrupted");
		}
	} while (rc == ERR_OK && page.n);
	return rc ? rc : storage_sync(r->o->storage, err);
}

/* ---- the database ------------------------------------------------------------------------- */

static void remove_fresh(struct restore *r)
{
	char path[LAYOUT_PATH + 8];

	(void)fsys->unlink(r->fresh);
	snprintf(path, sizeof(path), "%s-wal", r->fresh);
	(void)fsys->unlink(path);
	snprintf(path, sizeof(path), "%s-shm", r->fresh);
	(void)fsys->unlink(path);
}

static enum err_code bring_database(struct restore *r, struct err *err)
{
	CLEANUP(free_ptr) char *parent = xstrdup(r->o->database);
	char from[BACKUP_PATH], sha256[DIGEST_TEXT], *slash = strrchr(parent, '/');
	struct meta_totals totals;
	uint64_t size;
	enum err_code rc = ERR_OK;

	if (slash && slash > parent) {
		*slash = '\0';
		rc = fsys_mkdirs(parent, err);
	}
	if (rc)
		return rc;
	remove_fresh(r);
	snprintf(from, sizeof(from), "%.*s/" BACKUP_DATABASE, BACKUP_PATH - 16, r->at);
	rc = backup_copy_file(from, r->fresh, &size, sha256, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, ERR_CORRUPT, "the backup %s is damaged: %s is missing", r->info.name, from);
	if (rc)
		return rc;
	if (size != r->info.database_bytes || strcmp(sha256, r->info.database_sha256) != 0)
		return err_set(err, ERR_CORRUPT,
		    "the backup %s is damaged: %s is not what was written; take another backup", r->info.name, from);
	rc = meta_open(&(struct meta_options){.path = r->fresh, .readers = 1}, &r->meta, err);
	if (rc == ERR_OK)
		rc = meta_totals_get(r->meta, &totals, err);
	if (rc)
		return rc;
	r->report->blobs_total = totals.blobs;
	r->report->bytes_total = totals.blob_bytes;
	return ERR_OK;
}

/* Renames what stands at `path` to `to`, if there is something. */
static enum err_code put_aside(const char *path, const char *to, bool *done, struct err *err)
{
	*done = fsys->rename(path, to) == 0;
	if (!*done && errno != ENOENT && errno != ENOTDIR)
		return err_sys(err, errno, "cannot rename %s to %s", path, to);
	return ERR_OK;
}

/* A tree of registry:2 that the restored registry has never seen would be taken
 * over by the next start. */
static enum err_code put_tree_aside(struct restore *r, const char *stamp, struct err *err)
{
	struct adopt_options o = {.root = r->o->root, .meta = r->meta, .storage = r->o->storage};
	char tree[LAYOUT_PATH], to[LAYOUT_PATH];
	bool needed;
	enum err_code rc = adopt_needed(&o, &needed, err);

	if (rc || !needed)
		return rc;
	rc = layout_path(tree, err, "%s/" LAYOUT_REPOSITORIES, r->o->root);
	if (rc == ERR_OK)
		rc = layout_path(to, err, "%s/" LAYOUT_REPOSITORIES ".before-%s", r->o->root, stamp);
	return rc ? rc : put_aside(tree, to, &needed, err);
}

static void put_back(struct restore *r)
{
	char from[LAYOUT_PATH + 8], to[LAYOUT_PATH + 8];

	snprintf(from, sizeof(from), "%s-wal", r->before);
	snprintf(to, sizeof(to), "%s-wal", r->o->database);
	(void)fsys->rename(r->before, r->o->database);
	(void)fsys->rename(from, to);
}

/* The log goes first and keeps its relation to the old database by its name;
 * beside the new one it would be taken for its own. */
static enum err_code swap(struct restore *r, struct err *err)
{
	CLEANUP(free_ptr) char *parent = xstrdup(r->o->database);
	char from[LAYOUT_PATH + 8], to[LAYOUT_PATH + 8], *slash = strrchr(parent, '/');
	bool done;
	enum err_code rc;

	snprintf(from, sizeof(from), "%s-wal", r->o->database);
	snprintf(to, sizeof(to), "%s-wal", r->before);
	rc = put_aside(from, to, &done, err);
	if (rc == ERR_OK)
		rc = put_aside(r->o->database, r->before, &done, err);
	if (rc)
		return rc;
	snprintf(from, sizeof(from), "%s-shm", r->o->database);
	(void)fsys->unlink(from);
	if (fsys->rename(r->fresh, r->o->database) != 0) {
		rc = err_sys(err, errno, "cannot rename %s to %s", r->fresh, r->o->database);
		put_back(r);
		return rc;
	}
	if (done)
		memcpy(r->report->old_database, r->before, sizeof(r->report->old_database));
	if (slash)
		*slash = '\0';
	return fsys_sync_dir(!slash ? "." : *parent ? parent : "/", err);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static enum err_code restore(struct restore *r, struct err *err)
{
	char stamp[BACKUP_NAME];
	enum err_code rc = check_empty(r, err);

	if (rc)
		return rc;
	backup_name_of(clock_real(), stamp);
	rc = layout_path(r->before, err, "%s.before-%s", r->o->database, stamp);
	if (rc)
		return rc;
	rc = bring_database(r, err);
	if (rc) {
		meta_close(&r->meta);
		remove_fresh(r);
		return rc;
	}
	rc = bring_blobs(r, err);
	if (rc == ERR_OK)
		rc = put_tree_aside(r, stamp, err);
	meta_close(&r->meta);
	if (rc == ERR_OK)
		rc = swap(r, err);
	return rc;
}

enum err_code restore_run(
    const struct restore_options *o, const struct restore_control *control, struct restore_report *out, struct err *err)
{
	struct restore r = {.o = o, .control = control, .report = out};
	int lock = -1;
	enum err_code rc = restore_find(o->source, o->name, &r.info, r.at, err);

	*out = (struct restore_report){0};
	if (rc == ERR_OK)
		rc = layout_path(r.fresh, err, "%s.restoring", o->database);
	if (rc == ERR_OK)
		rc = backup_lock(o->source, false, &lock, err);
	if (rc)
		return rc;
	memcpy(out->name, r.info.name, sizeof(out->name));
	arena_init(&r.arena, ARENA_MAX);
	rc = restore(&r, err);
	arena_free(&r.arena);
	close_fd(&lock);
	return rc;
}
