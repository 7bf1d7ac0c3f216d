/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.h - brings images from an archive into the registry: OCI image layouts
 * (image-spec, image-layout.md) and what `docker save` writes (image manifest.json
 * and layers as tars), from any source of files. An archive that is both is read
 * as a layout, which keeps the digests.
 *
 * The archive is read once, whatever the order of its files. Each file goes
 * through the hash into an upload of the storage; layers of docker save, which
 * are not compressed, through gzip too. Only when all has been read is it known
 * what the files are: then each image is checked as a push would be, its blobs
 * become blobs, its manifests are stored from the bottom up, and its tags come
 * last, in the durable order of a push. So a tag is never seen before its image
 * is whole, and what fails or is killed leaves nothing but uploads, which are
 * removed at the end or purged. Files that no image needs are dropped.
 *
 * No file is ever in memory but index.json, manifest.json and one manifest at a
 * time. Works beside pushes and the collector.
 */
#ifndef BERTH_TRANSFER_LOAD_H
#define BERTH_TRANSFER_LOAD_H

#include "archive/source.h"
#include "registry/registry.h"

struct load_image {
	const char *repo, *tag; /* tag NULL: known by its digest only */
	struct digest digest;
	uint64_t blobs, bytes; /* that it needs */
	uint64_t present;      /* blobs of these that the registry had already */
};

struct load_control {
	/* While blobs are stored; false ends it. May be NULL. */
	bool (*progress)(uint64_t blobs, uint64_t total, void *arg);
	void (*image)(const struct load_image *image, void *arg); /* is in the registry now */
	void (*note)(const char *what, void *arg);                /* something to know that is no failure */
	void *arg;
};

struct load_options {
	const struct registry_options *registry; /* meta, storage, limits and validation of pushes */
	const char *name;                        /* REPOSITORY[:TAG] in place of the archive's names; NULL: those */
};

/* Is it a REPOSITORY[:TAG] that load_run takes? ERR_INVALID with what is wrong. */
enum err_code load_name_check(const char *name, struct err *err) MUST_USE;

/*
 * ERR_INVALID, ERR_UNSUPPORTED, ERR_MISMATCH or ERR_CORRUPT for what the archive is; ERR_NOT_FOUND when
 * something is missing in archive and repository; ERR_NO_SPACE; ERR_CLOSED when
 * `progress` ended it or the source did. Images told to `image` before a failure
 * are there, whole; all others are not.
 */
enum err_code load_run(
    const struct load_options *o, struct source *s, const struct load_control *control, struct err *err) MUST_USE;

#endif
