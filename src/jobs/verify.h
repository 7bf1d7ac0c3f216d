/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.h - does the registry still have what it says it has? Compares the
 * metadata with the storage in both directions and, if asked to, reads every
 * byte again; on a registry that serves as well as on one that does not.
 */
#ifndef BERTH_JOBS_VERIFY_H
#define BERTH_JOBS_VERIFY_H

#include "base/err.h"
#include "meta/walk.h"
#include "storage/storage.h"

struct verify_rules {
	bool bytes;      /* read and hash every blob */
	bool repair;     /* put damaged blobs into quarantine, sizes right, remove bytes that nothing speaks of */
	bool quarantine; /* all but the last of these */
	/* Must the repository have this blob for the manifest to be whole? NULL: blobs
	 * that repositories lack are not looked for. Thread-safe. */
	bool (*needs)(const struct meta_manifest *m, const struct digest *blob);
	uint64_t rate; /* bytes a second at most when reading; 0: as fast as it goes */
};

/* X(enumerator, text) */
#define VERIFY_PROBLEMS(X) \
	X(VERIFY_MISSING, "the bytes are missing") \
	X(VERIFY_SIZE, "the size is wrong") \
	X(VERIFY_CORRUPT, "the bytes are damaged") \
	X(VERIFY_UNREADABLE, "the bytes cannot be read") \
	X(VERIFY_UNLINKED, "its repository does not have this blob") \
	X(VERIFY_MANIFEST, "the manifest is damaged in the metadata") \
	X(VERIFY_ORPHAN, "nothing speaks of these bytes")
enum verify_problem {
#define X(name, text) name,
	VERIFY_PROBLEMS(X)
#undef X
	    VERIFY_PROBLEM_COUNT
};
const char *verify_problem_text(enum verify_problem p);

struct verify_report {
	uint64_t blobs, blobs_total; /* looked at; as the metadata counts them */
	uint64_t bytes, bytes_total; /* read; likewise */
	uint64_t manifests;
	uint64_t problems[VERIFY_PROBLEM_COUNT];
	uint64_t orphan_bytes;
	uint64_t repaired; /* quarantined or removed */
};

struct verify_finding {
	enum verify_problem problem;
	struct digest digest;
	uint64_t size; /* of the bytes that are there */
	bool repaired;
	const struct meta_blob_user *users; /* images that need it, some of them */
	size_t nusers;
	const char *detail; /* more words, "" without */
};

struct verify_control {
	/* After every page, while large blobs are read and while the pace is kept; false ends the run. May be NULL. */
	bool (*progress)(const struct verify_report *r, void *arg);
	/* May be NULL. */
	void (*found)(const struct verify_finding *f, void *arg);
	void *arg;
};

/* One run. ERR_OK whatever was found: the report says it. */
enum err_code verify_run(struct meta *m, struct storage *s, const struct verify_rules *rules,
    const struct verify_control *control, struct verify_report *out, struct err *err) MUST_USE;
/* How many problems there are that can cost an image: all but orphans. */
uint64_t verify_damage(const struct verify_report *r);

#endif
