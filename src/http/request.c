/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request.c - looking at a request: its fields and query parameters.
 */
#include "http/conn.h"

struct slice http_header(const struct http_req *req, const char *name)
{
	struct slice want = slice_cstr(name);

	for (size_t i = 0; i < req->nfields; i++)
		if (slice_eq_icase(req->fields[i].name, want))
			return req->fields[i].value;
	return SLICE_NONE;
}

/* Decoded into the arena where there is something to decode. */
static bool form_decode(struct http_req *req, struct slice raw, struct slice *out)
{
	struct buf b;
	bool ok;

	if (slice_find(raw, '%') < 0 && slice_find(raw, '+') < 0) {
		*out = raw.p != NULL ? raw : SLICE("");
		return true;
	}
	buf_init(&b, raw.n);
	ok = percent_decode(&b, raw, true) && buf_ok(&b);
	if (ok)
		*out = arena_copy(req->arena, buf_slice(&b));
	buf_free(&b);
	return ok && out->p != NULL;
}

bool http_query(struct http_req *req, const char *name, size_t n, struct slice *value)
{
	struct slice rest = req->query, want = slice_cstr(name), key;

	while (rest.p != NULL) {
		struct slice v = slice_cut(&rest, '&');
		struct slice k = slice_cut(&v, '=');

		if (k.n == 0 || !form_decode(req, k, &key) || !slice_eq(key, want))
			continue;
		if (n-- == 0)
			return form_decode(req, v, value);
	}
	return false;
}
