/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_call.c - a command's side of the control socket; see control.h. The
 * request says HTTP/1.0, so the answer comes as it is and ends with the
 * connection.
 */
#include "cli/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)

static enum err_code dial(const char *root, int *out, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	CLEANUP(close_fd) int fd = -1;
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/berth/control.sock", root);

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return err_set(err, ERR_NOT_FOUND, "%s is too long for a socket", root);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(err, errno, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return err_set(err, ERR_NOT_FOUND, "no berth serves %s", root);
		return err_sys(err, errno, "cannot reach the berth that serves %s", root);
	}
	*out = fd;
	fd = -1;
	return ERR_OK;
}

static enum err_code ask(FILE *f, const char *command, const json_t *parameters, struct err *err)
{
	CLEANUP(free_ptr) char *body = json_dumps(parameters, JSON_COMPACT);

	if (!body)
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	fprintf(
	    f, "POST /v1/%s HTTP/1.0\r\nHost: control\r\nContent-Length: %zu\r\n\r\n%s", command, strlen(body), body);
	if (fflush(f) != 0)
		return err_sys(err, errno, "cannot talk to the running berth");
	return ERR_OK;
}

/* The status line and the fields, which are of no interest. */
static enum err_code read_head(FILE *f, char **line, size_t *cap, struct err *err)
{
	bool ok = getline(line, cap, f) > 0 && strstr(*line, " 200 ");
	ssize_t n;

	while ((n = getline(line, cap, f)) > 2)
		;
	if (n <= 0)
		return err_set(err, ERR_CLOSED, "the running berth ended the connection");
	if (ok)
		return ERR_OK;
	n = getline(line, cap, f);
	if (n > 0)
		(*line)[strcspn(*line, "\n")] = '\0';
	return err_set(err, ERR_UNSUPPORTED, "the running berth refused: %s", n > 0 ? *line : "no reason was given");
}

static enum err_code read_lines(FILE *f, char **line, size_t *cap, control_line *each, void *arg, struct err *err)
{
	bool done = false, go_on = true;
	ssize_t n;

	while (go_on && !done && (n = getline(line, cap, f)) > 0) {
		json_t *object = (size_t)n <= LINE_MAX_BYTES ? json_loadb(*line, (size_t)n, 0, NULL) : NULL;
		const char *error = json_string_value(json_object_get(object, "error"));

		if (error) {
			err_set(err, ERR_IO, "%s", error);
			json_decref(object);
			return ERR_IO;
		}
		done = json_is_true(json_object_get(object, "done"));
		if (object)
			go_on = each(object, arg);
		json_decref(object);
	}
	if (!done && go_on)
		return err_set(err, ERR_CLOSED, "the running berth ended before the command did");
	return ERR_OK;
}

enum err_code control_call(
    const char *root, const char *command, const json_t *parameters, control_line *each, void *arg, struct err *err)
{
	CLEANUP(free_ptr) char *line = NULL;
	enum err_code rc;
	size_t cap = 0;
	int fd = -1;
	FILE *f;

	rc = dial(root, &fd, err);
	if (rc)
		return rc;
	f = fdopen(fd, "r+");
	if (!f) {
		close_fd(&fd);
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	}
	rc = ask(f, command, parameters, err);
	if (rc == ERR_OK)
		rc = read_head(f, &line, &cap, err);
	if (rc == ERR_OK)
		rc = read_lines(f, &line, &cap, each, arg, err);
	fclose(f);
	return rc;
}
