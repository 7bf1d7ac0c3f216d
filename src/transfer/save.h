/* SPDX-License-Identifier: Apache-2.0 */
/*
 * save.h - writes images of the registry as an OCI image layout (image-spec,
 * image-layout.md), with a manifest.json for docker load beside it.
 *
 * With an image come all its children that the registry has, everything that
 * refers to it (signatures, SBOMs, and what refers to those), and the tags that
 * cosign makes beside it. In index.json each tag has one entry, named by
 * io.containerd.image.name (repository:tag) and org.opencontainers.image.ref.name
 * (the tag, or repository:tag when there are several repositories); referrers have
 * entries without a name.
 *
 * The files come in the order of their names, and are the same whenever the
 * content is: manifests byte for byte, blobs with their digests verified on the
 * way. What must not change meanwhile is up to the caller: nothing may be
 * collected (gc_pause); pushes and deletions may go on.
 */
#ifndef BERTH_TRANSFER_SAVE_H
#define BERTH_TRANSFER_SAVE_H

#include "archive/sink.h"
#include "meta/meta.h"
#include "storage/storage.h"

struct save_options {
	struct meta *meta;
	struct storage *storage;
	const char *const *names; /* repository, repository:tag or repository@digest */
	size_t nnames;            /* 0: everything that has a tag */
};

struct save_report {
	uint64_t tags, manifests, blobs;
	uint64_t bytes, bytes_total; /* written so far, of how many */
};

struct save_control {
	bool (*progress)(const struct save_report *r, void *arg); /* may be NULL; false ends it */
	void *arg;
};

/* Is it a name that save_run takes? ERR_INVALID. */
enum err_code save_name_check(const char *name, struct err *err) MUST_USE;

/*
 * ERR_NOT_FOUND: an image that was asked for is not there, or one of its blobs;
 * ERR_CORRUPT: a blob is damaged; both name the image. ERR_CLOSED when `progress`
 * ended it. The sink is not finished: that is the caller's.
 */
enum err_code save_run(const struct save_options *o, struct sink *out, const struct save_control *control,
    struct save_report *report, struct err *err) MUST_USE;

/*
 * A sink for a directory that is a layout already: its index.json keeps the
 * entries it has, but for those whose names are written now, and manifest.json,
 * which only tarballs need, is left out. Takes over `inner`.
 */
struct sink *save_into_layout(struct sink *inner, const char *directory);

#endif
