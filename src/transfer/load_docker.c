/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_docker.c - manifest.json of docker save: a list of images, each with its
 * config, its layers (tars, from the bottom up) and its names. An image manifest
 * of Docker (version 2, schema 2) is made for each, as docker push makes it.
 */
#include "transfer/load_priv.h"

#include <stdlib.h>
#include <string.h>

#define IMAGES_MAX 10000
#define MANIFEST_TYPE "application/vnd.docker.distribution.manifest.v2+json"
#define CONFIG_TYPE "application/vnd.docker.container.image.v1+json"
#define LAYER_TYPE "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define RAW_LAYER_TYPE "application/vnd.docker.image.rootfs.diff.tar"

struct docker_image {
	struct load *l;
	size_t number;
	const json_t *layers, *diff_ids;
	struct buf out;
};

static enum err_code missing(const struct docker_image *d, const char *what, struct slice path, struct err *err)
{
	char shown[200];

	return err_set(err, ERR_NOT_FOUND,
	    "manifest.json: image %zu names the %s '%s', which is not in the archive: it is cut off or damaged",
	    d->number, what, source_printable(path, shown));
}

static void add_descriptor(struct buf *out, const char *type, const struct load_file *f)
{
	char text[DIGEST_TEXT];

	buf_addf(out, "{\"mediaType\":\"%s\",\"size\":%llu,\"digest\":\"%s\"}", type, (unsigned long long)f->size,
	    digest_format(&f->digest, text));
}

/* What the config says about the tar of layer i. */
static enum err_code check_diff(const struct docker_image *d, size_t i, const struct load_file *f, struct err *err)
{
	struct slice said = texts_slice(json_array_get(d->diff_ids, i));
	char shown[200], real[DIGEST_TEXT];
	struct digest want;

	if (digest_parse(said, &want) != DIGEST_VALID)
		return err_set(err, ERR_INVALID,
		    "manifest.json: image %zu: rootfs.diff_ids[%zu] of its config is no digest", d->number, i);
	/* A file that is called after its digest was compared with that. */
	if (f->is_blob && f->diff.alg == DIGEST_NONE)
		return ERR_OK;
	if (digest_eq(&want, &f->diff))
		return ERR_OK;
	return err_set(err, ERR_MISMATCH,
	    "the layer '%s' in the archive is damaged: its tar has the digest %s, but the config of image %zu says %.*s",
	    source_printable(slice_cstr(f->path), shown), digest_format(&f->diff, real), d->number, SLICE_ARG(said));
}

static enum err_code add_layer(struct docker_image *d, size_t i, struct err *err)
{
	struct slice path = texts_slice(json_array_get(d->layers, i));
	const struct load_file *f = path.p ? load_find(d->l, path) : NULL;
	char shown[200];
	enum err_code rc;

	if (!f)
		return missing(d, "layer", path, err);
	if (f->form == LOAD_AS_IT_IS && !f->is_blob)
		return err_set(err, ERR_UNSUPPORTED,
		    "the layer '%s' in the archive is neither a tar nor one compressed with gzip: save the image with another "
		    "compression",
		    source_printable(path, shown));
	rc = check_diff(d, i, f, err);
	if (rc)
		return rc;
	if (i)
		buf_addc(&d->out, ',');
	add_descriptor(&d->out, f->form == LOAD_AS_IT_IS ? RAW_LAYER_TYPE : LAYER_TYPE, f);
	return ERR_OK;
}

static enum err_code make_manifest(
    struct docker_image *d, const struct load_file *config, const json_t *parsed, struct err *err)
{
	enum err_code rc = ERR_OK;

	d->diff_ids = json_object_get(json_object_get(parsed, "rootfs"), "diff_ids");
	if (json_array_size(d->layers) != json_array_size(d->diff_ids))
		return err_set(err, ERR_INVALID,
		    "manifest.json: image %zu has %zu layers, but its config '%s' speaks of %zu: the archive is damaged",
		    d->number, json_array_size(d->layers), config->path, json_array_size(d->diff_ids));
	buf_addf(&d->out, "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE "\",\"config\":");
	add_descriptor(&d->out, CONFIG_TYPE, config);
	buf_adds(&d->out, ",\"layers\":[");
	for (size_t i = 0; rc == ERR_OK && i < json_array_size(d->layers); i++)
		rc = add_layer(d, i, err);
	buf_adds(&d->out, "]}");
	return rc;
}

static enum err_code read_image(struct docker_image *d, const json_t *value, struct err *err)
{
	struct slice path = texts_slice(json_object_get(value, "Config")), text;
	const struct load_file *config = path.p ? load_find(d->l, path) : NULL;
	struct arena a;
	json_t *parsed = NULL;
	enum err_code rc;

	d->layers = json_object_get(value, "Layers");
	if (!config)
		return missing(d, "config", path, err);
	arena_init(&a, d->l->o->registry->manifest_max + 4096);
	rc = config->form == LOAD_AS_IT_IS
	         ? load_read(d->l, config, &a, &text, err)
	         : err_set(err, ERR_INVALID, "manifest.json: the config of image %zu is no JSON", d->number);
	if (rc == ERR_OK)
		parsed = texts_json(text, config->path, err);
	if (rc == ERR_OK)
		rc = parsed ? make_manifest(d, config, parsed, err) : ERR_INVALID;
	json_decref(parsed);
	arena_free(&a);
	return rc;
}

/* An entry for each name, one without when there is none. */
static enum err_code add_entries(struct load *l, const json_t *value, const struct digest *digest, struct err *err)
{
	const json_t *names = json_object_get(value, "RepoTags");
	size_t n = json_array_size(names);

	for (size_t i = 0; i < (n ? n : 1); i++) {
		struct load_entry *e = load_add_entry(l);
		struct slice name = texts_slice(json_array_get(names, i));

		e->digest = *digest;
		e->media_type = SLICE(MANIFEST_TYPE);
		e->name = arena_copy(&l->arena, name);
		if (name.p && !e->name.p)
			return err_set(err, ERR_TOO_LARGE, "manifest.json has too many names");
	}
	return ERR_OK;
}

static enum err_code take_image(struct load *l, size_t number, const json_t *value, struct err *err)
{
	struct docker_image d = {.l = l, .number = number, .out = BUF_INIT(l->o->registry->manifest_max)};
	struct load_file *f;
	enum err_code rc = read_image(&d, value, err);

	if (rc == ERR_OK && !buf_ok(&d.out))
		rc = err_set(err, ERR_TOO_LARGE, "manifest.json: image %zu has too many layers", number);
	if (rc == ERR_OK) {
		f = load_add_file(l, "manifest.json");
		f->size = d.out.n;
		digest_of(DIGEST_SHA256, d.out.p, d.out.n, &f->digest);
		f->made = arena_copy(&l->arena, buf_slice(&d.out));
		rc = f->made.p ? add_entries(l, value, &f->digest, err)
		               : err_set(err, ERR_TOO_LARGE, "manifest.json names too many images: import it in parts");
	}
	buf_free(&d.out);
	return rc;
}

enum err_code load_docker(struct load *l, struct err *err)
{
	json_t *root = texts_json(buf_slice(&l->manifest), "manifest.json", err);
	enum err_code rc = ERR_OK;

	if (!root)
		return ERR_INVALID;
	if (!json_is_array(root) || json_array_size(root) == 0)
		rc = err_set(err, ERR_INVALID, "manifest.json of the archive lists no images");
	else if (json_array_size(root) > IMAGES_MAX)
		rc = err_set(err, ERR_TOO_LARGE, "manifest.json lists more than %d images", IMAGES_MAX);
	for (size_t i = 0; rc == ERR_OK && i < json_array_size(root); i++)
		rc = take_image(l, i + 1, json_array_get(root, i), err);
	json_decref(root);
	return rc;
}
