/* SPDX-License-Identifier: Apache-2.0 */
/* blobs.c - HEAD, GET and DELETE of /v2/<name>/blobs/<digest>. */
#include "registry/registry_priv.h"
#include "base/log.h"
#include "meta/gc.h"

static void fail_unknown(struct call *c, const struct digest *d)
{
	char text[DIGEST_TEXT], json[DIGEST_TEXT + 2];

	digest_format(d, text);
	snprintf(json, sizeof(json), "\"%s\"", text);
	oci_fail_detail(c->req, OCI_BLOB_UNKNOWN, slice_cstr(json));
}

static enum err_code read_content(void *arg, uint64_t at, void *p, size_t n, size_t *got, struct err *err)
{
	return storage_read(arg, at, p, n, got, err);
}

/* Opens what the metadata names. Between the two it may have been collected: then
 * the metadata does not name it any more, or again, when somebody pushed it. */
static enum err_code open_known(struct call *c, const struct digest *d, struct meta_blob *known,
    struct storage_blob *out, bool *gone, struct err *err)
{
	enum err_code rc = storage_open(c->r->o.storage, d, out, err);

	*gone = false;
	if (rc != ERR_NOT_FOUND)
		return rc;
	rc = meta_blob_get(c->r->o.meta, c->name, d, known, err);
	*gone = rc == ERR_NOT_FOUND;
	return rc ? rc : storage_open(c->r->o.storage, d, out, err);
}

/*
 * The metadata names the blob, the storage has to have it. Where it has not,
 * the blob is damaged: the log says so, and the client is told that the blob
 * is unknown, so that pushing the image again heals it.
 */
static bool open_blob(struct call *c, const struct digest *d, struct meta_blob *known, struct storage_blob *out)
{
	struct err err = {0};
	char text[DIGEST_TEXT];
	bool gone;
	enum err_code rc = open_known(c, d, known, out, &gone, &err);

	if (rc == ERR_OK && out->size == known->size)
		return true;
	if (rc == ERR_OK) {
		err_set(&err, ERR_CORRUPT, "the storage has %llu bytes of it, the metadata says %llu",
		    (unsigned long long)out->size, (unsigned long long)known->size);
		storage_close(out);
		rc = ERR_CORRUPT;
	}
	if (rc != ERR_NOT_FOUND && rc != ERR_CORRUPT) {
		oci_fail_system(c->req, &err, "reading the blob");
		return false;
	}
	if (!gone)
		LOG_ERROR("a blob is damaged: push an image that has it again to heal it",
		    LOG_STR("digest", digest_format(d, text)), LOG_SLICE("repository", c->name),
		    LOG_STR("error", err.msg));
	fail_unknown(c, d);
	return false;
}

void blob_get(struct call *c)
{
	struct storage_blob blob;
	struct meta_blob known;
	struct digest d;
	char text[DIGEST_TEXT], etag[DIGEST_TEXT + 2];
	struct err err = {0};
	enum err_code rc = ERR_OK;

	if (!call_digest(c, &d))
		return;
	/* Who only asks whether it is there will not upload it: it must not go
	 * before the manifest has come. Renewing its grace period comes first, as
	 * the collector could take it between the answer and that. */
	if (c->req->method == HTTP_HEAD)
		rc = meta_gc_touch_blob(c->r->o.meta, c->name, &d, &err);
	if (rc == ERR_OK)
		rc = meta_blob_get(c->r->o.meta, c->name, &d, &known, &err);
	if (rc == ERR_NOT_FOUND) {
		fail_unknown(c, &d);
		return;
	}
	if (rc) {
		oci_fail_system(c->req, &err, "looking up the blob");
		return;
	}
	if (!open_blob(c, &d, &known, &blob))
		return;
	digest_format(&d, text);
	snprintf(etag, sizeof(etag), "\"%s\"", text);
	http_header_set(c->req, "Docker-Content-Digest", slice_cstr(text));
	http_header_set(c->req, "Cache-Control", SLICE("max-age=31536000"));
	http_reply_content(c->req, &(struct http_content){
	                               .size = blob.size,
	                               .fd = blob.fd,
	                               .read = read_content,
	                               .read_arg = &blob,
	                               .etag = slice_cstr(etag),
	                               .type = SLICE("application/octet-stream"),
	                               .ranges = true,
	                           });
	storage_close(&blob);
}

struct unlink_args {
	struct slice repo;
	struct digest digest;
};

static enum err_code do_unlink(struct meta_tx *tx, void *arg, struct err *err)
{
	struct unlink_args *a = arg;

	return meta_tx_blob_unlink(tx, a->repo, &a->digest, err);
}

void blob_delete(struct call *c)
{
	struct unlink_args a = {.repo = c->name};
	struct err err = {0};
	enum err_code rc;

	if (!call_digest(c, &a.digest))
		return;
	if (!c->r->o.delete_enabled) {
		oci_fail(c->req, OCI_UNSUPPORTED);
		return;
	}
	rc = meta_write(c->r->o.meta, META_DURABLE, do_unlink, &a, &err);
	if (rc == ERR_NOT_FOUND) {
		oci_fail(c->req, OCI_BLOB_UNKNOWN);
		return;
	}
	if (rc) {
		oci_fail_system(c->req, &err, "deleting the blob");
		return;
	}
	http_reply(c->req, 202, SLICE(""));
}
