/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c - growing byte buffers; see buf.h. */
#include "base/buf.h"
#include "base/codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max)
{
	*b = BUF_INIT(max);
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = BUF_INIT(b->max);
}

void buf_clear(struct buf *b)
{
	buf_truncate(b, 0);
}

bool buf_ok(const struct buf *b)
{
	return b->err == 0;
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t want, cap;
	char *p;

	if (b->err)
		return NULL;
	if (n > b->max || b->n > b->max - n || b->n + n == SIZE_MAX) {
		b->err = EOVERFLOW;
		return NULL;
	}
	want = b->n + n + 1;
	if (want <= b->cap)
		return b->p + b->n;
	cap = b->cap ? b->cap : 64;
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	p = realloc(b->p, cap);
	if (!p) {
		b->err = ENOMEM;
		return NULL;
	}
	b->p = p;
	b->cap = cap;
	b->p[b->n] = '\0';
	return b->p + b->n;
}

void buf_commit(struct buf *b, size_t n)
{
	ASSERT(b->p && n < b->cap - b->n);
	b->n += n;
	b->p[b->n] = '\0';
}

void buf_truncate(struct buf *b, size_t n)
{
	ASSERT(n <= b->n);
	b->n = n;
	b->err = 0;
	if (b->p)
		b->p[n] = '\0';
}

void buf_consume(struct buf *b, size_t n)
{
	ASSERT(n <= b->n);
	if (n == 0)
		return;
	b->n -= n;
	memmove(b->p, b->p + n, b->n + 1);
}

void buf_add(struct buf *b, struct slice s)
{
	char *at = buf_reserve(b, s.n);

	if (!at)
		return;
	if (s.n)
		memcpy(at, s.p, s.n);
	buf_commit(b, s.n);
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, slice_of(&c, 1));
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, slice_cstr(s));
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *at;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	if (n < 0 && !b->err)
		b->err = EOVERFLOW; /* more than INT_MAX bytes */
	at = n < 0 ? NULL : buf_reserve(b, (size_t)n);
	if (at) {
		vsnprintf(at, (size_t)n + 1, fmt, again);
		buf_commit(b, (size_t)n);
	}
	va_end(again);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_addu(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_add(b, slice_of(digits + at, sizeof(digits) - at));
}

static void add_json_char(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add(b, SLICE("\\\""));
		break;
	case '\\':
		buf_add(b, SLICE("\\\\"));
		break;
	case '\n':
		buf_add(b, SLICE("\\n"));
		break;
	case '\r':
		buf_add(b, SLICE("\\r"));
		break;
	case '\t':
		buf_add(b, SLICE("\\t"));
		break;
	default:
		buf_addf(b, "\\u%04x", c);
	}
}

void buf_add_json(struct buf *b, struct slice s)
{
	size_t i = 0;

	buf_addc(b, '"');
	while (i < s.n) {
		unsigned char c = (unsigned char)s.p[i];
		size_t len = utf8_length(slice_from(s, i));

		if (len == 0) {
			buf_add(b, SLICE("\xEF\xBF\xBD"));
			i++;
		} else if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			add_json_char(b, c);
			i++;
		} else {
			buf_add(b, slice_sub(s, i, len));
			i += len;
		}
	}
	buf_addc(b, '"');
}

static bool is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

void buf_add_urlenc(struct buf *b, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (is_unreserved(c)) {
			buf_addc(b, (char)c);
		} else {
			char esc[3] = {'%', hex[c >> 4], hex[c & 15]};

			buf_add(b, slice_of(esc, 3));
		}
	}
}

struct slice buf_slice(const struct buf *b)
{
	return slice_of(buf_cstr(b), b->n);
}

const char *buf_cstr(const struct buf *b)
{
	return b->p ? b->p : "";
}

char *buf_take(struct buf *b)
{
	char *p;

	if (b->err) {
		buf_free(b);
		return NULL;
	}
	p = b->p ? b->p : xstrdup("");
	*b = BUF_INIT(b->max);
	return p;
}
