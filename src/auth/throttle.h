/* SPDX-License-Identifier: Apache-2.0 */
/*
 * throttle.h - slowing down whoever guesses passwords.
 *
 * Counts failed attempts under a key (of an address and a user). After the
 * first THROTTLE_FREE of them the next has to wait THROTTLE_FIRST, and twice as
 * long after each further one, up to THROTTLE_LONGEST. One success, or
 * THROTTLE_FORGET without an attempt, wipes the slate. An attempt counts as
 * failed from its beginning, so that a hundred at once are not a hundred free
 * ones. The table has a fixed size; the key that failed longest ago gives way.
 * Thread-safe.
 */
#ifndef BERTH_AUTH_THROTTLE_H
#define BERTH_AUTH_THROTTLE_H

#include "base/clock.h"

#define THROTTLE_KEY 16
#define THROTTLE_FREE 5
#define THROTTLE_FIRST CLOCK_S
#define THROTTLE_LONGEST (60 * CLOCK_S)
#define THROTTLE_FORGET (900 * CLOCK_S) /* a quarter of an hour */

struct throttle;

struct throttle *throttle_new(size_t entries);
void throttle_free(struct throttle *t);

/* How long an attempt has to wait from `now` (clock_mono) on; 0: not at all. */
int64_t throttle_wait(struct throttle *t, const uint8_t key[THROTTLE_KEY], int64_t now);
/* Begins an attempt, which counts as failed until throttle_success. False when
 * it has to wait. */
bool throttle_begin(struct throttle *t, const uint8_t key[THROTTLE_KEY], int64_t now) MUST_USE;
/* The attempt succeeded: all is forgiven. */
void throttle_success(struct throttle *t, const uint8_t key[THROTTLE_KEY]);

#endif
