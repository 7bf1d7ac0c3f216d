/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_meta_walk.c - going through everything page by page, who needs a blob,
 * and the small facts about the registry as a whole.
 */
#include "base/defs.h"
#include "meta/gc.h"
#include "meta/walk.h"
#include "meta_test.h"

static void fill(struct fixture *f)
{
	for (unsigned i = 1; i <= 5; i++)
		assert_ok(put_blob(f->m, i % 2 ? "odd" : "even", i, i * 10, err));
	assert_ok(put_blob(f->m, "blobs/only", 1, 10, err));
	assert_ok(put_manifest(f->m, "odd", 101, 1, "one", 0, NULL, err));
	assert_ok(put_manifest(f->m, "odd", 103, 3, "three", 0, NULL, err));
	assert_ok(put_manifest(f->m, "odd", 103, 3, "drei", 0, NULL, err));
	assert_ok(put_manifest(f->m, "even", 102, 2, NULL, 0, NULL, err));
}

static void blobs(void **state)
{
	struct fixture *f = *state;
	struct meta_walk_blobs page;
	int64_t after = 0;
	unsigned n = 0;
	fill(f);
	do {
		assert_ok(meta_walk_blobs(f->m, after, 2, &f->a, &page, err));
		assert_true(page.n <= 2);
		for (size_t i = 0; i < page.n; i++, n++) {
			struct digest d = digest_nr(n + 1);
			assert_true(digest_eq(&page.v[i].digest, &d));
			assert_int_equal(page.v[i].size, (n + 1) * 10);
			assert_true(page.v[i].id > after);
			after = page.v[i].id;
		}
	} while (page.n);
	assert_int_equal(n, 5);
}

static void manifests(void **state)
{
	static const unsigned expected[] = {101, 103, 102};
	struct fixture *f = *state;
	struct meta_walk_manifests page;
	int64_t after = 0;
	size_t n = 0;
	fill(f);
	do {
		assert_ok(meta_walk_manifests(f->m, after, 2, &f->a, &page, err));
		for (size_t i = 0; i < page.n; i++, n++) {
			struct digest d = digest_nr(expected[n]);
			char payload[32];
			snprintf(payload, sizeof(payload), "manifest %u", expected[n]);
			assert_true(digest_eq(&page.v[i].manifest.digest, &d));
			assert_true(slice_eq_cstr(page.v[i].manifest.payload, payload));
			assert_true(slice_eq_cstr(page.v[i].repo, expected[n] % 2 ? "odd" : "even"));
			after = page.v[i].id;
		}
	} while (page.n);
	assert_int_equal(n, 3);
}

static enum err_code unlink_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_blob_unlink(tx, S("odd"), arg, err);
}

static void blobs_that_a_repository_lacks(void **state)
{
	struct fixture *f = *state;
	struct meta_walk_manifests page;
	struct meta_walk_unlinked missing;
	struct digest d = digest_nr(3);
	fill(f);
	assert_ok(meta_write(f->m, META_DURABLE, unlink_fn, &d, err));
	assert_ok(meta_walk_manifests(f->m, 0, 10, &f->a, &page, err));
	for (size_t i = 0; i < page.n; i++) {
		assert_ok(meta_walk_unlinked(f->m, page.v[i].id, &f->a, &missing, err));
		assert_int_equal(missing.n, i == 1 ? 1 : 0);
		if (i != 1)
			continue;
		assert_true(digest_eq(&missing.v[0], &d));
		assert_true(slice_eq_cstr(missing.tag, "drei"));
	}
}

static void repositories_links_and_tags(void **state)
{
	struct fixture *f = *state;
	struct meta_walk_repos repos;
	struct meta_walk_blobs links;
	struct meta_walk_tags tags;
	fill(f);
	assert_ok(meta_walk_repos(f->m, 0, 10, &f->a, &repos, err));
	assert_int_equal(repos.n, 3);
	assert_true(slice_eq_cstr(repos.v[0].name, "odd"));
	assert_true(slice_eq_cstr(repos.v[2].name, "blobs/only"));
	assert_ok(meta_walk_repos(f->m, repos.v[0].id, 1, &f->a, &repos, err));
	assert_int_equal(repos.n, 1);
	assert_true(slice_eq_cstr(repos.v[0].name, "even"));
	assert_ok(meta_walk_links(f->m, repos.v[0].id, 0, 10, &f->a, &links, err));
	assert_int_equal(links.n, 2);
	assert_int_equal(links.v[1].size, 40);
	assert_ok(meta_walk_links(f->m, repos.v[0].id, links.v[1].id, 10, &f->a, &links, err));
	assert_int_equal(links.n, 0);
	assert_ok(meta_walk_tags(f->m, repos.v[0].id, SLICE_NONE, 10, &f->a, &tags, err));
	assert_int_equal(tags.n, 0);
	assert_ok(meta_walk_repos(f->m, 0, 1, &f->a, &repos, err));
	assert_ok(meta_walk_tags(f->m, repos.v[0].id, S("drei"), 10, &f->a, &tags, err));
	assert_int_equal(tags.n, 2);
	assert_true(slice_eq_cstr(tags.v[0].name, "one"));
	struct digest d = digest_nr(103);
	assert_true(digest_eq(&tags.v[1].digest, &d));
}

static void users(void **state)
{
	struct fixture *f = *state;
	struct meta_blob_users u;
	struct digest d = digest_nr(3), unused = digest_nr(5), unknown = digest_nr(77);
	fill(f);
	assert_ok(put_blob(f->m, "even", 3, 30, err));
	assert_ok(put_manifest(f->m, "even", 203, 3, NULL, 0, NULL, err));
	assert_ok(meta_blob_users(f->m, &d, 10, &f->a, &u, err));
	assert_int_equal(u.n, 2);
	assert_true(slice_eq_cstr(u.v[0].repo, "odd"));
	assert_true(slice_eq_cstr(u.v[0].tag, "drei"));
	assert_true(slice_eq_cstr(u.v[1].repo, "even"));
	assert_null(u.v[1].tag.p);
	assert_ok(meta_blob_users(f->m, &d, 1, &f->a, &u, err));
	assert_int_equal(u.n, 1);
	assert_ok(meta_blob_users(f->m, &unused, 10, &f->a, &u, err));
	assert_int_equal(u.n, 0);
	assert_ok(meta_blob_users(f->m, &unknown, 10, &f->a, &u, err));
	assert_int_equal(u.n, 0);
}

static void known(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_nr(3), unknown = digest_nr(77);
	uint64_t size = 0;
	fill(f);
	assert_ok(meta_blob_known(f->m, &d, &size, err));
	assert_int_equal(size, 30);
	assert_fails(meta_blob_known(f->m, &unknown, &size, err), ERR_NOT_FOUND, "");
}

struct fact {
	const char *name, *value; /* NULL: none */
	bool clear;
};

static enum err_code set_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct fact *s = arg;
	return s->clear ? meta_tx_state_clear(tx, slice_cstr(s->name), err)
	                : meta_tx_state_set(tx, slice_cstr(s->name), slice_cstr(s->value), err);
}

static void set(struct fixture *f, const char *name, const char *value)
{
	struct fact s = {name, value, false};
	assert_ok(meta_write(f->m, META_DURABLE, set_fn, &s, err));
}

static bool is(struct fixture *f, const char *name, const char *value)
{
	struct slice got = SLICE_NONE;
	enum err_code rc = meta_state_get(f->m, slice_cstr(name), &f->a, &got, NULL);
	return value ? rc == ERR_OK && slice_eq_cstr(got, value) : rc == ERR_NOT_FOUND;
}

static void state_of_the_whole(void **state)
{
	struct fixture *f = *state;
	struct fact clear = {"adopt.repo.", NULL, true};
	assert_true(is(f, "adopt.done", NULL));
	set(f, "adopt.done", "yes");
	set(f, "adopt.repo.a", "1");
	set(f, "adopt.repo.zz/z", "1");
	set(f, "adopt.repo", "no repository");
	set(f, "adopt.repp", "behind");
	set(f, "adopt.done", "no");
	meta_close(&f->m);
	fixture_open(f);
	assert_true(is(f, "adopt.done", "no"));
	assert_ok(meta_write(f->m, META_DURABLE, set_fn, &clear, err));
	assert_true(is(f, "adopt.repo.a", NULL));
	assert_true(is(f, "adopt.repo.zz/z", NULL));
	assert_true(is(f, "adopt.repo", "no repository"));
	assert_true(is(f, "adopt.repp", "behind"));
	set(f, "adopt.done", NULL);
	assert_true(is(f, "adopt.done", NULL));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(blobs),
	    T(manifests),
	    T(blobs_that_a_repository_lacks),
	    T(repositories_links_and_tags),
	    T(users),
	    T(known),
	    T(state_of_the_whole),
	};
	return cmocka_run_group_tests_name("meta walk", tests, NULL, NULL);
}
