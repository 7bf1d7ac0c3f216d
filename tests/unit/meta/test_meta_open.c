/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_meta_open.c - what meta_open takes and refuses, damage met later, locks
 * of others, and the plans of all statements.
 */
#include "meta_test.h"
#include "meta/queries.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void exec_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	char *msg = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
		fail_msg("%s: %s", sql, msg);
	sqlite3_close(db);
}

static void write_file(const char *path, const char *text, size_t n, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, n, at), (ssize_t)n);
	close(fd);
}

static void refused(const char *path, enum err_code code, const char *text)
{
	struct meta_options o = {.path = path, .busy_wait = 50 * CLOCK_MS};
	struct meta *m = NULL;
	assert_fails(meta_open(&o, &m, err), code, text);
	assert_null(m);
}

static void opens_again(void **state)
{
	struct fixture *f = *state;
	assert_ok(put_manifest(f->m, "r", 1, 0, "v1", 0, NULL, err));
	meta_close(&f->m);
	assert_null(f->m);
	meta_close(&f->m);
	fixture_open(f);
	struct meta_manifest got;
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("v1"), true, &f->a, &got, err));
	assert_true(slice_eq_cstr(got.payload, "manifest 1"));
}

static void path_with_scheme(void **state)
{
	struct fixture *f = *state;
	char before[4096];
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(f->dir), 0);
	struct meta_options o = {.path = "file:x.db"};
	struct meta *m;
	assert_ok(meta_open(&o, &m, err));
	assert_int_equal(access("file:x.db", F_OK), 0);
	meta_close(&m);
	assert_int_equal(chdir(before), 0);
}

static void newer_schema(void **state)
{
	struct fixture *f = *state;
	meta_close(&f->m);
	exec_sql(f->path, "INSERT INTO schema_migration VALUES (4711, 'from the future', 0)");
	refused(f->path, ERR_UNSUPPORTED, "schema version 4711");
	refused(f->path, ERR_UNSUPPORTED, "upgrade berth");
	refused(f->path, ERR_UNSUPPORTED, f->path);
}

static void garbage(void **state)
{
	struct fixture *f = *state;
	char path[200], text[8192];
	snprintf(path, sizeof(path), "%s/garbage", f->dir);
	memset(text, 'g', sizeof(text));
	write_file(path, text, sizeof(text), 0);
	refused(path, ERR_CORRUPT, path);
	refused(path, ERR_CORRUPT, "not a SQLite database");
}

static void of_another_program(void **state)
{
	struct fixture *f = *state;
	char path[200];
	snprintf(path, sizeof(path), "%s/other.db", f->dir);
	exec_sql(path, "CREATE TABLE something (x)");
	refused(path, ERR_INVALID, "another program");
}

static void no_directory(void **state)
{
	struct fixture *f = *state;
	char path[200];
	snprintf(path, sizeof(path), "%s/none/meta.db", f->dir);
	refused(path, ERR_NOT_FOUND, "directory exists");
	refused("", ERR_INVALID, "no path");
	refused(f->dir, ERR_IO, f->dir);
}

/* As root every mode permits everything: the child becomes somebody else. */
static int refused_to_nobody(const char *path)
{
	pid_t pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "test", "child-refused", path, (char *)NULL);
		_exit(127);
	}
	int status = 1;
	waitpid(pid, &status, 0);
	return status;
}

static int child_refused(const char *path)
{
	if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
		return 1;
	struct meta_options o = {.path = path, .busy_wait = 50 * CLOCK_MS};
	struct meta *m = NULL;
	struct err err = {ERR_OK, 0, ""};
	enum err_code rc = meta_open(&o, &m, &err);
	if (rc == ERR_DENIED && strstr(err.msg, path) && strstr(err.msg, "this user"))
		return 0;
	fprintf(stderr, "%s: %s: %s\n", path, err_code_name(rc), err.msg);
	meta_close(&m);
	return 1;
}

static void read_only(void **state)
{
	struct fixture *f = *state;
	char fresh[200];
	meta_close(&f->m);
	snprintf(fresh, sizeof(fresh), "%s/fresh.db", f->dir);
	assert_int_equal(chmod(f->dir, 0555), 0);
	assert_int_equal(chmod(f->path, 0444), 0);
	assert_int_equal(refused_to_nobody(fresh), 0);
	assert_int_equal(refused_to_nobody(f->path), 0);
	assert_int_equal(chmod(f->dir, 0700), 0);
}

/* Damage behind the first page is met when it is read, and said so. */
static void damaged(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 1; i < 200; i++)
		assert_ok(put_manifest(f->m, "r", i, 0, "v", 0, NULL, err));
	meta_close(&f->m);
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	char page[4096];
	memset(page, 0xee, sizeof(page));
	exec_sql(f->path, "PRAGMA user_version"); /* the file is whole */
	for (off_t at = 8 * 4096; at < st.st_size; at += 4096)
		write_file(f->path, page, sizeof(page), at);
	struct meta_options o = {.path = f->path};
	enum err_code rc = meta_open(&o, &f->m, NULL);
	if (rc == ERR_OK) {
		struct meta_manifest got;
		struct digest d = digest_nr(7);
		assert_fails(meta_manifest_get(f->m, S("r"), &d, true, &f->a, &got, err), ERR_CORRUPT,
		    "restore it from a backup");
		assert_fails(meta_manifest_get(f->m, S("r"), &d, true, &f->a, &got, err), ERR_CORRUPT, f->path);
		assert_fails(put_manifest(f->m, "r", 1000, 0, "v", 0, NULL, err), ERR_CORRUPT, f->path);
		assert_fails(put_manifest(f->m, "r", 1001, 0, "v", 0, NULL, err), ERR_CORRUPT, f->path);
	} else {
		assert_int_equal(rc, ERR_CORRUPT);
	}
}

/* Somebody else is writing for longer than we wait. */
static void locked(void **state)
{
	struct fixture *f = *state;
	meta_close(&f->m);
	struct meta_options o = {.path = f->path, .busy_wait = 100 * CLOCK_MS};
	assert_ok(meta_open(&o, &f->m, err));
	assert_ok(put_manifest(f->m, "r", 1, 0, "v", 0, NULL, err));
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_fails(put_manifest(f->m, "r", 2, 0, "v", 0, NULL, err), ERR_BUSY, "another process holds it");
	assert_fails(put_manifest(f->m, "r", 2, 0, "v", 0, NULL, err), ERR_BUSY, f->path);
	struct meta_manifest got;
	assert_ok(meta_manifest_get_tag(f->m, S("r"), S("v"), true, &f->a, &got, err));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	assert_ok(put_manifest(f->m, "r", 2, 0, "v", 0, NULL, err));
	sqlite3_close(db);
}

/* ---- statements --------------------------------------------------------------------------- */

/* These walk a queue from its beginning, as far as their LIMIT. */
static const char *const walks[] = {"GC_FILES_DUE", "GC_COUNT_LINKS", "GC_COUNT_MANIFESTS", "GC_COUNT_FILES"};

static bool may_walk(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
		if (!strcmp(walks[i], name))
			return true;
	}
	return false;
}

static void check_plan(sqlite3 *db, const char *name, const char *sql)
{
	sqlite3_stmt *st = NULL;
	char text[2048];
	snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", sql);
	if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", name, sqlite3_errmsg(db));
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(st, 3);
		bool scan = strstr(step, "SCAN") && !strstr(step, "CONSTANT ROW") && !may_walk(name);
		if (scan || strstr(step, "TEMP B-TREE FOR ORDER BY") || strstr(step, "AUTOMATIC"))
			fail_msg("%s: %s", name, step);
	}
	sqlite3_finalize(st);
}

/* $1, $2, ... must get the numbers 1, 2, ... which they do in the order of their
 * first use. */
static void check_parameters(sqlite3 *db, const char *name, const char *sql)
{
	sqlite3_stmt *st = NULL;
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", name, sqlite3_errmsg(db));
	for (int i = 1; i <= sqlite3_bind_parameter_count(st); i++) {
		char expected[16];
		snprintf(expected, sizeof(expected), "$%d", i);
		const char *got = sqlite3_bind_parameter_name(st, i);
		if (!got || strcmp(got, expected) != 0)
			fail_msg("%s: parameter %d is named %s", name, i, got ? got : "nothing");
	}
	sqlite3_finalize(st);
}

static void plans(void **state)
{
	struct fixture *f = *state;
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	for (enum query_id q = 0; q < Q_COUNT; q++) {
		check_plan(db, query_name(q), query_text(q, ENGINE_SQLITE));
		check_parameters(db, query_name(q), query_text(q, ENGINE_SQLITE));
	}
	/* What the collection of garbage will ask. */
	check_plan(db, "blob needed", "SELECT 1 FROM manifest_blob WHERE blob_id = $1 AND repo_id = $2");
	check_plan(db, "child needed", "SELECT 1 FROM manifest_child WHERE repo_id = $1 AND digest = $2");
	check_plan(db, "manifest tagged", "SELECT 1 FROM tag WHERE manifest_id = $1");
	check_plan(db, "blob linked", "SELECT 1 FROM repo_blob WHERE blob_id = $1");
	sqlite3_close(db);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "child-refused"))
		return child_refused(argv[2]);
	const struct CMUnitTest tests[] = {
	    T(opens_again),
	    T(path_with_scheme),
	    T(newer_schema),
	    T(garbage),
	    T(of_another_program),
	    T(no_directory),
	    T(read_only),
	    T(damaged),
	    T(locked),
	    T(plans),
	};
	return cmocka_run_group_tests_name("meta open", tests, NULL, NULL);
}
