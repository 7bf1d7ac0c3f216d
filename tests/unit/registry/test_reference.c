/* SPDX-License-Identifier: Apache-2.0 */
/* test_reference.c - the grammar of names, tags and references. */
#include "../base/unit.h"

#include "registry/reference.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HEX64 HEX32 HEX32
#define EMPTY "it has an empty component"
#define LETTERS "only lower-case letters, digits, '.', '_', '-' and '/' are allowed"
#define BETWEEN "'.', '_', '__' or '-' must stand between letters or digits"

static void test_names(void **state)
{
	static const struct {
		const char *name, *why; /* NULL: valid */
	} rows[] = {
	    {"ubuntu", NULL},
	    {"a", NULL},
	    {"0", NULL},
	    {"library/ubuntu", NULL},
	    {"a/b/c/d/e/f/g/h", NULL},
	    {"my.registry/of_things/with__two/and-dash/and-----dashes", NULL},
	    {"a.b_c__d-e---f/0.1", NULL},
	    {"uploads/blobs/manifests", NULL},
	    {"", EMPTY},
	    {"/", EMPTY},
	    {"/a", EMPTY},
	    {"a/", EMPTY},
	    {"a//b", EMPTY},
	    {"A", LETTERS},
	    {"Library/ubuntu", LETTERS},
	    {"a b", LETTERS},
	    {"a+b", LETTERS},
	    {"a:b", LETTERS},
	    {"a@b", LETTERS},
	    {"a\n", LETTERS},
	    {"\xC3\xA4", LETTERS},
	    {"a%2fb", LETTERS},
	    {"a\\b", LETTERS},
	    {"-a", BETWEEN},
	    {"a-", BETWEEN},
	    {".a", BETWEEN},
	    {"a.", BETWEEN},
	    {"_a", BETWEEN},
	    {"a_", BETWEEN},
	    {"a__", BETWEEN},
	    {"a..b", BETWEEN},
	    {"a___b", BETWEEN},
	    {"a.-b", BETWEEN},
	    {"a-_b", BETWEEN},
	    {"a_.b", BETWEEN},
	    {"..", BETWEEN},
	    {"../../etc/passwd", BETWEEN},
	    {"a/./b", BETWEEN},
	    {"a/-b", BETWEEN},
	    {"_catalog", BETWEEN},
	};
	const char *why;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		why = NULL;
		if (reference_name_valid(slice_cstr(rows[i].name), &why) != (rows[i].why == NULL))
			fail_msg("'%s': %s", rows[i].name, why ? why : "valid");
		if (rows[i].why)
			assert_string_equal(why, rows[i].why);
	}
	assert_false(reference_name_valid(SLICE_NONE, &why));
	assert_false(reference_name_valid(SLICE("a\0b"), &why));
}

static void test_lengths(void **state)
{
	char text[300];
	const char *why;

	memset(text, 'a', sizeof(text));
	assert_true(reference_name_valid(slice_of(text, 255), &why));
	assert_false(reference_name_valid(slice_of(text, 256), &why));
	assert_string_equal(why, "it is longer than 255 bytes");
	assert_true(reference_tag_valid(slice_of(text, 128)));
	assert_false(reference_tag_valid(slice_of(text, 129)));
}

static void test_tags(void **state)
{
	static const char *const good[] = {"latest", "1", "_", "_._-", "v1.2.3-rc.1_x", "A.b-C__d", "0..--", "UPPER"};
	static const char *const bad[] = {"", ".a", "-a", "a+b", "a b", "a/b", "a:b", "a@b", "a\n", "\xC3\xA4", "a%"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (!reference_tag_valid(slice_cstr(good[i])))
			fail_msg("'%s' is a tag", good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (reference_tag_valid(slice_cstr(bad[i])))
			fail_msg("'%s' is no tag", bad[i]);
	}
	assert_false(reference_tag_valid(SLICE_NONE));
	assert_false(reference_tag_valid(SLICE("a\0")));
}

static void test_references(void **state)
{
	static const struct {
		const char *text;
		enum reference_verdict want;
		bool tag;
	} rows[] = {
	    {"latest", REFERENCE_OK, true},
	    {"sha256", REFERENCE_OK, true},
	    {"sha256-" HEX64, REFERENCE_OK, true}, /* the tag scheme of referrers */
	    {HEX64, REFERENCE_OK, true},
	    {"sha256:" HEX64, REFERENCE_OK, false},
	    {"sha512:" HEX64 HEX64, REFERENCE_OK, false},
	    {"", REFERENCE_BAD_TAG, true},
	    {".a", REFERENCE_BAD_TAG, true},
	    {"a+b", REFERENCE_BAD_TAG, true},
	    {"sha256:abc", REFERENCE_BAD_DIGEST, false},
	    {"sha256:", REFERENCE_BAD_DIGEST, false},
	    {":", REFERENCE_BAD_DIGEST, false},
	    {"SHA256:" HEX64, REFERENCE_BAD_DIGEST, false},
	    {"sha512:" HEX64, REFERENCE_BAD_DIGEST, false},
	    {"tag:sha256:" HEX64, REFERENCE_BAD_DIGEST, false},
	    {"md5:" HEX32, REFERENCE_UNKNOWN_ALGORITHM, false},
	    {"blake3:" HEX64, REFERENCE_UNKNOWN_ALGORITHM, false},
	    {"a:b", REFERENCE_UNKNOWN_ALGORITHM, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct reference ref;
		struct digest d;

		if (reference_parse(slice_cstr(rows[i].text), &ref) != rows[i].want)
			fail_msg("'%s'", rows[i].text);
		assert_int_equal(ref.is_tag, rows[i].tag);
		if (rows[i].want != REFERENCE_OK)
			continue;
		if (rows[i].tag) {
			assert_slice(ref.tag, rows[i].text);
		} else {
			assert_int_equal(digest_parse(slice_cstr(rows[i].text), &d), DIGEST_VALID);
			assert_true(digest_eq(&d, &ref.digest));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_tags),
	    cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
