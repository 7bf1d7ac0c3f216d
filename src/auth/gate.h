/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - how many password checks run at once, and whose turn it is.
 *
 * A check burns a core for as long as a bcrypt takes, so only a few run at a
 * time. Requests that ask the same question (same address, user and password)
 * share one check and its answer. The others wait their turn, which goes to
 * the address with the fewest checks before it in the queue: somebody who floods
 * the gate from one address delays himself, not the rest. Waiting is bounded in
 * number and in time. Thread-safe.
 */
#ifndef BERTH_AUTH_GATE_H
#define BERTH_AUTH_GATE_H

#include "base/defs.h"

#define GATE_KEY 32
#define GATE_ADDR 16

struct gate_limits {
	unsigned running;     /* checks at once */
	unsigned waiting;     /* requests that wait, in total */
	unsigned per_address; /* different checks of one address, waiting and running */
	int64_t patience;     /* how long a request waits, in nanoseconds */
};

#define GATE_LATER (-1) /* over a limit: not checked */

struct gate;

struct gate *gate_new(const struct gate_limits *limits);
/* Nobody may be inside. */
void gate_free(struct gate *g);

/* The answer of check(arg), which is not negative, or that of another thread
 * which is at it for the same key; or GATE_LATER. */
int gate_ask(
    struct gate *g, const uint8_t key[GATE_KEY], const uint8_t addr[GATE_ADDR], int (*check)(void *arg), void *arg);

/* How many checks run and how many requests wait, at this moment. */
void gate_load(struct gate *g, unsigned *running, unsigned *waiting);

#endif
