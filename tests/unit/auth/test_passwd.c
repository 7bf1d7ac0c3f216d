/* SPDX-License-Identifier: Apache-2.0 */
/* test_passwd.c - password hashes and the htpasswd file: pwhash.h, passwd.h. */
#include "authtest.h"
#include "auth/passwd.h"
#include "auth/pwhash.h"
#include "base/buf.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Made by other programs than ours: test vectors of bcrypt, and the output of
 * `openssl passwd`. */
#define VEC_2A "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
#define VEC_2Y "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"
#define VEC_5 "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
#define VEC_6 "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"

static void test_vectors(void **state)
{
	assert_true(pwhash_verify(VEC_2A, SLICE("U*U")));
	assert_false(pwhash_verify(VEC_2A, SLICE("U*V")));
	assert_true(pwhash_verify(VEC_2Y, SLICE("\xff\xff\xa3")));
	assert_true(pwhash_verify(VEC_5, SLICE("Hello world!")));
	assert_false(pwhash_verify(VEC_5, SLICE("Hello world")));
	assert_true(pwhash_verify(VEC_6, SLICE("Hello world!")));
	assert_false(pwhash_verify(VEC_6, SLICE("")));
}

/* What stands behind a NUL byte must not be ignored. */
static void test_nul(void **state)
{
	assert_false(pwhash_verify(VEC_2A, slice_of("U*U\0x", 5)));
	assert_false(pwhash_verify(VEC_2A, slice_of("U*U\0", 4)));
}

static void test_long(void **state)
{
	char hash[PWHASH_TEXT], text[600];
	struct err err;

	memset(text, 'a', sizeof(text));
	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 4, slice_of(text, 600), hash, &err), ERR_OK);
	assert_true(pwhash_verify(hash, slice_of(text, 600)));
	assert_true(pwhash_verify(hash, slice_of(text, 72)));
	assert_false(pwhash_verify(hash, slice_of(text, 71)));
	assert_int_equal(pwhash_make(PWHASH_SHA256, 0, slice_of(text, 512), hash, &err), ERR_TOO_LARGE);
	assert_int_equal(pwhash_make(PWHASH_SHA256, 1000, slice_of(text, 511), hash, &err), ERR_OK);
	assert_true(pwhash_verify(hash, slice_of(text, 511)));
	assert_false(pwhash_verify(hash, slice_of(text, 512)));
}

static void test_make(void **state)
{
	char hash[PWHASH_TEXT], other[PWHASH_TEXT];
	struct err err;

	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 5, SLICE("pw"), hash, &err), ERR_OK);
	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 5, SLICE("pw"), other, &err), ERR_OK);
	assert_memory_equal(hash, "$2y$05$", 7);
	assert_string_not_equal(hash, other);
	assert_int_equal(pwhash_make(PWHASH_SHA512, 0, SLICE("pw"), hash, &err), ERR_OK);
	assert_memory_equal(hash, "$6$", 3);
	assert_null(pwhash_refusal(slice_cstr(hash)));
	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 3, SLICE("pw"), hash, &err), ERR_INVALID);
	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 18, SLICE("pw"), hash, &err), ERR_INVALID);
	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 5, slice_of("p\0w", 3), hash, &err), ERR_INVALID);
}

static void refused(const char *hash, const char *because)
{
	const char *why = pwhash_refusal(slice_cstr(hash));

	assert_non_null(why);
	if (!strstr(why, because))
		fail_msg("%s: \"%s\" does not say \"%s\"", hash, why, because);
}

static void test_refusals(void **state)
{
	assert_null(pwhash_refusal(SLICE(VEC_2A)));
	assert_null(pwhash_refusal(SLICE(VEC_2Y)));
	assert_null(pwhash_refusal(SLICE(VEC_5)));
	assert_null(pwhash_refusal(SLICE(VEC_6)));
	assert_null(pwhash_refusal(SLICE("$5$rounds=5000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8")));
	refused("$apr1$x$y", "MD5");
	refused("$1$x$y", "MD5");
	refused("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1");
	refused("secret", "plain text");
	refused("", "no password");
	refused("$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "not supported");
	refused("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe", "malformed bcrypt");
	refused("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeWx", "malformed bcrypt");
	refused("$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO:W", "malformed bcrypt");
	refused("$2y$xx$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "malformed bcrypt");
	refused("$2y$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "under 4");
	refused("$2y$18$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "over 17");
	refused("$2y$", "malformed bcrypt");
	refused("$5$rounds=999999999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8", "rounds");
	refused("$5$rounds=x$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8", "rounds");
	refused("$5$saltstring", "malformed SHA-crypt");
	refused("$6$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8", "malformed SHA-crypt");
}

static struct passwd *parsed(const char *text)
{
	struct passwd *p = NULL;
	struct err err = {.msg = ""};

	if (passwd_parse("F", slice_cstr(text), &p, &err))
		fail_msg("%s", err.msg);
	return p;
}

static void malformed(struct slice text, const char *message)
{
	struct passwd *p;
	struct err err;

	assert_int_equal(passwd_parse("F", text, &p, &err), ERR_INVALID);
	if (!strstr(err.msg, message))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, message);
}

static void test_file(void **state)
{
	struct passwd *p = parsed("# people\r\n\r\n  alice:" VEC_2A "\t\r\n\n #bob:secret\nbob:" VEC_5);

	assert_int_equal(passwd_users(p), 2);
	assert_true(passwd_verify(p, SLICE("alice"), SLICE("U*U")));
	assert_false(passwd_verify(p, SLICE("alice"), SLICE("Hello world!")));
	assert_true(passwd_verify(p, SLICE("bob"), SLICE("Hello world!")));
	assert_false(passwd_verify(p, SLICE("bo"), SLICE("Hello world!")));
	assert_false(passwd_verify(p, SLICE("bobb"), SLICE("Hello world!")));
	assert_false(passwd_verify(p, SLICE(""), SLICE("")));
	/* Whatever hash an unknown name is tried on, it does not get in. */
	for (int i = 0; i < 40; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "u%d", i);
		assert_false(passwd_verify(p, slice_cstr(name), SLICE("U*U")));
		assert_false(passwd_verify(p, slice_cstr(name), SLICE("Hello world!")));
	}
	passwd_free(p);
}

static void test_empty(void **state)
{
	struct passwd *p = parsed("");

	assert_int_equal(passwd_users(p), 0);
	assert_false(passwd_verify(p, SLICE("a"), SLICE("b")));
	passwd_free(p);
	p = parsed("# nobody\n\n");
	assert_int_equal(passwd_users(p), 0);
	passwd_free(p);
}

static void test_twice(void **state)
{
	struct passwd *p = parsed("a:" VEC_2A "\nb:" VEC_2A "\na:" VEC_5 "\n");

	assert_int_equal(passwd_users(p), 2);
	assert_true(passwd_verify(p, SLICE("a"), SLICE("Hello world!")));
	assert_false(passwd_verify(p, SLICE("a"), SLICE("U*U")));
	passwd_free(p);
}

static void test_malformed(void **state)
{
	char name[300];

	malformed(SLICE("a:" VEC_2A "\nnothing here\n"), "F: line 2: there is no ':'");
	malformed(SLICE("# x\n\n:" VEC_2A), "F: line 3: the user name is empty");
	malformed(SLICE("a:" VEC_2A "\nb:$apr1$salt$hash"), "F: line 2: user \"b\" has an MD5 hash");
	malformed(SLICE("b:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="), "`htpasswd -B`");
	malformed(SLICE("b:geheim"), "F: line 1: user \"b\" has a plain text password");
	malformed(slice_of("b\0c:" VEC_2A, 64), "NUL");
	malformed(SLICE("b\x01:x"), "user \"?\"");
	memset(name, 'n', sizeof(name));
	memcpy(name + 280, ":x", 3);
	malformed(slice_cstr(name), "longer than 255");
}

/* The messages go to logs, where no secret may be. */
static void test_no_secret_in_message(void **state)
{
	struct passwd *p;
	struct err err;

	assert_int_equal(passwd_parse("F", SLICE("b:geheim"), &p, &err), ERR_INVALID);
	assert_null(strstr(err.msg, "geheim"));
}

static void test_same(void **state)
{
	struct passwd *a = parsed("a:" VEC_2A), *b = parsed("a:" VEC_2A), *c = parsed("a:" VEC_5);

	assert_true(passwd_same(a, b));
	assert_false(passwd_same(a, c));
	passwd_free(a);
	passwd_free(b);
	passwd_free(c);
}

static int64_t fastest(const struct passwd *p, const char *user)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 5; i++) {
		int64_t start = clock_mono();

		assert_false(passwd_verify(p, slice_cstr(user), SLICE("wrong")));
		if (clock_mono() - start < best)
			best = clock_mono() - start;
	}
	return best;
}

/* Whether a user exists must not be seen from how long the answer takes. */
static void test_unknown_costs_the_same(void **state)
{
	char hash[PWHASH_TEXT], text[PWHASH_TEXT + 16];
	struct passwd *p;
	int64_t known, unknown;

	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 7, SLICE("pw"), hash, NULL), ERR_OK);
	(void)snprintf(text, sizeof(text), "alice:%s\n", hash);
	p = parsed(text);
	known = fastest(p, "alice");
	unknown = fastest(p, "nobody");
	assert_true(unknown > known / 3 && unknown < known * 3);
	passwd_free(p);
}

static void test_load(void **state)
{
	struct passwd *p;
	struct err err;

	write_file("ok", "a:" VEC_2A "\n");
	assert_int_equal(passwd_load(in_dir("ok"), &p, &err), ERR_OK);
	assert_true(passwd_verify(p, SLICE("a"), SLICE("U*U")));
	passwd_free(p);
	assert_int_equal(passwd_load(in_dir("none"), &p, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, in_dir("none")));
	assert_int_equal(passwd_load(in_dir("."), &p, &err), ERR_INVALID);
}

static void test_provision(void **state)
{
	struct passwd *p;
	struct stat st;
	struct err err;

	assert_int_equal(passwd_provision(in_dir("new/er/htpasswd"), &err), ERR_OK);
	assert_int_equal(stat(in_dir("new/er/htpasswd"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(passwd_load(in_dir("new/er/htpasswd"), &p, &err), ERR_OK);
	assert_int_equal(passwd_users(p), 1);
	passwd_free(p);
	write_file("old", "");
	assert_int_equal(passwd_provision(in_dir("old"), &err), ERR_OK);
	assert_int_equal(stat(in_dir("old"), &st), 0);
	assert_int_equal(st.st_size, 0);
	write_file("plain", "");
	assert_int_not_equal(passwd_provision(in_dir("plain/x"), &err), ERR_OK);
}

/* Apache's htpasswd and we understand each other. */
static void test_apache(void **state)
{
	char *line;
	struct passwd *p;

	if (STATUS("sh", "-c", "command -v htpasswd") != 0)
		skip();
	line = RUN("htpasswd", "-nbBC", "4", "carol", "se cret");
	p = parsed(line);
	assert_true(passwd_verify(p, SLICE("carol"), SLICE("se cret")));
	assert_false(passwd_verify(p, SLICE("carol"), SLICE("se")));
	passwd_free(p);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vectors),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_make),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_file),
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_twice),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_no_secret_in_message),
	    cmocka_unit_test(test_same),
	    cmocka_unit_test(test_unknown_costs_the_same),
	    cmocka_unit_test(test_load),
	    cmocka_unit_test(test_provision),
	    cmocka_unit_test(test_apache),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
