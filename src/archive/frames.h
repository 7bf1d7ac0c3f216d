/* SPDX-License-Identifier: Apache-2.0 */
/*
 * frames.h - the files of an archive between two processes of berth: a command
 * and the registry that runs. Whoever has the archive takes it apart, so that
 * no tar and no compression is ever read or written by the one that serves.
 *
 *   file <size> <path>\n<size bytes>
 *   link <path>\n<target>\n
 *   error <why>\n              the sender gives up
 *   end\n
 *
 * Names have no control characters (source.h), so a line is a line. One thread
 * at a time.
 */
#ifndef BERTH_ARCHIVE_FRAMES_H
#define BERTH_ARCHIVE_FRAMES_H

#include "archive/source.h"

/* Sends bytes to the other process. */
typedef enum err_code frames_output(void *arg, const void *p, size_t n, struct err *err);

/* What a sender writes: a file is its head and then so many bytes. */
enum err_code frames_file(frames_output *out, void *arg, const char *path, uint64_t size, struct err *err) MUST_USE;
enum err_code frames_end(frames_output *out, void *arg, struct err *err) MUST_USE;
enum err_code frames_error(frames_output *out, void *arg, const char *why, struct err *err) MUST_USE;
/* All of a source, but for the end. `progress` may be NULL; false ends it with ERR_CLOSED. */
enum err_code frames_send(struct source *s, frames_output *out, void *arg,
    bool (*progress)(const struct source *, void *), void *progress_arg, struct err *err) MUST_USE;

/* The other end, as a source. An error that was sent is ERR_IO with its words;
 * a stream that stops before its end is ERR_CLOSED. `arg` is for `input`, and
 * what came before may have left bytes: `first`. */
enum err_code source_open_frames(
    source_input *input, void *arg, struct slice first, struct source **out, struct err *err) MUST_USE;

#endif
