/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reason.c - the texts of the tables of reason.h and the metric families of
 * the HTTP server. Nothing here is on the path of a successful request:
 * connections and bytes are published by the housekeeping thread.
 */
#include "http/reason.h"

#include "base/metric.h"
#include "http/server.h"

static const struct {
	int status;
	const char *label, *message;
} refusals[REFUSE_COUNT] = {
#define X(name, status_, label_, message_) [REFUSE_##name] = {.status = status_, .label = label_, .message = message_},
    HTTP_REFUSALS(X)
#undef X
};

static const char *const closes[CLOSE_COUNT] = {
#define X(name, label_) [CLOSE_##name] = label_,
    HTTP_CLOSES(X)
#undef X
};

enum { FAM_REFUSED, FAM_CLOSED, FAM_CONNECTIONS, FAM_THREADS, FAM_ACCEPTED, FAM_BYTES, FAM_COUNT };

static struct metric_family families[FAM_COUNT] = {
    [FAM_REFUSED] = {.name = "berth_http_refused_total",
        .help = "Requests the HTTP server refused by itself, by reason",
        .type = METRIC_COUNTER,
        .labels = {"reason"}},
    [FAM_CLOSED] = {.name = "berth_http_closed_total",
        .help = "Connections closed, by reason",
        .type = METRIC_COUNTER,
        .labels = {"reason"}},
    [FAM_CONNECTIONS] = {.name = "berth_http_connections",
        .help = "Connections open, by server and state",
        .type = METRIC_GAUGE,
        .labels = {"server", "state"}},
    [FAM_THREADS] = {.name = "berth_http_threads",
        .help = "Worker threads, by server",
        .type = METRIC_GAUGE,
        .labels = {"server"}},
    [FAM_ACCEPTED] = {.name = "berth_http_accepted_total",
        .help = "Connections accepted, by server",
        .type = METRIC_COUNTER,
        .labels = {"server"}},
    [FAM_BYTES] = {.name = "berth_http_body_bytes_total",
        .help = "Bytes of request and answer bodies, by server and direction",
        .type = METRIC_COUNTER,
        .labels = {"server", "direction"}},
};

/* Written once, before threads start. */
static struct metric_value *refused[REFUSE_COUNT], *closed[CLOSE_COUNT];

void http_metrics_register(void)
{
	metric_register(families, FAM_COUNT);
	for (int i = REFUSE_NONE + 1; i < REFUSE_COUNT; i++)
		refused[i] = metric_child(&families[FAM_REFUSED], (const char *const[]){refusals[i].label});
	for (int i = 0; i < CLOSE_COUNT; i++)
		closed[i] = metric_child(&families[FAM_CLOSED], (const char *const[]){closes[i]});
}

int refuse_status(enum refuse why)
{
	return refusals[why].status;
}

const char *refuse_label(enum refuse why)
{
	return refusals[why].label;
}

const char *refuse_message(enum refuse why)
{
	return refusals[why].message;
}

void refuse_count(enum refuse why)
{
	if (refused[why] != NULL)
		metric_inc(refused[why]);
}

void close_count(enum close_reason why)
{
	if (closed[why] != NULL)
		metric_inc(closed[why]);
}

static struct metric_value *child(int family, const char *a, const char *b)
{
	return metric_child(&families[family], (const char *const[]){a, b});
}

void census_publish(const char *server, const struct http_census *c)
{
	if (closed[0] == NULL)
		return; /* the metrics are not in use */
	metric_set(child(FAM_CONNECTIONS, server, "idle"), (double)c->idle);
	metric_set(child(FAM_CONNECTIONS, server, "head"), (double)c->head);
	metric_set(child(FAM_CONNECTIONS, server, "handshake"), (double)c->handshake);
	metric_set(child(FAM_CONNECTIONS, server, "active"), (double)c->active);
	metric_set(child(FAM_CONNECTIONS, server, "closing"), (double)c->closing);
	metric_set(child(FAM_THREADS, server, NULL), (double)c->threads);
	metric_add(child(FAM_ACCEPTED, server, NULL), (double)c->accepted);
	metric_add(child(FAM_BYTES, server, "in"), (double)c->received);
	metric_add(child(FAM_BYTES, server, "out"), (double)c->sent);
}
