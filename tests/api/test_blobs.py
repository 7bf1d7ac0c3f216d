# SPDX-License-Identifier: Apache-2.0
"""Blobs: reading whole and in part, conditions, deleting, and who may read which."""
import pytest

import content
from client import expect_error


@pytest.fixture(name="pushed", params=["sha256", "sha512"])
def pushed_fixture(client, request):
    """A blob of 2048 bytes: (repository, digest, bytes)."""
    repo, data = content.name("blob"), content.noise(2048)
    return repo, client.push_blob(repo, data, request.param), data


def test_get_returns_the_bytes_and_says_what_they_are(client, pushed):
    repo, digest, data = pushed
    answer = client.get(f"/v2/{repo}/blobs/{digest}")
    assert answer.status_code == 200
    assert answer.content == data
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["ETag"] == f'"{digest}"'
    assert answer.headers["Cache-Control"] == "max-age=31536000"
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_head_is_a_get_without_the_body(client, pushed):
    repo, digest, data = pushed
    answer = client.head(f"/v2/{repo}/blobs/{digest}")
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.content == b""


@pytest.mark.parametrize("asked, first, last", [
    ("500-1499", 500, 1499), ("500-", 500, 2047), ("-500", 1548, 2047), ("2000-5000", 2000, 2047), ("0-0", 0, 0),
    ("-5000", 0, 2047),
])
def test_ranges_are_206_with_just_those_bytes(client, pushed, asked, first, last):
    repo, digest, data = pushed
    answer = client.get(f"/v2/{repo}/blobs/{digest}", headers={"Range": f"bytes={asked}"})
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/2048"
    assert answer.headers["Content-Length"] == str(last - first + 1)
    assert answer.content == data[first:last + 1]


@pytest.mark.parametrize("asked", ["2048-", "5000-10000", "-0"])
def test_ranges_outside_the_blob_are_416_with_its_size(client, pushed, asked):
    repo, digest, _ = pushed
    answer = client.get(f"/v2/{repo}/blobs/{digest}", headers={"Range": f"bytes={asked}"})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */2048"


def test_a_range_that_ends_before_it_starts_is_never_the_whole_blob_with_206(client, pushed):
    repo, digest, _ = pushed
    answer = client.get(f"/v2/{repo}/blobs/{digest}", headers={"Range": "bytes=500-0"})
    assert answer.status_code == 416


@pytest.mark.parametrize("asked", ["chars=0-1", "bytes=x-y", "bytes=0-1,5-6"])
def test_ranges_it_does_not_take_give_the_whole_blob(client, pushed, asked):
    repo, digest, data = pushed
    answer = client.get(f"/v2/{repo}/blobs/{digest}", headers={"Range": asked})
    assert answer.status_code in (200, 206, 416)
    if answer.status_code == 200:
        assert answer.content == data


def test_if_none_match_saves_the_body(client, pushed):
    repo, digest, _ = pushed
    answer = client.get(f"/v2/{repo}/blobs/{digest}", headers={"If-None-Match": f'"other", "{digest}"'})
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == f'"{digest}"'


def test_if_range_with_another_tag_gives_the_whole_blob(client, pushed):
    repo, digest, data = pushed
    headers = {"Range": "bytes=0-9", "If-Range": '"another"'}
    answer = client.get(f"/v2/{repo}/blobs/{digest}", headers=headers)
    assert (answer.status_code, answer.content) == (200, data)
    answer = client.get(f"/v2/{repo}/blobs/{digest}", headers=headers | {"If-Range": f'"{digest}"'})
    assert (answer.status_code, answer.content) == (206, data[:10])


def test_missing_blobs_are_404_and_named(client, pushed):
    repo, _, _ = pushed
    missing = content.digest(b"missing")
    assert client.head(f"/v2/{repo}/blobs/{missing}").status_code == 404
    expect_error(client.get(f"/v2/{repo}/blobs/{missing}"), 404, "BLOB_UNKNOWN", missing)


@pytest.mark.parametrize("bad", [
    "sha256:baddigeststring", "sha256:" + "0" * 63, "sha256:" + "G" * 64, "sha256", "md5:" + "0" * 32, "sha256:" + "A" * 64,
])
def test_malformed_digests_are_refused(client, bad):
    answer = client.get(f"/v2/{content.name()}/blobs/{bad}")
    assert answer.status_code in (400, 404)
    if answer.status_code == 400:
        expect_error(answer, 400, "DIGEST_INVALID")
        assert "uploaded" not in answer.text, "nothing was uploaded"


def test_deleted_blobs_are_gone_at_once(client, pushed):
    repo, digest, _ = pushed
    answer = client.delete(f"/v2/{repo}/blobs/{digest}")
    assert answer.status_code == 202
    assert client.head(f"/v2/{repo}/blobs/{digest}").status_code == 404
    expect_error(client.delete(f"/v2/{repo}/blobs/{digest}"), 404, "BLOB_UNKNOWN")


def test_deleting_in_one_repository_leaves_the_others(client, pushed):
    repo, digest, data = pushed
    other = content.name("other")
    client.push_blob(other, data, digest.split(":")[0])
    assert client.delete(f"/v2/{repo}/blobs/{digest}").status_code == 202
    assert client.get(f"/v2/{other}/blobs/{digest}").content == data


def test_a_deleted_blob_can_be_pushed_again(client, pushed):
    repo, digest, data = pushed
    client.delete(f"/v2/{repo}/blobs/{digest}")
    client.push_blob(repo, data, digest.split(":")[0])
    assert client.get(f"/v2/{repo}/blobs/{digest}").content == data


def test_a_repository_reads_only_what_was_pushed_or_mounted_into_it(client, pushed):
    _, digest, _ = pushed
    stranger = content.name("stranger")
    client.push_image(stranger)
    assert client.head(f"/v2/{stranger}/blobs/{digest}").status_code == 404
    expect_error(client.get(f"/v2/{stranger}/blobs/{digest}"), 404, "BLOB_UNKNOWN")
    expect_error(client.delete(f"/v2/{stranger}/blobs/{digest}"), 404, "BLOB_UNKNOWN")


def test_the_empty_blob_is_a_blob(client):
    repo = content.name("empty")
    digest = client.push_blob(repo, b"")
    answer = client.get(f"/v2/{repo}/blobs/{digest}")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")


def test_a_large_blob_comes_back_whole(client):
    repo, data = content.name("large"), content.noise(48 << 20, seed="large")
    digest = client.push_blob(repo, data)
    assert content.digest(client.get(f"/v2/{repo}/blobs/{digest}").content) == digest


def test_deleting_is_refused_where_it_is_not_enabled(serve):
    _, client = serve({"storage": {"delete": {"enabled": False}}})
    repo = content.name()
    digest = client.push_blob(repo, b"keep me")
    manifest, _ = client.push_image(repo, "v1")
    expect_error(client.delete(f"/v2/{repo}/blobs/{digest}"), 405, "UNSUPPORTED")
    expect_error(client.delete(f"/v2/{repo}/manifests/{manifest}"), 405, "UNSUPPORTED")
    assert client.head(f"/v2/{repo}/blobs/{digest}").status_code == 200


def test_nothing_is_written_in_read_only_mode(serve):
    server, client = serve()
    repo = content.name()
    digest, data = client.push_image(repo, "v1")
    server.stop()
    server.config["storage"]["maintenance"] = {"readonly": {"enabled": True}}
    server.start()
    assert client.get_manifest(repo, "v1").status_code == 200
    for answer in (client.post(f"/v2/{repo}/blobs/uploads/"), client.put_manifest(repo, "v2", data),
                   client.delete(f"/v2/{repo}/manifests/{digest}")):
        expect_error(answer, 405, "UNSUPPORTED")
