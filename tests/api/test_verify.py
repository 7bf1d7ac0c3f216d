# SPDX-License-Identifier: Apache-2.0
"""berth verify: every kind of problem is found and named, on a running registry and on one at rest."""
import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import threading

import pytest

import content
import server
from client import Client


def data_of(running, digest):
    """The file of a blob."""
    hexes = digest.split(":")[1]
    return running.root / "docker/registry/v2/blobs/sha256" / hexes[:2] / hexes / "data"


@pytest.fixture(name="registry", params=["running", "stopped"])
def registry_fixture(request, serve):
    """(server, its images by tag: layer digests); call rest() when all is pushed and broken."""
    running, client = serve({"berth": {"gc": {"enabled": False}},
                             "validation": {"manifests": {"urls": {"allow": ["^https://layers"]}}}})
    running.images = {}
    for tag in ("one", "two"):
        _, data = client.push_image("team/app", tag, size=300)
        running.images[tag] = json.loads(data)["layers"][0]["digest"]
    running.rest = running.stop if request.param == "stopped" else lambda: None
    return running


def verify(running, *options):
    """(status, what it printed)"""
    done = server.run("verify", *options, running.config_path)
    assert not done.stderr.startswith("berth: verification failed"), done.stderr
    return done.returncode, done.stdout


def test_sound(registry):
    registry.rest()
    status, out = verify(registry, "--blobs")
    assert status == 0 and re.search(r"^4 blobs and 2 manifests verified, \S+ \S+ read: 0 damaged or missing, 0 useless",
                                     out, re.M), out


def test_missing(registry):
    data_of(registry, registry.images["one"]).unlink()
    registry.rest()
    status, out = verify(registry)
    assert status == 1 and f"{registry.images['one']}: the bytes are missing" in out, out
    assert re.search(r"needed by team/app.*one", out) and "1 damaged or missing" in out


def damaged(data):
    """The same but for a bit of the first byte."""
    return bytes([data[0] ^ 1]) + data[1:]


def test_size(registry):
    data_of(registry, registry.images["one"]).write_bytes(b"short")
    registry.rest()
    status, out = verify(registry)
    assert status == 1 and f"{registry.images['one']}: the size is wrong" in out, out


def test_size_that_was_recorded_wrongly(registry):
    """The bytes are right: they stay, and the record is put right."""
    digest = registry.images["one"]
    good = data_of(registry, digest).read_bytes()
    with contextlib.closing(sqlite3.connect(registry.root / "berth/berth.db", timeout=30)) as database, database:
        database.execute("UPDATE blob SET size = 5 WHERE digest = ?", (b"\1" + bytes.fromhex(digest[7:]),))
    registry.rest()
    status, out = verify(registry)
    assert status == 1 and f"{digest}: the size is wrong: the bytes are right" in out, out
    assert "put right)" not in out and data_of(registry, digest).read_bytes() == good
    status, out = verify(registry, "--repair")
    assert status == 1 and "(put right)" in out, out
    assert data_of(registry, digest).read_bytes() == good
    status, out = verify(registry, "--blobs")
    assert status == 0 and "0 damaged or missing" in out, out


def test_damaged_bytes_are_found_by_reading_only(registry):
    file = data_of(registry, registry.images["one"])
    file.write_bytes(damaged(file.read_bytes()))
    registry.rest()
    assert verify(registry)[0] == 0
    status, out = verify(registry, "--blobs")
    assert status == 1 and f"{registry.images['one']}: the bytes are damaged" in out, out
    assert file.exists(), "only --repair may change something"


def test_unreadable(registry):
    file = data_of(registry, registry.images["one"])
    file.unlink()
    file.mkdir()
    registry.rest()
    status, out = verify(registry, "--blobs")
    assert status == 1 and registry.images["one"] in out and "cannot be read" in out, out


def test_orphans(registry):
    orphan = content.digest(b"nobody's")
    data_of(registry, orphan).parent.mkdir(parents=True)
    data_of(registry, orphan).write_bytes(b"nobody's")
    registry.rest()
    status, out = verify(registry)
    assert status == 0 and f"{orphan}: nothing speaks of these bytes" in out, out
    assert "1 useless files (8 B)" in out and data_of(registry, orphan).exists()
    status, out = verify(registry, "--repair")
    assert status == 0 and "1 put right" in out and not data_of(registry, orphan).exists()
    assert all(data_of(registry, d).exists() for d in registry.images.values())


def test_repair_and_heal_by_pushing_again(registry):
    """A damaged blob is put aside, a client sees that it is missing, and its push heals the image."""
    digest = registry.images["one"]
    good = data_of(registry, digest).read_bytes()
    data_of(registry, digest).write_bytes(damaged(good))
    registry.rest()
    status, out = verify(registry, "--blobs", "--repair")
    assert status == 1 and "(put right)" in out, out
    assert not data_of(registry, digest).exists()
    aside = [p for p in registry.root.rglob("*") if "quarantine" in str(p) and p.is_file()]
    assert [p.read_bytes() for p in aside] == [damaged(good)]
    if registry.process is None:
        registry.start()
    with Client(registry.url) as client:
        assert client.head(f"/v2/team/app/blobs/{digest}").status_code == 404
        client.push_blob("team/app", good)
        assert client.get(f"/v2/team/app/blobs/{digest}").content == good
    assert verify(registry, "--blobs")[0] == 0


def test_a_layer_that_the_repository_lacks(registry):
    """It is named with the image; a layer of a foreign type that says where it is need not be there."""
    digest = registry.images["one"]
    if registry.process is None:
        registry.start()
    with Client(registry.url) as client:
        assert client.delete(f"/v2/team/app/blobs/{digest}").status_code == 202
        config = content.config_bytes()
        client.push_blob("team/app", config)
        image = json.loads(content.image(config, []))
        image["layers"] = [content.descriptor(b"elsewhere", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                                              urls=["https://layers.example.com/one"])]
        assert client.put_manifest("team/app", "foreign", json.dumps(image).encode()).status_code == 201
    registry.rest()
    status, out = verify(registry)
    assert status == 1 and f"{digest}: its repository does not have this blob\n    needed by team/app:one\n" in out, out
    assert "1 damaged or missing" in out and content.digest(b"elsewhere") not in out, out


def test_rate(registry):
    registry.rest()
    assert verify(registry, "--blobs", "--rate", "50MiB")[0] == 0
    done = server.run("verify", "--rate", "fast", registry.config_path)
    assert done.returncode == 2 and "not a rate" in done.stderr


def test_while_images_come_and_go(serve):
    """Pushes and collections in the middle of a verification are no findings."""
    running, client = serve({"berth": {"gc": {"grace": "0s", "interval": "1s"}}})
    stop = threading.Event()

    def churn():
        with Client(running.url) as other:
            while not stop.is_set():
                other.push_blob("churn", content.noise(2000))
    client.push_image("r", "v1")
    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            status, out = verify(running, "--blobs", "--repair")
            assert status == 0 and "0 damaged or missing, 0 useless files" in out, out
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_damaged_metadata(serve):
    if not shutil.which("sqlite3"):
        pytest.skip("sqlite3 is not installed")
    running, client = serve()
    digest, _ = client.push_image("r", "v1")
    running.stop()
    database = running.root / "berth" / "berth.db"
    assert database.exists(), sorted(running.root.rglob("*.db"))
    subprocess.run(["sqlite3", str(database), "UPDATE manifest_payload SET payload = "
                    "CAST('x' || substr(payload, 2) AS BLOB)"], check=True, timeout=30)
    status, out = verify(running)
    assert status == 1 and f"{digest}: the manifest is damaged in the metadata" in out, out
