# SPDX-License-Identifier: Apache-2.0
"""Scenes about the way out: ping, routes, blobs, lists, deletes."""

from content import (ABSENT, CONFIG_BLOB, INDEX, LAYER_A, LAYER_B, OCI, SCHEMA2, blob, digest, encode, image, index,
                     push_blob, push_image, with_digest)
from scene import scene

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@scene("routes")
def routes(s):
    for method in METHODS:
        s(f"{method} ping", method, "/v2/")
    s("ping without slash", "GET", "/v2")
    s("ping with query", "GET", "/v2/?a=b")
    s("ping HEAD without slash", "HEAD", "/v2")
    s("ping POST without slash", "POST", "/v2")
    s("root", "GET", "/")
    s("root HEAD", "HEAD", "/")
    s("root POST", "POST", "/")
    for what, path in (("v1 ping", "/v1/_ping"), ("v1 search", "/v1/search?q=a"), ("v3", "/v3/"), ("nothing", "/nothing"),
                       ("below v2", "/v2/nothing"), ("two slashes", "//v2/"), ("slashes behind", "/v2//"),
                       ("name only", "/v2/some/repo"), ("name and slash", "/v2/some/repo/"), ("dots", "/v2/../v2/"),
                       ("dots in a name", "/v2/a/../b/tags/list"), ("slashes in a name", "/v2/a//b/tags/list"),
                       ("escaped slash", "/v2/a%2Fb/tags/list"), ("escaped letter", "/v2/%61/tags/list"),
                       ("tags without list", "/v2/a/tags"), ("tags and slash", "/v2/a/tags/"),
                       ("list and slash", "/v2/a/tags/list/"), ("manifests alone", "/v2/a/manifests"),
                       ("manifests and slash", "/v2/a/manifests/"), ("blobs and slash", "/v2/a/blobs/"),
                       ("blobs and a tag", "/v2/a/blobs/latest"), ("catalog and slash", "/v2/_catalog/"),
                       ("catalog without underscore", "/v2/catalog"), ("extensions", "/v2/_oci/ext/discover"),
                       ("token", "/token"), ("health", "/debug/health"), ("metrics", "/metrics"),
                       ("favicon", "/favicon.ico"), ("referrers of a bad digest", "/v2/a/referrers/latest")):
        s(f"GET {what}", "GET", path)
    for method in METHODS[1:]:
        s(f"{method} catalog", method, "/v2/_catalog")
        s(f"{method} tags", method, "/v2/some/repo/tags/list")
    s("absolute form", "GET", "http://registry.test:5000/v2/")
    s("host absent", "GET", "/v2/", host=None)
    s("host twice", "GET", "/v2/", headers={"Host": "two.test"})
    s("unknown method", "BREW", "/v2/")
    s("ping with body", "GET", "/v2/", b"body")
    s("gzip accepted", "GET", "/v2/_catalog", headers={"Accept-Encoding": "gzip"})
    s("origin sent", "GET", "/v2/", headers={"Origin": "https://ui.test"})
    s("authorization sent to no auth", "GET", "/v2/", headers={"Authorization": "Basic dGVzdDp0ZXN0"})


@scene("malformed")
def malformed(s):
    head = b"GET /v2/ HTTP/1.1\r\nHost: a\r\n"
    for what, data in (("good", head + b"Connection: close\r\n\r\n"),
                       ("HTTP/1.0", b"GET /v2/ HTTP/1.0\r\n\r\n"),
                       ("HTTP/2.0 line", b"GET /v2/ HTTP/2.0\r\nHost: a\r\n\r\n"),
                       ("no version", b"GET /v2/\r\n\r\n"), ("garbage", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"),
                       ("space before colon", head + b"A : b\r\n\r\n"),
                       ("no colon", head + b"nonsense\r\n\r\n"), ("folded", head + b"A: b\r\n c\r\n\r\n"),
                       ("NUL in a value", head + b"A: b\0c\r\n\r\n"),
                       ("length and chunked", b"PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                       ("two lengths", b"PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"),
                       ("same length twice", b"PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                        b"Content-Length: 3\r\n\r\nabc"),
                       ("negative length", b"PUT /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"),
                       ("unknown coding", b"PUT /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
                       ("bare LF", b"GET /v2/ HTTP/1.1\nHost: a\n\n"),
                       ("long header", head + b"A: " + b"x" * 2000000 + b"\r\n\r\n"),
                       ("two hosts", b"GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
                       ("expectation unknown", head + b"Expect: tea\r\n\r\n")):
        s.raw(what, data)


@scene("blobs")
def blobs(s):
    repo = "blo/bs"
    data = blob("ranges", 2048)
    d = push_blob(s, repo, data)
    path = f"/v2/{repo}/blobs/{d}"
    s("get", "GET", path)
    s("head", "HEAD", path)
    for value in ("bytes=0-0", "bytes=500-1499", "bytes=500-", "bytes=-500", "bytes=2000-5000", "bytes=0-", "bytes=-5000",
                  "bytes=2048-", "bytes=5000-10000", "bytes=500-0", "bytes=a-b", "bytes=", "lines=0-9", "bytes=-0",
                  "bytes=0-9,20-29", "bytes=0-9, 5-20", "bytes 0-9", "bytes= 0-9", "bytes=0-9,5000-6000"):
        s(f"range {value}", "GET", path, headers={"Range": value})
    s("head with range", "HEAD", path, headers={"Range": "bytes=0-9"})
    s("if-range matching", "GET", path, headers={"Range": "bytes=0-9", "If-Range": f'"{d}"'})
    s("if-range other", "GET", path, headers={"Range": "bytes=0-9", "If-Range": '"x"'})
    s("if none match", "GET", path, headers={"If-None-Match": f'"{d}"'})
    s("if none match, head", "HEAD", path, headers={"If-None-Match": f'"{d}"'})
    s("if none match other", "GET", path, headers={"If-None-Match": '"x"'})
    s("if none match list", "GET", path, headers={"If-None-Match": f'"x", W/"{d}"'})
    s("if none match star", "GET", path, headers={"If-None-Match": "*"})
    s("if match", "GET", path, headers={"If-Match": f'"{d}"'})
    s("if match other", "GET", path, headers={"If-Match": '"x"'})
    s("if modified since", "GET", path, headers={"If-Modified-Since": "Mon, 01 Jan 2035 00:00:00 GMT"})
    s("accept something else", "GET", path, headers={"Accept": "text/html"})
    s("absent", "GET", f"/v2/{repo}/blobs/{ABSENT}")
    s("absent, head", "HEAD", f"/v2/{repo}/blobs/{ABSENT}")
    s("unknown repository", "GET", f"/v2/no/where/blobs/{d}")
    s("unknown repository, head", "HEAD", f"/v2/no/where/blobs/{d}")
    for what, value in (("short", "sha256:abc"), ("nonsense", "nonsense"), ("upper case", d.upper()),
                        ("unknown algorithm", "md5:" + "0" * 32), ("without algorithm", d[7:]),
                        ("sha512 short", "sha512:" + "0" * 64), ("sha512 absent", "sha512:" + "0" * 128)):
        for method in ("GET", "HEAD", "DELETE"):
            s(f"{method} digest {what}", method, f"/v2/{repo}/blobs/{value}")


LIST_TAGS = ["1.0", "V3", "_x", "a-b", "a.b", "a_b", "latest", "v1", "v10", "v2"]
LIST_QUERIES = ["n=2", "n=1", "n=0", "n=-1", "n=abc", "n=", "n=1.5", "n=100", "n=1000", "n=1001", "n=1000000",
                "n=99999999999999999999", "last=V3", "n=2&last=V3", "n=2&last=nosuch", "last=zzzz", "n=3&last=zzzz",
                "n=2&n=3", "last=", "n=2&last=", "N=2", "n=%32", "last=a%2Fb", "n=10", "n=11", "n=2&last=a&foo=bar",
                "last=a%zz"]


@scene("lists")
def lists(s):
    s("catalog, nothing pushed", "GET", "/v2/_catalog")
    s("tags, nothing pushed", "GET", "/v2/li/st/tags/list")
    push_blob(s, "only/blob", LAYER_A)
    s("catalog with only a blob", "GET", "/v2/_catalog")
    s("tags with only a blob", "GET", "/v2/only/blob/tags/list")
    manifest = push_image(s, "li/st", "v1")
    s("PUT by digest only", "PUT", "/v2/li/st/manifests/" + digest(manifest), manifest, {"Content-Type": SCHEMA2})
    for tag in (t for t in LIST_TAGS if t != "v1"):
        s(f"tag {tag}", "PUT", f"/v2/li/st/manifests/{tag}", manifest, {"Content-Type": SCHEMA2})
    # Names that a walk of the tree and the order of their bytes list alike; see catalog-order.
    for repo in ("b", "a", "a/b", "z/y/x", "a/c", "a0", "a_b", "only/blob"):
        push_image(s, repo, "t")
    push_image(s, "untagged", digest(image(CONFIG_BLOB, [LAYER_A, LAYER_B])))
    s("tags with only a digest", "GET", "/v2/untagged/tags/list")
    for what, path in (("tags", "/v2/li/st/tags/list"), ("catalog", "/v2/_catalog")):
        s(what, "GET", path)
        for query in LIST_QUERIES:
            s(f"{what}?{query}", "GET", f"{path}?{query}")
        page = s(f"{what}: first page", "GET", f"{path}?n=4")
        for i in range(3):
            link = page.header("Link") or ""
            follow = link[link.find("<") + 1:link.find(">")] if "<" in link else f"{path}?no=link"
            page = s(f"{what}: page {i + 2} by Link", "GET", follow)
    s("tags of an unknown repository", "GET", "/v2/no/where/tags/list")
    s("tags of a bad name", "GET", "/v2/Bad/tags/list")
    s("tags of a parent of repositories", "GET", "/v2/z/y/tags/list")


@scene("catalog-order")
def catalog_order(s):
    push_blob(s, "only/blob", LAYER_A, "blob only")
    for repo in ("a/b", "a-b", "a", "a.b", "a0"):
        push_image(s, repo, "t")
    s("catalog", "GET", "/v2/_catalog")
    s("page", "GET", "/v2/_catalog?n=2")
    s("page behind", "GET", "/v2/_catalog?n=2&last=a")


@scene("catalog-maximum", {"catalog": {"maxentries": 5}})
def catalog_maximum(s):
    for i in range(7):
        push_image(s, f"r{i}", "t")
    for query in ("", "?n=5", "?n=6", "?n=4", "?n=0", "?n=-1", "?n=x"):
        s(f"catalog{query}", "GET", f"/v2/_catalog{query}")


@scene("deletes", {"storage": {"delete": {"enabled": True}}})
def deletes(s):
    repo = "del/ete"
    manifest = push_image(s, repo, "one")
    path = f"/v2/{repo}/manifests/"
    d = digest(manifest)
    s("second tag", "PUT", path + "two", manifest, {"Content-Type": SCHEMA2})
    s("third tag", "PUT", path + "three", manifest, {"Content-Type": SCHEMA2})
    s("delete tag", "DELETE", path + "one")
    s("get deleted tag", "GET", path + "one")
    s("delete tag twice", "DELETE", path + "one")
    s("tags after", "GET", f"/v2/{repo}/tags/list")
    s("get by digest still", "GET", path + d, headers={"Accept": SCHEMA2})
    s("delete manifest", "DELETE", path + d)
    s("get deleted manifest", "GET", path + d)
    s("get tag of deleted manifest", "GET", path + "two")
    s("head tag of deleted manifest", "HEAD", path + "two")
    s("delete manifest twice", "DELETE", path + d)
    s("tags after all", "GET", f"/v2/{repo}/tags/list")
    s("catalog after all", "GET", "/v2/_catalog")
    s("delete unknown tag", "DELETE", path + "nothing")
    s("delete unknown digest", "DELETE", path + ABSENT)
    s("delete malformed digest", "DELETE", path + "sha256:abc")
    s("delete in an unknown repository", "DELETE", f"/v2/no/where/manifests/{d}")
    s("delete tag in an unknown repository", "DELETE", "/v2/no/where/manifests/latest")
    s("delete blob", "DELETE", f"/v2/{repo}/blobs/{digest(LAYER_A)}")
    s("get deleted blob", "GET", f"/v2/{repo}/blobs/{digest(LAYER_A)}")
    s("head deleted blob", "HEAD", f"/v2/{repo}/blobs/{digest(LAYER_A)}")
    s("delete blob twice", "DELETE", f"/v2/{repo}/blobs/{digest(LAYER_A)}")
    s("delete unknown blob", "DELETE", f"/v2/{repo}/blobs/{ABSENT}")
    s("delete blob in an unknown repository", "DELETE", f"/v2/no/where/blobs/{digest(LAYER_B)}")
    s("put manifest without its blob", "PUT", path + "again", manifest, {"Content-Type": SCHEMA2})
    push_blob(s, repo, LAYER_A, "blob again")
    s("put manifest again", "PUT", path + "again", manifest, {"Content-Type": SCHEMA2})
    s("get manifest again", "GET", path + "again", headers={"Accept": SCHEMA2})
    oci = image(CONFIG_BLOB, [LAYER_A], OCI)
    s("child", "PUT", path + digest(oci), oci, {"Content-Type": OCI})
    idx = index([oci], INDEX, OCI)
    s("index", "PUT", path + "idx", idx, {"Content-Type": INDEX})
    s("delete child of an index", "DELETE", path + digest(oci))
    s("get index without child", "GET", path + "idx", headers={"Accept": INDEX})
    s("delete index", "DELETE", path + digest(idx))
    s("delete manifest through blobs", "DELETE", f"/v2/{repo}/blobs/{d}")
    s("get manifest after", "GET", path + "again", headers={"Accept": SCHEMA2})


@scene("deletes-disabled")
def deletes_disabled(s):
    manifest = push_image(s, "del/ete", "one")
    path = "/v2/del/ete/manifests/"
    s("delete tag", "DELETE", path + "one")
    s("delete manifest", "DELETE", path + digest(manifest))
    s("delete unknown manifest", "DELETE", path + ABSENT)
    s("delete unknown tag", "DELETE", path + "nothing")
    s("delete blob", "DELETE", f"/v2/del/ete/blobs/{digest(LAYER_A)}")
    s("delete unknown blob", "DELETE", f"/v2/del/ete/blobs/{ABSENT}")
    s("still there", "GET", path + "one", headers={"Accept": SCHEMA2})
    start = s("start upload", "POST", "/v2/del/ete/blobs/uploads/")
    s("cancel upload", "DELETE", start.path())


@scene("readonly", {"storage": {"maintenance": {"readonly": {"enabled": True}}, "delete": {"enabled": True}}})
def readonly(s):
    s("ping", "GET", "/v2/")
    s("catalog", "GET", "/v2/_catalog")
    s("tags", "GET", "/v2/a/tags/list")
    s("start upload", "POST", "/v2/a/blobs/uploads/")
    s("mount", "POST", f"/v2/a/blobs/uploads/?mount={ABSENT}&from=b")
    s("patch upload", "PATCH", "/v2/a/blobs/uploads/11111111-2222-3333-4444-555555555555", b"a")
    s("put upload", "PUT", f"/v2/a/blobs/uploads/11111111-2222-3333-4444-555555555555?digest={ABSENT}", b"a")
    s("status of upload", "GET", "/v2/a/blobs/uploads/11111111-2222-3333-4444-555555555555")
    s("cancel upload", "DELETE", "/v2/a/blobs/uploads/11111111-2222-3333-4444-555555555555")
    s("put manifest", "PUT", "/v2/a/manifests/t", encode({}), {"Content-Type": SCHEMA2})
    s("delete manifest", "DELETE", f"/v2/a/manifests/{ABSENT}")
    s("delete tag", "DELETE", "/v2/a/manifests/t")
    s("delete blob", "DELETE", f"/v2/a/blobs/{ABSENT}")
    s("get manifest", "GET", "/v2/a/manifests/t")
    s("get blob", "GET", f"/v2/a/blobs/{ABSENT}")


@scene("restart", {"http": {"secret": "a secret both lives share"}})
def restart(s):
    manifest = push_image(s, "re/start", "one")
    data = blob("across a restart", 2000)
    u = s("start upload", "POST", "/v2/re/start/blobs/uploads/")
    u = s("first half", "PATCH", u.path(), data[:1000])
    yield
    s("get manifest", "GET", "/v2/re/start/manifests/one", headers={"Accept": SCHEMA2})
    s("get blob", "GET", f"/v2/re/start/blobs/{digest(LAYER_A)}")
    s("catalog", "GET", "/v2/_catalog")
    s("upload status", "GET", u.path())
    u = s("second half", "PATCH", u.path(), data[1000:])
    s("finish", "PUT", with_digest(u.path(), digest(data)))
    s("get finished", "GET", f"/v2/re/start/blobs/{digest(data)}")
    s("put same manifest", "PUT", "/v2/re/start/manifests/two", manifest, {"Content-Type": SCHEMA2})
