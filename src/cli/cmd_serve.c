/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_serve.c - `berth serve`: starts the modules from the bottom to the top,
 * waits for a signal, and stops them in the opposite order.
 *
 * Nothing is reachable before everything has been opened, so a registry that
 * answers is a registry that works; and whatever cannot be opened ends the
 * start with one line that says what is wrong and what to do.
 */
#include "base/clock.h"
#include "base/fsys.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/offline.h"
#include "cli/process.h"
#include "cli/serve.h"
#include "cli/systemd.h"
#include "http/access.h"
#include "jobs/gc.h"
#include "jobs/purge.h"
#include "jobs/scrub.h"

#include <unistd.h>

#define DEBUG_DRAIN (CLOCK_S / 2)

struct serve {
	const struct config *cfg;
	struct serve_arrays arrays;
	struct systemd_sockets sockets;
	struct http_tls_options tls;
	struct storage *storage;
	struct meta *meta;
	struct auth *auth;
	struct health *health;
	struct registry_options registry_options;
	struct registry *registry;
	struct purge *purge;
	struct scrub *scrub;
	struct gc *gc;
	struct control control;
	struct debug debug;
	struct http_server *main_server, *debug_server;
};

/* ---- what the servers call ------------------------------------------------------- */

static void handle(struct http_req *req, void *ctx)
{
	const struct serve *s = ctx;

	registry_handle(req, s->registry);
}

static void answered(const struct http_req *req, void *ctx)
{
	const struct serve *s = ctx;

	if (!s->cfg->log.accesslog.disabled)
		access_log(req, 1);
	registry_count(req);
	LOG_DEBUG("response completed", LOG_STR("http.request.id", req->id),
	    LOG_SLICE("http.request.method", req->method_text), LOG_SLICE("http.request.uri", req->target),
	    LOG_STR("http.request.remoteaddr", req->peer), LOG_INT("http.response.status", req->status),
	    LOG_INT("http.response.written", req->bytes_out),
	    LOG_INT("duration_us", (clock_mono() - req->started) / 1000));
}

static struct slice refused(struct http_req *req, int status, const char *message, void *ctx)
{
	http_header_set(req, "Content-Type", SLICE("application/json; charset=utf-8"));
	return registry_error_body(status, message, req->arena);
}

static bool healthy(void *arg, char *why, size_t cap)
{
	return health_ok(arg, why, cap);
}

static enum err_code purge_uploads(
    void *arg, int64_t before, size_t limit, bool dry_run, size_t *removed, struct err *err)
{
	return registry_purge_uploads(arg, before, limit, dry_run, removed, err);
}

/* ---- opening ---------------------------------------------------------------------- */

static void register_metrics(void)
{
	process_metrics_register();
	http_metrics_register();
	storage_metrics_register();
	meta_metrics_register();
	auth_metrics_register();
	registry_metrics_register();
	health_metrics_register();
	purge_metrics_register();
	gc_metrics_register();
	scrub_metrics_register();
}

static enum err_code open_database(struct serve *s, struct err *err)
{
	struct meta_options o = {.path = s->cfg->berth.database.path};
	CLEANUP(free_ptr) char *directory = xstrdup(o.path);
	char *slash = strrchr(directory, '/');
	enum err_code code = ERR_OK;

	if (slash && slash > directory) {
		*slash = '\0';
		code = fsys_mkdirs(directory, err);
	}
	if (code != ERR_OK)
		return err_context(err, "cannot make the directory of the database (berth.database.path)");
	return meta_open(&o, &s->meta, err);
}

static enum err_code open_registry(struct serve *s, struct err *err)
{
	struct registry_options *o = &s->registry_options;

	serve_registry_options(s->cfg, &s->arrays, o);
	o->meta = s->meta;
	o->storage = s->storage;
	o->auth = s->auth;
	o->healthy = healthy;
	o->healthy_arg = s->health;
	return registry_new(o, &s->registry, err);
}

static enum err_code start_gc(struct serve *s, struct err *err)
{
	struct gc_options o = {.meta = s->meta, .storage = s->storage};
	enum err_code code;

	if (s->cfg->berth.gc.enabled && !s->cfg->storage.maintenance.readonly.enabled)
		o.interval = s->cfg->berth.gc.interval;
	serve_gc_rules(s->cfg, &o.rules);
	o.rules.gentle = true;
	code = gc_start(&o, &s->gc, err);
	s->control = (struct control){
	    .cfg = s->cfg, .meta = s->meta, .storage = s->storage, .gc = s->gc, .registry = &s->registry_options};
	return code ? code : control_start(&s->control, err);
}

static enum err_code start_scrub(struct serve *s, struct err *err)
{
	struct scrub_options o = {.meta = s->meta,
	    .storage = s->storage,
	    .interval = s->cfg->berth.scrub.interval,
	    .rate = (uint64_t)s->cfg->berth.scrub.rate,
	    .quarantine = s->cfg->berth.scrub.quarantine};

	return s->cfg->berth.scrub.enabled ? scrub_start(&o, &s->scrub, err) : ERR_OK;
}

static enum err_code start_jobs(struct serve *s, struct err *err)
{
	struct purge_options o = {.age = s->cfg->storage.maintenance.uploadpurging.age,
	    .interval = s->cfg->storage.maintenance.uploadpurging.interval,
	    .first = PURGE_FIRST_RANDOM,
	    .dry_run = s->cfg->storage.maintenance.uploadpurging.dryrun,
	    .remove = purge_uploads,
	    .arg = s->registry};
	enum err_code code = health_start(s->health, err);

	if (code == ERR_OK)
		code = start_gc(s, err);
	if (code == ERR_OK)
		code = start_scrub(s, err);
	if (code != ERR_OK || !s->cfg->storage.maintenance.uploadpurging.enabled ||
	    s->cfg->storage.maintenance.readonly.enabled)
		return code;
	return purge_start(&o, &s->purge, err);
}

static enum err_code start_debug(struct serve *s, struct err *err)
{
	struct http_server_options o = {.name = "debug",
	    .addr = s->cfg->http.debug.addr,
	    .listen_fd = -1,
	    .handler = debug_handle,
	    .ctx = &s->debug};

	s->debug.meta = s->meta;
	s->debug.storage = s->storage;
	s->debug.health = s->health;
	if (s->cfg->http.debug.prometheus.enabled)
		s->debug.metrics_path = s->cfg->http.debug.prometheus.path;
	if (!o.addr && s->sockets.debug < 0)
		return ERR_OK;
	if (s->sockets.debug >= 0) {
		o.net = "fd";
		o.listen_fd = s->sockets.debug;
	}
	http_limits_default(&o.limits);
	o.limits.threads = 16;
	o.limits.threads_reserved = 0;
	return http_server_start(&o, &s->debug_server, err);
}

static enum err_code start_main(struct serve *s, struct err *err)
{
	struct http_server_options o;
	enum err_code code;

	serve_http_options(s->cfg, &s->arrays, &s->tls, &o);
	o.handler = handle;
	o.done = answered;
	o.refusal = refused;
	o.ctx = s;
	if (s->sockets.main >= 0) {
		o.net = "fd";
		o.listen_fd = s->sockets.main;
	}
	code = http_server_start(&o, &s->main_server, err);
	if (code == ERR_OK)
		debug_ready(&s->debug, s->main_server);
	return code;
}

/* Everything from the bottom to the top; the first failure ends it. */
static enum err_code start(struct serve *s, struct err *err)
{
	enum err_code code;

	s->health = health_new();
	if ((code = systemd_take_sockets(&s->sockets, err)) != ERR_OK)
		return code;
	if ((code = storage_fs_open(s->cfg->storage.filesystem.rootdirectory, &s->storage, err)) != ERR_OK)
		return code;
	if ((code = open_database(s, err)) != ERR_OK)
		return code;
	if ((code = serve_adopt(s->cfg, s->storage, s->meta, err)) != ERR_OK)
		return code;
	if ((code = serve_open_auth(s->cfg, &s->auth, err)) != ERR_OK)
		return code;
	serve_add_health(s->cfg, s->storage, s->health);
	if ((code = open_registry(s, err)) != ERR_OK)
		return code;
	if ((code = start_jobs(s, err)) != ERR_OK)
		return code;
	if (start_debug(s, err) != ERR_OK)
		return err_context(err, "http.debug.addr");
	return start_main(s, err);
}

/* The opposite order; what was not opened is NULL. */
static void stop(struct serve *s, int64_t drain)
{
	debug_stopping(&s->debug);
	if (s->main_server)
		http_server_stop(&s->main_server, clock_mono() + drain);
	if (s->debug_server)
		http_server_stop(&s->debug_server, clock_mono() + DEBUG_DRAIN);
	purge_stop(&s->purge);
	scrub_stop(&s->scrub);
	control_stop(&s->control);
	gc_stop(&s->gc);
	health_free(&s->health);
	registry_free(&s->registry);
	auth_free(&s->auth);
	meta_close(&s->meta);
	storage_free(&s->storage);
	debug_destroy(&s->debug);
}

/* ---- telling people ----------------------------------------------------------------- */

/* Without a configuration file, at a terminal, somebody is trying berth out. */
static void greet(const char *listening)
{
	const char *port = strrchr(listening, ':');
	char address[512];

	if (listening[0] == '/' || !port)
		return; /* no client takes a socket's path */
	if (serve_is_local(listening))
		port = "";
	snprintf(address, sizeof(address), "%s%s", *port ? "127.0.0.1" : listening, port);
	fprintf(stderr,
	    "\nberth " BERTH_VERSION " is ready on %s. Try it:\n\n"
	    "    docker pull alpine\n"
	    "    docker tag alpine %s/alpine\n"
	    "    docker push %s/alpine\n\n"
	    "Control-C stops it.\n\n",
	    address, address, address);
}

static void announce(const struct serve *s)
{
	const char *address = http_server_address(s->main_server);
	char text[512];

	snprintf(text, sizeof(text), "listening on %s%s", address, s->cfg->http.tls.certificate ? ", tls" : "");
	log_write(LOG_LVL_INFO, __FILE__, __LINE__, text, &LOG_STR("version", BERTH_VERSION), 1);
	if (s->debug_server) {
		snprintf(text, sizeof(text), "debug server listening on %s", http_server_address(s->debug_server));
		log_write(LOG_LVL_INFO, __FILE__, __LINE__, text, NULL, 0);
	}
	if (!config_login_required(s->cfg) && !serve_is_local(address))
		LOG_WARN(
		    "everybody who reaches this address can read and write: set auth.htpasswd or auth.token, or listen on "
		    "127.0.0.1",
		    LOG_STR("address", address));
	if (!s->cfg->file && isatty(STDERR_FILENO) && s->cfg->log.formatter == LOG_FMT_TEXT &&
	    log_enabled(LOG_LVL_INFO))
		greet(address);
}

/* Why the start failed, in the form of the log unless that is for people anyway. */
static void complain(const struct config *cfg, const struct err *err)
{
	if (cfg->log.formatter == LOG_FMT_TEXT)
		fprintf(stderr, "berth: %s\n", err->msg);
	else
		LOG_ERROR("cannot start", LOG_STR("error", err->msg));
}

static void reload(struct serve *s)
{
	struct err err = {0};

	if (!s->cfg->http.tls.certificate)
		LOG_INFO("SIGHUP: nothing to load again without http.tls");
	else if (http_server_reload_tls(s->main_server, &err) == ERR_OK)
		LOG_INFO("SIGHUP: certificates loaded again");
	else
		LOG_ERROR("SIGHUP: the old certificates stay in use", LOG_STR("error", err.msg));
}

static int serve(const struct config *cfg)
{
	struct serve s = {.cfg = cfg, .sockets = {-1, -1}};
	int64_t drain = cfg->http.draintimeout;
	int status = EXIT_FAILED;
	struct err err = {0};

	serve_setup_log(cfg, &s.arrays);
	debug_init(&s.debug);
	process_prepare();
	process_block_signals();
	register_metrics();
	if (start(&s, &err) == ERR_OK) {
		announce(&s);
		systemd_notify("READY=1");
		while (process_wait() == PROCESS_RELOAD)
			reload(&s);
		systemd_notify("STOPPING=1");
		LOG_INFO("stopping: requests under way may finish", LOG_INT("seconds", drain / CLOCK_S),
		    LOG_INT("requests", http_server_active(s.main_server)));
		process_signals_kill();
		status = EXIT_OK;
	} else {
		complain(cfg, &err);
	}
	stop(&s, drain);
	if (status == EXIT_OK)
		LOG_INFO("stopped");
	serve_arrays_free(&s.arrays); /* the log has used them up to here */
	return status;
}

/* ---- the command ---------------------------------------------------------------------- */

int cmd_serve(int argc, char **argv)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg;
	int status = EXIT_USAGE;

	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-')
			return usage_error("serve", "serve has no option %s", argv[i]);
	if (argc > 2)
		return usage_error("serve", "serve takes one configuration file, not %d", argc - 1);
	cfg = config_load(argc > 1 ? argv[1] : NULL, environ, &problems);
	offline_show_problems(&problems);
	if (!cfg)
		fprintf(stderr, "berth: nothing was started: the configuration has %zu %s\n", problems.errors,
		    problems.errors == 1 ? "error" : "errors");
	config_problems_free(&problems);
	if (cfg)
		status = serve(cfg);
	config_free(&cfg);
	return status;
}
