/* SPDX-License-Identifier: Apache-2.0 */
/* gc_thread.c - the thread that runs the collector at an interval; see gc.h. */
#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "jobs/gc.h"

#include <stdatomic.h>
#include <stdlib.h>

#define STACK ((size_t)256 * 1024)

struct gc {
	uint32_t magic;
#define GC_MAGIC 0x67634a62
	struct gc_options o;
	pthread_t thread;
	bool threaded;
	pthread_rwlock_t turn; /* written by the one run under way, read by those who keep runs from beginning */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	_Atomic bool quit;
};

static bool go_on(const struct gc_report *r, void *arg)
{
	struct gc *gc = arg;

	return !atomic_load(&gc->quit);
}

static void run(struct gc *gc)
{
	struct gc_control control = {.progress = go_on, .arg = gc};
	struct gc_report report;
	struct err err = {0};

	if (gc_run_now(gc, &gc->o.rules, &control, &report, &err))
		LOG_ERROR("garbage collection stopped and will be tried again", LOG_STR("error", err.msg));
}

static void *gc_main(void *arg)
{
	struct gc *gc = arg;

	mutex_lock(&gc->lock);
	while (!atomic_load(&gc->quit)) {
		int64_t due = clock_mono() + gc->o.interval;

		while (!atomic_load(&gc->quit) && cond_wait_until(&gc->wake, &gc->lock, due))
			;
		mutex_unlock(&gc->lock);
		if (!atomic_load(&gc->quit))
			run(gc);
		mutex_lock(&gc->lock);
	}
	mutex_unlock(&gc->lock);
	return NULL;
}

enum err_code gc_start(const struct gc_options *o, struct gc **out, struct err *err)
{
	struct gc *gc = xcalloc(1, sizeof(*gc));
	int failed = 0;

	gc->magic = GC_MAGIC;
	gc->o = *o;
	rwlock_init(&gc->turn);
	mutex_init(&gc->lock);
	cond_init(&gc->wake);
	*out = gc;
	if (o->interval > 0)
		failed = thread_start(&gc->thread, "gc", STACK, false, gc_main, gc);
	if (failed) {
		gc_stop(out);
		return err_sys(err, failed, "cannot start the thread of the garbage collection");
	}
	gc->threaded = o->interval > 0;
	return ERR_OK;
}

void gc_stop(struct gc **gcp)
{
	struct gc *gc = *gcp;

	if (!gc)
		return;
	OBJ_CHECK(gc, GC_MAGIC);
	mutex_lock(&gc->lock);
	atomic_store(&gc->quit, true);
	cond_signal(&gc->wake);
	mutex_unlock(&gc->lock);
	if (gc->threaded)
		pthread_join(gc->thread, NULL);
	cond_destroy(&gc->wake);
	mutex_destroy(&gc->lock);
	rwlock_destroy(&gc->turn);
	gc->magic = 0;
	free(gc);
	*gcp = NULL;
}

enum err_code gc_run_now(struct gc *gc, const struct gc_rules *rules, const struct gc_control *control,
    struct gc_report *out, struct err *err)
{
	enum err_code rc;

	OBJ_CHECK(gc, GC_MAGIC);
	rwlock_write(&gc->turn);
	rc = gc_run(gc->o.meta, gc->o.storage, rules, control, out, err);
	rwlock_unlock(&gc->turn);
	return rc;
}

void gc_pause(struct gc *gc)
{
	OBJ_CHECK(gc, GC_MAGIC);
	rwlock_read(&gc->turn);
}

void gc_resume(struct gc *gc)
{
	OBJ_CHECK(gc, GC_MAGIC);
	rwlock_unlock(&gc->turn);
}
