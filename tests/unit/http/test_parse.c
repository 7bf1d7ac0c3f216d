/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_parse.c - request heads and the chunked coding as tables: what is
 * accepted, and for each rule of RFC 9112 what is refused and why.
 */
#include "harness.h"

#include "http/chunked.h"
#include "http/parse.h"

#define H "Host: r.example\r\n"

/* ---- heads ------------------------------------------------------------- */

static enum refuse parse(const char *text, size_t n, struct head *h, struct http_field *fields, size_t max)
{
	struct head_scan s = {0};
	enum refuse why = REFUSE_NONE;

	switch (head_scan(&s, text, n, &why)) {
	case HEAD_BAD:
		*h = (struct head){0};
		return why;
	case HEAD_MORE:
		fail_msg("not a whole head: %.*s", (int)n, text);
		break;
	case HEAD_WHOLE:
		break;
	}
	return head_parse(slice_of(text + s.start, s.end - s.start), fields, max, h);
}

static void refused_heads(void **state)
{
	static const struct {
		const char *text;
		enum refuse why;
	} rows[] = {
	    {"GET / HTTP/1.1\r\n" H "\r\n", REFUSE_NONE},
	    {"\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", REFUSE_NONE},
	    {"GET / HTTP/1.0\r\n\r\n", REFUSE_NONE},
	    {"GET / HTTP/1.9\r\n" H "\r\n", REFUSE_NONE},
	    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", REFUSE_NONE},
	    {"GET / HTTP/1.1\r\nHost: [::1]:5000\r\n\r\n", REFUSE_NONE},
	    {"GET / HTTP/1.1\r\n" H "X: \t a\tb \t\r\n\r\n", REFUSE_NONE},
	    {"GET / HTTP/1.1\r\n" H "X: \xc3\xa4\r\n\r\n", REFUSE_NONE},
	    {"GET http://a:80/b?c HTTP/1.1\r\n" H "\r\n", REFUSE_NONE},
	    {"GET HTTPS://a HTTP/1.1\r\n" H "\r\n", REFUSE_NONE},
	    {"OPTIONS * HTTP/1.1\r\n" H "\r\n", REFUSE_NONE},
	    {"BREW / HTTP/1.1\r\n" H "\r\n", REFUSE_NONE},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: 9223372036854775807\r\n\r\n", REFUSE_NONE},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", REFUSE_NONE},
	    {"PUT / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", REFUSE_NONE},
	    {"GET / HTTP/1.0\r\nExpect: flowers\r\n\r\n", REFUSE_NONE},
	    /* request line */
	    {"GET /\r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {"GET  / HTTP/1.1\r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {"GET / HTTP/1.1 \r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {" GET / HTTP/1.1\r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {"GET /a b HTTP/1.1\r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {"G@T / HTTP/1.1\r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {"GET / http/1.1\r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {"GET / HTTP/1.10\r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {"GET / HTTP/11\r\n" H "\r\n", REFUSE_REQUEST_LINE},
	    {"GET / HTTP/2.0\r\n" H "\r\n", REFUSE_VERSION},
	    {"PRI * HTTP/2.0\r\n\r\n", REFUSE_VERSION},
	    {"GET a HTTP/1.1\r\n" H "\r\n", REFUSE_TARGET},
	    {"GET * HTTP/1.1\r\n" H "\r\n", REFUSE_TARGET},
	    {"GET /a#b HTTP/1.1\r\n" H "\r\n", REFUSE_TARGET},
	    {"GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n", REFUSE_TARGET},
	    {"GET /\t HTTP/1.1\r\n" H "\r\n", REFUSE_TARGET},
	    {"GET ftp://a/ HTTP/1.1\r\n" H "\r\n", REFUSE_TARGET},
	    {"GET http:///x HTTP/1.1\r\n" H "\r\n", REFUSE_HOST},
	    {"GET http://u@a/x HTTP/1.1\r\n" H "\r\n", REFUSE_HOST},
	    {"CONNECT a:443 HTTP/1.1\r\n" H "\r\n", REFUSE_METHOD},
	    /* line ends */
	    {"GET / HTTP/1.1\nHost: a\n\n", REFUSE_LINE_END},
	    {"GET / HTTP/1.1\r\nHost: a\n\r\n", REFUSE_LINE_END},
	    {"GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", REFUSE_FIELD_VALUE},
	    {"\n", REFUSE_LINE_END},
	    /* fields */
	    {"GET / HTTP/1.1\r\n" H "X : a\r\n\r\n", REFUSE_FIELD_SPACE},
	    {"GET / HTTP/1.1\r\n" H "X\t: a\r\n\r\n", REFUSE_FIELD_SPACE},
	    {"GET / HTTP/1.1\r\n" H " folded\r\n\r\n", REFUSE_FIELD_FOLD},
	    {"GET / HTTP/1.1\r\n" H "\tfolded\r\n\r\n", REFUSE_FIELD_FOLD},
	    {"GET / HTTP/1.1\r\n X: y\r\n" H "\r\n", REFUSE_FIELD_FOLD},
	    {"GET / HTTP/1.1\r\n" H ": a\r\n\r\n", REFUSE_FIELD_NAME},
	    {"GET / HTTP/1.1\r\n" H "no colon\r\n\r\n", REFUSE_FIELD_NAME},
	    {"GET / HTTP/1.1\r\n" H "X(y): a\r\n\r\n", REFUSE_FIELD_NAME},
	    {"GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", REFUSE_FIELD_VALUE},
	    {"GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n", REFUSE_FIELD_VALUE},
	    /* host */
	    {"GET / HTTP/1.1\r\n\r\n", REFUSE_HOST_MISSING},
	    {"GET http://a/ HTTP/1.1\r\n\r\n", REFUSE_HOST_MISSING},
	    {"GET / HTTP/1.1\r\n" H H "\r\n", REFUSE_HOST_TWICE},
	    {"GET / HTTP/1.0\r\n" H H "\r\n", REFUSE_HOST_TWICE},
	    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", REFUSE_HOST},
	    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", REFUSE_HOST},
	    {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", REFUSE_HOST},
	    {"GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", REFUSE_HOST},
	    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", REFUSE_HOST},
	    {"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", REFUSE_HOST},
	    /* framing */
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", REFUSE_LENGTH_TWICE},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\ncontent-length: 6\r\n\r\n", REFUSE_LENGTH_TWICE},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n", REFUSE_LENGTH},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n", REFUSE_LENGTH},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", REFUSE_LENGTH},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n", REFUSE_LENGTH},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", REFUSE_LENGTH},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: 9223372036854775808\r\n\r\n", REFUSE_LENGTH},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
	        REFUSE_LENGTH_AND_CODING},
	    {"PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	        REFUSE_LENGTH_AND_CODING},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	        REFUSE_CODING_TWICE},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", REFUSE_CODING},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", REFUSE_CODING},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", REFUSE_CODING},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", REFUSE_CODING},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", REFUSE_CODING},
	    {"PUT / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", REFUSE_CODING_OLD},
	    {"PUT / HTTP/1.1\r\n" H "Expect: flowers\r\n\r\n", REFUSE_EXPECT},
	    {"PUT / HTTP/1.1\r\n" H "Expect: 100-continue\r\nExpect: more\r\n\r\n", REFUSE_EXPECT},
	};
	struct http_field fields[20];
	struct head h;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum refuse why = parse(rows[i].text, strlen(rows[i].text), &h, fields, ARRAY_LEN(fields));

		if (why != rows[i].why)
			fail_msg("%s\n-> %s, not %s", rows[i].text, refuse_label(why), refuse_label(rows[i].why));
	}
}

static void nul_bytes_are_refused(void **state)
{
	static const char in_value[] = "GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n";
	static const char in_name[] = "GET / HTTP/1.1\r\n" H "X\0: a\r\n\r\n";
	static const char in_target[] = "GET /\0 HTTP/1.1\r\n" H "\r\n";
	struct http_field fields[20];
	struct head h;

	assert_int_equal(parse(in_value, sizeof(in_value) - 1, &h, fields, 20), REFUSE_FIELD_VALUE);
	assert_int_equal(parse(in_name, sizeof(in_name) - 1, &h, fields, 20), REFUSE_FIELD_NAME);
	assert_int_equal(parse(in_target, sizeof(in_target) - 1, &h, fields, 20), REFUSE_TARGET);
}

static void head_is_taken_apart(void **state)
{
	static const char text[] = "PATCH http://h:1/p/q?x=1&y HTTP/1.1\r\nHost: other\r\nContent-Length: 12\r\n"
	                           "Expect: 100-continue\r\nConnection: foo, Close\r\nX-A:  v w \r\n\r\n";
	struct http_field fields[20];
	struct head h;

	assert_int_equal(parse(text, sizeof(text) - 1, &h, fields, 20), REFUSE_NONE);
	assert_int_equal(h.method, HTTP_PATCH);
	assert_true(slice_eq_cstr(h.target, "http://h:1/p/q?x=1&y"));
	assert_true(slice_eq_cstr(h.path, "/p/q"));
	assert_true(slice_eq_cstr(h.query, "x=1&y"));
	assert_true(slice_eq_cstr(h.host, "h:1"));
	assert_int_equal(h.minor, 1);
	assert_int_equal(h.body_length, 12);
	assert_true(h.expect_continue);
	assert_false(h.keep_alive);
	assert_int_equal(h.nfields, 5);
	assert_true(slice_eq_cstr(fields[4].name, "X-A"));
	assert_true(slice_eq_cstr(fields[4].value, "v w"));
}

static void connection_persists_as_the_version_says(void **state)
{
	static const struct {
		const char *text;
		bool keep;
	} rows[] = {
	    {"GET / HTTP/1.1\r\n" H "\r\n", true},
	    {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
	    {"GET / HTTP/1.1\r\n" H "Connection: keep-alive\r\nConnection: x,close\r\n\r\n", false},
	    {"GET / HTTP/1.0\r\n\r\n", false},
	    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
	    {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
	};
	struct http_field fields[20];
	struct head h;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(parse(rows[i].text, strlen(rows[i].text), &h, fields, 20), REFUSE_NONE);
		assert_int_equal(h.keep_alive, rows[i].keep);
	}
}

static void fields_are_bounded(void **state)
{
	static const char text[] = "GET / HTTP/1.1\r\n" H "A: 1\r\nB: 2\r\n\r\n";
	struct http_field fields[3];
	struct head h;

	assert_int_equal(parse(text, sizeof(text) - 1, &h, fields, 3), REFUSE_NONE);
	assert_int_equal(parse(text, sizeof(text) - 1, &h, fields, 2), REFUSE_FIELDS_MANY);
	assert_true(h.line);
}

/* A head in two pieces, cut anywhere, is found as it is in one. */
static void scan_does_not_depend_on_pieces(void **state)
{
	static const char text[] = "\r\nGET /a HTTP/1.1\r\n" H "X: y\r\n\r\nGET";
	size_t whole = sizeof(text) - 1 - 3;
	enum refuse why;

	for (size_t cut = 0; cut <= sizeof(text) - 1; cut++) {
		struct head_scan s = {0};
		enum head_found found = head_scan(&s, text, cut, &why);

		assert_int_equal(found, cut < whole ? HEAD_MORE : HEAD_WHOLE);
		if (found == HEAD_MORE)
			found = head_scan(&s, text, sizeof(text) - 1, &why);
		assert_int_equal(found, HEAD_WHOLE);
		assert_int_equal(s.start, 2);
		assert_int_equal(s.end, whole);
	}
}

static void scan_refuses_early(void **state)
{
	struct head_scan s = {0};
	enum refuse why = REFUSE_NONE;

	/* A TLS hello: nothing more needs to come. */
	assert_int_equal(head_scan(&s, "\x16\x03\x01", 3, &why), HEAD_BAD);
	assert_int_equal(why, REFUSE_REQUEST_LINE);
}

/* ---- chunks ------------------------------------------------------------ */

/* Decodes with pieces of `step` bytes; the end's verdict, and what is behind. */
static enum chunked_found decode(const char *text, size_t step, char *out, size_t *n, size_t *behind)
{
	struct chunked d = {0};
	size_t at = 0, len = strlen(text), used;
	enum chunked_found found = CHUNKED_MORE;
	struct slice data;

	*n = 0;
	while (at < len || found == CHUNKED_DATA) {
		size_t piece = len - at < step ? len - at : step;

		found = chunked_feed(&d, text + at, piece, 3, &used, &data);
		at += used;
		if (found == CHUNKED_DATA) {
			assert_true(data.n <= 3);
			memcpy(out + *n, data.p, data.n);
			*n += data.n;
		} else if (found != CHUNKED_MORE) {
			break;
		}
	}
	if (found == CHUNKED_MORE)
		found = chunked_feed(&d, NULL, 0, 1, &used, &data);
	*behind = len - at;
	return found;
}

static void chunked_bodies(void **state)
{
	static const struct {
		const char *text;
		enum chunked_found found;
		const char *body;
		size_t behind;
	} rows[] = {
	    {"0\r\n\r\n", CHUNKED_END, "", 0},
	    {"5\r\nhello\r\n0\r\n\r\nGET", CHUNKED_END, "hello", 3},
	    {"5\r\nhello\r\n00b\r\n, big world\r\n0\r\n\r\n", CHUNKED_END, "hello, big world", 0},
	    {"A\r\n0123456789\r\n0\r\n\r\n", CHUNKED_END, "0123456789", 0},
	    {"5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", CHUNKED_END, "hello", 0},
	    {"5 ;a\r\nhello\r\n0\r\n\r\n", CHUNKED_END, "hello", 0},
	    {"0\r\nDigest: x\r\nOther:\r\n\r\n", CHUNKED_END, "", 0},
	    {"5\r\nhel", CHUNKED_MORE, "hel", 0},
	    {"5\r\nhello\r\n0\r\n", CHUNKED_MORE, "hello", 0},
	    {"\r\n", CHUNKED_BAD, "", 0},
	    {"g\r\n", CHUNKED_BAD, "", 2},
	    {"-1\r\n", CHUNKED_BAD, "", 3},
	    {"0x5\r\n", CHUNKED_BAD, "", 3},
	    {"5\nhello\r\n0\r\n\r\n", CHUNKED_BAD, "", 13},
	    {"5 \r\nhello\r\n", CHUNKED_BAD, "", 8},
	    {"5\r\nhello0\r\n\r\n", CHUNKED_BAD, "hello", 4},
	    {"5\r\nhello\n0\r\n\r\n", CHUNKED_BAD, "hello", 5},
	    {"5\r\nhello\r\r", CHUNKED_BAD, "hello", 0},
	    {"5;a\x01\r\nhello", CHUNKED_BAD, "", 7},
	    {"5;a\nhello", CHUNKED_BAD, "", 5},
	    {"1000000000000000\r\n", CHUNKED_BAD, "", 2},
	    {"0000000000000005\r\nhello", CHUNKED_BAD, "", 7},
	    {"0\r\n folded\r\n\r\n", CHUNKED_BAD, "", 10},
	    {"0\r\nno colon\r\n\r\n", CHUNKED_BAD, "", 9},
	    {"0\r\nX : y\r\n\r\n", CHUNKED_BAD, "", 7},
	    {"0\r\nX: y\n\r\n", CHUNKED_BAD, "", 2},
	    {"0\r\n\n", CHUNKED_BAD, "", 0},
	};
	char out[256];
	size_t n, behind;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (size_t step = 1; step < 40; step++) {
			enum chunked_found found = decode(rows[i].text, step, out, &n, &behind);

			if (found != rows[i].found || n != strlen(rows[i].body) || memcmp(out, rows[i].body, n) != 0)
				fail_msg("'%s' in steps of %zu -> %d '%.*s'", rows[i].text, step, found, (int)n, out);
			if (found == CHUNKED_END)
				assert_int_equal(behind, rows[i].behind);
		}
}

static enum chunked_found feed_run(struct chunked *d, char c, size_t n)
{
	enum chunked_found found = CHUNKED_MORE;
	struct slice data;
	size_t used;

	for (size_t i = 0; i < n && found == CHUNKED_MORE; i++)
		found = chunked_feed(d, &c, 1, 1, &used, &data);
	return found;
}

static void extensions_and_trailers_are_bounded(void **state)
{
	struct chunked ext = {0}, trailer = {0};
	struct slice data;
	size_t used;

	assert_int_equal(chunked_feed(&ext, "5;", 2, 1, &used, &data), CHUNKED_MORE);
	assert_int_equal(feed_run(&ext, 'x', CHUNKED_EXT_MAX / 2), CHUNKED_MORE);
	assert_int_equal(feed_run(&ext, 'x', CHUNKED_EXT_MAX), CHUNKED_BAD);
	assert_int_equal(chunked_feed(&trailer, "0\r\nX:", 5, 1, &used, &data), CHUNKED_MORE);
	assert_int_equal(feed_run(&trailer, 'x', CHUNKED_TRAILER_MAX / 2), CHUNKED_MORE);
	assert_int_equal(feed_run(&trailer, 'x', CHUNKED_TRAILER_MAX), CHUNKED_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refused_heads),
	    cmocka_unit_test(nul_bytes_are_refused),
	    cmocka_unit_test(head_is_taken_apart),
	    cmocka_unit_test(connection_persists_as_the_version_says),
	    cmocka_unit_test(fields_are_bounded),
	    cmocka_unit_test(scan_does_not_depend_on_pieces),
	    cmocka_unit_test(scan_refuses_early),
	    cmocka_unit_test(chunked_bodies),
	    cmocka_unit_test(extensions_and_trailers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
