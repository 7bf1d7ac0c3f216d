/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt.h - taking over a directory that registry:2 or :3 has written, in
 * place: the blobs stay where they are, repositories, tags, manifests and layer
 * links are read into the metadata. Nothing in the tree is changed or deleted; a
 * blob that was pushed by sha512 gets that name beside the one by sha256.
 *
 * It can be interrupted and goes on with the repository it was at. What was
 * broken in the tree already is reported by name, and the rest is taken over.
 */
#ifndef BERTH_TRANSFER_ADOPT_H
#define BERTH_TRANSFER_ADOPT_H

#include "base/err.h"
#include "meta/meta.h"
#include "storage/storage.h"

struct adopt_report {
	uint64_t repositories, repositories_total;
	uint64_t manifests, tags, links;
	uint64_t uploads;  /* in flight, not taken over */
	uint64_t problems; /* told to `problem` */
	int64_t began;     /* clock_mono, for an estimate */
};

struct adopt_control {
	/* After every repository; false ends it, to be gone on with later. May be NULL. */
	bool (*progress)(const struct adopt_report *r, void *arg);
	/* Something in the tree is broken: in which repository, what. May be NULL. */
	void (*problem)(const char *repository, const char *what, void *arg);
	void *arg;
};

struct adopt_options {
	const char *root; /* the storage's root directory */
	struct meta *meta;
	struct storage *storage;
	size_t manifest_max; /* larger ones are reported and left out */
};

/* Is there a tree that has not been taken over (completely)? */
enum err_code adopt_needed(const struct adopt_options *o, bool *needed, struct err *err) MUST_USE;
/* Takes it over. Also where that was done before: what registry:2 has written
 * since is added, and tags are set to where they point in the tree. */
enum err_code adopt_run(const struct adopt_options *o, const struct adopt_control *control, struct adopt_report *out,
    struct err *err) MUST_USE;

#endif
