/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta.c - opening and closing the metadata, health, totals, and the helpers
 * that all operations share.
 */
#include "meta/meta.h"
#include "meta/meta_priv.h"
#include "meta/migrations.h"
#include <unistd.h>

#define READERS_SPARE 4 /* beyond two a core: some readers wait for the disk */
#define FIRST_PLACES 64 /* of a list of which the length is not known yet */
#define READER_WAIT (10 * CLOCK_S)

/* ---- helpers ------------------------------------------------------------------ */

void stmt_digest(struct stmt *s, int at, const struct digest *d, uint8_t room[DIGEST_PACKED])
{
	size_t n = digest_pack(d, room);
	stmt_bytes(s, at, slice_of(room, n));
}

enum err_code col_digest(struct stmt *s, int at, struct digest *out, struct err *err)
{
	struct slice v = stmt_col(s, at);
	if (digest_unpack(v.p, v.n, out))
		return ERR_OK;
	return err_set(err, ERR_CORRUPT, "metadata: a stored digest of %zu bytes is not one; restore a backup", v.n);
}

enum err_code arena_full(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, "the answer from the metadata does not fit into the memory of the request");
}

enum err_code col_copy(struct stmt *s, int at, struct arena *a, struct slice *out, struct err *err)
{
	struct slice v = stmt_col(s, at);
	*out = v.p ? arena_copy(a, v) : SLICE_NONE;
	return v.p && !out->p ? arena_full(err) : ERR_OK;
}

void *arena_place(struct arena *a, void *v, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return v;
	size_t grown = *cap ? *cap * 2 : FIRST_PLACES;
	void *bigger = arena_alloc(a, grown * size);
	if (!bigger)
		return NULL;
	if (n)
		memcpy(bigger, v, n * size);
	*cap = grown;
	return bigger;
}

int64_t rows_for(size_t limit)
{
	return limit >= INT32_MAX ? INT32_MAX : (int64_t)limit + 1;
}

enum err_code stmt_done(struct stmt *s, struct err *err)
{
	bool row;
	return stmt_step(s, &row, err);
}

/* ---- life ----------------------------------------------------------------------- */

static size_t sensible_readers(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	return (cores > 0 ? 2 * (size_t)cores : 2) + READERS_SPARE;
}

enum err_code meta_open(const struct meta_options *o, struct meta **out, struct err *err)
{
	struct meta *m = xcalloc(1, sizeof(*m));
	struct conn *c = NULL;
	m->magic = META_MAGIC;
	enum err_code rc = engine_sqlite_new(o, &m->engine, err);
	if (rc)
		goto fail;
	rc = conn_open(m->engine, CONN_WRITE, &c, err);
	if (rc == ERR_OK)
		rc = migrations_apply(c, o->path, err);
	if (rc)
		goto fail;
	m->readers = readers_new(m->engine, o->readers ? o->readers : sensible_readers(), READER_WAIT);
	rc = writer_start(m->engine, c, &m->writer, err);
	if (rc)
		goto fail;
	metrics_watch(m);
	*out = m;
	return ERR_OK;
fail:
	conn_close(&c);
	readers_free(&m->readers);
	engine_destroy(&m->engine);
	free(m);
	return rc;
}

void meta_close(struct meta **mp)
{
	struct meta *m = *mp;
	if (!m)
		return;
	OBJ_CHECK(m, META_MAGIC);
	*mp = NULL;
	metrics_unwatch(m);
	readers_free(&m->readers);
	writer_stop(&m->writer);
	engine_destroy(&m->engine);
	m->magic = 0;
	free(m);
}

enum err_code meta_write(struct meta *m, enum meta_durability d, meta_write_fn *fn, void *arg, struct err *err)
{
	OBJ_CHECK(m, META_MAGIC);
	return writer_run(m->writer, d, fn, arg, err);
}

enum err_code meta_totals_get(struct meta *m, struct meta_totals *out, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_TOTALS_GET, err);
	if (rc)
		return rc;
	bool row;
	rc = read_step(&r, &row, err);
	if (rc)
		return rc;
	if (!row)
		return err_set(err, ERR_CORRUPT, "metadata: the row of totals is missing; restore a backup");
	*out = (struct meta_totals){
	    .repositories = (uint64_t)stmt_col_int(r.stmt, 0),
	    .manifests = (uint64_t)stmt_col_int(r.stmt, 1),
	    .tags = (uint64_t)stmt_col_int(r.stmt, 2),
	    .blobs = (uint64_t)stmt_col_int(r.stmt, 3),
	    .blob_bytes = (uint64_t)stmt_col_int(r.stmt, 4),
	};
	return ERR_OK;
}

enum err_code meta_check(struct meta *m, struct err *err)
{
	struct meta_totals t;
	return meta_totals_get(m, &t, err);
}
