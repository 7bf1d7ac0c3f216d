/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.c - what the metadata layer tells the scraper. The totals are read
 * from their row at scrape time; the rest is counted as it happens.
 */
#include "base/metric.h"
#include "base/sync.h"
#include "meta/meta.h"
#include "meta/meta_priv.h"

static pthread_mutex_t watch_lock = PTHREAD_MUTEX_INITIALIZER;
static struct meta *watched; /* guarded by watch_lock, which scrapes hold: it cannot close meanwhile */

void metrics_watch(struct meta *m)
{
	mutex_lock(&watch_lock);
	if (!watched) /* a second one, such as a copy for a backup, is not what the scraper asks about */
		watched = m;
	mutex_unlock(&watch_lock);
}

void metrics_unwatch(struct meta *m)
{
	mutex_lock(&watch_lock);
	if (watched == m)
		watched = NULL;
	mutex_unlock(&watch_lock);
}

/* The gauges: `arg` is the offset of a field of struct meta_totals. */
static double total(void *arg)
{
	size_t offset = (size_t)(uintptr_t)arg;
	struct meta_totals t = {0};
	mutex_lock(&watch_lock);
	if (watched && meta_totals_get(watched, &t, NULL) != ERR_OK)
		t = (struct meta_totals){0};
	mutex_unlock(&watch_lock);
	uint64_t v;
	memcpy(&v, (const char *)&t + offset, sizeof(v));
	return (double)v;
}

static double database_bytes(void *arg)
{
	mutex_lock(&watch_lock);
	double v = watched ? (double)engine_bytes(watched->engine) : 0;
	mutex_unlock(&watch_lock);
	return v;
}

static const double batch_buckets[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 0};
static const double commit_buckets[] = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 0};

#define TOTAL(field) .type = METRIC_GAUGE, .collect = total, .collect_arg = (void *)offsetof(struct meta_totals, field)

enum { F_BATCH, F_COMMIT, F_FAILED, F_WAITS, F_GAUGES };
static struct metric_family families[] = {
    [F_BATCH] = {.name = "berth_meta_batch_writes",
        .help = "Writes that shared one transaction of the metadata database.",
        .type = METRIC_HISTOGRAM,
        .buckets = batch_buckets},
    [F_COMMIT] = {.name = "berth_meta_commit_seconds",
        .help = "Time of one commit of the metadata database, the sync included.",
        .type = METRIC_HISTOGRAM,
        .buckets = commit_buckets},
    [F_FAILED] = {.name = "berth_meta_failed_writes_total",
        .help = "Writes that were lost to a failure of the metadata database and reported as such.",
        .type = METRIC_COUNTER},
    [F_WAITS] = {.name = "berth_meta_reader_waits_total",
        .help = "Reads that had to wait for a connection to the metadata database.",
        .type = METRIC_COUNTER},
    [F_GAUGES] = {.name = "berth_meta_database_bytes",
        .help = "Bytes of the metadata database and its write-ahead log.",
        .type = METRIC_GAUGE,
        .collect = database_bytes},
    {.name = "berth_repositories", .help = "Repositories.", TOTAL(repositories)},
    {.name = "berth_manifests", .help = "Manifests in all repositories.", TOTAL(manifests)},
    {.name = "berth_tags", .help = "Tags in all repositories.", TOTAL(tags)},
    {.name = "berth_blobs", .help = "Distinct blobs.", TOTAL(blobs)},
    {.name = "registry_storage_size_bytes", .help = "Bytes of all distinct blobs.", TOTAL(blob_bytes)},
};

/* Set once by meta_metrics_register, before threads start. */
static struct metric_value *values[F_GAUGES];

void meta_metrics_register(void)
{
	metric_register(families, ARRAY_LEN(families));
	for (size_t i = 0; i < F_GAUGES; i++)
		values[i] = metric_child(&families[i], NULL);
}

void metrics_batch(size_t items, double commit_seconds)
{
	if (!values[F_BATCH])
		return;
	metric_observe(values[F_BATCH], (double)items);
	metric_observe(values[F_COMMIT], commit_seconds);
}

void metrics_write_failed(size_t items)
{
	if (values[F_FAILED])
		metric_add(values[F_FAILED], (double)items);
}

void metrics_reader_waited(void)
{
	if (values[F_WAITS])
		metric_inc(values[F_WAITS]);
}
