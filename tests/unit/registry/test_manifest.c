/* SPDX-License-Identifier: Apache-2.0 */
/* test_manifest.c - what manifests are read as, and what is said of bad ones. */
#include "../base/unit.h"

#include "registry/manifest.h"
#include "base/buf.h"

#define OCI_IMAGE "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define DOCKER_IMAGE "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define HEX32 "0123456789abcdef0123456789abcdef"
#define SHA "sha256:" HEX32 HEX32
#define WIDE "sha512:" HEX32 HEX32 HEX32 HEX32
#define CONFIG "{'mediaType':'application/vnd.oci.image.config.v1+json','digest':'" SHA "','size':7}"
#define LAYER "{'mediaType':'application/vnd.oci.image.layer.v1.tar+gzip','digest':'" WIDE "','size':123}"
#define FOREIGN "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
/* An image with these members behind schemaVersion and config. */
#define IMAGE(more) "{'schemaVersion':2,'config':" CONFIG more "}"
#define CHILD(platform) "{'mediaType':'" OCI_IMAGE "','digest':'" SHA "','size':3" platform "}"
#define INDEX(children) "{'schemaVersion':2,'manifests':[" children "]}"

/* One manifest after another, in the same arena; quotes are written as '. */
struct reading {
	struct arena a;
	struct manifest m;
	struct err err;
	enum err_code rc;
	char *text;
};

static void reading_done(struct reading *r)
{
	arena_free(&r->a);
	free(r->text);
	*r = (struct reading){0};
}

static void read_as(struct reading *r, const char *type, const char *text)
{
	reading_done(r);
	arena_init(&r->a, (size_t)32 << 20);
	r->text = xstrdup(text);
	for (char *c = r->text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	r->rc = manifest_parse(slice_cstr(r->text), slice_cstr(type), &r->a, &r->m, &r->err);
}

static void read_ok(struct reading *r, const char *type, const char *text)
{
	read_as(r, type, text);
	if (r->rc)
		fail_msg("%s: %s", text, r->err.msg);
}

/* ---- good ones ------------------------------------------------------------------ */

static void test_image(void **state)
{
	struct reading r = {0};

	read_ok(&r, OCI_IMAGE, IMAGE(",'layers':[" LAYER "," LAYER "],'unknown':{'left':[1,2.5,null,true]}"));
	assert_int_equal(r.m.kind, MANIFEST_IMAGE);
	assert_slice(r.m.media_type, OCI_IMAGE);
	assert_slice(r.m.artifact_type, "application/vnd.oci.image.config.v1+json");
	assert_false(r.m.has_subject);
	assert_absent(r.m.annotations);
	assert_int_equal(r.m.nrefs, 3);
	assert_int_equal(r.m.refs[0].kind, META_REF_CONFIG);
	assert_int_equal(r.m.refs[0].digest.alg, DIGEST_SHA256);
	assert_slice(r.m.info[0].what, "config");
	assert_int_equal(r.m.info[0].size, 7);
	assert_int_equal(r.m.refs[2].kind, META_REF_LAYER);
	assert_int_equal(r.m.refs[2].digest.alg, DIGEST_SHA512);
	assert_slice(r.m.info[2].what, "layers[1]");
	assert_int_equal(r.m.info[2].size, 123);
	for (size_t i = 0; i < r.m.nrefs; i++) {
		assert_true(r.m.refs[i].required && !r.m.refs[i].missing && !r.m.info[i].foreign);
		assert_int_equal(r.m.info[i].nurls, 0);
		assert_absent(r.m.info[i].os);
	}
	reading_done(&r);
}

static void test_index(void **state)
{
	struct reading r = {0};

	read_ok(&r, OCI_INDEX,
	    INDEX(CHILD(",'platform':{'os':'linux','architecture':'arm64','variant':'v8'}") "," CHILD("") "," CHILD(
	        ",'platform':null") "," CHILD(",'platform':[1]") "," CHILD(",'platform':{'os':7}")));
	assert_int_equal(r.m.kind, MANIFEST_INDEX);
	assert_slice(r.m.media_type, OCI_INDEX);
	assert_absent(r.m.artifact_type);
	assert_int_equal(r.m.nrefs, 5);
	assert_slice(r.m.info[0].what, "manifests[0]");
	assert_slice(r.m.info[0].os, "linux");
	assert_slice(r.m.info[0].architecture, "arm64");
	for (size_t i = 0; i < r.m.nrefs; i++) {
		assert_int_equal(r.m.refs[i].kind, META_REF_CHILD);
		assert_true(r.m.refs[i].required);
		assert_int_equal(r.m.info[i].os.p == NULL, i > 0);
		assert_int_equal(r.m.info[i].architecture.p == NULL, i > 0);
	}
	read_ok(&r, OCI_INDEX, INDEX(""));
	assert_int_equal(r.m.nrefs, 0);
	reading_done(&r);
}

/* Content-Type, mediaType and, without either, the shape decide. */
static void test_types(void **state)
{
	static const struct {
		const char *type, *text, *want;
	} rows[] = {
	    {OCI_IMAGE, IMAGE(""), OCI_IMAGE},
	    {DOCKER_IMAGE, IMAGE(""), DOCKER_IMAGE},
	    {DOCKER_LIST, INDEX(""), DOCKER_LIST},
	    {OCI_IMAGE "; charset=utf-8", IMAGE(""), OCI_IMAGE},
	    {"  " OCI_IMAGE "\t;x=y;z", IMAGE(""), OCI_IMAGE},
	    {"Application/VND.OCI.image.manifest.v1+JSON", IMAGE(""), OCI_IMAGE},
	    {DOCKER_IMAGE, IMAGE(",'mediaType':'" DOCKER_IMAGE "'"), DOCKER_IMAGE},
	    {NULL, IMAGE(",'mediaType':'" DOCKER_IMAGE "'"), DOCKER_IMAGE},
	    {"", IMAGE(",'mediaType':'" DOCKER_IMAGE "'"), DOCKER_IMAGE},
	    {"application/json", IMAGE(",'mediaType':'" DOCKER_IMAGE "'"), DOCKER_IMAGE},
	    {"application/octet-stream", "{'schemaVersion':2,'manifests':[],'mediaType':'" DOCKER_LIST "'}",
	        DOCKER_LIST},
	    {NULL, IMAGE(""), OCI_IMAGE},
	    {NULL, INDEX(""), OCI_INDEX},
	    {NULL, IMAGE(",'manifests':null"), OCI_IMAGE},
	    {OCI_IMAGE, IMAGE(",'mediaType':''"), OCI_IMAGE},
	    {OCI_IMAGE, IMAGE(",'mediaType':null"), OCI_IMAGE},
	};
	struct reading r = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		read_ok(&r, rows[i].type, rows[i].text);
		assert_slice(r.m.media_type, rows[i].want);
	}
	reading_done(&r);
}

/* null stands for a field that is not there. */
static void test_nulls(void **state)
{
	struct reading r = {0};

	read_ok(&r, OCI_IMAGE,
	    IMAGE(",'layers':null,'manifests':null,'subject':null,'annotations':null,'artifactType':null"));
	assert_int_equal(r.m.nrefs, 1);
	assert_false(r.m.has_subject);
	read_ok(&r, OCI_INDEX, "{'schemaVersion':2,'manifests':[],'config':null,'layers':null}");
	reading_done(&r);
}

/* Layers that are somewhere else need not be here, if it is said where they are. */
static void test_foreign_layers(void **state)
{
	static const struct {
		const char *text;
		bool foreign, required;
		size_t nurls;
	} rows[] = {
	    {IMAGE(",'layers':[{'mediaType':'" FOREIGN "','digest':'" SHA "','size':1,'urls':['https://a/1','b']}]"),
	        true, false, 2},
	    {IMAGE(",'layers':[{'mediaType':'" FOREIGN "','digest':'" SHA "','size':1,'urls':[]}]"), true, true, 0},
	    {IMAGE(",'layers':[{'mediaType':'" FOREIGN "','digest':'" SHA "','size':1,'urls':null}]"), true, true, 0},
	    {IMAGE(",'layers':[{'mediaType':'" FOREIGN "','digest':'" SHA "','size':1}]"), true, true, 0},
	    {IMAGE(
	         ",'layers':[{'mediaType':'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd','digest':'" SHA
	         "','size':1,'urls':['u']}]"),
	        true, false, 1},
	    {IMAGE(",'layers':[{'mediaType':'x/ordinary','digest':'" SHA "','size':1,'urls':['u']}]"), false, true, 1},
	};
	struct reading r = {0};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		read_ok(&r, OCI_IMAGE, rows[i].text);
		assert_int_equal(r.m.info[1].foreign, rows[i].foreign);
		assert_int_equal(r.m.refs[1].required, rows[i].required);
		assert_int_equal(r.m.info[1].nurls, rows[i].nurls);
	}
	read_ok(&r, OCI_IMAGE, rows[0].text);
	assert_slice(r.m.info[1].urls[0], "https://a/1");
	assert_slice(r.m.info[1].urls[1], "b");
	/* Only layers are ever elsewhere. */
	read_ok(&r, OCI_IMAGE,
	    "{'schemaVersion':2,'config':{'mediaType':'" FOREIGN "','digest':'" SHA "','size':1,'urls':['u']}}");
	assert_true(r.m.refs[0].required);
	reading_done(&r);
}

/* ---- descriptors for referrers --------------------------------------------------------- */

static const char subject[] = ",'subject':{'mediaType':'" OCI_IMAGE "','digest':'" WIDE "','size':5}";

static void check_descriptor(const char *type, const char *text, const char *want)
{
	struct reading r = {0};
	struct digest d;
	char expected[2000], digest[DIGEST_TEXT];
	struct buf b = BUF_INIT(2000);

	read_ok(&r, type, text);
	digest_of(DIGEST_SHA256, r.text, strlen(r.text), &d);
	snprintf(expected, sizeof(expected), "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu", type,
	    digest_format(&d, digest), strlen(r.text));
	buf_adds(&b, expected);
	for (const char *c = want; *c; c++)
		buf_addc(&b, *c == '\'' ? '"' : *c);
	buf_addc(&b, '}');
	assert_slice(manifest_descriptor(&r.m, slice_cstr(r.text), &d, &r.a), buf_cstr(&b));
	buf_free(&b);
	reading_done(&r);
}

static void test_descriptors(void **state)
{
	char text[3000];

	/* the artifact type, else that of an image's config, else none */
	snprintf(text, sizeof(text), "{'schemaVersion':2,'config':" CONFIG "%s,'artifactType':'a/b'}", subject);
	check_descriptor(OCI_IMAGE, text, ",'artifactType':'a/b'");
	snprintf(text, sizeof(text), "{'schemaVersion':2,'config':" CONFIG "%s,'artifactType':''}", subject);
	check_descriptor(OCI_IMAGE, text, ",'artifactType':'application/vnd.oci.image.config.v1+json'");
	snprintf(text, sizeof(text), "{'schemaVersion':2,'config':" CONFIG "%s}", subject);
	check_descriptor(OCI_IMAGE, text, ",'artifactType':'application/vnd.oci.image.config.v1+json'");
	snprintf(text, sizeof(text), "{'schemaVersion':2,'manifests':[]%s}", subject);
	check_descriptor(OCI_INDEX, text, "");
	snprintf(text, sizeof(text), "{'schemaVersion':2,'manifests':[]%s,'artifactType':'a/b'}", subject);
	check_descriptor(OCI_INDEX, text, ",'artifactType':'a/b'");
	snprintf(text, sizeof(text),
	    "{'schemaVersion':2,'manifests':[]%s,'annotations':{ 'k' : 'v', 'e':'', 'u':'\xC3\xA4\\n' }}", subject);
	check_descriptor(OCI_INDEX, text, ",'annotations':{'k':'v','e':'','u':'\xC3\xA4\\n'}");
	snprintf(text, sizeof(text), "{'schemaVersion':2,'manifests':[]%s,'annotations':{}}", subject);
	check_descriptor(OCI_INDEX, text, "");
}

static void test_subject(void **state)
{
	struct reading r = {0};
	char text[2000], digest[DIGEST_TEXT];

	snprintf(text, sizeof(text), "{'schemaVersion':2,'config':" CONFIG "%s}", subject);
	read_ok(&r, OCI_IMAGE, text);
	assert_true(r.m.has_subject);
	assert_string_equal(digest_format(&r.m.subject, digest), WIDE);
	/* a subject is not a reference: it may come later */
	assert_int_equal(r.m.nrefs, 1);
	reading_done(&r);
}

/* ---- bad ones ------------------------------------------------------------------------------ */

#define V1 \
	"Docker image manifests of schema version 1 are not supported: build and push the image with a current client"
#define WITHDRAWN "the OCI artifact manifest was withdrawn: use an image manifest with artifactType"

static const struct {
	const char *type, *text;
	enum err_code code;
	const char *message; /* behind a last ": " speaks the JSON library */
} bad[] = {
    {OCI_IMAGE, "", ERR_INVALID, "the body is empty"},
    {OCI_IMAGE, "[]", ERR_INVALID, "it is not a JSON object"},
    {OCI_IMAGE, "{'a':}", ERR_INVALID, "it is not valid JSON: line 1, column 6: "},
    {OCI_IMAGE, "{\n'a':1,\n'a':2}", ERR_INVALID, "it is not valid JSON: line 3, column 3: "},
    {OCI_IMAGE, "{} x", ERR_INVALID, "it is not valid JSON: line 1, column 4: "},
    {OCI_IMAGE, "{'schemaVersion':2,'config':\xFF}", ERR_INVALID, "it is not valid JSON: line 1, column 28: "},
    {OCI_IMAGE, "{'a':'\\u0000'}", ERR_INVALID, "it is not valid JSON: line 1, column 13: "},
    {"text/plain", IMAGE(""), ERR_UNSUPPORTED,
        "the media type 'text/plain' is not one of a manifest that is supported"},
    {NULL, IMAGE(",'mediaType':'x/y'"), ERR_UNSUPPORTED,
        "the media type 'x/y' is not one of a manifest that is supported"},
    {OCI_IMAGE, IMAGE(",'mediaType':7"), ERR_INVALID, "mediaType is not a string"},
    {OCI_IMAGE, IMAGE(",'mediaType':'" DOCKER_IMAGE "'"), ERR_INVALID,
        "Content-Type is " OCI_IMAGE ", but mediaType is " DOCKER_IMAGE},
    {"x/y", IMAGE(",'mediaType':'" DOCKER_IMAGE "'"), ERR_UNSUPPORTED,
        "the media type 'x/y' is not one of a manifest that is supported"},
    {NULL, "{'schemaVersion':1,'fsLayers':[]}", ERR_UNSUPPORTED, V1},
    {"application/json", "{'schemaVersion':1}", ERR_UNSUPPORTED, V1},
    {"application/vnd.docker.distribution.manifest.v1+json", "{'schemaVersion':1}", ERR_UNSUPPORTED, V1},
    {"application/vnd.docker.distribution.manifest.v1+prettyjws", "{'schemaVersion':1}", ERR_UNSUPPORTED, V1},
    {"application/vnd.oci.artifact.manifest.v1+json", "{}", ERR_UNSUPPORTED, WITHDRAWN},
    {NULL, "{'mediaType':'application/vnd.oci.artifact.manifest.v1+json'}", ERR_UNSUPPORTED, WITHDRAWN},
    {OCI_IMAGE, "{'config':" CONFIG "}", ERR_INVALID, "schemaVersion must be 2"},
    {OCI_IMAGE, "{'schemaVersion':'2','config':" CONFIG "}", ERR_INVALID, "schemaVersion must be 2"},
    {OCI_IMAGE, "{'schemaVersion':2.0,'config':" CONFIG "}", ERR_INVALID, "schemaVersion must be 2"},
    {OCI_IMAGE, "{'schemaVersion':3,'config':" CONFIG "}", ERR_INVALID, "schemaVersion must be 2"},
    {OCI_IMAGE, "{'schemaVersion':2}", ERR_INVALID, "config is missing"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':null}", ERR_INVALID, "config is missing"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':'x'}", ERR_INVALID, "config is not a descriptor"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{}}", ERR_INVALID, "config has no digest"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{'digest':7}}", ERR_INVALID, "config has no digest"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{'digest':'sha256:xyz'}}", ERR_INVALID,
        "config has a malformed digest: 'sha256:xyz'"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{'digest':'md5:" HEX32 "'}}", ERR_INVALID,
        "config has a digest of an unsupported algorithm: 'md5:" HEX32 "'"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{'digest':'" SHA "'}}", ERR_INVALID, "config has no valid size"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{'digest':'" SHA "','size':-1}}", ERR_INVALID, "config has no valid size"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{'digest':'" SHA "','size':1.5}}", ERR_INVALID,
        "config has no valid size"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{'digest':'" SHA "','size':'1'}}", ERR_INVALID,
        "config has no valid size"},
    {OCI_IMAGE, "{'schemaVersion':2,'config':{'digest':'" SHA "','size':1}}", ERR_INVALID, "config has no mediaType"},
    {OCI_IMAGE, IMAGE(",'layers':{}"), ERR_INVALID, "layers is not a list"},
    {OCI_IMAGE, IMAGE(",'layers':[" LAYER ",7]"), ERR_INVALID, "layers[1] is not a descriptor"},
    {OCI_IMAGE, IMAGE(",'layers':[null]"), ERR_INVALID, "layers[0] is not a descriptor"},
    {OCI_IMAGE, IMAGE(",'layers':[{'mediaType':'x','digest':'" SHA "','size':1,'urls':'u'}]"), ERR_INVALID,
        "layers[0]: urls is not a list"},
    {OCI_IMAGE, IMAGE(",'layers':[{'mediaType':'x','digest':'" SHA "','size':1,'urls':['u',1]}]"), ERR_INVALID,
        "layers[0]: urls[1] is not a string"},
    {OCI_IMAGE, IMAGE(",'manifests':[]"), ERR_INVALID, "an image manifest must not have manifests"},
    {OCI_IMAGE, INDEX(""), ERR_INVALID, "an image manifest must not have manifests"},
    {OCI_INDEX, IMAGE(""), ERR_INVALID, "an index must not have config or layers"},
    {OCI_INDEX, "{'schemaVersion':2,'manifests':[],'layers':[]}", ERR_INVALID,
        "an index must not have config or layers"},
    {OCI_INDEX, "{'schemaVersion':2}", ERR_INVALID, "manifests is missing or not a list"},
    {OCI_INDEX, "{'schemaVersion':2,'manifests':{}}", ERR_INVALID, "manifests is missing or not a list"},
    {OCI_INDEX, INDEX(CHILD("") ",{}"), ERR_INVALID, "manifests[1] has no digest"},
    {OCI_IMAGE, IMAGE(",'subject':'x'"), ERR_INVALID, "subject is not a descriptor"},
    {OCI_IMAGE, IMAGE(",'subject':{'digest':'x'}"), ERR_INVALID, "subject has a malformed digest: 'x'"},
    {OCI_IMAGE, IMAGE(",'artifactType':1"), ERR_INVALID, "artifactType is not a string"},
    {OCI_IMAGE, IMAGE(",'annotations':[]"), ERR_INVALID, "annotations is not an object"},
    {OCI_IMAGE, IMAGE(",'annotations':{'a':'b','c':1}"), ERR_INVALID, "the annotation 'c' is not a string"},
    {OCI_IMAGE, IMAGE(",'annotations':{'c':null}"), ERR_INVALID, "the annotation 'c' is not a string"},
};

static bool says(const char *message, const char *want)
{
	struct slice w = slice_cstr(want);

	return slice_ends(w, SLICE(": ")) ? slice_starts(slice_cstr(message), w) : strcmp(message, want) == 0;
}

static void test_bad(void **state)
{
	struct reading r = {0};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		read_as(&r, bad[i].type, bad[i].text);
		if (r.rc != bad[i].code || r.err.code != bad[i].code || !says(r.err.msg, bad[i].message))
			fail_msg("%s\n%s, '%s'\nnot\n%s, '%s'", bad[i].text, err_code_name(r.rc), r.err.msg,
			    err_code_name(bad[i].code), bad[i].message);
	}
	reading_done(&r);
}

/* What a client sends is quoted in part only, and never cuts a message short of
 * what it is about. */
static void test_long_texts(void **state)
{
	struct reading r = {0};
	char *text = xasprintf("{'schemaVersion':2,'config':{'digest':'%05000d'}}", 0);

	read_as(&r, OCI_IMAGE, text);
	assert_int_equal(r.rc, ERR_INVALID);
	assert_true(strlen(r.err.msg) < 300);
	free(text);
	reading_done(&r);
}

/* ---- limits ------------------------------------------------------------------------------------ */

static char *repeated(const char *head, const char *part, size_t n, const char *tail)
{
	struct buf b = BUF_INIT((size_t)16 << 20);

	buf_adds(&b, head);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i && part[0] == '{' ? "," : "", part);
	buf_adds(&b, tail);
	return buf_take(&b);
}

static void test_many_references(void **state)
{
	struct reading r = {0};
	char *text = repeated("{'schemaVersion':2,'manifests':[", CHILD(""), MANIFEST_MAX_REFS - 1, "]}");

	read_ok(&r, OCI_INDEX, text);
	assert_int_equal(r.m.nrefs, MANIFEST_MAX_REFS - 1);
	free(text);
	text = repeated("{'schemaVersion':2,'manifests':[", CHILD(""), MANIFEST_MAX_REFS, "]}");
	read_as(&r, OCI_INDEX, text);
	assert_int_equal(r.rc, ERR_TOO_LARGE);
	assert_string_equal(r.err.msg, "manifests has 10000 entries, at most 9999 are accepted");
	free(text);
	reading_done(&r);
}

static void test_cost(void **state)
{
	struct reading r = {0};
	char *text = repeated("{'a':", "[", 63, ""), *all = repeated(text, "]", 63, "}");

	read_as(&r, OCI_IMAGE, all);
	assert_int_equal(r.rc, ERR_INVALID); /* for what it is, not for what it costs */
	free(text);
	free(all);
	text = repeated("", "[", 4 << 20, "");
	read_as(&r, OCI_IMAGE, text);
	assert_int_equal(r.rc, ERR_TOO_LARGE);
	assert_non_null(strstr(r.err.msg, "nests 4194304 levels deep"));
	free(text);
	text = repeated("[1", ",1", 250000, "]");
	read_as(&r, OCI_IMAGE, text);
	assert_int_equal(r.rc, ERR_TOO_LARGE);
	free(text);
	reading_done(&r);
}

/* Whatever the arena holds: it is read, or there is said to be no memory. */
static void test_little_memory(void **state)
{
	static char text[] = IMAGE(",'layers':[" LAYER ",{'mediaType':'" FOREIGN "','digest':'" SHA
	                           "','size':1,'urls':['https://a/1']}],'subject':" LAYER ",'annotations':{'k':'v'}");
	struct err err = {0};
	size_t max = 0;
	enum err_code rc;

	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	do {
		struct manifest m;
		struct arena a;

		arena_init(&a, max);
		rc = manifest_parse(slice_cstr(text), SLICE(OCI_IMAGE), &a, &m, &err);
		assert_true(rc == ERR_OK || rc == ERR_NO_MEMORY);
		assert_int_equal(rc != ERR_OK, a.overflow);
		assert_string_equal(err.msg, rc ? "out of memory" : "");
		arena_free(&a);
		max += 8;
	} while (rc);
	assert_true(max > 300);
}

/* ---- children ------------------------------------------------------------------------------------ */

static void test_child(void **state)
{
	static char text[] = "{'manifests':[{'digest':'sha256:bad','platform':{'os':'linux','architecture':'amd64'}},"
	                     "{'digest':'" SHA "'},7,null,{'digest':'" SHA "','platform':{'os':'linux'}},"
	                     "{'digest':'" WIDE "','platform':{'os':'linux','architecture':'amd64'}},"
	                     "{'digest':'" SHA "','platform':{'os':'windows','architecture':'amd64'}}]}";
	struct digest d;
	char got[DIGEST_TEXT];

	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	assert_int_equal(manifest_child(slice_cstr(text), "linux", "amd64", &d), ERR_OK);
	assert_string_equal(digest_format(&d, got), WIDE);
	assert_int_equal(manifest_child(slice_cstr(text), "windows", "amd64", &d), ERR_OK);
	assert_string_equal(digest_format(&d, got), SHA);
	assert_int_equal(manifest_child(slice_cstr(text), "linux", "arm64", &d), ERR_NOT_FOUND);
	assert_int_equal(manifest_child(SLICE("{}"), "linux", "amd64", &d), ERR_NOT_FOUND);
	assert_int_equal(manifest_child(SLICE("{\"manifests\":7}"), "linux", "amd64", &d), ERR_NOT_FOUND);
	assert_int_equal(manifest_child(SLICE("nonsense"), "linux", "amd64", &d), ERR_NOT_FOUND);
	assert_int_equal(manifest_child(SLICE_NONE, "linux", "amd64", &d), ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_image),
	    cmocka_unit_test(test_index),
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_nulls),
	    cmocka_unit_test(test_foreign_layers),
	    cmocka_unit_test(test_descriptors),
	    cmocka_unit_test(test_subject),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_long_texts),
	    cmocka_unit_test(test_many_references),
	    cmocka_unit_test(test_cost),
	    cmocka_unit_test(test_little_memory),
	    cmocka_unit_test(test_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
