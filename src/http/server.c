/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server.c - a server as a whole: its start, its housekeeping thread (deadlines
 * of parked connections, certificates, metrics) and its graceful stop.
 */
#include "http/server.h"

#include "http/addr.h"
#include "http/conn.h"
#include "http/listen.h"
#include "http/pool.h"
#include "http/tls.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define TLS_WATCH_INTERVAL (2 * CLOCK_S)
#define PUBLISH_INTERVAL (1 * CLOCK_S)

void http_limits_default(struct http_limits *l)
{
	*l = (struct http_limits){
	    .head_bytes = 32 * 1024,
	    .head_fields = 100,
	    .head_timeout = 10 * CLOCK_S,
	    .idle_timeout = 75 * CLOCK_S,
	    .rate_grace = 20 * CLOCK_S,
	    .rate_min = 1024,
	    .threads = 4096,
	    .threads_reserved = 1024,
	    .arena_bytes = 16 * 1024 * 1024,
	    .drain_bytes = 256 * 1024,
	};
}

/* ---- housekeeping ------------------------------------------------------ */

/* How often deadlines are looked at: an eighth of the shortest, at most a second. */
static int64_t sweep_interval(const struct http_limits *l)
{
	int64_t shortest = l->head_timeout < l->idle_timeout ? l->head_timeout : l->idle_timeout;
	int64_t interval = shortest / 8;

	if (interval > CLOCK_S)
		interval = CLOCK_S;
	return interval < 20 * CLOCK_MS ? 20 * CLOCK_MS : interval;
}

static void publish(struct http_server *s, struct http_census *census)
{
	census->threads = pool_threads(s->pool);
	census->accepted = atomic_exchange(&s->accepted, 0);
	census->received = atomic_exchange(&s->received, 0);
	census->sent = atomic_exchange(&s->sent, 0);
	census_publish(s->o.name, census);
}

static void *keeper_main(void *arg)
{
	struct http_server *s = arg;
	int64_t publish_due = 0, watch_due = clock_mono() + TLS_WATCH_INTERVAL;
	int64_t every = sweep_interval(&s->l), until, paused;

	mutex_lock(&s->keeper_lock);
	while (!s->keeper_stop) {
		struct http_census census = {0};
		int64_t now = clock_mono();

		mutex_unlock(&s->keeper_lock);
		listen_resume(s, now);
		conns_sweep(s, now, &census);
		pool_tend(s->pool);
		if (now >= publish_due) {
			publish(s, &census);
			publish_due = now + PUBLISH_INTERVAL;
		}
		if (s->tls != NULL && now >= watch_due) {
			tls_watch(s->tls);
			watch_due = now + TLS_WATCH_INTERVAL;
		}
		mutex_lock(&s->keeper_lock);
		until = now + every;
		paused = atomic_load(&s->accept_paused);
		if (paused != 0 && paused < until)
			until = paused;
		if (!s->keeper_stop)
			cond_wait_until(&s->keeper_wake, &s->keeper_lock, until);
	}
	mutex_unlock(&s->keeper_lock);
	return NULL;
}

static void keeper_end(struct http_server *s)
{
	mutex_lock(&s->keeper_lock);
	s->keeper_stop = true;
	cond_signal(&s->keeper_wake);
	mutex_unlock(&s->keeper_lock);
	pthread_join(s->keeper, NULL);
}

/* ---- start ------------------------------------------------------------- */

/* All descriptors but a quarter, which handlers need for files and databases. */
static size_t connections_possible(void)
{
	struct rlimit rl;
	size_t n, reserve;

	if (getrlimit(RLIMIT_NOFILE, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY)
		return 1000 * 1000;
	n = (size_t)rl.rlim_cur;
	reserve = n / 4 < 8192 ? n / 4 : 8192;
	return n - reserve;
}

static void set_limits(struct http_server *s)
{
	struct http_limits *l = &s->l;

	*l = s->o.limits;
	if (l->connections == 0)
		l->connections = connections_possible();
	if (l->head_bytes < 256)
		l->head_bytes = 256;
	if (l->threads == 0)
		l->threads = 1;
	if (l->threads_reserved >= l->threads)
		l->threads_reserved = l->threads - 1;
}

static void render_fixed_headers(struct http_server *s)
{
	buf_init(&s->fixed, 64 * 1024);
	for (size_t i = 0; i < s->o.nheaders; i++) {
		buf_add(&s->fixed, SLICE("\r\n"));
		buf_add(&s->fixed, s->o.headers[i].name);
		buf_add(&s->fixed, SLICE(": "));
		buf_add(&s->fixed, s->o.headers[i].value);
	}
}

static struct http_server *server_new(const struct http_server_options *o)
{
	struct http_server *s = xcalloc(1, sizeof(*s));

	s->magic = HTTP_SERVER_MAGIC;
	s->o = *o;
	if (s->o.name == NULL)
		s->o.name = "main";
	s->listen_fd = s->ep = s->quit = -1;
	s->accept_complained = -3600 * CLOCK_S;
	mutex_init(&s->accept_lock);
	mutex_init(&s->conns_lock);
	cond_init(&s->conns_gone);
	mutex_init(&s->keeper_lock);
	cond_init(&s->keeper_wake);
	set_limits(s);
	render_fixed_headers(s);
	if (s->l.connections_per_address > 0)
		s->addrs = addr_table_new();
	return s;
}

static void server_free(struct http_server *s)
{
	listen_close(s);
	close_fd(&s->ep);
	close_fd(&s->quit);
	tls_free(&s->tls);
	addr_table_free(&s->addrs);
	buf_free(&s->fixed);
	free(s->address);
	free(s->unix_path);
	mutex_destroy(&s->accept_lock);
	mutex_destroy(&s->conns_lock);
	cond_destroy(&s->conns_gone);
	mutex_destroy(&s->keeper_lock);
	cond_destroy(&s->keeper_wake);
	s->magic = 0;
	free(s);
}

static enum err_code open_all(struct http_server *s, struct err *err)
{
	enum err_code code;

	if (s->o.tls != NULL) {
		code = tls_new(s->o.tls, &s->tls, err);
		if (code != ERR_OK)
			return code;
	}
	if (!buf_ok(&s->fixed))
		return err_set(err, ERR_TOO_LARGE, "the headers configured for every answer are too large");
	code = listen_open(s, err);
	if (code != ERR_OK)
		return code;
	s->ep = epoll_create1(EPOLL_CLOEXEC);
	s->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->ep < 0 || s->quit < 0)
		return err_sys(err, errno, "cannot set up the HTTP server");
	return ERR_OK;
}

static void end_threads(struct http_server *s)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &s->quit};

	/* Readable from the start and never read: every waiter sees it. */
	if (eventfd_write(s->quit, 1) != 0 || epoll_ctl(s->ep, EPOLL_CTL_ADD, s->quit, &ev) != 0)
		LOG_ERROR("cannot wake the HTTP threads", LOG_INT("errno", errno));
	pool_stop(&s->pool);
}

enum err_code http_server_start(const struct http_server_options *o, struct http_server **out, struct err *err)
{
	struct http_server *s = server_new(o);
	enum err_code code = open_all(s, err);
	int r;

	*out = NULL;
	if (code == ERR_OK)
		code = pool_start(s, &s->pool, err);
	if (code == ERR_OK) {
		r = thread_start(&s->keeper, "http-keeper", 256 * 1024, false, keeper_main, s);
		if (r != 0)
			code = err_sys(err, r, "cannot start the housekeeping thread of the HTTP server");
		else
			code = listen_arm(s, err);
		if (r == 0 && code != ERR_OK)
			keeper_end(s);
	}
	if (code == ERR_OK) {
		*out = s;
		return ERR_OK;
	}
	if (s->pool != NULL)
		end_threads(s);
	server_free(s);
	return code;
}

/* ---- running and stopping ---------------------------------------------- */

const char *http_server_address(const struct http_server *s)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	return s->address;
}

enum err_code http_server_reload_tls(struct http_server *s, struct err *err)
{
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	return s->tls != NULL ? tls_reload(s->tls, err) : ERR_OK;
}

size_t http_server_connections(const struct http_server *s)
{
	return atomic_load(&s->n_conns);
}

size_t http_server_active(const struct http_server *s)
{
	return atomic_load(&s->active);
}

/* Until the last connection is closed or the time has come. Connections that
 * become idle meanwhile are ended as they are found. */
static void wait_for_conns(struct http_server *s, int64_t deadline, bool cut)
{
	while (atomic_load(&s->n_conns) > 0 && clock_mono() < deadline) {
		int64_t step = clock_mono() + 50 * CLOCK_MS;

		conns_stop(s, cut);
		mutex_lock(&s->conns_lock);
		if (atomic_load(&s->n_conns) > 0)
			cond_wait_until(&s->conns_gone, &s->conns_lock, step < deadline ? step : deadline);
		mutex_unlock(&s->conns_lock);
	}
}

void http_server_stop(struct http_server **sp, int64_t deadline)
{
	struct http_server *s = *sp;

	if (s == NULL)
		return;
	OBJ_CHECK(s, HTTP_SERVER_MAGIC);
	atomic_store(&s->stopping, true);
	listen_close(s);
	wait_for_conns(s, deadline, false);
	if (atomic_load(&s->active) > 0)
		LOG_WARN("requests are cut off at stop", LOG_STR("server", s->o.name),
		    LOG_INT("requests", atomic_load(&s->active)));
	wait_for_conns(s, CLOCK_NEVER, true);
	keeper_end(s);
	end_threads(s);
	server_free(s);
	*sp = NULL;
}
