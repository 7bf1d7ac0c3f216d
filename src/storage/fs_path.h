/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_path.h - the only place where a path of the filesystem driver is built.
 *
 *   <root>/
 *     docker/registry/v2/blobs/         the tree of registry:2
 *       <algorithm>/                    sha256, sha512
 *         <first two hex digits>/
 *           <hex>/data                  the bytes
 *     berth/
 *       lock                            held by the process that serves
 *       quarantine/<algorithm>-<hex>    bytes that were found damaged
 *       uploads/<uuid>                  bytes of an upload in progress
 *       berth.db                        the metadata, see meta (default place)
 *
 * Private to the filesystem driver.
 */
#ifndef BERTH_STORAGE_FS_PATH_H
#define BERTH_STORAGE_FS_PATH_H

#include "base/digest.h"

#include <limits.h>

#define FS_PATH PATH_MAX
/* The root may be this long; what is appended to it always fits. */
#define FS_ROOT_MAX (PATH_MAX - 512)

/* Each fills out and returns it. */
const char *fs_path_blobs(const char *root, char out[FS_PATH]);
const char *fs_path_algorithm(const char *root, enum digest_alg alg, char out[FS_PATH]);
const char *fs_path_prefix(const char *root, const struct digest *d, char out[FS_PATH]); /* two digits */
const char *fs_path_blob_dir(const char *root, const struct digest *d, char out[FS_PATH]);
const char *fs_path_blob(const char *root, const struct digest *d, char out[FS_PATH]);
const char *fs_path_uploads(const char *root, char out[FS_PATH]);
const char *fs_path_upload(const char *root, const char *id, char out[FS_PATH]);
const char *fs_path_quarantine(const char *root, char out[FS_PATH]);
const char *fs_path_quarantined(const char *root, const struct digest *d, char out[FS_PATH]);
const char *fs_path_lock(const char *root, char out[FS_PATH]);

#endif
