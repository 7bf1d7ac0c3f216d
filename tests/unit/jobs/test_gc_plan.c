/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dry run of the collector says exactly what a run by the same rules removes:
 * on registries that random pushes, mounts, tags, indexes, referrers, deletes
 * and questions have made, with candidates of every age, and in cases of which
 * each is there for a reason. It writes nothing and waits for no writer.
 */
#include "../meta/meta_test.h"
#include "../storage/place.h"
#include "base/log.h"
#include "base/sync.h"
#include "jobs/gc.h"
#include "meta/gc.h"

#include <sqlite3.h>

#define CASES 60
#define ROUNDS 4
#define STEPS 60
#define REPOS 3
#define BLOBS 14
#define MANIFESTS 40 /* numbered from FIRST */
#define FIRST 100
#define HOUR (3600 * CLOCK_S)

struct world {
	struct fixture *f;
	char place[PLACE_MAX];
	struct storage *storage;
	sqlite3 *db; /* beside the program: to change times, and to see whether it writes */
	unsigned seed, content;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	void *f = NULL;

	if (fixture_setup(&f) != 0)
		return -1;
	w->f = f;
	place_make(w->place);
	assert_ok(storage_fs_open(w->place, &w->storage, err));
	assert_int_equal(sqlite3_open(w->f->path, &w->db), SQLITE_OK);
	sqlite3_busy_timeout(w->db, 10000);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	void *f = w->f;

	sqlite3_close(w->db);
	storage_free(&w->storage);
	place_remove(w->place);
	free(w);
	return fixture_teardown(&f);
}

static void sql(struct world *w, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(w->db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
}

static int64_t ask(struct world *w, const char *text)
{
	sqlite3_stmt *s = NULL;
	int64_t v;

	assert_int_equal(sqlite3_prepare_v2(w->db, text, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return v;
}

/* ---- writes ---------------------------------------------------------------------------- */

enum what { PUSH, MOUNT, UNLINK, PUT, DELETE, UNTAG, REVIEW };

struct act {
	enum what what;
	const char *repo, *other, *tag;
	struct digest digest;
	struct meta_manifest_put *put;
	struct meta_gc_links links;
};

static enum err_code act_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct act *a = arg;
	struct slice repo = slice_cstr(a->repo);
	struct meta_blob b = {a->digest, 1 + a->digest.bytes[0]};

	switch (a->what) {
	case PUSH:
		return meta_tx_blob_link(tx, repo, &b, err);
	case MOUNT:
		return meta_tx_blob_mount(tx, slice_cstr(a->other), repo, &a->digest, &b, err);
	case UNLINK:
		return meta_tx_blob_unlink(tx, repo, &a->digest, err);
	case PUT:
		return meta_tx_manifest_put(tx, a->put, err);
	case DELETE:
		return meta_tx_manifest_delete(tx, repo, &a->digest, err);
	case UNTAG:
		return meta_tx_tag_delete(tx, repo, slice_cstr(a->tag), err);
	case REVIEW:
		return meta_tx_gc_review_links(
		    tx, &(struct meta_gc_due){INT64_MAX, INT64_MAX}, a->links.v, a->links.n, err);
	}
	return ERR_OK;
}

/* What makes no sense just now is refused, and that is all right. */
static void act(struct world *w, struct act a)
{
	struct err err = {0};
	enum err_code rc = meta_write(w->f->m, META_RELAXED, act_fn, &a, &err);

	if (rc && rc != ERR_NOT_FOUND)
		fail_msg("%s", err.msg);
}

struct content {
	unsigned blobs[4], children[4], subject;
	const char *tag;
};

static void put(struct world *w, const char *repo, unsigned nr, struct content c)
{
	struct meta_ref refs[8];
	struct slice tag = slice_cstr(c.tag);
	struct digest subject = digest_nr(c.subject);
	struct meta_manifest_put p = {.repo = slice_cstr(repo),
	    .digest = digest_nr(nr),
	    .media_type = S("application/vnd.oci.image.manifest.v1+json"),
	    .payload = S("{}"),
	    .subject = c.subject ? &subject : NULL,
	    .descriptor = c.subject ? S("{}") : SLICE_NONE,
	    .refs = refs,
	    .tags = &tag,
	    .ntags = c.tag ? 1 : 0};

	for (size_t i = 0; i < 4; i++) {
		if (c.blobs[i])
			refs[p.nrefs++] = (struct meta_ref){META_REF_LAYER, digest_nr(c.blobs[i]), false, false};
		if (c.children[i])
			refs[p.nrefs++] = (struct meta_ref){META_REF_CHILD, digest_nr(c.children[i]), false, false};
	}
	act(w, (struct act){.what = PUT, .repo = repo, .put = &p});
}

static void push(struct world *w, const char *repo, unsigned nr)
{
	act(w, (struct act){.what = PUSH, .repo = repo, .digest = digest_nr(nr)});
}

static void delete (struct world *w, const char *repo, unsigned nr)
{
	act(w, (struct act){.what = DELETE, .repo = repo, .digest = digest_nr(nr)});
}

/* ---- the two runs ----------------------------------------------------------------------- */

struct told {
	char lines[400][220];
	size_t n;
};

static void on_removed(const char *kind, struct slice repo, const struct digest *d, uint64_t size, void *arg)
{
	struct told *t = arg;
	char text[DIGEST_TEXT];

	assert_true(t->n < ARRAY_LEN(t->lines));
	snprintf(t->lines[t->n++], sizeof(t->lines[0]), "%s %.*s %s %d", kind, SLICE_ARG(repo), digest_format(d, text),
	    (int)size);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void run(struct world *w, const struct gc_rules *rules, struct told *t, struct gc_report *report)
{
	struct gc_control control = {.removed = on_removed, .arg = t};

	t->n = 0;
	assert_ok(gc_run(w->f->m, w->storage, rules, &control, report, err));
	qsort(t->lines, t->n, sizeof(t->lines[0]), by_text);
}

/* Both runs by the same rules; what went. */
static struct gc_report both(struct world *w, struct gc_rules rules)
{
	static struct told dry, real;
	struct gc_report expected, got;
	int64_t version = ask(w, "PRAGMA data_version");

	rules.dry_run = true;
	run(w, &rules, &dry, &expected);
	assert_int_equal(ask(w, "PRAGMA data_version"), version);
	rules.dry_run = false;
	run(w, &rules, &real, &got);
	for (size_t i = 0; i < dry.n || i < real.n; i++) {
		const char *a = i < dry.n ? dry.lines[i] : "", *b = i < real.n ? real.lines[i] : "";

		if (strcmp(a, b) != 0)
			fail_msg("seed %u, grace %d, promised %d, untagged %d, referrers %d:\n  dry:  %s\n  real: %s",
			    w->content, rules.grace > 0, rules.promised > 0,
			    rules.untagged == GC_NEVER ? -1 : rules.untagged > 0, rules.referrers, a, b);
	}
	assert_int_equal(expected.manifests, got.manifests);
	assert_int_equal(expected.links, got.links);
	assert_int_equal(expected.blobs, got.blobs);
	assert_int_equal(expected.bytes, got.bytes);
	return got;
}

static const struct gc_rules everything = {.referrers = true};

/* ---- random registries ------------------------------------------------------------------ */

static unsigned any(struct world *w, unsigned n)
{
	return (unsigned)rand_r(&w->seed) % n;
}

static const char *repo_nr(unsigned n)
{
	static const char *const names[REPOS] = {"a", "b", "c"};

	return names[n % REPOS];
}

/* What a manifest says follows from its number, as with digests: it names older ones only. */
static struct content content_of(struct world *w, unsigned nr)
{
	static const char *const tags[] = {"v1", "v2", "v3"};
	unsigned seed = w->content * 1000 + nr;
	struct content c = {.tag = NULL};

	for (size_t i = 0; i < 4; i++) {
		if (rand_r(&seed) % 2)
			c.blobs[i] = 1 + (unsigned)rand_r(&seed) % BLOBS;
		if (nr > FIRST && rand_r(&seed) % 6 == 0)
			c.children[i] = FIRST + (unsigned)rand_r(&seed) % (nr - FIRST);
	}
	if (nr > FIRST && rand_r(&seed) % 3 == 0)
		c.subject = FIRST + (unsigned)rand_r(&seed) % (nr - FIRST);
	if (any(w, 3) == 0)
		c.tag = tags[any(w, 3)];
	return c;
}

/* The first half of a collection, as before a crash: bytes are left to be removed. */
static void half_a_collection(struct world *w)
{
	struct act a = {.what = REVIEW, .repo = ""};
	struct meta_gc_due due = {INT64_MAX, INT64_MAX};

	assert_ok(meta_gc_links_due(w->f->m, false, &due, NULL, 2, &w->f->a, &a.links, err));
	act(w, a);
}

static void step(struct world *w)
{
	const char *repo = repo_nr(any(w, REPOS)), *other = repo_nr(any(w, REPOS));
	unsigned blob = 1 + any(w, BLOBS), manifest = FIRST + any(w, MANIFESTS);
	struct digest b = digest_nr(blob), m = digest_nr(manifest);

	switch (any(w, 16)) {
	case 0:
	case 1:
	case 2:
		push(w, repo, blob);
		break;
	case 3:
		act(w, (struct act){.what = MOUNT, .repo = repo, .other = other, .digest = b});
		break;
	case 4:
		act(w, (struct act){.what = UNLINK, .repo = repo, .digest = b});
		break;
	case 5:
		delete (w, repo, manifest);
		break;
	case 6:
		act(w, (struct act){.what = UNTAG, .repo = repo, .tag = any(w, 2) ? "v1" : "v2"});
		break;
	case 7:
		assert_ok(meta_gc_touch_blob(w->f->m, slice_cstr(repo), &b, err));
		break;
	case 8:
		assert_ok(meta_gc_touch_manifest(w->f->m, slice_cstr(repo), &m, err));
		break;
	default:
		put(w, repo, manifest, content_of(w, manifest));
	}
}

/* Some of the candidates become old. */
static void age(struct world *w)
{
	char text[200];

	snprintf(text, sizeof(text),
	    "UPDATE gc_link SET since = since - %lld WHERE (repo_id * 7 + blob_id * 13 + %u) %% 2",
	    (long long)(2 * HOUR), any(w, 100));
	sql(w, text);
	snprintf(text, sizeof(text),
	    "UPDATE gc_manifest SET since = since - %lld WHERE (manifest_id * 7 + %u) %% 3 > 0", (long long)(2 * HOUR),
	    any(w, 100));
	sql(w, text);
}

static struct gc_rules rules_of(struct world *w)
{
	static const int64_t untagged[] = {GC_NEVER, 0, 0, HOUR};

	return (struct gc_rules){.grace = any(w, 3) ? 0 : HOUR,
	    .promised = any(w, 2) ? 0 : HOUR,
	    .untagged = untagged[any(w, 4)],
	    .referrers = any(w, 4) > 0};
}

static void random_registries(void **state)
{
	struct gc_report sum = {0};
	size_t left = 0;

	for (unsigned i = 0; i < CASES; i++) {
		void *one = NULL;
		struct world *w;

		assert_int_equal(setup(&one), 0);
		w = one;
		w->seed = w->content = i + 1;
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct gc_report r;

			for (unsigned k = 0; k < STEPS; k++)
				step(w);
			age(w);
			if (any(w, 4) == 0)
				half_a_collection(w);
			r = both(w, rules_of(w));
			sum.manifests += r.manifests;
			sum.links += r.links;
			sum.blobs += r.blobs;
			left += (size_t)ask(w, "SELECT COUNT(*) FROM gc_link") +
			        (size_t)ask(w, "SELECT COUNT(*) FROM manifest");
		}
		/* Twice everything: the second run finds nothing that the first has left. */
		both(w, everything);
		assert_int_equal(both(w, everything).manifests, 0);
		teardown(&one);
	}
	/* There was something to be found, and something to be spared. */
	assert_true(sum.manifests > CASES && sum.links > CASES && sum.blobs > CASES && left > CASES);
}

/* ---- cases ------------------------------------------------------------------------------- */

/* An index with children, one of them signed: all of it and its blobs, level by level. */
static void everything_below_goes(void **state)
{
	struct world *w = *state;
	struct gc_report r;

	for (unsigned i = 1; i <= 4; i++)
		push(w, "a", i);
	put(w, "a", 100, (struct content){.blobs = {1}});
	put(w, "a", 101, (struct content){.blobs = {2}});
	put(w, "a", 110, (struct content){.blobs = {3}, .subject = 101});
	put(w, "a", 120, (struct content){.children = {100, 101}, .tag = "v1"});
	put(w, "a", 130, (struct content){.blobs = {4}, .tag = "v1"});
	r = both(w, everything);
	assert_int_equal(r.manifests, 4);
	assert_int_equal(r.links, 3);
	assert_int_equal(r.blobs, 3);
}

/* With a grace period only what is old, and what it leaves behind has to wait. */
static void with_grace_only_the_first_level(void **state)
{
	struct world *w = *state;
	struct gc_report r;

	push(w, "a", 1);
	put(w, "a", 100, (struct content){.blobs = {1}});
	put(w, "a", 120, (struct content){.children = {100}, .tag = "v1"});
	act(w, (struct act){.what = UNTAG, .repo = "a", .tag = "v1"});
	sql(w, "UPDATE gc_manifest SET since = since - 7200000000000");
	r = both(w, (struct gc_rules){.grace = HOUR, .referrers = true});
	assert_int_equal(r.manifests, 1);
	assert_int_equal(r.blobs, 0);
	r = both(w, everything);
	assert_int_equal(r.manifests, 1);
	assert_int_equal(r.blobs, 1);
}

static void promises_are_kept(void **state)
{
	struct world *w = *state;
	struct gc_rules rules = {.promised = HOUR, .referrers = true};
	struct gc_report r;

	for (unsigned i = 1; i <= 3; i++)
		push(w, "a", i);
	put(w, "a", 100, (struct content){.blobs = {1}});
	put(w, "a", 101, (struct content){.blobs = {2}, .tag = "v1"});
	delete (w, "a", 101);
	r = both(w, rules);
	assert_int_equal(r.manifests, 0);
	assert_int_equal(r.blobs, 1);
	sql(w, "UPDATE gc_manifest SET since = since - 7200000000000");
	r = both(w, rules);
	assert_int_equal(r.manifests, 1);
	assert_int_equal(r.blobs, 1); /* 3 is still promised */
}

/* Many candidates that are spared come before and behind those that go: more than a batch. */
static void more_than_a_batch(void **state)
{
	struct world *w = *state;
	struct gc_report r;

	for (unsigned i = 1; i <= 150; i++) {
		push(w, "a", i);
		put(w, "a", 1000 + i, (struct content){.blobs = {i}, .tag = i % 3 ? NULL : "keep"});
	}
	put(w, "a", 2000, (struct content){.children = {1001, 1002, 1004}, .tag = "index"});
	r = both(w, (struct gc_rules){.promised = HOUR, .referrers = true});
	assert_int_equal(r.manifests, 49); /* tags that moved */
	r = both(w, everything);
	assert_int_equal(r.manifests, 97);
	assert_int_equal(r.blobs, 97);
}

struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool inside, open;
	struct meta *meta;
};

static enum err_code wait_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct gate *g = arg;

	mutex_lock(&g->lock);
	g->inside = true;
	cond_broadcast(&g->changed);
	while (!g->open)
		cond_wait(&g->changed, &g->lock);
	mutex_unlock(&g->lock);
	return ERR_OK;
}

static void *hold_writer(void *arg)
{
	struct gate *g = arg;

	(void)!meta_write(g->meta, META_RELAXED, wait_fn, g, NULL);
	return NULL;
}

/* While the one writer is busy, a dry run goes through. */
static void needs_no_writer(void **state)
{
	struct world *w = *state;
	struct gc_rules rules = everything;
	struct gate g = {.meta = w->f->m};
	struct gc_report report;
	static struct told told;
	pthread_t thread;

	push(w, "a", 1);
	put(w, "a", 100, (struct content){.blobs = {1}});
	mutex_init(&g.lock);
	cond_init(&g.changed);
	assert_int_equal(thread_start(&thread, "writer", (size_t)256 * 1024, false, hold_writer, &g), 0);
	mutex_lock(&g.lock);
	while (!g.inside)
		cond_wait(&g.changed, &g.lock);
	mutex_unlock(&g.lock);
	rules.dry_run = true;
	run(w, &rules, &told, &report);
	assert_int_equal(report.manifests, 1);
	assert_int_equal(report.blobs, 1);
	mutex_lock(&g.lock);
	g.open = true;
	cond_broadcast(&g.changed);
	mutex_unlock(&g.lock);
	pthread_join(thread, NULL);
	cond_destroy(&g.changed);
	mutex_destroy(&g.lock);
}

static bool not_again(const struct gc_report *r, void *arg)
{
	(*(int *)arg)++;
	return false;
}

static void ended_early(void **state)
{
	struct world *w = *state;
	struct gc_rules rules = {.referrers = true, .dry_run = true};
	struct gc_report report;
	int calls = 0;
	struct gc_control control = {.progress = not_again, .arg = &calls};

	for (unsigned i = 1; i <= 200; i++)
		put(w, "a", 1000 + i, (struct content){.blobs = {i}});
	assert_ok(gc_run(w->f->m, w->storage, &rules, &control, &report, err));
	assert_int_equal(calls, 1);
	assert_true(report.manifests < 200);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct log_options quiet = {.level = LOG_LVL_WARN, .format = LOG_FMT_TEXT, .fd = 2};
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_registries),
	    T(everything_below_goes),
	    T(with_grace_only_the_first_level),
	    T(promises_are_kept),
	    T(more_than_a_batch),
	    T(needs_no_writer),
	    T(ended_early),
	};
	log_setup(&quiet);
	return cmocka_run_group_tests_name("jobs gc plan", tests, NULL, NULL);
}
