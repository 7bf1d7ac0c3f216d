/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - the tree below docker/registry/v2/repositories in which registry:2
 * keeps what berth keeps in its database. The only place where these paths are
 * built:
 *
 *   <repository>/                              may contain further repositories
 *     _layers/<algorithm>/<hex>/link           the repository may read this blob
 *     _manifests/revisions/<algorithm>/<hex>/link
 *     _manifests/tags/<tag>/current/link       what the tag points to
 *     _manifests/tags/<tag>/index/<algorithm>/<hex>/link
 *     _uploads/<uuid>/                         uploads in progress
 *
 * A link is a file that holds a digest in text, the one it is named after; but for
 * layers that were pushed by another digest than sha256: registry:2 keeps bytes by
 * sha256 only, and the link of the other digest holds that.
 */
#ifndef BERTH_TRANSFER_LAYOUT_H
#define BERTH_TRANSFER_LAYOUT_H

#include "base/digest.h"
#include "base/err.h"

#include <limits.h>

#define LAYOUT_PATH PATH_MAX
#define LAYOUT_REPOSITORIES "docker/registry/v2/repositories"

/* "<dir>/<fmt...>" into out; ERR_TOO_LARGE when it does not fit. */
enum err_code layout_path(char out[LAYOUT_PATH], struct err *err, const char *fmt, ...) PRINTF_LIKE(3, 4) MUST_USE;

/* The digest in a link file; ERR_NOT_FOUND without the file, ERR_CORRUPT when it
 * holds none. */
enum err_code layout_read_link(const char *path, struct digest *out, struct err *err) MUST_USE;
/* Writes "<dir>/<algorithm>/<hex>/link" of `name`, or "<dir>/link" without one, that
 * leads to `to`; creates the directories. Durable after a sync of the file system. */
enum err_code layout_write_link(
    const char *dir, const struct digest *name, const struct digest *to, struct err *err) MUST_USE;

/* Calls `each` for every entry of a directory but . and .., until it fails. A
 * directory that is not there has none. */
enum err_code layout_each(const char *dir, enum err_code (*each)(const char *name, void *arg, struct err *err),
    void *arg, struct err *err) MUST_USE;

#endif
