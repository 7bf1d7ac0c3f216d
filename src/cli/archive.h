/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive.h - `berth import --input` and `berth export --oci`: images from and
 * into archives, on the registry that is running or on its directory when none
 * is.
 */
#ifndef BERTH_CLI_ARCHIVE_H
#define BERTH_CLI_ARCHIVE_H

#include "base/defs.h"

struct archive_import {
	const char *input; /* file, directory or "-" */
	const char *name;  /* REPOSITORY[:TAG], NULL: as the archive says */
	bool quiet;
};
struct archive_export {
	const char *dest;          /* "-", "*.tar", "*.tar.gz", "*.tgz" or a directory */
	const char *const *images; /* nimages names; none: all that have a tag */
	size_t nimages;
	bool quiet;
};

/* Both return the exit status; `config` may be NULL. */
int archive_import(const struct archive_import *a, const char *config);
int archive_export(const struct archive_export *a, const char *config);

#endif
