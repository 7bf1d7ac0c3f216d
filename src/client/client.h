/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.h - an HTTP client (libcurl): one request, one answer, in plain
 * blocking code.
 *
 * A client keeps connections open between its requests. It belongs to one
 * thread at a time; only client_cancel may be called from another one. The
 * library is loaded by the first client_new, so that a process which asks
 * nobody pays nothing for it (docs/decisions/0006-lazy-libcurl.md).
 */
#ifndef BERTH_CLIENT_CLIENT_H
#define BERTH_CLIENT_CLIENT_H

#include "base/buf.h"
#include "base/err.h"

struct client;

struct client_request {
	const char *method;        /* "GET", "HEAD", "POST", ... */
	const char *url;           /* http:// or https:// */
	const char *const *fields; /* "Name: value", nfields of them */
	size_t nfields;
	struct slice body; /* absent: none */
	int64_t timeout;   /* for everything, from connecting to the last byte; > 0 */
	int redirects;     /* followed at most; 0: none, the 3xx is the answer */
	size_t body_max;   /* of the answer; 0: the body is not kept */
};

/* The answer, of any status. The caller frees the body with buf_free. */
struct client_answer {
	int status;
	struct buf body;
};

/* ERR_UNSUPPORTED when libcurl is not installed. */
enum err_code client_new(struct client **out, struct err *err) MUST_USE;
/*
 * Fails with ERR_TIMEOUT, ERR_CLOSED (cancelled), ERR_TOO_LARGE (the body of
 * the answer), ERR_INVALID (the URL) or ERR_IO (no connection, a certificate
 * that does not hold, a broken answer). The message names the URL's host.
 */
enum err_code client_perform(
    struct client *c, const struct client_request *r, struct client_answer *out, struct err *err) MUST_USE;
/* Ends the request under way and all later ones with ERR_CLOSED. From any thread. */
void client_cancel(struct client *c);
void client_free(struct client **c);

#endif
