/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.c - manifests: reading them by digest or tag, storing one together
 * with its references and tags, deleting one.
 */
#include "meta/meta.h"
#include "meta/meta_priv.h"

/* ---- reading -------------------------------------------------------------------- */

/* The columns MANIFEST_STAT_COLUMNS and MANIFEST_READ_COLUMNS of queries.c. */
enum { COL_DIGEST, COL_MEDIA_TYPE, COL_PUSHED_AT, COL_SIZE, COL_PAYLOAD };

enum err_code row_to_manifest(struct stmt *s, bool payload, struct arena *a, struct meta_manifest *out, struct err *err)
{
	enum err_code rc = col_digest(s, COL_DIGEST, &out->digest, err);
	if (rc == ERR_OK)
		rc = col_copy(s, COL_MEDIA_TYPE, a, &out->media_type, err);
	if (rc)
		return rc;
	out->pushed_at = stmt_col_int(s, COL_PUSHED_AT);
	size_t size = (size_t)stmt_col_int(s, COL_SIZE);
	if (!payload) {
		out->payload = (struct slice){NULL, size};
		return ERR_OK;
	}
	rc = col_copy(s, COL_PAYLOAD, a, &out->payload, err);
	if (rc)
		return rc;
	if (out->payload.n == size)
		return ERR_OK;
	char text[DIGEST_TEXT];
	return err_set(err, ERR_CORRUPT, "metadata: manifest %s has %zu bytes instead of %zu; restore a backup",
	    digest_format(&out->digest, text), out->payload.n, size);
}

/* The second parameter of the statement is bound by the caller. */
static enum err_code read_manifest(
    struct reading *r, bool payload, struct arena *a, struct meta_manifest *out, bool *found, struct err *err)
{
	enum err_code rc = read_step(r, found, err);
	if (rc || !*found)
		return rc;
	return row_to_manifest(r->stmt, payload, a, out, err);
}

static enum err_code no_such_manifest(struct slice repo, const struct digest *d, struct err *err)
{
	char text[DIGEST_TEXT];
	return err_set(
	    err, ERR_NOT_FOUND, "manifest %s is not in repository %.*s", digest_format(d, text), SLICE_ARG(repo));
}

enum err_code meta_manifest_get(struct meta *m, struct slice repo, const struct digest *d, bool payload,
    struct arena *a, struct meta_manifest *out, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, payload ? Q_MANIFEST_READ : Q_MANIFEST_STAT, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_text(r.stmt, 1, repo);
	stmt_digest(r.stmt, 2, d, packed);
	bool found;
	rc = read_manifest(&r, payload, a, out, &found, err);
	return rc || found ? rc : no_such_manifest(repo, d, err);
}

enum err_code meta_manifest_get_tag(struct meta *m, struct slice repo, struct slice tag, bool payload, struct arena *a,
    struct meta_manifest *out, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, payload ? Q_MANIFEST_READ_TAG : Q_MANIFEST_STAT_TAG, err);
	if (rc)
		return rc;
	stmt_text(r.stmt, 1, repo);
	stmt_text(r.stmt, 2, tag);
	bool found;
	rc = read_manifest(&r, payload, a, out, &found, err);
	if (rc || found)
		return rc;
	return err_set(err, ERR_NOT_FOUND, "tag %.*s is not in repository %.*s", SLICE_ARG(tag), SLICE_ARG(repo));
}

/* ---- storing -------------------------------------------------------------------- */

static enum err_code manifest_id(struct meta_tx *tx, int64_t repo, const struct digest *d, int64_t *id, struct err *err)
{
	*id = 0;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_MANIFEST_ID, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_int(s, 1, repo);
	stmt_digest(s, 2, d, packed);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc == ERR_OK && row)
		*id = stmt_col_int(s, 0);
	return rc;
}

static enum err_code blob_in_repo(
    struct meta_tx *tx, int64_t repo, const struct digest *d, bool *there, struct err *err)
{
	*there = false;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_REF_BLOB_GET, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_int(s, 1, repo);
	stmt_digest(s, 2, d, packed);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc == ERR_OK && row)
		*there = stmt_col_int(s, 1) != 0;
	return rc;
}

/* Marks what is missing. A repository that does not exist (0) has nothing. */
static enum err_code check_refs(struct meta_tx *tx, struct meta_manifest_put *p, int64_t repo, struct err *err)
{
	const struct meta_ref *first = NULL;
	p->nmissing = 0;
	for (size_t i = 0; i < p->nrefs; i++) {
		struct meta_ref *ref = &p->refs[i];
		bool there = false;
		int64_t child = 0;
		enum err_code rc = ref->kind == META_REF_CHILD ? manifest_id(tx, repo, &ref->digest, &child, err)
		                                               : blob_in_repo(tx, repo, &ref->digest, &there, err);
		if (rc)
			return rc;
		ref->missing = !there && !child;
		if (!ref->missing || !ref->required)
			continue;
		if (!first)
			first = ref;
		p->nmissing++;
	}
	if (!first)
		return ERR_OK;
	char text[DIGEST_TEXT];
	return err_set(err, ERR_NOT_FOUND, "%zu of the blobs and manifests it needs are not in repository %.*s: %s%s",
	    p->nmissing, SLICE_ARG(p->repo), digest_format(&first->digest, text), p->nmissing > 1 ? ", ..." : "");
}

static enum err_code add_manifest(
    struct meta_tx *tx, const struct meta_manifest_put *p, int64_t repo, int64_t *id, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_MANIFEST_ADD, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED], packed_subject[DIGEST_PACKED];
	stmt_int(s, 1, repo);
	stmt_digest(s, 2, &p->digest, packed);
	if (p->subject)
		stmt_digest(s, 3, p->subject, packed_subject);
	else
		stmt_null(s, 3);
	stmt_int(s, 4, (int64_t)p->payload.n);
	stmt_int(s, 5, tx->now);
	stmt_text(s, 6, p->media_type.p ? p->media_type : SLICE(""));
	stmt_text(s, 7, p->artifact_type);
	stmt_bytes(s, 8, p->descriptor);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc == ERR_OK)
		*id = stmt_col_int(s, 0);
	return rc;
}

static enum err_code add_payload(struct meta_tx *tx, int64_t id, struct slice payload, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_PAYLOAD_ADD, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, id);
	stmt_bytes(s, 2, payload.p ? payload : SLICE(""));
	return stmt_done(s, err);
}

static enum err_code add_child(
    struct meta_tx *tx, int64_t repo, int64_t id, const struct digest *child, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_REF_CHILD_ADD, &s, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_int(s, 1, id);
	stmt_digest(s, 2, child, packed);
	stmt_int(s, 3, repo);
	rc = stmt_done(s, err);
	return rc ? rc : tx_gc_child_needed(tx, repo, child, err);
}

static enum err_code add_blob_ref(
    struct meta_tx *tx, int64_t repo, int64_t id, const struct meta_ref *ref, struct err *err)
{
	int64_t blob;
	enum err_code rc = tx_blob_ensure(tx, &ref->digest, &blob, err);
	if (rc)
		return rc;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	rc = stmt_get(tx->conn, Q_REF_BLOB_ADD, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, id);
	stmt_int(s, 2, blob);
	stmt_int(s, 3, ref->kind);
	stmt_int(s, 4, repo);
	rc = stmt_done(s, err);
	return rc ? rc : tx_gc_link_needed(tx, repo, blob, err);
}

static enum err_code store(
    struct meta_tx *tx, const struct meta_manifest_put *p, int64_t repo, int64_t *id, struct err *err)
{
	enum err_code rc = add_manifest(tx, p, repo, id, err);
	if (rc == ERR_OK)
		rc = add_payload(tx, *id, p->payload, err);
	for (size_t i = 0; rc == ERR_OK && i < p->nrefs; i++) {
		const struct meta_ref *ref = &p->refs[i];
		rc = ref->kind == META_REF_CHILD ? add_child(tx, repo, *id, &ref->digest, err)
		                                 : add_blob_ref(tx, repo, *id, ref, err);
	}
	if (rc == ERR_OK)
		tx->delta.manifests++;
	return rc;
}

enum err_code meta_tx_manifest_put(struct meta_tx *tx, struct meta_manifest_put *p, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	int64_t repo, id = 0;
	bool listed;
	p->nmissing = 0;
	enum err_code rc = tx_repo_find(tx, p->repo, &repo, &listed, err);
	if (rc == ERR_OK && repo)
		rc = manifest_id(tx, repo, &p->digest, &id, err);
	if (rc)
		return rc;
	rc = check_refs(tx, p, repo, err);
	if (rc == ERR_OK && !repo)
		rc = tx_repo_ensure(tx, p->repo, &repo, &listed, err);
	if (rc == ERR_OK)
		rc = id ? tx_gc_manifest_again(tx, id, err) : store(tx, p, repo, &id, err);
	if (rc == ERR_OK && !listed)
		rc = tx_repo_list(tx, repo, err);
	for (size_t i = 0; rc == ERR_OK && i < p->ntags; i++)
		rc = tx_tag_set(tx, repo, p->tags[i], id, err);
	return rc ? rc : tx_gc_manifest_changed(tx, id, true, err);
}

/* The ids of a manifest that must be there: ERR_NOT_FOUND. */
static enum err_code stored_manifest(
    struct meta_tx *tx, struct slice repo, const struct digest *d, int64_t *repo_id, int64_t *id, struct err *err)
{
	*id = 0;
	enum err_code rc = tx_repo_find(tx, repo, repo_id, NULL, err);
	if (rc == ERR_OK && *repo_id)
		rc = manifest_id(tx, *repo_id, d, id, err);
	if (rc)
		return rc;
	return *id ? ERR_OK : no_such_manifest(repo, d, err);
}

enum err_code meta_tx_tag_put(
    struct meta_tx *tx, struct slice repo, struct slice tag, const struct digest *d, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	int64_t repo_id, id;
	enum err_code rc = stored_manifest(tx, repo, d, &repo_id, &id, err);
	if (rc)
		return rc;
	rc = tx_tag_set(tx, repo_id, tag, id, err);
	return rc ? rc : tx_gc_manifest_changed(tx, id, false, err);
}

enum err_code meta_tx_manifest_filed(struct meta_tx *tx, struct slice repo, const struct digest *d, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	int64_t repo_id, id, blob;
	enum err_code rc = stored_manifest(tx, repo, d, &repo_id, &id, err);
	if (rc)
		return rc;
	rc = add_blob_ref(tx, repo_id, id, &(struct meta_ref){.kind = META_REF_FILE, .digest = *d}, err);
	if (rc == ERR_OK)
		rc = tx_blob_ensure(tx, d, &blob, err);
	return rc ? rc : tx_gc_blob_arrived(tx, blob, err);
}

/* ---- deleting ------------------------------------------------------------------- */

/* Runs a statement whose only parameter is the manifest. */
static enum err_code by_manifest(
    struct meta_tx *tx, enum query_id q, int64_t manifest, int64_t *changes, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, q, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, manifest);
	rc = stmt_done(s, err);
	if (rc == ERR_OK)
		*changes = stmt_changes(s);
	return rc;
}

enum err_code meta_tx_manifest_delete(struct meta_tx *tx, struct slice repo, const struct digest *d, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	int64_t repo_id, id, tags, manifests;
	enum err_code rc = stored_manifest(tx, repo, d, &repo_id, &id, err);
	if (rc)
		return rc;
	rc = tx_gc_manifest_going(tx, repo_id, id, d, err);
	if (rc == ERR_OK)
		rc = by_manifest(tx, Q_TAGS_UNTAG, id, &tags, err);
	if (rc == ERR_OK)
		rc = by_manifest(tx, Q_MANIFEST_DELETE, id, &manifests, err);
	if (rc)
		return rc;
	tx->delta.tags -= tags;
	tx->delta.manifests -= manifests;
	return ERR_OK;
}
