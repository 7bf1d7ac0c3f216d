/* SPDX-License-Identifier: Apache-2.0 */
/* codec.c - text encodings of bytes; see codec.h. */
#include "base/codec.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int hex_digit_any(char c)
{
	return hex_digit(c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c);
}

void hex_encode(const void *in, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = in;

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[b[i] >> 4];
		*out++ = digits[b[i] & 15];
	}
	*out = '\0';
}

bool hex_decode(struct slice in, void *out, size_t n)
{
	uint8_t *b = out;

	if (in.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_digit(in.p[2 * i]), lo = hex_digit(in.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		b[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static const char alphabet_std[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode64(struct buf *out, const uint8_t *b, size_t n, const char *alphabet, bool pad)
{
	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		uint32_t v = (uint32_t)b[i] << 16;
		char quad[4];
		size_t chars = have + 1;

		if (have > 1)
			v |= (uint32_t)b[i + 1] << 8;
		if (have > 2)
			v |= b[i + 2];
		for (size_t k = 0; k < 4; k++)
			quad[k] = k < chars ? alphabet[v >> (18 - 6 * k) & 63] : '=';
		buf_add(out, slice_of(quad, pad ? 4 : chars));
	}
}

void base64_encode(struct buf *out, const void *in, size_t n)
{
	encode64(out, in, n, alphabet_std, true);
}

void base64url_encode(struct buf *out, const void *in, size_t n)
{
	encode64(out, in, n, alphabet_url, false);
}

static int value64(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	if (c == '/' || c == '_')
		return 63;
	return -1;
}

bool base64_decode(struct buf *out, struct slice in)
{
	uint32_t acc = 0;
	unsigned bits = 0;

	/* Where there is padding it has to be the right one. */
	if (in.n && in.p[in.n - 1] == '=') {
		if (in.n % 4)
			return false;
		in.n -= in.p[in.n - 2] == '=' ? 2 : 1;
	}
	if (in.n % 4 == 1)
		return false;
	for (size_t i = 0; i < in.n; i++) {
		int v = value64(in.p[i]);

		if (v < 0)
			return false;
		acc = acc << 6 | (uint32_t)v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf_addc(out, (char)(acc >> bits & 0xff));
		}
	}
	/* Bits that encode nothing must be zero, so that every value has one spelling. */
	return (acc & ((1U << bits) - 1)) == 0 && buf_ok(out);
}

bool percent_decode(struct buf *out, struct slice in, bool form)
{
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '%') {
			int hi, lo;

			if (in.n - i < 3)
				return false;
			hi = hex_digit_any(in.p[i + 1]);
			lo = hex_digit_any(in.p[i + 2]);
			if (hi < 0 || lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		} else if (form && c == '+') {
			c = ' ';
		}
		if (c == '\0')
			return false;
		buf_addc(out, c);
	}
	return buf_ok(out);
}

size_t utf8_length(struct slice s)
{
	const unsigned char *b = (const unsigned char *)s.p;
	uint32_t cp, min;
	size_t len;

	if (s.n == 0)
		return 0;
	if (b[0] < 0x80)
		return 1;
	if ((b[0] & 0xe0) == 0xc0) {
		len = 2;
		cp = b[0] & 0x1f;
		min = 0x80;
	} else if ((b[0] & 0xf0) == 0xe0) {
		len = 3;
		cp = b[0] & 0x0f;
		min = 0x800;
	} else if ((b[0] & 0xf8) == 0xf0) {
		len = 4;
		cp = b[0] & 0x07;
		min = 0x10000;
	} else {
		return 0;
	}
	if (s.n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (b[i] & 0x3f);
	}
	if (cp < min || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	return len;
}

bool utf8_valid(struct slice s)
{
	while (s.n) {
		size_t len = utf8_length(s);

		if (len == 0)
			return false;
		s = slice_from(s, len);
	}
	return true;
}

struct json_cost json_measure(struct slice text)
{
	struct json_cost cost = {0, 1};
	size_t depth = 0;
	bool string = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				string = false;
		} else if (c == '"') {
			string = true;
		} else if (c == '[' || c == '{') {
			cost.values++;
			if (++depth > cost.depth)
				cost.depth = depth;
		} else if ((c == ']' || c == '}') && depth) {
			depth--;
		} else if (c == ',') {
			cost.values++;
		}
	}
	return cost;
}

void random_bytes(void *out, size_t n)
{
	uint8_t *b = out;

	while (n) {
		ssize_t got = getrandom(b, n, 0);

		ASSERT(got > 0 || errno == EINTR);
		if (got > 0) {
			b += got;
			n -= (size_t)got;
		}
	}
}

/* Where the dashes of 8-4-4-4-12 stand. */
static bool uuid_dash(size_t i)
{
	return i == 8 || i == 13 || i == 18 || i == 23;
}

void uuid_random(char out[UUID_TEXT])
{
	uint8_t b[16];
	char hex[33];
	const char *h = hex;

	random_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	hex_encode(b, sizeof(b), hex);
	for (size_t i = 0; i < UUID_TEXT - 1; i++)
		out[i] = uuid_dash(i) ? '-' : *h++;
	out[UUID_TEXT - 1] = '\0';
}

bool uuid_valid(struct slice s)
{
	if (s.n != UUID_TEXT - 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (uuid_dash(i) ? s.p[i] != '-' : hex_digit_any(s.p[i]) < 0)
			return false;
	}
	return true;
}
