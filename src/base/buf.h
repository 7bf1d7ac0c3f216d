/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growing byte buffer with a ceiling and a sticky error.
 *
 * Write a whole sequence and check `err` (or buf_ok) once at the end: after a
 * failed write every further one does nothing. The content is always followed
 * by a NUL byte that is not counted. One thread at a time.
 */
#ifndef BERTH_BASE_BUF_H
#define BERTH_BASE_BUF_H

#include "base/slice.h"
#include <stdarg.h>

struct buf {
	char *p;    /* never NULL after the first write; owned */
	size_t n;   /* bytes in use */
	size_t cap; /* bytes allocated, the NUL included */
	size_t max; /* ceiling for n */
	int err;    /* 0, ENOMEM or EOVERFLOW (ceiling reached) */
};

/* An empty buffer that may grow to `max` bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);
#define BUF_INIT(limit) ((struct buf){NULL, 0, 0, (limit), 0})
void buf_free(struct buf *b);  /* releases the memory; the buffer is empty again */
void buf_clear(struct buf *b); /* n = 0 and no error, memory kept */
bool buf_ok(const struct buf *b);

void buf_add(struct buf *b, struct slice s);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void buf_addu(struct buf *b, uint64_t v);
/* A JSON string literal with its quotes. Bytes that are not UTF-8 become U+FFFD. */
void buf_add_json(struct buf *b, struct slice s);
/* Percent-encodes everything but the unreserved characters of RFC 3986. */
void buf_add_urlenc(struct buf *b, struct slice s);

/* Room for `n` more bytes: where to write them, or NULL (sticky). Follow with
 * buf_commit(b, written). */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/* Cuts back to the first n bytes and forgets an error, as if what was added
 * behind them had never been. */
void buf_truncate(struct buf *b, size_t n);
/* Drops the first n bytes, moving the rest to the front. */
void buf_consume(struct buf *b, size_t n);

struct slice buf_slice(const struct buf *b);
/* The content as a NUL-terminated string, "" when empty. */
const char *buf_cstr(const struct buf *b);
/* Hands the memory to the caller (free()), NULL after an error. */
char *buf_take(struct buf *b);

#endif
