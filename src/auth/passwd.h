/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passwd.h - the content of an htpasswd file: who has which password hash.
 *
 * One "user:hash" a line; blank lines and lines that begin with '#' are
 * skipped, spaces around a line do not count, and of two lines for the same
 * user the later one holds (with a warning), all as registry:2 reads it. A line
 * of another shape, or with a hash that pwhash_refusal rejects, makes the whole
 * file invalid. Values are immutable, so any number of threads may use one.
 */
#ifndef BERTH_AUTH_PASSWD_H
#define BERTH_AUTH_PASSWD_H

#include "base/err.h"
#include "base/slice.h"

#define PASSWD_FILE_MAX ((size_t)16 * 1024 * 1024)
#define PASSWD_USER_MAX 255

struct passwd;

/* Parses `text`, which is copied; `name` is the file's, for messages. */
enum err_code passwd_parse(const char *name, struct slice text, struct passwd **out, struct err *err) MUST_USE;
/* Reads and parses a file. */
enum err_code passwd_load(const char *path, struct passwd **out, struct err *err) MUST_USE;
void passwd_free(struct passwd *p);

size_t passwd_users(const struct passwd *p);
/* Were both made from the same bytes? */
bool passwd_same(const struct passwd *a, const struct passwd *b);

/*
 * May this user log in with this password? Blocks for as long as the hash
 * costs. Somebody who is not in the file costs as much as somebody who is: the
 * password is tried on another user's hash, which one depends on the name.
 */
bool passwd_verify(const struct passwd *p, struct slice user, struct slice password) MUST_USE;

/* Makes the file at `path` (0600, with its folder) with a user "docker" and a
 * random password, which is logged once. Does nothing when it exists. */
enum err_code passwd_provision(const char *path, struct err *err) MUST_USE;

#endif
