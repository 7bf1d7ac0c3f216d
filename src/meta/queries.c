/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queries.c - the SQL of the metadata layer, all of it but the schema, in one
 * table. A text serves every engine unless a variant stands beside it.
 *
 * Rules: parameters $1, $2, ... in the order of their first use; every list is
 * a walk along an index (tests/unit/meta checks the plans: no full scans and no
 * sorts); CROSS JOIN where the written order of the tables is the order to
 * visit them in, which SQLite honours and PostgreSQL reads as a plain join.
 */
#include "meta/queries.h"
#include "meta/walk.h"
#include "base/defs.h"

struct query {
	const char *name;
	const char *text;                  /* for every engine without a variant */
	const char *variant[ENGINE_KINDS]; /* where one engine needs its own words */
};

#define MANIFEST_STAT_COLUMNS "m.digest, m.media_type, m.pushed_at, m.size"
#define MANIFEST_READ_COLUMNS MANIFEST_STAT_COLUMNS ", p.payload"

static const struct query queries[Q_COUNT] = {
    [Q_TOTALS_GET] = {"TOTALS_GET", "SELECT repositories, manifests, tags, blobs, blob_bytes FROM totals WHERE id = 1"},
    [Q_TOTALS_ADD] = {"TOTALS_ADD",
        "UPDATE totals SET repositories = repositories + $1, manifests = manifests + $2, tags = tags + $3,"
        " blobs = blobs + $4, blob_bytes = blob_bytes + $5 WHERE id = 1"},

    /* -- repositories -- */
    [Q_REPO_GET] = {"REPO_GET", "SELECT id, listed FROM repository WHERE name = $1"},
    [Q_REPO_ADD] = {"REPO_ADD", "INSERT INTO repository (name, listed, created_at) VALUES ($1, 0, $2) RETURNING id"},
    [Q_REPO_LIST] = {"REPO_LIST", "UPDATE repository SET listed = 1 WHERE id = $1"},
    [Q_REPOS] = {"REPOS", "SELECT name FROM repository WHERE listed = 1 AND name > $1 ORDER BY name LIMIT $2"},

    /* -- blobs -- */
    [Q_BLOB_GET] = {"BLOB_GET", "SELECT id, size, size IS NULL FROM blob WHERE digest = $1"},
    [Q_BLOB_ADD] = {"BLOB_ADD", "INSERT INTO blob (digest, size, created_at) VALUES ($1, $2, $3) RETURNING id"},
    [Q_BLOB_ARRIVED] = {"BLOB_ARRIVED", "UPDATE blob SET size = $1, created_at = $2 WHERE id = $3"},
    [Q_BLOB_RESIZE] = {"BLOB_RESIZE", "UPDATE blob SET size = $1 WHERE id = $2"},
    [Q_BLOB_OF_REPO] = {"BLOB_OF_REPO",
        "SELECT b.size, r.id, b.id FROM repository r CROSS JOIN blob b CROSS JOIN repo_blob l"
        " WHERE r.name = $1 AND b.digest = $2 AND l.repo_id = r.id AND l.blob_id = b.id"},
    [Q_BLOB_ANYWHERE] = {"BLOB_ANYWHERE",
        "SELECT b.size, r.name FROM blob b CROSS JOIN repo_blob l CROSS JOIN repository r"
        " WHERE b.digest = $1 AND l.blob_id = b.id AND r.id = l.repo_id LIMIT 1"},
    [Q_LINK_ADD] = {"LINK_ADD", "INSERT INTO repo_blob (repo_id, blob_id, linked_at) VALUES ($1, $2, $3)"
                                " ON CONFLICT (repo_id, blob_id) DO UPDATE SET linked_at = excluded.linked_at"},
    [Q_LINK_DELETE] = {"LINK_DELETE", "DELETE FROM repo_blob WHERE repo_id = $1 AND blob_id = $2"},

    /* -- manifests -- */
    [Q_MANIFEST_ID] = {"MANIFEST_ID", "SELECT id FROM manifest WHERE repo_id = $1 AND digest = $2"},
    [Q_MANIFEST_STAT] = {"MANIFEST_STAT", "SELECT " MANIFEST_STAT_COLUMNS " FROM repository r CROSS JOIN manifest m"
                                          " WHERE r.name = $1 AND m.repo_id = r.id AND m.digest = $2"},
    [Q_MANIFEST_READ] = {"MANIFEST_READ",
        "SELECT " MANIFEST_READ_COLUMNS " FROM repository r CROSS JOIN manifest m CROSS JOIN manifest_payload p"
        " WHERE r.name = $1 AND m.repo_id = r.id AND m.digest = $2 AND p.manifest_id = m.id"},
    [Q_MANIFEST_STAT_TAG] = {"MANIFEST_STAT_TAG",
        "SELECT " MANIFEST_STAT_COLUMNS " FROM repository r CROSS JOIN tag t CROSS JOIN manifest m"
        " WHERE r.name = $1 AND t.repo_id = r.id AND t.name = $2 AND m.id = t.manifest_id"},
    [Q_MANIFEST_READ_TAG] = {"MANIFEST_READ_TAG",
        "SELECT " MANIFEST_READ_COLUMNS
        " FROM repository r CROSS JOIN tag t CROSS JOIN manifest m CROSS JOIN manifest_payload p"
        " WHERE r.name = $1 AND t.repo_id = r.id AND t.name = $2 AND m.id = t.manifest_id"
        " AND p.manifest_id = m.id"},
    [Q_MANIFEST_ADD] = {"MANIFEST_ADD",
        "INSERT INTO manifest (repo_id, digest, subject, size, pushed_at, media_type, artifact_type, descriptor)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id"},
    [Q_PAYLOAD_ADD] = {"PAYLOAD_ADD", "INSERT INTO manifest_payload (manifest_id, payload) VALUES ($1, $2)"},
    /* Payload and references go with it (ON DELETE CASCADE). */
    [Q_MANIFEST_DELETE] = {"MANIFEST_DELETE", "DELETE FROM manifest WHERE id = $1"},
    [Q_REF_BLOB_GET] = {"REF_BLOB_GET",
        "SELECT b.id, l.linked_at IS NOT NULL FROM blob b"
        " LEFT JOIN repo_blob l ON l.repo_id = $1 AND l.blob_id = b.id WHERE b.digest = $2"},
    [Q_REF_BLOB_ADD] = {"REF_BLOB_ADD",
        "INSERT INTO manifest_blob (manifest_id, blob_id, kind, repo_id) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING"},
    [Q_REF_CHILD_ADD] = {"REF_CHILD_ADD",
        "INSERT INTO manifest_child (manifest_id, digest, repo_id) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING"},
    [Q_REFERRERS] = {"REFERRERS", "SELECT m.id, m.descriptor FROM repository r CROSS JOIN manifest m"
                                  " WHERE r.name = $1 AND m.repo_id = r.id AND m.subject = $2 AND m.id > $3"
                                  " ORDER BY m.id LIMIT $4"},
    [Q_REFERRERS_OF_TYPE] = {"REFERRERS_OF_TYPE",
        "SELECT m.id, m.descriptor FROM repository r CROSS JOIN manifest m"
        " WHERE r.name = $1 AND m.repo_id = r.id AND m.subject = $2 AND m.id > $3 AND m.artifact_type = $4"
        " ORDER BY m.id LIMIT $5"},

    /* -- tags -- */
    [Q_TAG_GET] = {"TAG_GET", "SELECT manifest_id FROM tag WHERE repo_id = $1 AND name = $2"},
    [Q_TAG_ADD] = {"TAG_ADD", "INSERT INTO tag (repo_id, name, manifest_id, updated_at) VALUES ($1, $2, $3, $4)"},
    [Q_TAG_MOVE] = {"TAG_MOVE", "UPDATE tag SET manifest_id = $1, updated_at = $2 WHERE repo_id = $3 AND name = $4"},
    [Q_TAG_DELETE] = {"TAG_DELETE", "DELETE FROM tag WHERE repo_id = $1 AND name = $2"},
    [Q_TAGS_UNTAG] = {"TAGS_UNTAG", "DELETE FROM tag WHERE manifest_id = $1"},
    [Q_TAGS] = {"TAGS", "SELECT name FROM tag WHERE repo_id = $1 AND name > $2 ORDER BY name LIMIT $3"},

    /* -- uploads -- */
    [Q_UPLOAD_ADD] = {"UPLOAD_ADD",
        "INSERT INTO upload (id, repo, alg, started_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"},
    [Q_UPLOAD_GET] = {"UPLOAD_GET", "SELECT id, repo, alg, started_at FROM upload WHERE id = $1"},
    [Q_UPLOAD_DELETE] = {"UPLOAD_DELETE", "DELETE FROM upload WHERE id = $1"},
    [Q_UPLOADS_BEFORE] = {"UPLOADS_BEFORE",
        "SELECT id, repo, alg, started_at FROM upload WHERE started_at < $1 ORDER BY started_at, id LIMIT $2"},

    /* -- garbage collection: candidates are noted with the time (`since`), and with whether a
     * client was promised that they stay a while -- */
    [Q_GC_LINK_NOTE] = {"GC_LINK_NOTE",
        "INSERT INTO gc_link (repo_id, blob_id, since, promised) SELECT $1, $2, $3, 0 WHERE NOT EXISTS"
        " (SELECT 1 FROM manifest_blob WHERE blob_id = $2 AND repo_id = $1)"
        " ON CONFLICT (repo_id, blob_id) DO UPDATE SET since = excluded.since, promised = excluded.promised",
        {NULL}},
    [Q_GC_LINK_PROMISE] = {"GC_LINK_PROMISE",
        "INSERT INTO gc_link (repo_id, blob_id, since, promised) VALUES ($1, $2, $3, 1)"
        " ON CONFLICT (repo_id, blob_id) DO UPDATE SET since = excluded.since, promised = excluded.promised",
        {NULL}},
    [Q_GC_LINKS_REDEEM] = {"GC_LINKS_REDEEM",
        "DELETE FROM gc_link WHERE (repo_id, blob_id) IN"
        " (SELECT repo_id, blob_id FROM manifest_blob WHERE manifest_id = $1)",
        {NULL}},
    [Q_GC_LINK_DELETE] = {"GC_LINK_DELETE", "DELETE FROM gc_link WHERE repo_id = $1 AND blob_id = $2", {NULL}},
    [Q_GC_LINKS_KEEP] = {"GC_LINKS_KEEP",
        "DELETE FROM gc_link WHERE repo_id = (SELECT id FROM repository WHERE name = $1)", {NULL}},
    [Q_GC_LINK_SINCE] = {"GC_LINK_SINCE", "SELECT since, promised FROM gc_link WHERE repo_id = $1 AND blob_id = $2",
        {NULL}},
    [Q_GC_LINK_LOOK] = {"GC_LINK_LOOK",
        "SELECT g.since, g.promised,"
        " CASE WHEN EXISTS (SELECT 1 FROM manifest_blob m WHERE m.blob_id = l.blob_id AND m.repo_id = l.repo_id)"
        " THEN 1 ELSE 0 END"
        " FROM repository r CROSS JOIN blob b CROSS JOIN repo_blob l"
        " LEFT JOIN gc_link g ON g.repo_id = l.repo_id AND g.blob_id = l.blob_id"
        " WHERE r.name = $1 AND b.digest = $2 AND l.repo_id = r.id AND l.blob_id = b.id",
        {NULL}},
    [Q_GC_LINK_TOUCH] = {"GC_LINK_TOUCH",
        "INSERT INTO gc_link (repo_id, blob_id, since, promised)"
        " SELECT l.repo_id, l.blob_id, CAST($1 AS INTEGER), 1"
        " FROM repository r CROSS JOIN blob b CROSS JOIN repo_blob l"
        " WHERE r.name = $2 AND b.digest = $3 AND l.repo_id = r.id AND l.blob_id = b.id AND"
        " (EXISTS (SELECT 1 FROM gc_link g WHERE g.repo_id = l.repo_id AND g.blob_id = l.blob_id)"
        " OR EXISTS (SELECT 1 FROM manifest_blob m WHERE m.blob_id = l.blob_id AND m.repo_id = l.repo_id))"
        " ON CONFLICT (repo_id, blob_id) DO UPDATE SET since = excluded.since, promised = excluded.promised",
        {NULL}},
    [Q_GC_LINKS_DUE] = {"GC_LINKS_DUE",
        "SELECT g.repo_id, g.blob_id, b.digest, b.size, g.since FROM gc_link g CROSS JOIN blob b"
        " WHERE g.promised = $1 AND g.since < $2 AND (g.since, g.repo_id, g.blob_id) > ($3, $4, $5)"
        " AND b.id = g.blob_id ORDER BY g.since, g.repo_id, g.blob_id LIMIT $6",
        {NULL}},
    [Q_GC_BLOB_REFERENCED] = {"GC_BLOB_REFERENCED",
        "SELECT 1 FROM manifest_blob WHERE blob_id = $1 AND repo_id = $2 LIMIT 1", {NULL}},
    [Q_GC_BLOB_LINKED] = {"GC_BLOB_LINKED", "SELECT 1 FROM repo_blob WHERE blob_id = $1 LIMIT 1", {NULL}},
    [Q_GC_BLOB_ABSENT] = {"GC_BLOB_ABSENT", "UPDATE blob SET size = NULL WHERE id = $1 AND size IS NOT NULL", {NULL}},
    [Q_GC_BLOB_FORGET] = {"GC_BLOB_FORGET",
        "DELETE FROM blob WHERE id = $1 AND size IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM manifest_blob WHERE blob_id = $1)"
        " AND NOT EXISTS (SELECT 1 FROM repo_blob WHERE blob_id = $1)"
        " AND NOT EXISTS (SELECT 1 FROM gc_file WHERE blob_id = $1)",
        {NULL}},
    [Q_GC_FILE_ADD] = {"GC_FILE_ADD", "INSERT INTO gc_file (blob_id) VALUES ($1) ON CONFLICT DO NOTHING", {NULL}},
    /* 3: META_REF_FILE. Unless other manifests or a blob have these bytes too. */
    [Q_GC_FILE_OF_MANIFEST] = {"GC_FILE_OF_MANIFEST",
        "INSERT INTO gc_file (blob_id) SELECT b.id FROM manifest_blob mb CROSS JOIN blob b"
        " WHERE mb.manifest_id = $1 AND mb.kind = 3 AND b.id = mb.blob_id AND b.size IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM manifest_blob o"
        " WHERE o.blob_id = mb.blob_id AND o.manifest_id <> mb.manifest_id)"
        " AND EXISTS (SELECT 1 FROM state WHERE name = '" META_STATE_ADOPTED "')"
        " ON CONFLICT DO NOTHING",
        {NULL}},
    [Q_GC_FILE_GET] = {"GC_FILE_GET", "SELECT 1 FROM gc_file WHERE blob_id = $1", {NULL}},
    [Q_GC_FILE_DELETE] = {"GC_FILE_DELETE", "DELETE FROM gc_file WHERE blob_id = $1", {NULL}},
    [Q_GC_FILES_DUE] = {"GC_FILES_DUE",
        "SELECT 0, f.blob_id, b.digest, 0, 0 FROM gc_file f CROSS JOIN blob b"
        " WHERE f.blob_id > $1 AND b.id = f.blob_id ORDER BY f.blob_id LIMIT $2",
        {NULL}},
    [Q_GC_MANIFEST_NOTE] = {"GC_MANIFEST_NOTE",
        "INSERT INTO gc_manifest (manifest_id, reason, since, promised) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (manifest_id) DO UPDATE SET since = excluded.since, promised = excluded.promised",
        {NULL}},
    [Q_GC_MANIFEST_DELETE] = {"GC_MANIFEST_DELETE", "DELETE FROM gc_manifest WHERE manifest_id = $1", {NULL}},
    [Q_GC_MANIFEST_SINCE] = {"GC_MANIFEST_SINCE",
        "SELECT since, promised FROM gc_manifest WHERE manifest_id = $1 AND reason = $2", {NULL}},
    [Q_GC_MANIFEST_LOOK] = {"GC_MANIFEST_LOOK",
        "SELECT 1 FROM repository r CROSS JOIN manifest m CROSS JOIN gc_manifest g"
        " WHERE r.name = $1 AND m.repo_id = r.id AND m.digest = $2 AND g.manifest_id = m.id",
        {NULL}},
    [Q_GC_MANIFEST_TOUCH] = {"GC_MANIFEST_TOUCH",
        "UPDATE gc_manifest SET since = $1, promised = 1 WHERE manifest_id = (SELECT m.id FROM repository r CROSS JOIN manifest m"
        " WHERE r.name = $2 AND m.repo_id = r.id AND m.digest = $3)",
        {NULL}},
    /* It has a tag, or an index of its repository lists it, or its subject is there. */
    [Q_GC_MANIFEST_NEEDED] = {"GC_MANIFEST_NEEDED",
        "SELECT 1 FROM manifest m WHERE m.id = $1 AND ("
        "EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id)"
        " OR EXISTS (SELECT 1 FROM manifest_child c WHERE c.repo_id = m.repo_id AND c.digest = m.digest)"
        " OR EXISTS (SELECT 1 FROM manifest s WHERE s.repo_id = m.repo_id AND s.digest = m.subject))",
        {NULL}},
    [Q_GC_MANIFESTS_DUE] = {"GC_MANIFESTS_DUE",
        "SELECT m.id, m.digest, m.size, r.name, g.since"
        " FROM gc_manifest g CROSS JOIN manifest m CROSS JOIN repository r"
        " WHERE g.reason = $1 AND g.promised = $2 AND g.since < $3 AND (g.since, g.manifest_id) > ($4, $5)"
        " AND m.id = g.manifest_id AND r.id = m.repo_id ORDER BY g.since, g.manifest_id LIMIT $6",
        {NULL}},
    [Q_GC_CHILD_NEEDED] = {"GC_CHILD_NEEDED",
        "DELETE FROM gc_manifest WHERE manifest_id = (SELECT id FROM manifest WHERE repo_id = $1 AND digest = $2)",
        {NULL}},
    [Q_GC_NOTE_BLOBS_OF] = {"GC_NOTE_BLOBS_OF",
        "INSERT INTO gc_link (repo_id, blob_id, since, promised)"
        " SELECT DISTINCT repo_id, blob_id, CAST($1 AS INTEGER), 0 FROM manifest_blob WHERE manifest_id = $2"
        " ON CONFLICT (repo_id, blob_id) DO UPDATE SET since = excluded.since",
        {NULL}},
    [Q_GC_NOTE_CHILDREN_OF] = {"GC_NOTE_CHILDREN_OF",
        "INSERT INTO gc_manifest (manifest_id, reason, since, promised)"
        " SELECT m.id, CASE WHEN m.subject IS NULL OR EXISTS"
        " (SELECT 1 FROM manifest s WHERE s.repo_id = m.repo_id AND s.digest = m.subject) THEN 1 ELSE 2 END,"
        " CAST($1 AS INTEGER), 0 FROM manifest_child c CROSS JOIN manifest m"
        " WHERE c.manifest_id = $2 AND m.repo_id = c.repo_id AND m.digest = c.digest"
        " AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id)"
        " AND NOT EXISTS (SELECT 1 FROM manifest_child o"
        " WHERE o.repo_id = c.repo_id AND o.digest = c.digest AND o.manifest_id <> c.manifest_id)"
        " ON CONFLICT (manifest_id)"
        " DO UPDATE SET reason = excluded.reason, since = excluded.since, promised = excluded.promised",
        {NULL}},
    [Q_GC_NOTE_REFERRERS_OF] = {"GC_NOTE_REFERRERS_OF",
        "INSERT INTO gc_manifest (manifest_id, reason, since, promised)"
        " SELECT id, 2, CAST($1 AS INTEGER), 0 FROM manifest WHERE repo_id = $2 AND subject = $3"
        " ON CONFLICT (manifest_id)"
        " DO UPDATE SET reason = excluded.reason, since = excluded.since, promised = excluded.promised",
        {NULL}},
    [Q_GC_LINKS_SETTLE] = {"GC_LINKS_SETTLE",
        "UPDATE gc_link SET promised = 0 WHERE repo_id = (SELECT id FROM repository WHERE name = $1)", {NULL}},
    [Q_GC_MANIFESTS_SETTLE] = {"GC_MANIFESTS_SETTLE",
        "UPDATE gc_manifest SET promised = 0 WHERE manifest_id IN (SELECT m.id FROM repository r CROSS JOIN manifest m"
        " WHERE r.name = $1 AND m.repo_id = r.id)",
        {NULL}},
    [Q_GC_COUNT_LINKS] = {"GC_COUNT_LINKS", "SELECT COUNT(*) FROM (SELECT 1 FROM gc_link LIMIT $1) q", {NULL}},
    [Q_GC_COUNT_MANIFESTS] = {"GC_COUNT_MANIFESTS", "SELECT COUNT(*) FROM (SELECT 1 FROM gc_manifest LIMIT $1) q",
        {NULL}},
    [Q_GC_COUNT_FILES] = {"GC_COUNT_FILES", "SELECT COUNT(*) FROM (SELECT 1 FROM gc_file LIMIT $1) q", {NULL}},

    /* -- what a collection would do: what is around a candidate -- */
    [Q_GC_PLAN_MANIFEST] = {"GC_PLAN_MANIFEST",
        "SELECT m.repo_id, m.digest, m.subject, m.size, r.name,"
        " CASE WHEN EXISTS (SELECT 1 FROM tag t WHERE t.manifest_id = m.id) THEN 1 ELSE 0 END"
        " FROM manifest m CROSS JOIN repository r WHERE m.id = $1 AND r.id = m.repo_id",
        {NULL}},
    [Q_GC_PLAN_PARENTS] = {"GC_PLAN_PARENTS",
        "SELECT manifest_id FROM manifest_child WHERE repo_id = $1 AND digest = $2", {NULL}},
    [Q_GC_PLAN_CHILDREN] = {"GC_PLAN_CHILDREN",
        "SELECT m.id FROM manifest_child c CROSS JOIN manifest m"
        " WHERE c.manifest_id = $1 AND m.repo_id = c.repo_id AND m.digest = c.digest",
        {NULL}},
    [Q_GC_PLAN_REFERRERS] = {"GC_PLAN_REFERRERS", "SELECT id FROM manifest WHERE repo_id = $1 AND subject = $2",
        {NULL}},
    [Q_GC_PLAN_BLOBS] = {"GC_PLAN_BLOBS",
        "SELECT m.repo_id, m.blob_id, g.promised FROM manifest_blob m"
        " LEFT JOIN gc_link g ON g.repo_id = m.repo_id AND g.blob_id = m.blob_id WHERE m.manifest_id = $1",
        {NULL}},
    [Q_GC_PLAN_USERS] = {"GC_PLAN_USERS", "SELECT manifest_id FROM manifest_blob WHERE blob_id = $1 AND repo_id = $2",
        {NULL}},
    [Q_GC_PLAN_LINK] = {"GC_PLAN_LINK", "SELECT 1 FROM repo_blob WHERE repo_id = $1 AND blob_id = $2", {NULL}},
    [Q_GC_PLAN_LINKS] = {"GC_PLAN_LINKS", "SELECT repo_id FROM repo_blob WHERE blob_id = $1", {NULL}},
    [Q_GC_PLAN_BLOB] = {"GC_PLAN_BLOB", "SELECT digest, size FROM blob WHERE id = $1 AND size IS NOT NULL", {NULL}},

    /* -- walks -- */
    [Q_WALK_BLOBS] = {"WALK_BLOBS",
        "SELECT id, digest, size FROM blob WHERE id > $1 AND size IS NOT NULL ORDER BY id LIMIT $2", {NULL}},
    [Q_WALK_MANIFESTS] = {"WALK_MANIFESTS",
        "SELECT " MANIFEST_READ_COLUMNS ", m.id, r.name"
        " FROM manifest m CROSS JOIN manifest_payload p CROSS JOIN repository r"
        " WHERE m.id > $1 AND p.manifest_id = m.id AND r.id = m.repo_id ORDER BY m.id LIMIT $2",
        {NULL}},
    [Q_WALK_UNLINKED] = {"WALK_UNLINKED",
        "SELECT b.digest FROM manifest_blob mb CROSS JOIN blob b"
        " WHERE mb.manifest_id = $1 AND mb.kind <> 3 AND b.id = mb.blob_id"
        " AND NOT EXISTS (SELECT 1 FROM repo_blob l WHERE l.repo_id = mb.repo_id AND l.blob_id = mb.blob_id)",
        {NULL}},
    [Q_TAG_OF_MANIFEST] = {"TAG_OF_MANIFEST", "SELECT MIN(name) FROM tag WHERE manifest_id = $1", {NULL}},
    [Q_WALK_REPOS] = {"WALK_REPOS", "SELECT id, name FROM repository WHERE id > $1 ORDER BY id LIMIT $2", {NULL}},
    [Q_WALK_LINKS] = {"WALK_LINKS",
        "SELECT b.id, b.digest, b.size FROM repo_blob l CROSS JOIN blob b"
        " WHERE l.repo_id = $1 AND l.blob_id > $2 AND b.id = l.blob_id ORDER BY l.blob_id LIMIT $3",
        {NULL}},
    [Q_WALK_TAGS] = {"WALK_TAGS",
        "SELECT t.name, m.digest FROM tag t CROSS JOIN manifest m"
        " WHERE t.repo_id = $1 AND t.name > $2 AND m.id = t.manifest_id ORDER BY t.name LIMIT $3",
        {NULL}},
    [Q_BLOB_USERS] = {"BLOB_USERS",
        "SELECT r.name, m.digest, (SELECT MIN(t.name) FROM tag t WHERE t.manifest_id = m.id)"
        " FROM blob b CROSS JOIN manifest_blob mb CROSS JOIN manifest m CROSS JOIN repository r"
        " WHERE b.digest = $1 AND mb.blob_id = b.id AND m.id = mb.manifest_id AND r.id = m.repo_id LIMIT $2",
        {NULL}},
    [Q_STATE_GET] = {"STATE_GET", "SELECT value FROM state WHERE name = $1", {NULL}},
    [Q_STATE_SET] = {"STATE_SET",
        "INSERT INTO state (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        {NULL}},
    [Q_STATE_DELETE] = {"STATE_DELETE", "DELETE FROM state WHERE name = $1", {NULL}},
    [Q_STATE_CLEAR] = {"STATE_CLEAR", "DELETE FROM state WHERE name >= $1 AND name < $2", {NULL}},

    /* -- schema -- */
    [Q_MIGRATION_ADD] = {"MIGRATION_ADD",
        "INSERT INTO schema_migration (version, name, applied_at) VALUES ($1, $2, $3)"},
};

const char *query_text(enum query_id q, enum engine_kind kind)
{
	ASSERT((unsigned)q < Q_COUNT && (unsigned)kind < ENGINE_KINDS);
	const char *own = queries[q].variant[kind];
	const char *text = own ? own : queries[q].text;
	ASSERT(text != NULL);
	return text;
}

const char *query_name(enum query_id q)
{
	ASSERT((unsigned)q < Q_COUNT && queries[q].name != NULL);
	return queries[q].name;
}
