/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jws.h - keys (RFC 7517) and signatures (RFC 7515, RFC 7518, RFC 8037) of
 * tokens, by OpenSSL.
 *
 * A key has exactly one kind and an algorithm works with exactly one kind, so
 * that a public RSA key can never serve as an HMAC secret, nor one curve for
 * another. Keys are immutable; everything here is thread-safe.
 */
#ifndef BERTH_AUTH_JWS_H
#define BERTH_AUTH_JWS_H

#include "base/buf.h"
#include "base/err.h"
#include <jansson.h>
#include <openssl/evp.h>

enum jws_kind { JWS_RSA, JWS_P256, JWS_P384, JWS_P521, JWS_ED25519, JWS_OCT };

#define JWS_RSA_MIN_BITS 2048 /* RFC 7518, 3.3 */

struct jws_alg {
	const char *name; /* "RS256" */
	const char *md;   /* digest for OpenSSL; NULL: the signature brings its own */
	size_t size;      /* bytes of that digest, or of one coordinate of a curve */
	enum jws_kind kind;
	bool pss;
	bool by_default; /* on the allow list when none is configured */
};

/* Set of algorithms: bit i is the i-th. */
typedef uint32_t jws_algs;

/* The i-th algorithm, NULL behind the last. */
const struct jws_alg *jws_alg_at(size_t i);
/* Adds the one of this name to the set; false when there is none. */
bool jws_algs_add(jws_algs *set, struct slice name) MUST_USE;
jws_algs jws_algs_default(void);
/* The algorithm of this name if it is in the set, else NULL. `none` never is. */
const struct jws_alg *jws_alg_find(jws_algs set, struct slice name);

#define JWS_IDS 4

struct jws_key {
	enum jws_kind kind;
	EVP_PKEY *pkey;        /* NULL for JWS_OCT */
	unsigned char *secret; /* JWS_OCT only */
	size_t nsecret;
	const struct jws_alg *only; /* "alg" of a JWK: no other */
	char *ids[JWS_IDS];         /* what a kid may say; NULL: none */
};

/* A public key; takes a reference of its own. */
enum err_code jws_key_of_pkey(EVP_PKEY *pkey, struct jws_key **out, struct err *err) MUST_USE;
/* A JSON web key. The private part, if there is one, is ignored.
 * ERR_UNSUPPORTED for one that is meant for other uses or of an unknown kind. */
enum err_code jws_key_of_jwk(const json_t *jwk, struct jws_key **out, struct err *err) MUST_USE;
void jws_key_free(struct jws_key *k);
bool jws_key_has_id(const struct jws_key *k, struct slice id);
/* The same public key? */
bool jws_key_same(const struct jws_key *a, const struct jws_key *b);

/* Is this the signature of `signed_part` by that key with this algorithm? */
bool jws_verify(
    const struct jws_alg *alg, const struct jws_key *key, struct slice signed_part, struct slice signature) MUST_USE;

/* Base64url without padding, as RFC 7515 wants it, and nothing else. */
bool jws_base64url(struct buf *out, struct slice in) MUST_USE;
/* A string member of an object; the absent slice when it is no string. */
struct slice jws_member(const json_t *object, const char *name);

#endif
