/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_content.c - ranges, dates, entity tags and routes: the pure parts of
 * answering, as tables.
 */
#include "harness.h"

#include "http/content.h"
#include "http/route.h"

static void ranges(void **state)
{
	static const struct {
		const char *value;
		uint64_t size;
		enum range_found found;
		uint64_t first, last;
	} rows[] = {
	    {"bytes=0-0", 10, RANGE_PART, 0, 0},
	    {"bytes=2-4", 10, RANGE_PART, 2, 4},
	    {"bytes=2-", 10, RANGE_PART, 2, 9},
	    {"bytes=2-400", 10, RANGE_PART, 2, 9},
	    {"bytes=-3", 10, RANGE_PART, 7, 9},
	    {"bytes=-30", 10, RANGE_PART, 0, 9},
	    {"Bytes=1-2", 10, RANGE_PART, 1, 2},
	    {" bytes= 1-2 ", 10, RANGE_PART, 1, 2},
	    {"bytes=0-99999999999999999999999", 10, RANGE_PART, 0, 9},
	    {"bytes=-99999999999999999999999", 10, RANGE_PART, 0, 9},
	    {"bytes=10-", 10, RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=5000-10000", 10, RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=500-0", 1000, RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=5-2", 10, RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=-0", 10, RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=99999999999999999999999-", 10, RANGE_UNSATISFIABLE, 0, 0},
	    {"bytes=-5", 0, RANGE_WHOLE, 0, 0},
	    {"bytes=0-1,4-5", 10, RANGE_WHOLE, 0, 0},
	    {"bytes=", 10, RANGE_WHOLE, 0, 0},
	    {"bytes=-", 10, RANGE_WHOLE, 0, 0},
	    {"bytes=--1", 10, RANGE_WHOLE, 0, 0},
	    {"bytes=a-b", 10, RANGE_WHOLE, 0, 0},
	    {"bytes=1-2x", 10, RANGE_WHOLE, 0, 0},
	    {"bytes=1 -2", 10, RANGE_WHOLE, 0, 0},
	    {"bytes 1-2", 10, RANGE_WHOLE, 0, 0},
	    {"items=1-2", 10, RANGE_WHOLE, 0, 0},
	    {"", 10, RANGE_WHOLE, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t first = 0, last = 0;
		enum range_found found = range_parse(slice_cstr(rows[i].value), rows[i].size, &first, &last);

		if (found != rows[i].found || (found == RANGE_PART && (first != rows[i].first || last != rows[i].last)))
			fail_msg("'%s' of %llu -> %d %llu-%llu", rows[i].value, (unsigned long long)rows[i].size, found,
			    (unsigned long long)first, (unsigned long long)last);
	}
}

static void dates(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: malformed */
	} rows[] = {
	    {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
	    {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
	    {"Sun Nov  6 08:49:37 1994", 784111777},
	    {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
	    {"Thursday, 01-Jan-26 00:00:00 GMT", 1767225600},
	    {"Sun, 06 Nov 1994 08:49:37", -1},
	    {"Sun, 06 Nov 1994 08:49:37 CET", -1},
	    {"Sun, 6 Nov 1994 08:49:37 GMT", -1},
	    {"Sun, 32 Nov 1994 08:49:37 GMT", -1},
	    {"Sun, 06 Nov 1994 24:49:37 GMT", -1},
	    {"Sun, 06 Nov 9999 08:49:37 GMT", -1},
	    {"Sun, 06 Nuv 1994 08:49:37 GMT", -1},
	    {"784111777", -1},
	    {"", -1},
	};
	int64_t real;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool ok = http_date_parse(slice_cstr(rows[i].text), &real);

		if (ok != (rows[i].seconds >= 0) || (ok && real != rows[i].seconds * CLOCK_S))
			fail_msg("'%s' -> %d", rows[i].text, ok);
	}
}

static void entity_tags(void **state)
{
	static const struct {
		const char *list, *tag;
		bool weak, strong;
	} rows[] = {
	    {"\"a\"", "\"a\"", true, true},
	    {"\"b\", \"a\"", "\"a\"", true, true},
	    {"\"b\",\"a\"", "\"a\"", true, true},
	    {"W/\"a\"", "\"a\"", true, false},
	    {"\"a\"", "W/\"a\"", true, false},
	    {"\"x,y\", \"a\"", "\"a\"", true, true},
	    {"\"x,\"a\"", "\"a\"", false, false},
	    {"*", "\"a\"", true, true},
	    {"\"b\"", "\"a\"", false, false},
	    {"a", "\"a\"", false, false},
	    {"a, \"a\"", "\"a\"", true, true},
	    {"", "\"a\"", false, false},
	    {"\"a", "\"a\"", false, false},
	    {",,\"a\"", "\"a\"", true, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice list = slice_cstr(rows[i].list), tag = slice_cstr(rows[i].tag);

		if (etag_listed(list, tag, true) != rows[i].weak || etag_listed(list, tag, false) != rows[i].strong)
			fail_msg("'%s' and '%s'", rows[i].list, rows[i].tag);
	}
}

static void routes(void **state)
{
	static const struct {
		const char *pattern, *path;
		const char *params; /* joined by '|', NULL: no match */
	} rows[] = {
	    {"/v2/", "/v2/", ""},
	    {"/v2/", "/v2", NULL},
	    {"/v2", "/v2/", NULL},
	    {"/v2/_catalog", "/v2/_catalog", ""},
	    {"/v2/{name+}/tags/list", "/v2/a/tags/list", "a"},
	    {"/v2/{name+}/tags/list", "/v2/a/b/c/tags/list", "a/b/c"},
	    {"/v2/{name+}/tags/list", "/v2/tags/list", NULL},
	    {"/v2/{name+}/tags/list", "/v2//tags/list", NULL},
	    {"/v2/{name+}/tags/list", "/v2/a//b/tags/list", NULL},
	    {"/v2/{name+}/tags/list", "/v2/a/tags/list/", NULL},
	    {"/v2/{name+}/tags/list", "/v2/tags/list/tags/list", "tags/list"},
	    {"/v2/{name+}/manifests/{ref}", "/v2/a/b/manifests/latest", "a/b|latest"},
	    {"/v2/{name+}/manifests/{ref}", "/v2/a/manifests/b/manifests/c", "a/manifests/b|c"},
	    {"/v2/{name+}/manifests/{ref}", "/v2/a/manifests/", NULL},
	    {"/v2/{name+}/manifests/{ref}", "/v2/a%2Fb/manifests/sha256%3Aabc", "a/b|sha256:abc"},
	    {"/v2/{name+}/manifests/{ref}", "/v2/a/manifests/%zz", NULL},
	    {"/v2/{name+}/manifests/{ref}", "/v2/a/manifests/x%00y", NULL},
	    {"/v2/{name+}/blobs/uploads/", "/v2/a/blobs/uploads/", "a"},
	    {"/v2/{name+}/blobs/uploads/", "/v2/a/blobs/uploads", NULL},
	    {"/v2/{name+}/blobs/uploads/{id}", "/v2/a/blobs/uploads/x-y", "a|x-y"},
	    {"/{a}/x/{b}", "/1/x/2", "1|2"},
	    {"/{a}/x/{b}", "/1/y/2", NULL},
	    {"/{a}/x/{b}", "//x/2", NULL},
	    {"/files/{p+}", "/files/a/b", "a/b"},
	    {"/files/{p+}", "/files/", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena arena;
		struct route_params p;
		char got[256] = "";
		bool ok;

		arena_init(&arena, 4096);
		ok = route_match(rows[i].pattern, slice_cstr(rows[i].path), &arena, &p);
		for (size_t k = 0; ok && k < p.n; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%.*s", k > 0 ? "|" : "",
			    SLICE_ARG(p.v[k]));
		if (ok != (rows[i].params != NULL) || (ok && strcmp(got, rows[i].params) != 0))
			fail_msg("%s on %s -> %d '%s'", rows[i].pattern, rows[i].path, ok, got);
		arena_free(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ranges),
	    cmocka_unit_test(dates),
	    cmocka_unit_test(entity_tags),
	    cmocka_unit_test(routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
