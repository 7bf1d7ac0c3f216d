/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - looking at files, addresses and URLs for health checks.
 */
#include "jobs/probe.h"
#include "base/clock.h"
#include "base/slice.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many as Go's client follows. */
#define REDIRECTS 10

enum err_code probe_file(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return err_set(err, ERR_EXISTS, "file exists");
	if (errno == ENOENT || errno == ENOTDIR)
		return ERR_OK;
	return err_sys(err, errno, "cannot look for the file");
}

/* "host:port", "[v6]:port" or ":port" (this machine) as addresses. */
static enum err_code resolve(const char *addr, struct addrinfo **out, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct slice all = slice_cstr(addr), host;
	ssize_t colon = slice_rfind(all, ':');
	char name[256], port[16];
	int rc;

	if (colon < 0 || !slice_to_cstr(slice_from(all, (size_t)colon + 1), port, sizeof(port)))
		return err_set(err, ERR_INVALID, "%s is not host:port", addr);
	host = slice_sub(all, 0, (size_t)colon);
	if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = slice_sub(host, 1, host.n - 2);
	if (!slice_to_cstr(host, name, sizeof(name)))
		return err_set(err, ERR_INVALID, "%s is not host:port", addr);
	rc = getaddrinfo(name[0] ? name : NULL, port, &hints, out);
	if (rc != 0)
		return err_set(err, ERR_IO, "cannot resolve %s: %s", addr, gai_strerror(rc));
	return ERR_OK;
}

/* Waits for a connection under way. */
static enum err_code wait_connected(int fd, const char *addr, int64_t deadline, int quit_fd, struct err *err)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLOUT}, {.fd = quit_fd, .events = POLLIN}};
	socklen_t size = sizeof(int);
	int sys = 0;

	for (;;) {
		int64_t left = deadline - clock_mono();
		int n = left <= 0 ? 0 : poll(fds, ARRAY_LEN(fds), (int)((left + CLOCK_MS - 1) / CLOCK_MS));

		if (n < 0 && errno != EINTR)
			return err_sys(err, errno, "cannot wait for %s", addr);
		if (n == 0)
			return err_set(err, ERR_TIMEOUT, "connection to %s failed: no answer in time", addr);
		if (n > 0 && fds[1].revents)
			return err_set(err, ERR_CLOSED, "the check of %s was cancelled", addr);
		if (n > 0)
			break;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &size) < 0)
		sys = errno;
	return sys == 0 ? ERR_OK : err_sys(err, sys, "connection to %s failed", addr);
}

static enum err_code connect_to(
    const struct addrinfo *a, const char *addr, int64_t deadline, int quit_fd, struct err *err)
{
	CLEANUP(close_fd) int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);

	if (fd < 0)
		return err_sys(err, errno, "cannot make a socket for %s", addr);
	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return ERR_OK;
	if (errno != EINPROGRESS)
		return err_sys(err, errno, "connection to %s failed", addr);
	return wait_connected(fd, addr, deadline, quit_fd, err);
}

enum err_code probe_tcp(const char *addr, int64_t timeout, int quit_fd, struct err *err)
{
	int64_t deadline = clock_mono() + timeout;
	struct addrinfo *list = NULL;
	enum err_code code = resolve(addr, &list, err);

	if (code != ERR_OK)
		return code;
	code = err_set(err, ERR_IO, "%s has no address", addr);
	for (const struct addrinfo *a = list; a && code != ERR_OK && code != ERR_CLOSED; a = a->ai_next)
		code = connect_to(a, addr, deadline, quit_fd, err);
	freeaddrinfo(list);
	return code;
}

enum err_code probe_http(struct client *c, const char *uri, const char *const *fields, size_t nfields, int64_t timeout,
    int status, struct err *err)
{
	struct client_request request = {.method = "HEAD",
	    .url = uri,
	    .fields = fields,
	    .nfields = nfields,
	    .timeout = timeout,
	    .redirects = REDIRECTS};
	struct client_answer answer;
	enum err_code code = client_perform(c, &request, &answer, err);

	if (code != ERR_OK)
		return code;
	buf_free(&answer.body);
	if (answer.status != status)
		return err_set(err, ERR_IO, "downstream service returned unexpected status: %d", answer.status);
	return ERR_OK;
}
