# SPDX-License-Identifier: Apache-2.0
"""docker with a daemon of its own: login, build, push, pull by tag and by digest, logout."""
import json
import re
import shutil
import subprocess
import time

import pytest

import archives
import content
import images
import mounts
from clients import Tool, need, need_root
from conftest import PASSWORD, USER

DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


def start_daemon(folder, driver):
    """Starts a dockerd in folders of its own, without networks: (process, address, log)."""
    address, log = f"unix://{folder}/docker.sock", folder / f"{driver}.log"
    with open(log, "wb") as out:
        process = subprocess.Popen(
            [*mounts.apart(), need("dockerd"), "--iptables=false", "--ip6tables=false", "--bridge=none", f"--storage-driver={driver}",
             f"--data-root={folder}/{driver}", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid",
             f"--host={address}"], stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    docker = Tool(need("docker"), "--host", address)
    deadline = time.monotonic() + 60
    while process.poll() is None and docker.run("version")[0] != 0:
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)
    return process, address, log


@pytest.fixture(scope="module", name="daemon")
def daemon_fixture(tmp_path_factory):
    """A dockerd that touches nothing of the machine; with overlay2 where the kernel and disk allow it."""
    need("dockerd")
    need_root("dockerd")
    folder = tmp_path_factory.mktemp("dockerd")
    for driver in ("overlay2", "vfs"):
        process, address, log = start_daemon(folder, driver)
        if process.poll() is None:
            break
    else:
        pytest.skip(f"dockerd does not run here: {log.read_text()[-500:]}")
    yield address
    process.terminate()
    process.wait(60)
    mounts.remove(folder)


@pytest.fixture(name="docker")
def docker_fixture(daemon, registry, tmp_path):
    """docker, logged in."""
    tool = Tool(need("docker"), "--host", daemon, "--config", tmp_path / "config", env={"DOCKER_BUILDKIT": "0"})
    tool("login", "-u", USER, "--password-stdin", registry, text=PASSWORD)
    return tool


@pytest.fixture(scope="module", name="context")
def context_fixture(tmp_path_factory, daemon):
    """A build of several layers over 100 MB, without a network."""
    assert daemon
    folder = tmp_path_factory.mktemp("context")
    shutil.copy(images.root_file_system(), folder / "debian.tar")
    shutil.copy(images.noise_file(), folder / "noise")
    (folder / "Dockerfile").write_text(
        "FROM scratch\nADD debian.tar /\nCOPY noise /usr/share/noise\nCOPY Dockerfile /\nENV A=b\nCMD [\"/bin/sh\"]\n")
    yield folder
    shutil.rmtree(folder)


def push(docker, name):
    """Pushes: the digest that docker tells."""
    return DIGEST.search(docker("push", name))[1]


def test_a_built_image_goes_round(docker, registry, context, tmp_path, api):
    repo = content.name("docker")
    name = f"{registry}/{repo}"
    docker("build", "-q", "-t", f"{name}:1.0.0", context)
    digest = push(docker, f"{name}:1.0.0")
    identity = docker.out("image", "inspect", "-f", "{{.Id}}", f"{name}:1.0.0")
    layers = json.loads(docker.out("image", "inspect", "-f", "{{json .RootFS.Layers}}", f"{name}:1.0.0"))
    assert api.get_manifest(repo, "1.0.0").headers["Docker-Content-Digest"] == digest
    for reference in (":1.0.0", f"@{digest}"):
        docker("rmi", "-f", identity)
        docker("pull", f"{name}{reference}")
        assert docker.out("image", "inspect", "-f", "{{.Id}}", f"{name}{reference}") == identity
    docker("save", "-o", tmp_path / "saved.tar", f"{name}@{digest}")
    assert archives.docker_archive(tmp_path / "saved.tar") == (identity, layers)
    (tmp_path / "saved.tar").unlink()
    docker("tag", identity, f"{name}:1.0")
    docker("tag", identity, f"{name}:latest")
    assert push(docker, f"{name}:1.0") == digest == push(docker, f"{name}:latest")
    other = f"{registry}/{content.name('other')}"
    docker("tag", identity, f"{other}:1.0")
    said = docker("push", f"{other}:1.0")
    assert "Mounted from" in said and DIGEST.search(said)[1] == digest
    docker("rmi", "-f", identity)


def test_an_image_of_another_client_is_pulled(docker, registry, debian, tmp_path):
    name = f"{registry}/{content.name('pulled')}"
    skopeo = Tool(need("skopeo"))
    skopeo("copy", "--preserve-digests", "--dest-tls-verify=false", f"--dest-creds={USER}:{PASSWORD}",
           f"oci:{debian}:latest", f"docker://{name}:1.0")
    said = docker("pull", f"{name}:1.0")
    assert images.top(debian)[0] in said
    docker("save", "-o", tmp_path / "saved.tar", f"{name}:1.0")
    config, value = images.config_of(debian)
    assert archives.docker_archive(tmp_path / "saved.tar") == (config, value["rootfs"]["diff_ids"])
    docker("rmi", "-f", config)


def test_the_right_platform_of_an_index_is_pulled(docker, registry, platforms):
    name = f"{registry}/{content.name('platforms')}"
    Tool(need("skopeo"))("copy", "--all", "--preserve-digests", "--dest-tls-verify=false",
                         f"--dest-creds={USER}:{PASSWORD}", f"oci:{platforms}:latest", f"docker://{name}:1.0")
    for platform, machine in (("linux/amd64", "amd64"), ("linux/arm64", "arm64"), ("linux/arm/v7", "arm")):
        docker("pull", "--platform", platform, f"{name}:1.0")
        assert docker.out("image", "inspect", "-f", "{{.Architecture}}", f"{name}:1.0") == machine


def test_manifest_lists_are_made_and_pushed(docker, registry, tmp_path, api):
    repo = content.name("list")
    name = f"{registry}/{repo}"
    for machine in ("amd64", "arm64"):
        (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY Dockerfile /{machine}\n")
        docker("build", "-q", "-t", f"{name}:{machine}", tmp_path)
        push(docker, f"{name}:{machine}")
    docker("manifest", "create", "--insecure", f"{name}:1.0", f"{name}:amd64", f"{name}:arm64")
    docker("manifest", "annotate", "--arch", "arm64", f"{name}:1.0", f"{name}:arm64")
    docker("manifest", "push", "--insecure", f"{name}:1.0")
    answer = api.get_manifest(repo, "1.0")
    assert answer.headers["Content-Type"] == content.DOCKER_LIST
    assert [entry["platform"]["architecture"] for entry in answer.json()["manifests"]] == ["amd64", "arm64"]


def test_many_images_at_once(docker, registry, tmp_path):
    names = []
    for number in range(8):
        (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY Dockerfile /{number}\n")
        names.append(f"{registry}/{content.name('many')}:1")
        docker("build", "-q", "-t", names[-1], tmp_path)
    running = [subprocess.Popen([docker.path, *docker.common, "push", "-q", name], stdout=subprocess.DEVNULL)
               for name in names]
    assert [process.wait(120) for process in running] == [0] * len(names)
    docker("rmi", "-f", *names)
    for name in names:
        docker("pull", "-q", name)


def test_after_logout_nothing_is_pulled_or_pushed(docker, registry, tmp_path):
    name = f"{registry}/{content.name('private')}:1"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /private\n")
    docker("build", "-q", "-t", name, tmp_path)
    push(docker, name)
    docker("logout", registry)
    docker("rmi", "-f", name)
    assert "no basic auth credentials" in docker.fails("pull", name)
    docker("build", "-q", "-t", name, tmp_path)
    assert "no basic auth credentials" in docker.fails("push", name)


def test_a_wrong_password_is_told(docker, registry):
    said = docker.fails("login", "-u", USER, "--password-stdin", registry, text="wrong")
    assert "unauthorized" in said.lower()
