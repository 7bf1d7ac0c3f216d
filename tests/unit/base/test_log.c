/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - lines of the log in the three formats, read back from a file. */
#include "unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sync.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static int file = -1;

static void set_up(enum log_format format, enum log_level level)
{
	static struct log_field constant[] = {{.name = "service", .str = {"registry", 8}}, {.name = NULL}};

	log_setup(&(struct log_options){
	    .level = level, .format = format, .fields = constant, .nfields = ARRAY_LEN(constant), .fd = file});
	assert_int_equal(ftruncate(file, 0), 0);
	lseek(file, 0, SEEK_SET);
}

static int open_file(void **state)
{
	file = memfd_create("log", MFD_CLOEXEC);
	return file < 0;
}

static int close_file(void **state)
{
	return close(file);
}

/* All that was written, to be freed. */
static char *written(void)
{
	struct buf b = BUF_INIT(1 << 20);
	char *at = buf_reserve(&b, 1 << 20);
	ssize_t n = pread(file, at, 1 << 20, 0);

	assert_true(n >= 0);
	buf_commit(&b, (size_t)n);
	return buf_take(&b);
}

/* One line: `head`, a time of now, `tail`. */
static void assert_line(const char *head, const char *tail)
{
	char *line = written();
	struct slice s = slice_cstr(line);
	int64_t when;

	if (!slice_starts(s, slice_cstr(head)) || !slice_ends(s, slice_cstr(tail)) ||
	    s.n != strlen(head) + 30 + strlen(tail))
		fail_msg("%s", line);
	assert_true(clock_parse_rfc3339(slice_sub(s, strlen(head), 30), &when));
	assert_true(clock_real() - when < 60 * CLOCK_S);
	free(line);
}

static void test_text(void **state)
{
	set_up(LOG_FMT_TEXT, LOG_LVL_INFO);
	LOG_INFO("blob committed", LOG_STR("repo", "a/b"), LOG_INT("bytes", -5), LOG_STR("path", "/v2/?n=1"),
	    LOG_STR("empty", ""), LOG_STR("absent", NULL), LOG_STR("quote", "say \"x\"\n"),
	    LOG_SLICE("part", slice_of("abcdef", 3)), LOG_SLICE("nul", slice_of("a\0b", 3)));
	assert_line("time=\"",
	    "\" level=info msg=\"blob committed\" service=registry repo=a/b bytes=-5 path=\"/v2/?n=1\" "
	    "empty=\"\" absent=\"\" quote=\"say \\\"x\\\"\\n\" part=abc nul=\"a\\u0000b\"\n");
}

static void test_json(void **state)
{
	set_up(LOG_FMT_JSON, LOG_LVL_INFO);
	LOG_WARN("slow \"disk\"", LOG_STR("repo", "a/b"), LOG_INT("n", INT64_MIN), LOG_STR("bad", "\xFF\x01"));
	assert_line("{\"time\":\"",
	    "\",\"level\":\"warning\",\"msg\":\"slow \\\"disk\\\"\",\"service\":\"registry\",\"repo\":\"a/b\","
	    "\"n\":-9223372036854775808,\"bad\":\"\xEF\xBF\xBD\\u0001\"}\n");
}

static void test_logstash(void **state)
{
	set_up(LOG_FMT_LOGSTASH, LOG_LVL_INFO);
	LOG_ERROR("it failed", LOG_INT("n", 1));
	assert_line("{\"@timestamp\":\"",
	    "\",\"@version\":\"1\",\"level\":\"error\",\"message\":\"it failed\",\"service\":\"registry\",\"n\":1}\n");
}

/* The arguments of a line that is not written are not even computed. */
static void test_levels(void **state)
{
	static const enum log_level levels[] = {LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG};
	static const char *const names[] = {"level=error ", "level=warning ", "level=info ", "level=debug "};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		int computed = 0;
		char *text;

		set_up(LOG_FMT_TEXT, levels[i]);
		LOG_ERROR("m", LOG_INT("n", ++computed));
		LOG_WARN("m", LOG_INT("n", ++computed));
		LOG_INFO("m", LOG_INT("n", ++computed));
		LOG_DEBUG("m", LOG_INT("n", ++computed));
		text = written();
		assert_int_equal(computed, i + 1);
		for (size_t k = 0; k < ARRAY_LEN(levels); k++) {
			assert_int_equal(log_enabled(levels[k]), k <= i);
			assert_int_equal(strstr(text, names[k]) != NULL, k <= i);
		}
		free(text);
	}
}

static void test_caller(void **state)
{
	char tail[100], *text;
	int line;

	log_setup(&(struct log_options){.level = LOG_LVL_INFO, .format = LOG_FMT_JSON, .caller = true, .fd = file});
	assert_int_equal(ftruncate(file, 0), 0);
	lseek(file, 0, SEEK_SET);
	LOG_INFO("m");
	line = __LINE__ - 1;
	text = written();
	snprintf(tail, sizeof(tail), "test_log.c:%d\"}\n", line);
	assert_non_null(strstr(text, ",\"caller\":\""));
	assert_true(slice_ends(slice_cstr(text), slice_cstr(tail)));
	free(text);
}

static void test_thread_fields(void **state)
{
	const struct log_field mine[] = {LOG_STR("request", "r1"), LOG_STR("method", "GET")};

	set_up(LOG_FMT_JSON, LOG_LVL_INFO);
	log_thread_fields(mine, ARRAY_LEN(mine));
	LOG_INFO("m", LOG_INT("n", 1));
	log_thread_fields(NULL, 0);
	assert_line("{\"time\":\"", "\",\"level\":\"info\",\"msg\":\"m\",\"service\":\"registry\",\"request\":\"r1\","
	                            "\"method\":\"GET\",\"n\":1}\n");
	set_up(LOG_FMT_JSON, LOG_LVL_INFO);
	LOG_INFO("m");
	assert_line("{\"time\":\"", "\",\"level\":\"info\",\"msg\":\"m\",\"service\":\"registry\"}\n");
}

/* A long value is cut and many of them fall away, but the line is written and
 * is whole: nobody hides what they did behind a long address. */
static void test_too_long(void **state)
{
	static char text[60000];
	struct slice line;
	char *all;

	memset(text, '\x01', sizeof(text) - 1); /* six bytes each once escaped */
	set_up(LOG_FMT_JSON, LOG_LVL_INFO);
	LOG_INFO("m", LOG_STR("uri", text), LOG_INT("status", 200));
	all = written();
	line = slice_cstr(all);
	assert_true(line.n > 4096 && line.n < 64 * 1024);
	assert_true(slice_ends(line, SLICE("\\u0001\",\"status\":200}\n")));
	free(all);
	set_up(LOG_FMT_JSON, LOG_LVL_INFO);
	LOG_INFO("m", LOG_STR("a", text), LOG_STR("b", text), LOG_STR("c", text), LOG_INT("status", 200));
	all = written();
	line = slice_cstr(all);
	assert_true(line.n <= 64 * 1024);
	assert_true(slice_ends(line, SLICE(",\"status\":200}\n")));
	assert_null(strstr(all, "\"c\":"));
	free(all);
}

static void test_errno_survives(void **state)
{
	set_up(LOG_FMT_TEXT, LOG_LVL_INFO);
	log_setup(&(struct log_options){.level = LOG_LVL_INFO, .fd = -1});
	errno = ENOSPC;
	LOG_INFO("nobody reads this");
	assert_int_equal(errno, ENOSPC);
}

static void *log_lines(void *arg)
{
	const struct log_field mine[] = {LOG_INT("thread", *(int *)arg)};

	log_thread_fields(mine, 1);
	for (int i = 0; i < 200; i++)
		LOG_INFO("line", LOG_INT("i", i), LOG_STR("pad", "........................................"));
	log_thread_fields(NULL, 0);
	return NULL;
}

/* Lines of many threads never mix. */
static void test_threads(void **state)
{
	pthread_t t[4];
	int ids[4];
	int ends[2], seen[4] = {0};
	char *line = NULL;
	size_t cap = 0;
	FILE *in;

	assert_int_equal(pipe(ends), 0);
	log_setup(&(struct log_options){.level = LOG_LVL_INFO, .format = LOG_FMT_JSON, .fd = ends[1]});
	in = fdopen(ends[0], "r");
	for (int i = 0; i < 4; i++) {
		ids[i] = i;
		assert_int_equal(thread_start(&t[i], "log", 256 * 1024, false, log_lines, &ids[i]), 0);
	}
	for (int n = 0; n < 800; n++) {
		char want[200];
		const char *found;
		int id;

		assert_true(getline(&line, &cap, in) > 0);
		found = strstr(line, "\"thread\":");
		assert_non_null(found);
		id = found[9] - '0';
		assert_true(id >= 0 && id < 4);
		snprintf(want, sizeof(want),
		    "\"msg\":\"line\",\"thread\":%d,\"i\":%d,\"pad\":\"........................................\"}\n",
		    id, seen[id]++);
		assert_true(slice_ends(slice_cstr(line), slice_cstr(want)));
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	free(line);
	fclose(in);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_logstash),
	    cmocka_unit_test(test_levels),
	    cmocka_unit_test(test_caller),
	    cmocka_unit_test(test_thread_fields),
	    cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_errno_survives),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, open_file, close_file);
}
