/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - the load generator of the benchmarks: an HTTP/1.1 client that is
 * thrifty enough not to be what is measured, and the loads made with it.
 *
 * Every load prints one line of JSON. It is a tool for one machine: anything
 * unexpected ends it with a message and status 1.
 */
#ifndef BERTH_BENCH_LOAD_H
#define BERTH_BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
double now(void); /* seconds, monotonic */

/* ---- random bytes that compress and deduplicate with nothing ---------------- */

struct rng {
	uint64_t s[2];
};
void rng_seed(struct rng *r);
uint64_t rng_next(struct rng *r);
void rng_fill(struct rng *r, void *p, size_t n); /* n is rounded up to 8: leave room */

/* "sha256:<hex>" of n bytes. */
struct hex {
	char s[7 + 64 + 1];
};
struct hex sha256(const void *p, size_t n);

/* ---- client ------------------------------------------------------------------- */

struct target {
	uint16_t port;
	const char *authorization; /* value of the header; NULL: none */
	SSL_CTX *tls;              /* NULL: plain */
};

struct conn {
	const struct target *t;
	int fd; /* -1: not connected */
	SSL *ssl;
	char *sink;        /* where bodies are dropped */
	size_t have, used; /* in buf */
	char buf[16384];
};

struct reply {
	int status;
	uint64_t length;     /* of the body */
	char location[1024]; /* path and query, without scheme and host; "" without one */
	bool close;
};

void conn_open(struct conn *c, const struct target *t);
void conn_close(struct conn *c);
/* Sends a request with an optional body; reads the head of the answer. */
void conn_request(struct conn *c, const char *method, const char *path, const char *type, const void *body, size_t n,
    struct reply *r);
/* Reads and drops the body of the answer; the connection is ready for the next request. */
void conn_drain(struct conn *c, struct reply *r);
/* Both, and dies when the status is none of the two wanted. */
void conn_expect(struct conn *c, const char *method, const char *path, const char *type, const void *body, size_t n,
    int wanted, int or_else, struct reply *r);

/* ---- loads ---------------------------------------------------------------------- */

/* Latencies, to tell percentiles of. */
struct samples {
	double *v;
	size_t n, cap;
};
void samples_add(struct samples *s, double x);
void samples_merge(struct samples *into, struct samples *from); /* frees `from` */
double samples_percentile(struct samples *s, double p);         /* sorts */

void load_pull(const struct target *t, const char *path, int clients, double seconds);
void load_push(const struct target *t, const char *repo, uint64_t size);
void load_images(const struct target *t, int clients, double seconds);
void load_urls(const struct target *t);
void load_idle(const struct target *t, int connections);
void load_fsync(const char *dir, int writers, double seconds);
void load_write(const char *dir, uint64_t size);

#endif
