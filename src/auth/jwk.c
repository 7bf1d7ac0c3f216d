/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwk.c - keys: from certificates and PEM, from JSON web keys, and the names
 * they go by; see jws.h.
 *
 * An asymmetric key answers to its RFC 7638 thumbprint, to the fingerprint that
 * libtrust (registry:2) gives it, and to the kid of its JWK. registry:3 leaves
 * out leading zero bytes of coordinates when it computes the thumbprint of a
 * key on a curve, so such a key has two.
 */
#include "auth/jws.h"
#include "base/codec.h"
#include "base/digest.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_MAX 4096 /* bytes of one member of a JWK: an RSA modulus of 16384 bits has 2048 */

static const struct curve {
	enum jws_kind kind;
	const char *jose, *openssl;
	size_t size;
} curves[] = {
    {JWS_P256, "P-256", "prime256v1", 32},
    {JWS_P384, "P-384", "secp384r1", 48},
    {JWS_P521, "P-521", "secp521r1", 66},
};

bool jws_base64url(struct buf *out, struct slice in)
{
	for (size_t i = 0; i < in.n; i++)
		if (in.p[i] == '+' || in.p[i] == '/' || in.p[i] == '=')
			return false;
	return base64_decode(out, in) && buf_ok(out);
}

struct slice jws_member(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	return json_is_string(v) ? slice_of(json_string_value(v), json_string_length(v)) : SLICE_NONE;
}

void jws_key_free(struct jws_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	OPENSSL_clear_free(k->secret, k->nsecret);
	for (size_t i = 0; i < JWS_IDS; i++)
		free(k->ids[i]);
	free(k);
}

/* ---- names ------------------------------------------------------------- */

static void add_id(struct jws_key *k, const char *id)
{
	for (size_t i = 0; i < JWS_IDS; i++) {
		if (!k->ids[i]) {
			k->ids[i] = xstrdup(id);
			return;
		}
		if (strcmp(k->ids[i], id) == 0)
			return;
	}
	UNREACHABLE("more names than a key can have");
}

bool jws_key_has_id(const struct jws_key *k, struct slice id)
{
	for (size_t i = 0; i < JWS_IDS && k->ids[i]; i++)
		if (slice_eq_cstr(id, k->ids[i]))
			return true;
	return false;
}

/* Appends a number of the key in base64url, at least `width` bytes long. */
static bool add_number(struct buf *out, const EVP_PKEY *pkey, const char *param, size_t width)
{
	unsigned char bytes[FIELD_MAX];
	BIGNUM *bn = NULL;
	bool ok = EVP_PKEY_get_bn_param(pkey, param, &bn) == 1 && (size_t)BN_num_bytes(bn) <= sizeof(bytes);

	if (ok) {
		size_t n = (size_t)BN_num_bytes(bn);

		if (n < width)
			n = width;
		ok = BN_bn2binpad(bn, bytes, (int)n) == (int)n;
		if (ok)
			base64url_encode(out, bytes, n);
	}
	BN_free(bn);
	return ok && buf_ok(out);
}

/* The JSON text that RFC 7638 hashes. */
static bool canonical(struct buf *out, const struct jws_key *k, bool full_width)
{
	unsigned char raw[32];
	size_t n = sizeof(raw);

	if (k->kind == JWS_RSA) {
		buf_adds(out, "{\"e\":\"");
		if (!add_number(out, k->pkey, OSSL_PKEY_PARAM_RSA_E, 1))
			return false;
		buf_adds(out, "\",\"kty\":\"RSA\",\"n\":\"");
		return add_number(out, k->pkey, OSSL_PKEY_PARAM_RSA_N, 1) && (buf_adds(out, "\"}"), buf_ok(out));
	}
	if (k->kind == JWS_ED25519) {
		if (EVP_PKEY_get_raw_public_key(k->pkey, raw, &n) != 1)
			return false;
		buf_adds(out, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
		base64url_encode(out, raw, n);
		buf_adds(out, "\"}");
		return buf_ok(out);
	}
	for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
		if (curves[i].kind != k->kind)
			continue;
		n = full_width ? curves[i].size : 1;
		buf_addf(out, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"", curves[i].jose);
		if (!add_number(out, k->pkey, OSSL_PKEY_PARAM_EC_PUB_X, n))
			return false;
		buf_adds(out, "\",\"y\":\"");
		return add_number(out, k->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, n) && (buf_adds(out, "\"}"), buf_ok(out));
	}
	return false;
}

static bool add_thumbprint(struct jws_key *k, bool full_width)
{
	CLEANUP(buf_free) struct buf json = BUF_INIT((size_t)4 * FIELD_MAX);
	CLEANUP(buf_free) struct buf id = BUF_INIT(64);
	struct digest d;

	if (!canonical(&json, k, full_width))
		return false;
	digest_of(DIGEST_SHA256, json.p, json.n, &d);
	base64url_encode(&id, d.bytes, digest_size(DIGEST_SHA256));
	if (!buf_ok(&id))
		return false;
	add_id(k, buf_cstr(&id));
	return true;
}

/* The first 240 bits of the SHA-256 of the DER form, in base32, by fours. */
static bool add_libtrust(struct jws_key *k)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(k->pkey, &der);
	struct digest d;
	char id[60], *at = id;

	if (n <= 0)
		return false;
	digest_of(DIGEST_SHA256, der, (size_t)n, &d);
	OPENSSL_free(der);
	for (size_t i = 0; i < 48; i++) {
		size_t bit = i * 5;
		unsigned pair = (unsigned)d.bytes[bit / 8] << 8 | d.bytes[bit / 8 + 1];

		if (i && i % 4 == 0)
			*at++ = ':';
		*at++ = alphabet[pair >> (11 - bit % 8) & 31];
	}
	*at = '\0';
	add_id(k, id);
	return true;
}

/* ---- from OpenSSL ------------------------------------------------------- */

static enum err_code kind_of(const EVP_PKEY *pkey, enum jws_kind *kind, struct err *err)
{
	char group[64];

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		*kind = JWS_RSA;
		if (EVP_PKEY_get_bits(pkey) < JWS_RSA_MIN_BITS)
			return err_set(err, ERR_INVALID, "an RSA key of %d bits is too short, at least %d are needed",
			    EVP_PKEY_get_bits(pkey), JWS_RSA_MIN_BITS);
		return ERR_OK;
	}
	if (EVP_PKEY_is_a(pkey, "ED25519")) {
		*kind = JWS_ED25519;
		return ERR_OK;
	}
	if (EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1) {
		for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
			if (strcmp(group, curves[i].openssl) == 0) {
				*kind = curves[i].kind;
				return ERR_OK;
			}
		}
		return err_set(err, ERR_UNSUPPORTED, "the elliptic curve %s is not supported", group);
	}
	return err_set(
	    err, ERR_UNSUPPORTED, "a key of this type is not supported (RSA, P-256, P-384, P-521 and Ed25519 are)");
}

enum err_code jws_key_of_pkey(EVP_PKEY *pkey, struct jws_key **out, struct err *err)
{
	enum jws_kind kind = JWS_OCT;
	enum err_code rc = kind_of(pkey, &kind, err);
	struct jws_key *k;
	bool named;

	if (rc)
		return rc;
	k = xcalloc(1, sizeof(*k));
	k->kind = kind;
	if (EVP_PKEY_up_ref(pkey) == 1)
		k->pkey = pkey;
	named = k->pkey && add_thumbprint(k, true) && add_libtrust(k) && add_thumbprint(k, false);
	if (!named) {
		jws_key_free(k);
		return err_set(err, ERR_INVALID, "the public key cannot be read");
	}
	*out = k;
	return ERR_OK;
}

bool jws_key_same(const struct jws_key *a, const struct jws_key *b)
{
	return a->pkey && b->pkey && a->kind == b->kind && EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

/* ---- from JSON ---------------------------------------------------------- */

/* A member that is binary in base64url. */
static bool binary(const json_t *jwk, const char *name, struct buf *out)
{
	struct slice s = jws_member(jwk, name);

	return s.n && s.n <= FIELD_MAX && jws_base64url(out, s) && out->n > 0;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (!params || !ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	ERR_clear_error();
	return pkey;
}

static EVP_PKEY *rsa_of_jwk(const json_t *jwk)
{
	CLEANUP(buf_free) struct buf nb = BUF_INIT(FIELD_MAX), eb = BUF_INIT(FIELD_MAX);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *n = NULL, *e = NULL;
	EVP_PKEY *pkey = NULL;

	if (bld && binary(jwk, "n", &nb) && binary(jwk, "e", &eb)) {
		n = BN_bin2bn((const unsigned char *)nb.p, (int)nb.n, NULL);
		e = BN_bin2bn((const unsigned char *)eb.p, (int)eb.n, NULL);
		if (n && e && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
			pkey = from_params("RSA", bld);
	}
	OSSL_PARAM_BLD_free(bld);
	BN_free(n);
	BN_free(e);
	return pkey;
}

static EVP_PKEY *ec_of_jwk(const json_t *jwk, const struct curve *curve)
{
	CLEANUP(buf_free) struct buf x = BUF_INIT(FIELD_MAX), y = BUF_INIT(FIELD_MAX), point = BUF_INIT(256);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *pkey = NULL;

	if (bld && binary(jwk, "x", &x) && binary(jwk, "y", &y) && x.n == curve->size && y.n == curve->size) {
		buf_addc(&point, POINT_CONVERSION_UNCOMPRESSED);
		buf_add(&point, buf_slice(&x));
		buf_add(&point, buf_slice(&y));
		if (buf_ok(&point) &&
		    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve->openssl, 0) == 1 &&
		    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n) == 1)
			pkey = from_params("EC", bld);
	}
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

static EVP_PKEY *okp_of_jwk(const json_t *jwk)
{
	CLEANUP(buf_free) struct buf x = BUF_INIT(FIELD_MAX);

	if (!binary(jwk, "x", &x) || x.n != 32)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.n);
}

static enum err_code oct_of_jwk(const json_t *jwk, struct jws_key **out, struct err *err)
{
	CLEANUP(buf_free) struct buf secret = BUF_INIT(FIELD_MAX);
	struct jws_key *k;

	if (!binary(jwk, "k", &secret))
		return err_set(err, ERR_INVALID, "\"k\" is missing or malformed");
	k = xcalloc(1, sizeof(*k));
	k->kind = JWS_OCT;
	k->nsecret = secret.n;
	k->secret = OPENSSL_memdup(secret.p, secret.n);
	OPENSSL_cleanse(secret.p, secret.n);
	if (!k->secret) {
		jws_key_free(k);
		return err_set(err, ERR_NO_MEMORY, "no memory for a key");
	}
	*out = k;
	return ERR_OK;
}

static enum err_code asymmetric_of_jwk(const json_t *jwk, struct slice kty, struct jws_key **out, struct err *err)
{
	struct slice crv = jws_member(jwk, "crv");
	EVP_PKEY *pkey = NULL;
	enum err_code rc;

	if (slice_eq(kty, SLICE("RSA"))) {
		pkey = rsa_of_jwk(jwk);
	} else if (slice_eq(kty, SLICE("OKP")) && slice_eq(crv, SLICE("Ed25519"))) {
		pkey = okp_of_jwk(jwk);
	} else {
		const struct curve *curve = NULL;

		for (size_t i = 0; i < ARRAY_LEN(curves) && slice_eq(kty, SLICE("EC")); i++)
			if (slice_eq_cstr(crv, curves[i].jose))
				curve = &curves[i];
		if (!curve)
			return err_set(err, ERR_UNSUPPORTED, "its \"kty\" or \"crv\" is not one that can sign tokens");
		pkey = ec_of_jwk(jwk, curve);
	}
	if (!pkey)
		return err_set(err, ERR_INVALID, "its numbers are missing or malformed");
	rc = jws_key_of_pkey(pkey, out, err);
	EVP_PKEY_free(pkey);
	return rc;
}

/* A key may be set aside for encryption, or for another algorithm than ours. */
static enum err_code check_use(const json_t *jwk, const struct jws_alg **only, struct err *err)
{
	const json_t *ops = json_object_get(jwk, "key_ops"), *op;
	struct slice use = jws_member(jwk, "use"), alg = jws_member(jwk, "alg");
	bool may = !ops;
	size_t i;

	if (use.p && !slice_eq(use, SLICE("sig")))
		return err_set(err, ERR_UNSUPPORTED, "its \"use\" is not \"sig\"");
	json_array_foreach(ops, i, op)
	{
		const char *s = json_string_value(op);

		may = may || (s && (strcmp(s, "verify") == 0 || strcmp(s, "sign") == 0));
	}
	if (!may)
		return err_set(err, ERR_UNSUPPORTED, "its \"key_ops\" do not include \"verify\"");
	*only = alg.p ? jws_alg_find(UINT32_MAX, alg) : NULL;
	if (alg.p && !*only)
		return err_set(err, ERR_UNSUPPORTED, "its \"alg\" is not one that can sign tokens");
	return ERR_OK;
}

enum err_code jws_key_of_jwk(const json_t *jwk, struct jws_key **out, struct err *err)
{
	struct slice kty = jws_member(jwk, "kty"), kid = jws_member(jwk, "kid");
	const struct jws_alg *only = NULL;
	struct jws_key *k = NULL;
	enum err_code rc;

	if (!kty.p)
		return err_set(err, ERR_INVALID, "it is no JSON web key: \"kty\" is missing");
	rc = check_use(jwk, &only, err);
	if (rc)
		return rc;
	rc = slice_eq(kty, SLICE("oct")) ? oct_of_jwk(jwk, &k, err) : asymmetric_of_jwk(jwk, kty, &k, err);
	if (rc)
		return rc;
	ASSERT(k != NULL);
	if (only && only->kind != k->kind) {
		jws_key_free(k);
		return err_set(err, ERR_INVALID, "its \"alg\" %s does not work with a key of its kind", only->name);
	}
	k->only = only;
	if (kid.n)
		add_id(k, kid.p);
	*out = k;
	return ERR_OK;
}
