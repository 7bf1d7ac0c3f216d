/* SPDX-License-Identifier: Apache-2.0 */
/* The purging of unfinished uploads: batches, failures, dry runs, stopping. */
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/sync.h"
#include "jobs/purge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

/* A pile of old uploads, and what it was asked. */
struct pile {
	pthread_mutex_t lock;
	size_t left, calls, largest_limit;
	int64_t before;
	bool dry_run, broken;
};

static enum err_code take(void *arg, int64_t before, size_t limit, bool dry_run, size_t *removed, struct err *err)
{
	struct pile *p = arg;
	enum err_code code = ERR_OK;

	mutex_lock(&p->lock);
	p->calls++;
	p->before = before;
	p->dry_run = dry_run;
	p->largest_limit = limit > p->largest_limit ? limit : p->largest_limit;
	*removed = p->left < limit ? p->left : limit;
	if (p->broken)
		code = err_set(err, ERR_IO, "the pile is broken");
	else if (!dry_run)
		p->left -= *removed;
	mutex_unlock(&p->lock);
	return code;
}

static size_t read_locked(struct pile *p, const size_t *field)
{
	size_t v;

	mutex_lock(&p->lock);
	v = *field;
	mutex_unlock(&p->lock);
	return v;
}

static void run_for(struct pile *p, struct purge_options o, size_t calls)
{
	int64_t deadline = clock_mono() + 10 * CLOCK_S;
	struct purge *purge = NULL;
	struct err err;

	mutex_init(&p->lock);
	o.remove = take;
	o.arg = p;
	o.age = 3600 * CLOCK_S;
	assert_int_equal(purge_start(&o, &purge, &err), ERR_OK);
	while (read_locked(p, &p->calls) < calls && clock_mono() < deadline)
		usleep(1000);
	purge_stop(&purge);
	assert_null(purge);
	assert_true(p->calls >= calls);
}

static double purged_total(void)
{
	struct buf text = BUF_INIT(1 << 20);
	const char *line;
	double v = -1;

	metric_write(&text);
	line = strstr(buf_cstr(&text), "\nberth_uploads_purged_total ");
	assert_non_null(line);
	v = strtod(line + strlen("\nberth_uploads_purged_total "), NULL);
	buf_free(&text);
	return v;
}

static void all_go_in_bounded_batches(void **state)
{
	struct pile p = {.left = 1000};
	double before = purged_total();
	int64_t now = clock_real();

	run_for(&p, (struct purge_options){.interval = 3600 * CLOCK_S}, 6);
	assert_int_equal(p.left, 0);
	assert_true(p.largest_limit <= 200);
	assert_true(p.before <= now - 3600 * CLOCK_S + 30 * CLOCK_S && p.before >= now - 3600 * CLOCK_S);
	assert_true(purged_total() - before == 1000);
}

static void it_goes_on_at_the_interval(void **state)
{
	struct pile p = {0};

	run_for(&p, (struct purge_options){.interval = 10 * CLOCK_MS}, 5);
	assert_false(p.dry_run);
}

static void a_dry_run_removes_nothing_and_ends(void **state)
{
	struct pile p = {.left = 100000};
	double before = purged_total();

	run_for(&p, (struct purge_options){.interval = 3600 * CLOCK_S, .dry_run = true}, 1);
	assert_int_equal(p.calls, 1);
	assert_int_equal(p.left, 100000);
	assert_true(p.dry_run);
	assert_true(purged_total() == before);
}

static void a_failure_waits_for_the_next_interval(void **state)
{
	struct pile p = {.left = 1000, .broken = true};

	run_for(&p, (struct purge_options){.interval = 3600 * CLOCK_S}, 1);
	assert_int_equal(p.calls, 1);
}

static void the_first_run_is_delayed_at_random(void **state)
{
	struct pile p = {0};
	struct purge_options o = {.interval = 24 * 3600 * CLOCK_S, .first = PURGE_FIRST_RANDOM};
	int64_t started = clock_mono();

	/* An hour's choice: that it runs within these few milliseconds does not happen. */
	run_for(&p, o, 0);
	assert_int_equal(p.calls, 0);
	assert_true(clock_mono() - started < 5 * CLOCK_S);
}

static int setup(void **state)
{
	log_setup(&(struct log_options){.level = LOG_LVL_ERROR, .fd = 2});
	purge_metrics_register();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(all_go_in_bounded_batches),
	    cmocka_unit_test(it_goes_on_at_the_interval),
	    cmocka_unit_test(a_dry_run_removes_nothing_and_ends),
	    cmocka_unit_test(a_failure_waits_for_the_next_interval),
	    cmocka_unit_test(the_first_run_is_delayed_at_random),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
