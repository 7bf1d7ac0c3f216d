/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - what the table cannot say of a single key: defaults that depend on
 * other keys, keys that go together, forms of addresses and URLs, and, for
 * `berth config check`, whether the files that are named are there.
 */
#include "base/fsys.h"
#include "config/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

PRINTF_LIKE(4, 5)
static void wrong(const struct config *cfg, struct config_problems *p, const char *path, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	cfg_problem_add(p, CONFIG_ERROR, cfg_origin(cfg, path), path, "%s", msg);
}

/* ---- defaults that depend on others --------------------------------------------------- */

static enum config_auth chosen_auth(const struct config *cfg)
{
	static const struct {
		const char *name;
		enum config_auth type;
	} kinds[] = {{"silly", CONFIG_AUTH_SILLY}, {"htpasswd", CONFIG_AUTH_HTPASSWD}, {"token", CONFIG_AUTH_TOKEN}};
	const struct node_item *auth = cfg_node_find(cfg->priv->root, "auth");

	for (size_t i = 0; auth && i < ARRAY_LEN(kinds); i++)
		if (cfg_node_find(auth->value, kinds[i].name))
			return kinds[i].type;
	return CONFIG_AUTH_NONE;
}

bool config_login_required(const struct config *cfg)
{
	return cfg->auth.type == CONFIG_AUTH_HTPASSWD || cfg->auth.type == CONFIG_AUTH_TOKEN;
}

static const char *join(struct arena *a, const char *dir, const char *name)
{
	struct slice s = slice_cstr(dir);

	while (s.n > 1 && s.p[s.n - 1] == '/')
		s.n--;
	return cfg_printf(a, "%.*s%s%s", SLICE_ARG(s), slice_eq_cstr(s, "/") ? "" : "/", name);
}

/* The routes stand behind a slash, whether the prefix ends with one or not. */
static const char *with_slash(struct arena *a, const char *prefix)
{
	struct slice s = slice_cstr(prefix);

	while (s.n && s.p[s.n - 1] == '/')
		s.n--;
	return cfg_printf(a, "%.*s/", SLICE_ARG(s));
}

void cfg_check_derive(struct config *cfg)
{
	if (cfg->http.prefix)
		cfg->http.prefix = with_slash(&cfg->priv->arena, cfg->http.prefix);
	cfg->auth.type = chosen_auth(cfg);
	if (!cfg->http.addr)
		cfg->http.addr = !cfg->file && !config_login_required(cfg) ? "127.0.0.1:5000" : ":5000";
	if (cfg->http.tls.clientcas.n && cfg->http.tls.clientauth == CONFIG_CLIENTAUTH_NONE)
		cfg->http.tls.clientauth = CONFIG_CLIENTAUTH_REQUIRE_VERIFY;
	if (!cfg->berth.database.path)
		cfg->berth.database.path =
		    join(&cfg->priv->arena, cfg->storage.filesystem.rootdirectory, "berth/berth.db");
}

/* ---- forms -------------------------------------------------------------------------------- */

/* "host:port", ":port", "[::1]:port". */
static bool is_address(const char *s, bool need_host)
{
	struct slice addr = slice_cstr(s), host;
	ssize_t colon = slice_rfind(addr, ':');
	uint64_t port;

	if (colon < 0 || !slice_u64(slice_from(addr, (size_t)colon + 1), 65535, &port))
		return false;
	host = slice_sub(addr, 0, (size_t)colon);
	if (host.n == 0)
		return !need_host;
	if (host.p[0] == '[')
		return host.n > 2 && host.p[host.n - 1] == ']';
	return slice_find(host, ':') < 0 && slice_find(host, '/') < 0 && slice_find(host, ' ') < 0;
}

static bool is_url(const char *s)
{
	struct slice url = slice_cstr(s);

	if (slice_starts_icase(url, SLICE("https://")))
		url = slice_from(url, 8);
	else if (slice_starts_icase(url, SLICE("http://")))
		url = slice_from(url, 7);
	else
		return false;
	return url.n > 0 && url.p[0] != '/' && slice_find(url, ' ') < 0;
}

static void check_required(const struct config *cfg, struct config_problems *p, const char *path, const char *value)
{
	if (!value)
		wrong(cfg, p, path, "is missing");
}

/* ---- sections ------------------------------------------------------------------------------- */

static void check_auth(const struct config *cfg, struct config_problems *p)
{
	switch (cfg->auth.type) {
	case CONFIG_AUTH_NONE:
		break;
	case CONFIG_AUTH_SILLY:
		check_required(cfg, p, "auth.silly.realm", cfg->auth.silly.realm);
		check_required(cfg, p, "auth.silly.service", cfg->auth.silly.service);
		break;
	case CONFIG_AUTH_HTPASSWD:
		check_required(cfg, p, "auth.htpasswd.realm", cfg->auth.htpasswd.realm);
		check_required(cfg, p, "auth.htpasswd.path", cfg->auth.htpasswd.path);
		break;
	case CONFIG_AUTH_TOKEN:
		if (!cfg->auth.token.realm && !cfg->auth.token.autoredirect)
			wrong(cfg, p, "auth.token.realm", "is missing (it is only made up with autoredirect: true)");
		check_required(cfg, p, "auth.token.service", cfg->auth.token.service);
		check_required(cfg, p, "auth.token.issuer", cfg->auth.token.issuer);
		if (!cfg->auth.token.rootcertbundle && !cfg->auth.token.jwks)
			wrong(cfg, p, "auth.token",
			    "needs rootcertbundle or jwks: without a key no token can be verified");
		if (cfg->auth.token.autoredirectpath && cfg->auth.token.autoredirectpath[0] != '/')
			wrong(cfg, p, "auth.token.autoredirectpath", "must begin with '/'");
		break;
	}
}

static void check_ciphers(const struct config *cfg, struct config_problems *p)
{
	char path[64];

	for (size_t i = 0; i < cfg->http.tls.ciphersuites.n; i++) {
		const char *why = cfg_cipher_check(&cfg->priv->arena, cfg->http.tls.ciphersuites.v[i]);

		snprintf(path, sizeof(path), "http.tls.ciphersuites[%zu]", i);
		if (why)
			wrong(cfg, p, path, "%s", why);
	}
}

static void check_tls(const struct config *cfg, struct config_problems *p)
{
	bool certificate = cfg->http.tls.certificate, key = cfg->http.tls.key;

	if (certificate != key)
		wrong(cfg, p, certificate ? "http.tls.key" : "http.tls.certificate", "is missing, %s is given",
		    certificate ? "http.tls.certificate" : "http.tls.key");
	if (cfg->http.tls.clientauth != CONFIG_CLIENTAUTH_NONE && cfg->http.tls.clientcas.n == 0)
		wrong(cfg, p, "http.tls.clientauth", "has no effect without http.tls.clientcas; give both or none");
	if (cfg->http.tls.clientcas.n && !certificate && !key)
		wrong(cfg, p, "http.tls.clientcas",
		    "needs http.tls.certificate and http.tls.key: without TLS there are "
		    "no client certificates");
	check_ciphers(cfg, p);
}

static void check_http(const struct config *cfg, struct config_problems *p)
{
	const char *path = cfg->http.debug.prometheus.path;

	if (strcmp(cfg->http.net ? cfg->http.net : "tcp", "tcp") == 0 && !is_address(cfg->http.addr, false))
		wrong(cfg, p, "http.addr", "must be host:port or :port, not \"%.128s\"", cfg->http.addr);
	if (cfg->http.prefix && cfg->http.prefix[0] != '/')
		wrong(cfg, p, "http.prefix", "must begin with '/'");
	if (cfg->http.host && !is_url(cfg->http.host))
		wrong(cfg, p, "http.host", "must be a URL such as https://registry.example.com, not \"%.128s\"",
		    cfg->http.host);
	if (cfg->http.debug.addr && !is_address(cfg->http.debug.addr, false))
		wrong(cfg, p, "http.debug.addr", "must be host:port or :port, not \"%.128s\"", cfg->http.debug.addr);
	if (cfg->http.debug.prometheus.enabled && !cfg->http.debug.addr)
		cfg_problem_add(p, CONFIG_WARNING, cfg_origin(cfg, "http.debug.prometheus.enabled"),
		    "http.debug.prometheus.enabled", "no metrics are served without http.debug.addr");
	if (path && path[0] != '/')
		wrong(cfg, p, "http.debug.prometheus.path", "must begin with '/'");
	check_tls(cfg, p);
}

static void check_health(const struct config *cfg, struct config_problems *p)
{
	char path[64];

	for (size_t i = 0; i < cfg->health.file.n; i++) {
		snprintf(path, sizeof(path), "health.file[%zu].file", i);
		check_required(cfg, p, path, cfg->health.file.v[i].file);
	}
	for (size_t i = 0; i < cfg->health.http.n; i++) {
		const char *uri = cfg->health.http.v[i].uri;

		snprintf(path, sizeof(path), "health.http[%zu].uri", i);
		check_required(cfg, p, path, uri);
		if (uri && !is_url(uri))
			wrong(cfg, p, path, "must be a URL that begins with http:// or https://");
	}
	for (size_t i = 0; i < cfg->health.tcp.n; i++) {
		const char *addr = cfg->health.tcp.v[i].addr;

		snprintf(path, sizeof(path), "health.tcp[%zu].addr", i);
		check_required(cfg, p, path, addr);
		if (addr && !is_address(addr, true))
			wrong(cfg, p, path, "must be host:port, not \"%.128s\"", addr);
	}
}

static void check_platforms(const struct config *cfg, struct config_problems *p)
{
	bool list = cfg->validation.manifests.indexes.platforms == CONFIG_PLATFORMS_LIST;
	size_t n = cfg->validation.manifests.indexes.platformlist.n;
	char path[96];

	if (list && n == 0)
		wrong(cfg, p, "validation.manifests.indexes.platformlist", "is missing, platforms is \"list\"");
	if (!list && n > 0)
		cfg_problem_add(p, CONFIG_WARNING, cfg_origin(cfg, "validation.manifests.indexes.platformlist"),
		    "validation.manifests.indexes.platformlist", "only counts with platforms: list");
	for (size_t i = 0; i < n; i++) {
		const struct config_platform *pl = &cfg->validation.manifests.indexes.platformlist.v[i];

		snprintf(path, sizeof(path), "validation.manifests.indexes.platformlist[%zu].architecture", i);
		check_required(cfg, p, path, pl->architecture);
		snprintf(path, sizeof(path), "validation.manifests.indexes.platformlist[%zu].os", i);
		check_required(cfg, p, path, pl->os);
	}
}

void cfg_check_config(const struct config *cfg, struct config_problems *p)
{
	check_auth(cfg, p);
	check_http(cfg, p);
	check_health(cfg, p);
	check_platforms(cfg, p);
}

/* ---- files ---------------------------------------------------------------------------------------- */

static void check_file(const struct config *cfg, struct config_problems *p, const char *path, const char *file)
{
	struct stat st;
	const char *why = NULL;

	if (!file)
		return;
	if (fsys->stat(file, &st) != 0)
		why = strerror(errno);
	else if (S_ISDIR(st.st_mode))
		why = "is a directory, a file is needed";
	else if (access(file, R_OK) != 0)
		why = strerror(errno);
	if (why)
		cfg_problem_add(p, CONFIG_WARNING, cfg_origin(cfg, path), path, "%s: %s", file, why);
}

/* The directory of a file that will be made when it is missing. */
static void check_parent(const struct config *cfg, struct config_problems *p, const char *path, const char *file)
{
	CLEANUP(free_ptr) char *dir = xstrdup(file);
	char *slash = strrchr(dir, '/');
	struct stat st;

	if (!slash || slash == dir)
		return;
	*slash = '\0';
	if (fsys->stat(dir, &st) != 0)
		cfg_problem_add(
		    p, CONFIG_WARNING, cfg_origin(cfg, path), path, "the directory %s: %s", dir, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		cfg_problem_add(p, CONFIG_WARNING, cfg_origin(cfg, path), path, "%s is not a directory", dir);
}

static void check_root(const struct config *cfg, struct config_problems *p)
{
	static const char path[] = "storage.filesystem.rootdirectory";
	const char *dir = cfg->storage.filesystem.rootdirectory;
	struct stat st;

	if (fsys->stat(dir, &st) != 0) {
		if (errno != ENOENT)
			cfg_problem_add(p, CONFIG_WARNING, cfg_origin(cfg, path), path, "%s: %s", dir, strerror(errno));
	} else if (!S_ISDIR(st.st_mode)) {
		cfg_problem_add(p, CONFIG_WARNING, cfg_origin(cfg, path), path, "%s is not a directory", dir);
	} else if (access(dir, R_OK | W_OK | X_OK) != 0) {
		cfg_problem_add(p, CONFIG_WARNING, cfg_origin(cfg, path), path, "%s: %s", dir, strerror(errno));
	}
}

void config_check_files(const struct config *cfg, struct config_problems *p)
{
	char path[64];
	struct stat st;

	OBJ_CHECK(cfg, CONFIG_MAGIC);
	check_root(cfg, p);
	if (cfg->auth.type == CONFIG_AUTH_HTPASSWD) {
		if (fsys->stat(cfg->auth.htpasswd.path, &st) == 0)
			check_file(cfg, p, "auth.htpasswd.path", cfg->auth.htpasswd.path);
		else
			check_parent(cfg, p, "auth.htpasswd.path", cfg->auth.htpasswd.path);
	}
	if (cfg->auth.type == CONFIG_AUTH_TOKEN) {
		check_file(cfg, p, "auth.token.rootcertbundle", cfg->auth.token.rootcertbundle);
		check_file(cfg, p, "auth.token.jwks", cfg->auth.token.jwks);
	}
	check_file(cfg, p, "http.tls.certificate", cfg->http.tls.certificate);
	check_file(cfg, p, "http.tls.key", cfg->http.tls.key);
	for (size_t i = 0; i < cfg->http.tls.clientcas.n; i++) {
		snprintf(path, sizeof(path), "http.tls.clientcas[%zu]", i);
		check_file(cfg, p, path, cfg->http.tls.clientcas.v[i]);
	}
	cfg_problem_sort(p);
}
