/* SPDX-License-Identifier: Apache-2.0 */
/* credcache.c - a set-associative table of right credentials; see credcache.h. */
#include "auth/credcache.h"
#include "base/sync.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 8
#define LOCKS 32

struct slot {
	uint8_t key[CREDCACHE_KEY];
	uint64_t generation;
	int64_t expires; /* clock_mono; 0: empty */
};

struct set {
	struct slot slots[WAYS];
};

struct credcache {
	uint32_t magic;
#define CREDCACHE_MAGIC 0x43726564
	int64_t ttl;
	size_t nsets; /* a power of two */
	struct set *sets;
	pthread_mutex_t locks[LOCKS]; /* set i is guarded by lock i % LOCKS */
};

struct credcache *credcache_new(size_t entries, int64_t ttl)
{
	struct credcache *c = xcalloc(1, sizeof(*c));

	c->magic = CREDCACHE_MAGIC;
	c->ttl = ttl;
	c->nsets = 1;
	while (c->nsets * WAYS < entries)
		c->nsets *= 2;
	c->sets = xcalloc(c->nsets, sizeof(*c->sets));
	for (size_t i = 0; i < LOCKS; i++)
		mutex_init(&c->locks[i]);
	return c;
}

void credcache_free(struct credcache *c)
{
	if (!c)
		return;
	OBJ_CHECK(c, CREDCACHE_MAGIC);
	c->magic = 0;
	for (size_t i = 0; i < LOCKS; i++)
		mutex_destroy(&c->locks[i]);
	OPENSSL_cleanse(c->sets, c->nsets * sizeof(*c->sets));
	free(c->sets);
	free(c);
}

/* Keys are uniformly distributed, so any of their bytes will do. */
static struct set *set_of(struct credcache *c, const uint8_t *key, pthread_mutex_t **lock)
{
	uint64_t n;
	size_t i;

	OBJ_CHECK(c, CREDCACHE_MAGIC);
	memcpy(&n, key, sizeof(n));
	i = n & (c->nsets - 1);
	*lock = &c->locks[i % LOCKS];
	return &c->sets[i];
}

static struct slot *find(struct set *set, const uint8_t *key)
{
	for (size_t i = 0; i < WAYS; i++)
		if (set->slots[i].expires && CRYPTO_memcmp(set->slots[i].key, key, CREDCACHE_KEY) == 0)
			return &set->slots[i];
	return NULL;
}

bool credcache_find(struct credcache *c, const uint8_t key[CREDCACHE_KEY], uint64_t generation, int64_t now)
{
	pthread_mutex_t *lock;
	struct set *set = set_of(c, key, &lock);
	struct slot *s;
	bool good;

	mutex_lock(lock);
	s = find(set, key);
	good = s && s->generation == generation && now < s->expires;
	mutex_unlock(lock);
	return good;
}

void credcache_add(struct credcache *c, const uint8_t key[CREDCACHE_KEY], uint64_t generation, int64_t now)
{
	pthread_mutex_t *lock;
	struct set *set = set_of(c, key, &lock);
	struct slot *s;

	mutex_lock(lock);
	s = find(set, key);
	if (!s) {
		s = &set->slots[0];
		for (size_t i = 1; i < WAYS; i++)
			if (set->slots[i].expires < s->expires)
				s = &set->slots[i];
	}
	memcpy(s->key, key, CREDCACHE_KEY);
	s->generation = generation;
	s->expires = now + c->ttl;
	mutex_unlock(lock);
}
