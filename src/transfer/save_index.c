/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save_index.c - index.json of a layout, and the manifest.json that docker load
 * reads.
 */
#include "transfer/save_priv.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_MAX ((size_t)64 << 20)
#define NAME_CONTAINERD "io.containerd.image.name"
#define NAME_OCI "org.opencontainers.image.ref.name"

const char *save_path(const struct digest *d, char out[SAVE_PATH])
{
	char text[DIGEST_TEXT];

	digest_format(d, text);
	*strchr(text, ':') = '/';
	snprintf(out, SAVE_PATH, "blobs/%s", text);
	return out;
}

/* ---- index.json ------------------------------------------------------------------------- */

/* By repository, tags first, then digests. The order of repositories is that of
 * their names. */
static int compare_tops(const void *a, const void *b, void *arg)
{
	const struct save_top *x = a, *y = b;
	const struct save *s = arg;
	int order = slice_cmp(s->repos[x->repo], s->repos[y->repo]);

	if (order == 0)
		order = (x->tag.p == NULL) - (y->tag.p == NULL);
	if (order == 0)
		order = slice_cmp(x->tag, y->tag);
	if (order == 0)
		order = y->named - x->named;
	return order ? order : memcmp(&x->digest, &y->digest, sizeof(x->digest));
}

static bool same_top(const struct save_top *a, const struct save_top *b)
{
	return a->repo == b->repo && slice_eq(a->tag, b->tag) && (a->tag.p != NULL) == (b->tag.p != NULL) &&
	       digest_eq(&a->digest, &b->digest);
}

static void add_entry(struct save *s, const struct save_top *t)
{
	char text[SAVE_TEXT], digest[DIGEST_TEXT];

	buf_adds(&s->index, s->index.p[s->index.n - 1] == '[' ? "{\"mediaType\":" : ",{\"mediaType\":");
	buf_add_json(&s->index, t->media_type);
	buf_addf(&s->index, ",\"digest\":\"%s\",\"size\":%llu", digest_format(&t->digest, digest),
	    (unsigned long long)t->size);
	if (t->named) {
		buf_adds(&s->index, ",\"annotations\":{\"" NAME_CONTAINERD "\":");
		buf_add_json(&s->index, slice_cstr(save_top_text(s, t, text)));
		if (t->tag.p) {
			buf_adds(&s->index, ",\"" NAME_OCI "\":");
			buf_add_json(&s->index, s->nrepos > 1 ? slice_cstr(text) : t->tag);
		}
		buf_addc(&s->index, '}');
	}
	buf_addc(&s->index, '}');
}

/* ---- manifest.json ------------------------------------------------------------------------ */

static bool is_image(const struct save *s, const struct manifest *m)
{
	if (m->kind != MANIFEST_IMAGE ||
	    (!slice_eq_cstr(m->artifact_type, "application/vnd.oci.image.config.v1+json") &&
	        !slice_eq_cstr(m->artifact_type, "application/vnd.docker.container.image.v1+json")))
		return false;
	for (size_t i = 0; i < m->nrefs; i++) {
		if (!digest_set_has(&s->seen, &m->refs[i].digest, 0))
			return false; /* a layer that is kept elsewhere */
	}
	return true;
}

static void add_docker_image(struct save *s, const struct save_top *t, const struct manifest *m)
{
	char path[SAVE_PATH], text[SAVE_TEXT];

	buf_addf(&s->docker, "%s{\"Config\":\"%s\",\"RepoTags\":[", s->docker.n > 1 ? "," : "",
	    save_path(&m->refs[0].digest, path));
	buf_add_json(&s->docker, slice_cstr(save_top_text(s, t, text)));
	buf_adds(&s->docker, "],\"Layers\":[");
	for (size_t i = 1; i < m->nrefs; i++)
		buf_addf(&s->docker, "%s\"%s\"", i > 1 ? "," : "", save_path(&m->refs[i].digest, path));
	buf_adds(&s->docker, "]}");
}

static enum err_code add_docker(struct save *s, const struct save_top *t, struct arena *a, struct err *err)
{
	struct meta_manifest found;
	struct manifest m;
	enum err_code rc;

	if (!t->tag.p)
		return ERR_OK;
	arena_reset(a);
	rc = meta_manifest_get(s->o->meta, s->repos[t->repo], &t->digest, true, a, &found, err);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK; /* was deleted meanwhile; the layout has it nevertheless */
	if (rc == ERR_OK)
		rc = manifest_parse(found.payload, found.media_type, a, &m, err);
	if (rc == ERR_OK && is_image(s, &m))
		add_docker_image(s, t, &m);
	return rc;
}

/* ---- both ----------------------------------------------------------------------------------- */

enum err_code save_make_index(struct save *s, struct err *err)
{
	CLEANUP(free_ptr) struct save_top *tops = xcalloc(s->ntops + 1, sizeof(*tops));
	struct digest_set untagged = {0};
	struct arena a;
	enum err_code rc = ERR_OK;

	/* A copy, as files refer to tops by number. */
	memcpy(tops, s->tops, s->ntops * sizeof(*tops));
	qsort_r(tops, s->ntops, sizeof(*tops), compare_tops, s);
	s->index = BUF_INIT(SAVE_TEXTS_MAX);
	s->docker = BUF_INIT(SAVE_TEXTS_MAX);
	buf_adds(&s->index, "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE_INDEX "\",\"manifests\":[");
	buf_addc(&s->docker, '[');
	arena_init(&a, ARENA_MAX);
	for (size_t i = 0; rc == ERR_OK && i < s->ntops; i++) {
		bool added = true;

		if (i && same_top(&tops[i], &tops[i - 1]))
			continue;
		if (!tops[i].named)
			(void)digest_set_add(&untagged, &tops[i].digest, 0, &added);
		if (added)
			add_entry(s, &tops[i]);
		rc = add_docker(s, &tops[i], &a, err);
	}
	arena_free(&a);
	digest_set_free(&untagged);
	buf_adds(&s->index, "]}");
	buf_addc(&s->docker, ']');
	if (rc == ERR_OK && (!buf_ok(&s->index) || !buf_ok(&s->docker)))
		rc = err_set(err, ERR_TOO_LARGE, "these are too many images for one archive: export them in parts");
	return rc;
}
