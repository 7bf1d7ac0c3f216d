/* SPDX-License-Identifier: Apache-2.0 */
/*
 * macpool.c - keyed digests; see macpool.h. Making a context costs OpenSSL
 * several times what the digest does, so contexts that are not in use wait in a
 * stack; there are never more of them than threads were here at once.
 */
#include "auth/macpool.h"
#include "base/codec.h"
#include "base/sync.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#define IDLE_MAX 64

struct mac_pool {
	uint32_t magic;
#define MAC_POOL_MAGIC 0x4d616370
	EVP_MAC *hmac;
	uint8_t key[32];
	pthread_mutex_t lock; /* guards the stack */
	size_t nidle;
	EVP_MAC_CTX *idle[IDLE_MAX];
};

static EVP_MAC_CTX *context_new(EVP_MAC *hmac)
{
	char name[] = "SHA256";
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac);

	if (ctx && !EVP_MAC_CTX_set_params(ctx, params)) {
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static EVP_MAC_CTX *take(struct mac_pool *p)
{
	EVP_MAC_CTX *ctx = NULL;

	mutex_lock(&p->lock);
	if (p->nidle)
		ctx = p->idle[--p->nidle];
	mutex_unlock(&p->lock);
	return ctx ? ctx : context_new(p->hmac);
}

static void give_back(struct mac_pool *p, EVP_MAC_CTX *ctx)
{
	mutex_lock(&p->lock);
	if (p->nidle < IDLE_MAX) {
		p->idle[p->nidle++] = ctx;
		ctx = NULL;
	}
	mutex_unlock(&p->lock);
	EVP_MAC_CTX_free(ctx);
}

struct mac_pool *mac_pool_new(void)
{
	struct mac_pool *p = xcalloc(1, sizeof(*p));
	uint8_t out[32];

	p->magic = MAC_POOL_MAGIC;
	mutex_init(&p->lock);
	random_bytes(p->key, sizeof(p->key));
	p->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (!p->hmac || !mac_pool_digest(p, NULL, 0, out)) {
		mac_pool_free(p);
		return NULL;
	}
	return p;
}

void mac_pool_free(struct mac_pool *p)
{
	if (!p)
		return;
	OBJ_CHECK(p, MAC_POOL_MAGIC);
	p->magic = 0;
	while (p->nidle)
		EVP_MAC_CTX_free(p->idle[--p->nidle]);
	EVP_MAC_free(p->hmac);
	mutex_destroy(&p->lock);
	OPENSSL_cleanse(p->key, sizeof(p->key));
	free(p);
}

bool mac_pool_digest(struct mac_pool *p, const struct slice *pieces, size_t n, uint8_t out[32])
{
	EVP_MAC_CTX *ctx;
	size_t got = 0;
	bool ok;

	OBJ_CHECK(p, MAC_POOL_MAGIC);
	ctx = take(p);
	if (!ctx)
		return false;
	/* The key each time: not every release of OpenSSL 3 starts anew without. */
	ok = EVP_MAC_init(ctx, p->key, sizeof(p->key), NULL) == 1;
	for (size_t i = 0; ok && i < n; i++)
		ok = EVP_MAC_update(ctx, (const unsigned char *)pieces[i].p, pieces[i].n) == 1;
	ok = ok && EVP_MAC_final(ctx, out, &got, 32) == 1 && got == 32;
	give_back(p, ctx);
	return ok;
}
