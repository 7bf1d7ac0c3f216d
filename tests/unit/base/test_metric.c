/* SPDX-License-Identifier: Apache-2.0 */
/* test_metric.c - the Prometheus text of counters, gauges and histograms. */
#include "unit.h"

#include "base/metric.h"
#include "base/sync.h"

#include <math.h>

static const double buckets[] = {0.005, 0.5, 1, 4294967296.0, 0};
static const double many[METRIC_MAX_BUCKETS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static double asked(void *arg)
{
	return *(double *)arg;
}

static double answer = 12.5;

enum { PLAIN, LABELLED, HISTOGRAM, COLLECTED, FULL, SHARED };
static struct metric_family families[] = {
    [PLAIN] = {.name = "t_plain_total", .help = "Plain.", .type = METRIC_COUNTER},
    [LABELLED] = {.name = "t_labelled", .help = "Labelled.", .type = METRIC_GAUGE, .labels = {"a", "b", "c", "d"}},
    [HISTOGRAM] =
        {.name = "t_seconds", .help = "Histogram.", .type = METRIC_HISTOGRAM, .labels = {"action"}, .buckets = buckets},
    [COLLECTED] =
        {.name = "t_collected", .help = "Asked.", .type = METRIC_GAUGE, .collect = asked, .collect_arg = &answer},
    [FULL] = {.name = "t_full", .help = "Full.", .type = METRIC_HISTOGRAM, .buckets = many},
    [SHARED] = {.name = "t_shared", .help = "Shared.", .type = METRIC_COUNTER, .labels = {"k"}},
};

static char *scrape(void)
{
	struct buf b = BUF_INIT(1 << 20);

	metric_write(&b);
	return buf_take(&b);
}

/* The scrape has this text, which begins at the start of a line. */
static void assert_scraped(const char *want)
{
	char *text = scrape();
	const char *found = strstr(text, want);

	if (!found || (found != text && found[-1] != '\n'))
		fail_msg("no\n%s\nin\n%s", want, text);
	free(text);
}

static void test_plain(void **state)
{
	struct metric_value *v;

	/* declared, nothing counted yet */
	assert_scraped("# HELP t_plain_total Plain.\n# TYPE t_plain_total counter\n# HELP t_labelled");
	v = metric_child(&families[PLAIN], NULL);
	assert_ptr_equal(v, metric_child(&families[PLAIN], NULL));
	assert_true(metric_get(v) == 0);
	metric_inc(v);
	metric_add(v, 2);
	assert_true(metric_get(v) == 3);
	assert_scraped("t_plain_total 3\n");
}

/* Whatever is counted is told to the last digit: a sum that grows by little
 * must be seen to grow. */
static void test_numbers(void **state)
{
	static const struct {
		double d;
		const char *want;
	} rows[] = {
	    {0, "0"},
	    {-1, "-1"},
	    {0.1, "0.1"},
	    {12.25, "12.25"},
	    {4294967296.0, "4294967296"},
	    {999999999999999.0, "999999999999999"},
	    {1152921504606846976.0, "1.152921504606847e+18"},
	    {1152921504606847232.0, "1.1529215046068472e+18"},
	    {123456.789012, "123456.789012"},
	    {1234567.000001, "1234567.000001"},
	    {1e-9, "1e-09"},
	    {1e300, "1e+300"},
	    {INFINITY, "+Inf"},
	    {-INFINITY, "-Inf"},
	    {NAN, "NaN"},
	    {-NAN, "NaN"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct metric_value *v = metric_child(&families[PLAIN], NULL);
		char want[100];

		metric_set(v, rows[i].d);
		snprintf(want, sizeof(want), "t_plain_total %s\n", rows[i].want);
		assert_scraped(want);
	}
}

static void test_labels(void **state)
{
	static const char *const one[] = {"x", "", "back\\slash", "quote\" line\nend"};
	static const char *const two[] = {"x", "", "back\\slash", "other"};

	assert_ptr_not_equal(metric_child(&families[LABELLED], one), metric_child(&families[LABELLED], two));
	metric_set(metric_child(&families[LABELLED], one), -1.5);
	metric_set(metric_child(&families[LABELLED], two), 2);
	assert_true(metric_get(metric_child(&families[LABELLED], one)) == -1.5);
	assert_scraped("t_labelled{a=\"x\",b=\"\",c=\"back\\\\slash\",d=\"quote\\\" line\\nend\"} -1.5\n");
	assert_scraped("t_labelled{a=\"x\",b=\"\",c=\"back\\\\slash\",d=\"other\"} 2\n");
}

static void test_histogram(void **state)
{
	static const char *const labels[] = {"Stat"};
	static const double seen[] = {0, 0.005, 0.25, 0.75, 1, 2, 1e12, -1};
	struct metric_value *v = metric_child(&families[HISTOGRAM], labels);

	for (size_t i = 0; i < ARRAY_LEN(seen); i++)
		metric_observe(v, seen[i]);
	assert_scraped("# HELP t_seconds Histogram.\n"
	               "# TYPE t_seconds histogram\n"
	               "t_seconds_bucket{action=\"Stat\",le=\"0.005\"} 3\n"
	               "t_seconds_bucket{action=\"Stat\",le=\"0.5\"} 4\n"
	               "t_seconds_bucket{action=\"Stat\",le=\"1\"} 6\n"
	               "t_seconds_bucket{action=\"Stat\",le=\"4294967296\"} 7\n"
	               "t_seconds_bucket{action=\"Stat\",le=\"+Inf\"} 8\n"
	               "t_seconds_sum{action=\"Stat\"} 1000000000003.005\n"
	               "t_seconds_count{action=\"Stat\"} 8\n");
}

/* As many bounds as there can be need no end mark. */
static void test_full_histogram(void **state)
{
	struct metric_value *v = metric_child(&families[FULL], NULL);

	metric_observe(v, 16);
	metric_observe(v, 17);
	assert_scraped("t_full_bucket{le=\"15\"} 0\nt_full_bucket{le=\"16\"} 1\nt_full_bucket{le=\"+Inf\"} 2\n"
	               "t_full_sum 33\nt_full_count 2\n");
}

static void test_collected(void **state)
{
	assert_scraped("# TYPE t_collected gauge\nt_collected 12.5\n");
	answer = 3;
	assert_scraped("t_collected 3\n");
}

static void test_process(void **state)
{
	char *text = scrape();
	const char *at = strstr(text, "\nprocess_resident_memory_bytes ");

	assert_non_null(at);
	assert_true(strtod(strchr(at, ' '), NULL) > 100000);
	assert_non_null(strstr(text, "\nprocess_cpu_seconds_total "));
	assert_non_null(strstr(text, "\nprocess_virtual_memory_bytes "));
	free(text);
}

static void count_one(const struct metric_family *f, void *arg)
{
	size_t *n = arg;

	assert_string_equal(f->name, families[*n].name);
	(*n)++;
}

static void test_each(void **state)
{
	size_t n = 0;

	metric_each(count_one, &n);
	assert_int_equal(n, ARRAY_LEN(families));
}

static void *count_a_lot(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		char name[8];
		const char *labels[] = {name};

		snprintf(name, sizeof(name), "%d", i % 20);
		metric_inc(metric_child(&families[SHARED], labels));
		if (i % 100 == 0)
			free(scrape());
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t t[4];

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(thread_start(&t[i], "count", 256 * 1024, false, count_a_lot, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	for (int i = 0; i < 20; i++) {
		char want[40];

		snprintf(want, sizeof(want), "t_shared{k=\"%d\"} 200\n", i);
		assert_scraped(want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_labels),
	    cmocka_unit_test(test_histogram),
	    cmocka_unit_test(test_full_histogram),
	    cmocka_unit_test(test_collected),
	    cmocka_unit_test(test_process),
	    cmocka_unit_test(test_each),
	    cmocka_unit_test(test_threads),
	};

	metric_register(families, 2);
	metric_register(families + 2, ARRAY_LEN(families) - 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
