/* SPDX-License-Identifier: Apache-2.0 */
/* fs_copy.c - a file under a second name; see fs_copy.h. */
#include "storage/fs_copy.h"
#include "base/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define PIECE ((size_t)1 << 20)

/* What link(2) says where links are not to be had, or not this one. */
static bool cannot_link(int sys)
{
	return sys == EXDEV || sys == EPERM || sys == EACCES || sys == EMLINK || sys == EOPNOTSUPP || sys == ENOSYS;
}

static enum err_code check_size(int fd, const char *path, uint64_t size, struct err *err)
{
	struct stat st;

	if (fsys->fstat(fd, &st) != 0)
		return err_sys(err, errno, "cannot stat %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CORRUPT, "%s is not a file", path);
	if ((uint64_t)st.st_size != size)
		return err_set(err, ERR_MISMATCH, "%s has %lld bytes and should have %llu", path, (long long)st.st_size,
		    (unsigned long long)size);
	return ERR_OK;
}

/* The bytes pass by, so they are hashed. */
static enum err_code copy_bytes(int in, int out, struct hasher *h, struct storage_copy *c, struct err *err)
{
	CLEANUP(free_ptr) char *piece = xmalloc(PIECE);
	off_t at = 0;
	size_t got;

	do {
		enum err_code rc = fsys_read_all(in, piece, PIECE, at, &got, err);

		if (rc == ERR_IO)
			return ERR_CORRUPT; /* a bad spot is no failure of the copying */
		if (rc == ERR_OK)
			rc = fsys_write_all(out, piece, got, at, err);
		if (rc)
			return rc;
		hasher_update(h, piece, got);
		if (got == PIECE) /* a large one: the disk works meanwhile */
			fsys->sync_range_start(out, at, (off_t)got);
		at += (off_t)got;
		if (c->progress && !c->progress(got, c->arg))
			return err_set(err, ERR_CLOSED, "interrupted");
	} while (got == PIECE);
	return ERR_OK;
}

static enum err_code copy_checked(
    int in, int out, const char *from, const struct digest *d, struct storage_copy *c, struct err *err)
{
	struct hasher *h = hasher_new(d->alg);
	struct digest real;
	enum err_code rc = copy_bytes(in, out, h, c, err);

	hasher_digest(h, &real);
	hasher_free(&h);
	if (rc == ERR_OK && !digest_eq(&real, d))
		rc = err_set(err, ERR_MISMATCH, "the bytes of %s are damaged", from);
	return rc;
}

static enum err_code fill(int in, int out, const char *from, const char *to, const struct digest *d, bool sync,
    struct storage_copy *c, struct err *err)
{
	enum err_code rc = ERR_OK;

	if (fsys->clone(out, in) == 0) {
		c->how = STORAGE_CLONED;
	} else {
		c->how = STORAGE_COPIED;
		rc = copy_checked(in, out, from, d, c, err);
		if (rc == ERR_IO || rc == ERR_CORRUPT || rc == ERR_NO_SPACE)
			err_context(err, "copying %s to %s", from, to);
	}
	if (rc == ERR_OK && sync && fsys->fsync(out) != 0)
		rc = err_sys(err, errno, "cannot sync %s", to);
	return rc;
}

static enum err_code copy_file(const char *from, const char *to, const struct digest *d, uint64_t size, bool sync,
    struct storage_copy *c, struct err *err)
{
	int in, out = -1;
	enum err_code rc;

	in = fsys->open(from, O_RDONLY, 0);
	if (in < 0)
		return err_sys(err, errno, "cannot open %s", from);
	rc = check_size(in, from, size, err);
	if (rc == ERR_OK) {
		out = fsys->open(to, O_RDWR | O_CREAT | O_EXCL, 0666);
		if (out < 0)
			rc = err_sys(err, errno, "cannot create %s", to);
	}
	if (rc == ERR_OK)
		rc = fill(in, out, from, to, d, sync, c, err);
	if (out >= 0) {
		fsys->close(out);
		if (rc)
			fsys->unlink(to);
	}
	fsys->close(in);
	return rc;
}

static enum err_code check_link(const char *from, const char *to, uint64_t size, struct err *err)
{
	enum err_code rc;
	int fd = fsys->open(to, O_RDONLY, 0);

	if (fd < 0) {
		rc = err_sys(err, errno, "cannot open %s", to);
	} else {
		rc = check_size(fd, from, size, err);
		fsys->close(fd);
	}
	if (rc)
		fsys->unlink(to);
	return rc;
}

enum err_code fs_copy(const char *from, const char *to, const struct digest *d, uint64_t size, bool sync,
    struct storage_copy *c, struct err *err)
{
	c->how = STORAGE_LINKED;
	if (fsys->link(from, to) == 0)
		return check_link(from, to, size, err);
	if (!cannot_link(errno))
		return err_sys(err, errno, "cannot link %s to %s", from, to);
	if (c->link_only)
		return err_set(err, ERR_UNSUPPORTED, "cannot link %s to %s", from, to);
	return copy_file(from, to, d, size, sync, c, err);
}
