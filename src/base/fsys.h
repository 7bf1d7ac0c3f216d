/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsys.h - every file system call of the blob store and the upload path goes
 * through this one replaceable table, so that tests can fail the n-th call or
 * record what a power cut could leave. The helpers below are built on it.
 *
 * The calls behave as the system's do: -1 and errno. `fsys` is replaced only
 * before threads start (tests); reading it is thread-safe.
 */
#ifndef BERTH_BASE_FSYS_H
#define BERTH_BASE_FSYS_H

#include "base/err.h"
#include "base/slice.h"
#include <dirent.h>
#include <sys/stat.h>

struct fsys_ops {
	int (*open)(const char *path, int flags, mode_t mode);
	int (*close)(int fd);
	ssize_t (*pread)(int fd, void *p, size_t n, off_t at);
	ssize_t (*pwrite)(int fd, const void *p, size_t n, off_t at);
	int (*fsync)(int fd);
	/* Starts writing dirty pages of a range out and does not wait: a hint
	 * whose failure is ignored. */
	int (*sync_range_start)(int fd, off_t at, off_t n);
	/* Reads and writes of the descriptor go past the page cache, or through it
	 * again. EINVAL where the file system cannot. */
	int (*set_direct)(int fd, bool on);
	int (*ftruncate)(int fd, off_t size);
	int (*fstat)(int fd, struct stat *st);
	int (*stat)(const char *path, struct stat *st);
	int (*rename)(const char *from, const char *to);
	int (*link)(const char *from, const char *to);
	int (*unlink)(const char *path);
	int (*mkdir)(const char *path, mode_t mode);
	int (*rmdir)(const char *path);
	/* A whole file's bytes shared by another, where the file system can. */
	int (*clone)(int to, int from);
	/* All that was written to the file system on which the descriptor is. */
	int (*sync_fs)(int fd);
	DIR *(*opendir)(const char *path);
	struct dirent *(*readdir)(DIR *d); /* NULL at the end, and with errno */
	int (*closedir)(DIR *d);
};

/* The table in force, and the one that calls the system. */
extern const struct fsys_ops *fsys;
extern const struct fsys_ops fsys_system;

/* Writes all n bytes at offset `at`, going on after short writes and EINTR. */
enum err_code fsys_write_all(int fd, const void *p, size_t n, off_t at, struct err *err) MUST_USE;
/* Reads up to n bytes at `at` until n or end of file; *got says how many. */
enum err_code fsys_read_all(int fd, void *p, size_t n, off_t at, size_t *got, struct err *err) MUST_USE;
/* fsync of the directory `path`, which makes renames and creations in it durable. */
enum err_code fsys_sync_dir(const char *path, struct err *err) MUST_USE;
/* Makes all that was written to the file system of the directory `path` durable. */
enum err_code fsys_sync_fs(const char *path, struct err *err) MUST_USE;
/* The next entry but . and .., NULL at the end and after an error, which is in
 * *rc: a walk that breaks off must not look complete. `path` is for messages. */
struct dirent *fsys_next(DIR *d, const char *path, enum err_code *rc, struct err *err);
/* Creates the directory and its parents, and syncs the parent of each one that
 * was new, so that they survive a power cut. Existing ones are fine. */
enum err_code fsys_mkdirs(const char *path, struct err *err) MUST_USE;
/* A whole file of at most `max` bytes on the heap, NUL-terminated, the length
 * in *n. The caller frees. */
enum err_code fsys_read_file(const char *path, size_t max, char **out, size_t *n, struct err *err) MUST_USE;

#endif
