# SPDX-License-Identifier: Apache-2.0
"""Scenes about who may do what: htpasswd, silly, token."""

import base64
import json
import os
import subprocess
import time

from content import ABSENT, LAYER_A, SCHEMA2, blob, digest, push_blob, push_image, with_digest
from scene import scene

# bcrypt of "testpassword" and "pass:word"; cost 5, so that the test does not wait for it.
HTPASSWD = """testuser:$2y$05$abcdefghijklmnopqrstuuumdHvtDbXLiMUnSzTg5m4tpQDY2nJOK
# a comment

other:$2y$05$abcdefghijklmnopqrstuuDIEddBSuRWBBEY6g5zv60IAP5bSSfki
"""


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


GOOD = basic("testuser:testpassword")


def every_kind(s, who, headers):
    """One request of each kind, for the challenges they get."""
    s(f"{who}: ping", "GET", "/v2/", headers=headers)
    s(f"{who}: ping HEAD", "HEAD", "/v2/", headers=headers)
    s(f"{who}: root", "GET", "/", headers=headers)
    s(f"{who}: nothing", "GET", "/nothing", headers=headers)
    s(f"{who}: catalog", "GET", "/v2/_catalog", headers=headers)
    s(f"{who}: tags", "GET", "/v2/some/repo/tags/list", headers=headers)
    s(f"{who}: get manifest", "GET", "/v2/some/repo/manifests/latest", headers=headers)
    s(f"{who}: head manifest", "HEAD", "/v2/some/repo/manifests/latest", headers=headers)
    s(f"{who}: put manifest", "PUT", "/v2/some/repo/manifests/latest", b"{}", {"Content-Type": SCHEMA2, **headers})
    s(f"{who}: delete manifest", "DELETE", f"/v2/some/repo/manifests/{ABSENT}", headers=headers)
    s(f"{who}: delete tag", "DELETE", "/v2/some/repo/manifests/latest", headers=headers)
    s(f"{who}: get blob", "GET", f"/v2/some/repo/blobs/{ABSENT}", headers=headers)
    s(f"{who}: head blob", "HEAD", f"/v2/some/repo/blobs/{ABSENT}", headers=headers)
    s(f"{who}: delete blob", "DELETE", f"/v2/some/repo/blobs/{ABSENT}", headers=headers)
    s(f"{who}: start upload", "POST", "/v2/some/repo/blobs/uploads/", headers=headers)
    s(f"{who}: mount", "POST", f"/v2/some/repo/blobs/uploads/?mount={ABSENT}&from=other/repo", headers=headers)
    s(f"{who}: mount from a bad name", "POST", f"/v2/some/repo/blobs/uploads/?mount={ABSENT}&from=Bad", headers=headers)
    s(f"{who}: upload status", "GET", "/v2/some/repo/blobs/uploads/11111111-2222-3333-4444-555555555555",
      headers=headers)
    s(f"{who}: patch upload", "PATCH", "/v2/some/repo/blobs/uploads/11111111-2222-3333-4444-555555555555", b"a",
      headers)
    s(f"{who}: cancel upload", "DELETE", "/v2/some/repo/blobs/uploads/11111111-2222-3333-4444-555555555555",
      headers=headers)
    s(f"{who}: bad name", "GET", "/v2/Bad/tags/list", headers=headers)
    s(f"{who}: bad digest", "GET", "/v2/some/repo/blobs/sha256:abc", headers=headers)
    s(f"{who}: wrong method", "PATCH", "/v2/some/repo/manifests/latest", headers=headers)


def write_htpasswd(directory):
    with open(os.path.join(directory, "htpasswd"), "w") as f:
        f.write(HTPASSWD)


@scene("htpasswd", {"auth": {"htpasswd": {"realm": "basic realm", "path": "@DIR@/htpasswd"}}}, files=write_htpasswd)
def htpasswd(s):
    every_kind(s, "nobody", {})
    for what, headers in (("good", GOOD), ("second user", basic("other:pass:word")),
                          ("wrong password", basic("testuser:wrong")), ("unknown user", basic("nobody:testpassword")),
                          ("empty password", basic("testuser:")), ("no colon", basic("testuser")),
                          ("empty", basic("")), ("bad base64", {"Authorization": "Basic !!!"}),
                          ("no value", {"Authorization": "Basic"}), ("lower case scheme", {
                              "Authorization": GOOD["Authorization"].replace("Basic", "basic")}),
                          ("bearer", {"Authorization": "Bearer abc"}), ("comment as user", basic("# a comment:x")),
                          ("user in other case", basic("TestUser:testpassword"))):
        s(f"{what}", "GET", "/v2/", headers=headers)
    every_kind(s, "testuser", GOOD)


@scene("htpasswd-by-environment", env={"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_REALM": "Registry Realm",
                                       "REGISTRY_AUTH_HTPASSWD_PATH": "@DIR@/htpasswd",
                                       "REGISTRY_STORAGE_DELETE_ENABLED": "true",
                                       "REGISTRY_HTTP_HEADERS_X-From-Environment": "[one, two]"}, files=write_htpasswd)
def htpasswd_by_environment(s):
    s("nobody", "GET", "/v2/")
    s("testuser", "GET", "/v2/", headers=GOOD)
    s("delete enabled", "DELETE", f"/v2/some/repo/blobs/{ABSENT}", headers=GOOD)


@scene("silly", {"auth": {"silly": {"realm": "https://auth.test/token", "service": "silly.test"}}})
def silly(s):
    every_kind(s, "nobody", {})
    every_kind(s, "anybody", {"Authorization": "seven"})


def certificates(directory):
    """A self-signed certificate that signs tokens and serves TLS, and another nobody trusts."""
    for name in ("token", "stranger"):
        subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-sha256", "-x509", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{directory}/{name}.key",
                        "-out", f"{directory}/{name}.crt"], check=True, capture_output=True)


def unpadded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(directory, access, key="token", header=None, **claims):
    der = subprocess.run(["openssl", "x509", "-in", f"{directory}/{key}.crt", "-outform", "DER"], check=True,
                         capture_output=True).stdout
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()], **(header or {})}
    body = {"iss": "issuer.test", "sub": "someone", "aud": "service.test", "exp": now + 300, "nbf": now - 10,
            "iat": now - 10, "jti": "1", "access": access, **claims}
    body = {k: v for k, v in body.items() if v is not None}
    signed = unpadded(json.dumps(head).encode()) + "." + unpadded(json.dumps(body).encode())
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", f"{directory}/{key}.key"], check=True,
                               input=signed.encode(), capture_output=True).stdout
    return {"Authorization": f"Bearer {signed}.{unpadded(signature)}"}


TOKEN = {"realm": "https://auth.test/token", "service": "service.test", "issuer": "issuer.test",
         "rootcertbundle": "@DIR@/token.crt"}


@scene("token", {"auth": {"token": TOKEN}, "storage": {"delete": {"enabled": True}}}, files=certificates)
def token_auth(s):
    def grant(name, *actions, kind="repository"):
        return {"type": kind, "name": name, "actions": list(actions)}

    def made(access, **kw):
        return token(s.directory, access, **kw)

    every_kind(s, "nobody", {})
    now = int(time.time())
    pull = [grant("some/repo", "pull")]
    for what, headers in (
            ("nothing granted", made([])), ("pull granted", made(pull)),
            ("audience list", made(pull, aud=["other.test", "service.test"])),
            ("other audience", made(pull, aud="other.test")), ("other issuer", made(pull, iss="other.test")),
            ("no audience", made(pull, aud=None)), ("no issuer", made(pull, iss=None)),
            ("expired", made(pull, exp=now - 300)), ("expired within leeway", made(pull, exp=now - 30)),
            ("not yet", made(pull, nbf=now + 300)), ("no expiry", made(pull, exp=None)),
            ("stranger's key", made(pull, key="stranger")), ("no subject", made(pull, sub=None)),
            ("unsigned", made(pull, header={"alg": "none"})), ("algorithm HS256", made(pull, header={"alg": "HS256"})),
            ("nonsense", {"Authorization": "Bearer nonsense"}), ("three parts", {"Authorization": "Bearer a.b.c"}),
            ("empty bearer", {"Authorization": "Bearer "}), ("basic", GOOD),
            ("lower case scheme", {"Authorization": made(pull)["Authorization"].replace("Bearer", "bearer")})):
        s(f"{what}: ping", "GET", "/v2/", headers=headers)
        s(f"{what}: tags", "GET", "/v2/some/repo/tags/list", headers=headers)
    for what, access in (("pull", pull), ("push", [grant("some/repo", "pull", "push")]),
                         ("all", [grant("some/repo", "*")]), ("delete", [grant("some/repo", "delete")]),
                         ("catalog", [grant("catalog", "*", kind="registry")])):
        every_kind(s, f"{what} token", made(access))
    both = made([grant("some/repo", "pull", "push"), grant("other/repo", "pull")])
    s("mount with both", "POST", f"/v2/some/repo/blobs/uploads/?mount={ABSENT}&from=other/repo", headers=both)


@scene("tls", {"http": {"tls": {"certificate": "@DIR@/token.crt", "key": "@DIR@/token.key"}}}, files=certificates,
       tls=True)
def tls(s):
    s("ping", "GET", "/v2/")
    push_blob(s, "over/tls", LAYER_A)
    s("get blob", "GET", f"/v2/over/tls/blobs/{digest(LAYER_A)}")
    s("forwarded proto http", "POST", "/v2/over/tls/blobs/uploads/", headers={"X-Forwarded-Proto": "http"})


def locations(s, headers=None):
    """Every answer that tells a client where to go."""
    headers = headers or {}
    u = s("start upload", "POST", "/v2/lo/cation/blobs/uploads/", headers=headers)
    data = blob("located")
    u = s("patch upload", "PATCH", u.path(), data, headers)
    s("status of upload", "GET", u.path(), headers=headers)
    s("put upload", "PUT", with_digest(u.path(), digest(data)), headers=headers)
    s("mount", "POST", f"/v2/lo/cated/blobs/uploads/?mount={digest(data)}&from=lo/cation", headers=headers)
    push_image(s, "lo/cation", "one")
    push_image(s, "first", "one")
    s("second tag", "PUT", "/v2/lo/cation/manifests/two", b"{}", {"Content-Type": SCHEMA2, **headers})
    s("tags page", "GET", "/v2/lo/cation/tags/list?n=1", headers=headers)
    s("catalog page", "GET", "/v2/_catalog?n=1", headers=headers)
    s("redirect of /v2", "GET", "/v2", headers=headers)
    s("not found", "GET", "/nothing", headers=headers)
    s("blob", "GET", f"/v2/lo/cation/blobs/{digest(data)}", headers=headers)
    s("unknown blob", "GET", f"/v2/lo/cation/blobs/{ABSENT}", headers=headers)


@scene("relative-urls", {"http": {"relativeurls": True}})
def relative_urls(s):
    locations(s)


@scene("host", {"http": {"host": "https://public.test:8443"}})
def host(s):
    locations(s)


@scene("host-with-path", {"http": {"host": "https://public.test/below/"}})
def host_with_path(s):
    s.public = "/below"
    locations(s)


@scene("prefix", {"http": {"prefix": "/some/prefix/"}})
def prefix(s):
    s("without prefix", "GET", "/v2/")
    s("root", "GET", "/")
    s.prefix = s.public = "/some/prefix"
    s("ping", "GET", "/v2/")
    s("root below prefix", "GET", "/")
    locations(s)


@scene("configured-headers", {"http": {"headers": {"X-Content-Type-Options": ["nosniff"], "X-Two": ["one", "two"],
                                                   "Access-Control-Allow-Origin": ["https://ui.test"]}}})
def configured_headers(s):
    s("ping", "GET", "/v2/")
    s("options", "OPTIONS", "/v2/")
    locations(s)


@scene("forwarded")
def forwarded(s):
    up = "/v2/for/warded/blobs/uploads/"
    for what, headers in (
            ("proto https", {"X-Forwarded-Proto": "https"}), ("proto list", {"X-Forwarded-Proto": "https, http"}),
            ("proto odd", {"X-Forwarded-Proto": "gopher"}), ("host", {"X-Forwarded-Host": "public.test"}),
            ("host list", {"X-Forwarded-Host": "first.test, second.test"}),
            ("host and proto", {"X-Forwarded-Host": "public.test", "X-Forwarded-Proto": "https"}),
            ("host and port", {"X-Forwarded-Host": "public.test", "X-Forwarded-Port": "8443"}),
            ("port only", {"X-Forwarded-Port": "8443"}), ("prefix", {"X-Forwarded-Prefix": "/below"}),
            ("Forwarded", {"Forwarded": "for=192.0.2.1;host=public.test;proto=https"}),
            ("Forwarded quoted", {"Forwarded": 'proto="https";host="public.test:8443"'}),
            ("Forwarded list", {"Forwarded": "host=first.test;proto=https, host=second.test"}),
            ("Forwarded proto only", {"Forwarded": "proto=https"}),
            ("Forwarded and X", {"Forwarded": "host=one.test", "X-Forwarded-Host": "two.test"}),
            ("Forwarded malformed", {"Forwarded": "host=;;=x"}),
            ("for", {"X-Forwarded-For": "192.0.2.1"}), ("real ip", {"X-Real-IP": "192.0.2.1"})):
        s(f"{what}", "POST", up, headers=headers)
    s("plain", "POST", up)
    s("host without port", "POST", up, host="bare.test")
    s("host v6", "POST", up, host="[2001:db8::1]:5000")
    s("host empty", "POST", up, host="")
    s("redirect, forwarded", "GET", "/v2", headers={"X-Forwarded-Host": "public.test", "X-Forwarded-Proto": "https"})
