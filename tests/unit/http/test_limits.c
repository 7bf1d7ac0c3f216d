/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_limits.c - slow, hostile and too many peers: every limit of struct
 * http_limits, and that others do not suffer from who runs into one.
 */
#include "harness.h"

#include "base/metric.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define H "Host: t\r\n"

/* The value of a sample line of /metrics that starts like this. */
static double metric(const char *sample)
{
	struct buf b = BUF_INIT(1 << 20);
	const char *at;
	double v = 0;

	metric_write(&b);
	at = strstr(buf_cstr(&b), sample);
	if (at != NULL)
		v = strtod(at + strlen(sample), NULL);
	buf_free(&b);
	return v;
}

#define REFUSED(reason) metric("berth_http_refused_total{reason=\"" reason "\"} ")
#define CLOSED(reason) metric("berth_http_closed_total{reason=\"" reason "\"} ")

static void head_size_and_fields(void **state)
{
	struct rig r;
	struct buf b = BUF_INIT(1 << 20);
	double before = REFUSED("head_too_large");

	rig_init(&r);
	r.o.limits.head_bytes = 2000;
	r.o.limits.head_fields = 10;
	rig_start(&r);
	/* One field over the limit, complete and incomplete. */
	for (int whole = 0; whole < 2; whole++) {
		buf_clear(&b);
		buf_adds(&b, "GET /hello HTTP/1.1\r\n" H "X: ");
		for (int i = 0; i < 2500; i++)
			buf_addc(&b, 'x');
		buf_adds(&b, whole ? "\r\n\r\n" : "");
		assert_int_equal(ask(&r, buf_cstr(&b)), 431);
	}
	assert_true(REFUSED("head_too_large") == before + 2);
	/* The request line alone. */
	buf_clear(&b);
	buf_adds(&b, "GET /");
	for (int i = 0; i < 2500; i++)
		buf_addc(&b, 'x');
	assert_int_equal(ask(&r, buf_cstr(&b)), 414);
	buf_clear(&b);
	buf_adds(&b, "GET /hello HTTP/1.1\r\n" H);
	for (int i = 0; i < 10; i++)
		buf_adds(&b, "X: y\r\n");
	buf_adds(&b, "\r\n");
	assert_int_equal(ask(&r, buf_cstr(&b)), 431);
	buf_free(&b);
	rig_stop(&r);
}

static void slow_head_gets_408(void **state)
{
	struct rig r;
	struct answer a;
	double before = CLOSED("head_timeout");
	int64_t start;
	int fd, silent;

	rig_init(&r);
	r.o.limits.head_timeout = 400 * CLOCK_MS;
	rig_start(&r);
	silent = dial(&r);
	fd = dial(&r);
	start = clock_mono();
	put(fd, "GET / HTTP/1.1\r\n");
	/* The deadline is absolute: further bytes do not move it. */
	for (int i = 0; i < 3; i++) {
		nap(100 * CLOCK_MS);
		put(fd, "X: y\r\n");
	}
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 408);
	answer_free(&a);
	assert_true(clock_mono() - start >= 400 * CLOCK_MS);
	assert_true(clock_mono() - start < 2 * CLOCK_S);
	assert_true(closed_within(fd, CLOCK_S));
	/* Who has not begun is merely idle. */
	assert_false(closed_within(silent, 300 * CLOCK_MS));
	close(silent);
	close(fd);
	EVENTUALLY(CLOSED("head_timeout") == before + 1);
	rig_stop(&r);
}

static void idle_connections_are_closed(void **state)
{
	struct rig r;
	struct answer a;
	double before = CLOSED("idle_timeout");
	char c;
	int fd;

	rig_init(&r);
	r.o.limits.idle_timeout = 300 * CLOCK_MS;
	rig_start(&r);
	fd = dial(&r);
	put(fd, "GET /hello HTTP/1.1\r\n" H "\r\n");
	answer_read(fd, &a, false);
	answer_free(&a);
	assert_int_equal(recv(fd, &c, 1, 0), 0); /* and no answer */
	close(fd);
	EVENTUALLY(CLOSED("idle_timeout") == before + 1);
	rig_stop(&r);
}

static void slow_bodies_end(void **state)
{
	struct rig r;
	struct answer a;
	double before = CLOSED("body_too_slow");
	int64_t start;
	int fd;

	rig_init(&r);
	r.o.limits.rate_grace = 500 * CLOCK_MS;
	r.o.limits.rate_min = 1000;
	rig_start(&r);
	fd = dial(&r);
	put(fd, "PUT /count HTTP/1.1\r\n" H "Content-Length: 1000000\r\n\r\n");
	start = clock_mono();
	/* A trickle, so that no single read times out. */
	for (int i = 0; i < 20 && http_server_active(r.s) + (i == 0) > 0; i++) {
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
		nap(50 * CLOCK_MS);
	}
	answer_read(fd, &a, false);
	assert_int_equal(a.status, 400);
	assert_string_equal(a.body, "timeout");
	assert_true(clock_mono() - start < 5 * CLOCK_S);
	answer_free(&a);
	close(fd);
	EVENTUALLY(CLOSED("body_too_slow") == before + 1);
	/* A little faster than the minimum is enough, for as long as it takes. */
	fd = dial(&r);
	put(fd, "PUT /count HTTP/1.1\r\n" H "Content-Length: 2400\r\n\r\n");
	for (int i = 0; i < 24; i++) {
		char piece[100];

		memset(piece, 'x', sizeof(piece));
		put_bytes(fd, piece, sizeof(piece));
		nap(50 * CLOCK_MS);
	}
	answer_read(fd, &a, false);
	assert_string_equal(a.body, "2400");
	answer_free(&a);
	close(fd);
	rig_stop(&r);
}

static void slow_readers_end(void **state)
{
	struct rig r;
	double before = CLOSED("reader_too_slow");
	int fd, small = 4096;

	rig_init(&r);
	r.o.limits.rate_grace = 300 * CLOCK_MS;
	rig_start(&r);
	fd = dial(&r);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (int i = 0; i < 8; i++)
		put(fd, "GET /file HTTP/1.1\r\n" H "\r\n");
	EVENTUALLY(CLOSED("reader_too_slow") == before + 1);
	assert_int_equal(http_server_connections(r.s), 0);
	close(fd);
	rig_stop(&r);
}

static void threads_are_capped(void **state)
{
	struct rig r;
	struct answer a;
	int fds[3];

	rig_init(&r);
	r.o.limits.threads = 4;
	r.o.limits.threads_reserved = 2;
	rig_start(&r);
	for (int i = 0; i < 2; i++) {
		fds[i] = dial(&r);
		put(fds[i], "GET /block HTTP/1.1\r\n" H "\r\n");
	}
	rig_wait_blocked(&r, 2);
	/* No more uploads, but requests without a body. */
	expect(&r, "PUT /count HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", 503, "Retry-After: 5", NULL);
	EVENTUALLY(http_server_active(r.s) == 2);
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, NULL, NULL);
	EVENTUALLY(http_server_active(r.s) == 2); /* the answer is there before its thread is free */
	fds[2] = dial(&r);
	put(fds[2], "GET /block HTTP/1.1\r\n" H "\r\n");
	rig_wait_blocked(&r, 3);
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, NULL, NULL);
	EVENTUALLY(http_server_active(r.s) == 3);
	int last = dial(&r);
	put(last, "GET /block HTTP/1.1\r\n" H "\r\n");
	rig_wait_blocked(&r, 4);
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 503, "Retry-After: 5", NULL);
	rig_release(&r);
	for (int i = 0; i < 3; i++) {
		answer_read(fds[i], &a, false);
		assert_int_equal(a.status, 200);
		answer_free(&a);
		close(fds[i]);
	}
	answer_read(last, &a, false);
	answer_free(&a);
	close(last);
	EVENTUALLY(http_server_active(r.s) == 0);
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, NULL, NULL);
	rig_stop(&r);
}

static void connections_are_capped(void **state)
{
	enum { CAP = 4 };
	struct rig r;
	struct answer a;
	double shed = CLOSED("shed");
	int fds[CAP], extra;

	rig_init(&r);
	r.o.limits.connections = CAP;
	rig_start(&r);
	for (int i = 0; i < CAP; i++) {
		fds[i] = dial(&r);
		put(fds[i], "GET /block HTTP/1.1\r\n" H "\r\n");
	}
	rig_wait_blocked(&r, CAP);
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 503, "Retry-After: 5", NULL);
	rig_release(&r);
	for (int i = 0; i < CAP; i++) {
		answer_read(fds[i], &a, false);
		answer_free(&a);
	}
	/* Now they are idle: one more is served, at their expense. */
	EVENTUALLY(http_server_connections(r.s) == CAP);
	extra = dial(&r);
	put(extra, "GET /hello HTTP/1.1\r\n" H "\r\n");
	answer_read(extra, &a, false);
	assert_int_equal(a.status, 200);
	answer_free(&a);
	EVENTUALLY(CLOSED("shed") > shed);
	assert_true(closed_within(fds[0], CLOCK_S));
	for (int i = 0; i < CAP; i++)
		close(fds[i]);
	close(extra);
	rig_stop(&r);
}

static void addresses_are_capped(void **state)
{
	struct rig r;
	struct answer a;
	int first, second, other;

	rig_init(&r);
	r.o.limits.connections_per_address = 2;
	rig_start(&r);
	first = dial(&r);
	second = dial(&r);
	EVENTUALLY(http_server_connections(r.s) == 2);
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 429, "Retry-After: 5", NULL);
	other = dial_from(&r, "127.0.0.2");
	put(other, "GET /hello HTTP/1.1\r\n" H "\r\n");
	answer_read(other, &a, false);
	assert_int_equal(a.status, 200);
	answer_free(&a);
	close(first);
	EVENTUALLY(http_server_connections(r.s) == 2); /* second and other */
	expect(&r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, NULL, NULL);
	close(second);
	close(other);
	rig_stop(&r);
}

/* Without descriptors left, idle connections make room for new ones. */
static void descriptors_run_out(void **state)
{
	enum { N = 60 };
	struct rig r;
	struct answer a;
	struct rlimit old, low;
	int fds[N], first_free, last;

	rig_init(&r);
	rig_start(&r);
	for (int i = 0; i < N; i++) {
		fds[i] = dial(&r);
		put(fds[i], "GET /hello HTTP/1.1\r\n" H "\r\n");
		answer_read(fds[i], &a, false);
		answer_free(&a);
	}
	EVENTUALLY(http_server_connections(r.s) == N);
	/* One descriptor for the client's side of the next connection, none
	 * for the server's. */
	first_free = dup(0);
	close(first_free);
	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	low.rlim_cur = (rlim_t)first_free + 1;
	setrlimit(RLIMIT_NOFILE, &low);
	last = dial(&r);
	put(last, "GET /hello HTTP/1.1\r\n" H "\r\n");
	answer_read(last, &a, false);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(a.status, 200);
	answer_free(&a);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	close(last);
	rig_stop(&r);
}

static int64_t time_of_request(const struct rig *r)
{
	int64_t start = clock_mono(), worst = 0;

	for (int i = 0; i < 20; i++) {
		int64_t before = clock_mono();

		expect(r, "GET /hello HTTP/1.1\r\n" H "\r\n", 200, NULL, "hello\n");
		if (clock_mono() - before > worst)
			worst = clock_mono() - before;
	}
	print_message("20 requests in %lld us, the slowest %lld us\n", (long long)((clock_mono() - start) / 1000),
	    (long long)(worst / 1000));
	return worst;
}

/* Many clients that send their heads and bodies a byte at a time. */
static void slow_crowd_does_not_slow_others(void **state)
{
	enum { N = 1000 };
	struct rig r;
	struct rlimit rl;
	int *fds, *bodies;

	getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_max < 6 * N) {
		print_message("skipped: needs %d descriptors\n", 6 * N);
		return;
	}
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	fds = calloc(2 * N, sizeof(*fds));
	assert_non_null(fds);
	bodies = fds + N;
	rig_init(&r);
	rig_start(&r);
	for (int i = 0; i < N; i++) {
		fds[i] = dial(&r);
		put(fds[i], "GET /hello HTTP/1.1\r\nX");
		bodies[i] = dial(&r);
		put(bodies[i], "PUT /count HTTP/1.1\r\n" H "Content-Length: 1000\r\n\r\nx");
	}
	EVENTUALLY(http_server_active(r.s) == N);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			put(fds[i], "y");
			put(bodies[i], "y");
		}
		/* Generous, for a loaded machine: what must not happen is
		 * waiting for a slow one, which takes seconds. */
		assert_true(time_of_request(&r) < CLOCK_S);
	}
	for (int i = 0; i < 2 * N; i++)
		close(fds[i]);
	free(fds);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(head_size_and_fields),
	    cmocka_unit_test(slow_head_gets_408),
	    cmocka_unit_test(idle_connections_are_closed),
	    cmocka_unit_test(slow_bodies_end),
	    cmocka_unit_test(slow_readers_end),
	    cmocka_unit_test(threads_are_capped),
	    cmocka_unit_test(connections_are_capped),
	    cmocka_unit_test(addresses_are_capped),
	    cmocka_unit_test(descriptors_run_out),
	    cmocka_unit_test(slow_crowd_does_not_slow_others),
	};

	http_metrics_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
