/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - from the tree of nodes to struct config, along the table: every
 * node is looked at once, every key that lands in the struct gets a value.
 */
#include "config/internal.h"

#include <stdio.h>
#include <string.h>

static void read_key(
    struct reader *r, const struct config_key *key, const struct node_item *item, const char *path, char *base);

PRINTF_LIKE(5, 6)
static void complain(
    struct reader *r, enum config_severity severity, struct origin at, const char *path, const char *fmt, ...)
{
	char msg[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	cfg_problem_add(r->problems, severity, at, path, "%s", msg);
}

static const struct node *value_of(const struct node_item *item)
{
	return item && item->value->type != NODE_NULL ? item->value : NULL;
}

/* Is there nothing in it that would have to do something? */
static bool inert(const struct node *n)
{
	const struct node_item *disabled = cfg_node_find(n, "disabled");
	bool off;

	if (disabled && disabled->value->type == NODE_SCALAR && cfg_value_bool(disabled->value->text, &off) && off)
		return true;
	if (n->type == NODE_SCALAR)
		return n->text[0] == '\0';
	for (size_t i = 0; i < n->n; i++)
		if (!inert(n->items[i].value))
			return false;
	return true;
}

/* ---- scalars and lists -------------------------------------------------------- */

static void read_scalar(
    struct reader *r, const struct config_key *key, const struct node *n, const char *path, void *to)
{
	const char *preset = r->bare && key->preset_bare ? key->preset_bare : key->preset;
	const char *why;

	if (n && n->type != NODE_SCALAR) {
		complain(r, CONFIG_ERROR, n->at, path, "must be a single value, not a %s",
		    n->type == NODE_MAP ? "mapping" : "list");
	} else if (n && n->text[0]) {
		why = cfg_value_read(r->arena, key, n->text, to);
		if (!why)
			return;
		complain(r, CONFIG_ERROR, n->at, path, "%s", why);
	}
	if (preset) {
		why = cfg_value_read(r->arena, key, preset, to);
		ASSERT(why == NULL);
	}
}

/* The number of elements; a single value stands for a list of itself. */
static size_t list_length(struct reader *r, const struct node *n, const char *path)
{
	if (!n)
		return 0;
	if (n->type == NODE_MAP) {
		complain(r, CONFIG_ERROR, n->at, path, "must be a list, not a mapping");
		return 0;
	}
	return n->type == NODE_LIST ? n->n : 1;
}

static const struct node *list_element(const struct node *n, size_t i)
{
	return n->type == NODE_LIST ? n->items[i].value : n;
}

static bool scalar_element(struct reader *r, const struct node *n, const char *path)
{
	if (n->type == NODE_SCALAR)
		return true;
	complain(r, CONFIG_ERROR, n->at, path, n->type == NODE_NULL ? "is empty" : "must be a single value");
	return false;
}

static void read_strings(
    struct reader *r, const struct config_key *key, const struct node *n, const char *path, struct config_strings *to)
{
	size_t count = list_length(r, n, path);

	to->v = cfg_alloc(r->arena, (count + 1) * sizeof(*to->v));
	to->n = 0;
	for (size_t i = 0; i < count; i++) {
		const struct node *e = list_element(n, i);
		const char *epath = cfg_printf(r->arena, "%s[%zu]", path, i);
		struct config_key one = *key;
		const char *why;

		if (!scalar_element(r, e, epath))
			continue;
		one.type = KEY_STRING;
		why = e->text[0] ? cfg_value_read(r->arena, &one, e->text, &to->v[to->n]) : "is empty";
		if (why)
			complain(r, CONFIG_ERROR, e->at, epath, "%s", why);
		else
			to->n++;
	}
}

static void read_regexes(struct reader *r, const struct node *n, const char *path, struct config_regexes *to)
{
	size_t count = list_length(r, n, path);

	to->v = count ? cfg_alloc(r->arena, count * sizeof(*to->v)) : NULL;
	to->n = 0;
	for (size_t i = 0; i < count; i++) {
		const struct node *e = list_element(n, i);
		const char *epath = cfg_printf(r->arena, "%s[%zu]", path, i);
		const char *why;

		if (!scalar_element(r, e, epath))
			continue;
		why = cfg_regex_compile(r->arena, e->text, &to->v[to->n].re);
		if (why)
			complain(r, CONFIG_ERROR, e->at, epath, "%s", why);
		else
			to->v[to->n++].text = e->text;
	}
}

/* ---- maps ------------------------------------------------------------------------ */

static bool is_map(struct reader *r, const struct node *n, const char *path)
{
	if (n->type == NODE_MAP)
		return true;
	complain(r, CONFIG_ERROR, n->at, path, "must be a mapping of names to values, not a %s",
	    n->type == NODE_LIST ? "list" : "single value");
	return false;
}

static void read_map(struct reader *r, const struct node *n, const char *path, struct config_map *to)
{
	static const struct config_key one = {.type = KEY_STRING};

	if (!n || !is_map(r, n, path))
		return;
	to->v = n->n ? cfg_alloc(r->arena, n->n * sizeof(*to->v)) : NULL;
	for (size_t i = 0; i < n->n; i++) {
		const struct node_item *item = &n->items[i];
		const char *epath = cfg_printf(r->arena, "%s.%s", path, item->key);
		const char *value = NULL, *why;

		if (item->value->type == NODE_NULL)
			continue;
		if (!scalar_element(r, item->value, epath))
			continue;
		why = cfg_value_read(r->arena, &one, item->value->text, &value);
		if (why)
			complain(r, CONFIG_ERROR, item->value->at, epath, "%s", why);
		else
			to->v[to->n++] = (struct config_pair){.name = item->key, .value = value ? value : ""};
	}
}

/* A token of RFC 9110, 5.6.2. */
static bool is_token(const char *s)
{
	static const char chars[] = "!#$%&'*+-.^_`|~0123456789"
	                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *s && s[strspn(s, chars)] == '\0';
}

/* Headers that the protocol itself is made of. */
static bool is_framing(const char *name)
{
	static const char *const names[] = {"Connection", "Content-Length", "Transfer-Encoding"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (slice_eq_icase(slice_cstr(name), slice_cstr(names[i])))
			return true;
	return false;
}

static void read_headers(
    struct reader *r, const struct config_key *key, const struct node *n, const char *path, struct config_headers *to)
{
	if (!n || !is_map(r, n, path))
		return;
	to->v = n->n ? cfg_alloc(r->arena, n->n * sizeof(*to->v)) : NULL;
	for (size_t i = 0; i < n->n; i++) {
		const struct node_item *item = &n->items[i];
		const char *epath = cfg_printf(r->arena, "%s.%s", path, item->key);
		struct config_header *h = &to->v[to->n];

		if (!is_token(item->key)) {
			complain(r, CONFIG_ERROR, item->at, path, "\"%s\" is not the name of a header", item->key);
			continue;
		}
		if (is_framing(item->key)) {
			complain(r, CONFIG_ERROR, item->at, epath, "this header is berth's own to set; remove it");
			continue;
		}
		read_strings(r, key, value_of(item), epath, &h->values);
		if (h->values.n == 0)
			continue;
		h->name = item->key;
		to->n++;
	}
}

/* ---- sections ------------------------------------------------------------------------ */

static const char *child_path(struct reader *r, const char *path, const char *name)
{
	return *path ? cfg_printf(r->arena, "%s.%s", path, name) : name;
}

/* A key elsewhere whose last component is this name, for those who forgot a level. */
static const char *same_name_elsewhere(const char *name)
{
	for (size_t i = 1; i < cfg_nkeys; i++)
		if (cfg_keys[i].status == KEY_OK && strcmp(cfg_key_name(&cfg_keys[i]), name) == 0)
			return cfg_keys[i].path;
	return NULL;
}

static void unknown_key(
    struct reader *r, const struct config_key *section, const struct node_item *item, const char *path)
{
	const char *names[64], *guess;
	const struct config_key *k = NULL;
	size_t n = 0;

	while ((k = cfg_key_next_child(section, k)) != NULL && n < ARRAY_LEN(names))
		names[n++] = cfg_key_name(k);
	guess = cfg_nearest_name(slice_cstr(item->key), names, n);
	if (guess) {
		complain(r, CONFIG_ERROR, item->at, child_path(r, path, item->key), "unknown key; did you mean \"%s\"?",
		    guess);
		return;
	}
	guess = same_name_elsewhere(item->key);
	if (guess)
		complain(r, CONFIG_ERROR, item->at, child_path(r, path, item->key), "unknown key; there is %s", guess);
	else
		complain(r, CONFIG_ERROR, item->at, child_path(r, path, item->key), "unknown key");
}

void cfg_read_expand_shorthand(struct arena *a, const struct config_key *key, struct node **node)
{
	struct node *n = *node;

	if (!(key->flags & KEY_SHORTHAND) || n->type != NODE_SCALAR || n->text[0] == '\0')
		return;
	*node = cfg_node_new(a, NODE_MAP, n->at);
	cfg_node_append(a, *node, n->text, n->at, cfg_node_new(a, NODE_NULL, n->at));
}

static const char *place_name(struct arena *a, struct origin at)
{
	return at.line ? cfg_printf(a, "line %u", at.line) : at.file;
}

/* At most one of the choices may be there. */
static void check_choice(struct reader *r, const struct config_key *section, const struct node *n, const char *path)
{
	const struct node_item *first = NULL;

	for (size_t i = 0; i < n->n; i++) {
		const struct node_item *item = &n->items[i];
		const struct config_key *k = cfg_key_child(section, slice_cstr(item->key));

		if (!k || !(k->flags & KEY_CHOICE))
			continue;
		if (first)
			complain(r, CONFIG_ERROR, item->at, path,
			    "only one may be given, here are \"%s\" (%s) and \"%s\" (%s)", first->key,
			    place_name(r->arena, first->at), item->key, place_name(r->arena, item->at));
		else
			first = item;
	}
}

static void read_section(
    struct reader *r, const struct config_key *section, const struct node *n, const char *path, char *base)
{
	const struct config_key *k = NULL;

	if (n && n->type != NODE_MAP) {
		if (n->type != NODE_SCALAR || n->text[0])
			complain(r, CONFIG_ERROR, n->at, path, "must be a mapping (lines of \"key: value\"), not a %s",
			    n->type == NODE_LIST ? "list" : "single value");
		n = NULL;
	}
	for (size_t i = 0; n && i < n->n; i++) {
		const struct node_item *item = &n->items[i];

		if (section == cfg_key_root() && strncmp(item->key, "x-", 2) == 0)
			continue; /* a place for anchors, as in Compose files */
		if (!cfg_key_child(section, slice_cstr(item->key)))
			unknown_key(r, section, item, path);
	}
	if (n)
		check_choice(r, section, n, path);
	while ((k = cfg_key_next_child(section, k)) != NULL) {
		const char *name = cfg_key_name(k);

		read_key(r, k, n ? cfg_node_find(n, name) : NULL, child_path(r, path, name), base);
	}
}

static void read_items(struct reader *r, const struct config_key *key, const struct node *n, const char *path, void *to)
{
	struct {
		char *v;
		size_t n;
	} list = {NULL, 0};

	if (n && n->type != NODE_LIST) {
		complain(r, CONFIG_ERROR, n->at, path, "must be a list (lines that begin with \"- \")");
		return;
	}
	if (!n)
		return;
	list.n = n->n;
	list.v = n->n ? cfg_alloc(r->arena, n->n * key->size) : NULL;
	for (size_t i = 0; i < n->n; i++)
		read_section(
		    r, key, n->items[i].value, cfg_printf(r->arena, "%s[%zu]", path, i), list.v + i * key->size);
	memcpy(to, &list, sizeof(list));
}

/* ---- keys ------------------------------------------------------------------------------ */

static void read_typed(
    struct reader *r, const struct config_key *key, const struct node *n, const char *path, char *base, void *to)
{
	switch (key->type) {
	case KEY_SECTION:
		read_section(r, key, n, path, base);
		break;
	case KEY_STRINGS:
		read_strings(r, key, n, path, to);
		break;
	case KEY_REGEXES:
		read_regexes(r, n, path, to);
		break;
	case KEY_MAP:
		read_map(r, n, path, to);
		break;
	case KEY_HEADERS:
		read_headers(r, key, n, path, to);
		break;
	case KEY_ITEMS:
		read_items(r, key, n, path, to);
		break;
	case KEY_ANY:
		break;
	default:
		read_scalar(r, key, n, path, to);
	}
}

static void read_key(
    struct reader *r, const struct config_key *key, const struct node_item *item, const char *path, char *base)
{
	int64_t nowhere = 0; /* where keys without an effect land, just to be checked */
	const struct node *n = value_of(item);
	size_t errors = r->problems->errors;

	if (key->status == KEY_LATER) {
		if (item && (key->flags & KEY_CHOICE || (n && !inert(n))))
			complain(r, CONFIG_ERROR, item->at, path, "not supported: %s", key->note);
	} else if (key->status == KEY_NOTE) {
		if (!n)
			return;
		read_typed(r, key, n, path, base, &nowhere);
		if (r->problems->errors == errors)
			complain(r, CONFIG_NOTE, item->at, path, "accepted, has no effect: %s", key->note);
	} else if (key->at || key->type == KEY_SECTION || base != r->top) {
		read_typed(r, key, n, path, base, base + key->at);
	}
}

/* ---- the whole ---------------------------------------------------------------------------- */

static struct node *make_path(
    struct reader *r, struct node *root, const char *path, struct origin at, const char **last)
{
	struct slice rest = slice_cstr(path);

	for (;;) {
		struct slice name = slice_cut(&rest, '.');
		const char *key = cfg_strdup(r->arena, name);
		struct node_item *item;

		if (!rest.p) {
			*last = key;
			return root;
		}
		item = cfg_node_find(root, key);
		if (!item)
			item = cfg_node_append(r->arena, root, key, at, cfg_node_new(r->arena, NODE_MAP, at));
		else if (item->value->type == NODE_NULL)
			item->value = cfg_node_new(r->arena, NODE_MAP, at);
		else
			item->value = cfg_node_copy(r->arena, item->value);
		root = item->value;
		if (root->type != NODE_MAP)
			return NULL;
	}
}

/* Values under an old name move to where they belong. */
static void move_deprecated(struct reader *r, struct node *root)
{
	for (size_t i = 1; i < cfg_nkeys; i++) {
		const struct config_key *key = &cfg_keys[i];
		struct node_item *old = key->same_as ? cfg_node_find(root, key->path) : NULL;
		struct node_item *now;
		const char *name;
		struct node *map;

		if (!old || old->value->type == NODE_NULL)
			continue;
		map = make_path(r, root, key->same_as, old->at, &name);
		old = cfg_node_find(root, key->path); /* the items may have moved */
		now = map ? cfg_node_find(map, name) : NULL;
		if (now && now->value->type != NODE_NULL) {
			complain(r, CONFIG_WARNING, old->at, key->path, "ignored, %s is given as well; remove it",
			    key->same_as);
			continue;
		}
		complain(r, CONFIG_WARNING, old->at, key->path, "%s", key->note);
		if (now)
			now->value = old->value;
		else if (map)
			cfg_node_append(r->arena, map, name, old->at, old->value);
	}
}

void cfg_read_config(struct reader *r, struct node *root, struct config *cfg)
{
	const struct config_key *k = NULL;

	r->top = (char *)cfg;
	if (root->type == NODE_MAP)
		move_deprecated(r, root);
	while ((k = cfg_key_next_child(cfg_key_root(), k)) != NULL) {
		struct node_item *item = cfg_node_find(root, cfg_key_name(k));

		if (item)
			cfg_read_expand_shorthand(r->arena, k, &item->value);
	}
	read_section(r, cfg_key_root(), root->type == NODE_NULL ? NULL : root, "", (char *)cfg);
}
