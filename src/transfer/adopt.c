/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt.c - see adopt.h. One repository after the other: links of layers,
 * manifests (images before the indexes that list them), tags, and a note that
 * it is done, which is the only durable commit of a repository.
 */
#include "transfer/adopt.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/fsys.h"
#include "meta/gc.h"
#include "meta/walk.h"
#include "registry/manifest.h"
#include "registry/reference.h"
#include "transfer/adopt_priv.h"
#include "transfer/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_DONE META_STATE_ADOPTED
#define STATE_REPO "adopt.repo."
/* ---- the repositories of a tree ---------------------------------------------------- */

struct find {
	struct adopt *a;
	const char *name; /* of the directory, "" for the top */
	bool is_repo;
};

static enum err_code find_in(struct adopt *a, const char *name, struct err *err);

static enum err_code find_entry(const char *entry, void *arg, struct err *err)
{
	struct find *f = arg;
	CLEANUP(free_ptr) char *child = NULL;

	if (entry[0] == '_') {
		f->is_repo |= *f->name != '\0';
		return ERR_OK;
	}
	child = xasprintf("%s%s%s", f->name, *f->name ? "/" : "", entry);
	if (strlen(child) > REFERENCE_NAME_MAX)
		return ERR_OK; /* cannot have been a repository */
	return find_in(f->a, child, err);
}

static void add_name(struct adopt *a, const char *name)
{
	if (a->n == a->cap) {
		a->cap = a->cap ? a->cap * 2 : 256;
		a->names = xrealloc(a->names, a->cap * sizeof(*a->names));
	}
	a->names[a->n++] = xstrdup(name);
}

static enum err_code find_in(struct adopt *a, const char *name, struct err *err)
{
	struct find f = {.a = a, .name = name};
	char path[LAYOUT_PATH];
	enum err_code rc = layout_path(path, err, "%s/" LAYOUT_REPOSITORIES "/%s", a->o->root, name);
	const char *why;

	if (rc == ERR_OK)
		rc = layout_each(path, find_entry, &f, err);
	if (rc || !f.is_repo)
		return rc;
	if (reference_name_valid(slice_cstr(name), &why)) {
		add_name(a, name);
	} else {
		a->repo = name;
		adopt_problem(a, "it is no valid name of a repository and was left out: %s", why);
	}
	return ERR_OK;
}

/* ---- links of layers ------------------------------------------------------------------ */

/* A directory of links, one per digest: calls `each` with what each points to. */
struct links {
	struct adopt *a;
	const char *dir, *what;
	enum digest_alg alg;
	enum err_code (*each)(struct adopt *a, const struct digest *d, const char *what, struct err *err);
	/* What leads to the digest of another algorithm; NULL: is broken. */
	enum err_code (*other)(
	    struct adopt *a, const struct digest *name, const struct digest *target, const char *what, struct err *err);
	enum err_code (*broken)(struct adopt *a, const struct digest *d, struct err *err); /* may be NULL */
};

static enum err_code visit_link(const char *hex, void *arg, struct err *err)
{
	struct links *l = arg;
	struct digest name = {.alg = l->alg}, target;
	char path[LAYOUT_PATH];
	enum err_code rc;

	if (!hex_decode(slice_cstr(hex), name.bytes, digest_size(l->alg))) {
		adopt_problem(l->a, "%s: '%s' is no digest", l->what, hex);
		return ERR_OK;
	}

	rc = layout_path(path, err, "%s/%s/link", l->dir, hex);
	if (rc == ERR_OK)
		rc = layout_read_link(path, &target, err);
	if (adopt_is_broken(rc)) {
		adopt_problem(
		    l->a, "%s %s:%s: the link is broken: %s", l->what, digest_alg_name(l->alg), hex, err->msg);
		return l->broken ? l->broken(l->a, &name, err) : ERR_OK;
	}
	if (rc)
		return rc;
	if (l->other && name.alg != DIGEST_SHA256 && target.alg == DIGEST_SHA256)
		return l->other(l->a, &name, &target, l->what, err);
	if (!digest_eq(&name, &target)) {
		adopt_problem(l->a, "%s %s:%s: the link leads to another digest and was left out", l->what,
		    digest_alg_name(l->alg), hex);
		return l->broken ? l->broken(l->a, &name, err) : ERR_OK;
	}
	return l->each(l->a, &target, l->what, err);
}

static enum err_code each_link(struct adopt *a, const char *below, struct links l, struct err *err)
{
	static const enum digest_alg algs[] = {DIGEST_SHA256, DIGEST_SHA512};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(algs); i++) {
		char dir[LAYOUT_PATH];

		l.a = a;
		l.dir = dir;
		l.alg = algs[i];
		rc = layout_path(dir, err, "%s/" LAYOUT_REPOSITORIES "/%s/%s/%s", a->o->root, a->repo, below,
		    digest_alg_name(algs[i]));
		if (rc == ERR_OK)
			rc = layout_each(dir, visit_link, &l, err);
	}
	return rc;
}

/* ---- manifests ------------------------------------------------------------------------- */

/* A manifest that is not taken over: its bytes stay as a blob of the repository,
 * and the repository keeps all its layers (see do_repo_done), so that nothing that
 * is needed to go back, or to heal it, is ever taken for garbage. */
static enum err_code keep_bytes(struct adopt *a, const struct digest *d, struct err *err)
{
	uint64_t size;
	enum err_code rc = storage_stat(a->o->storage, d, &size, err);

	a->left_out = true;
	if (rc)
		return adopt_is_broken(rc) ? ERR_OK : rc;
	rc = adopt_queue_link(a, d, size, err);
	return rc ? rc : adopt_flush_links(a, err);
}

static enum err_code read_manifest(
    struct adopt *a, const struct digest *d, struct slice *payload, const char **broken, struct err *err)
{
	struct storage_blob blob;
	struct digest real;
	size_t got = 0;
	char *p = NULL;
	enum err_code rc = storage_open(a->o->storage, d, &blob, err);

	*broken = NULL;
	if (adopt_is_broken(rc)) {
		*broken = rc == ERR_NOT_FOUND ? "its bytes are missing" : "it is no file";
		return ERR_OK;
	}
	if (rc)
		return rc;
	if (blob.size > a->o->manifest_max)
		*broken = "it is larger than manifests may be";
	else if ((p = arena_alloc(&a->arena, blob.size + 1)) == NULL)
		rc = err_set(err, ERR_NO_MEMORY, "out of memory");
	else
		rc = storage_read(&blob, 0, p, blob.size, &got, err);
	storage_close(&blob);
	if (rc == ERR_IO) {
		*broken = "its bytes cannot be read";
		return ERR_OK;
	}
	if (rc || *broken)
		return rc;
	*payload = slice_of(p, got);
	digest_of(d->alg, p, got, &real);
	if (!digest_eq(&real, d))
		*broken = "its bytes are damaged";
	return ERR_OK;
}

struct put {
	struct adopt *a;
	struct meta_manifest_put put;
};

static enum err_code do_put(struct meta_tx *tx, void *arg, struct err *err)
{
	struct put *p = arg;
	enum err_code rc = meta_tx_manifest_put(tx, &p->put, err);

	return rc ? rc : meta_tx_manifest_filed(tx, p->put.repo, &p->put.digest, err);
}

/* Is the child among the revisions of this repository? */
static bool has_revision(struct adopt *a, const struct digest *d)
{
	char text[DIGEST_TEXT], path[LAYOUT_PATH];
	const char *hex = strchr(digest_format(d, text), ':') + 1;
	struct stat st;

	return layout_path(path, NULL, "%s/" LAYOUT_REPOSITORIES "/%s/_manifests/revisions/%s/%s/link", a->o->root,
	           a->repo, digest_alg_name(d->alg), hex) == ERR_OK &&
	       fsys->stat(path, &st) == 0;
}

/* Links the blobs the manifest needs, in case their links are gone; says what is
 * missing, which the manifest then has to do without. */
static enum err_code prepare_refs(struct adopt *a, const char *digest, struct manifest *m, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < m->nrefs; i++) {
		bool required = m->refs[i].required;
		char what[256], text[DIGEST_TEXT];

		m->refs[i].required = false;
		if (m->refs[i].kind == META_REF_CHILD) {
			if (!has_revision(a, &m->refs[i].digest))
				adopt_problem(a, "index %s: the manifest %s is missing", digest,
				    digest_format(&m->refs[i].digest, text));
			continue;
		}
		snprintf(what, sizeof(what), "manifest %s, %.*s", digest, SLICE_ARG(m->info[i].what));
		if (required)
			rc = adopt_add_ref(a, &m->refs[i].digest, (uint64_t)m->info[i].size, what, err);
	}
	return rc ? rc : adopt_flush_links(a, err);
}

static enum err_code put_manifest(
    struct adopt *a, const struct digest *d, struct slice payload, struct manifest *m, struct err *err)
{
	struct put p = {.a = a,
	    .put = {.repo = slice_cstr(a->repo),
	        .digest = *d,
	        .media_type = m->media_type,
	        .artifact_type = m->artifact_type,
	        .payload = payload,
	        .refs = m->refs,
	        .nrefs = m->nrefs}};
	enum err_code rc;

	if (m->has_subject) {
		p.put.subject = &m->subject;
		p.put.descriptor = manifest_descriptor(m, payload, d, &a->arena);
	}
	rc = meta_write(a->o->meta, META_RELAXED, do_put, &p, err);
	a->report->manifests += rc == ERR_OK;
	return rc;
}

static void remember_index(struct adopt *a, const struct digest *d)
{
	if (a->nindexes == a->cap_indexes) {
		a->cap_indexes = a->cap_indexes ? a->cap_indexes * 2 : 64;
		a->indexes = xrealloc(a->indexes, a->cap_indexes * sizeof(*a->indexes));
	}
	a->indexes[a->nindexes++] = *d;
}

static enum err_code take_manifest(struct adopt *a, const struct digest *d, bool index_too, struct err *err)
{
	struct slice payload = SLICE_NONE;
	const char *broken;
	char text[DIGEST_TEXT];
	struct manifest m;
	enum err_code rc;

	arena_reset(&a->arena);
	digest_format(d, text);
	rc = read_manifest(a, d, &payload, &broken, err);
	if (rc)
		return rc;
	if (broken) {
		adopt_problem(a, "manifest %s: %s", text, broken);
		return keep_bytes(a, d, err);
	}
	rc = manifest_parse(payload, SLICE_NONE, &a->arena, &m, err);
	if (rc == ERR_NO_MEMORY)
		return rc;
	if (rc) {
		adopt_problem(a, "manifest %s was left out: %s", text, err->msg);
		return keep_bytes(a, d, err);
	}
	if (m.kind == MANIFEST_INDEX && !index_too) {
		remember_index(a, d);
		return ERR_OK;
	}
	rc = prepare_refs(a, text, &m, err);
	return rc ? rc : put_manifest(a, d, payload, &m, err);
}

static enum err_code take_revision(struct adopt *a, const struct digest *d, const char *what, struct err *err)
{
	return take_manifest(a, d, false, err);
}

/* ---- tags -------------------------------------------------------------------------------- */

struct tag_args {
	struct slice repo, tag;
	struct digest digest;
};

static enum err_code do_tag(struct meta_tx *tx, void *arg, struct err *err)
{
	struct tag_args *t = arg;

	return meta_tx_tag_put(tx, t->repo, t->tag, &t->digest, err);
}

static enum err_code take_tag(const char *name, void *arg, struct err *err)
{
	struct adopt *a = arg;
	struct tag_args t = {slice_cstr(a->repo), slice_cstr(name), {0}};
	char path[LAYOUT_PATH], text[DIGEST_TEXT];
	enum err_code rc;

	if (!reference_tag_valid(t.tag)) {
		adopt_problem(a, "'%s' is no valid tag and was left out", name);
		return ERR_OK;
	}
	rc = layout_path(
	    path, err, "%s/" LAYOUT_REPOSITORIES "/%s/_manifests/tags/%s/current/link", a->o->root, a->repo, name);
	if (rc == ERR_OK)
		rc = layout_read_link(path, &t.digest, err);
	if (adopt_is_broken(rc)) {
		adopt_problem(a, "tag %s: the link is broken: %s", name, err->msg);
		return ERR_OK;
	}
	if (rc == ERR_OK)
		rc = meta_write(a->o->meta, META_RELAXED, do_tag, &t, err);
	if (rc == ERR_NOT_FOUND) {
		adopt_problem(a, "tag %s points to the manifest %s, which is missing or broken", name,
		    digest_format(&t.digest, text));
		return ERR_OK;
	}
	a->report->tags += rc == ERR_OK;
	return rc;
}

/* ---- a repository -------------------------------------------------------------------------- */

static enum err_code count_upload(const char *name, void *arg, struct err *err)
{
	struct adopt *a = arg;

	a->report->uploads++;
	return ERR_OK;
}

static struct slice repo_state(const struct adopt *a, char out[512])
{
	snprintf(out, 512, STATE_REPO "%s", a->repo);
	return slice_cstr(out);
}

static enum err_code do_repo_done(struct meta_tx *tx, void *arg, struct err *err)
{
	const struct adopt *a = arg;
	char name[512];
	enum err_code rc = ERR_OK;

	if (a->left_out)
		rc = meta_tx_gc_keep_links(tx, slice_cstr(a->repo), err);
	if (rc == ERR_OK)
		rc = meta_tx_gc_settle(tx, slice_cstr(a->repo), err);
	return rc ? rc : meta_tx_state_set(tx, repo_state(a, name), SLICE("1"), err);
}

static enum err_code is_done(struct adopt *a, bool *done, struct err *err)
{
	struct slice value;
	char name[512];
	enum err_code rc;

	arena_reset(&a->arena);
	rc = meta_state_get(a->o->meta, repo_state(a, name), &a->arena, &value, err);
	*done = rc == ERR_OK;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code take_tags_and_uploads(struct adopt *a, struct err *err)
{
	char path[LAYOUT_PATH];
	enum err_code rc = layout_path(path, err, "%s/" LAYOUT_REPOSITORIES "/%s/_manifests/tags", a->o->root, a->repo);

	if (rc == ERR_OK)
		rc = layout_each(path, take_tag, a, err);
	if (rc == ERR_OK)
		rc = layout_path(path, err, "%s/" LAYOUT_REPOSITORIES "/%s/_uploads", a->o->root, a->repo);
	return rc ? rc : layout_each(path, count_upload, a, err);
}

static enum err_code take_repo(struct adopt *a, struct err *err)
{
	enum err_code rc;
	bool done;

	rc = is_done(a, &done, err);
	if (rc || done)
		return rc;
	a->nindexes = 0;
	a->left_out = false;
	rc = each_link(
	    a, "_layers", (struct links){.what = "layer", .each = adopt_add_link, .other = adopt_add_alias}, err);
	if (rc == ERR_OK)
		rc = adopt_flush_links(a, err);
	if (rc == ERR_OK)
		rc = each_link(a, "_manifests/revisions",
		    (struct links){.what = "manifest", .each = take_revision, .broken = keep_bytes}, err);
	for (size_t i = 0; rc == ERR_OK && i < a->nindexes; i++)
		rc = take_manifest(a, &a->indexes[i], true, err);
	if (rc == ERR_OK)
		rc = take_tags_and_uploads(a, err);
	return rc ? rc : meta_write(a->o->meta, META_DURABLE, do_repo_done, a, err);
}

/* ---- the whole tree --------------------------------------------------------------------------- */

enum err_code adopt_needed(const struct adopt_options *o, bool *needed, struct err *err)
{
	char path[LAYOUT_PATH];
	struct slice value;
	struct arena arena;
	struct stat st;
	enum err_code rc = layout_path(path, err, "%s/" LAYOUT_REPOSITORIES, o->root);

	*needed = false;
	if (rc)
		return rc;
	if (fsys->stat(path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR ? ERR_OK : err_sys(err, errno, "cannot stat %s", path);
	arena_init(&arena, 4096);
	rc = meta_state_get(o->meta, SLICE(STATE_DONE), &arena, &value, err);
	arena_free(&arena);
	*needed = rc == ERR_NOT_FOUND;
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code do_all_done(struct meta_tx *tx, void *arg, struct err *err)
{
	char when[CLOCK_TEXT];
	enum err_code rc = meta_tx_state_clear(tx, SLICE(STATE_REPO), err);

	return rc ? rc
	          : meta_tx_state_set(tx, SLICE(STATE_DONE), slice_cstr(clock_rfc3339(clock_real(), 0, when)), err);
}

static enum err_code take_all(struct adopt *a, struct err *err)
{
	enum err_code rc = find_in(a, "", err);
	bool go_on = true;

	a->report->repositories_total = a->n;
	for (size_t i = 0; rc == ERR_OK && go_on && i < a->n; i++) {
		a->repo = a->names[i];
		rc = take_repo(a, err);
		if (rc)
			return err_context(err, "taking over repository %s", a->repo);
		a->report->repositories++;
		if (a->control && a->control->progress)
			go_on = a->control->progress(a->report, a->control->arg);
	}
	if (rc || !go_on)
		return rc;
	return meta_write(a->o->meta, META_DURABLE, do_all_done, NULL, err);
}

enum err_code adopt_run(
    const struct adopt_options *o, const struct adopt_control *control, struct adopt_report *out, struct err *err)
{
	struct adopt *a = xcalloc(1, sizeof(*a));
	enum err_code rc;

	*out = (struct adopt_report){.began = clock_mono()};
	a->o = o;
	a->control = control;
	a->report = out;
	arena_init(&a->arena, (size_t)256 << 20);
	rc = take_all(a, err);
	arena_free(&a->arena);
	for (size_t i = 0; i < a->n; i++)
		free(a->names[i]);
	free(a->names);
	free(a->indexes);
	free(a->judged);
	free(a);
	return rc;
}
