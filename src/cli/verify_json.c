/* SPDX-License-Identifier: Apache-2.0 */
/* verify_json.c - see verify_json.h. */
#include "cli/verify_json.h"
#include "base/buf.h"

json_t *verify_report_json(const struct verify_report *r)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "blobs", (json_int_t)r->blobs, "blobs_total",
	    (json_int_t)r->blobs_total, "bytes", (json_int_t)r->bytes, "bytes_total", (json_int_t)r->bytes_total,
	    "manifests", (json_int_t)r->manifests, "damage", (json_int_t)verify_damage(r), "orphans",
	    (json_int_t)r->problems[VERIFY_ORPHAN], "orphan_bytes", (json_int_t)r->orphan_bytes, "repaired",
	    (json_int_t)r->repaired);
}

/* "team/app:1.0" or "team/app@sha256:..." */
static json_t *image(const struct meta_blob_user *u)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT(4096);
	char text[DIGEST_TEXT];

	buf_add(&b, u->repo);
	buf_addc(&b, u->tag.n ? ':' : '@');
	if (u->tag.n)
		buf_add(&b, u->tag);
	else
		buf_adds(&b, digest_format(&u->manifest, text));
	return json_string(buf_cstr(&b));
}

json_t *verify_finding_json(const struct verify_finding *f)
{
	char text[DIGEST_TEXT];
	json_t *images = json_array();

	for (size_t i = 0; i < f->nusers; i++)
		json_array_append_new(images, image(&f->users[i]));
	return json_pack("{s:s,s:s,s:s,s:I,s:b,s:o}", "problem", verify_problem_text(f->problem), "detail", f->detail,
	    "digest", digest_format(&f->digest, text), "size", (json_int_t)f->size, "repaired", f->repaired, "images",
	    images);
}
