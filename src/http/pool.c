/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.c - see pool.h.
 *
 * A thread that comes back from a request during which it blocked becomes a
 * taker again while there are fewer than `most`, which is a few more than the
 * `least` that there must be. So under a load of blocking requests there are
 * usually enough takers left when one blocks, and no other thread has to be
 * woken for it. Waiting in the epoll set costs nothing: the kernel wakes one
 * waiter an event, the one that came last first.
 */
#include "http/pool.h"

#include "base/log.h"
#include "http/listen.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES ((size_t)2 * 1024 * 1024)
#else
/* Measured: a TLS handshake with client certificates takes about 30 KiB, SQLite
 * and bcrypt in a handler less than 64 KiB. Only touched pages cost memory. */
#define STACK_BYTES ((size_t)256 * 1024)
#endif

enum { LEAST_MAX = 32, SLACK = 2, SPARE_SECONDS = 60 };

struct worker {
	struct pool *pool;
	struct worker *next; /* among spares or the dead, under pool->lock */
	pthread_t thread;    /* set by itself at its start */
	pthread_cond_t wake; /* a spare was chosen */
	bool taker;          /* under pool->lock while a spare, else its own */
	struct exch x;
};

struct pool {
	struct http_server *srv;
	pthread_mutex_t lock;
	pthread_cond_t gone; /* threads became 0 */
	struct worker *spares, *dead;
	unsigned takers, least, most, threads;
	bool quit;
	_Atomic bool starved;
	int64_t complained;
};

struct exch *worker_exch(struct worker *w)
{
	return &w->x;
}

/* ---- one thread -------------------------------------------------------- */

/* Takes one event and serves it. False when the thread should end or look for
 * another role. */
static bool take(struct worker *w)
{
	struct http_server *s = w->pool->srv;
	struct epoll_event ev;
	int n = epoll_wait(s->ep, &ev, 1, SPARE_SECONDS * 1000);

	if (n < 0) {
		ASSERT(errno == EINTR);
		return true;
	}
	if (n == 0)
		return false;
	if (ev.data.ptr == &s->quit)
		return false;
	if (ev.data.ptr == &s->listen_fd)
		listen_accept(s);
	else
		conn_event(w, ev.data.ptr);
	return w->taker;
}

/* With the lock held: waits to be chosen as a taker; false: after a minute in
 * vain, or at the end. */
static bool wait_as_spare(struct pool *p, struct worker *w)
{
	int64_t until = clock_mono() + SPARE_SECONDS * CLOCK_S;

	w->next = p->spares;
	p->spares = w;
	while (!w->taker && !p->quit && cond_wait_until(&w->wake, &p->lock, until))
		;
	if (w->taker)
		return true;
	for (struct worker **at = &p->spares; *at != NULL; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	return false;
}

/* Between two roles: go on as a taker, become a spare, or end (false). */
static bool next_role(struct pool *p, struct worker *w)
{
	bool go_on = false;

	mutex_lock(&p->lock);
	if (w->taker) { /* nothing happened for a minute, or the end */
		if (p->quit || p->takers > p->least) {
			w->taker = false;
			p->takers--;
		} else {
			go_on = true;
		}
	} else if (!p->quit && p->takers < p->most) {
		w->taker = true;
		p->takers++;
		go_on = true;
	} else if (!p->quit) {
		go_on = wait_as_spare(p, w);
	}
	if (!go_on) {
		w->next = p->dead;
		p->dead = w;
		if (--p->threads == 0)
			cond_broadcast(&p->gone);
	}
	mutex_unlock(&p->lock);
	return go_on;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	w->thread = pthread_self();
	do {
		while (take(w))
			;
	} while (next_role(w->pool, w));
	return NULL;
}

/* A new thread that is a taker already counted. */
static bool start_taker(struct pool *p)
{
	struct worker *w = calloc(1, sizeof(*w));
	pthread_t t;
	int failed = ENOMEM;

	if (w != NULL) {
		w->pool = p;
		w->taker = true;
		cond_init(&w->wake);
		exch_init(&w->x, p->srv, w);
		failed = thread_start(&t, "http", STACK_BYTES, false, worker_main, w);
		if (failed != 0) {
			exch_free(&w->x);
			cond_destroy(&w->wake);
			free(w);
		}
	}
	mutex_lock(&p->lock);
	if (failed != 0) {
		p->takers--;
		p->threads--;
		if (clock_mono() - p->complained > 10 * CLOCK_S) {
			p->complained = clock_mono();
			LOG_ERROR("no further thread can be started for requests, raise the limit of tasks or memory",
			    LOG_INT("threads", p->threads), LOG_INT("errno", failed));
		}
	}
	atomic_store(&p->starved, failed != 0);
	mutex_unlock(&p->lock);
	return failed == 0;
}

void pool_may_block(struct worker *w)
{
	struct pool *p = w->pool;
	bool start = false;

	if (!w->taker)
		return;
	mutex_lock(&p->lock);
	w->taker = false;
	if (--p->takers < p->least && !p->quit) {
		struct worker *spare = p->spares;

		p->takers++;
		if (spare != NULL) {
			p->spares = spare->next;
			spare->taker = true;
			cond_signal(&spare->wake);
		} else {
			p->threads++;
			start = true;
		}
	}
	mutex_unlock(&p->lock);
	if (start)
		start_taker(p);
}

void http_may_block(struct http_req *req)
{
	pool_may_block(exch_of(req)->w);
}

/* ---- the pool ---------------------------------------------------------- */

static unsigned cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 2;
}

enum err_code pool_start(struct http_server *s, struct pool **out, struct err *err)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	p->srv = s;
	mutex_init(&p->lock);
	cond_init(&p->gone);
	p->least = cpus();
	if (p->least < 2)
		p->least = 2;
	if (p->least > LEAST_MAX)
		p->least = LEAST_MAX;
	if (p->least > s->l.threads)
		p->least = (unsigned)s->l.threads;
	p->most = p->least + SLACK;
	p->complained = -CLOCK_S * 3600;
	*out = s->pool = p;
	for (unsigned i = 0; i < p->least; i++) {
		mutex_lock(&p->lock);
		p->takers++;
		p->threads++;
		mutex_unlock(&p->lock);
		if (!start_taker(p))
			return err_set(err, ERR_BUSY, "cannot start the first threads of the HTTP server");
	}
	return ERR_OK;
}

static void bury(struct worker *dead)
{
	while (dead != NULL) {
		struct worker *next = dead->next;

		pthread_join(dead->thread, NULL);
		exch_free(&dead->x);
		cond_destroy(&dead->wake);
		free(dead);
		dead = next;
	}
}

static struct worker *take_dead(struct pool *p)
{
	struct worker *dead = p->dead;

	p->dead = NULL;
	return dead;
}

void pool_tend(struct pool *p)
{
	struct worker *dead;
	bool start = false;

	mutex_lock(&p->lock);
	dead = take_dead(p);
	if (p->takers < p->least && !p->quit) {
		p->takers++;
		p->threads++;
		start = true;
	} else {
		atomic_store(&p->starved, false);
	}
	mutex_unlock(&p->lock);
	bury(dead);
	if (start)
		start_taker(p);
}

void pool_stop(struct pool **pp)
{
	struct pool *p = *pp;
	struct worker *dead;

	mutex_lock(&p->lock);
	p->quit = true;
	for (struct worker *w = p->spares; w != NULL; w = w->next)
		cond_signal(&w->wake);
	while (p->threads > 0)
		cond_wait(&p->gone, &p->lock);
	dead = take_dead(p);
	mutex_unlock(&p->lock);
	bury(dead);
	mutex_destroy(&p->lock);
	cond_destroy(&p->gone);
	free(p);
	*pp = NULL;
}

bool pool_starved(const struct pool *p)
{
	return atomic_load_explicit(&p->starved, memory_order_relaxed);
}

size_t pool_threads(struct pool *p)
{
	size_t n;

	mutex_lock(&p->lock);
	n = p->threads;
	mutex_unlock(&p->lock);
	return n;
}
