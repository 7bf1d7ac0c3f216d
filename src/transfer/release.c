/* SPDX-License-Identifier: Apache-2.0 */
/*
 * release.c - see release.h. The new tree is built beside the old one and takes
 * its place with two renames at the end, so that an interrupted run changes
 * nothing. A failed one takes the first rename back.
 */
#include "transfer/release.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/fsys.h"
#include "meta/walk.h"
#include "transfer/layout.h"
#include "transfer/rehash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PAGE 500
#define MANIFEST_PAGE 50
#define NEW_TREE LAYOUT_REPOSITORIES ".new"

struct release {
	const char *root;
	struct meta *meta;
	struct storage *storage;
	const struct release_control *control;
	struct release_report *report;
	struct arena arena, page;
};

static enum err_code go_on(struct release *r, struct err *err)
{
	if (r->control && r->control->progress && !r->control->progress(r->report, r->control->arg))
		return err_set(err, ERR_CLOSED, "interrupted; the directory is as it was");
	return ERR_OK;
}

static enum err_code repo_dir(
    struct release *r, struct slice repo, const char *below, char out[LAYOUT_PATH], struct err *err)
{
	return layout_path(out, err, "%s/" NEW_TREE "/%.*s/%s", r->root, SLICE_ARG(repo), below);
}

/* ---- links and tags ------------------------------------------------------------------ */

struct link {
	struct slice repo;
	struct meta_blob blob;
};

static enum err_code do_link(struct meta_tx *tx, void *arg, struct err *err)
{
	struct link *l = arg;

	return meta_tx_blob_link(tx, l->repo, &l->blob, err);
}

/* registry:2 keeps bytes by sha256 only: those of a blob with another digest get
 * that name too, and its link leads there. The repository has both from now on,
 * as registry:2 has it; the second goes with the garbage where it is not needed. */
static enum err_code by_sha256(
    struct release *r, const struct meta_walk_repo *repo, const struct digest *d, struct digest *out, struct err *err)
{
	struct link l = {.repo = repo->name};
	uint64_t size;
	enum err_code rc = rehash(r->storage, d, DIGEST_SHA256, out, &l.blob.size, err);

	if (rc == ERR_OK)
		rc = storage_stat(r->storage, out, &size, err);
	if (rc == ERR_NOT_FOUND)
		rc = storage_alias(r->storage, d, out, err);
	l.blob.digest = *out;
	return rc ? rc : meta_write(r->meta, META_RELAXED, do_link, &l, err);
}

static enum err_code write_link(
    struct release *r, const struct meta_walk_repo *repo, const char *dir, const struct digest *d, struct err *err)
{
	struct digest to = *d;
	enum err_code rc = ERR_OK;

	if (d->alg != DIGEST_SHA256)
		rc = by_sha256(r, repo, d, &to, err);
	/* Bytes that are missing or damaged are for verify to tell. */
	if (rc == ERR_NOT_FOUND || rc == ERR_CORRUPT)
		to = *d;
	else if (rc)
		return rc;
	return layout_write_link(dir, d, &to, err);
}

static enum err_code write_links(struct release *r, const struct meta_walk_repo *repo, struct err *err)
{
	struct meta_walk_blobs page;
	char dir[LAYOUT_PATH];
	int64_t after = 0;
	enum err_code rc = repo_dir(r, repo->name, "_layers", dir, err);

	if (rc)
		return rc;
	do {
		arena_reset(&r->page);
		rc = meta_walk_links(r->meta, repo->id, after, PAGE, &r->page, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			after = page.v[i].id;
			rc = write_link(r, repo, dir, &page.v[i].digest, err);
			r->report->links += rc == ERR_OK;
		}
	} while (rc == ERR_OK && page.n);
	return rc;
}

static enum err_code write_tag(struct release *r, struct slice repo, const struct meta_walk_tag *t, struct err *err)
{
	char below[256], dir[LAYOUT_PATH];
	enum err_code rc;

	snprintf(below, sizeof(below), "_manifests/tags/%.*s/index", SLICE_ARG(t->name));
	rc = repo_dir(r, repo, below, dir, err);
	if (rc == ERR_OK)
		rc = layout_write_link(dir, &t->digest, &t->digest, err);
	snprintf(below, sizeof(below), "_manifests/tags/%.*s/current", SLICE_ARG(t->name));
	if (rc == ERR_OK)
		rc = repo_dir(r, repo, below, dir, err);
	return rc ? rc : layout_write_link(dir, NULL, &t->digest, err);
}

static enum err_code write_tags(struct release *r, const struct meta_walk_repo *repo, struct err *err)
{
	char last[256] = "";
	struct meta_walk_tags page;
	enum err_code rc;

	do {
		arena_reset(&r->page);
		rc = meta_walk_tags(r->meta, repo->id, slice_cstr(last), PAGE, &r->page, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			rc = write_tag(r, repo->name, &page.v[i], err);
			r->report->tags += rc == ERR_OK;
		}
		if (rc == ERR_OK && page.n && !slice_to_cstr(page.v[page.n - 1].name, last, sizeof(last)))
			rc = err_set(err, ERR_CORRUPT, "a tag of %.*s is too long", SLICE_ARG(repo->name));
	} while (rc == ERR_OK && page.n);
	return rc;
}

static enum err_code write_repos(struct release *r, struct err *err)
{
	struct meta_walk_repos repos;
	int64_t after = 0;
	enum err_code rc;

	do {
		arena_reset(&r->arena);
		rc = meta_walk_repos(r->meta, after, PAGE, &r->arena, &repos, err);
		for (size_t i = 0; rc == ERR_OK && i < repos.n; i++) {
			after = repos.v[i].id;
			rc = write_links(r, &repos.v[i], err);
			if (rc == ERR_OK)
				rc = write_tags(r, &repos.v[i], err);
			r->report->repositories += rc == ERR_OK;
			if (rc == ERR_OK)
				rc = go_on(r, err);
		}
	} while (rc == ERR_OK && repos.n);
	return rc;
}

/* ---- manifests -------------------------------------------------------------------------- */

/* registry:2 keeps the bytes of a manifest as a blob. */
static enum err_code store_payload(struct release *r, const struct meta_manifest *m, struct err *err)
{
	struct storage_upload *u = NULL;
	char id[UUID_TEXT];
	uint64_t size;
	enum err_code rc;

	if (storage_stat(r->storage, &m->digest, &size, err) == ERR_OK && size == m->payload.n)
		return ERR_OK;
	uuid_random(id);
	rc = storage_upload_create(r->storage, id, &u, err);
	if (rc == ERR_OK)
		rc = storage_upload_write(u, m->payload.p, m->payload.n, err);
	if (rc == ERR_OK)
		rc = storage_upload_commit(&u, &m->digest, err);
	storage_upload_close(&u);
	if (rc)
		(void)!storage_upload_abort(r->storage, id, NULL);
	return rc;
}

static enum err_code do_filed(struct meta_tx *tx, void *arg, struct err *err)
{
	const struct meta_walk_manifests *page = arg;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < page->n; i++)
		rc = meta_tx_manifest_filed(tx, page->v[i].repo, &page->v[i].manifest.digest, err);
	return rc;
}

static enum err_code write_manifests(struct release *r, struct err *err)
{
	struct meta_walk_manifests page;
	char dir[LAYOUT_PATH];
	int64_t after = 0;
	enum err_code rc;

	do {
		arena_reset(&r->page);
		rc = meta_walk_manifests(r->meta, after, MANIFEST_PAGE, &r->page, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			after = page.v[i].id;
			rc = store_payload(r, &page.v[i].manifest, err);
			if (rc == ERR_OK)
				rc = repo_dir(r, page.v[i].repo, "_manifests/revisions", dir, err);
			if (rc == ERR_OK)
				rc =
				    layout_write_link(dir, &page.v[i].manifest.digest, &page.v[i].manifest.digest, err);
			r->report->manifests += rc == ERR_OK;
		}
		if (rc == ERR_OK && page.n)
			rc = meta_write(r->meta, META_RELAXED, do_filed, &page, err);
		if (rc == ERR_OK)
			rc = go_on(r, err);
	} while (rc == ERR_OK && page.n);
	return rc;
}

/* ---- taking its place ---------------------------------------------------------------------- */

/* The tree that was there goes aside, the fresh one takes its place; where that
 * fails the old one comes back. */
static enum err_code take_place(const char *tree, const char *fresh, char *aside, struct err *err)
{
	enum err_code rc;

	if (fsys->rename(tree, aside) != 0) {
		if (errno != ENOENT)
			return err_sys(err, errno, "cannot rename %s", tree);
		aside[0] = '\0';
	}
	if (fsys->rename(fresh, tree) == 0)
		return ERR_OK;
	rc = err_sys(err, errno, "cannot rename %s to %s", fresh, tree);
	if (aside[0] && fsys->rename(aside, tree) != 0)
		return err_context(err, "the tree of registry:2 is now %s: rename it to %s yourself", aside, tree);
	aside[0] = '\0';
	return rc;
}

static enum err_code swap(struct release *r, const char *fresh, struct err *err)
{
	char tree[LAYOUT_PATH], parent[LAYOUT_PATH], when[CLOCK_TEXT];
	enum err_code rc = fsys_sync_fs(fresh, err);

	if (rc == ERR_OK)
		rc = layout_path(tree, err, "%s/" LAYOUT_REPOSITORIES, r->root);
	if (rc == ERR_OK)
		rc = layout_path(parent, err, "%s/docker/registry/v2", r->root);
	if (rc == ERR_OK)
		rc = layout_path(r->report->old_tree, err, "%s.before-%s", tree, clock_rfc3339(clock_real(), 0, when));
	if (rc)
		return rc;
	rc = take_place(tree, fresh, r->report->old_tree, err);
	return rc ? rc : fsys_sync_dir(parent, err);
}

enum err_code release_run(const char *root, struct meta *m, struct storage *s, const struct release_control *control,
    struct release_report *out, struct err *err)
{
	struct release r = {.root = root, .meta = m, .storage = s, .control = control, .report = out};
	char fresh[LAYOUT_PATH];
	struct stat st;
	enum err_code rc = layout_path(fresh, err, "%s/" NEW_TREE, root);

	memset(out, 0, sizeof(*out));
	if (rc)
		return rc;
	if (fsys->stat(fresh, &st) == 0)
		return err_set(
		    err, ERR_EXISTS, "%s is left from an export that was interrupted: remove it and try again", fresh);
	arena_init(&r.arena, (size_t)64 << 20);
	arena_init(&r.page, (size_t)1 << 30);
	rc = fsys_mkdirs(fresh, err);
	if (rc == ERR_OK)
		rc = write_repos(&r, err);
	if (rc == ERR_OK)
		rc = write_manifests(&r, err);
	if (rc == ERR_OK)
		rc = swap(&r, fresh, err);
	arena_free(&r.arena);
	arena_free(&r.page);
	return rc;
}
