/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - from a file name and an environment to a checked configuration. */
#include "base/fsys.h"
#include "config/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- memory --------------------------------------------------------------------- */

void *cfg_alloc(struct arena *a, size_t n)
{
	void *p = arena_alloc(a, n ? n : 1);

	if (!p) {
		fputs("berth: out of memory while reading the configuration\n", stderr);
		abort();
	}
	return p;
}

char *cfg_strdup(struct arena *a, struct slice s)
{
	char *copy = cfg_alloc(a, s.n + 1);

	if (s.n)
		memcpy(copy, s.p, s.n);
	return copy;
}

char *cfg_printf(struct arena *a, const char *fmt, ...)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT(SIZE_MAX / 4);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return cfg_strdup(a, buf_slice(&b));
}

/* ---- loading ----------------------------------------------------------------------- */

static struct config *config_new(void)
{
	struct config *cfg = xcalloc(1, sizeof(*cfg));

	cfg->magic = CONFIG_MAGIC;
	cfg->priv = xcalloc(1, sizeof(*cfg->priv));
	arena_init(&cfg->priv->arena, SIZE_MAX);
	return cfg;
}

/* The mandatory first key of a file. */
static void check_version(const struct node *root, const char *file, struct config_problems *p)
{
	const struct node_item *item = cfg_node_find(root, "version");
	struct origin top = {.file = file, .line = 1};

	if (root->type == NODE_NULL)
		cfg_problem_add(p, CONFIG_ERROR, top, "version",
		    "the file is empty; a configuration begins with the line \"version: 0.1\"");
	else if (root->type != NODE_MAP)
		return;
	else if (!item)
		cfg_problem_add(p, CONFIG_ERROR, top, "version", "missing; add the line \"version: 0.1\"");
	else if (item->value->type != NODE_SCALAR || strcmp(item->value->text, "0.1") != 0)
		cfg_problem_add(
		    p, CONFIG_ERROR, item->at, "version", "must be 0.1, the only version of the format there is");
}

/* Takes cfg, whose file is set. */
static struct config *load(struct config *cfg, struct slice text, char *const *envp, struct config_problems *p)
{
	struct arena *a = &cfg->priv->arena;
	struct reader r = {.arena = a, .problems = p, .bare = !cfg->file};
	struct node *root = cfg_node_new(a, NODE_MAP, (struct origin){NULL, 0});

	if (cfg->file) {
		root = cfg_yaml_parse(a, text, (struct origin){.file = cfg->file, .line = 1}, p);
		if (!root)
			goto out;
		check_version(root, cfg->file, p);
	}
	cfg_env_apply(a, envp, &root, p);
	cfg->priv->root = root;
	cfg_read_config(&r, root, cfg);
	cfg_check_derive(cfg);
	cfg_check_config(cfg, p);
out:
	cfg_problem_sort(p);
	if (p->errors)
		config_free(&cfg);
	return cfg;
}

struct config *config_load_text(
    const char *name, struct slice text, char *const *envp, struct config_problems *problems)
{
	struct config *cfg = config_new();

	cfg->file = cfg_strdup(&cfg->priv->arena, slice_cstr(name));
	return load(cfg, text, envp, problems);
}

/* The text of the file; NULL and a problem when it cannot be read. */
static char *read_text(const char *path, size_t *n, struct config_problems *p)
{
	struct origin at = {.file = path};
	struct err err = {.code = ERR_OK};
	struct stat st;
	char *text = NULL;

	if (fsys->stat(path, &st) != 0)
		cfg_problem_add(
		    p, CONFIG_ERROR, at, NULL, "the configuration file cannot be opened: %s", strerror(errno));
	else if (S_ISDIR(st.st_mode))
		cfg_problem_add(p, CONFIG_ERROR, at, NULL, "is a directory, not a configuration file");
	else if (fsys_read_file(path, YAML_MAX_BYTES, &text, n, &err) == ERR_TOO_LARGE)
		cfg_problem_add(p, CONFIG_ERROR, at, NULL, "larger than %zu KiB", YAML_MAX_BYTES / 1024);
	else if (err.code)
		cfg_problem_add(p, CONFIG_ERROR, at, NULL, "the configuration file cannot be read: %s",
		    err.sys ? strerror(err.sys) : err.msg);
	return err.code ? NULL : text;
}

struct config *config_load(const char *path, char *const *envp, struct config_problems *problems)
{
	struct config *cfg;
	char *text;
	size_t n;

	if (!path)
		path = cfg_env_get(envp, "REGISTRY_CONFIGURATION_PATH");
	if (!path || !*path)
		return load(config_new(), SLICE_NONE, envp, problems);
	text = read_text(path, &n, problems);
	if (!text)
		return NULL;
	cfg = config_load_text(path, slice_of(text, n), envp, problems);
	free(text);
	return cfg;
}

static void free_regexes(struct config_regexes *list)
{
	for (size_t i = 0; i < list->n; i++)
		regfree(&list->v[i].re);
	list->n = 0;
}

void config_free(struct config **pcfg)
{
	struct config *cfg = *pcfg;

	*pcfg = NULL;
	if (!cfg)
		return;
	OBJ_CHECK(cfg, CONFIG_MAGIC);
	free_regexes(&cfg->validation.manifests.urls.allow);
	free_regexes(&cfg->validation.manifests.urls.deny);
	arena_free(&cfg->priv->arena);
	free(cfg->priv);
	cfg->magic = 0;
	free(cfg);
}

/* ---- where things came from ------------------------------------------------------------ */

struct origin cfg_origin(const struct config *cfg, const char *path)
{
	const struct node *n = cfg->priv->root;
	struct slice rest = slice_cstr(path);
	struct origin at = {NULL, 0};

	while (rest.p && n) {
		struct slice name = slice_cut(&rest, '.');
		ssize_t open = slice_find(name, '[');
		uint64_t index = 0;
		char key[64];
		const struct node_item *item;

		if (open >= 0 &&
		    !slice_u64(slice_sub(name, (size_t)open + 1, name.n - (size_t)open - 2), SIZE_MAX, &index))
			break;
		if (!slice_to_cstr(open < 0 ? name : slice_sub(name, 0, (size_t)open), key, sizeof(key)))
			break;
		item = cfg_node_find(n, key);
		if (!item)
			break;
		at = item->at;
		n = item->value;
		if (open >= 0 && n->type == NODE_LIST && index < n->n) {
			at = n->items[index].at;
			n = n->items[index].value;
		}
	}
	return at;
}
