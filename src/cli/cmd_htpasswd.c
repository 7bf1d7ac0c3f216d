/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_htpasswd.c - `berth htpasswd`: users of an htpasswd file, with the options
 * and exit statuses of Apache's htpasswd, but only the hashes that berth and
 * registry:2 accept. The file is replaced as a whole, so that a registry that
 * reads it meanwhile sees the old or the new one.
 */
#include "auth/passwd.h"
#include "auth/pwhash.h"
#include "base/buf.h"
#include "base/fsys.h"
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

/* Those of Apache's htpasswd. */
enum {
	DONE = 0,
	FILE_PROBLEM = 1,
	SYNTAX = 2,
	MISMATCH = 3,
	INTERRUPTED = 4,
	TOO_LONG = 5,
	BAD_USER = 6,
	NOT_HTPASSWD = 7
};

enum action { SET, CREATE, PRINT, VERIFY, REMOVE };

struct job {
	enum action action;
	bool batch, from_stdin;
	enum pwhash_kind kind;
	unsigned cost, rounds; /* 0: the default */
	const char *file, *user, *given;
	struct buf password;
};

static volatile sig_atomic_t interrupted;

static void PRINTF_LIKE(1, 2) say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

/* ---- the command line --------------------------------------------------- */

static int choose(struct job *j, enum action action)
{
	if (j->action != SET)
		return usage_error("htpasswd", "only one of -c, -n, -v and -D may be given");
	j->action = action;
	return DONE;
}

static int number(const char *option, const char *text, unsigned min, unsigned max, unsigned *out)
{
	uint64_t n;

	if (!slice_u64(slice_cstr(text), max, &n) || n < min)
		return usage_error("htpasswd", "%s takes a number from %u to %u, not \"%s\"", option, min, max, text);
	*out = (unsigned)n;
	return DONE;
}

static int take_option(struct job *j, int c)
{
	switch (c) {
	case 'c':
		return choose(j, CREATE);
	case 'n':
		return choose(j, PRINT);
	case 'v':
		return choose(j, VERIFY);
	case 'D':
		return choose(j, REMOVE);
	case 'b':
		j->batch = true;
		return DONE;
	case 'i':
		j->from_stdin = true;
		return DONE;
	case 'B':
		j->kind = PWHASH_BCRYPT;
		return DONE;
	case '2':
		j->kind = PWHASH_SHA256;
		return DONE;
	case '5':
		j->kind = PWHASH_SHA512;
		return DONE;
	case 'C':
		return number("-C", optarg, PWHASH_BCRYPT_MIN, PWHASH_BCRYPT_MAX, &j->cost);
	case 'r':
		return number("-r", optarg, PWHASH_ROUNDS_MIN, PWHASH_ROUNDS_MAX, &j->rounds);
	case 'm':
		return usage_error("htpasswd", "MD5 hashes (-m) are too weak and not accepted by a registry; use -B");
	case 's':
		return usage_error("htpasswd", "SHA-1 hashes (-s) are too weak and not accepted by a registry; use -B");
	case 'd':
		return usage_error("htpasswd", "DES hashes (-d) are too weak and not accepted by a registry; use -B");
	case 'p':
		return usage_error("htpasswd", "plain text (-p) is not accepted by a registry; use -B");
	case ':':
		return usage_error("htpasswd", "-%c needs a value", optopt);
	default:
		return usage_error("htpasswd", "there is no option -%c", optopt ? optopt : '-');
	}
}

static int parse(struct job *j, int argc, char **argv)
{
	int c, rc, operands, want;
	char **at;

	optind = 0; /* starts a new scan; 1 would go on with that of main */
	opterr = 0;
	while ((c = getopt(argc, argv, "+:bciC:dDimnpr:sv25B")) != -1) {
		rc = take_option(j, c);
		if (rc)
			return rc;
	}
	operands = argc - optind;
	want = (j->action == PRINT ? 1 : 2) + (j->batch ? 1 : 0);
	if (operands != want)
		return usage_error("htpasswd", "expected %s%s%s, but there %s %d operand%s",
		    j->action == PRINT ? "a user" : "a file and a user", j->batch ? " and a password" : "",
		    j->batch ? "" : " (a password only with -b)", operands == 1 ? "is" : "are", operands,
		    operands == 1 ? "" : "s");
	at = argv + optind;
	j->file = j->action == PRINT ? NULL : *at++;
	j->user = *at++;
	j->given = j->batch ? *at : NULL;
	return DONE;
}

/* The name must come out of the file as it went in: see passwd.h. */
static int check_user(const char *user)
{
	ASSERT(user != NULL);
	if (strlen(user) > PASSWD_USER_MAX) {
		say("htpasswd: the user name is longer than %d bytes", PASSWD_USER_MAX);
		return TOO_LONG;
	}
	if (!*user || *user == '#' || *user == ' ' || *user == '\t' || strchr(user, ':')) {
		say("htpasswd: a user name must not be empty, begin with '#' or a space, or have a ':' in it");
		return BAD_USER;
	}
	for (const char *p = user; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f) {
			say("htpasswd: a user name must not have control characters in it");
			return BAD_USER;
		}
	}
	return DONE;
}

/* ---- the password -------------------------------------------------------- */

static void on_signal(int sig)
{
	interrupted = 1;
}

/*
 * One byte, or 0 at the end. Signals that are caught are blocked outside of this
 * wait, so that none can slip in between looking at the flag and reading.
 */
static ssize_t read_byte(int fd, const sigset_t *waiting, char *c)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	do {
		n = waiting && ppoll(&p, 1, NULL, waiting) < 0 ? -1 : read(fd, c, 1);
	} while (n < 0 && errno == EINTR && !interrupted);
	return n;
}

/* Up to the end of the line, or of the input when `all`. */
static int read_secret(int fd, bool all, const sigset_t *waiting, struct buf *out)
{
	bool ended = false;
	char c = '\0';

	while (!ended && buf_ok(out)) {
		ended = read_byte(fd, waiting, &c) <= 0;
		if (!ended && c == '\n' && !all)
			break;
		if (!ended)
			buf_addc(out, c);
	}
	if (interrupted)
		return INTERRUPTED;
	if (ended && out->n == 0) {
		say("htpasswd: there is no password on standard input");
		return MISMATCH;
	}
	if (all && out->n && out->p[out->n - 1] == '\n')
		out->n--;
	if (out->n && out->p[out->n - 1] == '\r')
		out->n--;
	if (!buf_ok(out)) {
		say("htpasswd: the password is longer than %d bytes", PWHASH_PASSWORD_MAX);
		return TOO_LONG;
	}
	return DONE;
}

/* Asks on the terminal without showing what is typed; on standard input when
 * there is no terminal. */
static int ask(const char *prompt, struct buf *out)
{
	const struct sigaction catch = {.sa_handler = on_signal};
	struct sigaction old_int, old_term;
	sigset_t caught, before;
	struct termios shown, hidden;
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY), fd = tty >= 0 ? tty : 0, rc;
	bool hide = tcgetattr(fd, &shown) == 0;

	sigemptyset(&caught);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGTERM);
	sigprocmask(SIG_BLOCK, &caught, &before);
	sigaction(SIGINT, &catch, &old_int);
	sigaction(SIGTERM, &catch, &old_term);
	if (hide) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		hidden.c_lflag |= ECHONL;
		hide = tcsetattr(fd, TCSAFLUSH, &hidden) == 0;
	}
	(void)!write(tty >= 0 ? tty : 2, prompt, strlen(prompt));
	rc = read_secret(fd, false, &before, out);
	if (hide)
		tcsetattr(fd, TCSAFLUSH, &shown);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close_fd(&tty);
	if (rc == INTERRUPTED)
		say("\nhtpasswd: interrupted, nothing was changed");
	return rc;
}

static void forget(struct buf *b)
{
	if (b->p)
		OPENSSL_cleanse(b->p, b->cap);
	buf_free(b);
}

static int ask_twice(struct buf *out)
{
	CLEANUP(forget) struct buf again = BUF_INIT(PWHASH_PASSWORD_MAX);
	int rc;

	/* Of full size at once, so that no copy is left behind by growing. */
	(void)buf_reserve(&again, PWHASH_PASSWORD_MAX);
	rc = ask("New password: ", out);
	if (!rc)
		rc = ask("Re-type new password: ", &again);
	if (!rc && !slice_eq(buf_slice(out), buf_slice(&again))) {
		say("htpasswd: the two passwords differ, nothing was changed");
		rc = MISMATCH;
	}
	return rc;
}

static int get_password(struct job *j)
{
	(void)buf_reserve(&j->password, PWHASH_PASSWORD_MAX);
	if (j->given) {
		buf_adds(&j->password, j->given);
		if (buf_ok(&j->password))
			return DONE;
		say("htpasswd: the password is longer than %d bytes", PWHASH_PASSWORD_MAX);
		return TOO_LONG;
	}
	if (j->from_stdin)
		return read_secret(0, true, NULL, &j->password);
	return j->action == VERIFY ? ask("Enter password: ", &j->password) : ask_twice(&j->password);
}

static int make_line(struct job *j, struct buf *out)
{
	char hash[PWHASH_TEXT];
	struct err err;

	if (j->kind == PWHASH_BCRYPT && j->password.n > PWHASH_BCRYPT_BYTES)
		say("htpasswd: note: bcrypt only looks at the first %d bytes of a password", PWHASH_BCRYPT_BYTES);
	if (pwhash_make(j->kind, j->kind == PWHASH_BCRYPT ? j->cost : j->rounds, buf_slice(&j->password), hash, &err)) {
		say("htpasswd: %s", err.msg);
		return err.code == ERR_TOO_LARGE ? TOO_LONG : SYNTAX;
	}
	buf_addf(out, "%s:%s\n", j->user, hash);
	return DONE;
}

/* ---- the file ------------------------------------------------------------ */

/* Does this line belong to the user? *hash gets what stands behind the colon. */
static bool line_of(struct slice line, const char *user, struct slice *hash)
{
	*hash = slice_trim(line);
	if (hash->n && hash->p[hash->n - 1] == '\r')
		hash->n--;
	return slice_eq_cstr(slice_cut(hash, ':'), user) && hash->p;
}

static bool is_comment(struct slice line)
{
	struct slice s = slice_trim(line);

	return s.n == 0 || s.p[0] == '#' || (s.n == 1 && s.p[0] == '\r');
}

/* Copies the file with the user's first line replaced and his others left out;
 * true when he was there. `line` is empty to remove him. */
static bool edit(struct slice text, const char *user, struct slice line, struct buf *out)
{
	struct slice rest = text, hash;
	bool found = false;

	while (rest.n) {
		struct slice one = slice_cut(&rest, '\n');

		if (is_comment(one) || !line_of(one, user, &hash)) {
			buf_add(out, one);
			buf_addc(out, '\n');
		} else if (!found) {
			found = true;
			buf_add(out, line);
		}
	}
	if (!found)
		buf_add(out, line);
	return found;
}

/* Every line must at least look like one of an htpasswd file, so that a wrong
 * path does not cost somebody another file. */
static int check_lines(const char *file, struct slice text)
{
	struct slice rest = text;

	for (unsigned no = 1; rest.p; no++) {
		struct slice line = slice_cut(&rest, '\n');

		if (is_comment(line) || slice_find(line, ':') >= 0)
			continue;
		say("htpasswd: %s: line %u has no ':', this does not appear to be an htpasswd file", file, no);
		return NOT_HTPASSWD;
	}
	return DONE;
}

static int read_users(const struct job *j, char **text, size_t *n)
{
	struct err err;

	if (fsys_read_file(j->file, PASSWD_FILE_MAX, text, n, &err)) {
		say("htpasswd: %s%s", err.msg,
		    err.code == ERR_NOT_FOUND && j->action == SET ? "; use -c to create the file" : "");
		return FILE_PROBLEM;
	}
	return check_lines(j->file, slice_of(*text, *n));
}

/* Keeps mode and owner of the file that is replaced. */
static enum err_code dress(int fd, const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno == ENOENT ? ERR_OK : err_sys(err, errno, "cannot read %s", path);
	if (fchown(fd, st.st_uid, st.st_gid) != 0)
		return err_sys(err, errno, "cannot keep the owner of %s", path);
	if (fchmod(fd, st.st_mode & 07777) != 0)
		return err_sys(err, errno, "cannot keep the mode of %s", path);
	return ERR_OK;
}

static enum err_code replace(const char *path, const char *dir, struct slice text, struct err *err)
{
	CLEANUP(free_ptr) char *temp = xasprintf("%s.XXXXXX", path);
	int fd = mkostemp(temp, O_CLOEXEC);
	enum err_code rc;

	if (fd < 0)
		return err_sys(err, errno, "cannot create a file in %s", dir);
	rc = dress(fd, path, err);
	if (!rc)
		rc = fsys_write_all(fd, text.p, text.n, 0, err);
	if (!rc && fsync(fd) != 0)
		rc = err_sys(err, errno, "cannot write %s", temp);
	if (close(fd) != 0 && !rc)
		rc = err_sys(err, errno, "cannot write %s", temp);
	if (!rc && rename(temp, path) != 0)
		rc = err_sys(err, errno, "cannot replace %s", path);
	if (rc) {
		unlink(temp);
		return rc;
	}
	return fsys_sync_dir(dir, err);
}

/* The folder of a path that has one or not. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xasprintf("%.*s", (int)(slash - path), path);
}

static int change(const struct job *j, struct slice line, const char *path, const char *dir)
{
	CLEANUP(free_ptr) char *old = NULL;
	CLEANUP(buf_free) struct buf text = BUF_INIT(PASSWD_FILE_MAX);
	struct err err;
	bool found;
	size_t n = 0;
	int rc = j->action == CREATE ? DONE : read_users(j, &old, &n);

	if (rc)
		return rc;
	found = edit(slice_of(old, n), j->user, line, &text);
	if (j->action == REMOVE && !found) {
		say("User %s not found", j->user);
		return DONE;
	}
	if (!buf_ok(&text)) {
		say("htpasswd: %s would become larger than %zu bytes", j->file, PASSWD_FILE_MAX);
		return FILE_PROBLEM;
	}
	if (replace(path, dir, buf_slice(&text), &err)) {
		say("htpasswd: %s", err.msg);
		return FILE_PROBLEM;
	}
	say("%s password for user %s", j->action == REMOVE ? "Deleting" : found ? "Updating" : "Adding", j->user);
	return DONE;
}

/* Two of us at once must not undo each other's change, so the folder is locked
 * meanwhile: the file itself is another one after each change. A symbolic link
 * stays one. */
static int change_locked(const struct job *j, struct slice line)
{
	CLEANUP(free_ptr) char *real = realpath(j->file, NULL);
	const char *path = real ? real : j->file;
	CLEANUP(free_ptr) char *dir = folder_of(path);
	CLEANUP(close_fd) int lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (lock < 0 || flock(lock, LOCK_EX) != 0) {
		say("htpasswd: cannot open the folder %s: %s", dir, strerror(errno));
		return FILE_PROBLEM;
	}
	return change(j, line, path, dir);
}

static int verify(const struct job *j)
{
	CLEANUP(free_ptr) char *text = NULL;
	CLEANUP(free_ptr) char *hash = NULL;
	const char *refusal;
	struct slice rest, found;
	size_t n = 0;
	int rc = read_users(j, &text, &n);

	if (rc)
		return rc;
	rest = slice_of(text, n);
	while (rest.p) {
		struct slice line = slice_cut(&rest, '\n');

		if (!is_comment(line) && line_of(line, j->user, &found)) {
			free(hash);
			hash = slice_dup(found);
		}
	}
	if (!hash) {
		say("User %s not found", j->user);
		return BAD_USER;
	}
	refusal = pwhash_refusal(slice_cstr(hash));
	if (refusal) {
		say("htpasswd: user %s has %s", j->user, refusal);
		return NOT_HTPASSWD;
	}
	if (!pwhash_verify(hash, buf_slice(&j->password))) {
		say("password verification failed");
		return MISMATCH;
	}
	say("Password for user %s correct.", j->user);
	return DONE;
}

/* Before anybody is asked for a password: can it be used at all? */
static int check_file(const struct job *j)
{
	CLEANUP(free_ptr) char *text = NULL;
	size_t n;

	return j->action == PRINT || j->action == CREATE ? DONE : read_users(j, &text, &n);
}

static int carry_out(struct job *j)
{
	CLEANUP(buf_free) struct buf line = BUF_INIT(1024);
	int rc = check_file(j);

	if (rc || j->action == REMOVE)
		return rc ? rc : change_locked(j, SLICE(""));
	rc = get_password(j);
	if (rc || j->action == VERIFY)
		return rc ? rc : verify(j);
	rc = make_line(j, &line);
	if (rc || j->action != PRINT)
		return rc ? rc : change_locked(j, buf_slice(&line));
	return printf("%s", buf_cstr(&line)) < 0 || fflush(stdout) != 0 ? FILE_PROBLEM : DONE;
}

int cmd_htpasswd(int argc, char **argv)
{
	struct job j = {.action = SET, .kind = PWHASH_BCRYPT, .password = BUF_INIT(PWHASH_PASSWORD_MAX)};
	int rc = parse(&j, argc, argv);

	if (!rc)
		rc = check_user(j.user);
	if (!rc)
		rc = carry_out(&j);
	forget(&j.password);
	return rc;
}
