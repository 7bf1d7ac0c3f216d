/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route.h - matching a path against a table of patterns.
 *
 * A pattern is literal segments and parameters: "{x}" takes one segment,
 * "{x+}" one or more, as many as the rest of the pattern allows. At most one
 * "{x+}" a pattern. A trailing slash is significant. Parameters are
 * percent-decoded. Pure and thread-safe.
 */
#ifndef BERTH_HTTP_ROUTE_H
#define BERTH_HTTP_ROUTE_H

#include "base/arena.h"

#define ROUTE_MAX_PARAMS 4

struct route_params {
	struct slice v[ROUTE_MAX_PARAMS]; /* in the order of the pattern */
	size_t n;
};

/* True when `path` (percent-encoded, without query) matches; parameters point
 * into the path or, where decoding changed them, into the arena. */
bool route_match(const char *pattern, struct slice path, struct arena *arena, struct route_params *out);

#endif
