/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schedule.h - one thread that calls functions at intervals.
 *
 * The functions of a schedule run one after another, each `interval` after its
 * last end; one that takes long delays the others of the same schedule.
 */
#ifndef BERTH_JOBS_SCHEDULE_H
#define BERTH_JOBS_SCHEDULE_H

#include "base/err.h"

struct schedule;

struct schedule_task {
	int64_t first;    /* delay of the first run */
	int64_t interval; /* from the end of a run to the start of the next; > 0 */
	void (*run)(void *arg);
	void *arg;
};

/* Starts the thread under this name (at most 15 characters); the tasks are copied. */
enum err_code schedule_start(
    const char *name, const struct schedule_task *tasks, size_t n, struct schedule **out, struct err *err) MUST_USE;
/* Waits for the function that is running, if one is, and ends the thread; *s becomes NULL. */
void schedule_stop(struct schedule **s);

#endif
