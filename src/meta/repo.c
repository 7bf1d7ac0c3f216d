/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo.c - repositories and the lists of names: the catalog and the tags of a
 * repository, each a walk along an index from where the last page ended.
 */
#include "meta/meta.h"
#include "meta/meta_priv.h"

enum err_code tx_repo_find(struct meta_tx *tx, struct slice repo, int64_t *id, bool *listed, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	*id = 0;
	if (listed)
		*listed = false;
	enum err_code rc = stmt_get(tx->conn, Q_REPO_GET, &s, err);
	if (rc)
		return rc;
	stmt_text(s, 1, repo);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc || !row)
		return rc;
	*id = stmt_col_int(s, 0);
	if (listed)
		*listed = stmt_col_int(s, 1) != 0;
	return ERR_OK;
}

enum err_code tx_repo_ensure(struct meta_tx *tx, struct slice repo, int64_t *id, bool *listed, struct err *err)
{
	enum err_code rc = tx_repo_find(tx, repo, id, listed, err);
	if (rc || *id)
		return rc;
	CLEANUP(stmt_end) struct stmt *s = NULL;
	rc = stmt_get(tx->conn, Q_REPO_ADD, &s, err);
	if (rc)
		return rc;
	stmt_text(s, 1, repo);
	stmt_int(s, 2, tx->now);
	bool row;
	rc = stmt_step(s, &row, err);
	if (rc)
		return rc;
	*id = stmt_col_int(s, 0);
	tx->delta.repositories++;
	return ERR_OK;
}

enum err_code tx_repo_list(struct meta_tx *tx, int64_t id, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_REPO_LIST, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, id);
	return stmt_done(s, err);
}

static enum err_code no_such_repo(struct slice repo, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "repository %.*s is not known", SLICE_ARG(repo));
}

/* Looks the repository up on the connection of `r`. */
static enum err_code read_repo(struct reading *r, struct slice repo, int64_t *id, bool *listed, struct err *err)
{
	stmt_text(r->stmt, 1, repo);
	bool row;
	enum err_code rc = read_step(r, &row, err);
	if (rc)
		return rc;
	if (!row)
		return no_such_repo(repo, err);
	*id = stmt_col_int(r->stmt, 0);
	*listed = stmt_col_int(r->stmt, 1) != 0;
	return ERR_OK;
}

enum err_code meta_repo_exists(struct meta *m, struct slice repo, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_REPO_GET, err);
	if (rc)
		return rc;
	int64_t id;
	bool listed;
	return read_repo(&r, repo, &id, &listed, err);
}

/* ---- pages of names ------------------------------------------------------------ */

static enum err_code add_name(struct meta_names *out, size_t *cap, struct stmt *s, struct arena *a, struct err *err)
{
	out->v = arena_place(a, out->v, out->n, cap, sizeof(*out->v));
	if (!out->v)
		return arena_full(err);
	enum err_code rc = col_copy(s, 0, a, &out->v[out->n], err);
	if (rc == ERR_OK)
		out->n++;
	return rc;
}

/* Reads at most `limit` rows of one name each; the statement was asked for one
 * more, which tells whether there is a next page. */
static enum err_code read_names(
    struct reading *r, size_t limit, struct arena *a, struct meta_names *out, struct err *err)
{
	size_t cap = 0;
	for (;;) {
		bool row;
		enum err_code rc = read_step(r, &row, err);
		if (rc || !row)
			return rc;
		if (out->n == limit) {
			out->more = true;
			return ERR_OK;
		}
		rc = add_name(out, &cap, r->stmt, a, err);
		if (rc)
			return rc;
	}
}

/* Names are never empty, so everything is behind the empty one. */
static struct slice behind(struct slice last)
{
	return last.p ? last : SLICE("");
}

enum err_code meta_tags(struct meta *m, struct slice repo, struct slice last, size_t limit, struct arena *a,
    struct meta_names *out, struct err *err)
{
	*out = (struct meta_names){NULL, 0, false};
	CLEANUP(read_end) struct reading r = READING;
	int64_t id = 0;
	bool listed = false;
	enum err_code rc = read_begin(&r, m, Q_REPO_GET, err);
	if (rc == ERR_OK)
		rc = read_repo(&r, repo, &id, &listed, err);
	if (rc)
		return rc;
	if (!listed)
		return no_such_repo(repo, err);
	rc = read_also(&r, Q_TAGS, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, id);
	stmt_text(r.stmt, 2, behind(last));
	stmt_int(r.stmt, 3, rows_for(limit));
	return read_names(&r, limit, a, out, err);
}

enum err_code meta_repos(
    struct meta *m, struct slice last, size_t limit, struct arena *a, struct meta_names *out, struct err *err)
{
	*out = (struct meta_names){NULL, 0, false};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_REPOS, err);
	if (rc)
		return rc;
	stmt_text(r.stmt, 1, behind(last));
	stmt_int(r.stmt, 2, rows_for(limit));
	return read_names(&r, limit, a, out, err);
}
