/* SPDX-License-Identifier: Apache-2.0 */
/* source_tar.c - a tar archive, read with libarchive; see source.h. */
#include "archive/library.h"
#include "archive/source.h"

#include <errno.h>
#include <stdlib.h>

#ifdef BERTH_ARCHIVES

#define BLOCK ((size_t)256 * 1024)

struct source_tar {
	struct source base; /* first */
	struct archive *archive;
	source_input *input;
	void (*close)(void *arg);
	void *arg;
	struct err input_err;           /* why the input could not be read */
	char path[SOURCE_PATH_MAX + 1]; /* of the entry being read */
	uint64_t left;                  /* of its bytes */
	char block[BLOCK];
};

static la_ssize_t on_read(struct archive *archive, void *arg, const void **p)
{
	struct source_tar *s = arg;
	size_t got = 0;

	if (s->input(s->arg, s->block, BLOCK, &got, &s->input_err)) {
		tar.set_error(archive, EIO, "%s", s->input_err.msg);
		return ARCHIVE_FATAL;
	}
	s->base.at += got;
	*p = s->block;
	return (la_ssize_t)got;
}

/* What libarchive has to say; its words come from the archive only in parts. */
static enum err_code failed(struct source_tar *s, const char *where, struct err *err)
{
	char shown[200];
	const char *why = tar.error_string(s->archive);

	if (s->input_err.code)
		return err_set(err, s->input_err.code, "%s", s->input_err.msg);
	return err_set(err, ERR_CORRUPT,
	    "the archive is damaged, cut off, or no tar archive%s%s: %s; make it or copy it again",
	    *where ? ", at " : "", where, source_printable(slice_cstr(why ? why : "no reason was given"), shown));
}

static enum err_code refuse(const char *path, const char *what, struct err *err)
{
	char shown[200];

	return err_set(err, ERR_INVALID, "'%s' in the archive is %s: this is no archive of images",
	    source_printable(slice_cstr(path), shown), what);
}

/* True when the entry is one to hand out. */
static enum err_code take(
    struct source_tar *s, struct archive_entry *found, struct source_entry *e, bool *wanted, struct err *err)
{
	const char *hard = tar.entry_hardlink(found);
	enum err_code rc;

	*wanted = true;
	if (!hard && tar.entry_filetype(found) == AE_IFDIR) {
		*wanted = false;
		return ERR_OK;
	}
	rc = source_path(slice_cstr(tar.entry_pathname(found)), e->path, err);
	if (rc)
		return rc;
	if (e->path[0] == '\0')
		return refuse(".", "a file", err);
	snprintf(s->path, sizeof(s->path), "%s", e->path);
	if (hard) {
		e->link = true;
		return source_path(slice_cstr(hard), e->target, err);
	}
	switch (tar.entry_filetype(found)) {
	case AE_IFREG:
		break;
	case AE_IFLNK:
		e->link = true;
		return source_link(e->path, slice_cstr(tar.entry_symlink(found)), e->target, err);
	default:
		return refuse(e->path, "a device, FIFO or socket", err);
	}
	if (tar.entry_sparse_count(found) > 0)
		return refuse(e->path, "a sparse file", err);
	if (!tar.entry_size_is_set(found) || tar.entry_size(found) < 0)
		return refuse(e->path, "of an unknown size", err);
	e->size = s->left = (uint64_t)tar.entry_size(found);
	return ERR_OK;
}

static enum err_code tar_next(struct source *base, struct source_entry *e, bool *end, struct err *err)
{
	struct source_tar *s = (struct source_tar *)base;
	struct archive_entry *found;
	bool wanted = false;
	enum err_code rc = ERR_OK;

	s->left = 0;
	while (rc == ERR_OK && !wanted) {
		int r = tar.read_next_header(s->archive, &found);

		if (r == ARCHIVE_EOF) {
			*end = true;
			return ERR_OK;
		}
		/* A warning is about names in other encodings and the like. */
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return failed(s, "", err);
		rc = take(s, found, e, &wanted, err);
	}
	return rc;
}

static enum err_code tar_read(struct source *base, void *p, size_t n, size_t *got, struct err *err)
{
	struct source_tar *s = (struct source_tar *)base;
	char shown[200];
	la_ssize_t r;

	if (n > s->left)
		n = (size_t)s->left;
	if (n == 0)
		return ERR_OK;
	r = tar.read_data(s->archive, p, n);
	if (r <= 0)
		return failed(s, source_printable(slice_cstr(s->path), shown), err);
	*got = (size_t)r;
	s->left -= (uint64_t)r;
	return ERR_OK;
}

static void tar_close(struct source *base)
{
	struct source_tar *s = (struct source_tar *)base;

	tar.read_free(s->archive);
	if (s->close)
		s->close(s->arg);
	free(s);
}

enum err_code source_open_tar(
    source_input *input, void (*close)(void *arg), void *arg, uint64_t total, struct source **out, struct err *err)
{
	static const struct source_ops ops = {tar_next, tar_read, tar_close};
	struct source_tar *s;
	enum err_code rc = tar_load(err);

	if (rc)
		return rc;
	s = xcalloc(1, sizeof(*s));
	s->base = (struct source){.ops = &ops, .total = total};
	s->input = input;
	s->arg = arg;
	s->archive = tar.read_new();
	if (!s->archive) {
		free(s);
		return err_set(err, ERR_NO_MEMORY, "out of memory");
	}
	tar.read_support_format_tar(s->archive);
	tar.read_support_filter_gzip(s->archive);
	tar.read_support_filter_zstd(s->archive);
	tar.read_support_filter_bzip2(s->archive);
	tar.read_support_filter_xz(s->archive);
	if (tar.read_open(s->archive, s, NULL, on_read, NULL) != ARCHIVE_OK) {
		rc = failed(s, "", err);
		tar_close(&s->base); /* `close` is not set yet: the caller keeps arg */
		return rc;
	}
	s->close = close;
	*out = &s->base;
	return ERR_OK;
}

#else

enum err_code source_open_tar(
    source_input *input, void (*close)(void *arg), void *arg, uint64_t total, struct source **out, struct err *err)
{
	return tar_load(err);
}

#endif
