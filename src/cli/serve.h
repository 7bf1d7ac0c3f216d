/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve.h - what the files of `berth serve` share: from the configuration to
 * the options of each module (serve_options.c), and the order in which the
 * modules are started and stopped (cmd_serve.c).
 */
#ifndef BERTH_CLI_SERVE_H
#define BERTH_CLI_SERVE_H

#include "auth/auth.h"
#include "base/log.h"
#include "cli/debug.h"
#include "config/config.h"
#include "http/server.h"
#include "jobs/gc.h"
#include "registry/registry.h"

/* Arrays that the options of other modules borrow; each is free()d at the end. */
struct serve_arrays {
	struct log_field *log_fields;
	struct http_field *headers;
	const regex_t **urls_allow, **urls_deny;
	struct registry_platform *platforms;
};
void serve_arrays_free(struct serve_arrays *a);

/* Sets the log up as log.* says. */
void serve_setup_log(const struct config *cfg, struct serve_arrays *a);
/* NULL in *out when nobody has to log in. */
enum err_code serve_open_auth(const struct config *cfg, struct auth **out, struct err *err) MUST_USE;
/* Everything but meta, storage, auth and the health function. */
void serve_registry_options(const struct config *cfg, struct serve_arrays *a, struct registry_options *out);
/* The main server but for handler and context; `tls` is used when there is a certificate. */
void serve_http_options(
    const struct config *cfg, struct serve_arrays *a, struct http_tls_options *tls, struct http_server_options *out);
/* The health checks of the configuration. */
void serve_add_health(const struct config *cfg, struct storage *storage, struct health *health);

/* Is the address, as http_server_address gives it, reachable from this machine only? */
bool serve_is_local(const char *address);

/* Takes over a directory of registry:2, where that has not been done; tells the
 * log about it. */
enum err_code serve_adopt(
    const struct config *cfg, struct storage *storage, struct meta *meta, struct err *err) MUST_USE;

/* berth.gc as the collector takes it. */
void serve_gc_rules(const struct config *cfg, struct gc_rules *out);

#endif
