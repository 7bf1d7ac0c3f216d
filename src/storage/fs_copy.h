/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_copy.h - a file under a second name, as cheaply as the file systems allow.
 * Private to the filesystem driver.
 */
#ifndef BERTH_STORAGE_FS_COPY_H
#define BERTH_STORAGE_FS_COPY_H

#include "storage/storage.h"

/*
 * Puts the bytes of the blob `d` in the file `from` at `to`, which is not there
 * yet: as a hard link, else as a reflink, else as a copy, whose digest is
 * checked because the bytes pass by anyway. With `sync` new bytes are durable
 * under `to`; the entry itself is not. Nothing is left at `to` after a failure:
 * ERR_NOT_FOUND without `from`, ERR_MISMATCH when size or digest are others,
 * ERR_CORRUPT when a bad spot keeps the bytes from being read.
 */
enum err_code fs_copy(const char *from, const char *to, const struct digest *d, uint64_t size, bool sync,
    struct storage_copy *c, struct err *err) MUST_USE;

#endif
