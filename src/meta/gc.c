/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc.c - noting, reviewing and taking back what may have become useless; see
 * gc.h for the whole picture.
 */
#include "meta/gc.h"
#include "meta/meta_priv.h"

/* ---- noting (for the other operations) --------------------------------------------- */

static enum err_code note(struct meta_tx *tx, enum query_id q, int64_t a, int64_t b, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, q, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, a);
	stmt_int(s, 2, b);
	stmt_int(s, 3, tx->now);
	return stmt_done(s, err);
}

static enum err_code run_1(struct meta_tx *tx, enum query_id q, int64_t a, int64_t *changes, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, q, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, a);
	rc = stmt_done(s, err);
	if (rc == ERR_OK && changes)
		*changes = stmt_changes(s);
	return rc;
}

static enum err_code run_2(struct meta_tx *tx, enum query_id q, int64_t a, int64_t b, int64_t *changes, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, q, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, a);
	stmt_int(s, 2, b);
	rc = stmt_done(s, err);
	if (rc == ERR_OK && changes)
		*changes = stmt_changes(s);
	return rc;
}

enum err_code tx_gc_note_link(struct meta_tx *tx, int64_t repo, int64_t blob, struct err *err)
{
	return note(tx, Q_GC_LINK_NOTE, repo, blob, err);
}

enum err_code tx_gc_promise_link(struct meta_tx *tx, int64_t repo, int64_t blob, struct err *err)
{
	return note(tx, Q_GC_LINK_PROMISE, repo, blob, err);
}

enum err_code tx_gc_link_needed(struct meta_tx *tx, int64_t repo, int64_t blob, struct err *err)
{
	return run_2(tx, Q_GC_LINK_DELETE, repo, blob, NULL, err);
}

enum err_code tx_gc_blob_arrived(struct meta_tx *tx, int64_t blob, struct err *err)
{
	return run_1(tx, Q_GC_FILE_DELETE, blob, NULL, err);
}

enum err_code tx_gc_manifest_again(struct meta_tx *tx, int64_t manifest, struct err *err)
{
	return run_1(tx, Q_GC_LINKS_REDEEM, manifest, NULL, err);
}

static enum err_code note_manifest(struct meta_tx *tx, int64_t manifest, bool promised, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_GC_MANIFEST_NOTE, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, manifest);
	stmt_int(s, 2, META_GC_UNTAGGED);
	stmt_int(s, 3, tx->now);
	stmt_int(s, 4, promised);
	return stmt_done(s, err);
}

static enum err_code manifest_needed(struct meta_tx *tx, int64_t manifest, struct err *err)
{
	return run_1(tx, Q_GC_MANIFEST_DELETE, manifest, NULL, err);
}

enum err_code tx_gc_child_needed(struct meta_tx *tx, int64_t repo, const struct digest *child, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_GC_CHILD_NEEDED, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_int(s, 1, repo);
	stmt_digest(s, 2, child, packed);
	return stmt_done(s, err);
}

enum err_code tx_gc_manifest_going(
    struct meta_tx *tx, int64_t repo, int64_t manifest, const struct digest *d, struct err *err)
{
	enum err_code rc = run_2(tx, Q_GC_NOTE_BLOBS_OF, tx->now, manifest, NULL, err);
	if (rc == ERR_OK)
		rc = run_2(tx, Q_GC_NOTE_CHILDREN_OF, tx->now, manifest, NULL, err);
	if (rc == ERR_OK)
		rc = run_1(tx, Q_GC_FILE_OF_MANIFEST, manifest, NULL, err);
	if (rc)
		return rc;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	rc = stmt_get(tx->conn, Q_GC_NOTE_REFERRERS_OF, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_int(s, 1, tx->now);
	stmt_int(s, 2, repo);
	stmt_digest(s, 3, d, packed);
	return stmt_done(s, err);
}

/* Is there a row? */
static enum err_code exists_1(struct meta_tx *tx, enum query_id q, int64_t a, bool *there, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, q, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, a);
	return stmt_step(s, there, err);
}

static enum err_code blob_referenced(struct meta_tx *tx, int64_t repo, int64_t blob, bool *there, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_GC_BLOB_REFERENCED, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, blob);
	stmt_int(s, 2, repo);
	return stmt_step(s, there, err);
}

enum err_code tx_gc_manifest_changed(struct meta_tx *tx, int64_t manifest, bool promised, struct err *err)
{
	bool needed;
	enum err_code rc = exists_1(tx, Q_GC_MANIFEST_NEEDED, manifest, &needed, err);
	if (rc)
		return rc;
	return needed ? manifest_needed(tx, manifest, err) : note_manifest(tx, manifest, promised, err);
}

/* ---- links ---------------------------------------------------------------------------- */

static enum err_code read_links(
    struct reading *r, size_t limit, struct arena *a, struct meta_gc_links *out, struct err *err)
{
	size_t cap = 0;
	for (bool row; out->n < limit; out->n++) {
		enum err_code rc = read_step(r, &row, err);
		if (rc || !row)
			return rc;
		out->v = arena_place(a, out->v, out->n, &cap, sizeof(*out->v));
		if (!out->v)
			return arena_full(err);
		struct meta_gc_link *l = &out->v[out->n];
		*l = (struct meta_gc_link){.repo_id = stmt_col_int(r->stmt, 0),
		    .blob_id = stmt_col_int(r->stmt, 1),
		    .since = stmt_col_int(r->stmt, 4),
		    .size = (uint64_t)stmt_col_int(r->stmt, 3)};
		rc = col_digest(r->stmt, 2, &l->digest, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static int64_t due_before(const struct meta_gc_due *due, bool promised)
{
	return promised ? due->promised : due->before;
}

enum err_code meta_gc_links_due(struct meta *m, bool promised, const struct meta_gc_due *due,
    const struct meta_gc_link *after, size_t limit, struct arena *a, struct meta_gc_links *out, struct err *err)
{
	*out = (struct meta_gc_links){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_GC_LINKS_DUE, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, promised);
	stmt_int(r.stmt, 2, due_before(due, promised));
	stmt_int(r.stmt, 3, after ? after->since : INT64_MIN);
	stmt_int(r.stmt, 4, after ? after->repo_id : 0);
	stmt_int(r.stmt, 5, after ? after->blob_id : 0);
	stmt_int(r.stmt, 6, (int64_t)limit);
	return read_links(&r, limit, a, out, err);
}

/* It may be no candidate any more, or have been touched since it was found. */
static enum err_code still_due(struct stmt *s, const struct meta_gc_due *due, bool *is, struct err *err)
{
	bool row;
	enum err_code rc = stmt_step(s, &row, err);
	*is = rc == ERR_OK && row && stmt_col_int(s, 0) < due_before(due, stmt_col_int(s, 1) != 0);
	return rc;
}

static enum err_code link_due(
    struct meta_tx *tx, const struct meta_gc_link *l, const struct meta_gc_due *due, bool *is, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_GC_LINK_SINCE, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, l->repo_id);
	stmt_int(s, 2, l->blob_id);
	return still_due(s, due, is, err);
}

static enum err_code manifest_due(
    struct meta_tx *tx, int64_t id, enum meta_gc_reason why, const struct meta_gc_due *due, bool *is, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_GC_MANIFEST_SINCE, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, id);
	stmt_int(s, 2, why);
	return still_due(s, due, is, err);
}

/* No repository may read it any more: the record goes, the bytes are queued. */
static enum err_code free_blob(struct meta_tx *tx, struct meta_gc_link *l, struct err *err)
{
	int64_t changes;
	enum err_code rc = run_1(tx, Q_GC_BLOB_ABSENT, l->blob_id, &changes, err);
	if (rc)
		return rc;
	if (changes == 0) /* its bytes were not here in the first place */
		return run_1(tx, Q_GC_BLOB_FORGET, l->blob_id, NULL, err);
	rc = run_1(tx, Q_GC_FILE_ADD, l->blob_id, NULL, err);
	if (rc)
		return rc;
	l->freed = true;
	tx->delta.blobs--;
	tx->delta.blob_bytes -= (int64_t)l->size;
	return ERR_OK;
}

static enum err_code review_link(
    struct meta_tx *tx, const struct meta_gc_due *due, struct meta_gc_link *l, struct err *err)
{
	bool is_due, needed, linked;
	int64_t links;
	l->removed = l->freed = false;
	enum err_code rc = link_due(tx, l, due, &is_due, err);
	if (rc || !is_due)
		return rc;
	rc = run_2(tx, Q_GC_LINK_DELETE, l->repo_id, l->blob_id, NULL, err);
	if (rc == ERR_OK)
		rc = blob_referenced(tx, l->repo_id, l->blob_id, &needed, err);
	if (rc || needed)
		return rc;
	rc = run_2(tx, Q_LINK_DELETE, l->repo_id, l->blob_id, &links, err);
	if (rc)
		return rc;
	l->removed = links > 0;
	rc = exists_1(tx, Q_GC_BLOB_LINKED, l->blob_id, &linked, err);
	return rc || linked ? rc : free_blob(tx, l, err);
}

enum err_code meta_tx_gc_review_links(
    struct meta_tx *tx, const struct meta_gc_due *due, struct meta_gc_link *v, size_t n, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	enum err_code rc = ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < n; i++)
		rc = review_link(tx, due, &v[i], err);
	return rc;
}

static enum err_code run_repo(struct meta_tx *tx, enum query_id q, struct slice repo, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, q, &s, err);
	if (rc)
		return rc;
	stmt_text(s, 1, repo);
	return stmt_done(s, err);
}

enum err_code meta_tx_gc_keep_links(struct meta_tx *tx, struct slice repo, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	return run_repo(tx, Q_GC_LINKS_KEEP, repo, err);
}

enum err_code meta_tx_gc_settle(struct meta_tx *tx, struct slice repo, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	enum err_code rc = run_repo(tx, Q_GC_LINKS_SETTLE, repo, err);
	return rc ? rc : run_repo(tx, Q_GC_MANIFESTS_SETTLE, repo, err);
}

/* ---- files ---------------------------------------------------------------------------- */

enum err_code meta_gc_files_due(
    struct meta *m, int64_t after, size_t limit, struct arena *a, struct meta_gc_links *out, struct err *err)
{
	*out = (struct meta_gc_links){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_GC_FILES_DUE, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, after);
	stmt_int(r.stmt, 2, (int64_t)limit);
	return read_links(&r, limit, a, out, err);
}

enum err_code meta_tx_gc_recheck_files(struct meta_tx *tx, struct meta_gc_link *v, size_t n, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	enum err_code rc = ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < n; i++)
		rc = exists_1(tx, Q_GC_FILE_GET, v[i].blob_id, &v[i].freed, err);
	return rc;
}

enum err_code meta_tx_gc_removed(struct meta_tx *tx, const struct meta_gc_link *v, size_t n, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	enum err_code rc = ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		if (!v[i].freed)
			continue;
		rc = run_1(tx, Q_GC_FILE_DELETE, v[i].blob_id, NULL, err);
		if (rc == ERR_OK)
			rc = run_1(tx, Q_GC_BLOB_FORGET, v[i].blob_id, NULL, err);
	}
	return rc;
}

/* ---- manifests ------------------------------------------------------------------------ */

enum err_code meta_gc_manifests_due(struct meta *m, enum meta_gc_reason why, bool promised,
    const struct meta_gc_due *due, const struct meta_gc_manifest *after, size_t limit, struct arena *a,
    struct meta_gc_manifests *out, struct err *err)
{
	*out = (struct meta_gc_manifests){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_GC_MANIFESTS_DUE, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, why);
	stmt_int(r.stmt, 2, promised);
	stmt_int(r.stmt, 3, due_before(due, promised));
	stmt_int(r.stmt, 4, after ? after->since : INT64_MIN);
	stmt_int(r.stmt, 5, after ? after->id : 0);
	stmt_int(r.stmt, 6, (int64_t)limit);
	size_t cap = 0;
	for (bool row; out->n < limit; out->n++) {
		rc = read_step(&r, &row, err);
		if (rc || !row)
			return rc;
		out->v = arena_place(a, out->v, out->n, &cap, sizeof(*out->v));
		if (!out->v)
			return arena_full(err);
		struct meta_gc_manifest *g = &out->v[out->n];
		*g = (struct meta_gc_manifest){.id = stmt_col_int(r.stmt, 0),
		    .since = stmt_col_int(r.stmt, 4),
		    .size = (uint64_t)stmt_col_int(r.stmt, 2)};
		rc = col_digest(r.stmt, 1, &g->digest, err);
		if (rc == ERR_OK)
			rc = col_copy(r.stmt, 3, a, &g->repo, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static enum err_code review_manifest(struct meta_tx *tx, enum meta_gc_reason why, const struct meta_gc_due *due,
    struct meta_gc_manifest *g, struct err *err)
{
	bool is_due, needed;
	g->removed = false;
	enum err_code rc = manifest_due(tx, g->id, why, due, &is_due, err);
	if (rc || !is_due)
		return rc;
	rc = exists_1(tx, Q_GC_MANIFEST_NEEDED, g->id, &needed, err);
	if (rc)
		return rc;
	if (needed)
		return manifest_needed(tx, g->id, err);
	rc = meta_tx_manifest_delete(tx, g->repo, &g->digest, err);
	g->removed = rc == ERR_OK;
	return rc;
}

enum err_code meta_tx_gc_review_manifests(struct meta_tx *tx, enum meta_gc_reason why, const struct meta_gc_due *due,
    struct meta_gc_manifest *v, size_t n, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	enum err_code rc = ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < n; i++)
		rc = review_manifest(tx, why, due, &v[i], err);
	return rc;
}

/* ---- touching --------------------------------------------------------------------------- */

struct touch {
	struct slice repo;
	const struct digest *digest;
	enum query_id query;
};

static enum err_code do_touch(struct meta_tx *tx, void *arg, struct err *err)
{
	struct touch *t = arg;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, t->query, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_int(s, 1, tx->now);
	stmt_text(s, 2, t->repo);
	stmt_digest(s, 3, t->digest, packed);
	return stmt_done(s, err);
}

/* What a look without the writer found: hardly anything that is asked for is a
 * candidate. */
struct look {
	bool there; /* a row */
	int64_t since;
	bool promised, needed;
};

static enum err_code look(
    struct meta *m, enum query_id q, struct slice repo, const struct digest *d, struct look *out, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, q, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_text(r.stmt, 1, repo);
	stmt_digest(r.stmt, 2, d, packed);
	rc = read_step(&r, &out->there, err);
	if (rc || !out->there || q != Q_GC_LINK_LOOK)
		return rc;
	out->since = stmt_col_int(r.stmt, 0);
	out->promised = stmt_col_int(r.stmt, 1) != 0;
	out->needed = stmt_col_int(r.stmt, 2) != 0;
	return ERR_OK;
}

/* A blob that a manifest needs is noted at most so often. */
#define TOUCH_NEEDED (1 * CLOCK_S)

enum err_code meta_gc_touch_blob(struct meta *m, struct slice repo, const struct digest *d, struct err *err)
{
	struct touch t = {repo, d, Q_GC_LINK_TOUCH};
	struct look l = {.there = false};
	enum err_code rc = look(m, Q_GC_LINK_LOOK, repo, d, &l, err);
	if (rc || !l.there || (!l.since && !l.needed))
		return rc;
	if (!l.needed)
		return meta_write(m, META_RELAXED, do_touch, &t, err);
	if (l.promised && l.since > clock_real() - TOUCH_NEEDED)
		return ERR_OK;
	/* Whoever asks gets an answer also when nothing can be written, since
	 * then nothing can be collected either. */
	(void)!meta_write(m, META_RELAXED, do_touch, &t, NULL);
	return ERR_OK;
}

enum err_code meta_gc_touch_manifest(struct meta *m, struct slice repo, const struct digest *d, struct err *err)
{
	struct touch t = {repo, d, Q_GC_MANIFEST_TOUCH};
	struct look l = {.there = false};
	enum err_code rc = look(m, Q_GC_MANIFEST_LOOK, repo, d, &l, err);
	return rc || !l.there ? rc : meta_write(m, META_RELAXED, do_touch, &t, err);
}

/* ---- counting ----------------------------------------------------------------------------- */

static enum err_code count(struct meta *m, enum query_id q, size_t max, uint64_t *out, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, q, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, (int64_t)max);
	bool row;
	rc = read_step(&r, &row, err);
	if (rc == ERR_OK)
		*out = (uint64_t)stmt_col_int(r.stmt, 0);
	return rc;
}

enum err_code meta_gc_queues_get(struct meta *m, size_t max, struct meta_gc_queues *out, struct err *err)
{
	enum err_code rc = count(m, Q_GC_COUNT_LINKS, max, &out->links, err);
	if (rc == ERR_OK)
		rc = count(m, Q_GC_COUNT_MANIFESTS, max, &out->manifests, err);
	if (rc == ERR_OK)
		rc = count(m, Q_GC_COUNT_FILES, max, &out->files, err);
	return rc;
}
