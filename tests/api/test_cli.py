# SPDX-License-Identifier: Apache-2.0
"""The command line and the process: help and what is made from it, mistakes, signals, activation, jobs."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import certs
import content
from client import Client
from raw import Raw
from server import START_SECONDS, Server, binary, environment, free_port, run

COMMANDS = ["serve", "config", "gc", "htpasswd", "version", "help"]


def until(condition, seconds=20):
    """Waits until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to it"
        time.sleep(0.02)


def called_as(name, folder, *arguments):
    """Runs the binary under another name."""
    link = folder / name
    link.symlink_to(binary())
    return subprocess.run([str(link), *arguments], capture_output=True, text=True, check=False, env=environment(),
                          timeout=60)


# ---- help, manual, completions: all from one table

def shown():
    """The commands that the overview tells of."""
    done = run("help")
    assert done.returncode == 0 and done.stderr == ""
    return re.findall(r"^  (\S+) +\S", done.stdout, re.M)


def test_the_overview_has_the_commands():
    assert set(COMMANDS) <= set(shown())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_the_same_by_all_ways(command):
    by_help = run("help", command)
    assert by_help.returncode == 0
    assert by_help.stdout.startswith(f"Usage: berth {command}")
    assert all(len(line) <= 80 for line in by_help.stdout.splitlines())
    assert run(command, "--help").stdout == by_help.stdout
    assert run(command, "-h").stdout == by_help.stdout


def options_of(command):
    """The options that `help COMMAND` tells of."""
    names = re.findall(r"^  (-[^ ,]+(?:, -[^ ,]+)*)", run("help", command).stdout, re.M)
    return [name for group in names for name in group.split(", ")]


def test_the_manual_has_every_command_and_option():
    manual = run("help", "--man").stdout
    assert manual.startswith(".TH BERTH 1 ")
    for command in shown():
        assert f'.SS "berth {command}' in manual
        for option in options_of(command):
            assert re.search(r"\\fB[^\n]*" + re.escape(option.replace("-", "\\-")) + r"[, \\]", manual), option
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT", "FILES", "SIGNALS", "EXIT STATUS", "EXAMPLES"):
        assert f"\n.SH {section}\n" in manual


def test_the_manual_is_sound_troff():
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=run("help", "--man").stdout, text=True,
                          capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_option_that_htpasswd_tells_of_is_one_it_takes():
    for option in options_of("htpasswd"):
        done = run("htpasswd", option)
        assert "no option" not in done.stderr, option


def complete(*words):
    """What bash offers for the last word."""
    script = run("help", "--bash").stdout + (
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _berth; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_actions_and_options():
    assert set(COMMANDS) < set(complete("berth", ""))
    assert complete("berth", "ser") == ["serve"]
    assert set(complete("berth", "config", "")) == {"check", "show", "reference"}
    assert set(options_of("htpasswd")) < set(complete("berth", "htpasswd", "-"))
    assert complete("berth", "help", "") == shown()


def test_bash_completes_files(tmp_path):
    (tmp_path / "config.yml").touch()
    for words in (["serve"], ["config", "check"]):
        assert complete("berth", *words, f"{tmp_path}/con") == [f"{tmp_path}/config.yml"]


def test_the_completion_for_zsh_has_every_command():
    script = run("help", "--zsh").stdout
    assert script.startswith("#compdef berth\n")
    for command in shown():
        assert f"'{command}:" in script
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n"], input=script, text=True, check=True)


# ---- names and mistakes

@pytest.mark.parametrize("wrong, meant", [("srve", "serve"), ("confg", "config"), ("hepl", "help"),
                                          ("versoin", "version"), ("xyzzy", None)])
def test_an_unknown_command_is_answered_with_the_nearest(wrong, meant):
    done = run(wrong)
    assert done.returncode == 2 and wrong in done.stderr
    assert (f"did you mean {meant}?" in done.stderr) if meant else ("did you mean" not in done.stderr)


@pytest.mark.parametrize("arguments", [["--nonsense"], ["serve", "--nonsense"], ["serve", "a.yml", "b.yml"],
                                       ["help", "nonsense"], ["help", "serve", "more"], ["version", "more"], []])
def test_mistakes_end_with_status_2(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr and done.stdout == ""


@pytest.mark.parametrize("name", ["registry", "docker-registry"])
def test_it_answers_to_the_names_of_the_stock_registry(tmp_path, name):
    version = called_as(name, tmp_path, "--version")
    assert version.returncode == 0
    assert re.fullmatch(rf"{name} berth \d+\.\d+\.\d+\n", version.stdout)
    os.unlink(tmp_path / name)
    done = called_as(name, tmp_path, "serve", str(tmp_path / "none.yml"))
    assert done.returncode == 2 and "none.yml" in done.stderr


def test_it_answers_to_the_name_of_the_password_tool(tmp_path):
    done = called_as("htpasswd", tmp_path, "-Bbn", "user", "password")
    assert done.returncode == 0 and done.stdout.startswith("user:$2y$")


def test_output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([str(binary()), "help"], stdout=full, stderr=subprocess.PIPE, check=False,
                              env=environment())
    assert done.returncode == 1 and b"cannot write" in done.stderr


# ---- starting

def test_all_problems_of_a_configuration_are_told_at_once_and_nothing_is_made(tmp_path):
    path = tmp_path / "config.yml"
    path.write_text(f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/root}}}}\n"
                    "log: {level: loud}\nhttp: {adr: x}\ncatalog: {maxentries: many}\n")
    done = run("serve", path)
    assert done.returncode == 2
    for word in ("config.yml:3", "loud", "config.yml:4", "adr", "config.yml:5", "many"):
        assert word in done.stderr
    assert not (tmp_path / "root").exists()


def refused(tmp_path, **config):
    """Starts a server that cannot start: the one line it says."""
    server = Server(tempfile.mkdtemp(dir=tmp_path), config).launch()
    status = server.process.wait(START_SECONDS)
    server.check_report()
    lines = server.log.read_text().splitlines()
    assert status == 1 and len(lines) == 1, lines
    return lines[0]


def test_what_keeps_it_from_starting_is_told_in_one_line(tmp_path):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    (tmp_path / "file").touch()
    (tmp_path / "htpasswd").write_text("alice:$2y$05$tooshort\n")
    (tmp_path / "db").write_bytes(os.urandom(8192))
    broken = {"certificate": str(tmp_path / "file"), "key": str(tmp_path / "file")}
    for word, config in {
            f"127.0.0.1:{port}": {"http": {"addr": f"127.0.0.1:{port}"}},
            "http.debug.addr": {"http": {"debug": {"addr": f"127.0.0.1:{port}"}}},
            "not a directory": {"storage": {"filesystem": {"rootdirectory": str(tmp_path / "file")}}},
            "line 1": {"auth": {"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}}},
            "restore it from a backup": {"berth": {"database": {"path": str(tmp_path / "db")}}},
            "certificate": {"http": {"tls": broken}},
    }.items():
        line = refused(tmp_path, **config)
        assert line.startswith("berth: ") and word in line
    taken.close()


def test_with_a_log_in_json_even_a_failed_start_is_json(tmp_path):
    (tmp_path / "file").touch()
    line = refused(tmp_path, log={"formatter": "json"},
                   storage={"filesystem": {"rootdirectory": str(tmp_path / "file")}})
    assert json.loads(line)["level"] == "error" and "not a directory" in json.loads(line)["error"]


def test_it_says_where_it_listens(serve):
    server, _ = serve()
    assert f'msg="listening on {server.host}"' in server.log.read_text()
    assert "docker push" not in server.log.read_text()


@pytest.mark.parametrize("addr, auth, warned", [(":{}", {}, True), ("127.0.0.1:{}", {}, False),
                                                ("localhost:{}", {}, False), (":{}", {"htpasswd": {}}, False)])
def test_an_open_door_is_warned_of(tmp_path, addr, auth, warned):
    port = free_port()
    if auth:
        auth = {"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}}
    with Server(tmp_path / "server", {"http": {"addr": addr.format(port)}, "auth": auth or None}, port=port) as server:
        until(lambda: "listening on" in server.log.read_text())
        time.sleep(0.1)
        assert ("everybody" in server.log.read_text()) == warned


# ---- signals

def test_a_second_signal_ends_it_at_once(tmp_path):
    server = Server(tmp_path / "server", {"http": {"draintimeout": "60s"}}).start()
    path = "/" + Client(server.url).upload(content.name()).split("/", 3)[3]
    with Raw(server.port) as connection:
        connection.request("PATCH", path, "Content-Length: 1000", body=b"never more")
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.6)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == -signal.SIGTERM
    server.process = None


def test_one_signal_that_comes_twice_is_one(tmp_path):
    """timeout(1) signals the process and its group."""
    server = Server(tmp_path / "server").start()
    server.process.send_signal(signal.SIGTERM)
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_end()


def test_without_a_drain_timeout_requests_get_ten_seconds(tmp_path):
    server = Server(tmp_path / "server").start()
    data = content.noise(1000)
    location = Client(server.url).upload("a/b")
    path = "/" + location.split("/", 3)[3]
    joint = "&" if "?" in path else "?"
    with Raw(server.port) as connection:
        connection.request("PUT", f"{path}{joint}digest={content.digest(data)}", f"Content-Length: {len(data)}",
                           body=data[:10])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(2)
        assert connection.send(data[10:]).answer().status == 201
    server.wait_for_end()


def test_a_hangup_loads_the_certificate_again(tmp_path):
    ours = certs.make(tmp_path, "old", authority=True)
    server = Server(tmp_path / "server", {"http": {"tls": {"certificate": str(ours.certificate),
                                                           "key": str(ours.key)}}})
    with server:
        os.makedirs(tmp_path / "second")
        new = certs.make(tmp_path / "second", "new", authority=True)
        os.replace(new.key, ours.key)
        os.replace(new.certificate, ours.certificate)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "loaded again" in server.log.read_text())
        assert Client(server.url, verify=str(ours.certificate)).get("/v2/").status_code == 200
        ours.certificate.write_text("broken")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: "stay in use" in server.log.read_text())


def test_a_hangup_without_tls_does_no_harm(serve):
    server, client = serve()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: "SIGHUP" in server.log.read_text())
    assert client.get("/v2/").status_code == 200


def test_it_is_not_ready_while_it_stops(tmp_path):
    port = free_port()
    server = Server(tmp_path / "server", {"http": {"draintimeout": "20s", "debug": {"addr": f"127.0.0.1:{port}"}}})
    debug = Client(f"http://127.0.0.1:{port}")
    server.start()
    until(lambda: debug.get("/readyz").status_code == 200)
    data = content.noise(100)
    path = "/" + Client(server.url).upload("a/b").split("/", 3)[3]
    with Raw(server.port) as connection:
        connection.request("PATCH", path, "Content-Length: 100", body=data[:10])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: debug.get("/readyz").status_code == 503)
        assert "stopping" in debug.get("/readyz").text
        assert debug.get("/livez").status_code == 200
        assert connection.send(data[10:]).answer().status == 202
    server.wait_for_end()


# ---- systemd

def activated(folder, config, sockets, names):
    """A server that gets its sockets as systemd hands them over: at descriptor 3 and on, with names."""
    numbers = [one.fileno() for one in sockets]
    spare = [100 + i for i in range(len(numbers))]  # so that no move overwrites one that is still to be moved
    moves = " ".join([f"{to}<&{fd}" for to, fd in zip(spare, numbers)]
                     + [f"{3 + i}<&{fd} {fd}<&-" for i, fd in enumerate(spare)])
    script = f"exec {moves}; LISTEN_PID=$$ LISTEN_FDS={len(numbers)} LISTEN_FDNAMES={':'.join(names)} exec \"$@\""
    return Server(folder, config, wrapper=["bash", "-c", script, "bash"], inherited=numbers)


def test_sockets_of_systemd_for_both_listeners(tmp_path):
    main, debug = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    server = activated(tmp_path / "server", {"http": {"addr": "127.0.0.1:1"}}, [debug, main], ["debug", "berth.socket"])
    server.port = main.getsockname()[1]
    with server:
        assert Client(server.url).get("/v2/").status_code == 200
        other = Client(f"http://127.0.0.1:{debug.getsockname()[1]}")
        assert other.get("/readyz").status_code == 200


@pytest.mark.parametrize("kind", ["file", "not listening", "too many"])
def test_sockets_of_systemd_that_cannot_be_used_are_told(tmp_path, kind):
    sockets = {"file": lambda: [open(os.devnull, "rb")], "not listening": lambda: [socket.socket()],
               "too many": lambda: [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]}[kind]()
    server = activated(tmp_path / "server", {}, sockets, ["a"] * len(sockets)).launch()
    assert server.process.wait(START_SECONDS) == 1
    server.check_report()
    assert "systemd" in server.text()
    for one in sockets:
        one.close()


def test_sockets_meant_for_another_process_are_left_alone(tmp_path):
    with Server(tmp_path / "server", env={"LISTEN_PID": "1", "LISTEN_FDS": "3"}) as server:
        assert Client(server.url).get("/v2/").status_code == 200


def test_readiness_is_told_to_an_abstract_address(tmp_path):
    name = f"berth-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind("\0" + name)
        notify.settimeout(START_SECONDS)
        with Server(tmp_path / "server", env={"NOTIFY_SOCKET": "@" + name}):
            assert notify.recv(4096) == b"READY=1"
        assert notify.recv(4096) == b"STOPPING=1"


# ---- jobs, health, debug

def purging(**more):
    """Purges what is older than a second, every second."""
    return {"storage": {"maintenance": {"uploadpurging": {
        "enabled": True, "age": "1s", "interval": "1s", "dryrun": False} | more}}}


def test_old_uploads_are_purged(serve):
    server, client = serve(purging())
    location = client.upload("a/b")
    assert client.patch_chunk(location, b"never more").status_code == 202
    until(lambda: client.get(location).status_code == 404)
    until(lambda: "purged" in server.log.read_text())


def test_a_dry_run_purges_nothing(serve):
    server, client = serve(purging(dryrun=True))
    location = client.upload("a/b")
    until(lambda: 'would be purged, but for dryrun" uploads=1' in server.log.read_text())
    assert client.get(location).status_code == 204


@pytest.mark.parametrize("config", [purging(enabled=False),
                                    {"storage": {"maintenance": {"readonly": {"enabled": True}}}}])
def test_it_runs_without_purging(serve, config):
    assert serve(config)[1].get("/v2/").status_code == 200


def test_health_checks_by_http_and_tcp(serve, tmp_path):
    """One registry watches another."""
    watched, _ = serve(folder="watched")
    port = free_port()
    every = {"interval": "100ms", "timeout": "5s", "threshold": 2}
    _, client = serve({
        "http": {"debug": {"addr": f"127.0.0.1:{port}"}},
        "health": {"storagedriver": {"enabled": True, "interval": "100ms"},
                   "http": [{"uri": watched.url + "/v2/", "headers": {"X-Why": ["health"]}} | every],
                   "tcp": [{"addr": watched.host} | every]}})
    debug = Client(f"http://127.0.0.1:{port}")
    time.sleep(0.5)
    assert debug.get("/debug/health").json() == {}
    assert client.get("/v2/").status_code == 200
    watched.process.send_signal(signal.SIGTERM)
    watched.wait_for_end()
    until(lambda: set(debug.get("/debug/health").json()) == {watched.url + "/v2/", watched.host})
    assert debug.get("/debug/health").status_code == 503
    assert client.get("/v2/").status_code == 503
    watched.start()
    until(lambda: client.get("/v2/").status_code == 200)


def test_a_storage_that_is_gone_is_unhealthy(serve):
    port = free_port()
    server, client = serve({"http": {"debug": {"addr": f"127.0.0.1:{port}"}},
                            "health": {"storagedriver": {"enabled": True, "interval": "100ms", "threshold": 3}}})
    debug = Client(f"http://127.0.0.1:{port}")
    assert client.get("/v2/").status_code == 200
    gone = server.folder / "gone"
    os.rename(server.root, gone)
    until(lambda: debug.get("/debug/health").status_code == 503)
    assert list(debug.get("/debug/health").json()) == ["storagedriver_filesystem"]
    assert debug.get("/readyz").status_code == 503
    os.rename(gone, server.root)
    until(lambda: client.get("/v2/").status_code == 200)


def test_the_debug_listener_knows_its_paths_and_methods(serve):
    port = free_port()
    _, client = serve({"http": {"debug": {"addr": f"127.0.0.1:{port}", "prometheus": {"enabled": True}}}})
    client.push_image("a/b", "v1")
    debug = Client(f"http://127.0.0.1:{port}")
    known = debug.get("/debug/vars").json()
    assert known["registry"]["tags"] == 1 and known["registry"]["manifests"] == 1
    assert known["threads"] > 0 and known["http"]["connections"] >= 1
    assert debug.get("/v2/").status_code == 404
    assert debug.get("/nothing").status_code == 404
    assert debug.post("/debug/health").status_code == 405
    assert debug.head("/metrics").content == b""
    metrics = debug.get("/metrics").text
    for name in ("berth_build_info{version=", "process_start_time_seconds", "process_threads", "process_open_fds",
                 "process_max_fds", "berth_uploads_purged_total"):
        assert f"\n{name}" in metrics, name


def test_headers_of_the_configuration_are_in_every_answer(serve):
    _, client = serve({"http": {"headers": {"X-Content-Type-Options": ["nosniff"], "X-Two": ["one", "two"]}}})
    for path in ("/v2/", "/v2/none/tags/list", "/nothing"):
        answer = client.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Two"] == "one, two"


def test_a_finished_request_is_a_line_of_the_debug_log(serve):
    server, client = serve({"log": {"level": "debug"}})
    client.get("/v2/none/tags/list")
    until(lambda: "response completed" in server.log.read_text())
    line = next(line for line in server.log.read_text().splitlines() if "response completed" in line)
    for word in ("level=debug", "http.request.method=GET", "http.request.uri=/v2/none/tags/list",
                 "http.response.status=404", "http.request.id="):
        assert word in line


def test_expressions_for_urls_are_those_of_go(serve):
    _, client = serve({"validation": {"manifests": {"urls": {"allow": [r"(?i)^https?://LAYERS\d+[.]example/"]}}}})
    config = content.config_bytes()
    client.push_blob("a/b", config)
    for url, status in (("https://layers7.example/1", 201), ("https://layersx.example/1", 400)):
        value = json.loads(content.image(config, []))
        value["layers"] = [content.descriptor(
            b"elsewhere", "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", urls=[url])]
        assert client.put_manifest("a/b", "v1", json.dumps(value).encode()).status_code == status, url
