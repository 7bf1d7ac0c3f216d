/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml.c - text to a tree of nodes, through the event parser of libfyaml.
 *
 * Only events are taken from the library, never its documents: its tree code
 * recurses and expands aliases without a bound, and its nodes do not outlive
 * its parser. Here aliases share the node they name, an alias inside the node
 * it names is an error, and the size of the text, the depth and the number of
 * nodes (an alias counts as what it stands for) are limited, so that no text
 * costs more than a moment.
 */
#include "base/codec.h"
#include "config/internal.h"

#include <libfyaml.h>
#include <stdio.h>
#include <string.h>

/* A collection that is still open. */
struct frame {
	struct node *node;
	const char *anchor; /* NULL: none */
	const char *key;    /* maps: the key whose value comes next, NULL: a key comes next */
	struct origin key_at;
	bool merging;       /* the value that comes next is that of "<<" */
	struct node *merge; /* the value of "<<" */
};

struct anchor {
	struct anchor *next;
	const char *name;
	struct node *node;
};

struct builder {
	struct arena *arena;
	struct config_problems *problems;
	struct origin base;
	unsigned line; /* of the event at hand, or of the last one that had a line */
	struct fy_parser *parser;
	struct frame stack[YAML_MAX_DEPTH];
	size_t depth;
	struct anchor *anchors;
	struct node *root;
	size_t nodes;
	bool failed;
};

/* ---- nodes ------------------------------------------------------------------ */

struct node *cfg_node_new(struct arena *a, enum node_type type, struct origin at)
{
	struct node *n = cfg_alloc(a, sizeof(*n));

	n->type = type;
	n->at = at;
	n->height = 1;
	n->weight = 1;
	return n;
}

struct node *cfg_node_scalar(struct arena *a, struct slice text, struct origin at)
{
	struct node *n = cfg_node_new(a, NODE_SCALAR, at);

	n->text = cfg_strdup(a, text);
	return n;
}

struct node_item *cfg_node_append(
    struct arena *a, struct node *n, const char *key, struct origin at, struct node *value)
{
	if (n->n == n->cap) {
		size_t cap = n->cap ? n->cap * 2 : 4;
		struct node_item *items = cfg_alloc(a, cap * sizeof(*items));

		if (n->n)
			memcpy(items, n->items, n->n * sizeof(*items));
		n->items = items;
		n->cap = cap;
	}
	n->items[n->n] = (struct node_item){.key = key, .at = at, .value = value};
	n->weight += value->weight;
	if (value->height + 1 > n->height)
		n->height = value->height + 1;
	return &n->items[n->n++];
}

struct node_item *cfg_node_find(const struct node *map, const char *key)
{
	for (size_t i = 0; map && map->type == NODE_MAP && i < map->n; i++)
		if (strcmp(map->items[i].key, key) == 0)
			return &map->items[i];
	return NULL;
}

struct node *cfg_node_copy(struct arena *a, const struct node *n)
{
	struct node *copy = cfg_node_new(a, n->type, n->at);

	*copy = *n;
	copy->cap = n->n;
	if (n->n) {
		copy->items = cfg_alloc(a, n->n * sizeof(*n->items));
		memcpy(copy->items, n->items, n->n * sizeof(*n->items));
	}
	return copy;
}

/* ---- building ----------------------------------------------------------------- */

static struct origin here(const struct builder *b)
{
	return (struct origin){.file = b->base.file, .line = b->base.line ? b->line : 0};
}

PRINTF_LIKE(2, 3) static void fail(struct builder *b, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	cfg_problem_add(b->problems, CONFIG_ERROR, here(b), NULL, "%s", msg);
	b->failed = true;
}

static struct slice token_text(struct fy_token *token)
{
	size_t n = 0;
	const char *p = token ? fy_token_get_text(token, &n) : NULL;

	return p ? slice_of(p, n) : SLICE("");
}

static void count_nodes(struct builder *b, size_t weight)
{
	b->nodes += weight;
	if (b->nodes > YAML_MAX_NODES && !b->failed)
		fail(b, "more than %zu values, those that aliases repeat included", YAML_MAX_NODES);
}

/* Adds what "<<" brought in, where the map does not say it itself. */
static void merge(struct builder *b, struct node *map, const struct node *from)
{
	if (from->type != NODE_MAP) {
		fail(b, "the value of \"<<\" must be a mapping or a list of mappings");
		return;
	}
	count_nodes(b, from->weight);
	for (size_t i = 0; i < from->n && !b->failed; i++)
		if (!cfg_node_find(map, from->items[i].key))
			cfg_node_append(b->arena, map, from->items[i].key, from->items[i].at, from->items[i].value);
}

static void merge_all(struct builder *b, struct frame *f)
{
	if (!f->merge)
		return;
	if (f->merge->type != NODE_LIST) {
		merge(b, f->node, f->merge);
		return;
	}
	for (size_t i = 0; i < f->merge->n && !b->failed; i++)
		merge(b, f->node, f->merge->items[i].value);
}

/* The key of a map's next value. */
static void take_key(struct builder *b, struct frame *f, const struct node *n, bool plain)
{
	const struct node_item *old;

	if (n->type != NODE_SCALAR) {
		fail(b, n->type == NODE_NULL ? "a key is missing before the ':'" : "a key must be a plain word");
		return;
	}
	f->key = n->text;
	f->key_at = n->at;
	f->merging = plain && strcmp(n->text, "<<") == 0;
	if (f->merging) {
		if (f->merge)
			fail(b, "\"<<\" is given twice in the same mapping; use a list: <<: [*a, *b]");
		return;
	}
	old = cfg_node_find(f->node, n->text);
	if (!old)
		return;
	if (b->base.line)
		fail(b, "the key \"%s\" is given twice in the same mapping, first in line %u", n->text, old->at.line);
	else
		fail(b, "the key \"%s\" is given twice in the same mapping", n->text);
}

/* A finished node goes where it belongs. */
static void place(struct builder *b, struct node *n, bool plain)
{
	struct frame *f = b->depth ? &b->stack[b->depth - 1] : NULL;

	if (!f) {
		b->root = n;
	} else if (f->node->type == NODE_LIST) {
		cfg_node_append(b->arena, f->node, NULL, n->at, n);
	} else if (!f->key) {
		take_key(b, f, n, plain);
		return;
	} else if (f->merging) {
		f->merge = n;
	} else {
		cfg_node_append(b->arena, f->node, f->key, f->key_at, n);
	}
	if (f)
		f->key = NULL;
	if (n->height + b->depth > YAML_MAX_DEPTH)
		fail(b, "nested deeper than %d levels", YAML_MAX_DEPTH);
}

static const char *anchor_name(struct builder *b, struct fy_event *ev)
{
	struct fy_token *token = fy_event_get_anchor_token(ev);

	return token ? cfg_strdup(b->arena, token_text(token)) : NULL;
}

static void set_anchor(struct builder *b, const char *name, struct node *n)
{
	struct anchor *an;

	if (!name)
		return;
	an = cfg_alloc(b->arena, sizeof(*an));
	*an = (struct anchor){.next = b->anchors, .name = name, .node = n};
	b->anchors = an;
}

static void on_alias(struct builder *b, struct fy_event *ev)
{
	struct slice name = token_text(ev->alias.anchor);
	const struct anchor *an;

	for (size_t i = 0; i < b->depth; i++) {
		if (b->stack[i].anchor && slice_eq_cstr(name, b->stack[i].anchor)) {
			fail(b, "the alias *%.*s stands inside of what it names", SLICE_ARG(name));
			return;
		}
	}
	for (an = b->anchors; an && !slice_eq_cstr(name, an->name); an = an->next)
		continue;
	if (!an) {
		fail(b, "the alias *%.*s names no anchor above it", SLICE_ARG(name));
		return;
	}
	count_nodes(b, an->node->weight);
	if (!b->failed)
		place(b, an->node, false);
}

static bool is_null(struct slice s)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_eq_cstr(s, words[i]))
			return true;
	return false;
}

static void on_scalar(struct builder *b, struct fy_event *ev)
{
	struct fy_token *token = ev->scalar.value;
	struct slice text = token_text(token);
	bool plain = !token || fy_token_scalar_style(token) == FYSS_PLAIN;
	struct fy_token *tag = fy_event_get_tag_token(ev);
	struct node *n;

	count_nodes(b, 1);
	if (memchr(text.p, '\0', text.n)) {
		fail(b, "a value holds a NUL character");
		return;
	}
	if (plain && is_null(text) && !(tag && slice_ends(token_text(tag), SLICE(":str"))))
		n = cfg_node_new(b->arena, NODE_NULL, here(b));
	else
		n = cfg_node_scalar(b->arena, text, here(b));
	set_anchor(b, anchor_name(b, ev), n);
	place(b, n, plain);
}

static void on_start(struct builder *b, struct fy_event *ev, enum node_type type)
{
	count_nodes(b, 1);
	if (b->depth == YAML_MAX_DEPTH - 1) {
		fail(b, "nested deeper than %d levels", YAML_MAX_DEPTH);
		return;
	}
	b->stack[b->depth++] =
	    (struct frame){.node = cfg_node_new(b->arena, type, here(b)), .anchor = anchor_name(b, ev)};
}

static void on_end(struct builder *b)
{
	struct frame *f = &b->stack[b->depth - 1];

	ASSERT(b->depth > 0);
	merge_all(b, f);
	b->depth--;
	if (b->failed)
		return;
	set_anchor(b, f->anchor, f->node);
	place(b, f->node, false);
}

static void on_event(struct builder *b, struct fy_event *ev)
{
	struct fy_token *token = fy_event_get_token(ev);
	const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

	if (mark && ev->type != FYET_MAPPING_END && ev->type != FYET_SEQUENCE_END)
		b->line = (unsigned)mark->line + 1;
	switch (ev->type) {
	case FYET_DOCUMENT_START:
		if (b->root)
			fail(b, "a second document starts here; there may only be one");
		break;
	case FYET_SCALAR:
		on_scalar(b, ev);
		break;
	case FYET_ALIAS:
		on_alias(b, ev);
		break;
	case FYET_MAPPING_START:
		on_start(b, ev, NODE_MAP);
		break;
	case FYET_SEQUENCE_START:
		on_start(b, ev, NODE_LIST);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		on_end(b);
		break;
	default:
		break;
	}
}

/* The library's own complaint; it stops at the first. */
static void on_syntax_error(struct builder *b, struct fy_diag *diag)
{
	void *it = NULL;
	const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &it);
	const char *msg = e && e->msg ? e->msg : "this is not YAML";

	if (e && e->line > 0)
		b->line = (unsigned)e->line;
	if (b->base.line && e && e->column > 0)
		fail(b, "not valid YAML at column %d: %s", e->column, msg);
	else
		fail(b, "not valid YAML: %s", msg);
}

static void run(struct builder *b)
{
	struct fy_diag *diag = fy_parser_get_diag(b->parser);
	struct fy_event *ev;

	while (!b->failed && (ev = fy_parser_parse(b->parser)) != NULL) {
		on_event(b, ev);
		fy_parser_event_free(b->parser, ev);
	}
	if (!b->failed && fy_parser_get_stream_error(b->parser))
		on_syntax_error(b, diag);
	fy_diag_unref(diag);
}

/* The library takes quadratic time for a run of blanks or line breaks: minutes
 * for 200 KiB of them. */
#define MAX_BLANKS 1000

static bool has_long_gap(struct slice text, size_t *at)
{
	size_t run = 0;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		run = c == ' ' || c == '\t' || c == '\n' || c == '\r' ? run + 1 : 0;
		if (run > MAX_BLANKS) {
			*at = i + 1 - run;
			return true;
		}
	}
	return false;
}

static unsigned line_of(struct slice text, size_t at)
{
	unsigned line = 1;

	for (size_t i = 0; i < at && i < text.n; i++)
		line += text.p[i] == '\n';
	return line;
}

/* What the library is not to be bothered with. */
static bool acceptable(struct builder *b, struct slice text)
{
	const char *nul = text.n ? memchr(text.p, '\0', text.n) : NULL;
	size_t at = 0;

	if (text.n > YAML_MAX_BYTES) {
		fail(b, "larger than %zu KiB", YAML_MAX_BYTES / 1024);
	} else if (nul) {
		b->line = line_of(text, (size_t)(nul - text.p));
		fail(b, "a NUL byte: this is not a text file");
	} else if (has_long_gap(text, &at)) {
		b->line = line_of(text, at);
		fail(b, "more than %d blanks or empty lines in a row", MAX_BLANKS);
	} else if (!utf8_valid(text)) {
		for (size_t end; at < text.n; at = end) {
			const char *nl = memchr(text.p + at, '\n', text.n - at);

			end = nl ? (size_t)(nl - text.p) + 1 : text.n;
			if (!utf8_valid(slice_sub(text, at, end - at)))
				break;
		}
		b->line = line_of(text, at);
		fail(b, "not valid UTF-8");
	}
	return !b->failed;
}

struct node *cfg_yaml_parse(struct arena *a, struct slice text, struct origin at, struct config_problems *p)
{
	struct builder b = {.arena = a, .problems = p, .base = at, .line = 1};
	struct fy_diag_cfg diag_cfg;
	struct fy_parse_cfg cfg = {.flags = FYPCF_SLOPPY_FLOW_INDENTATION | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE};

	if (!acceptable(&b, text))
		return NULL;
	if (slice_trim(text).n == 0)
		return cfg_node_new(a, NODE_NULL, here(&b));
	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	cfg.diag = fy_diag_create(&diag_cfg);
	if (cfg.diag)
		fy_diag_set_collect_errors(cfg.diag, true);
	b.parser = cfg.diag ? fy_parser_create(&cfg) : NULL;
	if (!b.parser || fy_parser_set_string(b.parser, text.p, text.n) != 0)
		fail(&b, "the YAML parser cannot be started, there may be too little memory");
	else
		run(&b);
	fy_parser_destroy(b.parser);
	fy_diag_destroy(cfg.diag);
	if (b.failed)
		return NULL;
	return b.root ? b.root : cfg_node_new(a, NODE_NULL, at);
}
