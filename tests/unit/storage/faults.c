/* SPDX-License-Identifier: Apache-2.0 */
/* faults.c - file systems that fail; see faults.h. */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	unsigned left; /* calls until the one that fails, 0: it did */
	int sys;
	enum faults_mode mode;
	bool half_written; /* the next write is the one that fails */
	const char *hit;
} faults;

/* Counts a call; true when it is to fail. */
static bool fails(const char *name)
{
	bool now = faults.hit ? faults.mode == FAULTS_FOREVER : --faults.left == 0;

	if (now && !faults.hit)
		faults.hit = name;
	if (now)
		errno = faults.sys;
	return now;
}

static int faulty_open(const char *path, int flags, mode_t mode)
{
	return fails("open") ? -1 : fsys_system.open(path, flags, mode);
}

/* As the system does it: the descriptor is gone all the same. */
static int faulty_close(int fd)
{
	int rc = fsys_system.close(fd);

	return !faults.hit && fails("close") ? -1 : rc;
}

static ssize_t faulty_pread(int fd, void *p, size_t n, off_t at)
{
	return fails("pread") ? -1 : fsys_system.pread(fd, p, n, at);
}

static ssize_t faulty_pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (faults.half_written) {
		faults.half_written = false;
		errno = faults.sys;
		return -1;
	}
	if (!fails("pwrite"))
		return fsys_system.pwrite(fd, p, n, at);
	if (n < 2)
		return -1;
	faults.half_written = true;
	/* A file that is written past the page cache takes whole blocks only. */
	return fsys_system.pwrite(fd, p, n < 8192 ? n / 2 : n / 8192 * 4096, at);
}

/* Waiting for the disk proves nothing here and takes most of the time. */
static int quick_fsync(int fd)
{
	struct stat st;

	return fstat(fd, &st);
}

static int faulty_fsync(int fd)
{
	return fails("fsync") ? -1 : quick_fsync(fd);
}

static int faulty_sync_range_start(int fd, off_t at, off_t n)
{
	return fails("sync_range_start") ? -1 : fsys_system.sync_range_start(fd, at, n);
}

static int faulty_set_direct(int fd, bool on)
{
	return fails("set_direct") ? -1 : fsys_system.set_direct(fd, on);
}

static int faulty_ftruncate(int fd, off_t size)
{
	return fails("ftruncate") ? -1 : fsys_system.ftruncate(fd, size);
}

static int faulty_fstat(int fd, struct stat *st)
{
	return fails("fstat") ? -1 : fsys_system.fstat(fd, st);
}

static int faulty_stat(const char *path, struct stat *st)
{
	return fails("stat") ? -1 : fsys_system.stat(path, st);
}

static int faulty_rename(const char *from, const char *to)
{
	return fails("rename") ? -1 : fsys_system.rename(from, to);
}

static int faulty_link(const char *from, const char *to)
{
	return fails("link") ? -1 : fsys_system.link(from, to);
}

static int faulty_unlink(const char *path)
{
	return fails("unlink") ? -1 : fsys_system.unlink(path);
}

static int faulty_mkdir(const char *path, mode_t mode)
{
	return fails("mkdir") ? -1 : fsys_system.mkdir(path, mode);
}

static int faulty_rmdir(const char *path)
{
	return fails("rmdir") ? -1 : fsys_system.rmdir(path);
}

static int faulty_clone(int to, int from)
{
	return fails("clone") ? -1 : fsys_system.clone(to, from);
}

static int faulty_sync_fs(int fd)
{
	return fails("sync_fs") ? -1 : quick_fsync(fd);
}

static DIR *faulty_opendir(const char *path)
{
	return fails("opendir") ? NULL : fsys_system.opendir(path);
}

static struct dirent *faulty_readdir(DIR *d)
{
	return fails("readdir") ? NULL : fsys_system.readdir(d);
}

static int faulty_closedir(DIR *d)
{
	int rc = fsys_system.closedir(d);

	return !faults.hit && fails("closedir") ? -1 : rc;
}

static const struct fsys_ops faulty = {
    .open = faulty_open,
    .close = faulty_close,
    .pread = faulty_pread,
    .pwrite = faulty_pwrite,
    .fsync = faulty_fsync,
    .sync_range_start = faulty_sync_range_start,
    .set_direct = faulty_set_direct,
    .ftruncate = faulty_ftruncate,
    .fstat = faulty_fstat,
    .stat = faulty_stat,
    .rename = faulty_rename,
    .link = faulty_link,
    .unlink = faulty_unlink,
    .mkdir = faulty_mkdir,
    .rmdir = faulty_rmdir,
    .clone = faulty_clone,
    .sync_fs = faulty_sync_fs,
    .opendir = faulty_opendir,
    .readdir = faulty_readdir,
    .closedir = faulty_closedir,
};

void faults_arm(unsigned n, int sys, enum faults_mode mode)
{
	faults.left = n;
	faults.sys = sys;
	faults.mode = mode;
	faults.half_written = false;
	faults.hit = NULL;
	fsys = &faulty;
}

const char *faults_disarm(void)
{
	faults_none();
	return faults.hit;
}

void faults_none(void)
{
	static struct fsys_ops quick;

	quick = fsys_system;
	quick.fsync = quick_fsync;
	quick.sync_fs = quick_fsync;
	fsys = &quick;
}

/* ---- power cuts ---------------------------------------------------------------- */

#define CUTS_MAX 4096

/* What is not durable yet: an entry of a directory, or (no name) the bytes of a
 * file. Both are known by their number on the medium, which renaming keeps. */
static struct cut {
	ino_t inode;
	char name[160];
} cuts[CUTS_MAX];
static size_t ncuts;

static ino_t inode_of(int fd)
{
	struct stat st;
	int rc = fstat(fd, &st);

	ASSERT(rc == 0);
	return st.st_ino;
}

static ino_t inode_at(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* The directory an entry stands in, and its name. */
static ino_t split(const char *path, const char **name)
{
	char dir[4096];
	const char *slash = strrchr(path, '/');

	ASSERT(slash && slash != path);
	*name = slash + 1;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	return inode_at(dir);
}

static bool noted(ino_t inode, const char *name)
{
	for (size_t i = 0; i < ncuts; i++) {
		if (cuts[i].inode == inode && strcmp(cuts[i].name, name) == 0)
			return true;
	}
	return false;
}

static void note(ino_t inode, const char *name)
{
	if (noted(inode, name))
		return;
	ASSERT(ncuts < CUTS_MAX);
	cuts[ncuts].inode = inode;
	snprintf(cuts[ncuts].name, sizeof(cuts[0].name), "%s", name);
	ncuts++;
}

static void note_entry(const char *path)
{
	const char *name;
	ino_t inode = split(path, &name);

	note(inode, name);
}

static int noting_open(const char *path, int flags, mode_t mode)
{
	bool there = access(path, F_OK) == 0;
	int fd = fsys_system.open(path, flags, mode);

	if (fd >= 0 && !there) {
		note_entry(path);
		note(inode_of(fd), "");
	}
	return fd;
}

static ssize_t noting_pwrite(int fd, const void *p, size_t n, off_t at)
{
	note(inode_of(fd), "");
	return fsys_system.pwrite(fd, p, n, at);
}

static int noting_ftruncate(int fd, off_t size)
{
	note(inode_of(fd), "");
	return fsys_system.ftruncate(fd, size);
}

static int noting_fsync(int fd)
{
	ino_t inode = inode_of(fd);
	size_t kept = 0;

	for (size_t i = 0; i < ncuts; i++) {
		if (cuts[i].inode != inode)
			cuts[kept++] = cuts[i];
	}
	ncuts = kept;
	return 0;
}

/* All that is watched is on one file system. */
static int noting_sync_fs(int fd)
{
	ncuts = 0;
	return 0;
}

static int noting_rename(const char *from, const char *to)
{
	int rc = fsys_system.rename(from, to);

	if (rc == 0) {
		note_entry(from);
		note_entry(to);
	}
	return rc;
}

static int noting_link(const char *from, const char *to)
{
	int rc = fsys_system.link(from, to);

	if (rc == 0)
		note_entry(to);
	return rc;
}

static int noting_unlink(const char *path)
{
	int rc = fsys_system.unlink(path);

	if (rc == 0)
		note_entry(path);
	return rc;
}

static int noting_mkdir(const char *path, mode_t mode)
{
	int rc = fsys_system.mkdir(path, mode);

	if (rc == 0)
		note_entry(path);
	return rc;
}

static int noting_rmdir(const char *path)
{
	int rc = fsys_system.rmdir(path);

	if (rc == 0)
		note_entry(path);
	return rc;
}

void cuts_watch(void)
{
	static struct fsys_ops noting;

	noting = fsys_system;
	noting.open = noting_open;
	noting.pwrite = noting_pwrite;
	noting.ftruncate = noting_ftruncate;
	noting.fsync = noting_fsync;
	noting.sync_fs = noting_sync_fs;
	noting.rename = noting_rename;
	noting.link = noting_link;
	noting.unlink = noting_unlink;
	noting.mkdir = noting_mkdir;
	noting.rmdir = noting_rmdir;
	ncuts = 0;
	fsys = &noting;
}

void cuts_unwatch(void)
{
	faults_none();
}

bool cuts_durable(const char *path)
{
	char at[4096];
	const char *name;

	if (noted(inode_at(path), ""))
		return false;
	snprintf(at, sizeof(at), "%s", path);
	for (char *slash = strrchr(at, '/'); slash && slash != at; slash = strrchr(at, '/')) {
		ino_t inode = split(at, &name);

		if (noted(inode, name))
			return false;
		*slash = '\0';
	}
	return true;
}

bool cuts_gone(const char *path)
{
	const char *name;
	ino_t inode = split(path, &name);

	return inode_at(path) == 0 && !noted(inode, name);
}
