/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_manifest.c - manifests: a line of Content-Type, then the document. What
 * is accepted is consistent, its descriptor is JSON that says the same; what is
 * refused comes with a reason; memory that runs out is told as such. The cost of
 * a JSON text is never found to be less than it is.
 */
#include "registry/manifest.h"
#include "base/codec.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* How deeply a value nests, and how many values it is, counted on the tree. */
static struct json_cost count(json_t *v)
{
	struct json_cost cost = {0, 1}, inner;
	const char *key;
	size_t i;
	json_t *e;

	json_array_foreach(v, i, e)
	{
		inner = count(e);
		cost.values += inner.values;
		cost.depth = inner.depth > cost.depth ? inner.depth : cost.depth;
	}
	json_object_foreach(v, key, e)
	{
		inner = count(e);
		cost.values += inner.values;
		cost.depth = inner.depth > cost.depth ? inner.depth : cost.depth;
	}
	cost.depth += json_is_array(v) || json_is_object(v);
	return cost;
}

static void check_measure(struct slice text)
{
	struct json_cost measured = json_measure(text), real;
	json_t *root;

	if (measured.depth > 500)
		return;
	root = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (!root)
		return;
	real = count(root);
	ASSERT(measured.depth >= real.depth && measured.values >= real.values);
	json_decref(root);
}

static void check_descriptor(const struct manifest *m, struct slice payload, struct arena *a)
{
	struct digest d;
	struct slice text;
	json_t *root;

	digest_of(DIGEST_SHA256, payload.p, payload.n, &d);
	text = manifest_descriptor(m, payload, &d, a);
	ASSERT(text.p);
	root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	ASSERT(json_is_object(root));
	ASSERT((size_t)json_integer_value(json_object_get(root, "size")) == payload.n);
	ASSERT(slice_eq_cstr(m->media_type, json_string_value(json_object_get(root, "mediaType"))));
	ASSERT(slice_eq_cstr(m->artifact_type, json_string_value(json_object_get(root, "artifactType"))));
	ASSERT(json_is_object(json_object_get(root, "annotations")) == (m->annotations.p != NULL));
	json_decref(root);
}

static void check_refs(const struct manifest *m)
{
	ASSERT(m->nrefs <= MANIFEST_MAX_REFS);
	ASSERT(m->kind == MANIFEST_INDEX || (m->nrefs > 0 && m->refs[0].kind == META_REF_CONFIG));
	for (size_t i = 0; i < m->nrefs; i++) {
		const struct manifest_ref *info = &m->info[i];

		ASSERT(digest_size(m->refs[i].digest.alg) > 0);
		ASSERT((m->refs[i].kind == META_REF_CHILD) == (m->kind == MANIFEST_INDEX));
		ASSERT(!m->refs[i].missing && info->size >= 0 && info->what.n > 0);
		ASSERT(m->refs[i].required || (info->foreign && info->nurls > 0));
		for (size_t k = 0; k < info->nurls; k++)
			ASSERT(info->urls[k].p);
	}
}

static bool same_ref(const struct manifest *a, const struct manifest *b, size_t i)
{
	return digest_eq(&a->refs[i].digest, &b->refs[i].digest) && a->info[i].size == b->info[i].size &&
	       slice_eq(a->info[i].os, b->info[i].os) && a->info[i].nurls == b->info[i].nurls;
}

/* The type a manifest has decides as much when it is said outside. */
static void check_again(const struct manifest *m, struct slice payload, struct arena *a)
{
	struct manifest again;
	struct err err = {0};

	ASSERT(manifest_parse(payload, m->media_type, a, &again, &err) == ERR_OK);
	ASSERT(again.kind == m->kind && again.nrefs == m->nrefs && again.has_subject == m->has_subject);
	for (size_t i = 0; i < m->nrefs; i++)
		ASSERT(same_ref(m, &again, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice payload = slice_of(data, size), type = slice_cut(&payload, '\n');
	struct digest child;
	struct manifest m;
	struct err err = {0};
	struct arena a;
	enum err_code rc, small;

	if (!payload.p)
		return 0;
	check_measure(payload);
	arena_init(&a, ARENA_MAX);
	rc = manifest_parse(payload, type, &a, &m, &err);
	if (rc == ERR_OK) {
		check_refs(&m);
		check_descriptor(&m, payload, &a);
		check_again(&m, payload, &a);
	} else {
		ASSERT(rc == ERR_INVALID || rc == ERR_UNSUPPORTED || rc == ERR_TOO_LARGE);
		ASSERT(err.code == rc && err.msg[0]);
	}
	arena_free(&a);
	/* With next to no memory: the same, or that there is none. */
	arena_init(&a, 600);
	small = manifest_parse(payload, type, &a, &m, &err);
	ASSERT(small == rc || small == ERR_NO_MEMORY);
	arena_free(&a);
	if (manifest_child(payload, "linux", "amd64", &child) == ERR_OK)
		ASSERT(digest_size(child.alg) > 0);
	return 0;
}
