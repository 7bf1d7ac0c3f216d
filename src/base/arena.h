/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - memory of one request: allocated piecemeal, released as a whole.
 *
 * Handlers never free what they take from the request's arena. When memory
 * runs out or the ceiling is reached, arena_alloc returns NULL and the failure
 * is latched in `overflow`, so a whole sequence can be checked once; the HTTP
 * layer answers 503 when it finds the latch set. Under AddressSanitizer every
 * allocation is a malloc of its own, so overruns are seen. One thread at a time.
 */
#ifndef BERTH_BASE_ARENA_H
#define BERTH_BASE_ARENA_H

#include "base/slice.h"
#include <stdarg.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	char *at, *end;             /* free part of the newest chunk */
	size_t used, max;           /* bytes handed out, ceiling */
	bool overflow;
};

void arena_init(struct arena *a, size_t max);
/* Releases everything but one chunk of the usual size, for the next request. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

/* n zeroed bytes aligned for any type, or NULL; never NULL because n is 0. */
void *arena_alloc(struct arena *a, size_t n);
/* A NUL-terminated copy, or NULL. */
char *arena_strdup(struct arena *a, struct slice s);
/* A copy as a slice, NUL-terminated; the absent slice on failure. The copy of
 * the absent slice is absent. */
struct slice arena_copy(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
