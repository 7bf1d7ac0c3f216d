# SPDX-License-Identifier: Apache-2.0
"""podman and buildah: login, build, push, pull, manifest lists."""
import json
import tempfile

import pytest

import content
import images
import mounts
from clients import Tool, need, need_root
from conftest import PASSWORD, USER

PLAIN = "--tls-verify=false"


@pytest.fixture(name="storage")
def storage_fixture(tmp_path):
    """Arguments that keep podman and buildah in folders of their own; the second must have a short name."""
    with tempfile.TemporaryDirectory(prefix="run-") as short:
        yield ["--root", tmp_path / "storage", "--runroot", short, "--storage-driver", "vfs"]
    mounts.remove(tmp_path / "storage")


def logged_in(program, storage, registry, tmp_path):
    """The client, logged in."""
    need_root(program)
    tool = Tool(need(program), *storage, env={"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json"),
                                              "TMPDIR": str(tmp_path), "BUILDAH_ISOLATION": "chroot"})
    tool("login", PLAIN, "-u", USER, "-p", PASSWORD, registry)
    return tool


@pytest.fixture(name="podman")
def podman_fixture(storage, registry, tmp_path):
    """podman, logged in."""
    return logged_in("podman", storage, registry, tmp_path)


@pytest.fixture(name="buildah")
def buildah_fixture(storage, registry, tmp_path):
    """buildah, logged in."""
    return logged_in("buildah", storage, registry, tmp_path)


def test_podman_pulls_what_is_there_and_pushes_it_elsewhere(podman, registry, debian, tmp_path, api):
    repo, copy = content.name("podman"), content.name("copy")
    name = f"{registry}/{repo}"
    Tool(need("skopeo"))("copy", "--preserve-digests", "--dest-tls-verify=false", f"--dest-creds={USER}:{PASSWORD}",
                         f"oci:{debian}:latest", f"docker://{name}:1.0")
    digest, _ = images.top(debian)
    config, value = images.config_of(debian)
    for reference in (":1.0", f"@{digest}"):
        podman("pull", "-q", PLAIN, f"{name}{reference}")
        assert "sha256:" + podman.out("image", "inspect", "-f", "{{.Id}}", f"{name}{reference}") == config
        assert podman.out("image", "inspect", "-f", "{{.Digest}}", f"{name}{reference}") == digest
    podman("save", "-q", "--format", "oci-dir", "-o", tmp_path / "saved", f"{name}:1.0")
    saved = images.blobs_of(tmp_path / "saved")
    assert all(blob == real for blob, real in saved.items()) and config in saved
    for form, media_type in (("oci", content.OCI_MANIFEST), ("v2s2", content.DOCKER_MANIFEST)):
        podman("push", "-q", PLAIN, "--format", form, f"{name}:1.0", f"{registry}/{copy}:{form}")
        answer = api.get_manifest(copy, form)
        assert answer.headers["Content-Type"] == media_type
        assert len(answer.json()["layers"]) == len(value["rootfs"]["diff_ids"])
    podman("rmi", "-a", "-f")
    podman("pull", "-q", PLAIN, f"{registry}/{copy}:oci")
    layers = json.loads(podman.out("image", "inspect", "-f", "{{json .RootFS.Layers}}", f"{registry}/{copy}:oci"))
    assert layers == value["rootfs"]["diff_ids"]


def test_podman_is_refused_after_logout(podman, registry):
    podman("logout", registry)
    said = podman.fails("pull", "-q", PLAIN, f"{registry}/{content.name('private')}:1")
    assert "unauthorized" in said or "authentication required" in said


def test_buildah_builds_and_pushes(buildah, registry, tmp_path, api):
    repo = content.name("buildah")
    (tmp_path / "file").write_text("built by buildah\n")
    container = buildah.out("from", "scratch")
    buildah("copy", container, tmp_path / "file", "/file")
    buildah("copy", container, images.noise_file(), "/noise")
    buildah("config", "--cmd", "/file", "--label", "made.by=buildah", container)
    buildah("commit", "-q", container, f"{registry}/{repo}:1.0")
    buildah("push", "-q", PLAIN, "--digestfile", tmp_path / "digest", f"{registry}/{repo}:1.0")
    answer = api.get_manifest(repo, "1.0")
    assert answer.headers["Docker-Content-Digest"] == (tmp_path / "digest").read_text()
    for layer in answer.json()["layers"]:
        assert content.digest(api.get(f"/v2/{repo}/blobs/{layer['digest']}").content) == layer["digest"]
    buildah("rmi", "-a", "-f")
    buildah("pull", "-q", PLAIN, f"{registry}/{repo}:1.0")


def test_buildah_pushes_a_manifest_list_with_all_its_images(buildah, registry, tmp_path, api):
    repo = content.name("list")
    buildah("manifest", "create", "local")
    for machine in ("amd64", "arm64"):
        container = buildah.out("from", "--arch", machine, "scratch")
        (tmp_path / machine).write_text(machine)
        buildah("copy", container, tmp_path / machine, "/machine")
        buildah("commit", "-q", "--manifest", "local", container)
    buildah("manifest", "push", "-q", PLAIN, "--all", "local", f"docker://{registry}/{repo}:1.0")
    value = api.get_manifest(repo, "1.0").json()
    assert sorted(entry["platform"]["architecture"] for entry in value["manifests"]) == ["amd64", "arm64"]
    for entry in value["manifests"]:
        assert api.get_manifest(repo, entry["digest"]).status_code == 200
