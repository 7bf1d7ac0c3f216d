/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_meta.c - figures of the metadata layer on a database made by seed_meta:
 * opening, reading by tag and digest, pages of tags and repositories, writes of
 * one and of many threads beside the sync rate of the same disk.
 *
 *   bench_meta DBPATH MANIFESTS REPOS [TAGS]     (the numbers given to seed_meta)
 *
 * Reads and pages are at random places. Writes add manifests to the database.
 */
#include "base/clock.h"
#include "base/sync.h"
#include "meta/meta.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 64
#define PAGE 100

struct bench {
	struct meta *m;
	uint64_t manifests, repos, tags;
};

struct worker {
	struct bench *b;
	void (*step)(struct worker *);
	uint64_t n;         /* steps to do */
	atomic_bool *until; /* or until this is set, when n is 0 */
	uint64_t done, rng;
	unsigned id;
	bool payload;
	enum meta_durability durability;
	struct arena arena;
	int64_t cpu, *took;
	pthread_t thread;
};

static void die(const struct err *err)
{
	fprintf(stderr, "bench_meta: %s\n", err->msg);
	exit(1);
}

static uint64_t rnd(struct worker *w)
{
	w->rng ^= w->rng << 13;
	w->rng ^= w->rng >> 7;
	w->rng ^= w->rng << 17;
	return w->rng;
}

static int64_t thread_cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * CLOCK_S + t.tv_nsec;
}

static double process_cpu(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long rss_kib(void)
{
	long pages = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%ld %ld", &pages, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return resident * sysconf(_SC_PAGESIZE) / 1024;
}

/* ---- steps ------------------------------------------------------------------- */

static void repo_name(uint64_t nr, char out[64])
{
	snprintf(out, 64, "group-%02u/app-%06llu", (unsigned)(nr % 100), (unsigned long long)nr);
}

static void step_get_tag(struct worker *w)
{
	uint64_t i = rnd(w) % w->b->manifests;
	char repo[64], tag[32];
	repo_name(i % w->b->repos, repo);
	snprintf(tag, sizeof(tag), "build-%08llu", (unsigned long long)i);
	struct meta_manifest got;
	struct err err;
	arena_reset(&w->arena);
	if (meta_manifest_get_tag(w->b->m, slice_cstr(repo), slice_cstr(tag), w->payload, &w->arena, &got, &err))
		die(&err);
}

static void step_tags_page(struct worker *w)
{
	char last[32];
	snprintf(last, sizeof(last), "tag-%08llu", (unsigned long long)(rnd(w) % w->b->tags));
	struct meta_names got;
	struct err err;
	arena_reset(&w->arena);
	if (meta_tags(w->b->m, SLICE("many/tags"), slice_cstr(last), PAGE, &w->arena, &got, &err))
		die(&err);
}

static void step_repos_page(struct worker *w)
{
	char last[64];
	repo_name(rnd(w) % w->b->repos, last);
	struct meta_names got;
	struct err err;
	arena_reset(&w->arena);
	if (meta_repos(w->b->m, slice_cstr(last), PAGE, &w->arena, &got, &err))
		die(&err);
}

struct push {
	char repo[64], tag[48], payload[1024];
	struct meta_ref refs[4];
};

/* The metadata part of a small push whose blobs are linked in the same write. */
static enum err_code push_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	struct push *p = arg;
	for (size_t i = 0; i < ARRAY_LEN(p->refs); i++) {
		struct meta_blob b = {p->refs[i].digest, 1000};
		enum err_code rc = meta_tx_blob_link(tx, slice_cstr(p->repo), &b, err);
		if (rc)
			return rc;
	}
	struct slice tag = slice_cstr(p->tag);
	struct meta_manifest_put put = {.repo = slice_cstr(p->repo),
	    .media_type = SLICE("application/vnd.oci.image.manifest.v1+json"),
	    .payload = slice_of(p->payload, sizeof(p->payload)),
	    .refs = p->refs,
	    .nrefs = ARRAY_LEN(p->refs),
	    .tags = &tag,
	    .ntags = 1};
	digest_of(DIGEST_SHA256, put.payload.p, put.payload.n, &put.digest);
	return meta_tx_manifest_put(tx, &put, err);
}

static void step_push(struct worker *w)
{
	struct push p;
	memset(&p, 'x', sizeof(p));
	snprintf(p.repo, sizeof(p.repo), "bench/repo-%02u", w->id);
	snprintf(p.tag, sizeof(p.tag), "t-%lld-%llu", (long long)getpid(), (unsigned long long)rnd(w));
	memcpy(p.payload, p.tag, sizeof(p.tag));
	for (unsigned i = 0; i < ARRAY_LEN(p.refs); i++) {
		uint64_t key[2] = {rnd(w), i};
		p.refs[i] = (struct meta_ref){i ? META_REF_LAYER : META_REF_CONFIG, {DIGEST_NONE, {0}}, true, false};
		digest_of(DIGEST_SHA256, key, sizeof(key), &p.refs[i].digest);
	}
	struct err err;
	if (meta_write(w->b->m, w->durability, push_fn, &p, &err))
		die(&err);
}

/* The smallest write there is: a row that nothing else depends on. */
static enum err_code upload_fn(struct meta_tx *tx, void *arg, struct err *err)
{
	return meta_tx_upload_create(tx, arg, err);
}

static void step_upload(struct worker *w)
{
	struct meta_upload u = {.repo = SLICE("bench/upload"), .alg = DIGEST_SHA256, .started_at = clock_real()};
	struct err err;
	snprintf(u.id, sizeof(u.id), "%016llx-%016llx", (unsigned long long)rnd(w), (unsigned long long)rnd(w));
	if (meta_write(w->b->m, w->durability, upload_fn, &u, &err))
		die(&err);
}

/* ---- running ------------------------------------------------------------------- */

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	int64_t cpu = thread_cpu();
	for (w->done = 0; w->until ? !atomic_load(w->until) : w->done < w->n; w->done++) {
		int64_t t = w->took ? clock_mono() : 0;
		w->step(w);
		if (w->took)
			w->took[w->done] = clock_mono() - t;
	}
	w->cpu = thread_cpu() - cpu;
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Runs `threads` copies of the worker and prints what came of it. */
static void run(const char *what, const struct worker *proto, unsigned threads, uint64_t n)
{
	struct worker *w = calloc(threads, sizeof(*w));
	int64_t *took = calloc(threads * n, sizeof(*took));
	double cpu = process_cpu();
	int64_t start = clock_mono(), in_threads = 0;
	for (unsigned i = 0; i < threads; i++) {
		w[i] = *proto;
		w[i].n = n;
		w[i].id = i;
		w[i].rng = (uint64_t)clock_real() * 31 + i * 977 + 1;
		w[i].took = took + i * n;
		arena_init(&w[i].arena, 64 * 1024 * 1024);
		if (thread_start(&w[i].thread, "bench", 256 * 1024, false, worker_main, &w[i]))
			abort();
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		in_threads += w[i].cpu;
		arena_free(&w[i].arena);
	}
	double seconds = (double)(clock_mono() - start) / 1e9, all = (double)(threads * n);
	qsort(took, threads * n, sizeof(*took), by_value);
	printf("%-34s %2u threads %9.0f /s  p50 %8.1f  p99 %8.1f  max %9.1f us  cpu %6.1f us (caller %.1f)\n", what,
	    threads, all / seconds, (double)took[threads * n / 2] / 1e3, (double)took[threads * n * 99 / 100] / 1e3,
	    (double)took[threads * n - 1] / 1e3, (process_cpu() - cpu) * 1e6 / all, (double)in_threads / all / 1e3);
	free(took);
	free(w);
}

/* The disk by itself: 4 KiB and a sync, appending and overwriting. */
static void raw_sync(const char *db)
{
	char path[4096], page[4096] = "";
	snprintf(path, sizeof(path), "%s.bench", db);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (int pass = 0; fd >= 0 && pass < 2; pass++) {
		const int n = 500;
		int64_t start = clock_mono();
		for (int i = 0; i < n; i++) {
			if (pwrite(fd, page, sizeof(page), (off_t)i * 4096) < 0 || fdatasync(fd) < 0)
				abort();
		}
		double us = (double)(clock_mono() - start) / 1e3 / n;
		printf("%-34s            %9.0f /s  mean %.1f us\n",
		    pass ? "raw 4 KiB overwrite + fdatasync" : "raw 4 KiB append + fdatasync", 1e6 / us, us);
	}
	if (fd >= 0)
		close(fd);
	unlink(path);
}

static void reads(struct bench *b)
{
	struct worker w = {.b = b, .step = step_get_tag, .payload = true};
	run("get by tag, warming up", &w, 2, 50000);
	for (unsigned t = 1; t <= 4; t *= 2)
		run("get by tag with payload", &w, t, 100000);
	w.payload = false;
	run("get by tag, head only", &w, 1, 100000);
	w.step = step_repos_page;
	run("page of 100 repositories", &w, 1, 10000);
	w.step = step_tags_page;
	if (b->tags)
		run("page of 100 tags", &w, 1, 10000);
}

static void reads_while_writing(struct bench *b)
{
	atomic_bool stop = false;
	struct worker pusher = {
	    .b = b, .step = step_push, .durability = META_DURABLE, .until = &stop, .id = 99, .rng = 7};
	if (thread_start(&pusher.thread, "push", 256 * 1024, false, worker_main, &pusher))
		abort();
	struct worker w = {.b = b, .step = step_get_tag, .payload = true};
	run("get by tag while one client pushes", &w, 1, 50000);
	atomic_store(&stop, true);
	pthread_join(pusher.thread, NULL);
}

static void writes(struct bench *b)
{
	struct worker w = {.b = b, .step = step_push, .durability = META_DURABLE};
	run("push, durable", &w, 1, 2000);
	run("push, durable", &w, 16, 1000);
	run("push, durable", &w, 64, 300);
	w.durability = META_RELAXED;
	run("push, relaxed", &w, 1, 5000);
	run("push, relaxed", &w, 16, 2000);
	w.step = step_upload;
	run("upload begun, relaxed", &w, 1, 20000);
	run("upload begun, relaxed", &w, 16, 4000);
	w.durability = META_DURABLE;
	run("upload begun, durable", &w, 1, 2000);
	run("upload begun, durable", &w, 16, 1000);
}

static uint64_t number(int argc, char **argv, int at)
{
	uint64_t v = 0;
	if (at < argc && !slice_u64(slice_cstr(argv[at]), UINT64_C(1000000000), &v)) {
		fprintf(stderr, "bench_meta: \"%s\" is not a number\n", argv[at]);
		exit(2);
	}
	return v;
}

int main(int argc, char **argv)
{
	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: bench_meta DBPATH MANIFESTS REPOS [TAGS]\n");
		return 2;
	}
	struct bench b = {NULL, number(argc, argv, 2), number(argc, argv, 3), number(argc, argv, 4)};
	struct meta_options o = {.path = argv[1]};
	struct err err;
	printf("resident before opening: %ld KiB\n", rss_kib());
	int64_t start = clock_mono();
	if (meta_open(&o, &b.m, &err) || meta_check(b.m, &err))
		die(&err);
	printf("open and first read: %.1f ms, resident %ld KiB\n", (double)(clock_mono() - start) / 1e6, rss_kib());
	reads(&b);
	printf("resident after reading: %ld KiB\n", rss_kib());
	reads_while_writing(&b);
	raw_sync(argv[1]);
	writes(&b);
	raw_sync(argv[1]);
	printf("resident after writing: %ld KiB\n", rss_kib());
	start = clock_mono();
	meta_close(&b.m);
	printf("close: %.1f ms\n", (double)(clock_mono() - start) / 1e6);
	return 0;
}
