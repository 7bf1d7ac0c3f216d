/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup.c - see backup.h. A backup is built under another name and gets its own
 * when all of it is synced, so what looks like a backup is one.
 */
#include "transfer/backup.h"
#include "base/clock.h"
#include "base/fsys.h"
#include "base/log.h"
#include "meta/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE 500
#define ARENA_MAX ((size_t)16 << 20)

struct backup {
	const struct backup_options *o;
	const struct backup_control *control;
	struct backup_report *report;
	struct backup_info info;
	char partial[BACKUP_PATH];
	char before[BACKUP_PATH]; /* the newest complete backup, "" without */
	struct meta *copy;        /* the copied database */
	struct arena arena;
	bool made[DIGEST_SHA512 + 1][256]; /* directories of blobs */
	bool ended;
};

static bool go_on(struct backup *b)
{
	if (!b->ended && b->control && b->control->progress && !b->control->progress(b->report, b->control->arg))
		b->ended = true;
	return !b->ended;
}

static enum err_code interrupted(struct err *err)
{
	return err_set(err, ERR_CLOSED, "interrupted");
}

/* ---- where it goes -------------------------------------------------------------- */

/* The path without links and dots, of which the end need not be there yet. */
static enum err_code resolve(const char *path, char out[PATH_MAX], struct err *err)
{
	CLEANUP(free_ptr) char *head = xstrdup(path);
	char real[PATH_MAX];
	size_t n = strlen(head);

	while (n > 1 && head[n - 1] == '/')
		head[--n] = '\0';
	while (!realpath(*head ? head : "/", real)) {
		char *slash = strrchr(head, '/');

		if (errno != ENOENT || !slash)
			return err_sys(err, errno, "cannot use %s", path);
		*slash = '\0';
	}
	if (snprintf(out, PATH_MAX, "%s%s", strcmp(real, "/") == 0 ? "" : real, path + strlen(head)) >= PATH_MAX)
		return err_set(err, ERR_TOO_LARGE, "%s is too long", path);
	return ERR_OK;
}

static enum err_code check_place(const struct backup_options *o, struct err *err)
{
	char dest[PATH_MAX], root[PATH_MAX];
	size_t n;
	enum err_code rc;

	if (o->dest[0] != '/')
		return err_set(err, ERR_INVALID, "%s is not an absolute path", o->dest);
	if (strlen(o->dest) > BACKUP_DIR_MAX)
		return err_set(err, ERR_TOO_LARGE, "the path of the backups is longer than %d bytes", BACKUP_DIR_MAX);
	rc = resolve(o->dest, dest, err);
	if (rc)
		return rc;
	if (!realpath(o->root, root))
		return err_sys(err, errno, "cannot use %s", o->root);
	n = strlen(root);
	if (strncmp(dest, root, n) == 0 && (dest[n] == '/' || dest[n] == '\0'))
		return err_set(err, ERR_INVALID,
		    "%s is inside of the registry's own directory %s: back up to another place, best on another disk",
		    o->dest, root);
	return ERR_OK;
}

/* A directory under a name that no backup has. Two within a second: the later
 * one waits. */
static enum err_code make_partial(struct backup *b, struct err *err)
{
	char path[BACKUP_PATH];
	struct stat st;

	for (;;) {
		backup_name_of(clock_real(), b->info.name);
		snprintf(path, sizeof(path), "%.*s/%s", BACKUP_DIR_MAX, b->o->dest, b->info.name);
		if (fsys->stat(path, &st) != 0)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 50 * CLOCK_MS}, NULL);
	}
	if (errno != ENOENT)
		return err_sys(err, errno, "cannot use %s", path);
	memcpy(b->report->name, b->info.name, sizeof(b->report->name));
	snprintf(b->partial, sizeof(b->partial), "%.*s/%s" BACKUP_PARTIAL, BACKUP_DIR_MAX, b->o->dest, b->info.name);
	if (fsys->mkdir(b->partial, 0777) != 0)
		return err_sys(err, errno, "cannot create directory %s", b->partial);
	return ERR_OK;
}

static enum err_code find_before(struct backup *b, struct err *err)
{
	struct backup_list list;
	enum err_code rc = backup_list(b->o->dest, &list, err);

	if (rc == ERR_OK && list.n)
		snprintf(b->before, sizeof(b->before), "%.*s/%s", BACKUP_DIR_MAX, b->o->dest, list.v[list.n - 1].name);
	backup_list_free(&list);
	return rc;
}

/* ---- the database ---------------------------------------------------------------- */

static enum err_code do_drop_uploads(struct meta_tx *tx, void *arg, struct err *err)
{
	const struct meta_uploads *u = arg;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < u->n; i++)
		rc = meta_tx_upload_delete(tx, u->v[i].id, err);
	return rc;
}

/* Their bytes are not in the backup. */
static enum err_code drop_uploads(struct backup *b, struct err *err)
{
	struct meta_uploads uploads;
	enum err_code rc;

	do {
		arena_reset(&b->arena);
		rc = meta_uploads_before(b->copy, INT64_MAX, PAGE, &b->arena, &uploads, err);
		if (rc == ERR_OK && uploads.n)
			rc = meta_write(b->copy, META_RELAXED, do_drop_uploads, &uploads, err);
	} while (rc == ERR_OK && uploads.n);
	return rc;
}

static enum err_code copy_database(struct backup *b, const char *path, struct err *err)
{
	struct meta_totals totals;
	enum err_code rc = meta_backup(b->o->meta, path, err);

	if (rc == ERR_OK)
		rc = meta_open(&(struct meta_options){.path = path, .readers = 1}, &b->copy, err);
	if (rc == ERR_OK)
		rc = drop_uploads(b, err);
	if (rc == ERR_OK)
		rc = meta_totals_get(b->copy, &totals, err);
	if (rc)
		return rc;
	b->info.repositories = totals.repositories;
	b->info.manifests = totals.manifests;
	b->info.tags = totals.tags;
	b->report->blobs_total = totals.blobs;
	b->report->bytes_total = totals.blob_bytes;
	return ERR_OK;
}

/* ---- blobs ------------------------------------------------------------------------ */

static enum err_code make_dir(struct backup *b, const struct digest *d, struct err *err)
{
	bool *made = &b->made[d->alg][d->bytes[0]];
	char path[BACKUP_PATH];

	if (*made)
		return ERR_OK;
	backup_blob_dir(b->partial, d, path);
	for (char *c = path + strlen(b->partial) + 1;; c++) {
		char keep = *c;

		if (keep != '/' && keep != '\0')
			continue;
		*c = '\0';
		if (fsys->mkdir(path, 0777) != 0 && errno != EEXIST)
			return err_sys(err, errno, "cannot create directory %s", path);
		*c = keep;
		if (keep == '\0')
			break;
	}
	*made = true;
	return ERR_OK;
}

static bool link_before(struct backup *b, const struct meta_walk_blob *blob, const char *to)
{
	char from[BACKUP_PATH];
	struct stat st;

	if (!b->before[0])
		return false;
	backup_blob_path(b->before, &blob->digest, from);
	if (fsys->stat(from, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != blob->size)
		return false;
	return fsys->link(from, to) == 0;
}

static bool on_copied(uint64_t n, void *arg)
{
	struct backup *b = arg;

	b->report->bytes += n;
	b->report->copied += n;
	return go_on(b);
}

/* The registry's own file first: where it can be linked that costs nothing, and
 * if it was damaged and pushed again since, it is the better one. */
static enum err_code take_blob(struct backup *b, const struct meta_walk_blob *blob, struct err *err)
{
	struct storage_copy copy = {.link_only = true, .progress = on_copied, .arg = b};
	struct backup_report before = *b->report;
	char to[BACKUP_PATH];
	enum err_code rc = make_dir(b, &blob->digest, err);

	if (rc)
		return rc;
	backup_blob_path(b->partial, &blob->digest, to);
	rc = storage_export(b->o->storage, &blob->digest, blob->size, to, &copy, err);
	if (rc && link_before(b, blob, to))
		rc = ERR_OK;
	if (rc == ERR_UNSUPPORTED) {
		copy.link_only = false;
		rc = storage_export(b->o->storage, &blob->digest, blob->size, to, &copy, err);
	}
	b->report->bytes = before.bytes + (rc ? 0 : blob->size);
	if (rc)
		b->report->copied = before.copied;
	return rc;
}

/* What the registry itself has lost must not keep the rest from being backed up. */
static bool lost(enum err_code rc)
{
	return rc == ERR_NOT_FOUND || rc == ERR_MISMATCH || rc == ERR_CORRUPT;
}

static enum err_code tell_lost(struct backup *b, const struct digest *d, const struct err *why)
{
	char text[DIGEST_TEXT];

	b->report->missing++;
	LOG_ERROR("a blob cannot be backed up", LOG_STR("digest", digest_format(d, text)), LOG_STR("error", why->msg));
	if (b->control && b->control->problem)
		b->control->problem(d, why->msg, b->control->arg);
	return ERR_OK;
}

static enum err_code take_blobs(struct backup *b, struct err *err)
{
	struct meta_walk_blobs page;
	int64_t after = 0;
	enum err_code rc;

	do {
		arena_reset(&b->arena);
		rc = meta_walk_blobs(b->copy, after, PAGE, &b->arena, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			after = page.v[i].id;
			if (!go_on(b))
				return interrupted(err);
			rc = take_blob(b, &page.v[i], err);
			if (lost(rc))
				rc = tell_lost(b, &page.v[i].digest, err);
			b->report->blobs++;
		}
	} while (rc == ERR_OK && page.n);
	return rc;
}

/* ---- the end ------------------------------------------------------------------------ */

static enum err_code complete(struct backup *b, const char *database, struct err *err)
{
	char path[BACKUP_PATH];
	enum err_code rc;

	b->info.blobs = b->report->blobs - b->report->missing;
	b->info.bytes = b->report->bytes;
	b->info.missing = b->report->missing;
	snprintf(b->info.berth, sizeof(b->info.berth), "%s", BERTH_VERSION);
	rc = backup_copy_file(database, NULL, &b->info.database_bytes, b->info.database_sha256, err);
	b->report->database = b->info.database_bytes;
	if (rc == ERR_OK)
		rc = backup_info_write(b->partial, &b->info, err);
	if (rc == ERR_OK)
		rc = fsys_sync_fs(b->partial, err);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%.*s/%s", BACKUP_DIR_MAX, b->o->dest, b->info.name);
	if (fsys->rename(b->partial, path) != 0)
		return err_sys(err, errno, "cannot rename %s", b->partial);
	b->partial[0] = '\0';
	return fsys_sync_dir(b->o->dest, err);
}

/* Half removed it must not look complete, so it loses its name first. */
static enum err_code prune_one(struct backup *b, const char *name, struct err *err)
{
	char path[BACKUP_PATH], doomed[BACKUP_PATH];

	snprintf(path, sizeof(path), "%.*s/%s", BACKUP_DIR_MAX, b->o->dest, name);
	snprintf(doomed, sizeof(doomed), "%.*s/%s" BACKUP_PARTIAL, BACKUP_DIR_MAX, b->o->dest, name);
	if (fsys->rename(path, doomed) != 0)
		return err_sys(err, errno, "cannot remove the old backup %s", path);
	b->report->pruned++;
	return backup_remove_tree(doomed, err);
}

static enum err_code prune(struct backup *b, struct err *err)
{
	struct backup_list list;
	enum err_code rc;
	size_t left;

	if (b->o->keep == 0 || b->report->missing)
		return ERR_OK;
	rc = backup_list(b->o->dest, &list, err);
	left = list.n;
	for (size_t i = 0; rc == ERR_OK && i < list.n && left > b->o->keep; i++) {
		/* After the clock was set back the new one is not the last. */
		if (strcmp(list.v[i].name, b->info.name) == 0)
			continue;
		rc = prune_one(b, list.v[i].name, err);
		left--;
	}
	backup_list_free(&list);
	return rc ? err_context(err, "the backup %s is complete, but old ones could not be removed", b->info.name)
	          : ERR_OK;
}

static enum err_code make(struct backup *b, struct err *err)
{
	char database[BACKUP_PATH];
	enum err_code rc = backup_remove_partial(b->o->dest, err);

	if (rc == ERR_OK)
		rc = find_before(b, err);
	if (rc == ERR_OK)
		rc = make_partial(b, err);
	if (rc)
		return rc;
	snprintf(database, sizeof(database), "%.*s/" BACKUP_DATABASE, BACKUP_PATH - 16, b->partial);
	rc = copy_database(b, database, err);
	if (rc == ERR_OK)
		rc = take_blobs(b, err);
	meta_close(&b->copy);
	if (rc == ERR_OK)
		rc = complete(b, database, err);
	if (rc && b->partial[0])
		(void)!backup_remove_tree(b->partial, NULL);
	return rc ? rc : prune(b, err);
}

enum err_code backup_run(
    const struct backup_options *o, const struct backup_control *control, struct backup_report *out, struct err *err)
{
	struct backup *b; /* its paths are too much for the stack of a request's thread */
	int lock = -1;
	enum err_code rc = check_place(o, err);

	*out = (struct backup_report){0};
	if (rc == ERR_OK)
		rc = fsys_mkdirs(o->dest, err);
	if (rc == ERR_OK)
		rc = backup_lock(o->dest, true, &lock, err);
	if (rc)
		return rc;
	b = xcalloc(1, sizeof(*b));
	b->o = o;
	b->control = control;
	b->report = out;
	arena_init(&b->arena, ARENA_MAX);
	rc = make(b, err);
	arena_free(&b->arena);
	free(b);
	close_fd(&lock);
	return rc;
}
