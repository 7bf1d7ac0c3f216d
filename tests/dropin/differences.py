# SPDX-License-Identifier: Apache-2.0
"""Where berth answers differently from CNCF Distribution 2.8, and why.

The table is the test's list of allowed differences and the source of
docs/differences.md: what it does not name has to be the same.
"""

import dataclasses
import re
import urllib.parse

from compare import Rule
from scenes_pull import LIST_QUERIES, LIST_TAGS


@dataclasses.dataclass
class Difference:
    area: str
    title: str
    distribution: str
    berth: str
    why: str
    rules: list


DIFFERENCES = []


def differs(area, title, distribution, berth, why, *rules):
    DIFFERENCES.append(Difference(area, title, distribution, berth, why, list(rules)))


def at(scenes, labels, **accept):
    """A rule; `header_x_y` stands for the aspect "header x-y"."""
    def aspect(key):
        return "header " + key[7:].replace("_", "-") if key.startswith("header_") else key
    return Rule(scenes if isinstance(scenes, list) else [scenes], labels if isinstance(labels, list) else [labels],
                {aspect(k): v for k, v in accept.items()})


# ---- what berth may say: (value of Distribution, value of berth) -> bool -------------------

JSON = "application/json; charset=utf-8"
SHA = "sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})"


def gone(peer, berth):
    return berth is None


def matching(pattern):
    return lambda peer, berth: isinstance(berth, str) and re.fullmatch(pattern, berth) is not None


def instead_of(peer_wanted, berth_wanted):
    return lambda peer, berth: peer == peer_wanted and berth == berth_wanted


def explained(peer, berth):
    """The same messages, each followed by ": " and a reason, or as they were."""
    return (peer is not None and berth is not None and len(peer) == len(berth) and
            all(b == a or b.startswith(a.rstrip(".") + ": ") for a, b in zip(peer, berth)))


def internals(peer, berth):
    """Details that are values of Go's types, or a phrase that is in berth's message."""
    phrases = ("digest missing", "digest parsing failed", "http: request body too large",
               "health check failed: please see /debug/health")
    useful = {"Tag", "Name", "Revision", "name", "n"}
    return (peer is not None and berth is not None and len(peer) == len(berth) and
            all(b == a or (b is None and (a in phrases or isinstance(a, dict) and not useful & set(a)))
                for a, b in zip(peer, berth)))


def a_message(peer, berth):
    return isinstance(berth, list) and len(berth) == 1 and len(berth[0]) > 10


def refused(status, code):
    """One error in JSON, whatever Distribution answers."""
    return {"status": status, "codes": [code], "messages": a_message, "details": lambda p, b: b is None or len(b) == 1,
            "body": gone, "header_content_type": JSON, "header_docker_content_digest": gone, "header_location": gone,
            "header_docker_upload_uuid": gone, "header_range": gone, "header_x_content_type_options": gone,
            "header_link": gone}


SUCCESS = {"codes": gone, "messages": gone, "details": gone}
UPLOAD = {"header_location": matching("http://registry.test:5000/v2/[a-z0-9/]+/blobs/uploads/<uuid>"),
          "header_docker_upload_uuid": "<uuid>", "header_range": matching("0-[0-9]+"), "header_content_type": gone}
STORED = {**SUCCESS, "status": 201, "header_content_type": gone, "header_docker_content_digest": matching(SHA),
          "header_location": matching("http://registry.test:5000/v2/[a-z0-9/]+/(manifests|blobs)/" + SHA)}
SERVED = {**SUCCESS, "status": 200, "header_docker_content_digest": matching(SHA), "header_etag": matching(f'"{SHA}"'),
          "header_content_type": matching(r"application/vnd\.(oci|docker)\.[a-z0-9.+]+"),
          "header_content_length": matching("[0-9]+"),
          "body": lambda p, b: isinstance(b, dict) and b.get("schemaVersion") == 2}

# ---- errors ---------------------------------------------------------------------------------

differs(
    "Errors", "Errors say what was wrong",
    "`message` is the same for every error of a code; `detail` is a phrase or what a type of Go happens to look like "
    "in JSON (`{}`, `{\"Offset\":2}`).",
    "`message` is Distribution's, followed by a colon and the reason. `detail` is there, in the same form, where it "
    "holds something a client can use: the digest, tag, name or number that was asked for, the access that is needed.",
    "A person who reads the message of a failed push should not need the log of the registry.",
    at("*", "*", messages=explained, details=internals))

differs(
    "Errors", "What is no digest did not differ from anything",
    "`provided digest did not match uploaded content`, also where nothing was uploaded.",
    "`invalid digest` and the reason, with the same code.",
    "The message sends people looking for damaged content.",
    at("*", "*", messages=lambda p, b: p == ["provided digest did not match uploaded content"] and b is not None and
       len(b) == 1 and b[0].startswith("invalid digest: ")))

differs(
    "Errors", "No such endpoint, no such method",
    "404 `404 page not found` and 405 `Method not allowed` in plain text; the methods of `Allow` in alphabetical order.",
    "The same status with an error body as for every other error (code `UNSUPPORTED`); `Allow` starts with GET.",
    "The specification describes one form of error body; clients print its message.",
    at("*", "*", body=lambda p, b: p == "404 page not found\n" and b is None,
       codes=instead_of(None, ["UNSUPPORTED"]), messages=instead_of(None, ["there is no such endpoint"]),
       details=instead_of(None, [None]), header_content_type=instead_of("text/plain; charset=utf-8", JSON),
       header_x_content_type_options=instead_of("nosniff", None)),
    at("*", "*", body=lambda p, b: p == "Method not allowed\n" and b is None, codes=instead_of(None, ["UNSUPPORTED"]),
       messages=lambda p, b: p is None and b[0].startswith("The operation is unsupported"),
       header_allow=lambda p, b: None not in (p, b) and sorted(p.split(", ")) == sorted(b.split(", "))))

differs(
    "Errors", "Bad names, tags and digests are 400, not 404",
    "A name, tag or digest that its routing table does not know (upper case, too long, odd characters) is 404 "
    "`404 page not found`, or 500 where it slips through.",
    "400 with `NAME_INVALID`, `TAG_INVALID` or `DIGEST_INVALID` and the reason. Where nobody is logged in, a bad name "
    "is 400 and everything else 401.",
    "The specification has codes for them; 404 looks as if the image were missing.",
    at("*", ["*: bad name", "tags of a bad name", "name upper case", "name too long",
             "POST uploads, name upper case", "POST uploads, name leading dash", "POST uploads, name two dots",
             "POST uploads, name underscore part", "POST uploads, name percent", "POST uploads, name colon",
             "POST uploads, name trailing dash", "POST uploads, name three underscores", "POST uploads, name long",
             "POST uploads, name plus"], **refused(400, "NAME_INVALID")),
    at("manifest-refusals", ["tag *", "get tag *"], **refused(400, "TAG_INVALID")),
    at("manifest-refusals", ["digest malformed", "digest unknown algorithm"], **refused(400, "DIGEST_INVALID")),
    at("blobs", ["* digest nonsense", "* digest upper case", "* digest without algorithm"],
       **refused(400, "DIGEST_INVALID")),
    at("routes", ["GET blobs and a tag", "GET referrers of a bad digest"], **refused(400, "DIGEST_INVALID")))

differs(
    "Errors", "Names up to 255 bytes",
    "A name with a component of 255 bytes is 500: file names of the store are made of it.",
    "Works; names are in the database only.",
    "The specification leaves the limit of names to clients and asks for 255 bytes with the host.",
    at("upload-refusals", "POST uploads, good name 255 bytes", status=202, body=gone, **UPLOAD))

differs(
    "Errors", "No 500 for what the client did",
    "500 `UNKNOWN` for a manifest without schemaVersion 2, with a malformed digest in it, for a URL in a layer that is "
    "not allowed, for a blob asked for as a manifest.",
    "400 `MANIFEST_INVALID` with the reason, or 404 `MANIFEST_UNKNOWN`.",
    "Clients try a 500 again, and monitoring counts it as a fault of the server.",
    at("manifest-refusals", ["JSON empty object, oci", "JSON empty object, index", "schemaVersion 3",
                             "no schemaVersion, oci", "bad digest inside"], **refused(400, "MANIFEST_INVALID")),
    at("manifest-refusals", ["foreign layer with url", "layer with url"], **refused(400, "MANIFEST_INVALID")),
    at("urls-allowed", ["* layer url of another host", "* layer url denied", "* layer url not http",
                        "* layer url empty"], **refused(400, "MANIFEST_INVALID")),
    at("manifest-kinds", "blob through manifests", **refused(404, "MANIFEST_UNKNOWN")))

# ---- HTTP -----------------------------------------------------------------------------------

differs(
    "HTTP", "Ambiguous requests are refused",
    "Accepts header lines that are folded, end in a bare LF, name two lengths or a length beside a transfer coding.",
    "400, and the connection is closed.",
    "RFC 9112 lets a server refuse what two implementations may read differently: behind a proxy such requests "
    "smuggle others.",
    at("malformed", ["folded", "length and chunked", "same length twice", "bare LF"], status=400))

differs(
    "HTTP", "Refusals of the HTTP layer are errors in JSON",
    "400 for a missing or second Host in plain text.",
    "400 with an error body.",
    "One form of errors.",
    at("routes", ["host absent", "host twice"], **{**refused(400, "UNKNOWN"), "header_content_type": lambda p, b: True,
                                                   "header_docker_distribution_api_version": lambda p, b: True}))

differs(
    "HTTP", "Paths are taken as they are",
    "Redirects (301) a path with doubled slashes, dots, or a slash at the end to the one it takes it for.",
    "404 or, where the path has a name, 400 `NAME_INVALID`. `POST .../blobs/uploads` without its slash is answered as "
    "with it.",
    "What is logged and what access was checked for is what was asked for; clients that push do not follow a "
    "redirected POST with its body.",
    at("routes", ["GET two slashes", "GET slashes behind", "GET dots", "GET list and slash", "GET catalog and slash",
                  "GET slashes in a name"], **{**refused(404, "UNSUPPORTED")}),
    at(["routes", "upload-refusals"], ["GET dots in a name", "GET slashes in a name", "POST uploads, name dot part",
                                       "POST uploads, name dot dot"], **refused(400, "NAME_INVALID")),
    at("upload-refusals", "POST uploads without the slash", status=202, **UPLOAD))

differs(
    "HTTP", "The redirect of /v2 has no body",
    "301 to `/v2/` with a line of HTML.",
    "301 to `/v2/`, empty.",
    "Nobody reads it.",
    at("*", ["redirect of /v2", "redirect, forwarded", "ping without slash", "ping HEAD without slash"],
       body=gone, header_content_type=gone, header_content_length=instead_of(None, "0")))

differs(
    "HTTP", "HEAD for lists, GET only for /v2/",
    "`/v2/` answers 200 to every method, even unknown ones; lists answer HEAD with 405.",
    "`/v2/` answers GET and HEAD, and OPTIONS with `Allow`; lists answer HEAD as they answer GET.",
    "RFC 9110: what answers GET answers HEAD.",
    at("routes", ["POST ping", "PUT ping", "PATCH ping", "DELETE ping", "unknown method"],
       **refused(405, "UNSUPPORTED"), header_allow="GET, HEAD"),
    at(["routes", "configured-headers"], ["OPTIONS ping", "options"], body=gone, header_allow="GET, HEAD",
       header_content_type=gone),
    at("routes", "HEAD catalog", status=200, header_allow=gone, header_content_length="20", header_content_type=JSON,
       header_x_content_type_options=gone),
    at("routes", "HEAD tags", status=404, header_allow=gone, header_content_type=JSON,
       header_x_content_type_options=gone),
    at("routes", "root HEAD", header_content_length="0"),
    at("routes", ["* catalog", "* tags"], header_allow=instead_of("GET", "GET, HEAD")))

differs(
    "HTTP", "Configured headers are on every answer",
    "Answers of the router itself (404 for no endpoint, redirects, `/`) are without the headers of `http.headers`.",
    "They have them.",
    "`http.headers` promises headers for all answers; a security header that is missing from errors is a finding in "
    "every scan.",
    at("configured-headers", ["redirect of /v2", "not found"], header_x_two=instead_of(None, ["one", "two"]),
       header_access_control_allow_origin=instead_of(None, "https://ui.test"),
       header_x_content_type_options=instead_of(None, "nosniff")))

differs(
    "HTTP", "Ranges of blobs",
    "Several ranges come as `multipart/byteranges`; a Range header that is no byte range is 416; an unsatisfiable one "
    "announces the length of the blob and sends a short text, so that the client waits for the rest; HEAD looks at "
    "Range; `bytes=-0` gives 206 with nothing.",
    "One range gives 206; several, or something that is not a byte range, the whole blob; HEAD ignores Range; 416 has "
    "Content-Range and no body.",
    "RFC 9110, 14.2: a server ignores Range in units or methods it does not know and may ignore several ranges. No "
    "client of a registry asks for more than one.",
    at("blobs", ["range bytes=2048-", "range bytes=5000-10000", "range bytes=500-0"], body=gone,
       header_accept_ranges="bytes", header_content_type=gone, header_content_range="bytes */2048",
       header_x_content_type_options=gone),
    at("blobs", ["range bytes=a-b", "range lines=0-9", "range bytes 0-9", "range bytes=0-9*"], status=200,
       header_accept_ranges="bytes", header_content_type="application/octet-stream", header_content_range=gone,
       header_x_content_type_options=gone, body=matching("2048 bytes, sha256 [0-9a-f]{64}")),
    at("blobs", "range bytes=-0", status=416, header_content_range="bytes */2048", header_content_type=gone),
    at("blobs", "head with range", status=200, header_content_range=gone, header_content_length="2048"),
    at("blobs", "if match other", body=gone, header_accept_ranges="bytes", header_content_type=gone))

differs(
    "HTTP", "Odd forwarded headers are not repeated",
    "`X-Forwarded-Proto: https, http` or `gopher` become the scheme of Location; with an empty Host it is `http:///...`.",
    "The first element counts if it is http or https, else the connection's own scheme; without a host Location is a "
    "path.",
    "The header comes from whoever connects; a Location is followed.",
    at("forwarded", "proto list", header_location=matching("https://registry.test:5000/v2/for/warded/.*<uuid>")),
    at("forwarded", "proto odd", header_location=matching("http://registry.test:5000/v2/for/warded/.*<uuid>")),
    at("forwarded", "host empty", header_location=matching("/v2/for/warded/.*<uuid>")))

# ---- uploads --------------------------------------------------------------------------------

differs(
    "Uploads", "Locations of uploads carry no state",
    "The Location of an upload carries its signed state (`?_state=...`). An old Location, one without state, or one "
    "that another replica with another `http.secret` made, is refused with 404; so is every later request after a "
    "digest that did not match.",
    "The state of an upload is in the metadata. Its Location is a plain URL that stays valid as long as the upload; "
    "`http.secret` is accepted and not needed, an old `_state` is ignored.",
    "A client that lost an answer can ask where the upload stands and go on, also after a restart or at another "
    "replica.",
    at("*", "*", header_location=lambda p, b: None not in (p, b) and p.replace("?_state=<state>", "") == b),
    at("upload-chunks", "stale location: patch with the old location", **SUCCESS, status=202, **UPLOAD),
    at("upload-chunks", ["stale location: put with the old location", "stale location: put"],
       **refused(400, "DIGEST_INVALID")),
    at("upload-refusals", ["status after digest sha384 of other bytes", "status after digest of other bytes",
                           "forged state", "no state"], **SUCCESS, status=204, **UPLOAD),
    at("upload-refusals", "patch without state", **SUCCESS, status=202, **UPLOAD),
    at("upload-refusals", "put without state", **STORED))

differs(
    "Uploads", "Unknown uploads are BLOB_UPLOAD_UNKNOWN",
    "404 `BLOB_UPLOAD_INVALID` for an upload that never was, `BLOB_UPLOAD_UNKNOWN` for one that is over.",
    "404 `BLOB_UPLOAD_UNKNOWN` for both; in read-only mode 405 as for every write.",
    "It is the code of the specification. Without the signed state there is nothing that could be invalid.",
    at("*", ["*: upload status", "*: patch upload", "*: cancel upload", "* unknown upload", "* upload with an odd id",
             "status through another repository", "status of upload"],
       codes=instead_of(["BLOB_UPLOAD_INVALID"], ["BLOB_UPLOAD_UNKNOWN"]), messages=a_message),
    at("readonly", ["patch upload", "put upload", "cancel upload"], **refused(405, "UNSUPPORTED"),
       header_allow="GET, HEAD"),
    at("readonly", ["start upload", "mount"], header_allow=instead_of("GET, HEAD", "")))

differs(
    "Uploads", "Only POST on the uploads path",
    "Other methods on `/v2/<name>/blobs/uploads/` are 404 `BLOB_UPLOAD_UNKNOWN`.",
    "405 with `Allow: POST`.",
    "The path exists, the method does not.",
    at("upload-refusals", "* on the uploads path", **refused(405, "UNSUPPORTED"), header_allow="POST"))

differs(
    "Uploads", "A blob in one request",
    "Ignores `?digest=` and the body of the POST that starts an upload and answers 202.",
    "`POST ...?digest=<digest>` with the bytes stores the blob: 201, or 400 when the digest does not match.",
    "The specification, Single POST. Distribution's clients see 201 where they could have had to go on.",
    at("upload-styles", "single POST", **{**STORED, "header_docker_upload_uuid": gone, "header_range": gone}),
    at("upload-styles", "single POST: head", status=200, header_accept_ranges="bytes",
       header_cache_control="max-age=31536000", header_content_length="1000",
       header_content_type="application/octet-stream", header_docker_content_digest=matching(SHA),
       header_etag=matching(f'"{SHA}"')),
    at("upload-styles", ["single POST, bad digest value", "single POST, wrong digest"],
       **refused(400, "DIGEST_INVALID")))

differs(
    "Uploads", "Chunks have to fit",
    "2.8 ignores Content-Range and appends whatever comes (3.0 refuses a wrong start on PATCH).",
    "On PATCH and PUT: 416 `RANGE_INVALID` with the upload's Location and Range when the chunk does not start where "
    "the upload ends or the header is malformed; 400 `SIZE_INVALID` when it has another length than it says. The "
    "upload stays as it was.",
    "The specification asks for 416; a chunk that was sent twice would spoil the blob.",
    at("upload-chunks", ["range wrong start", "range again from 0", "range without numbers", "range backwards",
                         "range empty", "range one number", "put out of order"],
       **{**refused(416, "RANGE_INVALID"), **UPLOAD, "header_content_type": JSON}),
    at("upload-chunks", ["range longer than the body", "range shorter than the body"], **refused(400, "SIZE_INVALID")))

differs(
    "Uploads", "The type of a chunk does not matter",
    "500 for a PATCH whose Content-Type is another than `application/octet-stream`.",
    "Content-Type of PATCH and PUT is not looked at.",
    "A blob is bytes.",
    at("upload-styles", "patch with json type", **SUCCESS, status=202, **UPLOAD))

differs(
    "Uploads", "SHA-512 stays SHA-512",
    "A blob pushed with a sha512 digest is stored and named by its sha256; a manifest cannot be pushed by sha512.",
    "The digest a client pushed with is the one it is stored and found by.",
    "The specification: a client that was given a digest verifies that digest.",
    at("upload-styles", "sha512: put", header_docker_content_digest=matching(SHA),
       header_location=matching(".*/blobs/sha512:[0-9a-f]{128}")),
    at("upload-styles", "sha512: head by sha512", header_docker_content_digest=matching("sha512:[0-9a-f]{128}"),
       header_etag=matching('"sha512:[0-9a-f]{128}"')),
    at("upload-styles", "sha512: head by sha256", status=404, header_accept_ranges=gone, header_cache_control=gone,
       header_content_length=gone, header_content_type=JSON, header_docker_content_digest=gone, header_etag=gone),
    at("manifest-kinds", "sha512 put", **STORED))

differs(
    "Uploads", "Mounting without `from`",
    "202: an upload starts.",
    "201 when the registry has the blob in any repository, unless rights differ between repositories (`auth.token`); "
    "then 202.",
    "The specification allows it; it saves the upload where knowing a digest is no secret.",
    at("mounts", ["mount without from", "mount with empty from"],
       **{**STORED, "header_docker_upload_uuid": gone, "header_range": gone}),
    at("mounts", "mount without from: head", status=200, header_accept_ranges="bytes",
       header_cache_control="max-age=31536000", header_content_length="1000",
       header_content_type="application/octet-stream", header_docker_content_digest=matching(SHA),
       header_etag=matching(f'"{SHA}"')))

# ---- manifests ------------------------------------------------------------------------------

differs(
    "Manifests", "Served whatever is accepted",
    "An OCI manifest or index is 404 unless its type is named in `Accept`; `*/*` and no `Accept` do not count. A "
    "Docker image by tag without its type is converted to schema 1, or 400 when that fails.",
    "A manifest is served as it was pushed. Only a Docker manifest list asked for by tag by a client that does not "
    "accept lists is answered with its image for linux/amd64, as Distribution does.",
    "The specification: a registry returns the manifest; a digest names one document. Scripts with curl work.",
    at("manifest-kinds", ["get *, star accepted", "get *, no Accept", "head *, no Accept", "get *, schema1 accepted"],
       **SERVED),
    at("schema1", "docker image as schema1", **SERVED))

differs(
    "Manifests", "Conditional requests",
    "304 for a manifest is without headers; `If-None-Match` is compared as a whole, lists and `*` do not match.",
    "304 has ETag and Docker-Content-Digest; lists, weak tags and `*` are understood.",
    "RFC 9110, 13.1.2 and 15.4.5.",
    at("manifest-kinds", ["* if none match", "if none match unquoted"], header_docker_content_digest=matching(SHA),
       header_etag=matching(f'"{SHA}"')),
    at("manifest-kinds", ["if none match list of tags", "if none match star"], status=304, body=gone,
       header_content_type=gone))

differs(
    "Manifests", "Referrers and subjects",
    "No referrers API; `subject` is ignored.",
    "`/v2/<name>/referrers/<digest>`, and `OCI-Subject` in the answer of a push.",
    "The specification 1.1; signatures and attestations are found by it.",
    at("manifest-kinds", "subject put", header_oci_subject=matching(SHA)),
    at("manifest-kinds", ["referrers", "referrers of nothing"], status=200,
       header_content_type="application/vnd.oci.image.index.v1+json", header_x_content_type_options=gone,
       body=lambda p, b: isinstance(b, dict) and b["schemaVersion"] == 2 and isinstance(b["manifests"], list)))

differs(
    "Manifests", "Tag parameters",
    "Ignores `?tag=` when a manifest is pushed by digest.",
    "Sets the tags and names them in `OCI-Tag`.",
    "The specification (after 1.1.1).",
    at("manifest-kinds", "tag parameters put", header_oci_tag=["extra1", "extra2"]),
    at("manifest-kinds", "tag parameters: list",
       body=lambda p, b: b["tags"] == sorted(p["tags"] + ["extra1", "extra2"])))

differs(
    "Manifests", "The type may be in the manifest alone",
    "400 for a push without Content-Type or with `application/json`.",
    "`mediaType` in the manifest counts then. A Content-Type that contradicts it is 400 as in Distribution.",
    "What is meant is clear, and people push with curl.",
    at("manifest-refusals", ["no content type", "no content type, oci", "json content type"], **STORED))

differs(
    "Manifests", "Sizes in manifests are checked",
    "Stores a manifest whose descriptors give other sizes than the blobs have.",
    "400 `MANIFEST_INVALID`, naming the layer.",
    "Every pull of such an image fails, long after the push that broke it.",
    at("manifest-refusals", ["wrong size inside", "negative size inside"], **refused(400, "MANIFEST_INVALID")))

differs(
    "Manifests", "Layers that are elsewhere",
    "Refuses foreign layers without `urls`; layers of the nondistributable types must be present when they have no "
    "`urls`. An allowed URL must not have a fragment.",
    "Docker's foreign layers have to be present or have `urls`; layers of the OCI's nondistributable types need not be "
    "present. A URL must match `validation.manifests.urls` as in Distribution (nothing is allowed when nothing is "
    "configured); a fragment does not matter.",
    "The specification: a registry must accept manifests with such layers.",
    at("manifest-refusals", "foreign layer without url", **refused(400, "MANIFEST_BLOB_UNKNOWN")),
    at("manifest-refusals", ["foreign layer without url, present", "nondistributable layer"], **STORED),
    at("urls-allowed", "* layer url with fragment", **STORED))

differs(
    "Manifests", "`validation.disabled`",
    "2.8 still looks for the blobs and children a manifest names (3.0 does not).",
    "The manifest is stored without looking.",
    "It is what the setting says, and what 3.0 does.",
    at("validation-disabled", ["missing blobs", "missing child"], **STORED),
    at("validation-disabled", "get", **SERVED))

differs(
    "Manifests", "Too large is 413",
    "400 `MANIFEST_INVALID` for a manifest above 4 MiB.",
    "413 with the same code.",
    "The specification.",
    at("manifest-refusals", "manifest above 4 MiB", status=413, messages=a_message))

differs(
    "Manifests", "Tags can be deleted",
    "2.8 answers 400 to `DELETE /v2/<name>/manifests/<tag>` (3.0 deletes the tag).",
    "202, and only the tag is gone; 404 `MANIFEST_UNKNOWN` for an unknown one. The errors of DELETE have the detail "
    "that those of GET have.",
    "The specification.",
    at("deletes", "delete tag", **SUCCESS, status=202, header_content_type=gone),
    at("deletes", ["delete tag twice", "delete unknown tag", "delete tag in an unknown repository",
                   "get deleted tag"], **refused(404, "MANIFEST_UNKNOWN")),
    at("deletes", ["delete manifest twice", "delete unknown digest", "delete in an unknown repository"],
       details=lambda p, b: p == [None] and set(b[0]) == {"Name", "Revision"}),
    at("deletes", "tags after", body=lambda p, b: b["tags"] == ["three", "two"]))

# ---- lists ----------------------------------------------------------------------------------


def whole_number(text):
    return re.fullmatch("[0-9]+", text) is not None and int(text) < 1 << 63


def page_of_tags(query):
    """Body and Link of berth for the scene's repository, or what is refused."""
    given = urllib.parse.parse_qs(query, keep_blank_values=True) if "%zz" not in query else {}
    n, last = given.get("n", [""])[0], given.get("last", [""])[0]
    if n and not whole_number(n):
        return {**refused(400, "PAGINATION_NUMBER_INVALID")}
    behind = [t for t in LIST_TAGS if t > last]
    page = behind[:int(n)] if n else behind
    more = len(page) < len(behind) and page
    link = f'</v2/li/st/tags/list?last={page[-1]}&n={n}>; rel="next"' if more else None
    return {"body": {"name": "li/st", "tags": page}, "header_link": link}


differs(
    "Lists", "Tags are sorted and paged",
    "2.8 lists tags in the order of the directory and ignores `n` and `last` (3.0 pages).",
    "In the order of their bytes, with `n`, `last` and `Link`. `n` is at most `tags.maxtags` (1000); without `n` the "
    "list is complete.",
    "The specification.",
    at("lists", "tags", **page_of_tags("")),
    *(at("lists", f"tags?{query}", **page_of_tags(query)) for query in LIST_QUERIES),
    at("lists", "tags: first page", **page_of_tags("n=4")),
    at("lists", "tags: page 2 by Link", **page_of_tags("n=4&last=a-b")),
    at("lists", "tags: page 3 by Link", **page_of_tags("n=4&last=v1")),
    at("lists", "tags: page 4 by Link", **page_of_tags("")))

differs(
    "Lists", "A repository without tags has an empty list",
    "`\"tags\": null` when the last tag was deleted, 404 when there never was one.",
    "`\"tags\": []` in both cases; 404 as long as no manifest was pushed.",
    "Scripts that iterate over the list fail on null.",
    at("deletes", "tags after all", body={"name": "del/ete", "tags": []}),
    at("lists", "tags with only a digest", **SUCCESS, status=200, body={"name": "untagged", "tags": []}))

differs(
    "Lists", "The catalog lists what can be pulled, in the order of bytes",
    "Lists a repository as soon as a blob was pushed; the order is that of a walk of the tree (`a/b` before `a-b`).",
    "Lists repositories that a manifest was pushed to (as 3.0 does), in the order of their bytes.",
    "The specification asks for lexical order; half of a push is no repository yet.",
    at("lists", "catalog with only a blob", body={"repositories": []}),
    at("catalog-order", "catalog", body={"repositories": ["a", "a-b", "a.b", "a/b", "a0"]}),
    at("catalog-order", "page", body={"repositories": ["a", "a-b"]}, header_link='</v2/_catalog?last=a-b&n=2>; rel="next"'),
    at("catalog-order", "page behind", body={"repositories": ["a-b", "a.b"]},
       header_link='</v2/_catalog?last=a.b&n=2>; rel="next"'))

differs(
    "Lists", "A bad `n` is an error",
    "2.8 ignores an `n` that is no number or negative (3.0 refuses it).",
    "400 `PAGINATION_NUMBER_INVALID`.",
    "As 3.0 does: a script that asks for a page of nothing should hear of it.",
    at(["lists", "catalog-maximum"], ["catalog?n=-1", "catalog?n=abc", "catalog?n=x", "catalog?n=1.5",
                                      "catalog?n=99999999999999999999"], **refused(400, "PAGINATION_NUMBER_INVALID")))

# ---- access ---------------------------------------------------------------------------------

differs(
    "Access", "Tokens for several audiences",
    "2.8 refuses a token whose `aud` is a list (3.0 takes it).",
    "Accepted when the list has the service.",
    "RFC 7519; token servers of several services send lists.",
    at("token", "audience list: ping", **SUCCESS, status=200, body={}, header_www_authenticate=gone),
    at("token", "audience list: tags", status=404, codes=["NAME_UNKNOWN"],
       messages=["repository name not known to registry"], details=[{"name": "some/repo"}],
       header_www_authenticate=gone),
    at("token", ["all token: delete tag", "delete token: delete tag"], **refused(404, "MANIFEST_UNKNOWN")),
    at("token", ["all token: delete manifest", "delete token: delete manifest"],
       details=lambda p, b: p == [None] and set(b[0]) == {"Name", "Revision"}))

# ---- operation ------------------------------------------------------------------------------

differs(
    "Operation", "Mistakes in the configuration stop the start",
    "Ignores keys of the file it does not know, keys given twice, and values of the wrong type in the `storage` "
    "section (`delete.enabled: perhaps` leaves deletes off).",
    "Does not start, and says file, line, key and what to do. Variables of the environment that name no key are "
    "warned about and ignored, since Kubernetes sets some by itself. `berth config check FILE` tells beforehand.",
    "A misspelt key is found at the start, not after the incident it should have prevented.",
    at("commands", ["serve: string for a switch", "serve: unknown key", "serve: unknown key below http",
                    "serve: key twice", "environment: a bad switch"], status=1))

differs(
    "Operation", "Running without a configuration",
    "`serve` and `garbage-collect` without a file end with status 1.",
    "`serve` serves on 127.0.0.1:5000, storing in `./data`; `garbage-collect` collects there.",
    "To try it, and at the edge, nothing has to be written first.",
    at("commands", "serve without a file", status="serves"),
    at("commands", "garbage-collect without a file", status=0))

differs(
    "Operation", "No notifications",
    "Posts events to the endpoints of `notifications`.",
    "Does not start when there is an endpoint that is not `disabled`.",
    "This version has none, and a registry that silently sends nothing would break what waits for it.",
    at("commands", ["serve: notifications", "environment: an index"], status=1))

differs(
    "Operation", "The debug listener",
    "`/debug/pprof/`, `/debug/vars` of Go's runtime; `/metrics` and `/debug/vars` answer every method; "
    "`/debug/health` answers GET only.",
    "`/debug/health`, `/metrics` and `/debug/vars` (berth's own figures) answer GET and HEAD, with "
    "`Cache-Control: no-store`; `/livez` and `/readyz` besides; no profiler.",
    "There is no Go runtime to look into.",
    at(["debug", "unhealthy"], "*", header_cache_control=instead_of(None, "no-store")),
    at("debug", "HEAD *", header_content_length=matching("[0-9]+")),
    at("debug", "HEAD /debug/health", status=200, header_content_type=JSON, header_x_content_type_options=gone),
    at("debug", ["POST /debug/health", "POST /metrics", "POST /debug/vars"], status=405, header_allow="GET, HEAD",
       header_content_type="text/plain; charset=utf-8", header_x_content_type_options=gone,
       body=matching("only GET and HEAD .*\n")),
    at("debug", "* /debug/pprof/", status=404, header_content_type="text/plain; charset=utf-8",
       header_x_content_type_options=gone),
    at("debug", ["* /", "* /v2/", "* /nothing"], body=instead_of("404 page not found\n", "not found\n"),
       header_x_content_type_options=gone))

differs(
    "Operation", "Metrics",
    "Series of the descriptor cache (`registry_storage_cache_total`).",
    "No such cache, no such series. Besides Distribution's: `registry_requests_total`, `registry_storage_action_total`, "
    "`registry_storage_size_bytes` and those of berth.",
    "What a repository may read is asked of the database each time, so that a delete is seen at once.",
    at("debug", "series", body=lambda p, b: {x for x in p if "storage_cache" not in x} <= set(b)))

differs(
    "Operation", "An unhealthy registry says when to come back",
    "503 without further headers.",
    "503 with `Retry-After` and `Docker-Distribution-Api-Version`; the message says which check fails.",
    "Clients that wait need a number.",
    at("unhealthy", "*", header_retry_after=matching("[0-9]+"), header_docker_distribution_api_version="registry/2.0"))
