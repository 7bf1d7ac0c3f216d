/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purge.c - the thread that removes uploads nobody finished.
 */
#include "jobs/purge.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/metric.h"
#include "jobs/schedule.h"

#include <stdatomic.h>

/* So many in one call: it is one transaction, which others wait for. */
#define BATCH ((size_t)200)
/* In a dry run nothing goes away, so there is one call; it counts up to here. */
#define DRY_RUN_MAX ((size_t)100000)
#define FIRST_MAX (3600 * CLOCK_S)

struct purge {
	uint32_t magic;
#define PURGE_MAGIC 0x50757267
	struct purge_options o;
	struct schedule *schedule;
	_Atomic bool stop;
};

static struct metric_family families[] = {
    {.name = "berth_uploads_purged_total",
        .help = "Unfinished uploads that were removed for their age.",
        .type = METRIC_COUNTER},
};

void purge_metrics_register(void)
{
	metric_register(families, ARRAY_LEN(families));
	metric_add(metric_child(&families[0], NULL), 0);
}

/* Calls the owner until it finds no more; *total is right also after an error. */
static enum err_code remove_all(struct purge *p, int64_t before, size_t *total, struct err *err)
{
	size_t limit = p->o.dry_run ? DRY_RUN_MAX : BATCH;
	enum err_code code = ERR_OK;
	size_t found = limit;

	while (code == ERR_OK && found == limit && !atomic_load(&p->stop)) {
		found = 0;
		code = p->o.remove(p->o.arg, before, limit, p->o.dry_run, &found, err);
		*total += found;
		if (p->o.dry_run)
			break;
		metric_add(metric_child(&families[0], NULL), (double)found);
	}
	return code;
}

static void purge_run(void *arg)
{
	char age[CLOCK_TEXT];
	struct err err = {0};
	struct purge *p;
	size_t total = 0;

	OBJ_CAST(p, arg, PURGE_MAGIC);
	clock_duration(p->o.age, age);
	if (remove_all(p, clock_real() - p->o.age, &total, &err) != ERR_OK)
		LOG_WARN("unfinished uploads cannot be purged", LOG_STR("error", err.msg), LOG_INT("removed", total),
		    LOG_STR("older_than", age));
	else if (p->o.dry_run)
		LOG_INFO("unfinished uploads would be purged, but for dryrun", LOG_INT("uploads", total),
		    LOG_STR("older_than", age));
	else if (total > 0)
		LOG_INFO("unfinished uploads purged", LOG_INT("removed", total), LOG_STR("older_than", age));
	else
		LOG_DEBUG("no unfinished uploads to purge", LOG_STR("older_than", age));
}

static int64_t first_delay(const struct purge_options *o)
{
	int64_t max = o->interval < FIRST_MAX ? o->interval : FIRST_MAX;
	uint64_t random;

	if (o->first != PURGE_FIRST_RANDOM)
		return o->first;
	random_bytes(&random, sizeof(random));
	return (int64_t)(random % (uint64_t)max);
}

enum err_code purge_start(const struct purge_options *o, struct purge **out, struct err *err)
{
	struct purge *p = xcalloc(1, sizeof(*p));
	struct schedule_task task = {.first = first_delay(o), .interval = o->interval, .run = purge_run, .arg = p};
	enum err_code code;

	ASSERT(o->age > 0 && o->interval > 0 && o->remove);
	p->magic = PURGE_MAGIC;
	p->o = *o;
	code = schedule_start("purge", &task, 1, &p->schedule, err);
	if (code != ERR_OK) {
		free(p);
		return code;
	}
	*out = p;
	return ERR_OK;
}

void purge_stop(struct purge **pp)
{
	struct purge *p = *pp;

	if (!p)
		return;
	OBJ_CHECK(p, PURGE_MAGIC);
	*pp = NULL;
	atomic_store(&p->stop, true);
	schedule_stop(&p->schedule);
	p->magic = 0;
	free(p);
}
