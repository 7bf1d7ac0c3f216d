/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passwd.c - htpasswd files; see passwd.h. Entries are slices into one copy of
 * the file, whose line ends and colons became NUL bytes, sorted by user.
 */
#include "auth/passwd.h"
#include "auth/pwhash.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/fsys.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* Tried for an unknown user of a file without users; nobody's password. */
#define DUMMY_HASH "$2y$10$....................................................."

struct entry {
	struct slice user;
	const char *hash; /* NUL-terminated */
	unsigned line;
};

struct passwd {
	uint32_t magic;
#define PASSWD_MAGIC 0x50617377
	char *text; /* owned; what the entries point into */
	struct entry *entries;
	size_t n, cap;
	struct digest digest; /* of the file, to see whether another is the same */
	uint8_t seed[16];     /* which hash an unknown user is tried on */
};

void passwd_free(struct passwd *p)
{
	if (!p)
		return;
	OBJ_CHECK(p, PASSWD_MAGIC);
	p->magic = 0;
	free(p->text);
	free(p->entries);
	free(p);
}

/* What strings.TrimSpace of registry:2 takes off a line, in ASCII. */
static struct slice trim_line(struct slice s)
{
	while (s.n && strchr(" \t\r\v\f", s.p[0]) && s.p[0])
		s = slice_from(s, 1);
	while (s.n && strchr(" \t\r\v\f", s.p[s.n - 1]) && s.p[s.n - 1])
		s.n--;
	return s;
}

/* For messages: names come from a file that may hold anything. */
static struct slice printable(struct slice user)
{
	for (size_t i = 0; i < user.n; i++)
		if ((unsigned char)user.p[i] < ' ' || user.p[i] == 0x7f)
			return SLICE("?");
	return slice_sub(user, 0, PASSWD_USER_MAX);
}

static enum err_code parse_line(struct passwd *p, const char *name, unsigned no, struct slice line, struct err *err)
{
	struct slice hash = line, user, shown;
	const char *refusal;

	user = slice_cut(&hash, ':');
	if (!hash.p)
		return err_set(
		    err, ERR_INVALID, "%s: line %u: there is no ':' between a user and a password hash", name, no);
	if (user.n == 0)
		return err_set(err, ERR_INVALID, "%s: line %u: the user name is empty", name, no);
	if (user.n > PASSWD_USER_MAX)
		return err_set(
		    err, ERR_INVALID, "%s: line %u: the user name is longer than %d bytes", name, no, PASSWD_USER_MAX);
	if (slice_find(line, '\0') >= 0)
		return err_set(err, ERR_INVALID, "%s: line %u: there is a NUL byte", name, no);
	refusal = pwhash_refusal(hash);
	if (refusal) {
		shown = printable(user);
		return err_set(
		    err, ERR_INVALID, "%s: line %u: user \"%.*s\" has %s", name, no, SLICE_ARG(shown), refusal);
	}
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 16;
		p->entries = xrealloc(p->entries, p->cap * sizeof(*p->entries));
	}
	p->text[(size_t)(hash.p - p->text) + hash.n] = '\0';
	p->entries[p->n++] = (struct entry){.user = user, .hash = hash.p, .line = no};
	return ERR_OK;
}

static enum err_code parse_lines(struct passwd *p, const char *name, size_t n, struct err *err)
{
	struct slice rest = {p->text, n};

	for (unsigned no = 1; rest.p; no++) {
		struct slice line = trim_line(slice_cut(&rest, '\n'));
		enum err_code rc;

		if (line.n == 0 || line.p[0] == '#')
			continue;
		rc = parse_line(p, name, no, line, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static int by_user(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int c = slice_cmp(x->user, y->user);

	return c ? c : (x->line > y->line) - (x->line < y->line);
}

/* Sorts, and lets the last line of each user stand. */
static void settle(struct passwd *p, const char *name)
{
	size_t n = 0;

	if (p->n)
		qsort(p->entries, p->n, sizeof(*p->entries), by_user);
	for (size_t i = 0; i < p->n; i++) {
		if (n && slice_eq(p->entries[n - 1].user, p->entries[i].user)) {
			LOG_WARN("htpasswd: user stands there twice, the later line holds", LOG_STR("file", name),
			    LOG_SLICE("user", p->entries[i].user), LOG_INT("line", p->entries[i].line));
			n--;
		}
		p->entries[n++] = p->entries[i];
	}
	p->n = n;
}

enum err_code passwd_parse(const char *name, struct slice text, struct passwd **out, struct err *err)
{
	struct passwd *p;
	enum err_code rc;

	if (text.n > PASSWD_FILE_MAX)
		return err_set(err, ERR_TOO_LARGE, "%s is larger than %zu bytes", name, PASSWD_FILE_MAX);
	p = xcalloc(1, sizeof(*p));
	p->magic = PASSWD_MAGIC;
	p->text = xmalloc(text.n + 1);
	if (text.n)
		memcpy(p->text, text.p, text.n);
	p->text[text.n] = '\0';
	digest_of(DIGEST_SHA256, p->text, text.n, &p->digest);
	random_bytes(p->seed, sizeof(p->seed));
	rc = parse_lines(p, name, text.n, err);
	if (rc) {
		passwd_free(p);
		return rc;
	}
	settle(p, name);
	*out = p;
	return ERR_OK;
}

enum err_code passwd_load(const char *path, struct passwd **out, struct err *err)
{
	char *text;
	size_t n;
	enum err_code rc = fsys_read_file(path, PASSWD_FILE_MAX, &text, &n, err);

	if (rc)
		return rc;
	rc = passwd_parse(path, slice_of(text, n), out, err);
	OPENSSL_cleanse(text, n);
	free(text);
	return rc;
}

size_t passwd_users(const struct passwd *p)
{
	OBJ_CHECK(p, PASSWD_MAGIC);
	return p->n;
}

bool passwd_same(const struct passwd *a, const struct passwd *b)
{
	OBJ_CHECK(a, PASSWD_MAGIC);
	OBJ_CHECK(b, PASSWD_MAGIC);
	return digest_eq(&a->digest, &b->digest);
}

static const char *hash_of(const struct passwd *p, struct slice user)
{
	struct entry key = {.user = user};
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = slice_cmp(key.user, p->entries[mid].user);

		if (c == 0)
			return p->entries[mid].hash;
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* Always the same hash for the same unknown name, so that its cost does not
 * wander from attempt to attempt as no real user's does. */
static const char *stand_in(const struct passwd *p, struct slice user)
{
	struct hasher *h;
	struct digest d;
	uint64_t pick;

	if (p->n == 0)
		return DUMMY_HASH;
	h = hasher_new(DIGEST_SHA256);
	hasher_update(h, p->seed, sizeof(p->seed));
	hasher_update(h, user.p, user.n);
	hasher_digest(h, &d);
	hasher_free(&h);
	memcpy(&pick, d.bytes, sizeof(pick));
	return p->entries[pick % p->n].hash;
}

bool passwd_verify(const struct passwd *p, struct slice user, struct slice password)
{
	const char *hash;
	bool right;

	OBJ_CHECK(p, PASSWD_MAGIC);
	hash = hash_of(p, user);
	right = pwhash_verify(hash ? hash : stand_in(p, user), password);
	return hash && right;
}

/* ERR_EXISTS when another process was quicker. */
static enum err_code write_new(const char *path, const char *line, struct err *err)
{
	enum err_code rc;
	CLEANUP(free_ptr) char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	int fd;

	if (slash && slash != dir) {
		*slash = '\0';
		rc = fsys_mkdirs(dir, err);
		if (rc)
			return rc;
	}
	fd = fsys->open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 && errno == EEXIST)
		return err_set(err, ERR_EXISTS, "%s exists", path);
	if (fd < 0)
		return err_sys(err, errno, "cannot create %s", path);
	rc = fsys_write_all(fd, line, strlen(line), 0, err);
	if (!rc && fsys->fsync(fd) != 0)
		rc = err_sys(err, errno, "cannot write %s", path);
	fsys->close(fd);
	if (!rc)
		rc = fsys_sync_dir(!slash ? "." : slash == dir ? "/" : dir, err);
	if (rc)
		fsys->unlink(path);
	return rc;
}

enum err_code passwd_provision(const char *path, struct err *err)
{
	CLEANUP(buf_free) struct buf password = BUF_INIT(64);
	CLEANUP(free_ptr) char *line = NULL;
	char hash[PWHASH_TEXT];
	uint8_t random[32];
	struct stat st;
	enum err_code rc;

	if (fsys->stat(path, &st) == 0)
		return ERR_OK;
	if (errno != ENOENT)
		return err_sys(err, errno, "cannot read %s", path);
	random_bytes(random, sizeof(random));
	base64url_encode(&password, random, sizeof(random));
	rc = pwhash_make(PWHASH_BCRYPT, PWHASH_BCRYPT_DEFAULT, buf_slice(&password), hash, err);
	if (rc)
		return rc;
	line = xasprintf("docker:%s\n", hash);
	rc = write_new(path, line, err);
	if (rc == ERR_EXISTS)
		return ERR_OK;
	if (rc)
		return rc;
	LOG_WARN("htpasswd is missing, provisioning with default user", LOG_STR("file", path),
	    LOG_STR("user", "docker"), LOG_SLICE("password", buf_slice(&password)));
	return ERR_OK;
}
