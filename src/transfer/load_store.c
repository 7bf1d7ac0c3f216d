/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_store.c - first everything is checked as a push checks it, then stored:
 * of each image the blobs, each under the hold and in the order of a push, then
 * its manifests from the bottom up, the last one with the tags. The record of a
 * blob need not be durable before that of the manifest, which comes later in the
 * same log.
 */
#include "meta/walk.h"
#include "transfer/load_priv.h"

#include <string.h>

#define ARENA_MAX ((size_t)64 << 20)

/* ---- checking ---------------------------------------------------------------------- */

static enum err_code no_blob(
    const struct load_image_plan *image, const struct manifest_ref *info, const struct digest *d, struct err *err)
{
	char text[DIGEST_TEXT];

	return err_set(err, ERR_NOT_FOUND,
	    "%.*s: the blob %s is neither in the archive nor in the repository %.*s: the archive is cut off, damaged, or "
	    "holds only a part of the image",
	    SLICE_ARG(info->what), digest_format(d, text), SLICE_ARG(image->repo));
}

static size_t image_number(const struct load *l, const struct load_image_plan *image)
{
	return (size_t)(image - l->images) + 1;
}

static void count(struct load_image_plan *image, uint64_t size, bool present)
{
	image->blobs++;
	image->bytes += size;
	image->present += present;
}

static enum err_code check_blob(struct load *l, struct load_image_plan *image, const struct meta_ref *ref,
    const struct manifest_ref *info, struct err *err)
{
	struct load_file *f = load_find_digest(l, &ref->digest);
	size_t number = image_number(l, image);
	char text[DIGEST_TEXT];
	struct meta_blob blob;
	enum err_code rc;

	if (!f) {
		rc =
		    ref->required ? meta_blob_get(l->o->registry->meta, image->repo, &ref->digest, &blob, err) : ERR_OK;
		if (rc == ERR_OK && ref->required)
			count(image, blob.size, true);
		return rc == ERR_NOT_FOUND ? no_blob(image, info, &ref->digest, err) : rc;
	}
	if (f->size != (uint64_t)info->size)
		return err_set(err, ERR_INVALID, "%.*s: the manifest says %lld bytes, the blob %s has %llu",
		    SLICE_ARG(info->what), (long long)info->size, digest_format(&ref->digest, text),
		    (unsigned long long)f->size);
	if (f->counted_by != number) {
		f->counted_by = number;
		count(image, f->size, f->present);
		l->to_store++;
	}
	return ERR_OK;
}

typedef enum err_code on_manifest(struct load *l, struct load_image_plan *image, size_t node, struct slice payload,
    struct manifest *m, struct arena *a, struct err *err);

/* Calls `each` for the manifests of an image, children first. */
static enum err_code each_manifest(struct load *l, struct load_image_plan *image, on_manifest *each, struct err *err)
{
	char text[LOAD_NAME + DIGEST_TEXT], digest[DIGEST_TEXT];
	struct arena a;
	enum err_code rc = ERR_OK;

	arena_init(&a, ARENA_MAX);
	for (size_t i = image->first; rc == ERR_OK && i < image->first + image->n; i++) {
		const struct load_node *node = &l->nodes[i];
		struct slice payload;
		struct manifest m;

		arena_reset(&a);
		rc = load_manifest(l, &node->digest, node->media_type, node->repo, &a, &payload, &m, err);
		if (rc == ERR_OK)
			rc = manifest_check(l->o->registry, image->repo, &m, &a, err);
		if (rc == ERR_OK)
			rc = each(l, image, i, payload, &m, &a, err);
		if (rc)
			err_context(
			    err, "%s: manifest %s", load_image_text(image, text), digest_format(&node->digest, digest));
	}
	arena_free(&a);
	return rc;
}

static enum err_code check_manifest(struct load *l, struct load_image_plan *image, size_t node, struct slice payload,
    struct manifest *m, struct arena *a, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < m->nrefs; i++) {
		if (m->refs[i].kind != META_REF_CHILD)
			rc = check_blob(l, image, &m->refs[i], &m->info[i], err);
	}
	return rc;
}

enum err_code load_check(struct load *l, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < l->nimages; i++)
		rc = each_manifest(l, &l->images[i], check_manifest, err);
	return rc;
}

/* ---- blobs --------------------------------------------------------------------------- */

struct link_args {
	struct slice repo;
	struct meta_blob blob;
};

static enum err_code do_link(struct meta_tx *tx, void *arg, struct err *err)
{
	struct link_args *a = arg;

	return meta_tx_blob_link(tx, a->repo, &a->blob, err);
}

/* Its bytes become the blob, if that is not there. */
static enum err_code commit(struct load *l, struct load_file *f, struct err *err)
{
	struct storage *storage = l->o->registry->storage;
	struct storage_upload *u = NULL;
	char text[DIGEST_TEXT];
	uint64_t size;
	enum err_code rc;

	if (f->upload[0]) {
		rc = storage_upload_open(storage, f->upload, &u, err);
		if (rc == ERR_OK)
			rc = storage_upload_commit(&u, &f->digest, err);
		if (rc == ERR_OK)
			f->upload[0] = '\0';
		return rc;
	}
	rc = storage_stat(storage, &f->digest, &size, err);
	if (rc == ERR_NOT_FOUND)
		return err_set(err, ERR_BUSY,
		    "the blob %s was there when it was read, and is gone now: import the archive again",
		    digest_format(&f->digest, text));
	return rc;
}

/* Bytes that were stored but could not be recorded are nobody's, unless somebody
 * else has recorded them meanwhile. */
static void discard_unrecorded(struct load *l, const struct digest *d)
{
	struct storage *storage = l->o->registry->storage;
	uint64_t size;

	storage_hold_exclusive(storage, d, 1);
	if (meta_blob_known(l->o->registry->meta, d, &size, NULL) == ERR_NOT_FOUND)
		(void)!storage_remove(storage, d, NULL);
	storage_release_exclusive(storage, d, 1);
}

static enum err_code store_blob(
    struct load *l, const struct load_image_plan *image, struct load_file *f, struct err *err)
{
	struct storage *storage = l->o->registry->storage;
	struct link_args a = {.repo = image->repo, .blob = {.digest = f->digest, .size = f->size}};
	bool fresh = f->upload[0] != '\0';
	enum err_code rc;

	l->stored++;
	if (l->control->progress && !l->control->progress(l->stored, l->to_store, l->control->arg))
		return err_set(err, ERR_CLOSED, "interrupted");
	storage_hold_shared(storage, &f->digest);
	rc = commit(l, f, err);
	if (rc == ERR_OK)
		rc = meta_write(l->o->registry->meta, META_RELAXED, do_link, &a, err);
	storage_release_shared(storage, &f->digest);
	if (rc && fresh)
		discard_unrecorded(l, &f->digest);
	return rc;
}

/* ---- manifests ------------------------------------------------------------------------ */

static enum err_code store_blobs(
    struct load *l, struct load_image_plan *image, const struct manifest *m, struct err *err)
{
	size_t number = image_number(l, image);
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < m->nrefs; i++) {
		struct load_file *f =
		    m->refs[i].kind == META_REF_CHILD ? NULL : load_find_digest(l, &m->refs[i].digest);

		if (!f || f->stored_by == number)
			continue;
		f->stored_by = number;
		rc = store_blob(l, image, f, err);
	}
	return rc;
}

static enum err_code do_put(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_manifest_put(tx, arg, err);
}

static enum err_code store_manifest(struct load *l, struct load_image_plan *image, size_t node, struct slice payload,
    struct manifest *m, struct arena *a, struct err *err)
{
	bool last = node == image->first + image->n - 1;
	struct meta_manifest_put put = {.repo = image->repo,
	    .digest = l->nodes[node].digest,
	    .media_type = m->media_type,
	    .artifact_type = m->artifact_type,
	    .payload = payload,
	    .refs = m->refs,
	    .nrefs = m->nrefs,
	    .tags = last ? image->tags : NULL,
	    .ntags = last ? image->ntags : 0};
	enum err_code rc = store_blobs(l, image, m, err);

	if (rc)
		return rc;
	if (m->has_subject) {
		put.subject = &m->subject;
		put.descriptor = manifest_descriptor(m, payload, &put.digest, a);
		if (!put.descriptor.p)
			return err_set(err, ERR_NO_MEMORY, "out of memory");
	}
	return meta_write(l->o->registry->meta, last ? META_DURABLE : META_RELAXED, do_put, &put, err);
}

/* ---- all of them -------------------------------------------------------------------------- */

static void tell(struct load *l, const struct load_image_plan *image)
{
	char repo[REFERENCE_NAME_MAX + 1], tag[REFERENCE_TAG_MAX + 1];
	struct load_image told = {.repo = repo,
	    .digest = image->digest,
	    .blobs = image->blobs,
	    .bytes = image->bytes,
	    .present = image->present};

	snprintf(repo, sizeof(repo), "%.*s", SLICE_ARG(image->repo));
	if (image->ntags == 0)
		l->control->image(&told, l->control->arg);
	told.tag = tag;
	for (size_t i = 0; i < image->ntags; i++) {
		snprintf(tag, sizeof(tag), "%.*s", SLICE_ARG(image->tags[i]));
		l->control->image(&told, l->control->arg);
	}
}

enum err_code load_store(struct load *l, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < l->nimages; i++) {
		rc = each_manifest(l, &l->images[i], store_manifest, err);
		if (rc == ERR_OK)
			tell(l, &l->images[i]);
	}
	return rc;
}
