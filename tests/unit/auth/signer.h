/* SPDX-License-Identifier: Apache-2.0 */
/* signer.h - the other side of a token: keys made by openssl, and signing. */
#ifndef BERTH_TESTS_SIGNER_H
#define BERTH_TESTS_SIGNER_H

#include "base/buf.h"
#include <openssl/evp.h>

/*
 * Makes in the folder of the test: NAME.key and NAME.pub for rsa, rsa2, weak
 * (1024 bits), p256, p384, p521, ed, k256 (another curve); root.crt (of rsa2),
 * ca.crt (p384, under root), leaf.crt (p256, under ca), foreign.crt
 * (self-signed, rsa), server.crt (p521, under leaf, which is no CA).
 */
void signer_make_keys(void);
/* NAME.key */
EVP_PKEY *signer_key(const char *name);

/* base64url(header).base64url(payload).base64url(signature by NAME.key); "alg"
 * decides how it is signed, the header may say something else. free() it. */
char *signer_token(const char *name, const char *alg, const char *header, const char *payload);
/* The same with an HMAC under these bytes. */
char *signer_hmac_token(const void *secret, size_t n, const char *md, const char *header, const char *payload);
/* A JSON web key of the public half of NAME.key, with these further members
 * ("\"kid\":\"x\"", or ""). free() it. */
char *signer_jwk(const char *name, const char *more);
/* The certificate as an element of an x5c array, with quotes. free() it. */
char *signer_x5c(const char *name);
/* The libtrust fingerprint of NAME.pub, computed by a shell. free() it. */
char *signer_libtrust(const char *name);

#endif
