/* SPDX-License-Identifier: Apache-2.0 */
/*
 * configtest.h - what the tests of the configuration share: a row is a text, an
 * environment, and what must come of them.
 */
#ifndef BERTH_TESTS_CONFIGTEST_H
#define BERTH_TESTS_CONFIGTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/internal.h"

struct row {
	const char *text; /* of the file "c.yml"; NULL: no file */
	const char *env;  /* variables, one a line; NULL: none */
	const char *want; /* problems, one a line; or lines of config_show */
};

/* Loads a row; the configuration may be NULL. */
struct config *row_load(const struct row *row, struct config_problems *problems);
/* The problems of each row are exactly `want`. Reports all rows that differ, then fails. */
void rows_expect_problems(const struct row *rows, size_t n);
/* Each row loads, and each line of `want` is a line of config_show. */
void rows_expect_shown(const struct row *rows, size_t n);

/* All problems as text; the caller frees. */
char *problems_text(const struct config_problems *problems);

#endif
