/* SPDX-License-Identifier: Apache-2.0 */
/*
 * silly.c - the access controller for tests: any Authorization header will do.
 * Its challenge names every access by itself, as that of registry:2 does.
 */
#include "auth/challenge.h"

#include <stdlib.h>

struct silly {
	struct auth auth;
	char *realm, *service;
};

static enum auth_verdict silly_check(
    struct auth *a, struct http_req *req, const struct auth_access *access, size_t n, struct slice *why)
{
	struct silly *s = (struct silly *)a;
	CLEANUP(buf_free) struct buf value = BUF_INIT(CHALLENGE_MAX);
	CLEANUP(buf_free) struct buf scope = BUF_INIT(CHALLENGE_MAX);

	if (http_header(req, "Authorization").n) {
		req->user = SLICE("silly");
		return AUTH_GRANTED;
	}
	*why = CHALLENGE_WHY;
	buf_adds(&value, "Bearer realm=");
	challenge_quote(&value, slice_cstr(s->realm));
	buf_adds(&value, ",service=");
	challenge_quote(&value, slice_cstr(s->service));
	for (size_t i = 0; i < n; i++) {
		buf_addf(&scope, "%s%s:", i ? " " : "", access[i].type);
		buf_add(&scope, access[i].name);
		buf_addf(&scope, ":%s", access[i].action);
	}
	if (n) {
		buf_adds(&value, ",scope=");
		challenge_quote(&value, buf_slice(&scope));
	}
	return challenge_send(req, &value) ? AUTH_UNAUTHORIZED : AUTH_ERROR;
}

static void silly_free(struct auth *a)
{
	struct silly *s = (struct silly *)a;

	free(s->realm);
	free(s->service);
	free(s);
}

static const struct auth_ops silly_ops = {.name = "silly", .check = silly_check, .free = silly_free};

enum err_code auth_silly_new(const char *realm, const char *service, struct auth **out, struct err *err)
{
	struct silly *s;

	if (!realm || !service)
		return err_set(err, ERR_INVALID, "auth.silly needs a realm and a service");
	s = xcalloc(1, sizeof(*s));
	auth_init(&s->auth, &silly_ops);
	s->realm = xstrdup(realm);
	s->service = xstrdup(service);
	*out = &s->auth;
	return ERR_OK;
}
