# SPDX-License-Identifier: Apache-2.0
"""The scrub finds damage on its schedule, and nobody pulls wrong bytes afterwards."""
import json
import pathlib
import time

import content


def until(condition, seconds=30):
    """Waits until it is true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def file_of(running, digest):
    """Where the bytes of a blob are."""
    hexes = digest.split(":")[1]
    return running.root / "docker/registry/v2/blobs/sha256" / hexes[:2] / hexes / "data"


def test_damaged_blob_is_put_aside_and_healed_by_a_push(serve):
    running, client = serve({"berth": {"scrub": {"enabled": True, "interval": "1s", "rate": "100MiB"}}})
    _, data = client.push_image("r", "v1")
    layer = json.loads(data)["layers"][0]["digest"]
    path = file_of(running, layer)
    good = path.read_bytes()
    path.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    until(lambda: not path.exists())
    assert client.get(f"/v2/r/blobs/{layer}").status_code == 404
    assert (running.root / "berth/quarantine" / layer.replace(":", "-")).exists()
    assert client.post(f"/v2/r/blobs/uploads/?digest={layer}", data=good).status_code == 201
    assert client.get(f"/v2/r/blobs/{layer}").content == good


def test_undamaged_registry_stays_as_it_is(serve):
    running, client = serve({"berth": {"scrub": {"enabled": True, "interval": "1s"}}})
    _, data = client.push_image("r", "v1")
    until(lambda: "scrub complete" in running.text())
    assert not (running.root / "berth/quarantine").exists()
    for layer in json.loads(data)["layers"]:
        assert client.get(f"/v2/r/blobs/{layer['digest']}").status_code == 200


def test_slow_scrub_does_not_delay_the_end(serve):
    running, client = serve({"berth": {"scrub": {"enabled": True, "interval": "1s", "rate": "1KiB"}}})
    client.push_blob("r", content.noise(600 << 10))
    read = pathlib.Path(f"/proc/{running.process.pid}/io")
    before = int(read.read_text().split()[1])
    until(lambda: int(read.read_text().split()[1]) - before > 200 << 10)  # it has begun, and waits for minutes now
    began = time.monotonic()
    running.stop()
    assert time.monotonic() - began < 10
