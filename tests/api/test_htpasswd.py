# SPDX-License-Identifier: Apache-2.0
"""Login with an htpasswd file, as `docker login` does it."""
import base64
import os
import re
import subprocess
import time

import pytest

import content
from client import Client, expect_error
from server import Server


def htpasswd(path, *users):
    """Writes the file with the very command of operators."""
    lines = [subprocess.run(["htpasswd", "-Bbn", "-C", "5", user, password], check=True, capture_output=True,
                            text=True).stdout.strip() for user, password in users]
    path.write_text("\n".join(lines) + "\n")
    return path


def settings(path):
    """The configuration for a file."""
    return {"auth": {"htpasswd": {"realm": "Registry Realm", "path": str(path)}}}


@pytest.fixture(name="guarded")
def guarded_fixture(serve, tmp_path):
    """A server with a password for alice: (server, client without, path of the file)."""
    path = htpasswd(tmp_path / "htpasswd", ("alice", "s3cret"), ("bob", "pä:ss wörd"))
    server, client = serve(settings(path))
    return server, client, path


def test_without_credentials_there_is_a_challenge(guarded):
    _, client, _ = guarded
    answer = client.get("/v2/")
    expect_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="Registry Realm"'
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


@pytest.mark.parametrize("method, path", [
    ("GET", "/v2/_catalog"), ("GET", "/v2/x/tags/list"), ("HEAD", "/v2/x/manifests/v1"), ("PUT", "/v2/x/manifests/v1"),
    ("DELETE", "/v2/x/manifests/v1"), ("GET", "/v2/x/blobs/sha256:" + "0" * 64), ("POST", "/v2/x/blobs/uploads/"),
    ("PATCH", "/v2/x/blobs/uploads/00000000-0000-4000-8000-000000000000"),
    ("GET", "/v2/x/referrers/sha256:" + "0" * 64),
])
def test_nothing_is_open_without_credentials(guarded, method, path):
    assert guarded[1].request(method, path).status_code == 401


def test_the_right_password_opens_everything(guarded):
    server, _, _ = guarded
    client = Client(server.url, auth=("alice", "s3cret"))
    assert client.get("/v2/").status_code == 200
    client.push_image("team/app", "v1")
    assert client.get("/v2/_catalog").json() == {"repositories": ["team/app"]}


def test_passwords_may_hold_colons_and_utf_8(guarded):
    server, client, _ = guarded
    token = base64.b64encode("bob:pä:ss wörd".encode()).decode()
    assert client.get("/v2/", headers={"Authorization": f"Basic {token}"}).status_code == 200
    assert server


@pytest.mark.parametrize("header", [
    "Basic", "Basic ", "Basic !!!!", "Basic YWxpY2U=", "Bearer abc", "Digest username=alice", "Basic " + "QUFB" * 3000,
    "Basic " + base64.b64encode(b"alice:wrong").decode(), "Basic " + base64.b64encode(b"nobody:s3cret").decode(),
    "Basic " + base64.b64encode(b"alice:s3cret\x00").decode(), "Basic " + base64.b64encode(b":").decode(),
    "Basic " + base64.b64encode(b"alice:").decode(),
])
def test_bad_credentials_are_401(guarded, header):
    answer = guarded[1].get("/v2/", headers={"Authorization": header})
    expect_error(answer, 401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_many_wrong_passwords_are_throttled_and_others_are_not(guarded):
    server, client, _ = guarded
    seen = set()
    for i in range(60):
        answer = client.get("/v2/", auth=("alice", f"guess{i}"))
        seen.add(answer.status_code)
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) > 0
            break
    assert seen == {401, 429}
    assert Client(server.url, auth=("bob", "pä:ss wörd".encode())).get("/v2/").status_code == 200


def test_a_changed_file_counts_without_a_restart(guarded):
    server, _, path = guarded
    client = Client(server.url)
    assert client.get("/v2/", auth=("alice", "s3cret")).status_code == 200
    htpasswd(path, ("alice", "changed"), ("carol", "new"))
    os.utime(path, (time.time() + 5, time.time() + 5))
    deadline = time.monotonic() + 10
    while client.get("/v2/", auth=("carol", "new")).status_code != 200:
        assert time.monotonic() < deadline, "the new file was not read"
        time.sleep(0.2)
    assert client.get("/v2/", auth=("alice", "s3cret")).status_code == 401
    assert client.get("/v2/", auth=("alice", "changed")).status_code == 200


def test_a_file_that_turns_bad_keeps_the_last_good_one_and_is_logged(guarded):
    server, client, path = guarded
    path.write_text("alice:plaintext\n")
    os.utime(path, (time.time() + 5, time.time() + 5))
    deadline = time.monotonic() + 10
    while "htpasswd" not in server.log.read_text() or "1" not in server.log.read_text():
        assert time.monotonic() < deadline, server.text()
        client.get("/v2/", auth=("alice", "s3cret"))
        time.sleep(0.2)
    assert client.get("/v2/", auth=("alice", "s3cret")).status_code == 200


def test_a_missing_file_is_made_with_a_password_that_is_logged_once(serve, tmp_path):
    path = tmp_path / "new" / "htpasswd"
    path.parent.mkdir()
    server, client = serve(settings(path))
    assert client.get("/v2/").status_code == 401
    assert path.read_text().startswith("docker:$2")
    assert path.stat().st_mode & 0o077 == 0
    told = re.findall(r"password=(\S+)", server.text())
    assert len(told) == 1
    assert client.get("/v2/", auth=("docker", told[0])).status_code == 200


@pytest.mark.parametrize("text, words", [
    ("alice\n", ["htpasswd", "1"]),
    ("# comment\n\nalice:$2y$05$abcdefghijklmnopqrstuuXQ9GZ0mTn7e3wq0e0Yx1Yh8yUe9jQn6\nbob:{SHA}xyz\n", ["htpasswd", "4"]),
    ("alice:$apr1$x$y\n", ["line 1", "alice", "htpasswd -B"]),
])
def test_a_malformed_file_is_named_with_its_line(tmp_path, text, words):
    path = tmp_path / "htpasswd"
    path.write_text(text)
    server = Server(tmp_path / "server", settings(path))
    server.launch()
    if server.process.wait(30) == 0:
        raise AssertionError("started with a malformed file")
    for word in words:
        assert word in server.text(), server.text()


def test_an_image_goes_round_for_a_user_of_the_configuration_by_environment(tmp_path):
    path = htpasswd(tmp_path / "htpasswd", ("testuser", "testpassword"))
    env = {"REGISTRY_AUTH": "htpasswd", "REGISTRY_AUTH_HTPASSWD_PATH": str(path),
           "REGISTRY_AUTH_HTPASSWD_REALM": "Registry Realm"}
    with Server(tmp_path / "server", env=env) as server:
        assert Client(server.url).get("/v2/").status_code == 401
        client = Client(server.url, auth=("testuser", "testpassword"))
        repo = content.name()
        digest, data = client.push_image(repo, "v1")
        assert client.get_manifest(repo, digest).content == data


def test_passwords_are_never_logged(guarded):
    server, client, _ = guarded
    client.get("/v2/", auth=("alice", "s3cret"))
    client.get("/v2/", auth=("alice", "wr0ngguess"))
    assert "s3cret" not in server.text() and "wr0ngguess" not in server.text()
    assert base64.b64encode(b"alice:s3cret").decode() not in server.text()
