/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt_priv.h - inside of adopt.h: the run that adopt.c leads, and what
 * adopt_blobs.c does about the blobs of the repository at work.
 */
#ifndef BERTH_TRANSFER_ADOPT_PRIV_H
#define BERTH_TRANSFER_ADOPT_PRIV_H

#include "transfer/adopt.h"

#define ADOPT_BATCH 256

/* A blob whose size is not what it should be, and so was read. */
struct judged {
	struct digest digest;
	bool sound;
};

struct adopt {
	const struct adopt_options *o;
	const struct adopt_control *control;
	struct adopt_report *report;
	struct arena arena; /* of a manifest */
	char **names;       /* repositories of the tree */
	size_t n, cap;
	const char *repo; /* at work */
	/* A batch of links. */
	struct meta_blob blobs[ADOPT_BATCH];
	bool mismatch[ADOPT_BATCH]; /* known with another size */
	size_t nblobs;
	struct judged *judged;
	size_t njudged, cap_judged;
	bool left_out; /* a manifest of this repository */
	/* Indexes of the repository, for after its images. */
	struct digest *indexes;
	size_t nindexes, cap_indexes;
};

/* Tells that something in the tree is broken. */
void adopt_problem(struct adopt *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Is it the tree that is broken, not the way to it? */
bool adopt_is_broken(enum err_code rc);

/* Links the blob to the repository, with others, and not before the next flush. */
enum err_code adopt_queue_link(struct adopt *a, const struct digest *d, uint64_t size, struct err *err) MUST_USE;
enum err_code adopt_flush_links(struct adopt *a, struct err *err) MUST_USE;
/* The same where the bytes are there, and tells where they are not; `what` is for
 * that. */
enum err_code adopt_add_link(struct adopt *a, const struct digest *d, const char *what, struct err *err) MUST_USE;
/* The same for a blob that a manifest needs, and whose size it tells. */
enum err_code adopt_add_ref(
    struct adopt *a, const struct digest *d, uint64_t wanted, const char *what, struct err *err) MUST_USE;
/* The blob `name` is a link that leads to `target`, which has the bytes. */
enum err_code adopt_add_alias(struct adopt *a, const struct digest *name, const struct digest *target, const char *what,
    struct err *err) MUST_USE;

#endif
