/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec.h - hexadecimal, base64 (RFC 4648), UUIDs, percent-encoding, UTF-8 and
 * random bytes. Pure functions but for the random ones; all thread-safe.
 */
#ifndef BERTH_BASE_CODEC_H
#define BERTH_BASE_CODEC_H

#include "base/buf.h"

/* Lower-case hex of n bytes; out has 2n+1 bytes and is terminated. */
void hex_encode(const void *in, size_t n, char *out);
/* Strictly lower-case hex, exactly 2n digits. */
bool hex_decode(struct slice in, void *out, size_t n) MUST_USE;

/* Standard alphabet with padding. */
void base64_encode(struct buf *out, const void *in, size_t n);
/* URL alphabet without padding. */
void base64url_encode(struct buf *out, const void *in, size_t n);
/* Appends the decoded bytes; either alphabet, padding either right or absent;
 * false when malformed (nothing is said about what was appended then). */
bool base64_decode(struct buf *out, struct slice in) MUST_USE;

/* %XX decoding of a URL path or query piece; '+' is a space when `form`. False
 * on a bad escape or a decoded NUL byte. */
bool percent_decode(struct buf *out, struct slice in, bool form) MUST_USE;

bool utf8_valid(struct slice s);
/* Bytes of the UTF-8 character at the start of s (1 to 4), 0 when there is no
 * valid one. */
size_t utf8_length(struct slice s);

/*
 * What a JSON text would cost to parse, found without parsing: how deeply its
 * arrays and objects nest and how many values it has, roughly. Parsers recurse
 * and allocate by these, so texts from the network are measured first. Brackets
 * in strings do not count; the text need not be valid.
 */
struct json_cost {
	size_t depth, values;
};
struct json_cost json_measure(struct slice text);

/* Cryptographically strong random bytes; aborts when the kernel has none. */
void random_bytes(void *out, size_t n);

#define UUID_TEXT 37
/* A random UUID (version 4) as text. */
void uuid_random(char out[UUID_TEXT]);
/* True for 8-4-4-4-12 lower- or upper-case hex. */
bool uuid_valid(struct slice s);

#endif
