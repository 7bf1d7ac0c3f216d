/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag.c - setting and removing tags. Reading one is reading its manifest
 * (manifest.c); listing them is in repo.c.
 */
#include "meta/meta.h"
#include "meta/meta_priv.h"

/* The manifest a tag points to, 0 when there is no such tag. */
static enum err_code tag_get(struct meta_tx *tx, int64_t repo, struct slice tag, int64_t *manifest, struct err *err)
{
	*manifest = 0;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_TAG_GET, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, repo);
	stmt_text(s, 2, tag);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc == ERR_OK && row)
		*manifest = stmt_col_int(s, 0);
	return rc;
}

static enum err_code tag_add(struct meta_tx *tx, int64_t repo, struct slice tag, int64_t manifest, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_TAG_ADD, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, repo);
	stmt_text(s, 2, tag);
	stmt_int(s, 3, manifest);
	stmt_int(s, 4, tx->now);
	rc = stmt_done(s, err);
	if (rc == ERR_OK)
		tx->delta.tags++;
	return rc;
}

enum err_code tx_tag_set(struct meta_tx *tx, int64_t repo, struct slice tag, int64_t manifest, struct err *err)
{
	int64_t before;
	enum err_code rc = tag_get(tx, repo, tag, &before, err);
	if (rc)
		return rc;
	if (!before)
		return tag_add(tx, repo, tag, manifest, err);
	if (before == manifest)
		return ERR_OK;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	rc = stmt_get(tx->conn, Q_TAG_MOVE, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, manifest);
	stmt_int(s, 2, tx->now);
	stmt_int(s, 3, repo);
	stmt_text(s, 4, tag);
	rc = stmt_done(s, err);
	return rc ? rc : tx_gc_manifest_changed(tx, before, false, err);
}

enum err_code meta_tx_tag_delete(struct meta_tx *tx, struct slice repo, struct slice tag, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	int64_t repo_id, manifest = 0, removed = 0;
	enum err_code rc = tx_repo_find(tx, repo, &repo_id, NULL, err);
	if (rc == ERR_OK && repo_id)
		rc = tag_get(tx, repo_id, tag, &manifest, err);
	if (rc)
		return rc;
	if (manifest) {
		CLEANUP(stmt_end) struct stmt *s = NULL;
		rc = stmt_get(tx->conn, Q_TAG_DELETE, &s, err);
		if (rc)
			return rc;
		stmt_int(s, 1, repo_id);
		stmt_text(s, 2, tag);
		rc = stmt_done(s, err);
		if (rc)
			return rc;
		removed = stmt_changes(s);
	}
	if (!removed)
		return err_set(
		    err, ERR_NOT_FOUND, "tag %.*s is not in repository %.*s", SLICE_ARG(tag), SLICE_ARG(repo));
	tx->delta.tags -= removed;
	return tx_gc_manifest_changed(tx, manifest, false, err);
}
