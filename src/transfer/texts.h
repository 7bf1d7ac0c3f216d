/* SPDX-License-Identifier: Apache-2.0 */
/* texts.h - small helpers of load and save: JSON of archives, growing arrays. Thread-safe. */
#ifndef BERTH_TRANSFER_TEXTS_H
#define BERTH_TRANSFER_TEXTS_H

#include "base/err.h"
#include "base/slice.h"

#include <jansson.h>

/* JSON of an archive, its cost measured before it is parsed; `what` is its name. NULL: ERR_INVALID or
 * ERR_TOO_LARGE in *err. */
json_t *texts_json(struct slice text, const char *what, struct err *err);
/* The absent slice for what is no string. */
struct slice texts_slice(const json_t *s);
/* Room for one more element behind the n that are in use of *cap; the array may move. */
void *texts_grow(void *v, size_t n, size_t *cap, size_t size);

#endif
