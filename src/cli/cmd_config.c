/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_config.c - `berth config`: check a configuration, show what is in force,
 * print the reference of all keys.
 */
#include "config/config.h"

#include <errno.h>
#include <unistd.h>

int cmd_config(int argc, char **argv);

extern char **environ;

enum { EXIT_FINE = 0, EXIT_PROBLEMS = 1, EXIT_USAGE = 2 };

#define MAX_OUTPUT ((size_t)64 * 1024 * 1024)

static int usage(FILE *to)
{
	fputs("Usage: berth config check [FILE]\n"
	      "       berth config show [FILE]\n"
	      "       berth config reference\n"
	      "\n"
	      "  check      reports every problem of the configuration, one a line; status 1\n"
	      "             when there are errors\n"
	      "  show       prints the configuration in force, with the origin of each value\n"
	      "  reference  prints the documentation of all keys, in Markdown\n"
	      "\n"
	      "Without FILE the one that REGISTRY_CONFIGURATION_PATH names is read; without\n"
	      "either the defaults are in force. REGISTRY_* and BERTH_* variables override both.\n",
	    to);
	return to == stdout ? EXIT_FINE : EXIT_USAGE;
}

static int print(const struct buf *out)
{
	if (!buf_ok(out)) {
		fprintf(stderr, "berth: out of memory\n");
		return EXIT_PROBLEMS;
	}
	if (fwrite(buf_cstr(out), 1, out->n, stdout) != out->n || fflush(stdout) != 0) {
		fprintf(stderr, "berth: cannot write the output: %s\n", strerror(errno));
		return EXIT_PROBLEMS;
	}
	return EXIT_FINE;
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
		status = EXIT_PROBLEMS;
	config_problems_free(&problems);
	return status;
}

static int show(const char *file)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = config_load(file, environ, &problems);
	CLEANUP(buf_free) struct buf out = BUF_INIT(MAX_OUTPUT), complaints = BUF_INIT(MAX_OUTPUT);
	int status = EXIT_PROBLEMS;

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
	const char *what = argc > 1 ? argv[1] : "";
	const char *file = argc > 2 ? argv[2] : NULL;

	if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0 || strcmp(what, "help") == 0)
		return usage(stdout);
	if (argc > 3 || (file && file[0] == '-'))
		return usage(stderr);
	if (strcmp(what, "check") == 0)
		return check(file);
	if (strcmp(what, "show") == 0)
		return show(file);
	if (strcmp(what, "reference") == 0 && !file)
		return reference();
	return usage(stderr);
}
