/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.c - socket activation and readiness without libsystemd, which would
 * bring seven libraries into every process for what is an environment variable
 * and a datagram (docs/decisions/0008-no-libsystemd.md).
 */
#include "cli/systemd.h"
#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define FDS_MAX 64

/* Is it a stream socket that listens? */
static bool listens(int fd)
{
	int type = 0, accepting = 0;
	socklen_t n = sizeof(type), m = sizeof(accepting);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &m) == 0 && accepting;
}

static enum err_code take(struct systemd_sockets *s, int fd, struct slice name, struct err *err)
{
	int *to = slice_eq_cstr(name, "debug") ? &s->debug : &s->main;

	if (!listens(fd))
		return err_set(err, ERR_INVALID,
		    "systemd handed over descriptor %d, which is not a listening stream "
		    "socket: write ListenStream= in the socket unit, and Accept=no",
		    fd);
	if (*to >= 0)
		return err_set(err, ERR_INVALID,
		    "systemd handed over more sockets than one for the registry and one with "
		    "FileDescriptorName=debug: remove the other ListenStream= lines");
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(err, errno, "cannot take over descriptor %d from systemd", fd);
	*to = fd;
	return ERR_OK;
}

enum err_code systemd_take_sockets(struct systemd_sockets *out, struct err *err)
{
	const char *pid_text = getenv("LISTEN_PID"), *count_text = getenv("LISTEN_FDS");
	struct slice names = slice_cstr(getenv("LISTEN_FDNAMES"));
	enum err_code code = ERR_OK;
	uint64_t pid = 0, count = 0;

	*out = (struct systemd_sockets){-1, -1};
	if (!pid_text || !count_text)
		return ERR_OK;
	/* The variables may be meant for the process that started us. */
	if (!slice_u64(slice_cstr(pid_text), UINT64_MAX, &pid) || (pid_t)pid != getpid())
		return ERR_OK;
	if (!slice_u64(slice_cstr(count_text), FDS_MAX, &count))
		code = err_set(
		    err, ERR_INVALID, "LISTEN_FDS=%.64s is not a number of sockets up to %d", count_text, FDS_MAX);
	for (int fd = FIRST_FD; code == ERR_OK && fd < FIRST_FD + (int)count; fd++)
		code = take(out, fd, slice_cut(&names, ':'), err);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return code;
}

void systemd_notify(const char *state)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t n = path ? strlen(path) : 0;
	CLEANUP(close_fd) int fd = -1;

	if (n < 2 || n >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* an abstract address */
	(void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}
