/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest.h - content digests (OCI image-spec, descriptor.md "Digests") and
 * running hashes.
 *
 * A digest's identity includes its algorithm: the same bytes under sha256 and
 * sha512 are two digests. Values are plain structs; compare with digest_eq.
 */
#ifndef BERTH_BASE_DIGEST_H
#define BERTH_BASE_DIGEST_H

#include "base/slice.h"

enum digest_alg { DIGEST_NONE = 0, DIGEST_SHA256 = 1, DIGEST_SHA512 = 2 };

#define DIGEST_MAX_BYTES 64
#define DIGEST_TEXT 136 /* "sha512:" + 128 + NUL */
#define DIGEST_PACKED 65

struct digest {
	enum digest_alg alg;
	uint8_t bytes[DIGEST_MAX_BYTES]; /* unused tail is zero */
};

enum digest_verdict {
	DIGEST_VALID,
	DIGEST_MALFORMED,  /* not "algorithm:encoded" of the right shape */
	DIGEST_UNSUPPORTED /* well formed, an algorithm that is not offered */
};

/* Parses "sha256:<64 lower-case hex>" or "sha512:<128 ...>". */
enum digest_verdict digest_parse(struct slice s, struct digest *out) MUST_USE;
bool digest_eq(const struct digest *a, const struct digest *b);
size_t digest_size(enum digest_alg alg);      /* bytes: 32 or 64 */
const char *digest_alg_name(enum digest_alg); /* "sha256" */
enum digest_alg digest_alg_parse(struct slice name);
/* "sha256:..." with NUL; returns out. */
const char *digest_format(const struct digest *d, char out[DIGEST_TEXT]);

/* One byte of algorithm and the raw bytes: the form kept in databases.
 * Returns the length. */
size_t digest_pack(const struct digest *d, uint8_t out[DIGEST_PACKED]);
bool digest_unpack(const void *p, size_t n, struct digest *out) MUST_USE;

/* The digest of n bytes at once. */
void digest_of(enum digest_alg alg, const void *p, size_t n, struct digest *out);

/* A running hash; one thread at a time. */
struct hasher;
struct hasher *hasher_new(enum digest_alg alg);
void hasher_update(struct hasher *h, const void *p, size_t n);
enum digest_alg hasher_alg(const struct hasher *h);
/* The digest of everything so far; the hash can go on afterwards. */
void hasher_digest(const struct hasher *h, struct digest *out);
void hasher_free(struct hasher **h);

#endif
