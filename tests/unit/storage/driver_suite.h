/* SPDX-License-Identifier: Apache-2.0 */
/*
 * driver_suite.h - the tests every storage driver passes. A driver tells how to
 * open a store on an empty place and how to damage what it keeps; the rest is
 * the contract of storage.h.
 */
#ifndef BERTH_TESTS_DRIVER_SUITE_H
#define BERTH_TESTS_DRIVER_SUITE_H

#include "storage/storage.h"

struct driver {
	const char *name;
	/* Makes an empty place and opens a store on it. */
	struct storage *(*open)(void);
	/* Closes the store and opens another on the same place. */
	struct storage *(*reopen)(struct storage *s);
	/* Closes the store and removes the place. */
	void (*close)(struct storage *s);
	/* Replaces the bytes of a blob behind the back of the store. */
	void (*damage)(const struct digest *d, const void *p, size_t n);
};

/* Runs the suite; the number of failed tests. */
int driver_suite_run(const struct driver *d);

/* n bytes made from a seed, to be freed, and their digest. */
uint8_t *driver_bytes(unsigned seed, size_t n, enum digest_alg alg, struct digest *d);
/* The whole life of an upload: creates, writes, commits. */
enum err_code driver_put(struct storage *s, const struct digest *d, const void *p, size_t n, struct err *err);
/* The blob is there and holds exactly these bytes. */
bool driver_holds(struct storage *s, const struct digest *d, const void *p, size_t n);

#endif
