/* SPDX-License-Identifier: Apache-2.0 */
/*
 * access.c - see access.h.
 */
#include "http/access.h"

#include "base/clock.h"

#include <unistd.h>

enum { LINE_MAX_BYTES = 160 * 1024 }; /* four times the largest head */

/* What came from the client, so that it cannot end a line or a quoted string. */
static void add_escaped(struct buf *b, struct slice s)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\') {
			buf_addc(b, '\\');
			buf_addc(b, (char)c);
		} else if (c >= 0x20 && c != 0x7f) {
			buf_addc(b, (char)c);
		} else {
			buf_adds(b, "\\x");
			buf_addc(b, hex[c >> 4]);
			buf_addc(b, hex[c & 15]);
		}
	}
}

/* A user name stands between spaces without quotes. */
static void add_user(struct buf *b, struct slice user)
{
	if (user.n == 0) {
		buf_addc(b, '-');
		return;
	}
	for (size_t i = 0; i < user.n; i++) {
		if (user.p[i] == ' ')
			buf_adds(b, "\\x20");
		else
			add_escaped(b, slice_sub(user, i, 1));
	}
}

void access_line(const struct http_req *req, int64_t received, struct buf *b)
{
	char date[CLOCK_TEXT];

	buf_adds(b, req->peer);
	buf_adds(b, " - ");
	add_user(b, req->user);
	buf_addf(b, " [%s] \"", clock_clf(received, date));
	add_escaped(b, req->method_text);
	buf_addc(b, ' ');
	add_escaped(b, req->target);
	buf_addf(b, " HTTP/1.%d\" %d ", req->minor, req->status);
	buf_addu(b, req->bytes_out);
	buf_adds(b, " \"");
	add_escaped(b, http_header(req, "Referer"));
	buf_adds(b, "\" \"");
	add_escaped(b, http_header(req, "User-Agent"));
	buf_adds(b, "\"\n");
}

void access_log(const struct http_req *req, int fd)
{
	CLEANUP(buf_free) struct buf b = BUF_INIT(LINE_MAX_BYTES);
	int64_t received = clock_real() - (clock_mono() - req->started);
	struct slice line;

	access_line(req, received, &b);
	line = buf_slice(&b);
	if (buf_ok(&b) && write(fd, line.p, line.n) < 0)
		return; /* nobody to tell */
}
