/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control_call.c - a command's side of the control socket; see control.h. The
 * request says HTTP/1.0, so the answer comes as it is and ends with the
 * connection; only one whose body is a stream says HTTP/1.1.
 */
#include "cli/control.h"

#include "base/unixaddr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)1 << 20)

static enum err_code dial(const char *root, int *out, struct err *err)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/berth/control.sock", root);
	CLEANUP(close_fd) int fd = -1, dir = -1;
	struct sockaddr_un sa;
	bool there = unix_address(path, &sa, &dir);

	if (there) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return err_sys(err, errno, "cannot make a socket");
	}
	if (!there || connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		if (errno == ENOENT || errno == ECONNREFUSED)
			return err_set(err, ERR_NOT_FOUND, "no berth serves %s", root);
		return err_sys(err, errno, "cannot reach the berth that serves %s", root);
	}
	*out = fd;
	fd = -1;
	return ERR_OK;
}

struct control_conn {
	/* The socket twice: what could not be sent must not be in the way of reading. */
	FILE *out, *in;
	FILE *answer; /* `in`, or the body of a chunked answer in it */
	bool streams;
	uint64_t left;  /* of the chunk that is being read */
	bool any, done; /* chunks */
	char *line;
	size_t cap;
};

static enum err_code ask(struct control_conn *c, const char *command, const json_t *parameters, struct err *err)
{
	CLEANUP(free_ptr) char *body = json_dumps(parameters, JSON_COMPACT);

	if (!body)
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	if (c->streams)
		fprintf(c->out,
		    "POST /v1/%s HTTP/1.1\r\nHost: control\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "%zx\r\n%s\n\r\n",
		    command, strlen(body) + 1, body);
	else
		fprintf(c->out, "POST /v1/%s HTTP/1.0\r\nHost: control\r\nContent-Length: %zu\r\n\r\n%s", command,
		    strlen(body), body);
	if (fflush(c->out) != 0)
		return err_sys(err, errno, "cannot talk to the running berth");
	return ERR_OK;
}

/* Takes over the socket. */
static bool open_streams(struct control_conn *c, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	c->out = fdopen(fd, "w");
	if (!c->out)
		close_fd(&fd);
	c->in = copy >= 0 ? fdopen(copy, "r") : NULL;
	if (!c->in)
		close_fd(&copy);
	return c->out && c->in;
}

enum err_code control_open(const char *root, const char *command, const json_t *parameters, bool streams,
    struct control_conn **out, struct err *err)
{
	struct control_conn *c;
	int fd = -1;
	enum err_code rc = dial(root, &fd, err);

	if (rc)
		return rc;
	c = xcalloc(1, sizeof(*c));
	c->streams = streams;
	if (!open_streams(c, fd))
		rc = err_set(err, ERR_NO_MEMORY, "out of memory");
	if (rc == ERR_OK)
		rc = ask(c, command, parameters, err);
	*out = c;
	if (rc)
		control_close(out);
	return rc;
}

void control_close(struct control_conn **c)
{
	if (!*c)
		return;
	if ((*c)->answer && (*c)->answer != (*c)->in)
		fclose((*c)->answer);
	if ((*c)->in)
		fclose((*c)->in);
	if ((*c)->out)
		fclose((*c)->out);
	free((*c)->line);
	free(*c);
	*c = NULL;
}

enum err_code control_write(void *conn, const void *p, size_t n, struct err *err)
{
	struct control_conn *c = conn;

	ASSERT(c->streams);
	if (n == 0)
		return ERR_OK;
	fprintf(c->out, "%zx\r\n", n);
	fwrite(p, 1, n, c->out);
	fputs("\r\n", c->out);
	if (ferror(c->out))
		return err_set(err, ERR_CLOSED, "the running berth ended the connection");
	return ERR_OK;
}

/* ---- the answer ---------------------------------------------------------------- */

/* The size line of the next chunk, and the end of the line before it. */
static bool next_chunk(struct control_conn *c)
{
	char line[64], *end;

	if (c->any && !fgets(line, sizeof(line), c->in))
		return false;
	if (!fgets(line, sizeof(line), c->in))
		return false;
	c->any = true;
	c->left = strtoull(line, &end, 16);
	c->done = c->left == 0;
	return end != line && !c->done;
}

/* The body of a chunked answer, which only HTTP/1.1 has. */
static ssize_t read_chunked(void *cookie, char *p, size_t n)
{
	struct control_conn *c = cookie;
	size_t got;

	if (c->done || (c->left == 0 && !next_chunk(c)))
		return 0;
	got = fread(p, 1, n < c->left ? n : (size_t)c->left, c->in);
	c->left -= got;
	return (ssize_t)got;
}

/* The status line and the fields, which are of no interest. */
static enum err_code read_head(struct control_conn *c, struct err *err)
{
	bool ok = getline(&c->line, &c->cap, c->in) > 0 && strstr(c->line, " 200 "), chunked = false;
	ssize_t n;

	while ((n = getline(&c->line, &c->cap, c->in)) > 2)
		chunked |= strncasecmp(c->line, "Transfer-Encoding:", 18) == 0;
	if (n <= 0)
		return err_set(err, ERR_CLOSED, "the running berth ended the connection");
	c->answer = c->in;
	if (chunked)
		c->answer = fopencookie(c, "r", (cookie_io_functions_t){.read = read_chunked});
	if (!c->answer)
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	if (ok)
		return ERR_OK;
	n = getline(&c->line, &c->cap, c->answer);
	if (n > 0)
		c->line[strcspn(c->line, "\n")] = '\0';
	return err_set(err, ERR_UNSUPPORTED, "the running berth refused: %s", n > 0 ? c->line : "no reason was given");
}

enum err_code control_answer(struct control_conn *c, struct err *err)
{
	/* After a failure of control_write the answer may be there nevertheless. */
	if (c->streams)
		fputs("0\r\n\r\n", c->out);
	(void)fflush(c->out);
	return read_head(c, err);
}

enum err_code control_read(void *conn, void *p, size_t n, size_t *got, struct err *err)
{
	struct control_conn *c = conn;

	*got = fread(p, 1, n, c->answer);
	if (*got < n && ferror(c->answer))
		return err_set(err, ERR_CLOSED, "the running berth ended the connection");
	return ERR_OK;
}

enum err_code control_lines(struct control_conn *c, control_line *each, void *arg, struct err *err)
{
	bool done = false, go_on = true;
	ssize_t n;

	while (go_on && !done && (n = getline(&c->line, &c->cap, c->answer)) > 0) {
		json_t *object = (size_t)n <= LINE_MAX_BYTES ? json_loadb(c->line, (size_t)n, 0, NULL) : NULL;
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
	struct control_conn *c = NULL;
	enum err_code rc = control_open(root, command, parameters, false, &c, err);

	if (rc == ERR_OK)
		rc = control_answer(c, err);
	if (rc == ERR_OK)
		rc = control_lines(c, each, arg, err);
	control_close(&c);
	return rc;
}
