/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pwhash.h - making and checking the password hashes that may stand in an
 * htpasswd file: bcrypt ($2y$, $2b$, $2a$) and the crypt(3) hashes of SHA-256
 * and SHA-512 ($5$, $6$), through libxcrypt. Everything weaker is refused with
 * a reason. Thread-safe; the costly functions run on the caller's thread.
 */
#ifndef BERTH_AUTH_PWHASH_H
#define BERTH_AUTH_PWHASH_H

#include "base/err.h"
#include "base/slice.h"

enum pwhash_kind { PWHASH_BCRYPT, PWHASH_SHA256, PWHASH_SHA512 };

#define PWHASH_TEXT 160     /* room for the longest accepted hash and a NUL */
#define PWHASH_BCRYPT_MIN 4 /* bounds of the bcrypt cost, those of Apache's htpasswd */
#define PWHASH_BCRYPT_MAX 17
#define PWHASH_BCRYPT_DEFAULT 10
#define PWHASH_BCRYPT_BYTES 72 /* bcrypt looks at no more of a password */
#define PWHASH_ROUNDS_MIN 1000 /* bounds for $5$ and $6$ */
#define PWHASH_ROUNDS_MAX 5000000
#define PWHASH_ROUNDS_DEFAULT 5000
#define PWHASH_PASSWORD_MAX 511 /* what $5$ and $6$ can take */

/*
 * NULL when `hash` is one that pwhash_verify understands, otherwise a constant
 * text that says what it is instead and why that will not do. The hash itself
 * never appears in a message.
 */
const char *pwhash_refusal(struct slice hash) MUST_USE;

/*
 * Is this the password of that (accepted) hash? Takes as long as the cost of
 * the hash says, whatever the answer. A password with a NUL byte is never
 * right, and costs the same.
 */
bool pwhash_verify(const char *hash, struct slice password) MUST_USE;

/* A new hash with a fresh salt; cost is the bcrypt cost or the number of
 * rounds, 0 for the default. */
enum err_code pwhash_make(
    enum pwhash_kind kind, unsigned cost, struct slice password, char out[PWHASH_TEXT], struct err *err) MUST_USE;

#endif
