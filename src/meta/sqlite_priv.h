/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite_priv.h - shared by engine_sqlite.c, sqlite_wal.c and sqlite_backup.c only.
 */
#ifndef BERTH_META_SQLITE_PRIV_H
#define BERTH_META_SQLITE_PRIV_H

#include "base/sync.h"
#include "meta/engine.h"
#include <sqlite3.h>
#include <stdatomic.h>

struct lite_engine {
	struct engine base;
	char *path;
	int64_t busy_wait;
	int cache_kib; /* of the writer */

	/* The checkpointer; see sqlite_wal.c. */
	pthread_mutex_t lock; /* guards the three below */
	pthread_cond_t wake;
	bool running, wanted, stop;
	pthread_t thread;
	pthread_mutex_t pass;   /* held during a checkpoint */
	atomic_int backfilled;  /* frames of the log that are in the database file */
	atomic_bool struggling; /* the last checkpoint failed, and it was logged */
};

struct lite_stmt {
	struct stmt base;
	struct lite_conn *conn;
	sqlite3_stmt *st;
	enum query_id id;
	int bound; /* first failure of a bind */
	bool taken;
};

enum lite_control { LITE_BEGIN, LITE_MARK, LITE_UNMARK, LITE_UNDO, LITE_COMMIT, LITE_ROLLBACK, LITE_CONTROLS };

struct lite_conn {
	struct conn base;
	struct lite_engine *engine;
	sqlite3 *db;
	bool durable; /* PRAGMA synchronous is FULL, not NORMAL */
	int frames;   /* in the log after the last commit of this connection */
	sqlite3_stmt *control[LITE_CONTROLS];
	struct lite_stmt stmts[Q_COUNT];
};

extern const struct engine_ops lite_ops;

static inline struct lite_engine *lite_engine_of(struct engine *e)
{
	ASSERT(e->ops == &lite_ops);
	return (struct lite_engine *)e;
}
static inline struct lite_conn *lite_conn_of(struct conn *c)
{
	OBJ_CHECK(c, CONN_MAGIC);
	return (struct lite_conn *)c;
}
static inline struct lite_stmt *lite_stmt_of(struct stmt *s)
{
	return (struct lite_stmt *)s;
}

enum err_code lite_open_db(const struct lite_engine *e, sqlite3 **out, struct err *err) MUST_USE;
/* Fills *err from a SQLite result code; `db` may be NULL. */
enum err_code lite_fail(const struct lite_engine *e, sqlite3 *db, int rc, struct err *err, const char *doing);

/* The log is cut back to this size when it starts over. */
#define LITE_WAL_LIMIT_BYTES "67108864"
void lite_wal_start(struct lite_engine *e);
void lite_wal_stop(struct lite_engine *e);
void lite_wal_watch(struct lite_conn *c);
void lite_wal_maintain(struct conn *base);

/* In sqlite_backup.c. */
enum err_code lite_backup(struct conn *base, const char *path, struct err *err) MUST_USE;

#endif
