/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reference.h - the grammar of names (distribution-spec, "Pulling manifests").
 * Pure functions, thread-safe.
 */
#ifndef BERTH_REGISTRY_REFERENCE_H
#define BERTH_REGISTRY_REFERENCE_H

#include "base/digest.h"

#define REFERENCE_NAME_MAX 255
#define REFERENCE_TAG_MAX 128

/*
 * A repository name: components of lower-case letters and digits, joined
 * inside by ".", "_", "__" or dashes, separated by "/", at most 255 bytes in
 * all. On false *why is a constant text that says what is wrong.
 */
bool reference_name_valid(struct slice name, const char **why);
/* [a-zA-Z0-9_][a-zA-Z0-9._-]{0,127} */
bool reference_tag_valid(struct slice tag);

/* What stands behind /manifests/: a tag or a digest. */
struct reference {
	bool is_tag;
	struct slice tag;
	struct digest digest;
};

enum reference_verdict {
	REFERENCE_OK,
	REFERENCE_BAD_TAG,
	REFERENCE_BAD_DIGEST, /* has a ':' but is no digest */
	REFERENCE_UNKNOWN_ALGORITHM
};
enum reference_verdict reference_parse(struct slice s, struct reference *out) MUST_USE;

#endif
