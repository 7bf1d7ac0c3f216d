/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage.c - the functions of storage.h: each calls the driver and times it.
 */
#include "storage/storage.h"
#include "base/clock.h"
#include "base/metric.h"
#include "base/sync.h"

/* One row an action, named as registry:2 names them in its series. */
enum action { ACT_STAT, ACT_READER, ACT_WRITER, ACT_MOVE, ACT_DELETE, ACT_LIST, ACT_COUNT };
static const char *const action_names[ACT_COUNT] = {"Stat", "Reader", "Writer", "Move", "Delete", "List"};

static const double seconds_buckets[] = {
    0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 0};

static struct metric_family metrics[] = {
    {.name = "registry_storage_action_seconds",
        .help = "Time storage actions took.",
        .type = METRIC_HISTOGRAM,
        .labels = {"driver", "action"},
        .buckets = seconds_buckets},
    {.name = "registry_storage_action_total",
        .help = "Storage actions by result.",
        .type = METRIC_COUNTER,
        .labels = {"driver", "action", "result"}},
};

void storage_metrics_register(void)
{
	metric_register(metrics, ARRAY_LEN(metrics));
}

static enum err_code timed(const struct storage *s, enum action a, int64_t start, enum err_code rc)
{
	const char *labels[] = {s->ops->name, action_names[a], rc == ERR_OK ? "ok" : err_code_name(rc)};

	metric_observe(metric_child(&metrics[0], labels), (double)(clock_mono() - start) / CLOCK_S);
	metric_inc(metric_child(&metrics[1], labels));
	return rc;
}

enum err_code storage_stat(struct storage *s, const struct digest *d, uint64_t *size, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_STAT, start, s->ops->stat(s, d, size, err));
}

enum err_code storage_open(struct storage *s, const struct digest *d, struct storage_blob *out, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	*out = (struct storage_blob){.fd = -1, .store = s};
	return timed(s, ACT_READER, start, s->ops->open(s, d, out, err));
}

enum err_code storage_read(struct storage_blob *b, uint64_t at, void *p, size_t n, size_t *got, struct err *err)
{
	return b->store->ops->read(b, at, p, n, got, err);
}

void storage_close(struct storage_blob *b)
{
	if (b->store)
		b->store->ops->close_blob(b);
	*b = (struct storage_blob){.fd = -1};
}

enum err_code storage_remove(struct storage *s, const struct digest *d, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_DELETE, start, s->ops->remove(s, d, err));
}

enum err_code storage_sync_removals(struct storage *s, const struct digest *d, size_t n, struct err *err)
{
	OBJ_CHECK(s, STORAGE_MAGIC);
	return s->ops->sync_removals(s, d, n, err);
}

enum err_code storage_quarantine(struct storage *s, const struct digest *d, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_MOVE, start, s->ops->quarantine(s, d, err));
}

enum err_code storage_list(
    struct storage *s, bool (*each)(const struct digest *, uint64_t, void *), void *arg, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_LIST, start, s->ops->list(s, each, arg, err));
}

enum err_code storage_export(
    struct storage *s, const struct digest *d, uint64_t size, const char *path, struct storage_copy *c, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_READER, start, s->ops->export(s, d, size, path, c, err));
}

enum err_code storage_import(
    struct storage *s, const struct digest *d, uint64_t size, const char *path, struct storage_copy *c, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_WRITER, start, s->ops->import(s, d, size, path, c, err));
}

enum err_code storage_sync(struct storage *s, struct err *err)
{
	OBJ_CHECK(s, STORAGE_MAGIC);
	return s->ops->sync(s, err);
}

enum err_code storage_alias(struct storage *s, const struct digest *from, const struct digest *to, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_WRITER, start, s->ops->alias(s, from, to, err));
}

enum err_code storage_upload_create(struct storage *s, const char *id, struct storage_upload **out, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_WRITER, start, s->ops->upload_create(s, id, out, err));
}

enum err_code storage_upload_open(struct storage *s, const char *id, struct storage_upload **out, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_WRITER, start, s->ops->upload_open(s, id, out, err));
}

void storage_upload_start(struct storage_upload *u, const void *p, size_t n)
{
	OBJ_CHECK(u, STORAGE_UPLOAD_MAGIC);
	u->store->ops->upload_start(u, p, n);
}

enum err_code storage_upload_wait(struct storage_upload *u, struct err *err)
{
	OBJ_CHECK(u, STORAGE_UPLOAD_MAGIC);
	return u->store->ops->upload_wait(u, err);
}

enum err_code storage_upload_write(struct storage_upload *u, const void *p, size_t n, struct err *err)
{
	storage_upload_start(u, p, n);
	return storage_upload_wait(u, err);
}

enum err_code storage_upload_read(
    struct storage_upload *u, uint64_t at, void *p, size_t n, size_t *got, struct err *err)
{
	OBJ_CHECK(u, STORAGE_UPLOAD_MAGIC);
	return u->store->ops->upload_read(u, at, p, n, got, err);
}

enum err_code storage_upload_commit(struct storage_upload **u, const struct digest *d, struct err *err)
{
	struct storage *s = (*u)->store;
	int64_t start = clock_mono();

	OBJ_CHECK(*u, STORAGE_UPLOAD_MAGIC);
	return timed(s, ACT_MOVE, start, s->ops->upload_commit(u, d, err));
}

void storage_upload_close(struct storage_upload **u)
{
	if (*u)
		(*u)->store->ops->upload_close(u);
}

enum err_code storage_upload_abort(struct storage *s, const char *id, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_DELETE, start, s->ops->upload_abort(s, id, err));
}

enum err_code storage_upload_list(
    struct storage *s, bool (*each)(const char *, int64_t, void *), void *arg, struct err *err)
{
	int64_t start = clock_mono();

	OBJ_CHECK(s, STORAGE_MAGIC);
	return timed(s, ACT_LIST, start, s->ops->upload_list(s, each, arg, err));
}

/* ---- holds ---------------------------------------------------------------- */

void storage_base_init(struct storage *s, const struct storage_ops *ops)
{
	s->magic = STORAGE_MAGIC;
	s->ops = ops;
	for (size_t i = 0; i < STORAGE_HOLDS; i++)
		rwlock_init(&s->holds[i]);
}

void storage_base_done(struct storage *s)
{
	for (size_t i = 0; i < STORAGE_HOLDS; i++)
		rwlock_destroy(&s->holds[i]);
	s->magic = 0;
}

void storage_hold_shared(struct storage *s, const struct digest *d)
{
	OBJ_CHECK(s, STORAGE_MAGIC);
	rwlock_read(&s->holds[d->bytes[0]]);
}

void storage_release_shared(struct storage *s, const struct digest *d)
{
	OBJ_CHECK(s, STORAGE_MAGIC);
	rwlock_unlock(&s->holds[d->bytes[0]]);
}

/* Every lock that covers one of the digests, once each. */
static void mark_holds(const struct digest *d, size_t n, bool wanted[STORAGE_HOLDS])
{
	for (size_t i = 0; i < n; i++)
		wanted[d[i].bytes[0]] = true;
}

void storage_hold_exclusive(struct storage *s, const struct digest *d, size_t n)
{
	bool wanted[STORAGE_HOLDS] = {false};

	OBJ_CHECK(s, STORAGE_MAGIC);
	mark_holds(d, n, wanted);
	/* Always ascending, so that two removers cannot wait for each other. */
	for (size_t i = 0; i < STORAGE_HOLDS; i++) {
		if (wanted[i])
			rwlock_write(&s->holds[i]);
	}
}

void storage_release_exclusive(struct storage *s, const struct digest *d, size_t n)
{
	bool wanted[STORAGE_HOLDS] = {false};

	OBJ_CHECK(s, STORAGE_MAGIC);
	mark_holds(d, n, wanted);
	for (size_t i = 0; i < STORAGE_HOLDS; i++) {
		if (wanted[i])
			rwlock_unlock(&s->holds[i]);
	}
}

enum err_code storage_check(struct storage *s, struct err *err)
{
	OBJ_CHECK(s, STORAGE_MAGIC);
	return s->ops->check(s, err);
}

void storage_get_stats(struct storage *s, struct storage_stats *out)
{
	OBJ_CHECK(s, STORAGE_MAGIC);
	*out = (struct storage_stats){0};
	s->ops->stats(s, out);
}

void storage_free(struct storage **s)
{
	if (!*s)
		return;
	OBJ_CHECK(*s, STORAGE_MAGIC);
	(*s)->ops->free(*s);
	*s = NULL;
}
