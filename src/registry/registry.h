/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registry.h - the OCI Distribution API (distribution-spec v1.1) on metadata
 * and storage: the handler of the data plane.
 *
 * registry_new borrows everything in its options until registry_free. The
 * handler may be called from any number of threads at once.
 */
#ifndef BERTH_REGISTRY_REGISTRY_H
#define BERTH_REGISTRY_REGISTRY_H

#include "auth/auth.h"
#include "http/http.h"
#include "meta/meta.h"
#include "storage/storage.h"

#include <regex.h>

struct registry;

/* Which children of an index must be there when it is pushed. */
enum registry_index_check { REGISTRY_INDEX_ALL, REGISTRY_INDEX_NONE, REGISTRY_INDEX_LIST };

struct registry_platform {
	const char *os, *architecture;
};

struct registry_options {
	struct meta *meta;
	struct storage *storage;
	struct auth *auth;  /* NULL: nobody has to log in */
	const char *prefix; /* "/", or the http.prefix with slashes at both ends */
	const char *host;   /* http.host: base URL of Location headers, or NULL */
	bool relative_urls;
	bool delete_enabled;
	bool read_only;
	size_t manifest_max;      /* bytes; 0: 4 MiB */
	size_t catalog_max;       /* largest n of the catalog; 0: 1000 */
	size_t tags_max;          /* n of a tag list is clamped to it; 0: 1000 */
	bool validation_disabled; /* store manifests without looking for what they name */
	/* Compiled expressions that URLs of layers must match, and must not match;
	 * with neither no URL is allowed. */
	const regex_t *const *urls_allow, *const *urls_deny;
	size_t n_urls_allow, n_urls_deny;
	enum registry_index_check index_check;
	const struct registry_platform *platforms;
	size_t n_platforms;
	/* NULL or: false while a health check fails; every request is then
	 * answered 503 with `why`, filled in by the function. */
	bool (*healthy)(void *arg, char *why, size_t cap);
	void *healthy_arg;
};

/* Makes the handler of these options. */
enum err_code registry_new(const struct registry_options *o, struct registry **out, struct err *err) MUST_USE;
void registry_free(struct registry **r);

/* An http_handler; ctx is the struct registry. */
void registry_handle(struct http_req *req, void *ctx);
/* Counts an answered request in the registry_http_* series; call it from the
 * server's `done` hook. */
void registry_count(const struct http_req *req);
/* How the HTTP layer's own refusals (400, 408, 431, 503, ...) look as an error
 * body of the specification. */
struct slice registry_error_body(int status, const char *message, struct arena *a);

/* Removes uploads that were started before `before` (clock_real), at most
 * `limit`; with dry_run only counts them. For the purging job. */
enum err_code registry_purge_uploads(
    struct registry *r, int64_t before, size_t limit, bool dry_run, size_t *removed, struct err *err) MUST_USE;

/* registry_http_*, registry_requests_total; once a process. */
void registry_metrics_register(void);

#endif
