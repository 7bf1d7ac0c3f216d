/* SPDX-License-Identifier: Apache-2.0 */
/* base.c - the registry object, GET /v2/ and GET /v2/_catalog. */
#include "registry/registry_priv.h"

#include <stdlib.h>

/* Uploads whose hash is kept at once; beyond, the bytes are read back. */
#define SESSIONS_MAX 4096

enum err_code registry_new(const struct registry_options *o, struct registry **out, struct err *err)
{
	struct registry *r = xcalloc(1, sizeof(*r));

	r->magic = REGISTRY_MAGIC;
	r->o = *o;
	if (!r->o.prefix)
		r->o.prefix = "/";
	if (!r->o.manifest_max)
		r->o.manifest_max = (size_t)4 << 20;
	if (!r->o.catalog_max)
		r->o.catalog_max = 1000;
	if (!r->o.tags_max)
		r->o.tags_max = 1000;
	r->sessions = sessions_new(SESSIONS_MAX);
	*out = r;
	return ERR_OK;
}

void registry_free(struct registry **rp)
{
	struct registry *r = *rp;

	if (!r)
		return;
	OBJ_CHECK(r, REGISTRY_MAGIC);
	sessions_free(&r->sessions);
	r->magic = 0;
	free(r);
	*rp = NULL;
}

void base_get(struct call *c)
{
	http_header_set(c->req, "Content-Type", SLICE("application/json; charset=utf-8"));
	http_reply(c->req, 200, SLICE("{}"));
}

static void fail_too_many(struct call *c, uint64_t n)
{
	struct buf detail = BUF_INIT(64), why = BUF_INIT(64);

	buf_addf(&detail, "{\"n\":%llu}", (unsigned long long)n);
	buf_addf(&why, "n may be at most %zu here", c->r->o.catalog_max);
	oci_fail_with(c->req, OCI_PAGINATION_INVALID, buf_slice(&why), buf_slice(&detail));
	buf_free(&why);
	buf_free(&detail);
}

void catalog_get(struct call *c)
{
	struct meta_names names;
	struct slice last;
	struct err err = {0};
	struct buf b = BUF_INIT((size_t)64 << 20);
	uint64_t n;

	if (!page_params(c, &n, &last))
		return;
	if (n == UINT64_MAX)
		n = c->r->o.catalog_max < 100 ? c->r->o.catalog_max : 100;
	if (n > c->r->o.catalog_max) {
		fail_too_many(c, n);
		return;
	}
	if (meta_repos(c->r->o.meta, last, n, c->req->arena, &names, &err)) {
		oci_fail_system(c->req, &err, "listing repositories");
		return;
	}
	buf_adds(&b, "{\"repositories\":[");
	for (size_t i = 0; i < names.n; i++) {
		if (i)
			buf_addc(&b, ',');
		buf_add_json(&b, names.v[i]);
	}
	buf_adds(&b, "]}\n");
	if (names.more && names.n)
		location_next(c, names.v[names.n - 1], n);
	http_header_set(c->req, "Content-Type", SLICE("application/json; charset=utf-8"));
	http_reply(c->req, 200, buf_slice(&b));
	buf_free(&b);
}
