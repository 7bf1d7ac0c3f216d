/* SPDX-License-Identifier: Apache-2.0 */
/* keyset.c - loading trusted keys, and chains of certificates; see keyset.h. */
#include "auth/keyset.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/fsys.h"
#include "base/log.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#define CERT_MAX 16384 /* bytes of one certificate of an x5c header */

struct keyset {
	uint32_t magic;
#define KEYSET_MAGIC 0x4b657973
	struct jws_key **keys;
	size_t n, cap;
	X509_STORE *roots;
	size_t nroots;
	struct digest bundle, jwks; /* of the files; DIGEST_NONE without one */
};

void keyset_free(struct keyset *s)
{
	if (!s)
		return;
	OBJ_CHECK(s, KEYSET_MAGIC);
	s->magic = 0;
	for (size_t i = 0; i < s->n; i++)
		jws_key_free(s->keys[i]);
	free(s->keys);
	X509_STORE_free(s->roots);
	free(s);
}

static void add(struct keyset *s, struct jws_key *k)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 8;
		s->keys = xrealloc(s->keys, s->cap * sizeof(struct jws_key *));
	}
	s->keys[s->n++] = k;
}

/* ---- the bundle -------------------------------------------------------- */

static enum err_code add_pkey(struct keyset *s, EVP_PKEY *pkey, struct err *err)
{
	struct jws_key *k;
	enum err_code rc = jws_key_of_pkey(pkey, &k, err);

	if (!rc)
		add(s, k);
	return rc;
}

/* A root whose own key no token can be signed with is still a root. */
static enum err_code add_certificate(
    struct keyset *s, const unsigned char *der, long n, const char *where, struct err *err)
{
	X509 *cert = d2i_X509(NULL, &der, n);
	EVP_PKEY *pkey = cert ? X509_get0_pubkey(cert) : NULL;
	struct err why;

	if (!pkey || X509_STORE_add_cert(s->roots, cert) != 1) {
		X509_free(cert);
		return err_set(err, ERR_INVALID, "%s: the certificate is malformed", where);
	}
	s->nroots++;
	if (add_pkey(s, pkey, &why))
		LOG_WARN("tokens signed with this certificate's own key will not be accepted",
		    LOG_STR("certificate", where), LOG_STR("reason", why.msg));
	if (X509_cmp_time(X509_get0_notAfter(cert), NULL) < 0)
		LOG_WARN("certificate has expired, chains that lead to it will not be accepted",
		    LOG_STR("certificate", where));
	X509_free(cert);
	return ERR_OK;
}

static enum err_code add_public_key(
    struct keyset *s, const unsigned char *der, long n, bool pkcs1, const char *where, struct err *err)
{
	EVP_PKEY *pkey = pkcs1 ? d2i_PublicKey(EVP_PKEY_RSA, NULL, &der, n) : d2i_PUBKEY(NULL, &der, n);
	enum err_code rc;

	if (!pkey)
		return err_set(err, ERR_INVALID, "%s: the public key is malformed", where);
	rc = add_pkey(s, pkey, err);
	EVP_PKEY_free(pkey);
	return rc ? err_context(err, "%s", where) : ERR_OK;
}

static enum err_code add_block(
    struct keyset *s, const char *type, const unsigned char *der, long n, const char *where, struct err *err)
{
	if (strcmp(type, PEM_STRING_X509) == 0 || strcmp(type, PEM_STRING_X509_OLD) == 0)
		return add_certificate(s, der, n, where, err);
	if (strcmp(type, PEM_STRING_PUBLIC) == 0)
		return add_public_key(s, der, n, false, where, err);
	if (strcmp(type, PEM_STRING_RSA_PUBLIC) == 0)
		return add_public_key(s, der, n, true, where, err);
	LOG_WARN("skipped a part that is neither a certificate nor a public key", LOG_STR("where", where),
	    LOG_STR("type", type));
	return ERR_OK;
}

static enum err_code load_bundle(struct keyset *s, const char *path, struct err *err)
{
	CLEANUP(free_ptr) char *text = NULL;
	enum err_code rc;
	unsigned blocks = 0;
	BIO *bio;
	size_t n;

	rc = fsys_read_file(path, KEYSET_FILE_MAX, &text, &n, err);
	if (rc)
		return rc;
	digest_of(DIGEST_SHA256, text, n, &s->bundle);
	bio = BIO_new_mem_buf(text, (int)n);
	while (bio && !rc) {
		CLEANUP(free_ptr) char *where = xasprintf("%s: block %u", path, blocks + 1);
		char *type = NULL, *header = NULL;
		unsigned char *der = NULL;
		long len;

		if (PEM_read_bio(bio, &type, &header, &der, &len) != 1)
			break;
		blocks++;
		rc = add_block(s, type, der, len, where, err);
		OPENSSL_free(type);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	/* Anything but "no further block" means that there is one and it is broken. */
	if (!rc && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		rc = err_set(err, ERR_INVALID, "%s: block %u is not valid PEM", path, blocks + 1);
	ERR_clear_error();
	BIO_free(bio);
	return rc;
}

/* ---- the JWKS ---------------------------------------------------------- */

static enum err_code load_jwk(
    struct keyset *s, const json_t *jwk, const char *path, size_t i, bool symmetric, struct err *err)
{
	struct jws_key *k;
	enum err_code rc = jws_key_of_jwk(jwk, &k, err);

	/* RFC 7517, 5: keys that are not understood are ignored. */
	if (rc == ERR_UNSUPPORTED) {
		LOG_WARN("skipped a key of the JWKS", LOG_STR("file", path), LOG_INT("index", i),
		    LOG_STR("reason", err->msg));
		return ERR_OK;
	}
	if (rc)
		return err_context(err, "%s: keys[%zu]", path, i);
	if (k->kind == JWS_OCT && !symmetric) {
		LOG_WARN(
		    "skipped a symmetric key of the JWKS: no HS algorithm is listed in auth.token.signingalgorithms",
		    LOG_STR("file", path), LOG_INT("index", i));
		jws_key_free(k);
		return ERR_OK;
	}
	if (k->kind == JWS_OCT && !k->ids[0])
		LOG_WARN("a symmetric key of the JWKS has no kid, so no token can refer to it", LOG_STR("file", path),
		    LOG_INT("index", i));
	add(s, k);
	return ERR_OK;
}

static enum err_code load_jwks(struct keyset *s, const char *path, bool symmetric, struct err *err)
{
	CLEANUP(free_ptr) char *text = NULL;
	const json_t *keys, *jwk;
	json_error_t why;
	enum err_code rc;
	json_t *root;
	size_t n, i;

	rc = fsys_read_file(path, KEYSET_FILE_MAX, &text, &n, err);
	if (rc)
		return rc;
	digest_of(DIGEST_SHA256, text, n, &s->jwks);
	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	OPENSSL_cleanse(text, n);
	if (!root)
		return err_set(err, ERR_INVALID, "%s: line %d: %s", path, why.line, why.text);
	keys = json_object_get(root, "keys");
	if (!json_is_array(keys))
		rc = err_set(err, ERR_INVALID, "%s: it is no JWKS: there is no array \"keys\"", path);
	for (i = 0; !rc && i < json_array_size(keys); i++) {
		jwk = json_array_get(keys, i);
		rc = load_jwk(s, jwk, path, i, symmetric, err);
	}
	json_decref(root);
	return rc;
}

/* ---- the set ----------------------------------------------------------- */

enum err_code keyset_load(const char *bundle, const char *jwks, bool symmetric, struct keyset **out, struct err *err)
{
	struct keyset *s = xcalloc(1, sizeof(*s));
	enum err_code rc = ERR_OK;

	s->magic = KEYSET_MAGIC;
	s->roots = X509_STORE_new();
	if (!s->roots)
		rc = err_set(err, ERR_NO_MEMORY, "no memory for certificates");
	if (!rc && bundle)
		rc = load_bundle(s, bundle, err);
	if (!rc && jwks)
		rc = load_jwks(s, jwks, symmetric, err);
	if (!rc && s->n == 0)
		rc = err_set(err, ERR_INVALID, "%s%s%s: there is no key with which tokens can be signed",
		    bundle ? bundle : "", bundle && jwks ? ", " : "", jwks ? jwks : "");
	if (rc) {
		keyset_free(s);
		return rc;
	}
	*out = s;
	return ERR_OK;
}

size_t keyset_count(const struct keyset *s)
{
	OBJ_CHECK(s, KEYSET_MAGIC);
	return s->n;
}

bool keyset_same(const struct keyset *a, const struct keyset *b)
{
	OBJ_CHECK(a, KEYSET_MAGIC);
	OBJ_CHECK(b, KEYSET_MAGIC);
	return digest_eq(&a->bundle, &b->bundle) && digest_eq(&a->jwks, &b->jwks);
}

const struct jws_key *keyset_next(const struct keyset *s, struct slice id, size_t *at)
{
	OBJ_CHECK(s, KEYSET_MAGIC);
	while (*at < s->n) {
		const struct jws_key *k = s->keys[(*at)++];

		if (jws_key_has_id(k, id))
			return k;
	}
	return NULL;
}

const struct jws_key *keyset_equal(const struct keyset *s, const struct jws_key *key)
{
	OBJ_CHECK(s, KEYSET_MAGIC);
	for (size_t i = 0; i < s->n; i++)
		if (jws_key_same(s->keys[i], key))
			return s->keys[i];
	return NULL;
}

/* ---- chains ------------------------------------------------------------ */

static X509 *certificate_of(const json_t *item)
{
	CLEANUP(buf_free) struct buf der = BUF_INIT(CERT_MAX);
	const unsigned char *p;
	X509 *cert;

	if (!json_is_string(item) ||
	    !base64_decode(&der, slice_of(json_string_value(item), json_string_length(item))) || !buf_ok(&der) ||
	    der.n == 0)
		return NULL;
	p = (const unsigned char *)der.p;
	cert = d2i_X509(NULL, &p, (long)der.n);
	if (cert && p != (const unsigned char *)der.p + der.n) {
		X509_free(cert);
		cert = NULL;
	}
	return cert;
}

/* Every certificate of the bundle is a root, also one that is not self-signed,
 * as Go's verification has it. */
static enum err_code verify_chain(
    const struct keyset *s, X509 *leaf, STACK_OF(X509) * others, int64_t now, struct err *err)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	enum err_code rc = ERR_OK;

	if (!ctx || X509_STORE_CTX_init(ctx, s->roots, leaf, others) != 1) {
		rc = err_set(err, ERR_NO_MEMORY, "no memory for certificates");
	} else {
		param = X509_STORE_CTX_get0_param(ctx);
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
		X509_VERIFY_PARAM_set_time(param, (time_t)(now / CLOCK_S));
		X509_VERIFY_PARAM_set_depth(param, KEYSET_CHAIN_MAX);
		X509_VERIFY_PARAM_set_auth_level(param, 2); /* 112 bits: no SHA-1, no short keys */
		if (X509_verify_cert(ctx) != 1)
			rc = err_set(err, ERR_DENIED, "its certificate chain (x5c) is not valid: %s",
			    X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	}
	X509_STORE_CTX_free(ctx);
	return rc;
}

enum err_code keyset_chain(
    const struct keyset *s, const json_t *x5c, int64_t now, struct jws_key **out, struct err *err)
{
	STACK_OF(X509) *others = sk_X509_new_null();
	size_t n = json_array_size(x5c);
	X509 *leaf = NULL;
	enum err_code rc = ERR_OK;

	OBJ_CHECK(s, KEYSET_MAGIC);
	if (n == 0 || n > KEYSET_CHAIN_MAX)
		rc = err_set(err, ERR_INVALID, "its x5c header is no list of 1 to %d certificates", KEYSET_CHAIN_MAX);
	else if (s->nroots == 0)
		rc = err_set(err, ERR_DENIED, "it has an x5c header, but no root certificate is configured");
	for (size_t i = 0; !rc && i < n; i++) {
		X509 *cert = certificate_of(json_array_get(x5c, i));

		if (!cert || (i && (!others || sk_X509_push(others, cert) <= 0))) {
			X509_free(cert);
			rc = err_set(err, ERR_INVALID, "certificate %zu of its x5c header is malformed", i);
		} else if (i == 0) {
			leaf = cert;
		}
	}
	if (!rc)
		rc = verify_chain(s, leaf, others, now, err);
	if (!rc)
		rc = X509_get0_pubkey(leaf) ? jws_key_of_pkey(X509_get0_pubkey(leaf), out, err)
		                            : err_set(err, ERR_INVALID, "the key of its x5c header cannot be read");
	X509_free(leaf);
	sk_X509_pop_free(others, X509_free);
	ERR_clear_error();
	return rc;
}
