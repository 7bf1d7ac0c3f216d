# SPDX-License-Identifier: Apache-2.0
"""When the disk is full, and when what was stored is not what it was."""
import os
import subprocess

import pytest

import content
from client import Client, errors
from server import Server


@pytest.fixture(name="small_disk")
def small_disk_fixture(tmp_path):
    """A file system of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def on_disk(tmp_path, folder):
    """A server that stores there."""
    return Server(tmp_path / "server", {"storage": {"filesystem": {"rootdirectory": str(folder / "root")}}})


def test_a_full_disk_is_told_and_got_over(tmp_path, small_disk):
    with on_disk(tmp_path, small_disk) as server:
        client, repo = Client(server.url), content.name()
        kept_digest, kept = client.push_image(repo, "kept")
        large = content.noise(40 << 20, seed="too large")
        location = client.upload(repo)
        answer = client.finish(location, content.digest(large), large)
        assert answer.status_code in (500, 503, 507)
        assert errors(answer)[0] in ("UNAVAILABLE", "UNKNOWN")
        assert "full" in answer.text or "space" in answer.text, answer.text
        assert "space" in server.text() or "full" in server.text()
        assert client.get_manifest(repo, "kept").content == kept
        assert client.get_manifest(repo, kept_digest).content == kept
        client.delete(location)
        client.push_image(repo, "after")
        assert client.get_manifest(repo, "after").status_code == 200


def test_a_disk_that_fills_up_to_the_last_byte_loses_nothing(tmp_path, small_disk):
    with on_disk(tmp_path, small_disk) as server:
        client, repo, pushed = Client(server.url), content.name(), []
        for _ in range(200):
            data = content.noise(300_000)
            answer = client.post(f"/v2/{repo}/blobs/uploads/")
            if answer.status_code == 202:
                answer = client.finish(answer.headers["Location"], content.digest(data), data)
            if answer.status_code != 201:
                break
            pushed.append(content.digest(data))
        assert answer.status_code == 507 and "full" in answer.text, answer.text
        assert 10 < len(pushed) < 100
        for digest in pushed:
            assert content.digest(client.get(f"/v2/{repo}/blobs/{digest}").content) == digest


def data_file(server, digest):
    """Where a blob lies in the registry:2 layout."""
    algorithm, name = digest.split(":")
    return server.root / "docker/registry/v2/blobs" / algorithm / name[:2] / name / "data"


def test_blobs_lie_where_registry_2_has_them(serve):
    server, client = serve()
    data = content.noise(1000)
    assert data_file(server, client.push_blob("a/b", data)).read_bytes() == data


def test_a_blob_whose_file_is_gone_is_an_error_and_can_be_pushed_again(serve):
    server, client = serve()
    data = content.noise(1000)
    digest = client.push_blob("a/b", data)
    data_file(server, digest).unlink()
    assert client.get(f"/v2/a/b/blobs/{digest}").status_code in (404, 500)
    client.push_blob("a/b", data)
    assert client.get(f"/v2/a/b/blobs/{digest}").content == data


def test_a_blob_that_was_cut_short_is_not_passed_off_as_whole(serve):
    server, client = serve()
    data = content.noise(5000)
    digest = client.push_blob("a/b", data)
    data_file(server, digest).write_bytes(data[:100])
    try:
        answer = client.get(f"/v2/a/b/blobs/{digest}")
    except OSError:
        return
    assert answer.status_code >= 400 or content.digest(answer.content) == digest or \
        int(answer.headers["Content-Length"]) == 100


def test_a_damaged_database_is_named(tmp_path):
    server = Server(tmp_path / "server").start()
    Client(server.url).push_image("a/b", "v1")
    server.stop()
    databases = [path for path in server.root.rglob("*") if path.is_file() and
                 path.read_bytes()[:15] == b"SQLite format 3"]
    assert len(databases) == 1
    text = bytearray(databases[0].read_bytes())
    text[:16] = b"something else!!"
    databases[0].write_bytes(text)
    server.launch()
    assert server.process.wait(30) != 0
    assert databases[0].name in server.text()
    server.check_report()
