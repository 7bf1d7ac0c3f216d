/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader.c - the connections that read: opened when needed, used last-in
 * first-out so that few stay warm, at most so many. A read is one statement and
 * thereby one short transaction of its own, which keeps the write-ahead log free
 * to start over.
 */
#include "base/sync.h"
#include "meta/meta_priv.h"

struct readers {
	struct engine *engine;
	int64_t wait;
	size_t max;

	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t returned;
	size_t open, nidle, waiting;
	struct conn *idle[]; /* a stack of `max` places */
};

struct readers *readers_new(struct engine *e, size_t max, int64_t wait)
{
	struct readers *r = xcalloc(1, sizeof(*r) + max * sizeof(r->idle[0]));
	r->engine = e;
	r->wait = wait;
	r->max = max;
	mutex_init(&r->lock);
	cond_init(&r->returned);
	return r;
}

void readers_free(struct readers **rp)
{
	struct readers *r = *rp;
	if (!r)
		return;
	*rp = NULL;
	ASSERT(r->nidle == r->open);
	while (r->nidle > 0)
		conn_close(&r->idle[--r->nidle]);
	cond_destroy(&r->returned);
	mutex_destroy(&r->lock);
	free(r);
}

/* Holds the lock on entry and on return; true: *c is a connection from the
 * stack, or NULL with the right to open one. */
static bool wait_for_turn(struct readers *r, struct conn **c)
{
	int64_t deadline = 0;
	while (r->nidle == 0 && r->open == r->max) {
		if (deadline == 0) {
			deadline = clock_mono() + r->wait;
			metrics_reader_waited();
		}
		r->waiting++;
		bool in_time = cond_wait_until(&r->returned, &r->lock, deadline);
		r->waiting--;
		if (!in_time && r->nidle == 0 && r->open == r->max)
			return false;
	}
	if (r->nidle > 0) {
		*c = r->idle[--r->nidle];
	} else {
		*c = NULL;
		r->open++;
	}
	return true;
}

static void give_up_place(struct readers *r)
{
	mutex_lock(&r->lock);
	r->open--;
	if (r->waiting)
		cond_signal(&r->returned);
	mutex_unlock(&r->lock);
}

static enum err_code take(struct readers *r, struct conn **out, struct err *err)
{
	mutex_lock(&r->lock);
	bool turn = wait_for_turn(r, out);
	mutex_unlock(&r->lock);
	if (!turn)
		return err_set(
		    err, ERR_BUSY, "all %zu readers of the metadata database are busy; try again later", r->max);
	if (*out)
		return ERR_OK;
	enum err_code rc = conn_open(r->engine, CONN_READ, out, err);
	if (rc)
		give_up_place(r);
	return rc;
}

static void put_back(struct readers *r, struct conn *c)
{
	mutex_lock(&r->lock);
	r->idle[r->nidle++] = c;
	if (r->waiting)
		cond_signal(&r->returned);
	mutex_unlock(&r->lock);
}

enum err_code read_begin(struct reading *r, struct meta *m, enum query_id q, struct err *err)
{
	OBJ_CHECK(m, META_MAGIC);
	enum err_code rc = take(m->readers, &r->conn, err);
	if (rc)
		return rc;
	r->from = m->readers;
	return read_also(r, q, err);
}

enum err_code read_also(struct reading *r, enum query_id q, struct err *err)
{
	stmt_end(&r->stmt);
	enum err_code rc = stmt_get(r->conn, q, &r->stmt, err);
	if (rc)
		r->failed = true;
	return rc;
}

enum err_code read_step(struct reading *r, bool *row, struct err *err)
{
	enum err_code rc = stmt_step(r->stmt, row, err);
	if (rc)
		r->failed = true;
	return rc;
}

/* A connection that failed is closed: the next one starts afresh. */
void read_end(struct reading *r)
{
	stmt_end(&r->stmt);
	if (!r->conn)
		return;
	if (r->failed) {
		conn_close(&r->conn);
		give_up_place(r->from);
	} else {
		put_back(r->from, r->conn);
	}
	r->conn = NULL;
}
