/* SPDX-License-Identifier: Apache-2.0 */
/* unixaddr.c - see unixaddr.h. */
#include "base/unixaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

bool unix_address(const char *path, struct sockaddr_un *sa, int *dir)
{
	CLEANUP(free_ptr) char *parent = xstrdup(path);
	char *slash = strrchr(parent, '/');
	int n;

	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	*dir = -1;
	if (strlen(path) < sizeof(sa->sun_path)) {
		memcpy(sa->sun_path, path, strlen(path) + 1);
		return true;
	}
	if (!slash || slash == parent) {
		errno = ENAMETOOLONG;
		return false;
	}
	*slash = '\0';
	*dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return false;
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s", *dir, slash + 1);
	if (n >= 0 && (size_t)n < sizeof(sa->sun_path))
		return true;
	close_fd(dir);
	*dir = -1;
	errno = ENAMETOOLONG;
	return false;
}
