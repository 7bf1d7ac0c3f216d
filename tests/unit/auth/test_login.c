/* SPDX-License-Identifier: Apache-2.0 */
/* test_login.c - logging in: the cache, the throttle, the gate, the watched
 * file, and login.h, which puts them together. */
#include "authtest.h"
#include "auth/credcache.h"
#include "auth/gate.h"
#include "auth/login.h"
#include "auth/pwhash.h"
#include "auth/throttle.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- credcache --------------------------------------------------------- */

static void test_cache(void **state)
{
	struct credcache *c = credcache_new(64, 100);
	uint8_t a[CREDCACHE_KEY] = {1}, b[CREDCACHE_KEY] = {1, [31] = 1};

	assert_false(credcache_find(c, a, 1, 10));
	credcache_add(c, a, 1, 10);
	assert_true(credcache_find(c, a, 1, 10));
	assert_true(credcache_find(c, a, 1, 109));
	assert_false(credcache_find(c, a, 1, 110));
	assert_false(credcache_find(c, a, 2, 10));
	assert_false(credcache_find(c, b, 1, 10));
	credcache_add(c, a, 2, 10);
	assert_true(credcache_find(c, a, 2, 10));
	assert_false(credcache_find(c, a, 1, 10));
	credcache_free(c);
}

/* A full table forgets the oldest, never the newest. */
static void test_cache_bounded(void **state)
{
	struct credcache *c = credcache_new(8, 1000);
	uint8_t key[CREDCACHE_KEY] = {0};

	for (int i = 0; i < 100; i++) {
		key[8] = (uint8_t)i;
		credcache_add(c, key, 1, 1 + i);
		assert_true(credcache_find(c, key, 1, 1 + i));
	}
	for (int i = 0; i < 100; i++) {
		key[8] = (uint8_t)i;
		assert_int_equal(credcache_find(c, key, 1, 101), i >= 92);
	}
	credcache_free(c);
}

/* ---- throttle ---------------------------------------------------------- */

static void test_throttle(void **state)
{
	struct throttle *t = throttle_new(64);
	uint8_t key[THROTTLE_KEY] = {7}, other[THROTTLE_KEY] = {7, [15] = 1};
	int64_t now = 5 * CLOCK_S, waits[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

	for (int i = 0; i < THROTTLE_FREE; i++) {
		assert_int_equal(throttle_wait(t, key, now), 0);
		assert_true(throttle_begin(t, key, now));
	}
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		assert_int_equal(throttle_wait(t, key, now), waits[i] * CLOCK_S);
		assert_false(throttle_begin(t, key, now));
		assert_false(throttle_begin(t, key, now + waits[i] * CLOCK_S - 1));
		assert_true(throttle_begin(t, other, now));
		throttle_success(t, other);
		now += waits[i] * CLOCK_S;
		assert_int_equal(throttle_wait(t, key, now), 0);
		assert_true(throttle_begin(t, key, now));
	}
	throttle_success(t, key);
	assert_int_equal(throttle_wait(t, key, now), 0);
	for (int i = 0; i < THROTTLE_FREE; i++)
		assert_true(throttle_begin(t, key, now));
	assert_false(throttle_begin(t, key, now));
	/* Left alone for long enough it starts anew. */
	now += THROTTLE_FORGET;
	for (int i = 0; i < THROTTLE_FREE; i++)
		assert_true(throttle_begin(t, key, now));
	assert_false(throttle_begin(t, key, now));
	throttle_free(t);
}

static void test_throttle_bounded(void **state)
{
	struct throttle *t = throttle_new(8);
	uint8_t key[THROTTLE_KEY] = {0};

	for (int i = 0; i < 9; i++)
		for (int n = 0; n < THROTTLE_FREE; n++) {
			key[8] = (uint8_t)i;
			assert_true(throttle_begin(t, key, i + 1));
		}
	for (int i = 0; i < 9; i++) {
		key[8] = (uint8_t)i;
		assert_int_equal(throttle_wait(t, key, 10) > 0, i > 0);
	}
	throttle_free(t);
}

/* ---- gate -------------------------------------------------------------- */

#define MANY 12

#define UNANSWERED (-2)

struct gate_run {
	struct gate *gate;
	uint8_t key[GATE_KEY], addr[GATE_ADDR];
	atomic_int answer; /* UNANSWERED until there is one */
	int order;
	pthread_t thread;
};

static atomic_int running, most, calls;
static atomic_bool hold;

static int slow_check(void *arg)
{
	struct gate_run *r = arg;
	int now = atomic_fetch_add(&running, 1) + 1, seen = atomic_load(&most);

	while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
		;
	r->order = atomic_fetch_add(&calls, 1);
	while (atomic_load(&hold))
		usleep(1000);
	usleep(2000);
	atomic_fetch_sub(&running, 1);
	return r->key[0];
}

static void *gate_thread(void *arg)
{
	struct gate_run *r = arg;

	atomic_store(&r->answer, gate_ask(r->gate, r->key, r->addr, slow_check, r));
	return NULL;
}

static unsigned inside(struct gate *g)
{
	unsigned in, out;

	gate_load(g, &in, &out);
	return in + out;
}

/* Waits for something that must come soon; how soon depends on the machine. */
#define SOON(condition) \
	do { \
		for (int tries_ = 0; !(condition) && tries_ < 10000; tries_++) \
			usleep(1000); \
		assert_true(condition); \
	} while (0)

/* Returns when the request waits, runs or was answered, so that the next one
 * comes after it. */
static void gate_start(struct gate_run *r, struct gate *g, uint8_t key, uint8_t addr)
{
	unsigned before = inside(g);

	*r = (struct gate_run){.gate = g, .key = {key}, .addr = {addr}, .answer = UNANSWERED, .order = -1};
	assert_int_equal(thread_start(&r->thread, "gate", 256 * 1024, false, gate_thread, r), 0);
	SOON(inside(g) > before || atomic_load(&r->answer) != UNANSWERED);
}

static void gate_reset(void)
{
	atomic_store(&running, 0);
	atomic_store(&most, 0);
	atomic_store(&calls, 0);
	atomic_store(&hold, true);
}

static void gate_finish(struct gate_run *r, size_t n)
{
	atomic_store(&hold, false);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pthread_join(r[i].thread, NULL), 0);
}

/* One question asked by many is asked once, and all get its answer. */
static void test_gate_shares(void **state)
{
	struct gate_limits limits = {.running = 2, .waiting = 100, .per_address = 100, .patience = 10 * CLOCK_S};
	struct gate *g = gate_new(&limits);
	struct gate_run r[MANY];

	gate_reset();
	for (int i = 0; i < MANY; i++)
		gate_start(&r[i], g, 3, 1);
	gate_finish(r, MANY);
	assert_int_equal(atomic_load(&calls), 1);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(atomic_load(&r[i].answer), 3);
	gate_free(g);
}

static void test_gate_bounds(void **state)
{
	struct gate_limits limits = {.running = 2, .waiting = 100, .per_address = 100, .patience = 10 * CLOCK_S};
	struct gate *g = gate_new(&limits);
	struct gate_run r[MANY];

	gate_reset();
	for (int i = 0; i < MANY; i++)
		gate_start(&r[i], g, (uint8_t)(i + 1), (uint8_t)i);
	gate_finish(r, MANY);
	assert_int_equal(atomic_load(&calls), MANY);
	assert_int_equal(atomic_load(&most), 2);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(atomic_load(&r[i].answer), i + 1);
	gate_free(g);
}

/* Who comes from a quiet address overtakes the flood from a loud one. */
static void test_gate_fair(void **state)
{
	struct gate_limits limits = {.running = 1, .waiting = 100, .per_address = 100, .patience = 10 * CLOCK_S};
	struct gate *g = gate_new(&limits);
	struct gate_run r[MANY + 1];

	gate_reset();
	for (int i = 0; i < MANY; i++)
		gate_start(&r[i], g, (uint8_t)(i + 1), 1);
	gate_start(&r[MANY], g, 99, 2);
	gate_finish(r, MANY + 1);
	assert_int_equal(atomic_load(&r[MANY].answer), 99);
	assert_true(r[MANY].order <= 2);
	gate_free(g);
}

static void test_gate_limits(void **state)
{
	struct gate_limits limits = {.running = 1, .waiting = 4, .per_address = 3, .patience = 20 * CLOCK_S};
	struct gate *g = gate_new(&limits);
	struct gate_run r[7];

	gate_reset();
	for (uint8_t i = 0; i < 3; i++)
		gate_start(&r[i], g, i, 1);
	gate_start(&r[3], g, 3, 1); /* over the limit of the address */
	SOON(atomic_load(&r[3].answer) == GATE_LATER);
	gate_start(&r[4], g, 4, 2);
	gate_start(&r[5], g, 5, 3);
	gate_start(&r[6], g, 6, 4); /* over the limit of all: four wait */
	SOON(atomic_load(&r[6].answer) == GATE_LATER);
	assert_int_equal(atomic_load(&calls), 1);
	gate_finish(r, ARRAY_LEN(r));
	for (int i = 0; i < 6; i++)
		assert_int_equal(atomic_load(&r[i].answer), i == 3 ? GATE_LATER : i);
	gate_free(g);
}

/* Who waited for too long goes without an answer; who runs is not disturbed. */
static void test_gate_patience(void **state)
{
	struct gate_limits limits = {.running = 1, .waiting = 9, .per_address = 9, .patience = 50 * CLOCK_MS};
	struct gate *g = gate_new(&limits);
	struct gate_run r[3];

	gate_reset();
	gate_start(&r[0], g, 0, 1);
	gate_start(&r[1], g, 1, 1);
	gate_start(&r[2], g, 0, 1); /* shares the first one's check */
	SOON(atomic_load(&r[1].answer) == GATE_LATER);
	SOON(atomic_load(&r[2].answer) == GATE_LATER);
	assert_int_equal(atomic_load(&r[0].answer), UNANSWERED);
	gate_finish(r, ARRAY_LEN(r));
	assert_int_equal(atomic_load(&r[0].answer), 0);
	assert_int_equal(atomic_load(&calls), 1);
	gate_free(g);
}

/* ---- login ------------------------------------------------------------- */

static double hashes_made(void)
{
	static const char series[] = "\nberth_auth_bcrypt_seconds_count ";
	struct buf b = BUF_INIT(1 << 20);
	const char *at;
	double n;

	metric_write(&b);
	at = strstr(buf_cstr(&b), series);
	n = at ? strtod(at + sizeof(series) - 1, NULL) : 0;
	buf_free(&b);
	return n;
}

static void users(const char *name, const char *a, const char *b)
{
	char hash[PWHASH_TEXT];
	struct buf text = BUF_INIT(4096);

	assert_int_equal(pwhash_make(PWHASH_BCRYPT, 4, slice_cstr(a), hash, NULL), ERR_OK);
	buf_addf(&text, "alice:%s\n", hash);
	if (b) {
		assert_int_equal(pwhash_make(PWHASH_BCRYPT, 4, slice_cstr(b), hash, NULL), ERR_OK);
		buf_addf(&text, "bob:%s\n", hash);
	}
	write_bytes(name, buf_slice(&text));
	buf_free(&text);
}

static struct login *opened(const char *name)
{
	struct login_options o;
	struct login *l = NULL;
	struct err err = {.msg = ""};

	login_options_default(&o);
	if (login_new(in_dir(name), &o, &l, &err))
		fail_msg("%s", err.msg);
	return l;
}

static enum login_result try(struct login *l, const char *peer, const char *user, const char *password)
{
	struct login_attempt a = {.peer = peer, .user = slice_cstr(user), .password = slice_cstr(password)};
	int64_t wait = 0;
	enum login_result r;

	if (login_remembered(l, &a))
		return LOGIN_GOOD;
	r = login_check(l, &a, &wait);
	assert_true(r == LOGIN_GOOD || r == LOGIN_BAD || wait > 0);
	return r;
}

static bool remembered(struct login *l, const char *user, const char *password)
{
	struct login_attempt a = {.peer = "192.0.2.1", .user = slice_cstr(user), .password = slice_cstr(password)};

	return login_remembered(l, &a);
}

static void test_login(void **state)
{
	struct login *l;

	users("f1", "secret", "geheim");
	l = opened("f1");
	assert_false(remembered(l, "alice", "secret"));
	assert_int_equal(try(l, "192.0.2.1", "alice", "secret"), LOGIN_GOOD);
	assert_true(remembered(l, "alice", "secret"));
	assert_false(remembered(l, "alice", "geheim"));
	assert_false(remembered(l, "alic", "esecret"));
	assert_int_equal(try(l, "192.0.2.1", "alice", "geheim"), LOGIN_BAD);
	assert_int_equal(try(l, "192.0.2.1", "nobody", "secret"), LOGIN_BAD);
	assert_int_equal(try(l, "192.0.2.1", "bob", "geheim"), LOGIN_GOOD);
	login_free(&l);
}

/* A change counts at once for those who are not remembered, and at the next
 * look at the file for those who are. */
static void test_reload(void **state)
{
	struct login *l;

	users("f2", "old", NULL);
	l = opened("f2");
	assert_int_equal(try(l, "192.0.2.1", "alice", "old"), LOGIN_GOOD);
	users("f2", "new", "geheim");
	assert_int_equal(try(l, "192.0.2.1", "bob", "geheim"), LOGIN_GOOD);
	assert_false(remembered(l, "alice", "old"));
	assert_int_equal(try(l, "192.0.2.1", "alice", "old"), LOGIN_BAD);
	assert_int_equal(try(l, "192.0.2.1", "alice", "new"), LOGIN_GOOD);
	users("f2", "newer", NULL);
	usleep(1100000);
	assert_int_equal(try(l, "192.0.2.1", "alice", "new"), LOGIN_BAD);
	login_free(&l);
}

static void test_keeps_last_good(void **state)
{
	struct login *l;

	users("f3", "secret", NULL);
	l = opened("f3");
	write_file("f3", "alice:secret\n");
	assert_int_equal(try(l, "192.0.2.1", "alice", "secret"), LOGIN_GOOD);
	assert_int_equal(unlink(in_dir("f3")), 0);
	assert_int_equal(try(l, "192.0.2.2", "alice", "wrong"), LOGIN_BAD);
	assert_int_equal(try(l, "192.0.2.1", "alice", "secret"), LOGIN_GOOD);
	users("f3", "other", NULL);
	assert_int_equal(try(l, "192.0.2.1", "alice", "other"), LOGIN_GOOD);
	login_free(&l);
}

/* The same content written again is no reason to make everybody log in anew. */
static void test_touch_keeps_memory(void **state)
{
	char *text;
	struct login *l;

	users("f4", "secret", NULL);
	l = opened("f4");
	assert_int_equal(try(l, "192.0.2.1", "alice", "secret"), LOGIN_GOOD);
	text = RUN("cat", in_dir("f4"));
	write_file("f4", text);
	assert_int_equal(try(l, "192.0.2.1", "alice", "wrong"), LOGIN_BAD); /* looks at the file */
	assert_true(remembered(l, "alice", "secret"));
	free(text);
	login_free(&l);
}

static void test_refuses_malformed_at_start(void **state)
{
	struct login_options o;
	struct login *l;
	struct err err;

	login_options_default(&o);
	write_file("f5", "# ok\nalice:plain\n");
	assert_int_equal(login_new(in_dir("f5"), &o, &l, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "line 2"));
	assert_non_null(strstr(err.msg, "htpasswd -B"));
	assert_int_equal(login_new(in_dir("."), &o, &l, &err), ERR_INVALID);
}

static void test_login_throttle(void **state)
{
	struct login *l;

	users("f6", "secret", "geheim");
	l = opened("f6");
	for (int i = 0; i < THROTTLE_FREE; i++)
		assert_int_equal(try(l, "192.0.2.1", "alice", "guess"), LOGIN_BAD);
	assert_int_equal(try(l, "192.0.2.1", "alice", "guess"), LOGIN_THROTTLED);
	assert_int_equal(try(l, "192.0.2.1", "alice", "secret"), LOGIN_THROTTLED);
	/* Nobody else is affected. */
	assert_int_equal(try(l, "192.0.2.1", "bob", "geheim"), LOGIN_GOOD);
	assert_int_equal(try(l, "192.0.2.2", "alice", "secret"), LOGIN_GOOD);
	/* Credentials known to be good pass, even from there. */
	assert_int_equal(try(l, "192.0.2.1", "alice", "secret"), LOGIN_GOOD);
	usleep(1050000);
	assert_int_equal(try(l, "192.0.2.1", "alice", "guess"), LOGIN_BAD);
	assert_int_equal(try(l, "192.0.2.1", "alice", "guess"), LOGIN_THROTTLED);
	login_free(&l);
}

/* All of an IPv6 network of 64 bits belongs to one who guesses. */
static void test_throttle_v6(void **state)
{
	struct login *l;
	char peer[64];

	users("f7", "secret", NULL);
	l = opened("f7");
	for (int i = 0; i < THROTTLE_FREE; i++) {
		(void)snprintf(peer, sizeof(peer), "2001:db8::%x", i);
		assert_int_equal(try(l, peer, "alice", "guess"), LOGIN_BAD);
	}
	assert_int_equal(try(l, "2001:db8::ffff", "alice", "guess"), LOGIN_THROTTLED);
	assert_int_equal(try(l, "2001:db8:0:1::1", "alice", "guess"), LOGIN_BAD);
	assert_int_equal(try(l, "unix", "alice", "guess"), LOGIN_BAD);
	login_free(&l);
}

struct crowd {
	struct login *login;
	const char *password;
	char peer[32];
	enum login_result result;
	pthread_t thread;
};

static void *crowd_thread(void *arg)
{
	struct crowd *c = arg;

	c->result = try(c->login, c->peer, "alice", c->password);
	return NULL;
}

static void crowd(struct login *l, bool one_address, const char *password, enum login_result want)
{
	struct crowd c[32];

	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = (struct crowd){.login = l, .password = password};
		(void)snprintf(c[i].peer, sizeof(c[i].peer), "192.0.2.%zu", one_address ? (size_t)1 : i);
		assert_int_equal(thread_start(&c[i].thread, "crowd", 512 * 1024, false, crowd_thread, &c[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		assert_int_equal(pthread_join(c[i].thread, NULL), 0);
		assert_int_equal(c[i].result, want);
	}
}

/* A crowd that arrives with good credentials gets in, and bcrypt is paid once
 * or, where several checks run at once, a few times. */
static void test_crowd(void **state)
{
	struct login_options o;
	struct login *l;
	double before;

	login_options_default(&o);
	users("f8", "secret", NULL);
	l = opened("f8");
	before = hashes_made();
	crowd(l, true, "secret", LOGIN_GOOD);
	assert_true(hashes_made() - before == 1);
	users("f8", "newsecret", NULL);
	before = hashes_made();
	crowd(l, false, "newsecret", LOGIN_GOOD);
	assert_true(hashes_made() - before <= o.gate.running);
	login_free(&l);
}

static void test_remembering_is_cheap(void **state)
{
	struct login *l;
	int64_t start;

	users("f9", "secret", NULL);
	l = opened("f9");
	assert_int_equal(try(l, "192.0.2.1", "alice", "secret"), LOGIN_GOOD);
	start = clock_mono();
	for (int i = 0; i < 10000; i++)
		(void)remembered(l, "alice", "secret");
	print_message("remembered credentials: %.2f us\n", (double)(clock_mono() - start) / 10000 / CLOCK_US);
	login_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cache),
	    cmocka_unit_test(test_cache_bounded),
	    cmocka_unit_test(test_throttle),
	    cmocka_unit_test(test_throttle_bounded),
	    cmocka_unit_test(test_gate_shares),
	    cmocka_unit_test(test_gate_bounds),
	    cmocka_unit_test(test_gate_fair),
	    cmocka_unit_test(test_gate_limits),
	    cmocka_unit_test(test_gate_patience),
	    cmocka_unit_test(test_login),
	    cmocka_unit_test(test_reload),
	    cmocka_unit_test(test_keeps_last_good),
	    cmocka_unit_test(test_touch_keeps_memory),
	    cmocka_unit_test(test_refuses_malformed_at_start),
	    cmocka_unit_test(test_login_throttle),
	    cmocka_unit_test(test_throttle_v6),
	    cmocka_unit_test(test_crowd),
	    cmocka_unit_test(test_remembering_is_cheap),
	};

	metric_register(login_metrics(), 1);
	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
