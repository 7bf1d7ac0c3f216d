/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.c - the registry_http_* series that dashboards of registry:2 use, and
 * registry_requests_total.
 */
#include "registry/registry_priv.h"
#include "base/clock.h"
#include "base/metric.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const double second_buckets[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 0};
static const double byte_buckets[] = {1024, 8192, 65536, 1048576, 8388608, 67108864, 536870912, 4294967296.0, 0};

enum family { F_REQUESTS, F_TOTAL, F_IN_FLIGHT, F_DURATION, F_REQUEST_SIZE, F_RESPONSE_SIZE, F_COUNT };
static struct metric_family families[F_COUNT] = {
    [F_REQUESTS] = {.name = "registry_http_requests_total",
        .help = "Requests answered.",
        .type = METRIC_COUNTER,
        .labels = {"handler", "method", "code"}},
    [F_TOTAL] = {.name = "registry_requests_total",
        .help = "Requests answered, by method and status.",
        .type = METRIC_COUNTER,
        .labels = {"method", "status"}},
    [F_IN_FLIGHT] = {.name = "registry_http_in_flight_requests",
        .help = "Requests being handled.",
        .type = METRIC_GAUGE,
        .labels = {"handler"}},
    [F_DURATION] = {.name = "registry_http_request_duration_seconds",
        .help = "Time from the complete request head to the end of the answer.",
        .type = METRIC_HISTOGRAM,
        .labels = {"handler", "method"},
        .buckets = second_buckets},
    [F_REQUEST_SIZE] = {.name = "registry_http_request_size_bytes",
        .help = "Bytes of request bodies.",
        .type = METRIC_HISTOGRAM,
        .labels = {"handler"},
        .buckets = byte_buckets},
    [F_RESPONSE_SIZE] = {.name = "registry_http_response_size_bytes",
        .help = "Bytes of response bodies.",
        .type = METRIC_HISTOGRAM,
        .labels = {"handler"},
        .buckets = byte_buckets},
};

/* Rows are looked up once per combination and kept: the way from a request to
 * its counters must not walk lists. */
static const char *const labels[] = {
    "base", "catalog", "tags", "manifest", "referrers", "blob_upload", "blob_upload_chunk", "blob", "root", "none"};
static const char *const methods[HTTP_METHODS] = {"get", "head", "post", "put", "patch", "delete", "options", "other"};
#define STATUSES 500 /* 100 to 599 */

static _Atomic(struct metric_value *) requests[ARRAY_LEN(labels)][HTTP_METHODS][STATUSES];
static _Atomic(struct metric_value *) totals[HTTP_METHODS][STATUSES];
static _Atomic(struct metric_value *) in_flight[ARRAY_LEN(labels)];
static _Atomic(struct metric_value *) durations[ARRAY_LEN(labels)][HTTP_METHODS];
static _Atomic(struct metric_value *) sizes[2][ARRAY_LEN(labels)];

void registry_metrics_register(void)
{
	metric_register(families, F_COUNT);
}

static struct metric_value *row(
    _Atomic(struct metric_value *) *slot, enum family f, const char *a, const char *b, const char *code)
{
	struct metric_value *v = atomic_load_explicit(slot, memory_order_acquire);
	const char *values[] = {a, b, code};

	if (!v) {
		v = metric_child(&families[f], values);
		atomic_store_explicit(slot, v, memory_order_release);
	}
	return v;
}

static size_t label_index(const char *route)
{
	size_t i = 0;

	while (i < ARRAY_LEN(labels) - 1 && (!route || strcmp(labels[i], route) != 0))
		i++;
	return i;
}

void stats_in_flight(const char *route, int change)
{
	size_t l = label_index(route);

	metric_add(row(&in_flight[l], F_IN_FLIGHT, labels[l], NULL, NULL), change);
}

void registry_count(const struct http_req *req)
{
	size_t l = label_index(req->route), m = (size_t)req->method;
	int status = req->status >= 100 && req->status < 100 + STATUSES ? req->status : 599;
	char code[8];

	snprintf(code, sizeof(code), "%d", status);
	metric_inc(row(&requests[l][m][status - 100], F_REQUESTS, labels[l], methods[m], code));
	metric_inc(row(&totals[m][status - 100], F_TOTAL, methods[m], code, NULL));
	metric_observe(row(&durations[l][m], F_DURATION, labels[l], methods[m], NULL),
	    (double)(clock_mono() - req->started) / CLOCK_S);
	metric_observe(row(&sizes[0][l], F_REQUEST_SIZE, labels[l], NULL, NULL), (double)req->bytes_in);
	metric_observe(row(&sizes[1][l], F_RESPONSE_SIZE, labels[l], NULL, NULL), (double)req->bytes_out);
}
