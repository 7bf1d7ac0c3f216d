/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_priv.h - what the files of load share. Private.
 *
 *   load_files.c   the archive's files become uploads
 *   load_docker.c  manifest.json of docker save becomes image manifests
 *   load_entries.c index.json or that: what the archive lists
 *   load_plan.c    which manifests go to which repository
 *   load_names.c   under which names
 *   load_store.c   checking and storing them
 */
#ifndef BERTH_TRANSFER_LOAD_PRIV_H
#define BERTH_TRANSFER_LOAD_PRIV_H

#include "base/buf.h"
#include "base/codec.h"
#include "registry/check.h"
#include "registry/reference.h"
#include "transfer/digest_set.h"
#include "transfer/load.h"
#include "transfer/texts.h"

/* Of a REPOSITORY[:TAG] as text. */
#define LOAD_NAME (REFERENCE_NAME_MAX + REFERENCE_TAG_MAX + 2)

enum load_form {
	LOAD_AS_IT_IS,
	LOAD_TAR, /* was compressed on the way */
	LOAD_GZIP /* came compressed */
};

/* A file of the archive, or a manifest that was made from it. */
struct load_file {
	char *path;
	char *target; /* a link: to which path; NULL: a file */
	struct digest digest;
	uint64_t size;      /* both of the bytes as they are stored */
	struct digest diff; /* of the tar in it, DIGEST_NONE: not known */
	enum load_form form;
	bool is_blob;                 /* its name was its digest */
	bool present;                 /* the storage had it before */
	char upload[UUID_TEXT];       /* where its bytes wait, "": nowhere, any more */
	struct slice made;            /* a manifest that was made: its bytes */
	size_t counted_by, stored_by; /* numbers of the last images that have, from 1 */
};

/* What index.json lists, or manifest.json. */
struct load_entry {
	struct digest digest;
	struct slice media_type; /* absent: not said */
	struct slice name;       /* a full one, absent without */
	struct slice tag;        /* where only a tag is known */
	bool placed;             /* it has a repository */
	bool covered;            /* it has no name, and an index of another entry lists it */
	bool referrer;           /* it has a subject */
};

/* A manifest with all below it, on its way to a repository. */
struct load_image_plan {
	struct slice repo;
	struct slice *tags;
	size_t ntags, cap_tags;
	struct digest digest;
	struct slice media_type;
	size_t first, n;                /* its manifests in load.nodes, children before parents */
	uint64_t blobs, bytes, present; /* as in struct load_image */
};

struct load_node {
	struct digest digest;
	struct slice media_type; /* what the descriptor says */
	struct slice repo;
};

struct load {
	const struct load_options *o;
	const struct load_control *control;
	struct arena arena; /* names and manifests that were made */
	struct load_file *files;
	size_t nfiles, cap_files;
	size_t by_path; /* files before this one are sorted by path */
	struct load_file **by_digest;
	struct buf index, manifest; /* index.json and manifest.json */
	bool has_index, has_manifest;
	char top[SOURCE_PATH_MAX + 1]; /* a directory that looks like the top of a layout, "" without */
	struct load_entry *entries;
	size_t nentries, cap_entries;
	struct load_image_plan *images;
	size_t nimages, cap_images;
	struct digest_set image_names; /* of repository and digest, by the number of the image */
	struct digest_set tag_names;   /* of repository and tag */
	size_t *tag_images;            /* which image has the tag, by its number there */
	size_t cap_tag_images;
	struct load_node *nodes;
	size_t nnodes, cap_nodes;
	uint64_t stored, to_store;                                     /* blobs */
	char repo[REFERENCE_NAME_MAX + 1], tag[REFERENCE_TAG_MAX + 1]; /* of --name, "" without */
};

void load_note(struct load *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* load_files.c */
enum err_code load_receive(struct load *l, struct source *s, struct err *err) MUST_USE;
/* Sorts by path; nothing may be in it twice. */
enum err_code load_sort(struct load *l, struct err *err) MUST_USE;
/* After the last file was added. */
void load_index_digests(struct load *l);
/* Through links; NULL. */
struct load_file *load_find(const struct load *l, struct slice path);
struct load_file *load_find_digest(const struct load *l, const struct digest *d);
/* The bytes of a small file, at most as many as a manifest may have. */
enum err_code load_read(
    struct load *l, const struct load_file *f, struct arena *a, struct slice *out, struct err *err) MUST_USE;
struct load_file *load_add_file(struct load *l, const char *path);
void load_free_files(struct load *l);

/* load_docker.c: entries and manifests of manifest.json. */
enum err_code load_docker(struct load *l, struct err *err) MUST_USE;

/* load_entries.c */
struct load_entry *load_add_entry(struct load *l);
/* Reads index.json, or else manifest.json. */
enum err_code load_read_entries(struct load *l, struct err *err) MUST_USE;
/* Sets `covered` and `referrer` of each. */
void load_look_at_entries(struct load *l);

/* load_names.c */
/* A reference as clients write it: the host dropped. The tag may be absent. False: it is none. */
bool load_parse_name(struct slice text, struct slice *repo, struct slice *tag);
/* Splits o->name into l->repo and l->tag. */
enum err_code load_take_name(struct load *l, struct err *err) MUST_USE;
/* Makes images of the entries that have names. */
enum err_code load_name_entries(struct load *l, struct err *err) MUST_USE;
enum err_code load_add_image(
    struct load *l, const struct load_entry *e, struct slice repo, struct slice tag, struct err *err) MUST_USE;

/* load_plan.c */
enum err_code load_plan(struct load *l, struct err *err) MUST_USE;
/* "app:1.0", "app@sha256:..." for messages. */
const char *load_image_text(const struct load_image_plan *i, char out[LOAD_NAME + DIGEST_TEXT]);
/* The manifest with this digest in the archive, read. */
enum err_code load_manifest(struct load *l, const struct digest *d, struct slice media_type, struct slice repo,
    struct arena *a, struct slice *payload, struct manifest *m, struct err *err) MUST_USE;

/* load_store.c */
enum err_code load_check(struct load *l, struct err *err) MUST_USE;
enum err_code load_store(struct load *l, struct err *err) MUST_USE;

#endif
