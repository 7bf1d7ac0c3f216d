/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http.h - the HTTP/1.1 server (RFC 9110, RFC 9112) as a handler sees it.
 *
 * A handler is plain blocking code that runs from top to bottom on a worker
 * thread: it looks at the request, may read the body, and answers exactly once
 * with one of the http_reply functions. It never learns how its bytes travel
 * (plain TCP, TLS, unix socket), and memory it takes from req->arena lives
 * until it returns. All functions here are called from the handler's thread.
 *
 * What the server does on its own: keep-alive and pipelining, 100-continue on
 * the first read of a body, dropping the body of answers to HEAD, draining or
 * closing after an unread body, Date, Content-Length or chunked coding, the
 * constant headers of the configuration, limits and deadlines, and an error
 * answer when a handler returns without having answered (500) or the arena
 * has overflowed (503).
 */
#ifndef BERTH_HTTP_HTTP_H
#define BERTH_HTTP_HTTP_H

#include "base/arena.h"
#include "base/codec.h"
#include "base/err.h"

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_OTHER, /* see method_text */
	HTTP_METHODS
};

struct http_field {
	struct slice name, value; /* as received, value trimmed */
};

struct http_conn;

struct http_req {
	uint32_t magic;
#define HTTP_REQ_MAGIC 0x48747052
	/* Set by the server, read by the handler. Slices point into the head. */
	enum http_method method;
	struct slice method_text;
	struct slice target; /* the request target as received */
	struct slice path;   /* still percent-encoded, starts with '/' */
	struct slice query;  /* behind the '?', absent when there is none */
	struct slice host;   /* Host field or the authority of an absolute target */
	const struct http_field *fields;
	size_t nfields;
	int minor; /* HTTP/1.minor */
	bool tls;
	int64_t body_length; /* 0 without a body, -1 with chunked coding */
	const char *peer;    /* "192.0.2.1", "2001:db8::1" or "unix" */
	uint16_t peer_port;
	const char *peer_cert; /* subject of a verified client certificate, or NULL */
	char id[UUID_TEXT];    /* made by the server, one a request */
	int64_t started;       /* clock_mono when the head was complete */
	struct arena *arena;
	/* Set by the handler for logs and metrics. */
	struct slice user; /* who is authenticated; in the arena */
	const char *route; /* constant label of the route, "manifest" */
	void *app;         /* the application's own per-request record */
	/* Set by the server once answered. */
	int status;
	uint64_t bytes_in, bytes_out; /* of bodies */
	struct http_conn *conn;       /* private */
};

/* ---- reading the request ---------------------------------------------- */

/* The value of the first field of this name (case-insensitive), or the absent
 * slice. */
struct slice http_header(const struct http_req *req, const char *name);
/* The n-th (from 0) query parameter of this name, percent-decoded into the
 * arena; false when there is none or it is malformed. */
bool http_query(struct http_req *req, const char *name, size_t n, struct slice *value);

/*
 * The next bytes of the body: at most n into p, how many in *got; *got == 0 is
 * the end. On the first call answers `100 Continue` if the client waits for
 * it. Fails with ERR_CLOSED (peer gone, truncated body), ERR_TIMEOUT (slower
 * than the minimum rate), ERR_INVALID (bad chunked coding).
 */
enum err_code http_body_read(struct http_req *req, void *p, size_t n, size_t *got, struct err *err) MUST_USE;
/* The whole body, at most `max` bytes, in the arena; ERR_TOO_LARGE over that
 * (found from Content-Length before anything is read, where there is one). */
enum err_code http_body_read_all(struct http_req *req, size_t max, struct slice *body, struct err *err) MUST_USE;

/*
 * Says that the handler may now wait for a disk, a database commit, another
 * thread or a peer, so that this thread no longer counts as one of the few
 * that take new requests. Cheap, and idempotent within a request. Without it a
 * handler must only compute and read cached data. http_body_read and replies
 * that would block do it by themselves.
 */
void http_may_block(struct http_req *req);

/* ---- answering --------------------------------------------------------- */

/* Adds a header to the answer; name is constant, the value is copied into the
 * arena. Values with CR, LF or NUL are dropped and logged. http_header_set
 * replaces an earlier one of the same name. */
void http_header_add(struct http_req *req, const char *name, struct slice value);
void http_header_set(struct http_req *req, const char *name, struct slice value);
void http_header_addf(struct http_req *req, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* An answer whose body is in memory (may be the empty slice). With 204, 304 and
 * for HEAD no body is sent, but Content-Length tells body.n for HEAD. */
void http_reply(struct http_req *req, int status, struct slice body);

/* An answer of unknown length, sent with chunked coding (or by closing, to
 * HTTP/1.0): begin, write as often as needed, end. Writes after a failure do
 * nothing; http_stream_ok tells whether it is worth going on. */
void http_stream_begin(struct http_req *req, int status);
void http_stream_write(struct http_req *req, struct slice part);
/* Writes are gathered; this sends what there is, for a client that watches. */
void http_stream_flush(struct http_req *req);
bool http_stream_ok(const struct http_req *req);
void http_stream_end(struct http_req *req);

/* Something with a size that can be read anywhere: a blob, a manifest. */
struct http_content {
	uint64_t size;
	int fd;          /* sent with sendfile from offset 0; -1: use mem or read */
	const void *mem; /* or these bytes */
	/* or this function: up to n bytes at offset `at`; *got == 0 is an error */
	enum err_code (*read)(void *arg, uint64_t at, void *p, size_t n, size_t *got, struct err *err);
	void *read_arg;
	struct slice etag; /* with its quotes; absent: none */
	int64_t modified;  /* clock_real for Last-Modified, 0: none */
	struct slice type; /* Content-Type */
	bool ranges;       /* honour Range and If-Range, say Accept-Ranges */
};

/*
 * Answers GET and HEAD with a content: 200, 206 (one range; a request for
 * several gets the whole), 304 (If-None-Match, If-Modified-Since), 412
 * (If-Match), 416 with `Content-Range: bytes * / size`. RFC 9110, 13 and 14.
 */
void http_reply_content(struct http_req *req, const struct http_content *c);

/* True once an answer was begun. */
bool http_replied(const struct http_req *req);
/* The connection is closed after this answer instead of kept alive. */
void http_close_after(struct http_req *req);
/* Reason phrase of a status, "Not Found"; "Unknown" otherwise. */
const char *http_reason(int status);

#endif
