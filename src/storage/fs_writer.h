/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_writer.h - writing a long file from its beginning to its end.
 *
 * The first FS_DIRECT_FROM bytes go through the page cache, so that layers of
 * usual size are in memory when they are pulled. What follows goes to the disk
 * directly (O_DIRECT) where the file system can do that: nothing is copied, no
 * memory is asked for, and a huge push does not drive out of the cache what
 * others pull. Only a write that begins at a multiple of STORAGE_ALIGN in the file
 * and in memory can be direct; the odd bytes at its end, and all others, are buffered.
 *
 * From FS_HELP_FROM on a thread of the writer's own writes, while the caller hashes
 * the same bytes.
 *
 * One thread at a time. Nothing is durable before fsync.
 */
#ifndef BERTH_STORAGE_FS_WRITER_H
#define BERTH_STORAGE_FS_WRITER_H

#include "base/err.h"

#define FS_HELP_FROM ((uint64_t)4 << 20)
#define FS_DIRECT_FROM ((uint64_t)64 << 20)

struct fs_writer {
	int fd;
	uint64_t flushed; /* buffered bytes up to here are on their way to the disk */
	bool direct;      /* the descriptor has O_DIRECT now */
	bool buffered;    /* this file system cannot write directly */
	/* What was asked for last, until fs_writer_wait. */
	const char *p;
	size_t n;
	uint64_t at;
	bool handed; /* to the helper */
	struct fs_helper *helper;
};

/* For a file that has `size` bytes; the descriptor stays the caller's. */
void fs_writer_init(struct fs_writer *w, int fd, uint64_t size);
/* Ends the thread. Nothing is under way any more. */
void fs_writer_done(struct fs_writer *w);
/* Begins to write n bytes at offset `at`; they stay where they are until the wait. */
void fs_writer_start(struct fs_writer *w, const void *p, size_t n, uint64_t at);
/* What became of it. After a failure (ERR_NO_SPACE, ERR_IO, ...) any number of the
 * bytes may be in the file. */
enum err_code fs_writer_wait(struct fs_writer *w, struct err *err) MUST_USE;
/* To be called before the descriptor is read from: with O_DIRECT that would need
 * aligned memory. */
void fs_writer_pause(struct fs_writer *w);

#endif
