/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session.h - the running hash of uploads in progress, and one writer each.
 *
 * An upload lives in the metadata (who, since when) and in the storage (the
 * bytes). A session only adds what makes it quick: the hash of what was
 * received so far, so that a client that sends a blob in several requests does
 * not make the server read it back. After a restart, or when it was evicted, a
 * session starts without a hash and the bytes are read back once.
 *
 *   acquire -> (append ... ) -> release      more requests to come
 *   acquire -> (append ... ) -> digest -> finish
 */
#ifndef BERTH_REGISTRY_SESSION_H
#define BERTH_REGISTRY_SESSION_H

#include "storage/storage.h"

struct sessions;
struct session;

/* At most `max` idle sessions keep their hash; the one idle longest goes first. */
struct sessions *sessions_new(size_t max);
void sessions_free(struct sessions **s);

/* The session of upload `id`, for this thread alone. While another request has
 * it, waits until `deadline` (clock_mono), then ERR_CONFLICT. */
enum err_code session_acquire(
    struct sessions *s, const char *id, int64_t deadline, struct session **out, struct err *err) MUST_USE;
/* Lets others have it. */
void session_release(struct sessions *s, struct session **x);
/* The upload has ended: forgets the session. */
void session_finish(struct sessions *s, struct session **x);

/* Appends to the upload and to the hash of algorithm `alg`. */
enum err_code session_append(struct session *x, struct storage_upload *u, enum digest_alg alg, const void *p, size_t n,
    struct err *err) MUST_USE;
/* The digest of all of the upload; reads back what was not hashed yet. */
enum err_code session_digest(
    struct session *x, struct storage_upload *u, enum digest_alg alg, struct digest *out, struct err *err) MUST_USE;

#endif
