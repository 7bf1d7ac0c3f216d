/* SPDX-License-Identifier: Apache-2.0 */
/* test_slice.c - borrowed runs of bytes. */
#include "unit.h"

static void test_making(void **state)
{
	assert_slice(SLICE("abc"), "abc");
	assert_slice(slice_of("abcdef", 3), "abc");
	assert_slice(slice_cstr("abc"), "abc");
	assert_absent(slice_cstr(NULL));
	assert_absent(SLICE_NONE);
	assert_non_null(SLICE("").p);
	assert_int_equal(SLICE("a\0b").n, 3);
}

static void test_comparing(void **state)
{
	assert_true(slice_eq(SLICE("abc"), SLICE("abc")));
	assert_false(slice_eq(SLICE("abc"), SLICE("abd")));
	assert_false(slice_eq(SLICE("abc"), SLICE("ab")));
	assert_true(slice_eq(SLICE_NONE, SLICE("")));
	assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
	assert_true(slice_eq_icase(SLICE("Content-TYPE"), SLICE("content-type")));
	assert_false(slice_eq_icase(SLICE("a"), SLICE("ab")));
	/* Only letters fold: '@' and '`', '[' and '{' differ by the same bit. */
	assert_false(slice_eq_icase(SLICE("@["), SLICE("`{")));
	assert_false(slice_eq_icase(SLICE("\xC3\x84"), SLICE("\xC3\xA4")));
	assert_true(slice_eq_cstr(SLICE("abc"), "abc"));
	assert_true(slice_eq_cstr(SLICE_NONE, NULL));
	assert_true(slice_starts(SLICE("abc"), SLICE("")));
	assert_true(slice_starts(SLICE("abc"), SLICE("abc")));
	assert_false(slice_starts(SLICE("abc"), SLICE("abcd")));
	assert_false(slice_starts(SLICE_NONE, SLICE("a")));
	assert_true(slice_starts_icase(SLICE("BASIC abc"), SLICE("basic ")));
	assert_false(slice_starts_icase(SLICE("BAS"), SLICE("basic ")));
	assert_true(slice_ends(SLICE("abc"), SLICE("bc")));
	assert_true(slice_ends(SLICE("abc"), SLICE("")));
	assert_false(slice_ends(SLICE("bc"), SLICE("abc")));
}

static int sign(int v)
{
	return (v > 0) - (v < 0);
}

static void test_ordering(void **state)
{
	static const struct {
		struct slice a, b;
		int want;
	} rows[] = {
	    {{"", 0}, {NULL, 0}, 0},
	    {{"a", 1}, {"a", 1}, 0},
	    {{"a", 1}, {"b", 1}, -1},
	    {{"a", 1}, {"aa", 2}, -1},
	    {{"b", 1}, {"aa", 2}, 1},
	    {{"\xFF", 1}, {"a", 1}, 1},
	    {{"a\0", 2}, {"a", 1}, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(sign(slice_cmp(rows[i].a, rows[i].b)), rows[i].want);
		assert_int_equal(sign(slice_cmp(rows[i].b, rows[i].a)), -rows[i].want);
	}
}

static void test_finding(void **state)
{
	assert_int_equal(slice_find(SLICE("a/b/c"), '/'), 1);
	assert_int_equal(slice_rfind(SLICE("a/b/c"), '/'), 3);
	assert_int_equal(slice_find(SLICE("abc"), '/'), -1);
	assert_int_equal(slice_rfind(SLICE("abc"), '/'), -1);
	assert_int_equal(slice_find(SLICE_NONE, '/'), -1);
	assert_int_equal(slice_rfind(SLICE_NONE, '/'), -1);
	assert_int_equal(slice_find(SLICE("a\0b"), '\0'), 1);
}

static void test_parts(void **state)
{
	assert_slice(slice_sub(SLICE("abcdef"), 1, 3), "bcd");
	assert_slice(slice_sub(SLICE("abcdef"), 4, 30), "ef");
	assert_slice(slice_sub(SLICE("abcdef"), 4, SIZE_MAX), "ef");
	assert_slice(slice_sub(SLICE("abc"), 10, 1), "");
	assert_non_null(slice_sub(SLICE("abc"), SIZE_MAX, SIZE_MAX).p);
	assert_absent(slice_sub(SLICE_NONE, 1, 1));
	assert_slice(slice_from(SLICE("abc"), 1), "bc");
	assert_slice(slice_from(SLICE("abc"), 3), "");
}

static void test_cutting(void **state)
{
	struct slice rest = SLICE("a,,b,");
	static const char *const want[] = {"a", "", "b", ""};
	size_t n = 0;

	while (rest.p) {
		assert_true(n < ARRAY_LEN(want));
		assert_slice(slice_cut(&rest, ','), want[n++]);
	}
	assert_int_equal(n, ARRAY_LEN(want));
	assert_absent(slice_cut(&rest, ','));
	rest = SLICE("");
	assert_slice(slice_cut(&rest, ','), "");
	assert_absent(rest);
	rest = SLICE("k=v=w");
	assert_slice(slice_cut(&rest, '='), "k");
	assert_slice(rest, "v=w");
}

static void test_trimming(void **state)
{
	assert_slice(slice_trim(SLICE(" \t a b\t ")), "a b");
	assert_slice(slice_trim(SLICE(" \t ")), "");
	assert_slice(slice_trim(SLICE("\na\r")), "\na\r");
	assert_absent(slice_trim(SLICE_NONE));
}

static void test_numbers(void **state)
{
	uint64_t v = 7;

	assert_true(slice_u64(SLICE("0"), 0, &v) && v == 0);
	assert_true(slice_u64(SLICE("007"), 10, &v) && v == 7);
	assert_true(slice_u64(SLICE("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX);
	assert_true(slice_u64(SLICE("9223372036854775807"), INT64_MAX, &v) && v == INT64_MAX);
	v = 7;
	assert_false(slice_u64(SLICE("9223372036854775808"), INT64_MAX, &v));
	assert_false(slice_u64(SLICE("18446744073709551616"), UINT64_MAX, &v));
	assert_false(slice_u64(SLICE("99999999999999999999999"), UINT64_MAX, &v));
	assert_false(slice_u64(SLICE("11"), 10, &v));
	assert_false(slice_u64(SLICE(""), 10, &v));
	assert_false(slice_u64(SLICE_NONE, 10, &v));
	assert_false(slice_u64(SLICE("+1"), 10, &v));
	assert_false(slice_u64(SLICE("-1"), 10, &v));
	assert_false(slice_u64(SLICE(" 1"), 10, &v));
	assert_false(slice_u64(SLICE("1 "), 10, &v));
	assert_false(slice_u64(SLICE("1\0"), 10, &v));
	assert_false(slice_u64(SLICE("0x1"), 10, &v));
	assert_int_equal(v, 7);
}

static void test_copying(void **state)
{
	char text[4];
	char *copy;

	assert_true(slice_to_cstr(SLICE("abc"), text, sizeof(text)));
	assert_string_equal(text, "abc");
	assert_false(slice_to_cstr(SLICE("abcd"), text, sizeof(text)));
	assert_false(slice_to_cstr(SLICE("a\0b"), text, sizeof(text)));
	assert_false(slice_to_cstr(SLICE(""), text, 0));
	assert_true(slice_to_cstr(SLICE_NONE, text, 1));
	assert_string_equal(text, "");
	copy = slice_dup(slice_of("abcdef", 2));
	assert_string_equal(copy, "ab");
	free(copy);
	copy = slice_dup(SLICE_NONE);
	assert_string_equal(copy, "");
	free(copy);
}

static void test_printing(void **state)
{
	char text[16];

	snprintf(text, sizeof(text), "[%.*s]", SLICE_ARG(slice_of("abcdef", 2)));
	assert_string_equal(text, "[ab]");
	snprintf(text, sizeof(text), "[%.*s]", SLICE_ARG(SLICE_NONE));
	assert_string_equal(text, "[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_making),
	    cmocka_unit_test(test_comparing),
	    cmocka_unit_test(test_ordering),
	    cmocka_unit_test(test_finding),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_cutting),
	    cmocka_unit_test(test_trimming),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_copying),
	    cmocka_unit_test(test_printing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
