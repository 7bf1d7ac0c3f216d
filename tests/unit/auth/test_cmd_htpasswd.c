/* SPDX-License-Identifier: Apache-2.0 */
/* test_cmd_htpasswd.c - `berth htpasswd`, on its own and against Apache's. */
#include "authtest.h"
#include "base/buf.h"
#include "cli/command.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* That of main.c comes with the whole program. */
int usage_error(const char *command, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	return EXIT_USAGE;
}

#define CMD(input, ...) cmd(input, (const char *const[]){"htpasswd", __VA_ARGS__, NULL})

static char out[4096]; /* what the last cmd() wrote on stdout and stderr */

static void run_child(const char *const *argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	exit(cmd_htpasswd(argc, (char **)(uintptr_t)argv));
}

static int collect(int fd, pid_t pid)
{
	size_t n = 0;
	ssize_t got;
	int status;

	while (n < sizeof(out) - 1 && (got = read(fd, out + n, sizeof(out) - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Runs it in a process of its own, without a terminal. */
static int cmd(const char *input, const char *const *argv)
{
	int in[2], p[2];
	pid_t pid;

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(p), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setsid();
		dup2(in[0], 0);
		dup2(p[1], 1);
		dup2(p[1], 2);
		close(in[1]);
		close(p[0]);
		run_child(argv);
	}
	close(in[0]);
	close(p[1]);
	if (input)
		assert_int_equal(write(in[1], input, strlen(input)), strlen(input));
	close(in[1]);
	return collect(p[0], pid);
}

static void contains(const char *text)
{
	if (!strstr(out, text))
		fail_msg("\"%s\" is not in \"%s\"", text, out);
}

static void file_is(const char *name, const char *pattern_lines)
{
	char *text = RUN("sh", "-c", "sed 's/:.*/:H/' \"$0\" | tr '\\n' ' '", in_dir(name));

	assert_string_equal(text, pattern_lines);
	free(text);
}

static void test_print(void **state)
{
	assert_int_equal(CMD(NULL, "-Bbn", "alice", "secret"), 0);
	assert_memory_equal(out, "alice:$2y$10$", 13);
	assert_int_equal(strlen(out), 6 + 60 + 1);
	assert_int_equal(CMD(NULL, "-bnC", "4", "alice", "secret"), 0);
	assert_memory_equal(out, "alice:$2y$04$", 13);
	assert_int_equal(CMD(NULL, "-bn5", "alice", "secret"), 0);
	assert_memory_equal(out, "alice:$6$", 9);
	assert_int_equal(CMD(NULL, "-bn2", "-r", "6000", "alice", "secret"), 0);
	assert_memory_equal(out, "alice:$5$rounds=6000$", 21);
}

static void test_life(void **state)
{
	const char *f = in_dir("life");

	assert_int_equal(CMD(NULL, "-bC4", f, "a", "x"), 1);
	contains("use -c");
	assert_int_equal(CMD(NULL, "-cbBC4", f, "a", "one"), 0);
	contains("Adding password for user a");
	assert_int_equal(CMD(NULL, "-bC4", f, "b", "two"), 0);
	assert_int_equal(CMD(NULL, "-bC4", f, "c", "three"), 0);
	file_is("life", "a:H b:H c:H ");
	assert_int_equal(CMD(NULL, "-bC4", f, "b", "new"), 0);
	contains("Updating password for user b");
	file_is("life", "a:H b:H c:H ");
	assert_int_equal(CMD(NULL, "-vb", f, "b", "new"), 0);
	contains("Password for user b correct.");
	assert_int_equal(CMD(NULL, "-vb", f, "b", "two"), 3);
	contains("password verification failed");
	assert_int_equal(CMD(NULL, "-vb", f, "z", "two"), 6);
	contains("User z not found");
	assert_int_equal(CMD(NULL, "-D", f, "b"), 0);
	contains("Deleting password for user b");
	file_is("life", "a:H c:H ");
	assert_int_equal(CMD(NULL, "-D", f, "b"), 0);
	contains("User b not found");
	assert_int_equal(CMD(NULL, "-cbC4", f, "d", "four"), 0);
	file_is("life", "d:H ");
}

static void test_keeps_the_rest(void **state)
{
	char *text;

	write_file("rest", "# people\n\n  a:x  \r\nb:y\na:z\nlast:w");
	assert_int_equal(CMD(NULL, "-bC4", in_dir("rest"), "a", "pw"), 0);
	text = RUN("sed", "s/^a:.*/a:H/", in_dir("rest"));
	assert_string_equal(text, "# people\n\na:H\nb:y\nlast:w\n");
	free(text);
}

static void test_mode_and_owner(void **state)
{
	struct stat st;

	write_file("mode", "");
	assert_int_equal(chmod(in_dir("mode"), 0640), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(in_dir("mode"), 12, 34), 0);
	assert_int_equal(symlink("mode", in_dir("link")), 0);
	assert_int_equal(CMD(NULL, "-bC4", in_dir("link"), "a", "pw"), 0);
	assert_int_equal(lstat(in_dir("link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(in_dir("mode"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	if (geteuid() == 0) {
		assert_int_equal(st.st_uid, 12);
		assert_int_equal(st.st_gid, 34);
	}
	assert_int_equal(CMD(NULL, "-cbC4", in_dir("fresh"), "a", "pw"), 0);
	assert_int_equal(stat(in_dir("fresh"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_syntax(void **state)
{
	const char *f = in_dir("syntax");

	write_file("syntax", "");
	assert_int_equal(CMD(NULL, "-q", f, "a"), 2);
	assert_int_equal(CMD(NULL, "-b", f, "a"), 2);
	assert_int_equal(CMD(NULL, f, "a", "pw"), 2);
	assert_int_equal(CMD(NULL, "-n"), 2);
	assert_int_equal(CMD(NULL, "-cn", "a"), 2);
	contains("only one of");
	assert_int_equal(CMD(NULL, "-vD", f, "a"), 2);
	assert_int_equal(CMD(NULL, "-bC", "3", f, "a", "pw"), 2);
	contains("from 4 to 17");
	assert_int_equal(CMD(NULL, "-bC", "18", f, "a", "pw"), 2);
	assert_int_equal(CMD(NULL, "-C"), 2);
	assert_int_equal(CMD(NULL, "-mbn", "a", "pw"), 2);
	contains("MD5");
	assert_int_equal(CMD(NULL, "-sbn", "a", "pw"), 2);
	assert_int_equal(CMD(NULL, "-dbn", "a", "pw"), 2);
	assert_int_equal(CMD(NULL, "-pbn", "a", "pw"), 2);
	assert_int_equal(CMD(NULL, "-bn", "a:b", "pw"), 6);
	assert_int_equal(CMD(NULL, "-bn", "", "pw"), 6);
	assert_int_equal(CMD(NULL, "-bn", "#a", "pw"), 6);
	assert_int_equal(CMD(NULL, "-bn", "a\nb", "pw"), 6);
}

static void test_too_long(void **state)
{
	char text[600];

	memset(text, 'x', sizeof(text));
	text[256] = '\0';
	assert_int_equal(CMD(NULL, "-bnC4", text, "pw"), 5);
	assert_int_equal(CMD(NULL, "-bnC4", "a", text), 0);
	contains("first 72 bytes");
	text[256] = 'x';
	text[512] = '\0';
	assert_int_equal(CMD(NULL, "-bn", "a", text), 5);
}

static void test_wrong_file(void **state)
{
	write_file("wrong", "a:b\nthis is a letter\n");
	assert_int_equal(CMD(NULL, "-bC4", in_dir("wrong"), "a", "pw"), 7);
	contains("line 2");
	write_file("md5", "a:$apr1$x$y\n");
	assert_int_equal(CMD(NULL, "-bv", in_dir("md5"), "a", "pw"), 7);
	contains("MD5");
	assert_int_equal(CMD(NULL, "-cb", in_dir("none/x"), "a", "pw"), 1);
	assert_int_equal(CMD(NULL, "-b", in_dir("."), "a", "pw"), 1);
}

static void test_stdin(void **state)
{
	const char *f = in_dir("stdin");

	assert_int_equal(CMD("se cret\r\n", "-ciC4", f, "a"), 0);
	assert_int_equal(CMD(NULL, "-vb", f, "a", "se cret"), 0);
	assert_int_equal(CMD("se cret", "-vi", f, "a"), 0);
	assert_int_equal(CMD("secret", "-vi", f, "a"), 3);
	/* Without -i it asks twice; so it does where there is no terminal. */
	assert_int_equal(CMD("pw\npw\n", "-C4", f, "b"), 0);
	assert_int_equal(CMD(NULL, "-vb", f, "b", "pw"), 0);
	assert_int_equal(CMD("pw\nother\n", "-C4", f, "b"), 3);
	assert_int_equal(CMD("pw\n", "-v", f, "b"), 0);
	/* No password is not an empty password. */
	assert_int_equal(CMD(NULL, "-C4", f, "b"), 3);
	assert_int_equal(CMD(NULL, "-iC4", f, "b"), 3);
	assert_int_equal(CMD("\n", "-iC4", f, "b"), 0);
}

static void expect(int fd, const char *prompt)
{
	size_t n = strlen(out);

	while (!strstr(out, prompt)) {
		ssize_t got = read(fd, out + n, sizeof(out) - 1 - n);

		assert_true(got > 0);
		n += (size_t)got;
		out[n] = '\0';
	}
}

/* On a terminal it asks twice and shows nothing of what is typed. */
static void test_terminal(void **state)
{
	const char *const argv[] = {"htpasswd", "-cC4", in_dir("tty"), "a", NULL};
	int fd, status;
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);

	assert_true(pid >= 0);
	if (pid == 0)
		run_child(argv);
	out[0] = '\0';
	expect(fd, "New password: ");
	assert_int_equal(write(fd, "geheim\n", 7), 7);
	expect(fd, "Re-type new password: ");
	assert_int_equal(write(fd, "geheim\n", 7), 7);
	expect(fd, "Adding password for user a");
	assert_null(strstr(out, "geheim"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(CMD(NULL, "-vb", in_dir("tty"), "a", "geheim"), 0);
}

static void test_interrupt(void **state)
{
	const char *const argv[] = {"htpasswd", "-cC4", in_dir("int"), "a", NULL};
	int fd, status;
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);
	struct stat st;

	assert_true(pid >= 0);
	if (pid == 0)
		run_child(argv);
	out[0] = '\0';
	expect(fd, "New password: ");
	assert_int_equal(write(fd, "\x03", 1), 1);
	expect(fd, "interrupted");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 4);
	assert_int_equal(stat(in_dir("int"), &st), -1);
}

static void test_apache(void **state)
{
	const char *f = in_dir("both");

	if (STATUS("sh", "-c", "command -v htpasswd") != 0)
		skip();
	assert_int_equal(CMD(NULL, "-cbC4", f, "ours", "se cret"), 0);
	assert_int_equal(STATUS("htpasswd", "-BbC", "4", f, "theirs", "ge heim"), 0);
	assert_int_equal(STATUS("htpasswd", "-vb", f, "ours", "se cret"), 0);
	assert_int_equal(STATUS("htpasswd", "-vb", f, "ours", "secret"), 3);
	assert_int_equal(CMD(NULL, "-vb", f, "theirs", "ge heim"), 0);
	assert_int_equal(CMD(NULL, "-vb", f, "theirs", "geheim"), 3);
	assert_int_equal(CMD(NULL, "-b5", f, "ours", "6"), 0);
	assert_int_equal(STATUS("htpasswd", "-vb", f, "ours", "6"), 0);
	assert_int_equal(CMD(NULL, "-D", f, "theirs"), 0);
	assert_int_equal(STATUS("htpasswd", "-vb", f, "theirs", "ge heim"), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_print),
	    cmocka_unit_test(test_life),
	    cmocka_unit_test(test_keeps_the_rest),
	    cmocka_unit_test(test_mode_and_owner),
	    cmocka_unit_test(test_syntax),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_wrong_file),
	    cmocka_unit_test(test_stdin),
	    cmocka_unit_test(test_terminal),
	    cmocka_unit_test(test_interrupt),
	    cmocka_unit_test(test_apache),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
