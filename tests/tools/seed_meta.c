/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seed_meta.c - fills a metadata database for benchmarks: image manifests of
 * about 1 KB with a config and three layers, each with a tag, spread evenly over
 * repositories. Everything goes through the operations of meta.h, some thousand
 * manifests in one relaxed transaction, so the result is what pushes would leave.
 *
 *   seed_meta DBPATH MANIFESTS REPOS [TAGS]
 *
 * Manifest i is in repository "group-XX/app-NNNNNN" (NNNNNN = i mod REPOS) under
 * the tag "build-IIIIIIII". The config and the top layer are its own, the middle
 * layer is shared by ten neighbours and the bottom one by a fiftieth of all. TAGS
 * more tags "tag-NNNNNNNN" go to one manifest of the repository "many/tags".
 */
#include "base/buf.h"
#include "base/clock.h"
#include "meta/meta.h"
#include <stdio.h>
#include <stdlib.h>

#define MANIFESTS_AT_ONCE 20000
#define TAGS_AT_ONCE 20000
#define WRITER_CACHE_KIB (512 * 1024)
#define NREFS 4

struct seed {
	uint64_t manifests, repos, tags;
	uint64_t next, end; /* of the transaction at hand */
	struct buf payload;
};

struct blob_name {
	char role[8];
	uint64_t repo, nr;
};

static struct digest blob_digest(const char *role, uint64_t repo, uint64_t nr)
{
	struct blob_name name = {.repo = repo, .nr = nr};
	snprintf(name.role, sizeof(name.role), "%s", role);
	struct digest d;
	digest_of(DIGEST_SHA256, &name, sizeof(name), &d);
	return d;
}

static void refs_of(const struct seed *s, uint64_t i, struct meta_ref refs[NREFS])
{
	uint64_t repo = i % s->repos;
	refs[0] = (struct meta_ref){META_REF_CONFIG, blob_digest("config", repo, i), true, false};
	refs[1] = (struct meta_ref){META_REF_LAYER, blob_digest("base", 0, i % 50), true, false};
	refs[2] = (struct meta_ref){META_REF_LAYER, blob_digest("mid", repo, i / s->repos / 10), true, false};
	refs[3] = (struct meta_ref){META_REF_LAYER, blob_digest("top", repo, i), true, false};
}

static uint64_t size_of_ref(size_t at)
{
	static const uint64_t sizes[NREFS] = {1811, 29124181, 4194304, 65536};
	return sizes[at];
}

static void write_payload(struct buf *b, const struct meta_ref refs[NREFS], uint64_t i)
{
	char text[DIGEST_TEXT];
	buf_clear(b);
	buf_adds(b, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",");
	for (size_t k = 0; k < NREFS; k++) {
		buf_adds(b, k == 0 ? "\"config\":" : k == 1 ? ",\"layers\":[" : ",");
		buf_addf(b, "{\"mediaType\":\"application/vnd.oci.image.%s\",\"size\":%llu,\"digest\":\"%s\"}",
		    k == 0 ? "config.v1+json" : "layer.v1.tar+gzip", (unsigned long long)size_of_ref(k),
		    digest_format(&refs[k].digest, text));
	}
	buf_addf(b,
	    "],\"annotations\":{\"org.opencontainers.image.created\":\"2026-01-02T03:04:05Z\","
	    "\"org.opencontainers.image.revision\":\"%040llx\","
	    "\"org.opencontainers.image.source\":\"https://git.example.org/group/app\"}}",
	    (unsigned long long)i);
}

static enum err_code add_one(struct meta_tx *tx, struct seed *s, uint64_t i, struct err *err)
{
	struct meta_ref refs[NREFS];
	char repo[64], tag[32];
	uint64_t nr = i % s->repos;
	snprintf(repo, sizeof(repo), "group-%02u/app-%06llu", (unsigned)(nr % 100), (unsigned long long)nr);
	snprintf(tag, sizeof(tag), "build-%08llu", (unsigned long long)i);
	refs_of(s, i, refs);
	write_payload(&s->payload, refs, i);
	for (size_t k = 0; k < NREFS; k++) {
		struct meta_blob b = {refs[k].digest, size_of_ref(k)};
		enum err_code rc = meta_tx_blob_link(tx, slice_cstr(repo), &b, err);
		if (rc)
			return rc;
	}
	struct slice tags[1] = {slice_cstr(tag)};
	struct meta_manifest_put p = {
	    .repo = slice_cstr(repo),
	    .media_type = SLICE("application/vnd.oci.image.manifest.v1+json"),
	    .payload = buf_slice(&s->payload),
	    .refs = refs,
	    .nrefs = NREFS,
	    .tags = tags,
	    .ntags = 1,
	};
	digest_of(DIGEST_SHA256, p.payload.p, p.payload.n, &p.digest);
	return meta_tx_manifest_put(tx, &p, err);
}

static enum err_code add_some(struct meta_tx *tx, void *arg, struct err *err)
{
	struct seed *s = arg;
	for (uint64_t i = s->next; i < s->end; i++) {
		enum err_code rc = add_one(tx, s, i, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static enum err_code tag_some(struct meta_tx *tx, void *arg, struct err *err)
{
	struct seed *s = arg;
	struct slice payload = SLICE("{\"schemaVersion\":2,\"many\":\"tags\"}");
	for (uint64_t i = s->next; i < s->end; i++) {
		char tag[32];
		snprintf(tag, sizeof(tag), "tag-%08llu", (unsigned long long)i);
		struct slice tags[1] = {slice_cstr(tag)};
		struct meta_manifest_put p = {
		    .repo = SLICE("many/tags"),
		    .media_type = SLICE("application/vnd.oci.image.manifest.v1+json"),
		    .payload = payload,
		    .tags = tags,
		    .ntags = 1,
		};
		digest_of(DIGEST_SHA256, payload.p, payload.n, &p.digest);
		enum err_code rc = meta_tx_manifest_put(tx, &p, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static enum err_code in_steps(
    struct meta *m, struct seed *s, uint64_t total, uint64_t step, meta_write_fn *fn, struct err *err)
{
	for (s->next = 0; s->next < total; s->next = s->end) {
		s->end = s->next + step < total ? s->next + step : total;
		enum err_code rc = meta_write(m, META_RELAXED, fn, s, err);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static uint64_t number(const char *text)
{
	uint64_t v;
	if (slice_u64(slice_cstr(text), UINT64_C(1000000000), &v))
		return v;
	fprintf(stderr, "seed_meta: \"%s\" is not a number\n", text);
	exit(2);
}

int main(int argc, char **argv)
{
	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: seed_meta DBPATH MANIFESTS REPOS [TAGS]\n");
		return 2;
	}
	struct seed s = {.manifests = number(argv[2]), .repos = number(argv[3]), .payload = BUF_INIT(65536)};
	s.tags = argc > 4 ? number(argv[4]) : 0;
	if (s.repos == 0)
		s.repos = 1;
	struct meta_options o = {.path = argv[1], .writer_cache_kib = WRITER_CACHE_KIB};
	struct meta *m = NULL;
	struct err err;
	int64_t start = clock_mono();
	enum err_code rc = meta_open(&o, &m, &err);
	if (rc == ERR_OK)
		rc = in_steps(m, &s, s.manifests, MANIFESTS_AT_ONCE, add_some, &err);
	if (rc == ERR_OK)
		rc = in_steps(m, &s, s.tags, TAGS_AT_ONCE, tag_some, &err);
	meta_close(&m);
	buf_free(&s.payload);
	if (rc) {
		fprintf(stderr, "seed_meta: %s\n", err.msg);
		return 1;
	}
	printf("%llu manifests in %llu repositories, %llu more tags: %.1f s\n", (unsigned long long)s.manifests,
	    (unsigned long long)s.repos, (unsigned long long)s.tags, (double)(clock_mono() - start) / (double)CLOCK_S);
	return 0;
}
