/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunked.h - the chunked transfer coding (RFC 9112, 7.1), decoded as it
 * arrives in pieces of any size. Extensions and trailer fields are checked,
 * bounded and thrown away. No memory, no I/O; fuzzed.
 */
#ifndef BERTH_HTTP_CHUNKED_H
#define BERTH_HTTP_CHUNKED_H

#include "base/slice.h"

enum { CHUNKED_EXT_MAX = 4096, CHUNKED_TRAILER_MAX = 8192 };

struct chunked {
	int state;       /* starts as 0 */
	uint64_t left;   /* data bytes still to come in this chunk */
	unsigned digits; /* of the size being read */
	size_t meta;     /* bytes of extensions in this chunk, or of trailers */
};

enum chunked_found {
	CHUNKED_MORE, /* all n bytes are used up, the body goes on */
	CHUNKED_DATA, /* *data is the next run of body bytes */
	CHUNKED_END,  /* the body is complete; bytes behind *used are not part of it */
	CHUNKED_BAD   /* malformed */
};

/* Looks at n bytes; *used says how many of them were taken, the data of *data
 * (at most max bytes) included. */
enum chunked_found chunked_feed(
    struct chunked *d, const char *p, size_t n, size_t max, size_t *used, struct slice *data);

/* How many bytes of data may be read directly, without going through
 * chunked_feed, and that so many were. */
uint64_t chunked_direct(const struct chunked *d);
void chunked_took(struct chunked *d, size_t n);

#endif
