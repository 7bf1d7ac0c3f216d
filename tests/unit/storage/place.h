/* SPDX-License-Identifier: Apache-2.0 */
/* place.h - a directory of its own for a store on the filesystem driver. */
#ifndef BERTH_TESTS_PLACE_H
#define BERTH_TESTS_PLACE_H

#include "base/defs.h"

#define PLACE_MAX 64

/* A new empty directory; aborts when there cannot be one. */
void place_make(char out[PLACE_MAX]);
/* Removes it and all below, and whatever keeps it from being removed. */
void place_remove(const char *place);
/* Descriptors this process has open. */
size_t place_open_files(void);

#endif
