/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h - the files of an archive, one after another: of a tar (POSIX ustar
 * and pax, GNU; perhaps compressed with gzip, zstd, bzip2 or xz), of a directory,
 * or of a stream of another process (frames.h).
 *
 * Whoever made the archive may be an enemy. A source only hands out names that
 * stay inside: no absolute ones, none with "..", no control characters, at most
 * SOURCE_PATH_MAX bytes; "./" in front and double slashes are taken away. Files
 * have the size they announce, or reading them fails. Directories are passed
 * over; devices, FIFOs and sparse files are errors. One thread at a time.
 */
#ifndef BERTH_ARCHIVE_SOURCE_H
#define BERTH_ARCHIVE_SOURCE_H

#include "base/err.h"
#include "base/slice.h"

#define SOURCE_PATH_MAX 512

struct source_entry {
	char path[SOURCE_PATH_MAX + 1];
	bool link;                        /* symbolic or hard: it is the file `target` */
	char target[SOURCE_PATH_MAX + 1]; /* from the top of the archive, as path is */
	uint64_t size;                    /* of a file */
};

struct source;
struct source_ops {
	enum err_code (*next)(struct source *s, struct source_entry *e, bool *end, struct err *err);
	enum err_code (*read)(struct source *s, void *p, size_t n, size_t *got, struct err *err);
	void (*close)(struct source *s);
};
struct source {
	const struct source_ops *ops;
	uint64_t at, total; /* bytes of the input that were used, out of how many; total 0: not known */
};

/* The next entry, or *end. What was not read of the one before is passed over.
 * ERR_INVALID, ERR_UNSUPPORTED or ERR_CORRUPT for what the archive is, others for the way to it. */
enum err_code source_next(struct source *s, struct source_entry *e, bool *end, struct err *err) MUST_USE;
/* The next bytes of the entry: *got == 0 is its end. */
enum err_code source_read(struct source *s, void *p, size_t n, size_t *got, struct err *err) MUST_USE;
void source_close(struct source **s);

/* Opens what `path` is: a directory or a file; "-" is standard input. `name` is
 * what messages call it. */
enum err_code source_open(const char *path, struct source **out, struct err *err) MUST_USE;

/* More bytes of a tar: up to n, *got == 0 is the end. */
typedef enum err_code source_input(void *arg, void *p, size_t n, size_t *got, struct err *err);
/* A tar, read through `input`; `total` is the size of the input, 0: not known.
 * `close` is called with arg when the source is closed, and may be NULL. */
enum err_code source_open_tar(source_input *input, void (*close)(void *arg), void *arg, uint64_t total,
    struct source **out, struct err *err) MUST_USE;

/* ---- for sources ------------------------------------------------------------ */

/* The name of an entry as it is handed out. ERR_INVALID. */
enum err_code source_path(struct slice name, char out[SOURCE_PATH_MAX + 1], struct err *err) MUST_USE;
/* Where a symbolic link leads that stands at `path`. ERR_INVALID: out of the archive. */
enum err_code source_link(
    const char *path, struct slice target, char out[SOURCE_PATH_MAX + 1], struct err *err) MUST_USE;
/* A name as messages show it: without what a terminal would take for commands. Returns out. */
const char *source_printable(struct slice name, char out[200]);
enum err_code source_open_dir(const char *path, struct source **out, struct err *err) MUST_USE;

#endif
