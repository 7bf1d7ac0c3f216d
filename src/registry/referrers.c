/* SPDX-License-Identifier: Apache-2.0 */
/* referrers.c - GET /v2/<name>/referrers/<digest>. */
#include "registry/manifest.h"
#include "registry/registry_priv.h"

/* Descriptors in one answer; more come by the Link header. */
#define PAGE 500

static void add_link(struct call *c, struct slice type, int64_t next)
{
	struct buf b = BUF_INIT(4096);

	buf_addc(&b, '<');
	buf_add(&b, c->req->path);
	buf_addf(&b, "?after=%lld", (long long)next);
	if (type.n) {
		buf_adds(&b, "&artifactType=");
		buf_add_urlenc(&b, type);
	}
	buf_adds(&b, ">; rel=\"next\"");
	http_header_set(c->req, "Link", buf_slice(&b));
	buf_free(&b);
}

void referrers_get(struct call *c)
{
	struct buf b = BUF_INIT((size_t)64 << 20);
	struct meta_referrers found;
	struct slice type, cursor;
	struct digest subject;
	struct err err = {0};
	uint64_t after = 0;

	if (!call_digest(c, &subject))
		return;
	if (!http_query(c->req, "artifactType", 0, &type) || type.n == 0)
		type = SLICE_NONE;
	if (http_query(c->req, "after", 0, &cursor) && !slice_u64(cursor, INT64_MAX, &after)) {
		oci_fail_why(c->req, OCI_PAGINATION_INVALID, "after must be a whole number");
		return;
	}
	if (meta_referrers(c->r->o.meta, c->name, &subject, type, (int64_t)after, PAGE, c->req->arena, &found, &err)) {
		oci_fail_system(c->req, &err, "listing referrers");
		return;
	}
	buf_adds(&b, "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE_INDEX "\",\"manifests\":[");
	for (size_t i = 0; i < found.n; i++) {
		if (i)
			buf_addc(&b, ',');
		buf_add(&b, found.descriptors[i]);
	}
	buf_adds(&b, "]}");
	if (type.p)
		http_header_set(c->req, "OCI-Filters-Applied", SLICE("artifactType"));
	if (found.more)
		add_link(c, type, found.next);
	http_header_set(c->req, "Content-Type", SLICE(MANIFEST_TYPE_INDEX));
	if (buf_ok(&b))
		http_reply(c->req, 200, buf_slice(&b));
	else
		oci_fail(c->req, OCI_UNAVAILABLE);
	buf_free(&b);
}
