/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage.h - where the bytes of blobs live, behind one narrow driver table.
 *
 * A store knows digests and uploads and nothing of repositories. A blob is
 * either there whole, durable and under its digest, or not there. Every
 * function is thread-safe unless it takes an upload handle, which one thread
 * uses at a time.
 *
 * Life of an upload:
 *   storage_upload_create -> storage_upload_write ... -> storage_upload_commit
 *                              |        ^                 (file synced, renamed to
 *                  storage_upload_close |                  its digest, directory synced)
 *                              v        |
 *                        storage_upload_open (after a lost connection or a restart:
 *                                       the size tells how far it got)
 *   storage_upload_abort at any point removes it.
 */
#ifndef BERTH_STORAGE_STORAGE_H
#define BERTH_STORAGE_STORAGE_H

#include "base/digest.h"
#include "base/err.h"

#include <pthread.h>

struct storage;
struct storage_upload;

/* A blob open for reading: fd >= 0 where the bytes are in a file (sendfile),
 * otherwise storage_blob_read is the way. */
struct storage_blob {
	uint64_t size;
	int fd;
	void *impl; /* private */
	struct storage *store;
};

struct storage_stats {
	uint64_t bytes_free, bytes_total; /* of the medium; 0, 0 when unknown */
};

/* How a blob is to become a file elsewhere, or a file a blob. */
struct storage_copy {
	bool link_only; /* as a hard link or not at all: ERR_UNSUPPORTED */
	/* So many more bytes were copied; false ends it with ERR_CLOSED. May be NULL. */
	bool (*progress)(uint64_t n, void *arg);
	void *arg;
	/* Out: how it was done. Linked and cloned bytes were not read. */
	enum storage_how { STORAGE_LINKED, STORAGE_CLONED, STORAGE_COPIED } how;
};

/* A driver: the same contract as the functions below of the same name. */
struct storage_ops {
	const char *name; /* "filesystem" */
	enum err_code (*stat)(struct storage *, const struct digest *, uint64_t *size, struct err *);
	enum err_code (*open)(struct storage *, const struct digest *, struct storage_blob *, struct err *);
	enum err_code (*read)(struct storage_blob *, uint64_t at, void *, size_t, size_t *got, struct err *);
	void (*close_blob)(struct storage_blob *);
	enum err_code (*remove)(struct storage *, const struct digest *, struct err *);
	enum err_code (*sync_removals)(struct storage *, const struct digest *, size_t, struct err *);
	enum err_code (*quarantine)(struct storage *, const struct digest *, struct err *);
	enum err_code (*list)(
	    struct storage *, bool (*each)(const struct digest *, uint64_t size, void *), void *, struct err *);
	enum err_code (*export)(struct storage *, const struct digest *, uint64_t size, const char *path,
	    struct storage_copy *, struct err *);
	enum err_code (*import)(struct storage *, const struct digest *, uint64_t size, const char *path,
	    struct storage_copy *, struct err *);
	enum err_code (*sync)(struct storage *, struct err *);
	enum err_code (*alias)(struct storage *, const struct digest *from, const struct digest *to, struct err *);
	enum err_code (*upload_create)(struct storage *, const char *id, struct storage_upload **, struct err *);
	enum err_code (*upload_open)(struct storage *, const char *id, struct storage_upload **, struct err *);
	void (*upload_start)(struct storage_upload *, const void *, size_t);
	enum err_code (*upload_wait)(struct storage_upload *, struct err *);
	enum err_code (*upload_read)(struct storage_upload *, uint64_t at, void *, size_t, size_t *got, struct err *);
	enum err_code (*upload_commit)(struct storage_upload **, const struct digest *, struct err *);
	void (*upload_close)(struct storage_upload **);
	enum err_code (*upload_abort)(struct storage *, const char *id, struct err *);
	enum err_code (*upload_list)(
	    struct storage *, bool (*each)(const char *id, int64_t modified, void *), void *, struct err *);
	enum err_code (*check)(struct storage *, struct err *);
	void (*stats)(struct storage *, struct storage_stats *);
	void (*free)(struct storage *);
};

#define STORAGE_HOLDS 256

/* Embedded first in every driver's own struct; set up with storage_base_init. */
struct storage {
	uint32_t magic;
#define STORAGE_MAGIC 0x53744f72
	const struct storage_ops *ops;
	pthread_rwlock_t holds[STORAGE_HOLDS]; /* by the first byte of a digest */
};
/* For drivers. storage_base_done is called by their `free`. */
void storage_base_init(struct storage *s, const struct storage_ops *ops);
void storage_base_done(struct storage *s);
struct storage_upload {
	uint32_t magic;
#define STORAGE_UPLOAD_MAGIC 0x5374556c
	struct storage *store;
	uint64_t size; /* bytes written so far; read by callers */
};

/* ---- blobs -------------------------------------------------------------- */

/* ERR_NOT_FOUND when the blob is not there. */
enum err_code storage_stat(struct storage *s, const struct digest *d, uint64_t *size, struct err *err) MUST_USE;
/* ERR_NOT_FOUND; release with storage_close. */
enum err_code storage_open(
    struct storage *s, const struct digest *d, struct storage_blob *out, struct err *err) MUST_USE;
/* Up to n bytes at `at`; *got == 0 at the end. */
enum err_code storage_read(
    struct storage_blob *b, uint64_t at, void *p, size_t n, size_t *got, struct err *err) MUST_USE;
void storage_close(struct storage_blob *b);
/* Removes the bytes; a blob that is not there is ERR_NOT_FOUND. Survives a power
 * cut only after storage_sync_removals. Call it while holding the digest. */
enum err_code storage_remove(struct storage *s, const struct digest *d, struct err *err) MUST_USE;
/* Makes earlier removals of these digests durable. */
enum err_code storage_sync_removals(struct storage *s, const struct digest *d, size_t n, struct err *err) MUST_USE;
/* Puts damaged bytes aside, where nobody reads them: the blob is not there any
 * more. ERR_NOT_FOUND. Call it while holding the digest. */
enum err_code storage_quarantine(struct storage *s, const struct digest *d, struct err *err) MUST_USE;
/* Every blob in the order of the medium, until `each` returns false. For
 * verification and import only: it walks everything. */
enum err_code storage_list(struct storage *s, bool (*each)(const struct digest *, uint64_t size, void *arg), void *arg,
    struct err *err) MUST_USE;

/* ---- whole blobs, from and to files elsewhere ------------------------------ */

/*
 * Makes the file `path`, which is not there yet, of a blob: a hard link where
 * that is possible, else a reflink, else a copy. Nobody may write to the file
 * afterwards. It is durable only after a sync of its file system. ERR_NOT_FOUND;
 * ERR_MISMATCH when the size is not `size`, or the bytes were copied and are
 * damaged; ERR_CORRUPT when they cannot be read; ERR_EXISTS. Nothing is left at `path` after a failure.
 */
enum err_code storage_export(struct storage *s, const struct digest *d, uint64_t size, const char *path,
    struct storage_copy *c, struct err *err) MUST_USE;
/*
 * The way back, with the same failures: the file becomes the blob `d`, in place
 * of one that is there already, which is whole at any moment. Durable only after
 * storage_sync: until then nothing durable may speak of a blob that was not there.
 */
enum err_code storage_import(struct storage *s, const struct digest *d, uint64_t size, const char *path,
    struct storage_copy *c, struct err *err) MUST_USE;
/* Makes all that was imported durable. */
enum err_code storage_sync(struct storage *s, struct err *err) MUST_USE;
/* The bytes of the blob `from` are the blob `to` as well, durably: the same bytes
 * on the medium where that can be. The caller has verified that they hash to `to`.
 * Each goes without the other. ERR_NOT_FOUND. */
enum err_code storage_alias(
    struct storage *s, const struct digest *from, const struct digest *to, struct err *err) MUST_USE;

/* ---- uploads ------------------------------------------------------------ */

/* `id` is a UUID in text. ERR_EXISTS when it is taken. */
enum err_code storage_upload_create(
    struct storage *s, const char *id, struct storage_upload **out, struct err *err) MUST_USE;
/* ERR_NOT_FOUND. (*out)->size is what was received before. */
enum err_code storage_upload_open(
    struct storage *s, const char *id, struct storage_upload **out, struct err *err) MUST_USE;
/* Large pieces cost the least when they begin at a multiple of this in the upload
 * and in memory, and are a multiple of it long. */
#define STORAGE_ALIGN 4096
/* Begins to append, and may return before it is done: the bytes stay where they
 * are, and nothing else is asked of the upload, until storage_upload_wait. */
void storage_upload_start(struct storage_upload *u, const void *p, size_t n);
/* What became of it. After a failure the size is unchanged and the bytes may be
 * tried again. ERR_NO_SPACE when the medium is full. */
enum err_code storage_upload_wait(struct storage_upload *u, struct err *err) MUST_USE;
/* Both in one. */
enum err_code storage_upload_write(struct storage_upload *u, const void *p, size_t n, struct err *err) MUST_USE;
/* Reads back what was written, to hash it again after a restart. */
enum err_code storage_upload_read(
    struct storage_upload *u, uint64_t at, void *p, size_t n, size_t *got, struct err *err) MUST_USE;
/* Makes the bytes the blob `d`, durably, and ends the upload; *u becomes NULL.
 * The caller has verified that they hash to d. A blob that is there already is
 * replaced by the same bytes, which heals a damaged one. On failure the handle
 * is closed and the upload stays, unless its bytes could not be synced: then
 * they are lost and it is removed. A failure after that may leave the blob in
 * its place, whole, but not durably. */
enum err_code storage_upload_commit(struct storage_upload **u, const struct digest *d, struct err *err) MUST_USE;
/* Lets go of the handle; the upload stays and can be opened again. */
void storage_upload_close(struct storage_upload **u);
/* Removes an upload that is not open; ERR_NOT_FOUND. */
enum err_code storage_upload_abort(struct storage *s, const char *id, struct err *err) MUST_USE;
/* Every upload with the time of its last write (clock_real). */
enum err_code storage_upload_list(
    struct storage *s, bool (*each)(const char *id, int64_t modified, void *arg), void *arg, struct err *err) MUST_USE;

/* ---- holding a digest ------------------------------------------------------ */

/*
 * A push commits bytes and then records them; whoever removes a blob takes the
 * record back and then removes the bytes. The two must not interleave on one
 * digest: a push holds the digest shared from before the commit until its
 * record is made, a remover holds its digests exclusively from before the
 * record is taken back until the bytes are gone. Holds are not reentrant.
 */
void storage_hold_shared(struct storage *s, const struct digest *d);
void storage_release_shared(struct storage *s, const struct digest *d);
/* Several at once, in an order in which removers do not wait for each other in
 * a circle. Pass the same array to release. */
void storage_hold_exclusive(struct storage *s, const struct digest *d, size_t n);
void storage_release_exclusive(struct storage *s, const struct digest *d, size_t n);

/* ---- the store ----------------------------------------------------------- */

/* A cheap check that the medium answers, for health checks. */
enum err_code storage_check(struct storage *s, struct err *err) MUST_USE;
void storage_get_stats(struct storage *s, struct storage_stats *out);
void storage_free(struct storage **s);

/* The driver on a directory in the registry:2 layout (see fs.c for the tree).
 * Creates what is missing; says which directory cannot be used and why. */
enum err_code storage_fs_open(const char *root, struct storage **out, struct err *err) MUST_USE;

/* Registers registry_storage_action_seconds and its kin; once a process. */
void storage_metrics_register(void);

#endif
