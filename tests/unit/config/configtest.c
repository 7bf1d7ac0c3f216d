/* SPDX-License-Identifier: Apache-2.0 */
/* configtest.c - see configtest.h. */
#include "configtest.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VARS 64
#define MAX_TEXT ((size_t)16 * 1024 * 1024)

struct config *row_load(const struct row *row, struct config_problems *problems)
{
	char *envp[MAX_VARS + 1] = {NULL};
	struct slice rest = slice_cstr(row->env);
	struct config *cfg;
	size_t n = 0;

	while (rest.p) {
		assert_true(n < MAX_VARS);
		envp[n++] = slice_dup(slice_cut(&rest, '\n'));
	}
	cfg = row->text ? config_load_text("c.yml", slice_cstr(row->text), envp, problems)
	                : config_load(NULL, envp, problems);
	for (size_t i = 0; i < n; i++)
		free(envp[i]);
	assert_int_equal(cfg == NULL, problems->errors > 0);
	return cfg;
}

char *problems_text(const struct config_problems *problems)
{
	struct buf out = BUF_INIT(MAX_TEXT);

	buf_adds(&out, "");
	for (size_t i = 0; i < problems->n; i++) {
		config_problem_write(&problems->v[i], &out);
		buf_addc(&out, '\n');
	}
	assert_true(buf_ok(&out));
	return out.p ? buf_take(&out) : xstrdup("");
}

static void print_row(const struct row *row)
{
	print_error("file:\n%s\nenvironment:\n%s\n", row->text ? row->text : "-", row->env ? row->env : "-");
}

static bool has_problems(const struct row *row)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = row_load(row, &problems);
	char *text = problems_text(&problems);
	bool same = strcmp(text, row->want) == 0;

	if (!same) {
		print_row(row);
		print_error("wanted:\n%s\ngot:\n%s\n", row->want, text);
	}
	free(text);
	config_free(&cfg);
	config_problems_free(&problems);
	return same;
}

void rows_expect_problems(const struct row *rows, size_t n)
{
	size_t bad = 0;

	for (size_t i = 0; i < n; i++)
		bad += !has_problems(&rows[i]);
	assert_int_equal(bad, 0);
}

static bool has_line(const char *text, struct slice line)
{
	struct slice rest = slice_cstr(text);

	while (rest.p)
		if (slice_eq(slice_trim(slice_cut(&rest, '\n')), line))
			return true;
	return false;
}

static bool is_shown(const struct row *row)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = row_load(row, &problems);
	struct buf out = BUF_INIT(MAX_TEXT);
	struct slice rest = slice_cstr(row->want);
	char *text = problems_text(&problems);
	bool found = cfg;

	if (cfg)
		config_show(cfg, &out);
	while (rest.p && found)
		found = has_line(buf_cstr(&out), slice_cut(&rest, '\n'));
	if (!found) {
		print_row(row);
		print_error("wanted:\n%s\ngot:\n%s%s\n", row->want, text, buf_cstr(&out));
	}
	free(text);
	buf_free(&out);
	config_free(&cfg);
	config_problems_free(&problems);
	return found;
}

void rows_expect_shown(const struct row *rows, size_t n)
{
	size_t bad = 0;

	for (size_t i = 0; i < n; i++)
		bad += !is_shown(&rows[i]);
	assert_int_equal(bad, 0);
}
