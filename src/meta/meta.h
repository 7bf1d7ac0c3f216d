/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta.h - the metadata: which repository holds which blob, manifests with
 * their bytes, tags, references, uploads.
 *
 * All meaning of the registry lives here; storage only keeps bytes. The
 * operations below are written once, on the statements of queries.c, and run
 * on any engine behind engine.h (SQLite now). Reads never wait for the writer.
 *
 * Writes: a function of the caller runs inside a transaction, possibly grouped
 * with those of other threads, and must therefore touch nothing but the
 * transaction and its argument. When meta_write returns ERR_OK the change is
 * committed; META_DURABLE also means that it survives a power cut, META_RELAXED
 * that it survives the death of the process.
 *
 * Names (repositories, tags) come in validated; the limits of their grammar
 * are the registry's concern. Everything returned in slices is in the arena
 * that was passed. All functions are thread-safe.
 */
#ifndef BERTH_META_META_H
#define BERTH_META_META_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/err.h"

struct meta;
struct meta_tx;

struct meta_options {
	const char *path;        /* SQLite database file; its directory exists */
	size_t readers;          /* reader connections at most; 0: a sensible number */
	int64_t busy_wait;       /* for another process holding the file; 0: 5 s */
	size_t writer_cache_kib; /* the writer's page cache; 0: 2 MiB */
};

/* Opens or creates the database, applies missing migrations in a transaction,
 * and refuses a schema newer than this program (ERR_UNSUPPORTED) or a damaged
 * file (ERR_CORRUPT) with a message that says what to do. */
enum err_code meta_open(const struct meta_options *o, struct meta **out, struct err *err) MUST_USE;
/* Ends the writer after the writes in flight; *m becomes NULL. */
void meta_close(struct meta **m);
/* A cheap query, for health checks. */
enum err_code meta_check(struct meta *m, struct err *err) MUST_USE;
void meta_metrics_register(void);

enum meta_durability { META_RELAXED, META_DURABLE };
typedef enum err_code meta_write_fn(struct meta_tx *tx, void *arg, struct err *err);
/* Runs fn in a transaction of its own fate: when it returns an error only its
 * own changes are undone and that error is returned. */
enum err_code meta_write(
    struct meta *m, enum meta_durability d, meta_write_fn *fn, void *arg, struct err *err) MUST_USE;

/* ---- blobs --------------------------------------------------------------- */

struct meta_blob {
	struct digest digest;
	uint64_t size;
};

/* A blob that this repository may read; ERR_NOT_FOUND otherwise. */
enum err_code meta_blob_get(
    struct meta *m, struct slice repo, const struct digest *d, struct meta_blob *out, struct err *err) MUST_USE;
/* Is the blob in any repository? For mounts without `from`; the answer names
 * one such repository in *repo (arena). ERR_NOT_FOUND. */
enum err_code meta_blob_find(struct meta *m, const struct digest *d, struct arena *a, struct meta_blob *out,
    struct slice *repo, struct err *err) MUST_USE;
/* The repository may read the blob from now on (creates both rows as needed). The
 * caller has hashed the bytes: where another size was known, that was wrong, and
 * is put right. */
enum err_code meta_tx_blob_link(
    struct meta_tx *tx, struct slice repo, const struct meta_blob *b, struct err *err) MUST_USE;
/* The same for bytes that nobody has hashed: ERR_MISMATCH, and nothing is written,
 * when another size is known. */
enum err_code meta_tx_blob_link_unhashed(
    struct meta_tx *tx, struct slice repo, const struct meta_blob *b, struct err *err) MUST_USE;
/* This is the size of a blob that is here, whatever was known; ERR_NOT_FOUND. */
enum err_code meta_tx_blob_resize(struct meta_tx *tx, const struct meta_blob *b, struct err *err) MUST_USE;
/* Links into `to` what `from` may read; ERR_NOT_FOUND when it may not (any
 * more). On success *out tells the size. */
enum err_code meta_tx_blob_mount(struct meta_tx *tx, struct slice from, struct slice to, const struct digest *d,
    struct meta_blob *out, struct err *err) MUST_USE;
/* The repository may no longer read it; ERR_NOT_FOUND. */
enum err_code meta_tx_blob_unlink(
    struct meta_tx *tx, struct slice repo, const struct digest *d, struct err *err) MUST_USE;

/* ---- manifests and tags --------------------------------------------------- */

struct meta_manifest {
	struct digest digest;
	struct slice media_type;
	struct slice payload; /* the bytes as they were pushed */
	int64_t pushed_at;    /* clock_real */
};

/* By digest or by tag; ERR_NOT_FOUND. The payload is read unless !payload;
 * payload.n (the size) is right in both cases. */
enum err_code meta_manifest_get(struct meta *m, struct slice repo, const struct digest *d, bool payload,
    struct arena *a, struct meta_manifest *out, struct err *err) MUST_USE;
enum err_code meta_manifest_get_tag(struct meta *m, struct slice repo, struct slice tag, bool payload, struct arena *a,
    struct meta_manifest *out, struct err *err) MUST_USE;
/* ERR_NOT_FOUND when nothing, not even a blob, was ever pushed to it. */
enum err_code meta_repo_exists(struct meta *m, struct slice repo, struct err *err) MUST_USE;

/* Kept in the database. META_REF_FILE is no reference: see meta_tx_manifest_filed. */
enum meta_ref_kind { META_REF_CONFIG, META_REF_LAYER, META_REF_CHILD, META_REF_FILE };

struct meta_ref {
	enum meta_ref_kind kind;
	struct digest digest;
	bool required; /* must be in the repository for the push to be accepted */
	bool missing;  /* out: it is not there */
};

struct meta_manifest_put {
	struct slice repo;
	struct digest digest;
	struct slice media_type;
	struct slice artifact_type; /* absent: none */
	struct slice payload;
	const struct digest *subject; /* NULL: none */
	struct slice descriptor;      /* JSON descriptor for referrers; absent without subject */
	struct meta_ref *refs;
	size_t nrefs;
	const struct slice *tags; /* each now points to this manifest */
	size_t ntags;
	size_t nmissing; /* out: how many required refs are missing */
};

/*
 * Stores a manifest, its references and its tags in one go; a manifest that is
 * there already is left as it is and only tagged. When a required reference is
 * missing, also one that was deleted since, nothing is stored, `missing` is set on each and ERR_NOT_FOUND is
 * returned. Blobs are looked up among those the repository may read, children
 * among its manifests. The repository is created if need be and is in the
 * catalog from now on.
 */
enum err_code meta_tx_manifest_put(struct meta_tx *tx, struct meta_manifest_put *p, struct err *err) MUST_USE;
/* The bytes of this manifest are in the storage too, as registry:2 keeps them. The
 * file goes when the last manifest that was noted with it does. ERR_NOT_FOUND. */
enum err_code meta_tx_manifest_filed(
    struct meta_tx *tx, struct slice repo, const struct digest *d, struct err *err) MUST_USE;
/* Removes the manifest and every tag that points to it; ERR_NOT_FOUND. */
enum err_code meta_tx_manifest_delete(
    struct meta_tx *tx, struct slice repo, const struct digest *d, struct err *err) MUST_USE;
/* The tag now points to a manifest that is there; ERR_NOT_FOUND when it is not. */
enum err_code meta_tx_tag_put(
    struct meta_tx *tx, struct slice repo, struct slice tag, const struct digest *d, struct err *err) MUST_USE;
/* Removes the tag only; ERR_NOT_FOUND. */
enum err_code meta_tx_tag_delete(struct meta_tx *tx, struct slice repo, struct slice tag, struct err *err) MUST_USE;

/* ---- lists: paged by key, lexical order (bytewise) ------------------------- */

struct meta_names {
	struct slice *v; /* in the arena */
	size_t n;
	bool more; /* there is at least one more behind the last */
};

/* At most `limit` tags behind `last` (absent: from the start); ERR_NOT_FOUND
 * when the repository is not known. */
enum err_code meta_tags(struct meta *m, struct slice repo, struct slice last, size_t limit, struct arena *a,
    struct meta_names *out, struct err *err) MUST_USE;
/* Repositories that manifests were pushed to. */
enum err_code meta_repos(
    struct meta *m, struct slice last, size_t limit, struct arena *a, struct meta_names *out, struct err *err) MUST_USE;

struct meta_referrers {
	struct slice *descriptors; /* JSON, one each */
	size_t n;
	bool more;
	int64_t next; /* pass as `after` for the next page */
};
/* Manifests whose subject is `d`, in the order of their push, behind the cursor
 * `after` (0: from the start); artifact_type absent: all. At most limit of them,
 * and as many as fit the 4 MiB of a manifest, but at least one. An unknown
 * repository or subject gives an empty list. */
enum err_code meta_referrers(struct meta *m, struct slice repo, const struct digest *d, struct slice artifact_type,
    int64_t after, size_t limit, struct arena *a, struct meta_referrers *out, struct err *err) MUST_USE;

/* ---- uploads --------------------------------------------------------------- */

struct meta_upload {
	char id[37]; /* UUID */
	struct slice repo;
	int64_t started_at;  /* clock_real */
	enum digest_alg alg; /* expected algorithm, DIGEST_SHA256 unless the client said otherwise */
};

enum err_code meta_tx_upload_create(struct meta_tx *tx, const struct meta_upload *u, struct err *err) MUST_USE;
enum err_code meta_tx_upload_delete(struct meta_tx *tx, const char *id, struct err *err) MUST_USE; /* ERR_NOT_FOUND */
enum err_code meta_upload_get(
    struct meta *m, const char *id, struct arena *a, struct meta_upload *out, struct err *err) MUST_USE;
/* Uploads started before `before`, oldest first, at most limit. */
struct meta_uploads {
	struct meta_upload *v;
	size_t n;
};
enum err_code meta_uploads_before(
    struct meta *m, int64_t before, size_t limit, struct arena *a, struct meta_uploads *out, struct err *err) MUST_USE;

/* ---- totals, for metrics: kept by the writer, never counted by a scan -------- */

struct meta_totals {
	uint64_t repositories, manifests, tags, blobs, blob_bytes;
};
enum err_code meta_totals_get(struct meta *m, struct meta_totals *out, struct err *err) MUST_USE;

#endif
