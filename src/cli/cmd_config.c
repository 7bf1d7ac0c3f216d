/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_config.c - `berth config`: check a configuration, show what is in force,
 * print the reference of all keys.
 */
#include "cli/command.h"
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_OUTPUT ((size_t)64 * 1024 * 1024)

static int print(const struct buf *out)
{
	if (!buf_ok(out)) {
		fprintf(stderr, "berth: out of memory\n");
		return EXIT_FAILED;
	}
	if (fwrite(buf_cstr(out), 1, out->n, stdout) != out->n || fflush(stdout) != 0) {
		fprintf(stderr, "berth: cannot write the output: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static void write_problems(const struct config_problems *problems, struct buf *out)
{
	for (size_t i = 0; i < problems->n; i++) {
		config_problem_write(&problems->v[i], out);
		buf_addc(out, '\n');
	}
}

static int check(const char *file)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = config_load(file, environ, &problems);
	CLEANUP(buf_free) struct buf out = BUF_INIT(MAX_OUTPUT);
	int status;

	if (cfg)
		config_check_files(cfg, &problems);
	write_problems(&problems, &out);
	if (cfg)
		buf_addf(&out, "%s: ok\n", cfg->file ? cfg->file : "no file, the defaults are in force");
	status = print(&out);
	config_free(&cfg);
	if (problems.errors)
		status = EXIT_FAILED;
	config_problems_free(&problems);
	return status;
}

static int show(const char *file)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = config_load(file, environ, &problems);
	CLEANUP(buf_free) struct buf out = BUF_INIT(MAX_OUTPUT), complaints = BUF_INIT(MAX_OUTPUT);
	int status = EXIT_FAILED;

	if (cfg) {
		config_show(cfg, &out);
		status = print(&out);
	} else {
		write_problems(&problems, &complaints);
		fputs(buf_cstr(&complaints), stderr);
	}
	buf_free(&complaints);
	config_free(&cfg);
	config_problems_free(&problems);
	return status;
}

static int reference(void)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(MAX_OUTPUT);

	config_reference(&out);
	return print(&out);
}

int cmd_config(int argc, char **argv)
{
	const char *action = argc > 1 ? argv[1] : NULL, *file = argc > 2 ? argv[2] : NULL;

	if (!action)
		return usage_error("config", "config needs an action: check, show or reference");
	if (file && file[0] == '-')
		return usage_error("config", "config %s has no option %s", action, file);
	if (argc > 3)
		return usage_error("config", "config %s takes one file, not %d", action, argc - 2);
	if (strcmp(action, "check") == 0)
		return check(file);
	if (strcmp(action, "show") == 0)
		return show(file);
	if (strcmp(action, "reference") != 0)
		return usage_error("config", "there is no action %s; there are check, show and reference", action);
	return file ? usage_error("config", "config reference takes no file") : reference();
}
