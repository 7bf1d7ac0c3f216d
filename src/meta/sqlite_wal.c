/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite_wal.c - keeps the write-ahead log short without making writers wait.
 *
 * SQLite would copy the log back into the database inside the commit that
 * passes 1000 pages, while a dozen callers wait for their answer. Here a thread
 * with a connection of its own does it beside the writer, who may go on
 * appending. Once all of the log is copied the next write starts it over from
 * its beginning, which also makes the syncs cheaper: overwriting blocks takes
 * half the time of appending them. Under an unbroken stream of writes the
 * thread never quite catches up; then the writer copies the short rest itself,
 * once every WAL_HARD pages.
 */
#include "meta/sqlite_priv.h"
#include "base/log.h"

#define WAL_SOFT 1000 /* frames behind: wake the thread (4 MiB) */
#define WAL_HARD 8000 /* frames: the writer finishes it (32 MiB) */
#define WAL_AGAIN 250 /* frames: until it tries again, when a reader was in the way */
#define STACK_BYTES (256 * 1024)

static int checkpoint(struct lite_engine *e, sqlite3 *db)
{
	int frames = 0, done = 0;
	mutex_lock(&e->pass);
	int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &done);
	if (rc == SQLITE_OK)
		atomic_store(&e->backfilled, done);
	mutex_unlock(&e->pass);
	if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY) {
		atomic_store(&e->struggling, false);
	} else if (!atomic_exchange(&e->struggling, true)) {
		struct err err;
		lite_fail(
		    e, db, rc, &err, "copy the write-ahead log into it (nothing is lost, it will be tried again)");
		LOG_WARN("metadata checkpoint failed", LOG_STR("err", err.msg));
	}
	return rc;
}

/* A connection finds out that there is a log only when it reads. */
static enum err_code open_and_read(struct lite_engine *e, sqlite3 **out, struct err *err)
{
	enum err_code code = lite_open_db(e, out, err);
	if (code)
		return code;
	int rc = sqlite3_exec(*out, "PRAGMA cache_size = -64; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return ERR_OK;
	code = lite_fail(e, *out, rc, err, "read it");
	sqlite3_close_v2(*out);
	*out = NULL;
	return code;
}

static bool wait_wanted(struct lite_engine *e)
{
	mutex_lock(&e->lock);
	while (!e->wanted && !e->stop)
		cond_wait(&e->wake, &e->lock);
	e->wanted = false;
	bool go = !e->stop;
	mutex_unlock(&e->lock);
	return go;
}

static void *checkpointer(void *arg)
{
	struct lite_engine *e = arg;
	sqlite3 *db = NULL;
	while (wait_wanted(e)) {
		struct err err;
		if (!db && open_and_read(e, &db, &err) != ERR_OK) {
			LOG_WARN("metadata checkpoint failed", LOG_STR("err", err.msg));
			continue;
		}
		int rc = checkpoint(e, db);
		if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY) {
			sqlite3_close_v2(db);
			db = NULL;
		}
	}
	sqlite3_close_v2(db);
	return NULL;
}

void lite_wal_start(struct lite_engine *e)
{
	mutex_init(&e->lock);
	mutex_init(&e->pass);
	cond_init(&e->wake);
}

/* The thread starts with the first need: an idle process has one less. */
static void want_checkpoint(struct lite_engine *e)
{
	mutex_lock(&e->lock);
	if (!e->running && thread_start(&e->thread, "meta-checkpoint", STACK_BYTES, false, checkpointer, e) == 0)
		e->running = true;
	e->wanted = true;
	cond_signal(&e->wake);
	mutex_unlock(&e->lock);
}

void lite_wal_stop(struct lite_engine *e)
{
	mutex_lock(&e->lock);
	e->stop = true;
	bool running = e->running;
	cond_signal(&e->wake);
	mutex_unlock(&e->lock);
	if (running)
		(void)pthread_join(e->thread, NULL);
	cond_destroy(&e->wake);
	mutex_destroy(&e->pass);
	mutex_destroy(&e->lock);
}

static int committed(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct lite_conn *c = arg;
	c->frames = frames;
	return SQLITE_OK;
}

/* Replaces SQLite's own automatic checkpoint. */
void lite_wal_watch(struct lite_conn *c)
{
	sqlite3_wal_hook(c->db, committed, c);
}

void lite_wal_maintain(struct conn *base)
{
	struct lite_conn *c = lite_conn_of(base);
	struct lite_engine *e = c->engine;
	if (c->frames < atomic_load(&e->backfilled))
		atomic_store(&e->backfilled, 0); /* the log started over */
	int behind = c->frames - atomic_load(&e->backfilled);
	if (c->frames >= WAL_HARD && behind >= WAL_AGAIN)
		(void)checkpoint(e, c->db);
	else if (behind >= WAL_SOFT)
		want_checkpoint(e);
}
