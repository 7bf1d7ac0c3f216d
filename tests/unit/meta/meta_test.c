/* SPDX-License-Identifier: Apache-2.0 */
/* meta_test.c - see meta_test.h. */
#include "meta_test.h"
#include <dirent.h>
#include <unistd.h>

void remove_dir(const char *dir)
{
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		char path[512];
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

void fixture_open(struct fixture *f)
{
	struct meta_options o = {.path = f->path};
	assert_ok(meta_open(&o, &f->m, err));
}

int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");
	snprintf(f->dir, sizeof(f->dir), "%s/berth-meta-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/meta.db", f->dir);
	arena_init(&f->a, 16 * 1024 * 1024);
	fixture_open(f);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	meta_close(&f->m);
	arena_free(&f->a);
	remove_dir(f->dir);
	free(f);
	return 0;
}

struct digest digest_nr(unsigned n)
{
	struct digest d;
	digest_of(DIGEST_SHA256, &n, sizeof(n), &d);
	return d;
}

struct blob_arg {
	const char *repo;
	struct meta_blob blob;
};

static enum err_code blob_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct blob_arg *b = arg;
	return meta_tx_blob_link(tx, slice_cstr(b->repo), &b->blob, err);
}

enum err_code put_blob(struct meta *m, const char *repo, unsigned nr, uint64_t size, struct err *err)
{
	struct blob_arg b = {repo, {digest_nr(nr), size}};
	return meta_write(m, META_DURABLE, blob_fn, &b, err);
}

static enum err_code manifest_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_manifest_put(tx, arg, err);
}

enum err_code put_manifest(struct meta *m, const char *repo, unsigned nr, unsigned config, const char *tag,
    unsigned subject, const char *type, struct err *err)
{
	char payload[64], descriptor[64];
	snprintf(payload, sizeof(payload), "manifest %u", nr);
	snprintf(descriptor, sizeof(descriptor), "{\"nr\":%u}", nr);
	struct slice tags[1] = {slice_cstr(tag)};
	struct digest about = digest_nr(subject);
	struct meta_ref ref = {.kind = META_REF_CONFIG, .digest = digest_nr(config), .required = true};
	struct meta_manifest_put p = {
	    .repo = slice_cstr(repo),
	    .digest = digest_nr(nr),
	    .media_type = SLICE("application/vnd.oci.image.manifest.v1+json"),
	    .artifact_type = slice_cstr(type),
	    .payload = slice_cstr(payload),
	    .subject = subject ? &about : NULL,
	    .descriptor = subject ? slice_cstr(descriptor) : SLICE_NONE,
	    .refs = &ref,
	    .nrefs = config ? 1 : 0,
	    .tags = tags,
	    .ntags = tag ? 1 : 0,
	};
	return meta_write(m, META_DURABLE, manifest_fn, &p, err);
}

struct delete_arg {
	const char *repo, *tag;
	struct digest digest;
};

static enum err_code delete_manifest_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct delete_arg *d = arg;
	return meta_tx_manifest_delete(tx, slice_cstr(d->repo), &d->digest, err);
}

enum err_code delete_manifest(struct meta *m, const char *repo, unsigned nr, struct err *err)
{
	struct delete_arg d = {.repo = repo, .digest = digest_nr(nr)};
	return meta_write(m, META_DURABLE, delete_manifest_fn, &d, err);
}

static enum err_code delete_tag_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct delete_arg *d = arg;
	return meta_tx_tag_delete(tx, slice_cstr(d->repo), slice_cstr(d->tag), err);
}

enum err_code delete_tag(struct meta *m, const char *repo, const char *tag, struct err *err)
{
	struct delete_arg d = {.repo = repo, .tag = tag};
	return meta_write(m, META_DURABLE, delete_tag_fn, &d, err);
}
