/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_meta_writes.c - writes of many at once: grouped, isolated from each
 * other, there after a kill, and recovering from a full disk.
 */
#include "meta_test.h"
#include "base/buf.h"
#include "base/metric.h"
#include "base/sync.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 16

/* ---- the value of a series ------------------------------------------------------ */

static double series(const char *name)
{
	struct buf b = BUF_INIT(1024 * 1024);
	metric_write(&b);
	char *line = xasprintf("\n%s ", name);
	const char *at = strstr(buf_cstr(&b), line);
	if (!at)
		fail_msg("no series %s", name);
	double v = at ? strtod(at + strlen(line), NULL) : 0;
	free(line);
	buf_free(&b);
	return v;
}

/* ---- grouping and isolation ------------------------------------------------------- */

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool entered, open;
};

/* Keeps the writer inside a transaction until the gate opens. */
static enum err_code gate_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct gate *g = arg;
	mutex_lock(&g->lock);
	g->entered = true;
	cond_broadcast(&g->opened);
	while (!g->open)
		cond_wait(&g->opened, &g->lock);
	mutex_unlock(&g->lock);
	return ERR_OK;
}

struct call {
	struct meta *m;
	struct gate *gate;
	unsigned nr, times;
	atomic_uint *about_to;
	enum err_code rc;
	char msg[256];
	pthread_t thread;
};

static void *gate_main(void *arg)
{
	struct call *c = arg;
	c->rc = meta_write(c->m, META_RELAXED, gate_fn, c->gate, NULL);
	return NULL;
}

static void start(struct call *c, void *(*fn)(void *))
{
	assert_int_equal(thread_start(&c->thread, "test", 512 * 1024, false, fn, c), 0);
}

/* Holds the writer; what is written until gate_open comes in one batch. */
static void gate_close(struct gate *g, struct call *holder, struct meta *m)
{
	*g = (struct gate){.entered = false};
	mutex_init(&g->lock);
	cond_init(&g->opened);
	*holder = (struct call){.m = m, .gate = g};
	start(holder, gate_main);
	mutex_lock(&g->lock);
	while (!g->entered)
		cond_wait(&g->opened, &g->lock);
	mutex_unlock(&g->lock);
}

static void gate_open(struct gate *g, struct call *holder)
{
	mutex_lock(&g->lock);
	g->open = true;
	cond_broadcast(&g->opened);
	mutex_unlock(&g->lock);
	pthread_join(holder->thread, NULL);
	assert_int_equal(holder->rc, ERR_OK);
	cond_destroy(&g->opened);
	mutex_destroy(&g->lock);
}

/* Puts one manifest; then, in the same transaction, fails when the number is odd. */
static enum err_code half_fail_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	const struct call *c = arg;
	struct meta_blob blob = {digest_nr(5000 + c->nr), 10};
	struct slice tag = SLICE("t");
	char repo[32];
	snprintf(repo, sizeof(repo), "repo-%u", c->nr);
	struct meta_manifest_put p = {.repo = slice_cstr(repo),
	    .digest = digest_nr(c->nr),
	    .media_type = SLICE("m"),
	    .payload = SLICE("{}"),
	    .tags = &tag,
	    .ntags = 1};
	enum err_code rc = meta_tx_blob_link(tx, slice_cstr(repo), &blob, err);
	if (rc == ERR_OK)
		rc = meta_tx_manifest_put(tx, &p, err);
	if (rc == ERR_OK && c->nr % 2)
		rc = err_set(err, ERR_DENIED, "number %u is odd", c->nr);
	return rc;
}

static void *half_fail_main(void *arg)
{
	struct call *c = arg;
	struct err err = {ERR_OK, 0, ""};
	atomic_fetch_add(c->about_to, 1);
	c->rc = meta_write(c->m, META_DURABLE, half_fail_fn, c, &err);
	snprintf(c->msg, sizeof(c->msg), "%.200s", err.msg);
	return NULL;
}

static void failing_neighbours(void **state)
{
	struct fixture *f = *state;
	struct gate gate;
	struct call holder, calls[THREADS];
	atomic_uint about_to = 0;
	double batches = series("berth_meta_batch_writes_count");
	gate_close(&gate, &holder, f->m);
	for (unsigned i = 0; i < THREADS; i++) {
		calls[i] = (struct call){.m = f->m, .nr = i, .about_to = &about_to};
		start(&calls[i], half_fail_main);
	}
	while (atomic_load(&about_to) < THREADS)
		sched_yield();
	usleep(100 * 1000); /* from announcing to queueing: only the grouping below depends on it */
	gate_open(&gate, &holder);
	for (unsigned i = 0; i < THREADS; i++) {
		char repo[32], expected[64] = "";
		pthread_join(calls[i].thread, NULL);
		snprintf(repo, sizeof(repo), "repo-%u", i);
		if (i % 2)
			snprintf(expected, sizeof(expected), "number %u is odd", i);
		assert_int_equal(calls[i].rc, i % 2 ? ERR_DENIED : ERR_OK);
		assert_string_equal(calls[i].msg, expected);
		struct meta_manifest got;
		enum err_code rc = meta_manifest_get_tag(f->m, slice_cstr(repo), SLICE("t"), true, &f->a, &got, NULL);
		assert_int_equal(rc, i % 2 ? ERR_NOT_FOUND : ERR_OK);
		assert_int_equal(meta_repo_exists(f->m, slice_cstr(repo), NULL), i % 2 ? ERR_NOT_FOUND : ERR_OK);
	}
	assert_true(series("berth_meta_batch_writes_count") - batches <= THREADS / 2);
	struct meta_totals t;
	assert_ok(meta_totals_get(f->m, &t, err));
	assert_int_equal(t.repositories, THREADS / 2);
	assert_int_equal(t.manifests, THREADS / 2);
	assert_int_equal(t.tags, THREADS / 2);
	assert_int_equal(t.blobs, THREADS / 2);
	assert_int_equal(t.blob_bytes, THREADS / 2 * 10);
}

/* A failing write by itself leaves nothing either. */
static void failing_alone(void **state)
{
	struct fixture *f = *state;
	struct call c = {.nr = 1};
	assert_fails(meta_write(f->m, META_DURABLE, half_fail_fn, &c, err), ERR_DENIED, "number 1 is odd");
	assert_int_equal(meta_repo_exists(f->m, SLICE("repo-1"), NULL), ERR_NOT_FOUND);
	c.nr = 2;
	assert_ok(meta_write(f->m, META_RELAXED, half_fail_fn, &c, err));
	assert_ok(meta_repo_exists(f->m, SLICE("repo-2"), err));
}

/* ---- concurrency -------------------------------------------------------------------- */

/* Each thread pushes, reads back what it wrote, lists, moves and deletes. */
static void *mixed_main(void *arg)
{
	struct call *c = arg;
	struct arena a;
	struct err err = {ERR_OK, 0, ""};
	arena_init(&a, 1024 * 1024);
	for (unsigned i = 0; i < c->times && c->rc == ERR_OK; i++) {
		char tag[32];
		struct meta_manifest got;
		struct meta_names names;
		unsigned nr = c->nr * 100000 + i + 1;
		snprintf(tag, sizeof(tag), "t%u", nr);
		c->rc = put_blob(c->m, "shared/repo", nr, nr, &err);
		if (c->rc == ERR_OK)
			c->rc = put_manifest(c->m, "shared/repo", nr, nr, tag, 0, NULL, &err);
		if (c->rc == ERR_OK)
			c->rc = put_manifest(c->m, "shared/repo", nr, nr, "latest", 0, NULL, &err);
		if (c->rc == ERR_OK)
			c->rc =
			    meta_manifest_get_tag(c->m, SLICE("shared/repo"), slice_cstr(tag), true, &a, &got, &err);
		if (c->rc == ERR_OK && !slice_starts(got.payload, SLICE("manifest ")))
			c->rc = err_set(&err, ERR_CORRUPT, "payload differs");
		if (c->rc == ERR_OK)
			c->rc = meta_tags(c->m, SLICE("shared/repo"), SLICE_NONE, 50, &a, &names, &err);
		if (c->rc == ERR_OK && i % 4 == 3)
			c->rc = delete_tag(c->m, "shared/repo", tag, &err);
		arena_reset(&a);
	}
	snprintf(c->msg, sizeof(c->msg), "%.200s", err.msg);
	arena_free(&a);
	return NULL;
}

static void many_threads(void **state)
{
	struct fixture *f = *state;
	struct call calls[THREADS];
	double batches = series("berth_meta_batch_writes_count");
	double writes = series("berth_meta_batch_writes_sum");
	const unsigned times = 40;
	for (unsigned i = 0; i < THREADS; i++) {
		calls[i] = (struct call){.m = f->m, .nr = i, .times = times};
		start(&calls[i], mixed_main);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(calls[i].thread, NULL);
		assert_string_equal(calls[i].msg, "");
		assert_int_equal(calls[i].rc, ERR_OK);
	}
	writes = series("berth_meta_batch_writes_sum") - writes;
	batches = series("berth_meta_batch_writes_count") - batches;
	assert_true(writes == THREADS * (times * 3 + times / 4));
	assert_true(batches < writes / 2);
	struct meta_totals t;
	assert_ok(meta_totals_get(f->m, &t, err));
	assert_int_equal(t.repositories, 1);
	assert_int_equal(t.manifests, THREADS * times);
	assert_int_equal(t.tags, THREADS * (times - times / 4) + 1);
	assert_int_equal(t.blobs, THREADS * times);
	assert_true(series("berth_manifests") == THREADS * times);
	assert_true(series("registry_storage_size_bytes") == (double)t.blob_bytes);
	assert_true(series("berth_meta_database_bytes") > 4096);
}

/* One reader for everybody: they wait for each other and all get their answer. */
static void readers_wait(void **state)
{
	struct fixture *f = *state;
	meta_close(&f->m);
	struct meta_options o = {.path = f->path, .readers = 1};
	assert_ok(meta_open(&o, &f->m, err));
	struct call calls[THREADS];
	for (unsigned i = 0; i < THREADS; i++) {
		calls[i] = (struct call){.m = f->m, .nr = i, .times = 10};
		start(&calls[i], mixed_main);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(calls[i].thread, NULL);
		assert_string_equal(calls[i].msg, "");
	}
}

/* ---- the write-ahead log --------------------------------------------------------------- */

static long file_size(const char *path, const char *suffix)
{
	char name[256];
	struct stat st;
	snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? (long)st.st_size : -1;
}

static enum err_code big_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_manifest_put(tx, arg, err);
}

static enum err_code put_big(struct meta *m, unsigned nr, size_t n, enum meta_durability d, struct err *err)
{
	char *payload = xcalloc(1, n);
	memset(payload, 'x', n);
	struct meta_manifest_put p = {
	    .repo = SLICE("big"), .digest = digest_nr(nr), .media_type = SLICE("m"), .payload = slice_of(payload, n)};
	enum err_code rc = meta_write(m, d, big_fn, &p, err);
	free(payload);
	return rc;
}

static void log_stays_short(void **state)
{
	struct fixture *f = *state;
	for (unsigned i = 0; i < 1500; i++)
		assert_ok(put_big(f->m, i, 100 * 1024, META_RELAXED, err));
	assert_true(file_size(f->path, "") > 100L * 1024 * 1024);
	assert_in_range(file_size(f->path, "-wal"), 1, 64L * 1024 * 1024);
	meta_close(&f->m);
	assert_int_equal(file_size(f->path, "-wal"), -1);
}

/* ---- kill -9 -------------------------------------------------------------------------------- */

/* The child tells each number after its write was acknowledged. */
static int child_writes(const char *path, int out)
{
	struct meta_options o = {.path = path};
	struct meta *m = NULL;
	if (meta_open(&o, &m, NULL) != ERR_OK)
		return 1;
	for (unsigned nr = 1;; nr++) {
		char tag[32];
		snprintf(tag, sizeof(tag), "t%u", nr);
		if (put_blob(m, "killed", nr, 1, NULL) || put_manifest(m, "killed", nr, nr, tag, 0, NULL, NULL) ||
		    write(out, &nr, sizeof(nr)) != (ssize_t)sizeof(nr))
			return 1;
	}
}

static void killed(void **state)
{
	struct fixture *f = *state;
	for (int round = 0; round < 3; round++) {
		char path[256], fd[16];
		int p[2];
		snprintf(path, sizeof(path), "%s/killed-%d.db", f->dir, round);
		assert_int_equal(pipe(p), 0);
		snprintf(fd, sizeof(fd), "%d", p[1]);
		pid_t pid = fork();
		if (pid == 0) {
			execl("/proc/self/exe", "test", "child-writes", path, fd, (char *)NULL);
			_exit(127);
		}
		close(p[1]);
		unsigned last = 0, got;
		while (last < 50 + 37 * (unsigned)round && read(p[0], &got, sizeof(got)) == (ssize_t)sizeof(got))
			last = got;
		kill(pid, SIGKILL);
		while (read(p[0], &got, sizeof(got)) == (ssize_t)sizeof(got))
			last = got;
		close(p[0]);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_true(last >= 50);

		struct meta_options o = {.path = path};
		struct meta *m;
		assert_ok(meta_open(&o, &m, err));
		for (unsigned nr = 1; nr <= last; nr++) {
			char tag[32];
			struct meta_manifest man;
			snprintf(tag, sizeof(tag), "t%u", nr);
			assert_ok(meta_manifest_get_tag(m, SLICE("killed"), slice_cstr(tag), true, &f->a, &man, err));
		}
		struct meta_totals t;
		assert_ok(meta_totals_get(m, &t, err));
		assert_in_range(t.manifests, last, last + 1);
		assert_int_equal(t.tags, t.manifests);
		meta_close(&m);
	}
}

/* ---- no space ------------------------------------------------------------------------------ */

#define BIG 20000
#define GIVE_UP 5

/* Writes until there is no more room, several times in a row: the log starting
 * over may make some. All that was acknowledged can be read, the rest is not
 * there. Returns how many went in, as the numbers 1, 2, ... */
static unsigned fill(struct meta *m, struct arena *a)
{
	struct meta_manifest got;
	unsigned nr = 1, failed = 0;
	while (failed < GIVE_UP && nr < 10000) {
		struct err why = {ERR_OK, 0, ""};
		if (put_big(m, nr, BIG, failed % 2 ? META_RELAXED : META_DURABLE, &why) == ERR_OK) {
			nr++;
			failed = 0;
			continue;
		}
		failed++;
		if (why.code != ERR_NO_SPACE || !strstr(why.msg, "free some space"))
			fail_msg("%s: %s", err_code_name(why.code), why.msg);
	}
	assert_int_equal(failed, GIVE_UP);
	for (unsigned i = 1; i < nr; i++) {
		struct digest d = digest_nr(i);
		arena_reset(a);
		assert_ok(meta_manifest_get(m, SLICE("big"), &d, true, a, &got, err));
		assert_int_equal(got.payload.n, BIG);
	}
	struct digest d = digest_nr(nr);
	assert_fails(meta_manifest_get(m, SLICE("big"), &d, true, a, &got, err), ERR_NOT_FOUND, "big");
	return nr - 1;
}

static void file_size_limit(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, limit;
	signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit fails with EFBIG */
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = 1024 * 1024;
	setrlimit(RLIMIT_FSIZE, &limit);
	unsigned nr = fill(f->m, &f->a);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_ok(put_big(f->m, ++nr, BIG, META_DURABLE, err));
	struct meta_totals t;
	assert_ok(meta_totals_get(f->m, &t, err));
	assert_int_equal(t.manifests, nr);
}

/* With a real full file system, where the right to mount one is given. */
static int child_full_disk(const char *dir)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, "size=3m") < 0)
		return 77;
	char path[256], ballast[256];
	snprintf(path, sizeof(path), "%s/full.db", dir);
	snprintf(ballast, sizeof(ballast), "%s/ballast", dir);
	int fd = open(ballast, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(posix_fallocate(fd, 0, 1024 * 1024), 0);
	close(fd);
	struct arena a;
	arena_init(&a, 1024 * 1024);
	struct meta_options o = {.path = path};
	struct meta *m;
	assert_ok(meta_open(&o, &m, err));
	unsigned nr = fill(m, &a);
	unlink(ballast);
	assert_ok(put_big(m, ++nr, BIG, META_DURABLE, err));
	meta_close(&m);
	assert_ok(meta_open(&o, &m, err));
	struct meta_totals t;
	assert_ok(meta_totals_get(m, &t, err));
	assert_int_equal(t.manifests, nr);
	meta_close(&m);
	arena_free(&a);
	return 0;
}

static void full_disk(void **state)
{
	struct fixture *f = *state;
	char dir[200];
	snprintf(dir, sizeof(dir), "%s/mnt", f->dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "test", "child-full-disk", dir, (char *)NULL);
		_exit(127);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(dir);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* ---- two processes --------------------------------------------------------------------------- */

static int child_shares(const char *path)
{
	struct meta_options o = {.path = path};
	struct meta *m = NULL;
	struct err err;
	enum err_code rc = meta_open(&o, &m, &err);
	for (unsigned nr = 1; rc == ERR_OK && nr <= 100; nr++)
		rc = put_manifest(m, "child", nr, 0, "latest", 0, NULL, &err);
	if (rc)
		fprintf(stderr, "child: %s\n", err.msg);
	meta_close(&m);
	return rc == ERR_OK ? 0 : 1;
}

static void two_processes(void **state)
{
	struct fixture *f = *state;
	char path[200];
	snprintf(path, sizeof(path), "%s/shared.db", f->dir);
	pid_t pid = fork();
	if (pid == 0) {
		execl("/proc/self/exe", "test", "child-shares", path, (char *)NULL);
		_exit(127);
	}
	struct meta_options o = {.path = path};
	struct meta *m;
	assert_ok(meta_open(&o, &m, err)); /* both may be creating it right now */
	for (unsigned nr = 1; nr <= 100; nr++)
		assert_ok(put_manifest(m, "parent", nr, 0, "latest", 0, NULL, err));
	int status = 1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	struct meta_totals t;
	assert_ok(meta_totals_get(m, &t, err));
	assert_int_equal(t.repositories, 2);
	assert_int_equal(t.manifests, 200);
	assert_int_equal(t.tags, 2);
	meta_close(&m);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "child-writes"))
		return child_writes(argv[2], (int)strtol(argv[3], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "child-full-disk"))
		return child_full_disk(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "child-shares"))
		return child_shares(argv[2]);
	meta_metrics_register();
	const struct CMUnitTest tests[] = {
	    T(failing_neighbours),
	    T(failing_alone),
	    T(many_threads),
	    T(readers_wait),
	    T(log_stays_short),
	    T(killed),
	    T(file_size_limit),
	    T(full_disk),
	    T(two_processes),
	};
	return cmocka_run_group_tests_name("meta writes", tests, NULL, NULL);
}
