/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_controllers.c - the access controllers as a client sees them, behind a
 * real server: auth.h. The headers wanted here are those that registry:2 2.8.2
 * sends, byte for byte.
 */
#include "authtest.h"
#include "signer.h"
#include "auth/auth.h"
#include "auth/pwhash.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/metric.h"
#include "http/server.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct auth *controller; /* what the handler asks; set between requests */
static const struct auth_access *access_list;
static size_t naccess;
static struct http_server *server;
static char answer[16384]; /* the last one, whole */

static void handle(struct http_req *req, void *ctx)
{
	static const int status[] = {[AUTH_GRANTED] = 200,
	    [AUTH_UNAUTHORIZED] = 401,
	    [AUTH_DENIED] = 403,
	    [AUTH_THROTTLED] = 429,
	    [AUTH_ERROR] = 500};
	struct slice why;
	enum auth_verdict v = auth_check(controller, req, access_list, naccess, &why);

	http_reply(req, status[v],
	    slice_cstr(arena_printf(req->arena, "user=[%.*s] why=[%.*s]", SLICE_ARG(req->user), SLICE_ARG(why))));
}

static int setup(void **state)
{
	struct http_server_options o = {.name = "test", .addr = "127.0.0.1:0", .handler = handle};
	struct err err;

	if (dir_setup(state))
		return -1;
	http_limits_default(&o.limits);
	auth_metrics_register();
	signer_make_keys();
	if (http_server_start(&o, &server, &err)) {
		print_error("%s\n", err.msg);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	http_server_stop(&server, 0);
	return dir_teardown(state);
}

/* A GET with these further lines of head; returns the status. */
static int ask(const char *lines)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct buf head = BUF_INIT(1 << 18);
	size_t n = 0;
	ssize_t got;

	sa.sin_port = htons((uint16_t)strtoul(strrchr(http_server_address(server), ':') + 1, NULL, 10));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	buf_addf(&head, "GET /v2/ HTTP/1.1\r\nHost: reg.example:5000\r\nConnection: close\r\n%s\r\n", lines);
	assert_int_equal(write(fd, head.p, head.n), head.n);
	buf_free(&head);
	while (n < sizeof(answer) - 1 && (got = read(fd, answer + n, sizeof(answer) - 1 - n)) > 0)
		n += (size_t)got;
	answer[n] = '\0';
	close(fd);
	assert_memory_equal(answer, "HTTP/1.1 ", 9);
	return (int)strtol(answer + 9, NULL, 10);
}

static int ask_basic(const char *credentials)
{
	struct buf b = BUF_INIT(1 << 16);
	int status;

	buf_adds(&b, "Authorization: Basic ");
	base64_encode(&b, credentials, strlen(credentials));
	buf_adds(&b, "\r\n");
	status = ask(buf_cstr(&b));
	buf_free(&b);
	return status;
}

static int ask_bearer(const char *token)
{
	struct buf b = BUF_INIT(1 << 16);
	int status;

	buf_addf(&b, "Authorization: Bearer %s\r\n", token);
	status = ask(buf_cstr(&b));
	buf_free(&b);
	return status;
}

static void contains(const char *text)
{
	if (!strstr(answer, text))
		fail_msg("\"%s\" is not in \"%s\"", text, answer);
}

#define CHALLENGE(text) contains("\r\nWWW-Authenticate: " text "\r\n")
#define WHY contains("why=[authentication required]")

#define LIT(text) \
	{ \
		text, sizeof(text) - 1 \
	}
#define REPO(repo, what) \
	{ \
		"repository", LIT(repo), what \
	}
static const struct auth_access pull[] = {REPO("a/b", "pull")};
static const struct auth_access push[] = {REPO("a/b", "pull"), REPO("a/b", "push")};
static const struct auth_access mount_other[] = {REPO("a/b", "pull"), REPO("a/b", "push"), REPO("c/d", "pull")};
static const struct auth_access mount_same[] = {REPO("a/b", "pull"), REPO("a/b", "push"), REPO("a/b", "pull")};
static const struct auth_access catalog[] = {{"registry", LIT("catalog"), "*"}};

static void use(const struct auth_access *list, size_t n)
{
	access_list = list;
	naccess = n;
}
#define USE(list) use(list, ARRAY_LEN(list))

static void test_none(void **state)
{
	use(NULL, 0);
	assert_int_equal(ask(""), 200);
	contains("user=[] why=[]");
}

static void test_silly(void **state)
{
	struct err err;

	assert_int_equal(auth_silly_new(NULL, "s", &controller, &err), ERR_INVALID);
	assert_int_equal(auth_silly_new("si\"l\\ly \xc3\xa9\x01", "svc", &controller, &err), ERR_OK);
	use(NULL, 0);
	assert_int_equal(ask(""), 401);
	CHALLENGE("Bearer realm=\"si\\\"l\\\\ly \xc3\xa9\\x01\",service=\"svc\"");
	WHY;
	USE(mount_other);
	assert_int_equal(ask(""), 401);
	CHALLENGE("Bearer realm=\"si\\\"l\\\\ly \xc3\xa9\\x01\",service=\"svc\",scope=\"repository:a/b:pull "
	          "repository:a/b:push repository:c/d:pull\"");
	USE(catalog);
	assert_int_equal(ask("Authorization: seriously, anything\r\n"), 200);
	contains("user=[silly]");
	auth_free(&controller);
	assert_null(controller);
}

static void write_users(const char *name)
{
	char hash[PWHASH_TEXT], text[256];

	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 4, SLICE("se cret"), hash, NULL), ERR_OK);
	(void)snprintf(text, sizeof(text), "alice:%s\n", hash);
	write_file(name, text);
}

static void test_htpasswd(void **state)
{
	struct err err;

	write_users("users");
	assert_int_equal(auth_htpasswd_new("x", "", &controller, &err), ERR_INVALID);
	assert_int_equal(auth_htpasswd_new("Regi\"stry Realm", in_dir("users"), &controller, &err), ERR_OK);
	USE(push);
	assert_int_equal(ask(""), 401);
	CHALLENGE("Basic realm=\"Regi\\\"stry Realm\"");
	WHY;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask_basic("alice:se cret"), 200);
		contains("user=[alice] why=[]");
	}
	assert_int_equal(ask("Authorization: basic YWxpY2U6c2UgY3JldA==\r\n"), 200);
	assert_int_equal(ask_basic("alice:secret"), 401);
	CHALLENGE("Basic realm=\"Regi\\\"stry Realm\"");
	contains("user=[] why=[authentication required]");
	assert_int_equal(ask_basic("nobody:se cret"), 401);
	assert_int_equal(ask_basic("alice"), 401);
	assert_int_equal(ask_basic(""), 401);
	assert_int_equal(ask("Authorization: Basic YWxpY2U6c2UgY3JldA\r\n"), 401);
	assert_int_equal(ask("Authorization: Basic !!!!\r\n"), 401);
	assert_int_equal(ask("Authorization: Bearer YWxpY2U6c2UgY3JldA==\r\n"), 401);
	assert_int_equal(ask("Authorization: Basic\r\n"), 401);
	auth_free(&controller);
}

static void test_htpasswd_throttles(void **state)
{
	struct err err;
	int status = 0;

	write_users("users");
	assert_int_equal(auth_htpasswd_new("realm", in_dir("users"), &controller, &err), ERR_OK);
	for (int i = 0; i < 6 && status != 429; i++)
		status = ask_basic("alice:guess");
	assert_int_equal(status, 429);
	contains("\r\nRetry-After: 1\r\n");
	contains("why=[too many failed logins of this user from this address, try again later]");
	assert_null(strstr(answer, "WWW-Authenticate"));
	auth_free(&controller);
}

static struct auth_token_options token_options(void)
{
	return (struct auth_token_options){.realm = "https://auth.example.com/token?x=1",
	    .service = "my reg",
	    .issuer = "iss",
	    .jwks = in_dir("keys.json")};
}

static void write_keys(const char *name)
{
	CLEANUP(free_ptr) char *jwk = signer_jwk(name, "\"kid\":\"k\"");
	struct buf b = BUF_INIT(8192);

	buf_addf(&b, "{\"keys\":[%s]}", jwk);
	write_bytes("keys.json", buf_slice(&b));
	buf_free(&b);
}

static void test_token_challenge(void **state)
{
	static const char basic[] = "Authorization: Basic eA==\r\n";
	struct auth_token_options o = token_options();
	struct err err;

	write_keys("p256");
	assert_int_equal(auth_token_new(&o, &controller, &err), ERR_OK);
	use(NULL, 0);
	assert_int_equal(ask(""), 401);
#define REALM "Bearer realm=\"https://auth.example.com/token?x=1\",service=\"my reg\""
	CHALLENGE(REALM);
	WHY;
	assert_int_equal(ask(basic), 401);
	CHALLENGE(REALM);
	assert_int_equal(ask("Authorization: Bearer \r\n"), 401);
	CHALLENGE(REALM);
	assert_int_equal(ask_bearer("xx"), 401);
	CHALLENGE(REALM ",error=\"invalid_token\"");
	WHY;
	assert_int_equal(ask_bearer("a.b.c"), 401);
	CHALLENGE(REALM ",error=\"invalid_token\"");
	USE(pull);
	assert_int_equal(ask(""), 401);
	CHALLENGE(REALM ",scope=\"repository:a/b:pull\"");
	USE(push);
	assert_int_equal(ask_bearer("xx"), 401);
	CHALLENGE(REALM ",scope=\"repository:a/b:pull,push\",error=\"invalid_token\"");
	USE(mount_other);
	assert_int_equal(ask(""), 401);
	CHALLENGE(REALM ",scope=\"repository:a/b:pull,push repository:c/d:pull\"");
	USE(mount_same);
	assert_int_equal(ask(""), 401);
	CHALLENGE(REALM ",scope=\"repository:a/b:pull,push\"");
	USE(catalog);
	assert_int_equal(ask(""), 401);
	CHALLENGE(REALM ",scope=\"registry:catalog:*\"");
#undef REALM
	auth_free(&controller);
}

static void test_token_autoredirect(void **state)
{
	struct auth_token_options o = token_options();
	struct err err;

	write_keys("p256");
	o.autoredirect = true;
	assert_int_equal(auth_token_new(&o, &controller, &err), ERR_OK);
	use(NULL, 0);
	assert_int_equal(ask(""), 401);
	CHALLENGE("Bearer realm=\"https://reg.example:5000/auth/token\",service=\"my reg\"");
	assert_int_equal(ask("X-Forwarded-Proto: http\r\nX-Forwarded-Host: other\r\n"), 401);
	CHALLENGE("Bearer realm=\"http://reg.example:5000/auth/token\",service=\"my reg\"");
	assert_int_equal(ask("X-Forwarded-Proto: https, http\r\n"), 401);
	CHALLENGE("Bearer realm=\"https://reg.example:5000/auth/token\",service=\"my reg\"");
	assert_int_equal(ask("X-Forwarded-Proto: gopher\r\n"), 401);
	CHALLENGE("Bearer realm=\"https://reg.example:5000/auth/token\",service=\"my reg\"");
	auth_free(&controller);
	o.autoredirect_path = "v2/token";
	assert_int_equal(auth_token_new(&o, &controller, &err), ERR_OK);
	assert_int_equal(ask(""), 401);
	CHALLENGE("Bearer realm=\"https://reg.example:5000/v2/token\",service=\"my reg\"");
	auth_free(&controller);
}

static char *token_by(const char *key, const char *alg, const char *actions)
{
	CLEANUP(free_ptr) char *header = xasprintf("{\"alg\":\"%s\",\"kid\":\"k\"}", alg);
	CLEANUP(free_ptr)
	char *claims = xasprintf(
	    "{\"iss\":\"iss\",\"sub\":\"al\\u00ef\",\"aud\":\"my reg\",\"exp\":%lld,\"access\":[{\"type\":\"repository\","
	    "\"name\":\"a/b\",\"actions\":[%s]}]}",
	    (long long)(clock_real() / CLOCK_S + 60), actions);

	return signer_token(key, alg, header, claims);
}

static void test_token(void **state)
{
	struct auth_token_options o = token_options();
	CLEANUP(free_ptr) char *token = NULL;
	struct err err;

	write_keys("p256");
	token = token_by("p256", "ES256", "\"pull\"");
	assert_int_equal(auth_token_new(&o, &controller, &err), ERR_OK);
	use(NULL, 0);
	assert_int_equal(ask_bearer(token), 200);
	contains("user=[al\xc3\xaf] why=[]");
	USE(pull);
	assert_int_equal(ask_bearer(token), 200);
	/* Seen before, but not like this. */
	token[strlen(token) - 10] ^= 1;
	assert_int_equal(ask_bearer(token), 401);
	token[strlen(token) - 10] ^= 1;
	USE(push);
	assert_int_equal(ask_bearer(token), 401);
	CHALLENGE("Bearer realm=\"https://auth.example.com/token?x=1\",service=\"my "
	          "reg\",scope=\"repository:a/b:pull,push\",error=\"insufficient_scope\"");
	contains("user=[] why=[authentication required]");
	auth_free(&controller);
}

/* A token signed with a key that was added a moment ago is believed at once,
 * and one whose key was removed is not for long. */
static void test_token_rotation(void **state)
{
	struct auth_token_options o = token_options();
	CLEANUP(free_ptr) char *old = NULL;
	CLEANUP(free_ptr) char *new = NULL;
	struct err err;

	write_keys("p256");
	assert_int_equal(auth_token_new(&o, &controller, &err), ERR_OK);
	old = token_by("p256", "ES256", "\"*\"");
	new = token_by("ed", "EdDSA", "\"*\"");
	USE(push);
	assert_int_equal(ask_bearer(old), 200);
	assert_int_equal(ask_bearer(new), 401);
	write_keys("ed");
	assert_int_equal(ask_bearer(new), 200);
	assert_int_equal(ask_bearer(old), 401);
	write_file("keys.json", "{");
	assert_int_equal(ask_bearer(new), 200);
	write_keys("p256");
	usleep(1100000);
	assert_int_equal(ask_bearer(new), 401);
	assert_int_equal(ask_bearer(old), 200);
	auth_free(&controller);
}

static void test_token_options(void **state)
{
	static const char *const algs[] = {"RS256", "none"};
	struct auth_token_options o = {.realm = "r", .service = "s", .issuer = "i"};
	struct auth *a;
	struct err err;

	assert_int_equal(auth_token_new(&o, &a, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "rootcertbundle or jwks"));
	o.rootcertbundle = in_dir("root.crt");
	o.signing_algorithms = algs;
	o.n_signing_algorithms = 2;
	assert_int_equal(auth_token_new(&o, &a, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "\"none\""));
	o.n_signing_algorithms = 1;
	o.issuer = "";
	assert_int_equal(auth_token_new(&o, &a, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "auth.token.issuer"));
	o.issuer = "i";
	o.jwks = in_dir("missing.json");
	assert_int_equal(auth_token_new(&o, &a, &err), ERR_NOT_FOUND);
	o.jwks = "";
	assert_int_equal(auth_token_new(&o, &a, &err), ERR_OK);
	auth_free(&a);
}

static void test_metrics(void **state)
{
	static const char *const rows[] = {"controller=\"silly\",result=\"granted\"",
	    "controller=\"htpasswd\",result=\"throttled\"", "controller=\"htpasswd\",result=\"unauthorized\"",
	    "controller=\"token\",result=\"anonymous\""};
	struct buf b = BUF_INIT(1 << 20);

	metric_write(&b);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *at = strstr(buf_cstr(&b), rows[i]);

		assert_non_null(at);
		assert_true(strtod(strchr(at, '}') + 1, NULL) > 0);
	}
	assert_non_null(strstr(buf_cstr(&b), "\nberth_auth_bcrypt_seconds_count "));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_silly),
	    cmocka_unit_test(test_htpasswd),
	    cmocka_unit_test(test_htpasswd_throttles),
	    cmocka_unit_test(test_token_challenge),
	    cmocka_unit_test(test_token_autoredirect),
	    cmocka_unit_test(test_token),
	    cmocka_unit_test(test_token_rotation),
	    cmocka_unit_test(test_token_options),
	    cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
