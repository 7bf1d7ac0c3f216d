/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_docs.c - the table is sound, the reference in docs is the one that it
 * makes, the examples load, and the stock files give what registry:2 and
 * registry:3 would do. The argument is the root of the source tree.
 */
#include "base/clock.h"
#include "base/fsys.h"
#include "configtest.h"

#include <stdlib.h>
#include <string.h>

static const char *source_root = ".";

static size_t depth(const char *path)
{
	size_t n = 0;

	for (; *path; path++)
		n += *path == '.';
	return n;
}

/* Is the part of the path before its last dot the path of a row above? */
static bool has_parent(size_t row)
{
	const char *path = cfg_keys[row].path, *dot = strrchr(path, '.');
	struct slice parent = dot ? slice_of(path, (size_t)(dot - path)) : SLICE("");

	if (slice_ends(parent, SLICE("[]")))
		parent.n -= 2;
	for (size_t i = 0; i < row; i++)
		if (slice_eq_cstr(parent, cfg_keys[i].path))
			return true;
	return false;
}

static void check_row(size_t i)
{
	const struct config_key *k = &cfg_keys[i];
	const char *presets[] = {k->preset, k->preset_bare};
	struct arena a;

	arena_init(&a, SIZE_MAX);
	if (!has_parent(i))
		fail_msg("%s has no parent above it", k->path);
	if (depth(k->path) >= 8 || k->path[strcspn(k->path, "ABCDEFGHIJKLMNOPQRSTUVWXYZ ")])
		fail_msg("%s is not a proper path", k->path);
	for (size_t j = 0; j < i; j++)
		if (strcmp(cfg_keys[j].path, k->path) == 0)
			fail_msg("%s is there twice", k->path);
	if (k->type != KEY_SECTION && !k->doc)
		fail_msg("%s has no documentation", k->path);
	if (k->status != KEY_OK && (!k->note || k->at))
		fail_msg("%s needs a note and no place", k->path);
	if (k->same_as && !k->note)
		fail_msg("%s needs a note", k->path);
	if (k->type == KEY_ENUM && !k->choices)
		fail_msg("%s has nothing to choose from", k->path);
	for (size_t p = 0; p < ARRAY_LEN(presets); p++) {
		union {
			int64_t n;
			const char *s;
		} to = {0};
		const char *why = presets[p] ? cfg_value_read(&a, k, presets[p], &to) : NULL;

		if (why)
			fail_msg("the default of %s %s", k->path, why);
	}
	arena_free(&a);
}

static void table_is_sound(void **state)
{
	size_t seen = 0;

	(void)state;
	for (size_t i = 1; i < cfg_nkeys; i++)
		check_row(i);
	/* Every row is reached from its parent, so none stands in the wrong place. */
	for (size_t i = 0; i < cfg_nkeys; i++) {
		const struct config_key *child = NULL;

		while ((child = cfg_key_next_child(&cfg_keys[i], child)) != NULL) {
			seen++;
			assert_ptr_equal(cfg_key_child(&cfg_keys[i], slice_cstr(cfg_key_name(child))), child);
		}
	}
	assert_int_equal(seen, cfg_nkeys - 1);
}

static char *read_source(const char *name, size_t *n)
{
	char *path = xasprintf("%s/%s", source_root, name), *text = NULL;
	struct err err;

	if (fsys_read_file(path, 1024 * 1024, &text, n, &err))
		fail_msg("%s", err.msg);
	free(path);
	return text;
}

static void reference_is_up_to_date(void **state)
{
	struct buf made = BUF_INIT(1024 * 1024);
	size_t n;
	char *text = read_source("docs/configuration.md", &n);

	(void)state;
	config_reference(&made);
	if (!slice_eq(buf_slice(&made), slice_of(text, n)))
		fail_msg("docs/configuration.md is not what `berth config reference` prints");
	free(text);
	buf_free(&made);
}

/* Loads an example, which may have notes but neither errors nor warnings. */
static struct config *example(const char *name)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	char *path = xasprintf("%s/docs/examples/%s", source_root, name), *said;
	struct config *cfg = config_load(path, NULL, &problems);

	said = problems_text(&problems);
	if (!cfg || strstr(said, "warning"))
		fail_msg("%s", said);
	free(said);
	config_problems_free(&problems);
	free(path);
	return cfg;
}

static void stock_file_of_registry_2(void **state)
{
	struct config *cfg = example("registry2.yml");

	(void)state;
	assert_int_equal(cfg->log.level, LOG_LVL_INFO);
	assert_int_equal(cfg->log.formatter, LOG_FMT_TEXT);
	assert_int_equal(cfg->log.fields.n, 1);
	assert_string_equal(cfg->log.fields.v[0].name, "service");
	assert_string_equal(cfg->log.fields.v[0].value, "registry");
	assert_false(cfg->log.accesslog.disabled);
	assert_string_equal(cfg->storage.filesystem.rootdirectory, "/var/lib/registry");
	assert_false(cfg->storage.delete.enabled);
	assert_true(cfg->storage.maintenance.uploadpurging.enabled);
	assert_int_equal(cfg->storage.maintenance.uploadpurging.age, 168 * 3600 * CLOCK_S);
	assert_int_equal(cfg->storage.maintenance.uploadpurging.interval, 24 * 3600 * CLOCK_S);
	assert_false(cfg->storage.maintenance.uploadpurging.dryrun);
	assert_false(cfg->storage.maintenance.readonly.enabled);
	assert_int_equal(cfg->auth.type, CONFIG_AUTH_NONE);
	assert_string_equal(cfg->http.addr, ":5000");
	assert_string_equal(cfg->http.net, "tcp");
	assert_null(cfg->http.host);
	assert_null(cfg->http.prefix);
	assert_null(cfg->http.secret);
	assert_null(cfg->http.debug.addr);
	assert_int_equal(cfg->http.draintimeout, 10 * CLOCK_S);
	assert_int_equal(cfg->http.headers.n, 1);
	assert_string_equal(cfg->http.headers.v[0].name, "X-Content-Type-Options");
	assert_int_equal(cfg->http.headers.v[0].values.n, 1);
	assert_string_equal(cfg->http.headers.v[0].values.v[0], "nosniff");
	assert_null(cfg->http.tls.certificate);
	assert_int_equal(cfg->http.tls.clientauth, CONFIG_CLIENTAUTH_NONE);
	assert_int_equal(cfg->http.tls.minimumtls, 12);
	assert_int_equal(cfg->http.tls.ciphersuites.n, 0);
	assert_non_null(cfg->http.tls.ciphersuites.v);
	assert_true(cfg->health.storagedriver.enabled);
	assert_int_equal(cfg->health.storagedriver.interval, 10 * CLOCK_S);
	assert_int_equal(cfg->health.storagedriver.threshold, 3);
	assert_int_equal(cfg->catalog.maxentries, 1000);
	assert_int_equal(cfg->tags.maxtags, 1000);
	assert_false(cfg->validation.disabled);
	assert_int_equal(cfg->validation.manifests.indexes.platforms, CONFIG_PLATFORMS_ALL);
	assert_int_equal(cfg->berth.http.maxthreads, 4096);
	assert_int_equal(cfg->berth.http.headerbytes, 32 * 1024);
	assert_int_equal(cfg->berth.http.idletimeout, 75 * CLOCK_S);
	assert_int_equal(cfg->berth.http.minrate, 1024);
	assert_int_equal(cfg->berth.manifest.maxbytes, 4 * 1024 * 1024);
	assert_string_equal(cfg->berth.database.path, "/var/lib/registry/berth/berth.db");
	config_free(&cfg);
	assert_null(cfg);
}

static void stock_file_of_registry_3(void **state)
{
	struct config *cfg = example("registry3.yml");

	(void)state;
	assert_int_equal(cfg->log.level, LOG_LVL_DEBUG);
	assert_true(cfg->storage.delete.enabled);
	assert_false(cfg->storage.maintenance.uploadpurging.enabled);
	assert_string_equal(cfg->http.debug.addr, ":5001");
	assert_true(cfg->http.debug.prometheus.enabled);
	assert_string_equal(cfg->http.debug.prometheus.path, "/metrics");
	config_free(&cfg);
}

static void other_examples(void **state)
{
	struct config *cfg = example("htpasswd-tls.yml");

	(void)state;
	assert_int_equal(cfg->auth.type, CONFIG_AUTH_HTPASSWD);
	assert_true(config_login_required(cfg));
	assert_string_equal(cfg->http.tls.key, "/etc/berth/tls/privkey.pem");
	assert_int_equal(cfg->http.draintimeout, 30 * CLOCK_S);
	config_free(&cfg);
	cfg = example("token.yml");
	assert_int_equal(cfg->auth.type, CONFIG_AUTH_TOKEN);
	assert_string_equal(cfg->auth.token.issuer, "auth.example.com");
	assert_int_equal(cfg->auth.token.signingalgorithms.n, 2);
	assert_int_equal(cfg->validation.manifests.urls.allow.n, 1);
	assert_int_equal(
	    regexec(&cfg->validation.manifests.urls.allow.v[0].re, "http://a.example.com/x", 0, NULL, 0), 0);
	config_free(&cfg);
	cfg = example("public.yml");
	assert_true(cfg->storage.maintenance.readonly.enabled);
	assert_int_equal(cfg->http.tls.minimumtls, 13);
	assert_int_equal(cfg->health.storagedriver.interval, 30 * CLOCK_S);
	assert_int_equal(cfg->health.tcp.n, 1);
	assert_int_equal(cfg->health.tcp.v[0].threshold, 3);
	assert_int_equal(cfg->berth.http.maxconnectionsperaddress, 64);
	assert_string_equal(cfg->berth.database.path, "/srv/fast/berth.db");
	config_free(&cfg);
}

/* A file with every kind of value, shown and loaded again. */
static void what_is_shown_loads_again(void **state)
{
	static const char *const names[] = {
	    "registry2.yml", "registry3.yml", "htpasswd-tls.yml", "token.yml", "public.yml"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct config_problems problems = CONFIG_PROBLEMS_INIT;
		struct config *cfg = example(names[i]), *again;
		struct buf out = BUF_INIT(1024 * 1024);

		config_show(cfg, &out);
		again = config_load_text("shown", buf_slice(&out), NULL, &problems);
		assert_non_null(again);
		assert_int_equal(problems.n, 0);
		assert_int_equal(again->auth.type, cfg->auth.type);
		assert_string_equal(again->http.addr, cfg->http.addr);
		assert_string_equal(again->berth.database.path, cfg->berth.database.path);
		config_free(&again);
		config_free(&cfg);
		config_problems_free(&problems);
		buf_free(&out);
	}
}

static void missing_files_are_warnings(void **state)
{
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg = config_load_text("c.yml",
	    SLICE(
	        "version: 0.1\nhttp:\n  tls:\n    certificate: /nonexistent/c\n    key: /\n"
	        "auth: {htpasswd: {realm: r, path: /nonexistent/h}}\nstorage: {filesystem: {rootdirectory: /dev/null}}\n"),
	    NULL, &problems);
	char *said;

	(void)state;
	assert_non_null(cfg);
	config_check_files(cfg, &problems);
	said = problems_text(&problems);
	assert_string_equal(said,
	    "c.yml:4: http.tls.certificate: warning: /nonexistent/c: No such file or directory\n"
	    "c.yml:5: http.tls.key: warning: /: is a directory, a file is needed\n"
	    "c.yml:6: auth.htpasswd.path: warning: the directory /nonexistent: No such file or directory\n"
	    "c.yml:7: storage.filesystem.rootdirectory: warning: /dev/null is not a directory\n");
	free(said);
	config_problems_free(&problems);
	config_free(&cfg);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(table_is_sound),
	    cmocka_unit_test(reference_is_up_to_date),
	    cmocka_unit_test(stock_file_of_registry_2),
	    cmocka_unit_test(stock_file_of_registry_3),
	    cmocka_unit_test(other_examples),
	    cmocka_unit_test(what_is_shown_loads_again),
	    cmocka_unit_test(missing_files_are_warnings),
	};

	if (argc > 1)
		source_root = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
