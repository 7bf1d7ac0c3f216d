/* SPDX-License-Identifier: Apache-2.0 */
/* test_sync.c - locks, conditions with deadlines, threads. */
#include "unit.h"

#include "base/clock.h"
#include "base/sync.h"

#include <signal.h>

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_rwlock_t rw;
	int count, running;
	char name[16];
	int blocked; /* SIGTERM is, in the thread */
};

static struct shared *shared_new(void)
{
	struct shared *s = xcalloc(1, sizeof(*s));

	mutex_init(&s->lock);
	cond_init(&s->changed);
	rwlock_init(&s->rw);
	return s;
}

static void shared_free(struct shared *s)
{
	mutex_destroy(&s->lock);
	cond_destroy(&s->changed);
	rwlock_destroy(&s->rw);
	free(s);
}

static void *add_up(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < 1000; i++) {
		mutex_lock(&s->lock);
		s->count++;
		mutex_unlock(&s->lock);
	}
	return s;
}

static void test_mutex(void **state)
{
	struct shared *s = shared_new();
	pthread_t t[4];

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(thread_start(&t[i], "add", 0, false, add_up, s), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *end;

		assert_int_equal(pthread_join(t[i], &end), 0);
		assert_ptr_equal(end, s);
	}
	assert_int_equal(s->count, 4000);
	shared_free(s);
}

static void *read_or_write(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < 200; i++) {
		rwlock_write(&s->rw);
		s->count++;
		rwlock_unlock(&s->rw);
		rwlock_read(&s->rw);
		ASSERT(s->count > 0);
		rwlock_unlock(&s->rw);
	}
	return NULL;
}

static void test_rwlock(void **state)
{
	struct shared *s = shared_new();
	pthread_t t[4];

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(thread_start(&t[i], "rw", 0, false, read_or_write, s), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(s->count, 800);
	/* Readers do not keep each other out. */
	rwlock_read(&s->rw);
	assert_int_equal(pthread_rwlock_tryrdlock(&s->rw), 0);
	rwlock_unlock(&s->rw);
	assert_int_not_equal(pthread_rwlock_trywrlock(&s->rw), 0);
	rwlock_unlock(&s->rw);
	shared_free(s);
}

static void test_deadline(void **state)
{
	struct shared *s = shared_new();
	int64_t start = clock_mono();

	mutex_lock(&s->lock);
	assert_false(cond_wait_until(&s->changed, &s->lock, start + 20 * CLOCK_MS));
	assert_true(clock_mono() - start >= 20 * CLOCK_MS);
	/* One that has passed, even long ago. */
	assert_false(cond_wait_until(&s->changed, &s->lock, start));
	assert_false(cond_wait_until(&s->changed, &s->lock, 0));
	assert_false(cond_wait_until(&s->changed, &s->lock, -1));
	assert_false(cond_wait_until(&s->changed, &s->lock, INT64_MIN));
	mutex_unlock(&s->lock);
	shared_free(s);
}

static void *arrive(void *arg)
{
	struct shared *s = arg;

	mutex_lock(&s->lock);
	s->running++;
	cond_broadcast(&s->changed);
	while (s->count == 0)
		cond_wait(&s->changed, &s->lock);
	s->running--;
	cond_signal(&s->changed);
	mutex_unlock(&s->lock);
	return NULL;
}

static void test_condition(void **state)
{
	struct shared *s = shared_new();
	pthread_t t[3];

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(thread_start(&t[i], "wait", 0, false, arrive, s), 0);
	mutex_lock(&s->lock);
	while (s->running < 3)
		assert_true(cond_wait_until(&s->changed, &s->lock, CLOCK_NEVER));
	s->count = 1;
	cond_broadcast(&s->changed);
	while (s->running > 0)
		cond_wait(&s->changed, &s->lock);
	mutex_unlock(&s->lock);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	shared_free(s);
}

/* The name is given from outside and may come a little later. */
static void *look_around(void *arg)
{
	struct shared *s = arg;
	int64_t deadline = clock_mono() + 5 * CLOCK_S;
	sigset_t mask;

	do {
		pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
	} while (strcmp(s->name, "looks-around") != 0 && clock_mono() < deadline);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	s->blocked = sigismember(&mask, SIGTERM);
	mutex_lock(&s->lock);
	s->running = 1;
	cond_signal(&s->changed);
	mutex_unlock(&s->lock);
	return NULL;
}

static void test_thread_manners(void **state)
{
	struct shared *s = shared_new();
	pthread_t t;
	sigset_t mask;

	assert_int_equal(thread_start(&t, "looks-around", 1 << 20, false, look_around, s), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_string_equal(s->name, "looks-around");
	assert_int_equal(s->blocked, 1);
	/* and not in whoever started it */
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_int_equal(sigismember(&mask, SIGTERM), 0);
	shared_free(s);
}

static void *end_at_once(void *arg)
{
	struct shared *s = arg;

	mutex_lock(&s->lock);
	s->count++;
	cond_signal(&s->changed);
	mutex_unlock(&s->lock);
	return NULL;
}

/* Detached threads that are gone before thread_start is through with them. */
static void test_detached(void **state)
{
	struct shared *s = shared_new();
	const int n = 200;

	for (int i = 0; i < n; i++)
		assert_int_equal(thread_start(NULL, "detached", 0, true, end_at_once, s), 0);
	mutex_lock(&s->lock);
	while (s->count < n)
		assert_true(cond_wait_until(&s->changed, &s->lock, clock_mono() + 60 * CLOCK_S));
	mutex_unlock(&s->lock);
	/* They may still be on their way out of the unlock. */
	mutex_lock(&s->lock);
	mutex_unlock(&s->lock);
	shared_free(s);
}

static void test_no_thread(void **state)
{
	pthread_t t;

	assert_int_not_equal(thread_start(&t, "huge", (size_t)1 << 60, false, end_at_once, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_mutex),
	    cmocka_unit_test(test_rwlock),
	    cmocka_unit_test(test_deadline),
	    cmocka_unit_test(test_condition),
	    cmocka_unit_test(test_thread_manners),
	    cmocka_unit_test(test_detached),
	    cmocka_unit_test(test_no_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
