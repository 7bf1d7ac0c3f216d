/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blob.c - which blobs are here, and which repository may read them.
 */
#include "meta/meta.h"
#include "meta/meta_priv.h"

static enum err_code not_in_repo(struct slice repo, const struct digest *d, struct err *err)
{
	char text[DIGEST_TEXT];
	return err_set(
	    err, ERR_NOT_FOUND, "blob %s is not in repository %.*s", digest_format(d, text), SLICE_ARG(repo));
}

/* ---- reading -------------------------------------------------------------------- */

enum err_code meta_blob_get(
    struct meta *m, struct slice repo, const struct digest *d, struct meta_blob *out, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_BLOB_OF_REPO, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_text(r.stmt, 1, repo);
	stmt_digest(r.stmt, 2, d, packed);
	bool row;
	rc = read_step(&r, &row, err);
	if (rc)
		return rc;
	if (!row)
		return not_in_repo(repo, d, err);
	out->digest = *d;
	out->size = (uint64_t)stmt_col_int(r.stmt, 0);
	return ERR_OK;
}

enum err_code meta_blob_find(
    struct meta *m, const struct digest *d, struct arena *a, struct meta_blob *out, struct slice *repo, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_BLOB_ANYWHERE, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_digest(r.stmt, 1, d, packed);
	bool row;
	rc = read_step(&r, &row, err);
	if (rc)
		return rc;
	if (!row) {
		char text[DIGEST_TEXT];
		return err_set(err, ERR_NOT_FOUND, "blob %s is not in any repository", digest_format(d, text));
	}
	out->digest = *d;
	out->size = (uint64_t)stmt_col_int(r.stmt, 0);
	return col_copy(r.stmt, 1, a, repo, err);
}

/* ---- writing -------------------------------------------------------------------- */

struct blob_row {
	int64_t id; /* 0: no such row */
	int64_t size;
	bool absent; /* the row is there, the bytes are not */
};

static enum err_code blob_row_get(struct meta_tx *tx, const struct digest *d, struct blob_row *out, struct err *err)
{
	*out = (struct blob_row){0, 0, false};
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_BLOB_GET, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_digest(s, 1, d, packed);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc || !row)
		return rc;
	*out = (struct blob_row){stmt_col_int(s, 0), stmt_col_int(s, 1), stmt_col_int(s, 2) != 0};
	return ERR_OK;
}

/* size < 0: the bytes are not here. */
static enum err_code blob_row_add(
    struct meta_tx *tx, const struct digest *d, int64_t size, int64_t *id, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_BLOB_ADD, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_digest(s, 1, d, packed);
	if (size < 0)
		stmt_null(s, 2);
	else
		stmt_int(s, 2, size);
	stmt_int(s, 3, tx->now);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc == ERR_OK)
		*id = stmt_col_int(s, 0);
	return rc;
}

static enum err_code blob_row_arrived(struct meta_tx *tx, int64_t id, int64_t size, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_BLOB_ARRIVED, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, size);
	stmt_int(s, 2, tx->now);
	stmt_int(s, 3, id);
	return stmt_done(s, err);
}

enum err_code tx_blob_ensure(struct meta_tx *tx, const struct digest *d, int64_t *id, struct err *err)
{
	struct blob_row row;
	enum err_code rc = blob_row_get(tx, d, &row, err);
	if (rc)
		return rc;
	*id = row.id;
	return row.id ? ERR_OK : blob_row_add(tx, d, -1, id, err);
}

static enum err_code check_size(const struct meta_blob *b, struct err *err)
{
	char text[DIGEST_TEXT];
	if (b->size <= INT64_MAX)
		return ERR_OK;
	return err_set(err, ERR_TOO_LARGE, "blob %s: %llu bytes are more than can be recorded",
	    digest_format(&b->digest, text), (unsigned long long)b->size);
}

/* The row of a blob that is here has a size that is not its own. */
static enum err_code blob_row_resize(struct meta_tx *tx, const struct blob_row *row, int64_t size, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_BLOB_RESIZE, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, size);
	stmt_int(s, 2, row->id);
	rc = stmt_done(s, err);
	if (rc == ERR_OK)
		tx->delta.blob_bytes += size - row->size;
	return rc;
}

enum err_code meta_tx_blob_resize(struct meta_tx *tx, const struct meta_blob *b, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	struct blob_row row;
	enum err_code rc = check_size(b, err);
	if (rc == ERR_OK)
		rc = blob_row_get(tx, &b->digest, &row, err);
	if (rc)
		return rc;
	char text[DIGEST_TEXT];
	if (!row.id || row.absent)
		return err_set(err, ERR_NOT_FOUND, "blob %s is not known", digest_format(&b->digest, text));
	return blob_row_resize(tx, &row, (int64_t)b->size, err);
}

/* The row of a blob whose bytes are here now, with this size. */
static enum err_code blob_row_present(
    struct meta_tx *tx, const struct meta_blob *b, bool hashed, int64_t *id, struct err *err)
{
	struct blob_row row;
	enum err_code rc = check_size(b, err);
	if (rc == ERR_OK)
		rc = blob_row_get(tx, &b->digest, &row, err);
	if (rc)
		return rc;
	int64_t size = (int64_t)b->size;
	*id = row.id;
	if (row.id && !row.absent) {
		if (row.size == size)
			return ERR_OK;
		if (hashed)
			return blob_row_resize(tx, &row, size, err);
		char text[DIGEST_TEXT];
		return err_set(err, ERR_MISMATCH,
		    "blob %s is known with %lld bytes, not %lld; one of the two files is damaged",
		    digest_format(&b->digest, text), (long long)row.size, (long long)size);
	}
	rc = row.id ? blob_row_arrived(tx, row.id, size, err) : blob_row_add(tx, &b->digest, size, id, err);
	if (rc == ERR_OK && row.id)
		rc = tx_gc_blob_arrived(tx, row.id, err);
	if (rc == ERR_OK) {
		tx->delta.blobs++;
		tx->delta.blob_bytes += size;
	}
	return rc;
}

/* Until a manifest needs it, the blob is a candidate that somebody counts on. */
static enum err_code link_add(struct meta_tx *tx, int64_t repo, int64_t blob, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_LINK_ADD, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, repo);
	stmt_int(s, 2, blob);
	stmt_int(s, 3, tx->now);
	rc = stmt_done(s, err);
	return rc ? rc : tx_gc_promise_link(tx, repo, blob, err);
}

static enum err_code blob_link(
    struct meta_tx *tx, struct slice repo, const struct meta_blob *b, bool hashed, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	int64_t repo_id, blob_id;
	enum err_code rc = blob_row_present(tx, b, hashed, &blob_id, err);
	if (rc == ERR_OK)
		rc = tx_repo_ensure(tx, repo, &repo_id, NULL, err);
	if (rc == ERR_OK)
		rc = link_add(tx, repo_id, blob_id, err);
	return rc;
}

enum err_code meta_tx_blob_link(struct meta_tx *tx, struct slice repo, const struct meta_blob *b, struct err *err)
{
	return blob_link(tx, repo, b, true, err);
}

enum err_code meta_tx_blob_link_unhashed(
    struct meta_tx *tx, struct slice repo, const struct meta_blob *b, struct err *err)
{
	return blob_link(tx, repo, b, false, err);
}

/* What the repository may read, by the ids of both. */
static enum err_code link_get(struct meta_tx *tx, struct slice repo, const struct digest *d, int64_t *repo_id,
    struct blob_row *blob, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_BLOB_OF_REPO, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_text(s, 1, repo);
	stmt_digest(s, 2, d, packed);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc)
		return rc;
	if (!row)
		return not_in_repo(repo, d, err);
	*blob = (struct blob_row){.size = stmt_col_int(s, 0), .id = stmt_col_int(s, 2)};
	*repo_id = stmt_col_int(s, 1);
	return ERR_OK;
}

enum err_code meta_tx_blob_mount(struct meta_tx *tx, struct slice from, struct slice to, const struct digest *d,
    struct meta_blob *out, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	int64_t from_id, to_id;
	struct blob_row blob;
	enum err_code rc = link_get(tx, from, d, &from_id, &blob, err);
	if (rc == ERR_OK)
		rc = tx_repo_ensure(tx, to, &to_id, NULL, err);
	if (rc == ERR_OK)
		rc = link_add(tx, to_id, blob.id, err);
	if (rc)
		return rc;
	out->digest = *d;
	out->size = (uint64_t)blob.size;
	return ERR_OK;
}

enum err_code meta_tx_blob_unlink(struct meta_tx *tx, struct slice repo, const struct digest *d, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	int64_t repo_id;
	struct blob_row blob;
	enum err_code rc = link_get(tx, repo, d, &repo_id, &blob, err);
	if (rc)
		return rc;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	rc = stmt_get(tx->conn, Q_LINK_DELETE, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, repo_id);
	stmt_int(s, 2, blob.id);
	rc = stmt_done(s, err);
	return rc ? rc : tx_gc_note_link(tx, repo_id, blob.id, err);
}
