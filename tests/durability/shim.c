/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim.c - stands between a process and the file system (LD_PRELOAD): records
 * every change, or fails chosen calls. SQLite's files pass through here as well.
 *
 * SHIM_ROOT    the directory whose files count, an absolute path
 * SHIM_RECORD  a file to which every change of that directory is appended, in the
 *              order in which they happened: see struct event. Syncs are recorded
 *              and not carried out, as nothing is ever cut here but the record.
 * SHIM_FAULTS  a file, shared by mapping, that says which call is to fail and
 *              counts them: see struct faults
 *
 * All calls that count go one after the other under a lock, so the order of the
 * record is the order of the effects. Bytes sent on sockets are recorded as an
 * event too: what was answered can be told from what was not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	EV_CREATE = 1,
	EV_WRITE,
	EV_TRUNCATE,
	EV_SYNC,
	EV_RENAME,
	EV_LINK,
	EV_UNLINK,
	EV_MKDIR,
	EV_RMDIR,
	EV_SEND,
	EV_SYNC_FS
};

/* Followed by n1 bytes (a path, or the bytes written) and n2 bytes (a path). */
struct event {
	uint32_t kind, n1, n2, reserved;
	uint64_t inode; /* of the file written, synced or created */
	uint64_t at;    /* offset, or the size to truncate to */
};

/* What can fail. */
enum { C_OPEN = 1, C_CREATE = 2, C_READ = 4, C_WRITE = 8, C_SYNC = 16, C_NAMES = 32 };
struct faults {
	_Atomic int32_t left;  /* calls until the one that fails; <= 0: none does */
	_Atomic int32_t again; /* after it, the next so many fail too */
	_Atomic int32_t sys;   /* with this errno */
	_Atomic int32_t kinds; /* which calls count, C_* */
	_Atomic int32_t hits;  /* how many failed */
	_Atomic int32_t calls; /* how many counted */
	char last[40];         /* the call that failed last */
};

#define FDS 65536
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t inodes[FDS]; /* of descriptors that count; 0: does not */
static char root[PATH_MAX];
static size_t root_n;
static int record_fd = -1;
static struct faults *faults;

#define REAL(name) ((__typeof__(&name))real(#name))
static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void shim_begin(void)
{
	const char *r = getenv("SHIM_ROOT"), *record = getenv("SHIM_RECORD"), *f = getenv("SHIM_FAULTS");

	if (!r)
		return;
	snprintf(root, sizeof(root), "%s", r);
	root_n = strlen(root);
	if (record)
		record_fd = REAL(open)(record, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (f) {
		int fd = REAL(open)(f, O_RDWR | O_CLOEXEC);

		faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (faults == MAP_FAILED)
			abort();
		REAL(close)(fd);
	}
}

/* The wal-index is memory that lies in a file: no power cut leaves it. */
static bool counts(const char *path)
{
	size_t n = strlen(path);

	return root_n && strncmp(path, root, root_n) == 0 && (path[root_n] == '/' || path[root_n] == '\0') &&
	       !(n > 4 && strcmp(path + n - 4, "-shm") == 0);
}

static uint64_t inode_of(int fd)
{
	return fd >= 0 && fd < FDS ? atomic_load(&inodes[fd]) : 0;
}

static void record(uint32_t kind, uint64_t inode, uint64_t at, const void *p1, size_t n1, const char *p2)
{
	struct event e = {
	    .kind = kind, .n1 = (uint32_t)n1, .n2 = p2 ? (uint32_t)strlen(p2) : 0, .inode = inode, .at = at};
	struct iovec v[] = {{&e, sizeof(e)}, {(void *)p1, n1}, {(void *)p2, e.n2}};

	if (record_fd >= 0 && REAL(writev)(record_fd, v, 3) != (ssize_t)(sizeof(e) + n1 + e.n2))
		abort();
}

static void record_path(uint32_t kind, uint64_t inode, const char *path, const char *to)
{
	record(kind, inode, 0, path, strlen(path), to);
}

/* Is this call to fail? */
static bool fails(int kind, const char *name)
{
	if (!faults || !(atomic_load(&faults->kinds) & kind))
		return false;
	atomic_fetch_add(&faults->calls, 1);
	if (atomic_load(&faults->left) <= 0)
		return false;
	if (atomic_fetch_sub(&faults->left, 1) != 1)
		return false;
	if (atomic_load(&faults->again) > 0) {
		atomic_fetch_sub(&faults->again, 1);
		atomic_store(&faults->left, 1);
	}
	atomic_fetch_add(&faults->hits, 1);
	snprintf(faults->last, sizeof(faults->last), "%s", name);
	errno = atomic_load(&faults->sys);
	return true;
}

/* ---- open and close ---------------------------------------------------------- */

static int shim_open(const char *path, int flags, mode_t mode)
{
	bool there;
	int fd;

	if (!counts(path))
		return REAL(open)(path, flags, mode);
	there = access(path, F_OK) == 0;
	if (fails(flags & O_CREAT && !there ? C_CREATE | C_OPEN : C_OPEN, there ? "open" : "create"))
		return -1;
	pthread_mutex_lock(&lock);
	fd = REAL(open)(path, flags, mode);
	if (fd >= 0 && fd < FDS) {
		struct stat st;

		if (fstat(fd, &st) == 0)
			atomic_store(&inodes[fd], st.st_ino);
		if (!there)
			record_path(EV_CREATE, st.st_ino, path, NULL);
		else if (flags & O_TRUNC)
			record(EV_TRUNCATE, st.st_ino, 0, NULL, 0, NULL);
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

int open(const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return shim_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return shim_open(path, flags | O_LARGEFILE, mode);
}

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
	return shim_open(path, flags, 0);
}
int __open64_2(const char *path, int flags)
{
	return shim_open(path, flags | O_LARGEFILE, 0);
}

int close(int fd)
{
	if (fd >= 0 && fd < FDS)
		atomic_store(&inodes[fd], 0);
	return REAL(close)(fd);
}

/* ---- reading and writing ------------------------------------------------------ */

static ssize_t shim_write(int fd, const void *p, size_t n, off_t at)
{
	uint64_t inode = inode_of(fd);
	ssize_t done;

	if (inode && fails(C_WRITE, "write"))
		return -1;
	if (!inode)
		return REAL(pwrite)(fd, p, n, at);
	pthread_mutex_lock(&lock);
	done = REAL(pwrite)(fd, p, n, at);
	if (done > 0)
		record(EV_WRITE, inode, (uint64_t)at, p, (size_t)done, NULL);
	pthread_mutex_unlock(&lock);
	return done;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return shim_write(fd, p, n, at);
}
ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return shim_write(fd, p, n, at);
}

static void sent(int fd)
{
	struct stat st;

	if (record_fd < 0 || fstat(fd, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	pthread_mutex_lock(&lock);
	record(EV_SEND, 0, 0, NULL, 0, NULL);
	pthread_mutex_unlock(&lock);
}

ssize_t write(int fd, const void *p, size_t n)
{
	if (inode_of(fd)) {
		off_t at = lseek(fd, 0, SEEK_CUR);
		ssize_t done = shim_write(fd, p, n, at);

		if (done > 0)
			lseek(fd, at + done, SEEK_SET);
		return done;
	}
	return REAL(write)(fd, p, n);
}

/* Noted before it leaves: the other side may be quicker than we are. */
ssize_t writev(int fd, const struct iovec *v, int n)
{
	sent(fd);
	return REAL(writev)(fd, v, n);
}
ssize_t send(int fd, const void *p, size_t n, int flags)
{
	sent(fd);
	return REAL(send)(fd, p, n, flags);
}
ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	sent(fd);
	return REAL(sendmsg)(fd, m, flags);
}

static ssize_t shim_read(int fd, void *p, size_t n, off_t at)
{
	if (inode_of(fd) && fails(C_READ, "read"))
		return -1;
	return REAL(pread)(fd, p, n, at);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	return shim_read(fd, p, n, at);
}
ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
	return shim_read(fd, p, n, at);
}

static int shim_ftruncate(int fd, off_t size)
{
	uint64_t inode = inode_of(fd);
	int rc;

	if (!inode)
		return REAL(ftruncate)(fd, size);
	if (fails(C_WRITE, "ftruncate"))
		return -1;
	pthread_mutex_lock(&lock);
	rc = REAL(ftruncate)(fd, size);
	if (rc == 0)
		record(EV_TRUNCATE, inode, (uint64_t)size, NULL, 0, NULL);
	pthread_mutex_unlock(&lock);
	return rc;
}

int ftruncate(int fd, off_t size)
{
	return shim_ftruncate(fd, size);
}
int ftruncate64(int fd, off64_t size)
{
	return shim_ftruncate(fd, size);
}

static int shim_sync(int fd, int (*sync)(int), uint32_t kind, const char *name)
{
	uint64_t inode = inode_of(fd);

	if (!inode)
		return sync(fd);
	if (fails(C_SYNC, name))
		return -1;
	if (record_fd < 0)
		return sync(fd);
	pthread_mutex_lock(&lock);
	record(kind, inode, 0, NULL, 0, NULL);
	pthread_mutex_unlock(&lock);
	return 0;
}

int fsync(int fd)
{
	return shim_sync(fd, REAL(fsync), EV_SYNC, "fsync");
}
int fdatasync(int fd)
{
	return shim_sync(fd, REAL(fdatasync), EV_SYNC, "fdatasync");
}
/* All that is recorded is on one file system. */
int syncfs(int fd)
{
	return shim_sync(fd, REAL(syncfs), EV_SYNC_FS, "syncfs");
}

/* ---- names --------------------------------------------------------------------- */

int rename(const char *from, const char *to)
{
	int rc;

	if (!counts(from) && !counts(to))
		return REAL(rename)(from, to);
	if (fails(C_NAMES, "rename"))
		return -1;
	pthread_mutex_lock(&lock);
	rc = REAL(rename)(from, to);
	if (rc == 0)
		record_path(EV_RENAME, 0, from, to);
	pthread_mutex_unlock(&lock);
	return rc;
}

int link(const char *from, const char *to)
{
	int rc;

	if (!counts(to))
		return REAL(link)(from, to);
	if (fails(C_NAMES, "link"))
		return -1;
	pthread_mutex_lock(&lock);
	rc = REAL(link)(from, to);
	if (rc == 0)
		record_path(EV_LINK, 0, from, to);
	pthread_mutex_unlock(&lock);
	return rc;
}

int unlink(const char *path)
{
	int rc;

	if (!counts(path))
		return REAL(unlink)(path);
	if (fails(C_NAMES, "unlink"))
		return -1;
	pthread_mutex_lock(&lock);
	rc = REAL(unlink)(path);
	if (rc == 0)
		record_path(EV_UNLINK, 0, path, NULL);
	pthread_mutex_unlock(&lock);
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	struct stat st;
	int rc;

	if (!counts(path))
		return REAL(mkdir)(path, mode);
	if (fails(C_NAMES | C_CREATE, "mkdir"))
		return -1;
	pthread_mutex_lock(&lock);
	rc = REAL(mkdir)(path, mode);
	if (rc == 0 && stat(path, &st) == 0)
		record_path(EV_MKDIR, st.st_ino, path, NULL);
	pthread_mutex_unlock(&lock);
	return rc;
}

int rmdir(const char *path)
{
	int rc;

	if (!counts(path))
		return REAL(rmdir)(path);
	if (fails(C_NAMES, "rmdir"))
		return -1;
	pthread_mutex_lock(&lock);
	rc = REAL(rmdir)(path);
	if (rc == 0)
		record_path(EV_RMDIR, 0, path, NULL);
	pthread_mutex_unlock(&lock);
	return rc;
}
