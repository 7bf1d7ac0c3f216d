/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listen.h - the listening socket of a server: made from "tcp", "unix" or an
 * inherited descriptor, and accepted from.
 */
#ifndef BERTH_HTTP_LISTEN_H
#define BERTH_HTTP_LISTEN_H

#include "http/conn.h"

/* Sets s->listen_fd, address, unix_path and is_unix from the options. */
enum err_code listen_open(struct http_server *s, struct err *err) MUST_USE;
/* Puts it into the epoll set. */
enum err_code listen_arm(struct http_server *s, struct err *err) MUST_USE;
/* Accepts what waits; called by the thread that was handed the event. */
void listen_accept(struct http_server *s);
/* Goes on after a pause whose time has come. */
void listen_resume(struct http_server *s, int64_t now);
/* Closes it; a unix socket's file is removed. */
void listen_close(struct http_server *s);

#endif
