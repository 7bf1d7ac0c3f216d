/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.c - the thread that calls functions at intervals.
 */
#include "jobs/schedule.h"
#include "base/clock.h"
#include "base/sync.h"

/* Room for libcurl's TLS handshakes and the resolver; touched as needed only. */
#define STACK_BYTES ((size_t)256 * 1024)

struct entry {
	struct schedule_task task;
	int64_t due; /* clock_mono */
};

struct schedule {
	uint32_t magic;
#define SCHEDULE_MAGIC 0x53636864
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop; /* under the lock */
	/* Of the thread alone. */
	size_t n;
	struct entry entries[];
};

static struct entry *earliest(struct schedule *s)
{
	struct entry *found = &s->entries[0];

	for (size_t i = 1; i < s->n; i++)
		if (s->entries[i].due < found->due)
			found = &s->entries[i];
	return found;
}

static void *schedule_main(void *arg)
{
	struct schedule *s;

	OBJ_CAST(s, arg, SCHEDULE_MAGIC);
	mutex_lock(&s->lock);
	while (!s->stop) {
		struct entry *e = earliest(s);

		if (clock_mono() < e->due) {
			cond_wait_until(&s->wake, &s->lock, e->due);
			continue;
		}
		mutex_unlock(&s->lock);
		e->task.run(e->task.arg);
		e->due = clock_mono() + e->task.interval;
		mutex_lock(&s->lock);
	}
	mutex_unlock(&s->lock);
	return NULL;
}

enum err_code schedule_start(
    const char *name, const struct schedule_task *tasks, size_t n, struct schedule **out, struct err *err)
{
	struct schedule *s;
	int rc;

	ASSERT(n > 0);
	s = xcalloc(1, sizeof(*s) + n * sizeof(s->entries[0]));
	s->magic = SCHEDULE_MAGIC;
	s->n = n;
	for (size_t i = 0; i < n; i++) {
		ASSERT(tasks[i].interval > 0 && tasks[i].run);
		s->entries[i].task = tasks[i];
		s->entries[i].due = clock_mono() + tasks[i].first;
	}
	mutex_init(&s->lock);
	cond_init(&s->wake);
	*out = s;
	rc = thread_start(&s->thread, name, STACK_BYTES, false, schedule_main, s);
	if (rc == 0)
		return ERR_OK;
	*out = NULL;
	cond_destroy(&s->wake);
	mutex_destroy(&s->lock);
	free(s);
	return err_sys(err, rc, "cannot start the thread %s", name);
}

void schedule_stop(struct schedule **sp)
{
	struct schedule *s = *sp;
	int rc;

	if (!s)
		return;
	OBJ_CHECK(s, SCHEDULE_MAGIC);
	*sp = NULL;
	mutex_lock(&s->lock);
	s->stop = true;
	cond_signal(&s->wake);
	mutex_unlock(&s->lock);
	rc = pthread_join(s->thread, NULL);
	ASSERT(rc == 0);
	cond_destroy(&s->wake);
	mutex_destroy(&s->lock);
	s->magic = 0;
	free(s);
}
