/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queries.h - every statement of the metadata layer by number. The text, its
 * parameters and its columns stand in the one table in queries.c.
 */
#ifndef BERTH_META_QUERIES_H
#define BERTH_META_QUERIES_H

enum engine_kind { ENGINE_SQLITE, ENGINE_KINDS };

enum query_id {
	Q_TOTALS_GET,
	Q_TOTALS_ADD,

	Q_REPO_GET,
	Q_REPO_ADD,
	Q_REPO_LIST,
	Q_REPOS,

	Q_BLOB_GET,
	Q_BLOB_ADD,
	Q_BLOB_ARRIVED,
	Q_BLOB_OF_REPO,
	Q_BLOB_ANYWHERE,
	Q_LINK_ADD,
	Q_LINK_DELETE,

	Q_MANIFEST_ID,
	Q_MANIFEST_STAT,
	Q_MANIFEST_READ,
	Q_MANIFEST_STAT_TAG,
	Q_MANIFEST_READ_TAG,
	Q_MANIFEST_ADD,
	Q_PAYLOAD_ADD,
	Q_MANIFEST_DELETE,
	Q_REF_BLOB_GET,
	Q_REF_BLOB_ADD,
	Q_REF_CHILD_ADD,
	Q_REFERRERS,
	Q_REFERRERS_OF_TYPE,

	Q_TAG_GET,
	Q_TAG_ADD,
	Q_TAG_MOVE,
	Q_TAG_DELETE,
	Q_TAGS_UNTAG,
	Q_TAGS,

	Q_UPLOAD_ADD,
	Q_UPLOAD_GET,
	Q_UPLOAD_DELETE,
	Q_UPLOADS_BEFORE,

	Q_GC_LINK_NOTE,
	Q_GC_LINK_DELETE,
	Q_GC_LINK_SINCE,
	Q_GC_LINK_LOOK,
	Q_GC_LINK_TOUCH,
	Q_GC_LINKS_DUE,
	Q_GC_BLOB_REFERENCED,
	Q_GC_BLOB_LINKED,
	Q_GC_BLOB_ABSENT,
	Q_GC_BLOB_FORGET,
	Q_GC_FILE_ADD,
	Q_GC_FILE_GET,
	Q_GC_FILE_DELETE,
	Q_GC_FILES_DUE,
	Q_GC_MANIFEST_NOTE,
	Q_GC_MANIFEST_DELETE,
	Q_GC_MANIFEST_SINCE,
	Q_GC_MANIFEST_LOOK,
	Q_GC_MANIFEST_TOUCH,
	Q_GC_MANIFEST_NEEDED,
	Q_GC_MANIFESTS_DUE,
	Q_GC_CHILD_NEEDED,
	Q_GC_NOTE_BLOBS_OF,
	Q_GC_NOTE_CHILDREN_OF,
	Q_GC_NOTE_REFERRERS_OF,
	Q_GC_COUNT_LINKS,
	Q_GC_COUNT_MANIFESTS,
	Q_GC_COUNT_FILES,

	Q_MIGRATION_ADD,

	Q_COUNT
};

/* The text for this engine. Parameters are $1, $2, ... and first occur in that
 * order, which makes their numbers the same everywhere. */
const char *query_text(enum query_id q, enum engine_kind kind);
/* "MANIFEST_ADD", for messages and tests. */
const char *query_name(enum query_id q);

#endif
