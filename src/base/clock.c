/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - clocks, dates and durations; see clock.h. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;
	int rc = clock_gettime(id, &ts);

	ASSERT(rc == 0);
	return ts.tv_sec * CLOCK_S + ts.tv_nsec;
}

int64_t clock_mono(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_real(void)
{
	return read_clock(CLOCK_REALTIME);
}

/* Splits into whole seconds and a fraction that is never negative. */
static void split(int64_t real, struct tm *tm, int64_t *frac)
{
	time_t secs = real / CLOCK_S;

	*frac = real % CLOCK_S;
	if (*frac < 0) {
		*frac += CLOCK_S;
		secs--;
	}
	memset(tm, 0, sizeof(*tm));
	gmtime_r(&secs, tm);
}

const char *clock_rfc3339(int64_t real, int digits, char out[CLOCK_TEXT])
{
	struct tm tm;
	int64_t frac;
	size_t n;

	split(real, &tm, &frac);
	n = strftime(out, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	if (digits > 0) {
		char nanos[12];

		snprintf(nanos, sizeof(nanos), "%09lld", (long long)frac);
		n += (size_t)snprintf(out + n, CLOCK_TEXT - n, ".%.*s", digits > 9 ? 9 : digits, nanos);
	}
	snprintf(out + n, CLOCK_TEXT - n, "Z");
	return out;
}

static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const months[] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

const char *clock_http(int64_t real, char out[CLOCK_TEXT])
{
	struct tm tm;
	int64_t frac;

	split(real, &tm, &frac);
	snprintf(out, CLOCK_TEXT, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
	    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return out;
}

const char *clock_clf(int64_t real, char out[CLOCK_TEXT])
{
	struct tm tm;
	int64_t frac;

	split(real, &tm, &frac);
	snprintf(out, CLOCK_TEXT, "%02d/%s/%04d:%02d:%02d:%02d +0000", tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	return out;
}

/* Exactly `digits` decimal digits at s[at], a value from lo to hi. */
static bool field(struct slice s, size_t at, size_t digits, uint64_t lo, uint64_t hi, int *out)
{
	uint64_t v;

	if (at + digits > s.n || !slice_u64(slice_sub(s, at, digits), hi, &v) || v < lo)
		return false;
	*out = (int)v;
	return true;
}

/* The fraction of a second at the start of *s ("." digits), in nanoseconds. */
static bool fraction(struct slice *s, int64_t *nanos)
{
	int64_t scale = CLOCK_S / 10;
	size_t i = 1;

	*nanos = 0;
	if (s->n == 0 || s->p[0] != '.')
		return true;
	for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		*nanos += (s->p[i] - '0') * scale;
		scale /= 10;
	}
	*s = slice_from(*s, i);
	return i > 1;
}

/* "Z" or "+hh:mm", in seconds. */
static bool zone(struct slice s, int64_t *offset)
{
	int h, m;

	if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')) {
		*offset = 0;
		return true;
	}
	if (s.n != 6 || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' || !field(s, 1, 2, 0, 23, &h) ||
	    !field(s, 4, 2, 0, 59, &m))
		return false;
	*offset = (s.p[0] == '-' ? -1 : 1) * (h * 3600 + m * 60);
	return true;
}

static int days_in_month(int year, int month)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return lengths[month - 1] + (month == 2 && leap);
}

bool clock_parse_rfc3339(struct slice s, int64_t *real)
{
	struct tm tm = {0};
	int64_t nanos, offset;
	struct slice rest = slice_from(s, 19);

	if (s.n < 20 || s.p[4] != '-' || s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != 't') || s.p[13] != ':' ||
	    s.p[16] != ':')
		return false;
	if (!field(s, 0, 4, 1677, 2262, &tm.tm_year) || !field(s, 5, 2, 1, 12, &tm.tm_mon) ||
	    !field(s, 8, 2, 1, 31, &tm.tm_mday) || !field(s, 11, 2, 0, 23, &tm.tm_hour) ||
	    !field(s, 14, 2, 0, 59, &tm.tm_min) || !field(s, 17, 2, 0, 60, &tm.tm_sec) || !fraction(&rest, &nanos) ||
	    !zone(rest, &offset))
		return false;
	/* timegm would quietly make the second of March of the thirtieth of February. */
	if (tm.tm_mday > days_in_month(tm.tm_year, tm.tm_mon))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	/* The first and the last of these years fit into 64 bits in part only. */
	*real = (int64_t)timegm(&tm) - offset;
	if (*real < 0) {
		/* A second up and its nanoseconds down, or the very first would not fit. */
		*real += 1;
		nanos -= CLOCK_S;
	}
	return !__builtin_mul_overflow(*real, CLOCK_S, real) && !__builtin_add_overflow(*real, nanos, real);
}

/* Units of Go's durations, the longer spelling first where one starts the other. */
static const struct {
	const char *name;
	int64_t ns;
} units[] = {
    {"ns", 1},
    {"us", CLOCK_US},
    {"\xC2\xB5s", CLOCK_US},
    {"\xCE\xBCs", CLOCK_US},
    {"ms", CLOCK_MS},
    {"s", CLOCK_S},
    {"m", 60 * CLOCK_S},
    {"h", 3600 * CLOCK_S},
};

/* The magnitude of the longest duration, which only a negative one reaches. */
#define DURATION_MAX ((uint64_t)1 << 63)

static size_t count_digits(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
		n++;
	return n;
}

/* ".5" at the start of *s as 5 over 10; false when there are no digits and
 * `needed`. Digits beyond what 63 bits hold change nothing. */
static bool decimals(struct slice *s, bool needed, uint64_t *above, double *below)
{
	size_t n;

	*above = 0;
	*below = 1;
	if (s->n == 0 || s->p[0] != '.')
		return !needed;
	*s = slice_from(*s, 1);
	n = count_digits(*s);
	for (size_t i = 0; i < n && *above <= (INT64_MAX - 9) / 10; i++) {
		*above = *above * 10 + (uint64_t)(s->p[i] - '0');
		*below *= 10;
	}
	*s = slice_from(*s, n);
	return n > 0 || !needed;
}

/* One "<number><unit>" off the front of *s, added to *total. */
static bool add_component(struct slice *s, uint64_t *total)
{
	size_t whole = count_digits(*s);
	uint64_t v = 0, above;
	double below;

	if (whole && !slice_u64(slice_sub(*s, 0, whole), DURATION_MAX, &v))
		return false;
	*s = slice_from(*s, whole);
	if (!decimals(s, whole == 0, &above, &below))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		struct slice name = slice_cstr(units[i].name);

		if (!slice_starts(*s, name))
			continue;
		*s = slice_from(*s, name.n);
		return !__builtin_mul_overflow(v, (uint64_t)units[i].ns, &v) &&
		       !__builtin_add_overflow(v, (uint64_t)((double)above * ((double)units[i].ns / below)), &v) &&
		       !__builtin_add_overflow(*total, v, total) && *total <= DURATION_MAX;
	}
	return false;
}

bool clock_parse_duration(struct slice s, int64_t *out)
{
	bool negative = s.n && s.p[0] == '-';
	uint64_t total = 0;

	if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
		s = slice_from(s, 1);
	if (s.n == 0)
		return false;
	if (!slice_u64(s, DURATION_MAX, &total)) {
		while (s.n) {
			if (!add_component(&s, &total))
				return false;
		}
	}
	if (total == DURATION_MAX && !negative)
		return false;
	*out = negative ? (int64_t)-total : (int64_t)total;
	return true;
}

/* v counted in units of 10^digits, without the zeros at the end: "1.5". */
static void fixed(uint64_t v, int digits, char out[CLOCK_TEXT])
{
	uint64_t unit = 1;
	size_t n;

	for (int i = 0; i < digits; i++)
		unit *= 10;
	n = (size_t)snprintf(
	    out, CLOCK_TEXT, "%llu.%0*llu", (unsigned long long)(v / unit), digits, (unsigned long long)(v % unit));
	while (out[n - 1] == '0')
		n--;
	if (out[n - 1] == '.')
		n--;
	out[n] = '\0';
}

const char *clock_duration(int64_t d, char out[CLOCK_TEXT])
{
	const char *sign = d < 0 ? "-" : "";
	uint64_t u = d < 0 ? -(uint64_t)d : (uint64_t)d;
	unsigned long long h = u / (3600ULL * CLOCK_S), m = u / (60ULL * CLOCK_S) % 60;
	char text[CLOCK_TEXT];

	if (u >= CLOCK_S)
		fixed(u % (60ULL * CLOCK_S), 9, text);
	else if (u >= CLOCK_MS)
		fixed(u, 6, text);
	else
		fixed(u, 3, text);
	if (u == 0)
		snprintf(out, CLOCK_TEXT, "0s");
	else if (u < CLOCK_US)
		snprintf(out, CLOCK_TEXT, "%s%lluns", sign, (unsigned long long)u);
	else if (u < CLOCK_MS)
		snprintf(out, CLOCK_TEXT, "%s%.20s\xC2\xB5s", sign, text);
	else if (u < CLOCK_S)
		snprintf(out, CLOCK_TEXT, "%s%.20sms", sign, text);
	else if (h)
		snprintf(out, CLOCK_TEXT, "%s%lluh%llum%.12ss", sign, h, m, text);
	else if (m)
		snprintf(out, CLOCK_TEXT, "%s%llum%.12ss", sign, m, text);
	else
		snprintf(out, CLOCK_TEXT, "%s%.20ss", sign, text);
	return out;
}
