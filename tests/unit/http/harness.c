/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness.c - see harness.h.
 */
#include "harness.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the handler ------------------------------------------------------- */

unsigned char rig_pattern(size_t at)
{
	return (unsigned char)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static void do_echo(struct http_req *req)
{
	struct slice body;
	struct err err;

	switch (http_body_read_all(req, 1024 * 1024, &body, &err)) {
	case ERR_OK:
		http_reply(req, 200, body);
		break;
	case ERR_TOO_LARGE:
		http_reply(req, 413, slice_cstr(err.msg));
		break;
	default:
		http_reply(req, 400, slice_cstr(err.msg));
		break;
	}
}

static void do_count(struct http_req *req)
{
	char buf[10000];
	size_t got = 1, sum = 0;
	struct err err;

	while (got > 0) {
		if (http_body_read(req, buf, sizeof(buf), &got, &err) != ERR_OK) {
			http_reply(req, 400, slice_cstr(err_code_name(err.code)));
			return;
		}
		sum += got;
	}
	http_reply(req, 200, slice_cstr(arena_printf(req->arena, "%zu", sum)));
}

static enum err_code read_pattern(void *arg, uint64_t at, void *p, size_t n, size_t *got, struct err *err)
{
	const struct rig *r = arg;
	ssize_t k = pread(r->file, p, n > 777 ? 777 : n, (off_t)at);

	if (k < 0)
		return err_sys(err, errno, "pread");
	*got = (size_t)k;
	return ERR_OK;
}

static void do_stream(struct http_req *req)
{
	struct slice n = SLICE_NONE, end;
	uint64_t parts = 0;
	char part[1000];

	memset(part, 'p', sizeof(part));
	if (http_query(req, "n", 0, &n) && !slice_u64(n, 1000000, &parts))
		parts = 0;
	http_stream_begin(req, 200);
	for (uint64_t i = 0; i < parts && http_stream_ok(req); i++)
		http_stream_write(req, slice_of(part, sizeof(part)));
	if (!http_query(req, "break", 0, &end))
		http_stream_end(req);
}

static void do_block(struct rig *r, struct http_req *req)
{
	http_may_block(req);
	mutex_lock(&r->lock);
	r->blocked++;
	cond_broadcast(&r->wake);
	while (!r->released)
		cond_wait(&r->wake, &r->lock);
	r->blocked--;
	mutex_unlock(&r->lock);
	http_reply(req, 200, SLICE("released"));
}

static void do_query(struct http_req *req)
{
	struct slice a = SLICE("none"), b = SLICE("none");

	http_query(req, "a", 0, &a);
	http_query(req, "a", 1, &b);
	http_reply(req, 200, slice_cstr(arena_printf(req->arena, "%.*s|%.*s", SLICE_ARG(a), SLICE_ARG(b))));
}

static void do_content(struct rig *r, struct http_req *req)
{
	struct http_content c = {.fd = -1, .ranges = true, .type = SLICE("text/plain")};

	if (slice_eq_cstr(req->path, "/content")) {
		c.size = 10;
		c.mem = "0123456789";
		c.etag = SLICE("\"v1\"");
		c.modified = INT64_C(784111777) * CLOCK_S + 5; /* Sun, 06 Nov 1994 08:49:37 GMT */
	} else {
		c.size = FILE_BYTES;
		if (slice_eq_cstr(req->path, "/file"))
			c.fd = r->file;
		else
			c.read = read_pattern;
		c.read_arg = r;
	}
	http_reply_content(req, &c);
}

static void handler(struct http_req *req, void *ctx)
{
	struct rig *r = ctx;

	req->route = "test";
	if (slice_eq_cstr(req->path, "/hello")) {
		http_header_add(req, "Content-Type", SLICE("text/plain"));
		http_reply(req, 200, SLICE("hello\n"));
	} else if (slice_eq_cstr(req->path, "/echo")) {
		do_echo(req);
	} else if (slice_eq_cstr(req->path, "/count")) {
		do_count(req);
	} else if (slice_eq_cstr(req->path, "/ignore")) {
		http_reply(req, 401, SLICE("no\n"));
	} else if (slice_eq_cstr(req->path, "/content") || slice_eq_cstr(req->path, "/file") ||
	           slice_eq_cstr(req->path, "/read")) {
		do_content(r, req);
	} else if (slice_eq_cstr(req->path, "/stream")) {
		do_stream(req);
	} else if (slice_eq_cstr(req->path, "/block")) {
		do_block(r, req);
	} else if (slice_eq_cstr(req->path, "/overflow")) {
		arena_alloc(req->arena, 1024 * 1024 * 1024);
		http_header_add(req, "X-Lost", SLICE("1"));
		http_reply(req, 200, SLICE("not seen"));
	} else if (slice_eq_cstr(req->path, "/whoami")) {
		http_reply(req, 200,
		    slice_cstr(arena_printf(req->arena, "%s %s %s", req->peer, req->tls ? "tls" : "plain",
		        req->peer_cert != NULL ? req->peer_cert : "nobody")));
	} else if (slice_eq_cstr(req->path, "/query")) {
		do_query(req);
	} else if (!slice_eq_cstr(req->path, "/silent")) {
		http_reply(req, 404, SLICE("nothing here\n"));
	}
}

static void done(const struct http_req *req, void *ctx)
{
	struct rig *r = ctx;

	atomic_store(&r->last_status, req->status);
	atomic_fetch_add(&r->done, 1);
}

/* ---- the rig ----------------------------------------------------------- */

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void make_file(struct rig *r)
{
	char path[128], *p = malloc(FILE_BYTES);

	assert_non_null(p);
	for (size_t i = 0; i < FILE_BYTES; i++)
		p[i] = (char)rig_pattern(i);
	snprintf(path, sizeof(path), "%s/file", r->dir);
	r->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(r->file, p, FILE_BYTES), FILE_BYTES);
	unlink(path);
	free(p);
}

void rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/berth-http-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	mutex_init(&r->lock);
	cond_init(&r->wake);
	r->o = (struct http_server_options){
	    .name = "test",
	    .net = "tcp",
	    .addr = "127.0.0.1:0",
	    .handler = handler,
	    .done = done,
	    .ctx = r,
	};
	http_limits_default(&r->o.limits);
	r->fds_before = count_fds();
}

void rig_start(struct rig *r)
{
	struct err err;
	const char *colon;

	make_file(r);
	if (http_server_start(&r->o, &r->s, &err) != ERR_OK)
		fail_msg("%s", err.msg);
	colon = strrchr(http_server_address(r->s), ':');
	r->port = colon != NULL ? (int)strtol(colon + 1, NULL, 10) : 0;
}

void rig_stop(struct rig *r)
{
	http_server_stop(&r->s, clock_mono() + 2 * CLOCK_S); /* may have been stopped already */
	assert_null(r->s);
	close(r->file);
	assert_int_equal(count_fds(), r->fds_before);
	rmdir(r->dir);
	mutex_destroy(&r->lock);
	cond_destroy(&r->wake);
}

void rig_wait_blocked(struct rig *r, int n)
{
	int64_t until = clock_mono() + 10 * CLOCK_S;
	bool ok = true;

	mutex_lock(&r->lock);
	while (r->blocked < n && ok)
		ok = cond_wait_until(&r->wake, &r->lock, until);
	ok = r->blocked >= n;
	mutex_unlock(&r->lock);
	assert_true(ok);
}

void rig_release(struct rig *r)
{
	mutex_lock(&r->lock);
	r->released = true;
	cond_broadcast(&r->wake);
	mutex_unlock(&r->lock);
}

/* ---- the client -------------------------------------------------------- */

int dial_from(const struct rig *r, const char *local)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)r->port)};
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct timeval tv = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (local != NULL) {
		inet_pton(AF_INET, local, &from.sin_addr);
		assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	}
	inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

int dial(const struct rig *r)
{
	return dial_from(r, NULL);
}

void put_bytes(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t k = send(fd, at, n, MSG_NOSIGNAL);

		if (k < 0)
			fail_msg("send: %s", strerror(errno));
		at += k;
		n -= (size_t)k;
	}
}

void put(int fd, const char *text)
{
	put_bytes(fd, text, strlen(text));
}

bool closed_within(int fd, int64_t time)
{
	int64_t until = clock_mono() + time;
	char buf[4096];

	for (;;) {
		int64_t left = (until - clock_mono()) / CLOCK_MS;
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return false;
		if (recv(fd, buf, sizeof(buf), 0) <= 0)
			return true;
	}
}

static bool read_exact(int fd, char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = recv(fd, p, n, 0);

		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

/* One byte at a time up to CR LF; the client's speed does not matter. */
static bool read_line(int fd, char *p, size_t cap)
{
	size_t n = 0;

	while (n + 1 < cap && read_exact(fd, p + n, 1)) {
		n++;
		p[n] = '\0';
		if (n >= 2 && p[n - 2] == '\r' && p[n - 1] == '\n')
			return true;
	}
	return false;
}

static void append(struct answer *a, int fd, size_t n)
{
	a->body = realloc(a->body, a->n + n + 1);
	assert_non_null(a->body);
	assert_true(read_exact(fd, a->body + a->n, n));
	a->n += n;
	a->body[a->n] = '\0';
}

static void read_chunks(int fd, struct answer *a)
{
	char line[64];
	size_t n;

	for (;;) {
		if (!read_line(fd, line, sizeof(line))) {
			a->status = -2; /* the stream broke off */
			return;
		}
		n = (size_t)strtoul(line, NULL, 16);
		append(a, fd, n);
		assert_true(read_line(fd, line, sizeof(line)));
		assert_string_equal(line, "\r\n");
		if (n == 0)
			return;
	}
}

void answer_read(int fd, struct answer *a, bool head_only)
{
	size_t n = 0;
	const char *length;

	*a = (struct answer){.status = -1};
	append(a, fd, 0);
	for (;;) {
		if (!read_line(fd, a->head + n, sizeof(a->head) - n))
			return;
		if (strcmp(a->head + n, "\r\n") == 0)
			break;
		n += strlen(a->head + n);
	}
	assert_memory_equal(a->head, "HTTP/1.1 ", 9);
	a->status = (int)strtol(a->head + 9, NULL, 10);
	a->chunked = strstr(a->head, "\r\nTransfer-Encoding: chunked\r\n") != NULL;
	if (head_only || a->status == 204 || a->status == 304 || a->status == 100)
		return;
	length = strstr(a->head, "\r\nContent-Length: ");
	if (a->chunked) {
		read_chunks(fd, a);
	} else if (length != NULL) {
		append(a, fd, (size_t)strtoul(length + 18, NULL, 10));
	} else {
		char buf[4096];
		ssize_t k;

		while ((k = recv(fd, buf, sizeof(buf), MSG_PEEK)) > 0)
			append(a, fd, (size_t)k);
	}
}

void answer_free(struct answer *a)
{
	free(a->body);
	a->body = NULL;
}

bool answer_has(const struct answer *a, const char *line)
{
	char want[512];

	snprintf(want, sizeof(want), "\r\n%s\r\n", line);
	return strstr(a->head, want) != NULL;
}

int ask(const struct rig *r, const char *text)
{
	struct answer a;
	int fd = dial(r);

	put(fd, text);
	answer_read(fd, &a, strncmp(text, "HEAD", 4) == 0);
	answer_free(&a);
	close(fd);
	return a.status;
}

void expect(const struct rig *r, const char *text, int status, const char *line, const char *body)
{
	struct answer a;
	int fd = dial(r);

	put(fd, text);
	answer_read(fd, &a, strncmp(text, "HEAD", 4) == 0);
	if (a.status != status)
		fail_msg("%s\n-> %d, not %d\n%s", text, a.status, status, a.head);
	if (line != NULL && !answer_has(&a, line))
		fail_msg("%s\n-> no '%s' in\n%s", text, line, a.head);
	if (body != NULL)
		assert_string_equal(a.body, body);
	answer_free(&a);
	close(fd);
}

void nap(int64_t time)
{
	struct timespec ts = {.tv_sec = time / CLOCK_S, .tv_nsec = time % CLOCK_S};

	nanosleep(&ts, NULL);
}
