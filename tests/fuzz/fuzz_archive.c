/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_archive.c - archives of images, into a registry of its own: 't' and a tar,
 * or 'f' and a stream of files as the control socket has it. What is told to be
 * imported is there, with all that it needs; what is refused comes with a reason;
 * no upload is ever left.
 */
#include "archive/frames.h"
#include "base/fsys.h"
#include "transfer/load.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANIFEST_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct fsys_ops table;
static char root[64];
static struct registry_options options;

struct input {
	const uint8_t *p;
	size_t n;
};

static int no_sync(int fd)
{
	return 0;
}

static void clean_up(void)
{
	CLEANUP(free_ptr) char *command = xasprintf("rm -rf '%s'", root);

	meta_close(&options.meta);
	storage_free(&options.storage);
	ASSERT(system(command) == 0);
}

/* Once: all inputs go into the same registry, which makes it a used one. */
static void open_registry(void)
{
	CLEANUP(free_ptr) char *path = NULL;
	struct err err = {0};

	table = fsys_system;
	table.fsync = no_sync;
	fsys = &table;
	snprintf(root, sizeof(root), "%s/fuzz-archive-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ASSERT(mkdtemp(root) != NULL);
	path = xasprintf("%s/meta.db", root);
	ASSERT(storage_fs_open(root, &options.storage, &err) == ERR_OK);
	ASSERT(meta_open(&(struct meta_options){.path = path}, &options.meta, &err) == ERR_OK);
	options.manifest_max = MANIFEST_MAX;
	atexit(clean_up);
}

static enum err_code feed(void *arg, void *p, size_t n, size_t *got, struct err *err)
{
	struct input *in = arg;

	*got = n < in->n ? n : in->n;
	if (*got)
		memcpy(p, in->p, *got);
	in->p += *got;
	in->n -= *got;
	return ERR_OK;
}

static bool count_upload(const char *id, int64_t modified, void *arg)
{
	++*(size_t *)arg;
	return true;
}

static void on_image(const struct load_image *image, void *arg)
{
	struct meta_manifest m;
	struct digest real;
	struct arena a;

	arena_init(&a, (size_t)8 << 20);
	ASSERT(meta_manifest_get(options.meta, slice_cstr(image->repo), &image->digest, true, &a, &m, NULL) == ERR_OK);
	digest_of(image->digest.alg, m.payload.p, m.payload.n, &real);
	ASSERT(digest_eq(&real, &image->digest));
	if (image->tag) {
		ASSERT(meta_manifest_get_tag(options.meta, slice_cstr(image->repo), slice_cstr(image->tag), false, &a,
		           &m, NULL) == ERR_OK);
		ASSERT(digest_eq(&m.digest, &image->digest));
	}
	arena_free(&a);
}

static void on_note(const char *what, void *arg)
{
	ASSERT(what[0]);
}

static void load(struct source *s, const char *name)
{
	struct load_control control = {.image = on_image, .note = on_note};
	struct load_options o = {.registry = &options, .name = name};
	struct err err = {0};
	size_t uploads = 0;
	enum err_code rc = load_run(&o, s, &control, &err);

	ASSERT(rc == ERR_OK || (err.msg[0] && err.code != ERR_OK));
	ASSERT(storage_upload_list(options.storage, count_upload, &uploads, &err) == ERR_OK && uploads == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data + 1, size - 1};
	struct source *s = NULL;
	struct err err = {0};
	enum err_code rc;

	if (size == 0)
		return 0;
	if (!options.meta)
		open_registry();
	if (data[0] == 'f' || data[0] == 'F')
		rc = source_open_frames(feed, &in, SLICE_NONE, &s, &err);
	else
		rc = source_open_tar(feed, NULL, &in, 0, &s, &err);
	if (rc == ERR_OK)
		load(s, data[0] == 'F' || data[0] == 'T' ? "given/name" : NULL);
	source_close(&s);
	return 0;
}
