/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - digests and running hashes over OpenSSL's EVP; see digest.h. */
#include "base/digest.h"
#include "base/codec.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One row an algorithm; the index is the number kept in databases. */
static const struct {
	const char *name;
	size_t size;
} algorithms[] = {
    [DIGEST_NONE] = {"", 0},
    [DIGEST_SHA256] = {"sha256", 32},
    [DIGEST_SHA512] = {"sha512", 64},
};

static EVP_MD *evp_md[ARRAY_LEN(algorithms)];
static pthread_once_t evp_once = PTHREAD_ONCE_INIT;

/* Fetched once for the life of the process: an implicit fetch per hash takes a lock. */
static void evp_load(void)
{
	for (size_t i = 1; i < ARRAY_LEN(algorithms); i++) {
		evp_md[i] = EVP_MD_fetch(NULL, algorithms[i].name, NULL);
		ASSERT(evp_md[i]);
	}
}

size_t digest_size(enum digest_alg alg)
{
	return (size_t)alg < ARRAY_LEN(algorithms) ? algorithms[alg].size : 0;
}

const char *digest_alg_name(enum digest_alg alg)
{
	return (size_t)alg < ARRAY_LEN(algorithms) ? algorithms[alg].name : "";
}

enum digest_alg digest_alg_parse(struct slice name)
{
	for (size_t i = 1; i < ARRAY_LEN(algorithms); i++) {
		if (slice_eq_cstr(name, algorithms[i].name))
			return (enum digest_alg)i;
	}
	return DIGEST_NONE;
}

/* algorithm ::= component (separator component)*; encoded ::= [a-zA-Z0-9=_-]+ */
static bool well_formed(struct slice alg, struct slice encoded)
{
	bool after_separator = true;

	if (alg.n == 0 || encoded.n == 0)
		return false;
	for (size_t i = 0; i < alg.n; i++) {
		char c = alg.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (!alnum && (after_separator || !strchr("+._-", c) || c == '\0'))
			return false;
		after_separator = !alnum;
	}
	for (size_t i = 0; i < encoded.n; i++) {
		char c = encoded.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '=' ||
		        c == '_' || c == '-'))
			return false;
	}
	return !after_separator;
}

enum digest_verdict digest_parse(struct slice s, struct digest *out)
{
	struct slice encoded = s;
	struct slice name = slice_cut(&encoded, ':');

	if (!encoded.p || !well_formed(name, encoded))
		return DIGEST_MALFORMED;
	memset(out, 0, sizeof(*out));
	out->alg = digest_alg_parse(name);
	if (out->alg == DIGEST_NONE)
		return DIGEST_UNSUPPORTED;
	if (!hex_decode(encoded, out->bytes, digest_size(out->alg)))
		return DIGEST_MALFORMED;
	return DIGEST_VALID;
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
	return a->alg == b->alg && memcmp(a->bytes, b->bytes, digest_size(a->alg)) == 0;
}

const char *digest_format(const struct digest *d, char out[DIGEST_TEXT])
{
	const char *name = digest_alg_name(d->alg);
	size_t n = strlen(name);

	memcpy(out, name, n);
	out[n] = ':';
	hex_encode(d->bytes, digest_size(d->alg), out + n + 1);
	return out;
}

size_t digest_pack(const struct digest *d, uint8_t out[DIGEST_PACKED])
{
	size_t n = digest_size(d->alg);

	out[0] = (uint8_t)d->alg;
	memcpy(out + 1, d->bytes, n);
	return n + 1;
}

bool digest_unpack(const void *p, size_t n, struct digest *out)
{
	const uint8_t *b = p;
	size_t size = n ? digest_size(b[0]) : 0;

	if (size == 0 || n != size + 1)
		return false;
	memset(out, 0, sizeof(*out));
	out->alg = b[0];
	memcpy(out->bytes, b + 1, size);
	return true;
}

void digest_of(enum digest_alg alg, const void *p, size_t n, struct digest *out)
{
	int ok;

	pthread_once(&evp_once, evp_load);
	memset(out, 0, sizeof(*out));
	out->alg = alg;
	ASSERT(digest_size(alg) > 0);
	ok = EVP_Digest(p, n, out->bytes, NULL, evp_md[alg], NULL);
	ASSERT(ok == 1);
}

struct hasher {
	uint32_t magic;
#define HASHER_MAGIC 0x48617368
	enum digest_alg alg;
	EVP_MD_CTX *ctx;
};

struct hasher *hasher_new(enum digest_alg alg)
{
	struct hasher *h = xcalloc(1, sizeof(*h));
	bool ok;

	pthread_once(&evp_once, evp_load);
	ASSERT(digest_size(alg) > 0);
	h->magic = HASHER_MAGIC;
	h->alg = alg;
	h->ctx = EVP_MD_CTX_new();
	ok = h->ctx && EVP_DigestInit_ex2(h->ctx, evp_md[alg], NULL);
	ASSERT(ok);
	return h;
}

void hasher_update(struct hasher *h, const void *p, size_t n)
{
	int ok;

	OBJ_CHECK(h, HASHER_MAGIC);
	ok = EVP_DigestUpdate(h->ctx, p, n);
	ASSERT(ok == 1);
}

enum digest_alg hasher_alg(const struct hasher *h)
{
	OBJ_CHECK(h, HASHER_MAGIC);
	return h->alg;
}

void hasher_digest(const struct hasher *h, struct digest *out)
{
	EVP_MD_CTX *copy;
	bool ok;

	OBJ_CHECK(h, HASHER_MAGIC);
	copy = EVP_MD_CTX_new();
	memset(out, 0, sizeof(*out));
	out->alg = h->alg;
	ok = copy && EVP_MD_CTX_copy_ex(copy, h->ctx) == 1 && EVP_DigestFinal_ex(copy, out->bytes, NULL) == 1;
	ASSERT(ok);
	EVP_MD_CTX_free(copy);
}

void hasher_free(struct hasher **h)
{
	if (!*h)
		return;
	OBJ_CHECK(*h, HASHER_MAGIC);
	EVP_MD_CTX_free((*h)->ctx);
	(*h)->magic = 0;
	free(*h);
	*h = NULL;
}
