# SPDX-License-Identifier: Apache-2.0
"""Uploads: every way of sending a blob, what goes wrong, and going on after it."""
import re
import time

import pytest

import content
from client import errors, expect_error, with_query


@pytest.fixture(name="repo")
def repo_fixture():
    """A repository of the test's own."""
    return content.name("upload")


def created(client, repo, answer, digest, data):
    """A 201 names the blob, and the blob is there."""
    assert answer.status_code == 201, answer.text
    assert answer.headers["Docker-Content-Digest"] == digest
    location = answer.headers["Location"]
    assert location.endswith(f"/v2/{repo}/blobs/{digest}")
    assert client.get(location).content == data


def test_an_opened_upload_says_where_to_go_on(client, repo):
    answer = client.post(f"/v2/{repo}/blobs/uploads/")
    assert answer.status_code == 202
    assert f"/v2/{repo}/blobs/uploads/" in answer.headers["Location"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["Docker-Upload-UUID"])
    assert answer.headers["Range"] == "0-0"
    assert answer.headers["Content-Length"] == "0"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_post_then_put(client, repo, algorithm):
    data = content.noise(5000)
    digest = content.digest(data, algorithm)
    created(client, repo, client.finish(client.upload(repo), digest, data), digest, data)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_all_in_one_post(client, repo, algorithm):
    data = content.noise(5000)
    digest = content.digest(data, algorithm)
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest": digest}, data=data,
                         headers={"Content-Type": "application/octet-stream"})
    created(client, repo, answer, digest, data)


def test_streamed_patch_without_a_length(client, repo):
    data = content.noise(300_000)
    answer = client.patch(client.upload(repo), data=(data[i:i + 7000] for i in range(0, len(data), 7000)),
                          headers={"Content-Type": "application/octet-stream"})
    assert answer.status_code == 202
    assert answer.headers["Range"] == f"0-{len(data) - 1}"
    digest = content.digest(data)
    created(client, repo, client.finish(answer.headers["Location"], digest), digest, data)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("last_in_put", [False, True])
def test_chunks_in_order(client, repo, algorithm, last_in_put):
    chunks = [content.noise(1000), content.noise(2000), content.noise(3000)]
    data, digest = b"".join(chunks), content.digest(b"".join(chunks), algorithm)
    location, start = client.upload(repo), 0
    for chunk in chunks[:-1] if last_in_put else chunks:
        answer = client.patch_chunk(location, chunk, start)
        start += len(chunk)
        assert answer.status_code == 202, answer.text
        assert answer.headers["Range"] == f"0-{start - 1}"
        location = answer.headers["Location"]
    rest, headers = b"", {}
    if last_in_put:
        rest, headers = chunks[-1], {"Content-Range": f"{start}-{len(data) - 1}"}
    created(client, repo, client.finish(location, digest, rest, headers), digest, data)


def test_the_status_of_an_upload_tells_how_far_it_got(client, repo):
    location = client.upload(repo)
    answer = client.get(location)
    assert (answer.status_code, answer.headers["Range"]) == (204, "0-0")
    location = client.patch_chunk(location, b"x" * 1234, 0).headers["Location"]
    answer = client.get(location)
    assert (answer.status_code, answer.headers["Range"]) == (204, "0-1233")
    assert answer.headers["Docker-Upload-UUID"]
    assert answer.headers["Location"]


@pytest.mark.parametrize("start", [0, 5, 999, 1001, 5000])
def test_a_chunk_out_of_order_is_416_and_the_upload_survives(client, repo, start):
    first, second = content.noise(1000), content.noise(500)
    location = client.patch_chunk(client.upload(repo), first, 0).headers["Location"]
    answer = client.patch_chunk(location, second, start)
    assert answer.status_code == 416, answer.text
    answer = client.get(location)
    assert (answer.status_code, answer.headers["Range"]) == (204, "0-999")
    answer = client.patch_chunk(answer.headers["Location"], second, 1000)
    digest = content.digest(first + second)
    created(client, repo, client.finish(answer.headers["Location"], digest), digest, first + second)


def test_a_last_chunk_out_of_order_is_416_and_the_upload_survives(client, repo):
    first, second = content.noise(1000), content.noise(500)
    digest = content.digest(first + second)
    location = client.patch_chunk(client.upload(repo), first, 0).headers["Location"]
    answer = client.finish(location, digest, second, {"Content-Range": "1200-1699"})
    assert answer.status_code == 416, answer.text
    location = client.get(location).headers["Location"]
    created(client, repo, client.finish(location, digest, second, {"Content-Range": "1000-1499"}), digest,
            first + second)


@pytest.mark.parametrize("claim", ["0-5", "0-99", "10-5", "x-y", "bytes=0-9", "0-", "-9", "99999999999999999999-1"])
def test_a_content_range_that_does_not_fit_the_body_is_refused(client, repo, claim):
    location = client.upload(repo)
    answer = client.patch(location, data=b"0123456789",
                          headers={"Content-Type": "application/octet-stream", "Content-Range": claim})
    assert answer.status_code in (400, 416), answer.text
    assert client.get(location).headers["Range"] == "0-0"


def test_put_with_the_wrong_digest_stores_nothing(client, repo):
    wrong = content.digest(b"something else")
    answer = client.finish(client.upload(repo), wrong, b"not that")
    expect_error(answer, 400, "DIGEST_INVALID", "digest")
    assert client.head(f"/v2/{repo}/blobs/{wrong}").status_code == 404
    assert client.head(f"/v2/{repo}/blobs/{content.digest(b'not that')}").status_code == 404


def test_post_with_the_wrong_digest_stores_nothing(client, repo):
    wrong = content.digest(b"something else")
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest": wrong}, data=b"not that")
    expect_error(answer, 400, "DIGEST_INVALID")
    assert client.head(f"/v2/{repo}/blobs/{wrong}").status_code == 404


@pytest.mark.parametrize("bad", ["", "sha256:short", "md5:" + "0" * 32, "nonsense", "sha256:" + "z" * 64])
def test_put_with_a_malformed_digest_is_refused(client, repo, bad):
    expect_error(client.finish(client.upload(repo), bad, b"data"), 400, "DIGEST_INVALID")


def test_put_without_a_digest_is_refused(client, repo):
    answer = client.put(client.upload(repo), data=b"data")
    expect_error(answer, 400, "DIGEST_INVALID")


def test_a_cancelled_upload_is_gone(client, repo):
    location = client.patch_chunk(client.upload(repo), b"abc", 0).headers["Location"]
    assert client.delete(location).status_code == 204
    expect_error(client.get(location), 404, "BLOB_UPLOAD_UNKNOWN")
    expect_error(client.patch_chunk(location, b"def", 3), 404, "BLOB_UPLOAD_UNKNOWN")
    expect_error(client.finish(location, content.digest(b"abc")), 404, "BLOB_UPLOAD_UNKNOWN")
    expect_error(client.delete(location), 404, "BLOB_UPLOAD_UNKNOWN")


def test_a_finished_upload_is_gone(client, repo):
    location = client.upload(repo)
    assert client.finish(location, content.digest(b"abc"), b"abc").status_code == 201
    expect_error(client.get(location), 404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("upload", ["00000000-0000-4000-8000-000000000000", "nonsense", "..", "a" * 300])
def test_unknown_uploads_are_404(client, repo, upload):
    answer = client.get(f"/v2/{repo}/blobs/uploads/{upload}")
    assert answer.status_code in (400, 404)
    if answer.headers.get("Content-Type", "").startswith("application/json"):
        assert errors(answer)[0] in ("BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID", "UNSUPPORTED")


def test_an_upload_belongs_to_its_repository(client, repo):
    location = client.upload(repo)
    stranger = location.replace(repo, content.name("stranger"))
    answer = client.finish(stranger, content.digest(b"abc"), b"abc")
    assert answer.status_code in (400, 404)
    assert client.finish(location, content.digest(b"abc"), b"abc").status_code == 201


def test_pushing_the_same_blob_again_is_fine(client, repo):
    data = content.noise(100)
    assert client.push_blob(repo, data) == client.push_blob(repo, data)


def test_an_upload_after_a_lost_connection_goes_on_where_it_stopped(client, repo, raw):
    data = content.noise(400_000)
    location = client.upload(repo)
    path = "/" + location.split("/", 3)[3]
    lost = raw()
    lost.request("PATCH", path, "Content-Type: application/octet-stream", f"Content-Length: {len(data)}",
                 body=data[:150_000])
    lost.close()
    received = wait_for_range(client, location)
    assert 0 < received <= 150_000
    location = client.get(location).headers["Location"]
    answer = client.patch_chunk(location, data[received:], received)
    assert answer.status_code == 202, answer.text
    digest = content.digest(data)
    created(client, repo, client.finish(answer.headers["Location"], digest), digest, data)


def wait_for_range(client, location):
    """How many bytes the server kept, once it has noticed that nobody sends more."""
    last = -1
    for _ in range(100):
        answer = client.get(location)
        if answer.status_code == 204:
            now = int(answer.headers["Range"].split("-")[1]) + 1
            if now > 1 and now == last:
                return now
            last = now
        time.sleep(0.1)
    raise AssertionError(f"no stable upload: {answer.status_code} {answer.headers}")


def test_a_truncated_monolithic_put_stores_nothing(client, repo, raw):
    data = content.noise(10_000)
    digest = content.digest(data[:5000])
    path = "/" + with_query(client.upload(repo), digest=digest).split("/", 3)[3]
    lost = raw()
    lost.request("PUT", path, f"Content-Length: {len(data)}", body=data[:5000])
    lost.close()
    assert client.head(f"/v2/{repo}/blobs/{digest}").status_code == 404


def test_the_algorithm_can_be_named_at_the_start(client, repo):
    data = content.noise(2000)
    digest = content.digest(data, "sha512")
    location = client.upload(repo, **{"digest-algorithm": "sha512"})
    location = client.patch_chunk(location, data, 0).headers["Location"]
    created(client, repo, client.finish(location, digest), digest, data)


def test_an_unknown_algorithm_at_the_start_is_refused(client, repo):
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params={"digest-algorithm": "md5"})
    expect_error(answer, 400, "DIGEST_INVALID")
