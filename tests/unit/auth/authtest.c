/* SPDX-License-Identifier: Apache-2.0 */
/* authtest.c - see authtest.h. */
#include "authtest.h"
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/berth-auth-XXXXXX";

int dir_setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

int dir_teardown(void **state)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *in_dir(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *p = paths[next++ % ARRAY_LEN(paths)];

	(void)snprintf(p, sizeof(paths[0]), "%s/%s", dir, name);
	return p;
}

void write_bytes(const char *name, struct slice bytes)
{
	FILE *f = fopen(in_dir(name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	assert_int_equal(fclose(f), 0);
}

void write_file(const char *name, const char *text)
{
	write_bytes(name, slice_cstr(text));
}

static void child(const char *const *argv, int in, int out, int err)
{
	dup2(in, 0);
	dup2(out, 1);
	if (err >= 0)
		dup2(err, 2);
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	_exit(127);
}

static int finish(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

char *run(const char *const *argv, const char *input)
{
	struct buf out = BUF_INIT((size_t)1 << 20);
	int in[2], p[2];
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		child(argv, in[0], p[1], -1);
	close(in[0]);
	close(p[1]);
	if (input)
		assert_int_equal(write(in[1], input, strlen(input)), strlen(input));
	close(in[1]);
	do {
		char *at = buf_reserve(&out, 4096);

		assert_non_null(at);
		n = read(p[0], at, 4096);
		assert_true(n >= 0);
		buf_commit(&out, (size_t)n);
	} while (n > 0);
	close(p[0]);
	if (finish(pid) != 0)
		fail_msg("%s failed", argv[0]);
	return buf_take(&out);
}

int status_of(const char *const *argv)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		child(argv, null, null, null);
	status = finish(pid);
	close(null);
	return status;
}
