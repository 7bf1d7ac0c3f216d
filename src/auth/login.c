/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login.c - checking names and passwords; see login.h.
 *
 * Addresses, names and passwords are only ever kept as HMAC-SHA256 under a key
 * that lives and dies with the process, one kind of message for each use.
 */
#include "auth/login.h"
#include "auth/credcache.h"
#include "auth/macpool.h"
#include "auth/passwd.h"
#include "auth/throttle.h"
#include "auth/watched.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/metric.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum mac_use { MAC_CREDENTIALS = 1, MAC_QUESTION, MAC_THROTTLE };

struct login {
	uint32_t magic;
#define LOGIN_MAGIC 0x4c6f6769
	char *path;
	struct mac_pool *macs;
	struct watched *file;
	struct credcache *good;
	struct throttle *bad;
	struct gate *gate;
};

static struct metric_family bcrypt_seconds = {
    .name = "berth_auth_bcrypt_seconds",
    .help = "Time of one password hash, without waiting for a turn.",
    .type = METRIC_HISTOGRAM,
    .buckets = (const double[]){0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 0},
};

struct metric_family *login_metrics(void)
{
	return &bcrypt_seconds;
}

void login_options_default(struct login_options *o)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	*o = (struct login_options){
	    .remembered = 4096,
	    .remember_for = 300 * CLOCK_S,
	    .throttled = 4096,
	    .gate = {.running = cores > 3 ? (unsigned)(cores / 2) : 1,
	        .waiting = 1024,
	        .per_address = 64,
	        .patience = 30 * CLOCK_S},
	};
}

/* ---- the file ---------------------------------------------------------- */

static enum err_code file_load(void *arg, void **out, struct err *err)
{
	struct passwd *p;
	enum err_code rc = passwd_load(arg, &p, err);

	if (rc)
		return rc;
	if (passwd_users(p) == 0)
		LOG_WARN("htpasswd has no users, nobody can log in", LOG_STR("file", (const char *)arg));
	*out = p;
	return ERR_OK;
}

static bool file_same(const void *a, const void *b)
{
	return passwd_same(a, b);
}

static void file_free(void *value)
{
	passwd_free(value);
}

static const struct watched_type file_type = {
    .what = "htpasswd", .load = file_load, .same = file_same, .free = file_free};

/* ---- keyed digests ----------------------------------------------------- */

/* The digest of a use and two strings; false when OpenSSL has no memory. */
static bool mac(const struct login *l, enum mac_use use, struct slice a, struct slice b, uint8_t out[32])
{
	uint8_t head[9] = {(uint8_t)use};
	uint64_t n = a.n;

	memcpy(head + 1, &n, sizeof(n));
	return mac_pool_digest(l->macs, (const struct slice[]){slice_of(head, sizeof(head)), a, b}, 3, out);
}

/*
 * Where a request comes from, as far as throttling is concerned: an IPv4
 * address, the /64 of an IPv6 address (one machine has all of it), or whatever
 * else stands there ("unix").
 */
static void address_of(const char *peer, uint8_t out[GATE_ADDR])
{
	struct in6_addr v6;
	struct in_addr v4;

	memset(out, 0, GATE_ADDR);
	if (inet_pton(AF_INET, peer, &v4) == 1) {
		out[0] = 4;
		memcpy(out + 1, &v4, sizeof(v4));
	} else if (inet_pton(AF_INET6, peer, &v6) == 1) {
		out[0] = 6;
		memcpy(out + 1, &v6, 8);
	} else {
		out[0] = 1;
		memcpy(out + 1, peer, strnlen(peer, GATE_ADDR - 1));
	}
}

/* ---- the object -------------------------------------------------------- */

enum err_code login_new(const char *path, const struct login_options *o, struct login **out, struct err *err)
{
	const char *const paths[WATCHED_FILES] = {path};
	enum err_code rc = passwd_provision(path, err);
	struct login *l;

	if (rc)
		return rc;
	l = xcalloc(1, sizeof(*l));
	l->magic = LOGIN_MAGIC;
	l->path = xstrdup(path);
	l->good = credcache_new(o->remembered, o->remember_for);
	l->bad = throttle_new(o->throttled);
	l->gate = gate_new(&o->gate);
	l->macs = mac_pool_new();
	rc = l->macs ? watched_new(&file_type, l->path, paths, &l->file, err)
	             : err_set(err, ERR_UNSUPPORTED, "this system's OpenSSL offers no HMAC-SHA256");
	if (rc) {
		login_free(&l);
		return rc;
	}
	*out = l;
	return ERR_OK;
}

void login_free(struct login **lp)
{
	struct login *l = *lp;

	if (!l)
		return;
	OBJ_CHECK(l, LOGIN_MAGIC);
	*lp = NULL;
	l->magic = 0;
	watched_free(&l->file);
	credcache_free(l->good);
	throttle_free(l->bad);
	gate_free(l->gate);
	mac_pool_free(l->macs);
	free(l->path);
	free(l);
}

bool login_remembered(struct login *l, struct login_attempt *a)
{
	OBJ_CHECK(l, LOGIN_MAGIC);
	if (!mac(l, MAC_CREDENTIALS, a->user, a->password, a->key)) {
		random_bytes(a->key, sizeof(a->key)); /* equal to nothing */
		return false;
	}
	if (watched_due(l->file))
		return false;
	return credcache_find(l->good, a->key, watched_generation(l->file), clock_mono());
}

struct question {
	struct login *login;
	const struct login_attempt *attempt;
	const uint8_t *throttle;
};

/* Runs when it is this question's turn, by which time another address may have
 * asked for the same credentials, or this one for others. */
static int ask_file(void *arg)
{
	struct question *q = arg;
	struct login *l = q->login;
	struct watched_ref *ref = watched_get(l->file);
	int64_t started = clock_mono();
	enum login_result result;

	if (credcache_find(l->good, q->attempt->key, ref->generation, started)) {
		result = LOGIN_GOOD;
	} else if (!throttle_begin(l->bad, q->throttle, started)) {
		result = LOGIN_THROTTLED;
	} else {
		result = passwd_verify(ref->value, q->attempt->user, q->attempt->password) ? LOGIN_GOOD : LOGIN_BAD;
		metric_observe(metric_child(&bcrypt_seconds, NULL), (double)(clock_mono() - started) / CLOCK_S);
		if (result == LOGIN_GOOD) {
			credcache_add(l->good, q->attempt->key, ref->generation, clock_mono());
			throttle_success(l->bad, q->throttle);
		}
	}
	watched_put(ref);
	return (int)result;
}

enum login_result login_check(struct login *l, const struct login_attempt *a, int64_t *wait)
{
	uint8_t addr[GATE_ADDR], key[32], throttle[32];
	struct slice from = {(const char *)addr, sizeof(addr)};
	struct question q = {l, a, throttle};
	int answer;

	OBJ_CHECK(l, LOGIN_MAGIC);
	*wait = CLOCK_S;
	/* Somebody who logs in right after being added must not have to wait
	 * for the next look at the file. */
	watched_refresh(l->file);
	if (credcache_find(l->good, a->key, watched_generation(l->file), clock_mono()))
		return LOGIN_GOOD;
	address_of(a->peer, addr);
	if (!mac(l, MAC_THROTTLE, from, a->user, throttle) ||
	    !mac(l, MAC_QUESTION, from, slice_of(a->key, sizeof(a->key)), key))
		return LOGIN_BUSY;
	*wait = throttle_wait(l->bad, throttle, clock_mono());
	if (*wait)
		return LOGIN_THROTTLED;
	answer = gate_ask(l->gate, key, addr, ask_file, &q);
	*wait = answer == LOGIN_THROTTLED ? throttle_wait(l->bad, throttle, clock_mono()) : CLOCK_S;
	return answer == GATE_LATER ? LOGIN_BUSY : (enum login_result)answer;
}
