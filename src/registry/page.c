/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - the parameters of paged lists. */
#include "registry/registry_priv.h"

bool page_params(struct call *c, uint64_t *n, struct slice *last)
{
	struct slice text;

	*n = UINT64_MAX;
	if (!http_query(c->req, "last", 0, last))
		*last = SLICE_NONE;
	if (!http_query(c->req, "n", 0, &text) || text.n == 0)
		return true;
	if (!slice_u64(text, INT64_MAX, n)) {
		oci_fail_why(c->req, OCI_PAGINATION_INVALID, "n must be a whole number");
		return false;
	}
	return true;
}
