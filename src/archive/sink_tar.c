/* SPDX-License-Identifier: Apache-2.0 */
/* sink_tar.c - writing a tar with libarchive; see sink.h. */
#include "archive/library.h"
#include "archive/sink.h"
#include "base/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef BERTH_ARCHIVES

#define BLOCK (256 * 1024)

struct sink_tar {
	struct sink base; /* first */
	struct archive *archive;
	int fd;
	char *path, *part; /* NULL: standard output */
	int error;         /* errno of the write that failed */
	bool finished;
	bool discard; /* the end of an archive must not be written behind half of one */
};

static la_ssize_t on_write(struct archive *archive, void *arg, const void *p, size_t n)
{
	struct sink_tar *s = arg;
	ssize_t r;

	if (s->discard)
		return (la_ssize_t)n;
	do
		r = write(s->fd, p, n);
	while (r < 0 && errno == EINTR);
	if (r < 0) {
		s->error = errno;
		tar.set_error(archive, errno, "write failed");
	}
	return r;
}

static enum err_code failed(struct sink_tar *s, struct err *err)
{
	const char *why = tar.error_string(s->archive);

	if (s->error)
		return err_sys(err, s->error, "cannot write %s", s->part ? s->part : "to standard output");
	return err_set(err, ERR_IO, "cannot write the archive: %s", why ? why : "no reason was given");
}

static enum err_code tar_begin(struct sink *base, const char *path, uint64_t size, struct err *err)
{
	struct sink_tar *s = (struct sink_tar *)base;
	struct archive_entry *e = tar.entry_new();
	int r;

	if (!e)
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	tar.entry_set_pathname(e, path);
	tar.entry_set_filetype(e, AE_IFREG);
	tar.entry_set_perm(e, 0644);
	tar.entry_set_mtime(e, 0, 0);
	tar.entry_set_size(e, (la_int64_t)size);
	r = tar.write_header(s->archive, e);
	tar.entry_free(e);
	return r == ARCHIVE_OK ? ERR_OK : failed(s, err);
}

static enum err_code tar_write(struct sink *base, const void *p, size_t n, struct err *err)
{
	struct sink_tar *s = (struct sink_tar *)base;

	return tar.write_data(s->archive, p, n) == (la_ssize_t)n ? ERR_OK : failed(s, err);
}

static enum err_code tar_end(struct sink *base, struct err *err)
{
	return ERR_OK;
}

static enum err_code tar_finish(struct sink *base, struct err *err)
{
	struct sink_tar *s = (struct sink_tar *)base;
	CLEANUP(free_ptr) char *parent = s->path ? xstrdup(s->path) : NULL;
	char *slash = parent ? strrchr(parent, '/') : NULL;

	if (tar.write_close(s->archive) != ARCHIVE_OK)
		return failed(s, err);
	s->finished = true;
	if (!s->path)
		return ERR_OK;
	if (fsys->fsync(s->fd) != 0 || fsys->rename(s->part, s->path) != 0) {
		s->finished = false;
		return err_sys(err, errno, "cannot write %s", s->path);
	}
	if (slash)
		*slash = '\0';
	return fsys_sync_dir(!slash ? "." : *parent ? parent : "/", err);
}

static void tar_close(struct sink *base)
{
	struct sink_tar *s = (struct sink_tar *)base;

	s->discard = !s->finished;
	tar.write_free(s->archive);
	if (s->path) {
		fsys->close(s->fd);
		if (!s->finished)
			(void)fsys->unlink(s->part);
	}
	free(s->path);
	free(s->part);
	free(s);
}

static bool set_up(struct sink_tar *s, bool gzip)
{
	if (gzip && (tar.write_add_filter_gzip(s->archive) != ARCHIVE_OK ||
	                tar.write_set_filter_option(s->archive, "gzip", "timestamp", NULL) != ARCHIVE_OK))
		return false;
	return tar.write_set_format_pax_restricted(s->archive) == ARCHIVE_OK &&
	       tar.write_set_bytes_per_block(s->archive, BLOCK) == ARCHIVE_OK &&
	       tar.write_set_bytes_in_last_block(s->archive, 1) == ARCHIVE_OK &&
	       tar.write_open(s->archive, s, NULL, on_write, NULL) == ARCHIVE_OK;
}

static enum err_code open_part(struct sink_tar *s, const char *path, struct err *err)
{
	struct stat st;

	if (fsys->stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, ERR_EXISTS, "%s is there and is no file: choose another name", path);
	s->path = xstrdup(path);
	s->part = xasprintf("%s.%d.part", path, (int)getpid());
	s->fd = fsys->open(s->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return s->fd < 0 ? err_sys(err, errno, "cannot write %s", s->part) : ERR_OK;
}

enum err_code sink_open_tar(const char *path, bool gzip, struct sink **out, struct err *err)
{
	static const struct sink_ops ops = {tar_begin, tar_write, tar_end, tar_finish, tar_close};
	struct sink_tar *s;
	enum err_code rc = tar_load(err);

	if (rc)
		return rc;
	s = xcalloc(1, sizeof(*s));
	s->base.ops = &ops;
	s->fd = STDOUT_FILENO;
	if (path)
		rc = open_part(s, path, err);
	if (rc == ERR_OK) {
		s->archive = tar.write_new();
		if (!s->archive || !set_up(s, gzip))
			rc = s->archive ? failed(s, err) : err_set(err, ERR_NO_MEMORY, "out of memory");
	}
	*out = &s->base;
	if (rc && s->fd < 0) {
		free(s->path);
		free(s->part);
		free(s);
		*out = NULL;
	} else if (rc) {
		sink_close(out);
	}
	return rc;
}

#else

enum err_code sink_open_tar(const char *path, bool gzip, struct sink **out, struct err *err)
{
	return tar_load(err);
}

#endif
