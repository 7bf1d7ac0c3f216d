/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.c - see tls.h. All settings live in an SSL_CTX that is made anew at each
 * reload and swapped under a lock; connections keep the one they began with.
 */
#include "http/tls.h"

#include "base/log.h"
#include "base/sync.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What tells a file from its earlier self. */
struct stamp {
	struct timespec changed;
	off_t size;
	ino_t inode;
	dev_t device;
};

struct tls {
	struct http_tls_options o; /* strings borrowed */
	pthread_mutex_t lock;
	SSL_CTX *ctx;         /* under lock */
	struct stamp *stamps; /* certificate, key, client CAs; used by tls_watch alone */
};

/* ---- errors ------------------------------------------------------------ */

/* The first reason that OpenSSL has queued, and none afterwards. */
static const char *ssl_reason(void)
{
	unsigned long e = ERR_get_error();
	const char *text = e != 0 ? ERR_reason_error_string(e) : NULL;

	if (text == NULL && e != 0 && ERR_SYSTEM_ERROR(e))
		text = strerrordesc_np(ERR_GET_REASON(e));
	ERR_clear_error();
	return text != NULL ? text : "unknown error";
}

static enum err_code tls_error(struct err *err, const char *what, const char *path)
{
	return err_set(err, ERR_INVALID, "%s '%s': %s", what, path, ssl_reason());
}

/* ---- settings ---------------------------------------------------------- */

static const SSL_CIPHER *find_cipher(const STACK_OF(SSL_CIPHER) * all, const char *name)
{
	CLEANUP(free_ptr) char *longer = xasprintf("%s_SHA256", name);

	for (int i = 0; i < sk_SSL_CIPHER_num(all); i++) {
		const SSL_CIPHER *c = sk_SSL_CIPHER_value(all, i);
		const char *iana = SSL_CIPHER_standard_name(c);

		/* Go's old names of the ChaCha20 suites lack the hash. */
		if (iana != NULL && (strcmp(iana, name) == 0 || strcmp(iana, longer) == 0))
			return c;
	}
	return NULL;
}

/* IANA names into the two lists that OpenSSL keeps, TLS 1.3 and older. */
static void sort_ciphers(
    const struct http_tls_options *o, const STACK_OF(SSL_CIPHER) * all, struct buf *new, struct buf *old)
{
	for (size_t i = 0; i < o->n_ciphers; i++) {
		const SSL_CIPHER *c = find_cipher(all, o->ciphers[i]);
		struct buf *b;

		if (c == NULL) {
			LOG_WARN("a cipher suite is not offered by the TLS library and left out",
			    LOG_STR("name", o->ciphers[i]));
			continue;
		}
		b = strcmp(SSL_CIPHER_get_version(c), "TLSv1.3") == 0 ? new : old;
		if (b->n > 0)
			buf_addc(b, ':');
		buf_adds(b, SSL_CIPHER_get_name(c));
	}
}

static enum err_code set_ciphers(SSL_CTX *ctx, const struct http_tls_options *o, struct err *err)
{
	CLEANUP(buf_free) struct buf new = BUF_INIT(16 * 1024), old = BUF_INIT(16 * 1024);
	STACK_OF(SSL_CIPHER) * all;
	SSL *probe;

	if (o->n_ciphers == 0)
		return ERR_OK;
	if (SSL_CTX_set_cipher_list(ctx, "ALL") != 1 || (probe = SSL_new(ctx)) == NULL)
		return err_set(err, ERR_INVALID, "cannot list the cipher suites: %s", ssl_reason());
	all = SSL_get1_supported_ciphers(probe);
	sort_ciphers(o, all, &new, &old);
	sk_SSL_CIPHER_free(all);
	SSL_free(probe);
	if (new.n == 0 && old.n == 0)
		return err_set(err, ERR_INVALID,
		    "none of the %zu configured cipher suites is offered by the TLS library", o->n_ciphers);
	if (SSL_CTX_set_cipher_list(ctx, old.n > 0 ? buf_cstr(&old) : "DEFAULT") != 1 ||
	    (new.n > 0 && SSL_CTX_set_ciphersuites(ctx, buf_cstr(&new)) != 1))
		return err_set(err, ERR_INVALID, "the configured cipher suites cannot be used: %s", ssl_reason());
	return ERR_OK;
}

static int accept_any_cert(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

static enum err_code set_client_auth(SSL_CTX *ctx, const struct http_tls_options *o, struct err *err)
{
	static const struct {
		int mode;
		bool verify;
	} modes[] = {
	    [HTTP_CLIENT_AUTH_NONE] = {SSL_VERIFY_NONE, false},
	    [HTTP_CLIENT_AUTH_REQUEST] = {SSL_VERIFY_PEER, false},
	    [HTTP_CLIENT_AUTH_REQUIRE_ANY] = {SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, false},
	    [HTTP_CLIENT_AUTH_VERIFY_IF_GIVEN] = {SSL_VERIFY_PEER, true},
	    [HTTP_CLIENT_AUTH_REQUIRE_VERIFY] = {SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, true},
	};
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	for (size_t i = 0; i < o->n_client_cas; i++) {
		if (SSL_CTX_load_verify_file(ctx, o->client_cas[i]) != 1 ||
		    SSL_add_file_cert_subjects_to_stack(names, o->client_cas[i]) != 1) {
			sk_X509_NAME_pop_free(names, X509_NAME_free);
			return tls_error(err, "cannot load the client CA file", o->client_cas[i]);
		}
	}
	SSL_CTX_set_client_CA_list(ctx, names); /* takes them */
	SSL_CTX_set_verify(ctx, modes[o->client_auth].mode, modes[o->client_auth].verify ? NULL : accept_any_cert);
	return ERR_OK;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
    unsigned int in_len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)arg;
	for (unsigned int i = 0; i + 1 + in[i] <= in_len; i += 1u + in[i])
		if (in[i] == ours[0] && memcmp(in + i, ours, sizeof(ours) - 1) == 0) {
			*out = in + i + 1;
			*out_len = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	/* Others are not refused: a client that only names h2 may still speak 1.1. */
	return SSL_TLSEXT_ERR_NOACK;
}

static enum err_code set_certificate(SSL_CTX *ctx, const struct http_tls_options *o, struct err *err)
{
	bool loaded;

	if (SSL_CTX_use_certificate_chain_file(ctx, o->certificate) != 1)
		return tls_error(err, "cannot load the certificate file", o->certificate);
	/* Loading compares with a certificate of the same kind; the check finds none of its kind. */
	loaded = SSL_CTX_use_PrivateKey_file(ctx, o->key, SSL_FILETYPE_PEM) == 1;
	if (!loaded && ERR_GET_REASON(ERR_peek_error()) != X509_R_KEY_VALUES_MISMATCH)
		return tls_error(err, "cannot load the key file", o->key);
	if (loaded && SSL_CTX_check_private_key(ctx) == 1)
		return ERR_OK;
	ERR_clear_error();
	return err_set(
	    err, ERR_INVALID, "the key in '%s' does not belong to the certificate in '%s'", o->key, o->certificate);
}

/* Records without data that a client may send after the handshake: new keys after
 * hundreds of gigabytes, and an alert at the end. */
enum { RECORDS_APART = 64 };

/* One SSL_read takes in all records that have come and are no data, so a client that
 * sends nothing else would keep the thread. The socket is taken from it instead. */
static void on_record(int written, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
	uintptr_t seen;

	(void)version;
	(void)arg;
	if (written || n == 0 || (type != SSL3_RT_HEADER && type != SSL3_RT_INNER_CONTENT_TYPE) ||
	    *(const unsigned char *)p == SSL3_RT_APPLICATION_DATA || !SSL_is_init_finished(ssl))
		return;
	seen = (uintptr_t)SSL_get_app_data(ssl) + 1;
	SSL_set_app_data(ssl, (void *)seen);
	if (seen > RECORDS_APART)
		BIO_set_fd(SSL_get_rbio(ssl), -1, BIO_NOCLOSE);
}

static void set_behaviour(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	                             SSL_OP_PRIORITIZE_CHACHA | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ENABLE_KTLS);
	/* Buffers of idle connections are given back; messages say by
	 * themselves where they end, so an unexpected end is just an end. */
	SSL_CTX_set_mode(
	    ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	/* Sessions are in tickets that the clients keep, nothing is kept here. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"berth", 5);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	SSL_CTX_set_msg_callback(ctx, on_record);
}

static enum err_code make_ctx(const struct http_tls_options *o, SSL_CTX **out, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	enum err_code code;

	if (ctx == NULL)
		return err_set(err, ERR_NO_MEMORY, "cannot set up TLS: %s", ssl_reason());
	set_behaviour(ctx);
	SSL_CTX_set_min_proto_version(ctx, o->min_version == 13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	code = set_ciphers(ctx, o, err);
	if (code == ERR_OK)
		code = set_certificate(ctx, o, err);
	if (code == ERR_OK)
		code = set_client_auth(ctx, o, err);
	if (code == ERR_OK)
		*out = ctx;
	else
		SSL_CTX_free(ctx);
	return code;
}

/* ---- life and reload --------------------------------------------------- */

static size_t n_files(const struct tls *t)
{
	return 2 + t->o.n_client_cas;
}

static const char *file_at(const struct tls *t, size_t i)
{
	return i == 0 ? t->o.certificate : i == 1 ? t->o.key : t->o.client_cas[i - 2];
}

/* Notes how the files are now; true when one differs from the last time. */
static bool files_changed(struct tls *t)
{
	bool changed = false;

	for (size_t i = 0; i < n_files(t); i++) {
		struct stamp now = {0};
		struct stat st;

		if (stat(file_at(t, i), &st) == 0) {
			now.changed = st.st_ctim;
			now.size = st.st_size;
			now.inode = st.st_ino;
			now.device = st.st_dev;
		}
		if (now.changed.tv_sec != t->stamps[i].changed.tv_sec ||
		    now.changed.tv_nsec != t->stamps[i].changed.tv_nsec || now.size != t->stamps[i].size ||
		    now.inode != t->stamps[i].inode || now.device != t->stamps[i].device) {
			t->stamps[i] = now;
			changed = true;
		}
	}
	return changed;
}

enum err_code tls_new(const struct http_tls_options *o, struct tls **out, struct err *err)
{
	SSL_CTX *ctx;
	struct tls *t;
	enum err_code code;

	if (o->certificate == NULL || o->key == NULL)
		return err_set(err, ERR_INVALID, "TLS needs both a certificate file and a key file");
	code = make_ctx(o, &ctx, err);
	if (code != ERR_OK)
		return code;
	t = xcalloc(1, sizeof(*t));
	t->o = *o;
	t->ctx = ctx;
	mutex_init(&t->lock);
	t->stamps = xcalloc(n_files(t), sizeof(*t->stamps));
	files_changed(t);
	*out = t;
	return ERR_OK;
}

void tls_free(struct tls **tp)
{
	struct tls *t = *tp;

	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	mutex_destroy(&t->lock);
	free(t->stamps);
	free(t);
	*tp = NULL;
}

/* Tickets made before a reload can be used after it; but not where they stand
 * for a client certificate, whose CA may be one that was just taken away. */
static void keep_ticket_keys(SSL_CTX *from, SSL_CTX *to)
{
	unsigned char keys[256];
	long n = SSL_CTX_get_tlsext_ticket_keys(from, NULL, 0);

	if (n > 0 && n <= (long)sizeof(keys) && SSL_CTX_get_tlsext_ticket_keys(from, keys, n) == 1)
		SSL_CTX_set_tlsext_ticket_keys(to, keys, n);
	OPENSSL_cleanse(keys, sizeof(keys));
	ERR_clear_error();
}

enum err_code tls_reload(struct tls *t, struct err *err)
{
	SSL_CTX *new, *old;
	enum err_code code = make_ctx(&t->o, &new, err);

	if (code != ERR_OK)
		return code;
	mutex_lock(&t->lock);
	old = t->ctx;
	if (t->o.client_auth == HTTP_CLIENT_AUTH_NONE)
		keep_ticket_keys(old, new);
	t->ctx = new;
	mutex_unlock(&t->lock);
	SSL_CTX_free(old);
	return ERR_OK;
}

void tls_watch(struct tls *t)
{
	struct err err;

	if (!files_changed(t))
		return;
	if (tls_reload(t, &err) == ERR_OK)
		LOG_INFO("certificate reloaded", LOG_STR("file", t->o.certificate));
	else
		LOG_ERROR("certificate not reloaded, the old one stays in use", LOG_STR("error", err.msg));
}

/* ---- connections ------------------------------------------------------- */

static SSL *new_ssl(struct tls *t, int fd)
{
	SSL *ssl;

	mutex_lock(&t->lock);
	ssl = SSL_new(t->ctx);
	mutex_unlock(&t->lock);
	if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ssl = NULL;
	}
	return ssl;
}

/* The subject of a certificate that a CA of ours vouches for, RFC 2253. */
static char *verified_subject(const struct tls *t, SSL *ssl)
{
	X509 *cert;
	BIO *bio;
	char *text = NULL, *p;
	long n;

	if (t->o.client_auth == HTTP_CLIENT_AUTH_NONE || SSL_get_verify_result(ssl) != X509_V_OK)
		return NULL;
	cert = SSL_get0_peer_certificate(ssl);
	bio = cert != NULL ? BIO_new(BIO_s_mem()) : NULL;
	if (bio != NULL && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
		n = BIO_get_mem_data(bio, &p);
		text = slice_dup(slice_of(p, (size_t)n));
	}
	BIO_free(bio);
	return text;
}

enum tls_step tls_handshake(struct tls *t, SSL **ssl, int fd, char **cert)
{
	unsigned long e;
	int r;

	if (*ssl == NULL)
		*ssl = new_ssl(t, fd);
	if (*ssl == NULL)
		return TLS_FAILED;
	ERR_clear_error();
	r = SSL_accept(*ssl);
	if (r == 1) {
		*cert = verified_subject(t, *ssl);
		ERR_clear_error();
		return TLS_DONE;
	}
	switch (SSL_get_error(*ssl, r)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	default:
		e = ERR_peek_error();
		LOG_DEBUG("TLS handshake failed", LOG_STR("error", ssl_reason()));
		return ERR_GET_REASON(e) == SSL_R_HTTP_REQUEST ? TLS_PLAIN_HTTP : TLS_FAILED;
	}
}

void tls_shutdown(SSL *ssl)
{
	ERR_clear_error();
	SSL_shutdown(ssl);
	ERR_clear_error();
}

void tls_close(SSL *ssl, bool goodbye)
{
	if (goodbye)
		tls_shutdown(ssl);
	SSL_free(ssl);
	ERR_clear_error();
}
