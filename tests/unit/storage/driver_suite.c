/* SPDX-License-Identifier: Apache-2.0 */
/* driver_suite.c - see driver_suite.h. */
#include "../base/unit.h"
#include "driver_suite.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/sync.h"

/* The driver under test, and a store of its own for each test. */
static const struct driver *driver;

static int set_up(void **state)
{
	*state = driver->open();
	return *state == NULL;
}

static int tear_down(void **state)
{
	driver->close(*state);
	return 0;
}

/* ---- tools ------------------------------------------------------------------ */

uint8_t *driver_bytes(unsigned seed, size_t n, enum digest_alg alg, struct digest *d)
{
	uint8_t *p = xmalloc(n);
	uint32_t x = seed * 2654435761U + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525U + 1013904223U;
		p[i] = (uint8_t)(x >> 24);
	}
	digest_of(alg, p, n, d);
	return p;
}

enum err_code driver_put(struct storage *s, const struct digest *d, const void *p, size_t n, struct err *err)
{
	struct storage_upload *u = NULL;
	char id[UUID_TEXT];
	enum err_code rc;

	uuid_random(id);
	rc = storage_upload_create(s, id, &u, err);
	if (rc)
		return rc;
	rc = storage_upload_write(u, p, n, err);
	if (rc == ERR_OK) {
		storage_hold_shared(s, d);
		rc = storage_upload_commit(&u, d, err);
		storage_release_shared(s, d);
	}
	storage_upload_close(&u);
	if (rc)
		(void)!storage_upload_abort(s, id, NULL);
	return rc;
}

bool driver_holds(struct storage *s, const struct digest *d, const void *p, size_t n)
{
	struct storage_blob blob;
	uint64_t size;
	size_t got, end;
	bool same;
	char *back;

	if (storage_stat(s, d, &size, NULL) || size != n || storage_open(s, d, &blob, NULL))
		return false;
	back = xmalloc(n);
	same = blob.size == n && storage_read(&blob, 0, back, n, &got, NULL) == ERR_OK && got == n &&
	       memcmp(back, p, n) == 0 && storage_read(&blob, n, back, n ? 1 : 0, &end, NULL) == ERR_OK && end == 0;
	free(back);
	storage_close(&blob);
	return same;
}

struct counted {
	size_t n, stop_at;
	struct digest seen[64];
	uint64_t sizes[64];
	char ids[64][UUID_TEXT];
	int64_t modified;
};

static bool count_blob(const struct digest *d, uint64_t size, void *arg)
{
	struct counted *c = arg;

	ASSERT(c->n < ARRAY_LEN(c->seen));
	c->seen[c->n] = *d;
	c->sizes[c->n++] = size;
	return c->n != c->stop_at;
}

static bool count_upload(const char *id, int64_t modified, void *arg)
{
	struct counted *c = arg;

	ASSERT(c->n < ARRAY_LEN(c->ids) && strlen(id) == UUID_TEXT - 1);
	snprintf(c->ids[c->n++], UUID_TEXT, "%s", id);
	c->modified = modified;
	return c->n != c->stop_at;
}

static size_t blobs_in(struct storage *s)
{
	struct counted c = {0};
	struct err err = {0};

	assert_ok(storage_list(s, count_blob, &c, &err));
	return c.n;
}

static size_t uploads_in(struct storage *s)
{
	struct counted c = {0};
	struct err err = {0};

	assert_ok(storage_upload_list(s, count_upload, &c, &err));
	return c.n;
}

/* ---- blobs --------------------------------------------------------------------- */

static void test_empty_store(void **state)
{
	struct storage *s = *state;
	struct storage_blob blob;
	struct storage_stats stats;
	struct err err = {0};
	struct digest d;
	uint64_t size;

	free(driver_bytes(1, 10, DIGEST_SHA256, &d));
	assert_err(storage_stat(s, &d, &size, &err), ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "sha256:"));
	assert_err(storage_open(s, &d, &blob, &err), ERR_NOT_FOUND);
	assert_int_equal(blob.fd, -1);
	storage_close(&blob); /* harmless */
	storage_close(&blob);
	assert_err(storage_remove(s, &d, &err), ERR_NOT_FOUND);
	assert_ok(storage_sync_removals(s, &d, 1, &err));
	assert_ok(storage_sync_removals(s, &d, 0, &err));
	assert_int_equal(blobs_in(s), 0);
	assert_int_equal(uploads_in(s), 0);
	assert_ok(storage_check(s, &err));
	storage_get_stats(s, &stats);
	assert_true(stats.bytes_free <= stats.bytes_total);
}

/* Blobs of every awkward size, under both algorithms, also after a restart. */
static void test_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 131072, 131075, (9U << 20) + 1};
	static const enum digest_alg algs[] = {DIGEST_SHA256, DIGEST_SHA512};
	struct storage *s = *state;
	struct err err = {0};

	for (size_t round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(algs); i++) {
			size_t n = sizes[i / 2];
			struct digest d;
			uint8_t *p = driver_bytes((unsigned)i, n, algs[i % 2], &d);

			if (round == 0)
				assert_ok(driver_put(s, &d, p, n, &err));
			assert_true(driver_holds(s, &d, p, n));
			free(p);
		}
		assert_int_equal(blobs_in(s), ARRAY_LEN(sizes) * ARRAY_LEN(algs));
		assert_int_equal(uploads_in(s), 0);
		s = driver->reopen(s);
		*state = s;
	}
}

/* The same bytes under two algorithms are two blobs. */
static void test_algorithms(void **state)
{
	struct storage *s = *state;
	struct digest narrow, wide;
	struct err err = {0};
	uint8_t *p = driver_bytes(1, 100, DIGEST_SHA256, &narrow);
	uint64_t size;

	digest_of(DIGEST_SHA512, p, 100, &wide);
	assert_ok(driver_put(s, &narrow, p, 100, &err));
	assert_err(storage_stat(s, &wide, &size, &err), ERR_NOT_FOUND);
	assert_ok(driver_put(s, &wide, p, 100, &err));
	assert_ok(storage_remove(s, &narrow, &err));
	assert_true(driver_holds(s, &wide, p, 100));
	free(p);
}

static void test_reading_ranges(void **state)
{
	struct storage *s = *state;
	struct storage_blob blob;
	struct digest d;
	struct err err = {0};
	uint8_t back[100];
	uint8_t *p = driver_bytes(1, 1000, DIGEST_SHA256, &d);
	size_t got;

	assert_ok(driver_put(s, &d, p, 1000, &err));
	assert_ok(storage_open(s, &d, &blob, &err));
	assert_int_equal(blob.size, 1000);
	assert_ok(storage_read(&blob, 500, back, 100, &got, &err));
	assert_int_equal(got, 100);
	assert_memory_equal(back, p + 500, 100);
	assert_ok(storage_read(&blob, 990, back, 100, &got, &err));
	assert_int_equal(got, 10);
	assert_memory_equal(back, p + 990, 10);
	assert_ok(storage_read(&blob, 1000, back, 100, &got, &err));
	assert_int_equal(got, 0);
	assert_ok(storage_read(&blob, 5000, back, 100, &got, &err));
	assert_int_equal(got, 0);
	assert_ok(storage_read(&blob, 0, back, 0, &got, &err));
	assert_int_equal(got, 0);
	storage_close(&blob);
	free(p);
}

/* Whoever reads a blob can finish, though it is removed. */
static void test_remove(void **state)
{
	struct storage *s = *state;
	struct storage_blob blob;
	struct digest d;
	struct err err = {0};
	uint8_t *p = driver_bytes(1, 1000, DIGEST_SHA256, &d), back[1000];
	uint64_t size;
	size_t got;

	assert_ok(driver_put(s, &d, p, 1000, &err));
	assert_ok(storage_open(s, &d, &blob, &err));
	storage_hold_exclusive(s, &d, 1);
	assert_ok(storage_remove(s, &d, &err));
	assert_ok(storage_sync_removals(s, &d, 1, &err));
	storage_release_exclusive(s, &d, 1);
	assert_err(storage_stat(s, &d, &size, &err), ERR_NOT_FOUND);
	assert_ok(storage_read(&blob, 0, back, 1000, &got, &err));
	assert_int_equal(got, 1000);
	assert_memory_equal(back, p, 1000);
	storage_close(&blob);
	assert_err(storage_remove(s, &d, &err), ERR_NOT_FOUND);
	assert_int_equal(blobs_in(s), 0);
	assert_ok(driver_put(s, &d, p, 1000, &err));
	assert_true(driver_holds(s, &d, p, 1000));
	free(p);
}

/* The same bytes by another digest: each goes without the other. */
static void test_alias(void **state)
{
	struct storage *s = *state;
	struct digest d, other;
	struct err err = {0};
	uint8_t *p = driver_bytes(1, 1000, DIGEST_SHA256, &d);

	digest_of(DIGEST_SHA512, p, 1000, &other);
	assert_err(storage_alias(s, &d, &other, &err), ERR_NOT_FOUND);
	assert_int_equal(blobs_in(s), 0);
	assert_ok(driver_put(s, &d, p, 1000, &err));
	for (int again = 0; again < 2; again++)
		assert_ok(storage_alias(s, &d, &other, &err));
	assert_int_equal(blobs_in(s), 2);
	assert_true(driver_holds(s, &d, p, 1000) && driver_holds(s, &other, p, 1000));
	assert_ok(storage_remove(s, &d, &err));
	assert_true(driver_holds(s, &other, p, 1000));
	assert_ok(storage_alias(s, &other, &d, &err));
	assert_ok(storage_remove(s, &other, &err));
	assert_true(driver_holds(s, &d, p, 1000));
	assert_err(storage_alias(s, &other, &d, &err), ERR_NOT_FOUND);
	free(p);
}

static void test_list(void **state)
{
	struct storage *s = *state;
	struct counted c = {.stop_at = 3};
	struct digest d[20];
	struct err err = {0};

	for (unsigned i = 0; i < ARRAY_LEN(d); i++) {
		uint8_t *p = driver_bytes(i, i, i % 2 ? DIGEST_SHA256 : DIGEST_SHA512, &d[i]);

		assert_ok(driver_put(s, &d[i], p, i, &err));
		free(p);
	}
	assert_ok(storage_list(s, count_blob, &c, &err));
	assert_int_equal(c.n, 3);
	c = (struct counted){0};
	assert_ok(storage_list(s, count_blob, &c, &err));
	assert_int_equal(c.n, ARRAY_LEN(d));
	for (size_t i = 0; i < ARRAY_LEN(d); i++) {
		size_t k = 0;

		while (k < c.n && !digest_eq(&c.seen[k], &d[i]))
			k++;
		assert_true(k < c.n);
		assert_int_equal(c.sizes[k], i);
	}
}

/* ---- uploads ---------------------------------------------------------------------- */

static void test_upload_names(void **state)
{
	struct storage *s = *state;
	struct storage_upload *u = NULL, *other = NULL;
	struct err err = {0};
	char id[UUID_TEXT], unknown[UUID_TEXT];

	uuid_random(id);
	uuid_random(unknown);
	assert_ok(storage_upload_create(s, id, &u, &err));
	assert_int_equal(u->size, 0);
	assert_err(storage_upload_create(s, id, &other, &err), ERR_EXISTS);
	assert_null(other);
	assert_err(storage_upload_open(s, unknown, &other, &err), ERR_NOT_FOUND);
	assert_null(other);
	assert_err(storage_upload_abort(s, unknown, &err), ERR_NOT_FOUND);
	storage_upload_close(&u);
	assert_null(u);
	storage_upload_close(&u); /* harmless */
	assert_err(storage_upload_create(s, id, &u, &err), ERR_EXISTS);
	assert_ok(storage_upload_abort(s, id, &err));
	assert_err(storage_upload_abort(s, id, &err), ERR_NOT_FOUND);
	assert_err(storage_upload_open(s, id, &u, &err), ERR_NOT_FOUND);
	assert_ok(storage_upload_create(s, id, &u, &err));
	storage_upload_close(&u);
}

/* Bytes stay over a lost connection and over a restart, and are gone on. */
static void test_resume(void **state)
{
	struct storage *s = *state;
	struct storage_upload *u = NULL;
	struct err err = {0};
	struct digest d;
	char id[UUID_TEXT];
	uint8_t *p = driver_bytes(7, 300000, DIGEST_SHA256, &d), back[1000];
	size_t got;

	uuid_random(id);
	assert_ok(storage_upload_create(s, id, &u, &err));
	assert_ok(storage_upload_write(u, p, 100000, &err));
	assert_ok(storage_upload_write(u, p, 0, &err));
	assert_int_equal(u->size, 100000);
	storage_upload_close(&u);
	assert_ok(storage_upload_open(s, id, &u, &err));
	assert_int_equal(u->size, 100000);
	assert_ok(storage_upload_write(u, p + 100000, 150000, &err));
	storage_upload_close(&u);
	s = driver->reopen(s);
	*state = s;
	assert_int_equal(uploads_in(s), 1);
	assert_int_equal(blobs_in(s), 0);
	assert_ok(storage_upload_open(s, id, &u, &err));
	assert_int_equal(u->size, 250000);
	assert_ok(storage_upload_read(u, 99500, back, 1000, &got, &err));
	assert_int_equal(got, 1000);
	assert_memory_equal(back, p + 99500, 1000);
	assert_ok(storage_upload_read(u, 249990, back, 1000, &got, &err));
	assert_int_equal(got, 10);
	assert_ok(storage_upload_read(u, 250000, back, 1000, &got, &err));
	assert_int_equal(got, 0);
	assert_ok(storage_upload_write(u, p + 250000, 50000, &err));
	assert_ok(storage_upload_commit(&u, &d, &err));
	assert_null(u);
	assert_err(storage_upload_open(s, id, &u, &err), ERR_NOT_FOUND);
	assert_true(driver_holds(s, &d, p, 300000));
	free(p);
}

/*
 * A large upload in pieces that begin and end anywhere, from memory that is aligned
 * and memory that is not, with reads and a lost connection in between.
 */
static void test_large_upload(void **state)
{
	enum { MIB = 1 << 20, ALL = 74 * MIB + 1234 };
	static const size_t pieces[] = {62 * MIB, MIB, 2 * MIB, 300001, STORAGE_ALIGN - 300001 % STORAGE_ALIGN, MIB, 1,
	    MIB - 1, 2 * MIB, 2 * MIB + 5000, 70000};
	struct storage *s = *state;
	struct storage_upload *u = NULL;
	struct err err = {0};
	struct digest d;
	char id[UUID_TEXT];
	uint8_t *p = driver_bytes(8, ALL, DIGEST_SHA256, &d), *piece = aligned_alloc(STORAGE_ALIGN, 64 * MIB),
	        back[9000];
	size_t at = 0, got;

	assert_non_null(piece);
	uuid_random(id);
	assert_ok(storage_upload_create(s, id, &u, &err));
	for (size_t i = 0; at < ALL; i++) {
		size_t n = i < ARRAY_LEN(pieces) ? pieces[i] : MIB, skew = i % 4 == 3 ? 3 : 0;

		n = n < ALL - at ? n : ALL - at;
		memcpy(piece + skew, p + at, n);
		storage_upload_start(u, piece + skew, n);
		assert_ok(storage_upload_wait(u, &err));
		at += n;
		assert_int_equal(u->size, at);
		if (i % 2) {
			size_t from = at > sizeof(back) ? at - sizeof(back) : 0;

			assert_ok(storage_upload_read(u, from, back, sizeof(back), &got, &err));
			assert_int_equal(got, at - from);
			assert_memory_equal(back, p + from, got);
		}
		if (i % 5 == 4) {
			storage_upload_close(&u);
			assert_ok(storage_upload_open(s, id, &u, &err));
			assert_int_equal(u->size, at);
		}
	}
	assert_ok(storage_upload_commit(&u, &d, &err));
	assert_true(driver_holds(s, &d, p, ALL));
	free(piece);
	free(p);
}

static void test_upload_list(void **state)
{
	struct storage *s = *state;
	struct storage_upload *u = NULL;
	struct counted c = {0}, part = {.stop_at = 2};
	struct err err = {0};
	char id[4][UUID_TEXT];
	int64_t before = clock_real();

	for (size_t i = 0; i < ARRAY_LEN(id); i++) {
		uuid_random(id[i]);
		assert_ok(storage_upload_create(s, id[i], &u, &err));
		assert_ok(storage_upload_write(u, "x", 1, &err));
		storage_upload_close(&u);
	}
	assert_ok(storage_upload_list(s, count_upload, &c, &err));
	assert_int_equal(c.n, ARRAY_LEN(id));
	for (size_t i = 0; i < ARRAY_LEN(id); i++) {
		size_t k = 0;

		while (k < c.n && strcmp(c.ids[k], id[i]) != 0)
			k++;
		assert_true(k < c.n);
	}
	/* Clocks of media are coarse. */
	assert_true(c.modified > before - 5 * CLOCK_S && c.modified < clock_real() + 5 * CLOCK_S);
	assert_ok(storage_upload_list(s, count_upload, &part, &err));
	assert_int_equal(part.n, 2);
}

/* A blob that is there already, and one that was damaged, end up right. */
static void test_commit_over_existing(void **state)
{
	struct storage *s = *state;
	struct storage_blob blob;
	struct digest d;
	struct err err = {0};
	uint8_t *p = driver_bytes(1, 5000, DIGEST_SHA256, &d), *back = xmalloc(5000);
	size_t got;

	assert_ok(driver_put(s, &d, p, 5000, &err));
	assert_ok(storage_open(s, &d, &blob, &err));
	assert_ok(driver_put(s, &d, p, 5000, &err));
	assert_true(driver_holds(s, &d, p, 5000));
	/* who was reading the old one can go on */
	assert_ok(storage_read(&blob, 0, back, 5000, &got, &err));
	assert_memory_equal(back, p, 5000);
	storage_close(&blob);
	driver->damage(&d, "short", 5);
	assert_false(driver_holds(s, &d, p, 5000));
	assert_ok(driver_put(s, &d, p, 5000, &err));
	assert_true(driver_holds(s, &d, p, 5000));
	assert_int_equal(blobs_in(s), 1);
	assert_int_equal(uploads_in(s), 0);
	free(back);
	free(p);
}

/* ---- threads ------------------------------------------------------------------------ */

#define THREADS 6
#define ROUNDS 25

struct crowd {
	struct storage *s;
	struct digest d;
	const uint8_t *p;
	size_t n;
	bool holds; /* removers hold the digest, as they promise */
	int failed; /* under lock */
	pthread_mutex_t lock;
	char why[256];
};

static void crowd_failed(struct crowd *c, const char *what, const struct err *err)
{
	mutex_lock(&c->lock);
	if (c->failed++ == 0)
		snprintf(c->why, sizeof(c->why), "%s: %.200s", what, err->msg);
	mutex_unlock(&c->lock);
}

static void run_crowd(struct crowd *c, void *(*const *fn)(void *), size_t n)
{
	pthread_t t[THREADS];

	mutex_init(&c->lock);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(thread_start(&t[i], "crowd", 512 * 1024, false, fn[i % 2], c), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	mutex_destroy(&c->lock);
	if (c->failed)
		fail_msg("%d failures, the first: %s", c->failed, c->why);
}

static void *commit_same(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct err err = {0};

		if (driver_put(c->s, &c->d, c->p, c->n, &err))
			crowd_failed(c, "commit", &err);
		else if (!driver_holds(c->s, &c->d, c->p, c->n))
			crowd_failed(c, "read back", &err);
	}
	return NULL;
}

/* Many commit the same digest: all succeed, and at no moment is it not there. */
static void test_same_digest_at_once(void **state)
{
	static void *(*const fn[2])(void *) = {commit_same, commit_same};
	struct crowd c = {.s = *state, .n = 70000};
	uint8_t *p = driver_bytes(3, c.n, DIGEST_SHA256, &c.d);

	c.p = p;
	run_crowd(&c, fn, THREADS);
	assert_int_equal(blobs_in(*state), 1);
	assert_int_equal(uploads_in(*state), 0);
	free(p);
}

static void *commit_against_removal(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < ROUNDS * 2; i++) {
		struct storage_upload *u = NULL;
		struct err err = {0};
		char id[UUID_TEXT];
		enum err_code rc;

		uuid_random(id);
		rc = storage_upload_create(c->s, id, &u, &err);
		if (rc == ERR_OK)
			rc = storage_upload_write(u, c->p, c->n, &err);
		storage_hold_shared(c->s, &c->d);
		if (rc == ERR_OK)
			rc = storage_upload_commit(&u, &c->d, &err);
		if (rc)
			crowd_failed(c, "commit", &err);
		else if (!driver_holds(c->s, &c->d, c->p, c->n))
			crowd_failed(c, "what was committed is gone while it is held", &err);
		storage_release_shared(c->s, &c->d);
	}
	return NULL;
}

static void *remove_again(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < ROUNDS * 4; i++) {
		struct err err = {0};
		enum err_code rc;
		uint64_t size;

		storage_hold_exclusive(c->s, &c->d, 1);
		rc = storage_remove(c->s, &c->d, &err);
		if (rc == ERR_OK)
			rc = storage_sync_removals(c->s, &c->d, 1, &err);
		if (rc && rc != ERR_NOT_FOUND)
			crowd_failed(c, "remove", &err);
		if (storage_stat(c->s, &c->d, &size, &err) != ERR_NOT_FOUND)
			crowd_failed(c, "there though it was removed and is held", &err);
		storage_release_exclusive(c->s, &c->d, 1);
	}
	return NULL;
}

static void test_commit_against_remove(void **state)
{
	static void *(*const fn[2])(void *) = {commit_against_removal, remove_again};
	struct crowd c = {.s = *state, .n = 3000};
	uint8_t *p = driver_bytes(4, c.n, DIGEST_SHA256, &c.d);

	c.p = p;
	run_crowd(&c, fn, THREADS);
	assert_int_equal(uploads_in(*state), 0);
	free(p);
}

static void *remove_rudely(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < ROUNDS * 4; i++) {
		struct err err = {0};
		enum err_code rc = storage_remove(c->s, &c->d, &err);

		if (rc && rc != ERR_NOT_FOUND)
			crowd_failed(c, "remove", &err);
	}
	return NULL;
}

static void *commit_rudely(void *arg)
{
	struct crowd *c = arg;

	for (int i = 0; i < ROUNDS * 2; i++) {
		struct err err = {0};
		enum err_code rc = driver_put(c->s, &c->d, c->p, c->n, &err);

		if (rc && rc != ERR_NOT_FOUND)
			crowd_failed(c, "commit", &err);
	}
	return NULL;
}

/* Without holds nobody can promise who wins, but whoever loses is told so, and
 * the blob is there whole or not there. */
static void test_rude_removers(void **state)
{
	static void *(*const fn[2])(void *) = {commit_rudely, remove_rudely};
	struct crowd c = {.s = *state, .n = 3000};
	uint8_t *p = driver_bytes(5, c.n, DIGEST_SHA256, &c.d);
	uint64_t size;

	c.p = p;
	run_crowd(&c, fn, THREADS);
	assert_true(storage_stat(c.s, &c.d, &size, NULL) == ERR_NOT_FOUND || driver_holds(c.s, &c.d, p, c.n));
	free(p);
}

static void *commit_many(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct err err = {0};
		struct digest d;
		uint8_t *p = driver_bytes(i * 977 + (unsigned)(uintptr_t)pthread_self(), 500 + i, DIGEST_SHA512, &d);

		if (driver_put(c->s, &d, p, 500 + i, &err) || !driver_holds(c->s, &d, p, 500 + i) ||
		    storage_remove(c->s, &d, &err))
			crowd_failed(c, "life of a blob", &err);
		free(p);
	}
	return NULL;
}

static void test_many_digests_at_once(void **state)
{
	static void *(*const fn[2])(void *) = {commit_many, commit_many};
	struct crowd c = {.s = *state};

	run_crowd(&c, fn, THREADS);
	assert_int_equal(blobs_in(*state), 0);
}

static void *hold_several(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < ROUNDS * 8; i++) {
		struct digest d[5] = {{0}};

		/* Any order, the same lock twice, other algorithms: never a circle. */
		for (size_t k = 0; k < ARRAY_LEN(d); k++) {
			d[k].alg = k % 2 ? DIGEST_SHA256 : DIGEST_SHA512;
			d[k].bytes[0] = (uint8_t)(i * 31 + k * 97 % 3);
		}
		storage_hold_exclusive(c->s, d, ARRAY_LEN(d));
		storage_release_exclusive(c->s, d, ARRAY_LEN(d));
		storage_hold_exclusive(c->s, d, 0);
		storage_release_exclusive(c->s, d, 0);
		storage_hold_shared(c->s, &d[i % 5]);
		storage_release_shared(c->s, &d[i % 5]);
	}
	return NULL;
}

static void test_holds(void **state)
{
	static void *(*const fn[2])(void *) = {hold_several, hold_several};
	struct crowd c = {.s = *state};

	run_crowd(&c, fn, THREADS);
}

int driver_suite_run(const struct driver *d)
{
#define SUITE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    SUITE_TEST(test_empty_store),
	    SUITE_TEST(test_sizes),
	    SUITE_TEST(test_algorithms),
	    SUITE_TEST(test_reading_ranges),
	    SUITE_TEST(test_remove),
	    SUITE_TEST(test_alias),
	    SUITE_TEST(test_list),
	    SUITE_TEST(test_upload_names),
	    SUITE_TEST(test_resume),
	    SUITE_TEST(test_large_upload),
	    SUITE_TEST(test_upload_list),
	    SUITE_TEST(test_commit_over_existing),
	    SUITE_TEST(test_same_digest_at_once),
	    SUITE_TEST(test_commit_against_remove),
	    SUITE_TEST(test_rude_removers),
	    SUITE_TEST(test_many_digests_at_once),
	    SUITE_TEST(test_holds),
	};
#undef SUITE_TEST

	driver = d;
	return cmocka_run_group_tests_name(d->name, tests, NULL, NULL);
}
