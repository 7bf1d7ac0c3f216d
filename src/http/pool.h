/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - the worker threads of a server. Some of them are takers: they wait
 * in the epoll set or run a handler that does not block. A taker that is about
 * to block gives the role up, and a spare or new thread takes its place if too
 * few are left. Spares wait last in, first out, so that warm stacks are reused,
 * and end after a minute without work.
 */
#ifndef BERTH_HTTP_POOL_H
#define BERTH_HTTP_POOL_H

#include "http/conn.h"

struct pool;

/* Starts the first takers. */
enum err_code pool_start(struct http_server *s, struct pool **out, struct err *err) MUST_USE;
/* Ends all threads once they are through with what they do, and frees. */
void pool_stop(struct pool **p);
/* Gives up being a taker; does nothing when the thread is none. */
void pool_may_block(struct worker *w);
/* No thread could be started lately: new requests had better be refused. */
bool pool_starved(const struct pool *p);
size_t pool_threads(struct pool *p);
/* Joins threads that ended, starts takers that are missing. */
void pool_tend(struct pool *p);
/* The exchange of a worker. */
struct exch *worker_exch(struct worker *w);

#endif
