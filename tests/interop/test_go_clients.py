# SPDX-License-Identifier: Apache-2.0
"""crane, regctl, oras and helm: images, artifacts and charts."""
import filecmp
import json

import pytest

import content
import goclients
import images
from clients import Tool
from conftest import PASSWORD, USER

pytestmark = pytest.mark.go_client


@pytest.fixture(name="home")
def home_fixture(tmp_path):
    """An environment whose configuration files are the test's own."""
    home = tmp_path / "home"
    home.mkdir()
    return {"HOME": str(home), "DOCKER_CONFIG": str(home / "docker"), "XDG_CONFIG_HOME": str(home),
            "XDG_CACHE_HOME": str(home), "XDG_DATA_HOME": str(home)}


# ---- crane

@pytest.fixture(name="crane")
def crane_fixture(registry, home):
    """crane, logged in."""
    tool = Tool(goclients.need("crane"), env=home)
    tool("auth", "login", registry, "-u", USER, "-p", PASSWORD)
    return tool


@pytest.mark.parametrize("which", ["debian", "platforms"])
def test_crane_pushes_validates_and_pulls(crane, registry, tmp_path, request, which):
    layout = request.getfixturevalue(which)
    name = f"{registry}/{content.name('crane')}"
    crane("push", *(["--index"] if which == "platforms" else []), layout, f"{name}:1.0")
    digest, _ = images.top(layout)
    if which == "debian":
        assert crane.out("digest", f"{name}:1.0") == digest
    crane("validate", "--remote", f"{name}:1.0")
    crane("pull", "--format=oci", f"{name}:1.0", tmp_path / "back")
    assert set(images.blobs_of(layout)) <= set(images.blobs_of(tmp_path / "back"))
    assert all(name == real for name, real in images.blobs_of(tmp_path / "back").items())


def test_crane_lists_tags_copies_and_deletes(crane, registry, platforms):
    repo, copy = content.name("crane"), content.name("copy")
    name = f"{registry}/{repo}"
    crane("push", "--index", platforms, f"{name}:1.0")
    for tag in ("1", "latest"):
        crane("tag", f"{name}:1.0", tag)
    assert crane.out("ls", name).split() == ["1", "1.0", "latest"]
    assert repo in crane.out("catalog", registry).split()
    crane("copy", f"{name}:1.0", f"{registry}/{copy}:1.0")
    digest = crane.out("digest", f"{name}:1.0")
    assert crane.out("digest", f"{registry}/{copy}:1.0") == digest
    crane("delete", f"{name}@{digest}")
    assert "MANIFEST_UNKNOWN" in crane.fails("manifest", f"{name}:1.0")
    assert crane.out("digest", f"{registry}/{copy}:1.0") == digest


# ---- regctl

@pytest.fixture(name="regctl")
def regctl_fixture(registry, home):
    """regctl, logged in."""
    tool = Tool(goclients.need("regctl"), env=home)
    tool("registry", "set", "--skip-check", "--tls=disabled", registry)
    tool("registry", "login", "-u", USER, "--pass-stdin", registry, text=PASSWORD)
    return tool


def test_regctl_copies_in_and_out_byte_for_byte(regctl, registry, debian, tmp_path):
    name = f"{registry}/{content.name('regctl')}"
    regctl("image", "copy", f"ocidir://{debian}:latest", f"{name}:1.0")
    assert regctl.out("image", "digest", f"{name}:1.0") == images.top(debian)[0]
    regctl("image", "copy", f"{name}:1.0", f"ocidir://{tmp_path / 'back'}:latest")
    assert images.blobs_of(tmp_path / "back") == images.blobs_of(debian)


def test_regctl_lists_and_deletes_tags(regctl, registry, platforms, api):
    repo = content.name("regctl")
    for tag in ("1", "2", "3"):
        regctl("image", "copy", f"ocidir://{platforms}:latest", f"{registry}/{repo}:{tag}")
    regctl("tag", "delete", f"{registry}/{repo}:2")
    assert regctl.out("tag", "ls", f"{registry}/{repo}").split() == ["1", "3"]
    assert api.get_manifest(repo, images.top(platforms)[0]).status_code == 200
    assert repo in regctl.out("repo", "ls", registry).split()


def test_regctl_attaches_artifacts_and_finds_them(regctl, registry, platforms, tmp_path):
    name = f"{registry}/{content.name('regctl')}:1.0"
    regctl("image", "copy", f"ocidir://{platforms}:latest", name)
    (tmp_path / "sbom.json").write_text('{"made": "here"}')
    for kind in ("application/x.sbom", "application/x.scan"):
        regctl("artifact", "put", "--artifact-type", kind, "--subject", name, "-f", tmp_path / "sbom.json")
    listed = json.loads(regctl.out("artifact", "list", "--format", "{{jsonPretty .}}", "--filter-artifact-type",
                                   "application/x.sbom", name))
    assert [entry["artifactType"] for entry in listed["descriptors"]] == ["application/x.sbom"]
    assert json.loads(regctl.out("artifact", "get", "--subject", name, "--filter-artifact-type",
                                 "application/x.sbom")) == {"made": "here"}


# ---- oras

@pytest.fixture(name="oras")
def oras_fixture(registry, home, tmp_path):
    """oras, logged in."""
    tool = Tool(goclients.need("oras"), env=home, folder=tmp_path)
    tool("login", "--plain-http", "-u", USER, "--password-stdin", registry, text=PASSWORD)
    return tool


def test_oras_pushes_and_pulls_files(oras, registry, tmp_path):
    name = f"{registry}/{content.name('oras')}:v1"
    (tmp_path / "data.bin").write_bytes(content.noise(3 << 20))
    (tmp_path / "note.txt").write_text("hello\n")
    oras("push", "--plain-http", "--artifact-type", "application/x.example", name, "data.bin:application/x.data",
         "note.txt:text/plain")
    oras("pull", "--plain-http", "-o", "back", name)
    for file in ("data.bin", "note.txt"):
        assert filecmp.cmp(tmp_path / file, tmp_path / "back" / file, shallow=False)


def test_oras_attaches_discovers_and_copies_with_referrers(oras, registry, tmp_path, api):
    repo, copy = content.name("oras"), content.name("copy")
    name = f"{registry}/{repo}:v1"
    (tmp_path / "app").write_text("an application\n")
    (tmp_path / "sbom.json").write_text("{}\n")
    oras("push", "--plain-http", name, "app")
    for kind in ("application/x.sbom", "application/x.signature"):
        oras("attach", "--plain-http", "--artifact-type", kind, "--annotation", f"kind={kind}", name, "sbom.json")
    found = json.loads(oras.out("discover", "--plain-http", "--format", "json", name))
    listed = found.get("referrers") or found.get("manifests")
    assert sorted(entry["artifactType"] for entry in listed) == ["application/x.sbom", "application/x.signature"]
    found = json.loads(oras.out("discover", "--plain-http", "--format", "json", "--artifact-type", "application/x.sbom",
                                name))
    assert len(found.get("referrers") or found.get("manifests")) == 1
    oras("cp", "-r", "--from-plain-http", "--to-plain-http", name, f"{registry}/{copy}:v1")
    digest = api.get_manifest(copy, "v1").headers["Docker-Content-Digest"]
    assert len(api.get(f"/v2/{copy}/referrers/{digest}").json()["manifests"]) == 2


def test_oras_manages_tags_and_manifests(oras, registry, tmp_path):
    repo = f"{registry}/{content.name('oras')}"
    (tmp_path / "app").write_text("an application\n")
    oras("push", "--plain-http", f"{repo}:v1,v2,v3", "app")
    assert oras.out("repo", "tags", "--plain-http", repo).split() == ["v1", "v2", "v3"]
    oras("tag", "--plain-http", f"{repo}:v1", "stable")
    digest = json.loads(oras.out("manifest", "fetch", "--plain-http", "--descriptor", f"{repo}:stable"))["digest"]
    oras("manifest", "delete", "--plain-http", "--force", f"{repo}@{digest}")
    assert "not found" in oras.fails("manifest", "fetch", "--plain-http", f"{repo}:stable")


# ---- helm

def test_helm_pushes_and_pulls_charts(registry, home, tmp_path):
    helm = Tool(goclients.need("helm"), env=home, folder=tmp_path)
    helm("registry", "login", "--plain-http", "-u", USER, "--password-stdin", registry, text=PASSWORD)
    helm("create", "mychart")
    helm("package", "mychart", "--version", "1.2.3+build.4")
    archive = tmp_path / "mychart-1.2.3+build.4.tgz"
    (tmp_path / "back").mkdir()
    target = f"oci://{registry}/{content.name('charts')}"
    helm("push", "--plain-http", archive, target)
    helm("pull", "--plain-http", f"{target}/mychart", "--version", "1.2.3+build.4", "-d", tmp_path / "back")
    assert filecmp.cmp(archive, tmp_path / "back" / archive.name, shallow=False)
    assert "version: 1.2.3" in helm.out("show", "chart", "--plain-http", f"{target}/mychart", "--version", "1.2.3+build.4")
