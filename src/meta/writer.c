/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.c - all writes go through one thread with one connection, which turns
 * what has queued up while it was busy into one transaction and one sync.
 *
 * There is no delay to collect more: a lone write is committed at once, and
 * under load the batch is whatever arrived during the commit before. Inside a
 * batch every item has a mark to fall back to, so that its failure is its own;
 * only a failure of the commit, or of the whole transaction, is everybody's.
 *
 * The items live on the stacks of the waiting callers. After `done` is set under
 * the lock the item is the caller's again.
 */
#include "base/log.h"
#include "base/sync.h"
#include "meta/meta_priv.h"

#define BATCH_MAX 256
#define STACK_BYTES (512 * 1024)

struct item {
	struct item *next;
	meta_write_fn *fn;
	void *arg;
	enum meta_durability durability;
	struct err *err;
	enum err_code rc;
	bool done;
	pthread_cond_t finished;
};

struct writer {
	struct engine *engine;
	pthread_t thread;

	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct item *head, **tail;
	bool stopping;

	/* owned by the thread */
	struct conn *conn; /* NULL after a failure, opened again for the next batch */
	struct item *batch[BATCH_MAX];
	size_t n;
};

/* ---- one batch ------------------------------------------------------------- */

/* Everybody gets the reason of the failure. */
static void fail_items(struct writer *w, size_t n, enum err_code rc, const struct err *why)
{
	for (size_t i = 0; i < n; i++) {
		struct item *it = w->batch[i];
		if (it->rc != ERR_OK)
			continue; /* has a reason of its own */
		it->rc = rc;
		if (it->err)
			*it->err = *why;
	}
}

static void delta_add(struct delta *to, const struct delta *d)
{
	to->repositories += d->repositories;
	to->manifests += d->manifests;
	to->tags += d->tags;
	to->blobs += d->blobs;
	to->blob_bytes += d->blob_bytes;
}

static enum err_code flush_totals(struct conn *c, const struct delta *d, struct err *err)
{
	if (!d->repositories && !d->manifests && !d->tags && !d->blobs && !d->blob_bytes)
		return ERR_OK;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(c, Q_TOTALS_ADD, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, d->repositories);
	stmt_int(s, 2, d->manifests);
	stmt_int(s, 3, d->tags);
	stmt_int(s, 4, d->blobs);
	stmt_int(s, 5, d->blob_bytes);
	return stmt_done(s, err);
}

/* Runs one item inside the transaction. An error returned is one of the whole
 * transaction; that of the item alone is in the item. A lone item needs no mark:
 * when it fails there is nothing to keep. */
static enum err_code run_item(struct writer *w, struct item *it, struct delta *sum, struct err *err)
{
	bool alone = w->n == 1;
	enum err_code rc = alone ? ERR_OK : conn_mark(w->conn, err);
	if (rc)
		return rc;
	struct meta_tx tx = {.magic = META_TX_MAGIC, .conn = w->conn, .now = clock_real()};
	struct err own = {ERR_OK, 0, ""};
	it->rc = it->fn(&tx, it->arg, &own);
	if (it->rc == ERR_OK) {
		rc = alone ? ERR_OK : conn_unmark(w->conn, err);
		if (rc == ERR_OK)
			delta_add(sum, &tx.delta);
		return rc;
	}
	if (it->err)
		*it->err = own;
	if (!conn_in_transaction(w->conn)) { /* the engine gave up all of it */
		*err = own;
		return it->rc;
	}
	return alone ? ERR_OK : conn_undo(w->conn, err);
}

/* Returns how many items were dealt with; the others keep their place. */
static size_t run_items(struct writer *w, struct delta *sum, enum err_code *rc, struct err *err)
{
	for (size_t i = 0; i < w->n; i++) {
		*rc = run_item(w, w->batch[i], sum, err);
		if (*rc)
			return i + 1;
	}
	return w->n;
}

static bool any_durable(const struct writer *w)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->batch[i]->durability == META_DURABLE)
			return true;
	}
	return false;
}

static bool any_succeeded(const struct writer *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (w->batch[i]->rc == ERR_OK)
			return true;
	}
	return false;
}

static enum err_code begin_batch(struct writer *w, struct err *err)
{
	enum err_code rc = ERR_OK;
	if (!w->conn)
		rc = conn_open(w->engine, CONN_WRITE, &w->conn, err);
	if (rc == ERR_OK)
		rc = conn_begin(w->conn, any_durable(w), err);
	return rc;
}

/* A connection that met trouble is replaced: whatever state a failing disk left
 * it in is gone, and the next batch finds out whether the trouble is over. */
static void drop_conn(struct writer *w)
{
	if (!w->conn)
		return;
	conn_rollback(w->conn);
	conn_close(&w->conn);
}

static size_t run_batch(struct writer *w)
{
	struct err err = {ERR_OK, 0, ""};
	struct delta sum = {0};
	size_t handled = w->n;
	enum err_code rc = begin_batch(w, &err);
	if (rc == ERR_OK)
		handled = run_items(w, &sum, &rc, &err);
	if (rc == ERR_OK && !any_succeeded(w, handled)) {
		conn_rollback(w->conn);
		return handled;
	}
	if (rc == ERR_OK)
		rc = flush_totals(w->conn, &sum, &err);
	int64_t start = clock_mono();
	if (rc == ERR_OK)
		rc = conn_commit(w->conn, &err);
	if (rc == ERR_OK) {
		metrics_batch(handled, (double)(clock_mono() - start) / (double)CLOCK_S);
		return handled;
	}
	fail_items(w, handled, rc, &err);
	metrics_write_failed(handled);
	if (rc != ERR_BUSY)
		drop_conn(w);
	else
		conn_rollback(w->conn);
	return handled;
}

/* ---- the thread ------------------------------------------------------------- */

/* Takes what is queued; false when it is time to end. */
static bool take_batch(struct writer *w)
{
	mutex_lock(&w->lock);
	while (!w->head && !w->stopping)
		cond_wait(&w->work, &w->lock);
	w->n = 0;
	while (w->head && w->n < BATCH_MAX) {
		w->batch[w->n++] = w->head;
		w->head = w->head->next;
	}
	if (!w->head)
		w->tail = &w->head;
	mutex_unlock(&w->lock);
	return w->n > 0;
}

/* Wakes those who are served and puts the others back in front. */
static void finish_batch(struct writer *w, size_t handled)
{
	mutex_lock(&w->lock);
	for (size_t i = 0; i < handled; i++) {
		w->batch[i]->done = true;
		cond_signal(&w->batch[i]->finished);
	}
	for (size_t i = w->n; i > handled; i--) {
		struct item *it = w->batch[i - 1];
		it->next = w->head;
		if (!w->head)
			w->tail = &it->next;
		w->head = it;
	}
	mutex_unlock(&w->lock);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	while (take_batch(w)) {
		size_t handled = run_batch(w);
		finish_batch(w, handled);
		if (w->conn)
			conn_maintain(w->conn);
	}
	return NULL;
}

enum err_code writer_start(struct engine *e, struct conn *c, struct writer **out, struct err *err)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	w->engine = e;
	w->conn = c;
	w->tail = &w->head;
	mutex_init(&w->lock);
	cond_init(&w->work);
	int sys = thread_start(&w->thread, "meta-writer", STACK_BYTES, false, writer_main, w);
	if (sys) {
		cond_destroy(&w->work);
		mutex_destroy(&w->lock);
		free(w);
		return err_sys(err, sys, "cannot start the thread that writes the metadata");
	}
	*out = w;
	return ERR_OK;
}

void writer_stop(struct writer **wp)
{
	struct writer *w = *wp;
	if (!w)
		return;
	*wp = NULL;
	mutex_lock(&w->lock);
	w->stopping = true;
	cond_signal(&w->work);
	mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	conn_close(&w->conn);
	cond_destroy(&w->work);
	mutex_destroy(&w->lock);
	free(w);
}

enum err_code writer_run(struct writer *w, enum meta_durability d, meta_write_fn *fn, void *arg, struct err *err)
{
	ASSERT(!pthread_equal(pthread_self(), w->thread)); /* a write inside a write would wait for itself */
	struct item it = {.fn = fn, .arg = arg, .durability = d, .err = err, .rc = ERR_OK};
	cond_init(&it.finished);
	mutex_lock(&w->lock);
	ASSERT(!w->stopping);
	*w->tail = &it;
	w->tail = &it.next;
	if (w->head == &it)
		cond_signal(&w->work);
	while (!it.done)
		cond_wait(&it.finished, &w->lock);
	mutex_unlock(&w->lock);
	cond_destroy(&it.finished);
	return it.rc;
}
