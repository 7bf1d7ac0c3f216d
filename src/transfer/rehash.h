/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rehash.h - what the bytes of a blob really hash to. They are read from end to
 * end, so this is for what looks wrong and for what is known by another digest.
 */
#ifndef BERTH_TRANSFER_REHASH_H
#define BERTH_TRANSFER_REHASH_H

#include "base/digest.h"
#include "base/err.h"
#include "storage/storage.h"

/* The digest by `alg` of the bytes that the storage has under `d`, and how many
 * they are. ERR_NOT_FOUND, ERR_CORRUPT, and whatever reading them says. */
enum err_code rehash(struct storage *s, const struct digest *d, enum digest_alg alg, struct digest *real,
    uint64_t *size, struct err *err) MUST_USE;

#endif
