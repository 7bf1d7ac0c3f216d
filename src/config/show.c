/* SPDX-License-Identifier: Apache-2.0 */
/*
 * show.c - the effective configuration as YAML, each value with its origin.
 * Values are those of the struct, that is what the server really uses; the
 * tree beside it is only asked where they came from.
 */
#include "base/codec.h"
#include "config/internal.h"

#include <stdlib.h>
#include <string.h>

#define MASK "********"
#define MAX_DEPTH 12

struct show {
	const struct config *cfg;
	struct buf *out;
	/* Headings of sections that wait for their first value. */
	const char *pending[MAX_DEPTH];
	size_t depth, written;
	bool dash; /* the next line begins an element of a list */
};

static void show_section(
    struct show *s, const struct config_key *section, const struct node *n, const char *base, bool item);

static void indent(struct show *s)
{
	for (size_t i = 0; i < s->depth; i++)
		buf_adds(s->out, s->dash && i + 1 == s->depth ? "- " : "  ");
	s->dash = false;
}

/* The headings above what is written next. */
static void headings(struct show *s)
{
	size_t depth = s->depth;

	for (; s->written < depth; s->written++) {
		s->depth = s->written;
		if (s->pending[s->written]) {
			indent(s);
			buf_addf(s->out, "%s:\n", s->pending[s->written]);
		}
	}
	s->depth = depth;
}

static void enter(struct show *s, const char *name)
{
	ASSERT(s->depth < MAX_DEPTH);
	s->pending[s->depth++] = name;
}

static void leave(struct show *s)
{
	s->depth--;
	if (s->written > s->depth)
		s->written = s->depth;
}

static void comment(struct show *s, const struct node_item *item)
{
	struct origin at = item ? item->at : (struct origin){"default", 0};
	bool utf8 = utf8_valid(slice_cstr(at.file));

	buf_adds(s->out, " # ");
	for (const char *p = at.file; *p; p++) {
		unsigned char c = (unsigned char)*p;

		buf_addc(s->out, c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8) ? '?' : *p);
	}
	if (at.line)
		buf_addf(s->out, ":%u", at.line);
	buf_addc(s->out, '\n');
}

/* A string in double quotes; control characters never get into strings. */
static void quoted(struct show *s, const char *text)
{
	buf_add_json(s->out, slice_cstr(text));
}

static void key_line(struct show *s, const char *name)
{
	headings(s);
	indent(s);
	buf_addf(s->out, "%s: ", name);
}

/* A URL without the password in it. */
static void show_url(struct show *s, const char *url)
{
	const char *host = strstr(url, "://");
	const char *end = host ? host + 3 + strcspn(host + 3, "/?#") : NULL;
	const char *at = host ? memrchr(host + 3, '@', (size_t)(end - host - 3)) : NULL;
	char *masked;

	if (!at) {
		quoted(s, url);
		return;
	}
	masked = xasprintf("%.*s" MASK "%s", (int)(host + 3 - url), url, at);
	quoted(s, masked);
	free(masked);
}

static void show_scalar(struct show *s, const struct config_key *key, const struct node_item *item, const char *from)
{
	const char *text;
	int choice;

	if (key->type == KEY_STRING) {
		memcpy(&text, from, sizeof(text));
		if (!text)
			return;
		key_line(s, cfg_key_name(key));
		if (key->flags & KEY_SECRET)
			quoted(s, MASK);
		else if (key->flags & KEY_CREDENTIALS)
			show_url(s, text);
		else
			quoted(s, text);
	} else {
		memcpy(&choice, from, sizeof(choice));
		if (key->type == KEY_ENUM && !cfg_key_choice_name(key, choice))
			return;
		key_line(s, cfg_key_name(key));
		cfg_value_write(key, from, s->out);
	}
	comment(s, item);
}

static const struct node_item *element(const struct node_item *list, size_t i)
{
	if (list && list->value->type == NODE_LIST && i < list->value->n)
		return &list->value->items[i];
	return list;
}

static void list_line(struct show *s, const char *text, const struct node_item *origin)
{
	headings(s);
	indent(s);
	buf_adds(s->out, "- ");
	quoted(s, text);
	comment(s, origin);
}

static void show_strings(
    struct show *s, const char *name, const struct node_item *item, const struct config_strings *list, bool mask)
{
	enter(s, name);
	for (size_t i = 0; i < list->n; i++)
		list_line(s, mask ? MASK : list->v[i], element(item, i));
	leave(s);
}

static void show_regexes(
    struct show *s, const char *name, const struct node_item *item, const struct config_regexes *list)
{
	enter(s, name);
	for (size_t i = 0; i < list->n; i++)
		list_line(s, list->v[i].text, element(item, i));
	leave(s);
}

/* A key that is the operator's own word, as YAML. */
static char *own_key(const char *name)
{
	struct buf b = BUF_INIT(YAML_MAX_BYTES * 8);

	buf_add_json(&b, slice_cstr(name));
	return buf_take(&b);
}

static void show_map(struct show *s, const char *name, const struct node_item *item, const struct config_map *map)
{
	enter(s, name);
	for (size_t i = 0; i < map->n; i++) {
		CLEANUP(free_ptr) char *key = own_key(map->v[i].name);

		key_line(s, key);
		quoted(s, map->v[i].value);
		comment(s, cfg_node_find(item->value, map->v[i].name));
	}
	leave(s);
}

/* May the value be a secret, going by the name? */
static bool is_credential(const char *header)
{
	static const char *const words[] = {"auth", "cookie", "key", "passw", "secret", "token"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasestr(header, words[i]))
			return true;
	return false;
}

static void show_headers(
    struct show *s, const struct config_key *key, const struct node_item *item, const struct config_headers *headers)
{
	bool all = key->flags & KEY_SECRET, some = key->flags & KEY_CREDENTIALS;

	enter(s, cfg_key_name(key));
	for (size_t i = 0; i < headers->n; i++) {
		const struct config_header *h = &headers->v[i];
		CLEANUP(free_ptr) char *name = own_key(h->name);

		show_strings(
		    s, name, cfg_node_find(item->value, h->name), &h->values, all || (some && is_credential(h->name)));
	}
	leave(s);
}

static void show_items(struct show *s, const struct config_key *key, const struct node_item *item, const char *from)
{
	struct {
		const char *v;
		size_t n;
	} list;

	memcpy(&list, from, sizeof(list));
	enter(s, cfg_key_name(key));
	for (size_t i = 0; i < list.n; i++) {
		headings(s);
		enter(s, NULL);
		s->dash = true;
		show_section(s, key, element(item, i)->value, list.v + i * key->size, true);
		leave(s);
	}
	leave(s);
}

/* Is this one of several choices, and not the one that was made? */
static bool not_chosen(const struct config_key *key, const struct node_item *item)
{
	if (!(key->flags & KEY_CHOICE) || item)
		return false;
	return strcmp(key->path, "storage.filesystem") != 0;
}

static void show_key(
    struct show *s, const struct config_key *key, const struct node_item *item, const char *base, bool in_item)
{
	const char *from = base + key->at, *name = cfg_key_name(key);

	if (key->status != KEY_OK || not_chosen(key, item) || (!in_item && !key->at && key->type != KEY_SECTION))
		return;
	switch (key->type) {
	case KEY_SECTION:
		if (strcmp(key->path, "auth") == 0 && s->cfg->auth.type == CONFIG_AUTH_NONE) {
			key_line(s, name);
			buf_adds(s->out, "none");
			comment(s, item);
			break;
		}
		enter(s, name);
		show_section(s, key, item ? item->value : NULL, base, in_item);
		leave(s);
		break;
	case KEY_STRINGS:
		show_strings(s, name, item, (const void *)from, false);
		break;
	case KEY_REGEXES:
		show_regexes(s, name, item, (const void *)from);
		break;
	case KEY_MAP:
		show_map(s, name, item, (const void *)from);
		break;
	case KEY_HEADERS:
		show_headers(s, key, item, (const void *)from);
		break;
	case KEY_ITEMS:
		show_items(s, key, item, from);
		break;
	default:
		show_scalar(s, key, item, from);
	}
}

static void show_section(
    struct show *s, const struct config_key *section, const struct node *n, const char *base, bool item)
{
	const struct config_key *k = NULL;

	while ((k = cfg_key_next_child(section, k)) != NULL) {
		const struct node_item *given = cfg_node_find(n, cfg_key_name(k));

		show_key(s, k, given && given->value->type != NODE_NULL ? given : NULL, base, item);
	}
}

void config_show(const struct config *cfg, struct buf *out)
{
	struct show s = {.cfg = cfg, .out = out};

	OBJ_CHECK(cfg, CONFIG_MAGIC);
	buf_adds(out, "version: 0.1\n");
	show_section(&s, cfg_key_root(), cfg->priv->root, (const char *)cfg, false);
}
