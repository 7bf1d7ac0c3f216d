/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watched.c - values made from files; see watched.h.
 *
 * A change is noticed by device, inode, size, time of modification or time of change. A file written in
 * the same clock tick in which it was read could change once more without any
 * of these differing, so a stamp that fresh does not count as known.
 */
#include "auth/watched.h"
#include "base/clock.h"
#include "base/fsys.h"
#include "base/log.h"
#include "base/sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_EVERY CLOCK_S
#define TICK (50 * CLOCK_MS)

struct stamp {
	int error; /* errno of stat, 0 when the rest holds */
	bool fresh;
	dev_t dev;
	ino_t ino;
	off_t size;
	int64_t modified, changed;
};

struct watched {
	uint32_t magic;
#define WATCHED_MAGIC 0x57617463
	const struct watched_type *type;
	void *arg;
	char *paths[WATCHED_FILES]; /* owned */

	atomic_uint_fast64_t generation;
	atomic_int_fast64_t next_check; /* clock_mono */

	pthread_mutex_t load_lock;                         /* one reload at a time; guards the next two */
	struct stamp stamps[WATCHED_FILES];                /* of the last attempt */
	char complaint[sizeof(((struct err *)NULL)->msg)]; /* what was logged last, "" when all is well */

	pthread_mutex_t lock; /* guards the pointer, never held for long */
	struct watched_ref *current;
};

static int64_t ns_of(struct timespec ts)
{
	return (int64_t)ts.tv_sec * CLOCK_S + ts.tv_nsec;
}

static struct stamp stamp_of(const char *path)
{
	struct stamp s = {0};
	struct stat st;
	int64_t age;

	if (!path)
		return s;
	if (fsys->stat(path, &st) != 0) {
		s.error = errno;
		return s;
	}
	s = (struct stamp){.dev = st.st_dev,
	    .ino = st.st_ino,
	    .size = st.st_size,
	    .modified = ns_of(st.st_mtim),
	    .changed = ns_of(st.st_ctim)};
	age = clock_real() - s.changed;
	s.fresh = age < TICK && age > -TICK;
	return s;
}

static bool stamp_known(const struct stamp *a, const struct stamp *b)
{
	return !a->fresh && a->error == b->error && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->modified == b->modified && a->changed == b->changed;
}

/* What only a look at the file can tell before it is opened: opening a FIFO
 * would wait for a writer. */
static enum err_code check_regular(const char *path, struct err *err)
{
	struct stat st;

	if (fsys->stat(path, &st) != 0)
		return err_sys(err, errno, "cannot read %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, "%s is not a regular file", path);
	return ERR_OK;
}

static enum err_code load(struct watched *w, struct watched_ref **out, struct err *err)
{
	struct watched_ref *ref;
	void *value;
	enum err_code rc;

	for (size_t i = 0; i < WATCHED_FILES; i++) {
		rc = w->paths[i] ? check_regular(w->paths[i], err) : ERR_OK;
		if (rc)
			return rc;
	}
	rc = w->type->load(w->arg, &value, err);
	if (rc)
		return rc;
	ref = xcalloc(1, sizeof(*ref));
	ref->type = w->type;
	ref->value = value;
	atomic_init(&ref->refs, 1);
	*out = ref;
	return ERR_OK;
}

void watched_put(struct watched_ref *r)
{
	if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	r->type->free(r->value);
	free(r);
}

struct watched_ref *watched_get(struct watched *w)
{
	struct watched_ref *r;

	OBJ_CHECK(w, WATCHED_MAGIC);
	mutex_lock(&w->lock);
	r = w->current;
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	mutex_unlock(&w->lock);
	return r;
}

enum err_code watched_new(const struct watched_type *type, void *arg, const char *const paths[WATCHED_FILES],
    struct watched **out, struct err *err)
{
	struct watched *w = xcalloc(1, sizeof(*w));
	enum err_code rc;

	w->magic = WATCHED_MAGIC;
	w->type = type;
	w->arg = arg;
	atomic_init(&w->generation, 1);
	atomic_init(&w->next_check, clock_mono() + CHECK_EVERY);
	mutex_init(&w->load_lock);
	mutex_init(&w->lock);
	for (size_t i = 0; i < WATCHED_FILES; i++) {
		w->paths[i] = paths[i] ? xstrdup(paths[i]) : NULL;
		w->stamps[i] = stamp_of(w->paths[i]);
	}
	rc = load(w, &w->current, err);
	if (rc) {
		watched_free(&w);
		return rc;
	}
	w->current->generation = 1;
	*out = w;
	return ERR_OK;
}

void watched_free(struct watched **wp)
{
	struct watched *w = *wp;

	if (!w)
		return;
	OBJ_CHECK(w, WATCHED_MAGIC);
	*wp = NULL;
	w->magic = 0;
	if (w->current)
		watched_put(w->current);
	mutex_destroy(&w->lock);
	mutex_destroy(&w->load_lock);
	for (size_t i = 0; i < WATCHED_FILES; i++)
		free(w->paths[i]);
	free(w);
}

uint64_t watched_generation(const struct watched *w)
{
	return atomic_load_explicit(&w->generation, memory_order_acquire);
}

bool watched_due(struct watched *w)
{
	int_fast64_t at = atomic_load_explicit(&w->next_check, memory_order_relaxed);
	int64_t now = clock_mono();

	return now >= at && atomic_compare_exchange_strong(&w->next_check, &at, now + CHECK_EVERY);
}

/* Makes `fresh` the value in force. */
static void install(struct watched *w, struct watched_ref *fresh)
{
	struct watched_ref *old = w->current;

	if (w->type->same(old->value, fresh->value)) {
		watched_put(fresh);
		return;
	}
	fresh->generation = old->generation + 1;
	mutex_lock(&w->lock);
	w->current = fresh;
	mutex_unlock(&w->lock);
	atomic_store_explicit(&w->generation, fresh->generation, memory_order_release);
	watched_put(old);
	LOG_INFO("file changed and was read again", LOG_STR("what", w->type->what),
	    LOG_STR("file", w->paths[0] ? w->paths[0] : w->paths[1]));
}

static void complain(struct watched *w, const struct err *err)
{
	if (strcmp(w->complaint, err->msg) == 0)
		return;
	memcpy(w->complaint, err->msg, sizeof(w->complaint));
	LOG_ERROR("file changed but cannot be used, the last good content stays in force",
	    LOG_STR("what", w->type->what), LOG_STR("error", err->msg));
}

void watched_refresh(struct watched *w)
{
	struct stamp now[WATCHED_FILES];
	bool known = true;

	OBJ_CHECK(w, WATCHED_MAGIC);
	mutex_lock(&w->load_lock);
	atomic_store_explicit(&w->next_check, clock_mono() + CHECK_EVERY, memory_order_relaxed);
	for (size_t i = 0; i < WATCHED_FILES; i++) {
		now[i] = stamp_of(w->paths[i]);
		known = known && stamp_known(&w->stamps[i], &now[i]);
	}
	if (!known) {
		struct watched_ref *fresh;
		struct err err;

		memcpy(w->stamps, now, sizeof(now));
		if (load(w, &fresh, &err)) {
			complain(w, &err);
		} else {
			w->complaint[0] = '\0';
			install(w, fresh);
		}
	}
	mutex_unlock(&w->load_lock);
}
