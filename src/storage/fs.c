/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs.c - the storage driver on a directory, in the layout of registry:2.
 *
 * Invariants:
 *  1. A file at a blob's path is whole and durable before its directory entry
 *     is: bytes are written to uploads/<uuid>, synced, and only then renamed.
 *  2. upload_commit returns success only when the entry of the file, and the
 *     entries of every directory created for it, are synced.
 *  3. Committing a blob that is there renames over it. The new bytes are synced
 *     and verified, so this is safe at any moment, and heals a damaged file.
 *  4. What a crash leaves under uploads/ is invisible to readers and is removed
 *     by upload purging.
 */
#include "storage/fs_copy.h"
#include "storage/fs_path.h"
#include "storage/fs_writer.h"
#include "storage/storage.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct fs {
	struct storage base;
	char *root;
	int lock_fd;
	/* Two-digit directories known to be there durably, a bit each. */
	_Atomic uint8_t prefixes[DIGEST_SHA512 + 1][32];
};

struct fs_upload {
	struct storage_upload base;
	struct fs_writer out;
	char id[UUID_TEXT];
};

static struct fs *fs_of(struct storage *s)
{
	OBJ_CHECK(s, STORAGE_MAGIC);
	return (struct fs *)s;
}

/* ---- blobs -------------------------------------------------------------- */

static enum err_code not_here(const struct digest *d, struct err *err)
{
	char text[DIGEST_TEXT];

	return err_set(err, ERR_NOT_FOUND, "blob %s is not in the storage", digest_format(d, text));
}

/* What stands at the path of a blob is a file, or the tree was tampered with. */
static enum err_code check_file(const struct stat *st, const char *path, struct err *err)
{
	if (S_ISREG(st->st_mode))
		return ERR_OK;
	return err_set(err, ERR_CORRUPT, "%s is not a file", path);
}

static enum err_code fs_stat_blob(struct storage *s, const struct digest *d, uint64_t *size, struct err *err)
{
	char path[FS_PATH];
	struct stat st;

	fs_path_blob(fs_of(s)->root, d, path);
	if (fsys->stat(path, &st) != 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return not_here(d, err);
		return err_sys(err, errno, "cannot stat %s", path);
	}
	*size = (uint64_t)st.st_size;
	return check_file(&st, path, err);
}

static enum err_code fs_open_blob(struct storage *s, const struct digest *d, struct storage_blob *out, struct err *err)
{
	char path[FS_PATH];
	struct stat st;
	enum err_code rc;

	fs_path_blob(fs_of(s)->root, d, path);
	out->fd = fsys->open(path, O_RDONLY, 0);
	if (out->fd < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return not_here(d, err);
		return err_sys(err, errno, "cannot open %s", path);
	}
	if (fsys->fstat(out->fd, &st) != 0)
		rc = err_sys(err, errno, "cannot stat %s", path);
	else
		rc = check_file(&st, path, err);
	if (rc) {
		fsys->close(out->fd);
		out->fd = -1;
		return rc;
	}
	out->size = (uint64_t)st.st_size;
	return ERR_OK;
}

static enum err_code fs_read_blob(struct storage_blob *b, uint64_t at, void *p, size_t n, size_t *got, struct err *err)
{
	return fsys_read_all(b->fd, p, n, (off_t)at, got, err);
}

static void fs_close_blob(struct storage_blob *b)
{
	if (b->fd >= 0)
		fsys->close(b->fd);
	b->fd = -1;
}

static enum err_code fs_remove_blob(struct storage *s, const struct digest *d, struct err *err)
{
	char path[FS_PATH];
	bool there;

	fs_path_blob(fs_of(s)->root, d, path);
	there = fsys->unlink(path) == 0;
	if (!there && errno == ENOTDIR)
		return not_here(d, err);
	if (!there && errno != ENOENT)
		return err_sys(err, errno, "cannot remove %s", path);
	/* Also when the bytes were gone: a removal that came only so far is
	 * finished. A push of the same blob may have put it back already; the
	 * directory then is not empty and stays. */
	fs_path_blob_dir(fs_of(s)->root, d, path);
	if (fsys->rmdir(path) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
		return err_sys(err, errno, "cannot remove %s", path);
	return there ? ERR_OK : not_here(d, err);
}

static enum err_code fs_sync_removals(struct storage *s, const struct digest *d, size_t n, struct err *err)
{
	bool done[DIGEST_SHA512 + 1][256] = {{false}};
	char path[FS_PATH];

	for (size_t i = 0; i < n; i++) {
		bool *prefix = &done[d[i].alg][d[i].bytes[0]];
		enum err_code rc;

		if (*prefix)
			continue;
		*prefix = true;
		rc = fsys_sync_dir(fs_path_prefix(fs_of(s)->root, &d[i], path), err);
		if (rc && rc != ERR_NOT_FOUND)
			return rc;
	}
	return ERR_OK;
}

static enum err_code fs_quarantine(struct storage *s, const struct digest *d, struct err *err)
{
	const char *root = fs_of(s)->root;
	char from[FS_PATH], to[FS_PATH], dir[FS_PATH];
	enum err_code rc = fsys_mkdirs(fs_path_quarantine(root, dir), err);

	if (rc)
		return rc;
	fs_path_blob(root, d, from);
	fs_path_quarantined(root, d, to);
	if (fsys->rename(from, to) != 0) {
		if (errno == ENOENT)
			return not_here(d, err);
		return err_sys(err, errno, "cannot rename %s to %s", from, to);
	}
	return fsys_sync_dir(dir, err);
}

/* ---- walking the tree ----------------------------------------------------- */

struct walk {
	struct fs *fs;
	bool (*each)(const struct digest *, uint64_t, void *);
	void *arg;
	bool stop;
};

/* Visits the blobs below one two-digit directory. */
static enum err_code walk_prefix(struct walk *w, enum digest_alg alg, const char *dir, struct err *err)
{
	enum err_code rc = ERR_OK;
	struct dirent *e;
	DIR *d = fsys->opendir(dir);

	if (!d)
		return errno == ENOTDIR ? ERR_OK : err_sys(err, errno, "cannot list %s", dir);
	while (!rc && !w->stop && (e = fsys_next(d, dir, &rc, err))) {
		struct digest digest = {.alg = alg};
		uint64_t size;

		if (!hex_decode(slice_cstr(e->d_name), digest.bytes, digest_size(alg)))
			continue;
		rc = fs_stat_blob(&w->fs->base, &digest, &size, err);
		if (rc == ERR_OK)
			w->stop = !w->each(&digest, size, w->arg);
		else if (rc == ERR_NOT_FOUND || rc == ERR_CORRUPT)
			rc = ERR_OK; /* removed meanwhile, or never a blob */
	}
	fsys->closedir(d);
	return rc;
}

static enum err_code walk_algorithm(struct walk *w, enum digest_alg alg, struct err *err)
{
	char path[FS_PATH], prefix[FS_PATH];
	enum err_code rc = ERR_OK;
	struct dirent *e;
	DIR *d = fsys->opendir(fs_path_algorithm(w->fs->root, alg, path));

	if (!d)
		return errno == ENOENT ? ERR_OK : err_sys(err, errno, "cannot list %s", path);
	while (!rc && !w->stop && (e = fsys_next(d, path, &rc, err))) {
		if (strlen(e->d_name) != 2)
			continue;
		if (snprintf(prefix, sizeof(prefix), "%s/%s", path, e->d_name) < (int)sizeof(prefix))
			rc = walk_prefix(w, alg, prefix, err);
	}
	fsys->closedir(d);
	return rc;
}

static enum err_code fs_list_blobs(
    struct storage *s, bool (*each)(const struct digest *, uint64_t, void *), void *arg, struct err *err)
{
	struct walk w = {.fs = fs_of(s), .each = each, .arg = arg};
	enum err_code rc = walk_algorithm(&w, DIGEST_SHA256, err);

	return rc ? rc : walk_algorithm(&w, DIGEST_SHA512, err);
}

/* ---- uploads ------------------------------------------------------------ */

static struct fs_upload *upload_of(struct storage_upload *u)
{
	OBJ_CHECK(u, STORAGE_UPLOAD_MAGIC);
	return (struct fs_upload *)u;
}

static enum err_code upload_new(
    struct storage *s, const char *id, int flags, struct storage_upload **out, struct err *err)
{
	struct fs_upload *u;
	char path[FS_PATH];
	struct stat st;
	int fd;

	fs_path_upload(fs_of(s)->root, id, path);
	fd = fsys->open(path, O_RDWR | flags, 0666);
	if (fd < 0)
		return err_sys(err, errno, "cannot open upload %s", path);
	if (fsys->fstat(fd, &st) != 0) {
		enum err_code rc = err_sys(err, errno, "cannot stat upload %s", path);

		fsys->close(fd);
		if (flags & O_CREAT)
			fsys->unlink(path);
		return rc;
	}
	u = xcalloc(1, sizeof(*u));
	u->base = (struct storage_upload){STORAGE_UPLOAD_MAGIC, s, (uint64_t)st.st_size};
	fs_writer_init(&u->out, fd, u->base.size);
	snprintf(u->id, sizeof(u->id), "%s", id);
	*out = &u->base;
	return ERR_OK;
}

static enum err_code fs_upload_create(struct storage *s, const char *id, struct storage_upload **out, struct err *err)
{
	return upload_new(s, id, O_CREAT | O_EXCL, out, err);
}

static enum err_code fs_upload_open(struct storage *s, const char *id, struct storage_upload **out, struct err *err)
{
	return upload_new(s, id, 0, out, err);
}

static void fs_upload_start(struct storage_upload *base, const void *p, size_t n)
{
	fs_writer_start(&upload_of(base)->out, p, n, base->size);
}

static enum err_code fs_upload_wait(struct storage_upload *base, struct err *err)
{
	struct fs_upload *u = upload_of(base);
	enum err_code rc = fs_writer_wait(&u->out, err);

	if (rc) {
		/* Bytes behind the size would be taken for received ones after a
		 * restart; where even this fails, the digest check catches it. */
		bool torn = fsys->ftruncate(u->out.fd, (off_t)base->size) != 0;

		err_context(err, "upload %s%s", u->id, torn ? " (may have a torn end)" : "");
		return rc;
	}
	base->size += u->out.n;
	return ERR_OK;
}

static enum err_code fs_upload_read(
    struct storage_upload *base, uint64_t at, void *p, size_t n, size_t *got, struct err *err)
{
	struct fs_upload *u = upload_of(base);

	fs_writer_pause(&u->out);
	return fsys_read_all(u->out.fd, p, n, (off_t)at, got, err);
}

static void fs_upload_close(struct storage_upload **base)
{
	struct fs_upload *u = upload_of(*base);

	fs_writer_done(&u->out);
	fsys->close(u->out.fd);
	u->base.magic = 0;
	free(u);
	*base = NULL;
}

/* The two-digit directory, durably; remembered, as there are only 256 of them. */
static enum err_code make_prefix(struct fs *fs, const struct digest *d, struct err *err)
{
	_Atomic uint8_t *bits = &fs->prefixes[d->alg][d->bytes[0] >> 3];
	uint8_t bit = (uint8_t)(1U << (d->bytes[0] & 7));
	char path[FS_PATH];
	enum err_code rc;

	if (atomic_load_explicit(bits, memory_order_acquire) & bit)
		return ERR_OK;
	rc = fsys_mkdirs(fs_path_prefix(fs->root, d, path), err);
	if (rc)
		return rc;
	/* They may have been made by somebody who died before the sync. */
	rc = fsys_sync_dir(fs_path_algorithm(fs->root, d->alg, path), err);
	if (rc == ERR_OK)
		rc = fsys_sync_dir(fs_path_blobs(fs->root, path), err);
	if (rc == ERR_OK)
		atomic_fetch_or_explicit(bits, bit, memory_order_release);
	return rc;
}

/* Somebody took the two-digit directory away while we thought it was there. */
static enum err_code remake_prefix(struct fs *fs, const struct digest *d, struct err *err)
{
	atomic_fetch_and_explicit(
	    &fs->prefixes[d->alg][d->bytes[0] >> 3], (uint8_t) ~(1U << (d->bytes[0] & 7)), memory_order_release);
	return make_prefix(fs, d, err);
}

/* Renames the synced upload to its digest. The blob's directory may be removed
 * at the same time by somebody who deletes the blob: then it is made again. */
static enum err_code place(struct fs *fs, const char *from, const struct digest *d, struct err *err)
{
	char dir[FS_PATH], to[FS_PATH];

	fs_path_blob_dir(fs->root, d, dir);
	fs_path_blob(fs->root, d, to);
	for (int tries = 0; tries < 16; tries++) {
		enum err_code rc;

		if (fsys->mkdir(dir, 0777) != 0 && errno != EEXIST) {
			if (errno != ENOENT)
				return err_sys(err, errno, "cannot create directory %s", dir);
			rc = remake_prefix(fs, d, err);
			if (rc)
				return rc;
			continue;
		}
		if (fsys->rename(from, to) == 0)
			return ERR_OK;
		if (errno != ENOENT)
			return err_sys(err, errno, "cannot rename %s to %s", from, to);
	}
	return err_sys(err, ENOENT, "cannot rename %s to %s", from, to);
}

/* Makes the name of a blob durable. */
static enum err_code sync_entry(struct fs *fs, const struct digest *d, struct err *err)
{
	char path[FS_PATH];
	enum err_code rc = fsys_sync_dir(fs_path_blob_dir(fs->root, d, path), err);

	return rc ? rc : fsys_sync_dir(fs_path_prefix(fs->root, d, path), err);
}

static enum err_code fs_upload_commit(struct storage_upload **base, const struct digest *d, struct err *err)
{
	struct fs_upload *u = upload_of(*base);
	struct fs *fs = fs_of(u->base.store);
	char from[FS_PATH];
	enum err_code rc;

	fs_path_upload(fs->root, u->id, from);
	if (fsys->fsync(u->out.fd) != 0) {
		rc = err_sys(err, errno, "cannot sync %s", from);
		/* The kernel forgets pages it could not write and a second sync
		 * would succeed without them: these bytes cannot be had any more. */
		fsys->unlink(from);
	} else {
		rc = make_prefix(fs, d, err);
	}
	if (rc == ERR_OK)
		rc = place(fs, from, d, err);
	if (rc == ERR_OK)
		rc = sync_entry(fs, d, err);
	fs_upload_close(base);
	return rc;
}

static enum err_code fs_upload_abort(struct storage *s, const char *id, struct err *err)
{
	char path[FS_PATH];

	fs_path_upload(fs_of(s)->root, id, path);
	if (fsys->unlink(path) != 0)
		return err_sys(err, errno, "cannot remove upload %s", path);
	return ERR_OK;
}

static enum err_code fs_upload_list(
    struct storage *s, bool (*each)(const char *, int64_t, void *), void *arg, struct err *err)
{
	char dir[FS_PATH], path[FS_PATH];
	enum err_code rc = ERR_OK;
	struct dirent *e;
	bool go_on = true;
	DIR *d = fsys->opendir(fs_path_uploads(fs_of(s)->root, dir));

	if (!d)
		return err_sys(err, errno, "cannot list %s", dir);
	while (go_on && (e = fsys_next(d, dir, &rc, err))) {
		struct stat st;

		if (!uuid_valid(slice_cstr(e->d_name)) ||
		    fsys->stat(fs_path_upload(fs_of(s)->root, e->d_name, path), &st) != 0)
			continue;
		go_on = each(e->d_name, st.st_mtim.tv_sec * CLOCK_S + st.st_mtim.tv_nsec, arg);
	}
	fsys->closedir(d);
	return rc;
}

/* ---- from and to files elsewhere -------------------------------------------- */

static enum err_code fs_export(
    struct storage *s, const struct digest *d, uint64_t size, const char *path, struct storage_copy *c, struct err *err)
{
	char from[FS_PATH];

	return fs_copy(fs_path_blob(fs_of(s)->root, d, from), path, d, size, false, c, err);
}

/* Not durably: a commit that needs the directory makes sure of it by itself. */
static enum err_code make_prefix_quickly(struct fs *fs, const struct digest *d, struct err *err)
{
	char path[FS_PATH];

	if ((fsys->mkdir(fs_path_algorithm(fs->root, d->alg, path), 0777) != 0 && errno != EEXIST) ||
	    (fsys->mkdir(fs_path_prefix(fs->root, d, path), 0777) != 0 && errno != EEXIST))
		return err_sys(err, errno, "cannot create directory %s", path);
	return ERR_OK;
}

/* The file becomes a blob by way of uploads/, where a crash leaves what purging
 * removes. */
static enum err_code bring(struct fs *fs, const struct digest *d, uint64_t size, const char *path, bool sync,
    struct storage_copy *c, struct err *err)
{
	char id[UUID_TEXT], at[FS_PATH];
	enum err_code rc;

	uuid_random(id);
	rc = fs_copy(path, fs_path_upload(fs->root, id, at), d, size, sync, c, err);
	if (rc)
		return rc;
	rc = make_prefix_quickly(fs, d, err);
	if (rc == ERR_OK)
		rc = place(fs, at, d, err);
	/* A rename onto another name of the same file does nothing at all. */
	if (fsys->unlink(at) != 0 && errno != ENOENT && rc == ERR_OK)
		rc = err_sys(err, errno, "cannot remove %s", at);
	return rc;
}

/* New bytes are synced before they replace others, and with all the rest where
 * none are. */
static enum err_code fs_import(
    struct storage *s, const struct digest *d, uint64_t size, const char *path, struct storage_copy *c, struct err *err)
{
	struct fs *fs = fs_of(s);
	char to[FS_PATH];
	struct stat st;

	return bring(fs, d, size, path, fsys->stat(fs_path_blob(fs->root, d, to), &st) == 0, c, err);
}

static enum err_code fs_alias(struct storage *s, const struct digest *from, const struct digest *to, struct err *err)
{
	struct fs *fs = fs_of(s);
	struct storage_copy copy = {0};
	char path[FS_PATH];
	uint64_t size = 0;
	enum err_code rc = fs_stat_blob(s, from, &size, err);

	if (rc == ERR_OK)
		rc = make_prefix(fs, to, err);
	if (rc == ERR_OK)
		rc = bring(fs, to, size, fs_path_blob(fs->root, from, path), true, &copy, err);
	return rc ? rc : sync_entry(fs, to, err);
}

static enum err_code fs_sync(struct storage *s, struct err *err)
{
	return fsys_sync_fs(fs_of(s)->root, err);
}

/* ---- the store ------------------------------------------------------------ */

static enum err_code fs_check(struct storage *s, struct err *err)
{
	char path[FS_PATH];
	struct stat st;

	if (fsys->stat(fs_path_uploads(fs_of(s)->root, path), &st) != 0)
		return err_sys(err, errno, "cannot stat %s", path);
	return ERR_OK;
}

static void fs_stats(struct storage *s, struct storage_stats *out)
{
	struct statvfs v;

	if (statvfs(fs_of(s)->root, &v) == 0) {
		out->bytes_free = (uint64_t)v.f_bavail * v.f_frsize;
		out->bytes_total = (uint64_t)v.f_blocks * v.f_frsize;
	}
}

static void fs_free(struct storage *s)
{
	struct fs *fs = fs_of(s);

	close_fd(&fs->lock_fd);
	free(fs->root);
	storage_base_done(&fs->base);
	free(fs);
}

static const struct storage_ops fs_ops = {
    .name = "filesystem",
    .stat = fs_stat_blob,
    .open = fs_open_blob,
    .read = fs_read_blob,
    .close_blob = fs_close_blob,
    .remove = fs_remove_blob,
    .sync_removals = fs_sync_removals,
    .quarantine = fs_quarantine,
    .list = fs_list_blobs,
    .export = fs_export,
    .import = fs_import,
    .sync = fs_sync,
    .alias = fs_alias,
    .upload_create = fs_upload_create,
    .upload_open = fs_upload_open,
    .upload_start = fs_upload_start,
    .upload_wait = fs_upload_wait,
    .upload_read = fs_upload_read,
    .upload_commit = fs_upload_commit,
    .upload_close = fs_upload_close,
    .upload_abort = fs_upload_abort,
    .upload_list = fs_upload_list,
    .check = fs_check,
    .stats = fs_stats,
    .free = fs_free,
};

/* One process at a time may own the directory; says which one does. */
static enum err_code take_lock(struct fs *fs, struct err *err)
{
	char path[FS_PATH], pid[32];
	ssize_t n;
	int len;

	fs_path_lock(fs->root, path);
	fs->lock_fd = fsys->open(path, O_RDWR | O_CREAT, 0666);
	if (fs->lock_fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	if (flock(fs->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK)
			return err_sys(err, errno, "cannot lock %s", path);
		n = fsys->pread(fs->lock_fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return err_set(err, ERR_BUSY,
		    "%s is in use by another berth (process %s): stop it, or give this one a directory of its own",
		    fs->root, pid[0] ? pid : "unknown");
	}
	len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (fsys->ftruncate(fs->lock_fd, 0) != 0 || fsys->pwrite(fs->lock_fd, pid, (size_t)len, 0) != len)
		return err_sys(err, errno, "cannot write %s", path);
	return ERR_OK;
}

/* Finds out at the start, not at the first push, that nothing can be written. */
static enum err_code try_writing(struct fs *fs, struct err *err)
{
	char id[UUID_TEXT];
	struct storage_upload *u = NULL;
	enum err_code rc;

	uuid_random(id);
	rc = fs_upload_create(&fs->base, id, &u, err);
	if (rc)
		return rc;
	fs_upload_close(&u);
	return fs_upload_abort(&fs->base, id, err);
}

/* Makes a directory of ours, and syncs all that lead to it from the root:
 * whoever made them may have died before doing so. */
static enum err_code make_tree(const char *root, const char *path, struct err *err)
{
	CLEANUP(free_ptr) char *parent = xstrdup(path);
	enum err_code rc = fsys_mkdirs(path, err);

	while (rc == ERR_OK && strlen(parent) > strlen(root)) {
		*strrchr(parent, '/') = '\0';
		rc = fsys_sync_dir(*parent ? parent : "/", err);
	}
	return rc;
}

enum err_code storage_fs_open(const char *root, struct storage **out, struct err *err)
{
	char path[FS_PATH];
	struct fs *fs;
	enum err_code rc;

	if (!*root)
		return err_set(err, ERR_INVALID, "the path of the storage directory is empty");
	if (strlen(root) > FS_ROOT_MAX)
		return err_set(
		    err, ERR_TOO_LARGE, "the path of the storage directory is longer than %d bytes", FS_ROOT_MAX);
	fs = xcalloc(1, sizeof(*fs));
	storage_base_init(&fs->base, &fs_ops);
	fs->root = xstrdup(root);
	fs->lock_fd = -1;
	rc = make_tree(root, fs_path_uploads(root, path), err);
	if (rc == ERR_OK)
		rc = make_tree(root, fs_path_blobs(root, path), err);
	if (rc == ERR_OK)
		rc = take_lock(fs, err);
	if (rc == ERR_OK)
		rc = try_writing(fs, err);
	if (rc) {
		fs_free(&fs->base);
		err_context(err, "storage directory %s cannot be used", root);
		return rc;
	}
	*out = &fs->base;
	return ERR_OK;
}
