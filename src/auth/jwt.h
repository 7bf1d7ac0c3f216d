/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt.h - bearer tokens of the Distribution token specification: a JSON web
 * token (RFC 7519) in compact form, whose claims say what its bearer may do.
 * Knows nothing of HTTP. Thread-safe.
 */
#ifndef BERTH_AUTH_JWT_H
#define BERTH_AUTH_JWT_H

#include "auth/keyset.h"

#define JWT_MAX ((size_t)32 * 1024) /* bytes of a whole token */
#define JWT_DEPTH 16                /* nesting of its JSON */
#define JWT_LEEWAY 60               /* seconds that clocks may differ */

struct jwt_policy {
	const char *issuer;   /* `iss` must equal it */
	const char *audience; /* `aud` must be or hold it */
	jws_algs algs;
};

struct jwt {
	json_t *claims;       /* owned */
	struct slice subject; /* in the claims; absent when there is none */
};

/*
 * Verifies signature and claims at the time `now` (clock_real). ERR_INVALID:
 * it is no token; ERR_DENIED: it is one that is not believed. The message is
 * for the log: it says which check failed, and begins as if behind "the token
 * is refused: ". `known` means that the signature of exactly this token was
 * found right a moment ago under the same policy and keys, and spares checking
 * it again; the claims are checked in any case.
 */
enum err_code jwt_verify(const struct jwt_policy *policy, const struct keyset *keys, struct slice token, bool known,
    int64_t now, struct jwt *out, struct err *err) MUST_USE;
void jwt_clear(struct jwt *t);

/* Does its `access` list allow this action on this resource? */
bool jwt_allows(const struct jwt *t, struct slice type, struct slice name, struct slice action);

#endif
