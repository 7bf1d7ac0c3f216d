/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access.h - the access log: one line a request in the Combined Log Format,
 * as registry:2 writes to its standard output.
 */
#ifndef BERTH_HTTP_ACCESS_H
#define BERTH_HTTP_ACCESS_H

#include "http/http.h"

/* Writes the line of an answered request with one write(2), so that lines of
 * several threads do not mix. A failed write is not reported. Thread-safe. */
void access_log(const struct http_req *req, int fd);

/* Appends the line, its newline included. */
void access_line(const struct http_req *req, int64_t received, struct buf *out);

#endif
