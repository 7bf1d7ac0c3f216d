/* SPDX-License-Identifier: Apache-2.0 */
/* fs_writer.c - see fs_writer.h. */
#include "storage/fs_writer.h"
#include "base/fsys.h"
#include "base/sync.h"
#include "storage/storage.h"

#include <errno.h>
#include <stdlib.h>

/* Buffered bytes after which the kernel is told to start writing, so that the
 * disk works while the network does. */
#define WRITEBACK_STEP ((uint64_t)64 << 20)
/* Handing less than this to the other thread costs more than it gains. */
#define HAND_MIN ((size_t)256 << 10)
#define HELPER_STACK ((size_t)128 << 10)

struct fs_helper {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum { HELPER_IDLE, HELPER_WRITES, HELPER_ENDS } state; /* guarded by the lock */
	/* The helper's while it writes, the caller's otherwise. */
	struct fs_writer *w;
	enum err_code rc; /* of the last write */
	struct err err;
};

void fs_writer_init(struct fs_writer *w, int fd, uint64_t size)
{
	*w = (struct fs_writer){.fd = fd, .flushed = size};
}

void fs_writer_pause(struct fs_writer *w)
{
	if (w->direct && fsys->set_direct(w->fd, false) == 0)
		w->direct = false;
}

/* ---- writing ---------------------------------------------------------------- */

static bool aligned(uint64_t v)
{
	return v % STORAGE_ALIGN == 0;
}

/* How many of the bytes can go directly; readies the descriptor for them. */
static size_t begin_direct(struct fs_writer *w)
{
	if (w->buffered || w->n < STORAGE_ALIGN || w->at < FS_DIRECT_FROM || !aligned(w->at) ||
	    !aligned((uintptr_t)w->p))
		return 0;
	if (!w->direct && fsys->set_direct(w->fd, true) != 0) {
		w->buffered = true;
		return 0;
	}
	w->direct = true;
	return w->n - w->n % STORAGE_ALIGN;
}

static enum err_code write_buffered(struct fs_writer *w, size_t from, struct err *err)
{
	uint64_t end = w->at + w->n;
	enum err_code rc;

	fs_writer_pause(w);
	rc = fsys_write_all(w->fd, w->p + from, w->n - from, (off_t)(w->at + from), err);
	if (rc == ERR_OK && end >= w->flushed + WRITEBACK_STEP) {
		fsys->sync_range_start(w->fd, (off_t)w->flushed, (off_t)(end - w->flushed));
		w->flushed = end;
	}
	return rc;
}

/* Writes all that was asked for. */
static enum err_code write_now(struct fs_writer *w, struct err *err)
{
	size_t direct = begin_direct(w);
	struct err why = {0};

	if (direct > 0) {
		if (fsys_write_all(w->fd, w->p, direct, (off_t)w->at, &why) == ERR_OK) {
			w->flushed = w->at + direct;
		} else if (why.sys == EINVAL) {
			/* A file system that takes the flag, but wants a wider alignment. */
			w->buffered = true;
			direct = 0;
		} else {
			if (err)
				*err = why;
			return why.code;
		}
	}
	return direct == w->n ? ERR_OK : write_buffered(w, direct, err);
}

/* ---- the other thread ---------------------------------------------------------- */

static void *help(void *arg)
{
	struct fs_helper *h = arg;

	mutex_lock(&h->lock);
	while (h->state != HELPER_ENDS) {
		if (h->state == HELPER_IDLE) {
			cond_wait(&h->changed, &h->lock);
			continue;
		}
		mutex_unlock(&h->lock);
		h->rc = write_now(h->w, &h->err);
		mutex_lock(&h->lock);
		h->state = HELPER_IDLE;
		cond_signal(&h->changed);
	}
	mutex_unlock(&h->lock);
	return NULL;
}

/* NULL when there are no more threads to be had: then it goes without one. */
static struct fs_helper *helper_new(struct fs_writer *w)
{
	struct fs_helper *h = xcalloc(1, sizeof(*h));

	h->w = w;
	mutex_init(&h->lock);
	cond_init(&h->changed);
	if (thread_start(&h->thread, "upload-writer", HELPER_STACK, false, help, h) == 0)
		return h;
	cond_destroy(&h->changed);
	mutex_destroy(&h->lock);
	free(h);
	return NULL;
}

static void helper_set(struct fs_helper *h, int state)
{
	mutex_lock(&h->lock);
	h->state = state;
	cond_signal(&h->changed);
	mutex_unlock(&h->lock);
}

static enum err_code helper_wait(struct fs_helper *h, struct err *err)
{
	enum err_code rc;

	mutex_lock(&h->lock);
	while (h->state == HELPER_WRITES)
		cond_wait(&h->changed, &h->lock);
	rc = h->rc;
	if (rc && err)
		*err = h->err;
	mutex_unlock(&h->lock);
	return rc;
}

void fs_writer_done(struct fs_writer *w)
{
	struct fs_helper *h = w->helper;

	ASSERT(!w->handed);
	if (!h)
		return;
	helper_set(h, HELPER_ENDS);
	pthread_join(h->thread, NULL);
	cond_destroy(&h->changed);
	mutex_destroy(&h->lock);
	free(h);
	w->helper = NULL;
}

void fs_writer_start(struct fs_writer *w, const void *p, size_t n, uint64_t at)
{
	w->p = p;
	w->n = n;
	w->at = at;
	if (n < HAND_MIN || at < FS_HELP_FROM)
		return; /* the wait does it */
	if (!w->helper)
		w->helper = helper_new(w);
	if (!w->helper)
		return;
	w->handed = true;
	helper_set(w->helper, HELPER_WRITES);
}

enum err_code fs_writer_wait(struct fs_writer *w, struct err *err)
{
	if (!w->handed)
		return write_now(w, err);
	w->handed = false;
	return helper_wait(w->helper, err);
}
