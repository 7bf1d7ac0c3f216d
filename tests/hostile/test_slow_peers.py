# SPDX-License-Identifier: Apache-2.0
"""A thousand peers that hold a connection and give nothing, while a normal client pulls.

The figures are printed for the reader; what is asserted is generous, for the
machine may be busy: every pull succeeds, nobody waits for seconds, and memory
does not grow with the slow peers.
"""
import resource
import socket
import statistics
import time

import pytest

import content
from client import Client
from server import Server

PEERS = 1000
PULLS = 30
SIZE = 8 << 20
DEADLINE = 9  # seconds: nobody is cut off before; heads have 10


@pytest.fixture(scope="module", name="stage")
def stage_fixture(tmp_path_factory):
    """A server with a blob to pull: (server, its client, path of the blob, digest)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * PEERS + 500
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"{wanted} open files are needed, {hard} are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    folder = tmp_path_factory.mktemp("hostile")
    with Server(folder, {"log": {"accesslog": {"disabled": True}}}) as server:
        client = Client(server.url)
        digest = client.push_blob("hostile/blob", content.noise(SIZE, seed="hostile"))
        yield server, client, f"/v2/hostile/blob/blobs/{digest}", digest


def pulls(stage):
    """How long each of a number of pulls took, in seconds, each on a connection of its own."""
    server, _, path, digest = stage
    took = []
    for _ in range(PULLS):
        started = time.monotonic()
        with Client(server.url) as client:
            answer = client.get(path)
        took.append(time.monotonic() - started)
        assert answer.status_code == 200 and content.digest(answer.content) == digest
    return took


def figures(name, took, server, capsys):
    """Prints what there is to know of a number of pulls."""
    with capsys.disabled():
        print(f"\n{name}: {PULLS} pulls of {SIZE >> 20} MiB: median {statistics.median(took) * 1000:.1f} ms, "
              f"slowest {max(took) * 1000:.1f} ms, {SIZE / statistics.median(took) / 1e6:.0f} MB/s; "
              f"server {server.resident() / 1e6:.0f} MB")


def connect(server, first):
    """The slow peers, each of which has sent this."""
    made = []
    for _ in range(PEERS):
        peer = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        peer.sendall(first)
        made.append(peer)
    return made


def held(peers):
    """How many of the connections the server still has, with nothing said."""
    count = 0
    for peer in peers:
        peer.setblocking(False)
        try:
            peer.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            count += 1
        except OSError:
            pass
        peer.settimeout(30)
    return count


def check_beside(alone, beside, server, before):
    """Nobody waits for seconds, and memory does not grow with the peers."""
    assert statistics.median(beside) < 10 * statistics.median(alone) + 0.5
    assert server.resident() - before < 512 << 20


SLOW_HEADER = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: "
SLOW_BODY = (b"PUT /v2/hostile/blob/manifests/slow HTTP/1.1\r\nHost: x\r\n"
             b"Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 100000\r\n\r\n{")
IDLE = b""


@pytest.mark.parametrize("name, first", [("slow headers", SLOW_HEADER), ("slow bodies", SLOW_BODY), ("idle", IDLE)])
def test_a_thousand_slow_peers_do_not_keep_others_from_pulling(stage, capsys, name, first):
    server = stage[0]
    alone = pulls(stage)
    figures("alone", alone, server, capsys)
    before = server.resident()
    started = time.monotonic()
    peers = connect(server, first)
    try:
        there = held(peers)
        # All are there, unless this machine was so slow that their time was up.
        assert there == PEERS or time.monotonic() - started > DEADLINE, f"only {there} are held"
        beside = pulls(stage)
        for peer in peers[::10]:
            try:
                peer.sendall(b"x")
            except OSError:
                pass
        figures(f"beside {PEERS} {name}", beside, server, capsys)
        check_beside(alone, beside, server, before)
    finally:
        for peer in peers:
            peer.close()
    server.check()
    deadline = time.monotonic() + 30
    while True:
        with Client(server.url) as client:
            if client.get("/v2/").status_code == 200:
                break
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_slow_headers_are_cut_off(stage):
    """The head has a deadline of its own, whatever trickles in."""
    server = stage[0]
    with socket.create_connection(("127.0.0.1", server.port), timeout=2) as peer:
        peer.sendall(SLOW_HEADER)
        started = time.monotonic()
        while time.monotonic() - started < 60:
            try:
                peer.sendall(b"x")
                if peer.recv(1000) == b"":
                    break
            except socket.timeout:
                continue
            except OSError:
                break
        assert DEADLINE < time.monotonic() - started < 45


def test_readers_that_do_not_read_do_not_hold_others_up(stage, capsys):
    server, _, path, _ = stage
    alone, before = pulls(stage), server.resident()
    peers = connect(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    try:
        beside = pulls(stage)
        figures(f"beside {PEERS} that ask and do not read", beside, server, capsys)
        check_beside(alone, beside, server, before)
        # They were served all the while, each as far as its socket took it, and not turned away.
        assert all(peer.recv(15) == b"HTTP/1.1 200 OK" for peer in peers)
    finally:
        for peer in peers:
            peer.close()
    server.check()
