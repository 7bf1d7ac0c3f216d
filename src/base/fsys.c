/* SPDX-License-Identifier: Apache-2.0 */
/* fsys.c - the table of file system calls and helpers on top; see fsys.h. */
#include "base/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int sys_open(const char *path, int flags, mode_t mode)
{
	return open(path, flags | O_CLOEXEC, mode);
}

static int sys_fstat(int fd, struct stat *st)
{
	return fstat(fd, st);
}

static int sys_stat(const char *path, struct stat *st)
{
	return stat(path, st);
}

static int sys_sync_range_start(int fd, off_t at, off_t n)
{
	return sync_file_range(fd, at, n, SYNC_FILE_RANGE_WRITE);
}

static int sys_set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT);
}

static int sys_clone(int to, int from)
{
	return ioctl(to, FICLONE, from);
}

const struct fsys_ops fsys_system = {
    .open = sys_open,
    .close = close,
    .pread = pread,
    .pwrite = pwrite,
    .fsync = fsync,
    .sync_range_start = sys_sync_range_start,
    .set_direct = sys_set_direct,
    .ftruncate = ftruncate,
    .fstat = sys_fstat,
    .stat = sys_stat,
    .rename = rename,
    .link = link,
    .unlink = unlink,
    .mkdir = mkdir,
    .rmdir = rmdir,
    .clone = sys_clone,
    .sync_fs = syncfs,
    .opendir = opendir,
    .readdir = readdir,
    .closedir = closedir,
};

const struct fsys_ops *fsys = &fsys_system;

enum err_code fsys_write_all(int fd, const void *p, size_t n, off_t at, struct err *err)
{
	const char *b = p;

	while (n) {
		ssize_t done = fsys->pwrite(fd, b, n, at);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(err, errno, "cannot write");
		if (done == 0)
			return err_set(err, ERR_IO, "cannot write: the system accepted no bytes");
		b += done;
		n -= (size_t)done;
		at += done;
	}
	return ERR_OK;
}

enum err_code fsys_read_all(int fd, void *p, size_t n, off_t at, size_t *got, struct err *err)
{
	char *b = p;

	*got = 0;
	while (*got < n) {
		ssize_t done = fsys->pread(fd, b + *got, n - *got, at + (off_t)*got);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(err, errno, "cannot read");
		if (done == 0)
			break;
		*got += (size_t)done;
	}
	return ERR_OK;
}

enum err_code fsys_sync_dir(const char *path, struct err *err)
{
	enum err_code rc = ERR_OK;
	int fd = fsys->open(path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_sys(err, errno, "cannot open directory %s", path);
	if (fsys->fsync(fd) != 0)
		rc = err_sys(err, errno, "cannot sync directory %s", path);
	fsys->close(fd);
	return rc;
}

enum err_code fsys_sync_fs(const char *path, struct err *err)
{
	enum err_code rc = ERR_OK;
	int fd = fsys->open(path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return err_sys(err, errno, "cannot open directory %s", path);
	if (fsys->sync_fs(fd) != 0)
		rc = err_sys(err, errno, "cannot sync the file system of %s", path);
	fsys->close(fd);
	return rc;
}

struct dirent *fsys_next(DIR *d, const char *path, enum err_code *rc, struct err *err)
{
	struct dirent *e;

	do {
		errno = 0;
		e = fsys->readdir(d);
	} while (e && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
	if (!e && errno)
		*rc = err_sys(err, errno, "cannot list %s", path);
	return e;
}

/* Makes `path` itself; its parent exists. Syncs the parent when it was new. */
static enum err_code mkdir_durable(char *path, struct err *err)
{
	enum err_code rc;
	char *slash;

	if (fsys->mkdir(path, 0777) != 0) {
		struct stat st;

		if (errno != EEXIST)
			return err_sys(err, errno, "cannot create directory %s", path);
		if (fsys->stat(path, &st) != 0)
			return err_sys(err, errno, "cannot use %s", path);
		if (!S_ISDIR(st.st_mode))
			return err_set(err, ERR_INVALID, "%s is there, but is not a directory", path);
		return ERR_OK;
	}
	slash = strrchr(path, '/');
	if (!slash)
		return fsys_sync_dir(".", err);
	if (slash == path)
		return fsys_sync_dir("/", err);
	*slash = '\0';
	rc = fsys_sync_dir(path, err);
	*slash = '/';
	return rc;
}

enum err_code fsys_mkdirs(const char *path, struct err *err)
{
	CLEANUP(free_ptr) char *copy = xstrdup(path);
	size_t n = strlen(copy);

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	for (size_t i = 1; i <= n; i++) {
		enum err_code rc;
		char keep = copy[i];

		if (keep != '/' && keep != '\0')
			continue;
		copy[i] = '\0';
		rc = mkdir_durable(copy, err);
		copy[i] = keep;
		if (rc)
			return rc;
	}
	return ERR_OK;
}

/* What can only be read from front to end: a pipe, a terminal. */
static enum err_code read_stream(int fd, char *p, size_t n, size_t *got, struct err *err)
{
	*got = 0;
	while (*got < n) {
		ssize_t done = read(fd, p + *got, n - *got);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(err, errno, "cannot read");
		if (done == 0)
			break;
		*got += (size_t)done;
	}
	return ERR_OK;
}

enum err_code fsys_read_file(const char *path, size_t max, char **out, size_t *n, struct err *err)
{
	enum err_code rc;
	struct stat st;
	char *p = NULL;
	int fd = fsys->open(path, O_RDONLY, 0);

	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	if (fsys->fstat(fd, &st) != 0) {
		rc = err_sys(err, errno, "cannot read %s", path);
	} else if (S_ISDIR(st.st_mode)) {
		rc = err_set(err, ERR_INVALID, "cannot read %s: it is a directory", path);
	} else {
		/* Pipes and files of /proc say 0, so the ceiling decides, not st_size. */
		size_t room =
		    S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size < max ? (size_t)st.st_size : max;

		p = xmalloc(room + 2);
		if (S_ISREG(st.st_mode))
			rc = fsys_read_all(fd, p, room + 1, 0, n, err);
		else
			rc = read_stream(fd, p, room + 1, n, err);
		if (rc)
			err_context(err, "%s", path);
		else if (*n > max)
			rc = err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
	}
	fsys->close(fd);
	if (rc) {
		free(p);
		return rc;
	}
	p[*n] = '\0';
	*out = p;
	return ERR_OK;
}
