/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunked.c - see chunked.h. One state a kind of byte that may come next; runs
 * of data are taken at once.
 */
#include "http/chunked.h"

#include <string.h>

enum state {
	SIZE,       /* a hexadecimal digit, or what ends the size */
	SIZE_SPACE, /* white space behind the size, only an extension may follow */
	EXT,        /* inside of an extension */
	SIZE_LF,    /* the LF of the size line */
	DATA,       /* left bytes of data */
	DATA_CR,    /* CR LF behind the data */
	DATA_LF,
	TRAILER, /* the first byte of a trailer line, or of the last empty line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
	DONE,
	BROKEN
};

static bool is_ctl(unsigned char c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

static bool is_tchar(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static enum state size_byte(struct chunked *d, unsigned char c)
{
	int v = hex_value(c);

	if (v >= 0) {
		/* 15 digits are 2^60 bytes; sums of sizes stay far from overflow. */
		if (++d->digits > 15)
			return BROKEN;
		d->left = d->left * 16 + (unsigned)v;
		return SIZE;
	}
	if (d->digits == 0)
		return BROKEN;
	if (c == '\r')
		return SIZE_LF;
	if (c == ';')
		return EXT;
	return c == ' ' || c == '\t' ? SIZE_SPACE : BROKEN;
}

static enum state ext_byte(struct chunked *d, unsigned char c)
{
	if (++d->meta > CHUNKED_EXT_MAX)
		return BROKEN;
	if (c == '\r')
		return d->state == EXT ? SIZE_LF : BROKEN;
	if (d->state == SIZE_SPACE)
		return c == ';' ? EXT : c == ' ' || c == '\t' ? SIZE_SPACE : BROKEN;
	return is_ctl(c) ? BROKEN : EXT;
}

static enum state trailer_byte(struct chunked *d, unsigned char c)
{
	if (++d->meta > CHUNKED_TRAILER_MAX)
		return BROKEN;
	if (d->state == TRAILER && c == '\r')
		return LAST_LF;
	if (d->state == TRAILER_VALUE) {
		if (c == '\r')
			return TRAILER_LF;
		return is_ctl(c) ? BROKEN : TRAILER_VALUE;
	}
	if (d->state == TRAILER_NAME && c == ':')
		return TRAILER_VALUE;
	return is_tchar(c) ? TRAILER_NAME : BROKEN;
}

static enum state size_end(struct chunked *d)
{
	d->digits = 0;
	d->meta = 0;
	return d->left > 0 ? DATA : TRAILER;
}

static enum state next_state(struct chunked *d, unsigned char c)
{
	switch ((enum state)d->state) {
	case SIZE:
		return size_byte(d, c);
	case SIZE_SPACE:
	case EXT:
		return ext_byte(d, c);
	case SIZE_LF:
		return c == '\n' ? size_end(d) : BROKEN;
	case DATA_CR:
		return c == '\r' ? DATA_LF : BROKEN;
	case DATA_LF:
		return c == '\n' ? SIZE : BROKEN;
	case TRAILER:
	case TRAILER_NAME:
	case TRAILER_VALUE:
		return trailer_byte(d, c);
	case TRAILER_LF:
		return c == '\n' ? TRAILER : BROKEN;
	case LAST_LF:
		return c == '\n' ? DONE : BROKEN;
	case DATA:
	case DONE:
	case BROKEN:
		break;
	}
	return BROKEN;
}

enum chunked_found chunked_feed(
    struct chunked *d, const char *p, size_t n, size_t max, size_t *used, struct slice *data)
{
	size_t at = 0;

	*data = SLICE_NONE;
	for (;;) {
		if (d->state == DONE || d->state == BROKEN) {
			*used = at;
			return d->state == DONE ? CHUNKED_END : CHUNKED_BAD;
		}
		if (at == n) {
			*used = at;
			return CHUNKED_MORE;
		}
		if (d->state == DATA) {
			size_t run = n - at;

			if (run > d->left)
				run = (size_t)d->left;
			if (run > max)
				run = max;
			*data = slice_of(p + at, run);
			*used = at + run;
			chunked_took(d, run);
			return CHUNKED_DATA;
		}
		d->state = next_state(d, (unsigned char)p[at++]);
	}
}

uint64_t chunked_direct(const struct chunked *d)
{
	return d->state == DATA ? d->left : 0;
}

void chunked_took(struct chunked *d, size_t n)
{
	ASSERT(d->state == DATA && n <= d->left);
	d->left -= n;
	if (d->left == 0)
		d->state = DATA_CR;
}
