/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc_plan.h - what a collection would remove, found out by reading alone.
 *
 * The candidates that are due are followed as a collection follows them: what a
 * manifest leaves behind when it goes (its children, its referrers, its blobs)
 * is looked at in turn where a collection by the same rules would take it in the
 * same run. What is gone by then is remembered in memory, so the memory and the
 * time are those of the garbage. Every read is short; nothing is locked and
 * nothing written. What is written meanwhile may or may not be seen.
 */
#ifndef BERTH_META_GC_PLAN_H
#define BERTH_META_GC_PLAN_H

#include "meta/gc.h"

struct meta_gc_plan_rules {
	struct meta_gc_due orphaned, untagged; /* manifests, by their reason */
	struct meta_gc_due links;
};

struct meta_gc_plan_events {
	/* After every few candidates; false ends it. */
	bool (*batch)(size_t reviewed, void *arg);
	/* Each would go: a manifest, the link of a repository to a blob, a blob. */
	void (*manifest)(const struct meta_gc_manifest *g, void *arg);
	void (*link)(void *arg);
	void (*blob)(const struct digest *d, uint64_t size, void *arg);
	void *arg;
};

/* ERR_OK also when it was ended early by `batch`. */
enum err_code meta_gc_plan(struct meta *m, const struct meta_gc_plan_rules *rules,
    const struct meta_gc_plan_events *events, struct err *err) MUST_USE;

#endif
