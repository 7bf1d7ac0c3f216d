/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sqlite_backup.c - a consistent copy of a database in use, by SQLite's online
 * backup: one read transaction on the source, which in WAL mode keeps nobody
 * from writing.
 */
#include "base/fsys.h"
#include "meta/sqlite_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static enum err_code copy_into(struct lite_conn *c, sqlite3 *to, const char *path, struct err *err)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", c->db, "main");
	if (!b)
		return lite_fail(c->engine, to, sqlite3_errcode(to), err, "begin a backup");
	int rc = sqlite3_backup_step(b, -1);
	int end = sqlite3_backup_finish(b);
	if (rc == SQLITE_DONE && end == SQLITE_OK)
		return ERR_OK;
	lite_fail(c->engine, to, end != SQLITE_OK ? end : rc, err, "copy itself");
	return err_context(err, "backup to %s", path);
}

static enum err_code sync_file(const char *path, struct err *err)
{
	CLEANUP(close_fd) int fd = fsys->open(path, O_RDONLY, 0);
	if (fd < 0)
		return err_sys(err, errno, "cannot open %s", path);
	if (fsys->fsync(fd) != 0)
		return err_sys(err, errno, "cannot sync %s", path);
	return ERR_OK;
}

enum err_code lite_backup(struct conn *base, const char *path, struct err *err)
{
	struct lite_conn *c = lite_conn_of(base);
	sqlite3 *to = NULL;
	if (access(path, F_OK) == 0)
		return err_set(err, ERR_EXISTS, "%s is there already", path);
	int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	enum err_code code = ERR_OK;
	if (rc != SQLITE_OK)
		code = err_set(err, ERR_IO, "cannot create %s: %s", path, to ? sqlite3_errmsg(to) : sqlite3_errstr(rc));
	else
		code = copy_into(c, to, path, err);
	sqlite3_close(to);
	if (code == ERR_OK)
		code = sync_file(path, err);
	if (code)
		(void)unlink(path);
	return code;
}
