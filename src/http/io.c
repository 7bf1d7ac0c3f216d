/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.c - see io.h. Sockets are always non-blocking: a call that would wait
 * says so, and only a thread that has given up being a taker waits, in poll(2).
 */
#include "http/io.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t from_errno(ssize_t want)
{
	return errno == EAGAIN || errno == EINTR ? want : IO_BROKEN;
}

/* What a failed SSL call means. */
static ssize_t from_ssl(SSL *ssl, int r)
{
	switch (SSL_get_error(ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return IO_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return IO_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		ERR_clear_error();
		return IO_BROKEN;
	}
}

ssize_t io_read(struct http_conn *c, void *p, size_t n)
{
	ssize_t r;

	if (c->ssl == NULL) {
		r = recv(c->fd, p, n, 0);
		return r >= 0 ? r : from_errno(IO_WANT_READ);
	}
	ERR_clear_error(); /* what a handler left there would be taken for ours */
	r = SSL_read(c->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	return r > 0 ? r : from_ssl(c->ssl, (int)r);
}

ssize_t io_write(struct http_conn *c, const struct iovec *v, int n, bool more)
{
	struct msghdr m = {0};
	ssize_t r;

	if (c->ssl != NULL) {
		ERR_clear_error();
		r = SSL_write(c->ssl, v->iov_base, v->iov_len > INT_MAX ? INT_MAX : (int)v->iov_len);
		if (r > 0)
			return r;
		r = from_ssl(c->ssl, (int)r);
		return r == 0 ? IO_BROKEN : r;
	}
	if (n == 1) {
		r = send(c->fd, v->iov_base, v->iov_len, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	} else {
		struct iovec copy[4];

		ASSERT(n <= (int)ARRAY_LEN(copy));
		memcpy(copy, v, (size_t)n * sizeof(*v));
		m.msg_iov = copy;
		m.msg_iovlen = (size_t)n;
		r = sendmsg(c->fd, &m, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	}
	return r >= 0 ? r : from_errno(IO_WANT_WRITE);
}

bool io_has_sendfile(const struct http_conn *c)
{
	return c->ssl == NULL || BIO_get_ktls_send(SSL_get_wbio(c->ssl));
}

ssize_t io_sendfile(struct http_conn *c, int fd, off_t *at, size_t n, bool *bad_file)
{
	ssize_t r;

	*bad_file = false;
	if (c->ssl != NULL) {
		ERR_clear_error();
		r = SSL_sendfile(c->ssl, fd, *at, n, 0);
		if (r < 0)
			return from_ssl(c->ssl, (int)r);
		*at += r;
		return r;
	}
	r = sendfile(c->fd, fd, at, n);
	if (r >= 0)
		return r;
	*bad_file = errno == EIO || errno == EINVAL || errno == EBADF || errno == EOVERFLOW;
	return from_errno(IO_WANT_WRITE);
}

bool io_pending(const struct http_conn *c)
{
	return c->ssl != NULL && SSL_has_pending(c->ssl) == 1;
}

/* What one call of sendfile is asked for. Measured on loopback, steps of 1 or 2 MiB
 * are a tenth faster than one call for all: the peer gets its turn in between. */
enum { SENDFILE_MAX = 1024 * 1024 };

/* ---- waiting ----------------------------------------------------------- */

/* True when the peer was too slow on average over the grace window; opens the
 * next window. */
static bool too_slow(const struct http_limits *l, struct meter *m)
{
	uint64_t milliseconds = (uint64_t)(m->waited / CLOCK_MS);
	bool slow = m->bytes < l->rate_min * milliseconds / 1000;

	*m = (struct meter){0};
	return slow;
}

enum err_code io_wait(struct exch *x, ssize_t want, struct meter *m)
{
	const struct http_limits *l = &x->srv->l;
	struct pollfd p = {.fd = x->c->fd, .events = want == IO_WANT_READ ? POLLIN : POLLOUT};
	int64_t before, left;
	int timeout = -1, r;

	http_may_block(&x->req);
	for (;;) {
		before = clock_mono();
		if (l->rate_min > 0) {
			left = (l->rate_grace - m->waited + CLOCK_MS - 1) / CLOCK_MS;
			timeout = left > INT_MAX ? INT_MAX : (int)left;
		}
		r = poll(&p, 1, timeout);
		m->waited += clock_mono() - before;
		if (l->rate_min > 0 && m->waited >= l->rate_grace && too_slow(l, m))
			return ERR_TIMEOUT;
		if (r > 0)
			return ERR_OK;
		if (r < 0 && errno != EINTR)
			return ERR_CLOSED;
	}
}

/* ---- sending ----------------------------------------------------------- */

static bool fail(struct exch *x, enum close_reason why)
{
	x->failed = true;
	x->close_why = why;
	return false;
}

/* After a call that sent nothing: waits for the peer. */
static bool send_wait(struct exch *x, ssize_t want)
{
	if (want != IO_WANT_READ && want != IO_WANT_WRITE)
		return fail(x, CLOSE_WRITE);
	switch (io_wait(x, want, &x->meter_out)) {
	case ERR_OK:
		return true;
	case ERR_TIMEOUT:
		return fail(x, CLOSE_READER_SLOW);
	default:
		return fail(x, CLOSE_WRITE);
	}
}

bool send_all(struct exch *x, struct iovec *v, int n, bool more)
{
	if (x->failed)
		return false;
	while (n > 0) {
		ssize_t r;

		if (v->iov_len == 0) {
			v++;
			n--;
			continue;
		}
		r = io_write(x->c, v, n, more);
		if (r < 0) {
			if (!send_wait(x, r))
				return false;
			continue;
		}
		x->meter_out.bytes += (uint64_t)r;
		while (n > 0 && (size_t)r >= v->iov_len) {
			r -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + r;
			v->iov_len -= (size_t)r;
		}
	}
	return true;
}

/* Through memory, in pieces of a few TLS records. */
static bool send_file_copied(struct exch *x, int fd, uint64_t at, uint64_t n)
{
	size_t cap = n < 64 * 1024 ? (size_t)n : 64 * 1024;
	CLEANUP(free_ptr) char *buf = malloc(cap);

	if (buf == NULL)
		return fail(x, CLOSE_CONTENT);
	while (n > 0) {
		ssize_t got = pread(fd, buf, n < cap ? (size_t)n : cap, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return fail(x, CLOSE_CONTENT);
		if (!send_all(x, &(struct iovec){.iov_base = buf, .iov_len = (size_t)got}, 1, false))
			return false;
		x->req.bytes_out += (uint64_t)got;
		at += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return true;
}

bool send_file(struct exch *x, int fd, uint64_t at, uint64_t n)
{
	off_t off = (off_t)at;
	bool bad_file;

	if (!io_has_sendfile(x->c))
		return send_file_copied(x, fd, at, n);
	while (n > 0 && !x->failed) {
		size_t step = n < SENDFILE_MAX ? (size_t)n : SENDFILE_MAX;
		ssize_t r = io_sendfile(x->c, fd, &off, step, &bad_file);

		if (r > 0) {
			x->meter_out.bytes += (uint64_t)r;
			x->req.bytes_out += (uint64_t)r;
			n -= (uint64_t)r;
			if ((size_t)r == step || x->c->ssl != NULL)
				continue;
			r = IO_WANT_WRITE; /* a short count has filled the socket */
		}
		if (r == 0 || bad_file)
			return fail(x, CLOSE_CONTENT); /* shorter than announced, or unreadable */
		if (!send_wait(x, r))
			return false;
	}
	return !x->failed;
}
