/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc.c - one run of the collector; see gc.h. The thread is in gc_thread.c.
 *
 * The order within a batch of blobs is what makes it safe beside pushes:
 *   1. hold the digests: nobody commits or mounts one of them meanwhile
 *   2. one durable transaction reviews the candidates and takes back records
 *   3. unlink the bytes of what no repository has any more
 *   4. let go of the digests, make the removals durable
 *   5. one transaction forgets that there were bytes to remove
 * After a crash between 2 and 5 the next run finds what was left to unlink.
 */
#include "jobs/gc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "meta/gc.h"

#include <stdlib.h>
#include <time.h>

#define BATCH 64
#define COUNT_MAX 1000000
/* A pause is as long as the batch before it, within these. */
#define PAUSE_MIN (1 * CLOCK_MS)
#define PAUSE_MAX (200 * CLOCK_MS)

enum { M_REVIEWED, M_MANIFESTS, M_BLOBS, M_BYTES, M_SECONDS, M_COUNT };
static struct metric_family metrics[M_COUNT] = {
    [M_REVIEWED] = {.name = "berth_gc_reviewed_total",
        .help = "Candidates the collector looked at.",
        .type = METRIC_COUNTER},
    [M_MANIFESTS] = {.name = "berth_gc_removed_manifests_total",
        .help = "Manifests the collector removed.",
        .type = METRIC_COUNTER},
    [M_BLOBS] = {.name = "berth_gc_removed_blobs_total",
        .help = "Blobs the collector removed from the storage.",
        .type = METRIC_COUNTER},
    [M_BYTES] = {.name = "berth_gc_removed_bytes_total", .help = "Bytes of these blobs.", .type = METRIC_COUNTER},
    [M_SECONDS] = {.name = "berth_gc_seconds_total", .help = "Time the collector has worked.", .type = METRIC_COUNTER},
};

void gc_metrics_register(void)
{
	metric_register(metrics, M_COUNT);
}

static void count(size_t family, double by)
{
	metric_add(metric_child(&metrics[family], NULL), by);
}

struct run {
	struct meta *meta;
	struct storage *storage;
	const struct gc_rules *rules;
	const struct gc_control *control;
	struct gc_report *report;
	struct arena arena;
	int64_t batch_began;
	bool ended; /* by progress */
};

/* ---- pace ------------------------------------------------------------------------ */

static void batch_begin(struct run *r)
{
	arena_reset(&r->arena);
	r->batch_began = clock_mono();
}

static void batch_end(struct run *r, size_t reviewed)
{
	int64_t took = clock_mono() - r->batch_began;
	int64_t pause = took < PAUSE_MIN ? PAUSE_MIN : took;

	r->report->reviewed += reviewed;
	count(M_REVIEWED, (double)reviewed);
	count(M_SECONDS, (double)took / CLOCK_S);
	if (r->control && r->control->progress && !r->control->progress(r->report, r->control->arg))
		r->ended = true;
	if (r->rules->gentle && !r->ended) {
		if (pause > PAUSE_MAX)
			pause = PAUSE_MAX;
		nanosleep(&(struct timespec){.tv_sec = pause / CLOCK_S, .tv_nsec = pause % CLOCK_S}, NULL);
	}
}

static void tell(struct run *r, const char *kind, struct slice repo, const struct digest *d, uint64_t size)
{
	if (r->control && r->control->removed)
		r->control->removed(kind, repo, d, size, r->control->arg);
}

/* Candidates older than this are reviewed. */
static int64_t before(int64_t age)
{
	return age <= 0 ? INT64_MAX : clock_real() - age;
}

/* ---- files ----------------------------------------------------------------------- */

struct links_args {
	int64_t before;
	struct meta_gc_links links;
	bool dry_run;
};

/* With dry_run the transaction is undone by failing; what the review found is
 * in the array. */
static enum err_code undo_if_dry(bool dry_run, enum err_code rc, struct err *err)
{
	if (rc == ERR_OK && dry_run)
		return err_set(err, ERR_CONFLICT, "undone on purpose");
	return rc;
}

static enum err_code do_recheck(struct meta_tx *tx, void *arg, struct err *err)
{
	struct links_args *a = arg;

	return meta_tx_gc_recheck_files(tx, a->links.v, a->links.n, err);
}

static enum err_code do_removed(struct meta_tx *tx, void *arg, struct err *err)
{
	struct links_args *a = arg;

	return meta_tx_gc_removed(tx, a->links.v, a->links.n, err);
}

static struct digest *digests_of(struct run *r, const struct meta_gc_links *links)
{
	struct digest *d = arena_alloc(&r->arena, links->n * sizeof(*d));

	for (size_t i = 0; d && i < links->n; i++)
		d[i] = links->v[i].digest;
	return d;
}

/* Unlinks what was freed. Bytes that cannot be removed stay noted for the next
 * run, and do not keep it from the others. */
static void unlink_freed(struct run *r, struct meta_gc_links *links)
{
	for (size_t i = 0; i < links->n; i++) {
		struct meta_gc_link *l = &links->v[i];
		struct err err = {0};
		char text[DIGEST_TEXT];
		enum err_code rc;

		if (!l->freed)
			continue;
		rc = storage_remove(r->storage, &l->digest, &err);
		if (rc == ERR_OK || rc == ERR_NOT_FOUND)
			continue;
		l->freed = false;
		r->report->stuck++;
		LOG_ERROR("a useless blob cannot be removed, the next collection tries again",
		    LOG_STR("digest", digest_format(&l->digest, text)), LOG_STR("error", err.msg));
	}
}

static enum err_code forget_files(struct run *r, struct links_args *a, const struct digest *digests, struct err *err)
{
	enum err_code rc = storage_sync_removals(r->storage, digests, a->links.n, err);

	return rc ? rc : meta_write(r->meta, META_RELAXED, do_removed, a, err);
}

static void count_links(struct run *r, const struct meta_gc_links *links)
{
	for (size_t i = 0; i < links->n; i++) {
		const struct meta_gc_link *l = &links->v[i];

		r->report->links += l->removed;
		if (!l->freed)
			continue;
		r->report->blobs++;
		r->report->bytes += l->size;
		tell(r, "blob", SLICE_NONE, &l->digest, l->size);
		if (!r->rules->dry_run) {
			count(M_BLOBS, 1);
			count(M_BYTES, (double)l->size);
		}
	}
}

/* What a crash, or a medium that failed, left to be unlinked. */
static enum err_code left_over_files(struct run *r, struct err *err)
{
	int64_t after = 0;

	while (!r->ended) {
		struct links_args a = {0};
		const struct digest *digests;
		enum err_code rc;

		batch_begin(r);
		rc = meta_gc_files_due(r->meta, after, BATCH, &r->arena, &a.links, err);
		if (rc || a.links.n == 0)
			return rc;
		after = a.links.v[a.links.n - 1].blob_id;
		digests = digests_of(r, &a.links);
		if (!digests)
			return err_set(err, ERR_NO_MEMORY, "out of memory");
		storage_hold_exclusive(r->storage, digests, a.links.n);
		rc = meta_write(r->meta, META_RELAXED, do_recheck, &a, err);
		if (rc == ERR_OK)
			unlink_freed(r, &a.links);
		storage_release_exclusive(r->storage, digests, a.links.n);
		if (rc == ERR_OK)
			rc = forget_files(r, &a, digests, err);
		if (rc)
			return rc;
		count_links(r, &a.links);
		batch_end(r, a.links.n);
	}
	return ERR_OK;
}

/* ---- links and blobs ---------------------------------------------------------------- */

static enum err_code do_review_links(struct meta_tx *tx, void *arg, struct err *err)
{
	struct links_args *a = arg;
	enum err_code rc = meta_tx_gc_review_links(tx, a->before, a->links.v, a->links.n, err);

	return undo_if_dry(a->dry_run, rc, err);
}

static enum err_code review_batch(struct run *r, struct links_args *a, const struct digest *digests, struct err *err)
{
	enum err_code rc;

	storage_hold_exclusive(r->storage, digests, a->links.n);
	rc = meta_write(r->meta, META_DURABLE, do_review_links, a, err);
	if (rc == ERR_OK)
		unlink_freed(r, &a->links);
	storage_release_exclusive(r->storage, digests, a->links.n);
	if (rc == ERR_OK)
		rc = forget_files(r, a, digests, err);
	if (rc == ERR_OK)
		count_links(r, &a->links);
	return rc;
}

/* Nothing is removed, so nobody has to wait for a digest. */
static enum err_code review_dry(struct run *r, struct links_args *a, struct err *err)
{
	enum err_code rc = meta_write(r->meta, META_RELAXED, do_review_links, a, err);

	if (rc != ERR_CONFLICT)
		return rc;
	count_links(r, &a->links);
	return ERR_OK;
}

/* The oldest come first, so what was there when this began is through when so
 * many were looked at. Without a grace period there would be no end of them
 * while others push. */
static enum err_code collect_links(struct run *r, struct err *err)
{
	size_t limit = r->rules->dry_run ? COUNT_MAX : BATCH;
	struct meta_gc_queues queues;
	enum err_code rc = meta_gc_queues_get(r->meta, COUNT_MAX, &queues, err);

	for (uint64_t seen = 0; rc == ERR_OK && !r->ended && (seen < queues.links || queues.links == COUNT_MAX);) {
		struct links_args a = {.before = before(r->rules->grace), .dry_run = r->rules->dry_run};
		const struct digest *digests;

		batch_begin(r);
		rc = meta_gc_links_due(r->meta, a.before, limit, &r->arena, &a.links, err);
		if (rc || a.links.n == 0)
			return rc;
		if (a.dry_run) {
			rc = review_dry(r, &a, err);
			batch_end(r, a.links.n);
			return rc;
		}
		digests = digests_of(r, &a.links);
		if (!digests)
			return err_set(err, ERR_NO_MEMORY, "out of memory");
		rc = review_batch(r, &a, digests, err);
		if (rc)
			return rc;
		batch_end(r, a.links.n);
		seen += a.links.n;
	}
	return rc;
}

/* ---- manifests ------------------------------------------------------------------------ */

struct manifests_args {
	int64_t before;
	struct meta_gc_manifests manifests;
	bool dry_run;
};

static enum err_code do_review_manifests(struct meta_tx *tx, void *arg, struct err *err)
{
	struct manifests_args *a = arg;
	enum err_code rc = meta_tx_gc_review_manifests(tx, a->before, a->manifests.v, a->manifests.n, err);

	return undo_if_dry(a->dry_run, rc, err);
}

static void count_manifests(struct run *r, const struct meta_gc_manifests *manifests)
{
	for (size_t i = 0; i < manifests->n; i++) {
		const struct meta_gc_manifest *m = &manifests->v[i];

		if (!m->removed)
			continue;
		r->report->manifests++;
		tell(r, "manifest", m->repo, &m->digest, m->size);
		if (!r->rules->dry_run)
			count(M_MANIFESTS, 1);
	}
}

/* Each removal makes its children and blobs candidates in turn, and those are
 * due at once only without a grace period; so this ends. */
static enum err_code collect_manifests(struct run *r, enum meta_gc_reason why, int64_t age, struct err *err)
{
	size_t limit = r->rules->dry_run ? COUNT_MAX : BATCH;

	while (!r->ended) {
		struct manifests_args a = {.before = before(age), .dry_run = r->rules->dry_run};
		enum err_code rc;

		batch_begin(r);
		rc = meta_gc_manifests_due(r->meta, why, a.before, limit, &r->arena, &a.manifests, err);
		if (rc || a.manifests.n == 0)
			return rc;
		rc = meta_write(r->meta, META_DURABLE, do_review_manifests, &a, err);
		if (rc == ERR_CONFLICT && a.dry_run)
			rc = ERR_OK;
		if (rc)
			return rc;
		count_manifests(r, &a.manifests);
		batch_end(r, a.manifests.n);
		if (a.dry_run)
			return ERR_OK;
	}
	return ERR_OK;
}

/* ---- a run ------------------------------------------------------------------------------ */

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static enum err_code collect(struct run *r, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (!r->rules->dry_run)
		rc = left_over_files(r, err);
	if (rc == ERR_OK && r->rules->referrers)
		rc = collect_manifests(r, META_GC_ORPHANED, r->rules->grace, err);
	if (rc == ERR_OK && r->rules->untagged != GC_NEVER)
		rc = collect_manifests(r, META_GC_UNTAGGED, longer(r->rules->untagged, r->rules->grace), err);
	/* What the untagged ones had as referrers. */
	if (rc == ERR_OK && r->rules->referrers && r->report->manifests && !r->rules->dry_run)
		rc = collect_manifests(r, META_GC_ORPHANED, r->rules->grace, err);
	return rc ? rc : collect_links(r, err);
}

enum err_code gc_run(struct meta *m, struct storage *s, const struct gc_rules *rules, const struct gc_control *control,
    struct gc_report *out, struct err *err)
{
	struct run r = {.meta = m, .storage = s, .rules = rules, .control = control, .report = out};
	struct meta_gc_queues queues = {0};
	enum err_code rc = meta_gc_queues_get(m, COUNT_MAX, &queues, err);

	*out = (struct gc_report){.started = clock_real(), .waiting = queues.links + queues.manifests + queues.files};
	arena_init(&r.arena, (size_t)512 << 20);
	if (rc == ERR_OK)
		rc = collect(&r, err);
	arena_free(&r.arena);
	out->ended = clock_real();
	if (out->manifests || out->blobs)
		LOG_INFO(rules->dry_run ? "garbage collection (dry run)" : "garbage collected",
		    LOG_INT("manifests", out->manifests), LOG_INT("blobs", out->blobs), LOG_INT("bytes", out->bytes),
		    LOG_INT("milliseconds", (out->ended - out->started) / CLOCK_MS));
	return rc;
}
