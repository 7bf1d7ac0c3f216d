/* SPDX-License-Identifier: Apache-2.0 */
/*
 * help.c - the table of commands as text for a terminal.
 */
#include "cli/command.h"

#define WIDTH ((size_t)80)

/* Wraps one paragraph, each line `indent` wide from the left. `column` is where the cursor is. */
static void add_wrapped(struct buf *out, struct slice text, size_t indent, size_t column)
{
	bool first = true;

	while (text.p) {
		struct slice word = slice_cut(&text, ' ');

		if (!first && column + 1 + word.n > WIDTH) {
			buf_addf(out, "\n%*s", (int)indent, "");
			column = indent;
			first = true;
		}
		if (!first) {
			buf_addc(out, ' ');
			column++;
		}
		buf_add(out, word);
		column += word.n;
		first = false;
	}
	buf_addc(out, '\n');
}

/* "  name operands   text", the text in a column of its own. */
static void add_row(struct buf *out, const char *name, const char *operands, const char *text, size_t column)
{
	const char *joint = operands && *operands ? " " : "";
	size_t n = 2 + strlen(name) + strlen(joint) + (operands ? strlen(operands) : 0);

	buf_addf(out, "  %s%s%s", name, joint, operands ? operands : "");
	if (n + 2 > column)
		buf_addf(out, "\n%*s", (int)column, "");
	else
		buf_addf(out, "%*s", (int)(column - n), "");
	add_wrapped(out, slice_cstr(text), column, column);
}

void help_overview(struct buf *out)
{
	buf_adds(out, "berth " BERTH_VERSION ", an OCI container registry\n\nUsage: berth COMMAND [ARGUMENT]...\n\n");
	for (size_t i = 0; i < ncommands; i++)
		if (!commands[i].hidden)
			add_row(out, commands[i].name, NULL, commands[i].summary, 14);
	buf_adds(out, "\n`berth help COMMAND` says more. The manual is berth(1).\n");
}

void help_command(const struct command *c, struct buf *out)
{
	struct slice text = slice_cstr(c->text);

	buf_addf(out, "Usage: berth %s%s%s\n\n%s.\n", c->name, *c->operands ? " " : "", c->operands, c->summary);
	while (text.n > 0) {
		buf_addc(out, '\n');
		add_wrapped(out, slice_cut(&text, '\n'), 0, 0);
		if (text.n > 0)
			text = slice_from(text, 1); /* the empty line between paragraphs */
	}
	if (c->actions)
		buf_addc(out, '\n');
	for (const struct command_action *a = c->actions; a && a->name; a++)
		add_row(out, a->name, a->operands, a->text, 20);
	if (c->options)
		buf_addc(out, '\n');
	for (const struct command_option *o = c->options; o && o->names; o++)
		add_row(out, o->names, o->value, o->text, 20);
}
