/* SPDX-License-Identifier: Apache-2.0 */
/* digest_set.c - a hash table of digests; see digest_set.h. */
#include "transfer/digest_set.h"
#include "transfer/texts.h"

#include <stdlib.h>
#include <string.h>

static bool same_key(const struct digest_key *k, const struct digest *d, size_t context)
{
	return k->context == context && digest_eq(&k->digest, d);
}

/* Digests are spread already. */
static size_t *find_slot(const struct digest_set *s, const struct digest *d, size_t context)
{
	size_t h, i;

	memcpy(&h, d->bytes, sizeof(h));
	i = (h ^ context * 0x9e3779b97f4a7c15U) & (s->nslots - 1);
	while (s->slots[i] && !same_key(&s->keys[s->slots[i] - 1], d, context))
		i = (i + 1) & (s->nslots - 1);
	return &s->slots[i];
}

static void widen(struct digest_set *s)
{
	s->nslots = s->nslots ? s->nslots * 2 : 256;
	free(s->slots);
	s->slots = xcalloc(s->nslots, sizeof(*s->slots));
	for (size_t i = 0; i < s->n; i++)
		*find_slot(s, &s->keys[i].digest, s->keys[i].context) = i + 1;
}

size_t digest_set_add(struct digest_set *s, const struct digest *d, size_t context, bool *added)
{
	size_t *slot;

	if (s->n * 2 >= s->nslots)
		widen(s);
	slot = find_slot(s, d, context);
	*added = *slot == 0;
	if (*added) {
		s->keys = texts_grow(s->keys, s->n, &s->cap, sizeof(*s->keys));
		s->keys[s->n++] = (struct digest_key){*d, context};
		*slot = s->n;
	}
	return *slot - 1;
}

bool digest_set_has(const struct digest_set *s, const struct digest *d, size_t context)
{
	return s->nslots && *find_slot(s, d, context);
}

void digest_set_free(struct digest_set *s)
{
	free(s->keys);
	free(s->slots);
}
