/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_plan.c - from the entries of an archive to the manifests that each
 * repository is to get, children before the indexes that list them.
 */
#include "transfer/load_priv.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 16
#define NODES_MAX 400000
/* Of signatures of signatures. */
#define REFERRERS_DEPTH 8
#define ARENA_MAX ((size_t)64 << 20)

const char *load_image_text(const struct load_image_plan *i, char out[LOAD_NAME + DIGEST_TEXT])
{
	char text[DIGEST_TEXT];

	if (i->ntags)
		snprintf(out, LOAD_NAME + DIGEST_TEXT, "%.*s:%.*s", SLICE_ARG(i->repo), SLICE_ARG(i->tags[0]));
	else
		snprintf(out, LOAD_NAME + DIGEST_TEXT, "%.*s@%s", SLICE_ARG(i->repo), digest_format(&i->digest, text));
	return out;
}

/* ---- manifests ------------------------------------------------------------------------- */

enum err_code load_manifest(struct load *l, const struct digest *d, struct slice media_type, struct slice repo,
    struct arena *a, struct slice *payload, struct manifest *m, struct err *err)
{
	const struct load_file *f = load_find_digest(l, d);
	struct meta_manifest known;
	char text[DIGEST_TEXT];
	enum err_code rc;

	if (f) {
		rc = load_read(l, f, a, payload, err);
	} else {
		rc = repo.p ? meta_manifest_get(l->o->registry->meta, repo, d, true, a, &known, err) : ERR_NOT_FOUND;
		if (rc == ERR_OK)
			*payload = known.payload;
		else if (rc == ERR_NOT_FOUND)
			rc = err_set(err, ERR_NOT_FOUND,
			    "the manifest %s is neither in the archive nor in the repository: the archive is cut off or damaged",
			    digest_format(d, text));
	}
	if (rc == ERR_OK) {
		rc = manifest_parse(*payload, media_type, a, m, err);
		if (rc && err)
			err_context(err, "the manifest %s", digest_format(d, text));
	}
	return rc;
}

static bool planned(const struct load *l, const struct load_image_plan *image, const struct digest *d)
{
	for (size_t i = image->first; i < l->nnodes; i++) {
		if (digest_eq(&l->nodes[i].digest, d))
			return true;
	}
	return false;
}

/* An index with children that are nowhere: what some clients save of an image for
 * several platforms when they have only one. */
struct missing {
	size_t n, present;
	struct digest first, child; /* one that is missing, one that is there */
	struct slice platform;      /* of the one that is there */
};

static bool child_known(const struct load *l, struct slice repo, const struct digest *d, struct arena *a)
{
	struct meta_manifest known;

	return load_find_digest(l, d) ||
	       meta_manifest_get(l->o->registry->meta, repo, d, false, a, &known, NULL) == ERR_OK;
}

static void find_missing(
    const struct load *l, struct slice repo, const struct manifest *m, struct arena *a, struct missing *out)
{
	*out = (struct missing){0};
	for (size_t i = 0; i < m->nrefs; i++) {
		const struct meta_ref *ref = &m->refs[i];

		if (child_known(l, repo, &ref->digest, a)) {
			if (slice_eq_cstr(m->info[i].os, "unknown"))
				continue; /* an attestation */
			out->present++;
			out->child = ref->digest;
			out->platform = arena_copy(a, m->info[i].architecture);
		} else if (ref->required) {
			out->first = ref->digest;
			out->n++;
		}
	}
}

static enum err_code visit(
    struct load *l, struct load_image_plan *image, const struct load_node *node, unsigned depth, struct err *err);

/* The only image of an incomplete index takes its name. */
static enum err_code take_only_child(struct load *l, struct load_image_plan *image, const struct manifest *m,
    const struct missing *missing, struct err *err)
{
	char text[LOAD_NAME + DIGEST_TEXT], digest[DIGEST_TEXT];
	struct load_node child = {.digest = missing->child, .repo = image->repo};

	if (missing->present != 1)
		return err_set(err, ERR_NOT_FOUND,
		    "the archive has %zu of the %zu images in its index; %s is neither there nor in the repository: save the "
		    "image with all its platforms (ctr image export --all-platforms), or with just one",
		    missing->present, m->nrefs, digest_format(&missing->first, digest));
	load_image_text(image, text);
	load_note(l, "%s: the archive has only the image for %.*s of the %zu in its index, and the name leads to that",
	    text, SLICE_ARG(missing->platform), m->nrefs);
	image->digest = missing->child;
	image->media_type = SLICE_NONE;
	return visit(l, image, &child, 1, err);
}

static enum err_code visit_children(struct load *l, struct load_image_plan *image, const struct load_node *node,
    const struct manifest *m, unsigned depth, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < m->nrefs; i++) {
		struct load_node child = {.digest = m->refs[i].digest, .repo = node->repo};

		if (load_find_digest(l, &child.digest))
			rc = visit(l, image, &child, depth + 1, err);
	}
	return rc;
}

static enum err_code visit_index(struct load *l, struct load_image_plan *image, const struct load_node *node,
    struct manifest *m, unsigned depth, struct arena *a, bool *replaced, struct err *err)
{
	struct missing missing;
	enum err_code rc = manifest_check(l->o->registry, node->repo, m, a, err);

	if (rc)
		return rc;
	find_missing(l, node->repo, m, a, &missing);
	*replaced = missing.n > 0;
	if (missing.n == 0)
		return visit_children(l, image, node, m, depth, err);
	if (depth > 0)
		missing.present = 0;
	return take_only_child(l, image, m, &missing, err);
}

static enum err_code visit(
    struct load *l, struct load_image_plan *image, const struct load_node *node, unsigned depth, struct err *err)
{
	struct arena a;
	struct slice payload;
	struct manifest m;
	bool replaced = false;
	enum err_code rc;

	if (planned(l, image, &node->digest))
		return ERR_OK;
	if (depth > DEPTH_MAX)
		return err_set(err, ERR_INVALID, "indexes of the archive nest more than %d deep", DEPTH_MAX);
	if (l->nnodes == NODES_MAX)
		return err_set(
		    err, ERR_TOO_LARGE, "the archive has more than %d manifests: import it in parts", NODES_MAX);
	arena_init(&a, ARENA_MAX);
	rc = load_manifest(l, &node->digest, node->media_type, node->repo, &a, &payload, &m, err);
	if (rc == ERR_OK && m.kind == MANIFEST_INDEX)
		rc = visit_index(l, image, node, &m, depth, &a, &replaced, err);
	arena_free(&a);
	if (rc || replaced)
		return rc;
	l->nodes = texts_grow(l->nodes, l->nnodes, &l->cap_nodes, sizeof(*l->nodes));
	l->nodes[l->nnodes++] = *node;
	return ERR_OK;
}

static enum err_code plan_image(struct load *l, struct load_image_plan *image, struct err *err)
{
	struct load_node top = {.digest = image->digest, .media_type = image->media_type, .repo = image->repo};
	char text[LOAD_NAME + DIGEST_TEXT];
	enum err_code rc;

	image->first = l->nnodes;
	rc = visit(l, image, &top, 0, err);
	image->n = l->nnodes - image->first;
	if (rc)
		err_context(err, "%s", load_image_text(image, text));
	return rc;
}

/* ---- referrers -------------------------------------------------------------------------- */

static int compare_nodes(const void *a, const void *b)
{
	const struct load_node *x = a, *y = b;
	int order = memcmp(&x->digest, &y->digest, sizeof(x->digest));

	return order ? order : slice_cmp(x->repo, y->repo);
}

/* Adds the entry to every repository that gets its subject. */
static enum err_code place_referrer(
    struct load *l, struct load_entry *e, const struct load_node *sorted, size_t n, struct err *err)
{
	struct arena a;
	struct slice payload;
	struct manifest m = {0};
	size_t low = 0, high = n;
	enum err_code rc;

	arena_init(&a, ARENA_MAX);
	rc = load_manifest(l, &e->digest, e->media_type, SLICE_NONE, &a, &payload, &m, err);
	arena_free(&a);
	if (rc || !m.has_subject)
		return rc == ERR_NOT_FOUND ? ERR_OK : rc;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(&sorted[middle].digest, &m.subject, sizeof(m.subject)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; rc == ERR_OK && low < n && digest_eq(&sorted[low].digest, &m.subject); low++) {
		e->placed = true;
		rc = load_add_image(l, e, sorted[low].repo, SLICE_NONE, err);
	}
	return rc;
}

/* Entries without a name go where their subjects are. */
static enum err_code place_referrers(struct load *l, struct err *err)
{
	CLEANUP(free_ptr) struct load_node *sorted = xcalloc(l->nnodes + 1, sizeof(*sorted));
	enum err_code rc = ERR_OK;

	if (l->nnodes)
		memcpy(sorted, l->nodes, l->nnodes * sizeof(*sorted));
	qsort(sorted, l->nnodes, sizeof(*sorted), compare_nodes);
	for (size_t i = 0; rc == ERR_OK && i < l->nentries; i++) {
		if (l->entries[i].referrer && !l->entries[i].placed)
			rc = place_referrer(l, &l->entries[i], sorted, l->nnodes, err);
	}
	return rc;
}

static void tell_left_out(struct load *l)
{
	for (size_t i = 0; i < l->nentries; i++) {
		char text[DIGEST_TEXT];

		if (!l->entries[i].placed && !l->entries[i].covered)
			load_note(l,
			    "left out %s: it has no name, and refers to nothing in the archive; --name takes it in",
			    digest_format(&l->entries[i].digest, text));
	}
}

/* ---- all of it --------------------------------------------------------------------------- */

enum err_code load_plan(struct load *l, struct err *err)
{
	size_t next = 0;
	enum err_code rc = load_sort(l, err);

	if (rc == ERR_OK)
		rc = load_take_name(l, err);
	if (rc == ERR_OK)
		rc = load_read_entries(l, err);
	load_index_digests(l);
	if (rc == ERR_OK)
		load_look_at_entries(l);
	if (rc == ERR_OK)
		rc = load_name_entries(l, err);
	for (unsigned round = 0; rc == ERR_OK && next < l->nimages && round < REFERRERS_DEPTH; round++) {
		for (; rc == ERR_OK && next < l->nimages; next++)
			rc = plan_image(l, &l->images[next], err);
		if (rc == ERR_OK && !l->repo[0])
			rc = place_referrers(l, err);
	}
	/* What came in the last round, however deep it refers, is planned too. */
	for (; rc == ERR_OK && next < l->nimages; next++)
		rc = plan_image(l, &l->images[next], err);
	if (rc == ERR_OK)
		tell_left_out(l);
	return rc;
}
