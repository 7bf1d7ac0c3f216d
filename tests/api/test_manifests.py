# SPDX-License-Identifier: Apache-2.0
"""Manifests: reading, writing, conditions, deleting, tag parameters."""
import json

import pytest

import content
from client import errors, expect_error

KINDS = ["oci", "docker", "index", "list"]


def push(client, repo, kind, reference=None):
    """Pushes a manifest of this kind: (digest, bytes, media type)."""
    if kind in ("oci", "docker"):
        digest, data = client.push_image(repo, reference, docker=kind == "docker")
    else:
        children = [(client.push_image(repo, docker=kind == "list")[1], {"os": "linux", "architecture": machine})
                    for machine in ("amd64", "arm64")]
        data = content.index(children, docker=kind == "list")
        digest = content.digest(data)
        assert client.put_manifest(repo, reference or digest, data).status_code == 201
    return digest, data, json.loads(data)["mediaType"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_manifest_comes_back_byte_for_byte(client, kind, by):
    repo = content.name(kind)
    digest, data, media_type = push(client, repo, kind, "v1")
    answer = client.get_manifest(repo, "v1" if by == "tag" else digest)
    assert answer.status_code == 200
    assert answer.content == data
    assert answer.headers["Content-Type"] == media_type
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["ETag"] == f'"{digest}"'


@pytest.mark.parametrize("part", ["config", "layer"])
def test_a_known_manifest_is_checked_again(client, part):
    """Its layer was deleted since: under another tag nobody could pull it."""
    repo = content.name()
    digest, data = client.push_image(repo, "v1")
    value = json.loads(data)
    lost = (value["config"] if part == "config" else value["layers"][0])["digest"]
    assert client.delete(f"/v2/{repo}/blobs/{lost}").status_code == 202
    for reference in ("v2", digest):
        answer = client.put_manifest(repo, reference, data)
        expect_error(answer, 400, "MANIFEST_BLOB_UNKNOWN")
        assert [e["detail"] for e in answer.json()["errors"]] == [lost]
    assert client.get_manifest(repo, "v2").status_code == 404
    assert client.get_manifest(repo, "v1").content == data


def test_a_known_index_is_checked_again(client):
    """One of its images was deleted since."""
    repo = content.name()
    _, data, _ = push(client, repo, "index", "v1")
    child = json.loads(data)["manifests"][0]["digest"]
    assert client.delete(f"/v2/{repo}/manifests/{child}").status_code == 202
    expect_error(client.put_manifest(repo, "v2", data), 400, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize("kind", KINDS)
def test_head_tells_type_digest_and_size(client, kind):
    repo = content.name(kind)
    digest, data, media_type = push(client, repo, kind, "v1")
    for reference in ("v1", digest):
        answer = client.get_manifest(repo, reference, method="HEAD")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Content-Length"] == str(len(data))
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.content == b""


def test_put_answers_where_the_manifest_is(client):
    repo = content.name()
    digest, data = client.push_image(repo)
    answer = client.put_manifest(repo, "v1", data)
    assert answer.status_code == 201
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Location"].endswith(f"/v2/{repo}/manifests/{digest}")
    assert client.get(answer.headers["Location"], headers={"Accept": content.ALL_MANIFESTS}).content == data


@pytest.mark.parametrize("accept", [None, "*/*", content.OCI_MANIFEST, content.OCI_MANIFEST + ";q=0.5, text/html"])
def test_accept_headers_that_clients_send_are_served(client, accept):
    repo = content.name()
    _, data = client.push_image(repo, "v1")
    answer = client.get_manifest(repo, "v1", accept=accept or "*/*")
    assert (answer.status_code, answer.content) == (200, data)


def test_if_none_match_saves_the_body(client):
    repo = content.name()
    digest, _ = client.push_image(repo, "v1")
    for reference in ("v1", digest):
        answer = client.get_manifest(repo, reference, **{"If-None-Match": f'"{digest}"'})
        assert (answer.status_code, answer.content) == (304, b"")
    assert client.get_manifest(repo, "v1", **{"If-None-Match": '"sha256:other"'}).status_code == 200


def test_sha512_is_kept_as_the_identity(client):
    repo = content.name()
    digest, data = client.push_image(repo, algorithm="sha512")
    answer = client.get_manifest(repo, digest)
    assert (answer.status_code, answer.content) == (200, data)
    assert answer.headers["Docker-Content-Digest"] == digest


def test_missing_manifests_are_named(client):
    repo = content.name()
    expect_error(client.get_manifest(repo, "none"), 404, "MANIFEST_UNKNOWN")
    client.push_image(repo, "v1")
    missing = content.digest(b"missing")
    expect_error(client.get_manifest(repo, "none"), 404, "MANIFEST_UNKNOWN", "none")
    expect_error(client.get_manifest(repo, missing), 404, "MANIFEST_UNKNOWN", missing)


def test_a_tag_moves_with_the_next_push(client):
    repo = content.name()
    first, first_data = client.push_image(repo, "latest")
    second, second_data = client.push_image(repo, "latest")
    assert client.get_manifest(repo, "latest").content == second_data
    assert client.get_manifest(repo, first).content == first_data
    assert client.get_manifest(repo, second).content == second_data


def test_deleting_a_manifest_takes_its_tags_along(client):
    repo = content.name()
    digest, data = client.push_image(repo, "a")
    client.put_manifest(repo, "b", data)
    client.push_image(repo, "other")
    assert client.delete(f"/v2/{repo}/manifests/{digest}").status_code == 202
    for reference in ("a", "b", digest):
        assert client.get_manifest(repo, reference).status_code == 404
    assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["other"]
    expect_error(client.delete(f"/v2/{repo}/manifests/{digest}"), 404, "MANIFEST_UNKNOWN")


def test_deleting_a_tag_leaves_the_manifest(client):
    repo = content.name()
    digest, data = client.push_image(repo, "a")
    client.put_manifest(repo, "b", data)
    assert client.delete(f"/v2/{repo}/manifests/a").status_code == 202
    assert client.get_manifest(repo, "a").status_code == 404
    assert client.get_manifest(repo, "b").content == data
    assert client.get_manifest(repo, digest).content == data
    expect_error(client.delete(f"/v2/{repo}/manifests/a"), 404, "MANIFEST_UNKNOWN")


def test_a_deleted_manifest_can_be_pushed_again(client):
    repo = content.name()
    digest, data = client.push_image(repo, "a")
    client.delete(f"/v2/{repo}/manifests/{digest}")
    assert client.put_manifest(repo, "a", data).status_code == 201
    assert client.get_manifest(repo, "a").content == data


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_tag_parameters_tag_a_push_by_digest(client, algorithm):
    repo = content.name()
    _, data = client.push_image(repo, algorithm=algorithm)
    digest = content.digest(data, algorithm)
    tags = [f"t{i}" for i in range(12)]
    answer = client.put_manifest(repo, digest, data, params=[("tag", tag) for tag in tags])
    assert answer.status_code == 201, answer.text
    told = [part.strip() for part in answer.headers["OCI-Tag"].split(",")]
    assert sorted(told) == sorted(tags)
    for tag in tags:
        got = client.get_manifest(repo, tag)
        assert (got.content, got.headers["Docker-Content-Digest"]) == (data, digest)


def test_a_bad_tag_parameter_is_refused_and_nothing_stored(client):
    repo = content.name()
    _, data = client.push_image(repo)
    fresh = content.image(content.EMPTY, [])
    client.push_blob(repo, content.EMPTY)
    answer = client.put_manifest(repo, content.digest(fresh), fresh, params=[("tag", "good"), ("tag", "-bad")])
    assert answer.status_code == 400
    assert errors(answer)[0] in ("TAG_INVALID", "MANIFEST_INVALID")
    assert client.get_manifest(repo, "good").status_code == 404
    assert client.get_manifest(repo, content.digest(fresh)).status_code == 404
    assert data


def test_manifests_belong_to_their_repository(client):
    repo, stranger = content.name(), content.name("stranger")
    digest, _ = client.push_image(repo, "v1")
    client.push_image(stranger, "other")
    assert client.get_manifest(stranger, digest).status_code == 404
    assert client.get_manifest(stranger, "v1").status_code == 404


def test_a_schema_2_client_gets_the_linux_amd64_image_of_a_list(client):
    repo = content.name()
    _, data, _ = push(client, repo, "list", "v1")
    amd64 = json.loads(data)["manifests"][0]["digest"]
    answer = client.get_manifest(repo, "v1", accept=content.DOCKER_MANIFEST)
    if answer.status_code == 200 and answer.headers["Content-Type"] == content.DOCKER_MANIFEST:
        assert answer.headers["Docker-Content-Digest"] == amd64
    else:
        assert (answer.status_code, answer.content) == (200, data)
