/* SPDX-License-Identifier: Apache-2.0 */
/* test_codec.c - hex, base64, percent-encoding, UTF-8, JSON cost, random ids. */
#include "unit.h"

#include "base/codec.h"

static void test_hex(void **state)
{
	const uint8_t bytes[] = {0x00, 0x7f, 0x80, 0xff, 0xab};
	uint8_t back[5];
	char text[11];

	hex_encode(bytes, sizeof(bytes), text);
	assert_string_equal(text, "007f80ffab");
	assert_true(hex_decode(slice_cstr(text), back, sizeof(back)));
	assert_memory_equal(bytes, back, sizeof(bytes));
	hex_encode(NULL, 0, text);
	assert_string_equal(text, "");
	assert_true(hex_decode(SLICE(""), back, 0));
	assert_false(hex_decode(SLICE("0"), back, 1));
	assert_false(hex_decode(SLICE("000"), back, 1));
	assert_false(hex_decode(SLICE("AB"), back, 1));
	assert_false(hex_decode(SLICE("0g"), back, 1));
	assert_false(hex_decode(SLICE("g0"), back, 1));
	assert_false(hex_decode(SLICE_NONE, back, 1));
}

/* RFC 4648, 10, and what is not base64. */
static void test_base64(void **state)
{
	static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
	static const char *const coded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
	static const char *const bad[] = {"A", "AAAAA", "=",
	    "==", "===", "A===", "AA=", "AAA==", "AAAA=", "AAAA==", "AAAA====", "A=A=", "=AAA", "AA A", "AAAA\n",
	    "AB==", "AAB=", "AA*=", "\xC3\xA4"};

	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		struct buf b = BUF_INIT(100), back = BUF_INIT(100);
		struct slice unpadded = slice_cstr(coded[i]);

		base64_encode(&b, plain[i], strlen(plain[i]));
		assert_string_equal(buf_cstr(&b), coded[i]);
		assert_true(base64_decode(&back, buf_slice(&b)));
		assert_string_equal(buf_cstr(&back), plain[i]);
		while (unpadded.n && unpadded.p[unpadded.n - 1] == '=')
			unpadded.n--;
		buf_clear(&back);
		assert_true(base64_decode(&back, unpadded));
		assert_string_equal(buf_cstr(&back), plain[i]);
		buf_clear(&b);
		base64url_encode(&b, plain[i], strlen(plain[i]));
		assert_true(slice_eq(buf_slice(&b), unpadded));
		buf_free(&b);
		buf_free(&back);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct buf back = BUF_INIT(100);

		if (base64_decode(&back, slice_cstr(bad[i])))
			fail_msg("'%s' was decoded", bad[i]);
		buf_free(&back);
	}
}

static void test_base64_alphabets(void **state)
{
	const uint8_t bytes[] = {0xfb, 0xff, 0xbf};
	struct buf b = BUF_INIT(100), back = BUF_INIT(100), tight = BUF_INIT(2);

	base64_encode(&b, bytes, sizeof(bytes));
	assert_string_equal(buf_cstr(&b), "+/+/");
	buf_clear(&b);
	base64url_encode(&b, bytes, sizeof(bytes));
	assert_string_equal(buf_cstr(&b), "-_-_");
	assert_true(base64_decode(&back, SLICE("-/+_")));
	assert_memory_equal(back.p, bytes, sizeof(bytes));
	/* The ceiling of the output is a failure as well. */
	assert_false(base64_decode(&tight, SLICE("AAAA")));
	buf_free(&b);
	buf_free(&back);
	buf_free(&tight);
}

static void test_percent(void **state)
{
	static const struct {
		const char *in;
		bool form;
		const char *want; /* NULL: refused */
	} rows[] = {
	    {"", false, ""},
	    {"a%2Fb", false, "a/b"},
	    {"a%2fb", false, "a/b"},
	    {"a+b", false, "a+b"},
	    {"a+b%2B", true, "a b+"},
	    {"%25", true, "%"},
	    {"%FF", false, "\xFF"},
	    {"%", false, NULL},
	    {"%2", false, NULL},
	    {"a%", true, NULL},
	    {"%G0", false, NULL},
	    {"%0G", false, NULL},
	    {"%00", false, NULL},
	    {"%-1", false, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = BUF_INIT(100);
		bool ok = percent_decode(&b, slice_cstr(rows[i].in), rows[i].form);

		assert_int_equal(ok, rows[i].want != NULL);
		if (ok)
			assert_string_equal(buf_cstr(&b), rows[i].want);
		buf_free(&b);
	}
	struct buf b = BUF_INIT(1);
	assert_false(percent_decode(&b, slice_of("\0", 1), false));
	assert_false(percent_decode(&b, SLICE("ab"), false));
	buf_free(&b);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *text;
		size_t length;
	} rows[] = {
	    {"a", 1},
	    {"\x7F", 1},
	    {"\xC2\x80", 2},
	    {"\xDF\xBF", 2},
	    {"\xE0\xA0\x80", 3},
	    {"\xED\x9F\xBF", 3},
	    {"\xEE\x80\x80", 3},
	    {"\xEF\xBF\xBF", 3},
	    {"\xF0\x90\x80\x80", 4},
	    {"\xF4\x8F\xBF\xBF", 4},
	    {"\x80", 0},     /* continuation alone */
	    {"\xC0\x80", 0}, /* overlong */
	    {"\xC1\xBF", 0},
	    {"\xE0\x9F\xBF", 0},
	    {"\xF0\x8F\xBF\xBF", 0},
	    {"\xED\xA0\x80", 0}, /* surrogates */
	    {"\xED\xBF\xBF", 0},
	    {"\xF4\x90\x80\x80", 0}, /* beyond U+10FFFF */
	    {"\xF8\x88\x80\x80\x80", 0},
	    {"\xFF", 0},
	    {"\xC2", 0}, /* cut off */
	    {"\xE2\x82", 0},
	    {"\xF0\x9F\x9A", 0},
	    {"\xC2\x41", 0},
	    {"\xE2\x41\x82", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(utf8_length(slice_cstr(rows[i].text)), rows[i].length);
		assert_int_equal(utf8_valid(slice_cstr(rows[i].text)), rows[i].length != 0);
	}
	assert_int_equal(utf8_length(SLICE("")), 0);
	assert_int_equal(utf8_length(slice_of("\0", 1)), 1);
	assert_true(utf8_valid(SLICE("")));
	assert_true(utf8_valid(SLICE_NONE));
	assert_true(utf8_valid(SLICE("a\xC3\xA4z")));
	assert_false(utf8_valid(SLICE("ab\xC3")));
}

static void test_json_measure(void **state)
{
	static const struct {
		const char *text;
		size_t depth, values;
	} rows[] = {
	    {"", 0, 1},
	    {"1", 0, 1},
	    {"{}", 1, 2},
	    {"[[[]]]", 3, 4},
	    {"[1,2,3]", 1, 4},
	    {"[[],[],[]]", 2, 7},
	    {"{\"a\":{\"b\":[1,2]}}", 3, 5},
	    /* brackets and commas in strings, quotes behind backslashes */
	    {"[\"[[[[,,,,\"]", 1, 2},
	    {"[\"\\\"[[\",\"\\\\\",[]]", 2, 5},
	    {"\"\\", 0, 1},
	    {"\"[", 0, 1},
	    /* what is no JSON is measured all the same */
	    {"]]]]", 0, 1},
	    {"]}[", 1, 2},
	    {"[[[", 3, 4},
	    {"{[}]", 2, 3},
	};
	struct buf deep = BUF_INIT(100000);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct json_cost cost = json_measure(slice_cstr(rows[i].text));

		if (cost.depth != rows[i].depth || cost.values != rows[i].values)
			fail_msg("%s: depth %zu, values %zu", rows[i].text, cost.depth, cost.values);
	}
	for (int i = 0; i < 50000; i++)
		buf_addc(&deep, '[');
	assert_int_equal(json_measure(buf_slice(&deep)).depth, 50000);
	buf_free(&deep);
}

static void test_random(void **state)
{
	uint8_t a[64] = {0}, b[64] = {0};
	char id[UUID_TEXT], other[UUID_TEXT];

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	random_bytes(a, 0);
	uuid_random(id);
	uuid_random(other);
	assert_string_not_equal(id, other);
	assert_int_equal(strlen(id), 36);
	assert_int_equal(id[14], '4');
	assert_non_null(strchr("89ab", id[19]));
	assert_true(uuid_valid(slice_cstr(id)));
}

static void test_uuid_valid(void **state)
{
	static const char *const bad[] = {
	    "",
	    "0123456789abcdef0123456789abcdef",
	    "01234567-89ab-cdef-0123-456789abcde",
	    "01234567-89ab-cdef-0123-456789abcdeff",
	    "01234567-89ab-cdef-0123-456789abcdeg",
	    "0123456--89ab-cdef-0123-456789abcdef",
	    "01234567089ab-cdef-0123-456789abcdef",
	    "../../../../../../../../../etc/passwd",
	};

	assert_true(uuid_valid(SLICE("01234567-89ab-cdef-0123-456789abcdef")));
	assert_true(uuid_valid(SLICE("01234567-89AB-CDEF-0123-456789ABCDEF")));
	assert_false(uuid_valid(SLICE_NONE));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(uuid_valid(slice_cstr(bad[i])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hex),
	    cmocka_unit_test(test_base64),
	    cmocka_unit_test(test_base64_alphabets),
	    cmocka_unit_test(test_percent),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_json_measure),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_uuid_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
