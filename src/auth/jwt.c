/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jwt.c - bearer tokens; see jwt.h.
 *
 * The order of checks: shape, algorithm (allow list), key (x5c, jwk or kid, in
 * this order, as registry:2 has it), signature, and only then the claims, so
 * that nothing an unknown sender wrote is looked at before it must be.
 */
#include "auth/jwt.h"
#include "base/clock.h"
#include "base/codec.h"

#include <math.h>
#include <string.h>

#define CANDIDATES_MAX 8   /* keys of the same id that are tried */
#define SIGNATURE_MAX 4096 /* bytes; that of the largest RSA key has 2048 */

/* The four pieces of a compact JWS. */
struct parts {
	struct slice header, payload, signature;
	struct slice signed_part; /* header.payload */
};

static bool split(struct slice token, struct parts *p)
{
	struct slice rest = token;

	p->header = slice_cut(&rest, '.');
	if (!rest.p)
		return false;
	p->payload = slice_cut(&rest, '.');
	if (!rest.p)
		return false;
	p->signature = rest;
	p->signed_part = slice_sub(token, 0, p->header.n + 1 + p->payload.n);
	return slice_find(rest, '.') < 0;
}

/* The parser of jansson is recursive and allows a depth of 2048, more than the
 * stack of a thread should be asked for. */
static bool shallow(struct slice json)
{
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < json.n; i++) {
		char c = json.p[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JWT_DEPTH)
				return false;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return true;
}

static enum err_code decode_object(const char *what, struct slice encoded, json_t **out, struct err *err)
{
	CLEANUP(buf_free) struct buf text = BUF_INIT(JWT_MAX);
	json_error_t why;
	json_t *v;

	if (!jws_base64url(&text, encoded) || text.n == 0)
		return err_set(err, ERR_INVALID, "its %s is not base64url", what);
	if (!shallow(buf_slice(&text)))
		return err_set(err, ERR_INVALID, "its %s is nested deeper than %d", what, JWT_DEPTH);
	v = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &why);
	if (!v)
		return err_set(err, ERR_INVALID, "its %s is not valid JSON: %s", what, why.text);
	if (!json_is_object(v)) {
		json_decref(v);
		return err_set(err, ERR_INVALID, "its %s is not a JSON object", what);
	}
	*out = v;
	return ERR_OK;
}

/* ---- the signature ----------------------------------------------------- */

struct signing {
	const struct jws_alg *alg;
	struct slice signed_part, signature;
};

static enum err_code check_with(const struct signing *s, const struct jws_key *key, struct err *err)
{
	ASSERT(key != NULL);
	if (key->kind != s->alg->kind || (key->only && key->only != s->alg))
		return err_set(err, ERR_DENIED, "its algorithm %s does not go with the key it names", s->alg->name);
	if (!jws_verify(s->alg, key, s->signed_part, s->signature))
		return err_set(err, ERR_DENIED, "its signature is wrong");
	return ERR_OK;
}

static enum err_code check_by_chain(
    const struct signing *s, const struct keyset *keys, const json_t *x5c, int64_t now, struct err *err)
{
	struct jws_key *leaf = NULL;
	enum err_code rc = keyset_chain(keys, x5c, now, &leaf, err);

	if (rc)
		return rc;
	rc = check_with(s, leaf, err);
	jws_key_free(leaf);
	return rc;
}

/* A key that the token brings along counts only if it is trusted already, or if
 * it brings a chain for exactly this key. */
static enum err_code check_by_jwk(
    const struct signing *s, const struct keyset *keys, const json_t *jwk, int64_t now, struct err *err)
{
	const json_t *x5c = json_object_get(jwk, "x5c");
	const struct jws_key *trusted;
	struct jws_key *key, *leaf = NULL;
	enum err_code rc = jws_key_of_jwk(jwk, &key, err);

	if (rc) {
		err_context(err, "the key in its jwk header cannot be used");
		return ERR_INVALID;
	}
	if (x5c) {
		rc = keyset_chain(keys, x5c, now, &leaf, err);
		if (!rc && !jws_key_same(key, leaf))
			rc = err_set(err, ERR_DENIED, "the key in its jwk header is not that of its certificate");
		trusted = leaf;
	} else {
		trusted = keyset_equal(keys, key);
		if (!trusted)
			rc = err_set(err, ERR_DENIED, "the key in its jwk header is not a trusted one");
	}
	if (!rc)
		rc = check_with(s, trusted, err);
	jws_key_free(leaf);
	jws_key_free(key);
	return rc;
}

static enum err_code check_by_kid(const struct signing *s, const struct keyset *keys, struct slice kid, struct err *err)
{
	enum err_code rc = err_set(err, ERR_DENIED, "its kid is not that of a trusted key");
	const struct jws_key *key;
	size_t at = 0;

	for (int i = 0; rc && i < CANDIDATES_MAX && (key = keyset_next(keys, kid, &at)); i++)
		rc = check_with(s, key, err);
	return rc;
}

static enum err_code check_key_and_signature(const struct jwt_policy *policy, const struct keyset *keys,
    const json_t *header, struct signing *s, int64_t now, struct err *err)
{
	struct slice alg = jws_member(header, "alg"), kid = jws_member(header, "kid");
	const json_t *x5c = json_object_get(header, "x5c"), *jwk = json_object_get(header, "jwk");

	if (json_object_get(header, "crit"))
		return err_set(err, ERR_INVALID, "its header has critical extensions (crit), none of which is known");
	if (!alg.p)
		return err_set(err, ERR_INVALID, "its header has no alg");
	s->alg = jws_alg_find(policy->algs, alg);
	if (!s->alg)
		return err_set(err, ERR_INVALID, "its algorithm is not among the accepted ones");
	if (x5c)
		return check_by_chain(s, keys, x5c, now, err);
	if (jwk)
		return check_by_jwk(s, keys, jwk, now, err);
	if (kid.n)
		return check_by_kid(s, keys, kid, err);
	return err_set(err, ERR_DENIED, "its header does not say which key signed it (x5c, jwk or kid)");
}

static enum err_code check_signature(
    const struct jwt_policy *policy, const struct keyset *keys, const struct parts *p, int64_t now, struct err *err)
{
	CLEANUP(buf_free) struct buf signature = BUF_INIT(SIGNATURE_MAX);
	struct signing s = {.signed_part = p->signed_part};
	json_t *header = NULL;
	enum err_code rc = decode_object("header", p->header, &header, err);

	if (rc)
		return rc;
	if (jws_base64url(&signature, p->signature)) {
		s.signature = buf_slice(&signature);
		rc = check_key_and_signature(policy, keys, header, &s, now, err);
	} else {
		rc = err_set(err, ERR_INVALID, "its signature is not base64url");
	}
	json_decref(header);
	return rc;
}

/* ---- the claims --------------------------------------------------------- */

/* A NumericDate (RFC 7519, 2): *out gets whole seconds, 0 when it is missing,
 * which is how registry:2 reads it. */
static bool numeric_date(const json_t *claims, const char *name, int64_t *out)
{
	const json_t *v = json_object_get(claims, name);
	double d;

	*out = 0;
	if (!v || json_is_null(v))
		return true;
	if (!json_is_number(v))
		return false;
	d = json_number_value(v);
	if (!isfinite(d) || fabs(d) > 1e15)
		return false;
	*out = json_is_integer(v) ? (int64_t)json_integer_value(v) : (int64_t)d;
	return true;
}

/* 1: it is or holds the audience, 0: it does not, -1: malformed. */
static int audience_matches(const json_t *aud, const char *want)
{
	const json_t *item;
	bool found = false;
	size_t i;

	if (!aud || json_is_null(aud))
		return 0;
	if (json_is_string(aud))
		return strcmp(json_string_value(aud), want) == 0;
	if (!json_is_array(aud))
		return -1;
	json_array_foreach(aud, i, item)
	{
		if (!json_is_string(item))
			return -1;
		found = found || strcmp(json_string_value(item), want) == 0;
	}
	return found;
}

static enum err_code check_times(const json_t *claims, int64_t now, struct err *err)
{
	int64_t exp, nbf, seconds = now / CLOCK_S;

	if (!numeric_date(claims, "exp", &exp) || !numeric_date(claims, "nbf", &nbf))
		return err_set(err, ERR_INVALID, "its exp or nbf is not a number of seconds");
	if (exp == 0)
		return err_set(err, ERR_DENIED, "it has no time of expiry (exp)");
	if (seconds >= exp + JWT_LEEWAY)
		return err_set(err, ERR_DENIED, "it expired %lld seconds ago", (long long)(seconds - exp));
	if (seconds < nbf - JWT_LEEWAY)
		return err_set(err, ERR_DENIED, "it is valid only in %lld seconds (nbf)", (long long)(nbf - seconds));
	return ERR_OK;
}

static bool strings(const json_t *array)
{
	const json_t *item;
	size_t i;

	if (!array || json_is_null(array))
		return true;
	json_array_foreach(array, i, item) if (!json_is_string(item)) return false;
	return json_is_array(array);
}

static bool string_or_none(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	return !v || json_is_string(v) || json_is_null(v);
}

/* [{"type": ..., "name": ..., "actions": [...]}], which may be missing. */
static bool access_well_formed(const json_t *access)
{
	const json_t *item;
	size_t i;

	if (!access || json_is_null(access))
		return true;
	json_array_foreach(access, i, item)
	{
		if (!json_is_object(item) || !string_or_none(item, "type") || !string_or_none(item, "name") ||
		    !strings(json_object_get(item, "actions")))
			return false;
	}
	return json_is_array(access);
}

static enum err_code check_claims(const struct jwt_policy *policy, const json_t *claims, int64_t now, struct err *err)
{
	int aud = audience_matches(json_object_get(claims, "aud"), policy->audience);

	if (!slice_eq_cstr(jws_member(claims, "iss"), policy->issuer))
		return err_set(err, ERR_DENIED, "it comes from another issuer (iss) than \"%s\"", policy->issuer);
	if (aud < 0)
		return err_set(err, ERR_INVALID, "its aud is neither a string nor a list of strings");
	if (aud == 0)
		return err_set(err, ERR_DENIED, "it is meant for another service (aud) than \"%s\"", policy->audience);
	if (!access_well_formed(json_object_get(claims, "access")))
		return err_set(err, ERR_INVALID, "its access claim is malformed");
	if (!string_or_none(claims, "sub"))
		return err_set(err, ERR_INVALID, "its sub is not a string");
	return check_times(claims, now, err);
}

/* ---- the whole ---------------------------------------------------------- */

enum err_code jwt_verify(const struct jwt_policy *policy, const struct keyset *keys, struct slice token, bool known,
    int64_t now, struct jwt *out, struct err *err)
{
	json_t *claims = NULL;
	struct parts parts;
	enum err_code rc;

	if (token.n > JWT_MAX)
		return err_set(err, ERR_INVALID, "it is longer than %zu bytes", JWT_MAX);
	if (!split(token, &parts))
		return err_set(err, ERR_INVALID, "it does not have three parts");
	rc = known ? ERR_OK : check_signature(policy, keys, &parts, now, err);
	if (!rc)
		rc = decode_object("payload", parts.payload, &claims, err);
	if (!rc)
		rc = check_claims(policy, claims, now, err);
	if (rc) {
		json_decref(claims);
		return rc;
	}
	*out = (struct jwt){.claims = claims, .subject = jws_member(claims, "sub")};
	return ERR_OK;
}

void jwt_clear(struct jwt *t)
{
	json_decref(t->claims);
	*t = (struct jwt){NULL};
}

bool jwt_allows(const struct jwt *t, struct slice type, struct slice name, struct slice action)
{
	const json_t *access = json_object_get(t->claims, "access"), *item, *one;
	size_t i, j;

	json_array_foreach(access, i, item)
	{
		if (!slice_eq(jws_member(item, "type"), type) || !slice_eq(jws_member(item, "name"), name))
			continue;
		json_array_foreach(json_object_get(item, "actions"), j, one)
		{
			struct slice s = slice_of(json_string_value(one), json_string_length(one));

			if (slice_eq(s, SLICE("*")) || slice_eq(s, action))
				return true;
		}
	}
	return false;
}
