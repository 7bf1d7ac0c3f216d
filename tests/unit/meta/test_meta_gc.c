/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_meta_gc.c - the metadata half of the garbage collection: which writes
 * note a candidate and which take the note back, what a review finds, and that
 * nothing waits in a registry that has no garbage.
 */
#include "base/defs.h"
#include "meta/gc.h"
#include "meta/walk.h"
#include "meta_test.h"

#define LATER INT64_MAX

/* ---- what the tests are written in -------------------------------------------------- */

struct image {
	const char *repo;
	unsigned nr;
	unsigned blobs[4];    /* layers */
	unsigned children[4]; /* an index of these */
	unsigned foreign;     /* a layer that nobody has to have */
	unsigned subject;
	const char *tag;
};

static enum err_code put_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_manifest_put(tx, arg, err);
}

static enum err_code put(struct meta *m, struct image i, struct err *err)
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

static enum err_code mount_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct two *t = arg;
	struct meta_blob out;
	return meta_tx_blob_mount(tx, slice_cstr(t->repo), slice_cstr(t->other), &t->digest, &out, err);
}

static void mount(struct fixture *f, const char *from, const char *to, unsigned nr)
{
	struct two t = {from, to, digest_nr(nr)};
	assert_ok(meta_write(f->m, META_DURABLE, mount_fn, &t, err));
}

static enum err_code unlink_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct two *t = arg;
	return meta_tx_blob_unlink(tx, slice_cstr(t->repo), &t->digest, err);
}

static void unlink_blob(struct fixture *f, const char *repo, unsigned nr)
{
	struct two t = {repo, NULL, digest_nr(nr)};
	assert_ok(meta_write(f->m, META_DURABLE, unlink_fn, &t, err));
}

static void blob(struct fixture *f, const char *repo, unsigned nr)
{
	assert_ok(put_blob(f->m, repo, nr, nr, err));
}

static void queues(struct fixture *f, uint64_t links, uint64_t manifests, uint64_t files)
{
	struct meta_gc_queues q = {9, 9, 9};
	assert_ok(meta_gc_queues_get(f->m, 1000, &q, err));
	if (q.links != links || q.manifests != manifests || q.files != files)
		fail_msg("%d links, %d manifests, %d files wait", (int)q.links, (int)q.manifests, (int)q.files);
}

static void totals(struct fixture *f, uint64_t manifests, uint64_t tags, uint64_t blobs, uint64_t bytes)
{
	struct meta_totals t;
	assert_ok(meta_totals_get(f->m, &t, err));
	if (t.manifests != manifests || t.tags != tags || t.blobs != blobs || t.blob_bytes != bytes)
		fail_msg("totals: %d manifests, %d tags, %d blobs, %d bytes", (int)t.manifests, (int)t.tags,
		    (int)t.blobs, (int)t.blob_bytes);
}

static bool in_repo(struct fixture *f, const char *repo, unsigned nr)
{
	struct meta_blob b;
	struct digest d = digest_nr(nr);
	return meta_blob_get(f->m, slice_cstr(repo), &d, &b, NULL) == ERR_OK;
}

static bool has(struct fixture *f, const char *repo, unsigned nr)
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

static enum err_code review_links_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct review *r = arg;
	return meta_tx_gc_review_links(tx, &r->due, r->links.v, r->links.n, err);
}

/* Those that are due, promised or not. */
static void links_due(struct fixture *f, struct meta_gc_due due, size_t limit, struct meta_gc_links *out)
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
static void review_due_links(struct fixture *f, struct meta_gc_due due, size_t removed, size_t freed)
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

static void review_links(struct fixture *f, int64_t before, size_t removed, size_t freed)
{
	review_due_links(f, DUE(before), removed, freed);
}

static enum err_code review_manifests_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct review *r = arg;
	return meta_tx_gc_review_manifests(tx, r->why, &r->due, r->manifests.v, r->manifests.n, err);
}

static void review_due_manifests(struct fixture *f, enum meta_gc_reason why, struct meta_gc_due due, size_t removed)
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

static void review_manifests(struct fixture *f, enum meta_gc_reason why, size_t removed)
{
	review_due_manifests(f, why, DUE(LATER), removed);
}

static enum err_code removed_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct review *r = arg;
	enum err_code rc = meta_tx_gc_recheck_files(tx, r->links.v, r->links.n, err);
	return rc ? rc : meta_tx_gc_removed(tx, r->links.v, r->links.n, err);
}

/* As after a crash between the review and the unlinking. */
static void finish_files(struct fixture *f, size_t expected)
{
	struct review r = {0};
	assert_ok(meta_gc_files_due(f->m, 0, 100, &f->a, &r.links, err));
	assert_int_equal(r.links.n, expected);
	assert_ok(meta_write(f->m, META_DURABLE, removed_fn, &r, err));
}

/* ---- noting: nothing waits where nothing is garbage ------------------------------------ */

static void push_leaves_no_candidates(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	blob(f, "r", 2);
	queues(f, 2, 0, 0);
	PUT(.repo = "r", .nr = 100, .blobs = {1, 2}, .tag = "a");
	queues(f, 0, 0, 0);
	/* Again, blobs and all: everything is needed already. */
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1, 2}, .tag = "a");
	queues(f, 0, 0, 0);
	totals(f, 1, 1, 2, 3);
}

static void index_push_leaves_no_candidates(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1});
	PUT(.repo = "r", .nr = 101, .blobs = {1});
	queues(f, 0, 2, 0); /* by digest: not reachable until the index comes */
	PUT(.repo = "r", .nr = 200, .children = {100, 101}, .tag = "multi");
	queues(f, 0, 0, 0);
	/* An index before its child, and one in another: nothing waits at the end. */
	PUT(.repo = "r", .nr = 201, .children = {102});
	PUT(.repo = "r", .nr = 202, .children = {201}, .tag = "nested");
	PUT(.repo = "r", .nr = 102, .blobs = {1});
	queues(f, 0, 0, 0);
}

static void referrer_push_leaves_no_candidates(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	PUT(.repo = "r", .nr = 300, .blobs = {1}, .subject = 100);
	queues(f, 0, 0, 0);
	/* Its subject comes later, or never. */
	PUT(.repo = "r", .nr = 301, .blobs = {1}, .subject = 999);
	queues(f, 0, 1, 0);
}

static void mount_is_a_candidate_until_the_manifest(void **state)
{
	struct fixture *f = *state;
	blob(f, "from", 1);
	PUT(.repo = "from", .nr = 100, .blobs = {1}, .tag = "a");
	mount(f, "from", "to", 1);
	queues(f, 1, 0, 0);
	PUT(.repo = "to", .nr = 100, .blobs = {1}, .tag = "a");
	queues(f, 0, 0, 0);
}

static void tags_that_move_and_go(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	PUT(.repo = "r", .nr = 101, .blobs = {1}, .tag = "a");
	queues(f, 0, 1, 0); /* 100 */
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "b");
	queues(f, 0, 0, 0);
	assert_ok(delete_tag(f->m, "r", "b", err));
	queues(f, 0, 1, 0);
	assert_ok(delete_tag(f->m, "r", "a", err));
	queues(f, 0, 2, 0);
	/* One of two tags is enough. */
	PUT(.repo = "r", .nr = 100, .tag = "c");
	PUT(.repo = "r", .nr = 100, .tag = "d");
	assert_ok(delete_tag(f->m, "r", "c", err));
	queues(f, 0, 1, 0);
	/* A manifest of an index needs no tag. */
	PUT(.repo = "r", .nr = 200, .children = {101}, .tag = "index");
	PUT(.repo = "r", .nr = 101, .tag = "e");
	assert_ok(delete_tag(f->m, "r", "e", err));
	queues(f, 0, 0, 0);
}

/* ---- deletes and their reviews ---------------------------------------------------------- */

static void manifest_delete_frees_its_blobs(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	blob(f, "r", 2);
	PUT(.repo = "r", .nr = 100, .blobs = {1, 2}, .tag = "a");
	PUT(.repo = "r", .nr = 101, .blobs = {2}, .tag = "b");
	assert_ok(delete_manifest(f->m, "r", 100, err));
	queues(f, 2, 0, 0);
	totals(f, 1, 1, 2, 3);
	review_links(f, LATER, 1, 1); /* 2 is still needed */
	queues(f, 0, 0, 1);
	totals(f, 1, 1, 1, 2);
	assert_false(in_repo(f, "r", 1));
	assert_true(in_repo(f, "r", 2));
	finish_files(f, 1);
	queues(f, 0, 0, 0);
	struct digest d = digest_nr(1);
	assert_fails(meta_blob_known(f->m, &d, &(uint64_t){0}, err), ERR_NOT_FOUND, "");
}

static void shared_blob_stays_for_the_others(void **state)
{
	struct fixture *f = *state;
	blob(f, "a", 1);
	blob(f, "b", 1);
	PUT(.repo = "a", .nr = 100, .blobs = {1}, .tag = "t");
	PUT(.repo = "b", .nr = 100, .blobs = {1}, .tag = "t");
	assert_ok(delete_manifest(f->m, "a", 100, err));
	review_links(f, LATER, 1, 0);
	assert_false(in_repo(f, "a", 1));
	assert_true(in_repo(f, "b", 1));
	totals(f, 1, 1, 1, 1);
	assert_ok(delete_manifest(f->m, "b", 100, err));
	review_links(f, LATER, 1, 1);
	totals(f, 0, 0, 0, 0);
	finish_files(f, 1);
}

/* Both repositories in one review: the last one frees it, once. */
static void shared_blob_goes_with_the_last(void **state)
{
	struct fixture *f = *state;
	blob(f, "a", 1);
	blob(f, "b", 1);
	review_links(f, LATER, 2, 1);
	queues(f, 0, 0, 1);
	totals(f, 0, 0, 0, 0);
}

static void blob_delete(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	blob(f, "r", 2);
	PUT(.repo = "r", .nr = 100, .blobs = {2}, .tag = "t");
	unlink_blob(f, "r", 1);
	queues(f, 1, 0, 0);
	review_links(f, LATER, 0, 1);
	/* One that a manifest needs is not read any more, and stays for it. */
	unlink_blob(f, "r", 2);
	assert_false(in_repo(f, "r", 2));
	review_links(f, LATER, 0, 0);
	struct digest d = digest_nr(2);
	assert_ok(meta_blob_known(f->m, &d, &(uint64_t){0}, err));
	assert_ok(delete_manifest(f->m, "r", 100, err));
	review_links(f, LATER, 0, 1);
	totals(f, 0, 0, 0, 0);
}

static void index_delete_notes_children(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1});
	PUT(.repo = "r", .nr = 101, .blobs = {1}, .tag = "kept");
	PUT(.repo = "r", .nr = 102, .blobs = {1});
	PUT(.repo = "r", .nr = 200, .children = {100, 101, 102}, .tag = "a");
	PUT(.repo = "r", .nr = 201, .children = {102}, .tag = "b");
	queues(f, 0, 0, 0);
	assert_ok(delete_manifest(f->m, "r", 200, err));
	queues(f, 0, 1, 0); /* those with a tag or in another index are no candidates */
	review_manifests(f, META_GC_UNTAGGED, 1);
	assert_false(has(f, "r", 100));
	assert_true(has(f, "r", 101));
	assert_true(has(f, "r", 102));
	queues(f, 1, 0, 0);
	review_links(f, LATER, 0, 0);
	assert_true(in_repo(f, "r", 1));
	totals(f, 3, 2, 1, 1);
}

static void nested_indexes_go_level_by_level(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1});
	PUT(.repo = "r", .nr = 200, .children = {100});
	PUT(.repo = "r", .nr = 300, .children = {200}, .tag = "a");
	queues(f, 0, 0, 0);
	assert_ok(delete_manifest(f->m, "r", 300, err));
	review_manifests(f, META_GC_UNTAGGED, 1);
	assert_true(has(f, "r", 100));
	review_manifests(f, META_GC_UNTAGGED, 1);
	review_links(f, LATER, 1, 1);
	totals(f, 0, 0, 0, 0);
	queues(f, 0, 0, 1);
}

static void referrers_go_with_their_subject(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	PUT(.repo = "r", .nr = 300, .blobs = {1}, .subject = 100);
	PUT(.repo = "r", .nr = 301, .blobs = {1}, .subject = 300);
	PUT(.repo = "r", .nr = 302, .blobs = {1}, .subject = 100, .tag = "signature");
	PUT(.repo = "other", .nr = 303, .subject = 100);
	queues(f, 0, 1, 0); /* the one in another repository */
	assert_ok(delete_manifest(f->m, "r", 100, err));
	review_manifests(f, META_GC_ORPHANED, 1);
	assert_false(has(f, "r", 300));
	assert_true(has(f, "r", 302));
	assert_true(has(f, "other", 303));
	review_manifests(f, META_GC_ORPHANED, 1); /* what referred to 300 */
	review_manifests(f, META_GC_ORPHANED, 0);
	assert_false(has(f, "r", 301));
}

static void subject_that_comes_back_keeps_them(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	PUT(.repo = "r", .nr = 300, .blobs = {1}, .subject = 100);
	assert_ok(delete_manifest(f->m, "r", 100, err));
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	review_manifests(f, META_GC_ORPHANED, 0);
	assert_true(has(f, "r", 300));
	queues(f, 0, 0, 0);
}

static void untagged_with_a_referrer(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	PUT(.repo = "r", .nr = 300, .blobs = {1}, .subject = 100);
	assert_ok(delete_tag(f->m, "r", "a", err));
	review_manifests(f, META_GC_ORPHANED, 0);
	review_manifests(f, META_GC_UNTAGGED, 1);
	review_manifests(f, META_GC_ORPHANED, 1);
	review_links(f, LATER, 1, 1);
	totals(f, 0, 0, 0, 0);
}

static void foreign_layers(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .foreign = 7, .tag = "a");
	queues(f, 0, 0, 0);
	totals(f, 1, 1, 1, 1);
	assert_ok(delete_manifest(f->m, "r", 100, err));
	review_links(f, LATER, 1, 1); /* the foreign one was never here */
	totals(f, 0, 0, 0, 0);
	finish_files(f, 1);
	/* No row is left of either: what comes next is new. */
	blob(f, "r", 7);
	totals(f, 0, 0, 1, 7);
}

/* ---- grace, touches, undoing, crashes ------------------------------------------------------- */

static void grace(void **state)
{
	struct fixture *f = *state;
	int64_t start = clock_real();
	struct meta_gc_links links;
	blob(f, "r", 1);
	links_due(f, DUE(start), 100, &links);
	assert_int_equal(links.n, 0);
	review_links(f, start, 0, 0);
	queues(f, 1, 0, 0);
	review_links(f, clock_real() + 1, 1, 1);
}

static void touch_postpones(void **state)
{
	struct fixture *f = *state;
	struct review r = {0};
	struct digest d = digest_nr(1), other = digest_nr(2);
	blob(f, "r", 1);
	blob(f, "other", 1);
	r.due = DUE(clock_real() + 1);
	links_due(f, r.due, 100, &r.links);
	assert_int_equal(r.links.n, 2);
	/* Between finding and reviewing somebody asks for it. */
	while (clock_real() <= r.due.before)
		;
	assert_ok(meta_gc_touch_blob(f->m, S("r"), &d, err));
	assert_ok(meta_write(f->m, META_DURABLE, review_links_fn, &r, err));
	assert_true(in_repo(f, "r", 1));
	assert_false(in_repo(f, "other", 1));
	assert_false(r.links.v[0].freed || r.links.v[1].freed);
	queues(f, 1, 0, 0);
	/* Of what is no candidate, or not there: nothing. */
	assert_ok(meta_gc_touch_blob(f->m, S("r"), &other, err));
	assert_ok(meta_gc_touch_blob(f->m, S("nowhere"), &d, err));
	queues(f, 1, 0, 0);
}

static void touch_manifest_postpones(void **state)
{
	struct fixture *f = *state;
	struct meta_gc_manifests due;
	struct digest d = digest_nr(100);
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1});
	int64_t noted = clock_real() + 1;
	while (clock_real() <= noted)
		;
	assert_ok(meta_gc_manifests_due(f->m, META_GC_UNTAGGED, true, &DUE(noted), NULL, 10, &f->a, &due, err));
	assert_int_equal(due.n, 1);
	assert_ok(meta_gc_touch_manifest(f->m, S("r"), &d, err));
	assert_ok(meta_gc_manifests_due(f->m, META_GC_UNTAGGED, true, &DUE(noted), NULL, 10, &f->a, &due, err));
	assert_int_equal(due.n, 0);
}

/* A push between finding and reviewing. */
static void push_wins_over_review(void **state)
{
	struct fixture *f = *state;
	struct review r = {.due = DUE(LATER)};
	blob(f, "r", 1);
	links_due(f, r.due, 100, &r.links);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	assert_ok(meta_write(f->m, META_DURABLE, review_links_fn, &r, err));
	assert_false(r.links.v[0].removed || r.links.v[0].freed);
	assert_true(in_repo(f, "r", 1));
}

/* The other way round the push is told. */
static void review_wins_over_push(void **state)
{
	struct fixture *f = *state;
	struct image i = {.repo = "r", .nr = 100, .blobs = {1}, .tag = "a"};
	blob(f, "r", 1);
	review_links(f, LATER, 1, 1);
	assert_fails(put(f->m, i, err), ERR_NOT_FOUND, "not in repository");
	blob(f, "r", 1);
	assert_ok(put(f->m, i, err));
	queues(f, 0, 0, 0);
	totals(f, 1, 1, 1, 1);
}

static void crash_before_unlinking(void **state)
{
	struct fixture *f = *state;
	struct review r = {0};
	blob(f, "r", 1);
	blob(f, "r", 2);
	blob(f, "r", 3);
	review_links(f, LATER, 3, 3);
	meta_close(&f->m);
	fixture_open(f);
	queues(f, 0, 0, 3);
	/* One is pushed again before anybody unlinks: its bytes stay. */
	blob(f, "r", 2);
	queues(f, 1, 0, 2);
	assert_ok(meta_gc_files_due(f->m, 0, 1, &f->a, &r.links, err));
	assert_int_equal(r.links.n, 1);
	assert_ok(meta_gc_files_due(f->m, r.links.v[0].blob_id, 5, &f->a, &r.links, err));
	assert_int_equal(r.links.n, 1);
	finish_files(f, 2);
	queues(f, 1, 0, 0);
	totals(f, 0, 0, 1, 2);
	assert_true(in_repo(f, "r", 2));
}

/* It comes back between the list of files and the look under the hold. */
static void recheck_spares_what_came_back(void **state)
{
	struct fixture *f = *state;
	struct review r = {0};
	blob(f, "r", 1);
	review_links(f, LATER, 1, 1);
	assert_ok(meta_gc_files_due(f->m, 0, 10, &f->a, &r.links, err));
	blob(f, "r", 1);
	assert_ok(meta_write(f->m, META_DURABLE, removed_fn, &r, err));
	assert_false(r.links.v[0].freed);
	assert_true(in_repo(f, "r", 1));
	totals(f, 0, 0, 1, 1);
}

static enum err_code keep_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_gc_keep_links(tx, slice_cstr(arg), err);
}

static void kept_links(void **state)
{
	struct fixture *f = *state;
	char keep[] = "keep", unknown[] = "unknown";
	blob(f, "keep", 1);
	blob(f, "go", 1);
	blob(f, "go", 2);
	assert_ok(meta_write(f->m, META_DURABLE, keep_fn, keep, err));
	assert_ok(meta_write(f->m, META_DURABLE, keep_fn, unknown, err));
	queues(f, 2, 0, 0);
	review_links(f, LATER, 2, 1);
	assert_true(in_repo(f, "keep", 1));
}

static void limits_and_order(void **state)
{
	struct fixture *f = *state;
	struct meta_gc_due due = DUE(LATER);
	struct meta_gc_links links, next;
	struct meta_gc_queues q;
	for (unsigned i = 1; i <= 9; i++)
		blob(f, "r", i);
	assert_ok(meta_gc_links_due(f->m, true, &due, NULL, 4, &f->a, &links, err));
	assert_int_equal(links.n, 4);
	struct digest oldest = digest_nr(1), fifth = digest_nr(5);
	assert_true(digest_eq(&links.v[0].digest, &oldest));
	assert_int_equal(links.v[0].size, 1);
	assert_ok(meta_gc_links_due(f->m, true, &due, &links.v[3], 10, &f->a, &next, err));
	assert_int_equal(next.n, 5);
	assert_true(digest_eq(&next.v[0].digest, &fifth));
	assert_ok(meta_gc_queues_get(f->m, 5, &q, err));
	assert_int_equal(q.links, 5);
}

/* ---- promises ------------------------------------------------------------------------------- */

/* At once what nobody counts on; nothing of what somebody does. */
#define UNPROMISED ((struct meta_gc_due){LATER, 0})

static void touch(struct fixture *f, const char *repo, unsigned nr)
{
	struct digest d = digest_nr(nr);
	assert_ok(meta_gc_touch_blob(f->m, slice_cstr(repo), &d, err));
}

static void touch_manifest(struct fixture *f, const char *repo, unsigned nr)
{
	struct digest d = digest_nr(nr);
	assert_ok(meta_gc_touch_manifest(f->m, slice_cstr(repo), &d, err));
}

static void promised_until_the_manifest(void **state)
{
	struct fixture *f = *state;
	blob(f, "from", 1);
	PUT(.repo = "from", .nr = 100, .blobs = {1}, .tag = "a");
	mount(f, "from", "r", 1);
	blob(f, "r", 2);
	review_due_links(f, UNPROMISED, 0, 0);
	PUT(.repo = "r", .nr = 100, .blobs = {1, 2}, .tag = "a");
	queues(f, 0, 0, 0);
	/* Redeemed: what is deleted now goes at once. */
	assert_ok(delete_manifest(f->m, "r", 100, err));
	review_due_links(f, UNPROMISED, 2, 1);
	queues(f, 0, 0, 1);
}

/* A push finds, or pushes again, what an image needs that is deleted meanwhile. */
static void promised_while_needed(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 1; i <= 4; i++)
		blob(f, "r", i);
	blob(f, "from", 3);
	PUT(.repo = "r", .nr = 100, .blobs = {1, 2, 3, 4}, .tag = "a");
	touch(f, "r", 1);
	touch(f, "r", 1);
	blob(f, "r", 2);
	mount(f, "from", "r", 3);
	queues(f, 4, 0, 0);
	assert_ok(delete_manifest(f->m, "r", 100, err));
	review_due_links(f, UNPROMISED, 1, 1);
	assert_false(in_repo(f, "r", 4));
	PUT(.repo = "r", .nr = 101, .blobs = {1, 2, 3}, .tag = "b");
	queues(f, 1, 0, 1);
}

/* The same image pushed twice: the second manifest redeems too. */
static void redeemed_by_the_same_manifest(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 2; i++) {
		touch(f, "r", 1);
		blob(f, "r", 2);
		if (i == 0)
			blob(f, "r", 1);
		PUT(.repo = "r", .nr = 100, .blobs = {1, 2}, .tag = "a");
		queues(f, 0, 0, 0);
	}
	assert_ok(delete_manifest(f->m, "r", 100, err));
	review_due_links(f, UNPROMISED, 2, 2);
}

/* A promise that nobody redeems ends; what needs the blob keeps it all the same. */
static void promise_ends(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	blob(f, "r", 2);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	touch(f, "r", 1);
	queues(f, 2, 0, 0);
	review_due_links(f, (struct meta_gc_due){0, LATER}, 1, 1);
	queues(f, 0, 0, 1);
	assert_true(in_repo(f, "r", 1));
}

/* A HEAD of what was left behind makes it a promise; deleting the blob ends it. */
static void touch_promises(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	blob(f, "r", 2);
	PUT(.repo = "r", .nr = 100, .blobs = {1, 2}, .tag = "a");
	assert_ok(delete_manifest(f->m, "r", 100, err));
	touch(f, "r", 1);
	touch(f, "r", 2);
	review_due_links(f, UNPROMISED, 0, 0);
	unlink_blob(f, "r", 2);
	review_due_links(f, UNPROMISED, 0, 1);
	assert_true(in_repo(f, "r", 1));
}

/* What a directory that was taken over keeps is no candidate, whoever asks for it. */
static void touch_of_kept_links(void **state)
{
	struct fixture *f = *state;
	char repo[] = "r";
	blob(f, "r", 1);
	assert_ok(meta_write(f->m, META_DURABLE, keep_fn, repo, err));
	touch(f, "r", 1);
	queues(f, 0, 0, 0);
}

/* The reason changes between finding and reviewing: its subject is deleted. */
static void review_of_another_reason(void **state)
{
	struct fixture *f = *state;
	struct review r = {.why = META_GC_UNTAGGED, .due = DUE(LATER)};
	PUT(.repo = "r", .nr = 300, .subject = 100);
	PUT(.repo = "r", .nr = 100, .tag = "a");
	assert_ok(meta_gc_manifests_due(f->m, r.why, true, &r.due, NULL, 10, &f->a, &r.manifests, err));
	assert_int_equal(r.manifests.n, 1);
	assert_ok(delete_manifest(f->m, "r", 100, err));
	assert_ok(meta_write(f->m, META_DURABLE, review_manifests_fn, &r, err));
	assert_true(has(f, "r", 300));
	review_manifests(f, META_GC_ORPHANED, 1);
}

static void children_are_promised_until_the_index(void **state)
{
	struct fixture *f = *state;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1});
	PUT(.repo = "r", .nr = 101, .blobs = {1});
	review_due_manifests(f, META_GC_UNTAGGED, UNPROMISED, 0);
	PUT(.repo = "r", .nr = 200, .children = {100, 101}, .tag = "i");
	queues(f, 0, 0, 0);
	assert_ok(delete_manifest(f->m, "r", 200, err));
	touch_manifest(f, "r", 101);
	review_due_manifests(f, META_GC_UNTAGGED, UNPROMISED, 1);
	assert_true(has(f, "r", 101));
	/* Pushed again, and a tag that moves away. */
	PUT(.repo = "r", .nr = 101, .blobs = {1}, .tag = "a");
	assert_ok(delete_tag(f->m, "r", "a", err));
	PUT(.repo = "r", .nr = 101, .blobs = {1});
	review_due_manifests(f, META_GC_UNTAGGED, UNPROMISED, 0);
	PUT(.repo = "r", .nr = 101, .blobs = {1}, .tag = "a");
	assert_ok(delete_tag(f->m, "r", "a", err));
	review_due_manifests(f, META_GC_UNTAGGED, UNPROMISED, 1);
}

static enum err_code settle_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_gc_settle(tx, slice_cstr(arg), err);
}

static void settled(void **state)
{
	struct fixture *f = *state;
	char repo[] = "r";
	blob(f, "r", 1);
	blob(f, "r", 2);
	blob(f, "other", 3);
	PUT(.repo = "r", .nr = 100, .blobs = {1});
	PUT(.repo = "other", .nr = 100, .blobs = {3});
	assert_ok(meta_write(f->m, META_DURABLE, settle_fn, repo, err));
	review_due_manifests(f, META_GC_UNTAGGED, UNPROMISED, 1);
	review_due_links(f, UNPROMISED, 2, 2);
	assert_true(has(f, "other", 100));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(push_leaves_no_candidates),
	    T(index_push_leaves_no_candidates),
	    T(referrer_push_leaves_no_candidates),
	    T(mount_is_a_candidate_until_the_manifest),
	    T(tags_that_move_and_go),
	    T(manifest_delete_frees_its_blobs),
	    T(shared_blob_stays_for_the_others),
	    T(shared_blob_goes_with_the_last),
	    T(blob_delete),
	    T(index_delete_notes_children),
	    T(nested_indexes_go_level_by_level),
	    T(referrers_go_with_their_subject),
	    T(subject_that_comes_back_keeps_them),
	    T(untagged_with_a_referrer),
	    T(foreign_layers),
	    T(grace),
	    T(touch_postpones),
	    T(touch_manifest_postpones),
	    T(push_wins_over_review),
	    T(review_wins_over_push),
	    T(crash_before_unlinking),
	    T(recheck_spares_what_came_back),
	    T(kept_links),
	    T(limits_and_order),
	    T(promised_until_the_manifest),
	    T(promised_while_needed),
	    T(redeemed_by_the_same_manifest),
	    T(promise_ends),
	    T(touch_promises),
	    T(touch_of_kept_links),
	    T(children_are_promised_until_the_index),
	    T(review_of_another_reason),
	    T(settled),
	};
	return cmocka_run_group_tests_name("meta gc", tests, NULL, NULL);
}
