/* SPDX-License-Identifier: Apache-2.0 */
/* throttle.c - a bounded table of failed logins; see throttle.h. */
#include "auth/throttle.h"
#include "base/sync.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 8

struct slot {
	uint8_t key[THROTTLE_KEY];
	uint32_t failures; /* 0: empty */
	int64_t last;      /* clock_mono of the last attempt that was let through */
};

struct throttle {
	uint32_t magic;
#define THROTTLE_MAGIC 0x5468726f
	pthread_mutex_t lock; /* held for a scan of one set; only those who log in anew come here */
	size_t nsets;         /* a power of two */
	struct slot (*sets)[WAYS];
};

struct throttle *throttle_new(size_t entries)
{
	struct throttle *t = xcalloc(1, sizeof(*t));

	t->magic = THROTTLE_MAGIC;
	mutex_init(&t->lock);
	t->nsets = 1;
	while (t->nsets * WAYS < entries)
		t->nsets *= 2;
	t->sets = xcalloc(t->nsets, sizeof(*t->sets));
	return t;
}

void throttle_free(struct throttle *t)
{
	if (!t)
		return;
	OBJ_CHECK(t, THROTTLE_MAGIC);
	t->magic = 0;
	mutex_destroy(&t->lock);
	free(t->sets);
	free(t);
}

/* How long to wait after that many failures. */
static int64_t penalty(uint32_t failures)
{
	int64_t d = THROTTLE_FIRST;

	if (failures < THROTTLE_FREE)
		return 0;
	for (uint32_t i = THROTTLE_FREE; i < failures && d < THROTTLE_LONGEST; i++)
		d *= 2;
	return d < THROTTLE_LONGEST ? d : THROTTLE_LONGEST;
}

static struct slot *set_of(struct throttle *t, const uint8_t *key)
{
	uint64_t n;

	OBJ_CHECK(t, THROTTLE_MAGIC);
	memcpy(&n, key, sizeof(n));
	return t->sets[n & (t->nsets - 1)];
}

static struct slot *find(struct slot *set, const uint8_t *key)
{
	for (size_t i = 0; i < WAYS; i++)
		if (set[i].failures && memcmp(set[i].key, key, THROTTLE_KEY) == 0)
			return &set[i];
	return NULL;
}

/* An empty slot, or else the one that failed longest ago. */
static struct slot *claim(struct slot *set, const uint8_t *key)
{
	struct slot *s = &set[0];

	for (size_t i = 1; i < WAYS && s->failures; i++)
		if (!set[i].failures || set[i].last < s->last)
			s = &set[i];
	memcpy(s->key, key, THROTTLE_KEY);
	s->failures = 0;
	return s;
}

/* With the lock held. */
static int64_t left(const struct slot *s, int64_t now)
{
	int64_t end;

	if (!s || now - s->last >= THROTTLE_FORGET)
		return 0;
	end = s->last + penalty(s->failures);
	return end > now ? end - now : 0;
}

int64_t throttle_wait(struct throttle *t, const uint8_t key[THROTTLE_KEY], int64_t now)
{
	struct slot *set = set_of(t, key);
	int64_t wait;

	mutex_lock(&t->lock);
	wait = left(find(set, key), now);
	mutex_unlock(&t->lock);
	return wait;
}

bool throttle_begin(struct throttle *t, const uint8_t key[THROTTLE_KEY], int64_t now)
{
	struct slot *set = set_of(t, key), *s;
	bool may;

	mutex_lock(&t->lock);
	s = find(set, key);
	may = left(s, now) == 0;
	if (may) {
		if (!s)
			s = claim(set, key);
		else if (now - s->last >= THROTTLE_FORGET)
			s->failures = 0;
		if (s->failures < UINT32_MAX)
			s->failures++;
		s->last = now;
	}
	mutex_unlock(&t->lock);
	return may;
}

void throttle_success(struct throttle *t, const uint8_t key[THROTTLE_KEY])
{
	struct slot *set = set_of(t, key), *s;

	mutex_lock(&t->lock);
	s = find(set, key);
	if (s)
		s->failures = 0;
	mutex_unlock(&t->lock);
}
