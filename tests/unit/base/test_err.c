/* SPDX-License-Identifier: Apache-2.0 */
/* test_err.c - error objects, and the allocations and clean-ups of defs.h. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void test_set(void **state)
{
	struct err err = {.sys = 5};

	assert_int_equal(err_set(&err, ERR_MISMATCH, "%s is not %d", "x", 7), ERR_MISMATCH);
	assert_int_equal(err.code, ERR_MISMATCH);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.msg, "x is not 7");
	assert_int_equal(err_set(NULL, ERR_RANGE, "%d", 1), ERR_RANGE);
}

static void test_sys(void **state)
{
	static const struct {
		int sys;
		enum err_code want;
	} rows[] = {
	    {ENOENT, ERR_NOT_FOUND},
	    {ENOTDIR, ERR_NOT_FOUND},
	    {EEXIST, ERR_EXISTS},
	    {ENOSPC, ERR_NO_SPACE},
	    {EDQUOT, ERR_NO_SPACE},
	    {EFBIG, ERR_NO_SPACE},
	    {ENOMEM, ERR_NO_MEMORY},
	    {EMFILE, ERR_BUSY},
	    {ENFILE, ERR_BUSY},
	    {EAGAIN, ERR_BUSY},
	    {EBUSY, ERR_BUSY},
	    {EACCES, ERR_DENIED},
	    {EPERM, ERR_DENIED},
	    {EROFS, ERR_DENIED},
	    {ETIMEDOUT, ERR_TIMEOUT},
	    {EPIPE, ERR_CLOSED},
	    {ECONNRESET, ERR_CLOSED},
	    {EIO, ERR_IO},
	    {12345, ERR_IO},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		char want[200];

		assert_int_equal(err_sys(&err, rows[i].sys, "cannot open %s", "f"), rows[i].want);
		assert_int_equal(err.code, rows[i].want);
		assert_int_equal(err.sys, rows[i].sys);
		snprintf(want, sizeof(want), "cannot open f: %s", strerror(rows[i].sys));
		assert_string_equal(err.msg, want);
		assert_int_equal(err_sys(NULL, rows[i].sys, "%s", ""), rows[i].want);
	}
}

static void test_context(void **state)
{
	struct err err;

	err_sys(&err, ENOSPC, "cannot write");
	assert_int_equal(err_context(&err, "upload %d", 7), ERR_NO_SPACE);
	assert_string_equal(err.msg, "upload 7: cannot write: No space left on device");
	assert_int_equal(err.sys, ENOSPC);
	err_context(NULL, "%s", "");
}

/* Messages are cut, never overrun. */
static void test_long_messages(void **state)
{
	char text[3000];
	struct err err;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_INVALID, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	err_sys(&err, EIO, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	err_context(&err, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	err_set(&err, ERR_INVALID, "%s", "short");
	err_context(&err, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void test_names(void **state)
{
	for (int i = ERR_OK; i <= ERR_IO; i++) {
		const char *name = err_code_name((enum err_code)i);

		assert_non_null(name);
		assert_string_not_equal(name, "unknown");
		for (int k = ERR_OK; k < i; k++)
			assert_string_not_equal(name, err_code_name((enum err_code)k));
	}
	assert_string_equal(err_code_name(ERR_NOT_FOUND), "not found");
	assert_string_equal(err_code_name((enum err_code)(ERR_IO + 1)), "unknown");
}

static void test_allocations(void **state)
{
	char *p = xmalloc(0), *q = xcalloc(0, 0), *r;

	assert_non_null(p);
	assert_non_null(q);
	free(q);
	p = xrealloc(p, 10);
	memcpy(p, "abc", 4);
	p = xrealloc(p, 10000);
	assert_string_equal(p, "abc");
	q = xcalloc(10, 10);
	for (int i = 0; i < 100; i++)
		assert_int_equal(q[i], 0);
	free(q);
	q = xstrdup(p);
	assert_string_equal(q, "abc");
	r = xasprintf("%s-%d", q, 5);
	assert_string_equal(r, "abc-5");
	free(p);
	free(q);
	free_ptr(&r);
	assert_null(r);
	free_ptr(&r);
}

static void test_cleanup(void **state)
{
	int kept, none = -1;

	{
		CLEANUP(close_fd) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		CLEANUP(free_ptr) char *text = xstrdup("abc");

		assert_true(fd >= 0);
		assert_non_null(text);
		kept = fd;
	}
	assert_int_equal(fcntl(kept, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	close_fd(&none);
	assert_int_equal(none, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_set),
	    cmocka_unit_test(test_sys),
	    cmocka_unit_test(test_context),
	    cmocka_unit_test(test_long_messages),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_allocations),
	    cmocka_unit_test(test_cleanup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
