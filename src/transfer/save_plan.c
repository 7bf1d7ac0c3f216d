/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save_plan.c - which manifests and blobs belong to the images that were asked
 * for. A list of manifests to visit takes the place of recursion: each adds its
 * children, its referrers and the tags that cosign makes for it.
 */
#include "transfer/save_priv.h"
#include "transfer/texts.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 500
#define FILES_MAX 400000
#define ARENA_MAX ((size_t)64 << 20)
/* Manifests up to so many bytes in all are kept from the plan to the end, and so
 * survive a deletion meanwhile. */
#define KEEP_MAX ((size_t)64 << 20)

/* ---- images ------------------------------------------------------------------------------- */

const char *save_top_text(const struct save *s, const struct save_top *t, char out[SAVE_TEXT])
{
	char text[DIGEST_TEXT];

	if (t->tag.p)
		snprintf(out, SAVE_TEXT, "%.*s:%.*s", SLICE_ARG(s->repos[t->repo]), SLICE_ARG(t->tag));
	else
		snprintf(out, SAVE_TEXT, "%.*s@%s", SLICE_ARG(s->repos[t->repo]), digest_format(&t->digest, text));
	return out;
}

static size_t add_repo(struct save *s, struct slice name)
{
	s->repos = texts_grow(s->repos, s->nrepos, &s->cap_repos, sizeof(*s->repos));
	s->repos[s->nrepos] = arena_copy(&s->arena, name);
	return s->nrepos++;
}

/* Of those that were named one by one. */
static size_t find_repo(struct save *s, struct slice name)
{
	for (size_t i = 0; i < s->nrepos; i++) {
		if (slice_eq(s->repos[i], name))
			return i;
	}
	return add_repo(s, name);
}

static void remember(struct save *s, size_t repo, const struct digest *d, size_t top)
{
	bool added;
	size_t i = digest_set_add(&s->visited, d, repo, &added);

	if (!added)
		return;
	s->visited_for = texts_grow(s->visited_for, i, &s->cap_visited, sizeof(*s->visited_for));
	s->visited_for[i] = top;
}

static void add_top(struct save *s, size_t repo, struct slice tag, bool named, const struct meta_manifest *m)
{
	s->tops = texts_grow(s->tops, s->ntops, &s->cap_tops, sizeof(*s->tops));
	s->tops[s->ntops] = (struct save_top){.repo = repo,
	    .tag = arena_copy(&s->arena, tag),
	    .named = named,
	    .digest = m->digest,
	    .media_type = arena_copy(&s->arena, m->media_type),
	    .size = m->payload.n};
	remember(s, repo, &m->digest, s->ntops);
	s->ntops++;
}

static enum err_code too_many(struct err *err)
{
	return err_set(err, ERR_TOO_LARGE,
	    "these are more than %d blobs and manifests: export them in parts, or use `berth backup` for a whole registry",
	    FILES_MAX);
}

static enum err_code add_file(struct save *s, const struct digest *d, uint64_t size, bool is_manifest,
    struct slice payload, size_t top, struct err *err)
{
	bool added;
	size_t i = digest_set_add(&s->seen, d, 0, &added);

	if (!added)
		return ERR_OK;
	if (i == FILES_MAX || s->arena.overflow)
		return too_many(err);
	s->files = texts_grow(s->files, i, &s->cap_files, sizeof(*s->files));
	s->files[i] = (struct save_file){*d, size, is_manifest, payload, top};
	s->report->bytes_total += size;
	s->report->manifests += is_manifest;
	s->report->blobs += !is_manifest;
	return ERR_OK;
}

/* ---- what was asked for ---------------------------------------------------------------------- */

static enum err_code ask_tag(struct save *s, size_t repo, struct slice tag, struct err *err)
{
	struct meta_manifest m;
	struct arena a;
	enum err_code rc;

	arena_init(&a, ARENA_MAX);
	rc = meta_manifest_get_tag(s->o->meta, s->repos[repo], tag, false, &a, &m, err);
	if (rc == ERR_OK) {
		add_top(s, repo, tag, true, &m);
		s->report->tags++;
	}
	arena_free(&a);
	return rc;
}

static enum err_code ask_digest(struct save *s, size_t repo, const struct digest *d, struct err *err)
{
	struct meta_manifest m;
	struct arena a;
	enum err_code rc;

	arena_init(&a, ARENA_MAX);
	rc = meta_manifest_get(s->o->meta, s->repos[repo], d, false, &a, &m, err);
	if (rc == ERR_OK)
		add_top(s, repo, SLICE_NONE, true, &m);
	arena_free(&a);
	return rc;
}

/* All tags of a repository. */
static enum err_code ask_repo(struct save *s, size_t repo, struct err *err)
{
	char last[REFERENCE_TAG_MAX + 1] = "";
	struct meta_names page;
	struct arena a;
	size_t before = s->ntops;
	enum err_code rc;

	do {
		arena_init(&a, ARENA_MAX);
		rc = meta_tags(s->o->meta, s->repos[repo], *last ? slice_cstr(last) : SLICE_NONE, PAGE, &a, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			rc = ask_tag(s, repo, page.v[i], err);
			if (rc == ERR_NOT_FOUND)
				rc = ERR_OK; /* was deleted a moment ago */
			snprintf(last, sizeof(last), "%.*s", SLICE_ARG(page.v[i]));
		}
		arena_free(&a);
	} while (rc == ERR_OK && page.more && s->ntops <= FILES_MAX);
	if (rc == ERR_OK && s->o->nnames && s->ntops == before)
		rc = err_set(err, ERR_NOT_FOUND,
		    "the repository %.*s has no tags: ask for an image of it with %.*s@DIGEST",
		    SLICE_ARG(s->repos[repo]), SLICE_ARG(s->repos[repo]));
	return rc;
}

static enum err_code ask_all(struct save *s, struct err *err)
{
	char last[REFERENCE_NAME_MAX + 1] = "";
	struct meta_names page;
	struct arena a;
	enum err_code rc;

	do {
		arena_init(&a, ARENA_MAX);
		rc = meta_repos(s->o->meta, *last ? slice_cstr(last) : SLICE_NONE, PAGE, &a, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			rc = ask_repo(s, add_repo(s, page.v[i]), err);
			snprintf(last, sizeof(last), "%.*s", SLICE_ARG(page.v[i]));
		}
		arena_free(&a);
	} while (rc == ERR_OK && page.more && s->ntops <= FILES_MAX);
	return rc;
}

struct wanted {
	struct slice repo, tag;
	struct digest digest; /* DIGEST_NONE: none */
};

static enum err_code split(const char *name, struct wanted *w, struct err *err)
{
	struct slice text = slice_cstr(name);
	ssize_t at = slice_find(text, '@'), colon = slice_rfind(text, ':'), slash = slice_rfind(text, '/');
	const char *why = "behind the '@' is no digest";

	*w = (struct wanted){.repo = text};
	if (at >= 0) {
		w->repo = slice_sub(text, 0, (size_t)at);
		if (digest_parse(slice_from(text, (size_t)at + 1), &w->digest) != DIGEST_VALID)
			return err_set(err, ERR_INVALID, "'%s' is no REPOSITORY[:TAG|@DIGEST]: %s", name, why);
	} else if (colon > slash) {
		w->repo = slice_sub(text, 0, (size_t)colon);
		w->tag = slice_from(text, (size_t)colon + 1);
		why = "behind the ':' is no tag";
		if (!reference_tag_valid(w->tag))
			return err_set(err, ERR_INVALID, "'%s' is no REPOSITORY[:TAG|@DIGEST]: %s", name, why);
	}
	if (!reference_name_valid(w->repo, &why))
		return err_set(err, ERR_INVALID, "'%s' is no REPOSITORY[:TAG|@DIGEST]: %s", name, why);
	return ERR_OK;
}

enum err_code save_name_check(const char *name, struct err *err)
{
	struct wanted w;

	return split(name, &w, err);
}

static enum err_code ask(struct save *s, const char *name, struct err *err)
{
	struct wanted w;
	enum err_code rc = split(name, &w, err);
	size_t repo;

	if (rc)
		return rc;
	repo = find_repo(s, w.repo);
	if (w.digest.alg != DIGEST_NONE)
		return ask_digest(s, repo, &w.digest, err);
	if (w.tag.p)
		return ask_tag(s, repo, w.tag, err);
	rc = ask_repo(s, repo, err);
	if (rc == ERR_NOT_FOUND && meta_repo_exists(s->o->meta, s->repos[repo], NULL) == ERR_NOT_FOUND)
		err_set(err, ERR_NOT_FOUND, "there is no repository %s", name);
	return rc;
}

/* ---- what comes along ------------------------------------------------------------------------- */

/* A manifest that is being visited. */
struct visit {
	struct save *s;
	size_t repo, top;
	struct digest digest;
	struct arena *a;
};

static enum err_code add_blob(
    struct visit *v, const struct meta_ref *ref, const struct manifest_ref *info, struct err *err)
{
	char image[SAVE_TEXT], text[DIGEST_TEXT];
	uint64_t size;
	enum err_code rc;

	if (digest_set_has(&v->s->seen, &ref->digest, 0))
		return ERR_OK;
	rc = storage_stat(v->s->o->storage, &ref->digest, &size, err);
	save_top_text(v->s, &v->s->tops[v->top], image);
	digest_format(&ref->digest, text);
	if (rc == ERR_NOT_FOUND && !ref->required)
		return ERR_OK; /* a layer that its licence keeps elsewhere */
	if (rc == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND,
		    "%s: %.*s %s is missing in the storage; pushing the image again heals it, `berth verify` names all that "
		    "is missing",
		    image, SLICE_ARG(info->what), text);
	if (rc == ERR_OK && size != (uint64_t)info->size)
		return err_set(err, ERR_CORRUPT,
		    "%s: %.*s %s is damaged: it has %llu bytes, not %lld; pushing the image again heals it", image,
		    SLICE_ARG(info->what), text, (unsigned long long)size, (long long)info->size);
	return rc ? rc : add_file(v->s, &ref->digest, size, false, SLICE_NONE, v->top, err);
}

static enum err_code add_refs(struct visit *v, const struct manifest *m, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < m->nrefs; i++) {
		struct meta_manifest child;

		if (m->refs[i].kind != META_REF_CHILD) {
			rc = add_blob(v, &m->refs[i], &m->info[i], err);
			continue;
		}
		rc = meta_manifest_get(
		    v->s->o->meta, v->s->repos[v->repo], &m->refs[i].digest, false, v->a, &child, err);
		if (rc == ERR_OK)
			remember(v->s, v->repo, &m->refs[i].digest, v->top);
		else if (rc == ERR_NOT_FOUND)
			rc = ERR_OK; /* an index may lack some */
	}
	return rc;
}

static enum err_code add_referrer(struct visit *v, struct slice descriptor, struct err *err)
{
	json_t *root = json_loadb(descriptor.p, descriptor.n, 0, NULL);
	struct slice text = texts_slice(json_object_get(root, "digest"));
	struct meta_manifest m;
	struct digest d;
	enum err_code rc = ERR_OK;

	if (digest_parse(text, &d) == DIGEST_VALID && !digest_set_has(&v->s->visited, &d, v->repo)) {
		rc = meta_manifest_get(v->s->o->meta, v->s->repos[v->repo], &d, false, v->a, &m, err);
		if (rc == ERR_OK)
			add_top(v->s, v->repo, SLICE_NONE, false, &m);
		else if (rc == ERR_NOT_FOUND)
			rc = ERR_OK; /* was deleted a moment ago */
	}
	json_decref(root);
	return rc;
}

static enum err_code add_referrers(struct visit *v, struct err *err)
{
	struct meta_referrers page;
	int64_t after = 0;
	enum err_code rc;

	do {
		rc = meta_referrers(
		    v->s->o->meta, v->s->repos[v->repo], &v->digest, SLICE_NONE, after, PAGE, v->a, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++)
			rc = add_referrer(v, page.descriptors[i], err);
		after = page.next;
	} while (rc == ERR_OK && page.more);
	return rc;
}

/* What cosign keeps under tags that are made of the digest. */
static enum err_code add_cosign(struct visit *v, struct err *err)
{
	static const char *const kinds[] = {"sig", "att", "sbom"};
	char text[DIGEST_TEXT], tag[DIGEST_TEXT + 8];
	enum err_code rc = ERR_OK;

	digest_format(&v->digest, text);
	*strchr(text, ':') = '-';
	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(kinds); i++) {
		struct meta_manifest m;

		snprintf(tag, sizeof(tag), "%s.%s", text, kinds[i]);
		rc = meta_manifest_get_tag(v->s->o->meta, v->s->repos[v->repo], slice_cstr(tag), false, v->a, &m, err);
		if (rc == ERR_OK)
			add_top(v->s, v->repo, slice_cstr(tag), true, &m);
		else if (rc == ERR_NOT_FOUND)
			rc = ERR_OK;
	}
	return rc;
}

/* A top may be added twice, as a tag that was asked for and as one of cosign's;
 * it is written once. */
static enum err_code visit(struct visit *v, struct err *err)
{
	struct save *s = v->s;
	struct meta_manifest found;
	struct manifest m;
	struct slice kept = SLICE_NONE;
	char image[SAVE_TEXT];
	enum err_code rc = meta_manifest_get(s->o->meta, s->repos[v->repo], &v->digest, true, v->a, &found, err);

	if (rc == ERR_OK)
		rc = manifest_parse(found.payload, found.media_type, v->a, &m, err);
	if (rc) {
		err_context(err, "%s", save_top_text(s, &s->tops[v->top], image));
		return rc;
	}
	if (s->kept + found.payload.n <= KEEP_MAX) {
		kept = arena_copy(&s->arena, found.payload);
		s->kept += found.payload.n;
	}
	rc = add_file(s, &v->digest, found.payload.n, true, kept, v->top, err);
	if (rc == ERR_OK)
		rc = add_refs(v, &m, err);
	if (rc == ERR_OK)
		rc = add_referrers(v, err);
	return rc ? rc : add_cosign(v, err);
}

enum err_code save_plan(struct save *s, struct err *err)
{
	struct arena a;
	enum err_code rc = ERR_OK;

	if (s->o->nnames == 0)
		rc = ask_all(s, err);
	for (size_t i = 0; rc == ERR_OK && i < s->o->nnames; i++)
		rc = ask(s, s->o->names[i], err);
	if (rc == ERR_OK && s->ntops == 0)
		return err_set(err, ERR_NOT_FOUND, "nothing in the registry has a tag: there is nothing to export");
	arena_init(&a, ARENA_MAX);
	for (size_t i = 0; rc == ERR_OK && i < s->visited.n; i++) {
		struct visit v = {.s = s,
		    .repo = s->visited.keys[i].context,
		    .top = s->visited_for[i],
		    .digest = s->visited.keys[i].digest,
		    .a = &a};

		rc = visit(&v, err);
		if (rc == ERR_OK && s->control->progress && !s->control->progress(s->report, s->control->arg))
			rc = err_set(err, ERR_CLOSED, "interrupted");
		arena_reset(&a);
	}
	arena_free(&a);
	return rc;
}
