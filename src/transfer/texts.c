/* SPDX-License-Identifier: Apache-2.0 */
/* texts.c - reading JSON of archives; see texts.h. */
#include "transfer/texts.h"
#include "archive/source.h"
#include "base/codec.h"

/* What a JSON of an archive may cost to parse. */
#define MAX_DEPTH 64
#define MAX_VALUES 2000000

void *texts_grow(void *v, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return v;
	*cap = *cap ? *cap * 2 : 64;
	return xrealloc(v, *cap * size);
}

struct slice texts_slice(const json_t *s)
{
	return json_is_string(s) ? slice_of(json_string_value(s), json_string_length(s)) : SLICE_NONE;
}

json_t *texts_json(struct slice text, const char *what, struct err *err)
{
	struct json_cost cost = json_measure(text);
	char shown[200];
	json_error_t why;
	json_t *root;

	source_printable(slice_cstr(what), shown);
	if (cost.depth > MAX_DEPTH || cost.values > MAX_VALUES) {
		err_set(err, ERR_TOO_LARGE,
		    "%s of the archive nests %zu levels deep and has about %zu values; at most %d and %d are accepted",
		    shown, cost.depth, cost.values, MAX_DEPTH, MAX_VALUES);
		return NULL;
	}
	root = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		err_set(err, ERR_INVALID, "%s of the archive is not valid JSON: line %d, column %d: %s", shown,
		    why.line, why.column, why.text);
	return root;
}
