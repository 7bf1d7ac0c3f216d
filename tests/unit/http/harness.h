/* SPDX-License-Identifier: Apache-2.0 */
/*
 * harness.h - a real server with a handler of many small answers, and raw
 * sockets to talk to it byte by byte.
 *
 * The handler answers by path:
 *   /hello        200 "hello\n"
 *   /echo         the body, at most 1 MiB; 413 above
 *   /count        how many body bytes came, or the error's name
 *   /ignore       401 without reading the body
 *   /content      "0123456789" with ETag "v1" and a date, ranges allowed
 *   /file         rig->file through sendfile
 *   /read         the file again, through a read function
 *   /stream       ?n= parts of 1000 bytes; &break ends without ending
 *   /silent       no answer
 *   /overflow     takes too much of the arena
 *   /block        blocks until rig_release
 *   /whoami       peer, port, TLS and client certificate
 *   /query        the parameters a[0], a[1]
 */
#ifndef BERTH_TESTS_HTTP_HARNESS_H
#define BERTH_TESTS_HTTP_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/sync.h"
#include "http/server.h"

#include <stdatomic.h>

struct rig {
	struct http_server_options o;
	struct http_server *s;
	int port;
	int file;     /* of FILE_BYTES pattern bytes */
	char dir[64]; /* temporary */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int blocked; /* handlers that wait in /block */
	bool released;
	_Atomic int done; /* calls of the done hook */
	_Atomic int last_status;
	int fds_before;
};

#define FILE_BYTES ((size_t)3 * 1024 * 1024 + 17)

/* A rig with default options; change r->o before rig_start. */
void rig_init(struct rig *r);
void rig_start(struct rig *r);
/* Stops, and checks that no descriptor was leaked. */
void rig_stop(struct rig *r);
void rig_wait_blocked(struct rig *r, int n);
void rig_release(struct rig *r);
/* The pattern byte of /file at this offset. */
unsigned char rig_pattern(size_t at);

/* A connected socket with a receive timeout of 10 s. */
int dial(const struct rig *r);
int dial_from(const struct rig *r, const char *local); /* from another loopback address */
void put(int fd, const char *text);
void put_bytes(int fd, const void *p, size_t n);
/* True when the peer closes within the time, all it sends thrown away. */
bool closed_within(int fd, int64_t time);

struct answer {
	int status;
	char head[4096];
	char *body; /* decoded; free with answer_free */
	size_t n;
	bool chunked;
};

/* Reads one answer; `head_only` for answers to HEAD. Status -1 when the
 * connection ended first. */
void answer_read(int fd, struct answer *a, bool head_only);
void answer_free(struct answer *a);
bool answer_has(const struct answer *a, const char *line);

/* Sends the text on a fresh connection and returns the status of the answer. */
int ask(const struct rig *r, const char *text);
/* The same, checking body and that `line` (may be NULL) is in the head. */
void expect(const struct rig *r, const char *text, int status, const char *line, const char *body);

void nap(int64_t time);
/* Waits up to 10 s for a condition. */
#define EVENTUALLY(e) \
	do { \
		int64_t until_ = clock_mono() + 10 * CLOCK_S; \
		while (!(e) && clock_mono() < until_) \
			nap(5 * CLOCK_MS); \
		assert_true(e); \
	} while (0)

#endif
