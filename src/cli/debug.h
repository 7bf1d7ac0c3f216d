/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.h - the second listener (http.debug.addr), for operators and their
 * machines only: health, readiness, metrics.
 *
 *   /metrics (http.debug.prometheus.path)  all series, Prometheus text format
 *   /debug/health   200 `{}`, or 503 and an object of failing check -> message
 *   /debug/vars     a few numbers about the process, JSON
 *   /livez          200 as long as the process answers
 *   /readyz         200 while storage and database answer and no health check
 *                   fails, 503 otherwise and while the process stops
 */
#ifndef BERTH_CLI_DEBUG_H
#define BERTH_CLI_DEBUG_H

#include "base/sync.h"
#include "http/server.h"
#include "jobs/health.h"
#include "meta/meta.h"
#include "storage/storage.h"

struct debug {
	/* Constant while the server runs. */
	const char *metrics_path; /* NULL: no metrics are served */
	struct meta *meta;
	struct storage *storage;
	struct health *health;
	/* Under the lock. */
	pthread_mutex_t lock;
	struct http_server *main; /* NULL until it listens, and while it stops */
	bool stopping;
};

void debug_init(struct debug *d);
void debug_destroy(struct debug *d);
/* The main server listens. */
void debug_ready(struct debug *d, struct http_server *main);
/* It is about to stop; after this it is not touched any more. */
void debug_stopping(struct debug *d);

/* An http_handler; ctx is the struct debug. */
void debug_handle(struct http_req *req, void *ctx);

#endif
