/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_config.c - the loader of the configuration on arbitrary text. Behind a
 * line "%ENV" stand variables, one a line. Whatever loads must also be shown,
 * and what is shown must load again and be shown the same but for its origins.
 */
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VARS 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* libfyaml 0.7 forgets a kilobyte for a quoted scalar with many escapes. What we
 * forget of it ourselves, the unit tests of the configuration would tell. */
/* NOLINTBEGIN(bugprone-reserved-identifier): the sanitizer looks for this name */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Where the comment of a line begins, or its length: the last " # ", since the
 * name of a variable may hold a '#' and a value anything. */
static size_t comment_at(struct slice line)
{
	for (size_t i = line.n; i >= 3; i--) {
		if (slice_eq(slice_sub(line, i - 3, 3), SLICE(" # ")))
			return i - 3;
	}
	return line.n;
}

/* Shows without the comments, which say where the values came from. */
static void show(const struct config *cfg, struct buf *out)
{
	struct buf full = BUF_INIT(64 * 1024 * 1024);
	struct slice rest;

	config_show(cfg, &full);
	ASSERT(buf_ok(&full));
	rest = buf_slice(&full);
	while (rest.p) {
		struct slice line = slice_cut(&rest, '\n');

		buf_add(out, slice_sub(line, 0, comment_at(line)));
		buf_addc(out, '\n');
	}
	buf_free(&full);
}

static void show_again(const struct config *cfg)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct buf first = BUF_INIT(64 * 1024 * 1024), second = BUF_INIT(64 * 1024 * 1024),
	           full = BUF_INIT(64 * 1024 * 1024);
	struct config *again;

	config_show(cfg, &full);
	again = config_load_text("shown", buf_slice(&full), NULL, &problems);
	for (size_t i = 0; !again && i < problems.n; i++)
		fprintf(stderr, "%u: %s\n", problems.v[i].line, problems.v[i].message);
	if (full.n < 128 * 1024) { /* repeated and quoted it may outgrow the limit of a file */
		ASSERT(again != NULL);
		show(cfg, &first);
		show(again, &second);
		ASSERT(slice_eq(buf_slice(&first), buf_slice(&second)));
	}
	config_free(&again);
	config_problems_free(&problems);
	buf_free(&first);
	buf_free(&second);
	buf_free(&full);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char mark[] = "\n%ENV\n";
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct buf said = BUF_INIT(64 * 1024 * 1024);
	const char *text = (const char *)data, *split = size ? memmem(data, size, mark, strlen(mark)) : NULL;
	struct slice yaml = slice_of(text, split ? (size_t)(split - text) : size), rest = SLICE_NONE;
	char *envp[MAX_VARS + 1] = {NULL};
	struct config *cfg;
	size_t n = 0;

	if (split)
		rest = slice_from(slice_of(text, size), yaml.n + strlen(mark));
	while (rest.p && n < MAX_VARS)
		envp[n++] = slice_dup(slice_cut(&rest, '\n'));
	cfg = split == text ? config_load(NULL, envp, &problems) : config_load_text("fuzz.yml", yaml, envp, &problems);
	ASSERT((cfg == NULL) == (problems.errors > 0));
	for (size_t i = 0; i < problems.n; i++)
		config_problem_write(&problems.v[i], &said);
	if (cfg)
		show_again(cfg);
	config_free(&cfg);
	config_problems_free(&problems);
	buf_free(&said);
	for (size_t i = 0; i < n; i++)
		free(envp[i]);
	return 0;
}
