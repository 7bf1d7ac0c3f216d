/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_archive.c - images from and into archives; see archive.h. The archive is
 * read and written here, so that standard input and output and files that the
 * server may not touch work alike, and a running registry never unpacks one.
 */
#include "archive/frames.h"
#include "base/fsys.h"
#include "cli/archive.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/offline.h"
#include "cli/serve.h"
#include "transfer/load.h"
#include "transfer/save.h"

#include <signal.h>
#include <string.h>

/* ---- import: what is shown -------------------------------------------------------- */

struct import_call {
	const struct archive_import *a;
	struct bar bar;
	struct source *source;
	uint64_t images;
	bool unsent; /* the running registry does not listen any more */
	struct control_conn *conn;
};

static bool show_read(const struct source *s, void *arg)
{
	struct import_call *c = arg;
	char at[32], total[32];

	bar_show(&c->bar, s->at, s->total, s->total ? "%s of %s read" : "%s read", human_bytes(s->at, at),
	    human_bytes(s->total, total));
	return true;
}

static bool show_stored(uint64_t blobs, uint64_t total, void *arg)
{
	struct import_call *c = arg;

	bar_show(&c->bar, blobs, total, "%llu/%llu blobs stored", (unsigned long long)blobs, (unsigned long long)total);
	return true;
}

static void show_image(struct import_call *c, const char *repo, const char *tag, const char *digest, uint64_t blobs,
    uint64_t size, uint64_t present)
{
	char bytes[32];

	c->images++;
	if (c->a->quiet)
		return;
	bar_clear(&c->bar);
	printf("%s%s%s %s (%llu blob%s, %s; %llu %s there already)\n", repo, *tag ? ":" : "", tag, digest,
	    (unsigned long long)blobs, blobs == 1 ? "" : "s", human_bytes(size, bytes), (unsigned long long)present,
	    present == 1 ? "was" : "were");
	fflush(stdout);
}

static void show_note(struct import_call *c, const char *what)
{
	bar_clear(&c->bar);
	fprintf(stderr, "berth: %s\n", what);
}

/* ---- import: on a running registry --------------------------------------------------- */

static bool on_line(json_t *line, void *arg)
{
	struct import_call *c = arg;
	const char *repo = json_string_value(json_object_get(line, "repository"));
	const char *tag = json_string_value(json_object_get(line, "tag"));
	const char *digest = json_string_value(json_object_get(line, "digest"));
	const char *note = json_string_value(json_object_get(line, "note"));
	uint64_t blobs = (uint64_t)json_integer_value(json_object_get(line, "blobs"));

	if (note)
		show_note(c, note);
	else if (repo && digest)
		show_image(c, repo, tag ? tag : "", digest, blobs,
		    (uint64_t)json_integer_value(json_object_get(line, "bytes")),
		    (uint64_t)json_integer_value(json_object_get(line, "present")));
	else if (json_object_get(line, "total"))
		show_stored(blobs, (uint64_t)json_integer_value(json_object_get(line, "total")), c);
	return true;
}

static enum err_code send(void *arg, const void *p, size_t n, struct err *err)
{
	struct import_call *c = arg;
	enum err_code rc = control_write(c->conn, p, n, err);

	c->unsent = rc != ERR_OK;
	return rc;
}

static enum err_code import_remote(const struct config *cfg, struct import_call *c, struct err *err)
{
	json_t *parameters = c->a->name ? json_pack("{s:s}", "name", c->a->name) : json_object();
	enum err_code rc = parameters ? ERR_OK : err_set(err, ERR_INVALID, "the name is not UTF-8");

	if (rc == ERR_OK)
		rc = control_open(cfg->storage.filesystem.rootdirectory, "import", parameters, true, &c->conn, err);
	json_decref(parameters);
	if (rc)
		return rc;
	rc = frames_send(c->source, send, c, show_read, c, err);
	if (rc == ERR_OK)
		rc = frames_end(send, c, err);
	/* When it does not listen any more it has said why. */
	if (rc == ERR_OK || c->unsent) {
		rc = control_answer(c->conn, err);
		if (rc == ERR_OK)
			rc = control_lines(c->conn, on_line, c, err);
	}
	control_close(&c->conn);
	return rc == ERR_NOT_FOUND ? ERR_IO : rc;
}

/* ---- import: on a directory ------------------------------------------------------------ */

/* A source that shows how far it was read. */
struct shown_source {
	struct source base; /* first */
	struct import_call *call;
};

static enum err_code shown_next(struct source *s, struct source_entry *e, bool *end, struct err *err)
{
	return source_next(((struct shown_source *)s)->call->source, e, end, err);
}

static enum err_code shown_read(struct source *s, void *p, size_t n, size_t *got, struct err *err)
{
	struct import_call *c = ((struct shown_source *)s)->call;
	enum err_code rc = source_read(c->source, p, n, got, err);

	show_read(c->source, c);
	return rc;
}

static void on_image(const struct load_image *image, void *arg)
{
	char text[DIGEST_TEXT];

	show_image(arg, image->repo, image->tag ? image->tag : "", digest_format(&image->digest, text), image->blobs,
	    image->bytes, image->present);
}

static void on_note(const char *what, void *arg)
{
	show_note(arg, what);
}

/* As `serve` starts, so that an archive can be the first thing in a registry. */
static enum err_code open_registry(const struct config *cfg, struct offline *o, struct err *err)
{
	CLEANUP(free_ptr) char *directory = xstrdup(cfg->berth.database.path);
	char *slash = strrchr(directory, '/');
	enum err_code rc = ERR_OK;

	if (slash && slash > directory) {
		*slash = '\0';
		rc = fsys_mkdirs(directory, err);
	}
	if (rc == ERR_OK)
		rc = offline_open(cfg, o, err);
	if (rc)
		return rc;
	rc = serve_adopt(cfg, o->storage, o->meta, err);
	if (rc)
		offline_close(o);
	return rc;
}

static enum err_code import_here(const struct config *cfg, struct import_call *c, struct err *err)
{
	static const struct source_ops ops = {.next = shown_next, .read = shown_read};
	struct load_control control = {.progress = show_stored, .image = on_image, .note = on_note, .arg = c};
	struct shown_source shown = {.base = {.ops = &ops}, .call = c};
	struct registry_options registry;
	struct load_options o = {.registry = &registry, .name = c->a->name};
	struct serve_arrays arrays = {0};
	struct offline offline;
	enum err_code rc = open_registry(cfg, &offline, err);

	if (rc)
		return rc;
	serve_registry_options(cfg, &arrays, &registry);
	registry.meta = offline.meta;
	registry.storage = offline.storage;
	rc = load_run(&o, &shown.base, &control, err);
	serve_arrays_free(&arrays);
	offline_close(&offline);
	return rc;
}

/* ---- import ------------------------------------------------------------------------------ */

int archive_import(const struct archive_import *a, const char *config)
{
	struct import_call c = {.a = a};
	struct err err = {0};
	struct config *cfg;
	enum err_code rc;

	if (a->name && load_name_check(a->name, &err))
		return usage_error("import", "%s", err.msg);
	cfg = offline_config(config);
	if (!cfg)
		return EXIT_USAGE;
	signal(SIGPIPE, SIG_IGN);
	bar_init(&c.bar, !a->quiet);
	rc = source_open(a->input, &c.source, &err);
	if (rc == ERR_OK) {
		rc = import_remote(cfg, &c, &err);
		if (rc == ERR_NOT_FOUND)
			rc = import_here(cfg, &c, &err);
	}
	source_close(&c.source);
	bar_clear(&c.bar);
	config_free(&cfg);
	if (rc == ERR_OK)
		return EXIT_OK;
	fprintf(stderr, "berth: %s: %s\n",
	    c.images ? "the import stopped after what is listed above" : "nothing was imported", err.msg);
	return EXIT_FAILED;
}

/* ---- export: into what ---------------------------------------------------------------------- */

struct export_call {
	const struct archive_export *a;
	struct bar bar;
	struct sink *sink;
	uint64_t files, bytes;
};

static void show_written(struct export_call *c, uint64_t bytes, uint64_t total)
{
	char text[32];

	bar_show(&c->bar, bytes, total, "%s", human_bytes(bytes, text));
}

/* ---- export: on a running registry ------------------------------------------------------------ */

static enum err_code copy_file(
    struct export_call *c, struct source *s, const struct source_entry *e, char *p, size_t step, struct err *err)
{
	enum err_code rc = sink_begin(c->sink, e->path, e->size, err);
	bool counts = slice_starts(slice_cstr(e->path), SLICE("blobs/"));
	size_t got = 1;

	while (rc == ERR_OK && got) {
		rc = source_read(s, p, step, &got, err);
		if (rc == ERR_OK)
			rc = sink_write(c->sink, p, got, err);
		c->bytes += rc || !counts ? 0 : got;
		show_written(c, c->bytes, 0);
	}
	c->files += counts;
	return rc ? rc : sink_end(c->sink, err);
}

static enum err_code copy_all(struct export_call *c, struct source *s, struct err *err)
{
	enum { STEP = 256 * 1024 };
	CLEANUP(free_ptr) char *p = xmalloc(STEP);
	struct source_entry e;
	bool end = false;
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && !end) {
		rc = source_next(s, &e, &end, err);
		if (rc == ERR_OK && !end)
			rc = copy_file(c, s, &e, p, STEP, err);
	}
	return rc;
}

static enum err_code export_remote(const struct config *cfg, struct export_call *c, struct err *err)
{
	json_t *images = json_array(), *parameters;
	struct control_conn *conn = NULL;
	struct source *s = NULL;
	enum err_code rc;

	for (size_t i = 0; i < c->a->nimages; i++)
		json_array_append_new(images, json_string(c->a->images[i]));
	parameters = json_pack("{s:o}", "images", images);
	rc = control_open(cfg->storage.filesystem.rootdirectory, "export", parameters, false, &conn, err);
	json_decref(parameters);
	if (rc)
		return rc;
	rc = control_answer(conn, err);
	if (rc == ERR_OK)
		rc = source_open_frames(control_read, conn, SLICE_NONE, &s, err);
	if (rc == ERR_OK)
		rc = copy_all(c, s, err);
	source_close(&s);
	control_close(&conn);
	return rc == ERR_NOT_FOUND ? ERR_IO : rc;
}

/* ---- export: on a directory --------------------------------------------------------------------- */

static bool on_saved(const struct save_report *r, void *arg)
{
	show_written(arg, r->bytes, r->bytes_total);
	return true;
}

static enum err_code export_here(const struct config *cfg, struct export_call *c, struct err *err)
{
	struct save_control control = {.progress = on_saved, .arg = c};
	struct save_options o = {.names = c->a->images, .nnames = c->a->nimages};
	struct save_report report;
	struct offline offline;
	enum err_code rc;

	rc = offline_open_existing(cfg, "export from", &offline, err);
	if (rc)
		return rc;
	o.meta = offline.meta;
	o.storage = offline.storage;
	rc = save_run(&o, c->sink, &control, &report, err);
	c->files = report.manifests + report.blobs;
	c->bytes = report.bytes;
	offline_close(&offline);
	return rc;
}

/* ---- export ----------------------------------------------------------------------------------------- */

static enum err_code export_to(const struct config *cfg, struct export_call *c, struct err *err)
{
	enum err_code rc = sink_open(c->a->dest, &c->sink, err);

	if (rc)
		return rc;
	if (c->sink->directory)
		c->sink = save_into_layout(c->sink, c->a->dest);
	rc = export_remote(cfg, c, err);
	if (rc == ERR_NOT_FOUND)
		rc = export_here(cfg, c, err);
	if (rc == ERR_OK)
		rc = sink_finish(c->sink, err);
	sink_close(&c->sink);
	return rc;
}

int archive_export(const struct archive_export *a, const char *config)
{
	struct export_call c = {.a = a};
	bool piped = strcmp(a->dest, "-") == 0;
	struct err err = {0};
	char bytes[32];
	struct config *cfg;
	enum err_code rc;

	if (a->dest[0] == '\0')
		return usage_error("export", "the name of the layout is empty");
	for (size_t i = 0; i < a->nimages; i++)
		if (save_name_check(a->images[i], &err))
			return usage_error("export", "%s", err.msg);
	cfg = offline_config(config);
	if (!cfg)
		return EXIT_USAGE;
	signal(SIGPIPE, SIG_IGN);
	bar_init(&c.bar, !a->quiet);
	rc = export_to(cfg, &c, &err);
	bar_clear(&c.bar);
	config_free(&cfg);
	if (rc) {
		fprintf(stderr, "berth: the export failed: %s\n", err.msg);
		return EXIT_FAILED;
	}
	if (!a->quiet)
		fprintf(piped ? stderr : stdout, "%s: %llu blobs and manifests, %s\n",
		    piped ? "standard output" : a->dest, (unsigned long long)c.files, human_bytes(c.bytes, bytes));
	return EXIT_OK;
}
