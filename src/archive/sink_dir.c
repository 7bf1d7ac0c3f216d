/* SPDX-License-Identifier: Apache-2.0 */
/* sink_dir.c - writing files into a directory; see sink.h. */
#include "archive/sink.h"
#include "base/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH 4096

struct sink_dir {
	struct sink base;    /* first */
	char *root;          /* where files are written */
	char *final;         /* what it is renamed to at the end; NULL: it is there */
	int fd;              /* of the file being written; -1: it is there already */
	char at[PATH];       /* its final name */
	char part[PATH + 8]; /* and the one it has while it is written */
	off_t offset;
};

static enum err_code make_parent(struct sink_dir *s, struct err *err)
{
	CLEANUP(free_ptr) char *parent = xstrdup(s->at);

	*strrchr(parent, '/') = '\0';
	return fsys_mkdirs(parent, err);
}

/* The names of all files so far. */
static enum err_code sync_all(struct sink_dir *s, struct err *err)
{
	static const char *const below[] = {"/blobs/sha256", "/blobs/sha512", "/blobs", ""};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(below); i++) {
		CLEANUP(free_ptr) char *path = xasprintf("%s%s", s->root, below[i]);
		struct stat st;

		if (fsys->stat(path, &st) == 0)
			rc = fsys_sync_dir(path, err);
	}
	return rc;
}

static enum err_code dir_begin(struct sink *base, const char *path, uint64_t size, struct err *err)
{
	struct sink_dir *s = (struct sink_dir *)base;
	int n = snprintf(s->at, sizeof(s->at), "%s/%s", s->root, path);
	struct stat st;
	enum err_code rc;

	if (n < 0 || (size_t)n >= sizeof(s->at))
		return err_set(err, ERR_TOO_LARGE, "the name of the directory is too long");
	s->fd = -1;
	s->offset = 0;
	if (slice_starts(slice_cstr(path), SLICE("blobs/"))) {
		if (fsys->stat(s->at, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size)
			return ERR_OK;
		rc = make_parent(s, err);
	} else {
		rc = sync_all(s, err); /* what speaks of blobs comes after them */
	}
	if (rc)
		return rc;
	snprintf(s->part, sizeof(s->part), "%s.part", s->at);
	s->fd = fsys->open(s->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return s->fd < 0 ? err_sys(err, errno, "cannot write %s", s->part) : ERR_OK;
}

static enum err_code dir_write(struct sink *base, const void *p, size_t n, struct err *err)
{
	struct sink_dir *s = (struct sink_dir *)base;
	enum err_code rc;

	if (s->fd < 0)
		return ERR_OK;
	rc = fsys_write_all(s->fd, p, n, s->offset, err);
	s->offset += (off_t)n;
	if (rc)
		err_context(err, "cannot write %s", s->part);
	return rc;
}

static enum err_code dir_end(struct sink *base, struct err *err)
{
	struct sink_dir *s = (struct sink_dir *)base;
	enum err_code rc = ERR_OK;

	if (s->fd < 0)
		return ERR_OK;
	if (fsys->fsync(s->fd) != 0)
		rc = err_sys(err, errno, "cannot write %s", s->part);
	fsys->close(s->fd);
	s->fd = -1;
	if (rc == ERR_OK && fsys->rename(s->part, s->at) != 0)
		rc = err_sys(err, errno, "cannot rename %s", s->part);
	if (rc)
		(void)fsys->unlink(s->part);
	return rc;
}

/* The part before the last slash. */
static enum err_code sync_parent(const char *of, struct err *err)
{
	CLEANUP(free_ptr) char *parent = xstrdup(of);
	char *slash = strrchr(parent, '/');

	if (slash)
		*slash = '\0';
	return fsys_sync_dir(!slash ? "." : *parent ? parent : "/", err);
}

static enum err_code dir_finish(struct sink *base, struct err *err)
{
	struct sink_dir *s = (struct sink_dir *)base;
	enum err_code rc = sync_all(s, err);

	if (rc || !s->final)
		return rc;
	if (fsys->rename(s->root, s->final) != 0)
		return err_sys(err, errno, "cannot rename %s to %s", s->root, s->final);
	rc = sync_parent(s->final, err);
	free(s->final);
	s->final = NULL;
	return rc;
}

/* Removes a directory whose name was never the final one, with all that was written. */
static void remove_tree(const char *path, unsigned depth)
{
	DIR *dir = depth ? fsys->opendir(path) : NULL;
	const struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL) {
		CLEANUP(free_ptr) char *child = xasprintf("%s/%s", path, e->d_name);

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (fsys->unlink(child) != 0)
			remove_tree(child, depth - 1);
	}
	if (dir)
		closedir(dir);
	(void)fsys->rmdir(path);
}

static void dir_close(struct sink *base)
{
	struct sink_dir *s = (struct sink_dir *)base;

	if (s->fd >= 0) {
		fsys->close(s->fd);
		(void)fsys->unlink(s->part);
	}
	if (s->final)
		remove_tree(s->root, 3);
	free(s->root);
	free(s->final);
	free(s);
}

static bool is_layout(const char *root)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/oci-layout", root);
	struct stat st;

	return fsys->stat(path, &st) == 0;
}

/* An empty directory, or an image layout that is added to. */
static enum err_code check(const char *path, bool *fresh, struct err *err)
{
	const struct dirent *e;
	bool other = false;
	DIR *dir;

	*fresh = !is_layout(path);
	if (!*fresh)
		return ERR_OK;
	dir = fsys->opendir(path);
	if (!dir)
		return errno == ENOENT ? ERR_OK : err_sys(err, errno, "cannot use %s", path);
	while ((e = readdir(dir)) != NULL)
		other |= strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(dir);
	if (other)
		return err_set(err, ERR_EXISTS,
		    "%s is neither empty nor an OCI image layout: choose another directory, or a name that ends in .tar",
		    path);
	return ERR_OK;
}

enum err_code sink_open_dir(const char *path, struct sink **out, struct err *err)
{
	static const struct sink_ops ops = {dir_begin, dir_write, dir_end, dir_finish, dir_close};
	CLEANUP(free_ptr) char *name = xstrdup(path), *root = NULL;
	size_t n = strlen(name);
	struct sink_dir *s;
	bool fresh;
	enum err_code rc;

	while (n > 1 && name[n - 1] == '/')
		name[--n] = '\0';
	rc = check(name, &fresh, err);
	if (rc == ERR_OK) {
		root = fresh ? xasprintf("%s.%d.part", name, (int)getpid()) : xstrdup(name);
		rc = fsys_mkdirs(root, err);
	}
	if (rc)
		return rc;
	s = xcalloc(1, sizeof(*s));
	s->base = (struct sink){.ops = &ops, .directory = true};
	s->root = xstrdup(root);
	s->final = fresh ? xstrdup(name) : NULL;
	s->fd = -1;
	*out = &s->base;
	return ERR_OK;
}
