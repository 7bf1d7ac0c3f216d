/* SPDX-License-Identifier: Apache-2.0 */
/* Health checks against real files, sockets and a real HTTP server. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "http/server.h"
#include "jobs/health.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define SOON (10 * CLOCK_MS)
#define LONG (3600 * CLOCK_S)

static struct health *started(struct health *h)
{
	struct err err = {0};

	assert_int_equal(health_start(h, &err), ERR_OK);
	return h;
}

/* Waits until health_ok says this; the last reason is left in `why`. */
static bool becomes(struct health *h, bool ok, char why[512])
{
	int64_t deadline = clock_mono() + 10 * CLOCK_S;

	why[0] = '\0';
	while (health_ok(h, why, 512) != ok)
		if (clock_mono() > deadline)
			return false;
		else
			usleep(1000);
	return true;
}

static void append(const char *name, const char *message, void *arg)
{
	buf_addf(arg, "%s=%s;", name, message);
}

static void without_checks_all_is_well(void **state)
{
	struct health *h = started(health_new());
	char why[512];

	assert_true(health_ok(h, why, sizeof(why)));
	health_free(&h);
	assert_null(h);
}

static void a_file_means_failure_while_it_exists(void **state)
{
	char path[] = "/tmp/berth-health-XXXXXX", why[512];
	struct health *h = health_new();
	struct buf failing = BUF_INIT(4096);
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	health_add_file(h, path, SOON);
	started(h);
	assert_true(becomes(h, false, why));
	assert_non_null(strstr(why, path));
	assert_non_null(strstr(why, "file exists"));
	health_each_failing(h, append, &failing);
	assert_non_null(strstr(buf_cstr(&failing), "=file exists;"));
	unlink(path);
	assert_true(becomes(h, true, why));
	buf_clear(&failing);
	health_each_failing(h, append, &failing);
	assert_string_equal(buf_cstr(&failing), "");
	buf_free(&failing);
	health_free(&h);
}

/* A socket bound to a port of the loopback address; listens when asked to. */
static int bound(bool listening, char addr[64])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	if (listening)
		assert_int_equal(listen(fd, 8), 0);
	snprintf(addr, 64, "127.0.0.1:%d", ntohs(a.sin_port));
	return fd;
}

static void tcp_fails_while_nobody_listens(void **state)
{
	struct health *h = health_new();
	char addr[64], why[512];
	int fd = bound(false, addr);

	health_add_tcp(h, addr, CLOCK_S, SOON, 0);
	started(h);
	assert_true(becomes(h, false, why));
	assert_non_null(strstr(why, addr));
	assert_int_equal(listen(fd, 8), 0);
	assert_true(becomes(h, true, why));
	health_free(&h);
	close(fd);
}

static void tcp_names_what_is_no_address(void **state)
{
	struct health *h = health_new();
	char why[512];

	health_add_tcp(h, "nonsense", CLOCK_S, LONG, 0);
	started(h);
	assert_true(becomes(h, false, why));
	assert_non_null(strstr(why, "nonsense"));
	health_free(&h);
}

static _Atomic int calls, failures_to_come;

static enum err_code fail_some(void *arg, struct err *err)
{
	calls++;
	if (failures_to_come > 0) {
		failures_to_come--;
		return err_set(err, ERR_IO, "the disk is gone");
	}
	return ERR_OK;
}

static void the_threshold_counts_failures_in_a_row(void **state)
{
	struct health *h = health_new();
	char why[512];

	calls = 0;
	failures_to_come = 2;
	health_add_call(h, "disk", SOON, 3, fail_some, NULL);
	started(h);
	for (int64_t end = clock_mono() + 10 * CLOCK_S; calls < 6 && clock_mono() < end;)
		assert_true(health_ok(h, why, sizeof(why)));
	assert_true(calls >= 6);
	failures_to_come = 1000000;
	assert_true(becomes(h, false, why));
	assert_true(1000000 - failures_to_come >= 3);
	assert_string_equal(why, "disk: the disk is gone");
	failures_to_come = 0;
	assert_true(becomes(h, true, why));
	health_free(&h);
}

/* ---- http ------------------------------------------------------------------------ */

static _Atomic int status_to_give = 200;
static _Atomic bool slow;

static void answer(struct http_req *req, void *ctx)
{
	if (slow) {
		http_may_block(req);
		usleep(1000 * 1000);
	}
	if (req->method != HTTP_HEAD || !slice_eq_cstr(http_header(req, "X-Check"), "yes"))
		http_reply(req, 400, SLICE(""));
	else
		http_reply(req, status_to_give, SLICE(""));
}

static struct http_server *http_start(void)
{
	struct http_server_options o = {.name = "test", .addr = "127.0.0.1:0", .listen_fd = -1, .handler = answer};
	struct http_server *server = NULL;
	struct err err;

	http_limits_default(&o.limits);
	assert_int_equal(http_server_start(&o, &server, &err), ERR_OK);
	return server;
}

static void http_expects_a_status(void **state)
{
	const char *fields[] = {"X-Check: yes"};
	struct http_server *server = http_start();
	struct health *h = health_new();
	char uri[128], why[512];

	snprintf(uri, sizeof(uri), "http://user:secret@%s/up", http_server_address(server));
	status_to_give = 204;
	health_add_http(h, &(struct health_http){.uri = uri,
	                       .fields = fields,
	                       .nfields = 1,
	                       .status = 204,
	                       .timeout = 5 * CLOCK_S,
	                       .interval = SOON,
	                       .threshold = 1});
	started(h);
	usleep(100 * 1000);
	assert_true(health_ok(h, why, sizeof(why)));
	status_to_give = 503;
	assert_true(becomes(h, false, why));
	assert_non_null(strstr(why, "503"));
	assert_non_null(strstr(why, "/up"));
	assert_null(strstr(why, "secret"));
	status_to_give = 204;
	assert_true(becomes(h, true, why));
	http_server_stop(&server, clock_mono() + CLOCK_S);
	assert_true(becomes(h, false, why));
	health_free(&h);
}

static void stopping_does_not_wait_for_others(void **state)
{
	struct http_server *server = http_start();
	struct health *h = health_new();
	char uri[128];
	int64_t began;

	snprintf(uri, sizeof(uri), "http://%s/", http_server_address(server));
	slow = true;
	health_add_http(h, &(struct health_http){.uri = uri, .status = 200, .timeout = 30 * CLOCK_S, .interval = LONG});
	/* No host of TEST-NET-1 answers; where there is no route this fails at once, which is as good. */
	health_add_tcp(h, "192.0.2.1:9", 30 * CLOCK_S, LONG, 0);
	started(h);
	usleep(100 * 1000);
	began = clock_mono();
	health_free(&h);
	assert_true(clock_mono() - began < 5 * CLOCK_S);
	http_server_stop(&server, clock_mono() + 5 * CLOCK_S);
	slow = false;
}

static void the_gauge_follows(void **state)
{
	struct health *h = health_new();
	struct buf text = BUF_INIT(1 << 20);
	char why[512];

	failures_to_come = 1000000;
	health_add_call(h, "gauge", SOON, 0, fail_some, NULL);
	started(h);
	assert_true(becomes(h, false, why));
	metric_write(&text);
	assert_non_null(strstr(buf_cstr(&text), "berth_health_check_failing{check=\"gauge\"} 1\n"));
	failures_to_come = 0;
	assert_true(becomes(h, true, why));
	health_free(&h);
	buf_clear(&text);
	metric_write(&text);
	assert_non_null(strstr(buf_cstr(&text), "berth_health_check_failing{check=\"gauge\"} 0\n"));
	buf_free(&text);
}

static int setup(void **state)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	log_setup(&(struct log_options){.level = LOG_LVL_ERROR, .fd = nowhere});
	health_metrics_register();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_checks_all_is_well),
	    cmocka_unit_test(a_file_means_failure_while_it_exists),
	    cmocka_unit_test(tcp_fails_while_nobody_listens),
	    cmocka_unit_test(tcp_names_what_is_no_address),
	    cmocka_unit_test(the_threshold_counts_failures_in_a_row),
	    cmocka_unit_test(http_expects_a_status),
	    cmocka_unit_test(stopping_does_not_wait_for_others),
	    cmocka_unit_test(the_gauge_follows),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
