/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_faults.c - the whole life of a blob on a file system that fails the
 * first call, the second, ... until nothing is left to fail: every failure is
 * told, nothing leaks, nothing is half there, and all is well afterwards. Then
 * what a power cut would leave.
 */
#include "../base/unit.h"
#include "driver_suite.h"
#include "faults.h"
#include "place.h"

#include "base/codec.h"
#include "storage/fs_path.h"
#include "storage/fs_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define SIZE ((size_t)20000)

static bool pass_blob(const struct digest *d, uint64_t size, void *arg)
{
	return true;
}

static bool pass_upload(const char *id, int64_t modified, void *arg)
{
	return true;
}

/* ---- the life of a blob ------------------------------------------------------- */

static enum err_code upload(
    struct storage *s, const char *id, const uint8_t *p, const struct digest *d, struct err *err)
{
	struct storage_upload *u = NULL;
	uint8_t back[100];
	size_t got;
	enum err_code rc = storage_upload_create(s, id, &u, err);

	if (rc == ERR_OK)
		rc = storage_upload_write(u, p, SIZE / 2, err);
	storage_upload_close(&u);
	if (rc == ERR_OK)
		rc = storage_upload_open(s, id, &u, err);
	if (rc == ERR_OK && u->size != SIZE / 2)
		rc = err_set(err, ERR_CORRUPT, "upload has %llu bytes", (unsigned long long)u->size);
	if (rc == ERR_OK)
		rc = storage_upload_write(u, p + SIZE / 2, SIZE / 2, err);
	if (rc == ERR_OK)
		rc = storage_upload_read(u, SIZE / 2 - 50, back, sizeof(back), &got, err);
	if (rc == ERR_OK && (got != sizeof(back) || memcmp(back, p + SIZE / 2 - 50, got) != 0))
		rc = err_set(err, ERR_CORRUPT, "the upload reads back differently");
	if (rc == ERR_OK)
		rc = storage_upload_list(s, pass_upload, NULL, err);
	if (rc == ERR_OK)
		rc = storage_upload_commit(&u, d, err);
	storage_upload_close(&u);
	return rc;
}

static enum err_code pull(struct storage *s, const uint8_t *p, const struct digest *d, struct err *err)
{
	struct storage_blob blob;
	uint8_t *back = xmalloc(SIZE);
	uint64_t size;
	size_t got = 0;
	enum err_code rc = storage_stat(s, d, &size, err);

	if (rc == ERR_OK)
		rc = storage_list(s, pass_blob, NULL, err);
	if (rc == ERR_OK)
		rc = storage_open(s, d, &blob, err);
	if (rc == ERR_OK) {
		rc = storage_read(&blob, 0, back, SIZE, &got, err);
		storage_close(&blob);
	}
	if (rc == ERR_OK && (size != SIZE || got != SIZE || memcmp(back, p, SIZE) != 0))
		rc = err_set(err, ERR_CORRUPT, "the blob reads back differently");
	free(back);
	return rc;
}

/* A second name, which goes again. */
static enum err_code alias(struct storage *s, const uint8_t *p, const struct digest *d, struct err *err)
{
	struct digest other;
	enum err_code rc;

	digest_of(DIGEST_SHA512, p, SIZE, &other);
	rc = storage_alias(s, d, &other, err);
	return rc ? rc : storage_remove(s, &other, err);
}

/* Out to a file elsewhere, and back in from there. */
static enum err_code carry(struct storage *s, const char *root, const char *id, const struct digest *d, struct err *err)
{
	struct storage_copy copy = {0};
	char path[FS_PATH];
	enum err_code rc;

	snprintf(path, sizeof(path), "%s/%s", root, id);
	rc = storage_export(s, d, SIZE, path, &copy, err);
	if (rc == ERR_OK)
		rc = storage_import(s, d, SIZE, path, &copy, err);
	unlink(path);
	return rc ? rc : storage_sync(s, err);
}

/* From opening the store to removing the blob; false when something failed, with
 * why in *err. */
static enum err_code live(const char *root, const char *id, const uint8_t *p, const struct digest *d, struct err *err)
{
	struct storage *s = NULL;
	enum err_code rc = storage_fs_open(root, &s, err);

	if (rc == ERR_OK)
		rc = storage_check(s, err);
	if (rc == ERR_OK)
		rc = upload(s, id, p, d, err);
	if (rc == ERR_OK)
		rc = pull(s, p, d, err);
	if (rc == ERR_OK)
		rc = carry(s, root, id, d, err);
	if (rc == ERR_OK)
		rc = alias(s, p, d, err);
	if (rc == ERR_OK)
		rc = storage_remove(s, d, err);
	if (rc == ERR_OK)
		rc = storage_sync_removals(s, d, 1, err);
	storage_free(&s);
	return rc;
}

/* ---- failing each call in turn ------------------------------------------------------ */

/* Calls whose failure is nobody's business: a hint, closing, clearing away what
 * is there. */
static bool may_be_ignored(const char *call)
{
	static const char *const calls[] = {"close", "closedir", "sync_range_start", "stat"};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		if (strcmp(call, calls[i]) == 0)
			return true;
	}
	return false;
}

/* The place after a failure: the blob whole or not there, and nothing in the way
 * of a second attempt. */
static void check_place(const char *root, const uint8_t *p, const struct digest *d, const char *what)
{
	struct storage *s = NULL;
	struct err err = {0};
	char id[UUID_TEXT];
	uint64_t size;

	if (storage_fs_open(root, &s, &err))
		fail_msg("%s: afterwards: %s", what, err.msg);
	if (storage_stat(s, d, &size, &err) != ERR_NOT_FOUND && !driver_holds(s, d, p, SIZE))
		fail_msg("%s: the blob is there in part", what);
	storage_free(&s);
	uuid_random(id);
	if (live(root, id, p, d, &err))
		fail_msg("%s: the next attempt: %s", what, err.msg);
}

static void fail_each_call(int sys, enum faults_mode mode, bool used)
{
	char root[PLACE_MAX];
	struct digest d;
	uint8_t *p = driver_bytes(9, SIZE, DIGEST_SHA256, &d);
	unsigned n = 0, failures = 0;

	for (;;) {
		struct err err = {0}, first = {0};
		char id[UUID_TEXT], what[200];
		const char *hit;
		size_t before;
		enum err_code rc;

		place_make(root);
		uuid_random(id);
		if (used)
			assert_int_equal(live(root, id, p, &d, &first), ERR_OK);
		before = place_open_files();
		faults_arm(++n, sys, mode);
		rc = live(root, id, p, &d, &err);
		hit = faults_disarm();
		snprintf(what, sizeof(what), "call %u (%s) %s with %s", n, hit ? hit : "none",
		    mode == FAULTS_ONCE ? "once" : "and all behind it", strerrordesc_np(sys));
		if (place_open_files() != before)
			fail_msg("%s: a descriptor leaked", what);
		if (rc == ERR_OK && hit && !may_be_ignored(hit))
			fail_msg("%s: nobody was told", what);
		if (rc && (err.code != rc || err.sys != sys || !strstr(err.msg, strerrordesc_np(sys))))
			fail_msg("%s: the error is '%s' (%d)", what, err.msg, err.sys);
		check_place(root, p, &d, what);
		place_remove(root);
		failures += rc != ERR_OK;
		if (!hit)
			break;
	}
	/* Enough of it failed to have been worth it. */
	assert_true(failures > 20);
	free(p);
}

#define FAULT_TEST(name, sys) \
	static void test_##name(void **state) \
	{ \
		fail_each_call(sys, FAULTS_ONCE, false); \
		fail_each_call(sys, FAULTS_FOREVER, true); \
	}

FAULT_TEST(no_space, ENOSPC)
FAULT_TEST(quota, EDQUOT)
FAULT_TEST(io_error, EIO)
FAULT_TEST(no_descriptors, EMFILE)

/* ---- single faults ------------------------------------------------------------------- */

static char place[PLACE_MAX];

static int make_place(void **state)
{
	place_make(place);
	return 0;
}

static int remove_place(void **state)
{
	place_remove(place);
	return 0;
}

/* A write that fails leaves the upload as it was, and can be tried again. */
static void test_write_can_be_repeated(void **state)
{
	struct storage *s = NULL;
	struct storage_upload *u = NULL;
	struct err err = {0};
	struct digest d;
	char id[UUID_TEXT], want[200];
	uint8_t *p = driver_bytes(1, SIZE, DIGEST_SHA256, &d);

	uuid_random(id);
	assert_ok(storage_fs_open(place, &s, &err));
	assert_ok(storage_upload_create(s, id, &u, &err));
	assert_ok(storage_upload_write(u, p, 1000, &err));
	faults_arm(1, ENOSPC, FAULTS_ONCE);
	assert_err(storage_upload_write(u, p + 1000, SIZE - 1000, &err), ERR_NO_SPACE);
	assert_string_equal(faults_disarm(), "pwrite");
	snprintf(want, sizeof(want), "upload %s: cannot write: No space left on device", id);
	assert_string_equal(err.msg, want);
	assert_int_equal(u->size, 1000);
	storage_upload_close(&u);
	/* Not even after a restart are the torn bytes taken for received ones. */
	assert_ok(storage_upload_open(s, id, &u, &err));
	assert_int_equal(u->size, 1000);
	faults_arm(1, ENOSPC, FAULTS_ONCE);
	assert_int_equal(storage_upload_write(u, p + 1000, SIZE - 1000, NULL), ERR_NO_SPACE);
	faults_disarm();
	assert_ok(storage_upload_write(u, p + 1000, SIZE - 1000, &err));
	assert_ok(storage_upload_commit(&u, &d, &err));
	assert_true(driver_holds(s, &d, p, SIZE));
	storage_free(&s);
	free(p);
}

/* Of a large upload too, whose pieces another thread writes past the page cache. */
static void test_direct_write_can_be_repeated(void **state)
{
	enum { PIECE = 1 << 20, BEFORE = FS_DIRECT_FROM, ALL = BEFORE + 3 * PIECE };
	struct storage *s = NULL;
	struct storage_upload *u = NULL;
	struct err err = {0};
	struct digest d;
	char id[UUID_TEXT];
	uint8_t *p = driver_bytes(1, ALL, DIGEST_SHA256, &d), *piece = aligned_alloc(STORAGE_ALIGN, PIECE);

	assert_non_null(piece);
	uuid_random(id);
	assert_ok(storage_fs_open(place, &s, &err));
	assert_ok(storage_upload_create(s, id, &u, &err));
	assert_ok(storage_upload_write(u, p, BEFORE, &err));
	for (size_t at = BEFORE; at < ALL; at += PIECE) {
		memcpy(piece, p + at, PIECE);
		/* The first time the flag is set before the write. */
		faults_arm(at == BEFORE ? 2 : 1, at == BEFORE ? EIO : ENOSPC, FAULTS_ONCE);
		assert_err(storage_upload_write(u, piece, PIECE, &err), at == BEFORE ? ERR_IO : ERR_NO_SPACE);
		assert_string_equal(faults_disarm(), "pwrite");
		assert_int_equal(u->size, at);
		assert_ok(storage_upload_write(u, piece, PIECE, &err));
	}
	assert_ok(storage_upload_commit(&u, &d, &err));
	assert_true(driver_holds(s, &d, p, ALL));
	storage_free(&s);
	free(piece);
	free(p);
}

/* A file system that cannot do it gets everything through the page cache. */
static void test_no_direct_writes_to_be_had(void **state)
{
	enum { PIECE = 1 << 20, ALL = FS_DIRECT_FROM + 2 * PIECE };
	struct digest d;
	uint8_t *p = aligned_alloc(STORAGE_ALIGN, ALL), *q = driver_bytes(2, ALL, DIGEST_SHA256, &d);
	struct storage *s = NULL;
	struct err err = {0};

	assert_non_null(p);
	memcpy(p, q, ALL);
	assert_ok(storage_fs_open(place, &s, &err));
	/* Either the flag is refused, or the first write with it. */
	for (unsigned call = 1; call <= 2; call++) {
		struct storage_upload *u = NULL;
		char id[UUID_TEXT];

		uuid_random(id);
		assert_ok(storage_upload_create(s, id, &u, &err));
		assert_ok(storage_upload_write(u, p, FS_DIRECT_FROM, &err));
		faults_arm(call, EINVAL, FAULTS_ONCE);
		assert_ok(storage_upload_write(u, p + FS_DIRECT_FROM, PIECE, &err));
		assert_string_equal(faults_disarm(), call == 1 ? "set_direct" : "pwrite");
		assert_ok(storage_upload_write(u, p + FS_DIRECT_FROM + PIECE, PIECE, &err));
		assert_ok(storage_upload_commit(&u, &d, &err));
		assert_true(driver_holds(s, &d, p, ALL));
	}
	storage_free(&s);
	free(p);
	free(q);
}

/*
 * After a failed sync the kernel has forgotten the bytes and would call a second
 * sync a success: the upload must not be there to be committed again.
 */
static void test_failed_sync_loses_the_upload(void **state)
{
	struct storage *s = NULL;
	struct storage_upload *u = NULL;
	struct err err = {0};
	struct digest d;
	char id[UUID_TEXT];
	uint8_t *p = driver_bytes(1, SIZE, DIGEST_SHA256, &d);
	uint64_t size;

	uuid_random(id);
	assert_ok(storage_fs_open(place, &s, &err));
	assert_ok(storage_upload_create(s, id, &u, &err));
	assert_ok(storage_upload_write(u, p, SIZE, &err));
	faults_arm(1, EIO, FAULTS_ONCE);
	assert_err(storage_upload_commit(&u, &d, &err), ERR_IO);
	assert_string_equal(faults_disarm(), "fsync");
	assert_null(u);
	assert_err(storage_upload_open(s, id, &u, &err), ERR_NOT_FOUND);
	assert_err(storage_stat(s, &d, &size, &err), ERR_NOT_FOUND);
	storage_free(&s);
	free(p);
}

/* Whatever fails between sync and rename leaves the upload for another try. */
static void test_commit_can_be_repeated(void **state)
{
	struct storage *s = NULL;
	struct err err = {0};
	struct digest d;
	uint8_t *p = driver_bytes(1, SIZE, DIGEST_SHA256, &d);
	const char *hit;
	unsigned n = 1;

	assert_ok(storage_fs_open(place, &s, &err));
	do {
		struct storage_upload *u = NULL;
		char id[UUID_TEXT], path[FS_PATH];
		enum err_code rc;

		uuid_random(id);
		assert_ok(storage_upload_create(s, id, &u, &err));
		assert_ok(storage_upload_write(u, p, SIZE, &err));
		faults_arm(++n, ENOSPC, FAULTS_ONCE);
		rc = storage_upload_commit(&u, &d, &err);
		hit = faults_disarm();
		assert_null(u);
		if (rc && access(fs_path_upload(place, id, path), F_OK) == 0) {
			assert_ok(storage_upload_open(s, id, &u, &err));
			assert_int_equal(u->size, SIZE);
			assert_ok(storage_upload_commit(&u, &d, &err));
		}
		assert_true(driver_holds(s, &d, p, SIZE));
		assert_ok(storage_remove(s, &d, &err));
	} while (hit);
	assert_true(n > 8);
	storage_free(&s);
	free(p);
}

static enum err_code list_blobs(struct storage *s, struct err *err)
{
	return storage_list(s, pass_blob, NULL, err);
}

static enum err_code list_uploads(struct storage *s, struct err *err)
{
	return storage_upload_list(s, pass_upload, NULL, err);
}

/* Whatever call of the walk fails, but for closing; there are so many at least. */
static void broken_walk(struct storage *s, enum err_code (*walk)(struct storage *, struct err *), unsigned calls)
{
	struct err err = {0};
	const char *hit;
	unsigned n = 0;

	do {
		enum err_code rc;

		faults_arm(++n, EIO, FAULTS_ONCE);
		rc = walk(s, &err);
		hit = faults_disarm();
		if (hit && rc != ERR_IO && strcmp(hit, "closedir") != 0)
			fail_msg("call %u (%s) failed and nobody was told", n, hit);
	} while (hit);
	assert_true(n > calls);
}

/* A list that breaks off says so. */
static void test_broken_walks(void **state)
{
	struct storage *s = NULL;
	struct err err = {0};
	struct digest d;
	uint8_t *p = driver_bytes(1, SIZE, DIGEST_SHA256, &d);

	assert_ok(storage_fs_open(place, &s, &err));
	assert_ok(driver_put(s, &d, p, SIZE, &err));
	broken_walk(s, list_blobs, 10);
	broken_walk(s, list_uploads, 4);
	storage_free(&s);
	free(p);
}

/* ---- power cuts -------------------------------------------------------------------------- */

/* When commit says yes, a power cut takes nothing back: not the bytes, not one
 * of the directories above them. */
static void test_commit_is_durable(void **state)
{
	struct storage *s = NULL;
	struct err err = {0};
	char root[FS_PATH], path[FS_PATH];

	snprintf(root, sizeof(root), "%s/made/for/this", place);
	cuts_watch();
	assert_ok(storage_fs_open(root, &s, &err));
	assert_true(cuts_durable(fs_path_uploads(root, path)));
	for (unsigned i = 0; i < 40; i++) {
		struct digest d;
		uint8_t *p = driver_bytes(i % 20, SIZE, i % 3 ? DIGEST_SHA256 : DIGEST_SHA512, &d);

		assert_ok(driver_put(s, &d, p, SIZE, &err));
		assert_true(cuts_durable(fs_path_blob(root, &d, path)));
		free(p);
	}
	storage_free(&s);
	cuts_unwatch();
}

/* The same where the one before us died after making directories and before
 * syncing them. */
static void test_unsynced_directories_of_others(void **state)
{
	struct storage *s = NULL;
	struct err err = {0};
	struct digest d;
	char path[FS_PATH];
	uint8_t *p = driver_bytes(1, SIZE, DIGEST_SHA256, &d);

	cuts_watch();
	fs_path_blob(place, &d, path);
	for (char *slash = strchr(path + strlen(place) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_int_equal(fsys->mkdir(path, 0777), 0);
		*slash = '/';
	}
	assert_false(cuts_durable(fs_path_blob_dir(place, &d, path)));
	assert_ok(storage_fs_open(place, &s, &err));
	assert_ok(driver_put(s, &d, p, SIZE, &err));
	assert_true(cuts_durable(fs_path_blob(place, &d, path)));
	storage_free(&s);
	cuts_unwatch();
	free(p);
}

static void test_removal_is_durable(void **state)
{
	struct storage *s = NULL;
	struct err err = {0};
	struct digest d[3];
	char path[FS_PATH];

	cuts_watch();
	assert_ok(storage_fs_open(place, &s, &err));
	for (unsigned i = 0; i < ARRAY_LEN(d); i++) {
		uint8_t *p = driver_bytes(i, SIZE, DIGEST_SHA256, &d[i]);

		assert_ok(driver_put(s, &d[i], p, SIZE, &err));
		free(p);
	}
	for (unsigned i = 0; i < ARRAY_LEN(d); i++)
		assert_ok(storage_remove(s, &d[i], &err));
	assert_false(cuts_gone(fs_path_blob_dir(place, &d[0], path)));
	assert_ok(storage_sync_removals(s, d, ARRAY_LEN(d), &err));
	for (unsigned i = 0; i < ARRAY_LEN(d); i++)
		assert_true(cuts_gone(fs_path_blob_dir(place, &d[i], path)));
	storage_free(&s);
	cuts_unwatch();
}

/* What was imported may be lost by a power cut until the store was synced, and is
 * not any more then. */
static void test_import_is_durable_after_a_sync(void **state)
{
	struct storage *s = NULL;
	struct storage_copy copy = {0};
	struct err err = {0};
	struct digest d;
	char from[FS_PATH], path[FS_PATH];
	uint8_t *p = driver_bytes(1, SIZE, DIGEST_SHA256, &d);
	int fd;

	cuts_watch();
	assert_ok(storage_fs_open(place, &s, &err));
	snprintf(from, sizeof(from), "%s/from", place);
	fd = fsys->open(from, O_RDWR | O_CREAT, 0666);
	assert_true(fd >= 0);
	assert_ok(fsys_write_all(fd, p, SIZE, 0, &err));
	fsys->close(fd);
	assert_ok(storage_import(s, &d, SIZE, from, &copy, &err));
	assert_false(cuts_durable(fs_path_blob(place, &d, path)));
	assert_ok(storage_sync(s, &err));
	assert_true(cuts_durable(fs_path_blob(place, &d, path)));
	storage_free(&s);
	cuts_unwatch();
	free(p);
}

static void test_alias_is_durable(void **state)
{
	struct storage *s = NULL;
	struct err err = {0};
	struct digest d, other;
	char path[FS_PATH];
	uint8_t *p = driver_bytes(1, SIZE, DIGEST_SHA256, &d);

	digest_of(DIGEST_SHA512, p, SIZE, &other);
	cuts_watch();
	assert_ok(storage_fs_open(place, &s, &err));
	assert_ok(driver_put(s, &d, p, SIZE, &err));
	assert_ok(storage_alias(s, &d, &other, &err));
	assert_true(cuts_durable(fs_path_blob(place, &other, path)));
	storage_free(&s);
	cuts_unwatch();
	free(p);
}

static unsigned clones; /* tried */

static int no_link(const char *from, const char *to)
{
	errno = EXDEV;
	return -1;
}

static int no_clone(int to, int from)
{
	clones++;
	errno = EOPNOTSUPP;
	return -1;
}

/* Where neither links nor clones are to be had the bytes are copied. */
static void test_neither_link_nor_clone(void **state)
{
	struct fsys_ops plain = *fsys;
	struct storage *s = NULL;
	struct storage_copy copy = {0};
	struct err err = {0};
	struct digest d;
	char path[FS_PATH];
	uint8_t *p = driver_bytes(1, SIZE, DIGEST_SHA256, &d);

	assert_ok(storage_fs_open(place, &s, &err));
	assert_ok(driver_put(s, &d, p, SIZE, &err));
	snprintf(path, sizeof(path), "%s/out", place);
	plain.link = no_link;
	plain.clone = no_clone;
	fsys = &plain;
	assert_ok(storage_export(s, &d, SIZE, path, &copy, &err));
	faults_none();
	assert_int_equal(copy.how, STORAGE_COPIED);
	assert_int_equal(clones, 1);
	storage_free(&s);
	free(p);
}

int main(void)
{
#define PLACE_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_place, remove_place)
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_space),
	    cmocka_unit_test(test_quota),
	    cmocka_unit_test(test_io_error),
	    cmocka_unit_test(test_no_descriptors),
	    PLACE_TEST(test_write_can_be_repeated),
	    PLACE_TEST(test_direct_write_can_be_repeated),
	    PLACE_TEST(test_no_direct_writes_to_be_had),
	    PLACE_TEST(test_failed_sync_loses_the_upload),
	    PLACE_TEST(test_commit_can_be_repeated),
	    PLACE_TEST(test_broken_walks),
	    PLACE_TEST(test_commit_is_durable),
	    PLACE_TEST(test_unsynced_directories_of_others),
	    PLACE_TEST(test_removal_is_durable),
	    PLACE_TEST(test_import_is_durable_after_a_sync),
	    PLACE_TEST(test_alias_is_durable),
	    PLACE_TEST(test_neither_link_nor_clone),
	};

	faults_none();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
