# SPDX-License-Identifier: Apache-2.0
"""What was answered is kept: over a restart, over a kill -9, in the middle of anything."""
import random
import threading
import time

import pytest

import content
from client import Client
from server import Server


def test_everything_is_there_after_a_restart(serve):
    server, client = serve()
    repo = content.name()
    digest, data = client.push_image(repo, "v1", algorithm="sha512")
    _, thing, _ = client.push_artifact(repo, "application/x.thing",
                                       content.descriptor(data, content.OCI_MANIFEST, "sha512"))
    server.stop()
    server.start()
    assert client.get_manifest(repo, "v1").content == data
    assert client.get("/v2/_catalog").json() == {"repositories": [repo]}
    assert [e["digest"] for e in client.get(f"/v2/{repo}/referrers/{digest}").json()["manifests"]] == [thing]


@pytest.mark.parametrize("way", ["stop", "kill"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_an_upload_goes_on_after_a_restart(serve, way, algorithm):
    server, client = serve({"http": {"secret": "the same on both"}})
    repo, data = content.name(), content.noise(3 << 20)
    location = client.patch_chunk(client.upload(repo), data[:2_000_000], 0).headers["Location"]
    getattr(server, way)()
    server.start()
    answer = client.get(location)
    assert (answer.status_code, answer.headers["Range"]) == (204, "0-1999999")
    answer = client.patch_chunk(answer.headers["Location"], data[2_000_000:], 2_000_000)
    assert answer.status_code == 202, answer.text
    digest = content.digest(data, algorithm)
    assert client.finish(answer.headers["Location"], digest).status_code == 201
    assert client.get(f"/v2/{repo}/blobs/{digest}").content == data


def pusher(server, kept, stop):
    """Pushes images until the server is gone, and notes what was confirmed."""
    client = Client(server.url)
    while not stop.is_set():
        repo = content.name("crash")
        try:
            digest, data = client.push_image(repo, "v1", layers=2, size=random.choice((100, 70_000, 900_000)))
        except (OSError, AssertionError):
            return
        kept.append((repo, digest, data))


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.5, 2.5])
def test_what_was_confirmed_survives_a_kill(tmp_path, seconds):
    server = Server(tmp_path / "server").start()
    kept, stop = [], threading.Event()
    threads = [threading.Thread(target=pusher, args=(server, kept, stop)) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()
    with server:
        client = Client(server.url)
        assert len(kept) > 0
        for repo, digest, data in kept:
            answer = client.get_manifest(repo, "v1")
            assert (answer.content, answer.headers["Docker-Content-Digest"]) == (data, digest)
            for part in [answer.json()["config"]] + answer.json()["layers"]:
                blob = client.get(f"/v2/{repo}/blobs/{part['digest']}").content
                assert content.digest(blob) == part["digest"]
        fresh = content.name("after")
        client.push_image(fresh, "v1")
        listed = client.get("/v2/_catalog?n=1000").json()["repositories"]
        assert {repo for repo, _, _ in kept} <= set(listed)


def test_deletes_survive_a_kill(tmp_path):
    server = Server(tmp_path / "server").start()
    client, repo = Client(server.url), content.name()
    digest, _ = client.push_image(repo, "v1")
    client.push_image(repo, "v2")
    assert client.delete(f"/v2/{repo}/manifests/{digest}").status_code == 202
    server.kill()
    with server:
        assert client.get_manifest(repo, "v1").status_code == 404
        assert client.get(f"/v2/{repo}/tags/list").json()["tags"] == ["v2"]
