/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content.c - see content.h.
 */
#include "http/content.h"

#include "base/clock.h"

#include <time.h>

/* ---- ranges ------------------------------------------------------------ */

/* Digits at the start of *s; a number that is too large becomes UINT64_MAX,
 * which is behind the end of everything. */
static bool take_number(struct slice *s, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s->p[i] - '0'), &v))
			v = UINT64_MAX / 10 * 10; /* stays there, or overflows again */
	*s = slice_from(*s, i);
	*out = v;
	return i > 0;
}

static enum range_found suffix_range(uint64_t n, uint64_t size, uint64_t *first, uint64_t *last)
{
	if (n == 0)
		return RANGE_UNSATISFIABLE;
	if (size == 0)
		return RANGE_WHOLE; /* satisfiable, but nothing that Content-Range could say */
	*first = n < size ? size - n : 0;
	*last = size - 1;
	return RANGE_PART;
}

enum range_found range_parse(struct slice value, uint64_t size, uint64_t *first, uint64_t *last)
{
	struct slice s = slice_trim(value);
	uint64_t from, to;

	if (!slice_starts_icase(s, SLICE("bytes=")))
		return RANGE_WHOLE;
	s = slice_trim(slice_from(s, 6));
	if (s.n > 0 && s.p[0] == '-') {
		s = slice_from(s, 1);
		if (!take_number(&s, &to) || s.n > 0)
			return RANGE_WHOLE;
		return suffix_range(to, size, first, last);
	}
	if (!take_number(&s, &from) || s.n == 0 || s.p[0] != '-')
		return RANGE_WHOLE;
	s = slice_from(s, 1);
	if (s.n == 0)
		to = UINT64_MAX;
	else if (!take_number(&s, &to) || s.n > 0)
		return RANGE_WHOLE;
	/* RFC 9110, 14.1.2 calls a range that ends before it starts invalid and
	 * lets us ignore it; registry clients and the OCI conformance tests
	 * expect to be told. */
	if (to < from || from >= size)
		return RANGE_UNSATISFIABLE;
	*first = from;
	*last = to < size ? to : size - 1;
	return RANGE_PART;
}

/* ---- dates ------------------------------------------------------------- */

static bool take(struct slice *s, struct slice literal)
{
	if (!slice_starts(*s, literal))
		return false;
	*s = slice_from(*s, literal.n);
	return true;
}

static bool take_digits(struct slice *s, size_t n, int *out)
{
	uint64_t v;

	if (s->n < n || !slice_u64(slice_sub(*s, 0, n), 9999, &v))
		return false;
	*out = (int)v;
	*s = slice_from(*s, n);
	return true;
}

/* One of the space-separated names; its index, or false. */
static bool take_name(struct slice *s, const char *names, int *out)
{
	struct slice rest = slice_cstr(names);

	for (int i = 0; rest.p != NULL; i++)
		if (take(s, slice_cut(&rest, ' '))) {
			*out = i;
			return true;
		}
	return false;
}

static bool take_clock(struct slice *s, struct tm *tm)
{
	return take_digits(s, 2, &tm->tm_hour) && take(s, SLICE(":")) && take_digits(s, 2, &tm->tm_min) &&
	       take(s, SLICE(":")) && take_digits(s, 2, &tm->tm_sec);
}

#define MONTHS "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
#define DAYS "Sun Mon Tue Wed Thu Fri Sat"
#define DAYS_LONG "Sunday Monday Tuesday Wednesday Thursday Friday Saturday"

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool date_fixed(struct slice s, struct tm *tm)
{
	int day;

	if (!take_name(&s, DAYS, &day) || !take(&s, SLICE(", ")) || !take_digits(&s, 2, &tm->tm_mday))
		return false;
	if (!take(&s, SLICE(" ")) || !take_name(&s, MONTHS, &tm->tm_mon) || !take(&s, SLICE(" ")))
		return false;
	return take_digits(&s, 4, &tm->tm_year) && take(&s, SLICE(" ")) && take_clock(&s, tm) &&
	       slice_eq_cstr(s, " GMT");
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool date_rfc850(struct slice s, struct tm *tm)
{
	int day;

	if (!take_name(&s, DAYS_LONG, &day) || !take(&s, SLICE(", ")) || !take_digits(&s, 2, &tm->tm_mday))
		return false;
	if (!take(&s, SLICE("-")) || !take_name(&s, MONTHS, &tm->tm_mon) || !take(&s, SLICE("-")))
		return false;
	if (!take_digits(&s, 2, &tm->tm_year) || !take(&s, SLICE(" ")) || !take_clock(&s, tm))
		return false;
	/* A year more than 50 years ahead is one of the last century; a fixed
	 * window does until 2070 and keeps this function pure. */
	tm->tm_year += tm->tm_year < 70 ? 2000 : 1900;
	return slice_eq_cstr(s, " GMT");
}

/* Sun Nov  6 08:49:37 1994 */
static bool date_asctime(struct slice s, struct tm *tm)
{
	int day;

	if (!take_name(&s, DAYS, &day) || !take(&s, SLICE(" ")) || !take_name(&s, MONTHS, &tm->tm_mon))
		return false;
	if (!take(&s, SLICE(" ")))
		return false;
	if (take(&s, SLICE(" ")) ? !take_digits(&s, 1, &tm->tm_mday) : !take_digits(&s, 2, &tm->tm_mday))
		return false;
	return take(&s, SLICE(" ")) && take_clock(&s, tm) && take(&s, SLICE(" ")) && take_digits(&s, 4, &tm->tm_year) &&
	       s.n == 0;
}

bool http_date_parse(struct slice s, int64_t *real)
{
	struct tm tm = {0};

	s = slice_trim(s);
	if (!date_fixed(s, &tm) && !date_rfc850(s, &tm) && !date_asctime(s, &tm))
		return false;
	/* Bounds of what fits into nanoseconds of 64 bits. */
	if (tm.tm_year < 1700 || tm.tm_year > 2250 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return false;
	tm.tm_year -= 1900;
	*real = (int64_t)timegm(&tm) * CLOCK_S;
	return true;
}

/* ---- entity tags ------------------------------------------------------- */

static struct slice opaque(struct slice tag, bool *weak)
{
	*weak = slice_starts(tag, SLICE("W/"));
	return *weak ? slice_from(tag, 2) : tag;
}

static bool etag_eq(struct slice a, struct slice b, bool weak)
{
	bool weak_a, weak_b;
	struct slice x = opaque(a, &weak_a), y = opaque(b, &weak_b);

	return slice_eq(x, y) && (weak || (!weak_a && !weak_b));
}

/* The tag at the start of *s, its quotes included: commas may stand inside of
 * the quotes. */
static bool take_etag(struct slice *s, struct slice *tag)
{
	size_t i = slice_starts(*s, SLICE("W/")) ? 2 : 0;

	if (i >= s->n || s->p[i] != '"')
		return false;
	for (i++; i < s->n && s->p[i] != '"'; i++)
		;
	if (i >= s->n)
		return false;
	*tag = slice_sub(*s, 0, i + 1);
	*s = slice_from(*s, i + 1);
	return true;
}

bool etag_listed(struct slice list, struct slice etag, bool weak)
{
	struct slice s = slice_trim(list), tag;

	if (slice_eq_cstr(s, "*"))
		return true;
	if (etag.p == NULL)
		return false;
	while (s.n > 0) {
		if (take_etag(&s, &tag)) {
			if (etag_eq(tag, etag, weak))
				return true;
		} else {
			slice_cut(&s, ','); /* not a tag: no client of ours, but no reason to fail */
			s = slice_trim(s);
			continue;
		}
		s = slice_trim(s);
		if (s.n > 0 && s.p[0] == ',')
			s = slice_trim(slice_from(s, 1));
	}
	return false;
}

/* ---- the decision ------------------------------------------------------ */

static int64_t whole_seconds(int64_t real)
{
	return real / CLOCK_S * CLOCK_S;
}

/* If-Range: the range only counts if the content is still the one that the
 * client has a part of (RFC 9110, 13.1.5). */
static bool if_range_holds(struct slice value, const struct http_content *c)
{
	int64_t date;

	if (value.p == NULL)
		return true;
	if (slice_starts(value, SLICE("\"")) || slice_starts(value, SLICE("W/")))
		return c->etag.p != NULL && etag_eq(value, c->etag, false);
	return c->modified != 0 && http_date_parse(value, &date) && date == whole_seconds(c->modified);
}

/* 412, 304 or 0: go on. */
static int precondition(const struct http_req *req, const struct http_content *c)
{
	struct slice match = http_header(req, "If-Match");
	struct slice none_match = http_header(req, "If-None-Match");
	struct slice since;
	int64_t date;

	if (match.p != NULL) {
		if (!etag_listed(match, c->etag, false))
			return 412;
	} else {
		since = http_header(req, "If-Unmodified-Since");
		if (since.p != NULL && c->modified != 0 && http_date_parse(since, &date) &&
		    whole_seconds(c->modified) > date)
			return 412;
	}
	if (none_match.p != NULL)
		return etag_listed(none_match, c->etag, true) ? 304 : 0;
	since = http_header(req, "If-Modified-Since");
	if (since.p != NULL && c->modified != 0 && http_date_parse(since, &date) && whole_seconds(c->modified) <= date)
		return 304;
	return 0;
}

void content_decide(const struct http_req *req, const struct http_content *c, struct content_answer *out)
{
	struct slice range;
	uint64_t first = 0, last = 0;

	*out = (struct content_answer){.status = precondition(req, c)};
	if (out->status != 0)
		return;
	*out = (struct content_answer){.status = 200, .length = c->size};
	if (!c->ranges || req->method != HTTP_GET)
		return;
	range = http_header(req, "Range");
	if (range.p == NULL || !if_range_holds(http_header(req, "If-Range"), c))
		return;
	switch (range_parse(range, c->size, &first, &last)) {
	case RANGE_WHOLE:
		break;
	case RANGE_PART:
		*out = (struct content_answer){.status = 206, .first = first, .length = last - first + 1};
		break;
	case RANGE_UNSATISFIABLE:
		*out = (struct content_answer){.status = 416};
		break;
	}
}
