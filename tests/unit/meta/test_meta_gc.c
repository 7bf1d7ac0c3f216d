/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_meta_gc.c - the metadata half of the garbage collection: which writes
 * note a candidate and which take the note back, what a review finds, and that
 * nothing waits in a registry that has no garbage.
 */
#include "gc_steps.h"
#include "meta/walk.h"

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

static enum err_code filed_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct two *t = arg;
	return meta_tx_manifest_filed(tx, slice_cstr(t->repo), &t->digest, err);
}

static void filed(struct fixture *f, const char *repo, unsigned nr)
{
	struct two t = {repo, NULL, digest_nr(nr)};
	assert_ok(meta_write(f->m, META_DURABLE, filed_fn, &t, err));
}

static enum err_code adopted_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_state_set(tx, S(META_STATE_ADOPTED), S("now"), err);
}

/* An image of its own in each repository, and one manifest that is in both. */
static void fill_filed(struct fixture *f)
{
	struct two missing = {"a", NULL, digest_nr(99)};
	assert_fails(meta_write(f->m, META_DURABLE, filed_fn, &missing, err), ERR_NOT_FOUND, "is not in repository");
	for (unsigned i = 0; i < 2; i++) {
		const char *repo = i ? "b" : "a";
		blob(f, repo, 1);
		PUT(.repo = repo, .nr = 100, .blobs = {1}, .tag = "both");
		PUT(.repo = repo, .nr = 101 + i, .blobs = {1}, .tag = "own");
		filed(f, repo, 100);
		filed(f, repo, 101 + i);
		filed(f, repo, 100);
	}
	queues(f, 0, 0, 0);
	totals(f, 4, 4, 1, 1);
}

static void manifests_take_their_files_along(void **state)
{
	struct fixture *f = *state;
	fill_filed(f);
	assert_ok(meta_write(f->m, META_DURABLE, adopted_fn, NULL, err));
	PUT(.repo = "a", .nr = 103, .blobs = {1}, .tag = "native"); /* has none */
	assert_ok(delete_manifest(f->m, "a", 103, err));
	assert_ok(delete_manifest(f->m, "a", 100, err));
	finish_files(f, 0);
	assert_ok(delete_manifest(f->m, "b", 100, err));
	finish_files(f, 1);
	assert_ok(delete_manifest(f->m, "a", 101, err));
	review_links(f, LATER, 1, 0);
	finish_files(f, 1);
	review_links(f, LATER, 0, 0);
	queues(f, 0, 0, 0);
	totals(f, 1, 1, 1, 1);
}

/* Somebody pushed the bytes of a manifest as a blob: it is that blob's file. */
static void file_that_is_a_blob_too(void **state)
{
	struct fixture *f = *state;
	fill_filed(f);
	assert_ok(meta_write(f->m, META_DURABLE, adopted_fn, NULL, err));
	blob(f, "c", 101);
	assert_ok(delete_manifest(f->m, "a", 101, err));
	finish_files(f, 0);
	assert_ok(delete_manifest(f->m, "b", 102, err));
	blob(f, "c", 102);
	finish_files(f, 0);
	filed(f, "a", 100);
	assert_true(in_repo(f, "c", 101) && in_repo(f, "c", 102));
}

/* Another repository, which is only to come, may have the same manifest. */
static void files_stay_until_all_is_taken_over(void **state)
{
	struct fixture *f = *state;
	fill_filed(f);
	assert_ok(delete_manifest(f->m, "a", 101, err));
	finish_files(f, 0);
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
	    T(manifests_take_their_files_along),
	    T(file_that_is_a_blob_too),
	    T(files_stay_until_all_is_taken_over),
	    T(kept_links),
	    T(limits_and_order),
	    T(review_of_another_reason),
	};
	return cmocka_run_group_tests_name("meta gc", tests, NULL, NULL);
}
