# SPDX-License-Identifier: Apache-2.0
"""skopeo: images go in and come out byte for byte; inspecting, listing, syncing, deleting."""
import json
import shutil

import pytest

import content
import images
from clients import Tool, need
from conftest import PASSWORD, USER

PLAIN_SOURCE, PLAIN_TARGET = "--src-tls-verify=false", "--dest-tls-verify=false"


@pytest.fixture(name="skopeo")
def skopeo_fixture(registry, tmp_path):
    """skopeo, logged in."""
    tool = Tool(need("skopeo"), env={"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")})
    tool("login", "--tls-verify=false", "-u", USER, "-p", PASSWORD, registry)
    return tool


@pytest.mark.parametrize("which", ["debian", "platforms"])
def test_an_image_comes_back_byte_for_byte(skopeo, registry, tmp_path, request, which):
    layout, name = request.getfixturevalue(which), f"{registry}/{content.name('skopeo')}"
    digest, _ = images.top(layout)
    skopeo("copy", "--all", "--preserve-digests", PLAIN_TARGET, f"oci:{layout}:latest", f"docker://{name}:1.0")
    for way, reference in (("tag", ":1.0"), ("digest", f"@{digest}")):
        back = tmp_path / way
        skopeo("copy", "--all", "--preserve-digests", PLAIN_SOURCE, f"docker://{name}{reference}", f"oci:{back}:latest")
        images.same(layout, back)


def test_a_layer_of_two_gibibytes_comes_back(skopeo, registry, tmp_path):
    layout, name = images.two_gigabytes(), f"{registry}/{content.name('large')}"
    skopeo("copy", "--preserve-digests", PLAIN_TARGET, f"oci:{layout}:latest", f"docker://{name}:1.0")
    skopeo("copy", "--preserve-digests", PLAIN_SOURCE, f"docker://{name}:1.0", f"oci:{tmp_path / 'back'}:latest")
    images.same(layout, tmp_path / "back")
    shutil.rmtree(tmp_path / "back")


def test_converting_to_docker_schema_2_on_the_way(skopeo, registry, debian):
    name = f"{registry}/{content.name('schema2')}"
    skopeo("copy", "--format", "v2s2", PLAIN_TARGET, f"oci:{debian}:latest", f"docker://{name}:1.0")
    raw = json.loads(skopeo.out("inspect", "--raw", "--tls-verify=false", f"docker://{name}:1.0"))
    assert raw["mediaType"] == content.DOCKER_MANIFEST


def test_inspect_and_list_tags(skopeo, registry, platforms, api):
    repo = content.name("inspect")
    for tag in ("b", "a", "c"):
        skopeo("copy", "--all", PLAIN_TARGET, f"oci:{platforms}:latest", f"docker://{registry}/{repo}:{tag}")
    listed = json.loads(skopeo.out("list-tags", "--tls-verify=false", f"docker://{registry}/{repo}"))
    assert listed["Tags"] == ["a", "b", "c"] == api.get(f"/v2/{repo}/tags/list").json()["tags"]
    shown = json.loads(skopeo.out("inspect", "--override-arch=arm64", "--tls-verify=false",
                                  f"docker://{registry}/{repo}:a"))
    assert (shown["Architecture"], shown["Digest"]) == ("arm64", images.top(platforms)[0])


def test_copying_within_the_registry_mounts(skopeo, registry, debian, tmp_path):
    first, second = (f"{registry}/{content.name('mount')}" for _ in range(2))
    skopeo("copy", PLAIN_TARGET, f"oci:{debian}:latest", f"docker://{first}:1.0")
    skopeo("copy", "--preserve-digests", PLAIN_SOURCE, PLAIN_TARGET, f"docker://{first}:1.0", f"docker://{second}:1.0")
    skopeo("copy", "--preserve-digests", PLAIN_SOURCE, f"docker://{second}:1.0", f"oci:{tmp_path / 'back'}:latest")
    images.same(debian, tmp_path / "back")


def test_sync_mirrors_a_repository(skopeo, registry, platforms, tmp_path, api):
    repo, mirror = content.name("sync"), content.name("mirror")
    for tag in ("1", "2"):
        skopeo("copy", "--all", PLAIN_TARGET, f"oci:{platforms}:latest", f"docker://{registry}/{repo}:{tag}")
    skopeo("sync", "--all", PLAIN_SOURCE, "--src", "docker", "--dest", "dir", f"{registry}/{repo}", tmp_path / "synced")
    skopeo("sync", "--all", PLAIN_SOURCE, PLAIN_TARGET, "--src", "docker", "--dest", "docker", f"{registry}/{repo}",
           f"{registry}/{mirror}")
    target = f"{mirror}/{repo.rsplit('/', 1)[1]}"
    assert api.get(f"/v2/{target}/tags/list").json()["tags"] == ["1", "2"]
    assert api.get_manifest(target, "1").headers["Docker-Content-Digest"] == images.top(platforms)[0]


def test_delete_removes_the_image(skopeo, registry, platforms):
    name = f"{registry}/{content.name('delete')}"
    skopeo("copy", "--all", PLAIN_TARGET, f"oci:{platforms}:latest", f"docker://{name}:1.0")
    skopeo("delete", "--tls-verify=false", f"docker://{name}:1.0")
    assert "manifest unknown" in skopeo.fails("inspect", "--tls-verify=false", f"docker://{name}:1.0")


def test_a_wrong_password_and_none_are_refused(registry, tmp_path):
    tool = Tool(need("skopeo"), env={"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")})
    said = tool.fails("list-tags", "--tls-verify=false", f"docker://{registry}/x")
    assert "unauthorized" in said or "authentication required" in said
    said = tool.fails("login", "--tls-verify=false", "-u", USER, "-p", "wrong", registry)
    assert "unauthorized" in said or "invalid username/password" in said
