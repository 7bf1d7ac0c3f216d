/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyset.h - the keys whose signatures on tokens are believed: those of a PEM
 * bundle of certificates and public keys, and those of a JWKS file (RFC 7517).
 * The certificates of the bundle are also the roots under which the x5c chain of
 * a token may stand. Immutable once made; thread-safe.
 */
#ifndef BERTH_AUTH_KEYSET_H
#define BERTH_AUTH_KEYSET_H

#include "auth/jws.h"

#define KEYSET_FILE_MAX ((size_t)4 * 1024 * 1024)
#define KEYSET_CHAIN_MAX 8 /* certificates of an x5c header */

struct keyset;

/* Either path may be NULL. Symmetric keys of the JWKS only count when
 * `symmetric` is set. Without a single key: ERR_INVALID. */
enum err_code keyset_load(
    const char *bundle, const char *jwks, bool symmetric, struct keyset **out, struct err *err) MUST_USE;
void keyset_free(struct keyset *s);
size_t keyset_count(const struct keyset *s);
/* Were both made of the same files' content? */
bool keyset_same(const struct keyset *a, const struct keyset *b);

/* The next key, from *at on (begin with 0), that goes by this id; NULL: no more. */
const struct jws_key *keyset_next(const struct keyset *s, struct slice id, size_t *at);
/* The trusted key that equals this public key, or NULL. */
const struct jws_key *keyset_equal(const struct keyset *s, const struct jws_key *key);
/*
 * The key of the first certificate of an x5c array, if the chain leads to a
 * root at the time `now` (clock_real). Free with jws_key_free.
 */
enum err_code keyset_chain(
    const struct keyset *s, const json_t *x5c, int64_t now, struct jws_key **out, struct err *err) MUST_USE;

#endif
