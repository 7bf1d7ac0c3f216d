/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_chunked.c - the chunked coding: the body and the verdict must not depend
 * on the pieces in which the bytes come. The first byte of the input chooses
 * the size of the pieces.
 */
#include "http/chunked.h"

#include "base/buf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum chunked_found decode(const char *p, size_t n, size_t step, size_t max, struct buf *out, size_t *end)
{
	struct chunked d = {0};
	enum chunked_found found = CHUNKED_MORE;
	struct slice part;
	size_t used;

	*end = 0;
	while (found != CHUNKED_END && found != CHUNKED_BAD && (*end < n || found == CHUNKED_DATA)) {
		size_t piece = n - *end < step ? n - *end : step;

		found = chunked_feed(&d, p + *end, piece, max, &used, &part);
		ASSERT(used <= piece && (found != CHUNKED_MORE || used == piece));
		*end += used;
		if (found == CHUNKED_DATA) {
			ASSERT(part.n > 0 && part.n <= max && part.p >= p && part.p + part.n <= p + n);
			buf_add(out, part);
		}
	}
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 24), pieces = BUF_INIT(1 << 24);
	const char *p = (const char *)data;
	size_t step, end_whole, end_pieces;

	if (size < 1)
		return 0;
	step = (size_t)data[0] % 16 + 1;
	ASSERT(decode(p + 1, size - 1, size, size, &whole, &end_whole) ==
	       decode(p + 1, size - 1, step, step, &pieces, &end_pieces));
	ASSERT(end_whole == end_pieces && slice_eq(buf_slice(&whole), buf_slice(&pieces)));
	ASSERT(whole.n < size);
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
