/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.h - the health checks of the configuration (health.storagedriver,
 * file, http, tcp): one thread runs them at their intervals, anybody may ask
 * how they stand.
 *
 * Add checks, start, ask from any thread, stop. A check fails after so many
 * failures in a row as its threshold says (0 and 1 mean the first), and is well
 * again after one success. A check that does not come back (a network file
 * system that hangs) counts as failing a minute after it should have.
 */
#ifndef BERTH_JOBS_HEALTH_H
#define BERTH_JOBS_HEALTH_H

#include "base/err.h"

struct health;

struct health *health_new(void);

/* ERR_OK when all is well, else `err` says what is wrong. */
typedef enum err_code health_fn(void *arg, struct err *err);
void health_add_call(struct health *h, const char *name, int64_t interval, int64_t threshold, health_fn *fn, void *arg);
/* Fails while the file exists. */
void health_add_file(struct health *h, const char *file, int64_t interval);
/* Fails while nobody takes a connection at "host:port". */
void health_add_tcp(struct health *h, const char *addr, int64_t timeout, int64_t interval, int64_t threshold);

struct health_http {
	const char *uri;           /* for a HEAD request */
	const char *const *fields; /* "Name: value", nfields of them */
	size_t nfields;
	int status; /* expected */
	int64_t timeout, interval, threshold;
};
void health_add_http(struct health *h, const struct health_http *o);

/* Starts the thread, if there is a check; each runs once at once. */
enum err_code health_start(struct health *h, struct err *err) MUST_USE;
/* Ends the check under way and the thread; *h becomes NULL. */
void health_free(struct health **h);

/* False while a check fails; `why` then says which and what. Cheap. */
bool health_ok(struct health *h, char *why, size_t cap);
/* Calls fn for every check that fails. */
void health_each_failing(struct health *h, void (*fn)(const char *name, const char *message, void *arg), void *arg);

/* berth_health_check_failing by check; once a process. */
void health_metrics_register(void);

#endif
