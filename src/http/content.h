/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content.h - conditional requests and ranges (RFC 9110, 13 and 14): from the
 * request's fields and a content's validators to what is to be answered. Pure
 * functions, thread-safe, fuzzed.
 */
#ifndef BERTH_HTTP_CONTENT_H
#define BERTH_HTTP_CONTENT_H

#include "http/http.h"

enum range_found {
	RANGE_WHOLE,        /* not a range to be honoured: malformed, another unit, several */
	RANGE_PART,         /* bytes *first to *last, both included */
	RANGE_UNSATISFIABLE /* nothing of it is there, or it ends before it starts */
};

/* The value of a Range field against a content of this size. */
enum range_found range_parse(struct slice value, uint64_t size, uint64_t *first, uint64_t *last);

/* An HTTP date in any of its three forms (RFC 9110, 5.6.7), as clock_real. */
bool http_date_parse(struct slice s, int64_t *real) MUST_USE;

/* True when a list of entity tags ("*" included) has this one. Weak comparison
 * ignores W/; strong comparison never matches a weak tag. */
bool etag_listed(struct slice list, struct slice etag, bool weak);

struct content_answer {
	int status;             /* 200, 206, 304, 412 or 416 */
	uint64_t first, length; /* what to send with 200 and 206 */
};

/* Decides in the order of RFC 9110, 13.2.2. */
void content_decide(const struct http_req *req, const struct http_content *c, struct content_answer *out);

#endif
