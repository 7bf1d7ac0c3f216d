/* SPDX-License-Identifier: Apache-2.0 */
/* save_merge.c - adding to an image layout that is there; see save_into_layout. */
#include "base/fsys.h"
#include "transfer/save_priv.h"
#include "transfer/texts.h"

#include <stdlib.h>
#include <string.h>

#define NAME_CONTAINERD "io.containerd.image.name"
#define NAME_OCI "org.opencontainers.image.ref.name"

struct merging {
	struct sink base; /* first */
	struct sink *inner;
	char *directory;
	enum { PASS, GATHER, DROP } now;
	struct buf index;
};

/* The name of an entry as readers take it; absent without. */
static struct slice entry_name(const json_t *entry)
{
	const json_t *annotations = json_object_get(entry, "annotations");
	struct slice name = texts_slice(json_object_get(annotations, NAME_CONTAINERD));

	return name.n ? name : texts_slice(json_object_get(annotations, NAME_OCI));
}

/* Is the old entry replaced by one of the new ones? */
static bool replaced(const json_t *old, const json_t *list)
{
	struct slice name = entry_name(old), digest = texts_slice(json_object_get(old, "digest"));

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);

		if (name.n ? slice_eq(entry_name(e), name)
		           : slice_eq(texts_slice(json_object_get(e, "digest")), digest))
			return true;
	}
	return false;
}

/* Old entries first, in their order. */
static json_t *merge(json_t *old, json_t *fresh)
{
	const json_t *before = json_object_get(old, "manifests");
	json_t *list = json_object_get(fresh, "manifests"), *all = json_array();

	for (size_t i = 0; i < json_array_size(before); i++) {
		if (!replaced(json_array_get(before, i), list))
			json_array_append(all, json_array_get(before, i));
	}
	json_array_extend(all, list);
	json_object_set_new(old, "manifests", all);
	return old;
}

static enum err_code write_text(struct sink *s, const char *path, const char *text, struct err *err)
{
	size_t n = strlen(text);
	enum err_code rc = sink_begin(s, path, n, err);

	if (rc == ERR_OK)
		rc = sink_write(s, text, n, err);
	return rc ? rc : sink_end(s, err);
}

static enum err_code write_merged(struct merging *m, struct err *err)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/index.json", m->directory), *text = NULL, *merged = NULL;
	json_t *old, *fresh;
	size_t n;
	enum err_code rc = fsys_read_file(path, SAVE_TEXTS_MAX, &text, &n, err);

	if (rc == ERR_NOT_FOUND)
		return write_text(m->inner, "index.json", buf_cstr(&m->index), err);
	if (rc)
		return rc;
	old = texts_json(slice_of(text, n), path, err);
	if (!old)
		return ERR_INVALID;
	fresh = json_loadb(m->index.p, m->index.n, 0, NULL);
	merged = json_is_object(old) ? json_dumps(merge(old, fresh), JSON_COMPACT) : NULL;
	rc = merged ? write_text(m->inner, "index.json", merged, err)
	            : err_set(err, ERR_INVALID, "%s is no index of a layout", path);
	json_decref(old);
	json_decref(fresh);
	return rc;
}

static enum err_code merging_begin(struct sink *base, const char *path, uint64_t size, struct err *err)
{
	struct merging *m = (struct merging *)base;

	m->now = strcmp(path, "index.json") == 0 ? GATHER : strcmp(path, "manifest.json") == 0 ? DROP : PASS;
	return m->now == PASS ? sink_begin(m->inner, path, size, err) : ERR_OK;
}

static enum err_code merging_write(struct sink *base, const void *p, size_t n, struct err *err)
{
	struct merging *m = (struct merging *)base;

	if (m->now == PASS)
		return sink_write(m->inner, p, n, err);
	if (m->now == GATHER)
		buf_add(&m->index, slice_of(p, n));
	return buf_ok(&m->index) ? ERR_OK : err_set(err, ERR_TOO_LARGE, "index.json is too large");
}

static enum err_code merging_end(struct sink *base, struct err *err)
{
	struct merging *m = (struct merging *)base;

	if (m->now == PASS)
		return sink_end(m->inner, err);
	return m->now == GATHER ? write_merged(m, err) : ERR_OK;
}

static enum err_code merging_finish(struct sink *base, struct err *err)
{
	return sink_finish(((struct merging *)base)->inner, err);
}

static void merging_close(struct sink *base)
{
	struct merging *m = (struct merging *)base;

	sink_close(&m->inner);
	buf_free(&m->index);
	free(m->directory);
	free(m);
}

struct sink *save_into_layout(struct sink *inner, const char *directory)
{
	static const struct sink_ops ops = {merging_begin, merging_write, merging_end, merging_finish, merging_close};
	struct merging *m = xcalloc(1, sizeof(*m));

	m->base = (struct sink){.ops = &ops, .directory = true};
	m->inner = inner;
	m->directory = xstrdup(directory);
	m->index = BUF_INIT(SAVE_TEXTS_MAX);
	return &m->base;
}
