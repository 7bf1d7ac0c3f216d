/* SPDX-License-Identifier: Apache-2.0 */
/* problem.c - the list of what was wrong, and guessing what was meant. */
#include "config/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PROBLEMS 500 /* beyond it nobody reads on */
#define MAX_MESSAGE 4096

struct config_private_problems {
	struct arena arena;
	size_t cap;
	size_t dropped;
};

/* What came from outside must not steer a terminal or add lines. */
static char *printable(struct arena *a, const char *s)
{
	char *copy = cfg_strdup(a, slice_cstr(s));

	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return copy;
}

/* `message` must live as long as the list. */
static void append(
    struct config_problems *p, enum config_severity severity, struct origin at, const char *key, const char *message)
{
	struct config_private_problems *priv = p->priv;

	if (p->n == priv->cap) {
		priv->cap = priv->cap ? priv->cap * 2 : 16;
		p->v = xrealloc(p->v, priv->cap * sizeof(*p->v));
	}
	p->v[p->n++] = (struct config_problem){
	    .severity = severity,
	    .file = at.file ? printable(&priv->arena, at.file) : NULL,
	    .line = at.line,
	    .key = key && *key ? printable(&priv->arena, key) : NULL,
	    .message = message,
	};
}

void cfg_problem_add(
    struct config_problems *p, enum config_severity severity, struct origin at, const char *key, const char *fmt, ...)
{
	char msg[MAX_MESSAGE];
	struct config_private_problems *priv = p->priv;
	va_list ap;

	if (severity == CONFIG_ERROR)
		p->errors++;
	if (!priv) {
		priv = p->priv = xcalloc(1, sizeof(*priv));
		arena_init(&priv->arena, SIZE_MAX);
	}
	if (p->n >= MAX_PROBLEMS) {
		priv->dropped++;
		return;
	}
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	append(p, severity, at, key, printable(&priv->arena, msg));
}

static int by_place(const void *x, const void *y)
{
	const struct config_problem *a = x, *b = y;
	int d;

	if (!a->line != !b->line)
		return a->line ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (!a->file != !b->file)
		return a->file ? -1 : 1;
	d = a->file ? strverscmp(a->file, b->file) : 0;
	if (d == 0)
		d = strverscmp(a->key ? a->key : "", b->key ? b->key : "");
	return d ? d : strcmp(a->message, b->message);
}

void cfg_problem_sort(struct config_problems *p)
{
	size_t dropped = p->priv ? p->priv->dropped : 0;

	if (p->n)
		qsort(p->v, p->n, sizeof(*p->v), by_place);
	if (dropped) {
		p->priv->dropped = 0;
		append(p, CONFIG_NOTE, (struct origin){NULL, 0}, NULL,
		    cfg_printf(&p->priv->arena, "%zu further problems are not listed", dropped));
	}
}

void config_problems_free(struct config_problems *p)
{
	if (p->priv)
		arena_free(&p->priv->arena);
	free(p->priv);
	free(p->v);
	*p = CONFIG_PROBLEMS_INIT;
}

void config_problem_write(const struct config_problem *p, struct buf *out)
{
	static const char *const words[] = {
	    [CONFIG_ERROR] = "", [CONFIG_WARNING] = "warning: ", [CONFIG_NOTE] = "note: "};

	if (p->file)
		buf_adds(out, p->file);
	if (p->file && p->line)
		buf_addf(out, ":%u", p->line);
	if (p->file)
		buf_adds(out, ": ");
	if (p->key)
		buf_addf(out, "%s: ", p->key);
	buf_adds(out, words[p->severity]);
	buf_adds(out, p->message);
}

/* ---- nearest name ----------------------------------------------------------- */

#define MAX_NAME 64

/* Levenshtein's distance with the swap of two neighbours as one step. */
static size_t distance(struct slice a, struct slice b)
{
	size_t rows[3][MAX_NAME + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= b.n; j++)
		last[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t d = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);

			if (last[j] + 1 < d)
				d = last[j] + 1;
			if (now[j - 1] + 1 < d)
				d = now[j - 1] + 1;
			if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
			    before[j - 2] + 1 < d)
				d = before[j - 2] + 1;
			now[j] = d;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[b.n];
}

static struct slice folded(struct slice s, char *out)
{
	for (size_t i = 0; i < s.n; i++)
		out[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] - 'A' + 'a') : s.p[i];
	return slice_of(out, s.n);
}

const char *cfg_nearest_name(struct slice s, const char *const *names, size_t n)
{
	char sbuf[MAX_NAME], nbuf[MAX_NAME];
	const char *best = NULL;
	size_t least = SIZE_MAX;

	if (s.n == 0 || s.n > MAX_NAME)
		return NULL;
	s = folded(s, sbuf);
	for (size_t i = 0; i < n; i++) {
		struct slice name = slice_cstr(names[i]);
		size_t d, shorter = name.n < s.n ? name.n : s.n;

		if (name.n > MAX_NAME)
			continue;
		d = distance(s, folded(name, nbuf));
		if (d < least && d <= 1 + shorter / 4) {
			least = d;
			best = names[i];
		}
	}
	return best;
}
