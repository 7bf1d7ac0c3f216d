/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup_dir.h - the directory that backups are kept in. The only place where
 * its paths are built:
 *
 *   <directory>/
 *     .lock                       held while somebody works on it
 *     20261121T033000Z/           a backup, named by the time it began (UTC)
 *       backup.json               what is in it; written last
 *       berth.db                  the metadata
 *       blobs/<algorithm>/<first two hex digits>/<hex>
 *     20261122T033000Z.partial/   one that is being made or removed
 *
 * Backups share the files of blobs that they have in common; each is complete
 * on its own, and removing one costs the others nothing.
 */
#ifndef BERTH_TRANSFER_BACKUP_DIR_H
#define BERTH_TRANSFER_BACKUP_DIR_H

#include "base/digest.h"
#include "base/err.h"

#include <limits.h>

#define BACKUP_PATH PATH_MAX
/* A directory may be this long; what is appended to it always fits. */
#define BACKUP_DIR_MAX (PATH_MAX - 512)
#define BACKUP_NAME 17 /* "20261121T033000Z" and NUL */
#define BACKUP_PARTIAL ".partial"
#define BACKUP_DATABASE "berth.db"

/* What backup.json says. */
struct backup_info {
	char name[BACKUP_NAME];
	char berth[32]; /* the version that made it */
	uint64_t repositories, manifests, tags;
	uint64_t blobs, bytes; /* that are in it */
	uint64_t missing;      /* blobs that the registry itself had lost */
	uint64_t database_bytes;
	char database_sha256[DIGEST_TEXT];
};

struct backup_list {
	struct backup_info *v; /* oldest first; free with backup_list_free */
	size_t n;
};

bool backup_name_valid(const char *name);
/* The name of a backup that begins at this time (clock_real). */
void backup_name_of(int64_t real, char out[BACKUP_NAME]);

/* The complete backups in a directory; none is no error. */
enum err_code backup_list(const char *dir, struct backup_list *out, struct err *err) MUST_USE;
void backup_list_free(struct backup_list *l);

/* `at` is the directory of one backup. ERR_CORRUPT when the file makes no
 * sense, ERR_UNSUPPORTED when a newer berth has made it. */
enum err_code backup_info_read(const char *at, struct backup_info *out, struct err *err) MUST_USE;
enum err_code backup_info_write(const char *at, const struct backup_info *info, struct err *err) MUST_USE;
const char *backup_blob_path(const char *at, const struct digest *d, char out[BACKUP_PATH]);
/* The directory which backup_blob_path is in. */
const char *backup_blob_dir(const char *at, const struct digest *d, char out[BACKUP_PATH]);

/* Keeps others from changing the directory until *fd is closed; ERR_BUSY. Who
 * only reads has -1 where the medium is read-only. */
enum err_code backup_lock(const char *dir, bool writing, int *fd, struct err *err) MUST_USE;

/* Removes a directory with all that is in it. */
enum err_code backup_remove_tree(const char *path, struct err *err) MUST_USE;
/* Removes what interrupted runs have left. */
enum err_code backup_remove_partial(const char *dir, struct err *err) MUST_USE;

/* A copy of the file with its SHA-256, of which `to` may be NULL: nothing is
 * written then. Synced. */
enum err_code backup_copy_file(
    const char *from, const char *to, uint64_t *size, char sha256[DIGEST_TEXT], struct err *err) MUST_USE;

#endif
