/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_location.c - the URLs that answers point to, from a real registry behind
 * a real server: what the configuration, a proxy and the client say, in all
 * their combinations and misspellings.
 */
#include "../base/unit.h"
#include "../storage/place.h"

#include "http/server.h"
#include "registry/registry.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

struct rig {
	char place[PLACE_MAX];
	struct storage *storage;
	struct meta *meta;
	struct registry *registry;
	struct http_server *server;
	struct registry_options o;
	char answer[8192];
	char value[2048];
};

static int set_up(void **state)
{
	struct rig *r = xcalloc(1, sizeof(*r));
	char path[PLACE_MAX + 16];
	struct err err = {0};

	place_make(r->place);
	assert_ok(storage_fs_open(r->place, &r->storage, &err));
	snprintf(path, sizeof(path), "%s/meta.db", r->place);
	assert_ok(meta_open(&(struct meta_options){.path = path}, &r->meta, &err));
	*state = r;
	return 0;
}

static void rig_start(struct rig *r)
{
	struct http_server_options s = {.name = "main", .addr = "127.0.0.1:0", .handler = registry_handle};
	struct err err = {0};

	r->o.meta = r->meta;
	r->o.storage = r->storage;
	assert_ok(registry_new(&r->o, &r->registry, &err));
	http_limits_default(&s.limits);
	s.ctx = r->registry;
	assert_ok(http_server_start(&s, &r->server, &err));
}

static void rig_stop(struct rig *r)
{
	http_server_stop(&r->server, clock_mono() + 10 * CLOCK_S);
	registry_free(&r->registry);
	r->o = (struct registry_options){0};
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	meta_close(&r->meta);
	storage_free(&r->storage);
	place_remove(r->place);
	free(r);
	return 0;
}

/* Sends a request; the value of this field of the answer, "" without. */
static const char *ask(struct rig *r, const char *request, const char *field)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const char *port = strrchr(http_server_address(r->server), ':'), *at;
	char name[64];
	size_t n = 0;
	ssize_t got;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_port = htons((uint16_t)strtoul(port + 1, NULL, 10));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	while ((got = recv(fd, r->answer + n, sizeof(r->answer) - 1 - n, 0)) > 0)
		n += (size_t)got;
	close(fd);
	r->answer[n] = '\0';
	snprintf(name, sizeof(name), "\r\n%s: ", field);
	at = strstr(r->answer, name);
	r->value[0] = '\0';
	if (at) {
		at += strlen(name);
		snprintf(r->value, sizeof(r->value), "%.*s", (int)strcspn(at, "\r"), at);
	}
	return r->value;
}

/* The Location of a new upload, up to its id. */
static const char *opened(struct rig *r, const char *prefix, const char *head)
{
	char request[4096];
	const char *value;

	snprintf(request, sizeof(request),
	    "POST %sv2/a/b-c/blobs/uploads/ HTTP/1.1\r\n%sContent-Length: 0\r\nConnection: close\r\n\r\n", prefix,
	    head);
	value = ask(r, request, "Location");
	if (strncmp(r->answer, "HTTP/1.1 202 ", 13) != 0)
		fail_msg("%s\n%s", request, r->answer);
	assert_true(strlen(value) > 36);
	r->value[strlen(value) - 36] = '\0';
	return value;
}

#define UPLOADS "/v2/a/b-c/blobs/uploads/"

/* Forwarded, then X-Forwarded-*, then Host; nonsense is as good as nothing. */
static void test_bases(void **state)
{
	static const struct {
		const char *head, *want;
	} rows[] = {
	    {"Host: h\r\n", "http://h"},
	    {"Host: H.example:5000\r\n", "http://H.example:5000"},
	    {"Host: [::1]:5000\r\n", "http://[::1]:5000"},
	    {"Host: h\r\nX-Forwarded-Proto: https\r\n", "https://h"},
	    {"Host: h\r\nX-Forwarded-Proto: HTTPS\r\n", "HTTPS://h"},
	    {"Host: h\r\nX-Forwarded-Proto: https, http\r\n", "https://h"},
	    {"Host: h\r\nX-Forwarded-Proto: ftp\r\n", "http://h"},
	    {"Host: h\r\nX-Forwarded-Proto: \r\n", "http://h"},
	    {"Host: h\r\nX-Forwarded-Host: o.example\r\n", "http://o.example"},
	    {"Host: h\r\nX-Forwarded-Host: one , two\r\n", "http://one"},
	    {"Host: h\r\nX-Forwarded-Host: a/b\r\n", "http://h"},
	    {"Host: h\r\nX-Forwarded-Host: \"x\"\r\n", "http://h"},
	    {"Host: h\r\nX-Forwarded-Host: u@x\r\n", "http://h"},
	    {"Host: h\r\nX-Forwarded-Port: 99\r\nX-Forwarded-Prefix: /p\r\n", "http://h"},
	    {"Host: h\r\nForwarded: host=f.example\r\n", "http://f.example"},
	    {"Host: h\r\nForwarded: for=1.2.3.4; PROTO=https ;Host=\"f.example:1\"\r\n", "https://f.example:1"},
	    {"Host: h\r\nForwarded: host=one;proto=https, host=two;proto=http\r\n", "https://one"},
	    {"Host: h\r\nForwarded: for=x, host=two\r\n", "http://h"},
	    {"Host: h\r\nForwarded: host=f\r\nX-Forwarded-Host: x\r\nX-Forwarded-Proto: https\r\n", "https://f"},
	    {"Host: h\r\nForwarded: proto=https\r\nX-Forwarded-Host: x\r\n", "https://x"},
	    {"Host: h\r\nForwarded: host\r\n", "http://h"},
	    {"Host: h\r\nForwarded: host=\r\n", "http://h"},
	    {"Host: h\r\nForwarded: host=\"\"\r\n", "http://h"},
	    {"Host: h\r\nForwarded: host=\"\r\n", "http://h"},
	    {"Host: h\r\nForwarded: ;;,=;\r\n", "http://h"},
	    {"Host: h\r\nForwarded: host=a b\r\n", "http://h"},
	    {"Host: h\r\nForwarded: for=\"a,b\";proto=https;host=q.example\r\n", "https://q.example"},
	    {"Host: h\r\nForwarded: for=\"a;host=no\";host=q.example\r\n", "http://q.example"},
	    {"Host: h\r\nForwarded: for=\"a\\\",;host=no\";host=q.example, host=two\r\n", "http://q.example"},
	    {"Host: h\r\nForwarded: for=\"a, host=two\r\n", "http://h"},
	    {"Host: h\r\nForwarded: for=\"a\\\r\n", "http://h"},
	    {"Host: h\r\nForwarded: host=one\r\nForwarded: host=two;proto=https\r\n", "http://one"},
	    {"Host: h\r\nForwarded: \r\nForwarded: , host=two;proto=https\r\n", "https://two"},
	};
	struct rig *r = *state;

	rig_start(r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char want[300];

		snprintf(want, sizeof(want), "%s" UPLOADS, rows[i].want);
		if (strcmp(opened(r, "/", rows[i].head), want) != 0)
			fail_msg("%s: %s, not %s", rows[i].head, r->value, want);
	}
	rig_stop(r);
}

/* The configuration decides, over all that anybody says. */
static void test_configured(void **state)
{
	static const struct {
		const char *host, *prefix;
		bool relative;
		const char *want;
	} rows[] = {
	    {NULL, "/", true, UPLOADS},
	    {NULL, "/some/prefix/", true, "/some/prefix" UPLOADS},
	    {NULL, "/some/prefix/", false, "https://x/some/prefix" UPLOADS},
	    {"https://public.test", "/", false, "https://public.test" UPLOADS},
	    {"https://public.test/", "/", true, "https://public.test" UPLOADS},
	    {"https://public.test:99/below//", "/p/", false, "https://public.test:99/below/p" UPLOADS},
	    {"", "/", false, "https://x" UPLOADS},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		r->o.host = rows[i].host;
		r->o.prefix = rows[i].prefix;
		r->o.relative_urls = rows[i].relative;
		rig_start(r);
		assert_string_equal(
		    opened(r, rows[i].prefix, "Host: h\r\nForwarded: host=x;proto=https\r\n"), rows[i].want);
		rig_stop(r);
	}
}

/* What is asked without a Host is answered with what can be said: the path. */
static void test_without_host(void **state)
{
	struct rig *r = *state;
	const char *value;

	rig_start(r);
	value = ask(r, "POST /v2/a/b-c/blobs/uploads/ HTTP/1.0\r\nContent-Length: 0\r\n\r\n", "Location");
	assert_int_equal(strncmp(value, UPLOADS, strlen(UPLOADS)), 0);
	rig_stop(r);
}

/* Links to the next page carry the path as it was asked for, and escape what
 * does not belong into a query. */
static void test_next_page(void **state)
{
	static const char *const names[] = {"a", "a/b", "b"};
	static const char index[] = "{\"schemaVersion\":2,\"manifests\":[]}";
	struct rig *r = *state;
	char request[1000];

	r->o.prefix = "/p/";
	rig_start(r);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(request, sizeof(request),
		    "PUT /p/v2/%s/manifests/t HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		    names[i], strlen(index), index);
		assert_true(strlen(ask(r, request, "Location")) > 0);
		assert_int_equal(strncmp(r->answer, "HTTP/1.1 201 ", 13), 0);
	}
	assert_string_equal(ask(r, "GET /p/v2/_catalog?n=2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "Link"),
	    "</p/v2/_catalog?last=a%2Fb&n=2>; rel=\"next\"");
	assert_string_equal(
	    ask(r, "GET /p/v2/_catalog?last=a%2Fb&n=2 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "Link"), "");
	assert_non_null(strstr(r->answer, "{\"repositories\":[\"b\"]}"));
	rig_stop(r);
}

int main(void)
{
#define RIG_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_bases),
	    RIG_TEST(test_configured),
	    RIG_TEST(test_without_host),
	    RIG_TEST(test_next_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
