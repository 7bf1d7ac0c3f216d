/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sync.h - mutexes, condition variables and threads whose failure is our own
 * bug, so it asserts. Condition waits use the monotonic clock of clock.h.
 */
#ifndef BERTH_BASE_SYNC_H
#define BERTH_BASE_SYNC_H

#include "base/defs.h"
#include <pthread.h>

void mutex_init(pthread_mutex_t *m);
void mutex_destroy(pthread_mutex_t *m);
void mutex_lock(pthread_mutex_t *m);
void mutex_unlock(pthread_mutex_t *m);
void cond_init(pthread_cond_t *c);
void cond_destroy(pthread_cond_t *c);
void cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
/* False when `mono_deadline` (clock_mono) passed. */
bool cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t mono_deadline);
void cond_signal(pthread_cond_t *c);
void cond_broadcast(pthread_cond_t *c);

/* A waiting writer comes before further readers, so it is not starved; a thread
 * must not take the lock twice. */
void rwlock_init(pthread_rwlock_t *l);
void rwlock_destroy(pthread_rwlock_t *l);
void rwlock_read(pthread_rwlock_t *l);
void rwlock_write(pthread_rwlock_t *l);
void rwlock_unlock(pthread_rwlock_t *l);

/* Starts a joinable (or detached) thread with this stack size in bytes and
 * name (at most 15 characters); signals are blocked in it. Returns 0 or errno. */
int thread_start(pthread_t *t, const char *name, size_t stack, bool detached, void *(*fn)(void *), void *arg) MUST_USE;

#endif
