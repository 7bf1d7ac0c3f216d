/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - the structured log: one line an event, to stderr, in the text
 * (logfmt), JSON or logstash form that registry:2 writes. Thread-safe; a line
 * is written with one write(2), so lines never mix.
 *
 * Use: LOG_INFO("blob committed", LOG_STR("repo", name), LOG_INT("bytes", n));
 * The message is constant text; what varies goes into fields.
 */
#ifndef BERTH_BASE_LOG_H
#define BERTH_BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };
enum log_format { LOG_FMT_TEXT, LOG_FMT_JSON, LOG_FMT_LOGSTASH };

struct log_field {
	const char *name; /* NULL: no field */
	enum { LOG_T_STR, LOG_T_INT } type;
	struct slice str;
	int64_t num;
};

#define LOG_STR(k, v) ((struct log_field){.name = (k), .type = LOG_T_STR, .str = slice_cstr(v)})
#define LOG_SLICE(k, v) ((struct log_field){.name = (k), .type = LOG_T_STR, .str = (v)})
#define LOG_INT(k, v) ((struct log_field){.name = (k), .type = LOG_T_INT, .num = (int64_t)(v)})

struct log_options {
	enum log_level level;
	enum log_format format;
	bool caller;                    /* add file:line */
	const struct log_field *fields; /* constant fields of every line; must outlive the log */
	size_t nfields;
	int fd; /* where to; 2 is usual */
};

/* Before the first thread starts; without it: info, text, stderr. */
void log_setup(const struct log_options *o);
bool log_enabled(enum log_level level);

/* Fields every line of this thread carries until cleared (the request's id,
 * method, ...). The array is borrowed. NULL, 0 clears. */
void log_thread_fields(const struct log_field *fields, size_t n);

void log_write(
    enum log_level level, const char *file, int line, const char *msg, const struct log_field *fields, size_t nfields);

#define LOG_AT(level, msg, ...) \
	do { \
		if (log_enabled(level)) { \
			const struct log_field log_fields_[] = {{.name = NULL}, ##__VA_ARGS__}; \
			log_write(level, __FILE__, __LINE__, msg, log_fields_ + 1, ARRAY_LEN(log_fields_) - 1); \
		} \
	} while (0)
#define LOG_ERROR(msg, ...) LOG_AT(LOG_LVL_ERROR, msg, ##__VA_ARGS__)
#define LOG_WARN(msg, ...) LOG_AT(LOG_LVL_WARN, msg, ##__VA_ARGS__)
#define LOG_INFO(msg, ...) LOG_AT(LOG_LVL_INFO, msg, ##__VA_ARGS__)
#define LOG_DEBUG(msg, ...) LOG_AT(LOG_LVL_DEBUG, msg, ##__VA_ARGS__)

#endif
