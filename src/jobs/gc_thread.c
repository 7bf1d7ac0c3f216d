/* SPDX-License-Identifier: Apache-2.0 */
/* gc_thread.c - the thread that runs the collector; see gc.h. */
#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"
#include "jobs/gc.h"

#include <stdlib.h>

#define STACK ((size_t)256 * 1024)

struct gc {
	uint32_t magic;
#define GC_MAGIC 0x67634a62
	struct gc_options o;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Under the lock. */
	bool quit, asked, running;
	struct gc_rules wanted; /* while asked */
	uint64_t number;        /* runs that were asked for and begun */
	struct gc_report report;
	struct err last_error;
};

static bool on_progress(const struct gc_report *r, void *arg)
{
	struct gc *gc = arg;
	bool go_on;

	mutex_lock(&gc->lock);
	gc->report = *r;
	go_on = !gc->quit;
	mutex_unlock(&gc->lock);
	return go_on;
}

/* With the lock held on entry and on return. */
static void run(struct gc *gc, const struct gc_rules *rules)
{
	struct gc_control control = {.progress = on_progress, .arg = gc};
	struct gc_report report;
	struct err err = {0};

	gc->running = true;
	mutex_unlock(&gc->lock);
	if (gc_run(gc->o.meta, gc->o.storage, rules, &control, &report, &err))
		LOG_ERROR("garbage collection stopped and will be tried again", LOG_STR("error", err.msg));
	else
		err = (struct err){0};
	mutex_lock(&gc->lock);
	gc->report = report;
	gc->last_error = err;
	gc->running = false;
}

static void *gc_main(void *arg)
{
	struct gc *gc = arg;
	int64_t due = clock_mono() + gc->o.interval;

	mutex_lock(&gc->lock);
	while (!gc->quit) {
		if (gc->asked) {
			struct gc_rules rules = gc->wanted;

			gc->asked = false;
			gc->number++;
			run(gc, &rules);
		} else if (clock_mono() >= due) {
			run(gc, &gc->o.rules);
			due = clock_mono() + gc->o.interval;
		} else {
			cond_wait_until(&gc->wake, &gc->lock, due);
		}
	}
	mutex_unlock(&gc->lock);
	return NULL;
}

enum err_code gc_start(const struct gc_options *o, struct gc **out, struct err *err)
{
	struct gc *gc = xcalloc(1, sizeof(*gc));
	int failed;

	gc->magic = GC_MAGIC;
	gc->o = *o;
	mutex_init(&gc->lock);
	cond_init(&gc->wake);
	failed = thread_start(&gc->thread, "gc", STACK, false, gc_main, gc);
	if (failed) {
		cond_destroy(&gc->wake);
		mutex_destroy(&gc->lock);
		free(gc);
		return err_sys(err, failed, "cannot start the thread of the garbage collection");
	}
	*out = gc;
	return ERR_OK;
}

void gc_stop(struct gc **gcp)
{
	struct gc *gc = *gcp;

	if (!gc)
		return;
	OBJ_CHECK(gc, GC_MAGIC);
	mutex_lock(&gc->lock);
	gc->quit = true;
	cond_signal(&gc->wake);
	mutex_unlock(&gc->lock);
	pthread_join(gc->thread, NULL);
	cond_destroy(&gc->wake);
	mutex_destroy(&gc->lock);
	gc->magic = 0;
	free(gc);
	*gcp = NULL;
}

enum err_code gc_ask(struct gc *gc, const struct gc_rules *rules, struct err *err)
{
	enum err_code rc = ERR_OK;

	OBJ_CHECK(gc, GC_MAGIC);
	mutex_lock(&gc->lock);
	if (gc->asked) {
		rc = err_set(
		    err, ERR_BUSY, "a garbage collection that was asked for is about to start; try again later");
	} else {
		gc->asked = true;
		gc->wanted = *rules;
		cond_signal(&gc->wake);
	}
	mutex_unlock(&gc->lock);
	return rc;
}

void gc_status(struct gc *gc, struct gc_report *out, bool *running, uint64_t *number, struct err *last_error)
{
	OBJ_CHECK(gc, GC_MAGIC);
	mutex_lock(&gc->lock);
	*out = gc->report;
	*running = gc->running || gc->asked;
	*number = gc->number;
	*last_error = gc->last_error;
	mutex_unlock(&gc->lock);
}
