/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload.c - uploads in progress: who started what, when. The bytes and how
 * many there are is the storage's business.
 */
#include "meta/meta.h"
#include "meta/meta_priv.h"

enum err_code meta_tx_upload_create(struct meta_tx *tx, const struct meta_upload *u, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_UPLOAD_ADD, &s, err);
	if (rc)
		return rc;
	stmt_text(s, 1, slice_cstr(u->id));
	stmt_text(s, 2, u->repo);
	stmt_int(s, 3, u->alg);
	stmt_int(s, 4, u->started_at);
	rc = stmt_done(s, err);
	if (rc || stmt_changes(s) > 0)
		return rc;
	return err_set(err, ERR_EXISTS, "upload %s exists already", u->id);
}

static enum err_code no_such_upload(const char *id, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "upload %s is not known", id);
}

enum err_code meta_tx_upload_delete(struct meta_tx *tx, const char *id, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_UPLOAD_DELETE, &s, err);
	if (rc)
		return rc;
	stmt_text(s, 1, slice_cstr(id));
	rc = stmt_done(s, err);
	if (rc || stmt_changes(s) > 0)
		return rc;
	return no_such_upload(id, err);
}

static enum err_code row_to_upload(struct stmt *s, struct arena *a, struct meta_upload *out, struct err *err)
{
	int64_t alg = stmt_col_int(s, 2);
	if (!slice_to_cstr(stmt_col(s, 0), out->id, sizeof(out->id)) || (alg != DIGEST_SHA256 && alg != DIGEST_SHA512))
		return err_set(err, ERR_CORRUPT, "metadata: a stored upload is malformed; restore a backup");
	out->alg = (enum digest_alg)alg;
	out->started_at = stmt_col_int(s, 3);
	return col_copy(s, 1, a, &out->repo, err);
}

enum err_code meta_upload_get(struct meta *m, const char *id, struct arena *a, struct meta_upload *out, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_UPLOAD_GET, err);
	if (rc)
		return rc;
	stmt_text(r.stmt, 1, slice_cstr(id));
	bool row;
	rc = read_step(&r, &row, err);
	if (rc)
		return rc;
	return row ? row_to_upload(r.stmt, a, out, err) : no_such_upload(id, err);
}

static enum err_code add(struct meta_uploads *out, size_t *cap, struct stmt *s, struct arena *a, struct err *err)
{
	out->v = arena_place(a, out->v, out->n, cap, sizeof(*out->v));
	if (!out->v)
		return arena_full(err);
	enum err_code rc = row_to_upload(s, a, &out->v[out->n], err);
	if (rc == ERR_OK)
		out->n++;
	return rc;
}

enum err_code meta_uploads_before(
    struct meta *m, int64_t before, size_t limit, struct arena *a, struct meta_uploads *out, struct err *err)
{
	*out = (struct meta_uploads){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_UPLOADS_BEFORE, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, before);
	stmt_int(r.stmt, 2, limit >= INT32_MAX ? INT32_MAX : (int64_t)limit);
	size_t cap = 0;
	bool row = true;
	while (rc == ERR_OK && row) {
		rc = read_step(&r, &row, err);
		if (rc == ERR_OK && row)
			rc = add(out, &cap, r.stmt, a, err);
	}
	return rc;
}
