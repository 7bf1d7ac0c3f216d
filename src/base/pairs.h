/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pairs.h - a set of pairs of numbers, each with up to eight marks: what a job
 * has to remember of rows it names by their ids. One thread at a time.
 */
#ifndef BERTH_BASE_PAIRS_H
#define BERTH_BASE_PAIRS_H

#include "base/defs.h"

struct pair {
	int64_t a, b;
	uint8_t marks; /* never 0 in the set */
};

struct pairs {
	struct pair *slots; /* a power of two of them, those without marks are free */
	size_t n, cap;
};
#define PAIRS_INIT ((struct pairs){NULL, 0, 0})

void pairs_free(struct pairs *p);
/* Adds these marks to the pair; false when there is no memory. */
bool pairs_mark(struct pairs *p, int64_t a, int64_t b, uint8_t marks) MUST_USE;
/* Its marks, 0: it is not in the set. */
uint8_t pairs_get(const struct pairs *p, int64_t a, int64_t b);
/* Takes marks away; at least one has to stay. */
void pairs_unmark(struct pairs *p, int64_t a, int64_t b, uint8_t marks);
/* The next pair in no order, with *at 0 at first; NULL at the end. Between two
 * calls pairs that are in the set may get more marks, and none may be added. */
const struct pair *pairs_next(const struct pairs *p, size_t *at);

#endif
