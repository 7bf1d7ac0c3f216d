/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric.h - counters, gauges and histograms in the Prometheus text format
 * (exposition format 0.0.4).
 *
 * A module declares its series in one `struct metric_family` table, registers
 * it once at start with metric_register(), and updates values with atomic
 * operations: no lock on the hot path. Label sets are declared in advance as
 * the rows of a family, which keeps cardinality bounded; families whose rows
 * are not known in advance grow by metric_child() under a lock.
 */
#ifndef BERTH_BASE_METRIC_H
#define BERTH_BASE_METRIC_H

#include "base/buf.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_MAX_LABELS 4
#define METRIC_MAX_BUCKETS 16

struct metric_value; /* one row: counter, gauge or histogram */

struct metric_family {
	const char *name; /* "registry_http_requests_total" */
	const char *help;
	enum metric_type type;
	const char *labels[METRIC_MAX_LABELS]; /* label names, NULL-terminated when fewer */
	const double *buckets;                 /* histograms: upper bounds, ascending, ended by 0 */
	double (*collect)(void *arg);          /* gauges without labels: asked at scrape time */
	void *collect_arg;
	struct metric_family *next;  /* private */
	struct metric_value *values; /* private */
};

/* Adds the families to the process's list; each lives until the process ends.
 * Call once each, before threads start. */
void metric_register(struct metric_family *families, size_t n);

/* The row with these label values (as many as the family has labels), created
 * on first use. Thread-safe; keep the pointer where the path is hot. */
struct metric_value *metric_child(struct metric_family *f, const char *const *label_values);

void metric_add(struct metric_value *v, double delta); /* counters and gauges */
void metric_inc(struct metric_value *v);
void metric_set(struct metric_value *v, double value);     /* gauges */
void metric_observe(struct metric_value *v, double value); /* histograms */
double metric_get(const struct metric_value *v);

/* Appends all families in the text format, and the process_* series. */
void metric_write(struct buf *out);
/* Calls fn for every registered family in the order of registration. */
void metric_each(void (*fn)(const struct metric_family *f, void *arg), void *arg);

#endif
