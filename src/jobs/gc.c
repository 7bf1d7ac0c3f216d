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
#include "meta/gc_plan.h"

#include <stdlib.h>
#include <time.h>

#define BATCH 64
#define COUNT_MAX 1000000
/* A pause is so many times as long as the batch before it, within these: measured
 * with one client that pulls manifests all the time on two cores, that keeps the
 * p99 of its pulls; as long as the batch, the p99 doubled. A dry run writes nothing
 * and pauses as long as it works. */
#define PAUSE_TIMES 12
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
	int64_t pause = (took < PAUSE_MIN ? PAUSE_MIN : took) * (r->rules->dry_run ? 1 : PAUSE_TIMES);

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

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t before(int64_t age)
{
	return age <= 0 ? META_GC_AT_ONCE : clock_real() - age;
}

/* Candidates of this age are reviewed, and promised ones not before their time. */
static struct meta_gc_due due(const struct gc_rules *rules, int64_t age)
{
	return (struct meta_gc_due){before(age), before(longer(age, rules->promised))};
}

static struct meta_gc_due due_untagged(const struct gc_rules *rules)
{
	return due(rules, longer(rules->untagged, rules->grace));
}

/* ---- files ----------------------------------------------------------------------- */

struct links_args {
	struct meta_gc_due due;
	struct meta_gc_links links;
};

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
		count(M_BLOBS, 1);
		count(M_BYTES, (double)l->size);
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

	return meta_tx_gc_review_links(tx, &a->due, a->links.v, a->links.n, err);
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

/* The oldest come first, so what was there when this began is through when so
 * many were looked at. Without a grace period there would be no end of them
 * while others push. */
static enum err_code collect_links(struct run *r, bool promised, struct err *err)
{
	struct meta_gc_queues queues;
	enum err_code rc = meta_gc_queues_get(r->meta, COUNT_MAX, &queues, err);

	for (uint64_t seen = 0; rc == ERR_OK && !r->ended && (seen < queues.links || queues.links == COUNT_MAX);) {
		struct links_args a = {.due = due(r->rules, r->rules->grace)};
		const struct digest *digests;

		batch_begin(r);
		rc = meta_gc_links_due(r->meta, promised, &a.due, NULL, BATCH, &r->arena, &a.links, err);
		if (rc || a.links.n == 0)
			return rc;
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
	enum meta_gc_reason why;
	struct meta_gc_due due;
	struct meta_gc_manifests manifests;
};

static enum err_code do_review_manifests(struct meta_tx *tx, void *arg, struct err *err)
{
	struct manifests_args *a = arg;

	return meta_tx_gc_review_manifests(tx, a->why, &a->due, a->manifests.v, a->manifests.n, err);
}

static void count_manifests(struct run *r, const struct meta_gc_manifests *manifests)
{
	for (size_t i = 0; i < manifests->n; i++) {
		const struct meta_gc_manifest *m = &manifests->v[i];

		if (!m->removed)
			continue;
		r->report->manifests++;
		tell(r, "manifest", m->repo, &m->digest, m->size);
		count(M_MANIFESTS, 1);
	}
}

static enum err_code next_manifests(struct run *r, struct manifests_args *a, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (int promised = 0; rc == ERR_OK && a->manifests.n == 0 && promised < 2; promised++)
		rc = meta_gc_manifests_due(
		    r->meta, a->why, promised, &a->due, NULL, BATCH, &r->arena, &a->manifests, err);
	return rc;
}

/* Each removal makes its children and blobs candidates in turn, and those are
 * due at once only without a grace period; so this ends. */
static enum err_code collect_manifests(struct run *r, enum meta_gc_reason why, struct err *err)
{
	while (!r->ended) {
		struct manifests_args a = {.why = why,
		    .due = why == META_GC_UNTAGGED ? due_untagged(r->rules) : due(r->rules, r->rules->grace)};
		enum err_code rc;

		batch_begin(r);
		rc = next_manifests(r, &a, err);
		if (rc || a.manifests.n == 0)
			return rc;
		rc = meta_write(r->meta, META_DURABLE, do_review_manifests, &a, err);
		if (rc)
			return rc;
		count_manifests(r, &a.manifests);
		batch_end(r, a.manifests.n);
	}
	return ERR_OK;
}

/* Manifests of either kind may leave some of the other behind. */
static enum err_code collect_all_manifests(struct run *r, struct err *err)
{
	bool untagged = r->rules->untagged != GC_NEVER;
	enum err_code rc = ERR_OK;
	uint64_t before_round;

	do {
		before_round = r->report->manifests;
		if (r->rules->referrers)
			rc = collect_manifests(r, META_GC_ORPHANED, err);
		if (rc == ERR_OK && untagged)
			rc = collect_manifests(r, META_GC_UNTAGGED, err);
	} while (rc == ERR_OK && !r->ended && r->rules->referrers && untagged && r->report->manifests > before_round);
	return rc;
}

/* ---- a dry run ------------------------------------------------------------------------ */

static bool plan_batch(size_t reviewed, void *arg)
{
	struct run *r = arg;

	batch_end(r, reviewed);
	r->batch_began = clock_mono();
	return !r->ended;
}

static void plan_manifest(const struct meta_gc_manifest *m, void *arg)
{
	struct run *r = arg;

	r->report->manifests++;
	tell(r, "manifest", m->repo, &m->digest, m->size);
}

static void plan_link(void *arg)
{
	struct run *r = arg;

	r->report->links++;
}

static void plan_blob(const struct digest *d, uint64_t size, void *arg)
{
	struct run *r = arg;

	r->report->blobs++;
	r->report->bytes += size;
	tell(r, "blob", SLICE_NONE, d, size);
}

static enum err_code plan_left_over_files(struct run *r, struct err *err)
{
	int64_t after = 0;

	while (!r->ended) {
		struct meta_gc_links links;
		enum err_code rc;

		batch_begin(r);
		rc = meta_gc_files_due(r->meta, after, BATCH, &r->arena, &links, err);
		if (rc || links.n == 0)
			return rc;
		after = links.v[links.n - 1].blob_id;
		for (size_t i = 0; i < links.n; i++)
			plan_blob(&links.v[i].digest, links.v[i].size, r);
		batch_end(r, links.n);
	}
	return ERR_OK;
}

static enum err_code plan(struct run *r, struct err *err)
{
	const struct meta_gc_plan_events events = {
	    .batch = plan_batch, .manifest = plan_manifest, .link = plan_link, .blob = plan_blob, .arg = r};
	struct meta_gc_plan_rules rules = {.links = due(r->rules, r->rules->grace)};
	enum err_code rc = plan_left_over_files(r, err);

	if (r->rules->referrers)
		rules.orphaned = rules.links;
	if (r->rules->untagged != GC_NEVER)
		rules.untagged = due_untagged(r->rules);
	if (rc || r->ended)
		return rc;
	batch_begin(r);
	return meta_gc_plan(r->meta, &rules, &events, err);
}

/* ---- a run ------------------------------------------------------------------------------ */

static enum err_code collect(struct run *r, struct err *err)
{
	enum err_code rc = collect_all_manifests(r, err);

	/* Behind the manifests: those that registry:2 wrote take their files along. */
	if (rc == ERR_OK)
		rc = left_over_files(r, err);
	if (rc == ERR_OK)
		rc = collect_links(r, false, err);
	return rc ? rc : collect_links(r, true, err);
}

enum err_code gc_run(struct meta *m, struct storage *s, const struct gc_rules *rules, const struct gc_control *control,
    struct gc_report *out, struct err *err)
{
	struct run r = {.meta = m, .storage = s, .rules = rules, .control = control, .report = out};
	struct meta_gc_queues queues = {0};
	enum err_code rc = meta_gc_queues_get(m, COUNT_MAX, &queues, err);

	*out = (struct gc_report){.started = clock_real(), .waiting = queues.links + queues.manifests + queues.files};
	arena_init(&r.arena, (size_t)16 << 20);
	if (rc == ERR_OK)
		rc = rules->dry_run ? plan(&r, err) : collect(&r, err);
	arena_free(&r.arena);
	out->ended = clock_real();
	if (out->manifests || out->blobs)
		LOG_INFO(rules->dry_run ? "garbage collection (dry run)" : "garbage collected",
		    LOG_INT("manifests", out->manifests), LOG_INT("blobs", out->blobs), LOG_INT("bytes", out->bytes),
		    LOG_INT("milliseconds", (out->ended - out->started) / CLOCK_MS));
	return rc;
}
