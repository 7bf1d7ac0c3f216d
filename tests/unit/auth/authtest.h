/* SPDX-License-Identifier: Apache-2.0 */
/* authtest.h - what the tests of auth share: a folder of their own and files in it. */
#ifndef BERTH_TESTS_AUTHTEST_H
#define BERTH_TESTS_AUTHTEST_H

#include "base/err.h"
#include "base/slice.h"

/* Makes and removes the folder; for cmocka's group setup and teardown. */
int dir_setup(void **state);
int dir_teardown(void **state);

/* "FOLDER/name"; valid until the eighth call after this one. */
const char *in_dir(const char *name);
/* Writes a whole file, in place. */
void write_file(const char *name, const char *text);
void write_bytes(const char *name, struct slice bytes);
/* Runs a program, which must succeed, with this standard input (NULL: none);
 * returns its output (free()). */
char *run(const char *const *argv, const char *input);
#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL}, NULL)
/* Runs it for its exit status; its output is thrown away. */
int status_of(const char *const *argv);
#define STATUS(...) status_of((const char *const[]){__VA_ARGS__, NULL})

#endif
