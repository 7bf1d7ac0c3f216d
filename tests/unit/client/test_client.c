/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against a server of ours that answers as the path says. */
#include "base/clock.h"
#include "base/sync.h"
#include "client/client.h"
#include "http/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static struct http_server *server;
static char base[64];
static _Atomic int connections_seen_port;

static void answer(struct http_req *req, void *ctx)
{
	struct err err;
	struct slice body = SLICE_NONE;

	connections_seen_port = req->peer_port;
	if (slice_eq_cstr(req->path, "/slow")) {
		http_may_block(req);
		usleep(1500 * 1000);
		http_reply(req, 200, SLICE("late"));
	} else if (slice_eq_cstr(req->path, "/redirect")) {
		http_header_set(req, "Location", SLICE("/status/204"));
		http_reply(req, 302, SLICE(""));
	} else if (slice_eq_cstr(req->path, "/loop")) {
		http_header_set(req, "Location", SLICE("/loop"));
		http_reply(req, 302, SLICE(""));
	} else if (slice_eq_cstr(req->path, "/to-file")) {
		http_header_set(req, "Location", SLICE("file:///etc/hostname"));
		http_reply(req, 302, SLICE(""));
	} else if (slice_starts(req->path, SLICE("/status/"))) {
		uint64_t status = 0;

		assert_true(slice_u64(slice_from(req->path, 8), 599, &status));
		http_reply(req, (int)status, SLICE(""));
	} else if (slice_eq_cstr(req->path, "/echo")) {
		if (http_body_read_all(req, 1 << 20, &body, &err) != ERR_OK)
			return;
		http_reply(req, 200,
		    slice_cstr(arena_printf(req->arena, "%.*s|%.*s|%.*s", SLICE_ARG(req->method_text),
		        SLICE_ARG(http_header(req, "X-Test")), SLICE_ARG(body))));
	} else {
		http_reply(req, 404, SLICE("nothing here"));
	}
}

static int start(void **state)
{
	struct http_server_options o = {.name = "test", .addr = "127.0.0.1:0", .listen_fd = -1, .handler = answer};
	struct err err;

	http_limits_default(&o.limits);
	if (http_server_start(&o, &server, &err) != ERR_OK)
		return -1;
	snprintf(base, sizeof(base), "http://%s", http_server_address(server));
	return 0;
}

static int stop(void **state)
{
	http_server_stop(&server, clock_mono() + 5 * CLOCK_S);
	return 0;
}

static struct client *new_client(void)
{
	struct client *c = NULL;
	struct err err = {0};

	assert_int_equal(client_new(&c, &err), ERR_OK);
	return c;
}

/* One request to a path of the server with a client of its own; the message of
 * a failure is left in *err. */
static enum err_code ask(struct client_request r, const char *path, struct client_answer *out, struct err *err)
{
	struct client *c = new_client();
	char url[128];
	enum err_code code;

	snprintf(url, sizeof(url), "%s%s", base, path);
	r.url = url;
	r.method = r.method ? r.method : "GET";
	r.timeout = r.timeout ? r.timeout : 20 * CLOCK_S;
	code = client_perform(c, &r, out, err);
	client_free(&c);
	assert_null(c);
	return code;
}

static void method_fields_and_body_arrive(void **state)
{
	const char *fields[] = {"X-Test: yes"};
	struct client_request r = {
	    .method = "PUT", .fields = fields, .nfields = 1, .body = SLICE("some body"), .body_max = 1000};
	struct client_answer a;
	struct err err;

	assert_int_equal(ask(r, "/echo", &a, &err), ERR_OK);
	assert_int_equal(a.status, 200);
	assert_string_equal(buf_cstr(&a.body), "PUT|yes|some body");
	buf_free(&a.body);
}

static void every_status_is_an_answer(void **state)
{
	const int statuses[] = {200, 204, 301, 404, 500, 503};
	struct client_answer a;
	struct err err;
	char path[32];

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		snprintf(path, sizeof(path), "/status/%d", statuses[i]);
		assert_int_equal(ask((struct client_request){.method = "HEAD"}, path, &a, &err), ERR_OK);
		assert_int_equal(a.status, statuses[i]);
		buf_free(&a.body);
	}
}

static void redirects_are_followed_when_allowed(void **state)
{
	struct client_answer a;
	struct err err = {0};

	assert_int_equal(ask((struct client_request){0}, "/redirect", &a, &err), ERR_OK);
	assert_int_equal(a.status, 302);
	buf_free(&a.body);
	assert_int_equal(ask((struct client_request){.redirects = 3}, "/redirect", &a, &err), ERR_OK);
	assert_int_equal(a.status, 204);
	buf_free(&a.body);
	assert_int_equal(ask((struct client_request){.redirects = 3}, "/loop", &a, &err), ERR_IO);
	assert_int_equal(ask((struct client_request){.redirects = 3}, "/to-file", &a, &err), ERR_INVALID);
}

static void a_large_answer_is_refused(void **state)
{
	struct client_answer a;
	struct err err = {0};

	assert_int_equal(ask((struct client_request){.body_max = 4}, "/nothing", &a, &err), ERR_TOO_LARGE);
	assert_non_null(strstr(err.msg, "4 bytes"));
	assert_int_equal(ask((struct client_request){.body_max = 12}, "/nothing", &a, &err), ERR_OK);
	assert_string_equal(buf_cstr(&a.body), "nothing here");
	buf_free(&a.body);
}

static void the_timeout_holds(void **state)
{
	struct client_answer a;
	struct err err = {0};
	int64_t started = clock_mono();

	assert_int_equal(ask((struct client_request){.timeout = 200 * CLOCK_MS}, "/slow", &a, &err), ERR_TIMEOUT);
	assert_true(clock_mono() - started < CLOCK_S);
	assert_non_null(strstr(err.msg, "127.0.0.1"));
}

static void errors_do_not_show_credentials(void **state)
{
	struct client_request r = {
	    .method = "GET", .url = "http://user:secret@127.0.0.1:1/path?token=secret", .timeout = 5 * CLOCK_S};
	struct client *c = new_client();
	struct client_answer a;
	struct err err = {0};

	assert_int_equal(client_perform(c, &r, &a, &err), ERR_IO);
	assert_null(strstr(err.msg, "secret"));
	assert_non_null(strstr(err.msg, "127.0.0.1:1"));
	r.url = "ftp://127.0.0.1/";
	assert_int_equal(client_perform(c, &r, &a, &err), ERR_INVALID);
	client_free(&c);
}

static void connections_are_kept(void **state)
{
	struct client *c = new_client();
	struct client_request r = {.method = "GET", .timeout = 5 * CLOCK_S};
	struct client_answer a;
	struct err err;
	char url[128];
	int port;

	snprintf(url, sizeof(url), "%s/status/200", base);
	r.url = url;
	assert_int_equal(client_perform(c, &r, &a, &err), ERR_OK);
	buf_free(&a.body);
	port = connections_seen_port;
	assert_int_equal(client_perform(c, &r, &a, &err), ERR_OK);
	buf_free(&a.body);
	assert_int_equal(port, connections_seen_port);
	client_free(&c);
}

static void *cancel_soon(void *arg)
{
	usleep(200 * 1000);
	client_cancel(arg);
	return NULL;
}

static void cancelling_ends_it_at_once(void **state)
{
	struct client *c = new_client();
	struct client_request r = {.method = "GET", .timeout = 20 * CLOCK_S};
	struct client_answer a;
	struct err err;
	char url[128];
	pthread_t thread;
	int64_t started = clock_mono();

	snprintf(url, sizeof(url), "%s/slow", base);
	r.url = url;
	assert_int_equal(thread_start(&thread, "cancel", 65536, false, cancel_soon, c), 0);
	assert_int_equal(client_perform(c, &r, &a, &err), ERR_CLOSED);
	assert_true(clock_mono() - started < CLOCK_S);
	assert_int_equal(client_perform(c, &r, &a, &err), ERR_CLOSED);
	pthread_join(thread, NULL);
	client_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(method_fields_and_body_arrive),
	    cmocka_unit_test(every_status_is_an_answer),
	    cmocka_unit_test(redirects_are_followed_when_allowed),
	    cmocka_unit_test(a_large_answer_is_refused),
	    cmocka_unit_test(the_timeout_holds),
	    cmocka_unit_test(errors_do_not_show_credentials),
	    cmocka_unit_test(connections_are_kept),
	    cmocka_unit_test(cancelling_ends_it_at_once),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
