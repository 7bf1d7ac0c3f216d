/* SPDX-License-Identifier: Apache-2.0 */
/* source.c - names of entries, and opening what the user names; see source.h. */
#include "archive/source.h"
#include "base/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum err_code source_next(struct source *s, struct source_entry *e, bool *end, struct err *err)
{
	*end = false;
	e->link = false;
	e->path[0] = e->target[0] = '\0';
	e->size = 0;
	return s->ops->next(s, e, end, err);
}

enum err_code source_read(struct source *s, void *p, size_t n, size_t *got, struct err *err)
{
	*got = 0;
	return s->ops->read(s, p, n, got, err);
}

void source_close(struct source **s)
{
	if (*s)
		(*s)->ops->close(*s);
	*s = NULL;
}

/* ---- names ------------------------------------------------------------------- */

const char *source_printable(struct slice name, char out[200])
{
	size_t n = 0;

	for (size_t i = 0; i < name.n && n < 196; i++)
		out[n++] = name.p[i] >= ' ' && name.p[i] <= '~' ? name.p[i] : '?';
	if (name.n > n) {
		memcpy(out + n, "...", 3);
		n += 3;
	}
	out[n] = '\0';
	return out;
}

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return true;
	}
	return false;
}

/* Appends the components of `name` to the n bytes in out, going back for "..".
 * False when it leaves the top, or is too long. */
static bool add_components(char out[SOURCE_PATH_MAX + 1], size_t n, struct slice name)
{
	while (name.p) {
		struct slice part = slice_cut(&name, '/');

		if (part.n == 0 || slice_eq_cstr(part, "."))
			continue;
		if (slice_eq_cstr(part, "..")) {
			if (n == 0)
				return false;
			while (n > 0 && out[--n] != '/')
				;
			continue;
		}
		if (n + 1 + part.n > SOURCE_PATH_MAX)
			return false;
		if (n)
			out[n++] = '/';
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	out[n] = '\0';
	return true;
}

static bool goes_up(struct slice name)
{
	while (name.p) {
		if (slice_eq_cstr(slice_cut(&name, '/'), ".."))
			return true;
	}
	return false;
}

enum err_code source_path(struct slice name, char out[SOURCE_PATH_MAX + 1], struct err *err)
{
	const char *why = NULL;
	char shown[200];

	if (!name.p || name.n == 0)
		return err_set(err, ERR_INVALID, "the archive has an entry without a name: it is damaged");
	if (name.p[0] == '/')
		why = "is absolute";
	else if (goes_up(name))
		why = "leads out of the archive";
	else if (has_control(name))
		why = "has control characters";
	else if (!add_components(out, 0, name))
		why = "is longer than any in an archive of images";
	if (!why)
		return ERR_OK;
	return err_set(err, ERR_INVALID, "the name '%s' in the archive %s: this is no archive of images",
	    source_printable(name, shown), why);
}

enum err_code source_link(const char *path, struct slice target, char out[SOURCE_PATH_MAX + 1], struct err *err)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	char shown[200], from[200];

	memcpy(out, path, n);
	if (target.n && target.p[0] != '/' && !has_control(target) && add_components(out, n, target))
		return ERR_OK;
	return err_set(err, ERR_INVALID,
	    "the link '%s' in the archive leads to '%s', out of it: this is no archive of images",
	    source_printable(slice_cstr(path), from), source_printable(target, shown));
}

/* ---- opening -------------------------------------------------------------------- */

struct file {
	int fd;
	char name[200];
};

static enum err_code read_file(void *arg, void *p, size_t n, size_t *got, struct err *err)
{
	struct file *f = arg;
	ssize_t r;

	do
		r = read(f->fd, p, n);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_sys(err, errno, "cannot read %s", f->name);
	*got = (size_t)r;
	return ERR_OK;
}

static void close_file(void *arg)
{
	struct file *f = arg;

	if (f->fd > STDIN_FILENO)
		fsys->close(f->fd);
	free(f);
}

enum err_code source_open(const char *path, struct source **out, struct err *err)
{
	bool standard = strcmp(path, "-") == 0;
	struct file *f;
	struct stat st;
	int fd = standard ? STDIN_FILENO : fsys->open(path, O_RDONLY | O_CLOEXEC, 0);
	enum err_code rc;

	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	if (fsys->fstat(fd, &st) != 0) {
		rc = err_sys(err, errno, "cannot use %s", path);
		if (!standard)
			fsys->close(fd);
		return rc;
	}
	if (S_ISDIR(st.st_mode)) {
		if (!standard)
			fsys->close(fd);
		return source_open_dir(path, out, err);
	}
	if (standard && isatty(fd))
		return err_set(err, ERR_INVALID,
		    "standard input is a terminal: pipe an archive into the command, as in `docker save app:1.0 | berth import -i -`");
	f = xcalloc(1, sizeof(*f));
	f->fd = fd;
	source_printable(standard ? SLICE("standard input") : slice_cstr(path), f->name);
	rc = source_open_tar(read_file, close_file, f, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0, out, err);
	if (rc)
		close_file(f);
	return rc;
}
