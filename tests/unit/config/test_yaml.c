/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_yaml.c - text that is broken, hostile or not a file at all: a clear
 * message with its line, in a moment, whatever it is.
 */
#include "base/clock.h"
#include "configtest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define V "version: 0.1\n"

static const struct row rows[] = {
    {V "http:\n\taddr: :1\n", NULL,
        "c.yml:3: not valid YAML at column 1: tab character may not be used as indentation\n"},
    {V "http:\n  addr: x\n prefix: y\n", NULL, "c.yml:4: not valid YAML at column 2: invalid indentation in mapping\n"},
    {V "http: {addr: \"x\n", NULL,
        "c.yml:2: not valid YAML at column 15: double-quoted scalar without closing quote\n"},
    {V "a\n", NULL, "c.yml:2: not valid YAML at column 1: invalid value after mapping\n"},
    {V "http: {addr: ':1'}\nlog: {}\nhttp: {}\n", NULL,
        "c.yml:4: the key \"http\" is given twice in the same mapping, first in line 2\n"},
    {V "http:\n  addr: ':1'\n  addr: ':2'\n", NULL,
        "c.yml:4: the key \"addr\" is given twice in the same mapping, first in line 3\n"},
    {V "---\na: b\n", NULL, "c.yml:2: a second document starts here; there may only be one\n"},
    {V "http: *a\n", NULL, "c.yml:2: the alias *a names no anchor above it\n"},
    {V "http: &a\n  b: *a\n", NULL, "c.yml:3: the alias *a stands inside of what it names\n"},
    {V "x-a: &a [1]\nhttp: {<<: *a}\n", NULL, "c.yml:3: the value of \"<<\" must be a mapping or a list of mappings\n"},
    {V "x-a: &a {b: c}\nhttp: {<<: *a, <<: *a}\n", NULL,
        "c.yml:3: \"<<\" is given twice in the same mapping; use a list: <<: [*a, *b]\n"},
    {V "http: {[a]: b}\n", NULL, "c.yml:2: a key must be a plain word\n"},
    {V "http: {: b}\n", NULL, "c.yml:2: a key is missing before the ':'\n"},
    {V "http: {addr: \"a\\0b\"}\n", NULL, "c.yml:2: a value holds a NUL character\n"},
    {V "http:\n  addr: \xc3\x28\n", NULL, "c.yml:3: not valid UTF-8\n"},
};

static void broken_text_is_explained(void **state)
{
	(void)state;
	rows_expect_problems(rows, ARRAY_LEN(rows));
}

/* Loads a text that must be refused with this message within a moment. */
static void expect_refused(const char *name, struct slice text, const char *message)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	int64_t start = clock_mono();
	struct config *cfg = config_load_text("c.yml", text, NULL, &problems);
	char *said = problems_text(&problems);

	if (cfg || !strstr(said, message))
		fail_msg("%s: wanted \"%s\", got: %.500s", name, message, said);
	if (clock_mono() - start > 20 * CLOCK_S)
		fail_msg("%s took longer than 20 s", name);
	free(said);
	config_problems_free(&problems);
}

static void repeat(struct buf *b, const char *what, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_adds(b, what);
}

static void hostile_text_is_bounded(void **state)
{
	static const struct {
		const char *name, *begin, *repeated;
		size_t times;
		const char *message;
	} cases[] = {
	    {"too large", V "# ", "xxxxxxxxxxxxxxxx", 4 * 1024, "larger than 64 KiB"},
	    {"deep flow lists", V "a: ", "[", 60000, "nested deeper than 32 levels"},
	    {"deep flow mappings", V "a: ", "{a: ", 15000, "nested deeper than 32 levels"},
	    {"deep block lists", V "a:\n ", "- ", 30000, "nested deeper than 32 levels"},
	    {"many values", V "a: [", "b,", 30000, "more than 10000 values"},
	    {"many anchors", V "a: [", "&a b, *a, ", 6000, "more than 10000 values"},
	    {"an unclosed quote", V "a: \"", "b ", 30000, "not valid YAML"},
	    {"question marks", V, "? ", 30000, "c.yml:"},
	    {"colons", V "a: ", ": ", 30000, "c.yml:"},
	    {"spaces", V "? ", " ", 60000, "c.yml:2: more than 1000 blanks or empty lines in a row"},
	    {"empty lines", V "a: |\n b\n", "\n", 60000, "c.yml:3: more than 1000 blanks or empty lines in a row"},
	    {"tags", V "a: ", "!a ", 20000, "c.yml:"},
	    {"percent signs", "", "%A\n", 20000, "c.yml:"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf b = BUF_INIT(1024 * 1024);

		buf_adds(&b, cases[i].begin);
		repeat(&b, cases[i].repeated, cases[i].times);
		expect_refused(cases[i].name, buf_slice(&b), cases[i].message);
		buf_free(&b);
	}
	expect_refused("a NUL byte", SLICE(V "log:\n  level: \0"), "c.yml:3: a NUL byte: this is not a text file");
}

static void alias_bombs_are_defused(void **state)
{
	struct buf b = BUF_INIT(1024 * 1024);

	(void)state;
	buf_adds(&b, V "x-0: &x0 [a, a, a, a, a, a, a, a, a]\n");
	for (int i = 1; i < 20; i++)
		buf_addf(&b, "x-%d: &x%d [*x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d, *x%d]\n", i, i, i - 1, i - 1,
		    i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	expect_refused(
	    "aliases of aliases", buf_slice(&b), "more than 10000 values, those that aliases repeat included");
	buf_clear(&b);
	buf_adds(&b, V "x-0: &x0 {a: b}\n");
	for (int i = 1; i < 40; i++)
		buf_addf(&b, "x-%d: &x%d [*x%d]\n", i, i, i - 1);
	expect_refused("a tower of aliases", buf_slice(&b), "nested deeper than 32 levels");
	buf_clear(&b);
	buf_adds(&b, V "x-0: &x0 {");
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "k%d: v, ", i);
	buf_adds(&b, "}\nx-1: {<<: [");
	repeat(&b, "*x0, ", 1000);
	buf_adds(&b, "]}\n");
	expect_refused("merges", buf_slice(&b), "more than 10000 values");
	buf_free(&b);
}

static void expect_unreadable(const char *path, const char *want)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = config_load(path, NULL, &problems);
	char *said = problems_text(&problems);

	assert_null(cfg);
	assert_string_equal(said, want);
	free(said);
	config_problems_free(&problems);
}

static void what_is_no_file_is_said(void **state)
{
	char dir[] = "/tmp/berth-config-XXXXXX";
	char loop[64], *want;

	(void)state;
	assert_non_null(mkdtemp(dir));
	want = xasprintf("%s: is a directory, not a configuration file\n", dir);
	expect_unreadable(dir, want);
	free(want);
	expect_unreadable("/nonexistent/c.yml",
	    "/nonexistent/c.yml: the configuration file cannot be opened: No such file or directory\n");
	snprintf(loop, sizeof(loop), "%s/loop", dir);
	assert_int_equal(symlink(loop, loop), 0);
	want = xasprintf("%s: the configuration file cannot be opened: Too many levels of symbolic links\n", loop);
	expect_unreadable(loop, want);
	free(want);
	unlink(loop);
	rmdir(dir);
}

static void endless_files_are_refused(void **state)
{
	(void)state;
	expect_unreadable("/dev/zero", "/dev/zero: larger than 64 KiB\n");
}

static void complaints_cannot_steer_a_terminal(void **state)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = config_load_text("c.yml", SLICE(V "\"a\\e[31m\\nb\": 1"), NULL, &problems);
	char *said = problems_text(&problems);

	(void)state;
	assert_null(cfg);
	assert_string_equal(said, "c.yml:2: a?[31m?b: unknown key\n");
	free(said);
	config_problems_free(&problems);
}

static void many_problems_are_cut_off(void **state)
{
	struct buf b = BUF_INIT(1024 * 1024);
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg;

	(void)state;
	buf_adds(&b, V);
	for (int i = 0; i < 3000; i++)
		buf_addf(&b, "key%d: 1\n", i);
	cfg = config_load_text("c.yml", buf_slice(&b), NULL, &problems);
	assert_null(cfg);
	assert_int_equal(problems.errors, 3000);
	assert_int_equal(problems.n, 501);
	assert_string_equal(problems.v[500].message, "2500 further problems are not listed");
	config_problems_free(&problems);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(broken_text_is_explained),
	    cmocka_unit_test(hostile_text_is_bounded),
	    cmocka_unit_test(alias_bombs_are_defused),
	    cmocka_unit_test(what_is_no_file_is_said),
	    cmocka_unit_test(endless_files_are_refused),
	    cmocka_unit_test(complaints_cannot_steer_a_terminal),
	    cmocka_unit_test(many_problems_are_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
