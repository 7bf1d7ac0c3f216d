/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login.h - names and passwords against an htpasswd file, fast and safely:
 * the file (passwd.h, watched.h), what was found right lately (credcache.h),
 * whose turn it is (gate.h) and who has to wait (throttle.h) put together.
 * Knows nothing of HTTP. Thread-safe.
 */
#ifndef BERTH_AUTH_LOGIN_H
#define BERTH_AUTH_LOGIN_H

#include "auth/gate.h"
#include "base/err.h"
#include "base/slice.h"

struct login_options {
	size_t remembered;    /* credentials kept in memory: 4096 */
	int64_t remember_for; /* 5 minutes */
	size_t throttled;     /* pairs of address and user that are watched: 4096 */
	struct gate_limits gate;
};
void login_options_default(struct login_options *o);

enum login_result {
	LOGIN_GOOD,
	LOGIN_BAD,       /* unknown user or wrong password */
	LOGIN_THROTTLED, /* not checked: too many wrong ones before */
	LOGIN_BUSY       /* not checked: too many others are being checked */
};

struct login;

/* Reads the file, and makes it when it is missing. */
enum err_code login_new(const char *path, const struct login_options *o, struct login **out, struct err *err) MUST_USE;
void login_free(struct login **l);

struct login_attempt {
	const char *peer; /* textual address, as in struct http_req */
	struct slice user, password;
	uint8_t key[32]; /* private */
};

/*
 * Were these credentials found right a short while ago? Some microseconds, no
 * file access, no waiting. False may also mean that it is time to look at the
 * file; go on with login_check.
 */
bool login_remembered(struct login *l, struct login_attempt *a) MUST_USE;
/* After login_remembered said no: the real check, which may take long. *wait
 * gets the nanoseconds after which to try again when throttled or busy. */
enum login_result login_check(struct login *l, const struct login_attempt *a, int64_t *wait) MUST_USE;

/* The series of how long password checks took: berth_auth_bcrypt_seconds. */
struct metric_family *login_metrics(void);

#endif
