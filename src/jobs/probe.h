/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.h - what a health check looks at: a file that must not be there, an
 * address that must take a connection, a URL that must answer. Each function
 * returns ERR_OK when all is well. Private to this folder.
 */
#ifndef BERTH_JOBS_PROBE_H
#define BERTH_JOBS_PROBE_H

#include "base/err.h"
#include "client/client.h"

/* Fails while the file exists, or when that cannot be found out. */
enum err_code probe_file(const char *path, struct err *err) MUST_USE;

/* Connects to "host:port" and closes. A readable `quit_fd` ends it with ERR_CLOSED. */
enum err_code probe_tcp(const char *addr, int64_t timeout, int quit_fd, struct err *err) MUST_USE;

/* Sends a HEAD request and expects this status, redirects followed. */
enum err_code probe_http(struct client *c, const char *uri, const char *const *fields, size_t nfields, int64_t timeout,
    int status, struct err *err) MUST_USE;

#endif
