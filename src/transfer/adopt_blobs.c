/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt_blobs.c - the blobs of a repository that is taken over: which it may read,
 * and whether their bytes are what they should be. Nothing is read but what has
 * another size than somebody says, and what is known by sha512.
 */
#include "meta/walk.h"
#include "registry/reference.h"
#include "transfer/adopt_priv.h"
#include "transfer/rehash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* File names of a tree can be anything, and end on a terminal. */
static void printable(char *text)
{
	for (char *c = text; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

void adopt_problem(struct adopt *a, const char *fmt, ...)
{
	char text[1024], repo[REFERENCE_NAME_MAX + 1];
	va_list ap;

	a->report->problems++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(repo, sizeof(repo), "%s", a->repo);
	printable(text);
	printable(repo);
	if (a->control && a->control->problem)
		a->control->problem(repo, text, a->control->arg);
}

bool adopt_is_broken(enum err_code rc)
{
	return rc == ERR_NOT_FOUND || rc == ERR_CORRUPT || rc == ERR_INVALID || rc == ERR_TOO_LARGE;
}

/* ---- blobs of another size than they should have ----------------------------------------- */

/* Do the bytes have their digest? They are read, once for however many images
 * they belong to. */
static enum err_code judge(struct adopt *a, const struct digest *d, bool *sound, struct err *err)
{
	struct digest real;
	uint64_t size;
	enum err_code rc;

	for (size_t i = 0; i < a->njudged; i++) {
		if (digest_eq(&a->judged[i].digest, d)) {
			*sound = a->judged[i].sound;
			return ERR_OK;
		}
	}
	rc = rehash(a->o->storage, d, d->alg, &real, &size, err);
	if (rc && rc != ERR_IO && !adopt_is_broken(rc))
		return rc;
	*sound = rc == ERR_OK && digest_eq(&real, d);
	if (a->njudged == a->cap_judged) {
		a->cap_judged = a->cap_judged ? a->cap_judged * 2 : 64;
		a->judged = xrealloc(a->judged, a->cap_judged * sizeof(*a->judged));
	}
	a->judged[a->njudged++] = (struct judged){*d, *sound};
	return ERR_OK;
}

struct link {
	struct slice repo;
	struct meta_blob blob;
};

static enum err_code do_link(struct meta_tx *tx, void *arg, struct err *err)
{
	struct link *l = arg;

	return meta_tx_blob_link(tx, l->repo, &l->blob, err);
}

/* Links a blob whose size is known now: that of the bytes where they are sound.
 * Where they are damaged it is the one they should have, which tells everybody
 * that they are, until a push brings the right ones. */
static enum err_code link_as(struct adopt *a, const struct digest *d, uint64_t size, struct err *err)
{
	struct link l = {slice_cstr(a->repo), {*d, size}};
	enum err_code rc = meta_write(a->o->meta, META_RELAXED, do_link, &l, err);

	a->report->links += rc == ERR_OK;
	return rc;
}

/* The blob is known with another size than the one its file has. */
static enum err_code settle(struct adopt *a, const struct meta_blob *b, struct err *err)
{
	char text[DIGEST_TEXT];
	uint64_t known;
	bool sound;
	enum err_code rc = judge(a, &b->digest, &sound, err);

	if (rc == ERR_OK && sound)
		return link_as(a, &b->digest, b->size, err);
	if (rc == ERR_OK)
		rc = meta_blob_known(a->o->meta, &b->digest, &known, err);
	if (rc)
		return rc;
	adopt_problem(a, "the blob %s is damaged: it has %llu bytes and should have %llu",
	    digest_format(&b->digest, text), (unsigned long long)b->size, (unsigned long long)known);
	return link_as(a, &b->digest, known, err);
}

/* The manifest speaks of `wanted` bytes, there are `size`. One of the two is wrong. */
static enum err_code settle_ref(
    struct adopt *a, const struct digest *d, uint64_t size, uint64_t wanted, const char *what, struct err *err)
{
	char text[DIGEST_TEXT];
	uint64_t known;
	bool sound;
	enum err_code rc = judge(a, d, &sound, err);

	if (rc)
		return rc;
	if (sound) {
		adopt_problem(a, "%s: the manifest says %llu bytes, the blob %s has %llu", what,
		    (unsigned long long)wanted, digest_format(d, text), (unsigned long long)size);
		return link_as(a, d, size, err);
	}
	adopt_problem(a, "%s: the blob %s is damaged: it has %llu bytes, the manifest says %llu", what,
	    digest_format(d, text), (unsigned long long)size, (unsigned long long)wanted);
	rc = meta_blob_known(a->o->meta, d, &known, err);
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	return link_as(a, d, rc == ERR_NOT_FOUND || known == size ? wanted : known, err);
}

/* ---- links of layers ------------------------------------------------------------------ */

static enum err_code do_links(struct meta_tx *tx, void *arg, struct err *err)
{
	struct adopt *a = arg;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < a->nblobs; i++) {
		rc = meta_tx_blob_link_unhashed(tx, slice_cstr(a->repo), &a->blobs[i], err);
		a->mismatch[i] = rc == ERR_MISMATCH;
		if (a->mismatch[i])
			rc = ERR_OK; /* nothing was written for it */
	}
	return rc;
}

enum err_code adopt_flush_links(struct adopt *a, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (a->nblobs)
		rc = meta_write(a->o->meta, META_RELAXED, do_links, a, err);
	for (size_t i = 0; rc == ERR_OK && i < a->nblobs; i++) {
		if (a->mismatch[i])
			rc = settle(a, &a->blobs[i], err);
		else
			a->report->links++;
	}
	a->nblobs = 0;
	return rc;
}

/* Are the bytes there, and how many? `what` is for the report. */
static enum err_code look(
    struct adopt *a, const struct digest *d, const char *what, bool *there, uint64_t *size, struct err *err)
{
	char text[DIGEST_TEXT];
	enum err_code rc = storage_stat(a->o->storage, d, size, err);

	*there = rc == ERR_OK;
	if (!adopt_is_broken(rc))
		return rc;
	adopt_problem(a, "%s %s: the blob is missing%s%s", what, digest_format(d, text),
	    rc == ERR_NOT_FOUND ? "" : ": ", rc == ERR_NOT_FOUND ? "" : err->msg);
	return ERR_OK;
}

enum err_code adopt_queue_link(struct adopt *a, const struct digest *d, uint64_t size, struct err *err)
{
	a->blobs[a->nblobs++] = (struct meta_blob){*d, size};
	return a->nblobs == ADOPT_BATCH ? adopt_flush_links(a, err) : ERR_OK;
}

/* Links a blob whose bytes are there. */
enum err_code adopt_add_link(struct adopt *a, const struct digest *d, const char *what, struct err *err)
{
	uint64_t size;
	bool there;
	enum err_code rc = look(a, d, what, &there, &size, err);

	return rc || !there ? rc : adopt_queue_link(a, d, size, err);
}

/* The same for one that a manifest needs, and whose size it tells. */
enum err_code adopt_add_ref(struct adopt *a, const struct digest *d, uint64_t wanted, const char *what, struct err *err)
{
	uint64_t size;
	bool there;
	enum err_code rc = look(a, d, what, &there, &size, err);

	if (rc || !there)
		return rc;
	return size == wanted ? adopt_queue_link(a, d, size, err) : settle_ref(a, d, size, wanted, what, err);
}

/* registry:2 keeps bytes by sha256 only, and a layer that was pushed by another
 * digest is a link from that to the bytes. Here they get the other name as well. */
enum err_code adopt_add_alias(
    struct adopt *a, const struct digest *name, const struct digest *target, const char *what, struct err *err)
{
	char text[DIGEST_TEXT], bytes[DIGEST_TEXT];
	struct digest real;
	uint64_t size;
	enum err_code rc = storage_stat(a->o->storage, name, &size, err);

	if (rc == ERR_OK) /* by an earlier run, or for another repository */
		return adopt_queue_link(a, name, size, err);
	if (!adopt_is_broken(rc))
		return rc;
	digest_format(name, text);
	digest_format(target, bytes);
	rc = rehash(a->o->storage, target, name->alg, &real, &size, err);
	if (adopt_is_broken(rc) || rc == ERR_IO) {
		adopt_problem(a, "%s %s: the blob is missing: it leads to %s: %s", what, text, bytes, err->msg);
		return ERR_OK;
	}
	if (rc)
		return rc;
	if (!digest_eq(&real, name)) {
		adopt_problem(
		    a, "%s %s: the bytes it leads to, %s, do not have this digest: it was left out", what, text, bytes);
		return ERR_OK;
	}
	rc = storage_alias(a->o->storage, target, name, err);
	return rc ? rc : adopt_queue_link(a, name, size, err);
}
