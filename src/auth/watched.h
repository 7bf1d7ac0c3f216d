/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watched.h - a value made from files, made again when the files change.
 *
 * The last good value stays in force while the files are missing or malformed;
 * that is logged once for each kind of mistake, not for each look at the file.
 * Values are immutable and counted, so a reader keeps the one it began with.
 * A generation number tells two values apart without a lock. Thread-safe.
 */
#ifndef BERTH_AUTH_WATCHED_H
#define BERTH_AUTH_WATCHED_H

#include "base/err.h"
#include <stdatomic.h>

#define WATCHED_FILES 2

struct watched_type {
	const char *what; /* "htpasswd", for logs */
	enum err_code (*load)(void *arg, void **out, struct err *err);
	bool (*same)(const void *a, const void *b); /* equal content: the old value and generation stay */
	void (*free)(void *value);
};

struct watched_ref {
	atomic_uint refs;                /* private */
	const struct watched_type *type; /* private */
	uint64_t generation;
	void *value;
};

struct watched;

/* Loads the value for the first time, which must succeed. Paths may be NULL,
 * meaning no such file. */
enum err_code watched_new(const struct watched_type *type, void *arg, const char *const paths[WATCHED_FILES],
    struct watched **out, struct err *err) MUST_USE;
void watched_free(struct watched **w);

/* The generation in force. Never blocks. */
uint64_t watched_generation(const struct watched *w);
/* True for one caller a second or so: whoever gets it should watched_refresh.
 * Never blocks. */
bool watched_due(struct watched *w);
/* Looks whether the files changed, and if so loads them again. */
void watched_refresh(struct watched *w);
/* The value in force; give it back with watched_put. */
struct watched_ref *watched_get(struct watched *w);
void watched_put(struct watched_ref *r);

#endif
