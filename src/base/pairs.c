/* SPDX-License-Identifier: Apache-2.0 */
/* pairs.c - open addressing with linear probing; see pairs.h. */
#include "base/pairs.h"

#include <stdlib.h>

#define CAP_MIN ((size_t)64)

/* Ids come in sequences: the multiplications spread them. */
static size_t home(int64_t a, int64_t b, size_t cap)
{
	uint64_t h = (uint64_t)a * 0x9e3779b97f4a7c15u ^ (uint64_t)b * 0xc2b2ae3d27d4eb4fu;

	h = (h ^ h >> 32) * 0xd6e8feb86659fd93u;
	return (size_t)(h ^ h >> 32) & (cap - 1);
}

/* Where it is, or the free place for it. */
static struct pair *place(const struct pairs *p, int64_t a, int64_t b)
{
	size_t i = home(a, b, p->cap);

	while (p->slots[i].marks && (p->slots[i].a != a || p->slots[i].b != b))
		i = (i + 1) & (p->cap - 1);
	return &p->slots[i];
}

static bool grow(struct pairs *p)
{
	struct pairs larger = {.n = p->n, .cap = p->cap ? p->cap * 2 : CAP_MIN};

	larger.slots = calloc(larger.cap, sizeof(*larger.slots));
	if (!larger.slots)
		return false;
	for (size_t i = 0; i < p->cap; i++) {
		if (p->slots[i].marks)
			*place(&larger, p->slots[i].a, p->slots[i].b) = p->slots[i];
	}
	free(p->slots);
	*p = larger;
	return true;
}

void pairs_free(struct pairs *p)
{
	free(p->slots);
	*p = PAIRS_INIT;
}

bool pairs_mark(struct pairs *p, int64_t a, int64_t b, uint8_t marks)
{
	struct pair *slot;

	ASSERT(marks != 0);
	if (p->n >= p->cap / 4 * 3 && !grow(p))
		return false;
	slot = place(p, a, b);
	p->n += slot->marks == 0;
	slot->a = a;
	slot->b = b;
	slot->marks |= marks;
	return true;
}

uint8_t pairs_get(const struct pairs *p, int64_t a, int64_t b)
{
	return p->cap ? place(p, a, b)->marks : 0;
}

void pairs_unmark(struct pairs *p, int64_t a, int64_t b, uint8_t marks)
{
	struct pair *slot = p->cap ? place(p, a, b) : NULL;

	if (!slot || !slot->marks)
		return;
	slot->marks &= (uint8_t)~marks;
	ASSERT(slot->marks != 0);
}

const struct pair *pairs_next(const struct pairs *p, size_t *at)
{
	while (*at < p->cap) {
		const struct pair *slot = &p->slots[(*at)++];

		if (slot->marks)
			return slot;
	}
	return NULL;
}
