/* SPDX-License-Identifier: Apache-2.0 */
/* scrub.c - verification on a schedule; see scrub.h. */
#include "jobs/scrub.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "jobs/schedule.h"

#include <stdatomic.h>
#include <stdlib.h>

#define STATE_LAST "scrub.last"
/* How often it is looked whether a run is due. */
#define LOOK_MAX (60 * CLOCK_S)

enum { M_RUNS, M_BYTES, M_DAMAGED, M_LAST, M_COUNT };
static struct metric_family metrics[M_COUNT] = {
    [M_RUNS] = {.name = "berth_scrub_runs_total",
        .help = "Complete verifications on schedule.",
        .type = METRIC_COUNTER},
    [M_BYTES] = {.name = "berth_scrub_read_bytes_total", .help = "Bytes these have read.", .type = METRIC_COUNTER},
    [M_DAMAGED] = {.name = "berth_scrub_damaged",
        .help = "Blobs and manifests the last one found damaged or missing.",
        .type = METRIC_GAUGE},
    [M_LAST] = {.name = "berth_scrub_last_timestamp_seconds", .help = "When the last one ended.", .type = METRIC_GAUGE},
};

struct scrub {
	uint32_t magic;
#define SCRUB_MAGIC 0x53637262
	struct scrub_options o;
	struct schedule *schedule;
	_Atomic bool quit;
};

void scrub_metrics_register(void)
{
	metric_register(metrics, M_COUNT);
}

static struct metric_value *metric(size_t i)
{
	return metric_child(&metrics[i], NULL);
}

static bool go_on(const struct verify_report *r, void *arg)
{
	struct scrub *s = arg;

	return !atomic_load(&s->quit);
}

/* When the last complete run began; 0 when there was none. */
static int64_t last_run(struct scrub *s)
{
	struct arena a;
	struct slice text;
	int64_t when = 0;

	arena_init(&a, 4096);
	if (meta_state_get(s->o.meta, SLICE(STATE_LAST), &a, &text, NULL) == ERR_OK &&
	    !clock_parse_rfc3339(text, &when))
		when = 0;
	arena_free(&a);
	return when;
}

static enum err_code do_remember(struct meta_tx *tx, void *arg, struct err *err)
{
	const int64_t *began = arg;
	char text[CLOCK_TEXT];

	return meta_tx_state_set(tx, SLICE(STATE_LAST), slice_cstr(clock_rfc3339(*began, 0, text)), err);
}

static void tell(const struct verify_report *r)
{
	metric_inc(metric(M_RUNS));
	metric_add(metric(M_BYTES), (double)r->bytes);
	metric_set(metric(M_DAMAGED), (double)verify_damage(r));
	metric_set(metric(M_LAST), (double)clock_real() / CLOCK_S);
	LOG_INFO("scrub complete", LOG_INT("blobs", r->blobs), LOG_INT("bytes", r->bytes),
	    LOG_INT("damaged", verify_damage(r)), LOG_INT("useless_files", r->problems[VERIFY_ORPHAN]),
	    LOG_INT("quarantined", r->repaired));
}

static void run(void *arg)
{
	struct scrub *s = arg;
	struct verify_rules rules = {.bytes = true, .quarantine = s->o.quarantine, .rate = s->o.rate};
	struct verify_control control = {.progress = go_on, .arg = s};
	struct verify_report report;
	int64_t began = clock_real();
	struct err err = {0};

	if (began - last_run(s) < s->o.interval)
		return;
	if (verify_run(s->o.meta, s->o.storage, &rules, &control, &report, &err)) {
		LOG_ERROR("the scrub stopped and will be tried again", LOG_STR("error", err.msg));
		return;
	}
	if (atomic_load(&s->quit))
		return;
	tell(&report);
	if (meta_write(s->o.meta, META_DURABLE, do_remember, &began, &err))
		LOG_ERROR("the time of the scrub cannot be recorded", LOG_STR("error", err.msg));
}

enum err_code scrub_start(const struct scrub_options *o, struct scrub **out, struct err *err)
{
	struct scrub *s = xcalloc(1, sizeof(*s));
	int64_t look = o->interval < LOOK_MAX ? o->interval : LOOK_MAX;
	struct schedule_task task = {.first = look, .interval = look, .run = run, .arg = s};
	enum err_code rc;

	s->magic = SCRUB_MAGIC;
	s->o = *o;
	rc = schedule_start("scrub", &task, 1, &s->schedule, err);
	if (rc) {
		free(s);
		return rc;
	}
	*out = s;
	return ERR_OK;
}

void scrub_stop(struct scrub **sp)
{
	struct scrub *s = *sp;

	if (!s)
		return;
	OBJ_CHECK(s, SCRUB_MAGIC);
	atomic_store(&s->quit, true);
	schedule_stop(&s->schedule);
	s->magic = 0;
	free(s);
	*sp = NULL;
}
