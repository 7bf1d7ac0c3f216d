/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_archive.c - archives of images through the control socket: the side
 * of the server; see control.h. The command takes the archive apart or packs it;
 * what goes over the socket are files.
 */
#include "archive/frames.h"
#include "base/clock.h"
#include "base/log.h"
#include "cli/control.h"
#include "transfer/load.h"
#include "transfer/save.h"

#include <stdlib.h>
#include <string.h>

/* ---- import ------------------------------------------------------------------------ */

#define PARAMETERS_MAX ((size_t)8 * 1024)

struct importing {
	struct http_req *req;
	int64_t told;
	uint64_t images;
};

static enum err_code read_body(void *arg, void *p, size_t n, size_t *got, struct err *err)
{
	return http_body_read(arg, p, n, got, err);
}

/* The answer begins only when the archive has been read: before, an error is all of it. */
static void begin_answer(struct http_req *req)
{
	if (http_replied(req))
		return;
	http_header_set(req, "Content-Type", SLICE("application/x-ndjson"));
	http_stream_begin(req, 200);
}

static bool on_stored(uint64_t blobs, uint64_t total, void *arg)
{
	struct importing *i = arg;

	begin_answer(i->req);
	if (clock_mono() - i->told >= CONTROL_TELL_INTERVAL) {
		i->told = clock_mono();
		control_tell(i->req, json_pack("{s:I,s:I}", "blobs", (json_int_t)blobs, "total", (json_int_t)total));
		http_stream_flush(i->req);
	}
	return http_stream_ok(i->req);
}

static void on_image(const struct load_image *image, void *arg)
{
	struct importing *i = arg;
	char text[DIGEST_TEXT];

	digest_format(&image->digest, text);
	i->images++;
	LOG_INFO("image imported", LOG_STR("repository", image->repo), LOG_STR("tag", image->tag ? image->tag : ""),
	    LOG_STR("digest", text));
	begin_answer(i->req);
	control_tell(i->req, json_pack("{s:s,s:s,s:s,s:I,s:I,s:I}", "repository", image->repo, "tag",
	                         image->tag ? image->tag : "", "digest", text, "blobs", (json_int_t)image->blobs,
	                         "bytes", (json_int_t)image->bytes, "present", (json_int_t)image->present));
	http_stream_flush(i->req);
}

/* Notes come before the first image is stored, when all of the body was read. */
static void on_note(const char *what, void *arg)
{
	struct importing *i = arg;

	begin_answer(i->req);
	control_tell(i->req, json_pack("{s:s}", "note", what));
}

/* The line of parameters, and what came behind it. */
static enum err_code read_parameters(struct http_req *req, json_t **out, struct slice *rest, struct err *err)
{
	char *p = arena_alloc(req->arena, PARAMETERS_MAX);
	size_t n = 0, got = 1;
	enum err_code rc = p ? ERR_OK : err_set(err, ERR_NO_MEMORY, "out of memory");

	while (rc == ERR_OK && got && n < PARAMETERS_MAX && !memchr(p, '\n', n)) {
		rc = http_body_read(req, p + n, PARAMETERS_MAX - n, &got, err);
		n += rc ? 0 : got;
	}
	if (rc)
		return rc;
	*rest = slice_of(p, n);
	*out = json_loadb(p, slice_cut(rest, '\n').n, JSON_REJECT_DUPLICATES, NULL);
	return rest->p && json_is_object(*out) ? ERR_OK
	                                       : err_set(err, ERR_INVALID, "the parameters are not a JSON object");
}

static enum err_code import(struct control *c, struct importing *i, json_t **parameters, struct err *err)
{
	struct load_options o = {.registry = c->registry};
	struct load_control control = {.progress = on_stored, .image = on_image, .note = on_note, .arg = i};
	struct source *s = NULL;
	struct slice rest;
	enum err_code rc;

	if (c->cfg->storage.maintenance.readonly.enabled)
		return err_set(err, ERR_DENIED,
		    "the registry is read-only (storage.maintenance.readonly.enabled), so nothing can be imported");
	rc = read_parameters(i->req, parameters, &rest, err);
	if (rc == ERR_OK) {
		o.name = json_string_value(json_object_get(*parameters, "name"));
		rc = source_open_frames(read_body, i->req, rest, &s, err);
	}
	if (rc == ERR_OK)
		rc = load_run(&o, s, &control, err);
	source_close(&s);
	return rc;
}

void control_import(struct control *c, struct http_req *req)
{
	struct importing i = {.req = req};
	json_t *parameters = NULL;
	struct err err = {0};
	enum err_code rc = import(c, &i, &parameters, &err);

	json_decref(parameters);
	if (rc)
		LOG_WARN("import failed", LOG_INT("images", i.images), LOG_STR("error", err.msg));
	http_close_after(req);
	begin_answer(req);
	control_tell(req, rc ? json_pack("{s:s}", "error", err.msg) : json_pack("{s:b}", "done", 1));
	http_stream_end(req);
}

/* ---- export --------------------------------------------------------------------------- */

/* Files as they go to the command. */
struct export_sink {
	struct sink base; /* first */
	struct http_req *req;
};

static enum err_code send(void *arg, const void *p, size_t n, struct err *err)
{
	struct http_req *req = arg;

	http_stream_write(req, slice_of(p, n));
	return http_stream_ok(req) ? ERR_OK : err_set(err, ERR_CLOSED, "the command went away");
}

static enum err_code export_begin(struct sink *s, const char *path, uint64_t size, struct err *err)
{
	return frames_file(send, ((struct export_sink *)s)->req, path, size, err);
}

static enum err_code export_write(struct sink *s, const void *p, size_t n, struct err *err)
{
	return send(((struct export_sink *)s)->req, p, n, err);
}

static enum err_code export_end(struct sink *s, struct err *err)
{
	return ERR_OK;
}

static enum err_code export_finish(struct sink *s, struct err *err)
{
	return frames_end(send, ((struct export_sink *)s)->req, err);
}

static void export_close(struct sink *s)
{
}

/* Borrowed from the parameters; the caller frees the array. */
static const char **names_of(const json_t *parameters, size_t *n)
{
	const json_t *list = json_object_get(parameters, "images");
	const char **names = xcalloc(json_array_size(list) + 1, sizeof(*names));

	*n = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		names[*n] = json_string_value(json_array_get(list, i));
		*n += names[*n] != NULL;
	}
	return names;
}

void control_export(struct control *c, struct http_req *req, const json_t *parameters)
{
	static const struct sink_ops ops = {export_begin, export_write, export_end, export_finish, export_close};
	struct export_sink s = {.base = {.ops = &ops}, .req = req};
	struct save_options o = {.meta = c->meta, .storage = c->storage};
	CLEANUP(free_ptr) const char **names = names_of(parameters, &o.nnames);
	struct save_control control = {0};
	struct save_report report;
	struct err err = {0};
	enum err_code rc;

	o.names = names;
	http_header_set(req, "Content-Type", SLICE("application/octet-stream"));
	http_stream_begin(req, 200);
	gc_pause(c->gc);
	rc = save_run(&o, &s.base, &control, &report, &err);
	gc_resume(c->gc);
	if (rc == ERR_OK)
		rc = sink_finish(&s.base, &err);
	if (rc) {
		LOG_WARN("export failed", LOG_STR("error", err.msg));
		(void)!frames_error(send, req, err.msg, NULL);
	} else {
		LOG_INFO("images exported", LOG_INT("tags", report.tags), LOG_INT("manifests", report.manifests),
		    LOG_INT("blobs", report.blobs), LOG_INT("bytes", report.bytes));
	}
	http_stream_end(req);
}
