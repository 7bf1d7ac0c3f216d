/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_head.c - request heads. Whatever the bytes are, the verdict is the same
 * however they arrive in pieces, and what is accepted keeps the promises that
 * handlers and proxies rely on.
 */
#include "http/parse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FIELDS = 20 };

static bool inside(struct slice s, const char *p, size_t n)
{
	return s.n == 0 || (s.p >= p && s.p + s.n <= p + n);
}

static void check_accepted(const struct head *h, const struct http_field *fields, const char *p, size_t n)
{
	int lengths = 0, codings = 0, hosts = 0;

	ASSERT(h->nfields <= MAX_FIELDS);
	ASSERT(h->asterisk || (h->path.n > 0 && h->path.p[0] == '/'));
	ASSERT(inside(h->target, p, n) && inside(h->query, p, n) && inside(h->host, p, n));
	for (size_t i = 0; i < h->nfields; i++) {
		struct slice v = fields[i].value;

		ASSERT(inside(fields[i].name, p, n) && inside(v, p, n) && fields[i].name.n > 0);
		ASSERT(slice_find(v, '\r') < 0 && slice_find(v, '\n') < 0 && slice_find(v, '\0') < 0);
		lengths += slice_eq_icase(fields[i].name, SLICE("content-length"));
		codings += slice_eq_icase(fields[i].name, SLICE("transfer-encoding"));
		hosts += slice_eq_icase(fields[i].name, SLICE("host"));
	}
	ASSERT(lengths + codings <= 1 && hosts <= 1 && (hosts == 1 || h->minor == 0));
	ASSERT(h->chunked == (codings == 1) && h->chunked == (h->body_length == -1));
	ASSERT(h->body_length >= -1 && (h->body_length <= 0 || lengths == 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct head_scan whole = {0}, pieces = {0};
	struct http_field fields[MAX_FIELDS];
	enum refuse why = REFUSE_NONE, why_pieces = REFUSE_NONE;
	enum head_found found, found_pieces = HEAD_MORE;
	const char *p = (const char *)data;
	struct head h;

	found = head_scan(&whole, p, size, &why);
	for (size_t n = 0; n <= size && found_pieces == HEAD_MORE; n++)
		found_pieces = head_scan(&pieces, p, n, &why_pieces);
	/* In pieces a bad first byte is refused before the line's end is seen,
	 * which is why only a refusal may come under another name. */
	ASSERT(found_pieces == found || found_pieces == HEAD_BAD);
	if (found != HEAD_WHOLE)
		return 0;
	if (found_pieces == HEAD_WHOLE)
		ASSERT(whole.start == pieces.start && whole.end == pieces.end);
	if (head_parse(slice_of(p + whole.start, whole.end - whole.start), fields, MAX_FIELDS, &h) == REFUSE_NONE) {
		check_accepted(&h, fields, p, size);
		ASSERT(found_pieces == HEAD_WHOLE);
	}
	return 0;
}
