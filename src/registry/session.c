/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - running hashes of uploads; see session.h. */
#include "registry/session.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/sync.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024
#define READ_BACK ((size_t)128 * 1024)

struct session {
	uint32_t magic;
#define SESSION_MAGIC 0x53657373
	char id[UUID_TEXT];
	/* Owned by whoever has acquired the session. */
	struct hasher *hasher; /* of the first `hashed` bytes, or NULL */
	uint64_t hashed;
	/* Under the lock of struct sessions. */
	bool busy;
	size_t waiters;
	int64_t idle_since;
	struct session *next;
};

struct sessions {
	pthread_mutex_t lock;
	pthread_cond_t released;
	struct session *buckets[BUCKETS];
	size_t count, max;
};

struct sessions *sessions_new(size_t max)
{
	struct sessions *s = xcalloc(1, sizeof(*s));

	mutex_init(&s->lock);
	cond_init(&s->released);
	s->max = max;
	return s;
}

static void session_free(struct session *x)
{
	hasher_free(&x->hasher);
	x->magic = 0;
	free(x);
}

void sessions_free(struct sessions **s)
{
	if (!*s)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while ((*s)->buckets[i]) {
			struct session *x = (*s)->buckets[i];

			ASSERT(!x->busy);
			(*s)->buckets[i] = x->next;
			session_free(x);
		}
	}
	mutex_destroy(&(*s)->lock);
	cond_destroy(&(*s)->released);
	free(*s);
	*s = NULL;
}

/* FNV-1a: ids are random already, the hash only spreads them. */
static struct session **bucket(struct sessions *s, const char *id)
{
	uint32_t h = 2166136261U;

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619U;
	return &s->buckets[h % BUCKETS];
}

static struct session **find(struct sessions *s, const char *id)
{
	struct session **at = bucket(s, id);

	while (*at && strcmp((*at)->id, id) != 0)
		at = &(*at)->next;
	return at;
}

/* Forgets the session that has been idle longest. Called with the lock, rarely:
 * only when more uploads than `max` are in progress at once. */
static void evict(struct sessions *s)
{
	struct session **oldest = NULL, *x;

	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct session **at = &s->buckets[i]; *at; at = &(*at)->next) {
			if (!(*at)->busy && (*at)->waiters == 0 &&
			    (!oldest || (*at)->idle_since < (*oldest)->idle_since))
				oldest = at;
		}
	}
	if (!oldest)
		return;
	x = *oldest;
	*oldest = x->next;
	s->count--;
	session_free(x);
}

enum err_code session_acquire(
    struct sessions *s, const char *id, int64_t deadline, struct session **out, struct err *err)
{
	struct session *x;

	mutex_lock(&s->lock);
	x = *find(s, id);
	if (!x) {
		if (s->count >= s->max)
			evict(s);
		x = xcalloc(1, sizeof(*x));
		x->magic = SESSION_MAGIC;
		memcpy(x->id, id, strnlen(id, UUID_TEXT - 1));
		x->next = *bucket(s, id);
		*bucket(s, id) = x;
		s->count++;
	}
	x->waiters++;
	while (x->busy && cond_wait_until(&s->released, &s->lock, deadline))
		;
	x->waiters--;
	if (x->busy) {
		mutex_unlock(&s->lock);
		return err_set(err, ERR_CONFLICT, "another request is writing to upload %s", id);
	}
	x->busy = true;
	mutex_unlock(&s->lock);
	*out = x;
	return ERR_OK;
}

void session_release(struct sessions *s, struct session **xp)
{
	struct session *x = *xp;

	OBJ_CHECK(x, SESSION_MAGIC);
	mutex_lock(&s->lock);
	x->busy = false;
	x->idle_since = clock_mono();
	if (x->waiters)
		cond_broadcast(&s->released);
	mutex_unlock(&s->lock);
	*xp = NULL;
}

void session_finish(struct sessions *s, struct session **xp)
{
	struct session *x = *xp, **at;

	OBJ_CHECK(x, SESSION_MAGIC);
	mutex_lock(&s->lock);
	if (x->waiters) {
		/* Whoever waits finds the upload gone by itself. */
		hasher_free(&x->hasher);
		x->hashed = 0;
		x->busy = false;
		x->idle_since = clock_mono();
		cond_broadcast(&s->released);
		mutex_unlock(&s->lock);
		*xp = NULL;
		return;
	}
	at = find(s, x->id);
	ASSERT(*at == x);
	*at = x->next;
	s->count--;
	mutex_unlock(&s->lock);
	session_free(x);
	*xp = NULL;
}

/* Makes the hash cover all bytes of the upload, reading back what it lacks. */
static enum err_code catch_up(struct session *x, struct storage_upload *u, enum digest_alg alg, struct err *err)
{
	enum err_code rc = ERR_OK;
	char *p;

	if (x->hasher && (hasher_alg(x->hasher) != alg || x->hashed > u->size))
		hasher_free(&x->hasher);
	if (!x->hasher) {
		x->hasher = hasher_new(alg);
		x->hashed = 0;
	}
	if (x->hashed == u->size)
		return ERR_OK;
	p = xmalloc(READ_BACK);
	while (rc == ERR_OK && x->hashed < u->size) {
		uint64_t left = u->size - x->hashed;
		size_t got, want = left < READ_BACK ? (size_t)left : READ_BACK;

		rc = storage_upload_read(u, x->hashed, p, want, &got, err);
		if (rc == ERR_OK && got == 0)
			rc = err_set(err, ERR_CORRUPT, "upload %s ends at byte %llu of %llu", x->id,
			    (unsigned long long)x->hashed, (unsigned long long)u->size);
		if (rc == ERR_OK) {
			hasher_update(x->hasher, p, got);
			x->hashed += got;
		}
	}
	free(p);
	return rc;
}

enum err_code session_append(
    struct session *x, struct storage_upload *u, enum digest_alg alg, const void *p, size_t n, struct err *err)
{
	enum err_code rc = catch_up(x, u, alg, err);

	if (rc)
		return rc;
	/* The disk takes the bytes while the processor hashes them. */
	storage_upload_start(u, p, n);
	hasher_update(x->hasher, p, n);
	rc = storage_upload_wait(u, err);
	if (rc)
		hasher_free(&x->hasher); /* it has seen bytes that are not there */
	else
		x->hashed += n;
	return rc;
}

enum err_code session_digest(
    struct session *x, struct storage_upload *u, enum digest_alg alg, struct digest *out, struct err *err)
{
	enum err_code rc = catch_up(x, u, alg, err);

	if (rc == ERR_OK)
		hasher_digest(x->hasher, out);
	return rc;
}
