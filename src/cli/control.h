/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - how a command talks to the registry that is running: HTTP on the
 * unix socket <root>/berth/control.sock, which only its owner may open.
 *
 * A request is `POST /v1/<command>` with a JSON object of parameters; the
 * answer is a stream of JSON objects, one a line, the last with "done": true or
 * with an "error". So a command that takes long shows its progress.
 *
 * Archives of images go through the same socket as a stream of files
 * (archive/frames.h): `import` sends one behind the line of its parameters,
 * `export` gets one as its answer.
 */
#ifndef BERTH_CLI_CONTROL_H
#define BERTH_CLI_CONTROL_H

#include "config/config.h"
#include "http/server.h"
#include "jobs/gc.h"
#include "registry/registry.h"

#include <jansson.h>

/* ---- the side of the server ------------------------------------------------ */

struct control {
	const struct config *cfg;
	struct meta *meta;
	struct storage *storage;
	struct gc *gc;
	const struct registry_options *registry; /* the rules of pushes */
	struct http_server *server;
};

/* Listens below the root directory of the configuration; the rest of the
 * struct has been filled in. */
enum err_code control_start(struct control *c, struct err *err) MUST_USE;
void control_stop(struct control *c);

/* For commands (control.c, control_archive.c). Sends one object as a line of the answer; takes the reference. */
void control_tell(struct http_req *req, json_t *line);
/* Progress is told this often. */
#define CONTROL_TELL_INTERVAL (200 * CLOCK_MS)
/* `berth import` and `berth export --oci`. */
void control_import(struct control *c, struct http_req *req);
void control_export(struct control *c, struct http_req *req, const json_t *parameters);

/* ---- the side of a command -------------------------------------------------- */

/* One object of the answer; false ends the call. */
typedef bool control_line(json_t *line, void *arg);

/*
 * Calls the registry that serves the root directory. ERR_NOT_FOUND: none does.
 * The object with an "error" becomes the error of the call.
 */
enum err_code control_call(const char *root, const char *command, const json_t *parameters, control_line *each,
    void *arg, struct err *err) MUST_USE;

/*
 * The same in steps, for streams: control_open sends the parameters, then
 * control_write, as often as needed, what belongs behind them if `streams`, then
 * control_answer waits for the answer, which control_lines or control_read read.
 * When control_write fails with ERR_CLOSED the answer says why.
 */
struct control_conn;
enum err_code control_open(const char *root, const char *command, const json_t *parameters, bool streams,
    struct control_conn **out, struct err *err) MUST_USE;
enum err_code control_write(void *conn, const void *p, size_t n, struct err *err) MUST_USE;
enum err_code control_answer(struct control_conn *c, struct err *err) MUST_USE;
enum err_code control_lines(struct control_conn *c, control_line *each, void *arg, struct err *err) MUST_USE;
enum err_code control_read(void *conn, void *p, size_t n, size_t *got, struct err *err) MUST_USE;
void control_close(struct control_conn **c);

#endif
