# SPDX-License-Identifier: Apache-2.0
"""The air-gap path with real clients: what they save is imported, what is exported they load."""
import gzip
import hashlib
import json
import shutil

import pytest

import archives
import content
import goclients
import images
import server
from clients import Tool, need
from conftest import PASSWORD, USER
# Fixtures of other modules:
from test_containerd import ctr_fixture  # pylint: disable=unused-import
from test_containers import podman_fixture, storage_fixture  # pylint: disable=unused-import
from test_docker import context_fixture, daemon_fixture, docker_fixture, push  # pylint: disable=unused-import


@pytest.fixture(name="berth")
def berth_fixture(registry_server):
    """Commands on the running registry; they must succeed: what was said."""
    def command(*words):
        done = server.run(*words, registry_server.config_path, seconds=600)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout
    return command


def imported(berth, archive, *options):
    """Imports an archive: {name: digest}."""
    lines = berth("import", "-i", archive, *options).splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


def diff_ids(api, repo, tag):
    """The digests of the tars of an image's layers, and its config's digest."""
    manifest = api.get_manifest(repo, tag).json()
    found = []
    for layer in manifest["layers"]:
        body = api.get(f"/v2/{repo}/blobs/{layer['digest']}").content
        found.append("sha256:" + hashlib.sha256(gzip.decompress(body) if layer["mediaType"].endswith("gzip") else body)
                     .hexdigest())
    return manifest["config"]["digest"], found


def seed(layout, name):
    """Puts a layout into the registry."""
    Tool(need("skopeo"))("copy", "--all", "--preserve-digests", "--dest-tls-verify=false",
                         f"--dest-creds={USER}:{PASSWORD}", f"oci:{layout}:latest", f"docker://{name}")


# ---- docker

def test_what_docker_saves_is_imported_and_what_is_exported_docker_loads(docker, berth, registry, context, tmp_path, api):
    repo = content.name("saved")
    docker("build", "-q", "-t", f"{repo}:1.0", context)
    docker("tag", f"{repo}:1.0", f"{registry}/{repo}:other")
    identity = docker.out("image", "inspect", "-f", "{{.Id}}", f"{repo}:1.0")
    docker("save", "-o", tmp_path / "saved.tar", f"{repo}:1.0", f"{registry}/{repo}:other")
    found = imported(berth, tmp_path / "saved.tar")
    assert set(found) == {f"{repo}:1.0", f"{repo}:other"}
    assert diff_ids(api, repo, "1.0") == archives.docker_archive(tmp_path / "saved.tar")
    docker("rmi", "-f", identity)
    docker("pull", f"{registry}/{repo}:1.0")
    assert docker.out("image", "inspect", "-f", "{{.Id}}", f"{registry}/{repo}:1.0") == identity
    docker("rmi", "-f", identity)
    for form in ("exported.tar", "exported.tar.gz"):
        berth("export", "--oci", tmp_path / form, "-i", f"{repo}:1.0")
        docker("load", "-i", tmp_path / form)
        assert docker.out("image", "inspect", "-f", "{{.Id}}", f"{repo}:1.0") == identity
        docker("rmi", "-f", identity)


# ---- podman and skopeo

@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
def test_what_podman_saves_is_imported(podman, berth, registry, debian, tmp_path, api, form):
    repo, target = content.name("podman"), content.name("target")
    seed(debian, f"{registry}/{repo}:1.0")
    podman("pull", "-q", "--tls-verify=false", f"{registry}/{repo}:1.0")
    podman("save", "-q", "--format", form, "-o", tmp_path / "saved", f"{registry}/{repo}:1.0")
    found = imported(berth, tmp_path / "saved", "-n", f"{target}:2.0")
    assert set(found) == {f"{target}:2.0"}
    config, value = images.config_of(debian)
    assert diff_ids(api, target, "2.0") == (config, value["rootfs"]["diff_ids"])


def test_podman_loads_what_is_exported(podman, berth, registry, debian, tmp_path):
    repo = content.name("exported")
    seed(debian, f"{registry}/{repo}:1.0")
    berth("export", "--oci", tmp_path / "exported.tar", "-i", f"{repo}:1.0")
    podman("load", "-q", "-i", tmp_path / "exported.tar")
    listed = json.loads(podman.out("images", "--format", "json"))
    assert "sha256:" + listed[0]["Id"] == images.config_of(debian)[0]
    assert any(name.endswith(f"{repo}:1.0") for name in listed[0]["Names"]), listed


@pytest.mark.parametrize("which", ["debian", "platforms"])
def test_a_round_trip_by_skopeo(berth, registry, tmp_path, request, which):
    layout, repo, back = request.getfixturevalue(which), content.name("round"), content.name("back")
    seed(layout, f"{registry}/{repo}:1.0")
    berth("export", "--oci", tmp_path / "out.tar", "-i", f"{repo}:1.0")
    Tool(need("skopeo"))("copy", "--all", "--preserve-digests", f"oci-archive:{tmp_path}/out.tar:1.0",
                         f"oci:{tmp_path}/unpacked:latest")
    images.same(layout, tmp_path / "unpacked")
    digest = images.top(layout)[0]
    assert imported(berth, tmp_path / "out.tar", "-n", back) == {f"{back}:1.0": digest}
    shutil.rmtree(tmp_path / "unpacked")


# ---- containerd

@pytest.mark.parametrize("platforms_too", [True, False], ids=["all platforms", "one platform"])
def test_what_ctr_exports_is_imported(ctr, berth, registry, platforms, tmp_path, api, platforms_too):
    repo, target = content.name("ctr"), content.name("target")
    name = f"{registry}/{repo}:1.0"
    seed(platforms, name)
    access = ["--plain-http", "--user", f"{USER}:{PASSWORD}"]
    ctr("content", "fetch", *access, *(["--all-platforms"] if platforms_too else ["--platform", "linux/amd64"]), name)
    ctr("images", "export", *(["--all-platforms"] if platforms_too else ["--platform", "linux/amd64"]),
        tmp_path / "exported.tar", name)
    ctr("images", "rm", name)
    found = imported(berth, tmp_path / "exported.tar", "-n", target)
    top, manifest = images.top(platforms)
    child = next(entry["digest"] for entry in json.loads(manifest)["manifests"]
                 if entry["platform"]["architecture"] == "amd64")
    assert found == {f"{target}:1.0": top if platforms_too else child}
    assert api.get_manifest(target, "1.0").headers["Docker-Content-Digest"] == found[f"{target}:1.0"]


def test_ctr_imports_what_is_exported(ctr, berth, registry, platforms, tmp_path):
    repo = content.name("exported")
    seed(platforms, f"{registry}/{repo}:1.0")
    berth("export", "--oci", tmp_path / "exported.tar", "-i", f"{repo}:1.0")
    ctr("images", "import", "--all-platforms", tmp_path / "exported.tar")
    listed = {line.split()[0]: line.split()[2] for line in ctr.out("images", "ls").splitlines()[1:]}
    assert listed[f"{repo}:1.0"] == images.top(platforms)[0]
    ctr("images", "rm", f"{repo}:1.0")


# ---- clients written in Go

@pytest.fixture(name="go")
def go_fixture(registry, tmp_path):
    """A client, logged in: go(name)."""
    home = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "docker")}

    def tool(name):
        client = Tool(goclients.need(name), env=home)
        login = {"crane": ["auth", "login", registry, "-u", USER, "-p", PASSWORD],
                 "oras": ["login", "--plain-http", registry, "-u", USER, "-p", PASSWORD],
                 "regctl": ["registry", "login", registry, "-u", USER, "-p", PASSWORD]}
        if name == "regctl":
            client("registry", "set", "--tls", "disabled", registry)
        client(*login[name])
        return client
    return tool


@pytest.mark.go_client
@pytest.mark.parametrize("form", ["tarball", "oci"])
def test_what_crane_pulls_is_imported(go, berth, registry, debian, tmp_path, api, form):
    repo, target = content.name("crane"), content.name("target")
    seed(debian, f"{registry}/{repo}:1.0")
    go("crane")("pull", f"--format={form}", f"{registry}/{repo}:1.0", tmp_path / "pulled")
    found = imported(berth, tmp_path / "pulled", "-n", f"{target}:1.0")
    config, value = images.config_of(debian)
    assert diff_ids(api, target, "1.0") == (config, value["rootfs"]["diff_ids"])
    assert form == "tarball" or found == {f"{target}:1.0": images.top(debian)[0]}


@pytest.mark.go_client
def test_what_oras_and_regctl_write_is_imported(go, berth, registry, platforms, tmp_path):
    repo, target = content.name("written"), content.name("target")
    seed(platforms, f"{registry}/{repo}:1.0")
    go("oras")("copy", "--from-plain-http", "-r", "--to-oci-layout", f"{registry}/{repo}:1.0", f"{tmp_path}/oras:1.0")
    go("regctl")("image", "export", f"{registry}/{repo}:1.0", tmp_path / "regctl.tar")
    digest = images.top(platforms)[0]
    assert imported(berth, tmp_path / "oras", "-n", target) == {f"{target}:1.0": digest}
    assert imported(berth, tmp_path / "regctl.tar", "-n", f"{target}:2.0") == {f"{target}:2.0": digest}
