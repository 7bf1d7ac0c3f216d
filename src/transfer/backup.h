/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup.h - a backup of a registry, while it serves.
 *
 * First a copy of the database, which is of one moment, then the blobs that the
 * copy names. What is pushed meanwhile is not in the backup; what is deleted
 * meanwhile is, as long as nobody removes bytes: a registry that serves has to
 * pause its collector (gc_pause) for the time of the call.
 *
 * Bytes that a backup has in common with the one before, or with the registry
 * on the same file system, are shared as hard links. So a backup costs what is
 * new, and the database. Uploads in progress are not part of it.
 */
#ifndef BERTH_TRANSFER_BACKUP_H
#define BERTH_TRANSFER_BACKUP_H

#include "meta/meta.h"
#include "storage/storage.h"
#include "transfer/backup_dir.h"

struct backup_report {
	char name[BACKUP_NAME];
	uint64_t blobs, blobs_total;
	uint64_t bytes, bytes_total;
	uint64_t copied;   /* bytes of these that were copied, not shared */
	uint64_t missing;  /* blobs that the registry has lost, told to `problem` */
	uint64_t database; /* bytes of the database */
	uint64_t pruned;   /* old backups removed */
};

struct backup_control {
	/* Often; false ends it. May be NULL. */
	bool (*progress)(const struct backup_report *r, void *arg);
	/* A blob that is not whole in the registry and therefore not in the
	 * backup: why. May be NULL. */
	void (*problem)(const struct digest *d, const char *what, void *arg);
	void *arg;
};

struct backup_options {
	const char *root; /* the registry's directory: the backup must not be inside */
	const char *dest; /* absolute; made when it is missing */
	unsigned keep;    /* how many backups stay; 0: all. Nothing goes when blobs are missing in the new one */
	struct meta *meta;
	struct storage *storage;
};

/* Makes one. After a failure nothing of it is left, but for what a crash leaves:
 * that is removed by the next. ERR_CLOSED when `progress` ended it. */
enum err_code backup_run(const struct backup_options *o, const struct backup_control *control,
    struct backup_report *out, struct err *err) MUST_USE;

#endif
