/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metric.c - metrics in the Prometheus text format; see metric.h.
 *
 * Values are doubles kept as 64-bit patterns and changed with compare and
 * swap. Rows are only ever added, at the head of a list that is read without a
 * lock; adding takes the one mutex here.
 */
#include "base/metric.h"
#include "base/clock.h"
#include "base/sync.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct metric_value {
	struct metric_value *next;
	const struct metric_family *family;
	char *labels[METRIC_MAX_LABELS];
	_Atomic uint64_t bits;                            /* value, or the sum of a histogram */
	_Atomic uint64_t buckets[METRIC_MAX_BUCKETS + 1]; /* last: +Inf; not cumulated */
};

static struct metric_family *families;
static struct metric_family **families_end = &families;
static pthread_mutex_t rows_lock = PTHREAD_MUTEX_INITIALIZER;

void metric_register(struct metric_family *f, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		f[i].next = NULL;
		*families_end = &f[i];
		families_end = &f[i].next;
	}
}

void metric_each(void (*fn)(const struct metric_family *f, void *arg), void *arg)
{
	for (const struct metric_family *f = families; f; f = f->next)
		fn(f, arg);
}

static size_t label_count(const struct metric_family *f)
{
	size_t n = 0;

	while (n < METRIC_MAX_LABELS && f->labels[n])
		n++;
	return n;
}

static struct metric_value *find_row(struct metric_family *f, const char *const *labels, size_t n)
{
	struct metric_value *v = __atomic_load_n(&f->values, __ATOMIC_ACQUIRE);

	for (; v; v = v->next) {
		size_t i = 0;

		while (i < n && strcmp(v->labels[i], labels[i]) == 0)
			i++;
		if (i == n)
			return v;
	}
	return NULL;
}

struct metric_value *metric_child(struct metric_family *f, const char *const *labels)
{
	size_t n = label_count(f);
	struct metric_value *v = find_row(f, labels, n);

	if (v)
		return v;
	mutex_lock(&rows_lock);
	v = find_row(f, labels, n);
	if (!v) {
		v = xcalloc(1, sizeof(*v));
		v->family = f;
		for (size_t i = 0; i < n; i++)
			v->labels[i] = xstrdup(labels[i]);
		v->next = f->values;
		__atomic_store_n(&f->values, v, __ATOMIC_RELEASE);
	}
	mutex_unlock(&rows_lock);
	return v;
}

static double from_bits(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

static uint64_t to_bits(double d)
{
	uint64_t bits;

	memcpy(&bits, &d, sizeof(bits));
	return bits;
}

void metric_add(struct metric_value *v, double delta)
{
	uint64_t old = atomic_load_explicit(&v->bits, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(
	    &v->bits, &old, to_bits(from_bits(old) + delta), memory_order_relaxed, memory_order_relaxed))
		;
}

void metric_inc(struct metric_value *v)
{
	metric_add(v, 1);
}

void metric_set(struct metric_value *v, double value)
{
	atomic_store_explicit(&v->bits, to_bits(value), memory_order_relaxed);
}

void metric_observe(struct metric_value *v, double value)
{
	const double *le = v->family->buckets;
	size_t i = 0;

	while (i < METRIC_MAX_BUCKETS && le[i] != 0 && value > le[i])
		i++;
	if (i < METRIC_MAX_BUCKETS && le[i] == 0)
		i = METRIC_MAX_BUCKETS;
	atomic_fetch_add_explicit(&v->buckets[i], 1, memory_order_relaxed);
	metric_add(v, value);
}

double metric_get(const struct metric_value *v)
{
	return from_bits(atomic_load_explicit(&v->bits, memory_order_relaxed));
}

#define NUMBER_TEXT 32

/* The shortest text that reads back as the same number: a sum that grows must
 * not look as if it stood still. */
static const char *number(double d, char text[NUMBER_TEXT])
{
	if (isnan(d))
		return "NaN";
	if (isinf(d))
		return d > 0 ? "+Inf" : "-Inf";
	if (d == floor(d) && fabs(d) < 1e15) {
		snprintf(text, NUMBER_TEXT, "%.0f", d);
		return text;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, NUMBER_TEXT, "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	return text;
}

static void add_number(struct buf *out, double d)
{
	char text[NUMBER_TEXT];

	buf_adds(out, number(d, text));
}

static void add_label(struct buf *out, bool *first, const char *name, const char *value)
{
	buf_addc(out, *first ? '{' : ',');
	*first = false;
	buf_adds(out, name);
	buf_adds(out, "=\"");
	for (const char *c = value; *c; c++) {
		if (*c == '\n') {
			buf_adds(out, "\\n");
			continue;
		}
		if (*c == '"' || *c == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *c);
	}
	buf_addc(out, '"');
}

/* One sample line; `le` is NULL but for histogram buckets. */
static void add_sample(struct buf *out, const struct metric_value *v, const char *suffix, const char *le, double value)
{
	const struct metric_family *f = v->family;
	bool first = true;

	buf_adds(out, f->name);
	buf_adds(out, suffix);
	for (size_t i = 0; i < label_count(f); i++)
		add_label(out, &first, f->labels[i], v->labels[i]);
	if (le)
		add_label(out, &first, "le", le);
	if (!first)
		buf_addc(out, '}');
	buf_addc(out, ' ');
	add_number(out, value);
	buf_addc(out, '\n');
}

static void add_histogram(struct buf *out, const struct metric_value *v)
{
	const double *le = v->family->buckets;
	uint64_t total = 0;
	char text[NUMBER_TEXT];

	for (size_t i = 0; i < METRIC_MAX_BUCKETS && le[i] != 0; i++) {
		total += atomic_load_explicit(&v->buckets[i], memory_order_relaxed);
		add_sample(out, v, "_bucket", number(le[i], text), (double)total);
	}
	total += atomic_load_explicit(&v->buckets[METRIC_MAX_BUCKETS], memory_order_relaxed);
	add_sample(out, v, "_bucket", "+Inf", (double)total);
	add_sample(out, v, "_sum", NULL, metric_get(v));
	add_sample(out, v, "_count", NULL, (double)total);
}

static void add_family(struct buf *out, const struct metric_family *f)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};

	buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, types[f->type]);
	if (f->collect) {
		buf_addf(out, "%s ", f->name);
		add_number(out, f->collect(f->collect_arg));
		buf_addc(out, '\n');
		return;
	}
	for (const struct metric_value *v = __atomic_load_n(&f->values, __ATOMIC_ACQUIRE); v; v = v->next) {
		if (f->type == METRIC_HISTOGRAM)
			add_histogram(out, v);
		else
			add_sample(out, v, "", NULL, metric_get(v));
	}
}

/* The process_* series of the Prometheus client conventions, from /proc. */
static void add_process(struct buf *out)
{
	struct timespec cpu = {0};
	unsigned long vsize = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f) {
		if (fscanf(f, "%lu %lu", &vsize, &rss) != 2)
			vsize = rss = 0;
		fclose(f);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	buf_addf(out,
	    "# HELP process_cpu_seconds_total CPU time used, user and system.\n"
	    "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.3f\n"
	    "# HELP process_resident_memory_bytes Resident memory.\n"
	    "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %llu\n"
	    "# HELP process_virtual_memory_bytes Virtual memory.\n"
	    "# TYPE process_virtual_memory_bytes gauge\nprocess_virtual_memory_bytes %llu\n",
	    (double)cpu.tv_sec + (double)cpu.tv_nsec / CLOCK_S,
	    (unsigned long long)rss * (unsigned long long)sysconf(_SC_PAGESIZE),
	    (unsigned long long)vsize * (unsigned long long)sysconf(_SC_PAGESIZE));
}

void metric_write(struct buf *out)
{
	for (const struct metric_family *f = families; f; f = f->next)
		add_family(out, f);
	add_process(out);
}
