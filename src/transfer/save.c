/* SPDX-License-Identifier: Apache-2.0 */
/* save.c - plans and writes; see save.h. */
#include "transfer/save_priv.h"

#include <stdlib.h>
#include <string.h>

#define STEP ((size_t)256 * 1024)
#define ARENA_MAX ((size_t)512 << 20)

static int compare_files(const void *a, const void *b)
{
	const struct save_file *x = a, *y = b;

	/* The order of the names: sha256 comes before sha512, and hex as the bytes do. */
	if (x->digest.alg != y->digest.alg)
		return (int)x->digest.alg - (int)y->digest.alg;
	return memcmp(x->digest.bytes, y->digest.bytes, sizeof(x->digest.bytes));
}

static enum err_code tell(struct save *s, size_t n, struct err *err)
{
	s->report->bytes += n;
	if (s->control->progress && !s->control->progress(s->report, s->control->arg))
		return err_set(err, ERR_CLOSED, "interrupted");
	return ERR_OK;
}

static enum err_code write_text(struct sink *out, const char *path, struct slice text, struct err *err)
{
	enum err_code rc = sink_begin(out, path, text.n, err);

	if (rc == ERR_OK)
		rc = sink_write(out, text.p, text.n, err);
	return rc ? rc : sink_end(out, err);
}

static enum err_code damaged(struct save *s, const struct save_file *f, struct err *err)
{
	char image[SAVE_TEXT], text[DIGEST_TEXT];

	return err_set(err, ERR_CORRUPT,
	    "%s: the blob %s is damaged in the storage; pushing the image again heals it, `berth verify --blobs` names all that "
	    "is damaged",
	    save_top_text(s, &s->tops[f->top], image), digest_format(&f->digest, text));
}

static enum err_code copy_blob(
    struct save *s, const struct save_file *f, struct storage_blob *b, char *p, struct sink *out, struct err *err)
{
	struct hasher *hasher = hasher_new(f->digest.alg);
	struct digest real;
	uint64_t at = 0;
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && at < f->size) {
		size_t want = f->size - at < STEP ? (size_t)(f->size - at) : STEP, got;

		rc = storage_read(b, at, p, want, &got, err);
		if (rc || got == 0) {
			rc = damaged(s, f, err);
			break;
		}
		hasher_update(hasher, p, got);
		at += got;
		rc = sink_write(out, p, got, err);
		if (rc == ERR_OK)
			rc = tell(s, got, err);
	}
	hasher_digest(hasher, &real);
	hasher_free(&hasher);
	if (rc == ERR_OK && !digest_eq(&real, &f->digest))
		rc = damaged(s, f, err);
	return rc;
}

static enum err_code write_blob(struct save *s, const struct save_file *f, char *p, struct sink *out, struct err *err)
{
	char path[SAVE_PATH], image[SAVE_TEXT];
	struct storage_blob b;
	enum err_code rc = storage_open(s->o->storage, &f->digest, &b, err);

	if (rc) {
		err_context(err, "%s", save_top_text(s, &s->tops[f->top], image));
		return rc;
	}
	rc = b.size == f->size ? sink_begin(out, save_path(&f->digest, path), f->size, err) : damaged(s, f, err);
	if (rc == ERR_OK)
		rc = copy_blob(s, f, &b, p, out, err);
	storage_close(&b);
	return rc ? rc : sink_end(out, err);
}

static enum err_code write_manifest(struct save *s, const struct save_file *f, struct sink *out, struct err *err)
{
	char path[SAVE_PATH], image[SAVE_TEXT];
	struct meta_manifest m = {.payload = f->payload};
	struct arena a;
	enum err_code rc = ERR_OK;

	arena_init(&a, (size_t)64 << 20);
	if (!f->payload.p)
		rc = meta_manifest_get(s->o->meta, s->repos[s->tops[f->top].repo], &f->digest, true, &a, &m, err);
	if (rc)
		err_context(err, "%s: it was deleted during the export", save_top_text(s, &s->tops[f->top], image));
	else
		rc = write_text(out, save_path(&f->digest, path), m.payload, err);
	arena_free(&a);
	return rc ? rc : tell(s, (size_t)f->size, err);
}

static enum err_code write_all(struct save *s, struct sink *out, struct err *err)
{
	CLEANUP(free_ptr) char *p = xmalloc(STEP);
	enum err_code rc = ERR_OK;

	qsort(s->files, s->seen.n, sizeof(*s->files), compare_files);
	for (size_t i = 0; rc == ERR_OK && i < s->seen.n; i++) {
		const struct save_file *f = &s->files[i];

		rc = f->is_manifest ? write_manifest(s, f, out, err) : write_blob(s, f, p, out, err);
	}
	if (rc == ERR_OK)
		rc = write_text(out, "index.json", buf_slice(&s->index), err);
	if (rc == ERR_OK && s->docker.n > 2)
		rc = write_text(out, "manifest.json", buf_slice(&s->docker), err);
	if (rc == ERR_OK)
		rc = write_text(out, "oci-layout", SLICE("{\"imageLayoutVersion\":\"1.0.0\"}"), err);
	return rc;
}

enum err_code save_run(const struct save_options *o, struct sink *out, const struct save_control *control,
    struct save_report *report, struct err *err)
{
	struct save s = {.o = o, .control = control, .report = report, .index = BUF_INIT(0), .docker = BUF_INIT(0)};
	enum err_code rc;

	*report = (struct save_report){0};
	arena_init(&s.arena, ARENA_MAX);
	rc = save_plan(&s, err);
	if (rc == ERR_OK)
		rc = save_make_index(&s, err);
	if (rc == ERR_OK)
		rc = write_all(&s, out, err);
	digest_set_free(&s.visited);
	digest_set_free(&s.seen);
	free(s.visited_for);
	free(s.files);
	free(s.tops);
	free(s.repos);
	buf_free(&s.index);
	buf_free(&s.docker);
	arena_free(&s.arena);
	return rc;
}
