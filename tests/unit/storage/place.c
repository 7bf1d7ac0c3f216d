/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - see place.h. */
#include "place.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void place_make(char out[PLACE_MAX])
{
	/* In memory where that is to be had: there will be thousands of files. */
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", *made;

	snprintf(out, PLACE_MAX, "%s/berth-store-XXXXXX", base);
	made = mkdtemp(out);
	ASSERT(made);
}

static int open_up(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return type == FTW_D ? chmod(path, 0700) : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	return remove(path);
}

void place_remove(const char *place)
{
	int rc = nftw(place, open_up, 16, FTW_PHYS);

	if (rc == 0)
		rc = nftw(place, remove_one, 16, FTW_PHYS | FTW_DEPTH);
	ASSERT(rc == 0);
}

size_t place_open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	ASSERT(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}
