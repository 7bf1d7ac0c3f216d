/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore.h - brings a backup back. Blobs are put in their places first, which
 * changes nothing for a database that is there; then the database takes its
 * place with one rename. The one before is kept under another name.
 */
#ifndef BERTH_TRANSFER_RESTORE_H
#define BERTH_TRANSFER_RESTORE_H

#include "storage/storage.h"
#include "transfer/backup_dir.h"

struct restore_report {
	char name[BACKUP_NAME];
	uint64_t blobs, blobs_total;
	uint64_t bytes, bytes_total;
	uint64_t copied;             /* bytes of these that were copied, not shared with the backup */
	uint64_t damaged;            /* blobs that the backup does not have whole, told to `problem` */
	char old_database[PATH_MAX]; /* where the one from before is, "" without */
};

struct restore_control {
	/* Often; false ends it. May be NULL. */
	bool (*progress)(const struct restore_report *r, void *arg);
	/* A blob is missing or damaged in the backup: why. May be NULL. */
	void (*problem)(const struct digest *d, const char *what, void *arg);
	void *arg;
};

struct restore_options {
	const char *root;        /* the registry's directory */
	const char *database;    /* where its database belongs; not open */
	const char *source;      /* the directory of the backups, or one of them */
	const char *name;        /* which; NULL: the newest */
	bool replace;            /* there may be a registry already */
	struct storage *storage; /* open on `root`, so that nobody serves it */
};

/* The backup that source and name mean, and its directory. ERR_NOT_FOUND. */
enum err_code restore_find(
    const char *source, const char *name, struct backup_info *info, char at[BACKUP_PATH], struct err *err) MUST_USE;

/*
 * ERR_EXISTS when there is a registry and !replace; ERR_CORRUPT when the
 * database of the backup is damaged. Damaged blobs do not keep the others from
 * being restored. After a failure the registry is as it was, but for blobs that
 * nothing speaks of.
 */
enum err_code restore_run(const struct restore_options *o, const struct restore_control *control,
    struct restore_report *out, struct err *err) MUST_USE;

#endif
