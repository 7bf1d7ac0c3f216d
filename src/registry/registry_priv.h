/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry_priv.h - what the files of the registry share: the registry itself,
 * one call of its API, and the handlers the route table names. Private.
 */
#ifndef BERTH_REGISTRY_PRIV_H
#define BERTH_REGISTRY_PRIV_H

#include "registry/error.h"
#include "registry/reference.h"
#include "registry/registry.h"
#include "registry/session.h"

struct registry {
	uint32_t magic;
#define REGISTRY_MAGIC 0x52656769
	struct registry_options o;
	struct sessions *sessions;
};

/* One request on its way through a handler. Parameters are those of the route:
 * `name` is a valid repository name, `param` what else the path holds. */
struct call {
	struct registry *r;
	struct http_req *req;
	struct slice name;
	struct slice param;
};

typedef void call_handler(struct call *c);

/* base.c */
call_handler base_get, catalog_get;
/* tags.c */
call_handler tags_get;
/* manifests.c */
call_handler manifest_get, manifest_put, manifest_delete;
/* referrers.c */
call_handler referrers_get;
/* blobs.c */
call_handler blob_get, blob_delete;
/* uploads.c */
call_handler upload_start, upload_status, upload_patch, upload_put, upload_cancel;

/* stats.c: a request of the route with this label begins (1) or is over (-1). */
void stats_in_flight(const char *route, int change);
/* dispatch.c: the digest in c->param, or an answer and false. */
bool call_digest(struct call *c, struct digest *d);

/* location.c: a Location header for "<base>/v2/<name>/<rest>". */
void location_set(struct call *c, const char *rest_fmt, ...) PRINTF_LIKE(2, 3);
/* A Link header to the next page of this request: its path with `last` and n. */
void location_next(struct call *c, struct slice last, uint64_t n);

/* page.c: ?n= and ?last=; false after having answered. *n is UINT64_MAX when
 * the client did not give one. */
bool page_params(struct call *c, uint64_t *n, struct slice *last);

#endif
