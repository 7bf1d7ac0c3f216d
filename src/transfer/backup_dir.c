/* SPDX-License-Identifier: Apache-2.0 */
/* backup_dir.c - the directory that backups are kept in; see backup_dir.h. */
#include "transfer/backup_dir.h"
#include "base/clock.h"
#include "base/fsys.h"
#include "transfer/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#define FORMAT 1
#define INFO_MAX ((size_t)64 * 1024)
#define PIECE ((size_t)1 << 20)
#define INFO "backup.json"

/* ---- names and paths ------------------------------------------------------------- */

bool backup_name_valid(const char *name)
{
	if (strlen(name) != BACKUP_NAME - 1 || name[8] != 'T' || name[BACKUP_NAME - 2] != 'Z')
		return false;
	return strspn(name, "0123456789") == 8 && strspn(name + 9, "0123456789") == 6;
}

void backup_name_of(int64_t real, char out[BACKUP_NAME])
{
	char text[CLOCK_TEXT];
	size_t n = 0;

	clock_rfc3339(real, 0, text);
	for (const char *c = text; *c && n + 1 < BACKUP_NAME; c++)
		if (*c != '-' && *c != ':')
			out[n++] = *c;
	out[n] = '\0';
}

static const char *join(char out[BACKUP_PATH], const char *dir, const char *rest)
{
	int n = snprintf(out, BACKUP_PATH, "%s/%s", dir, rest);

	ASSERT(n > 0 && n < BACKUP_PATH);
	return out;
}

const char *backup_blob_dir(const char *at, const struct digest *d, char out[BACKUP_PATH])
{
	char text[DIGEST_TEXT], rest[64];

	digest_format(d, text);
	snprintf(rest, sizeof(rest), "blobs/%s/%.2s", digest_alg_name(d->alg), strchr(text, ':') + 1);
	return join(out, at, rest);
}

const char *backup_blob_path(const char *at, const struct digest *d, char out[BACKUP_PATH])
{
	char text[DIGEST_TEXT], rest[64 + DIGEST_TEXT];
	const char *hex;

	digest_format(d, text);
	hex = strchr(text, ':') + 1;
	snprintf(rest, sizeof(rest), "blobs/%s/%.2s/%s", digest_alg_name(d->alg), hex, hex);
	return join(out, at, rest);
}

/* ---- backup.json ------------------------------------------------------------------ */

static const struct {
	const char *key;
	size_t offset;
} counts[] = {
    {"repositories", offsetof(struct backup_info, repositories)},
    {"manifests", offsetof(struct backup_info, manifests)},
    {"tags", offsetof(struct backup_info, tags)},
    {"blobs", offsetof(struct backup_info, blobs)},
    {"bytes", offsetof(struct backup_info, bytes)},
    {"missing", offsetof(struct backup_info, missing)},
    {"database_bytes", offsetof(struct backup_info, database_bytes)},
};

static const struct {
	const char *key;
	size_t offset, size;
} texts[] = {
    {"berth", offsetof(struct backup_info, berth), sizeof(((struct backup_info *)0)->berth)},
    {"name", offsetof(struct backup_info, name), sizeof(((struct backup_info *)0)->name)},
    {"database_sha256", offsetof(struct backup_info, database_sha256),
        sizeof(((struct backup_info *)0)->database_sha256)},
};

static bool read_fields(const json_t *o, struct backup_info *out)
{
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		const json_t *v = json_object_get(o, counts[i].key);
		uint64_t n = (uint64_t)json_integer_value(v);

		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return false;
		memcpy((char *)out + counts[i].offset, &n, sizeof(n));
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *v = json_string_value(json_object_get(o, texts[i].key));

		if (!v || !slice_to_cstr(slice_cstr(v), (char *)out + texts[i].offset, texts[i].size))
			return false;
	}
	return backup_name_valid(out->name);
}

enum err_code backup_info_read(const char *at, struct backup_info *out, struct err *err)
{
	char path[BACKUP_PATH];
	CLEANUP(free_ptr) char *text = NULL;
	enum err_code rc;
	json_int_t format;
	json_t *o;
	size_t n;

	memset(out, 0, sizeof(*out));
	rc = fsys_read_file(join(path, at, INFO), INFO_MAX, &text, &n, err);
	if (rc)
		return rc;
	o = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	format = json_integer_value(json_object_get(o, "version"));
	if (format > FORMAT)
		rc = err_set(err, ERR_UNSUPPORTED, "%s was made by a newer berth", at);
	else if (format != FORMAT || !read_fields(o, out))
		rc = err_set(err, ERR_CORRUPT, "%s is damaged", path);
	json_decref(o);
	return rc;
}

static enum err_code write_synced(const char *path, const char *text, struct err *err)
{
	enum err_code rc;
	int fd = fsys->open(path, O_WRONLY | O_CREAT | O_EXCL, 0666);

	if (fd < 0)
		return err_sys(err, errno, "cannot create %s", path);
	rc = fsys_write_all(fd, text, strlen(text), 0, err);
	if (rc)
		err_context(err, "%s", path);
	else if (fsys->fsync(fd) != 0)
		rc = err_sys(err, errno, "cannot sync %s", path);
	fsys->close(fd);
	return rc;
}

enum err_code backup_info_write(const char *at, const struct backup_info *info, struct err *err)
{
	char path[BACKUP_PATH];
	json_t *o = json_pack("{s:i}", "version", FORMAT);
	CLEANUP(free_ptr) char *text = NULL;
	CLEANUP(free_ptr) char *line = NULL;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		json_object_set_new(o, texts[i].key, json_string((const char *)info + texts[i].offset));
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		uint64_t n;

		memcpy(&n, (const char *)info + counts[i].offset, sizeof(n));
		json_object_set_new(o, counts[i].key, json_integer((json_int_t)n));
	}
	text = json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	if (!text)
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	line = xasprintf("%s\n", text);
	return write_synced(join(path, at, INFO), line, err);
}

/* ---- what there is ------------------------------------------------------------------ */

struct listing {
	const char *dir;
	struct backup_list *list;
};

static enum err_code list_one(const char *name, void *arg, struct err *err)
{
	struct listing *l = arg;
	char path[BACKUP_PATH];
	struct backup_info info;
	enum err_code rc;

	if (!backup_name_valid(name))
		return ERR_OK;
	rc = backup_info_read(join(path, l->dir, name), &info, err);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK; /* nothing of ours, or half of it was removed by hand */
	if (rc)
		return rc;
	/* The directory's name is the one to call it by. */
	memcpy(info.name, name, sizeof(info.name));
	l->list->v = xrealloc(l->list->v, (l->list->n + 1) * sizeof(info));
	l->list->v[l->list->n++] = info;
	return ERR_OK;
}

static int by_name(const void *a, const void *b)
{
	const struct backup_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

enum err_code backup_list(const char *dir, struct backup_list *out, struct err *err)
{
	struct listing l = {.dir = dir, .list = out};
	enum err_code rc;

	*out = (struct backup_list){NULL, 0};
	rc = layout_each(dir, list_one, &l, err);
	if (rc)
		backup_list_free(out);
	else if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_name);
	return rc;
}

void backup_list_free(struct backup_list *l)
{
	free(l->v);
	*l = (struct backup_list){NULL, 0};
}

enum err_code backup_lock(const char *dir, bool writing, int *fd, struct err *err)
{
	char path[BACKUP_PATH];

	join(path, dir, ".lock");
	*fd = writing ? fsys->open(path, O_RDWR | O_CREAT, 0666) : fsys->open(path, O_RDONLY, 0);
	if (*fd < 0)
		return writing ? err_sys(err, errno, "cannot write to %s", dir) : ERR_OK;
	if (flock(*fd, (writing ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
		return ERR_OK;
	/* Network file systems may have no locks; who backs up to one directory
	 * twice at a time has asked for it. */
	if (errno != EWOULDBLOCK)
		return ERR_OK;
	close_fd(fd);
	return err_set(err, ERR_BUSY, "another backup or restore is working on %s", dir);
}

/* ---- removing ------------------------------------------------------------------------ */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return type == FTW_DP || type == FTW_D || type == FTW_DNR ? fsys->rmdir(path) : fsys->unlink(path);
}

enum err_code backup_remove_tree(const char *path, struct err *err)
{
	enum { DESCRIPTORS = 16 };

	if (nftw(path, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
		return err_sys(err, errno, "cannot remove %s", path);
	return ERR_OK;
}

static enum err_code remove_partial(const char *name, void *arg, struct err *err)
{
	char path[BACKUP_PATH], head[BACKUP_NAME];

	if (strlen(name) != BACKUP_NAME - 1 + strlen(BACKUP_PARTIAL) ||
	    strcmp(name + BACKUP_NAME - 1, BACKUP_PARTIAL) != 0)
		return ERR_OK;
	memcpy(head, name, BACKUP_NAME - 1);
	head[BACKUP_NAME - 1] = '\0';
	return backup_name_valid(head) ? backup_remove_tree(join(path, arg, name), err) : ERR_OK;
}

enum err_code backup_remove_partial(const char *dir, struct err *err)
{
	CLEANUP(free_ptr) char *copy = xstrdup(dir);

	return layout_each(dir, remove_partial, copy, err);
}

/* ---- one file --------------------------------------------------------------------------- */

static enum err_code copy_hashing(int in, int out, struct hasher *h, uint64_t *size, struct err *err)
{
	CLEANUP(free_ptr) char *piece = xmalloc(PIECE);
	size_t got;

	*size = 0;
	do {
		enum err_code rc = fsys_read_all(in, piece, PIECE, (off_t)*size, &got, err);

		if (rc == ERR_OK && out >= 0)
			rc = fsys_write_all(out, piece, got, (off_t)*size, err);
		if (rc)
			return rc;
		hasher_update(h, piece, got);
		*size += got;
	} while (got == PIECE);
	if (out >= 0 && fsys->fsync(out) != 0)
		return err_sys(err, errno, "cannot sync");
	return ERR_OK;
}

enum err_code backup_copy_file(
    const char *from, const char *to, uint64_t *size, char sha256[DIGEST_TEXT], struct err *err)
{
	int out = -1, in = fsys->open(from, O_RDONLY, 0);
	struct digest digest;
	struct hasher *h;
	enum err_code rc;

	if (in < 0)
		return err_sys(err, errno, "cannot open %s", from);
	if (to && (out = fsys->open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0) {
		rc = err_sys(err, errno, "cannot create %s", to);
		fsys->close(in);
		return rc;
	}
	h = hasher_new(DIGEST_SHA256);
	rc = copy_hashing(in, out, h, size, err);
	if (rc)
		err_context(err, to ? "copying %s to %s" : "%s", from, to);
	hasher_digest(h, &digest);
	hasher_free(&h);
	digest_format(&digest, sha256);
	if (out >= 0)
		fsys->close(out);
	fsys->close(in);
	return rc;
}
