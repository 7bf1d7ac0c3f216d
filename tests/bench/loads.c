/* SPDX-License-Identifier: Apache-2.0 */
/* loads.c - pulls, pushes, lists, idle connections and plain fsync, each as one function. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define OCTETS "application/octet-stream"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"

/* ---- threads -------------------------------------------------------------------- */

struct worker {
	const struct target *t;
	const char *path;
	int id;
	double end; /* when to stop; 0: after one round */
	uint64_t done;
	struct samples latency;
	pthread_t thread;
};

/* Runs n workers and sums up what they did; returns the seconds it took. */
static double workers_run(void *(*fn)(void *), struct worker proto, int n, double seconds, struct worker *sum)
{
	struct worker *w = calloc((size_t)n, sizeof(*w));
	double started = now(), took;

	if (!w || n < 1)
		die("cannot run %d workers", n);
	for (int i = 0; i < n; i++) {
		w[i] = proto;
		w[i].id = i;
		w[i].end = seconds > 0 ? started + seconds : 0;
		if (pthread_create(&w[i].thread, NULL, fn, &w[i]) != 0)
			die("cannot start thread %d", i);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		sum->done += w[i].done;
		samples_merge(&sum->latency, &w[i].latency);
	}
	took = now() - started;
	free(w);
	return took;
}

static void print_rates(const char *what, double seconds, struct worker *sum)
{
	printf("{\"%s\": %llu, \"seconds\": %.4f, \"rate\": %.2f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", what,
	    (unsigned long long)sum->done, seconds, (double)sum->done / seconds,
	    1e3 * samples_percentile(&sum->latency, 50), 1e3 * samples_percentile(&sum->latency, 99));
	free(sum->latency.v);
}

/* ---- pull -------------------------------------------------------------------------- */

static void *pull_run(void *arg)
{
	struct worker *w = arg;
	struct reply r;
	struct conn c;

	conn_open(&c, w->t);
	do {
		double start = now();
		conn_request(&c, "GET", w->path, NULL, NULL, 0, &r);
		if (r.status != 200)
			die("GET %s: status %d", w->path, r.status);
		w->done += r.length;
		conn_drain(&c, &r);
		samples_add(&w->latency, now() - start);
	} while (w->end > now());
	conn_close(&c);
	return NULL;
}

void load_pull(const struct target *t, const char *path, int clients, double seconds)
{
	struct worker sum = {0};
	double took = workers_run(pull_run, (struct worker){.t = t, .path = path}, clients, seconds, &sum);

	print_rates("bytes", took, &sum);
}

/* ---- push -------------------------------------------------------------------------- */

/* What docker, podman and skopeo do: HEAD, POST, PATCH with the bytes, PUT with the digest. */
static void push_blob(struct conn *c, const char *repo, const void *data, size_t n, const struct hex *digest)
{
	char path[2048];
	struct reply r;

	snprintf(path, sizeof(path), "/v2/%s/blobs/%s", repo, digest->s);
	conn_expect(c, "HEAD", path, NULL, NULL, 0, 404, 404, &r);
	snprintf(path, sizeof(path), "/v2/%s/blobs/uploads/", repo);
	conn_expect(c, "POST", path, NULL, NULL, 0, 202, 202, &r);
	conn_expect(c, "PATCH", strcpy(path, r.location), OCTETS, data, n, 202, 202, &r);
	snprintf(path, sizeof(path), "%s%cdigest=%s", r.location, strchr(r.location, '?') ? '&' : '?', digest->s);
	conn_expect(c, "PUT", path, OCTETS, NULL, 0, 201, 201, &r);
}

void load_push(const struct target *t, const char *repo, uint64_t size)
{
	char *data = malloc(size + 8);
	struct rng rng;
	struct hex digest;
	struct conn c;
	double start, took;

	if (!data)
		die("out of memory");
	rng_seed(&rng);
	rng_fill(&rng, data, size);
	digest = sha256(data, size);
	conn_open(&c, t);
	start = now();
	push_blob(&c, repo, data, size, &digest);
	took = now() - start;
	conn_close(&c);
	free(data);
	printf("{\"bytes\": %llu, \"seconds\": %.4f, \"rate\": %.2f, \"digest\": \"%s\"}\n", (unsigned long long)size,
	    took, (double)size / took, digest.s);
}

enum { IMAGE_BLOBS = 3, IMAGE_BLOB_MAX = 64 << 10 };

/* Opens the descriptor of each blob in the manifest; the first is the config. */
static const char *const descriptor_head[IMAGE_BLOBS] = {
    ",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\"",
    ",\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\"",
    ",{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\"",
};

/* An image of random blobs; `data` has room for IMAGE_BLOB_MAX + 8. */
static void push_image(struct conn *c, struct rng *rng, char *data, const char *repo, const char *tag)
{
	char manifest[2048], path[512];
	int len = snprintf(manifest, sizeof(manifest), "{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST "\"");
	struct reply r;

	for (int i = 0; i < IMAGE_BLOBS; i++) {
		size_t n = 1024 + rng_next(rng) % (IMAGE_BLOB_MAX - 1023);
		struct hex digest;

		rng_fill(rng, data, n);
		digest = sha256(data, n);
		push_blob(c, repo, data, n, &digest);
		len += snprintf(manifest + len, sizeof(manifest) - (size_t)len, "%s,\"size\":%zu,\"digest\":\"%s\"}",
		    descriptor_head[i], n, digest.s);
	}
	len += snprintf(manifest + len, sizeof(manifest) - (size_t)len, "]}");
	snprintf(path, sizeof(path), "/v2/%s/manifests/%s", repo, tag);
	conn_expect(c, "PUT", path, MANIFEST, manifest, (size_t)len, 201, 201, &r);
}

static void *images_run(void *arg)
{
	struct worker *w = arg;
	char repo[64], tag[64], *data = malloc(IMAGE_BLOB_MAX + 8);
	struct rng rng;
	struct conn c;

	if (!data)
		die("out of memory");
	rng_seed(&rng);
	snprintf(repo, sizeof(repo), "bench/images-%d", w->id);
	conn_open(&c, w->t);
	do {
		double start = now();
		snprintf(tag, sizeof(tag), "t%llx", (unsigned long long)rng_next(&rng));
		push_image(&c, &rng, data, repo, tag);
		samples_add(&w->latency, now() - start);
		w->done++;
	} while (w->end > now());
	conn_close(&c);
	free(data);
	return NULL;
}

void load_images(const struct target *t, int clients, double seconds)
{
	struct worker sum = {0};
	double took = workers_run(images_run, (struct worker){.t = t}, clients, seconds, &sum);

	print_rates("images", took, &sum);
}

/* ---- one client, given paths ---------------------------------------------------------- */

void load_urls(const struct target *t)
{
	char path[4096];
	struct conn c;
	const char *comma = "";

	conn_open(&c, t);
	fputs("{\"ms\": [", stdout);
	while (fgets(path, sizeof(path), stdin)) {
		struct reply r;
		double start = now();

		path[strcspn(path, "\n")] = '\0';
		conn_expect(&c, "GET", path, NULL, NULL, 0, 200, 200, &r);
		printf("%s%.4f", comma, 1e3 * (now() - start));
		comma = ", ";
	}
	fputs("]}\n", stdout);
	conn_close(&c);
}

/* ---- idle connections ------------------------------------------------------------------ */

void load_idle(const struct target *t, int connections)
{
	struct rlimit limit = {(rlim_t)connections + 100, (rlim_t)connections + 100};
	struct conn *c = calloc(1, sizeof(*c));
	char end;

	if (!c || connections < 1)
		die("cannot hold %d connections", connections);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		die("cannot open %d files: %s", connections + 100, strerror(errno));
	for (int i = 0; i < connections; i++) {
		struct reply r;
		/* The descriptor is left open: one `struct conn` serves them all in turn. */
		conn_open(c, t);
		conn_request(c, "GET", "/v2/", NULL, NULL, 0, &r);
		if (r.status != 200 || r.close)
			die("GET /v2/ on connection %d: status %d%s", i, r.status, r.close ? ", closed" : "");
		conn_drain(c, &r);
	}
	printf("{\"connections\": %d}\n", connections);
	fflush(stdout);
	while (read(STDIN_FILENO, &end, 1) > 0)
		;
	free(c);
}

/* ---- the disk alone ---------------------------------------------------------------------- */

static void *fsync_run(void *arg)
{
	struct worker *w = arg;
	enum { SIZE = 32 << 10 };
	char name[4096], final[4096], *data = malloc(SIZE + 8);
	struct rng rng;

	if (!data)
		die("out of memory");
	rng_seed(&rng);
	rng_fill(&rng, data, SIZE);
	do {
		double start = now();
		int fd;

		snprintf(name, sizeof(name), "%s/w%d.tmp", w->path, w->id);
		snprintf(final, sizeof(final), "%s/w%d.%llu", w->path, w->id, (unsigned long long)w->done);
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
		if (fd < 0 || write(fd, data, SIZE) != SIZE || fsync(fd) < 0 || close(fd) < 0 ||
		    rename(name, final) < 0)
			die("%s: %s", name, strerror(errno));
		samples_add(&w->latency, now() - start);
		w->done++;
	} while (w->end > now());
	free(data);
	return NULL;
}

void load_fsync(const char *dir, int writers, double seconds)
{
	struct worker sum = {0};
	double took = workers_run(fsync_run, (struct worker){.path = dir}, writers, seconds, &sum);

	print_rates("files", took, &sum);
}

/* One large file, written in pieces as a server does, and synced. */
void load_write(const char *dir, uint64_t size)
{
	enum { PIECE = 128 << 10 };
	char name[4096], *data = malloc(PIECE + 8);
	double start, took;
	struct rng rng;
	int fd;

	if (!data)
		die("out of memory");
	rng_seed(&rng);
	rng_fill(&rng, data, PIECE);
	snprintf(name, sizeof(name), "%s/large", dir);
	start = now();
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	for (uint64_t at = 0; fd >= 0 && at < size; at += PIECE) {
		if (write(fd, data, PIECE) != PIECE)
			die("%s: %s", name, strerror(errno));
	}
	if (fd < 0 || fsync(fd) < 0 || close(fd) < 0)
		die("%s: %s", name, strerror(errno));
	took = now() - start;
	free(data);
	printf("{\"bytes\": %llu, \"seconds\": %.4f, \"rate\": %.2f}\n", (unsigned long long)size, took,
	    (double)size / took);
}
