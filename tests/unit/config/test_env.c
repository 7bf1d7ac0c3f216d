/* SPDX-License-Identifier: Apache-2.0 */
/* test_env.c - the environment over a file and without one. */
#include "configtest.h"

#include <stdlib.h>
#include <unistd.h>

#define V "version: 0.1\n"

static const struct row shown[] = {
    /* without a file: as images and Compose files do it */
    {NULL,
        "REGISTRY_AUTH=htpasswd\nREGISTRY_AUTH_HTPASSWD_REALM=Registry Realm\n"
        "REGISTRY_AUTH_HTPASSWD_PATH=/auth/htpasswd\nREGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/data\n"
        "REGISTRY_HTTP_TLS_CERTIFICATE=/certs/domain.crt\nREGISTRY_HTTP_TLS_KEY=/certs/domain.key\n"
        "REGISTRY_STORAGE_DELETE_ENABLED=true\nREGISTRY_HTTP_ADDR=0.0.0.0:443",
        "realm: \"Registry Realm\" # REGISTRY_AUTH_HTPASSWD_REALM\npath: \"/auth/htpasswd\" # REGISTRY_AUTH_HTPASSWD_PATH\n"
        "rootdirectory: \"/data\" # REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY\n"
        "path: \"/data/berth/berth.db\" # default\n"
        "certificate: \"/certs/domain.crt\" # REGISTRY_HTTP_TLS_CERTIFICATE\n"
        "enabled: true # REGISTRY_STORAGE_DELETE_ENABLED\naddr: \"0.0.0.0:443\" # REGISTRY_HTTP_ADDR"},
    /* only loopback while nobody must log in, unless somebody says so */
    {NULL, "REGISTRY_LOG_LEVEL=debug", "addr: \"127.0.0.1:5000\" # default\nlevel: debug # REGISTRY_LOG_LEVEL"},
    {NULL, "REGISTRY_AUTH={silly: {realm: a, service: b}}", "addr: \"127.0.0.1:5000\" # default"},
    {NULL, "REGISTRY_HTTP_ADDR=:5000", "addr: \":5000\" # REGISTRY_HTTP_ADDR\nauth: none # default"},
    {NULL, "REGISTRY_AUTH={htpasswd: {realm: a, path: b}}", "addr: \":5000\" # default\nrealm: \"a\" # REGISTRY_AUTH"},
    /* over a file */
    {V "http: {addr: ':1', net: tcp}", "REGISTRY_HTTP_ADDR=:2",
        "addr: \":2\" # REGISTRY_HTTP_ADDR\nnet: \"tcp\" # c.yml:2"},
    {V "http: {prefix: /a}", "REGISTRY_HTTP_PREFIX=", "addr: \":5000\" # default"},
    {V "tags: {maxtags: 5}", "REGISTRY_TAGS_MAXTAGS=", "maxtags: 1000 # default"},
    /* parents before children, whatever the order in the environment */
    {V "storage: {filesystem: {rootdirectory: /a}, delete: {enabled: true}}",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/b\nREGISTRY_STORAGE=filesystem",
        "rootdirectory: \"/b\" # REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY\nenabled: false # default"},
    {V "auth: {silly: {realm: r, service: s}}", "REGISTRY_AUTH=none", "auth: none # REGISTRY_AUTH"},
    {V "auth: silly", "REGISTRY_AUTH_SILLY_REALM=r\nREGISTRY_AUTH_SILLY_SERVICE=s",
        "realm: \"r\" # REGISTRY_AUTH_SILLY_REALM"},
    {V "storage: filesystem", "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/b",
        "rootdirectory: \"/b\" # REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY"},
    {V "storage: {s3: {bucket: b}}", "REGISTRY_STORAGE=filesystem", "rootdirectory: \"/var/lib/registry\" # default"},
    /* whole sections and lists as YAML */
    {V, "REGISTRY_HTTP={addr: ':9', headers: {A: [b]}}", "addr: \":9\" # REGISTRY_HTTP\n- \"b\" # REGISTRY_HTTP"},
    {V, "REGISTRY_LOG_FIELDS={a: b, c: d}", "\"a\": \"b\" # REGISTRY_LOG_FIELDS"},
    {V "http: {tls: {certificate: c, key: k}}", "REGISTRY_HTTP_TLS_CLIENTCAS=[/a, /b]",
        "- \"/b\" # REGISTRY_HTTP_TLS_CLIENTCAS"},
    /* elements one by one, more than ten of them */
    {V "http: {tls: {certificate: c, key: k, clientcas: [/a, /b]}}",
        "REGISTRY_HTTP_TLS_CLIENTCAS_1=/c\nREGISTRY_HTTP_TLS_CLIENTCAS_2=/d",
        "- \"/a\" # c.yml:2\n- \"/c\" # REGISTRY_HTTP_TLS_CLIENTCAS_1\n- \"/d\" # REGISTRY_HTTP_TLS_CLIENTCAS_2"},
    {V,
        "REGISTRY_HEALTH_FILE_0_FILE=/0\nREGISTRY_HEALTH_FILE_1_FILE=/1\nREGISTRY_HEALTH_FILE_2_FILE=/2\n"
        "REGISTRY_HEALTH_FILE_3_FILE=/3\nREGISTRY_HEALTH_FILE_4_FILE=/4\nREGISTRY_HEALTH_FILE_5_FILE=/5\n"
        "REGISTRY_HEALTH_FILE_6_FILE=/6\nREGISTRY_HEALTH_FILE_7_FILE=/7\nREGISTRY_HEALTH_FILE_8_FILE=/8\n"
        "REGISTRY_HEALTH_FILE_9_FILE=/9\nREGISTRY_HEALTH_FILE_10_FILE=/10\nREGISTRY_HEALTH_FILE_10_INTERVAL=3s",
        "- file: \"/10\" # REGISTRY_HEALTH_FILE_10_FILE\ninterval: 3s # REGISTRY_HEALTH_FILE_10_INTERVAL"},
    /* names of keys and of fields in Go */
    {V, "REGISTRY_HEALTH_FILECHECKERS_0_FILE=/f\nREGISTRY_HEALTH_FILE_0_INTERVAL=2s",
        "- file: \"/f\" # REGISTRY_HEALTH_FILECHECKERS_0_FILE\ninterval: 2s # REGISTRY_HEALTH_FILE_0_INTERVAL"},
    {V, "REGISTRY_HEALTH_HTTPCHECKERS_0_URI=http://a\nREGISTRY_HEALTH_TCPCHECKERS_0_ADDR=a:1",
        "- uri: \"http://a\" # REGISTRY_HEALTH_HTTPCHECKERS_0_URI\n- addr: \"a:1\" # REGISTRY_HEALTH_TCPCHECKERS_0_ADDR"},
    {V, "REGISTRY_HEALTH_HTTP_0_HEADERS_AUTHORIZATION=[a]\nREGISTRY_HEALTH_HTTP_0_URI=http://a",
        "\"authorization\":\n- \"********\" # REGISTRY_HEALTH_HTTP_0_HEADERS_AUTHORIZATION"},
    /* maps: a key that is there is found in any case, a new one is in small letters */
    {V "log: {fields: {Service: a}}", "REGISTRY_LOG_FIELDS_SERVICE=b\nREGISTRY_LOG_FIELDS_MY_KEY=c",
        "\"Service\": \"b\" # REGISTRY_LOG_FIELDS_SERVICE\n\"my_key\": \"c\" # REGISTRY_LOG_FIELDS_MY_KEY"},
    {V "http: {headers: {X-Frame-Options: [DENY]}}",
        "REGISTRY_HTTP_HEADERS_X_FRAME_OPTIONS=[SAMEORIGIN]\nREGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin=['*']",
        "\"X-Frame-Options\":\n- \"SAMEORIGIN\" # REGISTRY_HTTP_HEADERS_X_FRAME_OPTIONS\n"
        "\"Access-Control-Allow-Origin\":\n- \"*\" # REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin"},
    {V "http: {headers: {A: [b, c]}}", "REGISTRY_HTTP_HEADERS_A_1=d\nREGISTRY_HTTP_HEADERS_X_NEW_0=e",
        "- \"b\" # c.yml:2\n- \"d\" # REGISTRY_HTTP_HEADERS_A_1\n\"x-new\":\n- \"e\" # REGISTRY_HTTP_HEADERS_X_NEW_0"},
    /* text that is not YAML, or means something else in it */
    {V, "REGISTRY_HTTP_PREFIX=/a: b", "prefix: \"/a: b/\" # REGISTRY_HTTP_PREFIX"},
    {V, "REGISTRY_AUTH_HTPASSWD_REALM=%x\nREGISTRY_AUTH_HTPASSWD_PATH=*p",
        "realm: \"%x\" # REGISTRY_AUTH_HTPASSWD_REALM\n"
        "path: \"*p\" # REGISTRY_AUTH_HTPASSWD_PATH"},
    {V, "REGISTRY_AUTH_HTPASSWD_REALM=#x\nREGISTRY_AUTH_HTPASSWD_PATH='q'",
        "realm: \"#x\" # REGISTRY_AUTH_HTPASSWD_REALM\n"
        "path: \"q\" # REGISTRY_AUTH_HTPASSWD_PATH"},
    {V, "REGISTRY_HTTP_PREFIX=/12345", "prefix: \"/12345/\" # REGISTRY_HTTP_PREFIX"},
    /* an alias in the file is not changed through another */
    {V "x-a: &a {interval: 3s, enabled: no}\nhealth: {storagedriver: *a}\nlog: {fields: *a}",
        "REGISTRY_HEALTH_STORAGEDRIVER_ENABLED=true",
        "enabled: true # REGISTRY_HEALTH_STORAGEDRIVER_ENABLED\n\"enabled\": \"no\" # c.yml:2"},
    /* berth's own */
    {V, "BERTH_HTTP_MAXCONNECTIONS=7\nBERTH_DATABASE_PATH=/d\nREGISTRY_BERTH_HTTP_MAXTHREADS=8",
        "maxconnections: 7 # BERTH_HTTP_MAXCONNECTIONS\npath: \"/d\" # BERTH_DATABASE_PATH\n"
        "maxthreads: 8 # REGISTRY_BERTH_HTTP_MAXTHREADS"},
    {V, "BERTH_HTTP={maxthreads: 9}", "maxthreads: 9 # BERTH_HTTP"},
    {V, "REGISTRY_LOG_FIELDS_SERVICE_HOST=a", "\"service_host\": \"a\" # REGISTRY_LOG_FIELDS_SERVICE_HOST"},
    {V "http: {prefix: /a}", "REGISTRY_HTTP_PREFIX=null", "addr: \":5000\" # default"},
    {V, "REGISTRY_LOGLEVEL=error", "level: error # REGISTRY_LOGLEVEL"},
};

static void environment_overrides(void **state)
{
	(void)state;
	rows_expect_shown(shown, ARRAY_LEN(shown));
}

static const struct row said[] = {
    /* what Kubernetes and Docker make up */
    {V,
        "REGISTRY_SERVICE_HOST=10.0.0.1\nREGISTRY_SERVICE_PORT=5000\nREGISTRY_SERVICE_PORT_HTTP=5000\n"
        "REGISTRY_PORT=tcp://10.0.0.1:5000\nREGISTRY_PORT_5000_TCP=tcp://10.0.0.1:5000\n"
        "REGISTRY_PORT_5000_TCP_PROTO=tcp\nREGISTRY_PORT_5000_TCP_PORT=5000\nREGISTRY_PORT_5000_TCP_ADDR=10.0.0.1",
        ""},
    {V,
        "REGISTRY_AUTH_SERVICE_HOST=10.0.0.1\nREGISTRY_AUTH_PORT=tcp://10.0.0.1:80\nREGISTRY_REDIS_PORT=tcp://1.1.1.1:1\n"
        "REGISTRY_REDIS_SERVICE_PORT=6379\nREGISTRY_HTTP_PORT_80_TCP=tcp://1.1.1.1:80\nREGISTRY_STORAGE_PORT=tcp://1.1.1.1:1",
        ""},
    {V, "BERTH_SERVICE_HOST=10.0.0.1\nBERTH_SERVICE_PORT=1\nBERTH_PORT=tcp://10.0.0.1:1\nBERTH_PORT_1_TCP=tcp://10.0.0.1:1",
        ""},
    {V, "REGISTRY_NAME=/web/registry\nREGISTRY_ENV_PATH=/bin\nBERTH_ENV_PATH=/bin", ""},
    {V, "REGISTRY_CONFIGURATION_PATH=/etc/x.yml\nREGISTRYX=1\nPATH=/bin\nREGISTRY=1\nBERTH=2", ""},
    /* unknown names */
    {V, "REGISTRY_HTTP_ADRR=:1",
        "REGISTRY_HTTP_ADRR: warning: names no key and is ignored; did you mean REGISTRY_HTTP_ADDR?\n"},
    {V, "REGISTRY_ZZZZZZ=1", "REGISTRY_ZZZZZZ: warning: names no key and is ignored\n"},
    {V, "REGISTRY_http_addr=1",
        "REGISTRY_http_addr: warning: names no key and is ignored; did you mean REGISTRY_HTTP_ADDR?\n"},
    {V, "REGISTRY_VERSION=2.8.2",
        "REGISTRY_VERSION: warning: ignored: the version of the format is only given in the file\n"},
    {V, "BERTH_HTTP_MAXTHREAD=9", "BERTH_HTTP_MAXTHREAD: names no key; did you mean BERTH_HTTP_MAXTHREADS?\n"},
    {V, "BERTH_QQQQQQQQQQQ=9", "BERTH_QQQQQQQQQQQ: names no key\n"},
    {V, "BERTH_=9", "BERTH_: names no key\n"},
    {V, "REGISTRY_=9", "REGISTRY_: warning: names no key and is ignored\n"},
    {V, "REGISTRY_LOG_FIELDS_SERVICE_HOST=a", ""},
    /* wrong values */
    {V, "REGISTRY_CATALOG_MAXENTRIES=many",
        "REGISTRY_CATALOG_MAXENTRIES: catalog.maxentries: must be a number from 1 to 1000000, not \"many\"\n"},
    {V, "BERTH_HTTP_HEADERBYTES=1",
        "BERTH_HTTP_HEADERBYTES: berth.http.headerbytes: must be from 4KiB to 1MiB, not \"1\"\n"},
    {V, "REGISTRY_HTTP={addr: [", "REGISTRY_HTTP: not valid YAML: flow sequence without a closing bracket\n"},
    {V, "REGISTRY_HTTP={adr: a}", "REGISTRY_HTTP: http.adr: unknown key; did you mean \"addr\"?\n"},
    {V, "REGISTRY_HTTP={addr: ':1', addr: ':2'}",
        "REGISTRY_HTTP: the key \"addr\" is given twice in the same mapping\n"},
    {V, "REGISTRY_HTTP_HOST=\xff", "REGISTRY_HTTP_HOST: not valid UTF-8\n"},
    {V, "REGISTRY_HTTP_TLS_CLIENTCAS_1=/a",
        "REGISTRY_HTTP_TLS_CLIENTCAS_1: index 1 is beyond the end of the list, which has 0; the next one is 0\n"},
    {V, "REGISTRY_HEALTH_FILE_X_FILE=/a", "REGISTRY_HEALTH_FILE_X_FILE: warning: names no key and is ignored\n"},
    /* what is refused is refused here as well */
    {V, "REGISTRY_STORAGE=s3\nREGISTRY_STORAGE_S3_BUCKET=b",
        "REGISTRY_STORAGE: storage.s3: not supported: storage in an object store comes in a later version; use the filesystem "
        "driver\n"},
    {V "storage: filesystem", "REGISTRY_STORAGE_AZURE_MAX_RETRIES=7",
        "REGISTRY_STORAGE_AZURE_MAX_RETRIES: storage: only one may be given, here are \"filesystem\" (line 2) and \"azure\" "
        "(REGISTRY_STORAGE_AZURE_MAX_RETRIES)\n"
        "REGISTRY_STORAGE_AZURE_MAX_RETRIES: storage.azure: not supported: storage in an object store comes in a later "
        "version; use the filesystem driver\n"},
    {V, "REGISTRY_PROXY_REMOTEURL=https://registry-1.docker.io",
        "REGISTRY_PROXY_REMOTEURL: proxy.remoteurl: not supported: a pull-through cache comes in a later version; remove the "
        "section `proxy`\n"},
    {V, "REGISTRY_NOTIFICATIONS_ENDPOINTS_0_NAME=a\nREGISTRY_NOTIFICATIONS_ENDPOINTS_0_DISABLED=true", ""},
    {V, "REGISTRY_NOTIFICATIONS_ENDPOINTS_0_NAME=a",
        "REGISTRY_NOTIFICATIONS_ENDPOINTS_0_NAME: notifications.endpoints: not supported: notifications come in a later "
        "version; remove the endpoints or set `disabled: true` on each\n"},
    {V, "REGISTRY_REDIS_OPTIONS_USERNAME=a\nREGISTRY_REDIS_ADDRS_0=b",
        "REGISTRY_REDIS_ADDRS_0: redis: note: accepted, has no effect: berth needs no Redis: its database has what was cached "
        "there\n"},
    {V "auth: htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM=r", "c.yml:2: auth.htpasswd.path: is missing\n"},
};

static void environment_is_checked(void **state)
{
	(void)state;
	rows_expect_problems(said, ARRAY_LEN(said));
}

static void environment_names_the_file(void **state)
{
	char path[] = "/tmp/berth-config-XXXXXX";
	char *var = NULL;
	struct config_problems problems = CONFIG_PROBLEMS_INIT;
	struct config *cfg;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, V "http: {addr: ':7'}\n", 32), 32);
	close_fd(&fd);
	var = xasprintf("REGISTRY_CONFIGURATION_PATH=%s", path);
	cfg = config_load(NULL, (char *[]){var, NULL}, &problems);
	assert_non_null(cfg);
	assert_string_equal(cfg->http.addr, ":7");
	assert_string_equal(cfg->file, path);
	config_free(&cfg);
	/* the argument wins */
	cfg = config_load("/nonexistent/c.yml", (char *[]){var, NULL}, &problems);
	assert_null(cfg);
	assert_int_equal(problems.errors, 1);
	config_problems_free(&problems);
	unlink(path);
	free(var);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(environment_overrides),
	    cmocka_unit_test(environment_is_checked),
	    cmocka_unit_test(environment_names_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
