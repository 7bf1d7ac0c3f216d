/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save_priv.h - what the files of save share. Private.
 *
 *   save_plan.c   which manifests and blobs belong to what was asked for
 *   save_index.c  index.json and manifest.json
 *   save.c        writing them
 */
#ifndef BERTH_TRANSFER_SAVE_PRIV_H
#define BERTH_TRANSFER_SAVE_PRIV_H

#include "base/buf.h"
#include "registry/manifest.h"
#include "registry/reference.h"
#include "transfer/digest_set.h"
#include "transfer/save.h"

#define SAVE_TEXT (REFERENCE_NAME_MAX + REFERENCE_TAG_MAX + DIGEST_TEXT + 4)
#define SAVE_PATH (DIGEST_TEXT + 16)
#define SAVE_TEXTS_MAX ((size_t)64 << 20) /* index.json, manifest.json */

/* A file below blobs/. */
struct save_file {
	struct digest digest;
	uint64_t size;
	bool is_manifest;
	struct slice payload; /* of a manifest, where it is kept */
	size_t top;           /* an image that needs it */
};

/* What was asked for, or came along with a name of its own. */
struct save_top {
	size_t repo;
	struct slice tag; /* absent: by digest */
	bool named;       /* false: a referrer */
	struct digest digest;
	struct slice media_type;
	uint64_t size;
};

struct save {
	const struct save_options *o;
	const struct save_control *control;
	struct save_report *report;
	struct arena arena; /* names, and manifests as long as they fit */
	size_t kept;        /* bytes of manifests in it */
	struct slice *repos;
	size_t nrepos, cap_repos;
	struct save_top *tops;
	size_t ntops, cap_tops;
	struct digest_set visited; /* manifests, by repository */
	size_t *visited_for;       /* the image that led there, by number */
	size_t cap_visited;
	struct digest_set seen;  /* files */
	struct save_file *files; /* by number, until they are sorted */
	size_t cap_files;
	struct buf index, docker; /* index.json, manifest.json */
};

/* save_plan.c */
enum err_code save_plan(struct save *s, struct err *err) MUST_USE;
/* "app:1.0" or "app@sha256:..." for messages. */
const char *save_top_text(const struct save *s, const struct save_top *t, char out[SAVE_TEXT]);

/* save_index.c */
enum err_code save_make_index(struct save *s, struct err *err) MUST_USE;
/* "blobs/sha256/..." */
const char *save_path(const struct digest *d, char out[SAVE_PATH]);

#endif
