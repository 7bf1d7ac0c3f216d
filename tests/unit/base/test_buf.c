/* SPDX-License-Identifier: Apache-2.0 */
/* test_buf.c - growing buffers: their ceiling, their sticky error, escapes. */
#include "unit.h"

#include "base/buf.h"

#include <errno.h>

static void test_growing(void **state)
{
	struct buf b;

	buf_init(&b, 100000);
	assert_null(b.p);
	assert_string_equal(buf_cstr(&b), "");
	assert_slice(buf_slice(&b), "");
	for (unsigned i = 0; i < 10000; i++) {
		buf_addc(&b, (char)('a' + i % 26));
		assert_int_equal(b.p[b.n], '\0');
	}
	assert_true(buf_ok(&b));
	assert_int_equal(b.n, 10000);
	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(b.p[i], 'a' + i % 26);
	buf_free(&b);
	assert_null(b.p);
	assert_int_equal(b.max, 100000);
}

static void test_ceiling(void **state)
{
	struct buf b = BUF_INIT(4);

	buf_adds(&b, "abcd");
	assert_true(buf_ok(&b));
	buf_addc(&b, 'e');
	assert_int_equal(b.err, EOVERFLOW);
	/* The error sticks and nothing more is added, however little. */
	buf_add(&b, SLICE(""));
	buf_addf(&b, "%d", 1);
	assert_null(buf_reserve(&b, 0));
	assert_string_equal(buf_cstr(&b), "abcd");
	assert_null(buf_take(&b));
	assert_true(buf_ok(&b));
	/* All or nothing: a piece that does not fit is not begun. */
	buf_adds(&b, "ab");
	buf_addf(&b, "%s", "cde");
	assert_string_equal(buf_cstr(&b), "ab");
	assert_false(buf_ok(&b));
	buf_free(&b);
}

static void test_no_room_at_all(void **state)
{
	struct buf b = BUF_INIT(0), huge = BUF_INIT(SIZE_MAX);

	buf_add(&b, SLICE(""));
	assert_true(buf_ok(&b));
	buf_addc(&b, 'a');
	assert_int_equal(b.err, EOVERFLOW);
	buf_free(&b);
	/* The sum with the terminating byte must not wrap. */
	assert_null(buf_reserve(&huge, SIZE_MAX));
	assert_false(buf_ok(&huge));
	buf_free(&huge);
}

static void test_clear_truncate_consume(void **state)
{
	struct buf b = BUF_INIT(8);

	buf_adds(&b, "abcdef");
	buf_consume(&b, 2);
	assert_string_equal(buf_cstr(&b), "cdef");
	buf_consume(&b, 0);
	buf_consume(&b, 4);
	assert_string_equal(buf_cstr(&b), "");
	buf_adds(&b, "abc");
	buf_adds(&b, "toolong");
	assert_false(buf_ok(&b));
	buf_truncate(&b, 2);
	assert_true(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "ab");
	buf_adds(&b, "c");
	assert_string_equal(buf_cstr(&b), "abc");
	buf_clear(&b);
	assert_string_equal(buf_cstr(&b), "");
	buf_free(&b);
	buf_clear(&b);
	buf_truncate(&b, 0);
	buf_consume(&b, 0);
	assert_true(buf_ok(&b));
}

static void test_reserve_commit(void **state)
{
	struct buf b = BUF_INIT(1000);
	char *at = buf_reserve(&b, 500);

	assert_non_null(at);
	memset(at, 'x', 500);
	buf_commit(&b, 3);
	assert_string_equal(buf_cstr(&b), "xxx");
	at = buf_reserve(&b, 997);
	assert_non_null(at);
	memset(at, 'y', 997);
	buf_commit(&b, 997);
	assert_int_equal(b.n, 1000);
	assert_null(buf_reserve(&b, 1));
	buf_free(&b);
}

static void test_formats(void **state)
{
	struct buf b = BUF_INIT(1000);

	buf_addf(&b, "%s %d ", "text", -5);
	buf_addu(&b, 0);
	buf_addc(&b, ' ');
	buf_addu(&b, UINT64_MAX);
	buf_adds(&b, NULL);
	buf_add(&b, SLICE_NONE);
	assert_string_equal(buf_cstr(&b), "text -5 0 18446744073709551615");
	buf_free(&b);
}

/* Longer than printf can count: an error, not silence. */
static void test_format_too_long(void **state)
{
	struct buf b = BUF_INIT(SIZE_MAX / 2);
	volatile int wide = INT32_MAX; /* volatile: the compiler would see it coming */

	buf_addf(&b, "%*s%*s", wide, "", wide, "");
	assert_int_equal(b.err, EOVERFLOW);
	buf_free(&b);
}

static void test_take(void **state)
{
	struct buf b = BUF_INIT(100);
	char *p;

	p = buf_take(&b);
	assert_string_equal(p, "");
	free(p);
	buf_adds(&b, "abc");
	p = buf_take(&b);
	assert_string_equal(p, "abc");
	free(p);
	assert_int_equal(b.n, 0);
	assert_null(b.p);
}

static void test_json(void **state)
{
	static const struct {
		struct slice in;
		const char *want;
	} rows[] = {
	    {{"", 0}, "\"\""},
	    {{NULL, 0}, "\"\""},
	    {{"a/b", 3}, "\"a/b\""},
	    {{"\"\\\n\r\t", 5}, "\"\\\"\\\\\\n\\r\\t\""},
	    {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\\u007f\""},
	    {{"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x9A\xA2", 9}, "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x9A\xA2\""},
	    /* not UTF-8: each bad byte alone becomes a replacement character */
	    {{"a\xFF"
	      "b",
	         3},
	        "\"a\xEF\xBF\xBD"
	        "b\""},
	    {{"\xC3", 1}, "\"\xEF\xBF\xBD\""},
	    {{"\xC0\xAF", 2}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
	    {{"\xED\xA0\x80", 3}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = BUF_INIT(100);

		buf_add_json(&b, rows[i].in);
		assert_string_equal(buf_cstr(&b), rows[i].want);
		buf_free(&b);
	}
}

static void test_urlenc(void **state)
{
	struct buf b = BUF_INIT(100);

	buf_add_urlenc(&b, SLICE("azAZ09-._~ /+%?&=\xC3\xA4"));
	assert_string_equal(buf_cstr(&b), "azAZ09-._~%20%2F%2B%25%3F%26%3D%C3%A4");
	buf_clear(&b);
	buf_add_urlenc(&b, slice_of("\0", 1));
	assert_string_equal(buf_cstr(&b), "%00");
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_growing),
	    cmocka_unit_test(test_ceiling),
	    cmocka_unit_test(test_no_room_at_all),
	    cmocka_unit_test(test_clear_truncate_consume),
	    cmocka_unit_test(test_reserve_commit),
	    cmocka_unit_test(test_formats),
	    cmocka_unit_test(test_format_too_long),
	    cmocka_unit_test(test_take),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_urlenc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
