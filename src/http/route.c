/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.c - see route.h. A pattern is matched from the front up to its "{x+}"
 * and from the back down to it, so that there is one answer and no search.
 */
#include "http/route.h"

#include "base/codec.h"

static bool is_param(struct slice segment)
{
	return segment.n >= 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

static bool is_many(struct slice segment)
{
	return is_param(segment) && segment.p[segment.n - 2] == '+';
}

static struct slice take_last(struct slice *rest)
{
	ssize_t slash = slice_rfind(*rest, '/');
	struct slice last = slice_from(*rest, slash < 0 ? 0 : (size_t)slash + 1);

	*rest = slash < 0 ? SLICE_NONE : slice_sub(*rest, 0, (size_t)slash);
	return last;
}

static bool add_param(struct slice raw, struct arena *arena, struct route_params *out, size_t at)
{
	struct buf b;
	bool ok = true;

	if (raw.n == 0)
		return false;
	ASSERT(at < ROUTE_MAX_PARAMS);
	out->v[at] = raw;
	if (slice_find(raw, '%') >= 0) {
		buf_init(&b, raw.n);
		ok = percent_decode(&b, raw, false) && buf_ok(&b) && b.n > 0;
		if (ok)
			out->v[at] = arena_copy(arena, buf_slice(&b));
		buf_free(&b);
	}
	return ok && out->v[at].p != NULL;
}

static size_t count_params(struct slice pattern)
{
	size_t n = 0;

	for (size_t i = 0; i < pattern.n; i++)
		n += pattern.p[i] == '{';
	return n;
}

/* Every segment of what a "{x+}" takes is a name: not empty. */
static bool segments_named(struct slice s)
{
	while (s.p != NULL)
		if (slice_cut(&s, '/').n == 0)
			return false;
	return true;
}

static bool match_one(struct slice segment, struct slice got, struct arena *arena, struct route_params *out, size_t at)
{
	return is_param(segment) ? add_param(got, arena, out, at) : slice_eq(segment, got);
}

bool route_match(const char *pattern, struct slice path, struct arena *arena, struct route_params *out)
{
	struct slice pat = slice_cstr(pattern), segment = SLICE_NONE;
	size_t front = 0, back = count_params(pat);

	out->n = back;
	while (pat.p != NULL && path.p != NULL) {
		struct slice before = pat;

		segment = slice_cut(&pat, '/');
		if (is_many(segment)) {
			pat = before;
			break;
		}
		if (!match_one(segment, slice_cut(&path, '/'), arena, out, front))
			return false;
		front += is_param(segment);
	}
	if (pat.p == NULL || path.p == NULL)
		return pat.p == NULL && path.p == NULL;
	for (;;) {
		segment = take_last(&pat);
		if (is_many(segment))
			return path.p != NULL && segments_named(path) && add_param(path, arena, out, front);
		if (path.p == NULL)
			return false;
		back -= is_param(segment);
		if (!match_one(segment, take_last(&path), arena, out, back))
			return false;
	}
}
