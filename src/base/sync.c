/* SPDX-License-Identifier: Apache-2.0 */
/* sync.c - locks, conditions and threads; see sync.h. */
#include "base/sync.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>

#define PT_OK(call) \
	do { \
		int pt_rc_ = (call); \
		ASSERT(pt_rc_ == 0); \
	} while (0)

void mutex_init(pthread_mutex_t *m)
{
	PT_OK(pthread_mutex_init(m, NULL));
}

void mutex_destroy(pthread_mutex_t *m)
{
	PT_OK(pthread_mutex_destroy(m));
}

void mutex_lock(pthread_mutex_t *m)
{
	PT_OK(pthread_mutex_lock(m));
}

void mutex_unlock(pthread_mutex_t *m)
{
	PT_OK(pthread_mutex_unlock(m));
}

void cond_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	PT_OK(pthread_condattr_init(&attr));
	PT_OK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	PT_OK(pthread_cond_init(c, &attr));
	PT_OK(pthread_condattr_destroy(&attr));
}

void cond_destroy(pthread_cond_t *c)
{
	PT_OK(pthread_cond_destroy(c));
}

void cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	PT_OK(pthread_cond_wait(c, m));
}

bool cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, int64_t mono_deadline)
{
	/* The system refuses times before its clock's start; they have passed. */
	int64_t at = mono_deadline > 0 ? mono_deadline : 0;
	struct timespec ts = {.tv_sec = at / CLOCK_S, .tv_nsec = at % CLOCK_S};
	int rc = pthread_cond_timedwait(c, m, &ts);

	ASSERT(rc == 0 || rc == ETIMEDOUT);
	return rc == 0;
}

void cond_signal(pthread_cond_t *c)
{
	PT_OK(pthread_cond_signal(c));
}

void cond_broadcast(pthread_cond_t *c)
{
	PT_OK(pthread_cond_broadcast(c));
}

void rwlock_init(pthread_rwlock_t *l)
{
	pthread_rwlockattr_t attr;

	PT_OK(pthread_rwlockattr_init(&attr));
	PT_OK(pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP));
	PT_OK(pthread_rwlock_init(l, &attr));
	PT_OK(pthread_rwlockattr_destroy(&attr));
}

void rwlock_destroy(pthread_rwlock_t *l)
{
	PT_OK(pthread_rwlock_destroy(l));
}

void rwlock_read(pthread_rwlock_t *l)
{
	PT_OK(pthread_rwlock_rdlock(l));
}

void rwlock_write(pthread_rwlock_t *l)
{
	PT_OK(pthread_rwlock_wrlock(l));
}

void rwlock_unlock(pthread_rwlock_t *l)
{
	PT_OK(pthread_rwlock_unlock(l));
}

int thread_start(pthread_t *t, const char *name, size_t stack, bool detached, void *(*fn)(void *), void *arg)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t self;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc)
		return rc;
	if (stack < (size_t)PTHREAD_STACK_MIN)
		stack = (size_t)PTHREAD_STACK_MIN;
	rc = pthread_attr_setstacksize(&attr, stack);
	if (rc == 0) {
		/* Signals belong to the main thread. */
		sigfillset(&all);
		PT_OK(pthread_sigmask(SIG_SETMASK, &all, &old));
		rc = pthread_create(&self, &attr, fn, arg);
		if (rc == 0) {
			/* Detached only now: one that has ended already could not be named. */
			pthread_setname_np(self, name);
			if (detached)
				PT_OK(pthread_detach(self));
			if (t)
				*t = self;
		}
		PT_OK(pthread_sigmask(SIG_SETMASK, &old, NULL));
	}
	pthread_attr_destroy(&attr);
	return rc;
}
