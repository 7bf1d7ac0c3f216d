/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reply.c - answers. The head and a small body leave in one send; larger bodies
 * in one gathered send, by sendfile, or in pieces. A head is made once it is
 * known whether the connection can be kept, which depends on what is left of
 * the request's body.
 */
#include "http/body.h"
#include "http/content.h"
#include "http/io.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

const char *http_reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
	    {200, "OK"},
	    {201, "Created"},
	    {202, "Accepted"},
	    {204, "No Content"},
	    {206, "Partial Content"},
	    {301, "Moved Permanently"},
	    {302, "Found"},
	    {303, "See Other"},
	    {304, "Not Modified"},
	    {307, "Temporary Redirect"},
	    {308, "Permanent Redirect"},
	    {400, "Bad Request"},
	    {401, "Unauthorized"},
	    {402, "Payment Required"},
	    {403, "Forbidden"},
	    {404, "Not Found"},
	    {405, "Method Not Allowed"},
	    {406, "Not Acceptable"},
	    {408, "Request Timeout"},
	    {409, "Conflict"},
	    {410, "Gone"},
	    {411, "Length Required"},
	    {412, "Precondition Failed"},
	    {413, "Content Too Large"},
	    {414, "URI Too Long"},
	    {415, "Unsupported Media Type"},
	    {416, "Range Not Satisfiable"},
	    {417, "Expectation Failed"},
	    {421, "Misdirected Request"},
	    {422, "Unprocessable Content"},
	    {423, "Locked"},
	    {425, "Too Early"},
	    {426, "Upgrade Required"},
	    {428, "Precondition Required"},
	    {429, "Too Many Requests"},
	    {431, "Request Header Fields Too Large"},
	    {451, "Unavailable For Legal Reasons"},
	    {500, "Internal Server Error"},
	    {501, "Not Implemented"},
	    {502, "Bad Gateway"},
	    {503, "Service Unavailable"},
	    {504, "Gateway Timeout"},
	    {505, "HTTP Version Not Supported"},
	    {507, "Insufficient Storage"},
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Unknown";
}

/* ---- headers of the answer --------------------------------------------- */

static bool value_safe(struct slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] == '\r' || v.p[i] == '\n' || v.p[i] == '\0')
			return false;
	return true;
}

/* Those that the server makes by itself, so that they cannot contradict it. */
static bool name_reserved(struct slice name)
{
	return slice_eq_icase(name, SLICE("Content-Length")) || slice_eq_icase(name, SLICE("Transfer-Encoding")) ||
	       slice_eq_icase(name, SLICE("Connection")) || slice_eq_icase(name, SLICE("Date"));
}

static struct answer_field *find_field(struct exch *x, const char *name)
{
	struct answer_field *f = x->answer_first;

	while (f != NULL && !slice_eq_icase(slice_cstr(f->name), slice_cstr(name)))
		f = f->next;
	return f;
}

static void put_field(struct http_req *req, const char *name, struct slice value, bool replace)
{
	struct exch *x = exch_of(req);
	struct answer_field *f = replace ? find_field(x, name) : NULL;

	if (!value_safe(value) || name_reserved(slice_cstr(name))) {
		LOG_ERROR("an answer header was dropped", LOG_STR("name", name), LOG_SLICE("path", req->path));
		return;
	}
	value = arena_copy(&x->arena, value.p != NULL ? value : SLICE(""));
	if (f != NULL) {
		f->value = value;
		return;
	}
	f = arena_alloc(&x->arena, sizeof(*f));
	if (f == NULL)
		return; /* latched; the answer becomes a refusal */
	*f = (struct answer_field){.name = name, .value = value};
	if (x->answer_last != NULL)
		x->answer_last->next = f;
	else
		x->answer_first = f;
	x->answer_last = f;
}

void http_header_add(struct http_req *req, const char *name, struct slice value)
{
	put_field(req, name, value, false);
}

void http_header_set(struct http_req *req, const char *name, struct slice value)
{
	put_field(req, name, value, true);
}

void http_header_addf(struct http_req *req, const char *name, const char *fmt, ...)
{
	struct buf b = BUF_INIT(64 * 1024);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	if (buf_ok(&b))
		put_field(req, name, slice_of(buf_cstr(&b), b.n), false);
	else
		req->arena->overflow = true;
	buf_free(&b);
}

/* ---- the head ---------------------------------------------------------- */

static void add_date(struct exch *x)
{
	int64_t now = clock_real();

	if (now / CLOCK_S != x->date_second) {
		x->date_second = now / CLOCK_S;
		clock_http(now, x->date);
	}
	buf_add(&x->out, SLICE("\r\nDate: "));
	buf_add(&x->out, slice_of(x->date, sizeof("Sun, 06 Nov 1994 08:49:37 GMT") - 1));
}

static void add_connection(struct exch *x)
{
	if (!body_settle(x) || atomic_load_explicit(&x->srv->stopping, memory_order_relaxed))
		x->close = true;
	if (x->close)
		buf_add(&x->out, SLICE("\r\nConnection: close"));
	else if (x->req.minor == 0)
		buf_add(&x->out, SLICE("\r\nConnection: keep-alive"));
}

static bool status_has_body(int status)
{
	return status >= 200 && status != 204 && status != 304;
}

enum { LENGTH_CHUNKED = -1, LENGTH_BY_CLOSE = -2 };

/* The head of the answer into x->out. */
static void make_head(struct exch *x, int status, int64_t length)
{
	struct buf *o = &x->out;

	x->req.status = status;
	buf_clear(o);
	if (status == 200) {
		buf_add(o, SLICE("HTTP/1.1 200 OK"));
	} else {
		buf_add(o, SLICE("HTTP/1.1 "));
		buf_addu(o, (uint64_t)status);
		buf_addc(o, ' ');
		buf_adds(o, http_reason(status));
	}
	add_date(x);
	buf_add(o, buf_slice(&x->srv->fixed));
	for (const struct answer_field *f = x->answer_first; f != NULL; f = f->next) {
		buf_add(o, SLICE("\r\n"));
		buf_adds(o, f->name);
		buf_add(o, SLICE(": "));
		buf_add(o, f->value);
	}
	if (length >= 0 && status_has_body(status)) {
		buf_add(o, SLICE("\r\nContent-Length: "));
		buf_addu(o, (uint64_t)length);
	} else if (length == LENGTH_CHUNKED) {
		buf_add(o, SLICE("\r\nTransfer-Encoding: chunked"));
	} else if (length == LENGTH_BY_CLOSE) {
		x->close = true;
	}
	add_connection(x);
	buf_add(o, SLICE("\r\n\r\n"));
}

/* Says whether an answer may be made now; an exhausted arena makes it a refusal. */
static bool answer_begin(struct exch *x, enum answer_stage stage)
{
	ASSERT(x->stage == ANSWER_NONE);
	if (x->arena.overflow && !x->refusing) {
		exch_refuse(x, REFUSE_NO_MEMORY);
		return false;
	}
	x->stage = stage;
	return true;
}

/* What was made in x->out did not fit: nothing was sent, the connection ends. */
static bool out_ok(struct exch *x)
{
	if (!buf_ok(&x->out) && !x->failed) {
		LOG_ERROR("an answer head does not fit into memory", LOG_SLICE("path", x->req.path));
		x->failed = true;
		x->close_why = CLOSE_CONTENT;
	}
	return !x->failed;
}

static struct iovec iov(struct slice s)
{
	/* struct iovec serves reads as well, so it has no const. */
	union {
		const char *in;
		void *out;
	} p = {.in = s.p};

	return (struct iovec){.iov_base = p.out, .iov_len = s.n};
}

static void send_head_and(struct exch *x, struct slice body)
{
	struct iovec v[2];

	if (body.n > 0 && x->out.n + body.n <= OUT_COALESCE) {
		buf_add(&x->out, body);
		v[0] = iov(buf_slice(&x->out));
		if (!out_ok(x) || !send_all(x, v, 1, false))
			return;
	} else {
		v[0] = iov(buf_slice(&x->out));
		v[1] = iov(body);
		if (!out_ok(x) || !send_all(x, v, body.n > 0 ? 2 : 1, false))
			return;
	}
	x->req.bytes_out += body.n;
}

void http_reply(struct http_req *req, int status, struct slice body)
{
	struct exch *x = exch_of(req);

	if (!answer_begin(x, ANSWER_DONE))
		return;
	make_head(x, status, (int64_t)body.n);
	if (req->method == HTTP_HEAD || !status_has_body(status))
		body = SLICE_NONE;
	send_head_and(x, body);
}

/* ---- streams ----------------------------------------------------------- */

void http_stream_begin(struct http_req *req, int status)
{
	struct exch *x = exch_of(req);

	if (!answer_begin(x, ANSWER_STREAM))
		return;
	req->status = status;
	x->chunked_out = false;
	buf_clear(&x->stream);
	buf_clear(&x->out);
}

/* Sends what is gathered, and `part` behind it, as one chunk. */
static void stream_flush(struct exch *x, struct slice part)
{
	size_t n = x->stream.n + part.n;
	struct iovec v[4];
	char size[24];

	if (x->out.n == 0) { /* the head has not gone out */
		x->chunked_out = x->req.minor > 0;
		make_head(x, x->req.status, x->chunked_out ? LENGTH_CHUNKED : LENGTH_BY_CLOSE);
		if (!out_ok(x) || !send_all(x, (struct iovec[]){iov(buf_slice(&x->out))}, 1, n > 0))
			return;
	}
	if (n == 0 || x->req.method == HTTP_HEAD)
		return;
	v[0] = (struct iovec){.iov_base = size};
	if (x->chunked_out)
		v[0].iov_len = (size_t)snprintf(size, sizeof(size), "%zx\r\n", n);
	v[1] = iov(buf_slice(&x->stream));
	v[2] = iov(part);
	v[3] = iov(x->chunked_out ? SLICE("\r\n") : SLICE_NONE);
	if (send_all(x, v, 4, false))
		x->req.bytes_out += n;
	buf_clear(&x->stream);
}

void http_stream_write(struct http_req *req, struct slice part)
{
	struct exch *x = exch_of(req);

	if (x->stage != ANSWER_STREAM || x->failed || part.n == 0)
		return;
	if (x->stream.n + part.n <= OUT_COALESCE) {
		buf_add(&x->stream, part);
		if (buf_ok(&x->stream))
			return;
		x->failed = true;
		x->close_why = CLOSE_CONTENT;
		return;
	}
	stream_flush(x, part);
}

void http_stream_flush(struct http_req *req)
{
	struct exch *x = exch_of(req);

	if (x->stage == ANSWER_STREAM && !x->failed)
		stream_flush(x, SLICE_NONE);
}

bool http_stream_ok(const struct http_req *req)
{
	struct exch *x = exch_of(req);

	return x->stage == ANSWER_STREAM && !x->failed;
}

void http_stream_end(struct http_req *req)
{
	struct exch *x = exch_of(req);

	if (x->stage != ANSWER_STREAM)
		return;
	x->stage = ANSWER_DONE;
	if (x->failed)
		return;
	if (x->out.n == 0) { /* all of it is here: an answer of known length after all */
		bool bodiless = req->method == HTTP_HEAD || !status_has_body(req->status);

		make_head(x, req->status, (int64_t)x->stream.n);
		send_head_and(x, bodiless ? SLICE_NONE : buf_slice(&x->stream));
		return;
	}
	if (x->stream.n > 0)
		stream_flush(x, SLICE_NONE);
	if (x->chunked_out && req->method != HTTP_HEAD)
		send_all(x, (struct iovec[]){iov(SLICE("0\r\n\r\n"))}, 1, false);
}

bool reply_abandoned(struct exch *x)
{
	if (x->stage != ANSWER_STREAM)
		return false;
	/* Without its last chunk the client sees that something is missing. */
	x->stage = ANSWER_DONE;
	x->failed = true;
	x->close_why = CLOSE_CONTENT;
	return true;
}

/* ---- contents ---------------------------------------------------------- */

static void add_validators(struct http_req *req, const struct http_content *c, int status)
{
	char date[CLOCK_TEXT];

	if (c->etag.p != NULL)
		http_header_set(req, "ETag", c->etag);
	if (c->modified != 0)
		http_header_set(req, "Last-Modified", slice_cstr(clock_http(c->modified, date)));
	if (c->type.p != NULL && (status == 200 || status == 206))
		http_header_set(req, "Content-Type", c->type);
	if (c->ranges && status != 304)
		http_header_set(req, "Accept-Ranges", SLICE("bytes"));
}

/* Through memory, for contents that only a function can read. */
static void send_read(struct exch *x, const struct http_content *c, uint64_t at, uint64_t n)
{
	size_t cap = n < 64 * 1024 ? (size_t)n : 64 * 1024, got;
	CLEANUP(free_ptr) char *buf = malloc(cap);
	struct err err = {.code = ERR_NO_MEMORY};

	while (n > 0 && !x->failed) {
		got = 0;
		if (buf == NULL || c->read(c->read_arg, at, buf, n < cap ? (size_t)n : cap, &got, &err) != ERR_OK ||
		    got == 0 || got > cap) {
			LOG_ERROR("content ended too early", LOG_SLICE("path", x->req.path), LOG_INT("offset", at),
			    LOG_STR("error", err.msg));
			x->failed = true;
			x->close_why = CLOSE_CONTENT;
			return;
		}
		if (send_all(x, (struct iovec[]){{.iov_base = buf, .iov_len = got}}, 1, got < n))
			x->req.bytes_out += got;
		at += got;
		n -= got;
	}
}

static void send_content(struct exch *x, const struct http_content *c, const struct content_answer *a)
{
	struct iovec head = iov(buf_slice(&x->out));

	if (c->fd < 0 && c->mem != NULL) {
		send_head_and(x, slice_of((const char *)c->mem + a->first, (size_t)a->length));
		return;
	}
	http_may_block(&x->req); /* the disk, and whoever reads a large answer */
	if (!out_ok(x) || !send_all(x, &head, 1, a->length > 0))
		return;
	if (c->fd < 0) {
		send_read(x, c, a->first, a->length);
	} else if (!send_file(x, c->fd, a->first, a->length) && x->close_why == CLOSE_CONTENT) {
		LOG_ERROR("a file ended before its size or could not be read", LOG_SLICE("path", x->req.path),
		    LOG_INT("size", c->size), LOG_INT("sent", x->req.bytes_out));
	}
}

void http_reply_content(struct http_req *req, const struct http_content *c)
{
	struct exch *x = exch_of(req);
	struct content_answer a;
	bool full;

	content_decide(req, c, &a);
	full = a.status == 200 || a.status == 206;
	add_validators(req, c, a.status);
	if (a.status == 206)
		http_header_addf(req, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)a.first,
		    (unsigned long long)(a.first + a.length - 1), (unsigned long long)c->size);
	else if (a.status == 416)
		http_header_addf(req, "Content-Range", "bytes */%llu", (unsigned long long)c->size);
	if (!full) {
		http_reply(req, a.status, SLICE_NONE);
		return;
	}
	if (!answer_begin(x, ANSWER_DONE))
		return;
	make_head(x, a.status, (int64_t)a.length);
	if (req->method == HTTP_HEAD)
		send_head_and(x, SLICE_NONE);
	else
		send_content(x, c, &a);
}

bool http_replied(const struct http_req *req)
{
	return exch_of(req)->stage != ANSWER_NONE;
}

void http_close_after(struct http_req *req)
{
	exch_of(req)->close = true;
}
