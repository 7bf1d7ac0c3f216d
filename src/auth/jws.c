/* SPDX-License-Identifier: Apache-2.0 */
/* jws.c - signature algorithms and their verification; see jws.h. */
#include "auth/jws.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <string.h>

static const struct jws_alg algs[] = {
    {"EdDSA", NULL, 64, JWS_ED25519, false, true},
    {"RS256", "SHA256", 32, JWS_RSA, false, true},
    {"RS384", "SHA384", 48, JWS_RSA, false, true},
    {"RS512", "SHA512", 64, JWS_RSA, false, true},
    {"ES256", "SHA256", 32, JWS_P256, false, true},
    {"ES384", "SHA384", 48, JWS_P384, false, true},
    {"ES512", "SHA512", 66, JWS_P521, false, true},
    {"PS256", "SHA256", 32, JWS_RSA, true, true},
    {"PS384", "SHA384", 48, JWS_RSA, true, true},
    {"PS512", "SHA512", 64, JWS_RSA, true, true},
    {"HS256", "SHA256", 32, JWS_OCT, false, false},
    {"HS384", "SHA384", 48, JWS_OCT, false, false},
    {"HS512", "SHA512", 64, JWS_OCT, false, false},
};
_Static_assert(ARRAY_LEN(algs) <= 32, "a set of algorithms has 32 bits");

const struct jws_alg *jws_alg_at(size_t i)
{
	return i < ARRAY_LEN(algs) ? &algs[i] : NULL;
}

bool jws_algs_add(jws_algs *set, struct slice name)
{
	const struct jws_alg *a = jws_alg_find(UINT32_MAX, name);

	if (a)
		*set |= (jws_algs)1 << (a - algs);
	return a != NULL;
}

jws_algs jws_algs_default(void)
{
	jws_algs set = 0;

	for (size_t i = 0; i < ARRAY_LEN(algs); i++)
		if (algs[i].by_default)
			set |= (jws_algs)1 << i;
	return set;
}

const struct jws_alg *jws_alg_find(jws_algs set, struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(algs); i++)
		if (slice_eq_cstr(name, algs[i].name))
			return set & (jws_algs)1 << i ? &algs[i] : NULL;
	return NULL;
}

static bool verify_hmac(const struct jws_alg *alg, const struct jws_key *key, struct slice data, struct slice sig)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	size_t n = 0;

	if (key->nsecret < alg->size || sig.n != alg->size)
		return false;
	return EVP_Q_mac(NULL, "HMAC", NULL, alg->md, NULL, key->secret, key->nsecret, (const unsigned char *)data.p,
	           data.n, out, sizeof(out), &n) &&
	       n == sig.n && CRYPTO_memcmp(out, sig.p, n) == 0;
}

/* A JWS has the two numbers of ECDSA side by side, OpenSSL wants them in DER. */
static unsigned char *ecdsa_der(const struct jws_alg *alg, struct slice sig, size_t *n)
{
	const unsigned char *p = (const unsigned char *)sig.p;
	unsigned char *der = NULL;
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(p, (int)alg->size, NULL), *s = BN_bin2bn(p + alg->size, (int)alg->size, NULL);
	int len = -1;

	if (pair && r && s && ECDSA_SIG_set0(pair, r, s) == 1) {
		len = i2d_ECDSA_SIG(pair, &der);
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(pair);
	*n = len > 0 ? (size_t)len : 0;
	return len > 0 ? der : NULL;
}

static bool verify_pkey(const struct jws_alg *alg, EVP_PKEY *pkey, struct slice data, struct slice sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	bool ok = ctx && EVP_DigestVerifyInit_ex(ctx, &pctx, alg->md, NULL, NULL, pkey, NULL) == 1;

	if (ok && alg->pss)
		ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	ok = ok &&
	     EVP_DigestVerify(ctx, (const unsigned char *)sig.p, sig.n, (const unsigned char *)data.p, data.n) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

bool jws_verify(const struct jws_alg *alg, const struct jws_key *key, struct slice signed_part, struct slice signature)
{
	unsigned char *der;
	size_t n;
	bool ok;

	if (alg->kind != key->kind || (key->only && key->only != alg) || signature.n == 0)
		return false;
	switch (alg->kind) {
	case JWS_OCT:
		return verify_hmac(alg, key, signed_part, signature);
	case JWS_RSA:
	case JWS_ED25519:
		return verify_pkey(alg, key->pkey, signed_part, signature);
	case JWS_P256:
	case JWS_P384:
	case JWS_P521:
		if (signature.n != 2 * alg->size)
			return false;
		der = ecdsa_der(alg, signature, &n);
		ok = der && verify_pkey(alg, key->pkey, signed_part, slice_of(der, n));
		OPENSSL_free(der);
		return ok;
	}
	UNREACHABLE("jws_kind");
}
