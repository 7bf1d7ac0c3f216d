/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credcache.h - credentials that were found right a short while ago.
 *
 * An entry is a keyed digest, never the credentials, and belongs to one
 * generation of the file it was checked against: it counts for nothing once the
 * file has changed. The table has a fixed size; what was checked longest ago
 * gives way. Thread-safe; a lookup holds one of many locks for some
 * nanoseconds.
 */
#ifndef BERTH_AUTH_CREDCACHE_H
#define BERTH_AUTH_CREDCACHE_H

#include "base/defs.h"

#define CREDCACHE_KEY 32

struct credcache;

/* `entries` is rounded up to a power of two; ttl in nanoseconds. */
struct credcache *credcache_new(size_t entries, int64_t ttl);
void credcache_free(struct credcache *c);
/* `now` is clock_mono. */
bool credcache_find(struct credcache *c, const uint8_t key[CREDCACHE_KEY], uint64_t generation, int64_t now);
void credcache_add(struct credcache *c, const uint8_t key[CREDCACHE_KEY], uint64_t generation, int64_t now);

#endif
