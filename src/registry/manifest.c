/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.c - reading manifests with jansson; see manifest.h. */
#include "registry/manifest.h"
#include "base/buf.h"
#include "base/codec.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What a manifest may cost to parse; real ones stay far below. */
#define MAX_DEPTH 64
#define MAX_VALUES 200000

static const struct {
	const char *type;
	enum manifest_kind kind;
} media_types[] = {
    {"application/vnd.oci.image.manifest.v1+json", MANIFEST_IMAGE},
    {MANIFEST_TYPE_INDEX, MANIFEST_INDEX},
    {"application/vnd.docker.distribution.manifest.v2+json", MANIFEST_IMAGE},
    {MANIFEST_TYPE_LIST, MANIFEST_INDEX},
};

/* Types that were manifests once, with what to do instead. */
static const struct {
	const char *type, *advice;
} refused_types[] = {
    {"application/vnd.docker.distribution.manifest.v1+json",
        "Docker image manifests of schema version 1 are not supported: build and push the image with a current client"},
    {"application/vnd.docker.distribution.manifest.v1+prettyjws",
        "Docker image manifests of schema version 1 are not supported: build and push the image with a current client"},
    {"application/vnd.oci.artifact.manifest.v1+json",
        "the OCI artifact manifest was withdrawn: use an image manifest with artifactType"},
};

/* Layers that their licence keeps where they are (image-spec, layer.md). */
static const char *const foreign_types[] = {
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
};

struct parser {
	struct arena *a;
	struct manifest *m;
	struct err *err;
	size_t room; /* of refs and info */
};

static bool is_foreign(struct slice type)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign_types); i++) {
		if (slice_eq_cstr(type, foreign_types[i]))
			return true;
	}
	return false;
}

/* A field that is there; null stands for none, as many encoders write it. */
static const json_t *field(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_null(v) ? NULL : v;
}

static struct slice json_slice(const json_t *s)
{
	return json_is_string(s) ? slice_of(json_string_value(s), json_string_length(s)) : SLICE_NONE;
}

/* ---- media types ----------------------------------------------------------- */

static enum err_code find_type(struct parser *p, struct slice type)
{
	for (size_t i = 0; i < ARRAY_LEN(media_types); i++) {
		if (slice_eq_icase(type, slice_cstr(media_types[i].type))) {
			p->m->media_type = slice_cstr(media_types[i].type);
			p->m->kind = media_types[i].kind;
			return ERR_OK;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(refused_types); i++) {
		if (slice_eq_icase(type, slice_cstr(refused_types[i].type)))
			return err_set(p->err, ERR_UNSUPPORTED, "%s", refused_types[i].advice);
	}
	return err_set(p->err, ERR_UNSUPPORTED, "the media type '%.*s' is not one of a manifest that is supported",
	    SLICE_ARG(slice_sub(type, 0, 200)));
}

static bool is_generic(struct slice type)
{
	return type.n == 0 || slice_eq_icase(type, SLICE("application/json")) ||
	       slice_eq_icase(type, SLICE("application/octet-stream"));
}

/* Content-Type and the mediaType field must not contradict each other. */
static enum err_code decide_type(struct parser *p, const json_t *root, struct slice content_type)
{
	struct slice type = slice_trim(slice_cut(&content_type, ';'));
	const json_t *media_type = field(root, "mediaType");
	struct slice inner = json_slice(media_type);
	const json_t *version = json_object_get(root, "schemaVersion");

	if (media_type && !json_is_string(media_type))
		return err_set(p->err, ERR_INVALID, "mediaType is not a string");
	if (json_integer_value(version) == 1 && is_generic(type))
		return find_type(p, slice_cstr(refused_types[0].type));
	if (is_generic(type)) {
		if (inner.n)
			type = inner;
		else if (field(root, "manifests"))
			type = SLICE(MANIFEST_TYPE_INDEX);
		else
			type = slice_cstr(media_types[0].type);
	} else if (inner.n && !slice_eq_icase(inner, type)) {
		enum err_code rc = find_type(p, type);

		return rc ? rc
		          : err_set(p->err, ERR_INVALID, "Content-Type is %.*s, but mediaType is %.*s", SLICE_ARG(type),
		                SLICE_ARG(slice_sub(inner, 0, 200)));
	}
	return find_type(p, type);
}

/* ---- descriptors ------------------------------------------------------------- */

static enum err_code parse_digest_of(struct parser *p, const json_t *d, const char *what, struct digest *out)
{
	struct slice text = json_slice(json_object_get(d, "digest"));

	if (!json_is_object(d))
		return err_set(p->err, ERR_INVALID, "%s is not a descriptor", what);
	if (!text.p)
		return err_set(p->err, ERR_INVALID, "%s has no digest", what);
	switch (digest_parse(text, out)) {
	case DIGEST_VALID:
		return ERR_OK;
	case DIGEST_UNSUPPORTED:
		return err_set(p->err, ERR_INVALID, "%s has a digest of an unsupported algorithm: '%.*s'", what,
		    SLICE_ARG(slice_sub(text, 0, 200)));
	case DIGEST_MALFORMED:
		break;
	}
	return err_set(
	    p->err, ERR_INVALID, "%s has a malformed digest: '%.*s'", what, SLICE_ARG(slice_sub(text, 0, 200)));
}

static enum err_code parse_urls(struct parser *p, const json_t *d, struct manifest_ref *info)
{
	const json_t *urls = field(d, "urls");
	size_t n = json_array_size(urls);

	if (!urls)
		return ERR_OK;
	if (!json_is_array(urls))
		return err_set(p->err, ERR_INVALID, "%.*s: urls is not a list", SLICE_ARG(info->what));
	info->urls = arena_alloc(p->a, n * sizeof(*info->urls));
	if (!info->urls)
		return err_set(p->err, ERR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct slice url = json_slice(json_array_get(urls, i));

		if (!url.p)
			return err_set(
			    p->err, ERR_INVALID, "%.*s: urls[%zu] is not a string", SLICE_ARG(info->what), i);
		info->urls[info->nurls++] = arena_copy(p->a, url);
	}
	return ERR_OK;
}

static enum err_code add_ref(struct parser *p, const json_t *d, enum meta_ref_kind kind, const char *what)
{
	const json_t *platform = json_object_get(d, "platform");
	const json_t *size = json_object_get(d, "size");
	struct manifest_ref *info;
	struct meta_ref *ref;
	enum err_code rc;

	ASSERT(p->m->nrefs < p->room);
	ref = &p->m->refs[p->m->nrefs];
	info = &p->m->info[p->m->nrefs];
	rc = parse_digest_of(p, d, what, &ref->digest);
	if (rc)
		return rc;
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return err_set(p->err, ERR_INVALID, "%s has no valid size", what);
	if (!json_is_string(json_object_get(d, "mediaType")))
		return err_set(p->err, ERR_INVALID, "%s has no mediaType", what);
	info->what = arena_copy(p->a, slice_cstr(what));
	info->size = json_integer_value(size);
	info->foreign = kind == META_REF_LAYER && is_foreign(json_slice(json_object_get(d, "mediaType")));
	info->os = arena_copy(p->a, json_slice(json_object_get(platform, "os")));
	info->architecture = arena_copy(p->a, json_slice(json_object_get(platform, "architecture")));
	ref->kind = kind;
	p->m->nrefs++;
	rc = parse_urls(p, d, info);
	/* What is not here must at least say where it is. */
	ref->required = !info->foreign || info->nurls == 0;
	return rc;
}

static enum err_code add_list(struct parser *p, const json_t *root, const char *key, enum meta_ref_kind kind)
{
	const json_t *list = json_object_get(root, key);
	char what[64];

	for (size_t i = 0; i < json_array_size(list); i++) {
		enum err_code rc;

		snprintf(what, sizeof(what), "%s[%zu]", key, i);
		rc = add_ref(p, json_array_get(list, i), kind, what);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

/* Makes room for all references before the first is read. */
static enum err_code make_room(struct parser *p, const json_t *root, const char *key)
{
	const json_t *list = field(root, key);

	if (list && !json_is_array(list))
		return err_set(p->err, ERR_INVALID, "%s is not a list", key);
	p->room = json_array_size(list) + 1;
	if (p->room > MANIFEST_MAX_REFS)
		return err_set(p->err, ERR_TOO_LARGE, "%s has %zu entries, at most %d are accepted", key, p->room - 1,
		    MANIFEST_MAX_REFS - 1);
	p->m->refs = arena_alloc(p->a, p->room * sizeof(*p->m->refs));
	p->m->info = arena_alloc(p->a, p->room * sizeof(*p->m->info));
	if (!p->m->refs || !p->m->info)
		return err_set(p->err, ERR_NO_MEMORY, "out of memory");
	return ERR_OK;
}

/* ---- manifests ------------------------------------------------------------------ */

static enum err_code parse_image(struct parser *p, const json_t *root)
{
	const json_t *config = field(root, "config");
	enum err_code rc;

	if (field(root, "manifests"))
		return err_set(p->err, ERR_INVALID, "an image manifest must not have manifests");
	if (!config)
		return err_set(p->err, ERR_INVALID, "config is missing");
	rc = make_room(p, root, "layers");
	if (rc == ERR_OK)
		rc = add_ref(p, config, META_REF_CONFIG, "config");
	if (rc == ERR_OK)
		rc = add_list(p, root, "layers", META_REF_LAYER);
	if (rc == ERR_OK && !p->m->artifact_type.p)
		p->m->artifact_type = arena_copy(p->a, json_slice(json_object_get(config, "mediaType")));
	return rc;
}

static enum err_code parse_index(struct parser *p, const json_t *root)
{
	enum err_code rc;

	if (field(root, "config") || field(root, "layers"))
		return err_set(p->err, ERR_INVALID, "an index must not have config or layers");
	if (!json_is_array(json_object_get(root, "manifests")))
		return err_set(p->err, ERR_INVALID, "manifests is missing or not a list");
	rc = make_room(p, root, "manifests");
	return rc ? rc : add_list(p, root, "manifests", META_REF_CHILD);
}

/* A map of strings, and kept where lists of referrers show it: one value of
 * another type there would make the whole list unreadable to many clients. */
static enum err_code parse_annotations(struct parser *p, json_t *annotations)
{
	CLEANUP(free_ptr) char *text = NULL;
	const char *key;
	json_t *value;

	if (annotations && !json_is_object(annotations))
		return err_set(p->err, ERR_INVALID, "annotations is not an object");
	json_object_foreach(annotations, key, value)
	{
		if (!json_is_string(value))
			return err_set(p->err, ERR_INVALID, "the annotation '%.200s' is not a string", key);
	}
	if (!p->m->has_subject || json_object_size(annotations) == 0)
		return ERR_OK;
	text = json_dumps(annotations, JSON_COMPACT);
	if (!text)
		return err_set(p->err, ERR_NO_MEMORY, "out of memory");
	p->m->annotations = arena_copy(p->a, slice_cstr(text));
	return ERR_OK;
}

static enum err_code parse_common(struct parser *p, json_t *root)
{
	const json_t *subject = field(root, "subject");
	const json_t *artifact = field(root, "artifactType");
	json_t *annotations = json_object_get(root, "annotations");
	enum err_code rc = ERR_OK;

	if (json_integer_value(json_object_get(root, "schemaVersion")) != 2)
		return err_set(p->err, ERR_INVALID, "schemaVersion must be 2");
	if (artifact && !json_is_string(artifact))
		return err_set(p->err, ERR_INVALID, "artifactType is not a string");
	if (json_string_length(artifact))
		p->m->artifact_type = arena_copy(p->a, json_slice(artifact));
	if (subject) {
		p->m->has_subject = true;
		rc = parse_digest_of(p, subject, "subject", &p->m->subject);
	}
	return rc ? rc : parse_annotations(p, json_is_null(annotations) ? NULL : annotations);
}

/* jansson recurses by depth and allocates by value: measured first. */
static json_t *load(struct slice payload, struct err *err)
{
	struct json_cost cost = json_measure(payload);
	json_error_t why;
	json_t *root;

	if (cost.depth > MAX_DEPTH || cost.values > MAX_VALUES) {
		err_set(err, ERR_TOO_LARGE,
		    "it nests %zu levels deep and has about %zu values; at most %d and %d are accepted", cost.depth,
		    cost.values, MAX_DEPTH, MAX_VALUES);
		return NULL;
	}
	root = json_loadb(payload.p, payload.n, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		err_set(
		    err, ERR_INVALID, "it is not valid JSON: line %d, column %d: %s", why.line, why.column, why.text);
	return root;
}

enum err_code manifest_parse(
    struct slice payload, struct slice content_type, struct arena *a, struct manifest *out, struct err *err)
{
	struct err own = {0};
	struct parser p = {.a = a, .m = out, .err = err ? err : &own};
	json_t *root;
	enum err_code rc;

	*out = (struct manifest){0};
	err = p.err;
	err_set(err, ERR_OK, "%s", "");
	if (payload.n == 0)
		return err_set(err, ERR_INVALID, "the body is empty");
	root = load(payload, err);
	if (!root)
		return err->code;
	if (!json_is_object(root))
		rc = err_set(err, ERR_INVALID, "it is not a JSON object");
	else
		rc = decide_type(&p, root, content_type);
	if (rc == ERR_OK)
		rc = parse_common(&p, root);
	if (rc == ERR_OK)
		rc = out->kind == MANIFEST_INDEX ? parse_index(&p, root) : parse_image(&p, root);
	json_decref(root);
	if (rc == ERR_OK && a->overflow)
		rc = err_set(err, ERR_NO_MEMORY, "out of memory");
	return rc;
}

bool manifest_needs(const struct meta_manifest *stored, const struct digest *blob)
{
	struct manifest m;
	struct arena a;
	bool needs = false;

	arena_init(&a, (size_t)64 << 20);
	if (manifest_parse(stored->payload, stored->media_type, &a, &m, &(struct err){0}) == ERR_OK) {
		for (size_t i = 0; i < m.nrefs; i++)
			needs |= m.refs[i].required && digest_eq(&m.refs[i].digest, blob);
	}
	arena_free(&a);
	return needs;
}

struct slice manifest_descriptor(
    const struct manifest *m, struct slice payload, const struct digest *d, struct arena *a)
{
	struct buf b = BUF_INIT((size_t)16 << 20);
	char text[DIGEST_TEXT];
	struct slice out;

	buf_adds(&b, "{\"mediaType\":");
	buf_add_json(&b, m->media_type);
	buf_addf(&b, ",\"digest\":\"%s\",\"size\":%zu", digest_format(d, text), payload.n);
	if (m->annotations.p) {
		buf_adds(&b, ",\"annotations\":");
		buf_add(&b, m->annotations);
	}
	if (m->artifact_type.n) {
		buf_adds(&b, ",\"artifactType\":");
		buf_add_json(&b, m->artifact_type);
	}
	buf_addc(&b, '}');
	out = buf_ok(&b) ? arena_copy(a, buf_slice(&b)) : SLICE_NONE;
	buf_free(&b);
	return out;
}

enum err_code manifest_child(struct slice payload, const char *os, const char *architecture, struct digest *out)
{
	enum err_code rc = ERR_NOT_FOUND;
	json_t *root = load(payload, NULL);
	const json_t *list = json_object_get(root, "manifests");

	for (size_t i = 0; rc && i < json_array_size(list); i++) {
		const json_t *d = json_array_get(list, i);
		const json_t *platform = json_object_get(d, "platform");

		if (slice_eq_cstr(json_slice(json_object_get(platform, "os")), os) &&
		    slice_eq_cstr(json_slice(json_object_get(platform, "architecture")), architecture) &&
		    digest_parse(json_slice(json_object_get(d, "digest")), out) == DIGEST_VALID)
			rc = ERR_OK;
	}
	json_decref(root);
	return rc;
}
