/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.h - the private structures of the HTTP server: a connection, the
 * exchange (request and answer) it is used for while a thread works on it, and
 * the server both belong to. Only the files of this folder include it.
 *
 * Who owns a connection. It is armed in the epoll set with EPOLLONESHOT, so one
 * event goes to one thread, and that thread owns it until it arms it again or
 * closes it. `state` tells the housekeeping thread which connections are
 * parked; it may end one by moving its state from parked to CONN_REAP_* and
 * shutting down its receiving side (both sides where output is waited for),
 * which makes the event that hands it to a thread. So only owners touch a connection, and only owners free it.
 */
#ifndef BERTH_HTTP_CONN_H
#define BERTH_HTTP_CONN_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/sync.h"
#include "http/chunked.h"
#include "http/parse.h"
#include "http/server.h"

#include <netinet/in.h>
#include <openssl/types.h>
#include <stdatomic.h>

struct worker;
struct pool;
struct tls;
struct addr_table;

enum conn_state {
	CONN_ACTIVE,    /* owned by a thread */
	CONN_IDLE,      /* parked between requests */
	CONN_HEAD,      /* parked with a part of a head */
	CONN_HANDSHAKE, /* parked in a TLS handshake */
	CONN_DRAIN,     /* parked until the rest of an unread body has come */
	CONN_LINGER,    /* parked until the peer has read our last answer and closes */
	CONN_REAP_LATE, /* its deadline has passed */
	CONN_REAP_SHED, /* its descriptor is needed */
	CONN_REAP_STOP  /* the server stops */
};

struct http_conn {
	uint32_t magic;
#define HTTP_CONN_MAGIC 0x48747043
	int fd;
	struct http_server *srv;
	struct http_conn *next, *prev; /* srv->conns, under srv->conns_lock */
	_Atomic int state;             /* enum conn_state */
	_Atomic int64_t deadline;      /* while parked */
	_Atomic bool stuck;            /* parked until the peer reads: there is no room to send */
	/* Owned by whoever owns the connection. */
	int parked_as;               /* the state before a CONN_REAP_* */
	bool armed;                  /* is in the epoll set */
	bool handshaken;             /* TLS only */
	enum close_reason close_why; /* while lingering */
	enum refuse doomed;          /* to be answered to its first request: over a connection limit */
	SSL *ssl;
	struct exch *x; /* while a request is read or handled */
	char *partial;  /* bytes of an incomplete head */
	uint32_t partial_n, partial_cap;
	int64_t head_due;     /* deadline of the head being received, 0: none began */
	uint64_t left;        /* bytes to drain, or that may still be thrown away */
	char *cert;           /* subject of a verified client certificate */
	uint64_t addr_key[2]; /* what connections_per_address counts by */
	bool addr_counted;
	uint16_t port;
	char peer[INET6_ADDRSTRLEN];
};

/* How fast a peer lets bytes pass, counting only the time spent waiting for it. */
struct meter {
	uint64_t bytes;
	int64_t waited;
};

struct answer_field {
	struct answer_field *next;
	const char *name;
	struct slice value;
};

enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED };
enum answer_stage { ANSWER_NONE, ANSWER_STREAM, ANSWER_DONE };

enum { OUT_COALESCE = 16 * 1024 }; /* bodies up to this are sent in one piece with the head */

/* A request and its answer. There is one in every worker thread, used for one
 * connection at a time; http_req is its public part. */
struct exch {
	struct http_req req;
	struct http_conn *c;
	struct http_server *srv;
	struct worker *w;
	struct arena arena;
	struct http_field *fields;
	/* What was received: the head at the front, then bytes not used yet. */
	char *in;
	size_t in_cap, in_n, in_at;
	size_t head_end;
	struct head_scan scan;
	struct head head;
	/* Request body. */
	enum body_kind kind;
	uint64_t left; /* BODY_LENGTH */
	struct chunked chunked;
	bool body_done, expect;
	enum err_code body_error;
	struct meter meter_in, meter_out;
	/* Answer. */
	enum answer_stage stage;
	struct answer_field *answer_first, *answer_last;
	struct buf out;    /* head, and small bodies */
	struct buf stream; /* what is gathered of a streamed body */
	bool chunked_out;
	bool close;    /* no further request on this connection */
	bool failed;   /* the answer could not be sent; why in close_why */
	bool refusing; /* the answer being made is a refusal */
	enum close_reason close_why;
	/* Cached by the thread over requests. */
	int64_t date_second;
	char date[CLOCK_TEXT];
	unsigned char ids[16 * 16]; /* random bytes for request ids */
	size_t ids_left;
};

struct http_server {
	uint32_t magic;
#define HTTP_SERVER_MAGIC 0x48747053
	struct http_server_options o;
	struct http_limits l;
	char *address;
	char *unix_path;  /* to unlink at stop, NULL otherwise */
	struct buf fixed; /* constant headers, rendered */
	bool is_unix;
	int ep, quit; /* epoll set; eventfd that ends it */
	struct tls *tls;
	struct pool *pool;
	struct addr_table *addrs; /* NULL without connections_per_address */
	/* Accepting. */
	pthread_mutex_t accept_lock;
	int listen_fd;                 /* under accept_lock; -1 once stopped */
	_Atomic int64_t accept_paused; /* until when, 0: not paused */
	int64_t accept_complained;     /* under accept_lock */
	/* Connections. */
	pthread_mutex_t conns_lock;
	pthread_cond_t conns_gone; /* n_conns became 0 */
	struct http_conn *conns;
	_Atomic size_t n_conns;
	/* Counters. */
	_Atomic size_t active; /* requests being handled */
	_Atomic uint64_t accepted, received, sent;
	_Atomic bool stopping;
	/* Housekeeping thread. */
	pthread_t keeper;
	pthread_mutex_t keeper_lock;
	pthread_cond_t keeper_wake;
	bool keeper_stop;
};

static inline struct exch *exch_of(const struct http_req *req)
{
	OBJ_CHECK(req, HTTP_REQ_MAGIC);
	OBJ_CHECK(req->conn, HTTP_CONN_MAGIC);
	ASSERT(req->conn->x != NULL);
	return req->conn->x;
}

/* ---- conn.c: the life of a connection ---------------------------------- */

/* Takes over an accepted socket; arms it. */
void conn_new(struct http_server *s, int fd, const struct sockaddr_storage *peer);
/* The connection had an event: serves it until it is parked again or closed. */
void conn_event(struct worker *w, struct http_conn *c);
/* Ends parked connections whose deadline has passed and counts all. */
void conns_sweep(struct http_server *s, int64_t now, struct http_census *out);
/* Ends the `n` connections that have been idle, or not read from, the longest; how many it were. */
size_t conns_shed(struct http_server *s, size_t n);
/* Ends all parked connections; with `cut` breaks the active ones as well. */
void conns_stop(struct http_server *s, bool cut);

/* ---- exch.c: one request and its answer -------------------------------- */

void exch_init(struct exch *x, struct http_server *s, struct worker *w);
void exch_free(struct exch *x);
/* Ready for the head that starts at the front of the input. */
void exch_start(struct exch *x, struct http_conn *c);
/* Handles the request whose head is complete and parsed. */
void exch_run(struct exch *x);
/* Answers a head that was not understood (parsed as far as x->head says). */
void exch_run_refused(struct exch *x, enum refuse why);
/* Answers with a refusal instead of what the handler may have prepared. */
void exch_refuse(struct exch *x, enum refuse why);

/* ---- reply.c ----------------------------------------------------------- */

/* Ends an answer that its handler left open; true if there was one. */
bool reply_abandoned(struct exch *x);

#endif
