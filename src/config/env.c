/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env.c - lays REGISTRY_* and BERTH_* variables over the tree of the file.
 *
 * REGISTRY_HTTP_TLS_KEY is http.tls.key: each piece between underscores names
 * a key in capitals, a number an element of a list. Unlike registry:2 the
 * pieces are matched against the known keys, the longest first, so that keys
 * with an underscore can be reached; besides the keys' names those of the
 * fields in Go are taken (HEALTH_FILECHECKERS for health.file), and elements
 * of lists can be set one by one. Variables are applied in the order of their
 * names, numbers by value, so that a parent comes before its children.
 */
#include "base/codec.h"
#include "config/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS 16

/* One step down the tree: a key or an index. */
struct step {
	const struct config_key *key; /* the row, NULL below KEY_ANY and in maps and lists */
	const char *name;             /* key in a map, NULL: an index */
	size_t index;
};

struct override {
	struct arena *arena;
	struct config_problems *problems;
	struct origin at; /* the variable */
	const char *value;
	const struct config_key *key; /* the deepest row that the steps lead to */
	struct step steps[MAX_STEPS];
	size_t n;
};

const char *cfg_env_get(char *const *envp, const char *name)
{
	size_t n = strlen(name);

	for (; envp && *envp; envp++)
		if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
			return *envp + n + 1;
	return NULL;
}

/* ---- from names to steps --------------------------------------------------------- */

static bool push(struct override *o, const struct config_key *key, const char *name, size_t index)
{
	if (o->n == MAX_STEPS)
		return false;
	o->steps[o->n++] = (struct step){.key = key, .name = name, .index = index};
	return true;
}

/* Cuts `name` in capitals and what follows it off *rest. */
static bool cut_name(struct slice *rest, const char *name)
{
	size_t n = strlen(name);

	if (rest->n < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (toupper((unsigned char)name[i]) != rest->p[i])
			return false;
	if (rest->n > n && rest->p[n] != '_')
		return false;
	*rest = rest->n > n + 1 ? slice_from(*rest, n + 1) : slice_of(rest->p + rest->n, 0);
	return true;
}

static bool parse_index(struct slice s, size_t *index)
{
	uint64_t v;

	if (!slice_u64(s, YAML_MAX_NODES, &v))
		return false;
	*index = (size_t)v;
	return true;
}

static char *lower(struct arena *a, struct slice s)
{
	char *copy = cfg_strdup(a, s);

	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

static bool has_lower(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (islower((unsigned char)s.p[i]))
			return true;
	return false;
}

/* HEADERS_X_FRAME_OPTIONS, HEADERS_X-Frame-Options, either with _0. */
static bool find_header(struct override *o, struct slice rest)
{
	ssize_t cut = slice_rfind(rest, '_');
	size_t index;
	bool indexed = cut > 0 && parse_index(slice_from(rest, (size_t)cut + 1), &index);
	char *name;

	if (indexed)
		rest.n = (size_t)cut;
	name = has_lower(rest) ? cfg_strdup(o->arena, rest) : lower(o->arena, rest);
	for (char *p = name; *p; p++)
		*p = *p == '_' ? '-' : *p;
	return push(o, NULL, name, 0) && (!indexed || push(o, NULL, NULL, index));
}

/* Below what is not looked at: as registry:2 does it, piece by piece. */
static bool find_any(struct override *o, struct slice rest)
{
	while (rest.p) {
		struct slice piece = slice_cut(&rest, '_');
		size_t index;

		if (parse_index(piece, &index) ? !push(o, NULL, NULL, index)
		                               : !push(o, NULL, lower(o->arena, piece), 0))
			return false;
	}
	return true;
}

static bool find_steps(struct override *o, const struct config_key *key, struct slice rest);

/* Tries the children, those with the longest name first. */
static bool find_child(struct override *o, const struct config_key *section, struct slice rest)
{
	size_t depth = o->n, longest = SIZE_MAX;

	for (;;) {
		const struct config_key *k = NULL, *best = NULL;
		struct slice best_rest = rest;
		size_t best_len = 0;

		while ((k = cfg_key_next_child(section, k)) != NULL) {
			struct slice after = rest;

			if (!cut_name(&after, cfg_key_name(k)) && !(k->field && cut_name(&after, k->field)))
				continue;
			if (rest.n - after.n < longest && rest.n - after.n > best_len) {
				best = k;
				best_rest = after;
				best_len = rest.n - after.n;
			}
		}
		if (!best)
			return false;
		o->n = depth;
		if (push(o, best, cfg_key_name(best), 0) && find_steps(o, best, best_rest))
			return true;
		longest = best_len;
	}
}

/* Fills o->steps with the way from `key` to what `rest` names. */
static bool find_steps(struct override *o, const struct config_key *key, struct slice rest)
{
	struct slice first = rest;
	size_t index;

	if (rest.n == 0) {
		o->key = key;
		return key != cfg_key_root();
	}
	o->key = NULL;
	switch (key->type) {
	case KEY_SECTION:
		return find_child(o, key, rest);
	case KEY_ITEMS:
		first = slice_cut(&rest, '_');
		if (!parse_index(first, &index) || !push(o, NULL, NULL, index))
			return false;
		return rest.p && find_child(o, key, rest);
	case KEY_STRINGS:
	case KEY_REGEXES:
		return parse_index(rest, &index) && push(o, NULL, NULL, index);
	case KEY_MAP:
		return push(o, NULL, has_lower(rest) ? cfg_strdup(o->arena, rest) : lower(o->arena, rest), 0);
	case KEY_HEADERS:
		return find_header(o, rest);
	case KEY_ANY:
		return find_any(o, rest);
	default:
		return false;
	}
}

/* ---- laying values over the tree ---------------------------------------------------- */

/* Which values are taken as they stand when they are not a scalar in YAML, such as a
 * password that begins with '%'. */
static bool wants_scalar(const struct override *o)
{
	if (!o->key)
		return o->n > 0;
	return o->key->type != KEY_SECTION && o->key->type != KEY_ITEMS && o->key->type != KEY_MAP &&
	       o->key->type != KEY_HEADERS && o->key->type != KEY_ANY;
}

static bool wants_list(const struct override *o)
{
	return (o->key && (o->key->type == KEY_STRINGS || o->key->type == KEY_REGEXES)) ||
	       (!o->key && o->n > 0 && o->steps[o->n - 1].name);
}

static struct node *override_value(struct override *o)
{
	struct slice text = slice_cstr(o->value);
	struct config_problems quiet = CONFIG_PROBLEMS_INIT;
	struct node *n = NULL;
	bool scalar = wants_scalar(o);

	if (slice_trim(text).n == 0)
		return cfg_node_new(o->arena, NODE_NULL, o->at);
	n = cfg_yaml_parse(o->arena, text, o->at, scalar ? &quiet : o->problems);
	config_problems_free(&quiet);
	if (!scalar)
		return n;
	if (n && (n->type == NODE_SCALAR || (n->type == NODE_LIST && wants_list(o))))
		return n;
	if (n && n->type == NODE_NULL && (slice_eq_cstr(text, "~") || slice_eq_icase(text, SLICE("null"))))
		return n;
	if (utf8_valid(text))
		return cfg_node_scalar(o->arena, text, o->at);
	cfg_problem_add(o->problems, CONFIG_ERROR, o->at, NULL, "not valid UTF-8");
	return NULL;
}

/* Do two header or field names mean the same in a variable? */
static bool same_name(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		int x = *a == '_' ? '-' : tolower((unsigned char)*a), y = *b == '_' ? '-' : tolower((unsigned char)*b);

		if (x != y)
			return false;
	}
	return *a == *b;
}

/* The item under `name`, made when it is not there. */
static struct node_item *enter_map(struct override *o, struct node **slot, const struct step *s)
{
	struct node *map =
	    (*slot)->type == NODE_MAP ? cfg_node_copy(o->arena, *slot) : cfg_node_new(o->arena, NODE_MAP, o->at);

	*slot = map;
	for (size_t i = 0; i < map->n; i++)
		if (s->key ? strcmp(map->items[i].key, s->name) == 0 : same_name(map->items[i].key, s->name))
			return &map->items[i];
	return cfg_node_append(o->arena, map, s->name, o->at, cfg_node_new(o->arena, NODE_NULL, o->at));
}

static struct node_item *enter_list(struct override *o, struct node **slot, const struct step *s)
{
	struct node *old = *slot, *list;

	if (old->type == NODE_LIST) {
		list = cfg_node_copy(o->arena, old);
	} else {
		list = cfg_node_new(o->arena, NODE_LIST, o->at);
		if (old->type == NODE_SCALAR) /* a single value stands for a list of itself */
			cfg_node_append(o->arena, list, NULL, old->at, old);
	}
	*slot = list;
	if (s->index < list->n)
		return &list->items[s->index];
	if (s->index == list->n)
		return cfg_node_append(o->arena, list, NULL, o->at, cfg_node_new(o->arena, NODE_NULL, o->at));
	cfg_problem_add(o->problems, CONFIG_ERROR, o->at, NULL,
	    "index %zu is beyond the end of the list, which has %zu; the next one is %zu", s->index, list->n, list->n);
	return NULL;
}

static void override(struct override *o, struct node **root)
{
	struct node *value = override_value(o), **slot = root;
	struct node_item *item = NULL;

	if (!value)
		return;
	for (size_t i = 0; i < o->n; i++) {
		const struct step *s = &o->steps[i];

		item = s->name ? enter_map(o, slot, s) : enter_list(o, slot, s);
		if (!item)
			return;
		slot = &item->value;
		if (s->key)
			cfg_read_expand_shorthand(o->arena, s->key, slot);
	}
	ASSERT(item != NULL);
	item->value = value;
	item->at = o->at;
	if (o->key)
		cfg_read_expand_shorthand(o->arena, o->key, &item->value);
}

/* ---- which variables ------------------------------------------------------------------ */

/* Does it end with `tail` or hold `tail` followed by more pieces? */
static bool has_tail(const char *name, const char *tail)
{
	const char *p = strstr(name, tail);

	return p && (p[strlen(tail)] == '\0' || p[strlen(tail)] == '_');
}

static bool is_port_of_service(const char *name)
{
	const char *p = strstr(name, "_PORT_");

	if (!p)
		return false;
	p += strlen("_PORT_");
	p += strspn(p, "0123456789");
	return strncmp(p, "_TCP", 4) == 0 || strncmp(p, "_UDP", 4) == 0 || strncmp(p, "_SCTP", 5) == 0;
}

/*
 * Kubernetes gives every container variables that describe the Services of its
 * namespace, Docker those of linked containers. A Service or container that is
 * called "registry", "registry-ui" or "berth" must not stop the registry.
 */
static bool is_injected(const char *name, const char *value)
{
	size_t n = strlen(name);

	if (has_tail(name, "_SERVICE_HOST") || has_tail(name, "_SERVICE_PORT") || is_port_of_service(name))
		return true;
	if (n > 5 && strcmp(name + n - 5, "_PORT") == 0)
		return strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0 ||
		       strncmp(value, "sctp://", 7) == 0;
	if (n > 5 && strcmp(name + n - 5, "_NAME") == 0)
		return value[0] == '/';
	return strstr(name, "_ENV_") != NULL;
}

/* The variables that are read elsewhere or never. */
static bool is_apart(const char *name)
{
	return strcmp(name, "REGISTRY_CONFIGURATION_PATH") == 0;
}

/* The key as a variable has it behind the prefix: HTTP_TLS_KEY. */
static const char *variable_of(struct arena *a, const char *path)
{
	char *name = cfg_strdup(a, slice_cstr(path));

	for (char *p = name; *p; p++)
		*p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
	return name;
}

static void unknown_variable(struct override *o, const char *name, bool own)
{
	static const char berth[] = "berth.";
	const char *prefix = own ? "BERTH_" : "REGISTRY_";
	const char **names = cfg_alloc(o->arena, cfg_nkeys * sizeof(*names));
	const char *guess;
	size_t n = 0;

	for (size_t i = 1; i < cfg_nkeys; i++) {
		const char *path = cfg_keys[i].path;
		bool owned = strncmp(path, berth, strlen(berth)) == 0;

		if (owned == own && !strchr(path, '['))
			names[n++] = variable_of(o->arena, path + (own ? strlen(berth) : 0));
	}
	guess = cfg_nearest_name(slice_cstr(name + strlen(prefix)), names, n);
	cfg_problem_add(o->problems, own ? CONFIG_ERROR : CONFIG_WARNING, o->at, NULL, "names no key%s%s%s%s%s",
	    own ? "" : " and is ignored", guess ? "; did you mean " : "", guess ? prefix : "", guess ? guess : "",
	    guess ? "?" : "");
}

/* Does the variable set something that has an effect here? */
static bool leads_to_value(const struct override *o)
{
	const struct config_key *key = NULL;

	for (size_t i = 0; i < o->n; i++)
		key = o->steps[i].key ? o->steps[i].key : key;
	return key && key->status == KEY_OK;
}

static void apply_one(struct arena *a, const char *var, struct node **root, struct config_problems *p)
{
	const char *eq = strchr(var, '=');
	char *name = cfg_strdup(a, slice_of(var, (size_t)(eq - var)));
	struct override o = {.arena = a, .problems = p, .at = {.file = name}, .value = eq + 1};
	bool own = strncmp(name, "BERTH_", 6) == 0, found;

	if (is_apart(name))
		return;
	for (const char *c = name; *c; c++) {
		if (*c <= ' ' || *c > '~') {
			cfg_problem_add(
			    p, CONFIG_WARNING, o.at, NULL, "the name has characters that no key has; ignored");
			return;
		}
	}
	if (strcmp(name, "REGISTRY_VERSION") == 0) {
		cfg_problem_add(
		    p, CONFIG_WARNING, o.at, NULL, "ignored: the version of the format is only given in the file");
		return;
	}
	if (own)
		found = push(&o, cfg_key_child(cfg_key_root(), SLICE("berth")), "berth", 0) &&
		        find_steps(&o, o.steps[0].key, slice_from(slice_cstr(name), 6)) && o.n > 1;
	else
		found = find_steps(&o, cfg_key_root(), slice_from(slice_cstr(name), 9));
	if (is_injected(name, o.value) && !(found && leads_to_value(&o)))
		return;
	if (found)
		override(&o, root);
	else
		unknown_variable(&o, name, own);
}

static int by_name(const void *x, const void *y)
{
	return strverscmp(*(const char *const *)x, *(const char *const *)y);
}

void cfg_env_apply(struct arena *a, char *const *envp, struct node **root, struct config_problems *p)
{
	const char **vars;
	size_t n = 0;

	for (char *const *e = envp; e && *e; e++)
		n++;
	vars = cfg_alloc(a, (n + 1) * sizeof(*vars));
	n = 0;
	for (char *const *e = envp; e && *e; e++)
		if (strchr(*e, '=') && (strncmp(*e, "REGISTRY_", 9) == 0 || strncmp(*e, "BERTH_", 6) == 0))
			vars[n++] = *e;
	if (n == 0)
		return;
	qsort(vars, n, sizeof(*vars), by_name);
	if ((*root)->type != NODE_MAP)
		*root = cfg_node_new(a, NODE_MAP, (*root)->at);
	for (size_t i = 0; i < n; i++)
		apply_one(a, vars[i], root, p);
}
