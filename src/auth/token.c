/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.c - the access controller for bearer tokens (RFC 6750) on top of jwt.h:
 * who has no token that allows what he asks for is told where to get one.
 *
 * Distribution answers 401, not 403, to a token that allows too little, so that
 * clients fetch one for the scope that the challenge names.
 */
#include "auth/challenge.h"
#include "auth/credcache.h"
#include "auth/jwt.h"
#include "auth/watched.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define SIGNATURES 4096 /* tokens whose signature is remembered, for as long as clocks may differ */

struct token {
	struct auth auth;
	char *realm, *service, *issuer; /* realm NULL: autoredirect */
	char *redirect_path;
	char *bundle, *jwks;
	jws_algs algs;
	bool symmetric; /* an HS algorithm is on the list */
	struct watched *keys;
	struct credcache *signatures; /* of tokens that were found right lately */
};

/* ---- keys --------------------------------------------------------------- */

static enum err_code keys_load(void *arg, void **out, struct err *err)
{
	struct token *t = arg;
	struct keyset *s;
	enum err_code rc = keyset_load(t->bundle, t->jwks, t->symmetric, &s, err);

	if (!rc)
		*out = s;
	return rc;
}

static bool keys_same(const void *a, const void *b)
{
	return keyset_same(a, b);
}

static void keys_free(void *value)
{
	keyset_free(value);
}

static const struct watched_type keys_type = {
    .what = "token keys", .load = keys_load, .same = keys_same, .free = keys_free};

/* ---- the challenge ------------------------------------------------------- */

static bool same_resource(const struct auth_access *a, const struct auth_access *b)
{
	return strcmp(a->type, b->type) == 0 && slice_eq(a->name, b->name);
}

/* True for the first of those on the same resource, and for the first of those
 * with the same action as well when `action` is set. */
static bool is_first(const struct auth_access *access, size_t i, bool action)
{
	for (size_t j = 0; j < i; j++)
		if (same_resource(&access[j], &access[i]) &&
		    (!action || strcmp(access[j].action, access[i].action) == 0))
			return false;
	return true;
}

/* "repository:a/b:pull,push repository:c:pull": one scope a resource. */
static void add_scopes(struct buf *out, const struct auth_access *access, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_first(access, i, false))
			continue;
		buf_addf(out, "%s%s:", out->n ? " " : "", access[i].type);
		buf_add(out, access[i].name);
		buf_addf(out, ":%s", access[i].action);
		for (size_t j = i + 1; j < n; j++)
			if (same_resource(&access[i], &access[j]) && is_first(access, j, true))
				buf_addf(out, ",%s", access[j].action);
	}
}

/* https, unless a proxy in front says that it was asked by plain http. Of a
 * chain of proxies the first knows what the client used. */
static const char *scheme_of(const struct http_req *req)
{
	struct slice proto = http_header(req, "X-Forwarded-Proto");

	return slice_eq_icase(slice_trim(slice_cut(&proto, ',')), SLICE("http")) ? "http" : "https";
}

static void add_realm(struct buf *out, const struct token *t, const struct http_req *req)
{
	CLEANUP(buf_free) struct buf url = BUF_INIT(CHALLENGE_MAX);

	if (t->realm) {
		challenge_quote(out, slice_cstr(t->realm));
		return;
	}
	buf_addf(&url, "%s://", scheme_of(req));
	buf_add(&url, req->host);
	buf_adds(&url, t->redirect_path);
	challenge_quote(out, buf_slice(&url));
}

static enum auth_verdict challenge(const struct token *t, struct http_req *req, const struct auth_access *access,
    size_t n, const char *error, struct slice *why)
{
	CLEANUP(buf_free) struct buf value = BUF_INIT(CHALLENGE_MAX), scopes = BUF_INIT(CHALLENGE_MAX);

	*why = CHALLENGE_WHY;
	buf_adds(&value, "Bearer realm=");
	add_realm(&value, t, req);
	buf_adds(&value, ",service=");
	challenge_quote(&value, slice_cstr(t->service));
	if (n) {
		add_scopes(&scopes, access, n);
		buf_adds(&value, ",scope=");
		challenge_quote(&value, buf_slice(&scopes));
	}
	if (error)
		buf_addf(&value, ",error=\"%s\"", error);
	return challenge_send(req, &value) ? AUTH_UNAUTHORIZED : AUTH_ERROR;
}

/* ---- the check ----------------------------------------------------------- */

/* Clients show the same token with every request of a pull, so its signature is
 * only checked anew when the keys have changed or some time has passed. */
static enum err_code verify(struct token *t, struct slice raw, uint64_t *generation, struct jwt *out, struct err *err)
{
	const struct jwt_policy policy = {.issuer = t->issuer, .audience = t->service, .algs = t->algs};
	struct watched_ref *keys = watched_get(t->keys);
	struct digest d;
	enum err_code rc;
	bool known;

	digest_of(DIGEST_SHA256, raw.p, raw.n, &d);
	known = credcache_find(t->signatures, d.bytes, keys->generation, clock_mono());
	rc = jwt_verify(&policy, keys->value, raw, known, clock_real(), out, err);
	if (!rc && !known)
		credcache_add(t->signatures, d.bytes, keys->generation, clock_mono());
	*generation = keys->generation;
	watched_put(keys);
	return rc;
}

static enum err_code verify_fresh(
    struct token *t, struct http_req *req, struct slice raw, struct jwt *out, struct err *err)
{
	uint64_t generation;
	enum err_code rc;

	if (watched_due(t->keys)) {
		http_may_block(req);
		watched_refresh(t->keys);
	}
	rc = verify(t, raw, &generation, out, err);
	if (rc) {
		/* It may be signed with a key that was added a moment ago. */
		http_may_block(req);
		watched_refresh(t->keys);
		if (watched_generation(t->keys) != generation)
			rc = verify(t, raw, &generation, out, err);
	}
	return rc;
}

static enum auth_verdict token_check(
    struct auth *a, struct http_req *req, const struct auth_access *access, size_t n, struct slice *why)
{
	struct token *t = (struct token *)a;
	struct slice raw = http_header(req, "Authorization"), scheme = slice_cut(&raw, ' ');
	struct jwt jwt;
	struct err err;

	if (raw.n == 0 || !slice_eq_icase(scheme, SLICE("bearer")))
		return challenge(t, req, access, n, NULL, why);
	if (verify_fresh(t, req, raw, &jwt, &err)) {
		LOG_INFO("token refused", LOG_STR("reason", err.msg), LOG_STR("peer", req->peer));
		return challenge(t, req, access, n, "invalid_token", why);
	}
	req->user = arena_copy(req->arena, jwt.subject.p ? jwt.subject : SLICE(""));
	for (size_t i = 0; i < n; i++) {
		if (jwt_allows(&jwt, slice_cstr(access[i].type), access[i].name, slice_cstr(access[i].action)))
			continue;
		LOG_INFO("token allows too little", LOG_SLICE("user", req->user), LOG_STR("type", access[i].type),
		    LOG_SLICE("name", access[i].name), LOG_STR("action", access[i].action));
		jwt_clear(&jwt);
		req->user = SLICE_NONE;
		return challenge(t, req, access, n, "insufficient_scope", why);
	}
	jwt_clear(&jwt);
	return AUTH_GRANTED;
}

static void token_free(struct auth *a)
{
	struct token *t = (struct token *)a;

	watched_free(&t->keys);
	credcache_free(t->signatures);
	free(t->realm);
	free(t->service);
	free(t->issuer);
	free(t->redirect_path);
	free(t->bundle);
	free(t->jwks);
	free(t);
}

static const struct auth_ops token_ops = {.name = "token", .check = token_check, .free = token_free};

/* ---- construction -------------------------------------------------------- */

static bool given(const char *s)
{
	return s && *s;
}

static enum err_code check_options(const struct auth_token_options *o, struct err *err)
{
	const struct {
		const char *name, *value;
	} needed[] = {{"realm", o->autoredirect ? "-" : o->realm}, {"service", o->service}, {"issuer", o->issuer}};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (!given(needed[i].value))
			return err_set(err, ERR_INVALID, "auth.token.%s is missing", needed[i].name);
	if (!given(o->rootcertbundle) && !given(o->jwks))
		return err_set(err, ERR_INVALID, "auth.token needs keys: set rootcertbundle or jwks");
	return ERR_OK;
}

static enum err_code choose_algorithms(struct token *t, const struct auth_token_options *o, struct err *err)
{
	if (o->n_signing_algorithms == 0)
		t->algs = jws_algs_default();
	for (size_t i = 0; i < o->n_signing_algorithms; i++)
		if (!jws_algs_add(&t->algs, slice_cstr(o->signing_algorithms[i])))
			return err_set(err, ERR_INVALID,
			    "auth.token.signingalgorithms: \"%s\" is not known; "
			    "there are EdDSA and RS, ES, PS, HS with 256, 384, 512",
			    o->signing_algorithms[i]);
	for (size_t i = 0; jws_alg_at(i); i++)
		if (jws_alg_at(i)->kind == JWS_OCT && jws_alg_find(t->algs, slice_cstr(jws_alg_at(i)->name)))
			t->symmetric = true;
	return ERR_OK;
}

static char *dup_given(const char *s)
{
	return given(s) ? xstrdup(s) : NULL;
}

enum err_code auth_token_new(const struct auth_token_options *o, struct auth **out, struct err *err)
{
	const char *const paths[WATCHED_FILES] = {
	    given(o->rootcertbundle) ? o->rootcertbundle : NULL, given(o->jwks) ? o->jwks : NULL};
	const char *path = given(o->autoredirect_path) ? o->autoredirect_path : "/auth/token";
	enum err_code rc = check_options(o, err);
	struct token *t;

	if (rc)
		return rc;
	t = xcalloc(1, sizeof(*t));
	auth_init(&t->auth, &token_ops);
	t->signatures = credcache_new(SIGNATURES, (int64_t)JWT_LEEWAY * CLOCK_S);
	t->realm = o->autoredirect ? NULL : xstrdup(o->realm);
	t->redirect_path = xasprintf("%s%s", path[0] == '/' ? "" : "/", path);
	t->service = xstrdup(o->service);
	t->issuer = xstrdup(o->issuer);
	t->bundle = dup_given(o->rootcertbundle);
	t->jwks = dup_given(o->jwks);
	rc = choose_algorithms(t, o, err);
	if (!rc)
		rc = watched_new(&keys_type, t, paths, &t->keys, err);
	if (rc) {
		token_free(&t->auth);
		return rc;
	}
	*out = &t->auth;
	return ERR_OK;
}
