/* SPDX-License-Identifier: Apache-2.0 */
/*
 * health.c - health checks: when they run, when they count as failed, and what
 * is told about them.
 */
#include "jobs/health.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/sync.h"
#include "jobs/probe.h"
#include "jobs/schedule.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A check that has been running for so long over its own timeout hangs. */
#define HANGS_AFTER (60 * CLOCK_S)

struct check {
	/* Constant once started. */
	struct check *next;
	struct health *health;
	char *name;   /* as it is shown */
	char *target; /* what is looked at */
	enum err_code (*probe)(struct check *c, struct err *err);
	int64_t timeout, interval, threshold;
	health_fn *call;
	void *arg;
	char **fields;
	size_t nfields;
	int status;
	struct metric_value *gauge;
	/* Under health->lock. */
	int64_t failures; /* in a row */
	bool failing;
	char message[512];
};

struct health {
	uint32_t magic;
#define HEALTH_MAGIC 0x48656c74
	struct check *checks, **end; /* constant once started */
	size_t n;
	struct schedule *schedule;
	struct client *client; /* of the thread; NULL without an HTTP check */
	int quit;              /* eventfd: ends a TCP check */
	pthread_mutex_t lock;
	const struct check *running; /* under the lock */
	/* Read without the lock by every request. */
	_Atomic size_t failing;
	_Atomic bool stop;
	_Atomic int64_t hangs_at; /* when the running check counts as hanging, CLOCK_NEVER when none runs */
};

static struct metric_family families[] = {
    {.name = "berth_health_check_failing",
        .help = "1 while the health check fails.",
        .type = METRIC_GAUGE,
        .labels = {"check"}},
};

void health_metrics_register(void)
{
	metric_register(families, ARRAY_LEN(families));
}

struct health *health_new(void)
{
	struct health *h = xcalloc(1, sizeof(*h));

	h->magic = HEALTH_MAGIC;
	h->end = &h->checks;
	h->quit = -1;
	mutex_init(&h->lock);
	atomic_init(&h->hangs_at, CLOCK_NEVER);
	return h;
}

/* ---- the kinds of checks --------------------------------------------------- */

static enum err_code check_call(struct check *c, struct err *err)
{
	return c->call(c->arg, err);
}

static enum err_code check_file(struct check *c, struct err *err)
{
	return probe_file(c->target, err);
}

static enum err_code check_tcp(struct check *c, struct err *err)
{
	return probe_tcp(c->target, c->timeout, c->health->quit, err);
}

static enum err_code check_http(struct check *c, struct err *err)
{
	return probe_http(
	    c->health->client, c->target, (const char *const *)c->fields, c->nfields, c->timeout, c->status, err);
}

static struct check *add(struct health *h, const char *name, enum err_code (*probe)(struct check *, struct err *),
    int64_t timeout, int64_t interval, int64_t threshold)
{
	struct check *c = xcalloc(1, sizeof(*c));

	OBJ_CHECK(h, HEALTH_MAGIC);
	ASSERT(!h->schedule && interval > 0);
	c->health = h;
	c->name = xstrdup(name);
	c->target = xstrdup(name);
	c->probe = probe;
	c->timeout = timeout;
	c->interval = interval;
	c->threshold = threshold;
	c->gauge = metric_child(&families[0], (const char *const[]){name});
	metric_set(c->gauge, 0);
	*h->end = c;
	h->end = &c->next;
	h->n++;
	return c;
}

void health_add_call(struct health *h, const char *name, int64_t interval, int64_t threshold, health_fn *fn, void *arg)
{
	struct check *c = add(h, name, check_call, 0, interval, threshold);

	c->call = fn;
	c->arg = arg;
}

void health_add_file(struct health *h, const char *file, int64_t interval)
{
	add(h, file, check_file, 0, interval, 0);
}

void health_add_tcp(struct health *h, const char *addr, int64_t timeout, int64_t interval, int64_t threshold)
{
	add(h, addr, check_tcp, timeout, interval, threshold);
}

/* A URL without "user:password@", since the names of checks are shown to everybody. */
static char *without_credentials(const char *uri)
{
	const char *authority = strstr(uri, "://"), *path;
	ssize_t at;

	authority = authority ? authority + 3 : uri;
	path = authority + strcspn(authority, "/?#");
	at = slice_rfind(slice_of(authority, (size_t)(path - authority)), '@');
	return xasprintf("%.*s%s", (int)(authority - uri), uri, authority + at + 1);
}

void health_add_http(struct health *h, const struct health_http *o)
{
	CLEANUP(free_ptr) char *name = without_credentials(o->uri);
	struct check *c = add(h, name, check_http, o->timeout, o->interval, o->threshold);

	free(c->target);
	c->target = xstrdup(o->uri);
	c->status = o->status;
	c->fields = xcalloc(o->nfields + 1, sizeof(*c->fields));
	for (size_t i = 0; i < o->nfields; i++)
		c->fields[i] = xstrdup(o->fields[i]);
	c->nfields = o->nfields;
}

/* ---- running ---------------------------------------------------------------- */

/* Takes down what a check found; says in the log when it starts or stops to fail. */
static void settle(struct check *c, enum err_code code, const struct err *err)
{
	struct health *h = c->health;
	bool was, is;

	if (atomic_load(&h->stop))
		return; /* it was cancelled, and that is nobody's failure */
	mutex_lock(&h->lock);
	was = c->failing;
	c->failures = code == ERR_OK ? 0 : c->failures + 1;
	is = code != ERR_OK && c->failures >= c->threshold;
	if (is)
		snprintf(c->message, sizeof(c->message), "%.*s", (int)sizeof(c->message) - 1, err->msg);
	c->failing = is;
	h->running = NULL;
	mutex_unlock(&h->lock);

	atomic_store(&h->hangs_at, CLOCK_NEVER);
	if (was == is)
		return;
	metric_set(c->gauge, is ? 1 : 0);
	if (is) {
		atomic_fetch_add(&h->failing, 1);
		LOG_ERROR("health check fails", LOG_STR("check", c->name), LOG_STR("error", err->msg));
	} else {
		atomic_fetch_sub(&h->failing, 1);
		LOG_INFO("health check is well again", LOG_STR("check", c->name));
	}
}

static void run_check(void *arg)
{
	struct check *c = arg;
	struct health *h = c->health;
	struct err err = {0};
	enum err_code code;

	mutex_lock(&h->lock);
	h->running = c;
	mutex_unlock(&h->lock);
	atomic_store(&h->hangs_at, clock_mono() + c->timeout + HANGS_AFTER);
	code = c->probe(c, &err);
	settle(c, code, &err);
}

enum err_code health_start(struct health *h, struct err *err)
{
	struct schedule_task *tasks;
	enum err_code code = ERR_OK;
	bool http = false;
	size_t i = 0;

	OBJ_CHECK(h, HEALTH_MAGIC);
	if (h->n == 0)
		return ERR_OK;
	for (const struct check *c = h->checks; c; c = c->next)
		http = http || c->probe == check_http;
	if (http)
		code = client_new(&h->client, err);
	if (code != ERR_OK) {
		err_context(err, "health checks by HTTP");
		return code;
	}
	h->quit = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->quit < 0)
		return err_sys(err, errno, "cannot start the health checks");
	tasks = xcalloc(h->n, sizeof(*tasks));
	for (struct check *c = h->checks; c; c = c->next)
		tasks[i++] = (struct schedule_task){.interval = c->interval, .run = run_check, .arg = c};
	code = schedule_start("health", tasks, h->n, &h->schedule, err);
	free(tasks);
	return code;
}

void health_free(struct health **hp)
{
	struct health *h = *hp;

	if (!h)
		return;
	OBJ_CHECK(h, HEALTH_MAGIC);
	*hp = NULL;
	atomic_store(&h->stop, true);
	if (h->quit >= 0)
		eventfd_write(h->quit, 1);
	if (h->client)
		client_cancel(h->client);
	schedule_stop(&h->schedule);
	client_free(&h->client);
	close_fd(&h->quit);
	for (struct check *c = h->checks, *next; c; c = next) {
		next = c->next;
		for (size_t i = 0; i < c->nfields; i++)
			free(c->fields[i]);
		free(c->fields);
		free(c->target);
		free(c->name);
		free(c);
	}
	mutex_destroy(&h->lock);
	h->magic = 0;
	free(h);
}

/* ---- asking ------------------------------------------------------------------ */

bool health_ok(struct health *h, char *why, size_t cap)
{
	bool ok = true;

	OBJ_CHECK(h, HEALTH_MAGIC);
	if (atomic_load(&h->failing) == 0 && clock_mono() < atomic_load(&h->hangs_at))
		return true;
	mutex_lock(&h->lock);
	for (const struct check *c = h->checks; c && ok; c = c->next) {
		if (c->failing)
			snprintf(why, cap, "%s: %s", c->name, c->message);
		else if (c == h->running && clock_mono() >= atomic_load(&h->hangs_at))
			snprintf(why, cap, "%s: the check does not come to an end", c->name);
		else
			continue;
		ok = false;
	}
	mutex_unlock(&h->lock);
	return ok;
}

void health_each_failing(struct health *h, void (*fn)(const char *name, const char *message, void *arg), void *arg)
{
	OBJ_CHECK(h, HEALTH_MAGIC);
	mutex_lock(&h->lock);
	for (const struct check *c = h->checks; c; c = c->next) {
		if (c->failing)
			fn(c->name, c->message, arg);
		else if (c == h->running && clock_mono() >= atomic_load(&h->hangs_at))
			fn(c->name, "the check does not come to an end", arg);
	}
	mutex_unlock(&h->lock);
}
