/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of this module share. The way of a configuration:
 *
 *   text --yaml.c--> tree of nodes --env.c--> the same tree with the
 *   environment laid over it --read.c, keys.c--> struct config --check.c-->
 *   checked across keys; show.c and reference.c print.
 *
 * A node knows where it came from, so every message and every line of
 * `config show` can say it. Nodes and strings live in the arena of the
 * configuration and go away with it. Functions that only this module uses
 * begin with cfg_, the public ones with config_.
 */
#ifndef BERTH_CONFIG_INTERNAL_H
#define BERTH_CONFIG_INTERNAL_H

#include "base/arena.h"
#include "config/config.h"

/* ---- memory ---------------------------------------------------------------- */

/* Zeroed, never NULL: a configuration is small and read at start, so a lack of
 * memory ends the process with a message. */
void *cfg_alloc(struct arena *a, size_t n);
char *cfg_strdup(struct arena *a, struct slice s);
char *cfg_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- problems (problem.c) --------------------------------------------------- */

struct origin {
	const char *file; /* file or environment variable; NULL: a default */
	unsigned line;    /* 0: none */
};

void cfg_problem_add(struct config_problems *p, enum config_severity severity, struct origin at, const char *key,
    const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Puts the problems into the order of files and lines. */
void cfg_problem_sort(struct config_problems *p);

/* The string of `names` (n of them) that is nearest to s by edit distance, or
 * NULL when none is near enough to be what was meant. */
const char *cfg_nearest_name(struct slice s, const char *const *names, size_t n);

/* ---- the tree (yaml.c) ------------------------------------------------------- */

#define YAML_MAX_BYTES ((size_t)64 * 1024)
#define YAML_MAX_NODES ((size_t)10000)
#define YAML_MAX_DEPTH 32

enum node_type { NODE_NULL, NODE_SCALAR, NODE_MAP, NODE_LIST };

struct node {
	enum node_type type;
	struct origin at;
	const char *text;        /* scalars; no NUL inside */
	struct node_item *items; /* maps and lists */
	size_t n, cap;
	unsigned height; /* levels of nodes below and including this one */
	size_t weight;   /* nodes below and including this one, aliases counted as what they stand for */
};

struct node_item {
	const char *key; /* NULL in lists */
	struct origin at;
	struct node *value;
};

struct node *cfg_node_new(struct arena *a, enum node_type type, struct origin at);
struct node *cfg_node_scalar(struct arena *a, struct slice text, struct origin at);
/* Appends to a map or a list. */
struct node_item *cfg_node_append(
    struct arena *a, struct node *n, const char *key, struct origin at, struct node *value);
struct node_item *cfg_node_find(const struct node *map, const char *key);
/* A copy whose items can be changed without a trace in the original. */
struct node *cfg_node_copy(struct arena *a, const struct node *n);

/* Parses one YAML document. NULL after an error; a document without content is
 * a NODE_NULL. `at` is the file, or the variable when `line` is fixed at 0. */
struct node *cfg_yaml_parse(struct arena *a, struct slice text, struct origin at, struct config_problems *p);

/* ---- the table (keys.c) ------------------------------------------------------- */

enum key_type {
	KEY_SECTION, /* a mapping of the keys below it */
	KEY_BOOL,
	KEY_INT,      /* int64_t */
	KEY_SIZE,     /* int64_t, bytes */
	KEY_DURATION, /* int64_t, nanoseconds */
	KEY_STRING,
	KEY_ENUM,    /* int, one of `choices` */
	KEY_STRINGS, /* struct config_strings, of `choices` where given */
	KEY_REGEXES,
	KEY_MAP,
	KEY_HEADERS,
	KEY_ITEMS, /* {v, n}: structs of `size` bytes, the keys below are the fields */
	KEY_ANY    /* anything; for what is not looked at */
};

enum key_status {
	KEY_OK,   /* does what the documentation says */
	KEY_NOTE, /* accepted, and said that it has no effect here */
	KEY_LATER /* refused, with the reason */
};

enum key_flag {
	KEY_SECRET = 1,     /* its value is never shown */
	KEY_CHOICE = 2,     /* section: at most one of the siblings with this flag may be given */
	KEY_SHORTHAND = 4,  /* section: the name of a choice alone stands for a map with it */
	KEY_CREDENTIALS = 8 /* a URL or headers, of which what looks like a secret is not shown */
};

struct key_choice {
	const char *name;
	int value;
	const char *refused; /* why this one is not taken, NULL when it is */
};

struct config_key {
	const char *path; /* "http.tls.certificate"; "[]" follows a list of structs */
	enum key_type type;
	enum key_status status;
	unsigned flags;
	size_t at; /* offset in struct config, or in the struct of the list */
	size_t size;
	const char *preset;               /* default, as the file would write it; NULL: none */
	const char *preset_bare;          /* default without a file, where it differs */
	const char *derived;              /* for the reference: the default in words */
	int64_t min, max;                 /* of numbers; max 0: no other bound than the type's */
	const struct key_choice *choices; /* ended by a NULL name */
	const char *field;                /* another name of the last component in environment variables */
	const char *same_as;              /* deprecated: path of the key that this is an old name of */
	const char *doc;
	const char *note; /* KEY_NOTE, KEY_LATER and same_as: what to tell the operator */
};

extern const struct config_key cfg_keys[];
extern const size_t cfg_nkeys;

/* The row of the whole file; its children are the top-level keys. */
const struct config_key *cfg_key_root(void);
/* Children in the order of the table: NULL starts, NULL ends. */
const struct config_key *cfg_key_next_child(const struct config_key *parent, const struct config_key *prev);
const struct config_key *cfg_key_child(const struct config_key *parent, struct slice name);
/* The last component of the path. */
const char *cfg_key_name(const struct config_key *key);
const char *cfg_key_choice_name(const struct config_key *key, int value);

/* ---- values (value.c) ------------------------------------------------------------ */

struct reader {
	struct arena *arena;
	struct config_problems *problems;
	bool bare; /* no file */
	char *top; /* the struct config, private to read.c */
};

/*
 * Reads the scalar `text` into the object at `to` as the key's type says.
 * Returns NULL, or why not, in words for the operator (in the arena).
 */
const char *cfg_value_read(struct arena *a, const struct config_key *key, const char *text, void *to);
/* Writes the value at `from` as YAML that value_read takes back. */
void cfg_value_write(const struct config_key *key, const void *from, struct buf *out);
bool cfg_value_bool(const char *text, bool *out);

/* Compiles a Go regular expression; NULL or why not (in the arena). */
const char *cfg_regex_compile(struct arena *a, const char *go, regex_t *re);

/* ---- reading (read.c) --------------------------------------------------------------- */

/* Turns a shorthand ("filesystem") into the map it stands for. */
void cfg_read_expand_shorthand(struct arena *a, const struct config_key *key, struct node **node);
void cfg_read_config(struct reader *r, struct node *root, struct config *cfg);

/* Lays the environment over the tree; *root may be replaced. */
void cfg_env_apply(struct arena *a, char *const *envp, struct node **root, struct config_problems *p);
/* The value of a variable in envp, or NULL. */
const char *cfg_env_get(char *const *envp, const char *name);

/* Defaults that depend on other keys, then what must hold between keys. */
void cfg_check_derive(struct config *cfg);
void cfg_check_config(const struct config *cfg, struct config_problems *p);

/* Why this cannot be the name of a cipher suite (in the arena), or NULL (ciphers.c). */
const char *cfg_cipher_check(struct arena *a, const char *name);

/* ---- the private part of a configuration ---------------------------------------------- */

struct config_private {
	struct arena arena;
	struct node *root; /* what was given, for config_show */
};

/* Where the key at `path` was given; {NULL, 0} when it was not. */
struct origin cfg_origin(const struct config *cfg, const char *path);

#endif
