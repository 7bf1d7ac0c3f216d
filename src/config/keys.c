/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.c - the table of all keys, and looking things up in it.
 *
 * A row stands after its parent and before the next sibling of its parent
 * (depth first), in the order in which the keys are shown and documented. The
 * keys of registry:2 (2.8) and registry:3 are all here, whether they do
 * something or not, so that an existing file is understood to the last line.
 */
#include "base/clock.h"
#include "config/internal.h"

#include <string.h>

#define AT(field) offsetof(struct config, field)
#define ITEM(type, field) offsetof(struct config_##type, field)

static const struct key_choice levels[] = {
    {"error", LOG_LVL_ERROR},
    {"warn", LOG_LVL_WARN},
    {"info", LOG_LVL_INFO},
    {"debug", LOG_LVL_DEBUG},
    {NULL},
};
static const struct key_choice formatters[] = {
    {"text", LOG_FMT_TEXT},
    {"json", LOG_FMT_JSON},
    {"logstash", LOG_FMT_LOGSTASH},
    {NULL},
};
static const struct key_choice caches[] = {{"inmemory"}, {"redis"}, {NULL}};
static const struct key_choice nets[] = {{"tcp"}, {"unix"}, {NULL}};
static const struct key_choice clientauths[] = {
    {"request-client-cert", CONFIG_CLIENTAUTH_REQUEST},
    {"require-any-client-cert", CONFIG_CLIENTAUTH_REQUIRE_ANY},
    {"verify-client-cert-if-given", CONFIG_CLIENTAUTH_VERIFY_IF_GIVEN},
    {"require-and-verify-client-cert", CONFIG_CLIENTAUTH_REQUIRE_VERIFY},
    {NULL},
};

#define OLD_TLS "TLS 1.0 and 1.1 are broken and withdrawn (RFC 8996); use tls1.2, which every supported client speaks"

static const struct key_choice minimumtls[] = {
    {"tls1.2", 12},
    {"tls1.3", 13},
    {"tls1.0", 0, OLD_TLS},
    {"tls1.1", 0, OLD_TLS},
    {NULL},
};
static const struct key_choice algorithms[] = {
    {"EdDSA"},
    {"RS256"},
    {"RS384"},
    {"RS512"},
    {"ES256"},
    {"ES384"},
    {"ES512"},
    {"PS256"},
    {"PS384"},
    {"PS512"},
    {"HS256"},
    {"HS384"},
    {"HS512"},
    {NULL},
};
static const struct key_choice platforms[] = {
    {"all", CONFIG_PLATFORMS_ALL},
    {"none", CONFIG_PLATFORMS_NONE},
    {"list", CONFIG_PLATFORMS_LIST},
    {NULL},
};

#define OBJECT_STORE "storage in an object store comes in a later version; use the filesystem driver"
#define LATER_NOTIFICATIONS \
	"notifications come in a later version; remove the endpoints or set `disabled: true` on each"
#define LATER_MIDDLEWARE "middleware comes in a later version; remove the entries or set `disabled: true` on each"
#define NO_CACHE "berth finds blobs in its own database and needs no cache of descriptors"
#define WITH_PROXY "it belongs to proxy.remoteurl"
#define DROPPED "registry:3 dropped it too"

/* clang-format off */
const struct config_key cfg_keys[] = {
	{"", KEY_SECTION},

	{"version", KEY_STRING, .derived = "none, required in a file",
	 .doc = "Version of the format: `0.1`. Cannot be set by the environment."},

	/* ---- log ---- */
	{"log", KEY_SECTION, .doc = "The log: one line an event, to standard error."},
	{"log.accesslog", KEY_SECTION},
	{"log.accesslog.disabled", KEY_BOOL, .at = AT(log.accesslog.disabled), .preset = "false",
	 .doc = "Switches off the access log (Combined Log Format, to standard output)."},
	{"log.level", KEY_ENUM, .at = AT(log.level), .preset = "info", .choices = levels,
	 .doc = "The least severe events that are logged."},
	{"log.formatter", KEY_ENUM, .at = AT(log.formatter), .preset = "text", .choices = formatters,
	 .doc = "The form of a line."},
	{"log.fields", KEY_MAP, .at = AT(log.fields), .doc = "Constant fields of every line."},
	{"log.hooks", KEY_ANY, KEY_LATER, .doc = "Mails sent for log lines.",
	 .note = "berth sends no mail; remove the hooks and let the collector of the logs send it"},
	{"log.reportcaller", KEY_BOOL, .at = AT(log.reportcaller), .preset = "false",
	 .doc = "Adds the place in the source to every line."},
	{"loglevel", KEY_ENUM, .choices = levels, .same_as = "log.level", .doc = "Old name of `log.level`.",
	 .note = "deprecated; write log.level"},

	/* ---- storage ---- */
	{"storage", KEY_SECTION, .flags = KEY_SHORTHAND,
	 .doc = "Where blobs are. One driver; its name alone is enough when it needs no parameters."},
	{"storage.filesystem", KEY_SECTION, .flags = KEY_CHOICE,
	 .doc = "Blobs in a directory, in the layout of `registry:2`, so that an existing directory is taken over."},
	{"storage.filesystem.rootdirectory", KEY_STRING, .at = AT(storage.filesystem.rootdirectory),
	 .preset = "/var/lib/registry", .preset_bare = "./data", .doc = "The directory."},
	{"storage.filesystem.maxthreads", KEY_INT, KEY_NOTE,
	 .note = "berth.http.maxthreads limits the threads", .doc = "Concurrent file operations."},
	{"storage.s3", KEY_ANY, KEY_LATER, .flags = KEY_CHOICE, .note = OBJECT_STORE,
	 .doc = "Amazon S3 and what speaks its protocol."},
	{"storage.gcs", KEY_ANY, KEY_LATER, .flags = KEY_CHOICE, .note = OBJECT_STORE, .doc = "Google Cloud Storage."},
	{"storage.azure", KEY_ANY, KEY_LATER, .flags = KEY_CHOICE, .note = OBJECT_STORE, .doc = "Azure Blob Storage."},
	{"storage.swift", KEY_ANY, KEY_LATER, .flags = KEY_CHOICE,
	 .note = "berth has no driver for OpenStack Swift; use the filesystem driver", .doc = "OpenStack Swift."},
	{"storage.oss", KEY_ANY, KEY_LATER, .flags = KEY_CHOICE,
	 .note = "berth has no driver for Aliyun OSS; use the filesystem driver", .doc = "Aliyun OSS."},
	{"storage.inmemory", KEY_ANY, KEY_LATER, .flags = KEY_CHOICE,
	 .note = "a registry in memory loses everything; use the filesystem driver, on a tmpfs if that is wanted",
	 .doc = "Test driver."},
	{"storage.delete", KEY_SECTION},
	{"storage.delete.enabled", KEY_BOOL, .at = AT(storage.delete.enabled), .preset = "false", .preset_bare = "true",
	 .doc = "Allows clients to delete tags, manifests and blobs."},
	{"storage.redirect", KEY_SECTION},
	{"storage.redirect.disable", KEY_BOOL, .at = AT(storage.redirect.disable), .preset = "false",
	 .doc = "Never redirects clients to the storage. The filesystem driver never does."},
	{"storage.cache", KEY_SECTION},
	{"storage.cache.blobdescriptor", KEY_ENUM, KEY_NOTE, .choices = caches, .note = NO_CACHE,
	 .doc = "Cache of blob descriptors."},
	{"storage.cache.layerinfo", KEY_ENUM, KEY_NOTE, .choices = caches, .note = NO_CACHE,
	 .doc = "Old name of `storage.cache.blobdescriptor`."},
	{"storage.cache.blobdescriptorsize", KEY_INT, KEY_NOTE, .note = NO_CACHE, .doc = "Entries of that cache."},
	{"storage.tag", KEY_SECTION},
	{"storage.tag.concurrencylimit", KEY_INT, KEY_NOTE,
	 .note = "tags are rows of a database, none is read from a file", .doc = "Parallel reads of tag links."},
	{"storage.maintenance", KEY_SECTION},
	{"storage.maintenance.uploadpurging", KEY_SECTION, .doc = "Removal of uploads that nobody finished."},
	{"storage.maintenance.uploadpurging.enabled", KEY_BOOL, .at = AT(storage.maintenance.uploadpurging.enabled),
	 .preset = "true", .doc = "Whether they are removed."},
	{"storage.maintenance.uploadpurging.age", KEY_DURATION, .at = AT(storage.maintenance.uploadpurging.age),
	 .preset = "168h", .min = CLOCK_S, .doc = "Uploads without a write for so long are removed."},
	{"storage.maintenance.uploadpurging.interval", KEY_DURATION,
	 .at = AT(storage.maintenance.uploadpurging.interval), .preset = "24h", .min = CLOCK_S,
	 .doc = "Time between two searches."},
	{"storage.maintenance.uploadpurging.dryrun", KEY_BOOL, .at = AT(storage.maintenance.uploadpurging.dryrun),
	 .preset = "false", .doc = "Only logs what would be removed."},
	{"storage.maintenance.readonly", KEY_SECTION},
	{"storage.maintenance.readonly.enabled", KEY_BOOL, .at = AT(storage.maintenance.readonly.enabled),
	 .preset = "false", .doc = "Refuses all writes. Garbage collection does not need it."},

	/* ---- auth ---- */
	{"auth", KEY_SECTION, .flags = KEY_SHORTHAND, .derived = "none",
	 .doc = "Who may do what. At most one of the following; none lets everybody do everything."},
	{"auth.none", KEY_SECTION, .flags = KEY_CHOICE, .doc = "No authentication."},
	{"auth.silly", KEY_SECTION, .flags = KEY_CHOICE, .doc = "For tests: any `Authorization` header will do."},
	{"auth.silly.realm", KEY_STRING, .at = AT(auth.silly.realm), .doc = "Realm of the challenge. Required."},
	{"auth.silly.service", KEY_STRING, .at = AT(auth.silly.service), .doc = "Service of the challenge. Required."},
	{"auth.htpasswd", KEY_SECTION, .flags = KEY_CHOICE, .doc = "Users and passwords in an htpasswd file."},
	{"auth.htpasswd.realm", KEY_STRING, .at = AT(auth.htpasswd.realm), .doc = "Realm of the challenge. Required."},
	{"auth.htpasswd.path", KEY_STRING, .at = AT(auth.htpasswd.path),
	 .doc = "The file (bcrypt, or crypt(3) SHA-256/512). Required. When it is missing it is created with the user "
		"`docker` and a random password, which is logged."},
	{"auth.token", KEY_SECTION, .flags = KEY_CHOICE, .doc = "Bearer tokens that a token server signs."},
	{"auth.token.realm", KEY_STRING, .at = AT(auth.token.realm),
	 .doc = "URL of the token server. Required unless `autoredirect` is set."},
	{"auth.token.service", KEY_STRING, .at = AT(auth.token.service),
	 .doc = "Name of this registry, the audience of tokens. Required."},
	{"auth.token.issuer", KEY_STRING, .at = AT(auth.token.issuer), .doc = "Expected issuer of tokens. Required."},
	{"auth.token.rootcertbundle", KEY_STRING, .at = AT(auth.token.rootcertbundle),
	 .doc = "PEM file of the certificates and public keys that may sign. This or `jwks` is required."},
	{"auth.token.jwks", KEY_STRING, .at = AT(auth.token.jwks), .doc = "JSON file of the keys that may sign."},
	{"auth.token.signingalgorithms", KEY_STRINGS, .at = AT(auth.token.signingalgorithms), .choices = algorithms,
	 .derived = "the asymmetric ones", .doc = "Allowed signature algorithms."},
	{"auth.token.autoredirect", KEY_BOOL, .at = AT(auth.token.autoredirect), .preset = "false",
	 .doc = "Makes the realm from the host of the request and `autoredirectpath`."},
	{"auth.token.autoredirectpath", KEY_STRING, .at = AT(auth.token.autoredirectpath), .preset = "/auth/token",
	 .doc = "The path of that realm."},

	/* ---- middleware ---- */
	{"middleware", KEY_SECTION},
	{"middleware.registry", KEY_ANY, KEY_LATER, .note = LATER_MIDDLEWARE, .doc = "Registry middleware."},
	{"middleware.repository", KEY_ANY, KEY_LATER, .note = LATER_MIDDLEWARE, .doc = "Repository middleware."},
	{"middleware.storage", KEY_ANY, KEY_LATER, .note = LATER_MIDDLEWARE,
	 .doc = "Storage middleware (`cloudfront`, `redirect`, `rewrite`)."},

	/* ---- http ---- */
	{"http", KEY_SECTION, .doc = "The server."},
	{"http.addr", KEY_STRING, .at = AT(http.addr), .derived = "`:5000`; without a file `127.0.0.1:5000` as long as "
	 "nobody must log in", .doc = "Where to listen: `host:port`, `:port`, or a path when `net` is `unix`."},
	{"http.net", KEY_STRING, .at = AT(http.net), .preset = "tcp", .choices = nets, .doc = "The kind of `addr`."},
	{"http.prefix", KEY_STRING, .at = AT(http.prefix), .doc = "Path in front of all routes, such as `/registry/`."},
	{"http.host", KEY_STRING, .at = AT(http.host),
	 .doc = "URL under which clients reach the registry, for `Location` headers. Otherwise the request says it."},
	{"http.secret", KEY_STRING, .flags = KEY_SECRET, .at = AT(http.secret), .derived = "random",
	 .doc = "Signs the state of uploads. Must be the same on all nodes behind one address."},
	{"http.relativeurls", KEY_BOOL, .at = AT(http.relativeurls), .preset = "false",
	 .doc = "Makes `Location` headers relative."},
	{"http.draintimeout", KEY_DURATION, .at = AT(http.draintimeout), .preset = "10s",
	 .doc = "How long active requests may go on when the server is stopped. 0: they are cut off."},
	{"http.tls", KEY_SECTION},
	{"http.tls.certificate", KEY_STRING, .at = AT(http.tls.certificate),
	 .doc = "PEM file of the certificate and its chain. Read again when it changes."},
	{"http.tls.key", KEY_STRING, .at = AT(http.tls.key), .doc = "PEM file of the private key."},
	{"http.tls.clientcas", KEY_STRINGS, .at = AT(http.tls.clientcas),
	 .doc = "PEM files of the authorities that sign client certificates."},
	{"http.tls.clientauth", KEY_ENUM, .at = AT(http.tls.clientauth), .choices = clientauths,
	 .derived = "`require-and-verify-client-cert` with `clientcas`", .doc = "What is asked of clients."},
	{"http.tls.minimumtls", KEY_ENUM, .at = AT(http.tls.minimumtls), .preset = "tls1.2", .choices = minimumtls,
	 .doc = "The oldest version of TLS that is spoken."},
	{"http.tls.ciphersuites", KEY_STRINGS, .at = AT(http.tls.ciphersuites), .derived = "OpenSSL's choice",
	 .doc = "Cipher suites of TLS 1.2 by their IANA names (`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`)."},
	{"http.tls.letsencrypt", KEY_ANY, KEY_LATER, .doc = "Certificates of Let's Encrypt (ACME).",
	 .note = "berth does not fetch certificates yet; let certbot or lego fetch them and name the files in "
		 "http.tls.certificate and http.tls.key, changed files are read without a restart"},
	{"http.headers", KEY_HEADERS, .flags = KEY_CREDENTIALS, .at = AT(http.headers),
	 .doc = "Headers of every answer: name and list of values."},
	{"http.debug", KEY_SECTION},
	{"http.debug.addr", KEY_STRING, .at = AT(http.debug.addr),
	 .doc = "Where a second server listens for health (`/debug/health`) and metrics. Not for the public."},
	{"http.debug.prometheus", KEY_SECTION},
	{"http.debug.prometheus.enabled", KEY_BOOL, .at = AT(http.debug.prometheus.enabled), .preset = "false",
	 .doc = "Offers metrics in the Prometheus format there."},
	{"http.debug.prometheus.path", KEY_STRING, .at = AT(http.debug.prometheus.path), .preset = "/metrics",
	 .doc = "Path of the metrics."},
	{"http.http2", KEY_SECTION},
	{"http.http2.disabled", KEY_BOOL, KEY_NOTE, .note = "berth speaks HTTP/1.1, which every client can",
	 .doc = "Switches HTTP/2 off."},
	{"http.h2c", KEY_SECTION},
	{"http.h2c.enabled", KEY_BOOL, KEY_NOTE, .note = "berth speaks HTTP/1.1, which every client can",
	 .doc = "HTTP/2 without TLS."},

	/* ---- notifications, redis, what registry:3 dropped ---- */
	{"notifications", KEY_SECTION},
	{"notifications.events", KEY_ANY, KEY_NOTE, .field = "eventconfig", .note = "it belongs to notifications.endpoints",
	 .doc = "What events contain."},
	{"notifications.endpoints", KEY_ANY, KEY_LATER, .note = LATER_NOTIFICATIONS,
	 .doc = "Receivers of events. An empty list, or all of them disabled, is fine."},
	{"redis", KEY_ANY, KEY_NOTE, .note = "berth needs no Redis: its database has what was cached there",
	 .doc = "Connection to Redis, in the form of `registry:2` or of `registry:3`."},
	{"compatibility", KEY_ANY, KEY_NOTE, .doc = "Manifests of schema 1.",
	 .note = "manifests of schema 1 are not served; " DROPPED},
	{"reporting", KEY_ANY, KEY_NOTE, .doc = "Bugsnag and New Relic.", .note = "nothing is reported to others; " DROPPED},

	/* ---- health ---- */
	{"health", KEY_SECTION, .doc = "Checks that `/debug/health` reports; while one fails, requests get 503."},
	{"health.storagedriver", KEY_SECTION},
	{"health.storagedriver.enabled", KEY_BOOL, .at = AT(health.storagedriver.enabled), .preset = "false",
	 .doc = "Checks that the storage answers."},
	{"health.storagedriver.interval", KEY_DURATION, .at = AT(health.storagedriver.interval), .preset = "10s",
	 .min = CLOCK_MS, .doc = "Time between two checks."},
	{"health.storagedriver.threshold", KEY_INT, .at = AT(health.storagedriver.threshold), .preset = "0",
	 .max = 1000000, .doc = "Failures in a row until it counts as failed."},
	{"health.file", KEY_ITEMS, .field = "filecheckers", .at = AT(health.file),
	 .size = sizeof(struct config_health_file), .doc = "Files that mean failure while they exist."},
	{"health.file[].file", KEY_STRING, .at = ITEM(health_file, file), .doc = "Path of the file. Required."},
	{"health.file[].interval", KEY_DURATION, .at = ITEM(health_file, interval), .preset = "10s",
	 .min = CLOCK_MS, .doc = "Time between two checks."},
	{"health.http", KEY_ITEMS, .field = "httpcheckers", .at = AT(health.http),
	 .size = sizeof(struct config_health_http), .doc = "URLs that must answer."},
	{"health.http[].uri", KEY_STRING, .flags = KEY_CREDENTIALS, .at = ITEM(health_http, uri),
	 .doc = "URL for a HEAD request. Required."},
	{"health.http[].headers", KEY_HEADERS, .flags = KEY_SECRET, .at = ITEM(health_http, headers),
	 .doc = "Headers of the request."},
	{"health.http[].statuscode", KEY_INT, .at = ITEM(health_http, statuscode), .preset = "200", .min = 100,
	 .max = 599, .doc = "Expected status."},
	{"health.http[].timeout", KEY_DURATION, .at = ITEM(health_http, timeout), .preset = "5s", .min = CLOCK_MS,
	 .doc = "Time for the answer."},
	{"health.http[].interval", KEY_DURATION, .at = ITEM(health_http, interval), .preset = "10s",
	 .min = CLOCK_MS, .doc = "Time between two checks."},
	{"health.http[].threshold", KEY_INT, .at = ITEM(health_http, threshold), .preset = "0", .max = 1000000,
	 .doc = "Failures in a row until it counts as failed."},
	{"health.tcp", KEY_ITEMS, .field = "tcpcheckers", .at = AT(health.tcp),
	 .size = sizeof(struct config_health_tcp), .doc = "Addresses that must accept a connection."},
	{"health.tcp[].addr", KEY_STRING, .at = ITEM(health_tcp, addr), .doc = "`host:port`. Required."},
	{"health.tcp[].timeout", KEY_DURATION, .at = ITEM(health_tcp, timeout), .preset = "5s", .min = CLOCK_MS,
	 .doc = "Time for the connection."},
	{"health.tcp[].interval", KEY_DURATION, .at = ITEM(health_tcp, interval), .preset = "10s", .min = CLOCK_MS,
	 .doc = "Time between two checks."},
	{"health.tcp[].threshold", KEY_INT, .at = ITEM(health_tcp, threshold), .preset = "0", .max = 1000000,
	 .doc = "Failures in a row until it counts as failed."},

	/* ---- proxy ---- */
	{"proxy", KEY_SECTION},
	{"proxy.remoteurl", KEY_ANY, KEY_LATER, .doc = "The registry that this one caches.",
	 .note = "a pull-through cache comes in a later version; remove the section `proxy`"},
	{"proxy.username", KEY_ANY, KEY_NOTE, .note = WITH_PROXY, .doc = "User there."},
	{"proxy.password", KEY_ANY, KEY_NOTE, .note = WITH_PROXY, .doc = "Password there."},
	{"proxy.exec", KEY_ANY, KEY_NOTE, .note = WITH_PROXY, .doc = "Program that tells user and password."},
	{"proxy.ttl", KEY_ANY, KEY_NOTE, .note = WITH_PROXY, .doc = "Life of cached content."},
	{"proxy.cachewritetimeout", KEY_ANY, KEY_NOTE, .note = WITH_PROXY, .doc = "Time for writing to the cache."},

	/* ---- lists, validation, policy ---- */
	{"catalog", KEY_SECTION},
	{"catalog.maxentries", KEY_INT, .at = AT(catalog.maxentries), .preset = "1000", .min = 1, .max = 1000000,
	 .doc = "Largest page of `/v2/_catalog`."},
	{"tags", KEY_SECTION},
	{"tags.maxtags", KEY_INT, .at = AT(tags.maxtags), .preset = "1000", .min = 1, .max = 1000000,
	 .doc = "Largest page of `tags/list`."},
	{"validation", KEY_SECTION},
	{"validation.disabled", KEY_BOOL, .at = AT(validation.disabled), .preset = "false",
	 .doc = "Switches the following checks of pushed manifests off."},
	{"validation.enabled", KEY_BOOL, KEY_NOTE, .note = "deprecated; checks are on unless validation.disabled is set",
	 .doc = "Old switch."},
	{"validation.manifests", KEY_SECTION},
	{"validation.manifests.urls", KEY_SECTION,
	 .doc = "URLs of foreign layers. With neither list every manifest that has such a URL is rejected."},
	{"validation.manifests.urls.allow", KEY_REGEXES, .at = AT(validation.manifests.urls.allow),
	 .doc = "Regular expressions, one of which each URL must match."},
	{"validation.manifests.urls.deny", KEY_REGEXES, .at = AT(validation.manifests.urls.deny),
	 .doc = "Regular expressions, none of which a URL may match."},
	{"validation.manifests.indexes", KEY_SECTION},
	{"validation.manifests.indexes.platforms", KEY_ENUM, .at = AT(validation.manifests.indexes.platforms),
	 .preset = "all", .choices = platforms, .doc = "Which images of a pushed index must be there."},
	{"validation.manifests.indexes.platformlist", KEY_ITEMS, .at = AT(validation.manifests.indexes.platformlist),
	 .size = sizeof(struct config_platform), .doc = "The platforms that must be there, with `platforms: list`."},
	{"validation.manifests.indexes.platformlist[].architecture", KEY_STRING, .at = ITEM(platform, architecture),
	 .doc = "Such as `amd64`. Required."},
	{"validation.manifests.indexes.platformlist[].os", KEY_STRING, .at = ITEM(platform, os),
	 .doc = "Such as `linux`. Required."},
	{"policy", KEY_SECTION},
	{"policy.repository", KEY_SECTION},
	{"policy.repository.classes", KEY_ANY, KEY_NOTE, .note = "what a client may push is the token server's to say",
	 .doc = "Allowed classes of repositories."},

	/* ---- berth ---- */
	{"berth", KEY_SECTION, .doc = "What only berth has. Environment variables begin with `BERTH_`."},
	{"berth.http", KEY_SECTION, .doc = "Limits against slow, hostile and too many clients."},
	{"berth.http.maxconnections", KEY_INT, .at = AT(berth.http.maxconnections), .preset = "0", .max = 10000000,
	 .doc = "Open connections. 0: as many as file descriptors allow."},
	{"berth.http.maxconnectionsperaddress", KEY_INT, .at = AT(berth.http.maxconnectionsperaddress), .preset = "0",
	 .max = 10000000, .doc = "Open connections of one address. 0: no limit, right behind a proxy."},
	{"berth.http.maxthreads", KEY_INT, .at = AT(berth.http.maxthreads), .preset = "4096", .min = 4, .max = 65536,
	 .doc = "Threads, which is requests at the same time. Beyond it the answer is 503."},
	{"berth.http.headerbytes", KEY_SIZE, .at = AT(berth.http.headerbytes), .preset = "32KiB", .min = 4096,
	 .max = 1048576, .doc = "Size of request line and headers."},
	{"berth.http.headertimeout", KEY_DURATION, .at = AT(berth.http.headertimeout), .preset = "10s",
	 .min = CLOCK_MS, .doc = "Time for a client to send them, and for a TLS handshake."},
	{"berth.http.idletimeout", KEY_DURATION, .at = AT(berth.http.idletimeout), .preset = "75s", .min = CLOCK_MS,
	 .doc = "How long a connection is kept without a request."},
	{"berth.http.minrate", KEY_SIZE, .at = AT(berth.http.minrate), .preset = "1024",
	 .doc = "Bytes a second that bodies must make, up and down. 0: any rate will do."},
	{"berth.http.rategrace", KEY_DURATION, .at = AT(berth.http.rategrace), .preset = "20s", .min = CLOCK_MS,
	 .doc = "The time over which that rate is measured."},
	{"berth.manifest", KEY_SECTION},
	{"berth.manifest.maxbytes", KEY_SIZE, .at = AT(berth.manifest.maxbytes), .preset = "4MiB", .min = 65536,
	 .max = 67108864, .doc = "Largest manifest. Clients expect 4 MiB."},
	{"berth.database", KEY_SECTION},
	{"berth.database.path", KEY_STRING, .at = AT(berth.database.path),
	 .derived = "`berth/berth.db` in `storage.filesystem.rootdirectory`",
	 .doc = "File of the metadata database. Must be on a local disk."},
	{"berth.gc", KEY_SECTION, .doc = "The garbage collection, which runs while the registry serves."},
	{"berth.gc.enabled", KEY_BOOL, .at = AT(berth.gc.enabled), .preset = "true",
	 .doc = "Collect in the background. `berth gc` works either way."},
	{"berth.gc.grace", KEY_DURATION, .at = AT(berth.gc.grace), .preset = "1h",
	 .doc = "What became useless stays this long, and longer when a client asks for it. It must be longer than "
	        "the push of an image takes."},
	{"berth.gc.interval", KEY_DURATION, .at = AT(berth.gc.interval), .preset = "1m", .min = CLOCK_S,
	 .doc = "Time between two runs. A run without garbage costs next to nothing."},
	{"berth.gc.untagged", KEY_BOOL, .at = AT(berth.gc.untagged), .preset = "false",
	 .doc = "Remove manifests without a tag, unless an index lists them or they refer to a subject that is there."},
	{"berth.gc.untaggedafter", KEY_DURATION, .at = AT(berth.gc.untaggedafter), .preset = "168h",
	 .doc = "With `berth.gc.untagged`: how long they stay."},
	{"berth.gc.referrers", KEY_BOOL, .at = AT(berth.gc.referrers), .preset = "true",
	 .doc = "Remove signatures, SBOMs and other referrers without a tag when their subject was deleted."},
	{"berth.scrub", KEY_SECTION, .doc = "Reading every byte again on a schedule, to find damage before somebody needs the "
	                                    "image."},
	{"berth.scrub.enabled", KEY_BOOL, .at = AT(berth.scrub.enabled), .preset = "false", .doc = "Scrub in the background."},
	{"berth.scrub.interval", KEY_DURATION, .at = AT(berth.scrub.interval), .preset = "168h", .min = CLOCK_S,
	 .doc = "Time from the start of one run to the next. The last one is remembered over restarts."},
	{"berth.scrub.rate", KEY_SIZE, .at = AT(berth.scrub.rate), .preset = "20MiB", .min = 1024,
	 .doc = "Bytes read in a second, at most."},
	{"berth.scrub.quarantine", KEY_BOOL, .at = AT(berth.scrub.quarantine), .preset = "true",
	 .doc = "Put damaged blobs aside, so that nobody pulls wrong bytes. Pushing the image again heals them."},
};
/* clang-format on */

const size_t cfg_nkeys = ARRAY_LEN(cfg_keys);

const struct config_key *cfg_key_root(void)
{
	return &cfg_keys[0];
}

/* What the path of each child begins with. */
static size_t child_prefix(const struct config_key *parent, const char *path)
{
	size_t n = strlen(parent->path);
	const char *joint = n == 0 ? "" : parent->type == KEY_ITEMS ? "[]." : ".";

	if (strncmp(path, parent->path, n) != 0 || strncmp(path + n, joint, strlen(joint)) != 0)
		return 0;
	return n + strlen(joint);
}

const struct config_key *cfg_key_next_child(const struct config_key *parent, const struct config_key *prev)
{
	const struct config_key *k = prev ? prev : parent;

	for (k++; k < cfg_keys + cfg_nkeys; k++) {
		size_t n = child_prefix(parent, k->path);

		if (n == 0 && parent != cfg_key_root())
			return NULL;
		if (!strchr(k->path + n, '.'))
			return k;
	}
	return NULL;
}

const struct config_key *cfg_key_child(const struct config_key *parent, struct slice name)
{
	const struct config_key *k = NULL;

	while ((k = cfg_key_next_child(parent, k)) != NULL)
		if (slice_eq_cstr(name, cfg_key_name(k)))
			return k;
	return NULL;
}

const char *cfg_key_name(const struct config_key *key)
{
	const char *dot = strrchr(key->path, '.');

	return dot ? dot + 1 : key->path;
}

const char *cfg_key_choice_name(const struct config_key *key, int value)
{
	for (const struct key_choice *c = key->choices; c && c->name; c++)
		if (c->value == value && !c->refused)
			return c->name;
	return NULL;
}
