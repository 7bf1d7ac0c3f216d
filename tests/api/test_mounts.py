# SPDX-License-Identifier: Apache-2.0
"""Mounting a blob from one repository into another without sending it."""
import pytest

import content
from client import expect_error


@pytest.fixture(name="source", params=["sha256", "sha512"])
def source_fixture(client, request):
    """A repository with a blob: (repository, digest, bytes)."""
    repo, data = content.name("source"), content.noise(3000)
    return repo, client.push_blob(repo, data, request.param), data


@pytest.mark.parametrize("named", [True, False])
def test_a_mounted_blob_is_readable_at_once(client, source, named):
    origin, digest, data = source
    repo = content.name("target")
    query = {"mount": digest} | ({"from": origin} if named else {})
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params=query)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Location"].endswith(f"/v2/{repo}/blobs/{digest}")
    assert client.get(answer.headers["Location"]).content == data


def test_a_mount_outlives_the_source(client, source):
    origin, digest, data = source
    repo = content.name("target")
    assert client.post(f"/v2/{repo}/blobs/uploads/", params={"mount": digest, "from": origin}).status_code == 201
    assert client.delete(f"/v2/{origin}/blobs/{digest}").status_code == 202
    assert client.get(f"/v2/{repo}/blobs/{digest}").content == data


@pytest.mark.parametrize("origin", ["test/none", None])
def test_mounting_what_is_not_there_opens_an_upload(client, origin):
    data, repo = content.noise(100), content.name("target")
    digest = content.digest(data)
    query = {"mount": digest} | ({"from": origin} if origin else {})
    answer = client.post(f"/v2/{repo}/blobs/uploads/", params=query)
    assert answer.status_code == 202
    assert client.finish(answer.headers["Location"], digest, data).status_code == 201


def test_mounting_from_a_repository_that_cannot_read_it_opens_an_upload(client, source):
    _, digest, _ = source
    stranger = content.name("stranger")
    client.push_image(stranger)
    answer = client.post(f"/v2/{content.name()}/blobs/uploads/", params={"mount": digest, "from": stranger})
    assert answer.status_code in (201, 202)
    if answer.status_code == 201:  # found elsewhere, as without `from`
        assert client.head(f"/v2/{stranger}/blobs/{digest}").status_code == 404


def test_mounting_a_malformed_digest_is_refused_or_an_upload(client):
    answer = client.post(f"/v2/{content.name()}/blobs/uploads/", params={"mount": "sha256:bad", "from": "test/none"})
    assert answer.status_code in (202, 400)
    if answer.status_code == 400:
        expect_error(answer, 400, "DIGEST_INVALID")
