/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command.h - the commands of the program. One table (commands.c) names each
 * with its function, operands, options and text; the help, the manual page and
 * the completions for bash and zsh are all made from it.
 */
#ifndef BERTH_CLI_COMMAND_H
#define BERTH_CLI_COMMAND_H

#include "base/buf.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct command_option {
	const char *names; /* "-d, --dry-run"; NULL ends the list */
	const char *value; /* "COST", NULL: takes none */
	const char *text;
};

/* A first operand that selects what the command does, like `config check`. */
struct command_action {
	const char *name; /* NULL ends the list */
	const char *operands;
	const char *text;
};

struct command {
	const char *name;
	int (*run)(int argc, char **argv); /* argv[0] is the command; returns the exit status */
	const char *operands;              /* "[CONFIG]", "" */
	const char *summary;               /* one line */
	const char *text;                  /* paragraphs, separated by an empty line */
	const struct command_action *actions;
	const struct command_option *options;
	bool files;  /* operands are files: for completion */
	bool hidden; /* works, but is not shown */
};

extern const struct command commands[];
extern const size_t ncommands;

/* The command of this name, or NULL. */
const struct command *command_find(const char *name);
/* The shown command that was probably meant, or NULL. */
const char *command_nearest(const char *name);
/* Which of n names (NULL entries are skipped) is so near to `wrong` that it was probably meant; NULL: none. */
const char *nearest_of(const char *wrong, const char *const *names, size_t n);

/* "berth: message" and where help is, on stderr; returns EXIT_USAGE. `command` may be NULL. */
int usage_error(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* The functions of the table. */
int cmd_serve(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_htpasswd(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_gc(int argc, char **argv);
int cmd_garbage_collect(int argc, char **argv);

/* What the table is turned into (help.c, man.c, complete.c). */
void help_overview(struct buf *out);
void help_command(const struct command *c, struct buf *out);
void man_page(struct buf *out);
void complete_bash(struct buf *out);
void complete_zsh(struct buf *out);

#endif
