/* SPDX-License-Identifier: Apache-2.0 */
/* test_archive.c - names of entries, streams of files, gzip, and tars that were just written. */
#include "../base/unit.h"
#include "../storage/place.h"

#include "archive/frames.h"
#include "archive/gzip.h"
#include "archive/library.h"
#include "archive/sink.h"
#include "base/buf.h"
#include "base/fsys.h"

#include <stdlib.h>
#include <string.h>

/* ---- names ---------------------------------------------------------------------- */

static void test_names(void **state)
{
	static const struct {
		const char *name, *taken; /* NULL: refused */
	} rows[] = {{"a", "a"}, {"./a", "a"}, {"a//b/", "a/b"}, {"a/./b", "a/b"}, {"./", ""},
	    {"sha256:ab", "sha256:ab"}, {"..a/b..", "..a/b.."}, {"", NULL}, {"/a", NULL}, {"..", NULL}, {"a/..", NULL},
	    {"a/../b", NULL}, {"a\nb", NULL}, {"a\x7f", NULL}};
	char out[SOURCE_PATH_MAX + 1], longest[SOURCE_PATH_MAX + 2];
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum err_code rc = source_path(slice_cstr(rows[i].name), out, &err);

		assert_int_equal(rc, rows[i].taken ? ERR_OK : ERR_INVALID);
		if (rows[i].taken)
			assert_string_equal(out, rows[i].taken);
	}
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(source_path(slice_of(longest, SOURCE_PATH_MAX + 1), out, &err), ERR_INVALID);
	assert_int_equal(source_path(slice_of(longest, SOURCE_PATH_MAX - 1), out, &err), ERR_OK);
	assert_int_equal(source_path(SLICE_NONE, out, &err), ERR_INVALID);
}

static void test_links(void **state)
{
	static const struct {
		const char *at, *target, *leads; /* NULL: refused */
	} rows[] = {{"a/layer.tar", "../b/layer.tar", "b/layer.tar"}, {"a", "b", "b"}, {"a/b/c", "../../d", "d"},
	    {"a/b", "./c", "a/c"}, {"a", "../b", NULL}, {"a/b", "../../c", NULL}, {"a", "/etc/passwd", NULL},
	    {"a", "", NULL}};
	char out[SOURCE_PATH_MAX + 1];
	struct err err = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum err_code rc = source_link(rows[i].at, slice_cstr(rows[i].target), out, &err);

		assert_int_equal(rc, rows[i].leads ? ERR_OK : ERR_INVALID);
		if (rows[i].leads)
			assert_string_equal(out, rows[i].leads);
	}
}

/* ---- streams ------------------------------------------------------------------------ */

static enum err_code append(void *arg, const void *p, size_t n, struct err *err)
{
	buf_add(arg, slice_of(p, n));
	return ERR_OK;
}

/* What is read comes in pieces of an odd size. */
struct pieces {
	struct slice rest;
	size_t step;
};

static enum err_code next_piece(void *arg, void *p, size_t n, size_t *got, struct err *err)
{
	struct pieces *s = arg;

	*got = n < s->step ? n : s->step;
	*got = *got < s->rest.n ? *got : s->rest.n;
	if (*got)
		memcpy(p, s->rest.p, *got);
	s->rest = slice_from(s->rest, *got);
	return ERR_OK;
}

/* "path=content;" for each file, "path>target;" for each link. */
static enum err_code read_all(struct source *s, struct buf *out, struct err *err)
{
	struct source_entry e;
	bool end = false;
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && !end) {
		size_t got = 1;
		char p[7];

		rc = source_next(s, &e, &end, err);
		if (rc || end)
			break;
		buf_addf(out, "%s%s%s", e.path, e.link ? ">" : "=", e.target);
		while (rc == ERR_OK && !e.link && got) {
			rc = source_read(s, p, sizeof(p), &got, err);
			buf_add(out, slice_of(p, got));
		}
		buf_addc(out, ';');
	}
	return rc;
}

#define STREAM "file 5 a/b\nhellolink c/d\na/b\nfile 0 empty\nend\n"

static void test_streams(void **state)
{
	for (size_t step = 1; step < 12; step++) {
		struct pieces in = {slice_from(SLICE(STREAM), 3), step};
		CLEANUP(buf_free) struct buf out = BUF_INIT(1000);
		struct source *s;
		struct err err = {0};

		assert_int_equal(source_open_frames(next_piece, &in, SLICE("fil"), &s, &err), ERR_OK);
		assert_int_equal(read_all(s, &out, &err), ERR_OK);
		assert_string_equal(buf_cstr(&out), "a/b=hello;c/d>a/b;empty=;");
		source_close(&s);
	}
}

static void test_streams_cut_off(void **state)
{
	for (size_t n = 0; n < sizeof(STREAM) - 1; n++) {
		struct pieces in = {slice_sub(SLICE(STREAM), 0, n), 100};
		CLEANUP(buf_free) struct buf out = BUF_INIT(1000);
		struct source *s;
		struct err err = {0};

		assert_int_equal(source_open_frames(next_piece, &in, SLICE_NONE, &s, &err), ERR_OK);
		assert_int_equal(read_all(s, &out, &err), ERR_CLOSED);
		source_close(&s);
	}
}

static void test_streams_malformed(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
	} rows[] = {{"file x a\nend\n", ERR_INVALID}, {"file 5\nend\n", ERR_INVALID}, {"what\n", ERR_INVALID},
	    {"file 1 ../a\nxend\n", ERR_INVALID}, {"link a\n/b\nend\n", ERR_INVALID}, {"error it broke\n", ERR_IO},
	    {"file 99999999999999999999 a\n", ERR_INVALID}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pieces in = {slice_cstr(rows[i].text), 100};
		CLEANUP(buf_free) struct buf out = BUF_INIT(1000);
		struct source *s;
		struct err err = {0};

		assert_int_equal(source_open_frames(next_piece, &in, SLICE_NONE, &s, &err), ERR_OK);
		assert_int_equal(read_all(s, &out, &err), rows[i].code);
		assert_true(err.msg[0] != '\0');
		source_close(&s);
	}
}

/* ---- gzip ------------------------------------------------------------------------------ */

static void pass(bool compress, struct slice in, size_t step, struct buf *out)
{
	struct gzip *g;
	struct err err = {0};

	assert_int_equal(gzip_new(compress, append, out, &g, &err), ERR_OK);
	while (in.n) {
		struct slice part = slice_sub(in, 0, step);

		assert_int_equal(gzip_write(g, part.p, part.n, &err), ERR_OK);
		in = slice_from(in, part.n);
	}
	assert_int_equal(gzip_finish(g, &err), ERR_OK);
	gzip_free(&g);
}

static void fill(struct buf *b, size_t n)
{
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525U + 1013904223U;
		buf_addc(b, (char)(i / 1000 % 2 ? x >> 24 : 'a')); /* half of it noise */
	}
}

static void test_gzip(void **state)
{
	static const size_t steps[] = {1, 1000, 65536, 700000};
	CLEANUP(buf_free) struct buf plain = BUF_INIT(1 << 21), first = BUF_INIT(1 << 21);

	if (tar_load(NULL) || zlib_load(NULL))
		skip(); /* built without them */
	fill(&plain, 600000);
	pass(true, buf_slice(&plain), 10000, &first);
	assert_true(first.n < plain.n);
	assert_memory_equal(first.p, "\x1f\x8b\x08\0\0\0\0\0", 8); /* no name, no time */
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		CLEANUP(buf_free) struct buf again = BUF_INIT(1 << 21), back = BUF_INIT(1 << 22);

		pass(true, buf_slice(&plain), steps[i], &again);
		assert_true(slice_eq(buf_slice(&again), buf_slice(&first)));
		buf_add(&again, slice_of("\0\0\0", 3)); /* padding */
		pass(false, buf_slice(&again), steps[i], &back);
		assert_true(slice_eq(buf_slice(&back), buf_slice(&plain)));
		buf_truncate(&again, first.n);
		buf_add(&again, buf_slice(&first)); /* two members */
		buf_clear(&back);
		pass(false, buf_slice(&again), steps[i], &back);
		assert_int_equal(back.n, 2 * plain.n);
	}
}

static void test_gzip_damaged(void **state)
{
	CLEANUP(buf_free) struct buf plain = BUF_INIT(1 << 21), zipped = BUF_INIT(1 << 21), out = BUF_INIT(1 << 21);
	struct err err = {0};

	if (tar_load(NULL) || zlib_load(NULL))
		skip(); /* built without them */
	fill(&plain, 5000);
	pass(true, buf_slice(&plain), 5000, &zipped);
	for (size_t n = 0; n < zipped.n; n += 37) {
		struct gzip *g;
		enum err_code rc;

		buf_clear(&out);
		assert_int_equal(gzip_new(false, append, &out, &g, &err), ERR_OK);
		assert_int_equal(gzip_write(g, zipped.p, n, &err), ERR_OK);
		assert_int_equal(gzip_finish(g, &err), ERR_CORRUPT);
		gzip_free(&g);
		buf_clear(&out);
		assert_int_equal(gzip_new(false, append, &out, &g, &err), ERR_OK);
		zipped.p[n] ^= 0x55;
		rc = gzip_write(g, zipped.p, zipped.n, &err);
		zipped.p[n] ^= 0x55;
		assert_true(rc == ERR_CORRUPT || gzip_finish(g, &err) == ERR_CORRUPT || (n >= 4 && n < 10));
		gzip_free(&g);
	}
}

/* ---- tars and directories ---------------------------------------------------------------- */

static void put_file(struct sink *s, const char *path, const char *text)
{
	struct err err = {0};

	assert_int_equal(sink_begin(s, path, strlen(text), &err), ERR_OK);
	assert_int_equal(sink_write(s, text, strlen(text), &err), ERR_OK);
	assert_int_equal(sink_end(s, &err), ERR_OK);
}

static void round_trip(const char *place, const char *name)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", place, name);
	CLEANUP(buf_free) struct buf out = BUF_INIT(10000);
	char deep[160];
	struct err err = {0};
	struct source *s;
	struct sink *k;
	struct stat st;

	memset(deep, 'f', sizeof(deep));
	memcpy(deep, "blobs/sha512/", 13); /* longer than ustar takes */
	deep[13 + 128] = '\0';
	assert_int_equal(sink_open(path, &k, &err), ERR_OK);
	put_file(k, deep, "one");
	put_file(k, "index.json", "{}");
	assert_int_not_equal(stat(path, &st), 0);
	assert_int_equal(sink_finish(k, &err), ERR_OK);
	sink_close(&k);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(source_open(path, &s, &err), ERR_OK);
	assert_int_equal(read_all(s, &out, &err), ERR_OK);
	assert_int_equal(s->at, s->total);
	source_close(&s);
	assert_true(slice_starts(buf_slice(&out), slice_cstr(deep)));
	assert_true(slice_ends(buf_slice(&out), SLICE("=one;index.json={};")));
}

static void count(const char *place, size_t expected)
{
	size_t n = 0;
	DIR *d = opendir(place);

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	assert_int_equal(n - 2, expected);
}

static void test_what_was_written_is_read(void **state)
{
	static const char *const names[] = {"a.tar", "a.tar.gz", "a.tgz", "layout"};
	char place[PLACE_MAX];

	if (tar_load(NULL) || zlib_load(NULL))
		skip(); /* built without them */
	place_make(place);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		round_trip(place, names[i]);
	count(place, ARRAY_LEN(names));
	place_remove(place);
}

static void test_what_is_given_up_leaves_nothing(void **state)
{
	static const char *const names[] = {"a.tar", "a.tar.gz", "layout", "below/layout/"};
	char place[PLACE_MAX];
	struct err err = {0};

	if (tar_load(NULL) || zlib_load(NULL))
		skip(); /* built without them */
	place_make(place);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CLEANUP(free_ptr) char *path = xasprintf("%s/%s", place, names[i]);
		struct sink *k;

		assert_int_equal(sink_open(path, &k, &err), ERR_OK);
		put_file(k, "blobs/sha256/aa", "one");
		assert_int_equal(sink_begin(k, "blobs/sha256/bb", 100, &err), ERR_OK);
		assert_int_equal(sink_write(k, "half", 4, &err), ERR_OK);
		sink_close(&k);
	}
	count(place, 1); /* below */
	place_remove(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_links),
	    cmocka_unit_test(test_streams),
	    cmocka_unit_test(test_streams_cut_off),
	    cmocka_unit_test(test_streams_malformed),
	    cmocka_unit_test(test_gzip),
	    cmocka_unit_test(test_gzip_damaged),
	    cmocka_unit_test(test_what_was_written_is_read),
	    cmocka_unit_test(test_what_is_given_up_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
