/* SPDX-License-Identifier: Apache-2.0 */
/* tags.c - GET /v2/<name>/tags/list. */
#include "base/log.h"
#include "registry/registry_priv.h"

/* Tags fetched at once while a whole list is streamed. */
#define STREAM_PAGE 1000

static void fail_list(struct call *c, const struct err *err)
{
	struct buf detail = BUF_INIT(1024);

	if (err->code != ERR_NOT_FOUND) {
		oci_fail_system(c->req, err, "listing tags");
		return;
	}
	buf_adds(&detail, "{\"name\":");
	buf_add_json(&detail, c->name);
	buf_addc(&detail, '}');
	oci_fail_detail(c->req, OCI_NAME_UNKNOWN, buf_slice(&detail));
	buf_free(&detail);
}

static void add_tags(struct buf *b, const struct meta_names *names, bool first)
{
	for (size_t i = 0; i < names->n; i++) {
		if (i || !first)
			buf_addc(b, ',');
		buf_add_json(b, names->v[i]);
	}
}

static void begin_list(struct call *c, struct buf *b)
{
	buf_adds(b, "{\"name\":");
	buf_add_json(b, c->name);
	buf_adds(b, ",\"tags\":[");
	http_header_set(c->req, "Content-Type", SLICE("application/json; charset=utf-8"));
}

/* All tags, page by page, so that a repository of any size costs one page of
 * memory. `names` is the first page. */
static void stream_tags(struct call *c, struct buf *b, struct meta_names *names)
{
	struct arena page;
	struct err err = {0};

	arena_init(&page, (size_t)1 << 20);
	http_stream_begin(c->req, 200);
	while (http_stream_ok(c->req)) {
		char last_text[REFERENCE_TAG_MAX + 1];
		struct slice last = names->v[names->n - 1];

		http_stream_write(c->req, buf_slice(b));
		buf_clear(b);
		if (!names->more || !slice_to_cstr(last, last_text, sizeof(last_text)))
			break;
		arena_reset(&page);
		if (meta_tags(c->r->o.meta, c->name, slice_cstr(last_text), STREAM_PAGE, &page, names, &err)) {
			/* A list that ends early must not look complete. */
			LOG_ERROR("a list of tags was cut off", LOG_SLICE("repository", c->name),
			    LOG_STR("error", err.msg), LOG_STR("request", c->req->id));
			http_close_after(c->req);
			arena_free(&page);
			return;
		}
		if (names->n == 0)
			break;
		add_tags(b, names, false);
	}
	http_stream_write(c->req, SLICE("]}\n"));
	http_stream_end(c->req);
	arena_free(&page);
}

void tags_get(struct call *c)
{
	struct meta_names names;
	struct slice last;
	struct err err = {0};
	struct buf b = BUF_INIT((size_t)16 << 20);
	uint64_t n;
	bool whole;

	if (!page_params(c, &n, &last))
		return;
	whole = n == UINT64_MAX;
	if (whole)
		n = STREAM_PAGE;
	else if (n > c->r->o.tags_max)
		n = c->r->o.tags_max;
	if (meta_tags(c->r->o.meta, c->name, last, n, c->req->arena, &names, &err)) {
		fail_list(c, &err);
		return;
	}
	begin_list(c, &b);
	add_tags(&b, &names, true);
	if (whole && names.more) {
		stream_tags(c, &b, &names);
	} else {
		if (names.more && names.n)
			location_next(c, names.v[names.n - 1], n);
		buf_adds(&b, "]}\n");
		http_reply(c->req, 200, buf_slice(&b));
	}
	buf_free(&b);
}
