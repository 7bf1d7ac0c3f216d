/* SPDX-License-Identifier: Apache-2.0 */
/* control.c - the server's side of the control socket; see control.h. */
#include "cli/control.h"
#include "cli/backup_json.h"
#include "cli/serve.h"
#include "cli/verify_json.h"

#include "base/clock.h"
#include "base/log.h"
#include "registry/manifest.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BODY_MAX ((size_t)64 * 1024)

struct answer {
	struct http_req *req;
	int64_t told;
};

void control_tell(struct http_req *req, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);

	json_decref(line);
	if (!text)
		return;
	http_stream_write(req, slice_cstr(text));
	http_stream_write(req, SLICE("\n"));
	free(text);
}

static json_t *report_json(const struct gc_report *r)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "reviewed", (json_int_t)r->reviewed, "waiting",
	    (json_int_t)r->waiting, "manifests", (json_int_t)r->manifests, "links", (json_int_t)r->links, "blobs",
	    (json_int_t)r->blobs, "bytes", (json_int_t)r->bytes, "stuck", (json_int_t)r->stuck);
}

static bool on_progress(const struct gc_report *r, void *arg)
{
	struct answer *a = arg;

	if (clock_mono() - a->told >= CONTROL_TELL_INTERVAL) {
		a->told = clock_mono();
		control_tell(a->req, report_json(r));
		http_stream_flush(a->req);
	}
	return http_stream_ok(a->req); /* whoever asked went away: enough */
}

static void on_removed(const char *kind, struct slice repo, const struct digest *d, uint64_t size, void *arg)
{
	struct answer *a = arg;
	char text[DIGEST_TEXT];

	control_tell(a->req, json_pack("{s:s,s:s%,s:s,s:I}", "removed", kind, "repository", repo.p ? repo.p : "",
	                         repo.n, "digest", digest_format(d, text), "size", (json_int_t)size));
}

static void run_gc(struct control *c, struct http_req *req, const json_t *parameters)
{
	struct answer a = {.req = req};
	struct gc_control control = {.progress = on_progress, .removed = on_removed, .arg = &a};
	struct gc_rules rules;
	struct gc_report report;
	struct err err = {0};
	json_t *last;

	serve_gc_rules(c->cfg, &rules);
	rules.gentle = true;
	rules.dry_run = json_is_true(json_object_get(parameters, "dry_run"));
	/* Of what nobody counts on nothing is kept, but pushes are under way. */
	if (json_is_true(json_object_get(parameters, "keep_promised")))
		rules.promised = rules.grace;
	if (json_is_true(json_object_get(parameters, "now")))
		rules.grace = 0;
	if (json_is_true(json_object_get(parameters, "untagged")))
		rules.untagged = 0;
	http_header_set(req, "Content-Type", SLICE("application/x-ndjson"));
	http_stream_begin(req, 200);
	if (gc_run_now(c->gc, &rules, &control, &report, &err)) {
		control_tell(req, json_pack("{s:s}", "error", err.msg));
	} else {
		last = report_json(&report);
		json_object_set_new(last, "done", json_true());
		control_tell(req, last);
	}
	http_stream_end(req);
}

/* ---- verify -------------------------------------------------------------------- */

static bool on_verify_progress(const struct verify_report *r, void *arg)
{
	struct answer *a = arg;

	if (clock_mono() - a->told >= CONTROL_TELL_INTERVAL) {
		a->told = clock_mono();
		control_tell(a->req, verify_report_json(r));
		http_stream_flush(a->req);
	}
	return http_stream_ok(a->req);
}

static void on_verify_found(const struct verify_finding *f, void *arg)
{
	struct answer *a = arg;

	control_tell(a->req, verify_finding_json(f));
	http_stream_flush(a->req);
}

static void run_verify(struct control *c, struct http_req *req, const json_t *parameters)
{
	struct answer a = {.req = req};
	struct verify_control control = {.progress = on_verify_progress, .found = on_verify_found, .arg = &a};
	json_int_t rate = json_integer_value(json_object_get(parameters, "rate"));
	struct verify_rules rules = {.bytes = json_is_true(json_object_get(parameters, "bytes")),
	    .repair = json_is_true(json_object_get(parameters, "repair")),
	    .needs = manifest_needs,
	    .rate = rate > 0 ? (uint64_t)rate : 0};
	struct verify_report report;
	struct err err = {0};
	json_t *last;

	http_header_set(req, "Content-Type", SLICE("application/x-ndjson"));
	http_stream_begin(req, 200);
	if (verify_run(c->meta, c->storage, &rules, &control, &report, &err)) {
		control_tell(req, json_pack("{s:s}", "error", err.msg));
	} else {
		last = verify_report_json(&report);
		json_object_set_new(last, "done", json_true());
		control_tell(req, last);
	}
	http_stream_end(req);
}

/* ---- backup -------------------------------------------------------------------- */

static bool on_backup_progress(const struct backup_report *r, void *arg)
{
	struct answer *a = arg;

	if (clock_mono() - a->told >= CONTROL_TELL_INTERVAL) {
		a->told = clock_mono();
		control_tell(a->req, backup_report_json(r));
		http_stream_flush(a->req);
	}
	return http_stream_ok(a->req);
}

static void on_backup_problem(const struct digest *d, const char *what, void *arg)
{
	struct answer *a = arg;
	char text[DIGEST_TEXT];

	control_tell(a->req, json_pack("{s:s,s:s}", "problem", digest_format(d, text), "what", what));
	http_stream_flush(a->req);
}

static void log_backup(const struct backup_options *o, enum err_code rc, const struct backup_report *r, struct err *err)
{
	if (rc)
		LOG_ERROR("backup failed", LOG_STR("directory", o->dest), LOG_STR("error", err->msg));
	else
		LOG_INFO("backup made", LOG_STR("directory", o->dest), LOG_STR("name", r->name),
		    LOG_INT("blobs", r->blobs), LOG_INT("bytes", r->bytes), LOG_INT("bytes_copied", r->copied),
		    LOG_INT("missing", r->missing), LOG_INT("pruned", r->pruned));
}

static void run_backup(struct control *c, struct http_req *req, const json_t *parameters)
{
	struct answer a = {.req = req};
	struct backup_control control = {.progress = on_backup_progress, .problem = on_backup_problem, .arg = &a};
	const char *dest = json_string_value(json_object_get(parameters, "dest"));
	json_int_t keep = json_integer_value(json_object_get(parameters, "keep"));
	struct backup_options o = {.root = c->cfg->storage.filesystem.rootdirectory,
	    .dest = dest ? dest : "",
	    .keep = keep > 0 && keep < UINT_MAX ? (unsigned)keep : 0,
	    .meta = c->meta,
	    .storage = c->storage};
	struct backup_report report;
	struct err err = {0};
	enum err_code rc;
	json_t *last;

	http_header_set(req, "Content-Type", SLICE("application/x-ndjson"));
	http_stream_begin(req, 200);
	gc_pause(c->gc);
	rc = backup_run(&o, &control, &report, &err);
	gc_resume(c->gc);
	log_backup(&o, rc, &report, &err);
	if (rc) {
		control_tell(req, json_pack("{s:s}", "error", err.msg));
	} else {
		last = backup_report_json(&report);
		json_object_set_new(last, "done", json_true());
		control_tell(req, last);
	}
	http_stream_end(req);
}

static const struct {
	const char *path;
	void (*run)(struct control *c, struct http_req *req, const json_t *parameters);
} commands[] = {
    {"/v1/gc", run_gc},
    {"/v1/verify", run_verify},
    {"/v1/backup", run_backup},
    {"/v1/export", control_export},
};

static void handle(struct http_req *req, void *ctx)
{
	struct slice body;
	struct err err = {0};
	json_t *parameters;
	size_t i = 0;

	http_may_block(req);
	if (slice_eq_cstr(req->path, "/v1/import") && req->method == HTTP_POST) {
		control_import(ctx, req);
		return;
	}
	while (i < ARRAY_LEN(commands) && !slice_eq_cstr(req->path, commands[i].path))
		i++;
	if (i == ARRAY_LEN(commands) || req->method != HTTP_POST) {
		http_reply(req, 404, SLICE("this berth does not know the command\n"));
		return;
	}
	if (http_body_read_all(req, BODY_MAX, &body, &err)) {
		http_reply(req, 400, slice_cstr(err.msg));
		return;
	}
	parameters = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(parameters))
		http_reply(req, 400, SLICE("the parameters are not a JSON object\n"));
	else
		commands[i].run(ctx, req, parameters);
	json_decref(parameters);
}

enum err_code control_start(struct control *c, struct err *err)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/berth/control.sock", c->cfg->storage.filesystem.rootdirectory);
	struct http_server_options o = {
	    .name = "control", .net = "unix", .addr = path, .listen_fd = -1, .handler = handle, .ctx = c};
	enum err_code rc;
	mode_t old;

	http_limits_default(&o.limits);
	o.limits.threads = 8;
	o.limits.threads_reserved = 0;
	o.limits.rate_min = 0; /* what is piped into a command may take its time */
	old = umask(0177);
	rc = http_server_start(&o, &c->server, err);
	umask(old);
	return rc ? err_context(err, "control socket") : ERR_OK;
}

void control_stop(struct control *c)
{
	if (c->server)
		http_server_stop(&c->server, clock_mono() + CLOCK_S / 2);
}
