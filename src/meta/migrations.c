/* SPDX-License-Identifier: Apache-2.0 */
/*
 * migrations.c - the schema of the metadata, as numbered steps.
 *
 * How it is laid out, and why:
 *  - Repositories, blobs and manifests have an integer of their own that is
 *    never used again, so that a queue or an audit row can name one safely;
 *    digests are stored packed (one byte of algorithm, then the raw bytes).
 *  - A row of `blob` stands for a digest. Its size is NULL while the bytes are
 *    not here: then only some manifest speaks of it. References therefore always
 *    have a row to point to, and no blob that a manifest needs can lose its row.
 *  - Manifests' bytes are in a table of their own, so that walks over `manifest`
 *    stay dense and a change of its columns never rewrites megabytes.
 *  - References carry the repository, so that "who in this repository needs this
 *    blob (or this child)" is one step in an index. Children are kept by digest:
 *    an index may name a child that is pushed later or was deleted.
 *  - Totals are changed in the transaction that changes what they count.
 */
#include "meta/migrations.h"
#include "base/clock.h"

struct migration {
	int version;
	const char *name;
	const char *script[ENGINE_KINDS];
};

/* 0x42657274 spells "Bert": SQLite's application_id, by which a database of
 * another program is told from ours (engine_sqlite.c). */
static const char sqlite_1[] = "PRAGMA application_id = 0x42657274;"
                               "CREATE TABLE schema_migration ("
                               " version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL);"

                               "CREATE TABLE repository ("
                               " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                               " name TEXT NOT NULL UNIQUE,"
                               " listed INTEGER NOT NULL," /* 1 once a manifest was pushed: it is in the catalog */
                               " created_at INTEGER NOT NULL);"
                               "CREATE INDEX repository_listed ON repository (name) WHERE listed = 1;"

                               "CREATE TABLE blob ("
                               " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                               " digest BLOB NOT NULL UNIQUE,"
                               " size INTEGER," /* NULL: the bytes are not here */
                               " created_at INTEGER NOT NULL);"
                               "CREATE TABLE repo_blob ("
                               " repo_id INTEGER NOT NULL REFERENCES repository (id),"
                               " blob_id INTEGER NOT NULL REFERENCES blob (id),"
                               " linked_at INTEGER NOT NULL,"
                               " PRIMARY KEY (repo_id, blob_id)) WITHOUT ROWID;"
                               "CREATE INDEX repo_blob_blob ON repo_blob (blob_id);"

                               "CREATE TABLE manifest ("
                               " id INTEGER PRIMARY KEY AUTOINCREMENT,"
                               " repo_id INTEGER NOT NULL REFERENCES repository (id),"
                               " digest BLOB NOT NULL,"
                               " subject BLOB,"
                               " size INTEGER NOT NULL,"
                               " pushed_at INTEGER NOT NULL,"
                               " media_type TEXT NOT NULL,"
                               " artifact_type TEXT,"
                               " descriptor BLOB," /* as JSON, for the list of referrers; only with a subject */
                               " UNIQUE (repo_id, digest));"
                               "CREATE INDEX manifest_subject ON manifest (repo_id, subject) WHERE subject IS NOT NULL;"
                               "CREATE INDEX manifest_subject_type ON manifest (repo_id, subject, artifact_type)"
                               " WHERE subject IS NOT NULL;"
                               "CREATE TABLE manifest_payload ("
                               " manifest_id INTEGER PRIMARY KEY REFERENCES manifest (id) ON DELETE CASCADE,"
                               " payload BLOB NOT NULL);"

                               "CREATE TABLE manifest_blob ("
                               " manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,"
                               " blob_id INTEGER NOT NULL REFERENCES blob (id),"
                               " kind INTEGER NOT NULL," /* enum meta_ref_kind */
                               " repo_id INTEGER NOT NULL REFERENCES repository (id),"
                               " PRIMARY KEY (manifest_id, blob_id, kind)) WITHOUT ROWID;"
                               "CREATE INDEX manifest_blob_blob ON manifest_blob (blob_id, repo_id);"
                               "CREATE TABLE manifest_child ("
                               " manifest_id INTEGER NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,"
                               " digest BLOB NOT NULL,"
                               " repo_id INTEGER NOT NULL REFERENCES repository (id),"
                               " PRIMARY KEY (manifest_id, digest)) WITHOUT ROWID;"
                               "CREATE INDEX manifest_child_digest ON manifest_child (repo_id, digest);"

                               "CREATE TABLE tag ("
                               " repo_id INTEGER NOT NULL REFERENCES repository (id),"
                               " name TEXT NOT NULL,"
                               " manifest_id INTEGER NOT NULL REFERENCES manifest (id),"
                               " updated_at INTEGER NOT NULL,"
                               " PRIMARY KEY (repo_id, name)) WITHOUT ROWID;"
                               "CREATE INDEX tag_manifest ON tag (manifest_id);"

                               "CREATE TABLE upload ("
                               " id TEXT PRIMARY KEY,"
                               " repo TEXT NOT NULL," /* by name: the repository may not exist yet */
                               " alg INTEGER NOT NULL,"
                               " started_at INTEGER NOT NULL) WITHOUT ROWID;"
                               "CREATE INDEX upload_started ON upload (started_at, id);"

                               "CREATE TABLE totals ("
                               " id INTEGER PRIMARY KEY CHECK (id = 1),"
                               " repositories INTEGER NOT NULL, manifests INTEGER NOT NULL, tags INTEGER NOT NULL,"
                               " blobs INTEGER NOT NULL, blob_bytes INTEGER NOT NULL);"
                               "INSERT INTO totals VALUES (1, 0, 0, 0, 0, 0);";

/* Candidates; gc.h has the picture. Rows go with what they speak of. */
static const char sqlite_2[] = "CREATE TABLE gc_link ("
                               " repo_id INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,"
                               " blob_id INTEGER NOT NULL REFERENCES blob (id) ON DELETE CASCADE,"
                               " since INTEGER NOT NULL,"
                               " PRIMARY KEY (repo_id, blob_id)) WITHOUT ROWID;"
                               "CREATE INDEX gc_link_since ON gc_link (since);"
                               "CREATE INDEX gc_link_blob ON gc_link (blob_id);"
                               "CREATE TABLE gc_manifest ("
                               " manifest_id INTEGER PRIMARY KEY REFERENCES manifest (id) ON DELETE CASCADE,"
                               " reason INTEGER NOT NULL," /* enum meta_gc_reason */
                               " since INTEGER NOT NULL);"
                               "CREATE INDEX gc_manifest_since ON gc_manifest (reason, since);"
                               "CREATE TABLE gc_file ("
                               " blob_id INTEGER PRIMARY KEY REFERENCES blob (id));";

static const char sqlite_3[] = "CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";

/* The candidates that a client may count on; what was noted before may be one. */
static const char sqlite_4[] = "ALTER TABLE gc_link ADD COLUMN promised INTEGER NOT NULL DEFAULT 1;"
                               "ALTER TABLE gc_manifest ADD COLUMN promised INTEGER NOT NULL DEFAULT 1;"
                               "DROP INDEX gc_link_since;"
                               "DROP INDEX gc_manifest_since;"
                               "CREATE INDEX gc_link_due ON gc_link (promised, since, repo_id, blob_id);"
                               "CREATE INDEX gc_manifest_due ON gc_manifest (reason, promised, since, manifest_id);";

static const struct migration migrations[] = {
    {1, "repositories, blobs, manifests, tags, uploads", {[ENGINE_SQLITE] = sqlite_1}},
    {2, "candidates of the garbage collection", {[ENGINE_SQLITE] = sqlite_2}},
    {3, "state of the registry as a whole", {[ENGINE_SQLITE] = sqlite_3}},
    {4, "candidates that clients count on", {[ENGINE_SQLITE] = sqlite_4}},
};

int migrations_newest(void)
{
	return migrations[ARRAY_LEN(migrations) - 1].version;
}

static enum err_code check_not_ahead(int version, const char *where, struct err *err)
{
	if (version <= migrations_newest())
		return ERR_OK;
	return err_set(err, ERR_UNSUPPORTED,
	    "metadata database %s has schema version %d, this program knows versions up to %d; upgrade berth", where,
	    version, migrations_newest());
}

static enum err_code record(struct conn *c, const struct migration *mig, struct err *err)
{
	CLEANUP(stmt_end) struct stmt *s = NULL;
	enum err_code rc = stmt_get(c, Q_MIGRATION_ADD, &s, err);
	if (rc)
		return rc;
	stmt_int(s, 1, mig->version);
	stmt_text(s, 2, slice_cstr(mig->name));
	stmt_int(s, 3, clock_real());
	bool row;
	return stmt_step(s, &row, err);
}

/* In the transaction the version is looked at again: another process may have
 * been faster. */
static enum err_code apply_missing(struct conn *c, const char *where, struct err *err)
{
	int version;
	enum err_code rc = conn_schema(c, &version, err);
	if (rc == ERR_OK)
		rc = check_not_ahead(version, where, err);
	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(migrations); i++) {
		const struct migration *mig = &migrations[i];
		if (mig->version <= version)
			continue;
		rc = conn_script(c, mig->script[c->ops->kind], err);
		if (rc == ERR_OK)
			rc = record(c, mig, err);
		if (rc)
			err_context(err, "schema version %d (%s)", mig->version, mig->name);
	}
	return rc;
}

enum err_code migrations_apply(struct conn *c, const char *where, struct err *err)
{
	int version;
	enum err_code rc = conn_schema(c, &version, err);
	if (rc == ERR_OK)
		rc = check_not_ahead(version, where, err);
	if (rc || version == migrations_newest())
		return rc;
	rc = conn_begin(c, true, err);
	if (rc)
		return rc;
	rc = apply_missing(c, where, err);
	if (rc) {
		conn_rollback(c);
		return rc;
	}
	return conn_commit(c, err);
}
