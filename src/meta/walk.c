/* SPDX-License-Identifier: Apache-2.0 */
/* walk.c - going through everything page by page; see walk.h. */
#include "meta/walk.h"
#include "meta/meta_priv.h"

/* Reads one row into its place of the page. */
typedef enum err_code row_fn(struct stmt *s, struct arena *a, void *place, struct err *err);

/* A page of at most `limit` rows of `size` bytes each, into *v and *n. */
static enum err_code read_page(
    struct reading *r, size_t limit, struct arena *a, row_fn *fn, size_t size, void *v, size_t *n, struct err *err)
{
	void **array = v;
	size_t cap = 0;
	for (bool row; *n < limit; (*n)++) {
		enum err_code rc = read_step(r, &row, err);
		if (rc || !row)
			return rc;
		*array = arena_place(a, *array, *n, &cap, size);
		if (!*array)
			return arena_full(err);
		rc = fn(r->stmt, a, (char *)*array + *n * size, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static enum err_code row_blob(struct stmt *s, struct arena *a, void *place, struct err *err)
{
	struct meta_walk_blob *b = place;
	b->id = stmt_col_int(s, 0);
	b->size = (uint64_t)stmt_col_int(s, 2);
	return col_digest(s, 1, &b->digest, err);
}

enum err_code meta_walk_blobs(
    struct meta *m, int64_t after, size_t limit, struct arena *a, struct meta_walk_blobs *out, struct err *err)
{
	*out = (struct meta_walk_blobs){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_WALK_BLOBS, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, after);
	stmt_int(r.stmt, 2, (int64_t)limit);
	return read_page(&r, limit, a, row_blob, sizeof(*out->v), &out->v, &out->n, err);
}

static enum err_code row_manifest(struct stmt *s, struct arena *a, void *place, struct err *err)
{
	struct meta_walk_manifest *w = place;
	enum { COL_ID = 5, COL_REPO };
	w->id = stmt_col_int(s, COL_ID);
	enum err_code rc = row_to_manifest(s, true, a, &w->manifest, err);
	return rc ? rc : col_copy(s, COL_REPO, a, &w->repo, err);
}

enum err_code meta_walk_manifests(
    struct meta *m, int64_t after, size_t limit, struct arena *a, struct meta_walk_manifests *out, struct err *err)
{
	*out = (struct meta_walk_manifests){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_WALK_MANIFESTS, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, after);
	stmt_int(r.stmt, 2, (int64_t)limit);
	return read_page(&r, limit, a, row_manifest, sizeof(*out->v), &out->v, &out->n, err);
}

static enum err_code row_digest(struct stmt *s, struct arena *a, void *place, struct err *err)
{
	return col_digest(s, 0, place, err);
}

enum err_code meta_walk_unlinked(
    struct meta *m, int64_t manifest, struct arena *a, struct meta_walk_unlinked *out, struct err *err)
{
	*out = (struct meta_walk_unlinked){NULL, 0, SLICE_NONE};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_WALK_UNLINKED, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, manifest);
	rc = read_page(&r, SIZE_MAX, a, row_digest, sizeof(*out->v), &out->v, &out->n, err);
	if (rc || out->n == 0)
		return rc;
	rc = read_also(&r, Q_TAG_OF_MANIFEST, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, manifest);
	bool row;
	rc = read_step(&r, &row, err);
	return rc || !row ? rc : col_copy(r.stmt, 0, a, &out->tag, err);
}

static enum err_code row_repo(struct stmt *s, struct arena *a, void *place, struct err *err)
{
	struct meta_walk_repo *w = place;
	w->id = stmt_col_int(s, 0);
	return col_copy(s, 1, a, &w->name, err);
}

enum err_code meta_walk_repos(
    struct meta *m, int64_t after, size_t limit, struct arena *a, struct meta_walk_repos *out, struct err *err)
{
	*out = (struct meta_walk_repos){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_WALK_REPOS, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, after);
	stmt_int(r.stmt, 2, (int64_t)limit);
	return read_page(&r, limit, a, row_repo, sizeof(*out->v), &out->v, &out->n, err);
}

enum err_code meta_walk_links(struct meta *m, int64_t repo, int64_t after, size_t limit, struct arena *a,
    struct meta_walk_blobs *out, struct err *err)
{
	*out = (struct meta_walk_blobs){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_WALK_LINKS, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, repo);
	stmt_int(r.stmt, 2, after);
	stmt_int(r.stmt, 3, (int64_t)limit);
	return read_page(&r, limit, a, row_blob, sizeof(*out->v), &out->v, &out->n, err);
}

static enum err_code row_tag(struct stmt *s, struct arena *a, void *place, struct err *err)
{
	struct meta_walk_tag *t = place;
	enum err_code rc = col_copy(s, 0, a, &t->name, err);
	return rc ? rc : col_digest(s, 1, &t->digest, err);
}

enum err_code meta_walk_tags(struct meta *m, int64_t repo, struct slice after, size_t limit, struct arena *a,
    struct meta_walk_tags *out, struct err *err)
{
	*out = (struct meta_walk_tags){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_WALK_TAGS, err);
	if (rc)
		return rc;
	stmt_int(r.stmt, 1, repo);
	stmt_text(r.stmt, 2, after.p ? after : SLICE(""));
	stmt_int(r.stmt, 3, (int64_t)limit);
	return read_page(&r, limit, a, row_tag, sizeof(*out->v), &out->v, &out->n, err);
}

/* ---- blobs ------------------------------------------------------------------------- */

static enum err_code row_user(struct stmt *s, struct arena *a, void *place, struct err *err)
{
	struct meta_blob_user *u = place;
	enum err_code rc = col_copy(s, 0, a, &u->repo, err);
	if (rc == ERR_OK)
		rc = col_digest(s, 1, &u->manifest, err);
	return rc ? rc : col_copy(s, 2, a, &u->tag, err);
}

enum err_code meta_blob_users(
    struct meta *m, const struct digest *d, size_t limit, struct arena *a, struct meta_blob_users *out, struct err *err)
{
	*out = (struct meta_blob_users){NULL, 0};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_BLOB_USERS, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_digest(r.stmt, 1, d, packed);
	stmt_int(r.stmt, 2, (int64_t)limit);
	return read_page(&r, limit, a, row_user, sizeof(*out->v), &out->v, &out->n, err);
}

enum err_code meta_blob_known(struct meta *m, const struct digest *d, uint64_t *size, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_BLOB_GET, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_digest(r.stmt, 1, d, packed);
	bool row;
	rc = read_step(&r, &row, err);
	if (rc)
		return rc;
	char text[DIGEST_TEXT];
	if (!row || stmt_col_int(r.stmt, 2) != 0)
		return err_set(err, ERR_NOT_FOUND, "blob %s is not known", digest_format(d, text));
	*size = (uint64_t)stmt_col_int(r.stmt, 1);
	return ERR_OK;
}

/* ---- state ------------------------------------------------------------------------- */

enum err_code meta_state_get(struct meta *m, struct slice name, struct arena *a, struct slice *value, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, Q_STATE_GET, err);
	if (rc)
		return rc;
	stmt_text(r.stmt, 1, name);
	bool row;
	rc = read_step(&r, &row, err);
	if (rc)
		return rc;
	if (!row)
		return err_set(err, ERR_NOT_FOUND, "the metadata holds no '%.*s'", SLICE_ARG(name));
	return col_copy(r.stmt, 0, a, value, err);
}

enum err_code meta_tx_state_set(struct meta_tx *tx, struct slice name, struct slice value, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, value.p ? Q_STATE_SET : Q_STATE_DELETE, &s, err);
	if (rc)
		return rc;
	stmt_text(s, 1, name);
	if (value.p)
		stmt_text(s, 2, value);
	return stmt_done(s, err);
}

enum err_code meta_tx_state_clear(struct meta_tx *tx, struct slice prefix, struct err *err)
{
	OBJ_CHECK(tx, META_TX_MAGIC);
	char end[256];
	if (prefix.n == 0 || !slice_to_cstr(prefix, end, sizeof(end)))
		return err_set(err, ERR_INVALID, "metadata: '%.*s' is no prefix of a name", SLICE_ARG(prefix));
	end[prefix.n - 1]++; /* the first name behind all that start with it */
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(tx->conn, Q_STATE_CLEAR, &s, err);
	if (rc)
		return rc;
	stmt_text(s, 1, prefix);
	stmt_text(s, 2, slice_cstr(end));
	return stmt_done(s, err);
}

/* ---- backup ------------------------------------------------------------------------ */

enum err_code meta_backup(struct meta *m, const char *path, struct err *err)
{
	struct conn *c = NULL;
	OBJ_CHECK(m, META_MAGIC);
	/* A connection of its own: a copy of a large database takes its time. */
	enum err_code rc = conn_open(m->engine, CONN_READ, &c, err);
	if (rc == ERR_OK)
		rc = conn_backup(c, path, err);
	conn_close(&c);
	return rc;
}
