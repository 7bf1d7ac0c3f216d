/* SPDX-License-Identifier: Apache-2.0 */
/* test_session.c - running hashes of uploads, on a real store. */
#include "../base/unit.h"
#include "../storage/faults.h"
#include "../storage/place.h"

#include "registry/session.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/sync.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

struct bench {
	char place[PLACE_MAX];
	struct storage *store;
	struct sessions *sessions;
	char id[UUID_TEXT];
	struct storage_upload *u;
};

static unsigned reads;

static ssize_t counting_pread(int fd, void *p, size_t n, off_t at)
{
	reads++;
	return fsys_system.pread(fd, p, n, at);
}

static int set_up(void **state)
{
	static struct fsys_ops counting;
	struct bench *b = xcalloc(1, sizeof(*b));
	struct err err = {0};

	counting = fsys_system;
	counting.pread = counting_pread;
	fsys = &counting;
	place_make(b->place);
	assert_ok(storage_fs_open(b->place, &b->store, &err));
	b->sessions = sessions_new(4);
	uuid_random(b->id);
	assert_ok(storage_upload_create(b->store, b->id, &b->u, &err));
	reads = 0;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	storage_upload_close(&b->u);
	sessions_free(&b->sessions);
	sessions_free(&b->sessions); /* harmless */
	storage_free(&b->store);
	place_remove(b->place);
	free(b);
	fsys = &fsys_system;
	return 0;
}

static struct session *take(struct bench *b, const char *id)
{
	struct session *x = NULL;
	struct err err = {0};

	assert_ok(session_acquire(b->sessions, id, clock_mono() + 10 * CLOCK_S, &x, &err));
	return x;
}

static void assert_digest(struct session *x, struct storage_upload *u, enum digest_alg alg, const char *text)
{
	struct digest got, want;
	struct err err = {0};

	assert_ok(session_digest(x, u, alg, &got, &err));
	digest_of(alg, text, strlen(text), &want);
	assert_true(digest_eq(&got, &want));
}

static void append(struct session *x, struct storage_upload *u, enum digest_alg alg, const char *text)
{
	struct err err = {0};

	assert_ok(session_append(x, u, alg, text, strlen(text), &err));
}

/* Several requests, one hash: nothing is read back. */
static void test_running_hash(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id);
	struct err err = {0};

	append(x, b->u, DIGEST_SHA256, "hello ");
	session_release(b->sessions, &x);
	assert_null(x);
	storage_upload_close(&b->u);
	assert_ok(storage_upload_open(b->store, b->id, &b->u, &err));
	x = take(b, b->id);
	append(x, b->u, DIGEST_SHA256, "");
	append(x, b->u, DIGEST_SHA256, "world");
	assert_digest(x, b->u, DIGEST_SHA256, "hello world");
	assert_digest(x, b->u, DIGEST_SHA256, "hello world");
	assert_int_equal(reads, 0);
	session_finish(b->sessions, &x);
	assert_null(x);
}

static void test_empty_upload(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id);

	assert_digest(x, b->u, DIGEST_SHA512, "");
	session_finish(b->sessions, &x);
}

/* After a restart the bytes are read back once. */
static void test_restart(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id);
	unsigned once;

	append(x, b->u, DIGEST_SHA256, "hello ");
	session_release(b->sessions, &x);
	sessions_free(&b->sessions);
	b->sessions = sessions_new(4);
	x = take(b, b->id);
	append(x, b->u, DIGEST_SHA256, "world");
	once = reads;
	assert_true(once > 0);
	assert_digest(x, b->u, DIGEST_SHA256, "hello world");
	assert_int_equal(reads, once);
	session_finish(b->sessions, &x);
}

/* A client that names another algorithm at the end gets that one. */
static void test_other_algorithm(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id);

	append(x, b->u, DIGEST_SHA256, "hello ");
	append(x, b->u, DIGEST_SHA512, "world");
	assert_digest(x, b->u, DIGEST_SHA512, "hello world");
	assert_digest(x, b->u, DIGEST_SHA256, "hello world");
	session_finish(b->sessions, &x);
}

/* More bytes than are read back at once, and a write that fails between. */
static void test_large_and_torn(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id);
	const size_t n = 500000;
	char *p = xmalloc(n);
	struct digest got, want;
	struct err err = {0};

	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + i / 1000);
	assert_ok(storage_upload_write(b->u, p, n / 2, &err));
	faults_arm(3, ENOSPC, FAULTS_ONCE); /* behind reading back */
	assert_err(session_append(x, b->u, DIGEST_SHA256, p + n / 2, n / 2, &err), ERR_NO_SPACE);
	assert_string_equal(faults_disarm(), "pwrite");
	assert_int_equal(b->u->size, n / 2);
	assert_ok(session_append(x, b->u, DIGEST_SHA256, p + n / 2, n / 2, &err));
	assert_ok(session_digest(x, b->u, DIGEST_SHA256, &got, &err));
	digest_of(DIGEST_SHA256, p, n, &want);
	assert_true(digest_eq(&got, &want));
	session_finish(b->sessions, &x);
	free(p);
}

/* Reading back that fails is told, and can be tried again. */
static void test_unreadable(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id);
	struct digest got;
	struct err err = {0};

	assert_ok(storage_upload_write(b->u, "hello ", 6, &err));
	faults_arm(1, EIO, FAULTS_ONCE);
	assert_err(session_append(x, b->u, DIGEST_SHA256, "world", 5, &err), ERR_IO);
	faults_disarm();
	faults_arm(1, EIO, FAULTS_ONCE);
	assert_err(session_digest(x, b->u, DIGEST_SHA256, &got, &err), ERR_IO);
	faults_disarm();
	append(x, b->u, DIGEST_SHA256, "world");
	assert_digest(x, b->u, DIGEST_SHA256, "hello world");
	session_finish(b->sessions, &x);
}

/* A file that lost bytes behind our back is no reason to trust the hash, and one
 * that ends before its size is told as damaged. */
static void test_shrunken(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id);
	struct digest got;
	struct err err = {0};
	char path[200];

	append(x, b->u, DIGEST_SHA256, "hello world");
	snprintf(path, sizeof(path), "%s/berth/uploads/%s", b->place, b->id);
	assert_int_equal(truncate(path, 5), 0);
	storage_upload_close(&b->u);
	assert_ok(storage_upload_open(b->store, b->id, &b->u, &err));
	assert_digest(x, b->u, DIGEST_SHA256, "hello");
	assert_int_equal(truncate(path, 2), 0);
	assert_err(session_digest(x, b->u, DIGEST_SHA512, &got, &err), ERR_CORRUPT);
	session_finish(b->sessions, &x);
}

/* ---- who has it ----------------------------------------------------------------- */

static void test_one_at_a_time(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id), *other = NULL;
	struct err err = {0};
	char id[UUID_TEXT], want[200];
	int64_t start = clock_mono();

	assert_err(session_acquire(b->sessions, b->id, start + 30 * CLOCK_MS, &other, &err), ERR_CONFLICT);
	assert_true(clock_mono() - start >= 30 * CLOCK_MS);
	assert_null(other);
	snprintf(want, sizeof(want), "another request is writing to upload %s", b->id);
	assert_string_equal(err.msg, want);
	assert_err(session_acquire(b->sessions, b->id, 0, &other, &err), ERR_CONFLICT);
	/* other uploads are not held up */
	uuid_random(id);
	other = take(b, id);
	session_finish(b->sessions, &other);
	session_release(b->sessions, &x);
	/* A deadline that has passed is no obstacle when it is free. */
	assert_ok(session_acquire(b->sessions, b->id, 0, &x, &err));
	session_finish(b->sessions, &x);
}

/* The one idle longest loses its hash; those in use never do. */
static void test_eviction(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id), *busy[6];
	char ids[6][UUID_TEXT];

	append(x, b->u, DIGEST_SHA256, "hello ");
	session_release(b->sessions, &x);
	for (size_t i = 0; i < 3; i++) {
		uuid_random(ids[i]);
		x = take(b, ids[i]);
		session_release(b->sessions, &x);
	}
	x = take(b, b->id);
	append(x, b->u, DIGEST_SHA256, "world");
	assert_int_equal(reads, 0);
	session_release(b->sessions, &x);
	for (size_t i = 0; i < 4; i++) {
		uuid_random(ids[i]);
		x = take(b, ids[i]);
		session_release(b->sessions, &x);
	}
	x = take(b, b->id); /* forgotten */
	assert_digest(x, b->u, DIGEST_SHA256, "hello world");
	assert_true(reads > 0);
	/* All in use: there may be more of them than are kept. */
	for (size_t i = 0; i < 6; i++) {
		uuid_random(ids[i]);
		busy[i] = take(b, ids[i]);
	}
	reads = 0;
	append(x, b->u, DIGEST_SHA256, "!");
	assert_digest(x, b->u, DIGEST_SHA256, "hello world!");
	assert_int_equal(reads, 0);
	for (size_t i = 0; i < 6; i++)
		session_release(b->sessions, &busy[i]);
	session_finish(b->sessions, &x);
}

/* ---- threads -------------------------------------------------------------------------- */

struct crowd {
	struct sessions *sessions;
	char id[4][UUID_TEXT];
	_Atomic int inside[4];
	_Atomic int failed;
};

static void *come_and_go(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < 400; i++) {
		struct session *x = NULL;
		struct err err = {0};
		unsigned k = i % 4;

		if (session_acquire(c->sessions, c->id[k], clock_mono() + 60 * CLOCK_S, &x, &err)) {
			c->failed++;
			continue;
		}
		if (c->inside[k]++ != 0)
			c->failed++;
		c->inside[k]--;
		if (i % 3)
			session_release(c->sessions, &x);
		else
			session_finish(c->sessions, &x);
	}
	return NULL;
}

static void test_crowd(void **state)
{
	struct bench *b = *state;
	struct crowd *c = xcalloc(1, sizeof(*c));
	pthread_t t[6];

	c->sessions = b->sessions;
	for (size_t i = 0; i < 4; i++)
		uuid_random(c->id[i]);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(thread_start(&t[i], "crowd", 256 * 1024, false, come_and_go, c), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(c->failed, 0);
	free(c);
}

struct waiter {
	struct sessions *sessions;
	const char *id;
	_Atomic int started;
	enum err_code rc;
};

static void *wait_for_it(void *arg)
{
	struct waiter *w = arg;
	struct session *x = NULL;
	struct err err = {0};

	w->started = 1;
	w->rc = session_acquire(w->sessions, w->id, clock_mono() + 60 * CLOCK_S, &x, &err);
	if (w->rc == ERR_OK)
		session_finish(w->sessions, &x);
	return NULL;
}

/* Whoever waits while an upload is finished gets its turn and finds it empty. */
static void test_finish_with_waiter(void **state)
{
	struct bench *b = *state;
	struct session *x = take(b, b->id);
	struct waiter w = {.sessions = b->sessions, .id = b->id, .rc = ERR_IO};
	struct timespec nap = {.tv_nsec = 20000000};
	pthread_t t;

	append(x, b->u, DIGEST_SHA256, "hello");
	assert_int_equal(thread_start(&t, "waiter", 256 * 1024, false, wait_for_it, &w), 0);
	while (!w.started)
		nanosleep(&nap, NULL);
	nanosleep(&nap, NULL);
	session_finish(b->sessions, &x);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(w.rc, ERR_OK);
	/* and nothing of it is left: the hash starts anew */
	x = take(b, b->id);
	assert_digest(x, b->u, DIGEST_SHA256, "hello");
	assert_true(reads > 0);
	session_finish(b->sessions, &x);
}

int main(void)
{
#define BENCH_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    BENCH_TEST(test_running_hash),
	    BENCH_TEST(test_empty_upload),
	    BENCH_TEST(test_restart),
	    BENCH_TEST(test_other_algorithm),
	    BENCH_TEST(test_large_and_torn),
	    BENCH_TEST(test_unreadable),
	    BENCH_TEST(test_shrunken),
	    BENCH_TEST(test_one_at_a_time),
	    BENCH_TEST(test_eviction),
	    BENCH_TEST(test_crowd),
	    BENCH_TEST(test_finish_with_waiter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
