/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main.c - from the command line to the function of a command.
 *
 * The program may also be called `registry` or `docker-registry`, as the stock
 * registry is: the same commands, and the version in the stock form. Called
 * `htpasswd` it is that command, which the stock image of registry:2 has too.
 */
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)4 * 1024 * 1024)

static const char *program = "berth";

int usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nTry `%s help%s%s`.\n", program, command ? " " : "", command ? command : "");
	return EXIT_USAGE;
}

/* Writes what was made to stdout. */
static int print(const struct buf *out)
{
	if (buf_ok(out) && fwrite(buf_cstr(out), 1, out->n, stdout) == out->n && fflush(stdout) == 0)
		return EXIT_OK;
	fprintf(stderr, "%s: cannot write the output: %s\n", program, strerror(buf_ok(out) ? errno : out->err));
	return EXIT_FAILED;
}

int cmd_version(int argc, char **argv)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(OUTPUT_MAX);

	if (argc > 1)
		return usage_error("version", "version takes no operands");
	if (strcmp(program, "berth") != 0)
		buf_addf(&out, "%s ", program);
	buf_addf(&out, "berth %s\n", BERTH_VERSION);
	return print(&out);
}

/* What `help` makes instead of a text for people: the build calls these. */
static const struct {
	const char *option;
	void (*make)(struct buf *out);
} outputs[] = {
    {"--man", man_page},
    {"--bash", complete_bash},
    {"--zsh", complete_zsh},
};

static int help_about(const char *name)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(OUTPUT_MAX);
	const struct command *c = command_find(name);
	const char *near = command_nearest(name);

	if (!c)
		return usage_error(
		    NULL, near ? "there is no command %s; did you mean %s?" : "there is no command %s", name, near);
	help_command(c, &out);
	return print(&out);
}

int cmd_help(int argc, char **argv)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(OUTPUT_MAX);

	if (argc > 2)
		return usage_error("help", "help takes one command");
	for (size_t i = 0; argc == 2 && i < ARRAY_LEN(outputs); i++) {
		if (strcmp(argv[1], outputs[i].option) == 0) {
			outputs[i].make(&out);
			return print(&out);
		}
	}
	if (argc == 2)
		return help_about(argv[1]);
	help_overview(&out);
	return print(&out);
}

static bool is_any(const char *s, const char *a, const char *b)
{
	return strcmp(s, a) == 0 || strcmp(s, b) == 0;
}

/* `berth COMMAND --help`, `berth COMMAND ACTION --help`. */
static bool asks_for_help(const struct command *c, int argc, char **argv)
{
	if (argc > 1 && is_any(argv[1], "--help", "-h"))
		return true;
	return c->actions && argc > 2 && is_any(argv[2], "--help", "-h");
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *called = argc > 0 ? (slash ? slash + 1 : argv[0]) : "berth";
	const struct command *c;
	const char *near;

	if (is_any(called, "registry", "docker-registry"))
		program = called;
	if (strcmp(called, "htpasswd") == 0)
		return cmd_htpasswd(argc, argv);
	if (argc < 2) {
		CLEANUP(buf_free) struct buf out = BUF_INIT(OUTPUT_MAX);

		help_overview(&out);
		fputs(buf_cstr(&out), stderr);
		return EXIT_USAGE;
	}
	if (is_any(argv[1], "--help", "-h"))
		return cmd_help(1, argv + 1);
	if (is_any(argv[1], "--version", "-v"))
		return cmd_version(1, argv + 1);
	if (argv[1][0] == '-')
		return usage_error(NULL, "there is no option %s before the command", argv[1]);
	c = command_find(argv[1]);
	if (!c) {
		near = command_nearest(argv[1]);
		return usage_error(
		    NULL, near ? "there is no command %s; did you mean %s?" : "there is no command %s", argv[1], near);
	}
	if (asks_for_help(c, argc - 1, argv + 1))
		return help_about(c->name);
	return c->run(argc - 1, argv + 1);
}
