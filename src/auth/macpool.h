/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macpool.h - HMAC-SHA256 under a random key that lives and dies with the
 * process, for names of things in memory that must not be guessable. Thread-safe.
 */
#ifndef BERTH_AUTH_MACPOOL_H
#define BERTH_AUTH_MACPOOL_H

#include "base/slice.h"

struct mac_pool;

/* NULL when this system's OpenSSL offers no HMAC-SHA256. */
struct mac_pool *mac_pool_new(void);
void mac_pool_free(struct mac_pool *p);
/* The digest of n pieces, which are not told apart; false without memory. */
bool mac_pool_digest(struct mac_pool *p, const struct slice *pieces, size_t n, uint8_t out[32]) MUST_USE;

#endif
