/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_meta_promise.c - which candidates of the garbage collection clients count
 * on, from when, and what redeems that.
 */
#include "gc_steps.h"
#include <sqlite3.h>

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

/* Of what an older berth has noted nobody knows who counts on it. */
static void database_of_an_older_berth(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = NULL;
	blob(f, "r", 1);
	PUT(.repo = "r", .nr = 100, .blobs = {1}, .tag = "a");
	PUT(.repo = "r", .nr = 101, .tag = "a");
	blob(f, "r", 2);
	unlink_blob(f, "r", 2);
	meta_close(&f->m);
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
	                     "DROP INDEX gc_link_due; DROP INDEX gc_manifest_due;"
	                     "ALTER TABLE gc_link DROP COLUMN promised; ALTER TABLE gc_manifest DROP COLUMN promised;"
	                     "CREATE INDEX gc_link_since ON gc_link (since);"
	                     "CREATE INDEX gc_manifest_since ON gc_manifest (reason, since);"
	                     "DELETE FROM schema_migration WHERE version >= 4;",
	                     NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	fixture_open(f);
	queues(f, 1, 1, 0);
	review_due_links(f, UNPROMISED, 0, 0);
	review_due_manifests(f, META_GC_UNTAGGED, UNPROMISED, 0);
	review_manifests(f, META_GC_UNTAGGED, 1);
	review_links(f, LATER, 1, 2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(promised_until_the_manifest),
	    T(promised_while_needed),
	    T(redeemed_by_the_same_manifest),
	    T(promise_ends),
	    T(touch_promises),
	    T(touch_of_kept_links),
	    T(children_are_promised_until_the_index),
	    T(settled),
	    T(database_of_an_older_berth),
	};
	return cmocka_run_group_tests_name("meta promise", tests, NULL, NULL);
}
