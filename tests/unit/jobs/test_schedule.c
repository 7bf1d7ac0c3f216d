/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that calls functions at intervals. */
#include "base/clock.h"
#include "jobs/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>
#include <cmocka.h>

static void count(void *arg)
{
	atomic_fetch_add((_Atomic int *)arg, 1);
}

/* Waits until the counter is at least n; false after ten seconds. */
static bool reaches(_Atomic int *counter, int n)
{
	int64_t deadline = clock_mono() + 10 * CLOCK_S;

	while (*counter < n && clock_mono() < deadline)
		usleep(1000);
	return *counter >= n;
}

static void each_runs_at_its_own_interval(void **state)
{
	_Atomic int often = 0, once = 0, never = 0;
	struct schedule_task tasks[] = {
	    {.first = 0, .interval = 5 * CLOCK_MS, .run = count, .arg = &often},
	    {.first = 0, .interval = 3600 * CLOCK_S, .run = count, .arg = &once},
	    {.first = 3600 * CLOCK_S, .interval = CLOCK_MS, .run = count, .arg = &never},
	};
	struct schedule *s = NULL;
	struct err err;

	assert_int_equal(schedule_start("test", tasks, ARRAY_LEN(tasks), &s, &err), ERR_OK);
	assert_true(reaches(&often, 10));
	schedule_stop(&s);
	assert_null(s);
	assert_int_equal(once, 1);
	assert_int_equal(never, 0);
}

static void the_interval_counts_from_the_end(void **state)
{
	_Atomic int runs = 0;
	struct schedule_task task = {.interval = 40 * CLOCK_MS, .run = count, .arg = &runs};
	struct schedule *s = NULL;
	int64_t started = clock_mono();
	struct err err;

	assert_int_equal(schedule_start("test", &task, 1, &s, &err), ERR_OK);
	assert_true(reaches(&runs, 6));
	assert_true(clock_mono() - started >= 5 * 40 * CLOCK_MS);
	schedule_stop(&s);
}

static _Atomic int entered, left;

static void slow(void *arg)
{
	entered = 1;
	usleep(200 * 1000);
	left = 1;
}

static void stopping_waits_for_the_one_that_runs(void **state)
{
	struct schedule_task task = {.interval = CLOCK_MS, .run = slow};
	struct schedule *s = NULL;
	struct err err;

	assert_int_equal(schedule_start("test", &task, 1, &s, &err), ERR_OK);
	assert_true(reaches(&entered, 1));
	schedule_stop(&s);
	assert_int_equal(left, 1);
}

static void stopping_does_not_wait_for_the_next(void **state)
{
	_Atomic int runs = 0;
	struct schedule_task task = {.first = 3600 * CLOCK_S, .interval = CLOCK_S, .run = count, .arg = &runs};
	struct schedule *s = NULL;
	int64_t started = clock_mono();
	struct err err;

	assert_int_equal(schedule_start("test", &task, 1, &s, &err), ERR_OK);
	schedule_stop(&s);
	schedule_stop(&s);
	assert_true(clock_mono() - started < 5 * CLOCK_S);
	assert_int_equal(runs, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_runs_at_its_own_interval),
	    cmocka_unit_test(the_interval_counts_from_the_end),
	    cmocka_unit_test(stopping_waits_for_the_one_that_runs),
	    cmocka_unit_test(stopping_does_not_wait_for_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
