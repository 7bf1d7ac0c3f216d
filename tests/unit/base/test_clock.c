/* SPDX-License-Identifier: Apache-2.0 */
/* test_clock.c - dates and durations, forth and back. */
#include "unit.h"

#include "base/clock.h"

#include <time.h>

static void test_clocks(void **state)
{
	int64_t mono = clock_mono(), real = clock_real();

	assert_true(clock_mono() >= mono);
	assert_true(llabs((long long)(real / CLOCK_S - time(NULL))) <= 2);
}

static void test_writing_dates(void **state)
{
	char text[CLOCK_TEXT];
	const int64_t t = INT64_C(1767323045678901234);

	assert_string_equal(clock_rfc3339(t, 0, text), "2026-01-02T03:04:05Z");
	assert_string_equal(clock_rfc3339(t, 3, text), "2026-01-02T03:04:05.678Z");
	assert_string_equal(clock_rfc3339(t, 6, text), "2026-01-02T03:04:05.678901Z");
	assert_string_equal(clock_rfc3339(t, 9, text), "2026-01-02T03:04:05.678901234Z");
	assert_string_equal(clock_rfc3339(t, 99, text), "2026-01-02T03:04:05.678901234Z");
	assert_string_equal(clock_http(t, text), "Fri, 02 Jan 2026 03:04:05 GMT");
	assert_string_equal(clock_clf(t, text), "02/Jan/2026:03:04:05 +0000");
	assert_string_equal(clock_rfc3339(0, 9, text), "1970-01-01T00:00:00.000000000Z");
	/* Before the epoch the fraction still counts upwards. */
	assert_string_equal(clock_rfc3339(-1, 9, text), "1969-12-31T23:59:59.999999999Z");
	assert_string_equal(clock_http(-CLOCK_S, text), "Wed, 31 Dec 1969 23:59:59 GMT");
	assert_string_equal(clock_rfc3339(INT64_MIN, 9, text), "1677-09-21T00:12:43.145224192Z");
	assert_string_equal(clock_rfc3339(INT64_MAX, 9, text), "2262-04-11T23:47:16.854775807Z");
	assert_string_equal(clock_http(INT64_MAX, text), "Fri, 11 Apr 2262 23:47:16 GMT");
	assert_string_equal(clock_clf(INT64_MIN, text), "21/Sep/1677:00:12:43 +0000");
}

static void test_reading_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t want;
	} good[] = {
	    {"1970-01-01T00:00:00Z", 0},
	    {"1970-01-01t00:00:00z", 0},
	    {"2026-01-02T03:04:05Z", INT64_C(1767323045000000000)},
	    {"2026-01-02T03:04:05.678901234Z", INT64_C(1767323045678901234)},
	    {"2026-01-02T03:04:05.6Z", INT64_C(1767323045600000000)},
	    {"2026-01-02T03:04:05.6789012349999Z", INT64_C(1767323045678901234)},
	    {"2026-01-02T05:04:05+02:00", INT64_C(1767323045000000000)},
	    {"2026-01-01T21:34:05.5-05:30", INT64_C(1767323045500000000)},
	    {"2026-01-02T03:04:05-00:00", INT64_C(1767323045000000000)},
	    {"2024-02-29T00:00:00Z", INT64_C(1709164800000000000)},
	    {"2000-02-29T00:00:00Z", INT64_C(951782400000000000)},
	    {"1969-12-31T23:59:59.999999999Z", -1},
	    /* a leap second is the next minute's first */
	    {"2016-12-31T23:59:60Z", INT64_C(1483228800000000000)},
	    {"1677-09-21T00:12:43.145224192Z", INT64_MIN},
	    {"2262-04-11T23:47:16.854775807Z", INT64_MAX},
	    {"1678-01-01T00:00:00+23:59", INT64_C(-9214646340) * CLOCK_S},
	    {"2261-12-31T23:59:60.999999999-23:59", INT64_C(9214732740999999999)},
	};
	static const char *const bad[] = {"", "Z", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z",
	    "2026-01-02T03:04Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05,5Z", "2026-01-02T03:04:05ZZ",
	    "2026-01-02T03:04:05+0200", "2026-01-02T03:04:05+02", "2026-01-02T03:04:05+24:00",
	    "2026-01-02T03:04:05+02:60", "2026-01-02T03:04:05*02:00", "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z",
	    "2026-01-00T03:04:05Z", "2026-01-32T03:04:05Z", "2026-02-29T03:04:05Z", "2100-02-29T03:04:05Z",
	    "2026-02-30T03:04:05Z", "2026-04-31T03:04:05Z", "2026-01-02T24:00:00Z", "2026-01-02T03:60:05Z",
	    "2026-01-02T03:04:61Z", "1677-09-21T00:12:43.145224191Z", "2262-04-11T23:47:16.854775808Z",
	    "2262-04-11T23:47:17Z", "1677-09-21T00:12:42Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
	    "+026-01-02T03:04:05Z", "2026-1-02T03:04:005Z", "2026-01-02T03:04: 5Z", " 2026-01-02T03:04:05Z",
	    "2026-01-02T03:04:05Z "};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		int64_t t = 42;

		if (!clock_parse_rfc3339(slice_cstr(good[i].text), &t) || t != good[i].want)
			fail_msg("%s: %lld", good[i].text, (long long)t);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t t = 42;

		if (clock_parse_rfc3339(slice_cstr(bad[i]), &t))
			fail_msg("'%s' was read as %lld", bad[i], (long long)t);
	}
	int64_t t;
	assert_false(clock_parse_rfc3339(SLICE_NONE, &t));
	assert_false(clock_parse_rfc3339(SLICE("2026-01-02T03:04:05\0"), &t));
}

/* Every day of four centuries in both directions. */
static void test_dates_back_and_forth(void **state)
{
	for (int64_t t = INT64_C(-9223300000); t < INT64_C(9223300000); t += 86399) {
		char text[CLOCK_TEXT];
		int64_t back;

		assert_true(clock_parse_rfc3339(slice_cstr(clock_rfc3339(t * CLOCK_S + 7, 9, text)), &back));
		assert_int_equal(back, t * CLOCK_S + 7);
	}
}

/* What Go's time.ParseDuration makes of these, but for the bare integers. */
static const struct {
	const char *text;
	int64_t want;
} durations[] = {
    {"0", 0},
    {"-0", 0},
    {"+0", 0},
    {"0s", 0},
    {"5", 5},
    {"-5", -5},
    {"1000000000", CLOCK_S},
    {"5s", 5 * CLOCK_S},
    {"+5s", 5 * CLOCK_S},
    {"-5s", -5 * CLOCK_S},
    {"1478s", 1478 * CLOCK_S},
    {"5.0s", 5 * CLOCK_S},
    {"5.6s", 5600 * CLOCK_MS},
    {"5.s", 5 * CLOCK_S},
    {".5s", 500 * CLOCK_MS},
    {"1.004s", 1004 * CLOCK_MS},
    {"1.0040s", 1004 * CLOCK_MS},
    {"100.00100s", 100 * CLOCK_S + CLOCK_MS},
    {"0.3s", 300 * CLOCK_MS},
    {"0.999999999s", 999999999},
    {"0.0000000019s", 1},
    {"10ns", 10},
    {"11us", 11 * CLOCK_US},
    {"12\xC2\xB5s", 12 * CLOCK_US},
    {"12\xCE\xBCs", 12 * CLOCK_US},
    {"13ms", 13 * CLOCK_MS},
    {"15m", 900 * CLOCK_S},
    {"16h", 57600 * CLOCK_S},
    {"1.1h", 3960 * CLOCK_S},
    {"-1.5h", -5400 * CLOCK_S},
    {"3h30m", 12600 * CLOCK_S},
    {"10.5s4m", 250 * CLOCK_S + 500 * CLOCK_MS},
    {"-2m3.4s", -(123 * CLOCK_S + 400 * CLOCK_MS)},
    {"1h2m3s4ms5us6ns", 3723 * CLOCK_S + 4 * CLOCK_MS + 5 * CLOCK_US + 6},
    {"39h9m14.425s", 140954 * CLOCK_S + 425 * CLOCK_MS},
    {"52763797000ns", INT64_C(52763797000)},
    {"0.3333333333333333333h", 1200 * CLOCK_S},
    {"9007199254740993ns", INT64_C(9007199254740993)},
    {"9223372036854775807ns", INT64_MAX},
    {"9223372036854775807", INT64_MAX},
    {"9223372036854775.807us", INT64_MAX},
    {"9223372036s854ms775us807ns", INT64_MAX},
    {"-9223372036854775808ns", INT64_MIN},
    {"-9223372036854775808", INT64_MIN},
    {"-2562047h47m16.854775808s", INT64_MIN},
    {"0.100000000000000000000h", 360 * CLOCK_S},
    {"0.830103483285477580700h", INT64_C(2988372539827)},
};

static void test_reading_durations(void **state)
{
	static const char *const bad[] = {"", "-", "+", "s", ".", "-.", ".s", "+.s", "1.5", "3.", "1d", "3 s", " 3s",
	    "3s ", "--3s", "+-3s", "1h-3m", "1h 3m", "3sm5", "1x", "1e3s", "0x3s", "3000000h", "9223372036854775808ns",
	    "9223372036854775808", "-9223372036854775809", "9223372036854775.808us", "9223372036854ms775us808ns",
	    "9223372036.9s", "-9223372036854775809ns", "9223372036.854775808s", "99999999999999999999999s",
	    "1h9223372036s9223372036s", "\xC2\xB5s", "1\xC2s"};

	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		int64_t d = 42;

		if (!clock_parse_duration(slice_cstr(durations[i].text), &d) || d != durations[i].want)
			fail_msg("%s: %lld", durations[i].text, (long long)d);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int64_t d = 42;

		if (clock_parse_duration(slice_cstr(bad[i]), &d))
			fail_msg("'%s' was read as %lld", bad[i], (long long)d);
	}
	int64_t d;
	assert_false(clock_parse_duration(SLICE_NONE, &d));
	assert_false(clock_parse_duration(SLICE("1s\0"), &d));
}

static void test_writing_durations(void **state)
{
	static const struct {
		int64_t d;
		const char *want;
	} rows[] = {
	    {0, "0s"},
	    {1, "1ns"},
	    {-1, "-1ns"},
	    {999, "999ns"},
	    {1100, "1.1\xC2\xB5s"},
	    {2200000, "2.2ms"},
	    {-2200000, "-2.2ms"},
	    {999999999, "999.999999ms"},
	    {CLOCK_S, "1s"},
	    {3300 * CLOCK_MS, "3.3s"},
	    {59 * CLOCK_S + 999999999, "59.999999999s"},
	    {60 * CLOCK_S, "1m0s"},
	    {180 * CLOCK_S + 34, "3m0.000000034s"},
	    {CLOCK_S + 1, "1.000000001s"},
	    {3600 * CLOCK_S + 10, "1h0m0.00000001s"},
	    {10 * CLOCK_S, "10s"},
	    {100 * CLOCK_MS, "100ms"},
	    {CLOCK_MS + 1, "1.000001ms"},
	    {245 * CLOCK_S + CLOCK_MS, "4m5.001s"},
	    {5400 * CLOCK_S, "1h30m0s"},
	    {18367001 * CLOCK_MS, "5h6m7.001s"},
	    {168 * 3600 * CLOCK_S, "168h0m0s"},
	    {INT64_MAX, "2562047h47m16.854775807s"},
	    {INT64_MIN, "-2562047h47m16.854775808s"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[CLOCK_TEXT];
		int64_t back;

		assert_string_equal(clock_duration(rows[i].d, text), rows[i].want);
		assert_true(clock_parse_duration(slice_cstr(text), &back));
		assert_int_equal(back, rows[i].d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clocks),
	    cmocka_unit_test(test_writing_dates),
	    cmocka_unit_test(test_reading_dates),
	    cmocka_unit_test(test_dates_back_and_forth),
	    cmocka_unit_test(test_reading_durations),
	    cmocka_unit_test(test_writing_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
