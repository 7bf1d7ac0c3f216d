# SPDX-License-Identifier: Apache-2.0
"""What is accepted as a manifest and what is refused, with which words."""
import json

import pytest

import content
from client import errors, expect_error


@pytest.fixture(name="repo")
def repo_fixture():
    """A repository of the test's own."""
    return content.name("content")


def put(client, repo, data, media_type=None):
    """PUTs by digest."""
    return client.put_manifest(repo, content.digest(data), data, media_type)


def accepted(client, repo, data):
    """A manifest is taken and comes back as it was."""
    answer = put(client, repo, data)
    assert answer.status_code == 201, answer.text
    assert client.get_manifest(repo, content.digest(data)).content == data


# ---- accepted

def test_unknown_fields_are_kept(client, repo):
    _, data = client.push_image(repo)
    accepted(client, repo, content.encode(json.loads(data) | {"org.example.custom": {"a": [1, None, "é"]}}))


def test_no_layers(client, repo):
    config = content.config_bytes()
    client.push_blob(repo, config)
    accepted(client, repo, content.image(config, []))


def test_the_empty_blob_as_a_layer(client, repo):
    config = content.config_bytes()
    client.push_blob(repo, config)
    client.push_blob(repo, b"")
    accepted(client, repo, content.image(config, [b""]))


def test_data_fields(client, repo):
    client.push_blob(repo, content.EMPTY)
    value = json.loads(content.artifact("application/x.example"))
    value["config"]["data"] = value["layers"][0]["data"] = "e30="
    accepted(client, repo, content.encode(value))


def test_docker_images_and_lists(client, repo):
    _, one = client.push_image(repo, docker=True)
    accepted(client, repo, content.index([(one, {"os": "linux", "architecture": "amd64"})], docker=True))


def test_indexes_empty_nested_and_of_artifacts(client, repo):
    accepted(client, repo, content.index([]))
    _, one = client.push_image(repo)
    inner = content.index([(one, None)])
    accepted(client, repo, inner)
    accepted(client, repo, content.index([(inner, None), (one, None)]))
    _, _, thing = client.push_artifact(repo, "application/x.thing")
    accepted(client, repo, content.index([(thing, None)], artifactType="application/x.list"))


def test_a_manifest_without_a_media_type_field(client, repo):
    _, data = client.push_image(repo)
    value = json.loads(data)
    del value["mediaType"]
    data = content.encode(value)
    assert put(client, repo, data, content.OCI_MANIFEST).status_code == 201
    assert client.get_manifest(repo, content.digest(data)).headers["Content-Type"] == content.OCI_MANIFEST


def test_a_subject_that_is_not_there(client, repo):
    client.push_blob(repo, content.EMPTY)
    subject = content.descriptor(b"never pushed", content.OCI_MANIFEST)
    accepted(client, repo, content.artifact("application/x.example", subject))


@pytest.mark.parametrize("media_type, docker", [(content.OCI_FOREIGN, False), (content.DOCKER_FOREIGN, True)])
def test_non_distributable_layers_need_not_be_there(serve, repo, media_type, docker):
    _, client = serve({"validation": {"manifests": {"urls": {"allow": ["^https://layers[.]example/"]}}}})
    config = content.config_bytes()
    client.push_blob(repo, config)
    value = json.loads(content.image(config, [], docker=docker))
    value["layers"] = [content.descriptor(b"elsewhere", media_type, urls=["https://layers.example/1"])]
    accepted(client, repo, content.encode(value))
    value["layers"][0]["urls"] = ["https://other.example/1"]
    expect_error(put(client, repo, content.encode(value)), 400, "MANIFEST_INVALID", "url")


def test_almost_four_mebibytes(client, repo):
    _, data = client.push_image(repo)
    value = json.loads(data) | {"annotations": {f"n{i}": "x" * 10_000 for i in range(390)}}
    accepted(client, repo, content.encode(value))


def test_sparse_indexes_where_they_are_allowed(serve, repo):
    _, client = serve({"validation": {"manifests": {"indexes": {"platforms": "none"}}}})
    value = json.loads(content.index([]))
    value["manifests"] = [content.descriptor(b"missing", content.OCI_MANIFEST)]
    accepted(client, repo, content.encode(value))


def test_sparse_indexes_by_platform(serve, repo):
    _, client = serve({"validation": {"manifests": {"indexes": {
        "platforms": "list", "platformlist": [{"os": "linux", "architecture": "amd64"}]}}}})
    value = json.loads(content.index([]))
    value["manifests"] = [content.descriptor(b"arm", content.OCI_MANIFEST, platform={"os": "linux", "architecture": "arm64"})]
    accepted(client, repo, content.encode(value))
    value["manifests"].append(content.descriptor(b"amd", content.OCI_MANIFEST,
                                                 platform={"os": "linux", "architecture": "amd64"}))
    expect_error(put(client, repo, content.encode(value)), 400, "MANIFEST_BLOB_UNKNOWN", content.digest(b"amd"))


# ---- refused

def test_missing_blobs_are_each_named(client, repo):
    config, layers = content.config_bytes(), [content.noise(10), content.noise(20)]
    client.push_blob(repo, layers[0])
    answer = put(client, repo, content.image(config, layers))
    expect_error(answer, 400, "MANIFEST_BLOB_UNKNOWN", content.digest(config), content.digest(layers[1]))
    assert content.digest(layers[0]) not in answer.text


def test_blobs_of_other_repositories_do_not_count(client, repo):
    other = content.name("other")
    _, data = client.push_image(other)
    expect_error(put(client, repo, data), 400, "MANIFEST_BLOB_UNKNOWN", json.loads(data)["config"]["digest"])


def test_missing_children_of_an_index_are_named(client, repo):
    _, one = client.push_image(repo)
    missing = content.image(content.EMPTY, [])
    answer = put(client, repo, content.index([(one, None), (missing, None)]))
    expect_error(answer, 400, "MANIFEST_BLOB_UNKNOWN", content.digest(missing))


def test_a_digest_that_does_not_match_is_refused(client, repo):
    _, data = client.push_image(repo)
    answer = client.put_manifest(repo, content.digest(b"other"), data)
    expect_error(answer, 400, "DIGEST_INVALID", "digest")


def test_a_malformed_digest_is_refused(client, repo):
    _, data = client.push_image(repo)
    assert client.put_manifest(repo, "sha256:baddigeststring", data).status_code == 400
    assert client.get_manifest(repo, "sha256:baddigeststring").status_code in (400, 404)


def test_more_than_four_mebibytes_are_413(client, repo):
    _, data = client.push_image(repo)
    data = content.encode(json.loads(data) | {"annotations": {"n": "x" * (4 << 20)}})
    expect_error(put(client, repo, data), 413, "MANIFEST_INVALID", "large")


def test_more_than_four_mebibytes_without_a_length_are_413(client, repo):
    piece = b" " * 65536
    answer = client.put(f"/v2/{repo}/manifests/v1", data=(piece for _ in range(80)),
                        headers={"Content-Type": content.OCI_MANIFEST})
    expect_error(answer, 413, "MANIFEST_INVALID", "large")


def test_an_empty_body_is_refused(client, repo):
    expect_error(put(client, repo, b"", content.OCI_MANIFEST), 400, "MANIFEST_INVALID")


@pytest.mark.parametrize("text", [
    b"{", b"[]", b"null", b"1", b'"x"', b"{}}", b'{"schemaVersion": 2,}', b"\xff\xfe", b'{"a": "\x00"}',
])
def test_what_is_not_a_json_object_is_refused(client, repo, text):
    expect_error(put(client, repo, text, content.OCI_MANIFEST), 400, "MANIFEST_INVALID")


def test_what_nests_without_end_is_refused(client, repo):
    for text in (b"[" * 100_000, b'{"a":' * 1000 + b"1" + b"}" * 1000):
        answer = put(client, repo, text, content.OCI_MANIFEST)
        assert answer.status_code in (400, 413)
        assert errors(answer) == ["MANIFEST_INVALID"]


def test_the_place_of_a_json_mistake_is_told(client, repo):
    expect_error(put(client, repo, b'{\n "schemaVersion": 2,\n oops }', content.OCI_MANIFEST), 400, "MANIFEST_INVALID", "line 3")


def broken(change):
    """A manifest with a mistake: change(value) makes it."""
    value = json.loads(content.image(content.EMPTY, [content.EMPTY]))
    change(value)
    return content.encode(value)


@pytest.mark.parametrize("what, change", [
    ("schemaVersion", lambda v: v.update(schemaVersion=1)),
    ("schemaVersion", lambda v: v.pop("schemaVersion")),
    ("config", lambda v: v.pop("config")),
    ("config", lambda v: v.update(config="no")),
    ("layers", lambda v: v.update(layers={})),
    ("layers", lambda v: v.update(layers=["no"])),
    ("digest", lambda v: v["config"].update(digest="sha256:short")),
    ("digest", lambda v: v["layers"][0].pop("digest")),
    ("size", lambda v: v["layers"][0].update(size=-1)),
    ("size", lambda v: v["layers"][0].update(size="two")),
    ("subject", lambda v: v.update(subject="no")),
    ("subject", lambda v: v.update(subject={"mediaType": content.OCI_MANIFEST, "digest": "x", "size": 1})),
    ("mediaType", lambda v: v.update(mediaType=content.OCI_INDEX)),
    ("mediaType", lambda v: v.update(mediaType=5)),
])
def test_mistakes_are_named(client, repo, what, change):
    client.push_blob(repo, content.EMPTY)
    expect_error(put(client, repo, broken(change), content.OCI_MANIFEST), 400, "MANIFEST_INVALID", what)


def test_a_size_that_is_not_the_blobs_is_refused(client, repo):
    client.push_blob(repo, content.EMPTY)
    data = broken(lambda v: v["layers"][0].update(size=3))
    expect_error(put(client, repo, data), 400, "MANIFEST_INVALID", "3 bytes", content.digest(content.EMPTY))


@pytest.mark.parametrize("media_type", ["text/plain", "application/vnd.example+json", "image/png"])
def test_unknown_media_types_are_refused_by_name(client, repo, media_type):
    client.push_blob(repo, content.EMPTY)
    expect_error(put(client, repo, broken(lambda v: v.pop("mediaType")), media_type), 400, "MANIFEST_INVALID", media_type)


def test_schema_1_is_refused_with_the_way_out(client, repo):
    data = content.encode({"schemaVersion": 1, "name": repo, "tag": "v1", "fsLayers": [], "history": [], "signatures": []})
    answer = client.put_manifest(repo, "v1", data, content.DOCKER_SCHEMA1)
    assert answer.status_code in (400, 415)
    assert errors(answer)[0] in ("MANIFEST_INVALID", "UNSUPPORTED")
    assert "schema" in answer.text.lower() and "1" in answer.text


def test_validation_can_be_switched_off(serve, repo):
    _, client = serve({"validation": {"disabled": True}})
    accepted(client, repo, content.image(content.config_bytes(), [content.noise(10)]))
