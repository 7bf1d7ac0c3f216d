/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_entries.c - what an archive lists at its top: index.json, or manifest.json
 * of docker save. Some clients list the images of an index, too, and what refers
 * to an image is listed without a name.
 */
#include "transfer/load_priv.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 100000
#define ARENA_MAX ((size_t)64 << 20)
#define NAME_CONTAINERD "io.containerd.image.name"
#define NAME_OCI "org.opencontainers.image.ref.name"

struct load_entry *load_add_entry(struct load *l)
{
	struct load_entry *e;

	l->entries = texts_grow(l->entries, l->nentries, &l->cap_entries, sizeof(*l->entries));
	e = &l->entries[l->nentries++];
	*e = (struct load_entry){.placed = false};
	return e;
}

/* ---- index.json ---------------------------------------------------------------------- */

static enum err_code add_from_index(struct load *l, size_t i, const json_t *d, struct err *err)
{
	const json_t *annotations = json_object_get(d, "annotations");
	struct slice full = texts_slice(json_object_get(annotations, NAME_CONTAINERD));
	struct slice name = texts_slice(json_object_get(annotations, NAME_OCI));
	struct slice digest = texts_slice(json_object_get(d, "digest"));
	struct load_entry *e = load_add_entry(l);

	if (digest_parse(digest, &e->digest) != DIGEST_VALID)
		return err_set(err, ERR_INVALID, "index.json: manifests[%zu] has no valid digest", i);
	/* As containerd and skopeo take it: with a slash or colon it is a whole name. */
	if (!full.n && (slice_find(name, '/') >= 0 || slice_find(name, ':') >= 0 || slice_find(name, '@') >= 0))
		full = name;
	e->media_type = arena_copy(&l->arena, texts_slice(json_object_get(d, "mediaType")));
	e->name = full.n ? arena_copy(&l->arena, full) : SLICE_NONE;
	e->tag = name.n && !full.n ? arena_copy(&l->arena, name) : SLICE_NONE;
	if (l->arena.overflow)
		return err_set(err, ERR_TOO_LARGE, "index.json has too many names");
	return ERR_OK;
}

static enum err_code read_index(struct load *l, struct err *err)
{
	json_t *root = texts_json(buf_slice(&l->index), "index.json", err);
	const json_t *list = json_object_get(root, "manifests");
	enum err_code rc = ERR_OK;

	if (!root)
		return ERR_INVALID;
	if (!json_is_array(list))
		rc = err_set(err, ERR_INVALID, "index.json of the archive has no list of manifests: it is damaged");
	else if (json_array_size(list) > ENTRIES_MAX)
		rc = err_set(
		    err, ERR_TOO_LARGE, "index.json lists more than %d manifests: import it in parts", ENTRIES_MAX);
	for (size_t i = 0; rc == ERR_OK && i < json_array_size(list); i++)
		rc = add_from_index(l, i, json_array_get(list, i), err);
	json_decref(root);
	return rc;
}

enum err_code load_read_entries(struct load *l, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (!l->has_index && !l->has_manifest && l->top[0])
		return err_set(err, ERR_INVALID,
		    "there is no index.json and no manifest.json at the top of the archive, but in '%s': pack the contents of "
		    "that directory, not the directory",
		    l->top);
	if (!l->has_index && !l->has_manifest)
		return err_set(err, ERR_INVALID,
		    "there is neither index.json (OCI image layout) nor manifest.json (docker save) in the archive: it has no images; "
		    "docker export, for one, writes a file system without its image");
	if (l->has_index)
		rc = read_index(l, err);
	if (rc == ERR_OK && l->nentries == 0 && l->has_manifest)
		rc = load_docker(l, err);
	if (rc == ERR_OK && l->nentries == 0)
		rc = err_set(err, ERR_INVALID, "index.json of the archive lists no images");
	return rc;
}

/* ---- what they are ------------------------------------------------------------------------ */

static int compare_entries(const void *a, const void *b)
{
	const struct load_entry *x = *(struct load_entry *const *)a, *y = *(struct load_entry *const *)b;

	return memcmp(&x->digest, &y->digest, sizeof(x->digest));
}

/* Of n entries without a name, those that are children of the index. */
static void cover(const struct manifest *m, struct load_entry *const *v, size_t n)
{
	for (size_t i = 0; i < m->nrefs; i++) {
		struct load_entry key = {.digest = m->refs[i].digest}, *p = &key;
		struct load_entry *const *found = bsearch(&p, v, n, sizeof(*v), compare_entries);

		if (found)
			(*found)->covered = true;
	}
}

void load_look_at_entries(struct load *l)
{
	CLEANUP(free_ptr) struct load_entry **v = xcalloc(l->nentries + 1, sizeof(*v));
	struct arena a;
	size_t n = 0;

	for (size_t i = 0; i < l->nentries; i++) {
		if (!l->entries[i].name.p && !l->entries[i].tag.p)
			v[n++] = &l->entries[i];
	}
	qsort(v, n, sizeof(struct load_entry *), compare_entries);
	arena_init(&a, ARENA_MAX);
	for (size_t i = 0; n && i < l->nentries; i++) {
		struct load_entry *e = &l->entries[i];
		struct slice payload;
		struct manifest m;

		arena_reset(&a);
		/* What cannot be read is told when it is needed. */
		if (load_manifest(l, &e->digest, e->media_type, SLICE_NONE, &a, &payload, &m, NULL))
			continue;
		e->referrer = m.has_subject;
		if (m.kind == MANIFEST_INDEX)
			cover(&m, v, n);
	}
	arena_free(&a);
}
