/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - reading image manifests and indexes (OCI image-spec manifest.md
 * and image-index.md; Docker image manifest version 2, schema 2).
 *
 * Manifests are kept byte for byte; reading them only finds out what they
 * refer to. Unknown fields are left alone. Thread-safe.
 */
#ifndef BERTH_REGISTRY_MANIFEST_H
#define BERTH_REGISTRY_MANIFEST_H

#include "base/arena.h"
#include "meta/meta.h"

#define MANIFEST_TYPE_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MANIFEST_TYPE_INDEX "application/vnd.oci.image.index.v1+json"
/* References of one manifest, at most. */
#define MANIFEST_MAX_REFS 10000

enum manifest_kind { MANIFEST_IMAGE, MANIFEST_INDEX };

/* One referenced thing, beside its struct meta_ref. */
struct manifest_ref {
	struct slice what;             /* "config", "layers[2]", "manifests[0]": for messages */
	int64_t size;                  /* as the descriptor says */
	struct slice os, architecture; /* platform of an index entry, absent: none */
	struct slice *urls;            /* of the descriptor */
	size_t nurls;
	bool foreign; /* a type whose bytes need not be here */
};

struct manifest {
	enum manifest_kind kind;
	struct slice media_type;
	struct slice artifact_type; /* absent: none */
	bool has_subject;
	struct digest subject;
	struct meta_ref *refs;     /* all of them required but foreign ones that have URLs */
	struct manifest_ref *info; /* as many */
	size_t nrefs;
	struct slice annotations; /* JSON object text, absent: none */
};

/*
 * Reads a manifest that came with this Content-Type (parameters are ignored;
 * absent, or a generic JSON type: what the manifest itself says). Everything in
 * *out is in the arena or points into the payload. ERR_INVALID or
 * ERR_UNSUPPORTED with a message that says which field is wrong; ERR_TOO_LARGE
 * when it has too many parts.
 */
enum err_code manifest_parse(
    struct slice payload, struct slice content_type, struct arena *a, struct manifest *out, struct err *err) MUST_USE;

/* Must the repository have this blob for the manifest to be whole? False for what
 * it does not name, and for foreign ones that have URLs. */
bool manifest_needs(const struct meta_manifest *stored, const struct digest *blob);

/* The descriptor of this manifest for a list of referrers (distribution-spec,
 * "Listing Referrers"), JSON in the arena. */
struct slice manifest_descriptor(
    const struct manifest *m, struct slice payload, const struct digest *d, struct arena *a);

/* The child of a list or index for this platform; ERR_NOT_FOUND. For clients
 * that cannot read lists. */
enum err_code manifest_child(
    struct slice payload, const char *os, const char *architecture, struct digest *out) MUST_USE;

#endif
