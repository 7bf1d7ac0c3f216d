/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.h - starting, reloading and stopping an HTTP server.
 *
 * Model: idle connections are parked in one epoll set and cost a few hundred
 * bytes. A few threads ("takers", about one a core) wait in it; the one that
 * is handed a ready connection reads what is there, and when the head is
 * complete runs the handler itself, so a short request costs no hand-over. A
 * thread that may block (http_may_block) gives up being a taker first and a
 * spare thread takes its place; there are as many threads as active requests,
 * up to a cap, and beyond it the answer is 503 with Retry-After at once.
 * Incomplete heads and TLS handshakes wait in the epoll set, not on a thread.
 */
#ifndef BERTH_HTTP_SERVER_H
#define BERTH_HTTP_SERVER_H

#include "http/http.h"

struct http_limits {
	size_t head_bytes;              /* request line and fields: 32 KiB */
	size_t head_fields;             /* 100 */
	int64_t head_timeout;           /* absolute, from the first byte of a head (and for a TLS handshake): 10 s */
	int64_t idle_timeout;           /* keep-alive between requests: 75 s */
	int64_t rate_grace;             /* bodies: a rate is asked for only after this: 20 s */
	uint64_t rate_min;              /* bytes/s averaged over the grace window, both directions: 1024; 0: off */
	size_t connections;             /* in total; 0: as many as descriptors allow, less a reserve */
	size_t connections_per_address; /* 0: unlimited (behind a proxy all come from one) */
	size_t threads;                 /* cap on worker threads: 4096 */
	size_t threads_reserved;        /* of these, kept for requests without a body: a quarter */
	size_t arena_bytes;             /* per request: 16 MiB */
	size_t drain_bytes;             /* unread body thrown away to keep a connection: 256 KiB */
};
void http_limits_default(struct http_limits *l);

enum http_client_auth { /* names of Go's crypto/tls, as in registry:2 */
	HTTP_CLIENT_AUTH_NONE,
	HTTP_CLIENT_AUTH_REQUEST,         /* request-client-cert */
	HTTP_CLIENT_AUTH_REQUIRE_ANY,     /* require-any-client-cert */
	HTTP_CLIENT_AUTH_VERIFY_IF_GIVEN, /* verify-client-cert-if-given */
	HTTP_CLIENT_AUTH_REQUIRE_VERIFY   /* require-and-verify-client-cert */
};

struct http_tls_options {
	const char *certificate, *key; /* PEM files; chain in the first */
	const char *const *client_cas; /* PEM files, n_client_cas of them */
	size_t n_client_cas;
	enum http_client_auth client_auth;
	int min_version;            /* 12 or 13 */
	const char *const *ciphers; /* IANA names (TLS_ECDHE_RSA_WITH_...) or none */
	size_t n_ciphers;
};

typedef void http_handler(struct http_req *req, void *ctx);
/* After the answer was sent (or failed), for access log and metrics. */
typedef void http_done(const struct http_req *req, void *ctx);

/*
 * How an answer looks that the server makes by itself (a malformed head, a
 * limit, a handler that did not answer): may add headers and returns the body,
 * which lives in req->arena or is constant; the absent slice asks for plain
 * text. What could not be parsed is absent in *req.
 */
typedef struct slice http_refusal(struct http_req *req, int status, const char *message, void *ctx);

struct http_server_options {
	const char *name;                   /* for logs and metrics: "main", "debug" */
	const char *net;                    /* "tcp", "unix" or "fd"; "tcp" when NULL */
	const char *addr;                   /* "host:port", ":port", "[::1]:port" or a socket path */
	int listen_fd;                      /* net "fd": a socket that listens already (socket activation) */
	const struct http_tls_options *tls; /* NULL: plain */
	struct http_limits limits;
	const struct http_field *headers; /* added to every answer */
	size_t nheaders;
	http_handler *handler;
	http_done *done;       /* may be NULL */
	http_refusal *refusal; /* may be NULL: plain text */
	void *ctx;             /* for all three */
};

struct http_server;

/* Binds, listens and starts the threads. The options are copied, strings
 * borrowed. Errors say which address, file or line is at fault. */
enum err_code http_server_start(
    const struct http_server_options *o, struct http_server **out, struct err *err) MUST_USE;
/* "127.0.0.1:5000", "[::]:5000" or the socket path: what it really listens on. */
const char *http_server_address(const struct http_server *s);
/* Loads certificate, key and client CAs again; on an error the old ones stay.
 * The server also does it by itself within seconds of a change of the files. */
enum err_code http_server_reload_tls(struct http_server *s, struct err *err) MUST_USE;
/* Stops accepting, closes idle connections, lets active requests finish (their
 * answers say Connection: close) until `deadline` (clock_mono), cuts the rest,
 * joins all threads and frees. *s becomes NULL. */
void http_server_stop(struct http_server **s, int64_t deadline);
/* Connections open and requests being handled, for tests and gauges. */
size_t http_server_connections(const struct http_server *s);
size_t http_server_active(const struct http_server *s);

/* Registers the http metric families (connections by state, requests refused
 * by reason, bytes). Once a process, before the first server starts. */
void http_metrics_register(void);

#endif
