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

enum err_code tx_gc_link_needed(struct meta_tx *tx, int64_t repo, int64_t blob, struct err *err)
{
	return run_2(tx, Q_GC_LINK_DELETE, repo, blob, NULL, err);
}

enum err_code tx_gc_blob_arrived(struct meta_tx *tx, int64_t blob, struct err *err)
{
	return run_1(tx, Q_GC_FILE_DELETE, blob, NULL, err);
}

static enum err_code note_manifest(struct meta_tx *tx, int64_t manifest, struct err *err)
{
	return note(tx, Q_GC_MANIFEST_NOTE, manifest, META_GC_UNTAGGED, err);
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

enum err_code tx_gc_manifest_changed(struct meta_tx *tx, int64_t manifest, struct err *err)
{
	bool needed;
	enum err_code rc = exists_1(tx, Q_GC_MANIFEST_NEEDED, manifest, &needed, err);
	if (rc)
		return rc;
	return needed ? manifest_needed(tx, manifest, err) : note_manifest(tx, manifest, err);
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
		    .size = (uint64_t)stmt_col_int(r->stmt, 3)};
		rc = col_digest(r->stmt, 2, &l->digest, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

enum err_code meta_gc_links_due(
    struct meta *m, int64_t before, size_t limit, struct arena *a, struct meta_gc_links *out, struct err *err)
{
	*out = (struct meta_gc_links){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_GC_LINKS_DUE, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, before);
	stmt_int(r.stmt, 2, (int64_t)limit);
	return read_links(&r, limit, a, out, err);
}

/* When was it noted? 0: it is no candidate any more. */
static enum err_code noted_at(struct stmt *s, int64_t *since, struct err *err)
{
	bool row;
	enum err_code rc = stmt_step(s, &row, err);
	*since = rc == ERR_OK && row ? stmt_col_int(s, 0) : 0;
	return rc;
}

static enum err_code link_noted_at(struct meta_tx *tx, const struct meta_gc_link *l, int64_t *since, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_GC_LINK_SINCE, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, l->repo_id);
	stmt_int(s, 2, l->blob_id);
	return noted_at(s, since, err);
}

static enum err_code manifest_noted_at(struct meta_tx *tx, int64_t id, int64_t *since, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_GC_MANIFEST_SINCE, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, id);
	return noted_at(s, since, err);
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

static enum err_code review_link(struct meta_tx *tx, int64_t before, struct meta_gc_link *l, struct err *err)
{
	int64_t since;
	bool needed, linked;
	int64_t links;
	l->removed = l->freed = false;
	enum err_code rc = link_noted_at(tx, l, &since, err);
	if (rc || since == 0 || since >= before)
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
    struct meta_tx *tx, int64_t before, struct meta_gc_link *v, size_t n, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	enum err_code rc = ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < n; i++)
		rc = review_link(tx, before, &v[i], err);
	return rc;
}

enum err_code meta_tx_gc_keep_links(struct meta_tx *tx, struct slice repo, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_GC_LINKS_KEEP, &s, err);
	if (rc)
		return rc;
	stmt_text(s, 1, repo);
	return stmt_done(s, err);
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

enum err_code meta_gc_manifests_due(struct meta *m, enum meta_gc_reason why, int64_t before, size_t limit,
    struct arena *a, struct meta_gc_manifests *out, struct err *err)
{
	*out = (struct meta_gc_manifests){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_GC_MANIFESTS_DUE, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, why);
	stmt_int(r.stmt, 2, before);
	stmt_int(r.stmt, 3, (int64_t)limit);
	size_t cap = 0;
	for (bool row; out->n < limit; out->n++) {
		rc = read_step(&r, &row, err);
		if (rc || !row)
			return rc;
		out->v = arena_place(a, out->v, out->n, &cap, sizeof(*out->v));
		if (!out->v)
			return arena_full(err);
		struct meta_gc_manifest *g = &out->v[out->n];
		*g =
		    (struct meta_gc_manifest){.id = stmt_col_int(r.stmt, 0), .size = (uint64_t)stmt_col_int(r.stmt, 2)};
		rc = col_digest(r.stmt, 1, &g->digest, err);
		if (rc == ERR_OK)
			rc = col_copy(r.stmt, 3, a, &g->repo, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static enum err_code review_manifest(struct meta_tx *tx, int64_t before, struct meta_gc_manifest *g, struct err *err)
{
	int64_t since;
	bool needed;
	g->removed = false;
	enum err_code rc = manifest_noted_at(tx, g->id, &since, err);
	if (rc || since == 0 || since >= before)
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

enum err_code meta_tx_gc_review_manifests(
    struct meta_tx *tx, int64_t before, struct meta_gc_manifest *v, size_t n, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	enum err_code rc = ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < n; i++)
		rc = review_manifest(tx, before, &v[i], err);
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

/* Looks first, without the writer: hardly anything that is asked for is a candidate. */
static enum err_code touch(
    struct meta *m, enum query_id look, enum query_id write, struct slice repo, const struct digest *d, struct err *err)
{
	bool candidate;
	{
		CLEANUP(read_end) struct reading r = READING;
		enum err_code rc = read_begin(&r, m, look, err);
		if (rc)
			return rc;
		uint8_t packed[DIGEST_PACKED];
		stmt_text(r.stmt, 1, repo);
		stmt_digest(r.stmt, 2, d, packed);
		rc = read_step(&r, &candidate, err);
		if (rc)
			return rc;
	}
	struct touch t = {repo, d, write};
	return candidate ? meta_write(m, META_RELAXED, do_touch, &t, err) : ERR_OK;
}

enum err_code meta_gc_touch_blob(struct meta *m, struct slice repo, const struct digest *d, struct err *err)
{
	return touch(m, Q_GC_LINK_LOOK, Q_GC_LINK_TOUCH, repo, d, err);
}

enum err_code meta_gc_touch_manifest(struct meta *m, struct slice repo, const struct digest *d, struct err *err)
{
	return touch(m, Q_GC_MANIFEST_LOOK, Q_GC_MANIFEST_TOUCH, repo, d, err);
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
