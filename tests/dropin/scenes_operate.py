# SPDX-License-Identifier: Apache-2.0
"""Scenes about operating a registry: commands, wrong configurations, debug listener, garbage collection."""

import re

from content import CONFIG_BLOB, LAYER_A, LAYER_B, OCI, SCHEMA2, blob, digest, image, push_blob, push_image
from scene import scene

STORE = "storage:\n  filesystem:\n    rootdirectory: @DIR@/other\n"
GOOD = "version: 0.1\n" + STORE + "http:\n  addr: 127.0.0.1:0\n"

WRONG = {
    "no file": None,
    "empty": "",
    "no version": STORE,
    "version 0.2": GOOD.replace("0.1", "0.2"),
    "version quoted": GOOD.replace("0.1", "'0.1'"),
    "broken YAML": "version: 0.1\nstorage: [\n",
    "a list": "- version: 0.1\n",
    "two storage drivers": GOOD.replace("storage:\n", "storage:\n  inmemory: {}\n"),
    "unknown storage driver": "version: 0.1\nstorage:\n  nonsense: {}\n",
    "unknown log level": GOOD + "log:\n  level: loud\n",
    "number for a string": GOOD.replace("127.0.0.1:0", "[1, 2]"),
    "string for a switch": GOOD.replace("storage:\n", "storage:\n  delete:\n    enabled: perhaps\n"),
    "bad address": GOOD.replace("127.0.0.1:0", "nonsense"),
    "htpasswd without path": GOOD + "auth:\n  htpasswd:\n    realm: r\n",
    "htpasswd without realm": GOOD + "auth:\n  htpasswd:\n    path: @DIR@/htpasswd\n",
    "token without bundle": GOOD + "auth:\n  token:\n    realm: r\n    service: s\n    issuer: i\n",
    "token without realm": GOOD + "auth:\n  token:\n    service: s\n    issuer: i\n    rootcertbundle: @DIR@/none\n",
    "unknown auth": GOOD + "auth:\n  nonsense:\n    realm: r\n",
    "two auths": GOOD + "auth:\n  silly:\n    realm: r\n    service: s\n  htpasswd:\n    realm: r\n    path: @DIR@/p\n",
    "silly without service": GOOD + "auth:\n  silly:\n    realm: r\n",
    "certificate not there": GOOD + "  tls:\n    certificate: @DIR@/none.crt\n    key: @DIR@/none.key\n",
    "unknown middleware": GOOD + "middleware:\n  registry:\n  - name: nonsense\n",
    "bad url pattern": GOOD + "validation:\n  manifests:\n    urls:\n      allow: ['(']\n",
    "bad http.host": GOOD + "  host: '%zz'\n",
}
# These start: they are stopped after a moment.
ACCEPTED = {
    "good": GOOD,
    "unknown key": GOOD + "nonsense: 1\n",
    "unknown key below http": GOOD + "  nonsense: 1\n",
    "key twice": "version: 0.1\n" + GOOD,
    "loglevel of old": GOOD + "loglevel: debug\n",
    "empty values": GOOD + "  host:\n  tls:\nlog:\nauth:\n",
    "notifications": GOOD + "notifications:\n  endpoints:\n  - name: n\n    url: http://127.0.0.1:1/\n    timeout: 1s\n"
                            "    threshold: 3\n    backoff: 1s\n",
}


@scene("commands")
def commands(s):
    for label, arguments in (("version", ["--version"]), ("version, short", ["-v"]), ("help", ["--help"]),
                             ("help of serve", ["serve", "--help"]),
                             ("garbage-collect without a file", ["garbage-collect"]),
                             ("garbage-collect, no such file", ["garbage-collect", "@DIR@/none.yml"]),
                             ("help of garbage-collect", ["garbage-collect", "--help"])):
        s.command(label, arguments, seconds=2)
    s.command("serve without a file", ["serve"], env={"REGISTRY_HTTP_ADDR": "127.0.0.1:0"}, seconds=0.7)
    for label, config in WRONG.items():
        s.command(f"serve: {label}", ["serve", "@DIR@/other.yml" if config is not None else "@DIR@/none.yml"], config,
                  seconds=2)
    for label, config in ACCEPTED.items():
        s.command(f"serve: {label}", ["serve", "@DIR@/other.yml"], config, seconds=0.7)
    s.command("file named by the environment", ["serve"], GOOD, {"REGISTRY_CONFIGURATION_PATH": "@DIR@/other.yml"},
              seconds=0.7)
    for label, env in (("storage wholly", {"REGISTRY_STORAGE": "filesystem",
                                           "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "@DIR@/env"}),
                       ("a list", {"REGISTRY_HTTP_HEADERS": "{X-A: [b]}"}),
                       ("an index", {"REGISTRY_NOTIFICATIONS_ENDPOINTS_0_NAME": "n"}),
                       ("an unknown key", {"REGISTRY_NONSENSE": "1"}),
                       ("an unknown key below http", {"REGISTRY_HTTP_NONSENSE": "1"}),
                       ("a container's own variables", {"REGISTRY_PORT": "tcp://10.0.0.1:5000",
                                                        "REGISTRY_SERVICE_HOST": "10.0.0.1",
                                                        "REGISTRY_PORT_5000_TCP_ADDR": "10.0.0.1"}),
                       ("a bad switch", {"REGISTRY_STORAGE_DELETE_ENABLED": "perhaps"}),
                       ("a bad level", {"REGISTRY_LOG_LEVEL": "loud"}),
                       ("a bad duration", {"REGISTRY_HTTP_DRAINTIMEOUT": "soon"})):
        s.command(f"environment: {label}", ["serve", "@DIR@/other.yml"], GOOD, env, seconds=0.7)


def series(text):
    """The names and labels of the registry's own series."""
    found = re.findall(r"^(registry_\w+)(?:\{(.*)\})? ", text, re.M)
    return sorted({name + "".join(" " + label for label in sorted(re.findall(r"(\w+)=", labels)))
                   for name, labels in found})


@scene("debug", {"http": {"debug": {"addr": "@DEBUG@", "prometheus": {"enabled": True, "path": "/metrics"}}}})
def debug(s):
    s("ping", "GET", "/v2/")
    push_image(s, "de/bug", "t")
    s("series", "GET", "/metrics", port=s.debug_port, view=series)
    for path, view in (("/debug/health", None), ("/metrics", lambda body: None), ("/debug/vars", lambda body: None),
                       ("/debug/pprof/", lambda body: None), ("/", None), ("/v2/", None), ("/nothing", None)):
        for method in ("GET", "HEAD", "POST"):
            s(f"{method} {path}", method, path, port=s.debug_port, view=view)


@scene("unhealthy", {"http": {"debug": {"addr": "@DEBUG@"}},
                     "health": {"file": [{"file": "@CONFIG@", "interval": "100ms"}]}})
def unhealthy(s):
    # The file exists: unhealthy from the first look on, which comes after one interval.
    for _ in range(100):
        if s.send("GET", "/debug/health", None, {}, False, "a", s.debug_port).status == 503:
            break
        s.pause(0.1)
    s("debug health", "GET", "/debug/health", port=s.debug_port)
    s("ping", "GET", "/v2/")
    s("blob", "GET", f"/v2/a/blobs/{digest(LAYER_A)}")
    s("start upload", "POST", "/v2/a/blobs/uploads/")


@scene("garbage", {"storage": {"delete": {"enabled": True}}})
def garbage(s):
    """The offline collection that is run from cron; what it must keep and what must be gone."""
    repo, loose = "gar/bage", blob("loose")
    old = push_image(s, repo, "latest")
    other = image(CONFIG_BLOB, [LAYER_B], OCI)
    untagged = image(CONFIG_BLOB, [LAYER_A], OCI)
    for label, tag, data in (("tag moves", "latest", other), ("never tagged", digest(untagged), untagged)):
        s(label, "PUT", f"/v2/{repo}/manifests/{tag}", data, {"Content-Type": OCI})
    push_blob(s, repo, loose, "loose blob")

    def look(when):
        s(f"{when}: tagged", "GET", f"/v2/{repo}/manifests/latest", headers={"Accept": OCI})
        s(f"{when}: its layer", "GET", f"/v2/{repo}/blobs/{digest(LAYER_B)}")
        s(f"{when}: replaced", "GET", f"/v2/{repo}/manifests/{digest(old)}", headers={"Accept": SCHEMA2})
        s(f"{when}: never tagged", "GET", f"/v2/{repo}/manifests/{digest(untagged)}", headers={"Accept": OCI})
        s(f"{when}: layer of both", "GET", f"/v2/{repo}/blobs/{digest(LAYER_A)}")
        s(f"{when}: loose", "GET", f"/v2/{repo}/blobs/{digest(loose)}")
        s(f"{when}: tags", "GET", f"/v2/{repo}/tags/list")
        s(f"{when}: catalog", "GET", "/v2/_catalog")

    look("before")
    yield "dry run", ["garbage-collect", "--dry-run", "@CONFIG@"]
    look("after a dry run")
    yield "collection", ["garbage-collect", "@CONFIG@"]
    look("after a collection")
    yield "collection with untagged", ["garbage-collect", "--delete-untagged", "@CONFIG@"]
    look("after a collection with untagged")
    yield "short options", ["garbage-collect", "-d", "-m", "@CONFIG@"]
    s("tagged still", "GET", f"/v2/{repo}/manifests/latest", headers={"Accept": OCI})
