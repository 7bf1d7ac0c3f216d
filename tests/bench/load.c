/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - command line of the load generator, and what its loads share. */
#include "load.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void rng_seed(struct rng *r)
{
	if (getrandom(r->s, sizeof(r->s), 0) != sizeof(r->s))
		die("getrandom failed");
	r->s[0] |= 1;
}

uint64_t rng_next(struct rng *r) /* xorshift128+ */
{
	uint64_t a = r->s[0], b = r->s[1];

	r->s[0] = b;
	a ^= a << 23;
	r->s[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
	return r->s[1] + b;
}

void rng_fill(struct rng *r, void *p, size_t n)
{
	char *out = p;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t x = rng_next(r);
		memcpy(out + i, &x, 8);
	}
}

struct hex sha256(const void *p, size_t n)
{
	struct hex out = {"sha256:"};
	unsigned char md[32];

	if (EVP_Digest(p, n, md, NULL, EVP_sha256(), NULL) != 1)
		die("SHA-256 failed");
	for (size_t i = 0; i < sizeof(md); i++)
		snprintf(out.s + 7 + 2 * i, 3, "%02x", md[i]);
	return out;
}

void samples_add(struct samples *s, double x)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->v = realloc(s->v, s->cap * sizeof(*s->v));
		if (!s->v)
			die("out of memory");
	}
	s->v[s->n++] = x;
}

void samples_merge(struct samples *into, struct samples *from)
{
	for (size_t i = 0; i < from->n; i++)
		samples_add(into, from->v[i]);
	free(from->v);
	*from = (struct samples){0};
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double samples_percentile(struct samples *s, double p)
{
	if (s->n == 0)
		return 0;
	qsort(s->v, s->n, sizeof(*s->v), by_value);
	return s->v[(size_t)(p / 100 * (double)(s->n - 1))];
}

static void usage(void)
{
	fputs("usage: load [-t] [-a AUTHORIZATION] pull PORT PATH CLIENTS SECONDS   (0 s: each client pulls once)\n"
	      "       load [-t] [-a AUTHORIZATION] push PORT REPOSITORY BYTES\n"
	      "       load [-t] [-a AUTHORIZATION] images PORT CLIENTS SECONDS\n"
	      "       load [-t] [-a AUTHORIZATION] urls PORT                       (paths on standard input)\n"
	      "       load [-t] [-a AUTHORIZATION] idle PORT CONNECTIONS           (until standard input ends)\n"
	      "       load fsync DIRECTORY WRITERS SECONDS\n"
	      "       load write DIRECTORY BYTES\n",
	    stderr);
	exit(2);
}

static SSL_CTX *trusting_client(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		die("no TLS context");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	return ctx;
}

int main(int argc, char **argv)
{
	struct target t = {0};
	const char *what;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "-t") == 0)
			t.tls = trusting_client();
		else if (strcmp(argv[i], "-a") == 0 && i + 1 < argc)
			t.authorization = argv[++i];
		else
			usage();
	}
	if (argc - i < 2)
		usage();
	what = argv[i];
	t.port = (uint16_t)atoi(argv[i + 1]);
	argv += i + 2;
	argc -= i + 2;
	if (strcmp(what, "pull") == 0 && argc == 3)
		load_pull(&t, argv[0], atoi(argv[1]), atof(argv[2]));
	else if (strcmp(what, "push") == 0 && argc == 2)
		load_push(&t, argv[0], strtoull(argv[1], NULL, 10));
	else if (strcmp(what, "images") == 0 && argc == 2)
		load_images(&t, atoi(argv[0]), atof(argv[1]));
	else if (strcmp(what, "urls") == 0 && argc == 0)
		load_urls(&t);
	else if (strcmp(what, "idle") == 0 && argc == 1)
		load_idle(&t, atoi(argv[0]));
	else if (strcmp(what, "fsync") == 0 && argc == 2)
		load_fsync(argv[-1], atoi(argv[0]), atof(argv[1]));
	else if (strcmp(what, "write") == 0 && argc == 1)
		load_write(argv[-1], strtoull(argv[0], NULL, 10));
	else
		usage();
	SSL_CTX_free(t.tls);
	return 0;
}
