/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conn.c - the life of a connection: accepted, parked, served, parked, closed.
 * The way of a request can be read from conn_event() downwards. What a parked
 * connection keeps is its small struct and the bytes of an incomplete head.
 */
#include "http/conn.h"

#include "http/addr.h"
#include "http/body.h"
#include "http/io.h"
#include "http/pool.h"
#include "http/tls.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BURST = 64,        /* pipelined requests served before others have their turn */
	LINGER_READS = 32, /* likewise, of bytes thrown away */
	SHED_MAX = 64
};
#define LINGER_TIME (5 * CLOCK_S)
#define LINGER_BYTES (UINT64_C(256) * 1024 * 1024)

/* ---- closing ----------------------------------------------------------- */

static void unlink_conn(struct http_server *s, struct http_conn *c)
{
	mutex_lock(&s->conns_lock);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	if (atomic_fetch_sub(&s->n_conns, 1) == 1)
		cond_broadcast(&s->conns_gone);
	mutex_unlock(&s->conns_lock);
}

static void conn_free(struct http_conn *c)
{
	if (c->ssl != NULL)
		tls_close(c->ssl, c->handshaken);
	close(c->fd);
	free(c->partial);
	free(c->cert);
	c->magic = 0;
	free(c);
}

static void conn_close(struct http_conn *c, enum close_reason why)
{
	struct http_server *s = c->srv;

	close_count(why);
	if (c->addr_counted)
		addr_release(s->addrs, c->addr_key);
	/* The housekeeping thread touches descriptors of the list only. */
	unlink_conn(s, c);
	conn_free(c);
}

/* ---- parking ----------------------------------------------------------- */

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif

/* Lets the epoll set tell of one event. From there on another thread may own
 * the connection, or have freed it. */
static int arm(int ep, bool known, int fd, struct epoll_event *ev)
{
#ifdef TSAN
	/* ThreadSanitizer knows only of an addition that it hands something over. */
	if (known)
		epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
	known = false;
#endif
	return epoll_ctl(ep, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, ev);
}

/* Hands the connection back to the epoll set; the caller owns it no more. */
static void conn_park(struct http_conn *c, enum conn_state as, int64_t deadline, uint32_t events)
{
	struct epoll_event ev = {.events = events | EPOLLONESHOT, .data.ptr = c};
	int ep = c->srv->ep, fd = c->fd;
	bool known = c->armed;

	c->x = NULL;
	c->armed = true;
	c->parked_as = as;
	atomic_store_explicit(&c->stuck, !(events & EPOLLIN), memory_order_relaxed);
	atomic_store_explicit(&c->deadline, deadline, memory_order_relaxed);
	atomic_store_explicit(&c->state, as, memory_order_release);
	if (arm(ep, known, fd, &ev) != 0) {
		LOG_ERROR("a connection cannot be watched", LOG_INT("errno", errno));
		atomic_store(&c->state, CONN_ACTIVE);
		conn_close(c, CLOSE_READ);
	}
}

static uint32_t events_for(ssize_t want)
{
	return want == IO_WANT_WRITE ? EPOLLOUT : EPOLLIN;
}

/* Keeps what was received of a head with the connection. */
static bool save_partial(struct exch *x)
{
	struct http_conn *c = x->c;

	if (x->in_n > c->partial_cap) {
		size_t cap = (x->in_n + 255) / 256 * 256;
		char *p = realloc(c->partial, cap);

		if (p == NULL)
			return false;
		c->partial = p;
		c->partial_cap = (uint32_t)cap;
	}
	memcpy(c->partial, x->in, x->in_n);
	c->partial_n = (uint32_t)x->in_n;
	return true;
}

static void load_partial(struct exch *x)
{
	struct http_conn *c = x->c;

	x->in_n = c->partial_n;
	if (c->partial == NULL)
		return;
	memcpy(x->in, c->partial, c->partial_n);
	free(c->partial);
	c->partial = NULL;
	c->partial_n = c->partial_cap = 0;
}

/* Nothing more to do until the client sends: idle, or in the middle of a head.
 * `still`: nothing came since it was idle the last time, TLS records without
 * data aside, and those do not buy time. */
static void park_for_head(struct exch *x, uint32_t events, bool still)
{
	struct http_conn *c = x->c;
	const struct http_limits *l = &x->srv->l;

	if (x->in_n == 0) {
		conn_park(c, CONN_IDLE,
		    still ? atomic_load_explicit(&c->deadline, memory_order_relaxed) : clock_mono() + l->idle_timeout,
		    events);
		return;
	}
	if (c->head_due == 0)
		c->head_due = clock_mono() + l->head_timeout;
	if (save_partial(x))
		conn_park(c, CONN_HEAD, c->head_due, events);
	else
		conn_close(c, CLOSE_READ);
}

/* ---- lingering --------------------------------------------------------- */

/* Throws away what the peer still sends, so that it gets to read our answer: a
 * socket closed with bytes unread would be reset, and the answer be lost. */
static void linger(struct exch *x, struct http_conn *c)
{
	for (int i = 0; i < LINGER_READS; i++) {
		ssize_t r = recv(c->fd, x->in, x->in_cap, 0);

		if (r < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (r <= 0 || (uint64_t)r > c->left) {
			conn_close(c, c->close_why);
			return;
		}
		c->left -= (uint64_t)r;
	}
	conn_park(c, CONN_LINGER, atomic_load_explicit(&c->deadline, memory_order_relaxed), EPOLLIN);
}

static void linger_begin(struct exch *x, enum close_reason why)
{
	struct http_conn *c = x->c;

	if (c->ssl != NULL)
		tls_shutdown(c->ssl);
	shutdown(c->fd, SHUT_WR);
	c->close_why = why;
	c->left = LINGER_BYTES;
	atomic_store_explicit(&c->deadline, clock_mono() + LINGER_TIME, memory_order_relaxed);
	linger(x, c);
}

/* ---- between two requests ---------------------------------------------- */

/* Reads the rest of a body nobody wanted; true when all of it has come. */
static bool drain(struct exch *x)
{
	struct http_conn *c = x->c;

	while (c->left > 0) {
		ssize_t r = io_read(c, x->in, c->left < x->in_cap ? (size_t)c->left : x->in_cap);

		if (r == IO_WANT_READ || r == IO_WANT_WRITE) {
			conn_park(c, CONN_DRAIN, c->head_due, events_for(r));
			return false;
		}
		if (r <= 0) {
			conn_close(c, CLOSE_BODY_BROKEN);
			return false;
		}
		c->left -= (uint64_t)r;
	}
	c->head_due = 0;
	x->in_n = 0;
	return true;
}

/* After an answer: true when the next request can be read from x->in on. */
static bool go_on(struct exch *x)
{
	struct http_conn *c = x->c;

	if (x->failed) {
		conn_close(c, x->close_why);
		return false;
	}
	if (x->close) {
		/* Bytes behind the request say that more may be on its way. */
		if (x->body_done && x->close_why == CLOSE_ANSWERED && x->in_at == x->in_n)
			conn_close(c, CLOSE_ANSWERED);
		else
			linger_begin(x, x->close_why);
		return false;
	}
	body_skip_buffered(x);
	if (!x->body_done) {
		c->left = x->left;
		c->head_due = clock_mono() + x->srv->l.head_timeout;
		if (!drain(x))
			return false;
	} else {
		x->in_n -= x->in_at;
		memmove(x->in, x->in + x->in_at, x->in_n);
	}
	exch_start(x, c);
	return true;
}

/* ---- heads ------------------------------------------------------------- */

enum head_result { HEAD_READY, HEAD_REFUSED, HEAD_WAIT, HEAD_GONE };

/* Whether the head could still become complete within the limit. */
static enum refuse head_over(const struct exch *x)
{
	size_t n = x->scan.end > 0 ? x->scan.end : x->in_n;

	if (n <= x->srv->l.head_bytes)
		return REFUSE_NONE;
	return x->scan.line == x->scan.start && x->scan.end == 0 ? REFUSE_LINE_LONG : REFUSE_HEAD_LARGE;
}

/* Reads until a head is complete. `fresh`: the socket is known to be readable. */
static enum head_result receive_head(struct exch *x, bool fresh, enum refuse *why, ssize_t *want)
{
	for (;;) {
		enum head_found found = head_scan(&x->scan, x->in, x->in_n, why);

		if (found == HEAD_BAD)
			return HEAD_REFUSED;
		*why = head_over(x);
		if (*why != REFUSE_NONE)
			return HEAD_REFUSED;
		if (found == HEAD_WHOLE) {
			struct slice raw = slice_of(x->in + x->scan.start, x->scan.end - x->scan.start);

			x->head_end = x->in_at = x->scan.end;
			x->c->head_due = 0;
			*why = head_parse(raw, x->fields, x->srv->l.head_fields, &x->head);
			return *why == REFUSE_NONE ? HEAD_READY : HEAD_REFUSED;
		}
		*want = IO_WANT_READ;
		if (!fresh && !io_pending(x->c))
			return HEAD_WAIT;
		size_t room = x->in_cap - x->in_n;
		ssize_t r = io_read(x->c, x->in + x->in_n, room);

		if (r == IO_WANT_READ || r == IO_WANT_WRITE) {
			*want = r;
			return HEAD_WAIT;
		}
		if (r <= 0)
			return HEAD_GONE;
		x->in_n += (size_t)r;
		fresh = (size_t)r == room; /* a short read has emptied the socket */
	}
}

/* Requests one after the other, until the client has nothing more to ask. */
static void serve(struct exch *x, struct http_conn *c)
{
	bool fresh = true;

	for (int n = 0; n < BURST; n++) {
		enum refuse why = REFUSE_NONE;
		ssize_t want = IO_WANT_READ;

		switch (receive_head(x, fresh, &why, &want)) {
		case HEAD_READY:
			exch_run(x);
			break;
		case HEAD_REFUSED:
			exch_run_refused(x, why);
			break;
		case HEAD_WAIT:
			park_for_head(x, events_for(want), n == 0 && c->parked_as == CONN_IDLE);
			return;
		case HEAD_GONE:
			conn_close(c, x->in_n == 0 ? CLOSE_CLIENT : CLOSE_READ);
			return;
		}
		if (!go_on(x))
			return;
		fresh = false;
	}
	/* Ready for output is always true: the connection queues up behind others. */
	park_for_head(x, EPOLLIN | EPOLLOUT, false);
}

/* ---- TLS --------------------------------------------------------------- */

/* True when the handshake is done and requests may be read. */
static bool handshake(struct exch *x, struct http_conn *c)
{
	static const char hint[] = "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n"
	                           "Client sent an HTTP request to an HTTPS server.\n";

	switch (tls_handshake(c->srv->tls, &c->ssl, c->fd, &c->cert)) {
	case TLS_DONE:
		c->handshaken = true;
		return true;
	case TLS_WANT_READ:
		conn_park(c, CONN_HANDSHAKE, atomic_load(&c->deadline), EPOLLIN);
		return false;
	case TLS_WANT_WRITE:
		conn_park(c, CONN_HANDSHAKE, atomic_load(&c->deadline), EPOLLOUT);
		return false;
	case TLS_PLAIN_HTTP:
		refuse_count(REFUSE_PLAIN_TO_TLS);
		tls_close(c->ssl, false);
		c->ssl = NULL;
		if (send(c->fd, hint, sizeof(hint) - 1, MSG_NOSIGNAL) > 0) {
			exch_start(x, c);
			linger_begin(x, CLOSE_HANDSHAKE);
			return false;
		}
		break;
	case TLS_FAILED:
		break;
	}
	conn_close(c, CLOSE_HANDSHAKE);
	return false;
}

/* ---- events ------------------------------------------------------------ */

/* The peer does not read: what the kernel still keeps for it goes with the socket. */
static void forget_output(struct http_conn *c)
{
	const struct linger at_once = {.l_onoff = 1};

	if (setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) != 0)
		LOG_DEBUG("unsent output stays with the kernel", LOG_INT("errno", errno));
}

/* The housekeeping thread ended it: what is left to do depends on where it was. */
static void reaped(struct exch *x, struct http_conn *c, int state)
{
	static const enum close_reason late[] = {
	    [CONN_IDLE] = CLOSE_IDLE,
	    [CONN_HEAD] = CLOSE_HEAD_SLOW,
	    [CONN_HANDSHAKE] = CLOSE_HANDSHAKE_SLOW,
	    [CONN_DRAIN] = CLOSE_BODY_SLOW,
	    [CONN_LINGER] = CLOSE_COUNT,
	};
	enum close_reason why = state == CONN_REAP_STOP ? CLOSE_STOP : CLOSE_SHED;

	if (state == CONN_REAP_LATE)
		why = c->parked_as == CONN_LINGER ? c->close_why : late[c->parked_as];
	if (atomic_load_explicit(&c->stuck, memory_order_relaxed)) {
		forget_output(c);
	} else if (why == CLOSE_HEAD_SLOW) {
		exch_start(x, c);
		x->in_n = 0;
		exch_run_refused(x, REFUSE_HEAD_SLOW);
		linger_begin(x, why);
		return;
	}
	conn_close(c, why);
}

void conn_event(struct worker *w, struct http_conn *c)
{
	struct exch *x = worker_exch(w);
	int state;

	OBJ_CHECK(c, HTTP_CONN_MAGIC);
	state = atomic_exchange_explicit(&c->state, CONN_ACTIVE, memory_order_acq_rel);
	if (state >= CONN_REAP_LATE) {
		reaped(x, c, state);
		return;
	}
	exch_start(x, c);
	if (state == CONN_LINGER) {
		linger(x, c);
		return;
	}
	if (state == CONN_HANDSHAKE && !handshake(x, c))
		return;
	if (state == CONN_DRAIN && !drain(x))
		return;
	load_partial(x);
	serve(x, c);
}

/* ---- accepted connections ---------------------------------------------- */

/* Which limit this connection is over; counts its address. */
static enum refuse admit(struct http_server *s, struct http_conn *c, bool *far_over)
{
	size_t cap = s->l.connections, n = atomic_load(&s->n_conns), from_here;

	*far_over = false;
	if (s->addrs != NULL && !s->is_unix) {
		from_here = addr_take(s->addrs, c->addr_key);
		c->addr_counted = true;
		if (from_here > s->l.connections_per_address) {
			*far_over = from_here > s->l.connections_per_address + 8;
			return REFUSE_BUSY_ADDRESS;
		}
	}
	if (n < cap)
		return REFUSE_NONE;
	if (conns_shed(s, 16) > 0)
		return REFUSE_NONE;
	*far_over = n >= cap + cap / 8 + 8;
	return REFUSE_BUSY_CONNECTIONS;
}

static void link_conn(struct http_server *s, struct http_conn *c)
{
	mutex_lock(&s->conns_lock);
	c->next = s->conns;
	if (c->next != NULL)
		c->next->prev = c;
	s->conns = c;
	atomic_fetch_add(&s->n_conns, 1);
	mutex_unlock(&s->conns_lock);
}

void conn_new(struct http_server *s, int fd, const struct sockaddr_storage *peer)
{
	struct http_conn *c = calloc(1, sizeof(*c));
	int64_t now = clock_mono();
	bool far_over;

	atomic_fetch_add_explicit(&s->accepted, 1, memory_order_relaxed);
	if (c == NULL) {
		close(fd);
		return;
	}
	c->magic = HTTP_CONN_MAGIC;
	c->fd = fd;
	c->srv = s;
	c->port = addr_text(peer, c->peer, c->addr_key);
	c->doomed = admit(s, c, &far_over);
	link_conn(s, c);
	if (far_over) { /* not even a refusal */
		refuse_count(c->doomed);
		conn_close(c, CLOSE_OVERFLOW);
		return;
	}
	if (s->tls != NULL)
		conn_park(c, CONN_HANDSHAKE, now + s->l.head_timeout, EPOLLIN);
	else
		conn_park(c, CONN_IDLE, now + s->l.idle_timeout, EPOLLIN);
}

/* ---- for the housekeeping thread --------------------------------------- */

static bool is_parked(int state)
{
	return state > CONN_ACTIVE && state < CONN_REAP_LATE;
}

/* With conns_lock held, so that the descriptor is not closed meanwhile. */
static bool reap(struct http_conn *c, int state, enum conn_state how)
{
	if (!atomic_compare_exchange_strong(&c->state, &state, how))
		return false;
	/* Who waits for room to send is told by the end of both directions only. */
	shutdown(c->fd, atomic_load_explicit(&c->stuck, memory_order_relaxed) ? SHUT_RDWR : SHUT_RD);
	return true;
}

void conns_sweep(struct http_server *s, int64_t now, struct http_census *out)
{
	mutex_lock(&s->conns_lock);
	for (struct http_conn *c = s->conns; c != NULL; c = c->next) {
		int state = atomic_load_explicit(&c->state, memory_order_acquire);

		out->idle += state == CONN_IDLE;
		out->head += state == CONN_HEAD;
		out->handshake += state == CONN_HANDSHAKE;
		out->active += state == CONN_ACTIVE;
		out->closing += state >= CONN_DRAIN;
		if (is_parked(state) && atomic_load_explicit(&c->deadline, memory_order_relaxed) <= now)
			reap(c, state, CONN_REAP_LATE);
	}
	mutex_unlock(&s->conns_lock);
}

/* May it be ended to make room? Nobody asks for anything there, or nobody reads. */
static bool is_spare(struct http_conn *c, int state)
{
	return state == CONN_IDLE || (is_parked(state) && atomic_load_explicit(&c->stuck, memory_order_relaxed));
}

size_t conns_shed(struct http_server *s, size_t n)
{
	struct {
		struct http_conn *c;
		int state;
		int64_t deadline;
	} oldest[SHED_MAX];
	size_t found = 0, ended = 0, latest = 0;

	if (n > SHED_MAX)
		n = SHED_MAX;
	mutex_lock(&s->conns_lock);
	for (struct http_conn *c = s->conns; c != NULL; c = c->next) {
		int state = atomic_load_explicit(&c->state, memory_order_acquire);
		int64_t deadline = atomic_load_explicit(&c->deadline, memory_order_relaxed);

		if (!is_spare(c, state))
			continue;
		if (found == n && deadline >= oldest[latest].deadline)
			continue;
		latest = found < n ? found++ : latest;
		oldest[latest].c = c;
		oldest[latest].state = state;
		oldest[latest].deadline = deadline;
		for (size_t i = 0; i < found; i++)
			if (oldest[i].deadline > oldest[latest].deadline)
				latest = i;
	}
	for (size_t i = 0; i < found; i++)
		ended += reap(oldest[i].c, oldest[i].state, CONN_REAP_SHED);
	mutex_unlock(&s->conns_lock);
	return ended;
}

void conns_stop(struct http_server *s, bool cut)
{
	mutex_lock(&s->conns_lock);
	for (struct http_conn *c = s->conns; c != NULL; c = c->next) {
		int state = atomic_load_explicit(&c->state, memory_order_acquire);

		if (is_parked(state) && (cut || state != CONN_LINGER))
			reap(c, state, CONN_REAP_STOP);
		else if (cut)
			shutdown(c->fd, SHUT_RDWR);
	}
	mutex_unlock(&s->conns_lock);
}
