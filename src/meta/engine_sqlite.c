/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine_sqlite.c - the engine on an embedded SQLite 3 database in WAL mode:
 * connections, statements, transactions and the words for what went wrong.
 * Keeping the write-ahead log short is in sqlite_wal.c.
 *
 * Choices: no memory map, since a failing disk would turn into SIGBUS and the
 * pages would count as ours; small page caches, because the kernel's is behind
 * them; no mutexes in SQLite, because a connection has one user at a time. The
 * database file must not be opened and closed by other code of this process:
 * closing any descriptor of it would drop SQLite's locks (POSIX).
 */
#include "meta/sqlite_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "meta/meta.h"
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x42657274 /* as migrations.c sets it */
#define READER_CACHE_KIB 1024
#define WRITER_CACHE_KIB 2048
#define BUSY_WAIT_DEFAULT (5 * CLOCK_S)

/* ---- errors --------------------------------------------------------------- */

static const struct {
	int rc; /* primary result code */
	enum err_code code;
	const char *advice;
} failures[] = {
    {SQLITE_BUSY, ERR_BUSY, "another process holds it; end that process or try again"},
    {SQLITE_LOCKED, ERR_BUSY, "try again"},
    {SQLITE_NOMEM, ERR_NO_MEMORY, "give the process more memory"},
    {SQLITE_FULL, ERR_NO_SPACE, "free some space on its file system"},
    {SQLITE_CORRUPT, ERR_CORRUPT,
        "the file is damaged; stop berth, restore it from a backup or recover it with `sqlite3 FILE .recover`"},
    {SQLITE_NOTADB, ERR_CORRUPT,
        "the file is not a SQLite database or is damaged; restore it from a backup or name another file"},
    {SQLITE_CANTOPEN, ERR_IO, "check that its directory exists and may be written by this user"},
    {SQLITE_READONLY, ERR_DENIED, "the file and its directory must be writable by this user"},
    {SQLITE_PERM, ERR_DENIED, "the file and its directory must be writable by this user"},
    {SQLITE_TOOBIG, ERR_TOO_LARGE, "a value is too large for the database"},
    {SQLITE_CONSTRAINT, ERR_CONFLICT, "the change contradicts what is stored"},
    {SQLITE_INTERRUPT, ERR_TIMEOUT, "it was interrupted"},
    {SQLITE_PROTOCOL, ERR_BUSY, "its locks are contended; try again"},
};

/* What the system said decides where SQLite's own code is vague. */
static enum err_code code_of_errno(int sys, enum err_code otherwise)
{
	switch (sys) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_NO_SPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case EMFILE:
	case ENFILE:
		return ERR_BUSY;
	case ENOENT:
	case ENOTDIR:
		return ERR_NOT_FOUND;
	default:
		return otherwise;
	}
}

/* SQLite tries more than one way to open a file and reports the last: look at
 * what is in the way. 0 when that is not clear. */
static int open_reason(const char *path)
{
	char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	int sys = 0;
	struct stat st;
	if (access(slash ? dir : ".", W_OK | X_OK) < 0)
		sys = errno;
	else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		sys = EISDIR;
	else if (access(path, R_OK | W_OK) < 0 && errno != ENOENT)
		sys = errno;
	free(dir);
	return sys;
}

/* SQLite keeps errno with the file that failed, the log first; what the
 * connection remembers is often that of a later call. */
static int system_reason(const struct lite_engine *e, sqlite3 *db, int rc)
{
	int sys = 0;
	if ((rc & 0xff) == SQLITE_CANTOPEN)
		sys = open_reason(e->path);
	if (!db || ((rc & 0xff) != SQLITE_IOERR && (rc & 0xff) != SQLITE_CANTOPEN))
		return sys;
	sqlite3_file *log = NULL;
	if (!sys && sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK && log &&
	    log->pMethods)
		(void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &sys);
	if (!sys)
		(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &sys);
	return sys ? sys : sqlite3_system_errno(db);
}

enum err_code lite_fail(const struct lite_engine *e, sqlite3 *db, int rc, struct err *err, const char *doing)
{
	enum err_code code = ERR_IO;
	const char *advice = "check the disk and the system's log";
	for (size_t i = 0; i < ARRAY_LEN(failures); i++) {
		if (failures[i].rc == (rc & 0xff)) {
			code = failures[i].code;
			advice = failures[i].advice;
			break;
		}
	}
	char reason[128] = "";
	int sys = system_reason(e, db, rc);
	if (sys) {
		char room[96];
		snprintf(reason, sizeof(reason), "%s, ", strerror_r(sys, room, sizeof(room)));
		code = code_of_errno(sys, code);
		if (code == ERR_NO_SPACE)
			advice = "free some space on its file system";
	}
	const char *why = db && sqlite3_extended_errcode(db) == rc ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
	err_set(err, code, "metadata database %s: cannot %s: %s (%sSQLite %d); %s", e->path, doing, why, reason, rc,
	    advice);
	if (err)
		err->sys = sys;
	return code;
}

static enum err_code conn_fail(struct lite_conn *c, int rc, struct err *err, const char *doing)
{
	return lite_fail(c->engine, c->db, rc, err, doing);
}

/* ---- connections ---------------------------------------------------------- */

static int step_once(sqlite3 *db, const char *sql, int64_t *value, char *text, size_t cap)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		if (value)
			*value = sqlite3_column_int64(st, 0);
		if (text) {
			const char *p = (const char *)sqlite3_column_text(st, 0);
			snprintf(text, cap, "%s", p ? p : "");
		}
	}
	int end = sqlite3_finalize(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : end;
}

/* Before anything is changed: is the file a database, and is it ours? */
static enum err_code check_identity(struct lite_conn *c, struct err *err)
{
	int64_t id = 0, objects = 0;
	int rc = step_once(c->db, "SELECT count(*) FROM sqlite_schema", &objects, NULL, 0);
	if (rc == SQLITE_OK)
		rc = step_once(c->db, "PRAGMA application_id", &id, NULL, 0);
	if (rc != SQLITE_OK)
		return conn_fail(c, rc, err, "read it");
	if (objects > 0 && id != APPLICATION_ID)
		return err_set(err, ERR_INVALID,
		    "metadata database %s: it is a SQLite database of another program; name another file",
		    c->engine->path);
	if (sqlite3_db_readonly(c->db, "main") == 1)
		return err_set(err, ERR_DENIED,
		    "metadata database %s: the file cannot be written by this user; change its owner or mode",
		    c->engine->path);
	return ERR_OK;
}

/* A new file is being switched to WAL by every process that opens it first;
 * SQLite does not wait for the lock in all of these cases. */
static enum err_code enter_wal(struct lite_conn *c, struct err *err)
{
	int64_t deadline = clock_mono() + c->engine->busy_wait;
	for (;;) {
		char mode[16] = "";
		int rc = step_once(c->db, "PRAGMA journal_mode = WAL", NULL, mode, sizeof(mode));
		if (rc == SQLITE_OK && slice_eq_cstr(slice_cstr(mode), "wal"))
			return ERR_OK;
		if (rc == SQLITE_OK)
			return err_set(err, ERR_UNSUPPORTED,
			    "metadata database %s: its file system cannot hold a write-ahead log (got journal mode \"%s\");"
			    " use a local file system",
			    c->engine->path, mode);
		if ((rc & 0xff) != SQLITE_BUSY || clock_mono() >= deadline)
			return conn_fail(c, rc, err, "start its write-ahead log");
		sqlite3_sleep(5);
	}
}

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int configure(struct lite_conn *c, enum conn_role role)
{
	char cache[64];
	snprintf(cache, sizeof(cache), "PRAGMA cache_size = -%d",
	    role == CONN_WRITE ? c->engine->cache_kib : READER_CACHE_KIB);
	int rc = run(c->db, cache);
	if (rc == SQLITE_OK)
		rc = run(c->db, "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0");
	if (rc == SQLITE_OK && role == CONN_READ)
		rc = run(c->db, "PRAGMA query_only = 1");
	if (rc == SQLITE_OK && role == CONN_WRITE)
		rc = run(c->db, "PRAGMA foreign_keys = 1; PRAGMA secure_delete = 0; PRAGMA synchronous = FULL;"
		                " PRAGMA journal_size_limit = " LITE_WAL_LIMIT_BYTES);
	return rc;
}

enum err_code lite_open_db(const struct lite_engine *e, sqlite3 **out, struct err *err)
{
	sqlite3 *db = NULL;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	int rc = sqlite3_open_v2(e->path, &db, flags, NULL);
	if (rc != SQLITE_OK) {
		enum err_code code = lite_fail(e, db, rc, err, "open it");
		sqlite3_close_v2(db);
		return code;
	}
	sqlite3_busy_timeout(db, (int)(e->busy_wait / CLOCK_MS));
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	*out = db;
	return ERR_OK;
}

static void lite_disconnect(struct conn *base)
{
	struct lite_conn *c = lite_conn_of(base);
	for (size_t i = 0; i < ARRAY_LEN(c->stmts); i++)
		sqlite3_finalize(c->stmts[i].st);
	for (size_t i = 0; i < ARRAY_LEN(c->control); i++)
		sqlite3_finalize(c->control[i]);
	sqlite3_close_v2(c->db);
	c->base.magic = 0;
	free(c);
}

static enum err_code lite_connect(struct engine *base, enum conn_role role, struct conn **out, struct err *err)
{
	struct lite_conn *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(err, ERR_NO_MEMORY, "no memory for a connection to the metadata database");
	c->base = (struct conn){CONN_MAGIC, &lite_ops};
	c->engine = lite_engine_of(base);
	c->durable = true;
	enum err_code code = lite_open_db(c->engine, &c->db, err);
	if (code == ERR_OK && role == CONN_WRITE)
		code = check_identity(c, err);
	if (code == ERR_OK && role == CONN_WRITE)
		code = enter_wal(c, err);
	if (code == ERR_OK) {
		int rc = configure(c, role);
		if (rc != SQLITE_OK)
			code = conn_fail(c, rc, err, "set it up");
	}
	if (code) {
		lite_disconnect(&c->base);
		return code;
	}
	if (role == CONN_WRITE)
		lite_wal_watch(c);
	*out = &c->base;
	return ERR_OK;
}

static enum err_code lite_script(struct conn *base, const char *sql, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	int rc = run(c->db, sql);
	return rc == SQLITE_OK ? ERR_OK : conn_fail(c, rc, err, "change its schema");
}

static enum err_code lite_schema_read(struct conn *base, int *version, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	int64_t known = 0, newest = 0;
	int rc =
	    step_once(c->db, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migration'", &known, NULL, 0);
	if (rc == SQLITE_OK && known)
		rc = step_once(c->db, "SELECT max(version) FROM schema_migration", &newest, NULL, 0);
	if (rc != SQLITE_OK)
		return conn_fail(c, rc, err, "read its schema version");
	*version = newest < 0 || newest > INT32_MAX ? INT32_MAX : (int)newest;
	return ERR_OK;
}

/* ---- transactions --------------------------------------------------------- */

static const char *const control_text[LITE_CONTROLS] = {
    [LITE_BEGIN] = "BEGIN IMMEDIATE",
    [LITE_MARK] = "SAVEPOINT item",
    [LITE_UNMARK] = "RELEASE item",
    [LITE_UNDO] = "ROLLBACK TO item",
    [LITE_COMMIT] = "COMMIT",
    [LITE_ROLLBACK] = "ROLLBACK",
};

static int control(struct lite_conn *c, enum lite_control k)
{
	if (!c->control[k]) {
		int rc =
		    sqlite3_prepare_v3(c->db, control_text[k], -1, SQLITE_PREPARE_PERSISTENT, &c->control[k], NULL);
		if (rc != SQLITE_OK)
			return rc;
	}
	int rc = sqlite3_step(c->control[k]);
	if (rc == SQLITE_DONE) {
		sqlite3_reset(c->control[k]);
		return SQLITE_OK;
	}
	return sqlite3_reset(c->control[k]);
}

static void lite_rollback(struct conn *base)
{
	struct lite_conn *c = lite_conn_of(base);
	if (!sqlite3_get_autocommit(c->db))
		(void)control(c, LITE_ROLLBACK);
}

static enum err_code lite_begin(struct conn *base, bool durable, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	int rc = SQLITE_OK;
	if (durable != c->durable) {
		rc = run(c->db, durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
		c->durable = durable;
	}
	if (rc == SQLITE_OK)
		rc = control(c, LITE_BEGIN);
	return rc == SQLITE_OK ? ERR_OK : conn_fail(c, rc, err, "begin a change");
}

static enum err_code lite_mark(struct conn *base, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	int rc = control(c, LITE_MARK);
	return rc == SQLITE_OK ? ERR_OK : conn_fail(c, rc, err, "mark a change");
}

static enum err_code lite_unmark(struct conn *base, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	int rc = control(c, LITE_UNMARK);
	return rc == SQLITE_OK ? ERR_OK : conn_fail(c, rc, err, "keep a change");
}

static enum err_code lite_undo(struct conn *base, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	int rc = control(c, LITE_UNDO);
	if (rc == SQLITE_OK)
		rc = control(c, LITE_UNMARK);
	return rc == SQLITE_OK ? ERR_OK : conn_fail(c, rc, err, "undo a change");
}

static enum err_code lite_commit(struct conn *base, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	int rc = control(c, LITE_COMMIT);
	if (rc == SQLITE_OK)
		return ERR_OK;
	enum err_code code = conn_fail(c, rc, err, "commit");
	lite_rollback(base);
	return code;
}

static bool lite_in_transaction(struct conn *base)
{
	return !sqlite3_get_autocommit(lite_conn_of(base)->db);
}

/* ---- statements ----------------------------------------------------------- */

static enum err_code lite_stmt_get(struct conn *base, enum query_id q, struct stmt **out, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	ASSERT((unsigned)q < Q_COUNT);
	struct lite_stmt *s = &c->stmts[q];
	if (!s->st) {
		const char *sql = query_text(q, ENGINE_SQLITE);
		int rc = sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL);
		if (rc != SQLITE_OK)
			return conn_fail(c, rc, err, query_name(q));
		s->base.ops = &lite_ops;
		s->conn = c;
		s->id = q;
	}
	ASSERT(!s->taken);
	s->taken = true;
	s->bound = SQLITE_OK;
	*out = &s->base;
	return ERR_OK;
}

static void bound(struct lite_stmt *s, int rc)
{
	if (rc != SQLITE_OK)
		s->bound = rc;
}

static void lite_bind_null(struct stmt *base, int at)
{
	struct lite_stmt *s = lite_stmt_of(base);
	bound(s, sqlite3_bind_null(s->st, at));
}

static void lite_bind_int(struct stmt *base, int at, int64_t v)
{
	struct lite_stmt *s = lite_stmt_of(base);
	bound(s, sqlite3_bind_int64(s->st, at, v));
}

static void lite_bind_text(struct stmt *base, int at, struct slice v)
{
	struct lite_stmt *s = lite_stmt_of(base);
	bound(s, sqlite3_bind_text64(s->st, at, v.p, v.n, SQLITE_STATIC, SQLITE_UTF8));
}

static void lite_bind_bytes(struct stmt *base, int at, struct slice v)
{
	struct lite_stmt *s = lite_stmt_of(base);
	bound(s, sqlite3_bind_blob64(s->st, at, v.p, v.n, SQLITE_STATIC));
}

static enum err_code lite_step(struct stmt *base, bool *row, struct err *err)
{
	struct lite_stmt *s = lite_stmt_of(base);
	int rc = s->bound == SQLITE_OK ? sqlite3_step(s->st) : s->bound;
	*row = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return ERR_OK;
	char doing[64];
	snprintf(doing, sizeof(doing), "run %s", query_name(s->id));
	return conn_fail(s->conn, rc, err, doing);
}

static int64_t lite_col_int(struct stmt *base, int at)
{
	return sqlite3_column_int64(lite_stmt_of(base)->st, at);
}

static struct slice lite_col_bytes(struct stmt *base, int at)
{
	sqlite3_stmt *st = lite_stmt_of(base)->st;
	if (sqlite3_column_type(st, at) == SQLITE_NULL)
		return SLICE_NONE;
	const void *p = sqlite3_column_blob(st, at);
	int n = sqlite3_column_bytes(st, at);
	return p ? slice_of(p, (size_t)n) : SLICE("");
}

static int64_t lite_changes(struct stmt *base)
{
	return sqlite3_changes64(lite_stmt_of(base)->conn->db);
}

static void lite_stmt_end(struct stmt *base)
{
	struct lite_stmt *s = lite_stmt_of(base);
	sqlite3_reset(s->st);
	sqlite3_clear_bindings(s->st);
	s->taken = false;
}

/* ---- the engine ----------------------------------------------------------- */

static uint64_t file_bytes(const char *path, const char *suffix)
{
	char *name = xasprintf("%s%s", path, suffix);
	struct stat st;
	uint64_t n = stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
	free(name);
	return n;
}

static uint64_t lite_bytes(struct engine *base)
{
	const char *path = lite_engine_of(base)->path;
	return file_bytes(path, "") + file_bytes(path, "-wal");
}

static void lite_destroy(struct engine *base)
{
	struct lite_engine *e = lite_engine_of(base);
	lite_wal_stop(e);
	free(e->path);
	free(e);
}

const struct engine_ops lite_ops = {
    .name = "sqlite",
    .kind = ENGINE_SQLITE,
    .connect = lite_connect,
    .disconnect = lite_disconnect,
    .script = lite_script,
    .schema_read = lite_schema_read,
    .begin = lite_begin,
    .mark = lite_mark,
    .unmark = lite_unmark,
    .undo = lite_undo,
    .commit = lite_commit,
    .rollback = lite_rollback,
    .in_transaction = lite_in_transaction,
    .maintain = lite_wal_maintain,
    .stmt_get = lite_stmt_get,
    .bind_null = lite_bind_null,
    .bind_int = lite_bind_int,
    .bind_text = lite_bind_text,
    .bind_bytes = lite_bind_bytes,
    .step = lite_step,
    .col_int = lite_col_int,
    .col_bytes = lite_col_bytes,
    .changes = lite_changes,
    .stmt_end = lite_stmt_end,
    .bytes = lite_bytes,
    .backup = lite_backup,
    .destroy = lite_destroy,
};

static void sqlite_says(void *arg, int rc, const char *msg)
{
	if ((rc & 0xff) == SQLITE_NOTICE)
		LOG_INFO("metadata database", LOG_STR("sqlite", msg), LOG_INT("code", rc));
	else
		LOG_DEBUG("metadata database", LOG_STR("sqlite", msg), LOG_INT("code", rc));
}

/* Process-wide, before SQLite is first used: no global counters of memory (a
 * lock in every allocation), and savepoints that never spill to a file. */
static void setup_sqlite(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	(void)sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
	(void)sqlite3_config(SQLITE_CONFIG_LOG, sqlite_says, NULL);
}

static pthread_once_t sqlite_once = PTHREAD_ONCE_INIT;

enum err_code engine_sqlite_new(const struct meta_options *o, struct engine **out, struct err *err)
{
	pthread_once(&sqlite_once, setup_sqlite);
	if (!o->path || !o->path[0])
		return err_set(err, ERR_INVALID, "no path for the metadata database");
	struct lite_engine *e = calloc(1, sizeof(*e));
	if (!e)
		return err_set(err, ERR_NO_MEMORY, "no memory for the metadata database");
	e->base.ops = &lite_ops;
	/* Debian's SQLite takes "file:..." for a URI; ours is always a path. */
	e->path = xasprintf("%s%s", slice_starts(slice_cstr(o->path), SLICE("file:")) ? "./" : "", o->path);
	e->busy_wait = o->busy_wait > 0 ? o->busy_wait : BUSY_WAIT_DEFAULT;
	e->cache_kib = o->writer_cache_kib ? (int)o->writer_cache_kib : WRITER_CACHE_KIB;
	lite_wal_start(e);
	*out = &e->base;
	return ERR_OK;
}
