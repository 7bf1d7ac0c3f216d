/* SPDX-License-Identifier: Apache-2.0 */
/* manifests.c - HEAD, GET, PUT and DELETE of /v2/<name>/manifests/<reference>. */
#include "registry/check.h"
#include "registry/manifest.h"
#include "registry/registry_priv.h"
#include "meta/gc.h"

#include <stdio.h>
#include <string.h>

/* ?tag= parameters taken with one push; the specification asks for 10. */
#define MAX_TAGS 64

/* The tag or digest in the path. False after having answered. */
static bool parse_reference(struct call *c, struct reference *ref)
{
	switch (reference_parse(c->param, ref)) {
	case REFERENCE_OK:
		return true;
	case REFERENCE_BAD_TAG:
		oci_fail_why(c->req, OCI_TAG_INVALID,
		    "a tag is up to 128 letters, digits, '_', '.' and '-', and does not start with '.' or '-'");
		return false;
	case REFERENCE_UNKNOWN_ALGORITHM:
	case REFERENCE_BAD_DIGEST:
		break;
	}
	return call_digest(c, &ref->digest);
}

static void fail_unknown(struct call *c, const struct reference *ref)
{
	struct buf detail = BUF_INIT(2048);
	char text[DIGEST_TEXT];

	if (ref->is_tag) {
		buf_adds(&detail, "{\"Tag\":");
		buf_add_json(&detail, ref->tag);
	} else {
		buf_adds(&detail, "{\"Name\":");
		buf_add_json(&detail, c->name);
		buf_addf(&detail, ",\"Revision\":\"%s\"", digest_format(&ref->digest, text));
	}
	buf_addc(&detail, '}');
	oci_fail_detail(c->req, OCI_MANIFEST_UNKNOWN, buf_slice(&detail));
	buf_free(&detail);
}

/* ---- GET ------------------------------------------------------------------- */

static bool accepts(const struct http_req *req, struct slice type)
{
	for (size_t i = 0; i < req->nfields; i++) {
		struct slice rest = req->fields[i].value;

		if (!slice_eq_icase(req->fields[i].name, SLICE("Accept")))
			continue;
		while (rest.p) {
			struct slice item = slice_cut(&rest, ',');
			struct slice range = slice_trim(slice_cut(&item, ';'));

			if (slice_eq_icase(range, type) || slice_eq(range, SLICE("*/*")) ||
			    slice_eq_icase(range, SLICE("application/*")))
				return true;
		}
	}
	return false;
}

/*
 * A client that asks for a tag and cannot read Docker manifest lists gets the
 * image for linux/amd64, as registry:2 does. By digest everybody gets what the
 * digest names, and OCI indexes are never replaced.
 */
static void choose_child(struct call *c, const struct reference *ref, bool payload, struct meta_manifest *m)
{
	struct meta_manifest list, child;
	struct digest d;

	if (!ref->is_tag || !slice_eq(m->media_type, SLICE(MANIFEST_TYPE_LIST)) || accepts(c->req, m->media_type))
		return;
	if (meta_manifest_get(c->r->o.meta, c->name, &m->digest, true, c->req->arena, &list, NULL) == ERR_OK &&
	    manifest_child(list.payload, "linux", "amd64", &d) == ERR_OK &&
	    meta_manifest_get(c->r->o.meta, c->name, &d, payload, c->req->arena, &child, NULL) == ERR_OK)
		*m = child;
}

static void reply_manifest(struct call *c, const struct meta_manifest *m)
{
	char text[DIGEST_TEXT], etag[DIGEST_TEXT + 2];

	digest_format(&m->digest, text);
	snprintf(etag, sizeof(etag), "\"%s\"", text);
	http_header_set(c->req, "Docker-Content-Digest", slice_cstr(text));
	if (slice_eq_cstr(http_header(c->req, "If-None-Match"), text)) {
		/* Clients of registry:2 may send the bare digest. */
		http_header_set(c->req, "ETag", slice_cstr(etag));
		http_reply(c->req, 304, SLICE(""));
		return;
	}
	http_reply_content(c->req, &(struct http_content){
	                               .size = m->payload.n,
	                               .fd = -1,
	                               .mem = m->payload.p,
	                               .etag = slice_cstr(etag),
	                               .type = m->media_type,
	                           });
}

/* Who asks for a digest without wanting the bytes may be about to push an index
 * that lists it: its grace period is renewed, and before the look-up, as the
 * collector could take it between the answer and that. */
static enum err_code look_up(
    struct call *c, const struct reference *ref, bool payload, struct meta_manifest *m, struct err *err)
{
	struct meta *meta = c->r->o.meta;
	enum err_code rc = ERR_OK;

	if (ref->is_tag)
		return meta_manifest_get_tag(meta, c->name, ref->tag, payload, c->req->arena, m, err);
	if (!payload) {
		http_may_block(c->req);
		rc = meta_gc_touch_manifest(meta, c->name, &ref->digest, err);
	}
	return rc ? rc : meta_manifest_get(meta, c->name, &ref->digest, payload, c->req->arena, m, err);
}

void manifest_get(struct call *c)
{
	bool payload = c->req->method != HTTP_HEAD;
	struct reference ref;
	struct meta_manifest m;
	struct err err = {0};
	enum err_code rc;

	if (!parse_reference(c, &ref))
		return;
	rc = look_up(c, &ref, payload, &m, &err);
	if (rc == ERR_NOT_FOUND) {
		fail_unknown(c, &ref);
		return;
	}
	if (rc) {
		oci_fail_system(c->req, &err, "looking up the manifest");
		return;
	}
	choose_child(c, &ref, payload, &m);
	reply_manifest(c, &m);
}

/* ---- PUT ------------------------------------------------------------------------ */

static void fail_missing(struct call *c, const struct meta_manifest_put *put)
{
	struct buf b = BUF_INIT((size_t)4 << 20);
	bool first = true;

	buf_adds(&b, "{\"errors\":[");
	for (size_t i = 0; i < put->nrefs; i++) {
		char text[DIGEST_TEXT], json[DIGEST_TEXT + 2];

		if (!put->refs[i].missing)
			continue;
		if (!first)
			buf_addc(&b, ',');
		first = false;
		snprintf(json, sizeof(json), "\"%s\"", digest_format(&put->refs[i].digest, text));
		oci_error_item(&b, OCI_MANIFEST_BLOB_UNKNOWN, SLICE_NONE, slice_cstr(json));
	}
	buf_adds(&b, "]}\n");
	http_header_set(c->req, "Content-Type", SLICE("application/json; charset=utf-8"));
	http_reply(c->req, oci_error_status(OCI_MANIFEST_BLOB_UNKNOWN), buf_slice(&b));
	buf_free(&b);
}

static bool read_manifest(struct call *c, struct slice *payload)
{
	struct err err = {0};

	switch (http_body_read_all(c->req, c->r->o.manifest_max, payload, &err)) {
	case ERR_OK:
		return true;
	case ERR_TOO_LARGE:
		oci_fail_why(c->req, OCI_MANIFEST_TOO_LARGE, "at most %zu bytes are accepted", c->r->o.manifest_max);
		return false;
	case ERR_TIMEOUT:
		http_close_after(c->req);
		oci_fail(c->req, OCI_UPLOAD_SLOW);
		return false;
	case ERR_NO_MEMORY:
		oci_fail(c->req, OCI_UNAVAILABLE);
		return false;
	default:
		http_close_after(c->req);
		oci_fail_why(c->req, OCI_MANIFEST_INVALID, "%s", err.msg);
		return false;
	}
}

/* The tag of the path and those of ?tag=. False after having answered. */
static bool collect_tags(struct call *c, const struct reference *ref, struct meta_manifest_put *put)
{
	struct slice *tags = arena_alloc(c->req->arena, (MAX_TAGS + 1) * sizeof(*tags));
	struct slice tag;

	if (!tags) {
		oci_fail(c->req, OCI_UNAVAILABLE);
		return false;
	}
	if (ref->is_tag)
		tags[put->ntags++] = ref->tag;
	for (size_t i = 0; http_query(c->req, "tag", i, &tag); i++) {
		if (i == MAX_TAGS) {
			oci_fail_why(c->req, OCI_TAG_INVALID, "at most %d tag parameters are accepted", MAX_TAGS);
			return false;
		}
		if (!reference_tag_valid(tag)) {
			oci_fail_why(c->req, OCI_TAG_INVALID, "'%.*s' is not a tag", SLICE_ARG(slice_sub(tag, 0, 200)));
			return false;
		}
		tags[put->ntags++] = tag;
	}
	put->tags = tags;
	return true;
}

/* By tag the digest is made with sha256, by digest with the algorithm given. */
static bool check_digest(struct call *c, const struct reference *ref, struct slice payload, struct digest *out)
{
	char text[DIGEST_TEXT];

	digest_of(ref->is_tag ? DIGEST_SHA256 : ref->digest.alg, payload.p, payload.n, out);
	if (ref->is_tag || digest_eq(out, &ref->digest))
		return true;
	oci_fail_why(c->req, OCI_DIGEST_INVALID, "the manifest received has %s", digest_format(out, text));
	return false;
}

static enum err_code do_put(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_manifest_put(tx, arg, err);
}

static void reply_stored(struct call *c, const struct manifest *m, const struct meta_manifest_put *put, bool by_tag)
{
	char text[DIGEST_TEXT];

	digest_format(&put->digest, text);
	location_set(c, "manifests/%s", text);
	http_header_set(c->req, "Docker-Content-Digest", slice_cstr(text));
	for (size_t i = by_tag ? 1 : 0; i < put->ntags; i++)
		http_header_add(c->req, "OCI-Tag", put->tags[i]);
	if (m->has_subject)
		http_header_set(c->req, "OCI-Subject", slice_cstr(digest_format(&m->subject, text)));
	http_reply(c->req, 201, SLICE(""));
}

static void store(struct call *c, const struct manifest *m, struct meta_manifest_put *put, bool by_tag)
{
	struct err err = {0};
	enum err_code rc;

	put->media_type = m->media_type;
	put->artifact_type = m->artifact_type;
	put->refs = m->refs;
	put->nrefs = m->nrefs;
	if (m->has_subject) {
		put->subject = &m->subject;
		put->descriptor = manifest_descriptor(m, put->payload, &put->digest, c->req->arena);
		if (!put->descriptor.p) {
			oci_fail(c->req, OCI_UNAVAILABLE);
			return;
		}
	}
	rc = meta_write(c->r->o.meta, META_DURABLE, do_put, put, &err);
	if (rc == ERR_OK)
		reply_stored(c, m, put, by_tag);
	else if (rc == ERR_NOT_FOUND && put->nmissing)
		fail_missing(c, put);
	else
		oci_fail_system(c->req, &err, "storing the manifest");
}

void manifest_put(struct call *c)
{
	struct meta_manifest_put put = {.repo = c->name};
	struct reference ref;
	struct manifest m;
	struct err err = {0};
	enum err_code rc;

	if (!parse_reference(c, &ref) || !collect_tags(c, &ref, &put) || !read_manifest(c, &put.payload))
		return;
	if (!check_digest(c, &ref, put.payload, &put.digest))
		return;
	rc = manifest_parse(put.payload, http_header(c->req, "Content-Type"), c->req->arena, &m, &err);
	if (rc == ERR_NO_MEMORY) {
		oci_fail(c->req, OCI_UNAVAILABLE);
		return;
	}
	if (rc) {
		oci_fail_why(
		    c->req, rc == ERR_TOO_LARGE ? OCI_MANIFEST_TOO_LARGE : OCI_MANIFEST_INVALID, "%s", err.msg);
		return;
	}
	rc = manifest_check(&c->r->o, c->name, &m, c->req->arena, &err);
	if (rc) {
		if (rc == ERR_INVALID)
			oci_fail_why(c->req, OCI_MANIFEST_INVALID, "%s", err.msg);
		else
			oci_fail_system(c->req, &err, "looking for the blobs of the manifest");
		return;
	}
	store(c, &m, &put, ref.is_tag);
}

/* ---- DELETE ---------------------------------------------------------------------- */

struct delete_args {
	struct slice repo;
	struct reference ref;
};

static enum err_code do_delete(struct meta_tx *tx, void *arg, struct err *err)
{
	struct delete_args *a = arg;

	if (a->ref.is_tag)
		return meta_tx_tag_delete(tx, a->repo, a->ref.tag, err);
	return meta_tx_manifest_delete(tx, a->repo, &a->ref.digest, err);
}

void manifest_delete(struct call *c)
{
	struct delete_args a = {.repo = c->name};
	struct err err = {0};
	enum err_code rc;

	if (!parse_reference(c, &a.ref))
		return;
	if (!c->r->o.delete_enabled) {
		oci_fail(c->req, OCI_UNSUPPORTED);
		return;
	}
	rc = meta_write(c->r->o.meta, META_DURABLE, do_delete, &a, &err);
	if (rc == ERR_NOT_FOUND)
		fail_unknown(c, &a.ref);
	else if (rc)
		oci_fail_system(c->req, &err, "deleting the manifest");
	else
		http_reply(c->req, 202, SLICE(""));
}
