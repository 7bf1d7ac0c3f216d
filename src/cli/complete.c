/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complete.c - completion scripts for bash and zsh, made from the table of
 * commands.
 */
#include "cli/command.h"

/* The names of all shown commands, separated by a space. */
static void add_names(struct buf *out)
{
	for (size_t i = 0; i < ncommands; i++)
		if (!commands[i].hidden)
			buf_addf(out, "%s%s", i > 0 ? " " : "", commands[i].name);
}

/* Each name of "-d, --dry-run" behind a space. */
static void add_option_names(struct buf *out, const char *names)
{
	struct slice rest = slice_cstr(names);

	while (rest.p) {
		buf_addc(out, ' ');
		buf_add(out, slice_trim(slice_cut(&rest, ',')));
	}
}

static void bash_case(struct buf *out, const struct command *c)
{
	buf_addf(out, "\t%s)\n\t\twords=\"--help", c->name);
	for (const struct command_option *o = c->options; o && o->names; o++)
		add_option_names(out, o->names);
	buf_adds(out, "\"\n");
	if (strcmp(c->name, "help") == 0) {
		buf_adds(out, "\t\t[ \"$COMP_CWORD\" -eq 2 ] && words=\"$commands\"\n");
	} else if (c->actions) {
		buf_adds(out, "\t\t[ \"$COMP_CWORD\" -eq 2 ] && words=\"");
		for (const struct command_action *a = c->actions; a->name; a++)
			buf_addf(out, "%s%s", a > c->actions ? " " : "", a->name);
		buf_adds(out, "\"\n\t\t[ \"$COMP_CWORD\" -gt 2 ] && files=1\n");
	} else if (c->files) {
		buf_adds(out, "\t\tfiles=1\n");
	}
	buf_adds(out, "\t\t;;\n");
}

void complete_bash(struct buf *out)
{
	buf_adds(out, "# bash completion of berth, made by `berth help --bash`\n"
	              "_berth()\n{\n"
	              "\tlocal current=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\" files=\"\" commands=\"");
	add_names(out);
	buf_adds(out, "\"\n"
	              "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	              "\t\tmapfile -t COMPREPLY < <(compgen -W \"$commands --help --version\" -- \"$current\")\n"
	              "\t\treturn\n\tfi\n"
	              "\tcase \"${COMP_WORDS[1]}\" in\n");
	for (size_t i = 0; i < ncommands; i++)
		if (!commands[i].hidden)
			bash_case(out, &commands[i]);
	buf_adds(out, "\tesac\n"
	              "\tif [ -n \"$files\" ] && [ \"${current#-}\" = \"$current\" ]; then\n"
	              "\t\tcompopt -o filenames\n"
	              "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
	              "\telse\n"
	              "\t\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
	              "\tfi\n}\n"
	              "complete -F _berth berth\n");
}

/* Text in single quotes of the shell, with what _arguments and _describe would
 * take for separators escaped. */
static void add_zsh_text(struct buf *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\'')
			buf_adds(out, "'\\''");
		else if (*c == ':' || *c == '[' || *c == ']' || *c == '\\')
			buf_addf(out, "\\%c", *c);
		else
			buf_addc(out, *c);
	}
}

static void zsh_option(struct buf *out, const struct command_option *o)
{
	struct slice rest = slice_cstr(o->names);

	while (rest.p) {
		buf_addf(out, " \\\n\t\t\t'%.*s[", SLICE_ARG(slice_trim(slice_cut(&rest, ','))));
		add_zsh_text(out, o->text);
		buf_addc(out, ']');
		if (o->value)
			buf_addf(out, ":%s:", o->value);
		buf_addc(out, '\'');
	}
}

static void zsh_case(struct buf *out, const struct command *c)
{
	buf_addf(out, "\t%s)\n", c->name);
	if (c->actions) {
		buf_adds(out, "\t\tlocal -a actions=(");
		for (const struct command_action *a = c->actions; a->name; a++) {
			buf_addf(out, "\n\t\t\t'%s:", a->name);
			add_zsh_text(out, a->text);
			buf_addc(out, '\'');
		}
		buf_adds(out, "\n\t\t)\n\t\t_arguments '1: :{_describe action actions}' '*:file:_files'\n");
	} else {
		buf_adds(out, "\t\t_arguments '--help[Explain the command]'");
		for (const struct command_option *o = c->options; o && o->names; o++)
			zsh_option(out, o);
		if (strcmp(c->name, "help") == 0)
			buf_adds(out, " '1: :{_describe command commands}'");
		else if (c->files)
			buf_adds(out, " '*:file:_files'");
		buf_addc(out, '\n');
	}
	buf_adds(out, "\t\t;;\n");
}

void complete_zsh(struct buf *out)
{
	buf_adds(out, "#compdef berth\n# zsh completion of berth, made by `berth help --zsh`\n_berth() {\n"
	              "\tlocal -a commands=(");
	for (size_t i = 0; i < ncommands; i++) {
		if (commands[i].hidden)
			continue;
		buf_addf(out, "\n\t\t'%s:", commands[i].name);
		add_zsh_text(out, commands[i].summary);
		buf_addc(out, '\'');
	}
	buf_adds(out, "\n\t)\n"
	              "\tif (( CURRENT == 2 )); then\n"
	              "\t\t_describe command commands\n"
	              "\t\treturn\n\tfi\n"
	              "\tlocal name=$words[2]\n"
	              "\tshift words\n\t(( CURRENT-- ))\n"
	              "\tcase $name in\n");
	for (size_t i = 0; i < ncommands; i++)
		if (!commands[i].hidden)
			zsh_case(out, &commands[i]);
	buf_adds(out, "\tesac\n}\n_berth \"$@\"\n");
}
