/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_range.c - ranges, HTTP dates and lists of entity tags. The first eight
 * bytes are the size of the content, the rest is the field's value.
 */
#include "http/content.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(struct slice value, uint64_t size)
{
	uint64_t first = 0, last = 0;

	if (range_parse(value, size, &first, &last) == RANGE_PART)
		ASSERT(first <= last && last < size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice value;
	uint64_t n;
	int64_t date;

	if (size < sizeof(n))
		return 0;
	memcpy(&n, data, sizeof(n));
	value = slice_of(data + sizeof(n), size - sizeof(n));
	check_range(value, n);
	check_range(value, n % 100);
	if (http_date_parse(value, &date))
		ASSERT(date % 1000000000 == 0);
	/* What matches strongly matches weakly. */
	ASSERT(!etag_listed(value, SLICE("\"a\""), false) || etag_listed(value, SLICE("\"a\""), true));
	/* A tag is in the list that it is alone. */
	if (value.n >= 2 && value.p[0] == '"' && slice_find(slice_from(value, 1), '"') == (ssize_t)value.n - 2)
		ASSERT(etag_listed(value, value, false));
	return 0;
}
