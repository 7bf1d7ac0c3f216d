/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc.h - what may have become useless, and taking it back: the metadata half
 * of the online garbage collection.
 *
 * Every write that can make something useless notes a candidate in the same
 * transaction, with the time; every write that makes it useful again takes the
 * note back. So the queues are as small as the garbage, whatever the size of
 * the registry, and nothing is ever found by a walk:
 *
 *   link      may this repository still need this blob? Noted when a blob is
 *             pushed, mounted or asked for before its manifest, when a manifest
 *             goes, and when the link is deleted.
 *   manifest  is this manifest still reachable? Noted when a tag moves away or
 *             is deleted, when a manifest is pushed without a tag, when the
 *             index it belongs to goes, and when its subject goes.
 *   file      the record of a blob was taken back, or a manifest went whose bytes
 *             registry:2 kept among the blobs; the bytes are to be removed.
 *
 * Some candidates are promised: a client was told that they are there, and will
 * push what needs them. That is so after a push, a mount and a HEAD of a blob,
 * also where a manifest needs it now, as that may go first; and after the push of
 * a manifest without a tag, and a HEAD of it. The manifest that needs a blob, or
 * the index that lists a manifest, redeems the promise, and whoever deletes that
 * one then leaves a candidate that nobody counts on.
 *
 * A candidate is reviewed when it is older than the caller says, for each kind
 * (struct meta_gc_due); a HEAD renews it (meta_gc_touch_*). The review runs in the
 * writer's transaction and looks at the references again, so a push that comes
 * first keeps the blob, and one that comes second is told that it is missing.
 * Bytes are removed by the caller, who holds the digests (storage.h) from
 * before the review until they are gone, and then says so (meta_tx_gc_removed).
 */
#ifndef BERTH_META_GC_H
#define BERTH_META_GC_H

#include "meta/meta.h"

/* Why a manifest is a candidate; kept in the database. */
enum meta_gc_reason {
	META_GC_UNTAGGED = 1, /* nothing names it any more */
	META_GC_ORPHANED = 2  /* it refers to a subject that was deleted */
};

/* Candidates noted before these times (clock_real) are due. */
struct meta_gc_due {
	int64_t before;   /* where nobody counts on it; 0: none is due */
	int64_t promised; /* where somebody does */
};
/* At once, also what the collection itself notes. */
#define META_GC_AT_ONCE INT64_MAX

/* A blob and a repository that may not need it any more. */
struct meta_gc_link {
	int64_t repo_id, blob_id, since;
	struct digest digest;
	uint64_t size;
	/* Out, of the review: */
	bool removed; /* the repository no longer has it */
	bool freed;   /* no repository has it: its bytes are to be removed */
};
struct meta_gc_links {
	struct meta_gc_link *v;
	size_t n;
};
/* Of the links that are due those that are promised, or the others; oldest first,
 * behind `after` (NULL: from the start). */
enum err_code meta_gc_links_due(struct meta *m, bool promised, const struct meta_gc_due *due,
    const struct meta_gc_link *after, size_t limit, struct arena *a, struct meta_gc_links *out,
    struct err *err) MUST_USE;
/* Looks at each again and takes back what no manifest of its repository needs.
 * Those that are not due any more are left for later. */
enum err_code meta_tx_gc_review_links(
    struct meta_tx *tx, const struct meta_gc_due *due, struct meta_gc_link *v, size_t n, struct err *err) MUST_USE;

struct meta_gc_manifest {
	int64_t id, since;
	struct digest digest;
	struct slice repo;
	uint64_t size;
	bool removed; /* out, of the review */
};
struct meta_gc_manifests {
	struct meta_gc_manifest *v;
	size_t n;
};
/* As with links. */
enum err_code meta_gc_manifests_due(struct meta *m, enum meta_gc_reason why, bool promised,
    const struct meta_gc_due *due, const struct meta_gc_manifest *after, size_t limit, struct arena *a,
    struct meta_gc_manifests *out, struct err *err) MUST_USE;
/* Deletes those that are due still, for this reason, have no tag, belong to no index of their repository, and
 * have no subject there. Their blobs and children become candidates in turn. */
enum err_code meta_tx_gc_review_manifests(struct meta_tx *tx, enum meta_gc_reason why, const struct meta_gc_due *due,
    struct meta_gc_manifest *v, size_t n, struct err *err) MUST_USE;

/* Blobs whose record was taken back but whose bytes may still be there: after a
 * review, and after a crash in the middle of one. By blob_id, behind `after` (0:
 * from the start). */
enum err_code meta_gc_files_due(
    struct meta *m, int64_t after, size_t limit, struct arena *a, struct meta_gc_links *out, struct err *err) MUST_USE;
/* Sets `freed` of those that are still to be removed: the blob may have been
 * pushed again. Call it while holding the digests. */
enum err_code meta_tx_gc_recheck_files(struct meta_tx *tx, struct meta_gc_link *v, size_t n, struct err *err) MUST_USE;
/* The bytes of those with `freed` set are gone. */
enum err_code meta_tx_gc_removed(struct meta_tx *tx, const struct meta_gc_link *v, size_t n, struct err *err) MUST_USE;

/* The repository keeps all blobs it may read, needed or not, until somebody pushes
 * or deletes them again. */
enum err_code meta_tx_gc_keep_links(struct meta_tx *tx, struct slice repo, struct err *err) MUST_USE;

/* Nobody counts on the candidates of the repository: it came from elsewhere. */
enum err_code meta_tx_gc_settle(struct meta_tx *tx, struct slice repo, struct err *err) MUST_USE;

/* Somebody is told that it is there and may count on it: renews its grace period,
 * if it is a candidate. A blob that is none because a manifest needs it becomes a
 * promised one, for the case that the manifest goes. */
enum err_code meta_gc_touch_blob(struct meta *m, struct slice repo, const struct digest *d, struct err *err) MUST_USE;
enum err_code meta_gc_touch_manifest(
    struct meta *m, struct slice repo, const struct digest *d, struct err *err) MUST_USE;

/* How many candidates wait, for metrics: counted by an index, bounded by `max`. */
struct meta_gc_queues {
	uint64_t links, manifests, files;
};
enum err_code meta_gc_queues_get(struct meta *m, size_t max, struct meta_gc_queues *out, struct err *err) MUST_USE;

#endif
