/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purge.h - the removal of uploads that nobody finished
 * (storage.maintenance.uploadpurging): searches at an interval and calls a
 * function of the owner, which knows what an upload is, in bounded batches.
 */
#ifndef BERTH_JOBS_PURGE_H
#define BERTH_JOBS_PURGE_H

#include "base/err.h"

struct purge;

/* Removes at most `limit` uploads that are older than `before` (clock_real), or
 * counts them with dry_run; *removed says how many it were. */
typedef enum err_code purge_fn(void *arg, int64_t before, size_t limit, bool dry_run, size_t *removed, struct err *err);

struct purge_options {
	int64_t age;      /* uploads older than this are removed */
	int64_t interval; /* between two searches */
	int64_t first;    /* delay of the first one; PURGE_FIRST_RANDOM: as registry:2 does it */
	bool dry_run;     /* count and log only */
	purge_fn *remove;
	void *arg;
};
/* Anywhere below the interval and below an hour, so that many registries that
 * are started at once do not search at once. */
#define PURGE_FIRST_RANDOM INT64_C(-1)

enum err_code purge_start(const struct purge_options *o, struct purge **out, struct err *err) MUST_USE;
/* Ends after the batch under way; *p becomes NULL. */
void purge_stop(struct purge **p);

/* berth_uploads_purged_total; once a process. */
void purge_metrics_register(void);

#endif
