/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc_steps.h - what the tests of the garbage collection's metadata are written
 * in: pushes, deletes and reviews in a line each, and looks at what is left.
 */
#ifndef BERTH_TESTS_GC_STEPS_H
#define BERTH_TESTS_GC_STEPS_H

#include "base/defs.h"
#include "meta/gc.h"
#include "meta/walk.h"
#include "meta_test.h"

#define LATER INT64_MAX

struct image {
	const char *repo;
	unsigned nr;
	unsigned blobs[4];    /* layers */
	unsigned children[4]; /* an index of these */
	unsigned foreign;     /* a layer that nobody has to have */
	unsigned subject;
	const char *tag;
};

static inline enum err_code put_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_manifest_put(tx, arg, err);
}

static inline enum err_code put(struct meta *m, struct image i, struct err *err)
{
	struct meta_ref refs[9];
	struct slice tag = slice_cstr(i.tag);
	struct digest subject = digest_nr(i.subject);
	struct meta_manifest_put p = {.repo = slice_cstr(i.repo),
	    .digest = digest_nr(i.nr),
	    .media_type = S("application/vnd.oci.image.manifest.v1+json"),
	    .payload = S("{}"),
	    .subject = i.subject ? &subject : NULL,
	    .descriptor = i.subject ? S("{}") : SLICE_NONE,
	    .refs = refs,
	    .tags = &tag,
	    .ntags = i.tag ? 1 : 0};

	for (size_t k = 0; k < 4; k++) {
		if (i.blobs[k])
			refs[p.nrefs++] = (struct meta_ref){META_REF_LAYER, digest_nr(i.blobs[k]), true, false};
		if (i.children[k])
			refs[p.nrefs++] = (struct meta_ref){META_REF_CHILD, digest_nr(i.children[k]), false, false};
	}
	if (i.foreign)
		refs[p.nrefs++] = (struct meta_ref){META_REF_LAYER, digest_nr(i.foreign), false, false};
	return meta_write(m, META_DURABLE, put_fn, &p, err);
}
#define PUT(...) assert_ok(put(f->m, (struct image){__VA_ARGS__}, err))

struct two {
	const char *repo, *other;
	struct digest digest;
};

static inline enum err_code mount_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct two *t = arg;
	struct meta_blob out;
	return meta_tx_blob_mount(tx, slice_cstr(t->repo), slice_cstr(t->other), &t->digest, &out, err);
}

static inline void mount(struct fixture *f, const char *from, const char *to, unsigned nr)
{
	struct two t = {from, to, digest_nr(nr)};
	assert_ok(meta_write(f->m, META_DURABLE, mount_fn, &t, err));
}

static inline enum err_code unlink_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct two *t = arg;
	return meta_tx_blob_unlink(tx, slice_cstr(t->repo), &t->digest, err);
}

static inline void unlink_blob(struct fixture *f, const char *repo, unsigned nr)
{
	struct two t = {repo, NULL, digest_nr(nr)};
	assert_ok(meta_write(f->m, META_DURABLE, unlink_fn, &t, err));
}

static inline void blob(struct fixture *f, const char *repo, unsigned nr)
{
	assert_ok(put_blob(f->m, repo, nr, nr, err));
}

static inline void queues(struct fixture *f, uint64_t links, uint64_t manifests, uint64_t files)
{
	struct meta_gc_queues q = {9, 9, 9};
	assert_ok(meta_gc_queues_get(f->m, 1000, &q, err));
	if (q.links != links || q.manifests != manifests || q.files != files)
		fail_msg("%d links, %d manifests, %d files wait", (int)q.links, (int)q.manifests, (int)q.files);
}

static inline void totals(struct fixture *f, uint64_t manifests, uint64_t tags, uint64_t blobs, uint64_t bytes)
{
	struct meta_totals t;
	assert_ok(meta_totals_get(f->m, &t, err));
	if (t.manifests != manifests || t.tags != tags || t.blobs != blobs || t.blob_bytes != bytes)
		fail_msg("totals: %d manifests, %d tags, %d blobs, %d bytes", (int)t.manifests, (int)t.tags,
		    (int)t.blobs, (int)t.blob_bytes);
}

static inline bool in_repo(struct fixture *f, const char *repo, unsigned nr)
{
	struct meta_blob b;
	struct digest d = digest_nr(nr);
	return meta_blob_get(f->m, slice_cstr(repo), &d, &b, NULL) == ERR_OK;
}

static inline bool has(struct fixture *f, const char *repo, unsigned nr)
{
	struct meta_manifest m;
	struct digest d = digest_nr(nr);
	return meta_manifest_get(f->m, slice_cstr(repo), &d, false, &f->a, &m, NULL) == ERR_OK;
}

struct review {
	enum meta_gc_reason why;
	struct meta_gc_due due;
	struct meta_gc_links links;
	struct meta_gc_manifests manifests;
};
#define DUE(when) ((struct meta_gc_due){(when), (when)})

static inline enum err_code review_links_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct review *r = arg;
	return meta_tx_gc_review_links(tx, &r->due, r->links.v, r->links.n, err);
}

/* Those that are due, promised or not. */
static inline void links_due(struct fixture *f, struct meta_gc_due due, size_t limit, struct meta_gc_links *out)
{
	struct meta_gc_links all[2];
	for (int promised = 0; promised < 2; promised++)
		assert_ok(meta_gc_links_due(f->m, promised, &due, NULL, limit, &f->a, &all[promised], err));
	out->n = 0;
	out->v = arena_alloc(&f->a, (all[0].n + all[1].n + 1) * sizeof(*out->v));
	for (int promised = 0; promised < 2; promised++) {
		for (size_t i = 0; i < all[promised].n; i++)
			out->v[out->n++] = all[promised].v[i];
	}
}

/* Reviews what is due; how many links were removed and blobs freed. */
static inline void review_due_links(struct fixture *f, struct meta_gc_due due, size_t removed, size_t freed)
{
	struct review r = {.due = due};
	size_t got_removed = 0, got_freed = 0;
	links_due(f, due, 100, &r.links);
	assert_ok(meta_write(f->m, META_DURABLE, review_links_fn, &r, err));
	for (size_t i = 0; i < r.links.n; i++) {
		got_removed += r.links.v[i].removed;
		got_freed += r.links.v[i].freed;
	}
	assert_int_equal(got_removed, removed);
	assert_int_equal(got_freed, freed);
}

static inline void review_links(struct fixture *f, int64_t before, size_t removed, size_t freed)
{
	review_due_links(f, DUE(before), removed, freed);
}

static inline enum err_code review_manifests_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct review *r = arg;
	return meta_tx_gc_review_manifests(tx, r->why, &r->due, r->manifests.v, r->manifests.n, err);
}

static inline void review_due_manifests(
    struct fixture *f, enum meta_gc_reason why, struct meta_gc_due due, size_t removed)
{
	size_t got = 0;
	for (int promised = 0; promised < 2; promised++) {
		struct review r = {.why = why, .due = due};
		assert_ok(meta_gc_manifests_due(f->m, why, promised, &due, NULL, 100, &f->a, &r.manifests, err));
		assert_ok(meta_write(f->m, META_DURABLE, review_manifests_fn, &r, err));
		for (size_t i = 0; i < r.manifests.n; i++)
			got += r.manifests.v[i].removed;
	}
	assert_int_equal(got, removed);
}

static inline void review_manifests(struct fixture *f, enum meta_gc_reason why, size_t removed)
{
	review_due_manifests(f, why, DUE(LATER), removed);
}

static inline enum err_code removed_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct review *r = arg;
	enum err_code rc = meta_tx_gc_recheck_files(tx, r->links.v, r->links.n, err);
	return rc ? rc : meta_tx_gc_removed(tx, r->links.v, r->links.n, err);
}

/* As after a crash between the review and the unlinking. */
static inline void finish_files(struct fixture *f, size_t expected)
{
	struct review r = {0};
	assert_ok(meta_gc_files_due(f->m, 0, 100, &f->a, &r.links, err));
	assert_int_equal(r.links.n, expected);
	assert_ok(meta_write(f->m, META_DURABLE, removed_fn, &r, err));
}

static inline enum err_code keep_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_gc_keep_links(tx, slice_cstr(arg), err);
}

#endif
