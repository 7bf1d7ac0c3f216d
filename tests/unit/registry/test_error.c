/* SPDX-License-Identifier: Apache-2.0 */
/* test_error.c - the table of error codes and how errors are rendered. */
#include "../base/unit.h"

#include "registry/error.h"
#include "registry/registry.h"

#include <jansson.h>

/* Codes are unique words in capitals but for those that differ in status only;
 * statuses are errors. */
static void test_table(void **state)
{
	for (int i = 0; i < OCI_ERROR_COUNT; i++) {
		const char *code = oci_error_code((enum oci_error)i);

		assert_true(strlen(code) > 0 && strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == strlen(code));
		assert_in_range(oci_error_status((enum oci_error)i), 400, 599);
		assert_true(strlen(oci_error_message((enum oci_error)i)) > 0);
	}
	/* what registry:2 answers, to the letter */
	assert_string_equal(oci_error_code(OCI_BLOB_UNKNOWN), "BLOB_UNKNOWN");
	assert_int_equal(oci_error_status(OCI_BLOB_UNKNOWN), 404);
	assert_string_equal(oci_error_message(OCI_BLOB_UNKNOWN), "blob unknown to registry");
	assert_string_equal(oci_error_message(OCI_NAME_UNKNOWN), "repository name not known to registry");
	assert_string_equal(oci_error_message(OCI_UNAUTHORIZED), "authentication required");
	assert_int_equal(oci_error_status(OCI_MANIFEST_BLOB_UNKNOWN), 400);
}

static void check_item(enum oci_error e, struct slice why, struct slice detail, const char *want)
{
	struct buf b = BUF_INIT(10000);

	oci_error_item(&b, e, why, detail);
	assert_string_equal(buf_cstr(&b), want);
	buf_free(&b);
}

static void test_items(void **state)
{
	check_item(OCI_TAG_INVALID, SLICE_NONE, SLICE_NONE, "{\"code\":\"TAG_INVALID\",\"message\":\"invalid tag\"}");
	check_item(OCI_TAG_INVALID, SLICE("it is \"x\"\n"), SLICE_NONE,
	    "{\"code\":\"TAG_INVALID\",\"message\":\"invalid tag: it is \\\"x\\\"\\n\"}");
	check_item(OCI_BLOB_UNKNOWN, SLICE_NONE, SLICE("\"sha256:x\""),
	    "{\"code\":\"BLOB_UNKNOWN\",\"message\":\"blob unknown to registry\",\"detail\":\"sha256:x\"}");
	check_item(OCI_TAG_INVALID, SLICE("\xFF"), SLICE("null"),
	    "{\"code\":\"TAG_INVALID\",\"message\":\"invalid tag: \xEF\xBF\xBD\",\"detail\":null}");
}

/* The server's own refusals are errors of the specification as well. */
static void test_refusals(void **state)
{
	static const struct {
		int status;
		const char *code;
	} rows[] = {{400, "UNKNOWN"}, {405, "UNSUPPORTED"}, {408, "UNKNOWN"}, {413, "SIZE_INVALID"},
	    {417, "UNSUPPORTED"}, {429, "TOOMANYREQUESTS"}, {431, "UNKNOWN"}, {500, "UNKNOWN"}, {501, "UNSUPPORTED"},
	    {503, "UNAVAILABLE"}, {505, "UNSUPPORTED"}};
	struct arena a, none;

	arena_init(&a, 100000);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice body = registry_error_body(rows[i].status, "bad \"thing\"\n", &a);
		json_t *root = json_loadb(body.p, body.n, 0, NULL), *first;

		first = json_array_get(json_object_get(root, "errors"), 0);
		assert_string_equal(json_string_value(json_object_get(first, "code")), rows[i].code);
		assert_string_equal(json_string_value(json_object_get(first, "message")), "bad \"thing\"\n");
		json_decref(root);
	}
	arena_free(&a);
	arena_init(&none, 0);
	assert_absent(registry_error_body(500, "no memory for this", &none));
	arena_free(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_items),
	    cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
