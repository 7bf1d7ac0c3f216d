/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.h - what unit tests share: cmocka in the order it wants its headers, and
 * a few assertions in the house's own types.
 */
#ifndef BERTH_TESTS_UNIT_H
#define BERTH_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above first. */
#include <cmocka.h>

#include "base/err.h"
#include "base/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The slice holds exactly this text. */
#define assert_slice(s, text) \
	do { \
		struct slice unit_s_ = (s); \
		if (!slice_eq_cstr(unit_s_, text)) \
			fail_msg("'%.*s' is not '%s'", SLICE_ARG(unit_s_), text); \
	} while (0)
#define assert_absent(s) assert_null((s).p)

/* The call succeeds; `err` of the caller says why it did not. */
#define assert_ok(call) \
	do { \
		enum err_code unit_rc_ = (call); \
		if (unit_rc_ != ERR_OK) \
			fail_msg("%s: %s: %s", #call, err_code_name(unit_rc_), err.msg); \
	} while (0)
/* The call fails with this code and says so in `err` of the caller. */
#define assert_err(call, want) \
	do { \
		enum err_code unit_rc_ = (call); \
		if (unit_rc_ != (want)) \
			fail_msg("%s: %s, not %s", #call, err_code_name(unit_rc_), err_code_name(want)); \
		if (err.code != (want)) \
			fail_msg("%s: err says %s (%s)", #call, err_code_name(err.code), err.msg); \
	} while (0)

#endif
