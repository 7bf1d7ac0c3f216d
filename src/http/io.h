/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io.h - bytes in and out of a connection, plain or TLS. The io_* calls never
 * wait; io_wait and send_* do, give up being a taker first, and hold the peer
 * to the minimum rate.
 */
#ifndef BERTH_HTTP_IO_H
#define BERTH_HTTP_IO_H

#include "http/conn.h"

#include <sys/uio.h>

/* What the io_* calls return instead of a count. */
enum { IO_WANT_READ = -1, IO_WANT_WRITE = -2, IO_BROKEN = -3 };

/* Bytes read, 0 at the end of what the peer sends, or one of the above. */
ssize_t io_read(struct http_conn *c, void *p, size_t n);
/* Bytes written or one of the above. `more`: further bytes follow at once. */
ssize_t io_write(struct http_conn *c, const struct iovec *v, int n, bool more);
/* Whether io_sendfile works on this connection. */
bool io_has_sendfile(const struct http_conn *c);
/* Bytes sent from a file at *at (which it advances), 0 at the end of the file,
 * or one of the above. Sets *bad_file when it is the file that failed. */
ssize_t io_sendfile(struct http_conn *c, int fd, off_t *at, size_t n, bool *bad_file);
/* True when bytes may be waiting above the socket, where epoll does not see them. */
bool io_pending(const struct http_conn *c);

/* Waits until the connection is ready for `want` (IO_WANT_*). ERR_TIMEOUT when
 * the peer is slower than the minimum rate. */
enum err_code io_wait(struct exch *x, ssize_t want, struct meter *m);

/* Sends all of it; on failure sets x->failed and x->close_why. The iovecs are
 * used up. */
bool send_all(struct exch *x, struct iovec *v, int n, bool more);
/* n bytes of a file from offset `at`. */
bool send_file(struct exch *x, int fd, uint64_t at, uint64_t n);

#endif
