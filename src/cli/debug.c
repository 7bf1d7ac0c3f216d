/* SPDX-License-Identifier: Apache-2.0 */
/*
 * debug.c - what the second listener answers.
 */
#include "cli/debug.h"
#include "base/metric.h"
#include "cli/process.h"

#define BODY_MAX ((size_t)64 * 1024 * 1024)

void debug_init(struct debug *d)
{
	mutex_init(&d->lock);
}

void debug_destroy(struct debug *d)
{
	mutex_destroy(&d->lock);
}

void debug_ready(struct debug *d, struct http_server *main)
{
	mutex_lock(&d->lock);
	d->main = main;
	mutex_unlock(&d->lock);
}

void debug_stopping(struct debug *d)
{
	mutex_lock(&d->lock);
	d->main = NULL;
	d->stopping = true;
	mutex_unlock(&d->lock);
}

static void reply_text(struct http_req *req, int status, const char *type, struct slice body)
{
	http_header_set(req, "Content-Type", slice_cstr(type));
	http_header_set(req, "Cache-Control", SLICE("no-store"));
	http_reply(req, status, body);
}

static void reply_buf(struct http_req *req, int status, const char *type, const struct buf *body)
{
	if (buf_ok(body))
		reply_text(req, status, type, buf_slice(body));
	else
		reply_text(req, 503, "text/plain; charset=utf-8", SLICE("out of memory\n"));
}

static void metrics(struct http_req *req, struct debug *d)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(BODY_MAX);

	metric_write(&out);
	reply_buf(req, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

static void add_failing(const char *name, const char *message, void *arg)
{
	struct buf *out = arg;

	buf_adds(out, out->n > 1 ? "," : "");
	buf_add_json(out, slice_cstr(name));
	buf_addc(out, ':');
	buf_add_json(out, slice_cstr(message));
}

static void health(struct http_req *req, struct debug *d)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(BODY_MAX);
	bool well;

	buf_addc(&out, '{');
	health_each_failing(d->health, add_failing, &out);
	well = out.n == 1;
	buf_addc(&out, '}');
	reply_buf(req, well ? 200 : 503, "application/json; charset=utf-8", &out);
}

static void vars(struct http_req *req, struct debug *d)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(BODY_MAX);
	size_t connections, active;
	struct storage_stats storage = {0};
	struct meta_totals totals = {0};
	struct err err;

	http_may_block(req);
	mutex_lock(&d->lock);
	connections = d->main ? http_server_connections(d->main) : 0;
	active = d->main ? http_server_active(d->main) : 0;
	mutex_unlock(&d->lock);
	storage_get_stats(d->storage, &storage);
	if (meta_totals_get(d->meta, &totals, &err) != ERR_OK) {
		reply_text(req, 503, "text/plain; charset=utf-8", slice_cstr(err.msg));
		return;
	}
	buf_addf(&out, "{\"version\":\"%s\",\"uptime_seconds\":%.3f,\"threads\":%u,", BERTH_VERSION, process_uptime(),
	    process_threads());
	buf_addf(&out, "\"http\":{\"connections\":%zu,\"active_requests\":%zu},", connections, active);
	buf_addf(&out,
	    "\"registry\":{\"repositories\":%llu,\"manifests\":%llu,\"tags\":%llu,\"blobs\":%llu,\"blob_bytes\":%llu},",
	    (unsigned long long)totals.repositories, (unsigned long long)totals.manifests,
	    (unsigned long long)totals.tags, (unsigned long long)totals.blobs, (unsigned long long)totals.blob_bytes);
	buf_addf(&out, "\"storage\":{\"bytes_free\":%llu,\"bytes_total\":%llu}}\n",
	    (unsigned long long)storage.bytes_free, (unsigned long long)storage.bytes_total);
	reply_buf(req, 200, "application/json; charset=utf-8", &out);
}

static void livez(struct http_req *req, struct debug *d)
{
	reply_text(req, 200, "text/plain; charset=utf-8", SLICE("ok\n"));
}

static void add_line(const char *name, const char *message, void *arg)
{
	buf_addf(arg, "%s: %s\n", name, message);
}

static void readyz(struct http_req *req, struct debug *d)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(BODY_MAX);
	struct err err = {0};

	http_may_block(req);
	mutex_lock(&d->lock);
	if (!d->main)
		buf_addf(&out, "the server is %s\n", d->stopping ? "stopping" : "starting");
	mutex_unlock(&d->lock);
	if (storage_check(d->storage, &err) != ERR_OK)
		buf_addf(&out, "storage: %s\n", err.msg);
	if (meta_check(d->meta, &err) != ERR_OK)
		buf_addf(&out, "database: %s\n", err.msg);
	health_each_failing(d->health, add_line, &out);
	if (out.n == 0)
		reply_text(req, 200, "text/plain; charset=utf-8", SLICE("ok\n"));
	else
		reply_buf(req, 503, "text/plain; charset=utf-8", &out);
}

void debug_handle(struct http_req *req, void *ctx)
{
	static const struct {
		const char *path;
		void (*answer)(struct http_req *req, struct debug *d);
	} routes[] = {{"/debug/health", health}, {"/debug/vars", vars}, {"/livez", livez}, {"/readyz", readyz}};
	struct debug *d = ctx;
	void (*answer)(struct http_req *, struct debug *) = NULL;

	if (d->metrics_path && slice_eq_cstr(req->path, d->metrics_path))
		answer = metrics;
	for (size_t i = 0; !answer && i < ARRAY_LEN(routes); i++)
		if (slice_eq_cstr(req->path, routes[i].path))
			answer = routes[i].answer;
	if (!answer) {
		reply_text(req, 404, "text/plain; charset=utf-8", SLICE("not found\n"));
	} else if (req->method != HTTP_GET && req->method != HTTP_HEAD) {
		http_header_set(req, "Allow", SLICE("GET, HEAD"));
		reply_text(req, 405, "text/plain; charset=utf-8", SLICE("only GET and HEAD are answered here\n"));
	} else {
		answer(req, d);
	}
}
