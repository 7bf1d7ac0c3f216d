/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c - request memory; see arena.h.
 *
 * Chunks of 16 KiB are cut from the front; anything larger than a quarter of
 * that gets a chunk of its own. Under AddressSanitizer each allocation is its
 * own chunk, so that overruns and use after reset are caught.
 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)16 * 1024)
#define ALIGN _Alignof(max_align_t)

#ifndef ARENA_SEPARATE /* a test sets it, to see the chunks under the sanitizer as well */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_SEPARATE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_SEPARATE 1
#endif
#endif
#endif
#ifndef ARENA_SEPARATE
#define ARENA_SEPARATE 0
#endif

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* of data */
	_Alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max)
{
	*a = (struct arena){.max = max};
}

static struct arena_chunk *chunk_new(size_t size)
{
	struct arena_chunk *c = malloc(sizeof(*c) + size);

	if (c)
		c->size = size;
	return c;
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *keep = NULL;

	while (a->chunks) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->next;
		if (!keep && !ARENA_SEPARATE && c->size == CHUNK_SIZE)
			keep = c;
		else
			free(c);
	}
	*a = (struct arena){.max = a->max};
	if (keep) {
		keep->next = NULL;
		a->chunks = keep;
		a->at = keep->data;
		a->end = keep->data + keep->size;
	}
}

void arena_free(struct arena *a)
{
	while (a->chunks) {
		struct arena_chunk *c = a->chunks;

		a->chunks = c->next;
		free(c);
	}
	*a = (struct arena){.max = a->max};
}

static void *latch(struct arena *a)
{
	a->overflow = true;
	return NULL;
}

/* A chunk of its own, hung behind the current one so that cutting goes on there. */
static void *alloc_separate(struct arena *a, size_t n)
{
	struct arena_chunk *c = chunk_new(n);

	if (!c)
		return latch(a);
	if (a->chunks) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		c->next = NULL;
		a->chunks = c;
	}
	return memset(c->data, 0, n);
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t need;
	void *p;

	if (n > a->max || a->used > a->max - n)
		return latch(a);
	a->used += n;
	if (ARENA_SEPARATE || n > CHUNK_SIZE / 4)
		return alloc_separate(a, n ? n : 1);
	need = n ? (n + ALIGN - 1) & ~(ALIGN - 1) : ALIGN;
	if (need > (size_t)(a->end - a->at)) {
		struct arena_chunk *c = chunk_new(CHUNK_SIZE);

		if (!c)
			return latch(a);
		c->next = a->chunks;
		a->chunks = c;
		a->at = c->data;
		a->end = c->data + c->size;
	}
	p = a->at;
	a->at += need;
	return memset(p, 0, n);
}

char *arena_strdup(struct arena *a, struct slice s)
{
	char *d = arena_alloc(a, s.n + 1);

	if (d && s.n)
		memcpy(d, s.p, s.n);
	return d;
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	char *d = s.p ? arena_strdup(a, s) : NULL;

	return d ? slice_of(d, s.n) : SLICE_NONE;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap, again;
	char *d = NULL;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0)
		d = arena_alloc(a, (size_t)n + 1);
	if (d)
		vsnprintf(d, (size_t)n + 1, fmt, again);
	va_end(again);
	return d;
}
