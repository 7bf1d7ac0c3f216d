/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine.h - what the operations of this folder need from a database: a
 * connection, the statements of queries.h addressed by their number,
 * transactions with a mark to fall back to, and nothing else.
 *
 * An engine is one constant table of functions. The operations call the small
 * inline functions below and never see which engine is behind them; the text
 * of a statement that two engines cannot share has a variant in queries.c.
 *
 * A connection, and every statement on it, belongs to one thread at a time.
 * The engine itself is thread-safe. Slices that come out of a statement live
 * until its next step or its end; slices bound to it must live until then.
 */
#ifndef BERTH_META_ENGINE_H
#define BERTH_META_ENGINE_H

#include "base/err.h"
#include "base/slice.h"
#include "meta/queries.h"

enum conn_role { CONN_READ, CONN_WRITE };

struct engine_ops;

/* Embedded first in every engine's own structs. */
struct engine {
	const struct engine_ops *ops;
};
struct conn {
	uint32_t magic;
#define CONN_MAGIC 0x4d45636e
	const struct engine_ops *ops;
};
struct stmt {
	const struct engine_ops *ops;
};

struct engine_ops {
	const char *name;
	enum engine_kind kind;
	enum err_code (*connect)(struct engine *, enum conn_role, struct conn **, struct err *);
	void (*disconnect)(struct conn *);
	enum err_code (*script)(struct conn *, const char *sql, struct err *);
	enum err_code (*schema_read)(struct conn *, int *version, struct err *);
	enum err_code (*begin)(struct conn *, bool durable, struct err *);
	enum err_code (*mark)(struct conn *, struct err *);
	enum err_code (*unmark)(struct conn *, struct err *);
	enum err_code (*undo)(struct conn *, struct err *);
	enum err_code (*commit)(struct conn *, struct err *);
	void (*rollback)(struct conn *);
	bool (*in_transaction)(struct conn *);
	void (*maintain)(struct conn *);
	enum err_code (*stmt_get)(struct conn *, enum query_id, struct stmt **, struct err *);
	void (*bind_null)(struct stmt *, int at);
	void (*bind_int)(struct stmt *, int at, int64_t v);
	void (*bind_text)(struct stmt *, int at, struct slice v);
	void (*bind_bytes)(struct stmt *, int at, struct slice v);
	enum err_code (*step)(struct stmt *, bool *row, struct err *);
	int64_t (*col_int)(struct stmt *, int at);
	struct slice (*col_bytes)(struct stmt *, int at);
	int64_t (*changes)(struct stmt *);
	void (*stmt_end)(struct stmt *);
	uint64_t (*bytes)(struct engine *);
	enum err_code (*backup)(struct conn *, const char *path, struct err *);
	void (*destroy)(struct engine *);
};

/* ---- connections ---------------------------------------------------------- */

static inline enum err_code conn_open(struct engine *e, enum conn_role role, struct conn **out, struct err *err)
{
	return e->ops->connect(e, role, out, err);
}

/* Undoes a transaction that is open; *c becomes NULL. */
static inline void conn_close(struct conn **c)
{
	if (*c)
		(*c)->ops->disconnect(*c);
	*c = NULL;
}

/* Runs several statements; for migrations. */
static inline enum err_code conn_script(struct conn *c, const char *sql, struct err *err)
{
	return c->ops->script(c, sql, err);
}

/* The number of the newest migration that was applied, 0 for an empty
 * database; refuses a database that is not berth's. */
static inline enum err_code conn_schema(struct conn *c, int *version, struct err *err)
{
	return c->ops->schema_read(c, version, err);
}

/* Takes the right to write at once. With `durable` the commit outlives a power
 * cut, without it the death of the process. */
static inline enum err_code conn_begin(struct conn *c, bool durable, struct err *err)
{
	return c->ops->begin(c, durable, err);
}

/* A point inside the transaction, one at a time: undo goes back to it and
 * drops it, unmark only drops it. */
static inline enum err_code conn_mark(struct conn *c, struct err *err)
{
	return c->ops->mark(c, err);
}
static inline enum err_code conn_unmark(struct conn *c, struct err *err)
{
	return c->ops->unmark(c, err);
}
static inline enum err_code conn_undo(struct conn *c, struct err *err)
{
	return c->ops->undo(c, err);
}

/* On failure nothing was changed and no transaction is open any more. */
static inline enum err_code conn_commit(struct conn *c, struct err *err)
{
	return c->ops->commit(c, err);
}
static inline void conn_rollback(struct conn *c)
{
	c->ops->rollback(c);
}
/* False as well when the engine gave the transaction up by itself. */
static inline bool conn_in_transaction(struct conn *c)
{
	return c->ops->in_transaction(c);
}

/* Between transactions of the writer: what keeps the database in shape. Quick;
 * longer work is handed to a thread of the engine. */
static inline void conn_maintain(struct conn *c)
{
	c->ops->maintain(c);
}

/* ---- statements ----------------------------------------------------------- */

/* The statement, prepared on first use, ready for binding ($1 is 1). A mistake
 * in binding shows at the first step. */
static inline enum err_code stmt_get(struct conn *c, enum query_id q, struct stmt **out, struct err *err)
{
	return c->ops->stmt_get(c, q, out, err);
}
static inline void stmt_null(struct stmt *s, int at)
{
	s->ops->bind_null(s, at);
}
static inline void stmt_int(struct stmt *s, int at, int64_t v)
{
	s->ops->bind_int(s, at, v);
}
/* The absent slice binds NULL in both. */
static inline void stmt_text(struct stmt *s, int at, struct slice v)
{
	s->ops->bind_text(s, at, v);
}
static inline void stmt_bytes(struct stmt *s, int at, struct slice v)
{
	s->ops->bind_bytes(s, at, v);
}
/* *row: there is a row to look at; otherwise the statement is complete. */
static inline enum err_code stmt_step(struct stmt *s, bool *row, struct err *err)
{
	return s->ops->step(s, row, err);
}
/* Columns of the row, counted from 0; NULL reads as 0 and as the absent slice. */
static inline int64_t stmt_col_int(struct stmt *s, int at)
{
	return s->ops->col_int(s, at);
}
static inline struct slice stmt_col(struct stmt *s, int at)
{
	return s->ops->col_bytes(s, at);
}
/* Rows a complete INSERT, UPDATE or DELETE touched. */
static inline int64_t stmt_changes(struct stmt *s)
{
	return s->ops->changes(s);
}
/* Ends it; the statement can be taken again. */
static inline void stmt_end(struct stmt **s)
{
	if (*s)
		(*s)->ops->stmt_end(*s);
	*s = NULL;
}

/* ---- engines -------------------------------------------------------------- */

/* Bytes the database takes on its medium, 0 when unknown. */
static inline uint64_t engine_bytes(struct engine *e)
{
	return e->ops->bytes(e);
}
/* What the connection sees, in a new file that is synced. */
static inline enum err_code conn_backup(struct conn *c, const char *path, struct err *err)
{
	return c->ops->backup(c, path, err);
}
/* After every connection was closed. */
static inline void engine_destroy(struct engine **e)
{
	if (*e)
		(*e)->ops->destroy(*e);
	*e = NULL;
}

struct meta_options;
enum err_code engine_sqlite_new(const struct meta_options *o, struct engine **out, struct err *err) MUST_USE;

#endif
