/* SPDX-License-Identifier: Apache-2.0 */
/* test_token.c - keys, signatures, key sets and tokens: jws.h, keyset.h, jwt.h. */
#include "authtest.h"
#include "signer.h"
#include "auth/jwt.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#define NOW INT64_C(1700000000)
#define ACCESS \
	"\"access\":[{\"type\":\"repository\",\"name\":\"a/b\",\"actions\":[\"pull\",\"push\"]}," \
	"{\"type\":\"registry\",\"name\":\"catalog\",\"actions\":[\"*\"]}]"
#define CLAIMS \
	"{\"iss\":\"issuer\",\"sub\":\"alice\",\"aud\":\"service\",\"exp\":1700000300,\"nbf\":1700000000," ACCESS "}"

static struct keyset *bundle, *jwks; /* the same public keys, as PEM and as JSON */
static jws_algs all_algs;

static const struct {
	const char *alg, *key;
} pairs[] = {{"RS256", "rsa"}, {"RS384", "rsa"}, {"RS512", "rsa"}, {"PS256", "rsa"}, {"PS384", "rsa"}, {"PS512", "rsa"},
    {"ES256", "p256"}, {"ES384", "p384"}, {"ES512", "p521"}, {"EdDSA", "ed"}};

static const char *const trusted[] = {"rsa", "p256", "p384", "p521", "ed"};

static struct keyset *loaded(const char *pem, const char *json, bool symmetric)
{
	struct keyset *s = NULL;
	struct err err = {.msg = ""};

	if (keyset_load(pem ? in_dir(pem) : NULL, json ? in_dir(json) : NULL, symmetric, &s, &err))
		fail_msg("%s", err.msg);
	return s;
}

static void write_jwks(const char *file, const char *const *jwk, size_t n)
{
	struct buf b = BUF_INIT(1 << 16);

	buf_adds(&b, "{\"keys\":[");
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i ? "," : "", jwk[i]);
	buf_adds(&b, "]}");
	write_bytes(file, buf_slice(&b));
	buf_free(&b);
}

static int setup(void **state)
{
	char *keys[ARRAY_LEN(trusted)], *pem;

	if (dir_setup(state))
		return -1;
	signer_make_keys();
	pem = RUN("sh", "-c", "cd \"$0\"; cat root.crt rsa.pub p256.pub p384.pub p521.pub ed.pub", in_dir("."));
	write_file("bundle.pem", pem);
	free(pem);
	for (size_t i = 0; i < ARRAY_LEN(trusted); i++) {
		char more[64];

		(void)snprintf(more, sizeof(more), "\"kid\":\"%s\",\"use\":\"sig\"", trusted[i]);
		keys[i] = signer_jwk(trusted[i], more);
	}
	write_jwks("keys.json", (const char *const *)keys, ARRAY_LEN(keys));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		free(keys[i]);
	bundle = loaded("bundle.pem", NULL, false);
	jwks = loaded(NULL, "keys.json", false);
	for (size_t i = 0; jws_alg_at(i); i++)
		all_algs |= (jws_algs)1 << i;
	return 0;
}

static int teardown(void **state)
{
	keyset_free(bundle);
	keyset_free(jwks);
	return dir_teardown(state);
}

/* ---- helpers -------------------------------------------------------------- */

static enum err_code check_at(
    const struct keyset *keys, jws_algs algs, const char *token, int64_t now, struct jwt *jwt, struct err *err)
{
	const struct jwt_policy policy = {.issuer = "issuer", .audience = "service", .algs = algs};

	*err = (struct err){.msg = ""};
	return jwt_verify(&policy, keys, slice_cstr(token), false, now * CLOCK_S, jwt, err);
}

static void good_at(const struct keyset *keys, jws_algs algs, char *token, int64_t now)
{
	struct jwt jwt;
	struct err err;

	if (check_at(keys, algs, token, now, &jwt, &err))
		fail_msg("refused: %s", err.msg);
	assert_true(slice_eq(jwt.subject, SLICE("alice")));
	jwt_clear(&jwt);
	free(token);
}

static void good(const struct keyset *keys, char *token)
{
	good_at(keys, jws_algs_default(), token, NOW);
}

static void bad_at(const struct keyset *keys, jws_algs algs, char *token, int64_t now, const char *because)
{
	struct jwt jwt = {NULL};
	struct err err;

	if (check_at(keys, algs, token, now, &jwt, &err) == ERR_OK)
		fail_msg("accepted, though %s", because);
	if (!strstr(err.msg, because))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, because);
	free(token);
}

static void bad(const struct keyset *keys, char *token, const char *because)
{
	bad_at(keys, jws_algs_default(), token, NOW, because);
}

static char *textf(const char *fmt, ...) PRINTF_LIKE(1, 2);

static char *textf(const char *fmt, ...)
{
	struct buf b = BUF_INIT(1 << 16);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return buf_take(&b);
}

/* Signed by p256 with this header and these claims. */
static char *token_with(const char *header, const char *claims)
{
	return signer_token("p256", "ES256", header, claims);
}

static char *claiming(const char *claims)
{
	return token_with("{\"alg\":\"ES256\",\"kid\":\"p256\"}", claims);
}

/* ---- keys ------------------------------------------------------------------- */

static struct jws_key *jwk(const char *text)
{
	json_t *v = json_loads(text, 0, NULL);
	struct jws_key *k = NULL;
	struct err err = {.msg = ""};

	assert_non_null(v);
	if (jws_key_of_jwk(v, &k, &err))
		fail_msg("%s", err.msg);
	json_decref(v);
	return k;
}

static void refused_jwk(const char *text, enum err_code code, const char *because)
{
	json_t *v = json_loads(text, 0, NULL);
	struct jws_key *k;
	struct err err;

	assert_non_null(v);
	assert_int_equal(jws_key_of_jwk(v, &k, &err), code);
	if (!strstr(err.msg, because))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, because);
	json_decref(v);
}

/* RFC 7638, 3.1 and RFC 8037, A.3. */
static void test_thumbprints(void **state)
{
	struct jws_key *k = jwk(
	    "{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6"
	    "tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQ"
	    "MicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHa"
	    "Q-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}");

	assert_true(jws_key_has_id(k, SLICE("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")));
	assert_true(jws_key_has_id(k, SLICE("2011-04-29")));
	assert_false(jws_key_has_id(k, SLICE("2011")));
	jws_key_free(k);
	k = jwk("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
	assert_true(jws_key_has_id(k, SLICE("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")));
	jws_key_free(k);
}

/* RFC 8037, A.5. */
static void test_eddsa_vector(void **state)
{
	struct jws_key *k =
	    jwk("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
	struct slice text = SLICE("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
	struct buf sig = BUF_INIT(100);

	assert_true(jws_base64url(
	    &sig, SLICE("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")));
	assert_true(jws_verify(jws_alg_find(all_algs, SLICE("EdDSA")), k, text, buf_slice(&sig)));
	sig.p[5] ^= 1;
	assert_false(jws_verify(jws_alg_find(all_algs, SLICE("EdDSA")), k, text, buf_slice(&sig)));
	buf_free(&sig);
	jws_key_free(k);
}

static void test_libtrust(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(trusted); i++) {
		char *pub = textf("%s.pub", trusted[i]), *id = signer_libtrust(pub);
		size_t at = 0;

		assert_int_equal(strlen(id), 59);
		assert_non_null(keyset_next(bundle, slice_cstr(id), &at));
		free(id);
		free(pub);
	}
}

static void test_bad_jwks(void **state)
{
	char *weak = signer_jwk("weak", ""), *rsa = signer_jwk("rsa", "\"alg\":\"ES256\""),
	     *enc = signer_jwk("rsa", "\"use\":\"enc\""), *wrap = signer_jwk("rsa", "\"key_ops\":[\"wrapKey\"]"),
	     *oaep = signer_jwk("rsa", "\"alg\":\"RSA-OAEP\"");

	refused_jwk(weak, ERR_INVALID, "1024 bits is too short");
	refused_jwk(rsa, ERR_INVALID, "does not work with a key of its kind");
	refused_jwk(enc, ERR_UNSUPPORTED, "use");
	refused_jwk(wrap, ERR_UNSUPPORTED, "key_ops");
	refused_jwk(oaep, ERR_UNSUPPORTED, "alg");
	refused_jwk("{}", ERR_INVALID, "kty");
	refused_jwk("{\"kty\":\"EC\",\"crv\":\"P-999\"}", ERR_UNSUPPORTED, "crv");
	refused_jwk("{\"kty\":\"RSA\",\"n\":\"AQ\"}", ERR_INVALID, "malformed");
	refused_jwk("{\"kty\":\"RSA\",\"n\":\"A+Q=\",\"e\":\"AQAB\"}", ERR_INVALID, "malformed");
	refused_jwk("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}", ERR_INVALID, "malformed");
	/* (1, 1) is on no curve. */
	refused_jwk("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
	            "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}",
	    ERR_INVALID, "malformed");
	refused_jwk("{\"kty\":\"oct\"}", ERR_INVALID, "\"k\"");
	free(weak);
	free(rsa);
	free(enc);
	free(wrap);
	free(oaep);
}

/* ---- key files --------------------------------------------------------------- */

static void unloadable(const char *pem, const char *json, const char *because)
{
	struct keyset *s;
	struct err err;

	if (keyset_load(pem ? in_dir(pem) : NULL, json ? in_dir(json) : NULL, false, &s, &err) == ERR_OK)
		fail_msg("loaded, though %s", because);
	if (!strstr(err.msg, because))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, because);
}

static void test_key_files(void **state)
{
	struct keyset *s;

	assert_int_equal(keyset_count(bundle), 6);
	assert_int_equal(keyset_count(jwks), 5);
	s = loaded("bundle.pem", "keys.json", false);
	assert_int_equal(keyset_count(s), 11);
	assert_false(keyset_same(s, bundle));
	keyset_free(s);
	s = loaded("bundle.pem", NULL, false);
	assert_true(keyset_same(s, bundle));
	keyset_free(s);
	unloadable("none.pem", NULL, "none.pem");
	write_file("empty", "");
	unloadable("empty", NULL, "no key");
	unloadable(NULL, "empty", "empty: line");
	write_file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	unloadable("broken.pem", NULL, "block 1: the certificate is malformed");
	write_file("cut.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n");
	unloadable("cut.pem", NULL, "block 1 is not valid PEM");
	unloadable("weak.pub", NULL, "1024 bits");
	unloadable("k256.pub", NULL, "secp256k1");
	unloadable("rsa.key", NULL, "no key"); /* a private key is not taken for a public one */
	write_file("list.json", "[]");
	unloadable(NULL, "list.json", "\"keys\"");
	write_file("none.json", "{\"keys\":[]}");
	unloadable(NULL, "none.json", "no key");
	write_file("twice.json", "{\"keys\":[],\"keys\":[]}");
	unloadable(NULL, "twice.json", "duplicate");
	write_file("odd.json", "{\"keys\":[7]}");
	unloadable(NULL, "odd.json", "keys[0]");
	write_file("oct.json", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"s\"}]}");
	unloadable(NULL, "oct.json", "no key"); /* symmetric keys only on demand */
}

/* ---- signatures ---------------------------------------------------------------- */

static char *signed_by(const char *key, const char *alg, const char *kid)
{
	CLEANUP(free_ptr) char *header = textf("{\"typ\":\"JWT\",\"alg\":\"%s\",\"kid\":\"%s\"}", alg, kid);

	return signer_token(key, alg, header, CLAIMS);
}

static void test_every_algorithm(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char *pub = textf("%s.pub", pairs[i].key), *id = signer_libtrust(pub);

		good(jwks, signed_by(pairs[i].key, pairs[i].alg, pairs[i].key));
		good(bundle, signed_by(pairs[i].key, pairs[i].alg, id));
		good(jwks, signed_by(pairs[i].key, pairs[i].alg, id));
		free(id);
		free(pub);
	}
}

static void test_thumbprint_as_kid(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char *text = signer_jwk(pairs[i].key, "");
		struct jws_key *k = jwk(text);

		good(bundle, signed_by(pairs[i].key, pairs[i].alg, k->ids[0]));
		jws_key_free(k);
		free(text);
	}
}

static void test_wrong_signature(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char *token = signed_by(pairs[i].key, pairs[i].alg, pairs[i].key), *dot = strrchr(token, '.');

		dot[10] = dot[10] == 'A' ? 'B' : 'A';
		bad(jwks, token, "signature is wrong");
		token = signed_by(pairs[i].key, pairs[i].alg, pairs[i].key);
		strrchr(token, '.')[1] = '\0';
		bad(jwks, token, "signature is");
		token = signed_by(pairs[i].key, pairs[i].alg, pairs[i].key);
		token[strlen(token) - 8] = '\0';
		bad(jwks, token, "signature is");
	}
	bad(jwks, signed_by("rsa2", "RS256", "rsa"), "signature is wrong");
	bad(jwks, signed_by("rsa", "RS256", "nobody"), "kid is not that of a trusted key");
	bad(jwks, signed_by("rsa", "RS256", ""), "does not say which key");
	bad(jwks, token_with("{\"alg\":\"ES256\"}", CLAIMS), "does not say which key");
}

/* Somebody else's content under a good signature. */
static void test_swapped_payload(void **state)
{
	char *token = signed_by("ed", "EdDSA", "ed"),
	     *other = signer_token("ed", "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}", "{\"iss\":\"issuer\"}");
	char *first = strchr(token, '.'), *last = strrchr(token, '.');
	char *mixed = textf("%.*s%.*s%s", (int)(first - token), token, (int)(strrchr(other, '.') - strchr(other, '.')),
	    strchr(other, '.'), last);

	bad(jwks, mixed, "signature is wrong");
	free(token);
	free(other);
}

static void test_confusion(void **state)
{
	char *pem = RUN("cat", in_dir("rsa.pub")), *der = RUN("sh", "-c", "cat \"$0\"", in_dir("rsa.pub"));

	/* `none`, in every spelling, with and without a signature. */
	bad_at(jwks, UINT32_MAX, textf("eyJhbGciOiJub25lIiwia2lkIjoicnNhIn0.e30."), NOW, "algorithm");
	bad_at(jwks, UINT32_MAX, signer_token("rsa", "RS256", "{\"alg\":\"none\",\"kid\":\"rsa\"}", CLAIMS), NOW,
	    "algorithm");
	bad_at(jwks, UINT32_MAX, signer_token("rsa", "RS256", "{\"alg\":\"None\",\"kid\":\"rsa\"}", CLAIMS), NOW,
	    "algorithm");
	bad_at(jwks, UINT32_MAX, signer_token("rsa", "RS256", "{\"alg\":\"rs256\",\"kid\":\"rsa\"}", CLAIMS), NOW,
	    "algorithm");
	bad(jwks, signer_token("rsa", "RS256", "{\"kid\":\"rsa\"}", CLAIMS), "no alg");
	bad(jwks, signer_token("rsa", "RS256", "{\"alg\":7,\"kid\":\"rsa\"}", CLAIMS), "no alg");
	/* A public key as the secret of an HMAC. */
	bad(jwks, signer_hmac_token(pem, strlen(pem), "SHA256", "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", CLAIMS),
	    "not among the accepted");
	bad_at(jwks, all_algs,
	    signer_hmac_token(pem, strlen(pem), "SHA256", "{\"alg\":\"HS256\",\"kid\":\"rsa\"}", CLAIMS), NOW,
	    "does not go with the key");
	/* One family, another key or algorithm. */
	bad(jwks, signer_token("rsa", "RS256", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", CLAIMS), "signature is wrong");
	bad(jwks, signer_token("rsa", "RS256", "{\"alg\":\"RS512\",\"kid\":\"rsa\"}", CLAIMS), "signature is wrong");
	bad(jwks, signer_token("rsa", "RS256", "{\"alg\":\"ES256\",\"kid\":\"rsa\"}", CLAIMS), "does not go");
	bad(jwks, signer_token("p256", "ES256", "{\"alg\":\"ES384\",\"kid\":\"p256\"}", CLAIMS), "does not go");
	bad(jwks, signer_token("p256", "ES256", "{\"alg\":\"EdDSA\",\"kid\":\"p256\"}", CLAIMS), "does not go");
	bad(jwks, signer_token("p256", "ES256", "{\"alg\":\"RS256\",\"kid\":\"p256\"}", CLAIMS), "does not go");
	free(pem);
	free(der);
}

/* r = s = 0 passed some verifiers of ECDSA. */
static void test_zero_signature(void **state)
{
	char *token = claiming(CLAIMS), *dot = strrchr(token, '.');

	memset(dot + 1, 'A', strlen(dot + 1));
	bad(jwks, token, "signature is wrong");
}

static void test_allow_list(void **state)
{
	jws_algs only = 0;

	assert_true(jws_algs_add(&only, SLICE("ES256")));
	assert_false(jws_algs_add(&only, SLICE("none")));
	assert_false(jws_algs_add(&only, SLICE("")));
	good_at(jwks, only, signed_by("p256", "ES256", "p256"), NOW);
	bad_at(jwks, only, signed_by("rsa", "RS256", "rsa"), NOW, "not among the accepted");
}

static void test_hmac(void **state)
{
	static const char secret[] = "0123456789abcdef0123456789abcdef";
	static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"s\"}", weak[] = "{\"alg\":\"HS512\",\"kid\":\"s\"}";
	struct keyset *s;

	write_file("sym.json", "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"s\",\"k\":"
	                       "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}");
	s = loaded(NULL, "sym.json", true);
	good_at(s, all_algs, signer_hmac_token(secret, 32, "SHA256", header, CLAIMS), NOW);
	bad_at(s, all_algs, signer_hmac_token("other", 5, "SHA256", header, CLAIMS), NOW, "signature is wrong");
	/* RFC 7518, 3.2: the key must be as long as the hash. */
	bad_at(s, all_algs, signer_hmac_token(secret, 32, "SHA512", weak, CLAIMS), NOW, "signature is wrong");
	bad_at(s, jws_algs_default(), signer_hmac_token(secret, 32, "SHA256", header, CLAIMS), NOW, "not among");
	bad_at(
	    s, all_algs, signer_token("rsa", "RS256", "{\"alg\":\"RS256\",\"kid\":\"s\"}", CLAIMS), NOW, "does not go");
	keyset_free(s);
}

static void test_key_with_alg(void **state)
{
	char *key = signer_jwk("rsa", "\"alg\":\"PS256\",\"kid\":\"rsa\"");
	struct keyset *s;

	write_jwks("ps.json", (const char *const[]){key}, 1);
	s = loaded(NULL, "ps.json", false);
	good(s, signed_by("rsa", "PS256", "rsa"));
	bad(s, signed_by("rsa", "RS256", "rsa"), "does not go");
	keyset_free(s);
	free(key);
}

/* While keys are exchanged two may have the same id. */
static void test_same_kid(void **state)
{
	char *a = signer_jwk("rsa2", "\"kid\":\"x\""), *b = signer_jwk("p256", "\"kid\":\"x\""),
	     *c = signer_jwk("rsa", "\"kid\":\"x\"");
	struct keyset *s;

	write_jwks("same.json", (const char *const[]){a, b, c}, 3);
	s = loaded(NULL, "same.json", false);
	good(s, signed_by("rsa", "RS256", "x"));
	good(s, signed_by("p256", "ES256", "x"));
	bad(s, signed_by("p384", "ES384", "x"), "does not go");
	keyset_free(s);
	free(a);
	free(b);
	free(c);
}

/* ---- jwk and x5c headers --------------------------------------------------------- */

static void test_jwk_header(void **state)
{
	char *ours = signer_jwk("p256", ""), *theirs = signer_jwk("rsa2", "\"kid\":\"rsa\""), *h;

	h = textf("{\"alg\":\"ES256\",\"jwk\":%s}", ours);
	good(jwks, token_with(h, CLAIMS));
	good(bundle, token_with(h, CLAIMS));
	bad(jwks, signer_token("p384", "ES384", h, CLAIMS), "signature is wrong");
	free(h);
	h = textf("{\"alg\":\"RS256\",\"kid\":\"rsa\",\"jwk\":%s}", theirs);
	bad(jwks, signer_token("rsa2", "RS256", h, CLAIMS), "jwk header is not a trusted one");
	free(h);
	bad(jwks, token_with("{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", CLAIMS),
	    "not a trusted one");
	bad(jwks, token_with("{\"alg\":\"ES256\",\"jwk\":\"x\"}", CLAIMS), "cannot be used");
	free(ours);
	free(theirs);
}

static char *x5c_token(const char *key, const char *alg, const char *a, const char *b, const char *c)
{
	const char *const names[] = {a, b, c};
	struct buf h = BUF_INIT(1 << 16);
	char *token;

	buf_addf(&h, "{\"alg\":\"%s\",\"x5c\":[", alg);
	for (size_t i = 0; i < ARRAY_LEN(names) && names[i]; i++) {
		char *cert = signer_x5c(names[i]);

		buf_addf(&h, "%s%s", i ? "," : "", cert);
		free(cert);
	}
	buf_adds(&h, "]}");
	token = signer_token(
	    key, alg, buf_cstr(&h), "{\"iss\":\"issuer\",\"sub\":\"alice\",\"aud\":\"service\",\"exp\":9000000000}");
	buf_free(&h);
	return token;
}

static void test_x5c(void **state)
{
	int64_t now = clock_real() / CLOCK_S, day = 24 * 3600;
	jws_algs algs = jws_algs_default();

	good_at(bundle, algs, x5c_token("p256", "ES256", "leaf.crt", "ca.crt", NULL), now);
	good_at(bundle, algs, x5c_token("p256", "ES256", "leaf.crt", "ca.crt", "root.crt"), now);
	good_at(bundle, algs, x5c_token("p384", "ES384", "ca.crt", NULL, NULL), now);
	good_at(bundle, algs, x5c_token("rsa2", "RS256", "root.crt", NULL, NULL), now);
	bad_at(bundle, algs, x5c_token("p256", "ES256", "leaf.crt", NULL, NULL), now, "issuer certificate");
	bad_at(bundle, algs, x5c_token("p384", "ES384", "leaf.crt", "ca.crt", NULL), now, "does not go");
	bad_at(bundle, algs, x5c_token("p256", "ES256", "ca.crt", "leaf.crt", NULL), now, "does not go");
	/* Outside of the time of the leaf, and then of everything. */
	bad_at(bundle, algs, x5c_token("p256", "ES256", "leaf.crt", "ca.crt", NULL), now + 15 * day, "expired");
	bad_at(bundle, algs, x5c_token("rsa2", "RS256", "root.crt", NULL, NULL), now + 40 * day, "expired");
	bad_at(bundle, algs, x5c_token("p256", "ES256", "leaf.crt", "ca.crt", NULL), now - 2 * day, "not yet valid");
	/* Not ours. */
	bad_at(bundle, algs, x5c_token("rsa", "RS256", "foreign.crt", NULL, NULL), now, "self-signed");
	/* Signed by a certificate that is no authority. */
	bad_at(bundle, algs, x5c_token("p521", "ES512", "server.crt", "leaf.crt", "ca.crt"), now, "CA");
	/* A set of keys without roots has no chains. */
	bad_at(jwks, algs, x5c_token("p256", "ES256", "leaf.crt", "ca.crt", NULL), now, "no root certificate");
	bad(bundle, token_with("{\"alg\":\"ES256\",\"x5c\":[]}", CLAIMS), "x5c");
	bad(bundle, token_with("{\"alg\":\"ES256\",\"x5c\":\"AAAA\",\"kid\":\"p256\"}", CLAIMS), "x5c");
	bad(bundle, token_with("{\"alg\":\"ES256\",\"x5c\":[\"AAAA\"]}", CLAIMS), "malformed");
	bad(bundle, token_with("{\"alg\":\"ES256\",\"x5c\":[1,2,3,4,5,6,7,8,9]}", CLAIMS), "1 to 8");
}

static void test_jwk_with_chain(void **state)
{
	char *leaf = signer_x5c("leaf.crt"), *ca = signer_x5c("ca.crt");
	char *more = textf("\"x5c\":[%s,%s]", leaf, ca), *right = signer_jwk("p256", more),
	     *wrong = signer_jwk("ed", more);
	char *h = textf("{\"alg\":\"ES256\",\"jwk\":%s}", right);
	struct keyset *roots = loaded("root.crt", NULL, false);
	int64_t now = clock_real() / CLOCK_S;
	static const char claims[] = "{\"iss\":\"issuer\",\"sub\":\"alice\",\"aud\":[\"service\"],\"exp\":9000000000}";

	good_at(roots, jws_algs_default(), token_with(h, claims), now);
	free(h);
	h = textf("{\"alg\":\"EdDSA\",\"jwk\":%s}", wrong);
	bad_at(roots, jws_algs_default(), signer_token("ed", "EdDSA", h, claims), now, "not that of its certificate");
	free(h);
	keyset_free(roots);
	free(leaf);
	free(ca);
	free(more);
	free(right);
	free(wrong);
}

/* ---- claims ----------------------------------------------------------------------- */

static void test_times(void **state)
{
	static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"p256\"}";
	const jws_algs algs = jws_algs_default();

	good_at(jwks, algs, token_with(header, CLAIMS), NOW + 300 + 59);
	bad_at(jwks, algs, token_with(header, CLAIMS), NOW + 300 + 60, "expired 60 seconds ago");
	good_at(jwks, algs, token_with(header, CLAIMS), NOW - 60);
	bad_at(jwks, algs, token_with(header, CLAIMS), NOW - 61, "valid only in 61 seconds");
	good(jwks, claiming("{\"iss\":\"issuer\",\"sub\":\"alice\",\"aud\":\"service\",\"exp\":1700000300.5}"));
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":\"service\"}"), "no time of expiry");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":\"service\",\"exp\":\"1700000300\"}"), "not a number");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":\"service\",\"exp\":1e300}"), "not a number");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":\"service\",\"exp\":9223372036854775807}"), "not a number");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":\"service\",\"exp\":-5}"), "expired");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":\"service\",\"exp\":1700000300,\"nbf\":[]}"), "not a number");
}

static void test_issuer_and_audience(void **state)
{
#define REST ",\"sub\":\"alice\",\"exp\":1700000300}"
	good(jwks, claiming("{\"iss\":\"issuer\",\"aud\":[\"x\",\"service\"]" REST));
	bad(jwks, claiming("{\"iss\":\"other\",\"aud\":\"service\"" REST), "another issuer");
	bad(jwks, claiming("{\"iss\":\"issuer2\",\"aud\":\"service\"" REST), "another issuer");
	bad(jwks, claiming("{\"iss\":[\"issuer\"],\"aud\":\"service\"" REST), "another issuer");
	bad(jwks, claiming("{\"aud\":\"service\"" REST), "another issuer");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":\"services\"" REST), "another service");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":[]" REST), "another service");
	bad(jwks, claiming("{\"iss\":\"issuer\"" REST), "another service");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":[\"service\",7]" REST), "aud is neither");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":7" REST), "aud is neither");
	bad(jwks, claiming("{\"iss\":\"issuer\",\"aud\":\"service\",\"sub\":7,\"exp\":1700000300}"), "sub");
#undef REST
}

static void test_access(void **state)
{
	char *token = claiming(CLAIMS);
	struct jwt jwt;
	struct err err;
	struct slice repo = SLICE("repository"), name = SLICE("a/b");

	assert_int_equal(check_at(jwks, jws_algs_default(), token, NOW, &jwt, &err), ERR_OK);
	assert_true(jwt_allows(&jwt, repo, name, SLICE("pull")));
	assert_true(jwt_allows(&jwt, repo, name, SLICE("push")));
	assert_false(jwt_allows(&jwt, repo, name, SLICE("delete")));
	assert_false(jwt_allows(&jwt, repo, name, SLICE("*")));
	assert_false(jwt_allows(&jwt, repo, SLICE("a/b/c"), SLICE("pull")));
	assert_false(jwt_allows(&jwt, repo, SLICE("a"), SLICE("pull")));
	assert_false(jwt_allows(&jwt, SLICE("registry"), name, SLICE("pull")));
	assert_true(jwt_allows(&jwt, SLICE("registry"), SLICE("catalog"), SLICE("*")));
	assert_true(jwt_allows(&jwt, SLICE("registry"), SLICE("catalog"), SLICE("anything")));
	jwt_clear(&jwt);
	free(token);
#define WITH(access) \
	claiming("{\"iss\":\"issuer\",\"sub\":\"alice\",\"aud\":\"service\",\"exp\":1700000300,\"access\":" access "}")
	good(jwks, WITH("null"));
	good(jwks, WITH("[]"));
	good(jwks, WITH("[{\"type\":\"repository\",\"name\":\"x\",\"actions\":null}]"));
	good(jwks, WITH("[{}]"));
	bad(jwks, WITH("{}"), "access");
	bad(jwks, WITH("[7]"), "access");
	bad(jwks, WITH("[{\"type\":7}]"), "access");
	bad(jwks, WITH("[{\"actions\":\"pull\"}]"), "access");
	bad(jwks, WITH("[{\"actions\":[7]}]"), "access");
#undef WITH
}

/* ---- shape -------------------------------------------------------------------------- */

static void test_malformed(void **state)
{
	static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"p256\"}";
	char *token, *big, *deep;

	bad(jwks, textf("%s", ""), "three parts");
	bad(jwks, textf("a.b"), "three parts");
	bad(jwks, textf("a.b.c.d"), "three parts");
	bad(jwks, textf(".."), "base64url");
	bad(jwks, textf("!!.b.c"), "base64url");
	bad(jwks, textf("e30=.e30.AA"), "base64url");
	bad(jwks, textf("e30.e30.AA"), "no alg");
	bad(jwks, textf("W10.e30.AA"), "not a JSON object");
	bad(jwks, textf("AAAA.e30.AA"), "not valid JSON");
	bad(jwks, token_with("{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"p256\"}", CLAIMS), "duplicate");
	bad(jwks, token_with(header, "{\"iss\":\"issuer\",\"iss\":\"issuer\"}"), "duplicate");
	bad(jwks, token_with(header, "{\"iss\":\"issuer\"} x"), "not valid JSON");
	bad(jwks, token_with(header, "{\"iss\":\"issuer\\u0000\"}"), "not valid JSON");
	bad(jwks, token_with("{\"alg\":\"ES256\",\"kid\":\"p256\",\"crit\":[\"b64\"],\"b64\":false}", CLAIMS), "crit");
	/* Cut anywhere, it is never believed. */
	token = claiming(CLAIMS);
	for (size_t n = strlen(token) - 1; n > 0; n -= n > 20 ? 7 : 1)
		bad(jwks, textf("%.*s", (int)n, token), "");
	free(token);
	big = xcalloc(1, JWT_MAX + 2);
	memset(big, 'A', JWT_MAX + 1);
	bad(jwks, big, "longer than");
	deep = textf("{\"alg\":\"ES256\",\"x\":%.*s%.*s}", 20, "[[[[[[[[[[[[[[[[[[[[", 20, "]]]]]]]]]]]]]]]]]]]]");
	bad(jwks, token_with(deep, CLAIMS), "nested deeper");
	free(deep);
	good(jwks, token_with("{\"alg\":\"ES256\",\"kid\":\"p256\",\"x\":\"[[[[[[[[[[[[[[[[[[[[\\\"[[\"}", CLAIMS));
}

/* Only the signature is taken on trust when it is known, never the claims. */
static void test_known(void **state)
{
	const struct jwt_policy policy = {.issuer = "issuer", .audience = "service", .algs = jws_algs_default()};
	char *token = claiming(CLAIMS);
	struct jwt jwt;
	struct err err;

	strrchr(token, '.')[1] = '\0';
	assert_int_equal(jwt_verify(&policy, jwks, slice_cstr(token), true, NOW * CLOCK_S, &jwt, &err), ERR_OK);
	jwt_clear(&jwt);
	assert_int_equal(
	    jwt_verify(&policy, jwks, slice_cstr(token), true, (NOW + 400) * CLOCK_S, &jwt, &err), ERR_DENIED);
	free(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_thumbprints),
	    cmocka_unit_test(test_eddsa_vector),
	    cmocka_unit_test(test_libtrust),
	    cmocka_unit_test(test_bad_jwks),
	    cmocka_unit_test(test_key_files),
	    cmocka_unit_test(test_every_algorithm),
	    cmocka_unit_test(test_thumbprint_as_kid),
	    cmocka_unit_test(test_wrong_signature),
	    cmocka_unit_test(test_swapped_payload),
	    cmocka_unit_test(test_confusion),
	    cmocka_unit_test(test_zero_signature),
	    cmocka_unit_test(test_allow_list),
	    cmocka_unit_test(test_hmac),
	    cmocka_unit_test(test_key_with_alg),
	    cmocka_unit_test(test_same_kid),
	    cmocka_unit_test(test_jwk_header),
	    cmocka_unit_test(test_x5c),
	    cmocka_unit_test(test_jwk_with_chain),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_issuer_and_audience),
	    cmocka_unit_test(test_access),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
