/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.h - request heads, strictly to RFC 9112. What two readers could
 * understand in two ways is refused, since a proxy in front may be the other
 * reader. Pure functions over bytes; thread-safe, fuzzed.
 */
#ifndef BERTH_HTTP_PARSE_H
#define BERTH_HTTP_PARSE_H

#include "http/http.h"
#include "http/reason.h"

/* How far a head that arrives in pieces was looked at; starts as zeroes. */
struct head_scan {
	size_t start; /* of the request line, behind empty lines */
	size_t line;  /* of the line being received */
	size_t at;    /* first byte not looked at */
	size_t end;   /* behind the empty line that ends the head */
};

enum head_found { HEAD_MORE, HEAD_WHOLE, HEAD_BAD };

/* Looks for the end of the head in the first n bytes received so far. On
 * HEAD_BAD *why says what is wrong, already before the end is there. */
enum head_found head_scan(struct head_scan *s, const char *p, size_t n, enum refuse *why);

struct head {
	enum http_method method;
	struct slice method_text, target, path, query, host;
	int minor;
	int64_t body_length; /* 0 without a body, -1 with chunked coding */
	bool chunked;
	bool line;     /* the request line was understood, the above up to minor is set */
	bool asterisk; /* OPTIONS * */
	bool keep_alive;
	bool expect_continue;
	size_t nfields;
};

/* Takes a whole head apart, from the request line to the empty line. Slices
 * point into `raw`. REFUSE_NONE when it is fine. */
enum refuse head_parse(struct slice raw, struct http_field *fields, size_t max_fields, struct head *out);

/* True when the comma-separated list has this token (case-insensitive). */
bool list_has_token(struct slice list, const char *token);

#endif
