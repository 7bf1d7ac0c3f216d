/* SPDX-License-Identifier: Apache-2.0 */
/* test_backup_dir.c - the directory of backups, and blobs from and to files. */
#include "../base/unit.h"
#include "../storage/place.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/fsys.h"
#include "storage/storage.h"
#include "transfer/backup.h"
#include "transfer/backup_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct fixture {
	char place[PLACE_MAX];
	char path[BACKUP_PATH];
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	place_make(f->place);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	place_remove(f->place);
	free(f);
	return 0;
}

static const char *in(struct fixture *f, const char *rest)
{
	snprintf(f->path, sizeof(f->path), "%s/%s", f->place, rest);
	return f->path;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* ---- names ------------------------------------------------------------------- */

static void test_names(void **state)
{
	static const char *const wrong[] = {"", "20261121T033000", "20261121T033000Z.partial", "20261121t033000Z",
	    "2026112AT033000Z", "20261121T03300 Z", "202611210T33000Z", "latest"};
	char name[BACKUP_NAME];
	int64_t when;

	assert_true(clock_parse_rfc3339(SLICE("2026-11-21T03:30:00Z"), &when));
	backup_name_of(when, name);
	assert_string_equal(name, "20261121T033000Z");
	assert_true(backup_name_valid(name));
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_false(backup_name_valid(wrong[i]));
}

/* ---- backup.json --------------------------------------------------------------- */

static const struct backup_info some = {.name = "20261121T033000Z",
    .berth = "1.2.3",
    .repositories = 1,
    .manifests = 2,
    .tags = 3,
    .blobs = 4,
    .bytes = UINT64_C(1) << 50,
    .missing = 5,
    .database_bytes = 6,
    .database_sha256 = "sha256:00"};

static void test_info_comes_back(void **state)
{
	struct fixture *f = *state;
	struct backup_info back;
	struct err err = {0};

	assert_ok(backup_info_write(f->place, &some, &err));
	assert_ok(backup_info_read(f->place, &back, &err));
	assert_memory_equal(&back, &some, sizeof(some));
	assert_err(backup_info_write(f->place, &some, &err), ERR_EXISTS);
}

static void test_info_that_makes_no_sense(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
	    {"", ERR_CORRUPT},
	    {"[]", ERR_CORRUPT},
	    {"{\"version\": 1}", ERR_CORRUPT},
	    {"{\"version\": 2}", ERR_UNSUPPORTED},
	    {"{\"version\": \"1\"}", ERR_CORRUPT},
	    {"{\"version\":1,\"berth\":\"1\",\"name\":\"20261121T033000Z\",\"database_sha256\":\"x\",\"repositories\":-1,"
	     "\"manifests\":0,\"tags\":0,\"blobs\":0,\"bytes\":0,\"missing\":0,\"database_bytes\":0}",
	        ERR_CORRUPT},
	    {"{\"version\":1,\"berth\":\"1\",\"name\":\"../../etc\",\"database_sha256\":\"x\",\"repositories\":0,"
	     "\"manifests\":0,\"tags\":0,\"blobs\":0,\"bytes\":0,\"missing\":0,\"database_bytes\":0}",
	        ERR_CORRUPT},
	};
	struct fixture *f = *state;
	struct backup_info info;
	struct err err = {0};

	assert_err(backup_info_read(f->place, &info, &err), ERR_NOT_FOUND);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_text(in(f, "backup.json"), cases[i].text);
		assert_err(backup_info_read(f->place, &info, &err), cases[i].code);
		assert_non_null(strstr(err.msg, f->place));
	}
}

/* ---- the directory ---------------------------------------------------------------- */

static void add(struct fixture *f, const char *name, bool complete)
{
	char at[BACKUP_PATH];
	struct err err = {0};

	snprintf(at, sizeof(at), "%s/%s", f->place, name);
	assert_int_equal(mkdir(at, 0777), 0);
	if (complete)
		assert_ok(backup_info_write(at, &some, &err));
}

static void test_list_has_what_is_complete(void **state)
{
	struct fixture *f = *state;
	struct backup_list list;
	struct err err = {0};
	struct stat st;

	add(f, "20270101T000000Z", true);
	add(f, "20260101T000000Z", true);
	add(f, "20280101T000000Z", false);
	add(f, "20290101T000000Z.partial", true);
	add(f, "other.partial", true);
	assert_ok(backup_list(f->place, &list, &err));
	assert_int_equal(list.n, 2);
	assert_string_equal(list.v[0].name, "20260101T000000Z");
	assert_string_equal(list.v[1].name, "20270101T000000Z");
	backup_list_free(&list);
	assert_ok(backup_remove_partial(f->place, &err));
	assert_int_not_equal(stat(in(f, "20290101T000000Z.partial"), &st), 0);
	assert_int_equal(stat(in(f, "other.partial"), &st), 0);
	assert_int_equal(stat(in(f, "20280101T000000Z"), &st), 0);
}

static void test_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	int one, two;
	struct err err = {0};

	assert_ok(backup_lock(f->place, false, &one, &err)); /* nothing to lock yet */
	assert_int_equal(one, -1);
	assert_ok(backup_lock(f->place, true, &one, &err));
	assert_err(backup_lock(f->place, true, &two, &err), ERR_BUSY);
	assert_err(backup_lock(f->place, false, &two, &err), ERR_BUSY);
	close(one);
	assert_ok(backup_lock(f->place, false, &one, &err));
	assert_ok(backup_lock(f->place, false, &two, &err));
	close(one);
	close(two);
}

/* ---- blobs from and to files ---------------------------------------------------------- */

static void test_a_blob_goes_out_and_comes_back(void **state)
{
	struct fixture *f = *state;
	struct storage_copy copy = {0};
	struct storage *s = NULL;
	struct stat there, here;
	char file[BACKUP_PATH], out[BACKUP_PATH];
	uint64_t size;
	struct digest d;
	struct err err = {0};

	digest_of(DIGEST_SHA256, "hello", 5, &d);
	assert_ok(storage_fs_open(f->place, &s, &err));
	snprintf(file, sizeof(file), "%s/file", f->place);
	snprintf(out, sizeof(out), "%s/out", f->place);
	write_text(file, "hello");
	assert_err(storage_export(s, &d, 5, out, &copy, &err), ERR_NOT_FOUND);
	assert_err(storage_import(s, &d, 6, file, &copy, &err), ERR_MISMATCH);
	assert_err(storage_stat(s, &d, &size, &err), ERR_NOT_FOUND);
	for (int again = 0; again < 2; again++) /* also over itself */
		assert_ok(storage_import(s, &d, 5, file, &copy, &err));
	assert_ok(storage_sync(s, &err));
	assert_ok(storage_stat(s, &d, &size, &err));
	assert_int_equal(size, 5);
	assert_err(storage_export(s, &d, 4, out, &copy, &err), ERR_MISMATCH);
	assert_int_not_equal(stat(out, &here), 0);
	assert_ok(storage_export(s, &d, 5, out, &copy, &err));
	assert_int_equal(copy.how, STORAGE_LINKED);
	assert_err(storage_export(s, &d, 5, out, &copy, &err), ERR_EXISTS);
	assert_int_equal(stat(out, &here), 0);
	assert_int_equal(stat(file, &there), 0);
	assert_int_equal(here.st_ino, there.st_ino);
	assert_int_equal(here.st_nlink, 3); /* nothing is left in uploads/ */
	storage_free(&s);
}

/* ---- where backups go ---------------------------------------------------------- */

static int mkdir_refused(const char *path, mode_t mode)
{
	errno = EROFS;
	return -1;
}

/* As for fsys_mkdirs, however much of the path is missing. */
static void test_a_place_that_is_to_be_made(void **state)
{
	static const char *const places[] = {
	    "/berth-is-not-here", "/berth-is-not-here/berth", "/berth-is-not-here/a/b/"};
	struct fixture *f = *state;
	struct fsys_ops refusing = fsys_system;
	struct backup_report report;

	refusing.mkdir = mkdir_refused;
	fsys = &refusing;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct backup_options o = {.root = f->place, .dest = places[i]};
		struct err err = {0};

		assert_int_not_equal(backup_run(&o, NULL, &report, &err), ERR_OK);
		assert_string_equal(err.msg, "cannot create directory /berth-is-not-here: Read-only file system");
	}
	fsys = &fsys_system;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test_setup_teardown(test_info_comes_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_info_that_makes_no_sense, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_list_has_what_is_complete, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_one_at_a_time, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_blob_goes_out_and_comes_back, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_a_place_that_is_to_be_made, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
