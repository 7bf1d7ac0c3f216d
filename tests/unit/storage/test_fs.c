/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_fs.c - the filesystem driver: the suite all drivers pass, then what is
 * its own: the tree, the lock, directories that cannot be used.
 */
#include "../base/unit.h"
#include "driver_suite.h"
#include "place.h"

#include "base/codec.h"
#include "storage/fs_path.h"
#include "storage/fs_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

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

static void write_file(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t done = write(fd, p, n);

	ASSERT(fd >= 0 && done == (ssize_t)n);
	close(fd);
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static struct storage *open_here(void)
{
	struct storage *s = NULL;
	struct err err = {0};

	assert_ok(storage_fs_open(place, &s, &err));
	return s;
}

/* ---- the driver, for the suite ------------------------------------------------- */

static struct storage *suite_open(void)
{
	place_make(place);
	return open_here();
}

static struct storage *suite_reopen(struct storage *s)
{
	storage_free(&s);
	return open_here();
}

static void suite_close(struct storage *s)
{
	storage_free(&s);
	place_remove(place);
}

static void suite_damage(const struct digest *d, const void *p, size_t n)
{
	char path[FS_PATH];

	write_file(fs_path_blob(place, d, path), p, n);
}

static const struct driver filesystem = {
    .name = "filesystem driver",
    .open = suite_open,
    .reopen = suite_reopen,
    .close = suite_close,
    .damage = suite_damage,
};

/* ---- the tree --------------------------------------------------------------------- */

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_paths(void **state)
{
	struct digest d, wide;
	char path[FS_PATH];

	assert_int_equal(digest_parse(SLICE("sha256:" HEX64), &d), DIGEST_VALID);
	assert_int_equal(digest_parse(SLICE("sha512:" HEX64 HEX64), &wide), DIGEST_VALID);
	assert_string_equal(fs_path_blobs("/r", path), "/r/docker/registry/v2/blobs");
	assert_string_equal(fs_path_algorithm("/r", DIGEST_SHA512, path), "/r/docker/registry/v2/blobs/sha512");
	assert_string_equal(fs_path_prefix("/r", &d, path), "/r/docker/registry/v2/blobs/sha256/01");
	assert_string_equal(fs_path_blob_dir("/r", &d, path), "/r/docker/registry/v2/blobs/sha256/01/" HEX64);
	assert_string_equal(fs_path_blob("/r", &d, path), "/r/docker/registry/v2/blobs/sha256/01/" HEX64 "/data");
	assert_string_equal(
	    fs_path_blob("rel", &wide, path), "rel/docker/registry/v2/blobs/sha512/01/" HEX64 HEX64 "/data");
	assert_string_equal(fs_path_uploads("/r", path), "/r/berth/uploads");
	assert_string_equal(fs_path_upload("/r", "id", path), "/r/berth/uploads/id");
	assert_string_equal(fs_path_lock("/r", path), "/r/berth/lock");
}

static bool count(const struct digest *d, uint64_t size, void *arg)
{
	++*(size_t *)arg;
	return true;
}

static bool count_id(const char *id, int64_t modified, void *arg)
{
	++*(size_t *)arg;
	return true;
}

static void make_dirs(const char *rest)
{
	char command[200];

	snprintf(command, sizeof(command), "mkdir -p '%s/%s'", place, rest);
	assert_int_equal(system(command), 0);
}

static const char *below(const char *rest, char path[FS_PATH])
{
	snprintf(path, FS_PATH, "%s/%s", place, rest);
	return path;
}

#define TREE "docker/registry/v2/blobs/"

/* What registry:2 left is found; what is no blob and no upload is passed over. */
static void test_foreign_tree(void **state)
{
	struct storage *s;
	struct storage_blob blob;
	struct err err = {0};
	struct digest d, dir;
	char path[FS_PATH];
	uint64_t size;
	size_t n = 0;

	digest_of(DIGEST_SHA256, "abc", 3, &d);
	make_dirs(TREE "sha256/ba/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	suite_damage(&d, "abc", 3);
	assert_int_equal(digest_parse(SLICE("sha256:" HEX64), &dir), DIGEST_VALID);
	make_dirs(TREE "sha256/01/" HEX64 "/data");
	make_dirs(TREE "sha256/zz/nonsense");
	make_dirs(TREE "sha256/ba/abcd");
	make_dirs(TREE "md5/aa/aaaa");
	make_dirs("docker/registry/v2/repositories/a/_uploads/x");
	write_file(below(TREE "sha256/ff", path), "", 0);
	write_file(below(TREE "file", path), "", 0);
	make_dirs("berth/uploads/directory");
	write_file(below("berth/uploads/README", path), "", 0);
	s = open_here();
	assert_true(driver_holds(s, &d, "abc", 3));
	assert_ok(storage_list(s, count, &n, &err));
	assert_int_equal(n, 1);
	n = 0;
	assert_ok(storage_upload_list(s, count_id, &n, &err));
	assert_int_equal(n, 0);
	/* A directory in the place of a blob's bytes. */
	assert_err(storage_stat(s, &dir, &size, &err), ERR_CORRUPT);
	assert_err(storage_open(s, &dir, &blob, &err), ERR_CORRUPT);
	assert_non_null(strstr(err.msg, "/data is not a file"));
	assert_int_equal(blob.fd, -1);
	storage_close(&blob);
	/* A file where a directory should be: no blob stands below it. */
	assert_int_equal(
	    digest_parse(SLICE("sha256:ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), &dir),
	    DIGEST_VALID);
	assert_err(storage_stat(s, &dir, &size, &err), ERR_NOT_FOUND);
	assert_err(storage_remove(s, &dir, &err), ERR_NOT_FOUND);
	assert_err(driver_put(s, &dir, "x", 1, &err), ERR_INVALID);
	assert_non_null(strstr(err.msg, "is there, but is not a directory"));
	storage_free(&s);
}

/* Somebody tidied up below us. */
static void test_vanished_directories(void **state)
{
	struct storage *s = open_here();
	struct err err = {0};
	struct digest d;
	char command[200];
	uint8_t *p = driver_bytes(1, 100, DIGEST_SHA256, &d);
	size_t n = 0;

	assert_ok(driver_put(s, &d, p, 100, &err));
	snprintf(command, sizeof(command), "rm -rf '%s/" TREE "sha256'", place);
	assert_int_equal(system(command), 0);
	assert_ok(storage_list(s, count, &n, &err));
	assert_int_equal(n, 0);
	assert_ok(storage_sync_removals(s, &d, 1, &err));
	assert_ok(driver_put(s, &d, p, 100, &err));
	assert_true(driver_holds(s, &d, p, 100));
	snprintf(command, sizeof(command), "rm -rf '%s/berth/uploads'", place);
	assert_int_equal(system(command), 0);
	assert_err(storage_check(s, &err), ERR_NOT_FOUND);
	assert_err(driver_put(s, &d, p, 100, &err), ERR_NOT_FOUND);
	assert_err(storage_upload_list(s, count_id, &n, &err), ERR_NOT_FOUND);
	free(p);
	storage_free(&s);
}

static void test_stats(void **state)
{
	struct storage *s = open_here();
	struct storage_stats stats;

	storage_get_stats(s, &stats);
	assert_true(stats.bytes_total > 0 && stats.bytes_free <= stats.bytes_total);
	storage_free(&s);
	storage_free(&s); /* harmless */
}

/* Removing the last blob of a directory leaves no litter. */
static void test_remove_tidies(void **state)
{
	struct storage *s = open_here();
	struct err err = {0};
	struct digest d;
	char path[FS_PATH], note[FS_PATH + 8];
	uint8_t *p = driver_bytes(1, 100, DIGEST_SHA256, &d);

	assert_ok(driver_put(s, &d, p, 100, &err));
	assert_true(is_there(fs_path_blob_dir(place, &d, path)));
	assert_ok(storage_remove(s, &d, &err));
	assert_false(is_there(path));
	/* but a file that is not ours keeps its directory */
	assert_ok(driver_put(s, &d, p, 100, &err));
	snprintf(note, sizeof(note), "%s/note", fs_path_blob_dir(place, &d, path));
	write_file(note, "", 0);
	assert_ok(storage_remove(s, &d, &err));
	assert_true(is_there(fs_path_blob_dir(place, &d, path)));
	free(p);
	storage_free(&s);
}

/* ---- places that cannot be used ------------------------------------------------------ */

static void test_bad_roots(void **state)
{
	struct storage *s = NULL;
	struct err err = {0};
	char path[FS_PATH], want[2 * FS_PATH + 200];
	char *longest = xmalloc(PATH_MAX);

	assert_err(storage_fs_open("", &s, &err), ERR_INVALID);
	memset(longest, 'x', PATH_MAX - 1);
	longest[0] = '/';
	longest[PATH_MAX - 1] = '\0';
	assert_err(storage_fs_open(longest, &s, &err), ERR_TOO_LARGE);
	longest[FS_ROOT_MAX] = '\0'; /* fits, but no file may be called that */
	assert_int_not_equal(storage_fs_open(longest, &s, &err), ERR_OK);
	free(longest);
	write_file(below("file", path), "", 0);
	assert_err(storage_fs_open(path, &s, &err), ERR_INVALID);
	snprintf(
	    want, sizeof(want), "storage directory %s cannot be used: %s is there, but is not a directory", path, path);
	assert_string_equal(err.msg, want);
	/* The code is right without an err as well. */
	assert_int_equal(storage_fs_open(path, &s, NULL), ERR_INVALID);
	assert_null(s);
}

/* A root that is long, but not too long, and has odd names in it. */
static void test_odd_roots(void **state)
{
	struct storage *s = NULL;
	struct err err = {0};
	struct digest d;
	char root[FS_PATH];
	uint8_t *p = driver_bytes(1, 100, DIGEST_SHA512, &d);

	snprintf(root, sizeof(root), "%s", place);
	while (strlen(root) + 201 <= FS_ROOT_MAX) {
		size_t n = strlen(root);

		memset(root + n, 'd', 200);
		memcpy(root + n, "/ %s\"\n", 6);
		root[n + 200] = '\0';
	}
	assert_ok(storage_fs_open(root, &s, &err));
	assert_ok(driver_put(s, &d, p, 100, &err));
	assert_true(driver_holds(s, &d, p, 100));
	storage_free(&s);
	free(p);
}

/* As somebody who may not write: root may do anything, so it steps down. */
static void test_unwritable(void **state)
{
	bool root = geteuid() == 0;
	struct storage *s = NULL;
	struct err err = {0};
	char path[FS_PATH], want[2 * FS_PATH + 200];

	assert_int_equal(chmod(place, 0555), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	enum err_code rc = storage_fs_open(place, &s, &err);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(rc, ERR_DENIED);
	snprintf(want, sizeof(want),
	    "storage directory %s cannot be used: cannot create directory %s/berth: "
	    "Permission denied",
	    place, place);
	assert_string_equal(err.msg, want);
	/* Everything there, but closed to us: found at the start, not at the first push. */
	assert_int_equal(chmod(place, 0777), 0);
	s = open_here();
	storage_free(&s);
	assert_int_equal(chmod(below("berth/lock", path), 0666), 0);
	assert_int_equal(chmod(below("berth/uploads", path), 0555), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	rc = storage_fs_open(place, &s, &err);
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(rc, ERR_DENIED);
	assert_non_null(strstr(err.msg, "cannot open upload"));
}

/* ---- the lock ------------------------------------------------------------------------- */

static void test_lock(void **state)
{
	struct storage *s = open_here(), *other = NULL;
	struct err err = {0};
	char want[400];
	pid_t child;
	int status;

	snprintf(want, sizeof(want),
	    "storage directory %s cannot be used: %s is in use by another berth (process %ld): stop it, or give this "
	    "one a directory of its own",
	    place, place, (long)getpid());
	assert_err(storage_fs_open(place, &other, &err), ERR_BUSY);
	assert_string_equal(err.msg, want);
	child = fork();
	if (child == 0)
		_exit(storage_fs_open(place, &other, &err) == ERR_BUSY && strcmp(err.msg, want) == 0 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	storage_free(&s);
	/* Free at once, whoever held it and however it ended. */
	child = fork();
	if (child == 0)
		_exit(storage_fs_open(place, &other, &err) == ERR_OK ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	s = open_here();
	storage_free(&s);
}

static void test_leaves_no_descriptor(void **state)
{
	size_t before = place_open_files();
	struct storage *s = open_here(), *other = NULL;
	struct err err = {0};
	struct digest d;
	uint8_t *p = driver_bytes(1, 100, DIGEST_SHA256, &d);

	assert_err(storage_fs_open(place, &other, &err), ERR_BUSY);
	assert_ok(driver_put(s, &d, p, 100, &err));
	assert_true(driver_holds(s, &d, p, 100));
	storage_free(&s);
	assert_int_equal(place_open_files(), before);
	free(p);
}

/* Pages of a file that are in the page cache, from an offset on. */
static size_t pages_in_memory(const char *path, off_t from)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	unsigned char *in;
	size_t pages, found = 0;
	void *map;

	ASSERT(fd >= 0 && fstat(fd, &st) == 0);
	pages = ((size_t)(st.st_size - from) + 4095) / 4096;
	map = mmap(NULL, (size_t)(st.st_size - from), PROT_READ, MAP_SHARED, fd, from);
	in = xmalloc(pages);
	ASSERT(map != MAP_FAILED && mincore(map, (size_t)(st.st_size - from), in) == 0);
	for (size_t i = 0; i < pages; i++)
		found += in[i] & 1;
	munmap(map, (size_t)(st.st_size - from));
	free(in);
	close(fd);
	return found;
}

/* The beginning of a blob is in memory for whoever pulls it next; the rest of a
 * large one drives nothing out of the page cache. */
static void test_large_uploads_go_past_the_page_cache(void **state)
{
	enum { ALL = FS_DIRECT_FROM + (8 << 20) };
	char root[] = "/var/tmp/berth-store-XXXXXX"; /* on a disk, if anything is */
	struct storage *s = NULL;
	struct storage_upload *u = NULL;
	struct err err = {0};
	struct digest d;
	struct statfs medium;
	char id[UUID_TEXT], path[FS_PATH];
	uint8_t *p, *piece;

	assert_non_null(mkdtemp(root));
	assert_int_equal(statfs(root, &medium), 0);
	if (medium.f_type == TMPFS_MAGIC) {
		place_remove(root);
		skip();
	}
	p = driver_bytes(1, ALL, DIGEST_SHA256, &d);
	piece = aligned_alloc(STORAGE_ALIGN, 1 << 20);
	assert_non_null(piece);
	assert_ok(storage_fs_open(root, &s, &err));
	uuid_random(id);
	assert_ok(storage_upload_create(s, id, &u, &err));
	for (size_t at = 0; at < ALL; at += 1 << 20) {
		memcpy(piece, p + at, 1 << 20);
		assert_ok(storage_upload_write(u, piece, 1 << 20, &err));
	}
	assert_ok(storage_upload_commit(&u, &d, &err));
	fs_path_blob(root, &d, path);
	assert_int_equal(pages_in_memory(path, FS_DIRECT_FROM), 0);
	assert_true(pages_in_memory(path, 0) > 0);
	assert_true(driver_holds(s, &d, p, ALL));
	storage_free(&s);
	place_remove(root);
	free(piece);
	free(p);
}

int main(void)
{
#define PLACE_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_place, remove_place)
	const struct CMUnitTest tests[] = {
	    PLACE_TEST(test_paths),
	    PLACE_TEST(test_foreign_tree),
	    PLACE_TEST(test_vanished_directories),
	    PLACE_TEST(test_stats),
	    PLACE_TEST(test_remove_tidies),
	    PLACE_TEST(test_bad_roots),
	    PLACE_TEST(test_odd_roots),
	    PLACE_TEST(test_unwritable),
	    PLACE_TEST(test_lock),
	    PLACE_TEST(test_leaves_no_descriptor),
	    cmocka_unit_test(test_large_uploads_go_past_the_page_cache),
	};

	storage_metrics_register();
	return driver_suite_run(&filesystem) + cmocka_run_group_tests(tests, NULL, NULL);
}
