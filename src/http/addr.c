/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr.c - see addr.h. The table is a hash with chains and a secret seed, so
 * that nobody can choose addresses that fall into one chain.
 */
#include "http/addr.h"

#include "base/codec.h"
#include "base/sync.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024 };

struct addr_count {
	struct addr_count *next;
	uint64_t key[2];
	size_t n;
};

struct addr_table {
	pthread_mutex_t lock;
	uint64_t seed;
	struct addr_count *buckets[BUCKETS];
};

uint16_t addr_text(const struct sockaddr_storage *peer, char out[INET6_ADDRSTRLEN], uint64_t key[2])
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)peer;
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)peer;
	const void *v4 = NULL;

	key[0] = key[1] = 0;
	if (peer->ss_family == AF_INET)
		v4 = &in4->sin_addr;
	else if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		v4 = &in6->sin6_addr.s6_addr[12];
	if (v4 != NULL) {
		key[0] = 4;
		memcpy(&key[1], v4, 4);
		if (inet_ntop(AF_INET, v4, out, INET6_ADDRSTRLEN) == NULL)
			out[0] = '\0';
	} else if (peer->ss_family == AF_INET6) {
		key[0] = 6;
		memcpy(&key[1], &in6->sin6_addr, 8);
		if (inet_ntop(AF_INET6, &in6->sin6_addr, out, INET6_ADDRSTRLEN) == NULL)
			out[0] = '\0';
	} else {
		memcpy(out, "unix", sizeof("unix"));
		return 0;
	}
	return ntohs(peer->ss_family == AF_INET ? in4->sin_port : in6->sin6_port);
}

struct addr_table *addr_table_new(void)
{
	struct addr_table *t = xcalloc(1, sizeof(*t));

	mutex_init(&t->lock);
	random_bytes(&t->seed, sizeof(t->seed));
	return t;
}

void addr_table_free(struct addr_table **t)
{
	if (*t == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		ASSERT((*t)->buckets[i] == NULL);
	mutex_destroy(&(*t)->lock);
	free(*t);
	*t = NULL;
}

/* Where the count of this key is linked, or where it would be. */
static struct addr_count **find(struct addr_table *t, const uint64_t key[2])
{
	uint64_t h = (key[0] ^ key[1] ^ t->seed) * UINT64_C(0x9e3779b97f4a7c15);
	struct addr_count **at;

	h = (h ^ h >> 29 ^ t->seed) * UINT64_C(0xbf58476d1ce4e5b9);
	at = &t->buckets[h >> 54];
	while (*at != NULL && ((*at)->key[0] != key[0] || (*at)->key[1] != key[1]))
		at = &(*at)->next;
	return at;
}

size_t addr_take(struct addr_table *t, const uint64_t key[2])
{
	struct addr_count **at;
	size_t n;

	mutex_lock(&t->lock);
	at = find(t, key);
	if (*at == NULL) {
		*at = xcalloc(1, sizeof(**at));
		memcpy((*at)->key, key, sizeof((*at)->key));
	}
	n = ++(*at)->n;
	mutex_unlock(&t->lock);
	return n;
}

void addr_release(struct addr_table *t, const uint64_t key[2])
{
	struct addr_count **at, *gone;

	mutex_lock(&t->lock);
	at = find(t, key);
	ASSERT(*at != NULL && (*at)->n > 0);
	if (--(*at)->n == 0) {
		gone = *at;
		*at = gone->next;
		free(gone);
	}
	mutex_unlock(&t->lock);
}
