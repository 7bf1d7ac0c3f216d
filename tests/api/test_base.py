# SPDX-License-Identifier: Apache-2.0
"""The base of the API: the version check, unknown paths and methods, names, error bodies."""
import pytest

import content
from client import errors, expect_error


def test_version_check_answers_an_empty_object(client):
    answer = client.get("/v2/")
    assert answer.status_code == 200
    assert answer.json() == {}
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert answer.headers["Content-Type"].startswith("application/json")


def test_version_check_by_head_has_no_body(client):
    answer = client.head("/v2/")
    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == "2"
    assert answer.content == b""


def test_root_answers_for_load_balancers(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/v1/", "/v2/_unknown", "/v2/a/b/unknown/x", "/nothing", "/v2/x/blobs/"])
def test_unknown_paths_are_404(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("method, path", [
    ("POST", "/v2/"), ("DELETE", "/v2/_catalog"), ("PUT", "/v2/x/tags/list"), ("POST", "/v2/x/manifests/latest"),
    ("PATCH", "/v2/x/blobs/sha256:" + "0" * 64), ("GET", "/v2/x/blobs/uploads/"), ("BREW", "/v2/"),
])
def test_wrong_methods_are_405_and_say_which_are_right(client, method, path):
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"]


@pytest.mark.parametrize("name", [
    "a", "library/app", "a.b_c__d-e---f/g", "0/1/2", "x" * 255, "a/" * 100 + "z", "manifests/blobs/tags",
])
def test_valid_names_are_accepted(client, name):
    assert client.post(f"/v2/{name}/blobs/uploads/").status_code == 202


@pytest.mark.parametrize("name", [
    "Upper", "a..b", "-a", "a-", "a/_b", "a___b", "a//b", "a%20b", "a%00b", "%2e%2e/%2e%2e/etc", "x" * 256, "a/b-/c",
    "caf%C3%A9", "a%2F%2Fb",
])
def test_invalid_names_are_refused(client, name):
    answer = client.post(f"/v2/{name}/blobs/uploads/")
    assert answer.status_code in (400, 404)
    if answer.status_code == 400:
        assert errors(answer) == ["NAME_INVALID"]


@pytest.mark.parametrize("tag", ["1.0.0", "latest", "dev-a1b2c3d", "20240615-101500", "_x", "A" * 128, "v1.2_3-rc.4"])
def test_valid_tags_are_accepted(client, tag):
    repo = content.name()
    client.push_image(repo, tag)
    assert client.get_manifest(repo, tag).status_code == 200


@pytest.mark.parametrize("tag", [".x", "-x", "a" * 129, "a%20b", "%C3%A9", "a%00"])
def test_invalid_tags_are_refused(client, tag):
    repo = content.name()
    _, data = client.push_image(repo)
    answer = client.put_manifest(repo, tag, data)
    assert answer.status_code in (400, 404)
    if answer.status_code == 400:
        assert errors(answer)[0] in ("TAG_INVALID", "MANIFEST_INVALID", "DIGEST_INVALID")


def test_errors_have_code_message_and_detail(client):
    missing = content.digest(b"never pushed")
    answer = client.get(f"/v2/{content.name()}/blobs/{missing}")
    expect_error(answer, 404, "BLOB_UNKNOWN", missing)


def test_errors_to_head_have_no_body(client):
    answer = client.head(f"/v2/{content.name()}/manifests/latest")
    assert answer.status_code == 404
    assert answer.content == b""


def test_configured_headers_are_on_every_answer(serve):
    _, client = serve({"http": {"headers": {"X-Content-Type-Options": ["nosniff"], "X-Two": ["a", "b"]}}})
    for path in ("/v2/", "/v2/x/tags/list", "/unknown"):
        answer = client.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Two"] == "a, b"
