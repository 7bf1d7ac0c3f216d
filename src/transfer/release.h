/* SPDX-License-Identifier: Apache-2.0 */
/*
 * release.h - the way back to registry:2: writes the repositories tree from the
 * metadata, and the manifests beside the blobs, so that registry:2 or :3 serves
 * the directory again. The tree that was there before is kept under another
 * name, never changed.
 */
#ifndef BERTH_TRANSFER_RELEASE_H
#define BERTH_TRANSFER_RELEASE_H

#include "base/err.h"
#include "meta/meta.h"
#include "storage/storage.h"

#include <limits.h>

struct release_report {
	uint64_t repositories, manifests, tags, links;
	char old_tree[PATH_MAX]; /* where the tree from before is, "" when there was none */
};

struct release_control {
	bool (*progress)(const struct release_report *r, void *arg); /* may be NULL; false ends it */
	void *arg;
};

/* Nothing may write to the registry meanwhile. ERR_CLOSED when `progress` ended
 * it: the directory then is as it was. */
enum err_code release_run(const char *root, struct meta *m, struct storage *s, const struct release_control *control,
    struct release_report *out, struct err *err) MUST_USE;

#endif
