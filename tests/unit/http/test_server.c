/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_server.c - the protocol as a client sees it: a real server, raw sockets.
 */
#include "harness.h"

#include "http/access.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define H "Host: t\r\n"

static int set_up(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	assert_non_null(r);
	rig_init(r);
	rig_start(r);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	rig_release(r);
	rig_stop(r);
	free(r);
	return 0;
}

static void simple_answers(void **state)
{
	struct rig *r = *state;

	expect(r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, "Content-Length: 6", "hello\n");
	expect(r, "HEAD /hello HTTP/1.1\r\n" H "\r\n", 200, "Content-Length: 6", "");
	expect(r, "GET /nowhere HTTP/1.1\r\n" H "\r\n", 404, NULL, "nothing here\n");
	expect(r, "GET http://t/hello HTTP/1.1\r\n" H "\r\n", 200, NULL, "hello\n");
	expect(r, "OPTIONS * HTTP/1.1\r\n" H "\r\n", 204, NULL, "");
	expect(r, "GET /silent HTTP/1.1\r\n" H "\r\n", 500, NULL, NULL);
	expect(r, "GET /overflow HTTP/1.1\r\n" H "\r\n", 503, "Retry-After: 5", NULL);
	expect(r, "GET /whoami HTTP/1.1\r\n" H "\r\n", 200, NULL, "127.0.0.1 plain nobody");
	expect(r, "GET /query?b=1&a=x%20y+z&a=&a HTTP/1.1\r\n" H "\r\n", 200, NULL, "x y z|");
	expect(r, "GET /query?a=%zz&a=ok HTTP/1.1\r\n" H "\r\n", 200, NULL, "none|ok");
}

static void versions_and_persistence(void **state)
{
	struct rig *r = *state;
	struct answer a;
	int fd = dial(r);

	put(fd, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
	answer_read(fd, &a, false);
	assert_true(answer_has(&a, "Connection: keep-alive"));
	answer_free(&a);
	put(fd, "GET /hello HTTP/1.0\r\n\r\n");
	answer_read(fd, &a, false);
	assert_true(answer_has(&a, "Connection: close"));
	answer_free(&a);
	assert_true(closed_within(fd, 5 * CLOCK_S));
	close(fd);

	fd = dial(r);
	put(fd, "GET /hello HTTP/1.1\r\n" H "Connection: close\r\n\r\n");
	answer_read(fd, &a, false);
	assert_true(answer_has(&a, "Connection: close"));
	answer_free(&a);
	assert_true(closed_within(fd, 5 * CLOCK_S));
	close(fd);
}

static void malformed_heads_are_answered_and_closed(void **state)
{
	static const struct {
		const char *text;
		int status;
	} rows[] = {
	    {"GET / HTTP/1.1\n\n", 400},
	    {"\x16\x03\x01\x02", 400},
	    {"GET / HTTP/2.0\r\n\r\n", 505},
	    {"GET / HTTP/1.1\r\n\r\n", 400},
	    {"PUT / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", 501},
	    {"PUT / HTTP/1.1\r\n" H "Expect: tea\r\nContent-Length: 4\r\n\r\n", 417},
	    {"CONNECT a:1 HTTP/1.1\r\n" H "\r\n", 501},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct answer a;
		int fd = dial(r);

		put(fd, rows[i].text);
		answer_read(fd, &a, false);
		assert_int_equal(a.status, rows[i].status);
		assert_true(answer_has(&a, "Connection: close"));
		assert_true(a.n > 0);
		answer_free(&a);
		assert_true(closed_within(fd, 5 * CLOCK_S));
		close(fd);
	}
}

static void pipelined_requests(void **state)
{
	enum { N = 300 }; /* more than one burst */
	struct rig *r = *state;
	struct answer a;
	struct buf b = BUF_INIT(1 << 20);
	int fd = dial(r);

	for (int i = 0; i < N; i++)
		buf_addf(&b, "POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\n%05d", i);
	put_bytes(fd, b.p, b.n);
	buf_free(&b);
	for (int i = 0; i < N; i++) {
		answer_read(fd, &a, false);
		assert_int_equal(a.status, 200);
		assert_int_equal(strtol(a.body, NULL, 10), i);
		answer_free(&a);
	}
	close(fd);
}

static void head_byte_by_byte(void **state)
{
	static const char text[] = "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
	                           "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\nGET /hello HTTP/1.1\r\n" H "\r\n";
	struct rig *r = *state;
	struct answer a;
	int fd = dial(r), on = 1;

	setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof(on));
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		put_bytes(fd, text + i, 1);
		if (i % 8 == 0)
			nap(CLOCK_MS);
	}
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "abcde");
	answer_free(&a);
	answer_read(fd, &a, false);
	assert_string_equal(a.body, "hello\n");
	answer_free(&a);
	close(fd);
}

static void bodies(void **state)
{
	enum { N = 3000000 };
	struct rig *r = *state;
	struct answer a;
	char head[128], *p = malloc(N);
	int fd = dial(r);

	assert_non_null(p);
	memset(p, 'b', N);
	snprintf(head, sizeof(head), "PUT /count HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", N);
	put(fd, head);
	put_bytes(fd, p, N);
	answer_read(fd, &a, false);
	assert_string_equal(a.body, "3000000");
	answer_free(&a);
	/* The same in chunks, on the same connection. */
	put(fd, "PUT /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < N; i += 30000) {
		put(fd, "7530\r\n");
		put_bytes(fd, p, 30000);
		put(fd, "\r\n");
	}
	put(fd, "0\r\n\r\n");
	answer_read(fd, &a, false);
	assert_string_equal(a.body, "3000000");
	answer_free(&a);
	close(fd);
	/* Limits of http_body_read_all, from the length and found on the way. */
	assert_int_equal(ask(r, "PUT /echo HTTP/1.1\r\n" H "Content-Length: 1048577\r\n\r\n"), 413);
	fd = dial(r);
	put(fd, "PUT /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n100001\r\n");
	put_bytes(fd, p, 0x100001);
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 413);
	answer_free(&a);
	close(fd);
	free(p);
}

static void broken_bodies(void **state)
{
	struct rig *r = *state;
	struct answer a;
	int fd;

	expect(r, "PUT /count HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "Connection: close",
	    "invalid");
	fd = dial(r);
	put(fd, "PUT /count HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\nabc");
	shutdown(fd, SHUT_WR);
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 400);
	answer_free(&a);
	close(fd);
}

static void continue_is_sent_when_the_body_is_read(void **state)
{
	struct rig *r = *state;
	struct answer a;
	int fd = dial(r);

	put(fd, "PUT /echo HTTP/1.1\r\n" H "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
	answer_read(fd, &a, true);
	assert_int_equal(a.status, 100);
	answer_free(&a);
	put(fd, "body");
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body, "body");
	answer_free(&a);
	/* Nobody reads it: the final answer at once, and an end, since it is
	 * not known whether the body will come. */
	put(fd, "PUT /ignore HTTP/1.1\r\n" H "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 401);
	assert_true(answer_has(&a, "Connection: close"));
	answer_free(&a);
	close(fd);
	/* The body came without waiting: no 100. */
	expect(r, "PUT /echo HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n\r\nhi", 200, NULL, "hi");
}

static void unread_bodies(void **state)
{
	struct rig *r = *state;
	struct answer a;
	char *p = calloc(1, 100000);
	int fd = dial(r);

	assert_non_null(p);
	/* Small: thrown away, the connection goes on. The answer comes before
	 * the body does. */
	put(fd, "PUT /ignore HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\n");
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 401);
	assert_false(answer_has(&a, "Connection: close"));
	answer_free(&a);
	put_bytes(fd, p, 50000);
	nap(20 * CLOCK_MS);
	put_bytes(fd, p, 50000);
	put(fd, "GET /hello HTTP/1.1\r\n" H "\r\n");
	answer_read(fd, &a, false);
	assert_string_equal(a.body, "hello\n");
	answer_free(&a);
	/* Chunked and complete already: drained as well. */
	put(fd, "PUT /ignore HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
	        "GET /hello HTTP/1.1\r\n" H "\r\n");
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 401);
	answer_free(&a);
	answer_read(fd, &a, false);
	assert_string_equal(a.body, "hello\n");
	answer_free(&a);
	close(fd);
	free(p);
}

/* A client in the middle of a large upload reads our answer, not a reset. */
static void large_unread_body_does_not_lose_the_answer(void **state)
{
	enum { N = 32 * 1024 * 1024 };
	struct rig *r = *state;
	struct answer a;
	char *p = calloc(1, N), head[128];
	int fd = dial(r);

	assert_non_null(p);
	snprintf(head, sizeof(head), "PUT /ignore HTTP/1.1\r\n" H "Content-Length: %d\r\n\r\n", N);
	put(fd, head);
	put_bytes(fd, p, N); /* all of it, before reading a byte */
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 401);
	assert_true(answer_has(&a, "Connection: close"));
	answer_free(&a);
	assert_true(closed_within(fd, 5 * CLOCK_S));
	close(fd);
	free(p);
}

static void conditional_and_ranged_content(void **state)
{
	static const struct {
		const char *method, *fields;
		int status;
		const char *line, *body;
	} rows[] = {
	    {"GET", "", 200, "ETag: \"v1\"", "0123456789"},
	    {"GET", "", 200, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT", "0123456789"},
	    {"GET", "", 200, "Accept-Ranges: bytes", "0123456789"},
	    {"HEAD", "", 200, "Content-Length: 10", ""},
	    {"HEAD", "Range: bytes=0-1\r\n", 200, "Content-Length: 10", ""},
	    {"GET", "Range: bytes=2-4\r\n", 206, "Content-Range: bytes 2-4/10", "234"},
	    {"GET", "Range: bytes=-4\r\n", 206, "Content-Range: bytes 6-9/10", "6789"},
	    {"GET", "Range: bytes=8-\r\n", 206, "Content-Length: 2", "89"},
	    {"GET", "Range: bytes=0-1,3-4\r\n", 200, "Content-Length: 10", "0123456789"},
	    {"GET", "Range: bytes=10-\r\n", 416, "Content-Range: bytes */10", NULL},
	    {"GET", "Range: bytes=500-0\r\n", 416, "Content-Range: bytes */10", NULL},
	    {"GET", "If-None-Match: \"v1\"\r\n", 304, "ETag: \"v1\"", ""},
	    {"HEAD", "If-None-Match: W/\"v1\"\r\n", 304, "ETag: \"v1\"", ""},
	    {"GET", "If-None-Match: \"v0\"\r\n", 200, NULL, "0123456789"},
	    {"GET", "If-None-Match: *\r\n", 304, NULL, ""},
	    {"GET", "If-Match: \"v1\"\r\n", 200, NULL, "0123456789"},
	    {"GET", "If-Match: \"v0\"\r\n", 412, NULL, NULL},
	    {"GET", "If-Match: W/\"v1\"\r\n", 412, NULL, NULL},
	    {"GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304, NULL, ""},
	    {"GET", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200, NULL, "0123456789"},
	    {"GET", "If-Modified-Since: rubbish\r\n", 200, NULL, "0123456789"},
	    {"GET", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 412, NULL, NULL},
	    {"GET", "If-None-Match: \"v0\"\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 200, NULL,
	        "0123456789"},
	    {"GET", "Range: bytes=0-0\r\nIf-Range: \"v1\"\r\n", 206, NULL, "0"},
	    {"GET", "Range: bytes=0-0\r\nIf-Range: \"v0\"\r\n", 200, NULL, "0123456789"},
	    {"GET", "Range: bytes=0-0\r\nIf-Range: W/\"v1\"\r\n", 200, NULL, "0123456789"},
	    {"GET", "Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 206, NULL, "0"},
	    {"GET", "Range: bytes=0-0\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 200, NULL, "0123456789"},
	};
	struct rig *r = *state;
	char text[512];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(text, sizeof(text), "%s /content HTTP/1.1\r\n" H "%s\r\n", rows[i].method, rows[i].fields);
		expect(r, text, rows[i].status, rows[i].line, rows[i].body);
	}
}

static void check_pattern(struct rig *r, const char *path, const char *fields, size_t from, size_t n)
{
	struct answer a;
	char text[256];
	int fd = dial(r);

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" H "%s\r\n", path, fields);
	put(fd, text);
	answer_read(fd, &a, false);
	assert_int_equal(a.n, n);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)a.body[i] != rig_pattern(from + i))
			fail_msg("%s differs at byte %zu", path, i);
	answer_free(&a);
	close(fd);
}

static void files_and_read_functions(void **state)
{
	struct rig *r = *state;
	struct answer a;
	int fd;

	check_pattern(r, "/file", "", 0, FILE_BYTES);
	check_pattern(r, "/file", "Range: bytes=1000-2000999\r\n", 1000, 2000000);
	check_pattern(r, "/read", "", 0, FILE_BYTES);
	check_pattern(r, "/read", "Range: bytes=-5\r\n", FILE_BYTES - 5, 5);
	/* A file shorter than was said: the connection ends, nothing is made up. */
	assert_int_equal(ftruncate(r->file, 1000), 0);
	for (int i = 0; i < 2; i++) {
		size_t n = 0;
		char c[4096];
		ssize_t k;

		fd = dial(r);
		put(fd, i == 0 ? "GET /file HTTP/1.1\r\n" H "\r\n" : "GET /read HTTP/1.1\r\n" H "\r\n");
		answer_read(fd, &a, true);
		assert_int_equal(a.status, 200);
		answer_free(&a);
		while ((k = recv(fd, c, sizeof(c), 0)) > 0)
			n += (size_t)k;
		assert_int_equal(n, 1000);
		close(fd);
	}
}

static void streams(void **state)
{
	struct rig *r = *state;
	struct answer a;
	int fd = dial(r);

	put(fd, "GET /stream?n=3 HTTP/1.1\r\n" H "\r\n");
	answer_read(fd, &a, false);
	assert_false(a.chunked); /* small: of known length after all */
	assert_int_equal(a.n, 3000);
	answer_free(&a);
	put(fd, "GET /stream?n=300 HTTP/1.1\r\n" H "\r\n");
	answer_read(fd, &a, false);
	assert_true(a.chunked);
	assert_int_equal(a.n, 300000);
	answer_free(&a);
	put(fd, "HEAD /stream?n=300 HTTP/1.1\r\n" H "\r\n");
	answer_read(fd, &a, true);
	assert_int_equal(a.status, 200);
	answer_free(&a);
	put(fd, "GET /stream?n=300 HTTP/1.0\r\n\r\n");
	answer_read(fd, &a, false);
	assert_false(a.chunked);
	assert_int_equal(a.n, 300000);
	answer_free(&a);
	close(fd);
	fd = dial(r);
	put(fd, "GET /stream?n=300&break=1 HTTP/1.1\r\n" H "\r\n");
	answer_read(fd, &a, false);
	assert_int_equal(a.status, -2); /* seen to be incomplete */
	answer_free(&a);
	close(fd);
}

static void blocking_handlers_do_not_hold_others(void **state)
{
	enum { N = 20 }; /* many more than takers */
	struct rig *r = *state;
	struct answer a;
	int fds[N];

	for (int i = 0; i < N; i++) {
		fds[i] = dial(r);
		put(fds[i], "GET /block HTTP/1.1\r\n" H "\r\n");
	}
	rig_wait_blocked(r, N);
	assert_int_equal(http_server_active(r->s), N);
	expect(r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, NULL, "hello\n");
	rig_release(r);
	for (int i = 0; i < N; i++) {
		answer_read(fds[i], &a, false);
		assert_string_equal(a.body, "released");
		answer_free(&a);
		close(fds[i]);
	}
}

static void done_hook_sees_every_request(void **state)
{
	struct rig *r = *state;

	ask(r, "GET /hello HTTP/1.1\r\n" H "\r\n");
	EVENTUALLY(atomic_load(&r->done) == 1);
	assert_int_equal(atomic_load(&r->last_status), 200);
	/* Refused, but with a request line that could be read. */
	ask(r, "GET /hello HTTP/1.1\r\n" H H "\r\n");
	EVENTUALLY(atomic_load(&r->done) == 2);
	assert_int_equal(atomic_load(&r->last_status), 400);
	ask(r, "rubbish\r\n\r\n");
	ask(r, "GET /silent HTTP/1.1\r\n" H "\r\n");
	EVENTUALLY(atomic_load(&r->done) == 3);
	assert_int_equal(atomic_load(&r->last_status), 500);
}

/* ---- starting and stopping --------------------------------------------- */

static struct slice json_refusal(struct http_req *req, int status, const char *message, void *ctx)
{
	http_header_set(req, "Content-Type", SLICE("application/json"));
	return slice_cstr(arena_printf(req->arena, "{\"status\":%d,\"message\":\"%s\"}", status, message));
}

static void refusals_and_headers_are_the_applications(void **state)
{
	const struct http_field fields[] = {{SLICE("X-Content-Type-Options"), SLICE("nosniff")}};
	struct rig r;

	rig_init(&r);
	r.o.refusal = json_refusal;
	r.o.headers = fields;
	r.o.nheaders = 1;
	rig_start(&r);
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, "X-Content-Type-Options: nosniff", "hello\n");
	expect(&r, "GET / HTTP/3.0\r\n\r\n", 505, "Content-Type: application/json",
	    "{\"status\":505,\"message\":\"the only HTTP versions understood are 1.0 and 1.1\"}");
	expect(&r, "GET /overflow HTTP/1.1\r\n" H "\r\n", 503, "Content-Type: application/json", NULL);
	rig_stop(&r);
}

static void *release_soon(void *arg)
{
	nap(200 * CLOCK_MS);
	rig_release(arg);
	return NULL;
}

static void stop_lets_requests_finish(void **state)
{
	struct rig r;
	struct answer a;
	pthread_t t;
	int busy, idle;

	rig_init(&r);
	rig_start(&r);
	idle = dial(&r);
	put(idle, "GET /hello HTTP/1.1\r\n" H "\r\n");
	answer_read(idle, &a, false);
	answer_free(&a);
	busy = dial(&r);
	put(busy, "GET /block HTTP/1.1\r\n" H "\r\n");
	rig_wait_blocked(&r, 1);
	assert_int_equal(thread_start(&t, "release", 256 * 1024, false, release_soon, &r), 0);
	http_server_stop(&r.s, clock_mono() + 10 * CLOCK_S);
	pthread_join(t, NULL);
	assert_true(closed_within(idle, CLOCK_S));
	answer_read(busy, &a, false);
	assert_string_equal(a.body, "released");
	assert_true(answer_has(&a, "Connection: close"));
	answer_free(&a);
	close(busy);
	close(idle);
	rig_stop(&r);
}

/* A client that does not go on is cut off at the deadline. */
static void stop_cuts_what_does_not_finish(void **state)
{
	struct rig r;
	int64_t before;
	int fd;

	rig_init(&r);
	rig_start(&r);
	fd = dial(&r);
	put(fd, "PUT /count HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc");
	EVENTUALLY(http_server_active(r.s) == 1);
	before = clock_mono();
	http_server_stop(&r.s, before + 300 * CLOCK_MS);
	assert_true(clock_mono() - before >= 300 * CLOCK_MS);
	assert_true(clock_mono() - before < 5 * CLOCK_S);
	close(fd);
	rig_stop(&r);
}

static void addresses_in_use_are_reported(void **state)
{
	struct rig *r = *state;
	struct http_server_options o = r->o;
	struct http_server *s = NULL;
	struct err err;
	char addr[64];

	snprintf(addr, sizeof(addr), "127.0.0.1:%d", r->port);
	o.addr = addr;
	assert_int_equal(http_server_start(&o, &s, &err), ERR_EXISTS);
	assert_non_null(strstr(err.msg, addr));
	assert_non_null(strstr(err.msg, "in use"));
	o.addr = "5000";
	assert_int_equal(http_server_start(&o, &s, &err), ERR_INVALID);
	o.addr = "192.0.2.1:0";
	assert_int_equal(http_server_start(&o, &s, &err), ERR_INVALID);
	o.addr = "::1:0";
	assert_int_equal(http_server_start(&o, &s, &err), ERR_INVALID);
	o.net = "udp";
	assert_int_equal(http_server_start(&o, &s, &err), ERR_INVALID);
	assert_null(s);
}

static int dial_unix(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void unix_sockets(void **state)
{
	struct rig r, second;
	struct answer a;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	struct err err;
	char path[100];
	int fd;

	rig_init(&r);
	snprintf(path, sizeof(path), "%s/s", r.dir);
	/* A stale socket, as a killed process leaves it. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	r.o.net = "unix";
	r.o.addr = path;
	rig_start(&r);
	assert_string_equal(http_server_address(r.s), path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666 & ~022);
	fd = dial_unix(path);
	put(fd, "GET /whoami HTTP/1.1\r\n" H "\r\n");
	answer_read(fd, &a, false);
	assert_string_equal(a.body, "unix plain nobody");
	answer_free(&a);
	/* Idle, but alive: another server does not take its place. */
	rig_init(&second);
	second.o.net = "unix";
	second.o.addr = path;
	assert_int_equal(http_server_start(&second.o, &second.s, &err), ERR_EXISTS);
	rmdir(second.dir);
	close(fd);
	rig_stop(&r);
	assert_int_not_equal(stat(path, &st), 0);
}

static void inherited_sockets(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	struct rig r;
	struct err err;
	int fd;

	rig_init(&r);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	r.o.net = "fd";
	r.o.listen_fd = fd;
	assert_int_equal(listen(fd, 16), 0);
	rig_start(&r);
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, NULL, "hello\n");
	rig_stop(&r);
	rig_init(&r);
	r.o.net = "fd";
	r.o.listen_fd = 0;
	assert_int_equal(http_server_start(&r.o, &r.s, &err), ERR_INVALID);
	rmdir(r.dir);
}

static void any_address_speaks_both_families(void **state)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct rig r;
	struct answer a;
	int fd;

	rig_init(&r);
	r.o.addr = ":0";
	rig_start(&r);
	expect(&r, "GET /whoami HTTP/1.1\r\n" H "\r\n", 200, NULL, "127.0.0.1 plain nobody");
	if (strncmp(http_server_address(r.s), "[::]", 4) == 0) {
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		in6.sin6_port = htons((uint16_t)r.port);
		if (connect(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0) {
			put(fd, "GET /whoami HTTP/1.1\r\n" H "\r\n");
			answer_read(fd, &a, false);
			assert_string_equal(a.body, "::1 plain nobody");
			answer_free(&a);
		}
		close(fd);
	}
	rig_stop(&r);
}

static void access_lines(void **state)
{
	const struct http_field fields[] = {
	    {SLICE("referer"), SLICE("http://x/\"q\"")},
	    {SLICE("User-Agent"), SLICE("docker/1\x01 \\")},
	};
	struct http_req req = {
	    .method_text = SLICE("GET"),
	    .target = SLICE("/v2/?n=1"),
	    .minor = 1,
	    .peer = "192.0.2.7",
	    .user = SLICE("jane doe"),
	    .status = 200,
	    .bytes_out = 12345,
	    .fields = fields,
	    .nfields = 2,
	};
	struct buf b = BUF_INIT(4096);

	access_line(&req, INT64_C(784111777) * CLOCK_S, &b);
	assert_string_equal(buf_cstr(&b),
	    "192.0.2.7 - jane\\x20doe [06/Nov/1994:08:49:37 +0000] \"GET /v2/?n=1 HTTP/1.1\" 200 12345 "
	    "\"http://x/\\\"q\\\"\" \"docker/1\\x01 \\\\\"\n");
	buf_clear(&b);
	req.user = SLICE_NONE;
	req.nfields = 0;
	access_line(&req, 0, &b);
	assert_string_equal(
	    buf_cstr(&b), "192.0.2.7 - - [01/Jan/1970:00:00:00 +0000] \"GET /v2/?n=1 HTTP/1.1\" 200 12345 \"\" \"\"\n");
	buf_free(&b);
}

#define WITH_SERVER(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_SERVER(simple_answers),
	    WITH_SERVER(versions_and_persistence),
	    WITH_SERVER(malformed_heads_are_answered_and_closed),
	    WITH_SERVER(pipelined_requests),
	    WITH_SERVER(head_byte_by_byte),
	    WITH_SERVER(bodies),
	    WITH_SERVER(broken_bodies),
	    WITH_SERVER(continue_is_sent_when_the_body_is_read),
	    WITH_SERVER(unread_bodies),
	    WITH_SERVER(large_unread_body_does_not_lose_the_answer),
	    WITH_SERVER(conditional_and_ranged_content),
	    WITH_SERVER(files_and_read_functions),
	    WITH_SERVER(streams),
	    WITH_SERVER(blocking_handlers_do_not_hold_others),
	    WITH_SERVER(done_hook_sees_every_request),
	    cmocka_unit_test(refusals_and_headers_are_the_applications),
	    cmocka_unit_test(stop_lets_requests_finish),
	    cmocka_unit_test(stop_cuts_what_does_not_finish),
	    WITH_SERVER(addresses_in_use_are_reported),
	    cmocka_unit_test(unix_sockets),
	    cmocka_unit_test(inherited_sockets),
	    cmocka_unit_test(any_address_speaks_both_families),
	    cmocka_unit_test(access_lines),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
