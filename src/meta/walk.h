/* SPDX-License-Identifier: Apache-2.0 */
/*
 * walk.h - going through everything, page by page: for verification, export,
 * import and backup. Not for answering requests.
 *
 * Each page continues behind the id or name it is given (0 or the absent slice:
 * from the start) and is empty at the end. What is written during a walk may or
 * may not be seen. All functions are thread-safe; slices are in the arena.
 */
#ifndef BERTH_META_WALK_H
#define BERTH_META_WALK_H

#include "meta/meta.h"

struct meta_walk_blob {
	int64_t id;
	struct digest digest;
	uint64_t size;
};
struct meta_walk_blobs {
	struct meta_walk_blob *v;
	size_t n;
};
/* Blobs whose bytes are here, by id. */
enum err_code meta_walk_blobs(struct meta *m, int64_t after, size_t limit, struct arena *a, struct meta_walk_blobs *out,
    struct err *err) MUST_USE;

struct meta_walk_manifest {
	int64_t id;
	struct slice repo;
	struct meta_manifest manifest; /* with its payload */
};
struct meta_walk_manifests {
	struct meta_walk_manifest *v;
	size_t n;
};
/* Manifests of all repositories, by id. */
enum err_code meta_walk_manifests(struct meta *m, int64_t after, size_t limit, struct arena *a,
    struct meta_walk_manifests *out, struct err *err) MUST_USE;

/* Blobs that a manifest speaks of and its repository does not have. */
struct meta_walk_unlinked {
	struct digest *v;
	size_t n;
	struct slice tag; /* one of the manifest's, absent without */
};
enum err_code meta_walk_unlinked(
    struct meta *m, int64_t manifest, struct arena *a, struct meta_walk_unlinked *out, struct err *err) MUST_USE;

struct meta_walk_repo {
	int64_t id;
	struct slice name;
};
struct meta_walk_repos {
	struct meta_walk_repo *v;
	size_t n;
};
/* Repositories, those without a manifest too, by id. */
enum err_code meta_walk_repos(struct meta *m, int64_t after, size_t limit, struct arena *a, struct meta_walk_repos *out,
    struct err *err) MUST_USE;
/* The blobs a repository may read, by id. */
enum err_code meta_walk_links(struct meta *m, int64_t repo, int64_t after, size_t limit, struct arena *a,
    struct meta_walk_blobs *out, struct err *err) MUST_USE;

struct meta_walk_tag {
	struct slice name;
	struct digest digest; /* of its manifest */
};
struct meta_walk_tags {
	struct meta_walk_tag *v;
	size_t n;
};
enum err_code meta_walk_tags(struct meta *m, int64_t repo, struct slice after, size_t limit, struct arena *a,
    struct meta_walk_tags *out, struct err *err) MUST_USE;

/* Which images a blob belongs to. */
struct meta_blob_user {
	struct slice repo;
	struct digest manifest;
	struct slice tag; /* one of its tags, absent without */
};
struct meta_blob_users {
	struct meta_blob_user *v;
	size_t n;
};
enum err_code meta_blob_users(struct meta *m, const struct digest *d, size_t limit, struct arena *a,
    struct meta_blob_users *out, struct err *err) MUST_USE;

/* Is it the digest of a blob that is here, whatever the repository? ERR_NOT_FOUND. */
enum err_code meta_blob_known(struct meta *m, const struct digest *d, uint64_t *size, struct err *err) MUST_USE;

/*
 * Small facts about the registry as a whole ("import.done"), by name. Reading
 * one that was never set is ERR_NOT_FOUND; setting the absent slice removes it.
 */
enum err_code meta_state_get(
    struct meta *m, struct slice name, struct arena *a, struct slice *value, struct err *err) MUST_USE;
enum err_code meta_tx_state_set(struct meta_tx *tx, struct slice name, struct slice value, struct err *err) MUST_USE;
/* Removes all whose name starts with `prefix`. */
enum err_code meta_tx_state_clear(struct meta_tx *tx, struct slice prefix, struct err *err) MUST_USE;

/* That a directory of registry:2 was taken over to its end. Before that, files may
 * belong to what is only to come. */
#define META_STATE_ADOPTED "adopt.done"

/* A consistent copy of the database in a new file, synced, while it is in use:
 * everything that was committed before the call is in it. ERR_EXISTS. */
enum err_code meta_backup(struct meta *m, const char *path, struct err *err) MUST_USE;

#endif
