# SPDX-License-Identifier: Apache-2.0
"""What it says when it cannot start: the mistake, the place, the way out."""
import os
import pathlib
import shutil
import socket
import tempfile
import time

import pytest

from client import Client
from server import Server, binary, run

HEAD = "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {root}\n"


def refused(tmp_path, text, env=None):
    """Starts with this configuration; it must end with an error: what it says."""
    path = tmp_path / "config.yml"
    path.write_text(text.format(root=tmp_path / "root"))
    done = run("serve", path, env=env, folder=tmp_path, seconds=30)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize("text, words", [
    ("", ["config.yml", "version"]),
    ("storage:\n  filesystem: {{}}\n", ["version"]),
    ("version: 9.9\n", ["config.yml:1", "version", "0.1"]),
    (HEAD + "http:\n  adr: :5000\n", ["config.yml:6", "adr", "addr"]),
    (HEAD + "http:\n  addr: [1, 2]\n", ["config.yml:6", "http.addr"]),
    (HEAD + "http:\n  addr: 127.0.0.1:99999\n", ["addr", "99999"]),
    (HEAD + "http:\n  addr: nonsense\n", ["addr", "nonsense"]),
    (HEAD + "log:\n  level: loud\n", ["config.yml:6", "log.level", "loud"]),
    (HEAD + "http:\n  draintimeout: soon\n", ["config.yml:6", "http.draintimeout", "soon"]),
    (HEAD + "http:\n  tls:\n    certificate: x.crt\n", ["http.tls", "key"]),
    (HEAD + "auth:\n  htpasswd: {{realm: a, path: b}}\n  silly: {{realm: a, service: b}}\n", ["auth", "htpasswd", "silly"]),
    (HEAD + "auth:\n  htpasswd:\n    realm: a\n", ["auth.htpasswd", "path"]),
    (HEAD + "auth:\n  token: {{realm: a, service: b, issuer: c}}\n", ["auth.token", "rootcertbundle"]),
    (HEAD + "  inmemory: {{}}\n", ["storage", "inmemory"]),
    (HEAD + "  s3: {{region: a, bucket: b}}\n", ["storage", "s3"]),
    (HEAD + "http:\n  addr: x\n addr: y\n", ["config.yml:7"]),
    (HEAD + "http: {{addr: 'x\n", ["config.yml"]),
    (HEAD + "\tlog: x\n", ["config.yml:5"]),
    (HEAD + "catalog:\n  maxentries: many\n", ["config.yml:6", "catalog.maxentries"]),
    (HEAD + "validation:\n  manifests:\n    urls:\n      allow: ['(']\n", ["config.yml:8", "("]),
], ids=range(20))
def test_a_mistake_in_the_file_is_told_with_its_line(tmp_path, text, words):
    said = refused(tmp_path, text)
    for word in words:
        assert word in said, said


@pytest.mark.parametrize("name, value, words", [
    ("REGISTRY_HTTP_DRAINTIMEOUT", "soon", ["REGISTRY_HTTP_DRAINTIMEOUT", "soon"]),
    ("REGISTRY_LOG_LEVEL", "loud", ["REGISTRY_LOG_LEVEL", "loud"]),
    ("REGISTRY_STORAGE_DELETE_ENABLED", "perhaps", ["REGISTRY_STORAGE_DELETE_ENABLED"]),
])
def test_a_mistake_in_the_environment_is_told_with_its_name(tmp_path, name, value, words):
    said = refused(tmp_path, HEAD, env={name: value})
    for word in words:
        assert word in said, said


def test_a_file_that_is_not_there_is_named(tmp_path):
    done = run("serve", tmp_path / "none.yml")
    assert done.returncode != 0 and "none.yml" in done.stderr


def test_a_port_in_use_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path, HEAD + f"http:\n  addr: 127.0.0.1:{port}\n")
    assert f"127.0.0.1:{port}" in said
    assert "in use" in said


def test_an_address_that_is_not_ours_is_named(tmp_path):
    said = refused(tmp_path, HEAD + "http:\n  addr: 192.0.2.1:5000\n")
    assert "192.0.2.1:5000" in said


def test_a_storage_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "root").write_text("not a folder")
    assert str(tmp_path / "root") in refused(tmp_path, HEAD)


def test_a_storage_folder_that_may_not_be_used_is_named():
    """As nobody, where the tests run as root."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="berth-test-"))
    try:
        folder.chmod(0o755)
        root = folder / "root"
        root.mkdir(mode=0o700)
        shutil.copy(binary(), folder / "berth")
        server = Server(folder / "server", {"storage": {"filesystem": {"rootdirectory": str(root)}}})
        if os.getuid() == 0:
            if not shutil.which("setpriv"):
                pytest.skip("setpriv is not installed, and root may use every folder")
            server.wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
        else:
            root.chmod(0)
        os.environ["BERTH"], kept = str(folder / "berth"), os.environ.get("BERTH", "")
        try:
            server.launch()
        finally:
            os.environ["BERTH"] = kept or str(binary())
        assert server.process.wait(30) != 0
        assert str(root) in server.text() and "ermission" in server.text(), server.text()
    finally:
        shutil.rmtree(folder)


def test_two_servers_do_not_share_a_folder_by_accident_or_do_it_well(tmp_path):
    first = Server(tmp_path / "a").start()
    second = Server(tmp_path / "b", {"storage": {"filesystem": {"rootdirectory": str(first.root)}}}).launch()
    try:
        deadline = 100
        while second.process.poll() is None and not second.answers() and deadline:
            deadline -= 1
            time.sleep(0.1)
        if second.process.poll() is None:
            digest, data = Client(first.url).push_image("a/b", "v1")
            assert Client(second.url).get_manifest("a/b", digest).content == data
        else:
            assert second.process.returncode != 0 and str(first.root) in second.text()
            second.process = None
    finally:
        second.stop()
        first.stop()


@pytest.mark.parametrize("name, value", [
    ("REGISTRY_HTTP_HEADERS_X-One", "[a]"), ("REGISTRY_HTTP_HEADERS", "{X-One: [a]}"),
])
def test_the_environment_wins_over_the_file(tmp_path, name, value):
    with Server(tmp_path / "server", env={name: value}) as server:
        headers = {key.lower(): text for key, text in Client(server.url).get("/v2/").headers.items()}
        assert headers["x-one"] == "a"


def test_the_storage_folder_may_come_from_the_environment(tmp_path):
    other = tmp_path / "elsewhere"
    with Server(tmp_path / "server", env={"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(other)}) as server:
        digest = Client(server.url).push_blob("a/b", b"somewhere")
    assert list(other.rglob(f"*{digest.split(':')[1]}*"))
    assert not server.root.exists()


def test_the_path_of_the_file_may_come_from_the_environment(tmp_path):
    path = tmp_path / "config.yml"
    path.write_text("version: 0.1\nlog: {level: loud}\n")
    done = run("serve", env={"REGISTRY_CONFIGURATION_PATH": str(path)}, folder=tmp_path)
    assert done.returncode != 0 and "loud" in done.stderr


def test_the_sample_file_of_the_field_is_taken_whole(tmp_path):
    """The configuration that guides print, with what has no effect here."""
    server = Server(tmp_path / "server", {
        "log": {"fields": {"service": "registry", "environment": "test"}, "accesslog": {"disabled": False}},
        "storage": {"cache": {"blobdescriptor": "inmemory"}, "redirect": {"disable": True}},
        "http": {"headers": {"X-Content-Type-Options": ["nosniff"]}, "secret": "asecretforlocaldevelopment"},
        "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
    })
    with server:
        assert Client(server.url).get("/v2/").headers["X-Content-Type-Options"] == "nosniff"
        assert "service=registry" in server.text()
