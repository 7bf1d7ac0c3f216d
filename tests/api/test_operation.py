# SPDX-License-Identifier: Apache-2.0
"""Running it: sockets of all kinds, readiness, stopping without cutting anybody off."""
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

import content
from client import Client
from raw import Raw
from server import START_SECONDS, Server, binary, environment, free_port, run


def test_a_unix_socket(tmp_path):
    path = str(tmp_path / "berth.sock")
    with Server(tmp_path / "server", {"http": {"net": "unix", "addr": path}}):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_paths_longer_than_the_address_of_a_socket(tmp_path):
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    path = str(deep / "berth.sock")
    config = {"http": {"net": "unix", "addr": path}}
    server = Server(deep, config).start()
    for command in (["gc", server.config_path], ["verify", server.config_path],
                    ["backup", tmp_path / "backup", server.config_path]):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    assert "backup made" in server.text(), "the running registry was asked"
    server.kill()
    with Server(deep, config) as again:
        assert f"listening on {path}" in again.text()
    assert not os.path.exists(path)
    done = run("verify", server.config_path)
    assert done.returncode == 0, done.stderr


def test_a_stale_unix_socket_is_replaced(tmp_path):
    path = str(tmp_path / "berth.sock")
    config = {"http": {"net": "unix", "addr": path}}
    server = Server(tmp_path / "server", config).start()
    server.kill()
    assert os.path.exists(path)
    with Server(tmp_path / "server", config):
        pass


def test_socket_activation_by_systemd(tmp_path):
    port = free_port()
    passed = [f"--setenv={name}" for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS")]
    server = Server(tmp_path / "server", {"http": {"addr": "127.0.0.1:1"}}, port=port,
                    wrapper=["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *passed])
    with server:
        deadline = time.monotonic() + START_SECONDS
        client = Client(server.url)
        assert client.get("/v2/", timeout=START_SECONDS).status_code == 200
        digest, data = client.push_image("a/b", "v1")
        assert client.get_manifest("a/b", digest).content == data
        assert time.monotonic() < deadline


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(START_SECONDS)
        server = Server(tmp_path / "server", env={"NOTIFY_SOCKET": path}).launch()
        assert b"READY=1" in notify.recv(4096)
        assert server.answers()
        server.process.send_signal(signal.SIGTERM)
        messages = b""
        while b"STOPPING=1" not in messages:
            messages += notify.recv(4096) + b"\n"
        server.wait_for_end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(tmp_path, number):
    server = Server(tmp_path / "server").start()
    server.process.send_signal(number)
    server.wait_for_end()


def test_a_push_under_way_is_finished_before_it_ends(tmp_path):
    server = Server(tmp_path / "server", {"http": {"draintimeout": "20s"}}).start()
    data = content.noise(1 << 20)
    repo, digest = content.name(), content.digest(data)
    path = "/" + Client(server.url).upload(repo).split("/", 3)[3]
    with Raw(server.port) as connection:
        separator = "&" if "?" in path else "?"
        connection.request("PUT", f"{path}{separator}digest={digest}", f"Content-Length: {len(data)}", body=data[:1000])
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert not server.answers()
        answer = connection.send(data[1000:]).answer()
        assert answer.status == 201
        assert answer.headers.get("connection") == "close"
    server.wait_for_end()
    with server:
        assert Client(server.url).get(f"/v2/{repo}/blobs/{digest}").content == data


def test_a_pull_under_way_is_finished_before_it_ends(tmp_path):
    server = Server(tmp_path / "server", {"http": {"draintimeout": "20s"}}).start()
    data, repo = content.noise(32 << 20, seed="drain"), content.name()
    digest = Client(server.url).push_blob(repo, data)
    with Raw(server.port) as connection:
        connection.request("GET", f"/v2/{repo}/blobs/{digest}")
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        assert server.process.poll() is None
        assert content.digest(connection.answer().body) == digest
    server.wait_for_end()


def test_idle_connections_do_not_hold_the_end_up(tmp_path):
    server = Server(tmp_path / "server", {"http": {"draintimeout": "30s"}}).start()
    idle = [Raw(server.port) for _ in range(20)]
    for connection in idle[:10]:
        assert connection.request("GET", "/v2/").answer().status == 200
    started = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_end()
    assert time.monotonic() - started < 10
    for connection in idle:
        connection.close()


@pytest.mark.parametrize("given, least, most", [({"draintimeout": "2s"}, 1, 9), ({"draintimeout": "0s"}, 0, 5),
                                                ({}, 9, 20)])
def test_the_drain_has_an_end(tmp_path, given, least, most):
    server = Server(tmp_path / "server", {"http": given}).start()
    path = "/" + Client(server.url).upload(content.name()).split("/", 3)[3]
    with Raw(server.port) as connection:
        connection.request("PATCH", path, "Content-Length: 1000", body=b"never more")
        time.sleep(0.3)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_end()
        assert least < time.monotonic() - started < most


def started_without_a_file(folder, stderr, port):
    """A server that only the environment has told anything."""
    process = subprocess.Popen([str(binary()), "serve"], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=stderr,
                               env=environment({"REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}"}))
    deadline = time.monotonic() + START_SECONDS
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) != 0:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    return process


def test_who_tries_it_at_a_terminal_is_greeted(tmp_path):
    ours, theirs = os.openpty()
    port = free_port()
    process = started_without_a_file(tmp_path, theirs, port)
    os.close(theirs)
    seen = b""
    while b"Control-C stops it" not in seen:
        seen += os.read(ours, 4096)
    assert f"docker push 127.0.0.1:{port}/alpine".encode() in seen
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    os.close(ours)


def test_the_log_of_a_container_has_no_greeting(tmp_path):
    with open(tmp_path / "log", "wb") as log:
        process = started_without_a_file(tmp_path, log, free_port())
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    text = (tmp_path / "log").read_text()
    assert "listening on" in text and "Try it" not in text, text


def test_several_addresses_of_the_loopback_by_name(tmp_path):
    port = free_port()
    with Server(tmp_path / "server", {"http": {"addr": f"localhost:{port}"}}, port=port) as server:
        assert Client(server.url).get("/v2/").status_code == 200


def test_a_port_alone_listens_everywhere(tmp_path):
    port = free_port()
    with Server(tmp_path / "server", {"http": {"addr": f":{port}"}}, port=port):
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as connection:
                if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
                    continue
                connection.connect((address, port))
                connection.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
                assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_without_a_configuration_it_serves_out_of_data_on_the_loopback(tmp_path):
    """Needs port 5000 of the loopback address, so it gives way where that is taken."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 5000)) == 0:
            pytest.skip("port 5000 is in use on this machine")
    with open(tmp_path / "out", "wb") as out:
        process = subprocess.Popen([str(binary()), "serve"], cwd=tmp_path, env=environment(), stdout=out,
                                   stderr=subprocess.STDOUT)
    client = Client("http://127.0.0.1:5000")
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                assert client.get("/v2/").status_code == 200
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "out").read_text()
                time.sleep(0.05)
        client.push_image("hello/world", "v1")
        assert (tmp_path / "data").is_dir()
        text = (tmp_path / "out").read_text()
        assert "127.0.0.1:5000" in text
    finally:
        process.terminate()
        assert process.wait(60) == 0


def test_many_requests_at_once_end_well_when_it_is_stopped(tmp_path):
    server = Server(tmp_path / "server", {"http": {"draintimeout": "10s"}}).start()
    stop, strange = threading.Event(), []

    def hammer():
        client = Client(server.url)
        while not stop.is_set():
            try:
                answer = client.get("/v2/")
                if answer.status_code not in (200, 503):
                    strange.append(answer.status_code)
            except OSError:
                return
    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.7)
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_end()
    stop.set()
    for thread in threads:
        thread.join()
    assert strange == []


def test_the_version_is_told():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("berth ")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"], ["serve", "--help"]])
def test_help_is_at_hand(arguments):
    done = run(*arguments)
    text = done.stdout + done.stderr
    assert "serve" in text and "usage" in text.lower()
    assert done.returncode == (0 if arguments else done.returncode)


@pytest.mark.parametrize("arguments", [["srve"], ["--nonsense"], ["serve", "--nonsense"]])
def test_a_mistake_on_the_command_line_is_named(arguments):
    done = run(*arguments)
    assert done.returncode != 0
    assert arguments[-1] in done.stderr
