/* SPDX-License-Identifier: Apache-2.0 */
/* layout.c - the repositories tree of registry:2; see layout.h. */
#include "transfer/layout.h"
#include "base/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINK_MAX_BYTES ((size_t)4096)

enum err_code layout_path(char out[LAYOUT_PATH], struct err *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, LAYOUT_PATH, fmt, ap);
	va_end(ap);
	if (n < 0 || n >= LAYOUT_PATH)
		return err_set(err, ERR_TOO_LARGE, "a path in the registry's directory is too long: %.200s...", out);
	return ERR_OK;
}

enum err_code layout_read_link(const char *path, struct digest *out, struct err *err)
{
	CLEANUP(free_ptr) char *text = NULL;
	struct slice s;
	size_t n;
	enum err_code rc = fsys_read_file(path, LINK_MAX_BYTES, &text, &n, err);

	if (rc)
		return rc;
	s = slice_of(text, n);
	while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
		s.n--;
	if (digest_parse(s, out) != DIGEST_VALID)
		return err_set(
		    err, ERR_CORRUPT, "%s holds no digest but '%.*s'", path, SLICE_ARG(slice_sub(s, 0, 100)));
	return ERR_OK;
}

/* The parents are made without a sync each: the caller syncs once at the end. */
static enum err_code make_dirs(const char *path, struct err *err)
{
	CLEANUP(free_ptr) char *copy = xstrdup(path);

	for (char *c = copy + 1;; c++) {
		char keep = *c;

		if (keep != '/' && keep != '\0')
			continue;
		*c = '\0';
		if (fsys->mkdir(copy, 0777) != 0 && errno != EEXIST)
			return err_sys(err, errno, "cannot create directory %s", copy);
		*c = keep;
		if (keep == '\0')
			return ERR_OK;
	}
}

enum err_code layout_write_link(const char *dir, const struct digest *name, const struct digest *to, struct err *err)
{
	char text[DIGEST_TEXT], path[LAYOUT_PATH];
	enum err_code rc;
	int fd;

	if (name)
		rc = layout_path(
		    path, err, "%s/%s/%s", dir, digest_alg_name(name->alg), strchr(digest_format(name, text), ':') + 1);
	else
		rc = layout_path(path, err, "%s", dir);
	if (rc == ERR_OK)
		rc = make_dirs(path, err);
	if (rc == ERR_OK && strlen(path) + sizeof("/link") > sizeof(path))
		rc = err_set(err, ERR_TOO_LARGE, "%s is too long", path);
	if (rc)
		return rc;
	memcpy(path + strlen(path), "/link", sizeof("/link"));
	fd = fsys->open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0)
		return err_sys(err, errno, "cannot create %s", path);
	digest_format(to, text);
	rc = fsys_write_all(fd, text, strlen(text), 0, err);
	fsys->close(fd);
	return rc ? err_context(err, "%s", path) : ERR_OK;
}

enum err_code layout_each(
    const char *dir, enum err_code (*each)(const char *, void *, struct err *), void *arg, struct err *err)
{
	enum err_code rc = ERR_OK;
	struct dirent *e;
	DIR *d = fsys->opendir(dir);

	if (!d)
		return errno == ENOENT || errno == ENOTDIR ? ERR_OK : err_sys(err, errno, "cannot list %s", dir);
	while (rc == ERR_OK && (e = fsys_next(d, dir, &rc, err)))
		rc = each(e->d_name, arg, err);
	fsys->closedir(d);
	return rc;
}
