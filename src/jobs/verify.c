/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - see verify.h.
 *
 * The registry may be serving: what looks wrong is looked at again while the
 * digest is held exclusively, when no push and no collection can be in the
 * middle of changing it. Only what is still wrong then is a finding.
 */
#include "jobs/verify.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE 500
#define MANIFEST_PAGE 50
#define READ_SIZE ((size_t)256 * 1024)
#define USERS_SHOWN 20
/* The pace is corrected this often. */
#define PACE_STEP (50 * CLOCK_MS)
/* Whoever wants the run to end waits for this at most. */
#define PACE_SLICE (100 * CLOCK_MS)

struct run {
	struct meta *meta;
	struct storage *storage;
	const struct verify_rules *rules;
	const struct verify_control *control;
	struct verify_report *report;
	struct arena arena; /* of a page */
	struct arena users; /* of a finding */
	char *buffer;
	int64_t pace_began;
	uint64_t pace_bytes;
	bool hurry; /* pushes wait for a digest that is held */
	bool ended;
	/* Files that no blob accounts for; manifests may. */
	struct digest *strays;
	bool *kept; /* as many: it is a manifest's */
	size_t nstrays, cap_strays;
	struct err *err; /* of a walk through the storage */
	enum err_code rc;
};

const char *verify_problem_text(enum verify_problem p)
{
	static const char *const texts[] = {
#define X(name, text) [name] = text,
	    VERIFY_PROBLEMS(X)
#undef X
	};

	return texts[p];
}

uint64_t verify_damage(const struct verify_report *r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < VERIFY_PROBLEM_COUNT; i++)
		n += i == VERIFY_ORPHAN ? 0 : r->problems[i];
	return n;
}

static void progress(struct run *r)
{
	if (r->control && r->control->progress && !r->control->progress(r->report, r->control->arg))
		r->ended = true;
}

static void found(struct run *r, struct verify_finding *f)
{
	struct meta_blob_users users = {0};
	struct err err = {0};
	char text[DIGEST_TEXT];

	r->report->problems[f->problem]++;
	r->report->repaired += f->repaired;
	arena_reset(&r->users);
	if (f->problem != VERIFY_ORPHAN && !f->nusers &&
	    meta_blob_users(r->meta, &f->digest, USERS_SHOWN, &r->users, &users, &err) == ERR_OK) {
		f->users = users.v;
		f->nusers = users.n;
	}
	if (f->problem != VERIFY_ORPHAN)
		LOG_ERROR("verification found damage", LOG_STR("digest", digest_format(&f->digest, text)),
		    LOG_STR("problem", verify_problem_text(f->problem)), LOG_STR("detail", f->detail),
		    LOG_SLICE("repository", f->nusers ? f->users[0].repo : SLICE_NONE), LOG_INT("images", f->nusers));
	if (r->control && r->control->found)
		r->control->found(f, r->control->arg);
}

/* ---- reading at a bounded rate -------------------------------------------------------- */

static void keep_pace(struct run *r, size_t n)
{
	int64_t due, left;

	if (!r->rules->rate)
		return;
	r->pace_bytes += n;
	if (r->hurry)
		return;
	due = r->pace_began + (int64_t)((double)r->pace_bytes / (double)r->rules->rate * CLOCK_S);
	if (due - clock_mono() <= PACE_STEP)
		return;
	while (!r->ended && (left = due - clock_mono()) > 0) {
		nanosleep(&(struct timespec){.tv_nsec = left < PACE_SLICE ? left : PACE_SLICE}, NULL);
		progress(r);
	}
}

/* Hashes what the storage has; `rc` tells when it cannot be read to its end. */
static enum err_code hash_blob(
    struct run *r, const struct digest *d, struct digest *real, uint64_t *size, struct err *err)
{
	struct hasher *h = hasher_new(d->alg);
	struct storage_blob blob;
	uint64_t at = 0;
	enum err_code rc = storage_open(r->storage, d, &blob, err);

	while (rc == ERR_OK && !r->ended) {
		size_t got;

		rc = storage_read(&blob, at, r->buffer, READ_SIZE, &got, err);
		if (rc || got == 0)
			break;
		hasher_update(h, r->buffer, got);
		at += got;
		r->report->bytes += got;
		keep_pace(r, got);
		if (at % (64 * READ_SIZE) == 0)
			progress(r);
	}
	storage_close(&blob);
	hasher_digest(h, real);
	hasher_free(&h);
	*size = at;
	return rc;
}

/* ---- from the metadata to the storage ------------------------------------------------- */

/* What is wrong with a blob; VERIFY_PROBLEM_COUNT: nothing. */
static enum verify_problem look(
    struct run *r, const struct meta_walk_blob *b, bool bytes, uint64_t *size, struct err *err)
{
	struct digest real;
	enum err_code rc = storage_stat(r->storage, &b->digest, size, err);

	if (rc == ERR_NOT_FOUND)
		return VERIFY_MISSING;
	if (rc)
		return VERIFY_UNREADABLE;
	if (*size != b->size)
		return VERIFY_SIZE;
	if (!bytes)
		return VERIFY_PROBLEM_COUNT;
	rc = hash_blob(r, &b->digest, &real, size, err);
	if (r->ended)
		return VERIFY_PROBLEM_COUNT;
	if (rc)
		return VERIFY_UNREADABLE;
	return digest_eq(&real, &b->digest) ? VERIFY_PROBLEM_COUNT : VERIFY_CORRUPT;
}

static enum err_code do_resize(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_blob_resize(tx, arg, err);
}

/* Bytes of another size than was recorded: are they the right ones, and the record
 * is not? Then that is put right, if anything is to be. Call it while holding
 * the digest. */
static bool is_record_wrong(struct run *r, struct verify_finding *f, struct err *why)
{
	struct meta_blob b = {.digest = f->digest};
	struct digest real;

	if (hash_blob(r, &b.digest, &real, &b.size, why) || r->ended || !digest_eq(&real, &b.digest))
		return false;
	if (r->rules->repair || r->rules->quarantine)
		f->repaired = meta_write(r->meta, META_DURABLE, do_resize, &b, why) == ERR_OK;
	if (f->repaired || why->code == ERR_OK)
		err_set(why, ERR_MISMATCH, "the bytes are right, another size was recorded");
	return true;
}

/* What can be done about a finding, while its digest is held. */
static void put_right(struct run *r, struct verify_finding *f, struct err *why)
{
	if (f->problem == VERIFY_SIZE && is_record_wrong(r, f, why))
		return;
	if (f->problem != VERIFY_CORRUPT && f->problem != VERIFY_SIZE)
		return;
	if ((r->rules->repair || r->rules->quarantine) && !r->ended)
		f->repaired = storage_quarantine(r->storage, &f->digest, why) == ERR_OK;
}

static enum err_code check_blob(struct run *r, struct meta_walk_blob *b, struct err *err)
{
	struct verify_finding f = {.digest = b->digest, .detail = ""};
	struct err why = {0};
	enum err_code rc;

	f.problem = look(r, b, r->rules->bytes, &f.size, &why);
	if (f.problem == VERIFY_PROBLEM_COUNT)
		return ERR_OK;
	storage_hold_exclusive(r->storage, &b->digest, 1);
	r->hurry = true;
	rc = meta_blob_known(r->meta, &b->digest, &b->size, err);
	if (rc == ERR_OK)
		f.problem = look(r, b, r->rules->bytes, &f.size, &why);
	if (rc == ERR_OK)
		put_right(r, &f, &why);
	r->hurry = false;
	storage_release_exclusive(r->storage, &b->digest, 1);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK; /* it was collected meanwhile */
	if (rc == ERR_OK && f.problem != VERIFY_PROBLEM_COUNT) {
		f.detail = why.msg;
		found(r, &f);
	}
	return rc;
}

static enum err_code check_blobs(struct run *r, struct err *err)
{
	struct meta_walk_blobs page;
	int64_t after = 0;
	enum err_code rc;

	do {
		arena_reset(&r->arena);
		rc = meta_walk_blobs(r->meta, after, PAGE, &r->arena, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n && !r->ended; i++) {
			after = page.v[i].id;
			rc = check_blob(r, &page.v[i], err);
			r->report->blobs++;
		}
		progress(r);
	} while (rc == ERR_OK && page.n && !r->ended);
	return rc;
}

/* What a repository was made to forget, or never had when it was taken over. */
static enum err_code check_links(struct run *r, const struct meta_walk_manifest *w, struct err *err)
{
	struct meta_walk_unlinked missing;
	struct meta_blob_user user = {.repo = w->repo, .manifest = w->manifest.digest};
	enum err_code rc = ERR_OK;

	if (!r->rules->needs)
		return ERR_OK;
	rc = meta_walk_unlinked(r->meta, w->id, &r->arena, &missing, err);
	user.tag = missing.tag;
	for (size_t i = 0; rc == ERR_OK && i < missing.n; i++) {
		struct verify_finding f = {
		    .problem = VERIFY_UNLINKED, .digest = missing.v[i], .users = &user, .nusers = 1, .detail = ""};

		if (r->rules->needs(&w->manifest, &missing.v[i]))
			found(r, &f);
	}
	return rc;
}

static enum err_code check_manifests(struct run *r, struct err *err)
{
	struct meta_walk_manifests page;
	int64_t after = 0;
	enum err_code rc;

	do {
		arena_reset(&r->arena);
		rc = meta_walk_manifests(r->meta, after, MANIFEST_PAGE, &r->arena, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n && !r->ended; i++) {
			const struct meta_manifest *m = &page.v[i].manifest;
			struct verify_finding f = {
			    .problem = VERIFY_MANIFEST, .digest = m->digest, .size = m->payload.n, .detail = ""};
			struct digest real;

			after = page.v[i].id;
			digest_of(m->digest.alg, m->payload.p, m->payload.n, &real);
			if (!digest_eq(&real, &m->digest))
				found(r, &f);
			rc = check_links(r, &page.v[i], err);
			r->report->manifests++;
		}
		progress(r);
	} while (rc == ERR_OK && page.n && !r->ended);
	return rc;
}

/* ---- from the storage to the metadata --------------------------------------------------- */

static void add_stray(struct run *r, const struct digest *d)
{
	if (r->nstrays == r->cap_strays) {
		r->cap_strays = r->cap_strays ? r->cap_strays * 2 : 1024;
		r->strays = xrealloc(r->strays, r->cap_strays * sizeof(*r->strays));
	}
	r->strays[r->nstrays++] = *d;
}

static bool visit_file(const struct digest *d, uint64_t size, void *arg)
{
	struct run *r = arg;
	uint64_t known;
	enum err_code rc = meta_blob_known(r->meta, d, &known, r->err);

	if (rc == ERR_NOT_FOUND)
		add_stray(r, d);
	else
		r->rc = rc;
	return r->rc == ERR_OK && !r->ended;
}

static int compare(const void *a, const void *b)
{
	const struct digest *x = a, *y = b;

	return x->alg != y->alg ? (x->alg > y->alg) - (x->alg < y->alg) : memcmp(x->bytes, y->bytes, DIGEST_MAX_BYTES);
}

/* registry:2 keeps manifests among the blobs; a directory that was taken over
 * still has those files, and going back needs them. */
static enum err_code keep_manifests(struct run *r, struct err *err)
{
	struct meta_walk_manifests page;
	int64_t after = 0;
	enum err_code rc = ERR_OK;

	if (r->nstrays == 0)
		return ERR_OK;
	qsort(r->strays, r->nstrays, sizeof(*r->strays), compare);
	r->kept = xcalloc(r->nstrays, sizeof(*r->kept));
	do {
		arena_reset(&r->arena);
		rc = meta_walk_manifests(r->meta, after, MANIFEST_PAGE, &r->arena, &page, err);
		for (size_t i = 0; rc == ERR_OK && i < page.n; i++) {
			const struct digest *hit =
			    bsearch(&page.v[i].manifest.digest, r->strays, r->nstrays, sizeof(*r->strays), compare);

			after = page.v[i].id;
			if (hit)
				r->kept[hit - r->strays] = true;
		}
	} while (rc == ERR_OK && page.n && !r->ended);
	return rc;
}

static enum err_code check_stray(struct run *r, const struct digest *d, struct err *err)
{
	struct verify_finding f = {.problem = VERIFY_ORPHAN, .digest = *d, .detail = ""};
	struct err why = {0};
	uint64_t known;
	enum err_code rc;
	bool there;

	storage_hold_exclusive(r->storage, d, 1);
	rc = meta_blob_known(r->meta, d, &known, err);
	there = rc == ERR_NOT_FOUND && storage_stat(r->storage, d, &f.size, &why) == ERR_OK;
	if (there && r->rules->repair)
		f.repaired = storage_remove(r->storage, d, &why) == ERR_OK;
	storage_release_exclusive(r->storage, d, 1);
	if (there) {
		r->report->orphan_bytes += f.size;
		f.detail = why.msg;
		found(r, &f);
	}
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code check_files(struct run *r, struct err *err)
{
	enum err_code rc;

	r->err = err;
	rc = storage_list(r->storage, visit_file, r, err);
	if (rc == ERR_OK)
		rc = r->rc;
	if (rc == ERR_OK)
		rc = keep_manifests(r, err);
	for (size_t i = 0; rc == ERR_OK && i < r->nstrays && !r->ended; i++)
		rc = r->kept[i] ? ERR_OK : check_stray(r, &r->strays[i], err);
	if (rc == ERR_OK && r->rules->repair && r->nstrays)
		rc = storage_sync_removals(r->storage, r->strays, r->nstrays, err);
	return rc;
}

/* ---- a run ---------------------------------------------------------------------------------- */

enum err_code verify_run(struct meta *m, struct storage *s, const struct verify_rules *rules,
    const struct verify_control *control, struct verify_report *out, struct err *err)
{
	struct run r = {.meta = m, .storage = s, .rules = rules, .control = control, .report = out};
	struct meta_totals totals;
	enum err_code rc = meta_totals_get(m, &totals, err);

	*out = (struct verify_report){0};
	if (rc)
		return rc;
	out->blobs_total = totals.blobs;
	out->bytes_total = rules->bytes ? totals.blob_bytes : 0;
	arena_init(&r.arena, (size_t)1 << 30);
	arena_init(&r.users, (size_t)1 << 20);
	r.buffer = xmalloc(READ_SIZE);
	r.pace_began = clock_mono();
	rc = check_blobs(&r, err);
	if (rc == ERR_OK && !r.ended)
		rc = check_manifests(&r, err);
	if (rc == ERR_OK && !r.ended)
		rc = check_files(&r, err);
	arena_free(&r.arena);
	arena_free(&r.users);
	free(r.buffer);
	free(r.strays);
	free(r.kept);
	return rc;
}
