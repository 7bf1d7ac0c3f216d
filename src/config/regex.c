/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex.c - the regular expressions of registry:2 are those of Go (RE2); here
 * they are rewritten as POSIX extended ones and compiled by the C library.
 *
 * What has no counterpart is refused with its name, never matched differently.
 * As only "does it match anywhere" is asked, lazy repetition is the same as
 * greedy, and groups need not be counted. Length and repetition are bounded:
 * the C library's compiler recurses and unrolls.
 */
#include "config/internal.h"

#include <string.h>

#define MAX_LENGTH ((size_t)512)
#define MAX_NESTING 20
#define MAX_UNROLLED 1000

struct translation {
	struct arena *arena;
	const char *at; /* what is left of the Go expression */
	struct buf out;
	const char *why; /* what is wrong, NULL while all is well */
	unsigned nesting, unrolled;
	bool icase;
	bool atom; /* something stands before that can be repeated */
};

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* \d and its kin; `bare` is the inside of a bracket expression. */
static const char *class_of(char c, bool bare)
{
	static const struct {
		char name;
		const char *bare, *whole;
	} classes[] = {
	    {'d', "0-9", "[0-9]"},
	    {'w', "0-9A-Za-z_", "[0-9A-Za-z_]"},
	    {'s', "\t\n\f\r ", "[\t\n\f\r ]"},
	    {'D', NULL, "[^0-9]"},
	    {'W', NULL, "[^0-9A-Za-z_]"},
	    {'S', NULL, "[^\t\n\f\r ]"},
	};

	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (classes[i].name == c)
			return bare ? classes[i].bare : classes[i].whole;
	return NULL;
}

static void unsupported(struct translation *t, const char *what, int n)
{
	t->why = cfg_printf(t->arena, "\"%.*s\" is not supported in a regular expression", n, what);
}

static void escape(struct translation *t)
{
	char c = t->at[1];
	const char *class = class_of(c, false);

	t->atom = true;
	if (class) {
		buf_adds(&t->out, class);
	} else if (c == 'b' || c == 'B') {
		buf_addf(&t->out, "\\%c", c);
		t->atom = false;
	} else if (is_one_of(c, "\\.+*?()|[]{}^$")) {
		buf_addf(&t->out, "\\%c", c);
	} else if (is_one_of(c, "-/:_,;!\"#%&'<=>@`~ ")) {
		buf_addc(&t->out, c);
	} else if (c == '\0') {
		t->why = "ends with a single backslash";
		return;
	} else {
		unsupported(t, t->at, 2);
		return;
	}
	t->at += 2;
}

/* The content of a bracket expression as POSIX wants it: no escapes, ']' first,
 * '-' last, before it '^' and '[', which mean something in front of others. */
struct bracket {
	bool close, open, caret, dash;
	struct buf rest;
};

static void bracket_char(struct bracket *b, char c)
{
	b->close |= c == ']';
	b->open |= c == '[';
	b->caret |= c == '^';
	b->dash |= c == '-';
	if (!is_one_of(c, "][^-"))
		buf_addc(&b->rest, c);
}

/* One literal character, escaped or not; '\0' when it is not one. */
static char bracket_literal(struct translation *t, const char *p, size_t *len)
{
	*len = p[0] == '\\' ? 2 : 1;
	if (p[0] != '\\')
		return p[0];
	if (is_one_of(p[1], "\\.+*?()|[]{}^$-/:_,;!\"#%&'<=>@`~ "))
		return p[1];
	if (p[1] == '\0')
		t->why = "ends with a single backslash";
	else
		unsupported(t, p, 2);
	return '\0';
}

/* A range, a class or a single character at `p`; returns what follows. */
static const char *bracket_item(struct translation *t, struct bracket *b, const char *p)
{
	const char *class = p[0] == '\\' ? class_of(p[1], true) : NULL, *end;
	size_t n, m;
	char from, to;

	if (class) {
		buf_adds(&b->rest, class);
		return p + 2;
	}
	if (p[0] == '[' && p[1] == ':') {
		end = strstr(p, ":]");
		if (!end || end[-1] == '^' || p[2] == '^') {
			unsupported(t, p, 3);
			return p;
		}
		buf_add(&b->rest, slice_of(p, (size_t)(end + 2 - p)));
		return end + 2;
	}
	from = bracket_literal(t, p, &n);
	if (!from)
		return p;
	if (p[n] != '-' || p[n + 1] == ']' || p[n + 1] == '\0') {
		bracket_char(b, from);
		return p + n;
	}
	to = bracket_literal(t, p + n + 1, &m);
	if (!to)
		return p;
	if (is_one_of(from, "]-^[\\") || is_one_of(to, "]-^[\\") || (from & 0x80) || (to & 0x80) || from > to) {
		t->why = cfg_printf(t->arena, "the range \"%.*s\" is not supported", (int)(n + 1 + m), p);
		return p;
	}
	buf_addf(&b->rest, "%c-%c", from, to);
	return p + n + 1 + m;
}

static void bracket(struct translation *t)
{
	struct bracket b = {.rest = BUF_INIT(4 * MAX_LENGTH)};
	const char *p = t->at + 1;
	bool negated = *p == '^', first = true;

	for (p += negated; !t->why && (*p != ']' || first); first = false) {
		if (*p == '\0')
			t->why = "a '[' is not closed";
		else
			p = bracket_item(t, &b, p);
	}
	if (b.caret && !negated && !b.close && !b.open && b.rest.n == 0)
		buf_adds(&t->out, b.dash ? "[-^]" : "\\^");
	else
		buf_addf(&t->out, "[%s%s%s%s%s%s]", negated ? "^" : "", b.close ? "]" : "", buf_cstr(&b.rest),
		    b.open ? "[" : "", b.caret ? "^" : "", b.dash ? "-" : "");
	buf_free(&b.rest);
	t->atom = true;
	t->at = t->why ? t->at : p + 1;
}

static void open_group(struct translation *t)
{
	if (++t->nesting > MAX_NESTING) {
		t->why = "too many nested groups";
		return;
	}
	if (t->at[1] == '?' && t->at[2] == ':')
		t->at += 2;
	else if (t->at[1] == '?') {
		unsupported(t, t->at, 3);
		return;
	}
	buf_addc(&t->out, '(');
	t->at++;
	t->atom = false;
}

/* Up to four digits at *p, which then points behind them. */
static bool number(const char **p, unsigned *out)
{
	const char *start = *p;

	for (*out = 0; **p >= '0' && **p <= '9' && *p - start < 4; ++*p)
		*out = *out * 10 + (unsigned)(**p - '0');
	return *p > start;
}

/* {n}, {n,}, {n,m}: true when t->at begins one, which is otherwise a literal. */
static bool counted(const struct translation *t, size_t *len, unsigned *most)
{
	const char *p = t->at + 1;
	unsigned high;

	if (!number(&p, most))
		return false;
	if (*p == ',') {
		p++;
		if (number(&p, &high) && high > *most)
			*most = high;
	}
	if (*p != '}')
		return false;
	*len = (size_t)(p + 1 - t->at);
	return true;
}

static void repeat(struct translation *t, size_t len, unsigned most)
{
	if (!t->atom) {
		t->why = cfg_printf(t->arena, "nothing stands before \"%.*s\" that could be repeated", (int)len, t->at);
		return;
	}
	if (most > 255 || (t->unrolled *= most ? most : 1) > MAX_UNROLLED) {
		t->why = "repeats too often";
		return;
	}
	buf_add(&t->out, slice_of(t->at, len));
	t->at += len;
	if (*t->at == '?')
		t->at++; /* lazy */
	t->atom = false;
}

static void step(struct translation *t)
{
	size_t len;
	unsigned most;
	char c = *t->at;

	if (c == '\\') {
		escape(t);
	} else if (c == '[') {
		bracket(t);
	} else if (c == '(') {
		open_group(t);
	} else if (c == '*' || c == '+' || c == '?') {
		repeat(t, 1, 1);
	} else if (c == '{' && counted(t, &len, &most)) {
		repeat(t, len, most);
	} else if (c == ')' && t->nesting-- == 0) {
		t->why = "a ')' closes nothing";
	} else {
		buf_addf(&t->out, c == '{' || c == '}' ? "\\%c" : "%c", c);
		t->atom = !is_one_of(c, "|^");
		t->at++;
	}
}

const char *cfg_regex_compile(struct arena *a, const char *go, regex_t *re)
{
	struct translation t = {.arena = a, .at = go, .out = BUF_INIT(8 * MAX_LENGTH), .unrolled = 1};
	char msg[256];
	int rc;

	if (strlen(go) > MAX_LENGTH)
		return cfg_printf(a, "longer than %zu bytes", MAX_LENGTH);
	if (strncmp(go, "(?i)", 4) == 0) {
		t.icase = true;
		t.at += 4;
	}
	while (*t.at && !t.why)
		step(&t);
	if (!t.why && t.nesting)
		t.why = "a '(' is not closed";
	if (!t.why && !buf_ok(&t.out))
		t.why = "too long";
	rc = t.why ? 0 : regcomp(re, buf_cstr(&t.out), REG_EXTENDED | REG_NOSUB | (t.icase ? REG_ICASE : 0));
	if (rc) {
		regerror(rc, re, msg, sizeof(msg));
		t.why = cfg_printf(a, "not a regular expression: %s", msg);
	}
	buf_free(&t.out);
	return t.why;
}
