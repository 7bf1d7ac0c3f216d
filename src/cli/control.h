/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control.h - how a command talks to the registry that is running: HTTP on the
 * unix socket <root>/berth/control.sock, which only its owner may open.
 *
 * A request is `POST /v1/<command>` with a JSON object of parameters; the
 * answer is a stream of JSON objects, one a line, the last with "done": true or
 * with an "error". So a command that takes long shows its progress.
 */
#ifndef BERTH_CLI_CONTROL_H
#define BERTH_CLI_CONTROL_H

#include "config/config.h"
#include "http/server.h"
#include "jobs/gc.h"

#include <jansson.h>

/* ---- the side of the server ------------------------------------------------ */

struct control {
	const struct config *cfg;
	struct meta *meta;
	struct storage *storage;
	struct gc *gc;
	struct http_server *server;
};

/* Listens below the root directory of the configuration; the rest of the
 * struct has been filled in. */
enum err_code control_start(struct control *c, struct err *err) MUST_USE;
void control_stop(struct control *c);

/* ---- the side of a command -------------------------------------------------- */

/* One object of the answer; false ends the call. */
typedef bool control_line(json_t *line, void *arg);

/*
 * Calls the registry that serves the root directory. ERR_NOT_FOUND: none does.
 * The object with an "error" becomes the error of the call.
 */
enum err_code control_call(const char *root, const char *command, const json_t *parameters, control_line *each,
    void *arg, struct err *err) MUST_USE;

#endif
