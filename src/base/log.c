/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - the structured log; see log.h. */
#include "base/log.h"
#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)64 * 1024)
/* Longer values are cut, so that nobody makes a line vanish by a long one. */
#define VALUE_MAX_BYTES ((size_t)4 * 1024)

/* Written once by log_setup before threads start, read-only afterwards. */
static struct log_options options = {.level = LOG_LVL_INFO, .format = LOG_FMT_TEXT, .fd = 2};

static _Thread_local const struct log_field *thread_fields;
static _Thread_local size_t thread_nfields;

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_setup(const struct log_options *o)
{
	options = *o;
}

bool log_enabled(enum log_level level)
{
	return level <= options.level;
}

void log_thread_fields(const struct log_field *fields, size_t n)
{
	thread_fields = fields;
	thread_nfields = n;
}

/* logfmt leaves plain words bare and quotes everything else. */
static bool needs_quotes(struct slice s)
{
	if (s.n == 0)
		return true;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		        (c && strchr("-._/@^+", c))))
			return true;
	}
	return false;
}

static void add_value(struct buf *b, const struct log_field *f)
{
	struct slice s = slice_sub(f->str, 0, VALUE_MAX_BYTES);

	if (f->type == LOG_T_INT)
		buf_addf(b, "%lld", (long long)f->num);
	else if (options.format != LOG_FMT_TEXT || needs_quotes(s))
		buf_add_json(b, s);
	else
		buf_add(b, s);
}

static void add_field(struct buf *b, const struct log_field *f)
{
	size_t before = b->n;

	if (!f->name)
		return;
	if (options.format == LOG_FMT_TEXT) {
		buf_addc(b, ' ');
		buf_adds(b, f->name);
		buf_addc(b, '=');
	} else {
		buf_addc(b, ',');
		buf_add_json(b, slice_cstr(f->name));
		buf_addc(b, ':');
	}
	add_value(b, f);
	/* No room: the line goes without this field rather than not at all. */
	if (!buf_ok(b))
		buf_truncate(b, before);
}

static void add_str(struct buf *b, const char *name, const char *value)
{
	struct log_field f = LOG_STR(name, value);

	add_field(b, &f);
}

static void add_head(struct buf *b, enum log_level level, const char *msg)
{
	char when[CLOCK_TEXT];

	clock_rfc3339(clock_real(), 9, when);
	switch (options.format) {
	case LOG_FMT_TEXT:
		buf_addf(b, "time=\"%s\" level=%s msg=", when, level_names[level]);
		buf_add_json(b, slice_cstr(msg));
		break;
	case LOG_FMT_JSON:
		buf_addf(b, "{\"time\":\"%s\"", when);
		add_str(b, "level", level_names[level]);
		add_str(b, "msg", msg);
		break;
	case LOG_FMT_LOGSTASH:
		buf_addf(b, "{\"@timestamp\":\"%s\",\"@version\":\"1\"", when);
		add_str(b, "level", level_names[level]);
		add_str(b, "message", msg);
		break;
	}
}

static void write_line(const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(options.fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return; /* nobody left to tell */
		p += done;
		n -= (size_t)done;
	}
}

void log_write(
    enum log_level level, const char *file, int line, const char *msg, const struct log_field *fields, size_t nfields)
{
	struct buf b = BUF_INIT(LINE_MAX_BYTES - 2);
	int saved = errno;

	add_head(&b, level, msg);
	if (options.caller) {
		char where[128];

		snprintf(where, sizeof(where), "%s:%d", file, line);
		add_str(&b, "caller", where);
	}
	for (size_t i = 0; i < options.nfields; i++)
		add_field(&b, &options.fields[i]);
	for (size_t i = 0; i < thread_nfields; i++)
		add_field(&b, &thread_fields[i]);
	for (size_t i = 0; i < nfields; i++)
		add_field(&b, &fields[i]);
	b.max = LINE_MAX_BYTES; /* the two bytes kept back for the end */
	buf_adds(&b, options.format == LOG_FMT_TEXT ? "\n" : "}\n");
	if (buf_ok(&b))
		write_line(b.p, b.n);
	buf_free(&b);
	errno = saved;
}
