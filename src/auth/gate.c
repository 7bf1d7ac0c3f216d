/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.c - bounded, shared and fair password checks; see gate.h.
 *
 * A flight is one question that is being asked; it is owned by the requests
 * that wait for it together and freed by the last one. One of them, its leader,
 * needs a turn and then runs the check. Everything is guarded by one lock, which
 * is never held while a check runs; only requests without remembered credentials
 * come here at all.
 */
#include "auth/gate.h"
#include "base/clock.h"
#include "base/sync.h"

#include <stdlib.h>
#include <string.h>

struct flight {
	uint8_t key[GATE_KEY];
	uint8_t addr[GATE_ADDR];
	unsigned refs;
	bool running, done;
	int answer;            /* when done */
	unsigned rank;         /* how many flights of the same address there were when this one joined */
	pthread_cond_t turn;   /* the leader: it may run */
	pthread_cond_t landed; /* the others: done */
	struct flight *next;
};

struct gate {
	uint32_t magic;
#define GATE_MAGIC 0x47617465
	struct gate_limits limits;
	pthread_mutex_t lock;
	unsigned running, waiting;
	struct flight *flights; /* oldest first */
};

struct gate *gate_new(const struct gate_limits *limits)
{
	struct gate *g = xcalloc(1, sizeof(*g));

	ASSERT(limits->running > 0);
	g->magic = GATE_MAGIC;
	g->limits = *limits;
	mutex_init(&g->lock);
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	OBJ_CHECK(g, GATE_MAGIC);
	ASSERT(!g->flights);
	g->magic = 0;
	mutex_destroy(&g->lock);
	free(g);
}

/* Adds a flight at the end; NULL when its address has too many. */
static struct flight *flight_new(struct gate *g, const uint8_t *key, const uint8_t *addr)
{
	struct flight **at = &g->flights, *f;
	unsigned rank = 0;

	for (; *at; at = &(*at)->next)
		rank += memcmp((*at)->addr, addr, GATE_ADDR) == 0;
	if (rank >= g->limits.per_address)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	memcpy(f->key, key, GATE_KEY);
	memcpy(f->addr, addr, GATE_ADDR);
	f->rank = rank;
	cond_init(&f->turn);
	cond_init(&f->landed);
	*at = f;
	return f;
}

static struct flight *flight_find(struct gate *g, const uint8_t *key)
{
	for (struct flight *f = g->flights; f; f = f->next)
		if (memcmp(f->key, key, GATE_KEY) == 0)
			return f;
	return NULL;
}

static void flight_put(struct flight *f)
{
	if (--f->refs)
		return;
	cond_destroy(&f->turn);
	cond_destroy(&f->landed);
	free(f);
}

/* Hands free turns to the waiting flights of the lowest rank, oldest first. */
static void give_turns(struct gate *g)
{
	while (g->running < g->limits.running) {
		struct flight *best = NULL;

		for (struct flight *f = g->flights; f; f = f->next)
			if (!f->running && (!best || f->rank < best->rank))
				best = f;
		if (!best)
			return;
		best->running = true;
		g->running++;
		cond_signal(&best->turn);
	}
}

/* Takes the flight out of the queue, so that the next request with the same
 * question starts a new one, and wakes those who wait for it. */
static void land(struct gate *g, struct flight *f, int answer)
{
	struct flight **at = &g->flights;

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (f->running)
		g->running--;
	f->done = true;
	f->answer = answer;
	cond_broadcast(&f->landed);
	give_turns(g);
}

static void follow(struct gate *g, struct flight *f, int64_t deadline)
{
	g->waiting++;
	while (!f->done)
		if (!cond_wait_until(&f->landed, &g->lock, deadline))
			break;
	g->waiting--;
}

static void lead(struct gate *g, struct flight *f, int64_t deadline, int (*check)(void *), void *arg)
{
	int answer;

	give_turns(g);
	g->waiting++;
	while (!f->running)
		if (!cond_wait_until(&f->turn, &g->lock, deadline))
			break;
	g->waiting--;
	if (!f->running) {
		land(g, f, GATE_LATER);
		return;
	}
	mutex_unlock(&g->lock);
	answer = check(arg);
	ASSERT(answer >= 0);
	mutex_lock(&g->lock);
	land(g, f, answer);
}

int gate_ask(
    struct gate *g, const uint8_t key[GATE_KEY], const uint8_t addr[GATE_ADDR], int (*check)(void *arg), void *arg)
{
	int64_t deadline;
	int answer = GATE_LATER;
	struct flight *f;
	bool leads;

	OBJ_CHECK(g, GATE_MAGIC);
	deadline = clock_mono() + g->limits.patience;
	mutex_lock(&g->lock);
	f = flight_find(g, key);
	leads = !f;
	if (g->waiting < g->limits.waiting && (f || (f = flight_new(g, key, addr)))) {
		f->refs++;
		if (leads)
			lead(g, f, deadline, check, arg);
		else
			follow(g, f, deadline);
		if (f->done)
			answer = f->answer;
		flight_put(f);
	}
	mutex_unlock(&g->lock);
	return answer;
}

void gate_load(struct gate *g, unsigned *running, unsigned *waiting)
{
	OBJ_CHECK(g, GATE_MAGIC);
	mutex_lock(&g->lock);
	*running = g->running;
	*waiting = g->waiting;
	mutex_unlock(&g->lock);
}
