/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sink.h - where the files of an archive are written: a tar, perhaps compressed
 * with gzip, a tar on standard output, or a directory.
 *
 * A tar has the same bytes for the same files: POSIX pax where ustar does not
 * do, no owners, the time 0. It is written beside its final name, and takes
 * that with a rename after a sync, in sink_finish. A directory may be there; its
 * files are written one by one in the same way, and one that is there under a
 * name of blobs/ with the same size stays. One thread at a time.
 */
#ifndef BERTH_ARCHIVE_SINK_H
#define BERTH_ARCHIVE_SINK_H

#include "base/err.h"
#include "base/slice.h"

struct sink;
struct sink_ops {
	enum err_code (*begin)(struct sink *s, const char *path, uint64_t size, struct err *err);
	enum err_code (*write)(struct sink *s, const void *p, size_t n, struct err *err);
	enum err_code (*end)(struct sink *s, struct err *err);
	enum err_code (*finish)(struct sink *s, struct err *err);
	void (*close)(struct sink *s);
};
struct sink {
	const struct sink_ops *ops;
	bool directory;
};

/* A file of exactly so many bytes: begin, write as often as needed, end. */
enum err_code sink_begin(struct sink *s, const char *path, uint64_t size, struct err *err) MUST_USE;
enum err_code sink_write(struct sink *s, const void *p, size_t n, struct err *err) MUST_USE;
enum err_code sink_end(struct sink *s, struct err *err) MUST_USE;
/* All files are there: durable, and under the final name. */
enum err_code sink_finish(struct sink *s, struct err *err) MUST_USE;
/* Without sink_finish before, nothing is left but files of a directory. */
void sink_close(struct sink **s);

/* What `dest` says: "-", "*.tar", "*.tar.gz" or "*.tgz", else a directory, which
 * is made if need be. ERR_EXISTS: something of another kind is there. */
enum err_code sink_open(const char *dest, struct sink **out, struct err *err) MUST_USE;

/* For sink_open. `path` NULL: standard output. */
enum err_code sink_open_tar(const char *path, bool gzip, struct sink **out, struct err *err) MUST_USE;
enum err_code sink_open_dir(const char *path, struct sink **out, struct err *err) MUST_USE;

#endif
