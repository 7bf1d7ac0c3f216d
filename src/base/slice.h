/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slice.h - a borrowed run of bytes, passed by value.
 *
 * A slice never owns what it points to and need not be NUL-terminated. Data
 * from the network is only ever handled as slices. {NULL, 0} is the absent
 * slice; {ptr, 0} is an empty one. All functions are pure and thread-safe.
 */
#ifndef BERTH_BASE_SLICE_H
#define BERTH_BASE_SLICE_H

#include "base/defs.h"

struct slice {
	const char *p;
	size_t n;
};

/* A slice over a string literal. */
#define SLICE(lit) ((struct slice){"" lit, sizeof(lit) - 1})
#define SLICE_NONE ((struct slice){NULL, 0})
/* For printf("%.*s", SLICE_ARG(s)). */
#define SLICE_ARG(s) (int)(s).n, (s).p ? (s).p : ""

struct slice slice_of(const void *p, size_t n);
struct slice slice_cstr(const char *s); /* NULL gives the absent slice */

bool slice_eq(struct slice a, struct slice b);
bool slice_eq_icase(struct slice a, struct slice b); /* ASCII */
bool slice_eq_cstr(struct slice a, const char *b);
int slice_cmp(struct slice a, struct slice b); /* bytewise, like memcmp then length */
bool slice_starts(struct slice s, struct slice prefix);
bool slice_starts_icase(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);

/* Index of the first/last `c`, or -1. */
ssize_t slice_find(struct slice s, char c);
ssize_t slice_rfind(struct slice s, char c);

/* The part from `from` (clamped) of at most `n` bytes. */
struct slice slice_sub(struct slice s, size_t from, size_t n);
struct slice slice_from(struct slice s, size_t from);

/*
 * Cuts *rest at the first `c`: returns what stood before it and leaves what
 * stood behind it in *rest. Without a `c` returns all, and *rest becomes the
 * absent slice, so that `while (rest.p)` visits every piece.
 */
struct slice slice_cut(struct slice *rest, char c);

/* Without leading and trailing spaces and tabs (OWS of RFC 9110, 5.6.3). */
struct slice slice_trim(struct slice s);

/* Decimal digits only, no sign, no space, at most `max`: true and *out. */
bool slice_u64(struct slice s, uint64_t max, uint64_t *out) MUST_USE;

/* Copies into dst as a NUL-terminated string; false when it does not fit or
 * holds a NUL byte. */
bool slice_to_cstr(struct slice s, char *dst, size_t cap) MUST_USE;
/* The same on the heap; the caller frees. */
char *slice_dup(struct slice s);

#endif
