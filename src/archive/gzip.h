/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip.h - compressing and uncompressing gzip (RFC 1952) as the bytes go by.
 * What is compressed has no name and no time in its head, so that the same
 * bytes always give the same. One thread at a time.
 */
#ifndef BERTH_ARCHIVE_GZIP_H
#define BERTH_ARCHIVE_GZIP_H

#include "base/err.h"

/* Takes what came out. */
typedef enum err_code gzip_output(void *arg, const void *p, size_t n, struct err *err);

struct gzip;
/* ERR_UNSUPPORTED without zlib. */
enum err_code gzip_new(bool compress, gzip_output *out, void *arg, struct gzip **g, struct err *err) MUST_USE;
/* The next bytes. ERR_CORRUPT: they are no gzip. */
enum err_code gzip_write(struct gzip *g, const void *p, size_t n, struct err *err) MUST_USE;
/* There are no more. ERR_CORRUPT: the gzip is cut off. */
enum err_code gzip_finish(struct gzip *g, struct err *err) MUST_USE;
void gzip_free(struct gzip **g);

#endif
