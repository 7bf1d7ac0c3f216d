/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve_options.c - the configuration in the words of each module. No module
 * below cli knows the configuration file; this is the one place that does.
 */
#include "cli/serve.h"

void serve_arrays_free(struct serve_arrays *a)
{
	free(a->log_fields);
	free(a->headers);
	free(a->urls_allow);
	free(a->urls_deny);
	free(a->platforms);
	*a = (struct serve_arrays){0};
}

void serve_setup_log(const struct config *cfg, struct serve_arrays *a)
{
	const struct config_map *fields = &cfg->log.fields;
	struct log_options o = {.level = (enum log_level)cfg->log.level,
	    .format = (enum log_format)cfg->log.formatter,
	    .caller = cfg->log.reportcaller,
	    .nfields = fields->n,
	    .fd = 2};

	a->log_fields = xcalloc(fields->n + 1, sizeof(*a->log_fields));
	for (size_t i = 0; i < fields->n; i++)
		a->log_fields[i] = LOG_STR(fields->v[i].name, fields->v[i].value);
	o.fields = a->log_fields;
	log_setup(&o);
}

enum err_code serve_open_auth(const struct config *cfg, struct auth **out, struct err *err)
{
	struct auth_token_options token = {.realm = cfg->auth.token.realm,
	    .service = cfg->auth.token.service,
	    .issuer = cfg->auth.token.issuer,
	    .rootcertbundle = cfg->auth.token.rootcertbundle,
	    .jwks = cfg->auth.token.jwks,
	    .signing_algorithms = cfg->auth.token.signingalgorithms.v,
	    .n_signing_algorithms = cfg->auth.token.signingalgorithms.n,
	    .autoredirect = cfg->auth.token.autoredirect,
	    .autoredirect_path = cfg->auth.token.autoredirectpath};

	*out = NULL;
	switch (cfg->auth.type) {
	case CONFIG_AUTH_NONE:
		return ERR_OK;
	case CONFIG_AUTH_SILLY:
		return auth_silly_new(cfg->auth.silly.realm, cfg->auth.silly.service, out, err);
	case CONFIG_AUTH_HTPASSWD:
		return auth_htpasswd_new(cfg->auth.htpasswd.realm, cfg->auth.htpasswd.path, out, err);
	case CONFIG_AUTH_TOKEN:
		return auth_token_new(&token, out, err);
	}
	UNREACHABLE("auth type");
}

/* Pointers to the compiled expressions, n of them. */
static const regex_t **expressions(const struct config_regexes *list)
{
	const regex_t **v = xcalloc(list->n + 1, sizeof(*v));

	for (size_t i = 0; i < list->n; i++)
		v[i] = &list->v[i].re;
	return v;
}

static void url_options(const struct config *cfg, struct serve_arrays *a, struct registry_options *out)
{
	a->urls_allow = expressions(&cfg->validation.manifests.urls.allow);
	a->urls_deny = expressions(&cfg->validation.manifests.urls.deny);
	out->urls_allow = a->urls_allow;
	out->urls_deny = a->urls_deny;
	out->n_urls_allow = cfg->validation.manifests.urls.allow.n;
	out->n_urls_deny = cfg->validation.manifests.urls.deny.n;
}

static void index_options(const struct config *cfg, struct serve_arrays *a, struct registry_options *out)
{
	static const enum registry_index_check checks[] = {
	    [CONFIG_PLATFORMS_ALL] = REGISTRY_INDEX_ALL,
	    [CONFIG_PLATFORMS_NONE] = REGISTRY_INDEX_NONE,
	    [CONFIG_PLATFORMS_LIST] = REGISTRY_INDEX_LIST,
	};
	size_t n = cfg->validation.manifests.indexes.platformlist.n;

	out->index_check = checks[cfg->validation.manifests.indexes.platforms];
	a->platforms = xcalloc(n + 1, sizeof(*a->platforms));
	for (size_t i = 0; i < n; i++) {
		const struct config_platform *p = &cfg->validation.manifests.indexes.platformlist.v[i];

		a->platforms[i] = (struct registry_platform){.os = p->os, .architecture = p->architecture};
	}
	out->platforms = a->platforms;
	out->n_platforms = n;
}

void serve_registry_options(const struct config *cfg, struct serve_arrays *a, struct registry_options *out)
{
	*out = (struct registry_options){.prefix = cfg->http.prefix,
	    .host = cfg->http.host,
	    .relative_urls = cfg->http.relativeurls,
	    .delete_enabled = cfg->storage.delete.enabled,
	    .read_only = cfg->storage.maintenance.readonly.enabled,
	    .manifest_max = (size_t)cfg->berth.manifest.maxbytes,
	    .catalog_max = (size_t)cfg->catalog.maxentries,
	    .tags_max = (size_t)cfg->tags.maxtags,
	    .validation_disabled = cfg->validation.disabled};
	url_options(cfg, a, out);
	index_options(cfg, a, out);
}

static void limit_options(const struct config *cfg, struct http_limits *l)
{
	http_limits_default(l);
	l->connections = (size_t)cfg->berth.http.maxconnections;
	l->connections_per_address = (size_t)cfg->berth.http.maxconnectionsperaddress;
	l->threads = (size_t)cfg->berth.http.maxthreads;
	l->threads_reserved = l->threads / 4;
	l->head_bytes = (size_t)cfg->berth.http.headerbytes;
	l->head_timeout = cfg->berth.http.headertimeout;
	l->idle_timeout = cfg->berth.http.idletimeout;
	l->rate_min = (uint64_t)cfg->berth.http.minrate;
	l->rate_grace = cfg->berth.http.rategrace;
}

static void header_options(const struct config *cfg, struct serve_arrays *a, struct http_server_options *out)
{
	const struct config_headers *headers = &cfg->http.headers;
	size_t n = 0;

	for (size_t i = 0; i < headers->n; i++)
		n += headers->v[i].values.n;
	a->headers = xcalloc(n + 1, sizeof(*a->headers));
	out->headers = a->headers;
	for (size_t i = 0; i < headers->n; i++)
		for (size_t k = 0; k < headers->v[i].values.n; k++)
			a->headers[out->nheaders++] = (struct http_field){
			    .name = slice_cstr(headers->v[i].name), .value = slice_cstr(headers->v[i].values.v[k])};
}

void serve_http_options(
    const struct config *cfg, struct serve_arrays *a, struct http_tls_options *tls, struct http_server_options *out)
{
	*out =
	    (struct http_server_options){.name = "main", .net = cfg->http.net, .addr = cfg->http.addr, .listen_fd = -1};
	limit_options(cfg, &out->limits);
	header_options(cfg, a, out);
	if (!cfg->http.tls.certificate)
		return;
	*tls = (struct http_tls_options){.certificate = cfg->http.tls.certificate,
	    .key = cfg->http.tls.key,
	    .client_cas = cfg->http.tls.clientcas.v,
	    .n_client_cas = cfg->http.tls.clientcas.n,
	    .client_auth = (enum http_client_auth)cfg->http.tls.clientauth,
	    .min_version = cfg->http.tls.minimumtls,
	    .ciphers = cfg->http.tls.ciphersuites.v,
	    .n_ciphers = cfg->http.tls.ciphersuites.n};
	out->tls = tls;
}

/* ---- health ---------------------------------------------------------------------- */

static enum err_code check_storage(void *arg, struct err *err)
{
	return storage_check(arg, err);
}

static void add_http_check(struct health *health, const struct config_health_http *c)
{
	struct health_http o = {.uri = c->uri,
	    .status = (int)c->statuscode,
	    .timeout = c->timeout,
	    .interval = c->interval,
	    .threshold = c->threshold};
	char **fields;
	size_t n = 0;

	for (size_t i = 0; i < c->headers.n; i++)
		n += c->headers.v[i].values.n;
	fields = xcalloc(n + 1, sizeof(*fields));
	for (size_t i = 0; i < c->headers.n; i++)
		for (size_t k = 0; k < c->headers.v[i].values.n; k++)
			fields[o.nfields++] = xasprintf("%s: %s", c->headers.v[i].name, c->headers.v[i].values.v[k]);
	o.fields = (const char *const *)fields;
	health_add_http(health, &o);
	for (size_t i = 0; i < o.nfields; i++)
		free(fields[i]);
	free(fields);
}

void serve_add_health(const struct config *cfg, struct storage *storage, struct health *health)
{
	if (cfg->health.storagedriver.enabled)
		health_add_call(health, "storagedriver_filesystem", cfg->health.storagedriver.interval,
		    cfg->health.storagedriver.threshold, check_storage, storage);
	for (size_t i = 0; i < cfg->health.file.n; i++)
		health_add_file(health, cfg->health.file.v[i].file, cfg->health.file.v[i].interval);
	for (size_t i = 0; i < cfg->health.http.n; i++)
		add_http_check(health, &cfg->health.http.v[i]);
	for (size_t i = 0; i < cfg->health.tcp.n; i++) {
		const struct config_health_tcp *c = &cfg->health.tcp.v[i];

		health_add_tcp(health, c->addr, c->timeout, c->interval, c->threshold);
	}
}

bool serve_is_local(const char *address)
{
	struct slice s = slice_cstr(address);

	return slice_starts(s, SLICE("127.")) || slice_starts(s, SLICE("[::1]:")) || slice_starts(s, SLICE("/")) ||
	       slice_starts(s, SLICE("@"));
}

void serve_gc_rules(const struct config *cfg, struct gc_rules *out)
{
	*out = (struct gc_rules){
	    .grace = cfg->berth.gc.grace,
	    .untagged = cfg->berth.gc.untagged ? cfg->berth.gc.untaggedafter : GC_NEVER,
	    .referrers = cfg->berth.gc.referrers,
	};
}
