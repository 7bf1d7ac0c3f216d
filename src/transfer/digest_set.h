/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest_set.h - a set of digests, each in a context (a repository, or 0), numbered from 0 in the
 * order they were added. Looking one up costs the same however many there are. Starts as zeros;
 * one thread at a time.
 */
#ifndef BERTH_TRANSFER_DIGEST_SET_H
#define BERTH_TRANSFER_DIGEST_SET_H

#include "base/digest.h"

struct digest_key {
	struct digest digest;
	size_t context;
};
struct digest_set {
	struct digest_key *keys;
	size_t n, cap;
	size_t *slots; /* number + 1 of a key; a power of two of them */
	size_t nslots;
};
/* The number of the key; *added: it was not there. */
size_t digest_set_add(struct digest_set *s, const struct digest *d, size_t context, bool *added);
/* Is it in there? */
bool digest_set_has(const struct digest_set *s, const struct digest *d, size_t context);
void digest_set_free(struct digest_set *s);

#endif
