/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the configuration: the registry:2 and registry:3 config.yml, the
 * REGISTRY_* environment over it, and berth's own settings under `berth:` with
 * BERTH_*.
 *
 * One table (keys.c) says of every key its path, type, default, where it lands
 * in `struct config`, whether it does something here, and its documentation;
 * reading, overriding, checking, showing and the reference page all follow it.
 * The struct mirrors the file: `http.tls.certificate` is cfg->http.tls.certificate.
 *
 * Nothing is ignored silently. A key is known and read, or known and refused
 * with the reason, or known and accepted with a note that it has no effect
 * here, or unknown and an error that names the nearest known key.
 *
 * Order of precedence: environment, file, default. A key whose value is null
 * or empty (`host:` or REGISTRY_HTTP_HOST=) counts as not given.
 *
 * A loaded configuration is read-only and may be used by any thread.
 */
#ifndef BERTH_CONFIG_CONFIG_H
#define BERTH_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include <regex.h>

/* ---- pieces --------------------------------------------------------------- */

struct config_strings {
	const char **v; /* n strings, then NULL; never NULL itself */
	size_t n;
};

struct config_pair {
	const char *name, *value;
};
struct config_map { /* names are unique; in the order of the file */
	struct config_pair *v;
	size_t n;
};

struct config_header {
	const char *name;
	struct config_strings values;
};
struct config_headers {
	struct config_header *v;
	size_t n;
};

/* Regular expressions in the syntax of Go's regexp package, as far as POSIX
 * extended ones can express it, compiled for regexec (REG_NOSUB). */
struct config_regex {
	const char *text;
	regex_t re;
};
struct config_regexes {
	struct config_regex *v;
	size_t n;
};

enum config_auth { CONFIG_AUTH_NONE, CONFIG_AUTH_SILLY, CONFIG_AUTH_HTPASSWD, CONFIG_AUTH_TOKEN };

/* The order and meaning of enum http_client_auth. */
enum config_clientauth {
	CONFIG_CLIENTAUTH_NONE,
	CONFIG_CLIENTAUTH_REQUEST,
	CONFIG_CLIENTAUTH_REQUIRE_ANY,
	CONFIG_CLIENTAUTH_VERIFY_IF_GIVEN,
	CONFIG_CLIENTAUTH_REQUIRE_VERIFY
};

enum config_platforms { CONFIG_PLATFORMS_ALL, CONFIG_PLATFORMS_NONE, CONFIG_PLATFORMS_LIST };

struct config_health_file {
	const char *file; /* unhealthy while it exists */
	int64_t interval;
};
struct config_health_http {
	const char *uri;
	struct config_headers headers;
	int64_t statuscode, timeout, interval, threshold;
};
struct config_health_tcp {
	const char *addr;
	int64_t timeout, interval, threshold;
};
struct config_platform {
	const char *architecture, *os;
};

/* ---- the configuration ---------------------------------------------------- */

/*
 * Strings are NULL when not given and without a default, never empty. Durations are
 * nanoseconds, sizes bytes. Whatever is documented as checked has been checked
 * when config_load succeeded, across keys as well.
 */
struct config {
	uint32_t magic;
#define CONFIG_MAGIC 0x436f6e66
	const char *file; /* as it was named; NULL: no file, berth's own safe defaults */

	struct {
		int level;     /* enum log_level */
		int formatter; /* enum log_format */
		struct config_map fields;
		bool reportcaller;
		struct {
			bool disabled;
		} accesslog;
	} log;

	struct { /* driver: filesystem */
		struct {
			const char *rootdirectory; /* never NULL */
		} filesystem;
		struct {
			bool enabled;
		} delete;
		struct {
			bool disable;
		} redirect;
		struct {
			struct {
				bool enabled, dryrun;
				int64_t age, interval; /* > 0 */
			} uploadpurging;
			struct {
				bool enabled;
			} readonly;
		} maintenance;
	} storage;

	struct {
		enum config_auth type;
		struct {
			const char *realm, *service; /* both set when type says so */
		} silly;
		struct {
			const char *realm, *path; /* both set when type says so */
		} htpasswd;
		struct {
			const char *realm, *service,
			    *issuer; /* set when type says so; realm may be NULL with autoredirect */
			const char *rootcertbundle, *jwks; /* at least one */
			struct config_strings signingalgorithms;
			bool autoredirect;
			const char *autoredirectpath; /* "/auth/token" */
		} token;
	} auth;

	struct {
		const char *addr;   /* never NULL: "host:port", ":port", or a path when net is "unix" */
		const char *net;    /* "tcp" or "unix" */
		const char *prefix; /* starts with '/'; NULL: none */
		const char *host;   /* http(s)://... */
		const char *secret;
		bool relativeurls;
		int64_t draintimeout; /* 0: nobody is waited for */
		struct config_headers headers;
		struct {
			const char *certificate, *key; /* both or none */
			struct config_strings clientcas;
			enum config_clientauth clientauth; /* NONE without clientcas */
			int minimumtls;                    /* 12 or 13 */
			struct config_strings ciphersuites;
		} tls;
		struct {
			const char *addr; /* NULL: no second listener */
			struct {
				bool enabled;
				const char *path; /* starts with '/' */
			} prometheus;
		} debug;
	} http;

	struct {
		struct {
			bool enabled;
			int64_t interval, threshold; /* > 0, >= 0 */
		} storagedriver;
		struct {
			struct config_health_file *v;
			size_t n;
		} file;
		struct {
			struct config_health_http *v;
			size_t n;
		} http;
		struct {
			struct config_health_tcp *v;
			size_t n;
		} tcp;
	} health;

	struct {
		int64_t maxentries;
	} catalog;
	struct {
		int64_t maxtags;
	} tags;

	struct {
		bool disabled;
		struct {
			struct {
				struct config_regexes allow, deny; /* both empty: no URL is allowed */
			} urls;
			struct {
				int platforms; /* enum config_platforms */
				struct {
					struct config_platform *v;
					size_t n;
				} platformlist;
			} indexes;
		} manifests;
	} validation;

	struct {
		struct {                                                  /* struct http_limits says what they mean */
			int64_t maxconnections, maxconnectionsperaddress; /* 0: no limit of their own */
			int64_t maxthreads;
			int64_t headerbytes;
			int64_t headertimeout, idletimeout;
			int64_t minrate; /* bytes a second; 0: off */
			int64_t rategrace;
		} http;
		struct {
			int64_t maxbytes;
		} manifest;
		struct {
			const char *path; /* never NULL */
		} database;
		struct {
			bool enabled;
			int64_t grace, interval;
			bool untagged;
			int64_t untaggedafter;
			bool referrers;
		} gc;
		struct {
			bool enabled;
			int64_t interval;
			int64_t rate; /* bytes a second */
			bool quarantine;
		} scrub;
	} berth;

	struct config_private *priv;
};

/* ---- what was wrong -------------------------------------------------------- */

enum config_severity { CONFIG_ERROR, CONFIG_WARNING, CONFIG_NOTE };

struct config_problem {
	enum config_severity severity;
	const char *file; /* a file, or the name of an environment variable; NULL: the configuration as a whole */
	unsigned line;    /* from 1; 0: none */
	const char *key;  /* "http.tls.key"; NULL: none */
	const char *message;
};

/* All that was found, in the order of files and lines. Zero-initialise. */
struct config_problems {
	struct config_problem *v;
	size_t n;
	size_t errors; /* how many of them are errors */
	struct config_private_problems *priv;
};
#define CONFIG_PROBLEMS_INIT ((struct config_problems){NULL, 0, 0, NULL})
void config_problems_free(struct config_problems *p);
/* "config.yml:12: http.tls.key: message" without a newline; warnings and notes
 * say so before the message. */
void config_problem_write(const struct config_problem *p, struct buf *out);

/* ---- operations ------------------------------------------------------------ */

/*
 * Reads the file `path` (NULL: the one REGISTRY_CONFIGURATION_PATH names, or
 * none) and applies the environment `envp` (NULL: none). Returns the
 * configuration, or NULL when there was an error; `problems` gets everything
 * found, warnings and notes also on success. Opens no other file and no
 * socket. The caller frees both.
 */
struct config *config_load(const char *path, char *const *envp, struct config_problems *problems) MUST_USE;
/* The same from text in memory that calls itself `name` in messages. */
struct config *config_load_text(
    const char *name, struct slice text, char *const *envp, struct config_problems *problems) MUST_USE;
void config_free(struct config **cfg);

/* Looks whether the files and directories that are named can be used, and adds
 * warnings. For `berth config check`. */
void config_check_files(const struct config *cfg, struct config_problems *problems);

/* Is somebody asked to log in? False with auth none and silly. */
bool config_login_required(const struct config *cfg);

/* The effective configuration as YAML that loads again, each value followed by
 * its origin as a comment; secrets are masked. */
void config_show(const struct config *cfg, struct buf *out);

/* The reference of all keys, in Markdown. */
void config_reference(struct buf *out);

#endif
