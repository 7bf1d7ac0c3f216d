# SPDX-License-Identifier: Apache-2.0
"""containerd's ctr with a daemon of its own: fetch, push, pull."""
import json
import subprocess
import time

import pytest

import content
import images
import mounts
from clients import Tool, need, need_root
from conftest import PASSWORD, USER

ACCESS = ["--plain-http", "--user", f"{USER}:{PASSWORD}"]


@pytest.fixture(scope="module", name="ctr")
def ctr_fixture(tmp_path_factory):
    """ctr, and a containerd that touches nothing of the machine."""
    program = need("containerd")
    need_root("containerd")
    folder = tmp_path_factory.mktemp("containerd")
    config = folder / "config.toml"
    config.write_text(f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
                      f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\n  address = "{folder}/sock"\n'
                      f'[ttrpc]\n  address = "{folder}/ttrpc"\n')
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([*mounts.apart(), program, "--config", str(config)], stdout=log,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    tool = Tool(need("ctr"), "--address", folder / "sock", "--namespace", "test")
    deadline = time.monotonic() + 60
    while tool.run("version")[0] != 0:
        if process.poll() is not None:
            pytest.skip("containerd does not run here: " + (folder / "log").read_text()[-500:])
        assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
        time.sleep(0.2)
    yield tool
    process.terminate()
    process.wait(60)
    mounts.remove(folder)


def put(layout, name):
    """Puts a layout into the registry."""
    Tool(need("skopeo"))("copy", "--all", "--preserve-digests", "--dest-tls-verify=false",
                         f"--dest-creds={USER}:{PASSWORD}", f"oci:{layout}:latest", f"docker://{name}:1.0")


def test_an_image_is_fetched_byte_for_byte_and_pushed_back(ctr, registry, debian, api):
    name, copy = f"{registry}/{content.name('ctr')}", content.name("copy")
    put(debian, name)
    digest, manifest = images.top(debian)
    ctr("content", "fetch", *ACCESS, f"{name}:1.0")
    value = json.loads(manifest)
    for part in [value["config"]] + value["layers"][1:]:
        found = subprocess.run([ctr.path, *ctr.common, "content", "get", part["digest"]], capture_output=True, check=True)
        assert found.stdout == images.blob(debian, part["digest"])
    ctr("images", "push", *ACCESS, f"{registry}/{copy}:1.0", f"{name}:1.0")
    answer = api.get_manifest(copy, "1.0")
    assert (answer.headers["Docker-Content-Digest"], answer.content) == (digest, manifest)


def test_every_platform_of_an_index_is_fetched_and_pushed(ctr, registry, platforms, api):
    name, copy = f"{registry}/{content.name('ctr')}", content.name("copy")
    put(platforms, name)
    ctr("content", "fetch", *ACCESS, "--all-platforms", f"{name}:1.0")
    ctr("images", "push", *ACCESS, f"{registry}/{copy}:1.0", f"{name}:1.0")
    digest, manifest = images.top(platforms)
    assert api.get_manifest(copy, "1.0").headers["Docker-Content-Digest"] == digest
    for entry in json.loads(manifest)["manifests"]:
        assert content.digest(api.get_manifest(copy, entry["digest"]).content) == entry["digest"]


def test_an_image_is_pulled_and_unpacked(ctr, registry, debian):
    name = f"{registry}/{content.name('ctr')}"
    put(debian, name)
    status, said = ctr.run("images", "pull", "--snapshotter", "overlayfs", *ACCESS, f"{name}:1.0")
    if status != 0 and "overlay" in said:  # not on every disk
        ctr("images", "pull", "--snapshotter", "native", *ACCESS, f"{name}:1.0")
    else:
        assert status == 0, said[-4000:]
    assert images.top(debian)[0] in ctr("images", "list")


def test_without_a_password_nothing_is_fetched(ctr, registry, platforms):
    name = f"{registry}/{content.name('ctr')}"
    put(platforms, name)
    said = ctr.fails("content", "fetch", "--plain-http", f"{name}:1.0")
    assert "401" in said or "authorization" in said or "unauthorized" in said.lower()
