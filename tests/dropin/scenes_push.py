# SPDX-License-Identifier: Apache-2.0
"""Scenes about the way in: uploads in all styles, mounts, manifests."""

from content import (ABSENT, CONFIG, CONFIG_BLOB, EMPTY_JSON, FOREIGN, INDEX, LAYER_A, LAYER_B, LIST, OCI, OCI_CONFIG,
                     OCI_LAYER, OCI_NONDIST, SCHEMA1, SCHEMA1_SIGNED, SCHEMA2, blob, descriptor, digest, encode, image,
                     index, push_blob, push_image, with_digest)
from scene import scene

OCTETS = {"Content-Type": "application/octet-stream"}
UPLOADS = "/v2/up/loads/blobs/uploads/"


def start(s, label, path=UPLOADS, **kw):
    return s(label, "POST", path, **kw)


@scene("upload-styles")
def upload_styles(s):
    data = blob("monolithic")
    push_blob(s, "up/loads", data, "POST then PUT")
    s("POST then PUT: head", "HEAD", f"/v2/up/loads/blobs/{digest(data)}")
    push_blob(s, "up/loads", data, "POST then PUT again")

    data = blob("single post")
    s("single POST", "POST", with_digest(UPLOADS, digest(data)), data, OCTETS)
    s("single POST: head", "HEAD", f"/v2/up/loads/blobs/{digest(data)}")
    s("single POST, bad digest value", "POST", with_digest(UPLOADS, "sha256:abc"), data, OCTETS)
    s("single POST, wrong digest", "POST", with_digest(UPLOADS, ABSENT), data, OCTETS)

    data = blob("streamed", 5000)
    u = start(s, "stream: start")
    u = s("stream: patch chunked coding", "PATCH", u.path(), data, OCTETS, chunked=True)
    s("stream: put", "PUT", with_digest(u.path(), digest(data)))
    s("stream: get", "GET", f"/v2/up/loads/blobs/{digest(data)}")

    data = blob("put chunked", 5000)
    u = start(s, "put with chunked coding: start")
    s("put with chunked coding: put", "PUT", with_digest(u.path(), digest(data)), data, OCTETS, chunked=True)

    data = blob("patch and put", 900)
    u = start(s, "patch and put: start")
    u = s("patch and put: patch", "PATCH", u.path(), data[:500], OCTETS)
    s("patch and put: put the rest", "PUT", with_digest(u.path(), digest(data)), data[500:], OCTETS)
    s("patch and put: get", "GET", f"/v2/up/loads/blobs/{digest(data)}")

    data = b""
    push_blob(s, "up/loads", data, "empty blob")
    s("empty blob: head", "HEAD", f"/v2/up/loads/blobs/{digest(data)}")
    s("empty blob: get", "GET", f"/v2/up/loads/blobs/{digest(data)}")

    data = blob("no content type")
    u = start(s, "patch without content type: start")
    s("patch without content type", "PATCH", u.path(), data)
    u = start(s, "patch with json type: start")
    s("patch with json type", "PATCH", u.path(), data, {"Content-Type": "application/json"})

    data = blob("expects")
    u = start(s, "expect 100: start")
    s("expect 100: put", "PUT", with_digest(u.path(), digest(data)), data, {**OCTETS, "Expect": "100-continue"})

    data = blob("sha512")
    u = start(s, "sha512: start")
    s("sha512: put", "PUT", with_digest(u.path(), digest(data, "sha512")), data, OCTETS)
    s("sha512: head by sha512", "HEAD", f"/v2/up/loads/blobs/{digest(data, 'sha512')}")
    s("sha512: head by sha256", "HEAD", f"/v2/up/loads/blobs/{digest(data)}")


@scene("upload-chunks")
def upload_chunks(s):
    data = blob("chunks", 3000)
    u = start(s, "chunks: start")
    s("chunks: status at start", "GET", u.path())
    u = s("chunks: first", "PATCH", u.path(), data[:1000], {**OCTETS, "Content-Range": "0-999"})
    first = u.path()
    s("chunks: status after first", "GET", first)
    s("chunks: head status", "HEAD", first)
    for what, sent, value in (
            ("wrong start", data[1500:2000], "1500-1999"), ("again from 0", data[:1000], "0-999"),
            ("longer than the body", data[1000:1100], "1000-1999"), ("shorter than the body", data[1000:1100], "1000-1049"),
            ("without numbers", data[1000:1100], "a-b"), ("backwards", data[1000:1100], "1100-1000"),
            ("empty", data[1000:1100], ""), ("one number", data[1000:1100], "1000"),
            ("with unit", data[1000:1100], "bytes 1000-1099/3000")):
        u = start(s, f"range {what}: start")
        u = s(f"range {what}: first", "PATCH", u.path(), data[:1000], {**OCTETS, "Content-Range": "0-999"})
        s(f"range {what}", "PATCH", u.path(), sent, {**OCTETS, "Content-Range": value})

    u = start(s, "chunks 2: start")
    u = s("chunks 2: first", "PATCH", u.path(), data[:1000], {**OCTETS, "Content-Range": "0-999"})
    old = u.path()
    u = s("chunks 2: second", "PATCH", u.path(), data[1000:2000], {**OCTETS, "Content-Range": "1000-1999"})
    s("chunks 2: put the last", "PUT", with_digest(u.path(), digest(data)), data[2000:],
      {**OCTETS, "Content-Range": "2000-2999"})
    s("chunks 2: get", "GET", f"/v2/up/loads/blobs/{digest(data)}")
    s("chunks 2: status when done", "GET", u.path())
    s("chunks 2: patch when done", "PATCH", old, data[:10], OCTETS)
    s("chunks 2: put when done", "PUT", with_digest(u.path(), digest(data)))

    data = blob("stale location", 2000)
    u = start(s, "stale location: start")
    first = u.path()
    u = s("stale location: patch", "PATCH", first, data[:1000], OCTETS)
    s("stale location: patch with the old location", "PATCH", first, data[1000:], OCTETS)
    s("stale location: put with the old location", "PUT", with_digest(first, digest(data)), data[1000:], OCTETS)
    s("stale location: put", "PUT", with_digest(u.path(), digest(data)), data[1000:], OCTETS)

    data = blob("put out of order", 100)
    u = start(s, "put out of order: start")
    s("put out of order", "PUT", with_digest(u.path(), digest(data)), data, {**OCTETS, "Content-Range": "50-149"})


@scene("upload-refusals")
def upload_refusals(s):
    data = blob("refused", 500)
    u = start(s, "no digest: start")
    s("put without digest", "PUT", u.path(), data, OCTETS)
    s("status after put without digest", "GET", u.path())
    u = start(s, "empty digest: start")
    s("put with empty digest", "PUT", with_digest(u.path(), ""), data, OCTETS)
    for what, value in (("not a digest", "nonsense"), ("short", "sha256:abc"), ("upper case", digest(data).upper()),
                        ("unknown algorithm", "md5:" + "0" * 32), ("sha1", "sha1:" + "0" * 40),
                        ("sha384 of other bytes", "sha384:" + "0" * 96), ("of other bytes", ABSENT)):
        u = start(s, f"digest {what}: start")
        s(f"put with digest {what}", "PUT", with_digest(u.path(), value), data, OCTETS)
        s(f"status after digest {what}", "GET", u.path())
    u = start(s, "two digests: start")
    s("put with two digests", "PUT", with_digest(with_digest(u.path(), digest(data)), ABSENT), data, OCTETS)

    uuid = "11111111-2222-3333-4444-555555555555"
    for method in ("GET", "HEAD", "PATCH", "PUT", "DELETE"):
        s(f"{method} unknown upload", method, f"{UPLOADS}{uuid}", headers=OCTETS)
        s(f"{method} upload with an odd id", method, f"{UPLOADS}not-a-uuid", headers=OCTETS)
    u = start(s, "forged state: start")
    s("forged state", "GET", f"{UPLOADS}{u.header('Docker-Upload-UUID', uuid)}?_state=Zm9yZ2Vk")
    s("no state", "GET", f"{UPLOADS}{u.header('Docker-Upload-UUID', uuid)}")
    s("patch without state", "PATCH", f"{UPLOADS}{u.header('Docker-Upload-UUID', uuid)}", data, OCTETS)
    s("put without state", "PUT", with_digest(f"{UPLOADS}{u.header('Docker-Upload-UUID', uuid)}", digest(data)))
    u = start(s, "other repository: start")
    s("status through another repository", "GET", u.path().replace("/up/loads/", "/other/repo/"))

    u = start(s, "cancel: start")
    s("cancel", "DELETE", u.path())
    s("cancel twice", "DELETE", u.path())
    s("status after cancel", "GET", u.path())
    s("patch after cancel", "PATCH", u.path(), data, OCTETS)
    s("put after cancel", "PUT", with_digest(u.path(), digest(data)), data, OCTETS)

    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        s(f"{method} on the uploads path", method, UPLOADS)
    s("POST uploads without the slash", "POST", UPLOADS[:-1])
    s("POST uploads with body", "POST", UPLOADS, data, OCTETS)
    for what, name in (("upper case", "Upper"), ("leading dash", "-a"), ("two dots", "a..b"), ("underscore part", "a/_b"),
                       ("dot part", "a/./b"), ("dot dot", "a/../b"), ("percent", "a%20b"), ("colon", "a:b"),
                       ("trailing dash", "a-"), ("three underscores", "a___b"), ("long", "a" * 256), ("plus", "a+b")):
        s(f"POST uploads, name {what}", "POST", f"/v2/{name}/blobs/uploads/")
    for what, name in (("255 bytes", "a" * 255), ("two underscores", "a__b"), ("many dashes", "a---b"),
                       ("one letter", "a"), ("deep", "a/b/c/d/e/f/g/h"), ("digits", "1/2"), ("dotted", "a.b/c.d")):
        s(f"POST uploads, good name {what}", "POST", f"/v2/{name}/blobs/uploads/")


@scene("mounts")
def mounts(s):
    data = blob("mounted")
    d = push_blob(s, "mount/from", data)
    to = "/v2/mount/to/blobs/uploads/"
    s("mount", "POST", f"{to}?mount={d}&from=mount/from")
    s("mounted: head", "HEAD", f"/v2/mount/to/blobs/{d}")
    s("mount again", "POST", f"{to}?mount={d}&from=mount/from")
    s("mount onto itself", "POST", f"/v2/mount/from/blobs/uploads/?mount={d}&from=mount/from")
    s("mount, other parameter order", "POST", f"/v2/mount/to2/blobs/uploads/?from=mount%2Ffrom&mount={d}")
    s("mount of an absent blob", "POST", f"{to}?mount={ABSENT}&from=mount/from")
    s("mount from an unknown repository", "POST", f"{to}?mount={d}&from=mount/nowhere")
    s("mount from a bad name", "POST", f"{to}?mount={d}&from=Bad/Name")
    s("mount of a bad digest", "POST", f"{to}?mount=sha256:abc&from=mount/from")
    s("mount of nonsense", "POST", f"{to}?mount=nonsense&from=mount/from")
    s("mount without from", "POST", f"/v2/mount/to3/blobs/uploads/?mount={d}")
    s("mount without from: head", "HEAD", f"/v2/mount/to3/blobs/{d}")
    s("mount without from of an absent blob", "POST", f"/v2/mount/to3/blobs/uploads/?mount={ABSENT}")
    s("mount with empty from", "POST", f"/v2/mount/to4/blobs/uploads/?mount={d}&from=")
    s("from without mount", "POST", f"{to}?from=mount/from")


def put(s, label, reference, body, media_type=None, repo="man/ifests"):
    return s(label, "PUT", f"/v2/{repo}/manifests/{reference}", body, {"Content-Type": media_type} if media_type else {})


@scene("manifest-kinds")
def manifest_kinds(s):
    repo = "man/ifests"
    docker = push_image(s, repo, "docker")
    oci = image(CONFIG_BLOB, [LAYER_A, LAYER_B], OCI)
    put(s, "oci put", "oci", oci, OCI)
    put(s, "docker put again", "docker", docker, SCHEMA2)
    put(s, "docker put by digest", digest(docker), docker, SCHEMA2)
    put(s, "oci put by digest", digest(oci), oci, OCI)
    docker2 = image(CONFIG_BLOB, [LAYER_B])
    put(s, "second docker put", "docker2", docker2, SCHEMA2)
    many = index([docker, docker2])
    put(s, "list put", "list", many, LIST)
    put(s, "list put by digest", digest(many), many, LIST)
    idx = index([oci], INDEX, OCI)
    put(s, "index put", "index", idx, INDEX)
    nested = index([idx], INDEX, INDEX)
    put(s, "nested index put", "nested", nested, INDEX)
    empty = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    put(s, "empty index put", "empty", empty, INDEX)
    plain = encode({"schemaVersion": 2, "config": descriptor(CONFIG_BLOB, OCI_CONFIG), "layers": []})
    put(s, "oci without mediaType put", "plain", plain, OCI)
    unlayered = image(CONFIG_BLOB, [], OCI)
    put(s, "oci without layers put", "unlayered", unlayered, OCI)
    annotated = image(CONFIG_BLOB, [LAYER_A], OCI, annotations={"a": "1", "org.example/ü": "é"}, unknown=[1, 2])
    put(s, "oci with unknown fields put", "annotated", annotated, OCI)
    artifact = encode({"schemaVersion": 2, "mediaType": OCI, "artifactType": "application/x.test",
                       "config": descriptor(CONFIG_BLOB, EMPTY_JSON), "layers": [descriptor(LAYER_A, "text/plain")]})
    put(s, "artifact put", "artifact", artifact, OCI)
    subject = encode({"schemaVersion": 2, "mediaType": OCI, "config": descriptor(CONFIG_BLOB, OCI_CONFIG),
                      "layers": [], "subject": descriptor(oci, OCI)})
    put(s, "subject put", digest(subject), subject, OCI)
    s("referrers", "GET", f"/v2/{repo}/referrers/{digest(oci)}")
    s("referrers of nothing", "GET", f"/v2/{repo}/referrers/{ABSENT}")
    put(s, "sha512 put", digest(oci, "sha512"), oci, OCI)
    put(s, "tag parameters put", digest(docker) + "?tag=extra1&tag=extra2", docker, SCHEMA2)
    s("tag parameters: list", "GET", f"/v2/{repo}/tags/list")

    everything = ", ".join((SCHEMA2, LIST, OCI, INDEX, SCHEMA1_SIGNED))
    for tag, data, accept in (("docker", docker, SCHEMA2), ("oci", oci, OCI), ("list", many, LIST),
                              ("index", idx, INDEX), ("plain", plain, OCI)):
        s(f"get {tag}", "GET", f"/v2/{repo}/manifests/{tag}", headers={"Accept": accept})
        s(f"head {tag}", "HEAD", f"/v2/{repo}/manifests/{tag}", headers={"Accept": accept})
        s(f"get {tag} by digest", "GET", f"/v2/{repo}/manifests/{digest(data)}", headers={"Accept": accept})
        s(f"get {tag}, all types accepted", "GET", f"/v2/{repo}/manifests/{tag}", headers={"Accept": everything})
        s(f"get {tag}, star accepted", "GET", f"/v2/{repo}/manifests/{tag}", headers={"Accept": "*/*"})
        s(f"get {tag}, no Accept", "GET", f"/v2/{repo}/manifests/{tag}")
        s(f"head {tag}, no Accept", "HEAD", f"/v2/{repo}/manifests/{tag}")
        s(f"get {tag} by digest, no Accept", "GET", f"/v2/{repo}/manifests/{digest(data)}")
        s(f"get {tag}, schema1 accepted", "GET", f"/v2/{repo}/manifests/{tag}", headers={"Accept": SCHEMA1_SIGNED})
        etag = f'"{digest(data)}"'
        s(f"get {tag} if none match", "GET", f"/v2/{repo}/manifests/{tag}",
          headers={"Accept": accept, "If-None-Match": etag})
        s(f"head {tag} if none match", "HEAD", f"/v2/{repo}/manifests/{tag}",
          headers={"Accept": accept, "If-None-Match": etag})
        s(f"get {tag} if none match another", "GET", f"/v2/{repo}/manifests/{tag}",
          headers={"Accept": accept, "If-None-Match": f'"{ABSENT}"'})
    s("if none match unquoted", "GET", f"/v2/{repo}/manifests/oci",
      headers={"Accept": OCI, "If-None-Match": digest(oci)})
    s("if none match list of tags", "GET", f"/v2/{repo}/manifests/oci",
      headers={"Accept": OCI, "If-None-Match": f'"x", "{digest(oci)}"'})
    s("if none match star", "GET", f"/v2/{repo}/manifests/oci", headers={"Accept": OCI, "If-None-Match": "*"})
    s("range of a manifest", "GET", f"/v2/{repo}/manifests/oci", headers={"Accept": OCI, "Range": "bytes=0-9"})
    s("manifest through blobs", "GET", f"/v2/{repo}/blobs/{digest(oci)}")
    s("blob through manifests", "GET", f"/v2/{repo}/manifests/{digest(LAYER_A)}")
    s("get unknown tag", "GET", f"/v2/{repo}/manifests/nothing")
    s("head unknown tag", "HEAD", f"/v2/{repo}/manifests/nothing")
    s("get unknown digest", "GET", f"/v2/{repo}/manifests/{ABSENT}")
    s("head unknown digest", "HEAD", f"/v2/{repo}/manifests/{ABSENT}")
    s("get in an unknown repository", "GET", "/v2/no/where/manifests/latest")
    s("get by digest in an unknown repository", "GET", f"/v2/no/where/manifests/{digest(oci)}")
    s("get by digest from another repository", "GET", f"/v2/up/loads/manifests/{digest(oci)}")


@scene("manifest-refusals")
def manifest_refusals(s):
    repo = "man/ifests"
    docker = push_image(s, repo, "good")
    oci = image(CONFIG_BLOB, [LAYER_A, LAYER_B], OCI)
    put(s, "no content type", "t1", docker)
    put(s, "no content type, oci", "t1o", oci)
    put(s, "json content type", "t2", docker, "application/json")
    put(s, "unknown content type", "t3", docker, "application/x.unknown")
    put(s, "content type of another kind", "t4", docker, OCI)
    put(s, "content type of a list", "t5", docker, LIST)
    put(s, "content type with parameters", "t6", docker, SCHEMA2 + "; charset=utf-8")
    put(s, "content type malformed", "t7", docker, "//")
    put(s, "oci sent as docker", "t8", oci, SCHEMA2)
    put(s, "empty body", "t9", b"", SCHEMA2)
    put(s, "not JSON", "t10", b"nonsense", SCHEMA2)
    put(s, "not JSON, oci", "t10o", b"nonsense", OCI)
    put(s, "half JSON", "t11", docker[:100], SCHEMA2)
    put(s, "JSON array", "t12", b"[]", SCHEMA2)
    put(s, "JSON empty object", "t13", b"{}", SCHEMA2)
    put(s, "JSON empty object, oci", "t14", b"{}", OCI)
    put(s, "JSON empty object, index", "t15", b"{}", INDEX)
    put(s, "schemaVersion 3", "t16", docker.replace(b'"schemaVersion": 2', b'"schemaVersion": 3'), SCHEMA2)
    put(s, "no schemaVersion, oci", "t17", oci.replace(b'"schemaVersion": 2,', b""), OCI)
    put(s, "bytes behind the JSON", "t18", docker + b"{}", SCHEMA2)
    put(s, "blank lines behind the JSON", "t19", docker + b"\n\n", SCHEMA2)
    put(s, "digest of other bytes", ABSENT, docker, SCHEMA2)
    put(s, "digest malformed", "sha256:abc", docker, SCHEMA2)
    put(s, "digest unknown algorithm", "md5:" + "0" * 32, docker, SCHEMA2)
    missing = [blob("never pushed 1"), blob("never pushed 2")]
    put(s, "missing layer", "m1", image(CONFIG_BLOB, [LAYER_A, missing[0]]), SCHEMA2)
    put(s, "missing layers", "m2", image(CONFIG_BLOB, missing), SCHEMA2)
    put(s, "missing config", "m3", image(missing[0], [LAYER_A]), SCHEMA2)
    put(s, "missing everything", "m4", image(missing[0], [missing[1]], OCI), OCI)
    put(s, "missing child", "m5", index([missing[0]]), LIST)
    put(s, "missing child, oci", "m6", index([missing[0]], INDEX, OCI), INDEX)
    put(s, "blob of another repository", "m7", docker, SCHEMA2, repo="other/repo")
    put(s, "bad digest inside", "m8", docker.replace(digest(LAYER_A).encode(), b"sha256:abc"), SCHEMA2)
    put(s, "wrong size inside", "m9", docker.replace(b'"size": 3000', b'"size": 3001'), SCHEMA2)
    put(s, "negative size inside", "m10", docker.replace(b'"size": 3000', b'"size": -1'), SCHEMA2)
    urls = encode({"schemaVersion": 2, "mediaType": SCHEMA2, "config": descriptor(CONFIG_BLOB, CONFIG),
                   "layers": [descriptor(missing[0], FOREIGN, urls=["https://example.com/layer"])]})
    put(s, "foreign layer with url", "u1", urls, SCHEMA2)
    put(s, "foreign layer without url", "u2", image(CONFIG_BLOB, [missing[0]], layer_type=FOREIGN), SCHEMA2)
    put(s, "foreign layer without url, present", "u3", image(CONFIG_BLOB, [LAYER_A], layer_type=FOREIGN), SCHEMA2)
    put(s, "nondistributable layer", "u4", image(CONFIG_BLOB, [missing[0]], OCI, layer_type=OCI_NONDIST), OCI)
    put(s, "layer with url", "u5", encode({
        "schemaVersion": 2, "mediaType": OCI, "config": descriptor(CONFIG_BLOB, OCI_CONFIG),
        "layers": [descriptor(missing[0], OCI_LAYER, urls=["https://example.com/layer"])]}), OCI)
    put(s, "index with layers", "u6", encode({
        "schemaVersion": 2, "mediaType": INDEX, "manifests": [], "config": descriptor(CONFIG_BLOB, OCI_CONFIG),
        "layers": []}), INDEX)
    for what, tag in (("leading dash", "-a"), ("leading dot", ".a"), ("long", "a" * 129), ("plus", "a+b"),
                      ("slash", "a/b"), ("at", "a@b"), ("space", "a%20b")):
        put(s, f"tag {what}", tag, docker, SCHEMA2)
        s(f"get tag {what}", "GET", f"/v2/{repo}/manifests/{tag}")
    for what, tag in (("128 bytes", "a" * 128), ("upper case", "V1.0_RC-1"), ("underscore", "_a"), ("digits", "1")):
        put(s, f"good tag {what}", tag, docker, SCHEMA2)
    put(s, "name upper case", "t", docker, SCHEMA2, repo="Up/per")
    put(s, "name too long", "t", docker, SCHEMA2, repo="a" * 256)
    large = image(CONFIG_BLOB, [LAYER_A], OCI, annotations={"a": "x" * 4100000})
    put(s, "manifest below 4 MiB", "large", large, OCI)
    huge = image(CONFIG_BLOB, [LAYER_A], OCI, annotations={"a": "x" * 4300000})
    put(s, "manifest above 4 MiB", "huge", huge, OCI)
    for method in ("POST", "PATCH", "OPTIONS"):
        s(f"{method} on a manifest", method, f"/v2/{repo}/manifests/good")
        s(f"{method} on a blob", method, f"/v2/{repo}/blobs/{digest(LAYER_A)}")
    s("PUT on a blob", "PUT", f"/v2/{repo}/blobs/{digest(LAYER_A)}")


SCHEMA1_UNSIGNED = encode({"schemaVersion": 1, "name": "man/ifests", "tag": "one", "architecture": "amd64",
                           "fsLayers": [{"blobSum": digest(LAYER_A)}], "history": [{"v1Compatibility": "{}"}]})


@scene("schema1")
def schema1(s):
    push_image(s, "man/ifests", "good")
    put(s, "schema1 unsigned", "one", SCHEMA1_UNSIGNED, SCHEMA1)
    put(s, "schema1 unsigned as signed", "one", SCHEMA1_UNSIGNED, SCHEMA1_SIGNED)
    put(s, "schema1 unsigned as json", "one", SCHEMA1_UNSIGNED, "application/json")
    put(s, "schema1 without content type", "one", SCHEMA1_UNSIGNED)
    s("get after schema1", "GET", "/v2/man/ifests/manifests/one")
    s("docker image as schema1", "GET", "/v2/man/ifests/manifests/good", headers={"Accept": SCHEMA1_SIGNED})


@scene("urls-allowed", {"validation": {"manifests": {"urls": {"allow": ["^https://example\\.com/"],
                                                              "deny": ["/secret"]}}}})
def urls_allowed(s):
    push_image(s, "man/ifests", "good")
    for what, url in (("allowed", "https://example.com/layer"), ("of another host", "https://example.org/layer"),
                      ("denied", "https://example.com/secret"), ("with fragment", "https://example.com/a#b"),
                      ("not http", "ftp://example.com/a"), ("empty", "")):
        for kind, (mt, ct, lt) in (("docker", (SCHEMA2, CONFIG, FOREIGN)), ("oci", (OCI, OCI_CONFIG, OCI_NONDIST))):
            body = encode({"schemaVersion": 2, "mediaType": mt, "config": descriptor(CONFIG_BLOB, ct),
                           "layers": [descriptor(blob("elsewhere"), lt, urls=[url])]})
            put(s, f"{kind} layer url {what}", "u", body, mt)


@scene("validation-disabled", {"validation": {"disabled": True}})
def validation_disabled(s):
    put(s, "missing blobs", "m", image(blob("never pushed 1"), [blob("never pushed 2")]), SCHEMA2)
    put(s, "missing child", "i", index([blob("never pushed 3")]), LIST)
    put(s, "not JSON", "n", b"nonsense", SCHEMA2)
    s("get", "GET", "/v2/man/ifests/manifests/m", headers={"Accept": SCHEMA2})
