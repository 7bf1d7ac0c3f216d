/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dispatch.c - from a request to its handler: health, route, method, name,
 * access, handler. The route table below is the whole API.
 */
#include "registry/registry_priv.h"
#include "http/route.h"

#include <string.h>

enum route_flags {
	ROUTE_QUICK = 1, /* computes and reads cached pages only: keeps its place among the takers */
	ROUTE_WRITE = 2, /* refused in read-only mode */
};

struct route {
	const char *label; /* in metrics, as registry:2 names its handlers */
	const char *pattern;
	enum http_method method; /* GET stands for HEAD as well */
	unsigned flags;
	call_handler *handler;
};

/* First match wins. Rows of one pattern stand together. */
static const struct route routes[] = {
    {"base", "/v2/", HTTP_GET, ROUTE_QUICK, base_get},
    {"catalog", "/v2/_catalog", HTTP_GET, 0, catalog_get},
    {"tags", "/v2/{name+}/tags/list", HTTP_GET, 0, tags_get},
    {"manifest", "/v2/{name+}/manifests/{reference}", HTTP_GET, ROUTE_QUICK, manifest_get},
    {"manifest", "/v2/{name+}/manifests/{reference}", HTTP_PUT, ROUTE_WRITE, manifest_put},
    {"manifest", "/v2/{name+}/manifests/{reference}", HTTP_DELETE, ROUTE_WRITE, manifest_delete},
    {"referrers", "/v2/{name+}/referrers/{digest}", HTTP_GET, 0, referrers_get},
    {"blob_upload", "/v2/{name+}/blobs/uploads/", HTTP_POST, ROUTE_WRITE, upload_start},
    {"blob_upload", "/v2/{name+}/blobs/uploads", HTTP_POST, ROUTE_WRITE, upload_start},
    {"blob_upload_chunk", "/v2/{name+}/blobs/uploads/{id}", HTTP_GET, 0, upload_status},
    {"blob_upload_chunk", "/v2/{name+}/blobs/uploads/{id}", HTTP_PATCH, ROUTE_WRITE, upload_patch},
    {"blob_upload_chunk", "/v2/{name+}/blobs/uploads/{id}", HTTP_PUT, ROUTE_WRITE, upload_put},
    {"blob_upload_chunk", "/v2/{name+}/blobs/uploads/{id}", HTTP_DELETE, ROUTE_WRITE, upload_cancel},
    {"blob", "/v2/{name+}/blobs/{digest}", HTTP_GET, 0, blob_get},
    {"blob", "/v2/{name+}/blobs/{digest}", HTTP_DELETE, ROUTE_WRITE, blob_delete},
};

/* What a method needs in the repository it names (token specification). */
static const char *const actions_read[] = {"pull", NULL};
static const char *const actions_write[] = {"pull", "push", NULL};
static const char *const actions_delete[] = {"delete", NULL};

static const char *const *actions_of(enum http_method m)
{
	switch (m) {
	case HTTP_GET:
	case HTTP_HEAD:
		return actions_read;
	case HTTP_DELETE:
		return actions_delete;
	default:
		return actions_write;
	}
}

/* ---- routing ------------------------------------------------------------- */

/* The path below http.prefix, starting with '/'; absent when outside of it. */
static struct slice below_prefix(const struct registry *r, struct slice path)
{
	struct slice prefix = slice_cstr(r->o.prefix);

	if (prefix.n <= 1)
		return path;
	if (!slice_starts(path, prefix))
		return SLICE_NONE;
	return slice_from(path, prefix.n - 1);
}

static size_t next_pattern(size_t i)
{
	const char *pattern = routes[i].pattern;

	while (i < ARRAY_LEN(routes) && routes[i].pattern == pattern)
		i++;
	return i;
}

/* The first row of the pattern that matches, or the end of the table. */
static size_t find_pattern(struct call *c, struct slice path, struct route_params *params)
{
	size_t i = 0;

	while (i < ARRAY_LEN(routes) && !route_match(routes[i].pattern, path, c->req->arena, params))
		i = next_pattern(i);
	return i;
}

static const struct route *find_method(size_t first, enum http_method m)
{
	if (m == HTTP_HEAD)
		m = HTTP_GET;
	for (size_t i = first; i < next_pattern(first); i++) {
		if (routes[i].method == m)
			return &routes[i];
	}
	return NULL;
}

static void add_allow(struct call *c, size_t first)
{
	static const char *const names[HTTP_METHODS] = {
	    [HTTP_GET] = "GET, HEAD",
	    [HTTP_POST] = "POST",
	    [HTTP_PUT] = "PUT",
	    [HTTP_PATCH] = "PATCH",
	    [HTTP_DELETE] = "DELETE",
	};
	struct buf b = BUF_INIT(256);

	for (size_t i = first; i < next_pattern(first); i++) {
		if (!c->r->o.read_only || !(routes[i].flags & ROUTE_WRITE))
			buf_addf(&b, "%s%s", b.n ? ", " : "", names[routes[i].method]);
	}
	http_header_set(c->req, "Allow", buf_slice(&b));
	buf_free(&b);
}

/* ---- access ---------------------------------------------------------------- */

/* The error body of a refusal lists what was asked for, as registry:2 does. */
static void fail_unauthorized(struct call *c, const struct auth_access *access, size_t n)
{
	struct buf b = BUF_INIT(8192);

	for (size_t i = 0; i < n; i++) {
		buf_addf(&b, "%s{\"Type\":\"%s\",\"Class\":\"\",\"Name\":", i ? "," : "[", access[i].type);
		buf_add_json(&b, access[i].name);
		buf_addf(&b, ",\"Action\":\"%s\"}", access[i].action);
	}
	buf_adds(&b, n ? "]" : "null");
	oci_fail_detail(c->req, OCI_UNAUTHORIZED, buf_slice(&b));
	buf_free(&b);
}

static bool check_access(struct call *c, const struct auth_access *access, size_t n)
{
	struct slice why = SLICE_NONE;

	switch (auth_check(c->r->o.auth, c->req, access, n, &why)) {
	case AUTH_GRANTED:
		return true;
	case AUTH_UNAUTHORIZED:
		fail_unauthorized(c, access, n);
		return false;
	case AUTH_DENIED:
		oci_fail_why(c->req, OCI_DENIED, "%.*s", SLICE_ARG(why));
		return false;
	case AUTH_THROTTLED:
		oci_fail_why(c->req, OCI_TOO_MANY_REQUESTS, "%.*s", SLICE_ARG(why));
		return false;
	case AUTH_ERROR:
		break;
	}
	oci_fail_why(c->req, OCI_UNAVAILABLE, "access could not be checked (request %s)", c->req->id);
	return false;
}

static bool authorise(struct call *c, const struct route *route)
{
	struct auth_access access[4];
	struct slice from;
	size_t n = 0;

	if (!c->r->o.auth)
		return true;
	if (route->handler == catalog_get) {
		access[n++] = (struct auth_access){"registry", SLICE("catalog"), "*"};
	} else if (c->name.p) {
		for (const char *const *a = actions_of(c->req->method); *a; a++)
			access[n++] = (struct auth_access){"repository", c->name, *a};
		if (route->handler == upload_start && http_query(c->req, "from", 0, &from) && from.n)
			access[n++] = (struct auth_access){"repository", from, "pull"};
	}
	return check_access(c, access, n);
}

/* ---- the handler ------------------------------------------------------------ */

static bool healthy(struct call *c)
{
	char why[256];

	if (!c->r->o.healthy || c->r->o.healthy(c->r->o.healthy_arg, why, sizeof(why)))
		return true;
	oci_fail_why(c->req, OCI_UNAVAILABLE, "%s", why);
	return false;
}

/* The two paths outside of the API: the root, and /v2 without its slash. */
static bool handle_special(struct call *c, struct slice path)
{
	if (slice_eq(c->req->path, SLICE("/"))) {
		c->req->route = "root";
		http_header_set(c->req, "Cache-Control", SLICE("no-cache"));
		http_reply(c->req, 200, SLICE(""));
		return true;
	}
	if (slice_eq(path, SLICE("/v2"))) {
		c->req->route = "base";
		http_header_set(c->req, "Docker-Distribution-Api-Version", SLICE("registry/2.0"));
		http_header_addf(c->req, "Location", "%.*s/", SLICE_ARG(c->req->path));
		http_reply(c->req, 301, SLICE(""));
		return true;
	}
	return false;
}

static void dispatch(struct call *c)
{
	struct slice path = below_prefix(c->r, c->req->path);
	struct route_params params = {0};
	const struct route *route;
	const char *why;
	size_t first;

	if (handle_special(c, path))
		return;
	http_header_set(c->req, "Docker-Distribution-Api-Version", SLICE("registry/2.0"));
	first = path.p ? find_pattern(c, path, &params) : ARRAY_LEN(routes);
	if (first == ARRAY_LEN(routes)) {
		c->req->route = "none";
		oci_fail(c->req, OCI_NOT_FOUND);
		return;
	}
	c->req->route = routes[first].label;
	if (!healthy(c))
		return;
	if (params.n > 0) {
		c->name = params.v[0];
		if (!reference_name_valid(c->name, &why)) {
			oci_fail_why(c->req, OCI_NAME_INVALID, "%s", why);
			return;
		}
	}
	if (params.n > 1)
		c->param = params.v[1];
	route = find_method(first, c->req->method);
	if (!authorise(c, route ? route : &routes[first]))
		return;
	if (!route || (c->r->o.read_only && (route->flags & ROUTE_WRITE))) {
		add_allow(c, first);
		if (c->req->method == HTTP_OPTIONS)
			http_reply(c->req, 200, SLICE(""));
		else if (route)
			oci_fail_why(c->req, OCI_UNSUPPORTED, "the registry is in read-only mode");
		else
			oci_fail(c->req, OCI_UNSUPPORTED);
		return;
	}
	if (!(route->flags & ROUTE_QUICK))
		http_may_block(c->req);
	stats_in_flight(route->label, 1);
	route->handler(c);
	stats_in_flight(route->label, -1);
}

void registry_handle(struct http_req *req, void *ctx)
{
	struct call c = {.req = req};

	OBJ_CAST(c.r, ctx, REGISTRY_MAGIC);
	dispatch(&c);
}

bool call_digest(struct call *c, struct digest *d)
{
	switch (digest_parse(c->param, d)) {
	case DIGEST_VALID:
		return true;
	case DIGEST_UNSUPPORTED:
		oci_fail_why(c->req, OCI_DIGEST_MALFORMED, "the algorithm is not supported; use sha256 or sha512");
		return false;
	case DIGEST_MALFORMED:
		break;
	}
	oci_fail_why(c->req, OCI_DIGEST_MALFORMED, "'%.*s' is not a digest (sha256:<64 lower-case hexadecimal digits>)",
	    SLICE_ARG(slice_sub(c->param, 0, 200)));
	return false;
}
