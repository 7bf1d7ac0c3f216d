/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_token.c - bearer tokens and the files their keys come from. The first
 * byte chooses what the rest is, so that the depths behind a signature are
 * reached as well:
 *
 *   'h'  the header of a token (jwk and x5c headers are looked at before the
 *        signature can be)
 *   'p'  the payload of a token with a good signature
 *   'j'  a JWKS file
 *   'c'  a PEM bundle
 *   else a whole token
 */
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOW (INT64_C(1700000000) * CLOCK_S)
#define SECRET "0123456789abcdef0123456789abcdef"
#define JWKS \
	"{\"keys\":[{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}," \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
/* Self-signed, so that a chain has a root it could lead to. */
#define ROOT \
	"-----BEGIN CERTIFICATE-----\n" \
	"MIIBLjCB4aADAgECAhRr2BOh8KKhEcqa8F/cwG7EJzHy2TAFBgMrZXAwDDEKMAgG\n" \
	"A1UEAwwBcjAgFw0yNjExMjEwMjU1NTBaGA8yMTI2MTAyODAyNTU1MFowDDEKMAgG\n" \
	"A1UEAwwBcjAqMAUGAytlcAMhAKcq0DO40CVwk7iArrgJ6If+vKcQl6ernzVMxIQJ\n" \
	"QF8Io1MwUTAdBgNVHQ4EFgQUaK/U6NUBoyH8Lv8k9awXOUroENMwHwYDVR0jBBgw\n" \
	"FoAUaK/U6NUBoyH8Lv8k9awXOUroENMwDwYDVR0TAQH/BAUwAwEB/zAFBgMrZXAD\n" \
	"QQBepny57T3w4juVPgDrLjoMUE5CHex2YOwTqEbOVW6+QFK2TS+HtIIhhfRX9gSJ\n" \
	"F/MjegY9VZ7MZHQqsMa1X2EN\n" \
	"-----END CERTIFICATE-----\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keyset *keys;

static struct keyset *load(struct slice bundle, struct slice jwks)
{
	const struct slice text[] = {bundle, jwks};
	char path[2][64];
	int fd[2];
	struct keyset *s = NULL;
	struct err err;

	for (int i = 0; i < 2; i++) {
		fd[i] = memfd_create("fuzz", MFD_CLOEXEC);
		ASSERT(fd[i] >= 0 && write(fd[i], text[i].p, text[i].n) == (ssize_t)text[i].n);
		(void)snprintf(path[i], sizeof(path[i]), "/proc/self/fd/%d", fd[i]);
	}
	if (keyset_load(bundle.n ? path[0] : NULL, jwks.n ? path[1] : NULL, true, &s, &err))
		s = NULL;
	close(fd[0]);
	close(fd[1]);
	return s;
}

static void verify(struct slice token)
{
	struct jwt_policy policy = {.issuer = "issuer", .audience = "service", .algs = UINT32_MAX};
	struct jwt jwt;
	struct err err;

	if (jwt_verify(&policy, keys, token, false, NOW, &jwt, &err))
		return;
	(void)jwt_allows(&jwt, SLICE("repository"), SLICE("a/b"), SLICE("pull"));
	jwt_clear(&jwt);
}

static void verify_parts(struct slice header, struct slice payload)
{
	struct buf token = BUF_INIT((size_t)1 << 20);
	unsigned char mac[32];
	size_t n;

	base64url_encode(&token, header.p, header.n);
	buf_addc(&token, '.');
	base64url_encode(&token, payload.p, payload.n);
	ASSERT(EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, SECRET, sizeof(SECRET) - 1, (const unsigned char *)token.p,
	    token.n, mac, sizeof(mac), &n));
	buf_addc(&token, '.');
	base64url_encode(&token, mac, n);
	if (buf_ok(&token))
		verify(buf_slice(&token));
	buf_free(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data + 1, size ? size - 1 : 0);

	if (size == 0)
		return 0;
	if (!keys) {
		const struct log_options quiet = {
		    .level = LOG_LVL_ERROR, .fd = open("/dev/null", O_WRONLY | O_CLOEXEC)};

		log_setup(&quiet);
		keys = load(SLICE(ROOT), SLICE(JWKS));
		ASSERT(keys != NULL);
	}
	switch (data[0]) {
	case 'h':
		verify_parts(rest, SLICE("{\"iss\":\"issuer\",\"aud\":\"service\",\"exp\":1700000100}"));
		break;
	case 'p':
		verify_parts(SLICE("{\"alg\":\"HS256\",\"kid\":\"s\"}"), rest);
		break;
	case 'j':
		keyset_free(load(SLICE_NONE, rest));
		break;
	case 'c':
		keyset_free(load(rest, SLICE_NONE));
		break;
	default:
		verify(slice_of(data, size));
	}
	return 0;
}
