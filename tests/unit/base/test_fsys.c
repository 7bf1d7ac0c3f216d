/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_fsys.c - the helpers on the file system table, on the real system and on
 * one that does little at a time and is interrupted often.
 */
#include "unit.h"

#include "base/fsys.h"
#include "base/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static char dir[64];

/* The path of `name` in the directory of the test. */
static const char *at(const char *name, char path[200])
{
	snprintf(path, 200, "%s/%s", dir, name);
	return path;
}

static int make_dir(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/berth-fsys-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[100];

	fsys = &fsys_system;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void write_file(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	assert_int_equal(close(fd), 0);
}

/* ---- a table that does little at a time ------------------------------------ */

static unsigned turn;

static ssize_t little_pread(int fd, void *p, size_t n, off_t where)
{
	if (turn++ % 2) {
		errno = EINTR;
		return -1;
	}
	return pread(fd, p, n < 3 ? n : 3, where);
}

static ssize_t little_pwrite(int fd, const void *p, size_t n, off_t where)
{
	if (turn++ % 2) {
		errno = EINTR;
		return -1;
	}
	return pwrite(fd, p, n < 3 ? n : 3, where);
}

static ssize_t no_pwrite(int fd, const void *p, size_t n, off_t where)
{
	return 0;
}

static void test_little_at_a_time(void **state)
{
	struct fsys_ops little = fsys_system;
	struct err err = {0};
	char path[200], back[100];
	size_t got;
	int fd;

	little.pread = little_pread;
	little.pwrite = little_pwrite;
	fsys = &little;
	fd = fsys->open(at("f", path), O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_ok(fsys_write_all(fd, "0123456789", 10, 5, &err));
	assert_ok(fsys_write_all(fd, "", 0, 1000, &err));
	assert_ok(fsys_read_all(fd, back, 10, 5, &got, &err));
	assert_int_equal(got, 10);
	assert_memory_equal(back, "0123456789", 10);
	assert_ok(fsys_read_all(fd, back, sizeof(back), 8, &got, &err));
	assert_int_equal(got, 7);
	assert_memory_equal(back, "3456789", 7);
	assert_ok(fsys_read_all(fd, back, sizeof(back), 100, &got, &err));
	assert_int_equal(got, 0);
	little.pwrite = no_pwrite;
	assert_err(fsys_write_all(fd, "a", 1, 0, &err), ERR_IO);
	close(fd);
	assert_err(fsys_write_all(fd, "a", 1, 0, &err), ERR_IO);
	fsys = &fsys_system;
	assert_err(fsys_write_all(fd, "a", 1, 0, &err), ERR_IO);
	assert_int_equal(err.sys, EBADF);
	assert_string_equal(err.msg, "cannot write: Bad file descriptor");
	assert_err(fsys_read_all(fd, back, 1, 0, &got, &err), ERR_IO);
	assert_string_equal(err.msg, "cannot read: Bad file descriptor");
}

/* ---- directories -------------------------------------------------------------- */

static void test_mkdirs(void **state)
{
	struct err err = {0};
	struct stat st;
	char path[200], want[300];

	assert_ok(fsys_mkdirs(at("a/b//c/", path), &err));
	assert_int_equal(stat(at("a/b/c", path), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_ok(fsys_mkdirs(at("a/b/c", path), &err));
	assert_ok(fsys_mkdirs("/", &err));
	write_file(at("a/file", path), "", 0);
	assert_err(fsys_mkdirs(path, &err), ERR_INVALID);
	snprintf(want, sizeof(want), "%s is there, but is not a directory", path);
	assert_string_equal(err.msg, want);
	/* It is the file on the way that is named, not what was to stand below it. */
	assert_err(fsys_mkdirs(at("a/file/d/e", path), &err), ERR_INVALID);
	assert_string_equal(err.msg, want);
	assert_int_equal(symlink("nowhere", at("a/dangling", path)), 0);
	assert_err(fsys_mkdirs(path, &err), ERR_NOT_FOUND);
	assert_int_equal(symlink("b", at("a/link", path)), 0);
	assert_ok(fsys_mkdirs(at("a/link/below", path), &err));
	assert_int_equal(stat(at("a/b/below", path), &st), 0);
}

static void test_mkdirs_relative(void **state)
{
	struct err err = {0};
	struct stat st;
	char path[200], before[4096];

	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(dir), 0);
	assert_ok(fsys_mkdirs("r/s", &err));
	assert_ok(fsys_mkdirs("./t", &err));
	assert_int_equal(chdir(before), 0);
	assert_int_equal(stat(at("r/s", path), &st), 0);
	assert_int_equal(stat(at("t", path), &st), 0);
}

/* What was synced, one line a directory. */
static char synced[1000];

static int noting_fsync(int fd)
{
	char link[64], path[200];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	assert_true(n > 0);
	path[n] = '\0';
	snprintf(synced + strlen(synced), sizeof(synced) - strlen(synced), "%s\n", path + strlen(dir));
	return 0;
}

/* Whatever is new is made durable in its parent, before something is put into it. */
static void test_mkdirs_syncs(void **state)
{
	struct fsys_ops noting = fsys_system;
	struct err err = {0};
	char path[200];

	noting.fsync = noting_fsync;
	fsys = &noting;
	assert_ok(fsys_mkdirs(at("x", path), &err));
	assert_string_equal(synced, "\n");
	synced[0] = '\0';
	assert_ok(fsys_mkdirs(at("x/y/z", path), &err));
	assert_string_equal(synced, "/x\n/x/y\n");
	synced[0] = '\0';
	assert_ok(fsys_mkdirs(at("x/y/z", path), &err));
	assert_string_equal(synced, "");
	fsys = &fsys_system;
}

static void test_sync_dir(void **state)
{
	struct err err = {0};
	char path[200];

	assert_ok(fsys_sync_dir(dir, &err));
	assert_err(fsys_sync_dir(at("none", path), &err), ERR_NOT_FOUND);
	write_file(at("plain", path), "", 0);
	assert_err(fsys_sync_dir(path, &err), ERR_NOT_FOUND);
	assert_int_equal(err.sys, ENOTDIR);
}

/* ---- whole files ---------------------------------------------------------------- */

static void test_read_file(void **state)
{
	struct err err = {0};
	char path[200], want[300], *text = NULL;
	size_t n;

	write_file(at("ten", path), "012345678\0", 10);
	assert_ok(fsys_read_file(path, 100, &text, &n, &err));
	assert_int_equal(n, 10);
	assert_memory_equal(text, "012345678\0", 11);
	free(text);
	assert_ok(fsys_read_file(path, 10, &text, &n, &err));
	assert_int_equal(n, 10);
	free(text);
	text = NULL;
	assert_err(fsys_read_file(path, 9, &text, &n, &err), ERR_TOO_LARGE);
	snprintf(want, sizeof(want), "%s is larger than 9 bytes", path);
	assert_string_equal(err.msg, want);
	assert_err(fsys_read_file(path, 0, &text, &n, &err), ERR_TOO_LARGE);
	assert_null(text);
	write_file(at("empty", path), "", 0);
	assert_ok(fsys_read_file(path, 0, &text, &n, &err));
	assert_int_equal(n, 0);
	assert_string_equal(text, "");
	free(text);
	assert_err(fsys_read_file(at("none", path), 10, &text, &n, &err), ERR_NOT_FOUND);
	snprintf(want, sizeof(want), "cannot open %s: No such file or directory", path);
	assert_string_equal(err.msg, want);
	assert_err(fsys_read_file(dir, 10, &text, &n, &err), ERR_INVALID);
}

/* Their size says nothing. */
static void test_read_special(void **state)
{
	struct err err = {0};
	char *text = NULL, path[64];
	size_t n;
	int ends[2];

	assert_ok(fsys_read_file("/proc/self/stat", 64 * 1024, &text, &n, &err));
	assert_true(n > 0 && strlen(text) == n);
	free(text);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "from a pipe", 11), 11);
	close(ends[1]);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	assert_ok(fsys_read_file(path, 100, &text, &n, &err));
	assert_string_equal(text, "from a pipe");
	free(text);
	close(ends[0]);
}

static void test_descriptors_close_on_exec(void **state)
{
	int fd = fsys_system.open("/dev/null", O_RDONLY, 0);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_little_at_a_time),
	    cmocka_unit_test(test_mkdirs),
	    cmocka_unit_test(test_mkdirs_relative),
	    cmocka_unit_test(test_mkdirs_syncs),
	    cmocka_unit_test(test_sync_dir),
	    cmocka_unit_test(test_read_file),
	    cmocka_unit_test(test_read_special),
	    cmocka_unit_test(test_descriptors_close_on_exec),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
