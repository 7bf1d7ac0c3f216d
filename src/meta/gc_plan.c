/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc_plan.c - a collection without its writes; see gc_plan.h.
 *
 * A candidate that is due goes when nothing that stays needs it. When it goes,
 * a collection notes its children, referrers and blobs anew, with the time of
 * that moment: these are due only where the rules say at once, whatever was
 * noted before. So they are marked and leave the list of what is due in the
 * database; the manifests among them wait in a queue until that list is
 * through, when each is looked at once for all that went before. Links are
 * looked at when no manifest can go any more, and blobs when no link can.
 */
#include "meta/gc_plan.h"
#include "base/pairs.h"
#include "meta/meta_priv.h"

#define BATCH 64
#define ARENA_MAX ((size_t)16 << 20)

/* of manifests */
#define GONE 1
#define RENEWED 2 /* noted anew because something went that it belonged to */
#define QUEUED 4
/* of links: RENEWED and */
#define PROMISED 4
#define REMOVED 8
/* of blobs */
#define UNLINKED 1 /* a repository gave it up */

struct plan {
	struct meta *meta;
	const struct meta_gc_plan_rules *rules;
	const struct meta_gc_plan_events *events;
	struct pairs manifests, links, blobs; /* by id; by repository and blob; by id */
	int64_t *queue;                       /* manifests to look at, [head, tail) */
	size_t head, tail, cap;
	struct arena arena;   /* of a batch */
	size_t steps, looked; /* in this batch; candidates among them */
	bool ended;
};

static enum err_code no_memory(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, "out of memory: the garbage is too much to be looked at at once");
}

static void step(struct plan *p, size_t candidates)
{
	p->looked += candidates;
	if (++p->steps < BATCH)
		return;
	p->ended = !p->events->batch(p->looked, p->events->arg) || p->ended;
	p->steps = p->looked = 0;
}

static bool gone(const struct plan *p, int64_t manifest)
{
	return pairs_get(&p->manifests, manifest, 0) & GONE;
}

/* ---- reading ---------------------------------------------------------------------- */

/* Reads a statement with two parameters, the second a number or a digest. */
static enum err_code begin(struct reading *r, struct plan *p, enum query_id q, int64_t a, int64_t b,
    const struct slice *digest, struct err *err)
{
	enum err_code rc = read_begin(r, p->meta, q, err);
	if (rc)
		return rc;
	stmt_int(r->stmt, 1, a);
	if (digest)
		stmt_bytes(r->stmt, 2, *digest);
	else if (b)
		stmt_int(r->stmt, 2, b);
	return ERR_OK;
}

/* Is there a row whose first column is a manifest that stays? */
static enum err_code any_stays(struct plan *p, struct reading *r, bool *any, struct err *err)
{
	*any = false;
	for (bool row; !*any;) {
		enum err_code rc = read_step(r, &row, err);
		if (rc || !row)
			return rc;
		*any = !gone(p, stmt_col_int(r->stmt, 0));
	}
	return ERR_OK;
}

/* ---- manifests -------------------------------------------------------------------- */

struct around {
	struct meta_gc_manifest manifest;
	int64_t repo_id;
	struct slice digest, subject; /* packed */
	bool there, tagged;
};

static enum err_code manifest_read(struct plan *p, int64_t id, struct around *out, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = begin(&r, p, Q_GC_PLAN_MANIFEST, id, 0, NULL, err);
	*out = (struct around){.manifest.id = id};
	if (rc == ERR_OK)
		rc = read_step(&r, &out->there, err);
	if (rc || !out->there)
		return rc;
	out->repo_id = stmt_col_int(r.stmt, 0);
	out->manifest.size = (uint64_t)stmt_col_int(r.stmt, 3);
	out->tagged = stmt_col_int(r.stmt, 5) != 0;
	rc = col_digest(r.stmt, 1, &out->manifest.digest, err);
	if (rc == ERR_OK)
		rc = col_copy(r.stmt, 1, &p->arena, &out->digest, err);
	if (rc == ERR_OK)
		rc = col_copy(r.stmt, 2, &p->arena, &out->subject, err);
	return rc ? rc : col_copy(r.stmt, 4, &p->arena, &out->manifest.repo, err);
}

static enum err_code stays(
    struct plan *p, enum query_id q, int64_t repo, const struct slice *digest, bool *any, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = begin(&r, p, q, repo, 0, digest, err);
	return rc ? rc : any_stays(p, &r, any, err);
}

/* As Q_GC_MANIFEST_NEEDED says it, without what is gone. */
static enum err_code manifest_needed(
    struct plan *p, const struct around *m, bool *needed, bool *has_subject, struct err *err)
{
	enum err_code rc = ERR_OK;
	*has_subject = false;
	*needed = m->tagged;
	if (!*needed)
		rc = stays(p, Q_GC_PLAN_PARENTS, m->repo_id, &m->digest, needed, err);
	if (rc || *needed || !m->subject.p)
		return rc;
	rc = stays(p, Q_MANIFEST_ID, m->repo_id, &m->subject, has_subject, err);
	*needed = *has_subject;
	return rc;
}

static enum err_code enqueue(struct plan *p, int64_t manifest, struct err *err)
{
	if (pairs_get(&p->manifests, manifest, 0) & (GONE | QUEUED))
		return ERR_OK;
	if (p->tail == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : BATCH;
		int64_t *larger = realloc(p->queue, cap * sizeof(*larger));
		if (!larger)
			return no_memory(err);
		p->queue = larger;
		p->cap = cap;
	}
	p->queue[p->tail++] = manifest;
	return pairs_mark(&p->manifests, manifest, 0, RENEWED | QUEUED) ? ERR_OK : no_memory(err);
}

static enum err_code enqueue_all(struct plan *p, struct reading *r, struct err *err)
{
	for (bool row;;) {
		enum err_code rc = read_step(r, &row, err);
		if (rc == ERR_OK && row)
			rc = enqueue(p, stmt_col_int(r->stmt, 0), err);
		if (rc || !row)
			return rc;
	}
}

static enum err_code renew_links(struct plan *p, struct reading *r, struct err *err)
{
	for (bool row;;) {
		enum err_code rc = read_step(r, &row, err);
		if (rc || !row)
			return rc;
		uint8_t marks = stmt_col_int(r->stmt, 2) ? RENEWED | PROMISED : RENEWED;
		if (!pairs_mark(&p->links, stmt_col_int(r->stmt, 0), stmt_col_int(r->stmt, 1), marks))
			return no_memory(err);
	}
}

/* As tx_gc_manifest_going. */
static enum err_code manifest_goes(struct plan *p, const struct around *m, struct err *err)
{
	CLEANUP(read_end) struct reading blobs = READING, children = READING, referrers = READING;
	if (!pairs_mark(&p->manifests, m->manifest.id, 0, GONE))
		return no_memory(err);
	p->events->manifest(&m->manifest, p->events->arg);
	enum err_code rc = begin(&blobs, p, Q_GC_PLAN_BLOBS, m->manifest.id, 0, NULL, err);
	if (rc == ERR_OK)
		rc = renew_links(p, &blobs, err);
	read_end(&blobs);
	if (rc == ERR_OK)
		rc = begin(&children, p, Q_GC_PLAN_CHILDREN, m->manifest.id, 0, NULL, err);
	if (rc == ERR_OK)
		rc = enqueue_all(p, &children, err);
	read_end(&children);
	if (rc == ERR_OK)
		rc = begin(&referrers, p, Q_GC_PLAN_REFERRERS, m->repo_id, 0, &m->digest, err);
	return rc ? rc : enqueue_all(p, &referrers, err);
}

static bool at_once(const struct meta_gc_due *due)
{
	return due->before == META_GC_AT_ONCE;
}

/* `renewed`: it was noted anew by what went, so its reason and time are of now. */
static enum err_code look_at_manifest(struct plan *p, int64_t id, bool renewed, struct err *err)
{
	struct around m;
	bool needed = true, has_subject = false;
	enum err_code rc = manifest_read(p, id, &m, err);
	step(p, 1);
	if (rc == ERR_OK && m.there)
		rc = manifest_needed(p, &m, &needed, &has_subject, err);
	if (rc || needed)
		return rc;
	if (renewed && !at_once(m.subject.p && !has_subject ? &p->rules->orphaned : &p->rules->untagged))
		return ERR_OK;
	return manifest_goes(p, &m, err);
}

/* The candidates of the database that are due. */
static enum err_code due_manifests(
    struct plan *p, enum meta_gc_reason why, bool promised, const struct meta_gc_due *due, struct err *err)
{
	struct meta_gc_manifest last = {.since = INT64_MIN};
	for (struct meta_gc_manifests page = {.n = BATCH}; page.n == BATCH && !p->ended;) {
		arena_reset(&p->arena);
		enum err_code rc =
		    meta_gc_manifests_due(p->meta, why, promised, due, &last, BATCH, &p->arena, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			if (pairs_get(&p->manifests, page.v[i].id, 0) == 0)
				rc = look_at_manifest(p, page.v[i].id, false, err);
		}
		if (rc)
			return rc;
		if (page.n)
			last = page.v[page.n - 1];
	}
	return ERR_OK;
}

static enum err_code queued_manifests(struct plan *p, struct err *err)
{
	enum err_code rc = ERR_OK;
	while (rc == ERR_OK && p->head < p->tail && !p->ended) {
		int64_t id = p->queue[p->head++];
		arena_reset(&p->arena);
		pairs_unmark(&p->manifests, id, 0, QUEUED);
		rc = look_at_manifest(p, id, true, err);
	}
	return rc;
}

static enum err_code plan_manifests(struct plan *p, struct err *err)
{
	enum err_code rc = ERR_OK;
	for (int promised = 0; rc == ERR_OK && promised < 2; promised++) {
		rc = due_manifests(p, META_GC_ORPHANED, promised, &p->rules->orphaned, err);
		if (rc == ERR_OK)
			rc = due_manifests(p, META_GC_UNTAGGED, promised, &p->rules->untagged, err);
	}
	return rc ? rc : queued_manifests(p, err);
}

/* ---- links ------------------------------------------------------------------------ */

static enum err_code look_at_link(struct plan *p, int64_t repo, int64_t blob, struct err *err)
{
	CLEANUP(read_end) struct reading users = READING, link = READING;
	bool needed = true, there;
	enum err_code rc = begin(&users, p, Q_GC_PLAN_USERS, blob, repo, NULL, err);
	step(p, 1);
	if (rc == ERR_OK)
		rc = any_stays(p, &users, &needed, err);
	read_end(&users);
	if (rc || needed)
		return rc;
	rc = begin(&link, p, Q_GC_PLAN_LINK, repo, blob, NULL, err);
	if (rc == ERR_OK)
		rc = read_step(&link, &there, err);
	if (rc)
		return rc;
	if (there)
		p->events->link(p->events->arg);
	if (!pairs_mark(&p->links, repo, blob, REMOVED) || !pairs_mark(&p->blobs, blob, 0, UNLINKED))
		return no_memory(err);
	return ERR_OK;
}

static enum err_code due_links(struct plan *p, bool promised, struct err *err)
{
	struct meta_gc_link last = {.since = INT64_MIN};
	for (struct meta_gc_links page = {.n = BATCH}; page.n == BATCH && !p->ended;) {
		arena_reset(&p->arena);
		enum err_code rc =
		    meta_gc_links_due(p->meta, promised, &p->rules->links, &last, BATCH, &p->arena, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			if (pairs_get(&p->links, page.v[i].repo_id, page.v[i].blob_id) == 0)
				rc = look_at_link(p, page.v[i].repo_id, page.v[i].blob_id, err);
		}
		if (rc)
			return rc;
		if (page.n)
			last = page.v[page.n - 1];
	}
	return ERR_OK;
}

/* What the manifests that are gone leave behind. */
static enum err_code renewed_links(struct plan *p, struct err *err)
{
	enum err_code rc = ERR_OK;
	const struct pair *l;
	for (size_t at = 0; rc == ERR_OK && !p->ended && (l = pairs_next(&p->links, &at)) != NULL;) {
		if (!(l->marks & RENEWED) || (l->marks & PROMISED && p->rules->links.promised != META_GC_AT_ONCE))
			continue;
		rc = look_at_link(p, l->a, l->b, err);
	}
	return rc;
}

/* ---- blobs ------------------------------------------------------------------------ */

static enum err_code blob_linked(struct plan *p, int64_t blob, bool *linked, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	enum err_code rc = begin(&r, p, Q_GC_PLAN_LINKS, blob, 0, NULL, err);
	*linked = false;
	for (bool row; rc == ERR_OK && !*linked;) {
		rc = read_step(&r, &row, err);
		if (rc || !row)
			return rc;
		*linked = !(pairs_get(&p->links, stmt_col_int(r.stmt, 0), blob) & REMOVED);
	}
	return rc;
}

static enum err_code look_at_blob(struct plan *p, int64_t blob, struct err *err)
{
	CLEANUP(read_end) struct reading r = READING;
	struct digest d;
	uint64_t size;
	bool linked, here;
	enum err_code rc = blob_linked(p, blob, &linked, err);
	step(p, 0);
	if (rc || linked)
		return rc;
	rc = begin(&r, p, Q_GC_PLAN_BLOB, blob, 0, NULL, err);
	if (rc == ERR_OK)
		rc = read_step(&r, &here, err);
	if (rc || !here)
		return rc;
	size = (uint64_t)stmt_col_int(r.stmt, 1);
	rc = col_digest(r.stmt, 0, &d, err);
	read_end(&r);
	if (rc == ERR_OK)
		p->events->blob(&d, size, p->events->arg);
	return rc;
}

static enum err_code plan_blobs(struct plan *p, struct err *err)
{
	enum err_code rc = due_links(p, false, err);
	const struct pair *b;
	if (rc == ERR_OK)
		rc = due_links(p, true, err);
	if (rc == ERR_OK && at_once(&p->rules->links))
		rc = renewed_links(p, err);
	for (size_t at = 0; rc == ERR_OK && !p->ended && (b = pairs_next(&p->blobs, &at)) != NULL;)
		rc = look_at_blob(p, b->a, err);
	return rc;
}

enum err_code meta_gc_plan(
    struct meta *m, const struct meta_gc_plan_rules *rules, const struct meta_gc_plan_events *events, struct err *err)
{
	struct plan p = {.meta = m, .rules = rules, .events = events};
	OBJ_CHECK(m, META_MAGIC);
	arena_init(&p.arena, ARENA_MAX);
	enum err_code rc = plan_manifests(&p, err);
	if (rc == ERR_OK)
		rc = plan_blobs(&p, err);
	if (p.steps && !p.ended)
		(void)events->batch(p.looked, events->arg);
	pairs_free(&p.manifests);
	pairs_free(&p.links);
	pairs_free(&p.blobs);
	free(p.queue);
	arena_free(&p.arena);
	return rc;
}
