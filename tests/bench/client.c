/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - the HTTP/1.1 client of the load generator, plain and over TLS. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

void conn_open(struct conn *c, const struct target *t)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(t->port)};
	int one = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->t = t;
	c->ssl = NULL;
	c->sink = NULL;
	c->have = c->used = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		die("connect to port %u: %s", t->port, strerror(errno));
	if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		die("TCP_NODELAY: %s", strerror(errno));
	if (!t->tls)
		return;
	c->ssl = SSL_new(t->tls);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
		die("TLS to port %u: %s", t->port, ERR_error_string(ERR_get_error(), NULL));
}

void conn_close(struct conn *c)
{
	if (c->fd < 0)
		return;
	SSL_free(c->ssl);
	free(c->sink);
	close(c->fd);
	c->fd = -1;
}

static void conn_send(struct conn *c, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		int part = n > (1 << 30) ? 1 << 30 : (int)n;
		ssize_t sent = c->ssl ? SSL_write(c->ssl, p, part) : send(c->fd, p, (size_t)part, MSG_NOSIGNAL);
		if (sent <= 0)
			die("send to port %u: %s", c->t->port, c->ssl ? "TLS error" : strerror(errno));
		p += sent;
		n -= (size_t)sent;
	}
}

static size_t conn_recv(struct conn *c, void *p, size_t n)
{
	ssize_t got = c->ssl ? SSL_read(c->ssl, p, (int)n) : recv(c->fd, p, n, 0);

	if (got <= 0)
		die("answer of port %u is cut short: %s", c->t->port, got ? strerror(errno) : "connection closed");
	return (size_t)got;
}

/* Head and small bodies leave in one segment, as clients send them. */
static void conn_send_request(
    struct conn *c, const char *method, const char *path, const char *type, const void *body, size_t n)
{
	char head[4096 + 8192];
	int len = snprintf(
	    head, 4096, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: load\r\n", method, path, c->t->port);

	if (c->t->authorization)
		len += snprintf(head + len, 4096 - (size_t)len, "Authorization: %s\r\n", c->t->authorization);
	if (type)
		len += snprintf(head + len, 4096 - (size_t)len, "Content-Type: %s\r\n", type);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		len += snprintf(head + len, 4096 - (size_t)len, "Content-Length: %zu\r\n", n);
	len += snprintf(head + len, 4096 - (size_t)len, "\r\n");
	if (len >= 4096)
		die("request head too long");
	if (n > 0 && n <= 8192) {
		memcpy(head + len, body, n);
		len += (int)n;
		n = 0;
	}
	conn_send(c, head, (size_t)len);
	if (n)
		conn_send(c, body, n);
}

static void take_location(struct reply *r, const char *v, size_t n)
{
	const char *end = v + n, *scheme = memmem(v, n, "://", 3);

	if (scheme) {
		v = memchr(scheme + 3, '/', (size_t)(end - scheme - 3));
		if (!v)
			die("Location without a path");
	}
	if ((size_t)(end - v) >= sizeof(r->location))
		die("Location too long");
	memcpy(r->location, v, (size_t)(end - v));
	r->location[end - v] = '\0';
}

static void parse_head(char *head, size_t n, struct reply *r)
{
	char *end = head + n, *line, *nl;

	*r = (struct reply){0};
	if (n < 12 || memcmp(head, "HTTP/1.1 ", 9) != 0)
		die("not an HTTP/1.1 answer: %.40s", head);
	r->status = atoi(head + 9);
	for (line = head; line < end && (nl = memchr(line, '\n', (size_t)(end - line))); line = nl + 1) {
		size_t len = (size_t)(nl - line) - (nl > line && nl[-1] == '\r');
		if (len > 16 && strncasecmp(line, "content-length: ", 16) == 0)
			r->length = strtoull(line + 16, NULL, 10);
		else if (len > 10 && strncasecmp(line, "location: ", 10) == 0)
			take_location(r, line + 10, len - 10);
		else if (len == 17 && strncasecmp(line, "connection: close", 17) == 0)
			r->close = true;
		else if (len > 18 && strncasecmp(line, "transfer-encoding:", 18) == 0)
			die("an answer with a transfer coding, which this client does not read");
	}
}

void conn_request(
    struct conn *c, const char *method, const char *path, const char *type, const void *body, size_t n, struct reply *r)
{
	char *end;

	conn_send_request(c, method, path, type, body, n);
	c->have = c->used = 0;
	while (!(end = memmem(c->buf, c->have, "\r\n\r\n", 4))) {
		if (c->have == sizeof(c->buf))
			die("answer head longer than %zu bytes", sizeof(c->buf));
		c->have += conn_recv(c, c->buf + c->have, sizeof(c->buf) - c->have);
	}
	c->used = (size_t)(end + 4 - c->buf);
	parse_head(c->buf, c->used, r);
	if (strcmp(method, "HEAD") == 0 || r->status == 204 || r->status == 304)
		r->length = 0;
}

void conn_drain(struct conn *c, struct reply *r)
{
	enum { PIECE = 256 << 10 };
	uint64_t left = r->length, here = c->have - c->used;

	if (here > left)
		die("more bytes than Content-Length says");
	left -= here;
	if (left && !c->sink && !(c->sink = malloc(PIECE)))
		die("out of memory");
	while (left > 0)
		left -= conn_recv(c, c->sink, left < PIECE ? (size_t)left : PIECE);
	c->have = c->used = 0;
	if (r->close) {
		conn_close(c);
		conn_open(c, c->t);
	}
}

void conn_expect(struct conn *c, const char *method, const char *path, const char *type, const void *body, size_t n,
    int wanted, int or_else, struct reply *r)
{
	conn_request(c, method, path, type, body, n, r);
	if (r->status != wanted && r->status != or_else)
		die("%s %s: status %d, expected %d: %.*s", method, path, r->status, wanted, (int)(c->have - c->used),
		    c->buf + c->used);
	conn_drain(c, r);
}
