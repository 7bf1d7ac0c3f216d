/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_files.c - the files of an archive on their way into uploads. What a file
 * is, its first bytes and its name tell: one below blobs/ is stored as it is and
 * must have the digest it is called after; elsewhere a tar is a layer of docker
 * save and is compressed on the way.
 */
#include "archive/gzip.h"
#include "transfer/load_priv.h"

#include <stdlib.h>
#include <string.h>

#define FILES_MAX 400000
#define INDEX_MAX ((size_t)16 << 20)
#define STEP ((size_t)256 * 1024)
#define TAR_BLOCK 512
#define LINKS_MAX 16

/* One file on its way. */
struct receiving {
	struct load *l;
	struct load_file *f;
	struct storage_upload *upload; /* NULL: the storage has the bytes */
	struct hasher *stored, *inner; /* of what is stored, and of the tar in it */
	struct gzip *gzip;
	uint64_t size;
};

/* ---- what a file is -------------------------------------------------------------- */

/* blobs/<algorithm>/<hex>, of an algorithm that is known. */
static bool blob_digest(struct slice path, struct digest *d)
{
	char text[DIGEST_TEXT + 8];
	struct slice first = slice_cut(&path, '/'), alg = slice_cut(&path, '/');
	int n = snprintf(text, sizeof(text), "%.*s:%.*s", SLICE_ARG(alg), SLICE_ARG(path));

	return slice_eq_cstr(first, "blobs") && path.p && n > 0 && (size_t)n < sizeof(text) &&
	       digest_parse(slice_cstr(text), d) == DIGEST_VALID;
}

/* POSIX.1-1988, ustar: the checksum counts its own field as spaces. Zeros end an
 * archive, also an empty one. */
static bool is_tar(const char *p, size_t n)
{
	unsigned long sum = 0, said = 0;
	bool zeros = true;

	if (n < TAR_BLOCK)
		return false;
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		sum += i >= 148 && i < 156 ? ' ' : (unsigned char)p[i];
		zeros &= p[i] == 0;
	}
	for (size_t i = 148; i < 156; i++) {
		if (p[i] >= '0' && p[i] <= '7')
			said = said * 8 + (unsigned long)(p[i] - '0');
	}
	return zeros || sum == said;
}

static enum load_form form_of(const char *p, size_t n)
{
	if (n >= 3 && memcmp(p, "\x1f\x8b\x08", 3) == 0)
		return LOAD_GZIP;
	return is_tar(p, n) ? LOAD_TAR : LOAD_AS_IT_IS;
}

/* Files of docker save that say nothing which is not elsewhere. */
static bool is_useless(struct slice path)
{
	static const char *const names[] = {"oci-layout", "repositories", "VERSION", "json"};
	ssize_t slash = slice_rfind(path, '/');

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (slice_eq_cstr(slice_from(path, (size_t)(slash + 1)), names[i]))
			return true;
	}
	return false;
}

/* ---- one file ---------------------------------------------------------------------- */

static enum err_code put(struct receiving *r, const void *p, size_t n, struct err *err)
{
	enum err_code rc = r->upload ? storage_upload_write(r->upload, p, n, err) : ERR_OK;

	if (rc == ERR_OK) {
		hasher_update(r->stored, p, n);
		r->size += n;
	}
	return rc;
}

static enum err_code on_compressed(void *arg, const void *p, size_t n, struct err *err)
{
	return put(arg, p, n, err);
}

static enum err_code on_uncompressed(void *arg, const void *p, size_t n, struct err *err)
{
	struct receiving *r = arg;

	hasher_update(r->inner, p, n);
	return ERR_OK;
}

static enum err_code pass(struct receiving *r, const void *p, size_t n, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (r->f->form == LOAD_TAR)
		hasher_update(r->inner, p, n);
	else
		rc = put(r, p, n, err);
	return rc == ERR_OK && r->gzip ? gzip_write(r->gzip, p, n, err) : rc;
}

/* As many bytes as there are, up to STEP. */
static enum err_code fill(struct source *s, char *p, size_t *n, struct err *err)
{
	enum err_code rc = ERR_OK;
	size_t got = 1;

	*n = 0;
	while (rc == ERR_OK && got && *n < STEP) {
		rc = source_read(s, p + *n, STEP - *n, &got, err);
		*n += rc ? 0 : got;
	}
	return rc;
}

static enum err_code begin(struct receiving *r, const struct source_entry *e, const char *p, size_t n, struct err *err)
{
	struct storage *storage = r->l->o->registry->storage;
	struct load_file *f = r->f;
	uint64_t have;

	f->is_blob = blob_digest(slice_cstr(e->path), &f->digest);
	f->form = f->is_blob ? LOAD_AS_IT_IS : form_of(p, n);
	f->present = f->is_blob && storage_stat(storage, &f->digest, &have, NULL) == ERR_OK && have == e->size;
	r->stored = hasher_new(f->is_blob ? f->digest.alg : DIGEST_SHA256);
	r->inner = hasher_new(DIGEST_SHA256);
	if (f->form != LOAD_AS_IT_IS) {
		enum err_code rc = gzip_new(
		    f->form == LOAD_TAR, f->form == LOAD_TAR ? on_compressed : on_uncompressed, r, &r->gzip, err);

		if (rc)
			return rc;
	}
	if (f->present)
		return ERR_OK;
	uuid_random(f->upload);
	return storage_upload_create(storage, f->upload, &r->upload, err);
}

static enum err_code finish(struct receiving *r, struct err *err)
{
	struct storage *storage = r->l->o->registry->storage;
	struct load_file *f = r->f;
	char shown[200], real[DIGEST_TEXT];
	struct digest d;
	uint64_t have;
	enum err_code rc = r->gzip ? gzip_finish(r->gzip, err) : ERR_OK;

	if (rc)
		return rc;
	hasher_digest(r->stored, &d);
	if (f->is_blob && !digest_eq(&d, &f->digest))
		return err_set(err, ERR_MISMATCH,
		    "'%s' in the archive is damaged: its bytes have the digest %s; make the archive or copy it again",
		    source_printable(slice_cstr(f->path), shown), digest_format(&d, real));
	f->digest = d;
	f->size = r->size;
	if (r->gzip)
		hasher_digest(r->inner, &f->diff);
	storage_upload_close(&r->upload);
	if (!f->is_blob && storage_stat(storage, &d, &have, NULL) == ERR_OK && have == f->size) {
		f->present = true;
		(void)!storage_upload_abort(storage, f->upload, NULL);
		f->upload[0] = '\0';
	}
	return ERR_OK;
}

static enum err_code receive_bytes(
    struct receiving *r, struct source *s, const struct source_entry *e, char *p, struct err *err)
{
	size_t n;
	enum err_code rc = fill(s, p, &n, err);

	if (rc == ERR_OK)
		rc = begin(r, e, p, n, err);
	while (rc == ERR_OK && n) {
		rc = pass(r, p, n, err);
		if (rc == ERR_OK)
			rc = fill(s, p, &n, err);
	}
	return rc ? rc : finish(r, err);
}

static enum err_code receive_file(
    struct load *l, struct source *s, const struct source_entry *e, char *p, struct err *err)
{
	struct receiving r = {.l = l, .f = load_add_file(l, e->path)};
	char shown[200];
	enum err_code rc = receive_bytes(&r, s, e, p, err);

	if (rc == ERR_NO_SPACE || rc == ERR_CORRUPT)
		err_context(err, "'%s'", source_printable(slice_cstr(e->path), shown));
	storage_upload_close(&r.upload);
	hasher_free(&r.stored);
	hasher_free(&r.inner);
	gzip_free(&r.gzip);
	return rc;
}

/* index.json and manifest.json stay in memory. */
static enum err_code receive_text(
    struct source *s, const struct source_entry *e, struct buf *out, bool *has, struct err *err)
{
	size_t got = 1;
	enum err_code rc = ERR_OK;

	if (*has)
		return err_set(err, ERR_INVALID, "the archive has %s twice: it is damaged", e->path);
	*has = true;
	if (e->size > INDEX_MAX)
		return err_set(err, ERR_TOO_LARGE, "%s of the archive has %llu bytes, at most %zu are accepted",
		    e->path, (unsigned long long)e->size, INDEX_MAX);
	*out = BUF_INIT(INDEX_MAX);
	while (rc == ERR_OK && got) {
		char *p = buf_reserve(out, (size_t)e->size - out->n + 1);

		if (!p)
			return err_set(err, ERR_NO_MEMORY, "out of memory");
		rc = source_read(s, p, (size_t)e->size - out->n, &got, err);
		buf_commit(out, rc ? 0 : got);
	}
	return rc;
}

/* ---- all of them ------------------------------------------------------------------- */

struct load_file *load_add_file(struct load *l, const char *path)
{
	struct load_file *f;

	l->files = texts_grow(l->files, l->nfiles, &l->cap_files, sizeof(*l->files));
	f = &l->files[l->nfiles++];
	*f = (struct load_file){.path = xstrdup(path)};
	return f;
}

void load_free_files(struct load *l)
{
	for (size_t i = 0; i < l->nfiles; i++) {
		if (l->files[i].upload[0])
			(void)!storage_upload_abort(l->o->registry->storage, l->files[i].upload, NULL);
		free(l->files[i].path);
		free(l->files[i].target);
	}
	free(l->files);
	free(l->by_digest);
}

static void remember_top(struct load *l, struct slice path)
{
	struct slice name = slice_from(path, (size_t)(slice_rfind(path, '/') + 1));

	if (!l->top[0] && name.n < path.n &&
	    (slice_eq_cstr(name, "index.json") || slice_eq_cstr(name, "manifest.json")))
		snprintf(l->top, sizeof(l->top), "%.*s", (int)(path.n - name.n - 1), path.p);
}

static enum err_code receive(struct load *l, struct source *s, const struct source_entry *e, char *p, struct err *err)
{
	struct slice path = slice_cstr(e->path);

	if (l->nfiles == FILES_MAX)
		return err_set(err, ERR_TOO_LARGE, "the archive has more than %d files: import it in parts", FILES_MAX);
	if (e->link) {
		load_add_file(l, e->path)->target = xstrdup(e->target);
		return ERR_OK;
	}
	if (slice_eq_cstr(path, "index.json"))
		return receive_text(s, e, &l->index, &l->has_index, err);
	if (slice_eq_cstr(path, "manifest.json"))
		return receive_text(s, e, &l->manifest, &l->has_manifest, err);
	remember_top(l, path);
	return is_useless(path) ? ERR_OK : receive_file(l, s, e, p, err);
}

enum err_code load_receive(struct load *l, struct source *s, struct err *err)
{
	CLEANUP(free_ptr) char *p = xmalloc(STEP);
	struct source_entry e;
	bool end = false;
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && !end) {
		rc = source_next(s, &e, &end, err);
		if (rc == ERR_OK && !end)
			rc = receive(l, s, &e, p, err);
	}
	return rc;
}

/* ---- finding them ------------------------------------------------------------------- */

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct load_file *)a)->path, ((const struct load_file *)b)->path);
}

enum err_code load_sort(struct load *l, struct err *err)
{
	if (l->nfiles)
		qsort(l->files, l->nfiles, sizeof(*l->files), compare_paths);
	l->by_path = l->nfiles;
	for (size_t i = 1; i < l->nfiles; i++) {
		const struct load_file *a = &l->files[i - 1], *b = &l->files[i];
		char shown[200];

		if (strcmp(a->path, b->path) == 0 && (a->target || b->target || !digest_eq(&a->digest, &b->digest)))
			return err_set(err, ERR_INVALID,
			    "'%s' is twice in the archive, with different content: it is damaged",
			    source_printable(slice_cstr(a->path), shown));
	}
	return ERR_OK;
}

static struct load_file *find_path(const struct load *l, const char *path)
{
	size_t low = 0, high = l->by_path;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(l->files[middle].path, path);

		if (order == 0)
			return &l->files[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct load_file *load_find(const struct load *l, struct slice path)
{
	char name[SOURCE_PATH_MAX + 1];
	struct load_file *f;

	if (source_path(path, name, NULL))
		return NULL;
	f = find_path(l, name);
	for (int i = 0; f && f->target && i < LINKS_MAX; i++)
		f = find_path(l, f->target);
	return f && !f->target ? f : NULL;
}

static int compare_digests(const void *a, const void *b)
{
	const struct load_file *x = *(struct load_file *const *)a, *y = *(struct load_file *const *)b;

	return memcmp(&x->digest, &y->digest, sizeof(x->digest));
}

void load_index_digests(struct load *l)
{
	free(l->by_digest);
	l->by_digest = xcalloc(l->nfiles + 1, sizeof(struct load_file *));
	for (size_t i = 0; i < l->nfiles; i++)
		l->by_digest[i] = &l->files[i];
	qsort(l->by_digest, l->nfiles, sizeof(struct load_file *), compare_digests);
}

struct load_file *load_find_digest(const struct load *l, const struct digest *d)
{
	struct load_file key = {.digest = *d}, *p = &key, **found;

	found = bsearch(&p, l->by_digest, l->nfiles, sizeof(struct load_file *), compare_digests);
	return found ? *found : NULL;
}

/* ---- reading them again ---------------------------------------------------------------- */

static enum err_code read_upload(struct load *l, const struct load_file *f, char *p, size_t *got, struct err *err)
{
	struct storage_upload *u = NULL;
	enum err_code rc = storage_upload_open(l->o->registry->storage, f->upload, &u, err);

	if (rc == ERR_OK)
		rc = storage_upload_read(u, 0, p, (size_t)f->size, got, err);
	storage_upload_close(&u);
	return rc;
}

static enum err_code read_blob(struct load *l, const struct load_file *f, char *p, size_t *got, struct err *err)
{
	struct storage_blob b;
	enum err_code rc = storage_open(l->o->registry->storage, &f->digest, &b, err);

	if (rc)
		return rc;
	rc = storage_read(&b, 0, p, (size_t)f->size, got, err);
	storage_close(&b);
	return rc;
}

enum err_code load_read(struct load *l, const struct load_file *f, struct arena *a, struct slice *out, struct err *err)
{
	char shown[200], *p;
	struct digest real;
	size_t got = 0;
	enum err_code rc;

	if (f->made.p) {
		*out = f->made;
		return ERR_OK;
	}
	if (f->size > l->o->registry->manifest_max)
		return err_set(err, ERR_TOO_LARGE, "'%s' in the archive has %llu bytes, at most %zu are accepted",
		    source_printable(slice_cstr(f->path), shown), (unsigned long long)f->size,
		    l->o->registry->manifest_max);
	p = arena_alloc(a, (size_t)f->size + 1);
	if (!p)
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	rc = f->upload[0] ? read_upload(l, f, p, &got, err) : read_blob(l, f, p, &got, err);
	if (rc)
		return rc;
	digest_of(f->digest.alg, p, got, &real);
	if (!digest_eq(&real, &f->digest))
		return err_set(err, ERR_CORRUPT, "'%s' is not what was stored a moment ago: check the disk",
		    source_printable(slice_cstr(f->path), shown));
	*out = slice_of(p, got);
	return ERR_OK;
}
