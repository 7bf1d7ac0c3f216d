/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc.h - the collector: the background job that removes what nobody needs any
 * more, while the registry serves.
 *
 * What is useless is known from the candidates that every write notes
 * (meta/gc.h), so a run costs what the garbage costs and nothing else. Nothing
 * is ever blocked for longer than a batch: candidates are reviewed in short
 * transactions, a few at a time, with pauses longer than the work between them.
 *
 * gc_run is one run, for a command on a registry that does not serve; gc_start
 * keeps a thread that runs at an interval.
 */
#ifndef BERTH_JOBS_GC_H
#define BERTH_JOBS_GC_H

#include "base/err.h"
#include "meta/meta.h"
#include "storage/storage.h"

#define GC_NEVER INT64_C(-1)

struct gc_rules {
	int64_t grace;    /* a candidate this old is reviewed; 0: at once */
	int64_t promised; /* one that a push counts on stays at least this long */
	int64_t untagged; /* manifests without a tag go after this long; 0: at once; GC_NEVER: they stay */
	bool referrers;   /* what refers to a deleted subject goes with it */
	bool dry_run;     /* say what would go; reads alone, so it keeps nobody waiting */
	bool gentle;      /* pause between batches, for a registry that serves */
};

/* What a run did, or would do with dry_run. */
struct gc_report {
	uint64_t reviewed;      /* candidates looked at */
	uint64_t waiting;       /* candidates at the start, as far as counted */
	uint64_t manifests;     /* removed */
	uint64_t links;         /* repositories that gave up a blob */
	uint64_t blobs;         /* removed from the storage */
	uint64_t bytes;         /* of these */
	uint64_t stuck;         /* blobs whose bytes could not be removed: the next run tries again */
	int64_t started, ended; /* clock_real; ended 0 while it runs */
};

struct gc_control {
	/* Called after every batch; false ends the run early. May be NULL. */
	bool (*progress)(const struct gc_report *r, void *arg);
	/* Called for everything that is removed, with its kind ("manifest",
	 * "blob"), the repository (absent for blobs) and the digest. May be NULL. */
	void (*removed)(const char *kind, struct slice repo, const struct digest *d, uint64_t size, void *arg);
	void *arg;
};

/* One run, to the end. ERR_OK also when it was ended early by `progress`. */
enum err_code gc_run(struct meta *m, struct storage *s, const struct gc_rules *rules, const struct gc_control *control,
    struct gc_report *out, struct err *err) MUST_USE;

struct gc;

struct gc_options {
	struct meta *meta;
	struct storage *storage;
	struct gc_rules rules; /* of the runs at an interval */
	int64_t interval;      /* 0: only gc_run_now */
};

/* Starts the thread. */
enum err_code gc_start(const struct gc_options *o, struct gc **out, struct err *err) MUST_USE;
/* Ends the run under way after its batch, and the thread; *gc becomes NULL. No
 * gc_run_now may be under way. */
void gc_stop(struct gc **gc);
/* A run by these rules now, in the thread of the caller: waits until the one
 * under way is through, and keeps others from beginning. */
enum err_code gc_run_now(struct gc *gc, const struct gc_rules *rules, const struct gc_control *control,
    struct gc_report *out, struct err *err) MUST_USE;
/* Until gc_resume, by the same thread, nothing is collected: no bytes go that
 * the metadata names now. Waits until the run under way is through. Several
 * threads may do so at once. */
void gc_pause(struct gc *gc);
void gc_resume(struct gc *gc);

/* berth_gc_*; once a process. */
void gc_metrics_register(void);

#endif
