/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrub.h - the verification of every byte on a schedule (berth.scrub), at a
 * bounded rate, so that damage is found before somebody needs the image. What
 * it finds is in the log and in berth_scrub_*; with quarantine, damaged blobs
 * are put aside (verify.h).
 *
 * The time of the last complete run is kept in the metadata: a restart does not
 * begin again.
 */
#ifndef BERTH_JOBS_SCRUB_H
#define BERTH_JOBS_SCRUB_H

#include "jobs/verify.h"

struct scrub;

struct scrub_options {
	struct meta *meta;
	struct storage *storage;
	int64_t interval; /* from the start of one run to the next */
	uint64_t rate;    /* bytes a second */
	bool quarantine;
};

enum err_code scrub_start(const struct scrub_options *o, struct scrub **out, struct err *err) MUST_USE;
/* Ends the run under way and the thread; *s becomes NULL. */
void scrub_stop(struct scrub **s);

/* berth_scrub_*; once a process. */
void scrub_metrics_register(void);

#endif
