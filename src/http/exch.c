/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exch.c - one exchange: a request is set up from its parsed head, admitted or
 * refused, handled, and closed off with whatever its handler left undone.
 */
#include "http/conn.h"
#include "http/pool.h"

#include "base/log.h"

#include <stdlib.h>

void exch_init(struct exch *x, struct http_server *s, struct worker *w)
{
	*x = (struct exch){.srv = s, .w = w};
	arena_init(&x->arena, s->l.arena_bytes);
	x->fields = xcalloc(s->l.head_fields, sizeof(*x->fields));
	/* Room behind the largest head, for the framing of a chunked body. */
	x->in_cap = s->l.head_bytes + 4096;
	x->in = xmalloc(x->in_cap);
	buf_init(&x->out, s->l.arena_bytes);
	buf_init(&x->stream, s->l.arena_bytes);
	x->date_second = -1;
}

void exch_free(struct exch *x)
{
	arena_free(&x->arena);
	free(x->fields);
	free(x->in);
	buf_free(&x->out);
	buf_free(&x->stream);
}

/* Random identifiers of requests, from the kernel a batch at a time. */
static void make_id(struct exch *x)
{
	enum { EACH = 16 };
	unsigned char *b;
	char hex[2 * EACH + 1], *out = x->req.id;

	if (x->ids_left == 0) {
		random_bytes(x->ids, sizeof(x->ids));
		x->ids_left = sizeof(x->ids) / EACH;
	}
	b = x->ids + EACH * --x->ids_left;
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	hex_encode(b, EACH, hex);
	for (size_t i = 0; i < sizeof(hex); i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*out++ = '-';
		*out++ = hex[i];
	}
}

void exch_start(struct exch *x, struct http_conn *c)
{
	x->c = c;
	c->x = x;
	x->scan = (struct head_scan){0};
	x->in_at = x->head_end = 0;
}

static void set_up(struct exch *x)
{
	const struct head *h = &x->head;
	struct http_conn *c = x->c;

	x->req = (struct http_req){
	    .magic = HTTP_REQ_MAGIC,
	    .method = h->method,
	    .method_text = h->method_text,
	    .target = h->target,
	    .path = h->path,
	    .query = h->query,
	    .host = h->host,
	    .fields = x->fields,
	    .nfields = h->nfields,
	    .minor = h->minor,
	    .tls = c->ssl != NULL,
	    .body_length = h->body_length,
	    .peer = c->peer,
	    .peer_port = c->port,
	    .peer_cert = c->cert,
	    .started = clock_mono(),
	    .arena = &x->arena,
	    .conn = c,
	};
	make_id(x);
	x->kind = h->chunked ? BODY_CHUNKED : h->body_length > 0 ? BODY_LENGTH : BODY_NONE;
	x->left = h->body_length > 0 ? (uint64_t)h->body_length : 0;
	x->chunked = (struct chunked){0};
	x->body_done = x->kind == BODY_NONE;
	x->expect = h->expect_continue && !x->body_done;
	x->body_error = ERR_OK;
	x->meter_in = x->meter_out = (struct meter){0};
	x->stage = ANSWER_NONE;
	x->answer_first = x->answer_last = NULL;
	x->chunked_out = false;
	x->close = !h->keep_alive;
	x->failed = x->refusing = false;
	x->close_why = CLOSE_ANSWERED;
}

static void tear_down(struct exch *x)
{
	struct http_server *s = x->srv;

	log_thread_fields(NULL, 0);
	if (x->head.line && s->o.done != NULL)
		s->o.done(&x->req, s->o.ctx);
	if (x->req.bytes_in > 0)
		atomic_fetch_add_explicit(&s->received, x->req.bytes_in, memory_order_relaxed);
	if (x->req.bytes_out > 0)
		atomic_fetch_add_explicit(&s->sent, x->req.bytes_out, memory_order_relaxed);
	arena_reset(&x->arena);
	buf_clear(&x->stream);
}

/* Whether there is a thread to spare for this request. Requests without a body
 * may use the reserve: they are what others wait for. */
static enum refuse admit(const struct exch *x, size_t active)
{
	const struct http_limits *l = &x->srv->l;

	if (x->c->doomed != REFUSE_NONE)
		return x->c->doomed;
	if (active > l->threads || pool_starved(x->srv->pool))
		return REFUSE_BUSY_THREADS;
	if (x->kind != BODY_NONE && active > l->threads - l->threads_reserved)
		return REFUSE_BUSY_BODIES;
	return REFUSE_NONE;
}

static void answer_options(struct http_req *req)
{
	http_header_add(req, "Allow", SLICE("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
	http_reply(req, 204, SLICE_NONE);
}

void exch_run(struct exch *x)
{
	struct http_server *s = x->srv;
	size_t active = atomic_fetch_add(&s->active, 1) + 1;
	enum refuse why;

	set_up(x);
	why = admit(x, active);
	if (why != REFUSE_NONE) {
		x->close = true;
		exch_refuse(x, why);
	} else if (x->head.asterisk) {
		answer_options(&x->req);
	} else {
		s->o.handler(&x->req, s->o.ctx);
		if (x->stage == ANSWER_NONE)
			exch_refuse(x, REFUSE_NO_ANSWER);
		else if (reply_abandoned(x))
			LOG_ERROR("a streamed answer was not ended", LOG_SLICE("path", x->req.path));
	}
	tear_down(x);
	atomic_fetch_sub(&s->active, 1);
}

void exch_run_refused(struct exch *x, enum refuse why)
{
	if (x->head_end == 0)
		x->head = (struct head){.method = HTTP_OTHER};
	x->head.body_length = 0;
	x->head.chunked = x->head.expect_continue = false;
	set_up(x);
	x->close = true;
	x->close_why = CLOSE_REFUSED;
	exch_refuse(x, why);
	tear_down(x);
}

/* The refusal's body, from the application or as plain text. */
static struct slice render(struct exch *x, enum refuse why)
{
	struct http_server *s = x->srv;
	struct slice body = SLICE_NONE;
	char *text;

	/* Where the arena is exhausted, the refusal itself still gets a little. */
	x->arena.max += 16 * 1024;
	x->arena.overflow = false;
	if (refuse_status(why) == 503 || refuse_status(why) == 429)
		http_header_set(&x->req, "Retry-After", SLICE("5"));
	if (s->o.refusal != NULL)
		body = s->o.refusal(&x->req, refuse_status(why), refuse_message(why), s->o.ctx);
	if (body.p == NULL) {
		text = arena_printf(&x->arena, "%s\n", refuse_message(why));
		body = slice_cstr(text);
		http_header_set(&x->req, "Content-Type", SLICE("text/plain; charset=utf-8"));
	}
	return body;
}

void exch_refuse(struct exch *x, enum refuse why)
{
	struct slice body;

	refuse_count(why);
	if (why == REFUSE_NO_MEMORY || why == REFUSE_NO_ANSWER)
		LOG_ERROR("request not answered as it should be", LOG_STR("reason", refuse_label(why)),
		    LOG_SLICE("method", x->req.method_text), LOG_SLICE("path", x->req.path));
	else
		LOG_DEBUG("request refused", LOG_STR("reason", refuse_label(why)), LOG_STR("peer", x->c->peer));
	x->refusing = true;
	x->answer_first = x->answer_last = NULL;
	body = render(x, why);
	http_reply(&x->req, refuse_status(why), body);
	x->arena.max = x->srv->l.arena_bytes;
}
