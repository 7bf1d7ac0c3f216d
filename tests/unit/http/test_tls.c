/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tls.c - HTTPS: handshakes that do not hold a thread, certificates
 * replaced while running, client certificates, versions and cipher suites.
 */
#include "harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define H "Host: t\r\n"

struct tls_rig {
	struct rig r;
	struct http_tls_options t;
	char cert[96], key[96], ca[96], client_cert[96], client_key[96];
	const char *cas[1];
};

static void run(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	assert_int_equal(system(cmd), 0);
}

/* A self-signed certificate of this name over what is there. */
static void make_cert(const char *cert, const char *key, const char *name)
{
	run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout %s.new -out %s.new "
	    "-days 2 -subj /CN=%s 2>/dev/null && mv %s.new %s && mv %s.new %s",
	    key, cert, name, key, key, cert, cert);
}

static void tls_rig_init(struct tls_rig *t)
{
	rig_init(&t->r);
	snprintf(t->cert, sizeof(t->cert), "%s/cert.pem", t->r.dir);
	snprintf(t->key, sizeof(t->key), "%s/key.pem", t->r.dir);
	snprintf(t->ca, sizeof(t->ca), "%s/ca.pem", t->r.dir);
	snprintf(t->client_cert, sizeof(t->client_cert), "%s/client.pem", t->r.dir);
	snprintf(t->client_key, sizeof(t->client_key), "%s/client-key.pem", t->r.dir);
	make_cert(t->cert, t->key, "first");
	t->t = (struct http_tls_options){.certificate = t->cert, .key = t->key, .min_version = 12};
	t->r.o.tls = &t->t;
}

/* A CA, and a client certificate that it signed. */
static void make_client_ca(struct tls_rig *t)
{
	char ca_key[128];

	snprintf(ca_key, sizeof(ca_key), "%s/ca-key.pem", t->r.dir);
	make_cert(t->ca, ca_key, "client-ca");
	run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout %s -out %s.csr -subj "
	    "/O=berth/CN=jane 2>/dev/null && openssl x509 -req -in %s.csr -CA %s -CAkey %s -CAcreateserial -days 2 "
	    "-out %s 2>/dev/null",
	    t->client_key, t->client_cert, t->client_cert, t->ca, ca_key, t->client_cert);
	t->cas[0] = t->ca;
	t->t.client_cas = t->cas;
	t->t.n_client_cas = 1;
}

static void tls_rig_stop(struct tls_rig *t)
{
	run("rm -rf %s/*", t->r.dir);
	rig_stop(&t->r);
}

/* ---- the client -------------------------------------------------------- */

struct tls_client {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static void client_init(struct tls_client *c)
{
	*c = (struct tls_client){.ctx = SSL_CTX_new(TLS_client_method()), .fd = -1};
	assert_non_null(c->ctx);
}

static bool client_connect(struct tls_client *c, const struct rig *r)
{
	c->fd = dial(r);
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	return SSL_connect(c->ssl) == 1;
}

static void client_hang_up(struct tls_client *c)
{
	if (c->ssl != NULL && SSL_is_init_finished(c->ssl))
		SSL_shutdown(c->ssl); /* a session cut off without it is not resumed */
	SSL_free(c->ssl);
	c->ssl = NULL;
	close_fd(&c->fd);
	c->fd = -1;
}

static void client_free(struct tls_client *c)
{
	client_hang_up(c);
	SSL_CTX_free(c->ctx);
	ERR_clear_error();
}

/* Sends, reads to the end or until the text is there; what was read. */
static const char *client_ask(struct tls_client *c, const char *text, const char *until, char *buf, size_t cap)
{
	size_t n = 0;
	int k;

	buf[0] = '\0';
	if (SSL_write(c->ssl, text, (int)strlen(text)) <= 0)
		return buf;
	while (n + 1 < cap && (k = SSL_read(c->ssl, buf + n, (int)(cap - n - 1))) > 0) {
		n += (size_t)k;
		buf[n] = '\0';
		if (until != NULL && strstr(buf, until) != NULL)
			break;
	}
	return buf;
}

/* The status of one request on a fresh connection; 0 when the handshake or the
 * request was not let through. The body goes into `body`. */
static int client_get(struct tls_client *c, const struct rig *r, const char *path, char *body, size_t cap)
{
	static const char fmt[] = "GET %s HTTP/1.1\r\n" H "Connection: close\r\n\r\n";
	char text[256], buf[8192], *at;
	int status = 0;

	snprintf(text, sizeof(text), fmt, path);
	if (client_connect(c, r)) {
		client_ask(c, text, NULL, buf, sizeof(buf));
		if (strncmp(buf, "HTTP/1.1 ", 9) == 0)
			status = (int)strtol(buf + 9, NULL, 10);
		at = strstr(buf, "\r\n\r\n");
		snprintf(body, cap, "%s", at != NULL ? at + 4 : "");
	}
	client_hang_up(c);
	ERR_clear_error();
	return status;
}

static void server_name(struct tls_client *c, const struct rig *r, char *name, size_t cap)
{
	assert_true(client_connect(c, r));
	X509_NAME_get_text_by_NID(
	    X509_get_subject_name(SSL_get0_peer_certificate(c->ssl)), NID_commonName, name, (int)cap);
	client_hang_up(c);
}

/* ---- tests ------------------------------------------------------------- */

static void requests_over_tls(void **state)
{
	struct tls_rig t;
	struct tls_client c;
	const unsigned char *alpn;
	unsigned int alpn_n;
	char body[256], buf[8192];

	tls_rig_init(&t);
	rig_start(&t.r);
	client_init(&c);
	assert_int_equal(client_get(&c, &t.r, "/whoami", body, sizeof(body)), 200);
	assert_string_equal(body, "127.0.0.1 tls nobody");
	/* Keep-alive, pipelined in one record, ALPN. */
	SSL_CTX_set_alpn_protos(c.ctx, (const unsigned char *)"\x02h2\x08http/1.1", 12);
	assert_true(client_connect(&c, &t.r));
	SSL_get0_alpn_selected(c.ssl, &alpn, &alpn_n);
	assert_int_equal(alpn_n, 8);
	assert_memory_equal(alpn, "http/1.1", 8);
	client_ask(
	    &c, "GET /query?a=1 HTTP/1.1\r\n" H "\r\nGET /query?a=2 HTTP/1.1\r\n" H "\r\n", "2|none", buf, sizeof(buf));
	assert_non_null(strstr(buf, "1|none"));
	nap(20 * CLOCK_MS); /* parked */
	client_ask(&c, "GET /hello HTTP/1.1\r\n" H "\r\n", "hello\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "hello\n"));
	client_hang_up(&c);
	client_free(&c);
	tls_rig_stop(&t);
}

static void large_bodies_over_tls(void **state)
{
	struct tls_rig t;
	struct tls_client c;
	static const char get[] = "GET /file HTTP/1.1\r\n" H "Connection: close\r\n\r\n";
	static char piece[50000];
	char buf[8192], *all = malloc(FILE_BYTES + 8192), *at;
	size_t n = 0;
	int k;

	assert_non_null(all);
	tls_rig_init(&t);
	rig_start(&t.r);
	client_init(&c);
	assert_true(client_connect(&c, &t.r));
	client_ask(&c, "PUT /count HTTP/1.1\r\n" H "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
	    "100 Continue\r\n\r\n", buf, sizeof(buf));
	for (int i = 0; i < 19; i++)
		assert_int_equal(SSL_write(c.ssl, piece, sizeof(piece)), sizeof(piece));
	memset(piece, 'x', sizeof(piece));
	assert_int_equal(SSL_write(c.ssl, piece, sizeof(piece)), sizeof(piece));
	client_ask(&c, "GET /hello HTTP/1.1\r\n" H "\r\n", "hello\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "\r\n\r\n1000000HTTP/1.1 200 OK"));
	assert_true(SSL_write(c.ssl, get, sizeof(get) - 1) > 0);
	while ((k = SSL_read(c.ssl, all + n, (int)(FILE_BYTES + 8191 - n))) > 0)
		n += (size_t)k;
	all[n] = '\0';
	at = strstr(all, "\r\n\r\n");
	assert_non_null(at);
	at += 4;
	assert_int_equal(n - (size_t)(at - all), FILE_BYTES);
	for (size_t i = 0; i < FILE_BYTES; i++)
		if ((unsigned char)at[i] != rig_pattern(i))
			fail_msg("byte %zu differs", i);
	free(all);
	client_free(&c);
	tls_rig_stop(&t);
}

static void plain_http_gets_a_hint(void **state)
{
	struct tls_rig t;
	char buf[256] = "";
	size_t n = 0;
	ssize_t k;
	int fd;

	tls_rig_init(&t);
	rig_start(&t.r);
	fd = dial(&t.r);
	put(fd, "GET / HTTP/1.1\r\n" H "\r\n");
	while ((k = recv(fd, buf + n, sizeof(buf) - 1 - n, 0)) > 0)
		n += (size_t)k;
	assert_non_null(strstr(buf, "400 Bad Request"));
	assert_non_null(strstr(buf, "Client sent an HTTP request to an HTTPS server."));
	close(fd);
	tls_rig_stop(&t);
}

static void slow_handshakes_end(void **state)
{
	enum { N = 50 };
	struct tls_rig t;
	struct tls_client c;
	char body[64];
	int fds[N];

	tls_rig_init(&t);
	t.r.o.limits.head_timeout = 500 * CLOCK_MS;
	rig_start(&t.r);
	client_init(&c);
	for (int i = 0; i < N; i++) {
		fds[i] = dial(&t.r);
		put_bytes(fds[i], "\x16\x03\x01\x02\x00\x01", i % 7);
	}
	assert_int_equal(client_get(&c, &t.r, "/hello", body, sizeof(body)), 200);
	for (int i = 0; i < N; i++) {
		assert_true(closed_within(fds[i], 3 * CLOCK_S));
		close(fds[i]);
	}
	client_free(&c);
	tls_rig_stop(&t);
}

static void certificates_are_replaced(void **state)
{
	struct tls_rig t;
	struct tls_client c, old;
	char name[64], buf[4096];
	struct err err;

	tls_rig_init(&t);
	rig_start(&t.r);
	client_init(&c);
	client_init(&old);
	server_name(&c, &t.r, name, sizeof(name));
	assert_string_equal(name, "first");
	assert_true(client_connect(&old, &t.r));
	make_cert(t.cert, t.key, "second");
	assert_int_equal(http_server_reload_tls(t.r.s, &err), ERR_OK);
	server_name(&c, &t.r, name, sizeof(name));
	assert_string_equal(name, "second");
	/* By itself, too. */
	make_cert(t.cert, t.key, "third");
	EVENTUALLY((server_name(&c, &t.r, name, sizeof(name)), strcmp(name, "third") == 0));
	/* A broken file is reported, and changes nothing. */
	run("echo rubbish > %s", t.cert);
	assert_int_equal(http_server_reload_tls(t.r.s, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, t.cert));
	run("cp %s %s", t.key, t.cert);
	assert_int_equal(http_server_reload_tls(t.r.s, &err), ERR_INVALID);
	nap(2500 * CLOCK_MS);
	server_name(&c, &t.r, name, sizeof(name));
	assert_string_equal(name, "third");
	/* A connection of before goes on with what it has. */
	client_ask(&old, "GET /hello HTTP/1.1\r\n" H "\r\n", "hello\n", buf, sizeof(buf));
	assert_non_null(strstr(buf, "hello\n"));
	client_free(&old);
	client_free(&c);
	tls_rig_stop(&t);
}

static void sessions_are_resumed(void **state)
{
	struct tls_rig t;
	struct tls_client c;
	SSL_SESSION *session;
	char buf[4096];

	tls_rig_init(&t);
	rig_start(&t.r);
	client_init(&c);
	assert_true(client_connect(&c, &t.r));
	client_ask(&c, "GET /hello HTTP/1.1\r\n" H "\r\n", "hello\n", buf, sizeof(buf));
	session = SSL_get1_session(c.ssl);
	client_hang_up(&c);
	c.fd = dial(&t.r);
	c.ssl = SSL_new(c.ctx);
	SSL_set_fd(c.ssl, c.fd);
	SSL_set_session(c.ssl, session);
	assert_int_equal(SSL_connect(c.ssl), 1);
	assert_int_equal(SSL_session_reused(c.ssl), 1);
	SSL_SESSION_free(session);
	client_free(&c);
	tls_rig_stop(&t);
}

/* Begins a handshake and does not read the answer, for which there is little room. */
static void client_never_reads(struct tls_client *c, const struct rig *r)
{
	const struct sockaddr_in there = {
	    .sin_family = AF_INET, .sin_port = htons((uint16_t)r->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int room = 2048;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(connect(c->fd, (const struct sockaddr *)&there, sizeof(there)), 0);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	c->ssl = SSL_new(c->ctx);
	SSL_set_fd(c->ssl, c->fd);
	assert_int_equal(SSL_connect(c->ssl), -1);
	EVENTUALLY(http_server_connections(r->s) == 1);
	nap(100 * CLOCK_MS); /* the server is in the middle of its answer */
}

/* A server that has more to say in a handshake than its sockets hold. */
static void tls_rig_with_little_room(struct tls_rig *t)
{
	const int room = 4096;
	int fd;

	tls_rig_init(t);
	run("for i in $(seq 100); do cat %s; done > %s.new && mv %s.new %s", t->cert, t->cert, t->cert, t->cert);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
	assert_int_equal(listen(fd, 16), 0);
	t->r.o.net = "fd";
	t->r.o.listen_fd = fd;
}

static void who_never_reads_is_ended(void **state)
{
	struct tls_rig t;
	struct tls_client c, other;
	char body[64];

	tls_rig_with_little_room(&t);
	t.r.o.limits.head_timeout = 500 * CLOCK_MS;
	rig_start(&t.r);
	client_init(&c);
	client_never_reads(&c, &t.r);
	EVENTUALLY(http_server_connections(t.r.s) == 0);
	client_free(&c);
	tls_rig_stop(&t);

	/* And before that, when its place is needed. */
	tls_rig_with_little_room(&t);
	t.r.o.limits.connections = 1;
	t.r.o.limits.head_timeout = 60 * CLOCK_S;
	rig_start(&t.r);
	client_init(&c);
	client_never_reads(&c, &t.r);
	client_init(&other);
	assert_int_equal(client_get(&other, &t.r, "/hello", body, sizeof(body)), 200);
	EVENTUALLY(http_server_connections(t.r.s) == 0);
	client_free(&other);
	client_free(&c);
	tls_rig_stop(&t);
}

/* Whoever sends new keys and nothing else would keep a thread. */
static void records_without_data_have_an_end(void **state)
{
	struct tls_rig t;
	struct tls_client c;
	int sent = 0;

	tls_rig_init(&t);
	rig_start(&t.r);
	client_init(&c);
	assert_true(client_connect(&c, &t.r));
	SSL_set_quiet_shutdown(c.ssl, 1);
	while (sent < 20 * 1000 && SSL_key_update(c.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
	       SSL_do_handshake(c.ssl) == 1)
		sent++;
	EVENTUALLY(http_server_connections(t.r.s) == 0);
	client_free(&c);

	/* A few are no reason. */
	client_init(&c);
	assert_true(client_connect(&c, &t.r));
	for (int i = 0; i < 20; i++) {
		char buf[4096];

		assert_int_equal(SSL_key_update(c.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_non_null(
		    strstr(client_ask(&c, "GET /hello HTTP/1.1\r\n" H "\r\n", "hello\n", buf, sizeof(buf)), "hello\n"));
	}
	client_free(&c);
	tls_rig_stop(&t);
}

static void records_without_data_do_not_buy_time(void **state)
{
	struct tls_rig t;
	struct tls_client c;
	int64_t until;

	tls_rig_init(&t);
	t.r.o.limits.idle_timeout = 300 * CLOCK_MS;
	rig_start(&t.r);
	client_init(&c);
	assert_true(client_connect(&c, &t.r));
	SSL_set_quiet_shutdown(c.ssl, 1);
	until = clock_mono() + 5 * CLOCK_S;
	while (http_server_connections(t.r.s) > 0 && clock_mono() < until) {
		if (SSL_key_update(c.ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
			SSL_do_handshake(c.ssl);
		nap(100 * CLOCK_MS);
	}
	assert_int_equal(http_server_connections(t.r.s), 0);
	client_free(&c);
	tls_rig_stop(&t);
}

/* What each mode makes of no certificate, one of nobody, and one of the CA. */
static void client_certificates(void **state)
{
	static const struct {
		enum http_client_auth mode;
		const char *none, *unknown, *known; /* NULL: refused */
	} rows[] = {
	    {HTTP_CLIENT_AUTH_NONE, "nobody", "nobody", "nobody"},
	    {HTTP_CLIENT_AUTH_REQUEST, "nobody", "nobody", "CN=jane,O=berth"},
	    {HTTP_CLIENT_AUTH_REQUIRE_ANY, NULL, "nobody", "CN=jane,O=berth"},
	    {HTTP_CLIENT_AUTH_VERIFY_IF_GIVEN, "nobody", NULL, "CN=jane,O=berth"},
	    {HTTP_CLIENT_AUTH_REQUIRE_VERIFY, NULL, NULL, "CN=jane,O=berth"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_rig t;

		tls_rig_init(&t);
		make_client_ca(&t);
		t.t.client_auth = rows[i].mode;
		rig_start(&t.r);
		for (int who = 0; who < 3; who++) {
			const char *want = who == 0 ? rows[i].none : who == 1 ? rows[i].unknown : rows[i].known;
			char body[256] = "", text[256];
			struct tls_client c;
			int status;

			client_init(&c);
			if (who > 0) {
				SSL_CTX_use_certificate_chain_file(c.ctx, who == 1 ? t.cert : t.client_cert);
				SSL_CTX_use_PrivateKey_file(c.ctx, who == 1 ? t.key : t.client_key, SSL_FILETYPE_PEM);
			}
			status = client_get(&c, &t.r, "/whoami", body, sizeof(body));
			snprintf(text, sizeof(text), "127.0.0.1 tls %s", want != NULL ? want : "");
			if (status != (want != NULL ? 200 : 0) || (want != NULL && strcmp(body, text) != 0))
				fail_msg("mode %d, client %d -> %d '%s'", (int)rows[i].mode, who, status, body);
			client_free(&c);
		}
		tls_rig_stop(&t);
	}
}

static void versions_and_ciphers(void **state)
{
	static const char *const ciphers[] = {
	    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_NO_SUCH_SUITE"};
	struct tls_rig t;
	struct tls_client c;
	char body[64];

	tls_rig_init(&t);
	t.t.ciphers = ciphers;
	t.t.n_ciphers = ARRAY_LEN(ciphers);
	rig_start(&t.r);
	client_init(&c);
	SSL_CTX_set_max_proto_version(c.ctx, TLS1_2_VERSION);
	assert_true(client_connect(&c, &t.r));
	assert_string_equal(SSL_get_cipher_name(c.ssl), "ECDHE-ECDSA-AES256-GCM-SHA384");
	client_hang_up(&c);
	SSL_CTX_set_max_proto_version(c.ctx, TLS1_3_VERSION);
	assert_true(client_connect(&c, &t.r));
	assert_string_equal(SSL_get_cipher_name(c.ssl), "TLS_AES_128_GCM_SHA256");
	client_free(&c);
	tls_rig_stop(&t);

	tls_rig_init(&t);
	t.t.min_version = 13;
	rig_start(&t.r);
	client_init(&c);
	SSL_CTX_set_max_proto_version(c.ctx, TLS1_2_VERSION);
	assert_int_equal(client_get(&c, &t.r, "/hello", body, sizeof(body)), 0);
	client_free(&c);
	tls_rig_stop(&t);
}

static void bad_files_fail_the_start(void **state)
{
	struct tls_rig t;
	struct err err;
	const char *nothing[] = {"TLS_NO_SUCH_SUITE"};

	tls_rig_init(&t);
	t.t.key = "/nonexistent/key.pem";
	assert_int_equal(http_server_start(&t.r.o, &t.r.s, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "/nonexistent/key.pem"));
	t.t.key = t.key;
	make_cert(t.client_cert, t.client_key, "another");
	t.t.certificate = t.client_cert;
	assert_int_equal(http_server_start(&t.r.o, &t.r.s, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, t.key));
	assert_non_null(strstr(err.msg, "does not belong to the certificate"));
	run("openssl req -x509 -newkey rsa:2048 -nodes -keyout %s -out %s -days 2 -subj /CN=rsa 2>/dev/null",
	    t.client_key, t.client_cert);
	assert_int_equal(http_server_start(&t.r.o, &t.r.s, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "does not belong to the certificate"));
	t.t.certificate = t.cert;
	t.t.ciphers = nothing;
	t.t.n_ciphers = 1;
	assert_int_equal(http_server_start(&t.r.o, &t.r.s, &err), ERR_INVALID);
	t.t.n_ciphers = 0;
	t.cas[0] = t.key; /* no certificate in there */
	t.t.client_cas = t.cas;
	t.t.n_client_cas = 1;
	assert_int_equal(http_server_start(&t.r.o, &t.r.s, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, t.key));
	run("rm -rf %s", t.r.dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(requests_over_tls),
	    cmocka_unit_test(large_bodies_over_tls),
	    cmocka_unit_test(plain_http_gets_a_hint),
	    cmocka_unit_test(slow_handshakes_end),
	    cmocka_unit_test(certificates_are_replaced),
	    cmocka_unit_test(sessions_are_resumed),
	    cmocka_unit_test(who_never_reads_is_ended),
	    cmocka_unit_test(records_without_data_have_an_end),
	    cmocka_unit_test(records_without_data_do_not_buy_time),
	    cmocka_unit_test(client_certificates),
	    cmocka_unit_test(versions_and_ciphers),
	    cmocka_unit_test(bad_files_fail_the_start),
	};

	signal(SIGPIPE, SIG_IGN); /* clients write to connections that the server has ended */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
