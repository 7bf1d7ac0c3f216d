/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source_dir.c - a directory that was not packed: an OCI image layout, or an
 * archive that was unpacked; see source.h. Links are read as what they lead to,
 * directories through links are not entered.
 */
#include "archive/source.h"
#include "base/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 400000
#define DEPTH_MAX 16

struct dir_file {
	char *path;
	uint64_t size;
};

struct source_dir {
	struct source base; /* first */
	char *root;
	struct dir_file *v;
	size_t n, cap, next;
	int fd;        /* of the file being read, -1: none */
	uint64_t left; /* of its bytes */
	off_t offset;
};

static enum err_code list(struct source_dir *s, const char *below, unsigned depth, struct err *err);

static enum err_code add(struct source_dir *s, const char *path, const struct stat *st, struct err *err)
{
	if (s->n == FILES_MAX)
		return err_set(err, ERR_TOO_LARGE, "%s has more than %d files: this is no directory of images", s->root,
		    FILES_MAX);
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 256;
		s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
	}
	s->v[s->n++] = (struct dir_file){xstrdup(path), (uint64_t)st->st_size};
	s->base.total += (uint64_t)st->st_size;
	return ERR_OK;
}

static enum err_code visit(
    struct source_dir *s, const char *below, const struct dirent *entry, unsigned depth, struct err *err)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s%s%s", below, *below ? "/" : "", entry->d_name);
	CLEANUP(free_ptr) char *full = xasprintf("%s/%s", s->root, path);
	char checked[SOURCE_PATH_MAX + 1], shown[200];
	struct stat st;
	enum err_code rc;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return ERR_OK;
	rc = source_path(slice_cstr(path), checked, err);
	if (rc)
		return rc;
	if (fsys->stat(full, &st) != 0)
		return err_sys(err, errno, "cannot use %s", source_printable(slice_cstr(full), shown));
	if (S_ISREG(st.st_mode))
		return add(s, path, &st, err);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID, "%s is neither a file nor a directory: this is no directory of images",
		    source_printable(slice_cstr(full), shown));
	return entry->d_type == DT_LNK ? ERR_OK : list(s, path, depth + 1, err);
}

static enum err_code list(struct source_dir *s, const char *below, unsigned depth, struct err *err)
{
	CLEANUP(free_ptr) char *full = xasprintf("%s/%s", s->root, below);
	const struct dirent *entry;
	char shown[200];
	enum err_code rc = ERR_OK;
	DIR *dir;

	if (depth > DEPTH_MAX)
		return err_set(err, ERR_INVALID, "%s nests too deeply: this is no directory of images", s->root);
	dir = fsys->opendir(full);
	if (!dir)
		return err_sys(err, errno, "cannot read the directory %s", source_printable(slice_cstr(full), shown));
	while (rc == ERR_OK && (entry = readdir(dir)) != NULL)
		rc = visit(s, below, entry, depth, err);
	closedir(dir);
	return rc;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct dir_file *)a)->path, ((const struct dir_file *)b)->path);
}

static void close_current(struct source_dir *s)
{
	if (s->fd >= 0)
		fsys->close(s->fd);
	s->fd = -1;
}

static enum err_code dir_next(struct source *base, struct source_entry *e, bool *end, struct err *err)
{
	struct source_dir *s = (struct source_dir *)base;
	CLEANUP(free_ptr) char *full = NULL;
	const struct dir_file *f;

	close_current(s);
	if (s->next == s->n) {
		*end = true;
		return ERR_OK;
	}
	f = &s->v[s->next++];
	full = xasprintf("%s/%s", s->root, f->path);
	s->fd = fsys->open(full, O_RDONLY | O_CLOEXEC | O_NOCTTY, 0);
	if (s->fd < 0)
		return err_sys(err, errno, "cannot open %s", full);
	snprintf(e->path, sizeof(e->path), "%s", f->path);
	e->size = s->left = f->size;
	s->offset = 0;
	return ERR_OK;
}

static enum err_code dir_read(struct source *base, void *p, size_t n, size_t *got, struct err *err)
{
	struct source_dir *s = (struct source_dir *)base;
	const char *path = s->next ? s->v[s->next - 1].path : "";
	enum err_code rc;

	if (n > s->left)
		n = (size_t)s->left;
	if (n == 0)
		return ERR_OK;
	rc = fsys_read_all(s->fd, p, n, s->offset, got, err);
	if (rc) {
		err_context(err, "%s/%s", s->root, path);
		return rc;
	}
	if (*got < n)
		return err_set(err, ERR_CORRUPT,
		    "%s/%s became shorter while it was read: import it when it is complete", s->root, path);
	s->offset += (off_t)*got;
	s->left -= *got;
	s->base.at += *got;
	return ERR_OK;
}

static void dir_close(struct source *base)
{
	struct source_dir *s = (struct source_dir *)base;

	close_current(s);
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].path);
	free(s->v);
	free(s->root);
	free(s);
}

enum err_code source_open_dir(const char *path, struct source **out, struct err *err)
{
	static const struct source_ops ops = {dir_next, dir_read, dir_close};
	struct source_dir *s = xcalloc(1, sizeof(*s));
	enum err_code rc;

	s->base.ops = &ops;
	s->root = xstrdup(path);
	s->fd = -1;
	rc = list(s, "", 0, err);
	if (rc) {
		dir_close(&s->base);
		return rc;
	}
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_path);
	*out = &s->base;
	return ERR_OK;
}
