/* SPDX-License-Identifier: Apache-2.0 */
/*
 * htpasswd.c - the access controller for names and passwords: HTTP Basic
 * (RFC 7617) on top of login.h. Whoever can log in may do everything.
 */
#include "auth/challenge.h"
#include "auth/login.h"
#include "base/clock.h"
#include "base/log.h"

#include <openssl/crypto.h>
#include <stdlib.h>

/* "user:password" in base64; nobody's is longer. */
#define CREDENTIALS_MAX 4096

struct htpasswd {
	struct auth auth;
	char *realm;
	struct login *login;
};

/*
 * The user and password of an Authorization field, decoded into the arena.
 * False when there are none or they are malformed. Base64 must be padded, which
 * Go insists on as well.
 */
static bool basic_credentials(struct http_req *req, struct slice *user, struct slice *password)
{
	struct slice value = http_header(req, "Authorization"), scheme = slice_cut(&value, ' ');
	CLEANUP(buf_free) struct buf plain = BUF_INIT(CREDENTIALS_MAX);
	bool ok;

	if (!value.p || !slice_eq_icase(scheme, SLICE("basic")))
		return false;
	ok = value.n % 4 == 0 && value.n <= CREDENTIALS_MAX && base64_decode(&plain, value) && buf_ok(&plain);
	if (ok) {
		*password = arena_copy(req->arena, buf_slice(&plain));
		*user = slice_cut(password, ':');
		ok = password->p != NULL;
	}
	if (plain.p)
		OPENSSL_cleanse(plain.p, plain.n);
	return ok;
}

static enum auth_verdict challenge(struct htpasswd *h, struct http_req *req, struct slice *why)
{
	CLEANUP(buf_free) struct buf value = BUF_INIT(CHALLENGE_MAX);

	*why = CHALLENGE_WHY;
	buf_adds(&value, "Basic realm=");
	challenge_quote(&value, slice_cstr(h->realm));
	return challenge_send(req, &value) ? AUTH_UNAUTHORIZED : AUTH_ERROR;
}

static enum auth_verdict refuse(
    struct htpasswd *h, struct http_req *req, enum login_result result, int64_t wait, struct slice *why)
{
	long long seconds = (wait + CLOCK_S - 1) / CLOCK_S;

	if (result == LOGIN_BAD)
		return challenge(h, req, why);
	http_header_addf(req, "Retry-After", "%lld", seconds > 0 ? seconds : 1);
	*why = result == LOGIN_THROTTLED
	           ? SLICE("too many failed logins of this user from this address, try again later")
	           : SLICE("too many logins are being checked at once, try again later");
	return AUTH_THROTTLED;
}

static enum auth_verdict htpasswd_check(
    struct auth *a, struct http_req *req, const struct auth_access *access, size_t n, struct slice *why)
{
	struct htpasswd *h = (struct htpasswd *)a;
	struct login_attempt attempt = {.peer = req->peer};
	enum login_result result;
	int64_t wait;

	if (!basic_credentials(req, &attempt.user, &attempt.password))
		return challenge(h, req, why);
	if (login_remembered(h->login, &attempt)) {
		req->user = attempt.user;
		return AUTH_GRANTED;
	}
	http_may_block(req);
	result = login_check(h->login, &attempt, &wait);
	if (result == LOGIN_GOOD) {
		req->user = attempt.user;
		return AUTH_GRANTED;
	}
	LOG_WARN(result == LOGIN_BAD         ? "login failed"
	         : result == LOGIN_THROTTLED ? "login throttled"
	                                     : "login put off",
	    LOG_SLICE("user", attempt.user), LOG_STR("peer", req->peer));
	return refuse(h, req, result, wait, why);
}

static void htpasswd_free(struct auth *a)
{
	struct htpasswd *h = (struct htpasswd *)a;

	login_free(&h->login);
	free(h->realm);
	free(h);
}

static const struct auth_ops htpasswd_ops = {.name = "htpasswd", .check = htpasswd_check, .free = htpasswd_free};

enum err_code auth_htpasswd_new(const char *realm, const char *path, struct auth **out, struct err *err)
{
	struct login_options options;
	struct login *login;
	struct htpasswd *h;
	enum err_code rc;

	if (!realm || !path || !*path)
		return err_set(err, ERR_INVALID, "auth.htpasswd needs a realm and the path of a file");
	login_options_default(&options);
	rc = login_new(path, &options, &login, err);
	if (rc)
		return rc;
	h = xcalloc(1, sizeof(*h));
	auth_init(&h->auth, &htpasswd_ops);
	h->realm = xstrdup(realm);
	h->login = login;
	*out = &h->auth;
	return ERR_OK;
}
