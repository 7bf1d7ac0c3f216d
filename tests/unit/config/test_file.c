/* SPDX-License-Identifier: Apache-2.0 */
/* test_file.c - what is read from a file, and every complaint about one. */
#include "configtest.h"

#define V "version: 0.1\n"

static const struct row shown[] = {
    /* defaults, with a file and without */
    {V, NULL, "addr: \":5000\" # default\nrootdirectory: \"/var/lib/registry\" # default\nauth: none # default"},
    {V "storage: {delete: {}}", NULL, "enabled: false # default\npath: \"/var/lib/registry/berth/berth.db\" # default"},
    {NULL, NULL, "addr: \"127.0.0.1:5000\" # default\nrootdirectory: \"./data\" # default\nenabled: true # default"},
    {NULL, NULL, "path: \"./data/berth/berth.db\" # default"},
    {V "http:\n  host:\n  net: null\n", NULL, "net: \"tcp\" # default"},
    /* the version as text, comments, flow style across lines, a document marker */
    {"version: \"0.1\"", NULL, "version: 0.1"},
    {"# c\n---\n" V "http: {\n  addr: a:1,\n}\n...\n", NULL, "addr: \"a:1\" # c.yml:5"},
    {V "http:\n  headers:\n    X-A: [\n    a,\n  b ]\n", NULL, "- \"a\" # c.yml:5\n- \"b\" # c.yml:6"},
    {"\xef\xbb\xbf" V "http: {addr: ':1'}", NULL, "addr: \":1\" # c.yml:2"},
    {"version: 0.1\r\nhttp:\r\n  addr: ':1'\r\n  prefix: /a\r\n", NULL,
        "addr: \":1\" # c.yml:3\nprefix: \"/a/\" # c.yml:4"},
    {V "http:\n  prefix: >-\n    /a\n", NULL, "prefix: \"/a/\" # c.yml:3"},
    /* scalars */
    {V "log: {level: DEBUG, formatter: json, reportcaller: yes, accesslog: {disabled: On}}", NULL,
        "level: debug # c.yml:2\nformatter: json # c.yml:2\nreportcaller: true # c.yml:2\ndisabled: true # c.yml:2"},
    {V "storage: {delete: {enabled: \"true\"}}", NULL, "enabled: true # c.yml:2"},
    {V "http: {draintimeout: 1m30s}", NULL, "draintimeout: 1m30s # c.yml:2"},
    {V "http: {draintimeout: 1000000}", NULL, "draintimeout: 1ms # c.yml:2"},
    {V "berth: {http: {headerbytes: 65536, minrate: 1MB}, manifest: {maxbytes: 8 MiB}}", NULL,
        "headerbytes: 64KiB # c.yml:2\nminrate: 1000000 # c.yml:2\nmaxbytes: 8MiB # c.yml:2"},
    {V "http: {secret: s3cret, prefix: /r/, host: 'https://a.example'}", NULL,
        "secret: \"********\" # c.yml:2\nprefix: \"/r/\" # c.yml:2\nhost: \"https://a.example\" # c.yml:2"},
    {V "log:\n  fields:\n    service: registry\n    n: 5\n    off: false\n", NULL,
        "\"service\": \"registry\" # c.yml:4\n\"n\": \"5\" # c.yml:5\n\"off\": \"false\" # c.yml:6"},
    {V "auth: {htpasswd: {realm: 'a \"b\" # c', path: /p}}", NULL, "realm: \"a \\\"b\\\" # c\" # c.yml:2"},
    /* lists, maps of lists, lists of mappings */
    {V "http: {tls: {certificate: c, key: k, clientcas: [a, b]}}", NULL,
        "- \"a\" # c.yml:2\nclientauth: require-and-verify-client-cert # default\n- \"b\" # c.yml:2"},
    {V "http: {tls: {certificate: c, key: k, clientcas: a}}", NULL, "- \"a\" # c.yml:2"},
    {V "http:\n  headers:\n    A: [b, c]\n    D: e\n", NULL,
        "\"A\":\n- \"b\" # c.yml:4\n- \"c\" # c.yml:4\n\"D\":\n- \"e\" # c.yml:5"},
    {V "health:\n  file:\n  - file: /f\n  - {file: /g, interval: 2s}\n", NULL,
        "- file: \"/f\" # c.yml:4\ninterval: 10s # default\n- file: \"/g\" # c.yml:5\ninterval: 2s # c.yml:5"},
    {V "health:\n  http: [{uri: 'http://u:p@h/x', headers: {Authorization: [z]}}]", NULL,
        "- uri: \"http://********@h/x\" # c.yml:3\n- \"********\" # c.yml:3\nstatuscode: 200 # default"},
    {V "http: {headers: {X-Api-Key: hunter2, X-Frame-Options: DENY}}", NULL,
        "\"X-Api-Key\":\n- \"********\" # c.yml:2\n\"X-Frame-Options\":\n- \"DENY\" # c.yml:2"},
    {V "health: {http: [{uri: 'http://h/x', headers: {X-Token: t, X-Tenant: a}}]}", NULL,
        "\"X-Token\":\n- \"********\" # c.yml:2\n\"X-Tenant\":\n- \"********\" # c.yml:2"},
    {V "http: {draintimeout: 0s}", NULL, "draintimeout: 0s # c.yml:2"},
    {V, NULL, "draintimeout: 10s # default"},
    {V "health: {tcp: [{addr: 'h:1', timeout: 3s, threshold: 3}]}", NULL,
        "- addr: \"h:1\" # c.yml:2\ntimeout: 3s # c.yml:2\nthreshold: 3 # c.yml:2"},
    /* drivers and access controllers */
    {V "storage: filesystem", NULL, "rootdirectory: \"/var/lib/registry\" # default"},
    {V "storage:\n  filesystem:\n", NULL, "rootdirectory: \"/var/lib/registry\" # default"},
    {V "auth: none", NULL, "auth: none # c.yml:2"},
    {V "auth: {none: }", NULL, "auth: none # c.yml:2"},
    {V "auth: {silly: {realm: r, service: s}}", NULL, "realm: \"r\" # c.yml:2\nservice: \"s\" # c.yml:2"},
    {V "auth: {token: {realm: r, service: s, issuer: i, jwks: j, signingalgorithms: [rs256]}}", NULL,
        "jwks: \"j\" # c.yml:2\n- \"RS256\" # c.yml:2\nautoredirectpath: \"/auth/token\" # default"},
    {V "auth: {token: {autoredirect: true, service: s, issuer: i, rootcertbundle: b}}", NULL,
        "autoredirect: true # c.yml:2"},
    /* anchors, aliases, merge keys, a place for them */
    {V "x-a: &a {interval: 3s}\nhealth:\n  storagedriver: {<<: *a, enabled: true}", NULL,
        "interval: 3s # c.yml:2\nenabled: true # c.yml:4"},
    {V "x-a: &a {interval: 3s, enabled: yes}\nhealth: {storagedriver: {interval: 4s, <<: [*a]}}", NULL,
        "interval: 4s # c.yml:3\nenabled: true # c.yml:2"},
    {V "log: {level: &l debug, formatter: text}\nx-b: *l", NULL, "level: debug # c.yml:2"},
    /* old names */
    {V "loglevel: warn", NULL, "level: warn # c.yml:2"},
    /* what does nothing because it is empty or disabled */
    {V "notifications: {}\nmiddleware: {storage: []}\nproxy: {remoteurl: ''}", NULL, "version: 0.1"},
    {V "notifications: {endpoints: [{name: a, url: u, disabled: true}]}\nlog: {hooks: [{disabled: true}]}", NULL,
        "version: 0.1"},
    {V "http: {tls: {letsencrypt: {cachefile: '', hosts: []}}}", NULL, "minimumtls: tls1.2 # default"},
    {V "validation: {manifests: {urls: {allow: ['^https?://([^/]+\\.)*example\\.com/']}}}", NULL,
        "- \"^https?://([^/]+\\\\.)*example\\\\.com/\" # c.yml:2"},
    {V "validation: {manifests: {indexes: {platforms: list, platformlist: [{os: linux, architecture: arm64}]}}}", NULL,
        "platforms: list # c.yml:2\n- architecture: \"arm64\" # c.yml:2\nos: \"linux\" # c.yml:2"},
};

static void file_is_read(void **state)
{
	(void)state;
	rows_expect_shown(shown, ARRAY_LEN(shown));
}

static const struct row wrong[] = {
    {V, NULL, ""},
    /* the version */
    {"", NULL, "c.yml:1: version: the file is empty; a configuration begins with the line \"version: 0.1\"\n"},
    {"# nothing\n", NULL,
        "c.yml:1: version: the file is empty; a configuration begins with the line \"version: 0.1\"\n"},
    {"log: {}", NULL, "c.yml:1: version: missing; add the line \"version: 0.1\"\n"},
    {"log: {}\nversion: 0.2", NULL, "c.yml:2: version: must be 0.1, the only version of the format there is\n"},
    /* unknown keys */
    {V "htpp: {}", NULL, "c.yml:2: htpp: unknown key; did you mean \"http\"?\n"},
    {V "http:\n  tls:\n    certficate: a\n", NULL,
        "c.yml:4: http.tls.certficate: unknown key; did you mean \"certificate\"?\n"},
    {V "addr: :5000", NULL, "c.yml:2: addr: unknown key; there is http.addr\n"},
    {V "zzz: 1", NULL, "c.yml:2: zzz: unknown key\n"},
    {V "health: {file: [{fiel: /x, file: /y}]}", NULL,
        "c.yml:2: health.file[0].fiel: unknown key; did you mean \"file\"?\n"},
    /* types */
    {V "log: {level: loud}", NULL, "c.yml:2: log.level: must be one of error, warn, info, debug, not \"loud\"\n"},
    {V "storage: {delete: {enabled: maybe}}", NULL,
        "c.yml:2: storage.delete.enabled: must be true or false, not \"maybe\"\n"},
    {V "catalog: {maxentries: 0}", NULL,
        "c.yml:2: catalog.maxentries: must be a number from 1 to 1000000, not \"0\"\n"},
    {V "tags: {maxtags: 010}", NULL, "c.yml:2: tags.maxtags: must be a number from 1 to 1000000, not \"010\"\n"},
    {V "http: {draintimeout: soon}", NULL,
        "c.yml:2: http.draintimeout: must be a duration such as 30s, 5m or 1h30m, not \"soon\"\n"},
    {V "http: {draintimeout: -1s}", NULL, "c.yml:2: http.draintimeout: must be at least 0s, not \"-1s\"\n"},
    {V "health: {storagedriver: {interval: 10}}", NULL,
        "c.yml:2: health.storagedriver.interval: must be at least 1ms, not \"10\" (a number without a unit is "
        "nanoseconds)\n"},
    {V "berth: {manifest: {maxbytes: 4Mb}}", NULL,
        "c.yml:2: berth.manifest.maxbytes: must be a size such as 65536, 64KiB or 4MiB, not \"4Mb\"\n"},
    {V "berth: {manifest: {maxbytes: 1GiB}}", NULL,
        "c.yml:2: berth.manifest.maxbytes: must be from 64KiB to 64MiB, not \"1GiB\"\n"},
    {V "berth: {http: {minrate: 99999999999999999999}}", NULL,
        "c.yml:2: berth.http.minrate: must be a size such as 65536, 64KiB or 4MiB, not \"99999999999999999999\"\n"},
    {V "http: [a]", NULL, "c.yml:2: http: must be a mapping (lines of \"key: value\"), not a list\n"},
    {V "http: a", NULL, "c.yml:2: http: must be a mapping (lines of \"key: value\"), not a single value\n"},
    {V "http: {addr: [a]}", NULL, "c.yml:2: http.addr: must be a single value, not a list\n"},
    {V "http: {host: {a: b}}", NULL, "c.yml:2: http.host: must be a single value, not a mapping\n"},
    {V "http: {secret: \"a\\nb\"}", NULL, "c.yml:2: http.secret: holds a line break or another control character\n"},
    {V "http: {headers: [a]}", NULL, "c.yml:2: http.headers: must be a mapping of names to values, not a list\n"},
    {V "http: {headers: {'a b': [c]}}", NULL, "c.yml:2: http.headers: \"a b\" is not the name of a header\n"},
    {V "http: {headers: {content-length: [1]}}", NULL,
        "c.yml:2: http.headers.content-length: this header is berth's own to set; remove it\n"},
    {V "http: {headers: {a: [{b: c}, ~]}}", NULL,
        "c.yml:2: http.headers.a[0]: must be a single value\nc.yml:2: http.headers.a[1]: is empty\n"},
    {V "log: {fields: {a: {b: c}}}", NULL, "c.yml:2: log.fields.a: must be a single value\n"},
    {V "health: {file: {file: a}}", NULL, "c.yml:2: health.file: must be a list (lines that begin with \"- \")\n"},
    {V "health: {file: [a]}", NULL,
        "c.yml:2: health.file[0]: must be a mapping (lines of \"key: value\"), not a single value\n"
        "c.yml:2: health.file[0].file: is missing\n"},
    {V "http: {tls: {clientcas: {a: b}}}", NULL, "c.yml:2: http.tls.clientcas: must be a list, not a mapping\n"},
    {"- a", NULL, "c.yml:1: must be a mapping (lines of \"key: value\"), not a list\n"},
    /* what is refused */
    {V "http: {tls: {minimumtls: tls1.0}}", NULL,
        "c.yml:2: http.tls.minimumtls: \"tls1.0\" is refused: TLS 1.0 and 1.1 are broken and withdrawn (RFC 8996); use "
        "tls1.2, which every supported client speaks\n"},
    {V "storage:\n  s3:\n    bucket: b\n", NULL,
        "c.yml:3: storage.s3: not supported: storage in an object store comes in a later version; use the filesystem "
        "driver\n"},
    {V "storage: inmemory", NULL,
        "c.yml:2: storage.inmemory: not supported: a registry in memory loses everything; use the filesystem driver, on a "
        "tmpfs if that is wanted\n"},
    {V "proxy:\n  remoteurl: https://registry-1.docker.io\n", NULL,
        "c.yml:3: proxy.remoteurl: not supported: a pull-through cache comes in a later version; remove the section "
        "`proxy`\n"},
    {V "notifications: {endpoints: [{name: a, url: b}]}", NULL,
        "c.yml:2: notifications.endpoints: not supported: notifications come in a later version; remove the endpoints or "
        "set `disabled: true` on each\n"},
    {V "middleware: {storage: [{name: redirect}]}", NULL,
        "c.yml:2: middleware.storage: not supported: middleware comes in a later version; remove the entries or set "
        "`disabled: true` on each\n"},
    {V "log: {hooks: [{type: mail}]}", NULL,
        "c.yml:2: log.hooks: not supported: berth sends no mail; remove the hooks and let the collector of the logs send it\n"},
    {V "http: {tls: {letsencrypt: {cachefile: /c}}}", NULL,
        "c.yml:2: http.tls.letsencrypt: not supported: berth does not fetch certificates yet; let certbot or lego fetch "
        "them and name the files in http.tls.certificate and http.tls.key, changed files are read without a restart\n"},
    {V "storage: {cache: {blobdescriptor: memcached}}", NULL,
        "c.yml:2: storage.cache.blobdescriptor: must be one of inmemory, redis, not \"memcached\"\n"},
    /* what has no meaning here is said once */
    {V "redis: {addr: 'r:1', password: p, pool: {maxidle: 1}}\nreporting: {bugsnag: {apikey: a}}", NULL,
        "c.yml:2: redis: note: accepted, has no effect: berth needs no Redis: its database has what was cached there\n"
        "c.yml:3: reporting: note: accepted, has no effect: nothing is reported to others; registry:3 dropped it too\n"},
    {V "compatibility: {schema1: {enabled: true}}", NULL,
        "c.yml:2: compatibility: note: accepted, has no effect: manifests of schema 1 are not served; registry:3 dropped it "
        "too\n"},
    {V "storage: {filesystem: {maxthreads: 100}}", NULL,
        "c.yml:2: storage.filesystem.maxthreads: note: accepted, has no effect: berth.http.maxthreads limits the threads\n"},
    {V "loglevel: debug\nlog: {level: info}", NULL,
        "c.yml:2: loglevel: warning: ignored, log.level is given as well; remove it\n"},
    {V "loglevel: debug", NULL, "c.yml:2: loglevel: warning: deprecated; write log.level\n"},
    {V "validation: {enabled: true}", NULL,
        "c.yml:2: validation.enabled: note: accepted, has no effect: deprecated; checks are on unless validation.disabled is "
        "set\n"},
    /* one of several */
    {V "storage:\n  filesystem: {}\n  s3: {}\n", NULL,
        "c.yml:4: storage: only one may be given, here are \"filesystem\" (line 3) and \"s3\" (line 4)\n"
        "c.yml:4: storage.s3: not supported: storage in an object store comes in a later version; use the filesystem "
        "driver\n"},
    {V "auth:\n  none: {}\n  silly: {realm: r, service: s}\n", NULL,
        "c.yml:4: auth: only one may be given, here are \"none\" (line 3) and \"silly\" (line 4)\n"},
    {V "auth: ldap", NULL, "c.yml:2: auth.ldap: unknown key\n"},
    /* keys that go together */
    {V "auth:\n  htpasswd: {realm: r}\n", NULL, "c.yml:3: auth.htpasswd.path: is missing\n"},
    {V "auth: htpasswd", NULL, "c.yml:2: auth.htpasswd.path: is missing\nc.yml:2: auth.htpasswd.realm: is missing\n"},
    {V "auth: {token: {service: s, issuer: i}}", NULL,
        "c.yml:2: auth.token: needs rootcertbundle or jwks: without a key no token can be verified\n"
        "c.yml:2: auth.token.realm: is missing (it is only made up with autoredirect: true)\n"},
    {V "auth: {token: {realm: r, service: s, issuer: i, jwks: j, signingalgorithms: [none]}}", NULL,
        "c.yml:2: auth.token.signingalgorithms[0]: must be one of EdDSA, RS256, RS384, RS512, ES256, ES384, ES512, PS256, "
        "PS384, PS512, HS256, HS384, HS512, not \"none\"\n"},
    {V "http:\n  tls:\n    certificate: c\n", NULL,
        "c.yml:3: http.tls.key: is missing, http.tls.certificate is given\n"},
    {V "http: {tls: {certificate: c, key: k, clientauth: request-client-cert}}", NULL,
        "c.yml:2: http.tls.clientauth: has no effect without http.tls.clientcas; give both or none\n"},
    {V "http: {tls: {clientcas: [a]}}", NULL,
        "c.yml:2: http.tls.clientcas: needs http.tls.certificate and http.tls.key: without TLS there are no client "
        "certificates\n"},
    {V "http:\n  tls:\n    ciphersuites:\n    - TLS_AES_128_GCM_SHA256\n    - TLS_FOO\n    - TLS_AES_128_GCM_SHA265\n",
        NULL,
        "c.yml:6: http.tls.ciphersuites[1]: \"TLS_FOO\" is not a known cipher suite; such are TLS_AES_128_GCM_SHA256 and "
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
        "c.yml:7: http.tls.ciphersuites[2]: \"TLS_AES_128_GCM_SHA265\" is not a known cipher suite; did you mean "
        "\"TLS_AES_128_GCM_SHA256\"?\n"},
    {V "http: {tls: {ciphersuites: [AES128-SHA]}}", NULL,
        "c.yml:2: http.tls.ciphersuites[0]: \"AES128-SHA\" is not the IANA name of a cipher suite; those begin with TLS_\n"},
    {V "http: {addr: 5000}", NULL, "c.yml:2: http.addr: must be host:port or :port, not \"5000\"\n"},
    {V "http: {addr: '::1:70000'}", NULL, "c.yml:2: http.addr: must be host:port or :port, not \"::1:70000\"\n"},
    {V "http: {addr: /run/b.sock, net: unix}", NULL, ""},
    {V "http: {addr: '[::1]:5000'}", NULL, ""},
    {V "http: {host: registry.example.com}", NULL,
        "c.yml:2: http.host: must be a URL such as https://registry.example.com, not \"registry.example.com\"\n"},
    {V "http: {prefix: r}", NULL, "c.yml:2: http.prefix: must begin with '/'\n"},
    {V "http: {debug: {prometheus: {enabled: true}}}", NULL,
        "c.yml:2: http.debug.prometheus.enabled: warning: no metrics are served without http.debug.addr\n"},
    {V "health: {http: [{uri: ftp://h}, {}], tcp: [{addr: ':1'}]}", NULL,
        "c.yml:2: health.http[0].uri: must be a URL that begins with http:// or https://\n"
        "c.yml:2: health.http[1].uri: is missing\n"
        "c.yml:2: health.tcp[0].addr: must be host:port, not \":1\"\n"},
    {V "validation: {manifests: {indexes: {platforms: list}}}", NULL,
        "c.yml:2: validation.manifests.indexes.platformlist: is missing, platforms is \"list\"\n"},
    {V "validation: {manifests: {urls: {deny: ['[a', '(?P<n>x)']}}}", NULL,
        "c.yml:2: validation.manifests.urls.deny[0]: a '[' is not closed\n"
        "c.yml:2: validation.manifests.urls.deny[1]: \"(?P\" is not supported in a regular expression\n"},
    /* everything at once, in the order of lines */
    {V "http:\n  adr: a\nlog:\n  level: x\nredis: {a: b}\ntags: {maxtags: x}\n", NULL,
        "c.yml:3: http.adr: unknown key; did you mean \"addr\"?\n"
        "c.yml:5: log.level: must be one of error, warn, info, debug, not \"x\"\n"
        "c.yml:6: redis: note: accepted, has no effect: berth needs no Redis: its database has what was cached there\n"
        "c.yml:7: tags.maxtags: must be a number from 1 to 1000000, not \"x\"\n"},
};

static void file_is_checked(void **state)
{
	(void)state;
	rows_expect_problems(wrong, ARRAY_LEN(wrong));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(file_is_read),
	    cmocka_unit_test(file_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
