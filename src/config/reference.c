/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - the reference of all keys in Markdown, from the table. */
#include "config/internal.h"

#include <ctype.h>
#include <string.h>

static const char intro[] =
    "# Configuration\n"
    "\n"
    "<!-- Written by `berth config reference`; edit src/config/keys.c instead. -->\n"
    "\n"
    "berth reads the configuration file of `registry:2` and `registry:3` (YAML, `version: 0.1`) and the\n"
    "`REGISTRY_*` environment. The file is the argument of the command, otherwise the one that\n"
    "`REGISTRY_CONFIGURATION_PATH` names. Without a file berth serves a directory `./data` on the loopback\n"
    "interface. Complete examples are in [examples](examples/).\n"
    "\n"
    "    berth config check FILE    all problems at once, with file and line\n"
    "    berth config show FILE     what is in force, and where each value comes from\n"
    "\n"
    "## The file\n"
    "\n"
    "* A key that berth does not know is an error that names the nearest known one.\n"
    "* A key that berth knows but does not support yet is an error that says so; it is never ignored.\n"
    "* A key that has no meaning here is accepted with a note.\n"
    "* A key without a value counts as not given. The same key twice in a mapping is an error.\n"
    "* Anchors, aliases and merge keys (`<<`) work; top-level keys that begin with `x-` are left alone,\n"
    "  which makes them a place for anchors.\n"
    "* `storage: filesystem` and `auth: none`, the name alone, are short for a mapping with that key.\n"
    "* A single value may stand for a list of itself.\n"
    "* A file has at most 64 KiB, 10,000 values and 32 levels.\n"
    "\n"
    "Durations are written as in Go: `90s`, `1h30m`, `250ms`; a number without a unit is nanoseconds. Sizes are\n"
    "bytes or have a unit: `65536`, `64KiB`, `4MiB`, `1GB`. Yes or no is `true` or `false`.\n"
    "\n"
    "## The environment\n"
    "\n"
    "A variable overrides the file. `REGISTRY_` and the path of the key in capitals, with underscores between\n"
    "the parts, is its name: `http.tls.key` is `REGISTRY_HTTP_TLS_KEY`. Keys under `berth` begin with `BERTH_`\n"
    "instead: `berth.http.maxthreads` is `BERTH_HTTP_MAXTHREADS`. The value is YAML, so `[a, b]` sets a list and\n"
    "`{a: b}` a mapping; where a single value is wanted and the text is not YAML it is taken as it stands.\n"
    "\n"
    "* An element of a list has its index: `REGISTRY_HTTP_TLS_CLIENTCAS_0`, `REGISTRY_HEALTH_FILE_0_FILE`. The\n"
    "  index after the last one appends.\n"
    "* The names of `registry:2` for the health checks work as well: `REGISTRY_HEALTH_FILECHECKERS_0_FILE`.\n"
    "* A header: `REGISTRY_HTTP_HEADERS_X_FRAME_OPTIONS=[DENY]` or `REGISTRY_HTTP_HEADERS_X-Frame-Options=[DENY]`.\n"
    "* `REGISTRY_STORAGE=filesystem` and `REGISTRY_AUTH=htpasswd` replace the whole section; variables of keys in\n"
    "  it are applied after that.\n"
    "* An empty value sets the key back to its default.\n"
    "* A `BERTH_*` variable that names no key is an error, a `REGISTRY_*` variable a warning. Those that Kubernetes\n"
    "  and Docker make up for Services and containers called `registry` or `berth` are left alone.\n";

/* "health.file[].file" -> "REGISTRY_HEALTH_FILE_0_FILE". */
static void add_variable(const struct config_key *key, struct buf *out)
{
	static const char berth[] = "berth.";
	bool own = strncmp(key->path, berth, strlen(berth)) == 0;

	if (strcmp(key->path, "version") == 0)
		return;
	buf_adds(out, own ? "`BERTH_" : "`REGISTRY_");
	for (const char *p = key->path + (own ? strlen(berth) : 0); *p; p++) {
		if (*p == '[')
			buf_adds(out, "_0");
		else if (*p != ']')
			buf_addc(out, *p == '.' ? '_' : (char)toupper((unsigned char)*p));
	}
	if (key->type == KEY_MAP || key->type == KEY_HEADERS)
		buf_adds(out, "_<NAME>");
	buf_addc(out, '`');
}

static void add_choices(const struct config_key *key, struct buf *out)
{
	const char *gap = "";

	for (const struct key_choice *c = key->choices; c->name; c++) {
		if (c->refused)
			continue;
		buf_addf(out, "%s`%s`", gap, c->name);
		gap = ", ";
	}
}

static void add_type(const struct config_key *key, struct buf *out)
{
	static const char *const names[] = {
	    [KEY_SECTION] = "section",
	    [KEY_BOOL] = "yes or no",
	    [KEY_INT] = "number",
	    [KEY_SIZE] = "size",
	    [KEY_DURATION] = "duration",
	    [KEY_STRING] = "text",
	    [KEY_ENUM] = "",
	    [KEY_STRINGS] = "list",
	    [KEY_REGEXES] = "list of regular expressions",
	    [KEY_MAP] = "mapping",
	    [KEY_HEADERS] = "mapping of lists",
	    [KEY_ITEMS] = "list of mappings",
	    [KEY_ANY] = "any",
	};

	buf_adds(out, key->choices && key->type == KEY_STRING ? "" : names[key->type]);
	if (key->choices) {
		buf_adds(out, key->type == KEY_STRINGS ? " of " : "");
		add_choices(key, out);
	} else if (key->type == KEY_INT && key->max) {
		buf_addf(out, " %lld-%lld", (long long)key->min, (long long)key->max);
	}
}

static void add_default(const struct config_key *key, struct buf *out)
{
	if (key->derived)
		buf_adds(out, key->derived);
	else if (key->preset)
		buf_addf(out, "`%s`", key->preset);
	if (key->preset_bare)
		buf_addf(out, ", without a file `%s`", key->preset_bare);
}

static void add_row(const struct config_key *key, struct buf *out)
{
	buf_addf(out, "| `%s` | ", key->path);
	add_type(key, out);
	buf_adds(out, " | ");
	add_default(key, out);
	buf_adds(out, " | ");
	add_variable(key, out);
	buf_adds(out, " | ");
	if (key->doc)
		buf_addf(out, "%s ", key->doc);
	if (key->status == KEY_LATER)
		buf_addf(out, "**Refused**: %s. ", key->note);
	else if (key->status == KEY_NOTE)
		buf_addf(out, "*Accepted, no effect*: %s. ", key->note);
	buf_adds(out, "|\n");
}

void config_reference(struct buf *out)
{
	const struct config_key *top = NULL;

	buf_adds(out, intro);
	for (size_t i = 1; i < cfg_nkeys; i++) {
		const struct config_key *key = &cfg_keys[i];

		if (!strchr(key->path, '.')) {
			buf_addf(out, "\n## %s\n\n", key->path);
			if (key->type == KEY_SECTION && key->doc)
				buf_addf(out, "%s\n\n", key->doc);
			buf_adds(out, "| key | value | default | environment | meaning |\n|---|---|---|---|---|\n");
			top = key;
		}
		if (key->type != KEY_SECTION || (key->doc && key != top))
			add_row(key, out);
	}
}
