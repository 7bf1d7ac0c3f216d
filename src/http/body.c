/* SPDX-License-Identifier: Apache-2.0 */
/*
 * body.c - reading the body of a request. Bytes that came along with the head
 * are used first; then the socket is read straight into the handler's memory,
 * but for the framing of chunks, which goes through the input buffer behind
 * the head.
 */
#include "http/body.h"

#include "http/io.h"

#include <string.h>

static enum err_code broken(struct exch *x, enum err_code code, struct err *err, const char *what)
{
	x->body_error = code;
	x->close = true;
	if (code == ERR_TIMEOUT)
		x->close_why = CLOSE_BODY_SLOW;
	else
		x->close_why = CLOSE_BODY_BROKEN;
	return err_set(err, code, "%s", what);
}

/* The next bytes from the socket: at least one. */
static enum err_code receive(struct exch *x, void *p, size_t n, size_t *got, struct err *err)
{
	for (;;) {
		ssize_t r = io_read(x->c, p, n);

		if (r > 0) {
			x->meter_in.bytes += (uint64_t)r;
			*got = (size_t)r;
			return ERR_OK;
		}
		if (r == 0)
			return broken(
			    x, ERR_CLOSED, err, "the client closed the connection before the end of its body");
		if (r == IO_BROKEN)
			return broken(x, ERR_CLOSED, err, "the connection broke before the end of the body");
		switch (io_wait(x, r, &x->meter_in)) {
		case ERR_OK:
			break;
		case ERR_TIMEOUT:
			return broken(x, ERR_TIMEOUT, err, "the client sends its body too slowly");
		default:
			return broken(x, ERR_CLOSED, err, "the connection broke before the end of the body");
		}
	}
}

static enum err_code send_continue(struct exch *x, struct err *err)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	char copy[sizeof(line)];

	x->expect = false;
	/* A client that has begun to send does not wait for leave. */
	if (x->in_at < x->in_n)
		return ERR_OK;
	memcpy(copy, line, sizeof(line));
	if (!send_all(x, &(struct iovec){.iov_base = copy, .iov_len = sizeof(line) - 1}, 1, false))
		return broken(x, ERR_CLOSED, err, "the client closed the connection before it sent its body");
	return ERR_OK;
}

static enum err_code read_length(struct exch *x, void *p, size_t n, size_t *got, struct err *err)
{
	size_t buffered = x->in_n - x->in_at;
	enum err_code code = ERR_OK;

	if (n > x->left)
		n = (size_t)x->left;
	if (buffered > 0) {
		*got = n < buffered ? n : buffered;
		memcpy(p, x->in + x->in_at, *got);
		x->in_at += *got;
	} else {
		code = receive(x, p, n, got, err);
	}
	if (code == ERR_OK) {
		x->left -= *got;
		x->body_done = x->left == 0;
	}
	return code;
}

/* More framing into the buffer behind the head. */
static enum err_code refill(struct exch *x, struct err *err)
{
	size_t got;
	enum err_code code;

	x->in_at = x->in_n = x->head_end;
	code = receive(x, x->in + x->in_n, x->in_cap - x->in_n, &got, err);
	if (code == ERR_OK)
		x->in_n += got;
	return code;
}

static enum err_code read_chunked(struct exch *x, void *p, size_t n, size_t *got, struct err *err)
{
	enum err_code code;
	struct slice data;
	size_t used;

	for (;;) {
		uint64_t direct = chunked_direct(&x->chunked);

		if (x->in_at == x->in_n && direct > 0) {
			code = receive(x, p, n < direct ? n : (size_t)direct, got, err);
			if (code == ERR_OK)
				chunked_took(&x->chunked, *got);
			return code;
		}
		switch (chunked_feed(&x->chunked, x->in + x->in_at, x->in_n - x->in_at, n, &used, &data)) {
		case CHUNKED_MORE:
			x->in_at += used;
			code = chunked_direct(&x->chunked) > 0 ? ERR_OK : refill(x, err);
			if (code != ERR_OK)
				return code;
			break;
		case CHUNKED_DATA:
			memcpy(p, data.p, data.n);
			x->in_at += used;
			*got = data.n;
			return ERR_OK;
		case CHUNKED_END:
			x->in_at += used;
			x->body_done = true;
			return ERR_OK;
		case CHUNKED_BAD:
			x->in_at += used;
			return broken(x, ERR_INVALID, err, "the chunked coding of the body is malformed");
		}
	}
}

enum err_code http_body_read(struct http_req *req, void *p, size_t n, size_t *got, struct err *err)
{
	struct exch *x = exch_of(req);
	enum err_code code;

	*got = 0;
	if (x->body_error != ERR_OK)
		return err_set(err, x->body_error, "the body could not be read to its end");
	if (x->body_done || n == 0)
		return ERR_OK;
	if (x->stage != ANSWER_NONE && x->close)
		return err_set(err, ERR_CLOSED, "the request was answered before its body was read");
	if (x->expect) {
		code = send_continue(x, err);
		if (code != ERR_OK)
			return code;
	}
	code = x->kind == BODY_CHUNKED ? read_chunked(x, p, n, got, err) : read_length(x, p, n, got, err);
	req->bytes_in += *got;
	return code;
}

enum err_code http_body_read_all(struct http_req *req, size_t max, struct slice *body, struct err *err)
{
	enum { STEP = 16 * 1024 };
	CLEANUP(buf_free) struct buf b = BUF_INIT(max);
	size_t got = 1;

	*body = SLICE_NONE;
	if (req->body_length > 0 && (uint64_t)req->body_length > max)
		return err_set(err, ERR_TOO_LARGE, "the body has %lld bytes, more than the limit of %zu",
		    (long long)req->body_length, max);
	while (got > 0) {
		/* The buffer grows with what came, not with what was promised: a
		 * promise costs the client nothing. At the limit one byte more
		 * tells whether the body ends there. */
		char over[1];
		size_t room = max - b.n < STEP ? max - b.n : STEP;
		char *p = room > 0 ? buf_reserve(&b, room) : over;
		enum err_code code;

		if (p == NULL)
			return err_set(err, ERR_NO_MEMORY, "there is no memory for the body");
		code = http_body_read(req, p, room > 0 ? room : sizeof(over), &got, err);
		if (code != ERR_OK)
			return code;
		if (room == 0 && got > 0)
			return err_set(err, ERR_TOO_LARGE, "the body has more than %zu bytes, the limit", max);
		if (room > 0)
			buf_commit(&b, got);
	}
	*body = b.n > 0 ? arena_copy(req->arena, buf_slice(&b)) : SLICE("");
	if (body->p == NULL)
		return err_set(err, ERR_NO_MEMORY, "there is no memory for the body");
	return ERR_OK;
}

/* ---- what the handler left ---------------------------------------------- */

/* Whether the rest of a chunked body can be read at once, within the bounds. */
static bool drain_chunked(struct exch *x)
{
	uint64_t drained = 0;
	struct slice data;
	size_t used;

	while (drained < x->srv->l.drain_bytes) {
		ssize_t r;

		switch (chunked_feed(&x->chunked, x->in + x->in_at, x->in_n - x->in_at, x->in_cap, &used, &data)) {
		case CHUNKED_END:
			x->in_at += used;
			return true;
		case CHUNKED_BAD:
			return false;
		case CHUNKED_DATA:
			x->in_at += used;
			drained += used;
			break;
		case CHUNKED_MORE:
			x->in_at = x->in_n = x->head_end;
			r = io_read(x->c, x->in + x->in_n, x->in_cap - x->in_n);
			if (r <= 0)
				return false;
			x->in_n += (size_t)r;
			drained += 1;
			break;
		}
	}
	return false;
}

bool body_settle(struct exch *x)
{
	if (x->body_done)
		return true;
	if (x->body_error != ERR_OK || x->expect)
		return false;
	if (x->kind == BODY_CHUNKED) {
		x->body_done = drain_chunked(x);
		return x->body_done;
	}
	return x->left <= x->srv->l.drain_bytes;
}

void body_skip_buffered(struct exch *x)
{
	size_t buffered = x->in_n - x->in_at;

	if (x->body_done)
		return;
	if (buffered > x->left)
		buffered = (size_t)x->left;
	x->in_at += buffered;
	x->left -= buffered;
	x->body_done = x->left == 0;
}
