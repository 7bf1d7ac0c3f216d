/* SPDX-License-Identifier: Apache-2.0 */
/*
 * challenge.h - the pieces of a WWW-Authenticate header as registry:2 spells
 * them, and what the controllers share. Private to src/auth.
 */
#ifndef BERTH_AUTH_CHALLENGE_H
#define BERTH_AUTH_CHALLENGE_H

#include "auth/auth.h"

/* Sets up the embedded part of a controller. */
void auth_init(struct auth *a, const struct auth_ops *ops);

/* Largest header value that is built; names in it are limited by the routes. */
#define CHALLENGE_MAX 16384

/* `"text"` with quotes, backslashes and what is not printable escaped as Go's
 * %q does, since registry:2 quotes its parameters so. */
void challenge_quote(struct buf *out, struct slice text);
/* Sends the header; false (and a log line) when `value` had no memory. */
bool challenge_send(struct http_req *req, const struct buf *value);

/* The text of every 401 of registry:2. */
#define CHALLENGE_WHY SLICE("authentication required")

#endif
