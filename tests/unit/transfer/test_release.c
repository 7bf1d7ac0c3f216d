/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_release.c - the way back to registry:2 on a file system that fails: the
 * tree that was there is never lost.
 */
#include "../base/unit.h"
#include "../storage/faults.h"
#include "../storage/place.h"

#include "meta/meta.h"
#include "storage/storage.h"
#include "transfer/layout.h"
#include "transfer/release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fixture {
	char place[PLACE_MAX];
	char path[LAYOUT_PATH];
	struct storage *s;
	struct meta *m;
};

static enum err_code fill(struct meta_tx *tx, void *arg, struct err *err)
{
	struct slice tag = SLICE("v1");
	struct meta_blob blob = {.size = 5};
	struct meta_ref ref = {.kind = META_REF_CONFIG, .required = true};
	struct meta_manifest_put put = {.repo = SLICE("a/b"),
	    .media_type = SLICE("application/vnd.oci.image.manifest.v1+json"),
	    .payload = SLICE("{}"),
	    .refs = &ref,
	    .nrefs = 1,
	    .tags = &tag,
	    .ntags = 1};
	enum err_code rc;

	digest_of(DIGEST_SHA256, "hello", 5, &blob.digest);
	digest_of(DIGEST_SHA256, put.payload.p, put.payload.n, &put.digest);
	ref.digest = blob.digest;
	rc = meta_tx_blob_link(tx, put.repo, &blob, err);
	return rc ? rc : meta_tx_manifest_put(tx, &put, err);
}

static const char *in(struct fixture *f, const char *rest)
{
	snprintf(f->path, sizeof(f->path), "%s/" LAYOUT_REPOSITORIES "%s", f->place, rest);
	return f->path;
}

/* A registry with an image, and a tree of registry:2 with a file that is known. */
static void open_registry(struct fixture *f)
{
	char path[LAYOUT_PATH];
	struct err err = {0};
	int fd;

	place_make(f->place);
	assert_ok(storage_fs_open(f->place, &f->s, &err));
	snprintf(path, sizeof(path), "%s/berth/berth.db", f->place);
	assert_ok(meta_open(&(struct meta_options){.path = path}, &f->m, &err));
	assert_ok(meta_write(f->m, META_DURABLE, fill, NULL, &err));
	assert_int_equal(mkdir(in(f, ""), 0777), 0);
	fd = open(in(f, "/known"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	assert_true(fd >= 0);
	close(fd);
}

static void close_registry(struct fixture *f)
{
	meta_close(&f->m);
	storage_free(&f->s);
	place_remove(f->place);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static void check_trees(struct fixture *f, enum err_code rc, const char *hit, const struct release_report *r)
{
	char aside[LAYOUT_PATH + 8];
	bool swapped = is_there(in(f, "/a/b/_manifests/tags/v1/current/link"));

	snprintf(aside, sizeof(aside), "%s/known", r->old_tree);
	if (rc == ERR_OK && !swapped)
		fail_msg("it succeeded, and the tree is not there");
	if (swapped && !is_there(aside))
		fail_msg("%s failed: the old tree is lost", hit ? hit : "nothing");
	if (!swapped && !is_there(in(f, "/known")))
		fail_msg("%s failed: the old tree is not in its place", hit);
	if (hit && strcmp(hit, "rename") == 0 && swapped)
		fail_msg("a rename failed, and the trees were swapped");
}

static void test_the_old_tree_is_never_lost(void **state)
{
	const char *hit;
	unsigned n = 0, renames = 0;

	do {
		struct fixture f = {0};
		struct release_report report;
		struct err err = {0};
		enum err_code rc;

		open_registry(&f);
		faults_arm(++n, EIO, FAULTS_ONCE);
		rc = release_run(f.place, f.m, f.s, NULL, &report, &err);
		hit = faults_disarm();
		check_trees(&f, rc, hit, &report);
		renames += hit && strcmp(hit, "rename") == 0;
		assert_true(report.tags <= 1 && report.links <= 1 && report.manifests <= 1);
		close_registry(&f);
	} while (hit);
	assert_int_equal(renames, 3); /* of the manifest's bytes, and of both trees */
}

static unsigned renames_left;

static int few_renames(const char *from, const char *to)
{
	if (renames_left == 0) {
		errno = EIO;
		return -1;
	}
	renames_left--;
	return fsys_system.rename(from, to);
}

/* Not even the way back works: the message says where the tree is. */
static void test_where_the_old_tree_is_told(void **state)
{
	struct fsys_ops few = *fsys;
	struct fixture f = {0};
	struct release_report report;
	struct err err = {0};

	open_registry(&f);
	renames_left = 2;
	few.rename = few_renames;
	fsys = &few;
	assert_err(release_run(f.place, f.m, f.s, NULL, &report, &err), ERR_IO);
	faults_none();
	assert_non_null(strstr(err.msg, report.old_tree));
	assert_non_null(strstr(err.msg, "rename it to"));
	close_registry(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_old_tree_is_never_lost),
	    cmocka_unit_test(test_where_the_old_tree_is_told),
	};

	faults_none();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
