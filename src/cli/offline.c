/* SPDX-License-Identifier: Apache-2.0 */
/* offline.c - what commands that work on the data share; see offline.h. */
#include "cli/offline.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)16 * 1024 * 1024)

void offline_show_problems(const struct config_problems *problems)
{
	CLEANUP(buf_free) struct buf out = BUF_INIT(TEXT_MAX);

	for (size_t i = 0; i < problems->n; i++) {
		config_problem_write(&problems->v[i], &out);
		buf_addc(&out, '\n');
	}
	fputs(buf_cstr(&out), stderr);
}

struct config *offline_config(const char *path)
{
	static const struct log_options quiet = {.level = LOG_LVL_WARN, .format = LOG_FMT_TEXT, .fd = STDERR_FILENO};
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = config_load(path, environ, &problems);

	if (!cfg)
		offline_show_problems(&problems);
	config_problems_free(&problems);
	log_setup(&quiet);
	return cfg;
}

enum err_code offline_open(const struct config *cfg, struct offline *o, struct err *err)
{
	enum err_code rc;

	*o = (struct offline){0};
	rc = storage_fs_open(cfg->storage.filesystem.rootdirectory, &o->storage, err);
	if (rc == ERR_OK)
		rc = meta_open(&(struct meta_options){.path = cfg->berth.database.path}, &o->meta, err);
	if (rc)
		offline_close(o);
	return rc;
}

enum err_code offline_open_existing(const struct config *cfg, const char *doing, struct offline *o, struct err *err)
{
	struct stat st;

	if (stat(cfg->berth.database.path, &st) != 0)
		return err_sys(err, errno, "there is no registry to %s: cannot find its database %s", doing,
		    cfg->berth.database.path);
	return offline_open(cfg, o, err);
}

void offline_close(struct offline *o)
{
	meta_close(&o->meta);
	storage_free(&o->storage);
}

const char *human_bytes(uint64_t n, char out[32])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double v = (double)n;
	size_t u = 0;

	while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
		v /= 1024;
		u++;
	}
	snprintf(out, 32, u ? "%.1f %s" : "%.0f %s", v, units[u]);
	return out;
}

void bar_init(struct bar *b, bool wanted)
{
	*b = (struct bar){.on = wanted && isatty(STDERR_FILENO)};
}

void bar_show(struct bar *b, uint64_t done, uint64_t total, const char *fmt, ...)
{
	enum { WIDTH = 30 };
	int64_t now = clock_mono();
	int full;
	va_list ap;

	if (!b->on || now - b->shown < CLOCK_S / 10)
		return;
	b->shown = now;
	if (total < done)
		total = done;
	full = total ? (int)((double)done / (double)total * WIDTH) : WIDTH;
	fprintf(stderr, "\r\033[K[%.*s%.*s] ", full, "##############################", WIDTH - full,
	    "..............................");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
}

void bar_clear(struct bar *b)
{
	if (b->on && b->shown)
		fputs("\r\033[K", stderr);
}
