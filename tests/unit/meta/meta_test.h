/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta_test.h - what the tests of the metadata layer share: a directory for the
 * database of each test, digests made from a number, and one-line writes.
 */
#ifndef BERTH_TESTS_META_TEST_H
#define BERTH_TESTS_META_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first. */
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "meta/meta.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define assert_ok(call) \
	do { \
		struct err e_ = {ERR_OK, 0, ""}; \
		struct err *err = &e_; \
		if ((call) != ERR_OK) \
			fail_msg("%s: %s", #call, e_.msg); \
	} while (0)

/* The call fails with this code and says something that holds `text`. */
#define assert_fails(call, expected, text) \
	do { \
		struct err e_ = {ERR_OK, 0, ""}; \
		struct err *err = &e_; \
		enum err_code rc_ = (call); \
		if (rc_ != (expected) || e_.code != (expected) || !strstr(e_.msg, text)) \
			fail_msg("%s: %s (%s), expected %s with \"%s\"", #call, err_code_name(rc_), e_.msg, \
			    err_code_name(expected), text); \
	} while (0)

struct fixture {
	char dir[128];
	char path[160];
	struct meta *m;
	struct arena a;
};

/* A fresh directory, and the database in it opened. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
void fixture_open(struct fixture *f);
/* Removes a directory and the files in it. */
void remove_dir(const char *dir);

struct digest digest_nr(unsigned n);

/* Single writes; each returns what meta_write returned. */
enum err_code put_blob(struct meta *m, const char *repo, unsigned nr, uint64_t size, struct err *err);
/* A manifest with the payload "manifest NR", one blob of config (required), an
 * optional tag and an optional subject (0: none). */
enum err_code put_manifest(struct meta *m, const char *repo, unsigned nr, unsigned config, const char *tag,
    unsigned subject, const char *type, struct err *err);
enum err_code delete_manifest(struct meta *m, const char *repo, unsigned nr, struct err *err);
enum err_code delete_tag(struct meta *m, const char *repo, const char *tag, struct err *err);

#define S(lit) SLICE(lit)

#endif
