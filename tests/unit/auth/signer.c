/* SPDX-License-Identifier: Apache-2.0 */
/* signer.c - see signer.h. */
#include "signer.h"
#include "authtest.h"
#include "base/codec.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static const char script[] =
    "set -e; cd \"$0\"\n"
    "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key\n"
    "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa2.key\n"
    "openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key\n"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out p256.key\n"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384.key\n"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out p521.key\n"
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out k256.key\n"
    "openssl genpkey -algorithm ED25519 -out ed.key\n"
    "for k in rsa rsa2 weak p256 p384 p521 k256 ed; do openssl pkey -in $k.key -pubout -out $k.pub; done\n"
    "ca='basicConstraints=critical,CA:true'; no='basicConstraints=critical,CA:false'\n"
    "openssl req -x509 -new -key rsa2.key -subj /CN=root -days 30 -addext $ca -out root.crt\n"
    "openssl req -x509 -new -key rsa.key -subj /CN=foreign -days 30 -addext $ca -out foreign.crt\n"
    "sign() { openssl req -new -key $1.key -subj /CN=$2 -out $2.csr; echo $5 >$2.ext\n"
    "  openssl x509 -req -in $2.csr -CA $3.crt -CAkey $4.key -set_serial 7$6 -days $6 -extfile $2.ext -out $2.crt; }\n"
    "sign p384 ca root rsa2 $ca 20\n"
    "sign p256 leaf ca p384 $no 10\n"
    "sign p521 server leaf p256 $no 10\n";

void signer_make_keys(void)
{
	free(RUN("sh", "-c", script, in_dir(".")));
}

EVP_PKEY *signer_key(const char *name)
{
	char file[64];
	EVP_PKEY *k;
	FILE *f;

	(void)snprintf(file, sizeof(file), "%s.key", name);
	f = fopen(in_dir(file), "r");
	assert_non_null(f);
	k = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	assert_non_null(k);
	(void)fclose(f);
	return k;
}

static size_t coordinate(const char *alg)
{
	return strcmp(alg, "ES256") == 0 ? 32 : strcmp(alg, "ES384") == 0 ? 48 : 66;
}

/* From DER to the two numbers side by side. */
static size_t flat(const unsigned char *der, size_t n, size_t width, unsigned char *out)
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)n);

	assert_non_null(pair);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, (int)width), width);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + width, (int)width), width);
	ECDSA_SIG_free(pair);
	return 2 * width;
}

static size_t sign(const char *name, const char *alg, struct slice text, unsigned char out[1024])
{
	EVP_PKEY *key = signer_key(name);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	unsigned char raw[1024];
	char md[16];
	size_t n = sizeof(raw);

	(void)snprintf(md, sizeof(md), "SHA%s", alg + 2);
	assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, strcmp(alg, "EdDSA") ? md : NULL, NULL, NULL, key, NULL), 1);
	if (alg[0] == 'P') {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, raw, &n, (const unsigned char *)text.p, text.n), 1);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	if (alg[0] == 'E' && alg[1] == 'S')
		return flat(raw, n, coordinate(alg), out);
	memcpy(out, raw, n);
	return n;
}

static void begin(struct buf *b, const char *header, const char *payload)
{
	buf_init(b, (size_t)1 << 20);
	base64url_encode(b, header, strlen(header));
	buf_addc(b, '.');
	base64url_encode(b, payload, strlen(payload));
}

static char *finish(struct buf *b, const void *signature, size_t n)
{
	buf_addc(b, '.');
	base64url_encode(b, signature, n);
	assert_true(buf_ok(b));
	return buf_take(b);
}

char *signer_token(const char *name, const char *alg, const char *header, const char *payload)
{
	unsigned char signature[1024];
	struct buf b;
	size_t n;

	begin(&b, header, payload);
	n = sign(name, alg, buf_slice(&b), signature);
	return finish(&b, signature, n);
}

char *signer_hmac_token(const void *secret, size_t n, const char *md, const char *header, const char *payload)
{
	unsigned char signature[64];
	struct buf b;
	size_t len;

	begin(&b, header, payload);
	assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, md, NULL, secret, n, (const unsigned char *)b.p, b.n, signature,
	    sizeof(signature), &len));
	return finish(&b, signature, len);
}

static void number(struct buf *b, const EVP_PKEY *key, const char *param, int width)
{
	unsigned char bytes[1024];
	BIGNUM *bn = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(key, param, &bn), 1);
	if (!width)
		width = BN_num_bytes(bn);
	assert_int_equal(BN_bn2binpad(bn, bytes, width), width);
	base64url_encode(b, bytes, (size_t)width);
	BN_free(bn);
}

char *signer_jwk(const char *name, const char *more)
{
	EVP_PKEY *key = signer_key(name);
	struct buf b = BUF_INIT(8192);
	unsigned char raw[32];
	size_t n = sizeof(raw);
	int width = (EVP_PKEY_get_bits(key) + 7) / 8;

	buf_addf(&b, "{%s%s", more, *more ? "," : "");
	if (EVP_PKEY_is_a(key, "RSA")) {
		buf_adds(&b, "\"kty\":\"RSA\",\"n\":\"");
		number(&b, key, OSSL_PKEY_PARAM_RSA_N, 0);
		buf_adds(&b, "\",\"e\":\"");
		number(&b, key, OSSL_PKEY_PARAM_RSA_E, 0);
	} else if (EVP_PKEY_is_a(key, "EC")) {
		buf_addf(&b, "\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"", EVP_PKEY_get_bits(key));
		number(&b, key, OSSL_PKEY_PARAM_EC_PUB_X, width);
		buf_adds(&b, "\",\"y\":\"");
		number(&b, key, OSSL_PKEY_PARAM_EC_PUB_Y, width);
	} else {
		assert_int_equal(EVP_PKEY_get_raw_public_key(key, raw, &n), 1);
		buf_adds(&b, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
		base64url_encode(&b, raw, n);
	}
	buf_adds(&b, "\"}");
	EVP_PKEY_free(key);
	return buf_take(&b);
}

char *signer_x5c(const char *name)
{
	return RUN(
	    "sh", "-c", "printf '\"%s\"' \"$(openssl x509 -in \"$0\" -outform DER | base64 -w0)\"", in_dir(name));
}

char *signer_libtrust(const char *name)
{
	return RUN("sh", "-c",
	    "openssl pkey -pubin -in \"$0\" -outform DER | openssl dgst -sha256 -binary | head -c 30 | base32 -w0 | "
	    "sed 's/..../&:/g; s/:$//' | tr -d '\\n'",
	    in_dir(name));
}
