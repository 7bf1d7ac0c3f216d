/* SPDX-License-Identifier: Apache-2.0 */
/* test_meta_ops.c - every operation of meta.h, what it stores and how it fails. */
#include "meta_test.h"
#include "base/buf.h"

static void check_totals(
    struct meta *m, uint64_t repos, uint64_t manifests, uint64_t tags, uint64_t blobs, uint64_t bytes)
{
	struct meta_totals t;
	assert_ok(meta_totals_get(m, &t, err));
	assert_int_equal(t.repositories, repos);
	assert_int_equal(t.manifests, manifests);
	assert_int_equal(t.tags, tags);
	assert_int_equal(t.blobs, blobs);
	assert_int_equal(t.blob_bytes, bytes);
}

/* ---- blobs ----------------------------------------------------------------------- */

static void blob_link_get(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_nr(1);
	struct meta_blob b;
	assert_fails(meta_blob_get(f->m, S("a/b"), &d, &b, err), ERR_NOT_FOUND, "sha256:");
	assert_fails(meta_repo_exists(f->m, S("a/b"), err), ERR_NOT_FOUND, "a/b");
	assert_ok(put_blob(f->m, "a/b", 1, 100, err));
	assert_ok(put_blob(f->m, "a/b", 1, 100, err));
	assert_ok(meta_blob_get(f->m, S("a/b"), &d, &b, err));
	assert_int_equal(b.size, 100);
	assert_true(digest_eq(&b.digest, &d));
	assert_ok(meta_repo_exists(f->m, S("a/b"), err));
	assert_fails(meta_blob_get(f->m, S("a/c"), &d, &b, err), ERR_NOT_FOUND, "a/c");
	check_totals(f->m, 1, 0, 0, 1, 100);
}

struct sized {
	const char *repo;
	struct meta_blob blob;
};

static enum err_code unhashed_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct sized *s = arg;
	return meta_tx_blob_link_unhashed(tx, slice_cstr(s->repo), &s->blob, err);
}

static enum err_code resize_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct sized *s = arg;
	return meta_tx_blob_resize(tx, &s->blob, err);
}

static uint64_t size_of(struct fixture *f, const char *repo, unsigned nr)
{
	struct digest d = digest_nr(nr);
	struct meta_blob b;
	assert_ok(meta_blob_get(f->m, slice_cstr(repo), &d, &b, err));
	return b.size;
}

static void blob_size_differs(void **state)
{
	struct fixture *f = *state;
	struct sized s = {"b", {digest_nr(1), 101}};
	assert_ok(put_blob(f->m, "a", 1, 100, err));
	assert_fails(
	    meta_write(f->m, META_DURABLE, unhashed_fn, &s, err), ERR_MISMATCH, "known with 100 bytes, not 101");
	assert_fails(meta_repo_exists(f->m, S("b"), err), ERR_NOT_FOUND, "b");
	s.blob.size = 100;
	assert_ok(meta_write(f->m, META_DURABLE, unhashed_fn, &s, err));
	assert_int_equal(size_of(f, "b", 1), 100);
	assert_fails(put_blob(f->m, "b", 2, UINT64_MAX, err), ERR_TOO_LARGE, "bytes");
	assert_ok(put_blob(f->m, "b", 3, 0, err));
	check_totals(f->m, 2, 0, 0, 2, 100);
}

/* Who has hashed the bytes knows better than the record. */
static void blob_size_put_right(void **state)
{
	struct fixture *f = *state;
	struct sized s = {NULL, {digest_nr(1), 7}};
	assert_fails(meta_write(f->m, META_DURABLE, resize_fn, &s, err), ERR_NOT_FOUND, "is not known");
	assert_ok(put_blob(f->m, "a", 1, 5, err));
	assert_ok(put_blob(f->m, "b", 1, 300, err));
	assert_int_equal(size_of(f, "a", 1), 300);
	assert_int_equal(size_of(f, "b", 1), 300);
	check_totals(f->m, 2, 0, 0, 1, 300);
	assert_ok(meta_write(f->m, META_DURABLE, resize_fn, &s, err));
	assert_int_equal(size_of(f, "a", 1), 7);
	check_totals(f->m, 2, 0, 0, 1, 7);
	s.blob.size = UINT64_MAX;
	assert_fails(meta_write(f->m, META_DURABLE, resize_fn, &s, err), ERR_TOO_LARGE, "bytes");
}

static void blob_sha512_is_another(void **state)
{
	struct fixture *f = *state;
	struct digest d = {.alg = DIGEST_SHA512};
	struct meta_blob b;
	memcpy(d.bytes, digest_nr(1).bytes, 32);
	assert_ok(put_blob(f->m, "a", 1, 1, err));
	assert_fails(meta_blob_get(f->m, S("a"), &d, &b, err), ERR_NOT_FOUND, "sha512:");
}

static void blob_find_anywhere(void **state)
{
	struct fixture *f = *state;
	struct digest d = digest_nr(7);
	struct meta_blob b;
	struct slice repo;
	assert_fails(meta_blob_find(f->m, &d, &f->a, &b, &repo, err), ERR_NOT_FOUND, "any repository");
	assert_ok(put_blob(f->m, "x/y", 7, 70, err));
	assert_ok(meta_blob_find(f->m, &d, &f->a, &b, &repo, err));
	assert_int_equal(b.size, 70);
	assert_true(slice_eq_cstr(repo, "x/y"));
}

struct mount_arg {
	const char *from, *to;
	struct digest d;
	struct meta_blob out;
};

static enum err_code mount_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct mount_arg *m = arg;
	return meta_tx_blob_mount(tx, slice_cstr(m->from), slice_cstr(m->to), &m->d, &m->out, err);
}

static enum err_code unlink_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct mount_arg *m = arg;
	return meta_tx_blob_unlink(tx, slice_cstr(m->from), &m->d, err);
}

static void blob_mount_unlink(void **state)
{
	struct fixture *f = *state;
	struct mount_arg m = {.from = "src", .to = "dst", .d = digest_nr(5)};
	struct meta_blob b;
	assert_fails(meta_write(f->m, META_DURABLE, mount_fn, &m, err), ERR_NOT_FOUND, "src");
	assert_fails(meta_repo_exists(f->m, S("dst"), err), ERR_NOT_FOUND, "dst");
	assert_ok(put_blob(f->m, "src", 5, 55, err));
	assert_ok(meta_write(f->m, META_RELAXED, mount_fn, &m, err));
	assert_int_equal(m.out.size, 55);
	assert_ok(meta_blob_get(f->m, S("dst"), &m.d, &b, err));
	assert_ok(meta_write(f->m, META_RELAXED, unlink_fn, &m, err));
	assert_fails(meta_blob_get(f->m, S("src"), &m.d, &b, err), ERR_NOT_FOUND, "src");
	assert_ok(meta_blob_get(f->m, S("dst"), &m.d, &b, err));
	assert_fails(meta_write(f->m, META_RELAXED, unlink_fn, &m, err), ERR_NOT_FOUND, "src");
	check_totals(f->m, 2, 0, 0, 1, 55);
}

/* ---- manifests ----------------------------------------------------------------------- */

static void manifest_put_get(void **state)
{
	struct fixture *f = *state;
	struct meta_manifest got;
	struct digest d = digest_nr(10);
	int64_t before = clock_real();
	assert_ok(put_blob(f->m, "r", 1, 10, err));
	assert_ok(put_manifest(f->m, "r", 10, 1, "v1", 0, NULL, err));
	assert_ok(meta_manifest_get(f->m, S("r"), &d, true, &f->a, &got, err));
	assert_true(slice_eq_cstr(got.payload, "manifest 10"));
	assert_true(slice_eq_cstr(got.media_type, "application/vnd.oci.image.manifest.v1+json"));
	assert_true(digest_eq(&got.digest, &d));
	assert_true(got.pushed_at >= before && got.pushed_at <= clock_real());
	memset(&got, 0, sizeof(got));
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("v1"), true, &f->a, &got, err));
	assert_true(slice_eq_cstr(got.payload, "manifest 10"));
	assert_true(digest_eq(&got.digest, &d));
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("v1"), false, &f->a, &got, err));
	assert_int_equal(got.payload.n, 11);
	assert_ok(meta_manifest_get(f->m, S("r"), &d, false, &f->a, &got, err));
	assert_int_equal(got.payload.n, 11);
	check_totals(f->m, 1, 1, 1, 1, 10);
}

static void manifest_not_found(void **state)
{
	struct fixture *f = *state;
	struct meta_manifest got;
	struct digest d = digest_nr(10), other = digest_nr(11);
	assert_fails(meta_manifest_get(f->m, S("r"), &d, true, &f->a, &got, err), ERR_NOT_FOUND, "sha256:");
	assert_ok(put_manifest(f->m, "r", 10, 0, "v1", 0, NULL, err));
	assert_fails(meta_manifest_get(f->m, S("r"), &other, true, &f->a, &got, err), ERR_NOT_FOUND, "repository r");
	assert_fails(meta_manifest_get(f->m, S("r2"), &d, false, &f->a, &got, err), ERR_NOT_FOUND, "r2");
	assert_fails(meta_manifest_get_tag(f->m, S("r"), S("v"), true, &f->a, &got, err), ERR_NOT_FOUND, "tag v");
	assert_fails(meta_manifest_get_tag(f->m, S("r2"), S("v1"), true, &f->a, &got, err), ERR_NOT_FOUND, "r2");
}

static void manifest_again_only_tags(void **state)
{
	struct fixture *f = *state;
	struct meta_manifest one, two;
	assert_ok(put_manifest(f->m, "r", 10, 0, "v1", 0, NULL, err));
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("v1"), true, &f->a, &one, err));
	assert_ok(put_manifest(f->m, "r", 10, 0, "v2", 0, NULL, err));
	assert_ok(put_manifest(f->m, "r", 10, 0, "v2", 0, NULL, err));
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("v2"), true, &f->a, &two, err));
	assert_int_equal(one.pushed_at, two.pushed_at);
	check_totals(f->m, 1, 1, 2, 0, 0);
	assert_ok(put_manifest(f->m, "r", 11, 0, "v2", 0, NULL, err));
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("v2"), true, &f->a, &two, err));
	assert_true(slice_eq_cstr(two.payload, "manifest 11"));
	check_totals(f->m, 1, 2, 2, 0, 0);
}

static enum err_code put_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_manifest_put(tx, arg, err);
}

static void manifest_missing_refs(void **state)
{
	struct fixture *f = *state;
	struct meta_manifest got;
	struct meta_blob b;
	struct slice tag = S("v1");
	struct meta_ref refs[] = {
	    {META_REF_CONFIG, digest_nr(1), true, false},
	    {META_REF_LAYER, digest_nr(2), true, false},
	    {META_REF_LAYER, digest_nr(3), false, false},
	    {META_REF_CHILD, digest_nr(4), true, false},
	};
	struct meta_manifest_put p = {.repo = S("r"),
	    .digest = digest_nr(10),
	    .media_type = S("m"),
	    .payload = S("{}"),
	    .refs = refs,
	    .nrefs = 4,
	    .tags = &tag,
	    .ntags = 1};
	assert_fails(meta_write(f->m, META_DURABLE, put_fn, &p, err), ERR_NOT_FOUND, "3 of the");
	assert_int_equal(p.nmissing, 3);
	assert_true(refs[0].missing && refs[1].missing && refs[2].missing && refs[3].missing);
	check_totals(f->m, 0, 0, 0, 0, 0);

	/* What another repository has does not count. */
	assert_ok(put_blob(f->m, "other", 1, 10, err));
	assert_ok(put_blob(f->m, "r", 2, 20, err));
	assert_ok(put_manifest(f->m, "other", 4, 0, NULL, 0, NULL, err));
	assert_fails(meta_write(f->m, META_DURABLE, put_fn, &p, err), ERR_NOT_FOUND, "2 of the");
	assert_true(refs[0].missing && !refs[1].missing && refs[2].missing && refs[3].missing);
	assert_fails(meta_manifest_get(f->m, S("r"), &p.digest, true, &f->a, &got, err), ERR_NOT_FOUND, "");

	assert_ok(put_blob(f->m, "r", 1, 10, err));
	assert_ok(put_manifest(f->m, "r", 4, 0, NULL, 0, NULL, err));
	assert_ok(meta_write(f->m, META_DURABLE, put_fn, &p, err));
	assert_int_equal(p.nmissing, 0);
	assert_true(!refs[0].missing && refs[2].missing && !refs[3].missing);
	check_totals(f->m, 2, 3, 1, 2, 30);

	/* The layer that was not required arrives later: only now does it count. */
	struct digest late = digest_nr(3);
	assert_fails(meta_blob_get(f->m, S("r"), &late, &b, err), ERR_NOT_FOUND, "r");
	assert_fails(meta_blob_find(f->m, &late, &f->a, &b, &tag, err), ERR_NOT_FOUND, "any");
	assert_ok(put_blob(f->m, "r", 3, 300, err));
	assert_ok(meta_blob_get(f->m, S("r"), &late, &b, err));
	assert_int_equal(b.size, 300);
	check_totals(f->m, 2, 3, 1, 3, 330);
}

static void manifest_same_ref_twice(void **state)
{
	struct fixture *f = *state;
	assert_ok(put_blob(f->m, "r", 1, 10, err));
	assert_ok(put_manifest(f->m, "r", 4, 0, NULL, 0, NULL, err));
	struct slice tags[] = {S("a"), S("b"), S("a")};
	struct meta_ref refs[] = {
	    {META_REF_CONFIG, digest_nr(1), true, false},
	    {META_REF_LAYER, digest_nr(1), true, false},
	    {META_REF_LAYER, digest_nr(1), true, false},
	    {META_REF_CHILD, digest_nr(4), true, false},
	    {META_REF_CHILD, digest_nr(4), true, false},
	};
	struct meta_manifest_put p = {.repo = S("r"),
	    .digest = digest_nr(10),
	    .media_type = S("m"),
	    .payload = S("{}"),
	    .refs = refs,
	    .nrefs = 5,
	    .tags = tags,
	    .ntags = 3};
	assert_ok(meta_write(f->m, META_DURABLE, put_fn, &p, err));
	check_totals(f->m, 1, 2, 2, 1, 10);
}

static void manifest_large(void **state)
{
	struct fixture *f = *state;
	size_t n = 5 * 1024 * 1024;
	char *big = malloc(n);
	for (size_t i = 0; i < n; i++)
		big[i] = (char)(i * 31 + i / 4096);
	struct slice tag = S("big");
	struct meta_manifest_put p = {.repo = S("r"),
	    .digest = digest_nr(1),
	    .media_type = S("m"),
	    .payload = slice_of(big, n),
	    .tags = &tag,
	    .ntags = 1};
	assert_ok(meta_write(f->m, META_DURABLE, put_fn, &p, err));
	struct meta_manifest got;
	assert_ok(meta_manifest_get_tag(f->m, S("r"), tag, true, &f->a, &got, err));
	assert_int_equal(got.payload.n, n);
	assert_memory_equal(got.payload.p, big, n);
	struct arena small;
	arena_init(&small, 64 * 1024);
	assert_fails(meta_manifest_get_tag(f->m, S("r"), tag, true, &small, &got, err), ERR_NO_MEMORY, "memory");
	arena_free(&small);
	free(big);
}

static void manifest_empty_payload(void **state)
{
	struct fixture *f = *state;
	struct meta_manifest_put p = {.repo = S("r"), .digest = digest_nr(1), .media_type = S("m"), .payload = S("")};
	assert_ok(meta_write(f->m, META_DURABLE, put_fn, &p, err));
	struct meta_manifest got;
	assert_ok(meta_manifest_get(f->m, S("r"), &p.digest, true, &f->a, &got, err));
	assert_int_equal(got.payload.n, 0);
}

static void manifest_delete(void **state)
{
	struct fixture *f = *state;
	struct meta_manifest got;
	assert_fails(delete_manifest(f->m, "r", 10, err), ERR_NOT_FOUND, "sha256:");
	assert_ok(put_blob(f->m, "r", 1, 10, err));
	assert_ok(put_manifest(f->m, "r", 10, 1, "v1", 0, NULL, err));
	assert_ok(put_manifest(f->m, "r", 10, 1, "v2", 0, NULL, err));
	assert_ok(put_manifest(f->m, "r", 11, 1, "w", 0, NULL, err));
	assert_ok(put_manifest(f->m, "s", 10, 0, "v1", 0, NULL, err));
	assert_ok(delete_manifest(f->m, "r", 10, err));
	assert_fails(meta_manifest_get_tag(f->m, S("r"), S("v1"), true, &f->a, &got, err), ERR_NOT_FOUND, "v1");
	assert_fails(meta_manifest_get_tag(f->m, S("r"), S("v2"), true, &f->a, &got, err), ERR_NOT_FOUND, "v2");
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("w"), true, &f->a, &got, err));
	assert_ok(meta_manifest_get_tag(f->m, S("s"), S("v1"), true, &f->a, &got, err));
	check_totals(f->m, 2, 2, 2, 1, 10);
	assert_fails(delete_manifest(f->m, "r", 10, err), ERR_NOT_FOUND, "r");
	assert_ok(put_manifest(f->m, "r", 10, 1, "v1", 0, NULL, err));
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("v1"), true, &f->a, &got, err));
	check_totals(f->m, 2, 3, 3, 1, 10);
}

/* A manifest that an index names may go; the index stays. */
static void manifest_delete_child(void **state)
{
	struct fixture *f = *state;
	struct meta_manifest got;
	assert_ok(put_manifest(f->m, "r", 4, 0, NULL, 0, NULL, err));
	struct meta_ref ref = {META_REF_CHILD, digest_nr(4), true, false};
	struct meta_manifest_put p = {.repo = S("r"),
	    .digest = digest_nr(5),
	    .media_type = S("index"),
	    .payload = S("{}"),
	    .refs = &ref,
	    .nrefs = 1};
	assert_ok(meta_write(f->m, META_DURABLE, put_fn, &p, err));
	assert_ok(delete_manifest(f->m, "r", 4, err));
	assert_ok(meta_manifest_get(f->m, S("r"), &p.digest, true, &f->a, &got, err));
	assert_ok(delete_manifest(f->m, "r", 5, err));
	check_totals(f->m, 1, 0, 0, 0, 0);
}

static void tag_delete(void **state)
{
	struct fixture *f = *state;
	struct meta_manifest got;
	struct digest d = digest_nr(10);
	assert_fails(delete_tag(f->m, "r", "v1", err), ERR_NOT_FOUND, "v1");
	assert_ok(put_manifest(f->m, "r", 10, 0, "v1", 0, NULL, err));
	assert_fails(delete_tag(f->m, "r", "v2", err), ERR_NOT_FOUND, "v2");
	assert_ok(delete_tag(f->m, "r", "v1", err));
	assert_fails(delete_tag(f->m, "r", "v1", err), ERR_NOT_FOUND, "v1");
	assert_ok(meta_manifest_get(f->m, S("r"), &d, true, &f->a, &got, err));
	check_totals(f->m, 1, 1, 0, 0, 0);
}

/* ---- lists ----------------------------------------------------------------------- */

static void check_names(const struct meta_names *got, const char *expected, bool more)
{
	struct buf b = BUF_INIT(4096);
	for (size_t i = 0; i < got->n; i++) {
		buf_add(&b, got->v[i]);
		buf_addc(&b, ' ');
	}
	assert_string_equal(buf_cstr(&b), expected);
	assert_int_equal(got->more, more);
	buf_free(&b);
}

static void list_tags(void **state)
{
	struct fixture *f = *state;
	struct meta_names got;
	assert_fails(meta_tags(f->m, S("r"), SLICE_NONE, 10, &f->a, &got, err), ERR_NOT_FOUND, "r");
	assert_ok(put_blob(f->m, "r", 1, 10, err));
	assert_fails(meta_tags(f->m, S("r"), SLICE_NONE, 10, &f->a, &got, err), ERR_NOT_FOUND, "r");
	const char *const names[] = {"b", "A", "a", "a.1", "_x", "Z", "a-1", "10", "9"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_ok(put_manifest(f->m, "r", 10, 0, names[i], 0, NULL, err));
	assert_ok(put_manifest(f->m, "q", 10, 0, "elsewhere", 0, NULL, err));
	assert_ok(meta_tags(f->m, S("r"), SLICE_NONE, 100, &f->a, &got, err));
	check_names(&got, "10 9 A Z _x a a-1 a.1 b ", false);
	assert_ok(meta_tags(f->m, S("r"), SLICE_NONE, 9, &f->a, &got, err));
	check_names(&got, "10 9 A Z _x a a-1 a.1 b ", false);
	assert_ok(meta_tags(f->m, S("r"), SLICE_NONE, 2, &f->a, &got, err));
	check_names(&got, "10 9 ", true);
	assert_ok(meta_tags(f->m, S("r"), S("9"), 3, &f->a, &got, err));
	check_names(&got, "A Z _x ", true);
	assert_ok(meta_tags(f->m, S("r"), S("a"), SIZE_MAX, &f->a, &got, err));
	check_names(&got, "a-1 a.1 b ", false);
	assert_ok(meta_tags(f->m, S("r"), S("B"), 1, &f->a, &got, err));
	check_names(&got, "Z ", true);
	assert_ok(meta_tags(f->m, S("r"), S("b"), 3, &f->a, &got, err));
	check_names(&got, "", false);
	assert_ok(meta_tags(f->m, S("r"), SLICE_NONE, 0, &f->a, &got, err));
	check_names(&got, "", true);
}

/* A repository without any tag left is known and has none. */
static void list_no_tags(void **state)
{
	struct fixture *f = *state;
	struct meta_names got;
	assert_ok(put_manifest(f->m, "r", 10, 0, NULL, 0, NULL, err));
	assert_ok(meta_tags(f->m, S("r"), SLICE_NONE, 10, &f->a, &got, err));
	check_names(&got, "", false);
	assert_ok(delete_manifest(f->m, "r", 10, err));
	assert_ok(meta_tags(f->m, S("r"), SLICE_NONE, 10, &f->a, &got, err));
	check_names(&got, "", false);
}

static void list_repos(void **state)
{
	struct fixture *f = *state;
	struct meta_names got;
	assert_ok(meta_repos(f->m, SLICE_NONE, 10, &f->a, &got, err));
	check_names(&got, "", false);
	assert_ok(put_blob(f->m, "blobs/only", 1, 10, err));
	const char *const names[] = {"z", "a/b", "a", "a-b", "m/n/o"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_ok(put_manifest(f->m, names[i], 10, 0, "v", 0, NULL, err));
	assert_ok(meta_repos(f->m, SLICE_NONE, 10, &f->a, &got, err));
	check_names(&got, "a a-b a/b m/n/o z ", false);
	assert_ok(meta_repos(f->m, S("a"), 2, &f->a, &got, err));
	check_names(&got, "a-b a/b ", true);
	assert_ok(meta_repos(f->m, S("a0"), 2, &f->a, &got, err));
	check_names(&got, "m/n/o z ", false);
	check_totals(f->m, 6, 5, 5, 1, 10);
}

static void list_needs_memory(void **state)
{
	struct fixture *f = *state;
	struct meta_names got;
	assert_ok(put_manifest(f->m, "repository", 10, 0, "v", 0, NULL, err));
	struct arena none;
	arena_init(&none, 8);
	assert_fails(meta_repos(f->m, SLICE_NONE, 10, &none, &got, err), ERR_NO_MEMORY, "memory");
	arena_free(&none);
	assert_ok(meta_repos(f->m, SLICE_NONE, 10, &f->a, &got, err));
}

static void list_many(void **state)
{
	struct fixture *f = *state;
	char name[32];
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "t%04u", i * 7 % 500);
		assert_ok(put_manifest(f->m, "r", 10 + i % 3, 0, name, 0, NULL, err));
	}
	struct slice last = SLICE_NONE;
	unsigned seen = 0;
	struct meta_names got;
	do {
		assert_ok(meta_tags(f->m, S("r"), last, 73, &f->a, &got, err));
		for (size_t i = 0; i < got.n; i++) {
			snprintf(name, sizeof(name), "t%04u", seen++);
			assert_true(slice_eq_cstr(got.v[i], name));
		}
		last = got.v[got.n - 1];
	} while (got.more);
	assert_int_equal(seen, 500);
}

static void list_referrers(void **state)
{
	struct fixture *f = *state;
	struct meta_referrers got;
	struct digest d = digest_nr(1000), none = digest_nr(1001);
	assert_ok(meta_referrers(f->m, S("r"), &d, SLICE_NONE, 0, 10, &f->a, &got, err));
	assert_int_equal(got.n, 0);
	assert_false(got.more);
	for (unsigned i = 1; i <= 150; i++)
		assert_ok(put_manifest(f->m, "r", i, 0, NULL, 1000, i % 3 ? "sbom" : "sig", err));
	assert_ok(put_manifest(f->m, "q", 1, 0, NULL, 1000, "sbom", err));
	int64_t after = 0;
	unsigned seen = 0;
	char text[32];
	do {
		assert_ok(meta_referrers(f->m, S("r"), &d, SLICE_NONE, after, 40, &f->a, &got, err));
		for (size_t i = 0; i < got.n; i++) {
			snprintf(text, sizeof(text), "{\"nr\":%u}", ++seen);
			assert_true(slice_eq_cstr(got.descriptors[i], text));
		}
		after = got.next;
	} while (got.more);
	assert_int_equal(seen, 150);
	assert_ok(meta_referrers(f->m, S("r"), &d, S("sig"), 0, 50, &f->a, &got, err));
	assert_int_equal(got.n, 50);
	assert_false(got.more);
	assert_true(slice_eq_cstr(got.descriptors[49], "{\"nr\":150}"));
	assert_ok(meta_referrers(f->m, S("r"), &d, S("none"), 0, 50, &f->a, &got, err));
	assert_int_equal(got.n, 0);
	assert_ok(meta_referrers(f->m, S("r"), &none, SLICE_NONE, 0, 50, &f->a, &got, err));
	assert_int_equal(got.n, 0);
	assert_ok(delete_manifest(f->m, "r", 150, err));
	assert_ok(put_manifest(f->m, "r", 151, 0, NULL, 1000, "sig", err));
	assert_ok(meta_referrers(f->m, S("r"), &d, S("sig"), after, 50, &f->a, &got, err));
	assert_int_equal(got.n, 1);
}

/* ---- uploads ----------------------------------------------------------------------- */

static enum err_code upload_create_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_upload_create(tx, arg, err);
}

static enum err_code upload_delete_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_upload_delete(tx, arg, err);
}

static void uploads(void **state)
{
	struct fixture *f = *state;
	struct meta_upload u = {.repo = S("a/b"), .alg = DIGEST_SHA512}, got;
	for (int i = 0; i < 5; i++) {
		snprintf(u.id, sizeof(u.id), "00000000-0000-4000-8000-00000000000%d", i);
		u.started_at = 1000 - i * 10;
		assert_ok(meta_write(f->m, META_RELAXED, upload_create_fn, &u, err));
	}
	assert_fails(meta_write(f->m, META_RELAXED, upload_create_fn, &u, err), ERR_EXISTS, u.id);
	assert_ok(meta_upload_get(f->m, u.id, &f->a, &got, err));
	assert_string_equal(got.id, u.id);
	assert_true(slice_eq_cstr(got.repo, "a/b"));
	assert_int_equal(got.alg, DIGEST_SHA512);
	assert_int_equal(got.started_at, 960);
	struct meta_uploads list;
	assert_ok(meta_uploads_before(f->m, 990, 10, &f->a, &list, err));
	assert_int_equal(list.n, 3);
	assert_int_equal(list.v[0].started_at, 960);
	assert_int_equal(list.v[2].started_at, 980);
	assert_ok(meta_uploads_before(f->m, CLOCK_NEVER, 2, &f->a, &list, err));
	assert_int_equal(list.n, 2);
	assert_ok(meta_write(f->m, META_RELAXED, upload_delete_fn, u.id, err));
	assert_fails(meta_write(f->m, META_RELAXED, upload_delete_fn, u.id, err), ERR_NOT_FOUND, u.id);
	assert_fails(meta_upload_get(f->m, u.id, &f->a, &got, err), ERR_NOT_FOUND, u.id);
	assert_fails(meta_repo_exists(f->m, S("a/b"), err), ERR_NOT_FOUND, "a/b");
}

static void check_health(void **state)
{
	struct fixture *f = *state;
	assert_ok(meta_check(f->m, err));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(blob_link_get),
	    T(blob_size_differs),
	    T(blob_size_put_right),
	    T(blob_sha512_is_another),
	    T(blob_find_anywhere),
	    T(blob_mount_unlink),
	    T(manifest_put_get),
	    T(manifest_not_found),
	    T(manifest_again_only_tags),
	    T(manifest_missing_refs),
	    T(manifest_same_ref_twice),
	    T(manifest_large),
	    T(manifest_empty_payload),
	    T(manifest_delete),
	    T(manifest_delete_child),
	    T(tag_delete),
	    T(list_tags),
	    T(list_no_tags),
	    T(list_repos),
	    T(list_needs_memory),
	    T(list_many),
	    T(list_referrers),
	    T(uploads),
	    T(check_health),
	};
	return cmocka_run_group_tests_name("meta operations", tests, NULL, NULL);
}
