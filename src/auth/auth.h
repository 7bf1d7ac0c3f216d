/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.h - who is asking, and may they: the access controllers of registry:2
 * (none, silly, htpasswd, token) behind one interface.
 *
 * auth knows HTTP requests and abstract resources, nothing of routes. All
 * functions but the constructors are thread-safe and may block (bcrypt), which
 * they announce with http_may_block.
 */
#ifndef BERTH_AUTH_AUTH_H
#define BERTH_AUTH_AUTH_H

#include "base/err.h"
#include "http/http.h"

/* "repository", "samalba/my-app", "pull": one line of what a request needs. */
struct auth_access {
	const char *type;   /* "repository" or "registry" */
	struct slice name;  /* repository name, or "catalog" */
	const char *action; /* "pull", "push", "delete", "*" */
};

enum auth_verdict {
	AUTH_GRANTED,      /* req->user is set where there is one */
	AUTH_UNAUTHORIZED, /* 401: no or bad credentials; the challenge header was added to the answer */
	AUTH_DENIED,       /* 403: known, but not allowed */
	AUTH_THROTTLED,    /* 429: too many bad passwords from there; Retry-After was added */
	AUTH_ERROR         /* 500/503: the controller itself failed; it has logged why */
};
#define AUTH_RESULT_ANONYMOUS (AUTH_ERROR + 1) /* unauthorized for want of credentials: in metrics only */
#define AUTH_RESULTS (AUTH_RESULT_ANONYMOUS + 1)

struct auth;
struct metric_value;

struct auth_ops {
	const char *name;
	bool per_repository; /* rights may differ from one repository to another */
	/* `why` gets a short text for the error body ("authentication required"). */
	enum auth_verdict (*check)(
	    struct auth *, struct http_req *, const struct auth_access *, size_t, struct slice *why);
	void (*free)(struct auth *);
};

struct auth { /* embedded first */
	uint32_t magic;
#define AUTH_MAGIC 0x41757448
	const struct auth_ops *ops;
	struct metric_value *results[AUTH_RESULTS]; /* private: counters by verdict */
};

/* May this request do all of these (n may be 0: just be somebody)? Adds
 * WWW-Authenticate to the answer when not. `a` NULL grants everything. */
enum auth_verdict auth_check(
    struct auth *a, struct http_req *req, const struct auth_access *access, size_t n, struct slice *why);
void auth_free(struct auth **a);
/* May somebody be allowed to read one repository and not another? False without
 * a controller and where whoever is logged in may do everything. */
static inline bool auth_per_repository(const struct auth *a)
{
	return a && a->ops->per_repository;
}

/* Any Authorization header passes; without one a Bearer challenge. Tests only. */
enum err_code auth_silly_new(const char *realm, const char *service, struct auth **out, struct err *err) MUST_USE;

/*
 * Basic against an htpasswd file: bcrypt ($2y$, $2a$, $2b$), as registry:2
 * takes it, and crypt(3) hashes of SHA-256/512 ($5$, $6$). The file is read
 * again when it changes; a file that became unreadable or malformed keeps the
 * last good content and is logged with its line. A missing file is created
 * with the user "docker" and a random password, which is logged once. Good
 * credentials are remembered as keyed digests for a short time and forgotten
 * when the file changes; bad ones are throttled per address and user.
 */
enum err_code auth_htpasswd_new(const char *realm, const char *path, struct auth **out, struct err *err) MUST_USE;

struct auth_token_options {
	const char *realm, *service, *issuer;
	const char *rootcertbundle;            /* PEM file or NULL */
	const char *jwks;                      /* JSON file or NULL */
	const char *const *signing_algorithms; /* allow list; none: the default list of registry:3 */
	size_t n_signing_algorithms;
	bool autoredirect;
	const char *autoredirect_path; /* "/auth/token" */
};
/* Bearer tokens of the Distribution token specification (JWT signed by a key
 * of the bundle or the JWKS; kid is an RFC 7638 thumbprint, a libtrust
 * fingerprint or the JWKS kid; x5c chains and jwk headers). */
enum err_code auth_token_new(const struct auth_token_options *o, struct auth **out, struct err *err) MUST_USE;

void auth_metrics_register(void);

#endif
