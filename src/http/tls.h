/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - the TLS side of a server: its certificates, which are followed as
 * their files change, and handshakes that never wait.
 */
#ifndef BERTH_HTTP_TLS_H
#define BERTH_HTTP_TLS_H

#include "http/server.h"

#include <openssl/types.h>

struct tls;

/* Loads everything; errors name the file or option at fault. */
enum err_code tls_new(const struct http_tls_options *o, struct tls **out, struct err *err) MUST_USE;
void tls_free(struct tls **t);
/* Loads all files again; on an error the old ones stay in use. New handshakes
 * use the new ones; tickets stay valid unless there are client certificates. Thread-safe. */
enum err_code tls_reload(struct tls *t, struct err *err) MUST_USE;
/* Reloads when a file has changed; logs what came of it. One thread. */
void tls_watch(struct tls *t);

enum tls_step { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_PLAIN_HTTP, TLS_FAILED };

/* The next step of the handshake on this socket; creates *ssl first. Once it
 * is done, *cert is the subject of a verified client certificate (free()). */
enum tls_step tls_handshake(struct tls *t, SSL **ssl, int fd, char **cert);
/* Tells the peer that no more will come, without waiting. */
void tls_shutdown(SSL *ssl);
/* Frees; says goodbye first when the handshake was done. */
void tls_close(SSL *ssl, bool goodbye);

#endif
