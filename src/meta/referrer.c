/* SPDX-License-Identifier: Apache-2.0 */
/*
 * referrer.c - the list of manifests that point to a subject.
 */
#include "meta/meta.h"
#include "meta/meta_priv.h"

/* A page is an image index, and clients read no more than the 4 MiB that any
 * manifest may have: what is left of them goes to its frame. */
#define PAGE_BYTES (((size_t)4 << 20) - 4096)

static enum err_code add(struct meta_referrers *out, size_t *cap, struct stmt *s, struct arena *a, struct err *err)
{
	out->descriptors = arena_place(a, out->descriptors, out->n, cap, sizeof(*out->descriptors));
	if (!out->descriptors)
		return arena_full(err);
	enum err_code rc = col_copy(s, 1, a, &out->descriptors[out->n], err);
	if (rc)
		return rc;
	out->n++;
	out->next = stmt_col_int(s, 0);
	return ERR_OK;
}

static enum err_code read_all(
    struct reading *r, size_t limit, struct arena *a, struct meta_referrers *out, struct err *err)
{
	size_t cap = 0, bytes = 0;
	for (;;) {
		bool row;
		enum err_code rc = read_step(r, &row, err);
		if (rc || !row)
			return rc;
		bytes += stmt_col(r->stmt, 1).n + 1;
		if (out->n == limit || (out->n > 0 && bytes > PAGE_BYTES)) {
			out->more = true;
			return ERR_OK;
		}
		rc = add(out, &cap, r->stmt, a, err);
		if (rc)
			return rc;
	}
}

enum err_code meta_referrers(struct meta *m, struct slice repo, const struct digest *d, struct slice artifact_type,
    int64_t after, size_t limit, struct arena *a, struct meta_referrers *out, struct err *err)
{
	*out = (struct meta_referrers){.next = after};
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = read_begin(&r, m, artifact_type.p ? Q_REFERRERS_OF_TYPE : Q_REFERRERS, err);
	if (rc)
		return rc;
	uint8_t packed[DIGEST_PACKED];
	stmt_text(r.stmt, 1, repo);
	stmt_digest(r.stmt, 2, d, packed);
	stmt_int(r.stmt, 3, after);
	if (artifact_type.p)
		stmt_text(r.stmt, 4, artifact_type);
	stmt_int(r.stmt, artifact_type.p ? 5 : 4, rows_for(limit));
	return read_all(&r, limit, a, out, err);
}
