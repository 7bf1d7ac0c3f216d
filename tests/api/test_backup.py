# SPDX-License-Identifier: Apache-2.0
"""Backups of a registry that serves, and bringing them back."""
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest
import yaml

import content
from client import Client
from server import Server, binary, environment, free_port, run

NAME = re.compile(r"\d{8}T\d{6}Z")
FAR = "20200101T000000Z"


@pytest.fixture(name="disk")
def disk_fixture(tmp_path):
    """Mounts other file systems: disk(size) -> folder."""
    mounted = []

    def mount(size="256m"):
        if os.getuid() != 0:
            pytest.skip("mounting a file system needs root")
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder
    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def backup(server, dest, *options):
    """A backup that succeeds: (its folder, what the command said)."""
    done = run("backup", *options, dest, server.config_path, seconds=120)
    assert done.returncode == 0, done.stderr
    assert not list(pathlib.Path(dest).glob("*.partial"))
    name = NAME.search(done.stdout).group()
    return pathlib.Path(dest) / name, done.stdout


def names(dest):
    """The backups in a directory."""
    return sorted(p.name for p in pathlib.Path(dest).iterdir() if p.name[0] != ".")


def blobs_in(folder):
    """Digest and file of all blobs of a backup."""
    return {p.name: p for p in (folder / "blobs").rglob("*") if p.is_file()}


def info(folder):
    """What backup.json says."""
    return json.loads((folder / "backup.json").read_text())


def elsewhere(folder, root=None):
    """A server that is not started, for a root directory of its own."""
    root = root or pathlib.Path(folder) / "root"
    other = Server(folder, {"storage": {"filesystem": {"rootdirectory": str(root)}}})
    other.root = root
    other.config_path.write_text(yaml.safe_dump(other.config, sort_keys=False))
    return other


def restore(server, source, *options, name=None, status=0):
    """Restores into the root directory of a server that does not run."""
    done = run("restore", *options, source, *([name] if name else []), server.config_path, seconds=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def assert_verified(server):
    """`berth verify --blobs` finds nothing at all."""
    done = run("verify", "--blobs", server.config_path, seconds=120)
    assert done.returncode == 0 and ": 0 damaged or missing, 0 useless files" in done.stdout, done.stdout


def live_file(server, digest):
    """Where a blob lies in the registry's own directory."""
    algorithm, name = digest.split(":")
    return server.root / "docker/registry/v2/blobs" / algorithm / name[:2] / name / "data"


def layer_of(data):
    """The digest of the first layer of an image."""
    return json.loads(data)["layers"][0]["digest"]


# ---- while it serves

class Pushers:
    """Clients that push images, take some of them away again, and note what was confirmed when."""

    def __init__(self, server, count):
        self.server, self.stop, self.kept, self.failed = server, threading.Event(), [], []
        self.threads = [threading.Thread(target=self.push) for _ in range(count)]

    def push(self):
        """One client."""
        client = Client(self.server.url)
        while not self.stop.is_set():
            try:
                self.push_one(client, content.name("backup"))
            except (AssertionError, OSError) as error:
                # With next to no grace period the collector may take a blob before its manifest comes. The
                # client is told so.
                if "BLOB_UNKNOWN" not in str(error):
                    self.failed.append(error)
                    return

    def push_one(self, client, repo):
        """An image that stays, one that goes, and a blob that nobody needs."""
        digest, data = client.push_image(repo, "v1", layers=2, size=20_000)
        self.kept.append((repo, digest, data))
        gone, _ = client.push_image(repo, "gone", size=10_000)
        client.push_blob(repo, content.noise(5000, seed="shared"))
        assert client.delete(f"/v2/{repo}/manifests/{gone}").status_code == 202

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("where", ["same disk", "other disk"])
def test_a_backup_beside_pushes_and_collections_is_whole(tmp_path, disk, where):
    dest = tmp_path / "backups" if where == "same disk" else disk("512m")
    with Server(tmp_path / "server", {"berth": {"gc": {"grace": "1s", "interval": "1s"}}}) as server:
        with Pushers(server, 16) as pushers:
            until(lambda: len(pushers.kept) > 60 and "garbage collected" in server.log.read_text())
            made = []
            for _ in range(3):
                before = list(pushers.kept)
                made.append((backup(server, dest)[0], before))
                time.sleep(0.3)
        assert not pushers.failed
    assert len(made[0][1]) < len(made[2][1])
    for i, (folder, before) in enumerate(made):
        other = elsewhere(tmp_path / f"other{i}")
        done = restore(other, dest, name=folder.name)
        assert folder.name in done.stdout
        assert_verified(other)
        with other:
            client = Client(other.url)
            for repo, digest, data in before:
                assert client.get_manifest(repo, "v1").content == data
                assert client.get_manifest(repo, digest).content == data
            for repo, _, data in before[::10]:
                for layer in json.loads(data)["layers"]:
                    got = client.get(f"/v2/{repo}/blobs/{layer['digest']}").content
                    assert content.digest(got) == layer["digest"]
            client.push_image("new/one", "v1")


def until(condition, seconds=60):
    """Waits until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to it"
        time.sleep(0.02)


# ---- incremental

@pytest.mark.parametrize("where", ["same disk", "other disk"])
def test_the_second_backup_shares_what_is_old(serve, tmp_path, disk, where):
    server, client = serve()
    dest = tmp_path / "backups" if where == "same disk" else disk()
    client.push_image("a/b", "v1", size=3_000_000)
    client.push_image("a/b", "v2", size=3_000_000, algorithm="sha512")
    first, said = backup(server, dest)
    assert ("of which 0 B were copied" in said) == (where == "same disk")
    _, data = client.push_image("a/b", "v3", size=50_000)
    second, said = backup(server, dest)
    copied = re.search(r"of which (\S+ \S+) were copied", said).group(1)
    assert copied == "0 B" if where == "same disk" else copied.startswith(("48.", "49."))
    old, new = blobs_in(first), blobs_in(second)
    assert len(new) == len(old) + 2 == info(second)["blobs"]
    for name, path in old.items():
        assert path.stat().st_ino == new[name].stat().st_ino
    for name, path in new.items():
        algorithm = path.parent.parent.name
        assert content.digest(path.read_bytes(), algorithm) == f"{algorithm}:{name}"
    assert layer_of(data).partition(":")[2] in set(new) - set(old)
    # Removing the first, by hand, costs the second nothing.
    shutil.rmtree(first)
    other = elsewhere(tmp_path / "other")
    restore(other, dest)
    assert_verified(other)


def test_old_backups_go_and_those_that_stay_can_be_restored(serve, tmp_path):
    server, client = serve()
    dest, made = tmp_path / "backups", []
    (dest / "a folder of somebody else").mkdir(parents=True)
    for i in range(5):
        client.push_image("a/b", f"v{i}")
        folder, said = backup(server, dest, "--keep", "3")
        made.append(folder.name)
        assert ("1 old backups removed" in said) == (i >= 3)
    assert [n for n in names(dest) if NAME.match(n)] == made[2:]
    assert "a folder of somebody else" in names(dest)
    server.stop()
    other = elsewhere(tmp_path / "other")
    restore(other, dest, name=made[2])
    with other:
        assert Client(other.url).get("/v2/a/b/tags/list").json()["tags"] == ["v0", "v1", "v2"]
    # Forward to the newest, in place of it.
    done = restore(other, dest, status=1)
    assert "--replace" in done.stderr
    done = restore(other, dest, "--replace")
    assert made[4] in done.stdout and "berth.db.before-" in done.stdout
    assert_verified(other)
    with other:
        assert len(Client(other.url).get("/v2/a/b/tags/list").json()["tags"]) == 5
    # And back: what only the newer one had is useless now, and told.
    done = restore(other, dest / made[2], "--replace")
    assert "verify --repair" in done.stdout
    assert run("verify", "--repair", other.config_path).returncode == 0
    assert_verified(other)


def test_the_list_tells_what_there_is(serve, tmp_path):
    server, client = serve()
    client.push_image("a/b", "v1")
    first, _ = backup(server, tmp_path / "backups")
    (tmp_path / "backups" / f"{FAR}.partial").mkdir()
    done = run("restore", "--list", tmp_path / "backups")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == 2 and lines[1].split()[:5] == [first.name, "1", "1", "1", "2"]
    assert run("restore", "--list", tmp_path / "nowhere").returncode == 1


# ---- details

def test_a_registry_that_does_not_run_is_backed_up_too(serve, tmp_path):
    server, client = serve()
    _, data = client.push_image("a/b", "v1")
    server.stop()
    done = run("backup", "backups", server.config_path, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    other = elsewhere(tmp_path / "other")
    restore(other, tmp_path / "backups")
    with other:
        assert Client(other.url).get_manifest("a/b", "v1").content == data


def test_the_path_is_that_of_the_caller(serve, tmp_path):
    server, client = serve()
    client.push_image("a/b", "v1")
    (tmp_path / "here").mkdir()
    assert run("backup", "-q", "backups", server.config_path, folder=tmp_path / "here").stdout == ""
    assert len(names(tmp_path / "here/backups")) == 1


def test_uploads_in_progress_are_left_out(serve, tmp_path):
    server, client = serve()
    client.push_image("a/b", "v1")
    client.patch_chunk(client.upload("a/b"), b"not all of it")
    folder, _ = backup(server, tmp_path / "backups")
    with sqlite3.connect(folder / "berth.db") as database:
        assert database.execute("SELECT count(*) FROM upload").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM manifest").fetchone() == (1,)


def test_an_empty_registry_is_one_too(serve, tmp_path):
    server, _ = serve()
    backup(server, tmp_path / "backups")
    other = elsewhere(tmp_path / "other")
    restore(other, tmp_path / "backups")
    assert_verified(other)


def test_a_backup_does_not_disturb_the_metrics(serve, tmp_path):
    port = free_port()
    server, client = serve({"http": {"debug": {"addr": f"127.0.0.1:{port}", "prometheus": {"enabled": True}}}})
    client.push_image("a/b", "v1")
    backup(server, tmp_path / "backups")
    client.push_image("a/b", "v2")
    assert "\nberth_tags 2\n" in Client(f"http://127.0.0.1:{port}").get("/metrics").text


def test_the_database_may_lie_elsewhere(serve, tmp_path):
    server, client = serve({"berth": {"database": {"path": str(tmp_path / "db/one.db")}}})
    _, data = client.push_image("a/b", "v1")
    backup(server, tmp_path / "backups")
    other = elsewhere(tmp_path / "other")
    other.config["berth"] = {"database": {"path": str(tmp_path / "db2/two.db")}}
    other.config_path.write_text(yaml.safe_dump(other.config))
    restore(other, tmp_path / "backups")
    assert (tmp_path / "db2/two.db").exists() and not (other.root / "berth/berth.db").exists()
    with other:
        assert Client(other.url).get_manifest("a/b", "v1").content == data


# ---- what is refused

@pytest.mark.parametrize("arguments", [["backup"], ["backup", "--keep", "0", "x"], ["backup", "--keep", "many", "x"],
                                       ["backup", ""], ["backup", "--what", "x"], ["backup", "a", "b", "c"],
                                       ["restore"], ["restore", "--what", "x"], ["restore", "--list", "a", "b"],
                                       ["restore", "a", FAR, "c", "d"]])
def test_mistakes_are_told(arguments, tmp_path):
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 2 and "berth" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("running", [True, False])
def test_a_place_that_cannot_be_is_refused(serve, tmp_path, running):
    server, client = serve()
    client.push_image("a/b", "v1")
    if not running:
        server.stop()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(server.root)
    for dest, word in ((server.root, "inside"), (server.root / "berth/backups", "inside"),
                       (tmp_path / "link/new/folder", "inside"), (tmp_path / "file", "not a directory"),
                       ("/proc/berth", "/proc/berth")):
        done = run("backup", dest, server.config_path)
        assert done.returncode == 1 and word in done.stderr, done.stderr
    assert not (server.root / "new").exists() and not (server.root / "berth/backups").exists()


def test_only_one_backup_at_a_time(serve, tmp_path):
    server, _ = serve()
    folder, _ = backup(server, tmp_path / "backups")
    with open(folder.parent / ".lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("backup", folder.parent, server.config_path)
        assert done.returncode == 1 and "another backup" in done.stderr


def test_without_a_registry_there_is_nothing_to_back_up(serve, tmp_path):
    server, _ = serve()
    other = elsewhere(tmp_path / "other")
    done = run("backup", tmp_path / "backups", other.config_path)
    assert done.returncode == 1 and "no registry" in done.stderr
    assert not (tmp_path / "backups").exists() and not other.root.exists()


def test_a_registry_that_serves_is_not_replaced(serve, tmp_path):
    server, client = serve()
    _, data = client.push_image("a/b", "v1")
    backup(server, tmp_path / "backups")
    done = restore(server, tmp_path / "backups", "--replace", status=1)
    assert "in use" in done.stderr and "stop it" in done.stderr
    assert client.get_manifest("a/b", "v1").content == data


def test_a_backup_that_is_not_there_is_told(serve, tmp_path):
    server, _ = serve()
    (tmp_path / "empty").mkdir()
    other = elsewhere(tmp_path / "other")
    for source, name in ((tmp_path / "nowhere", []), (tmp_path / "empty", [])):
        done = run("restore", source, *name, other.config_path)
        assert done.returncode == 1 and str(source) in done.stderr
    folder, _ = backup(server, tmp_path / "backups")
    done = run("restore", tmp_path / "backups", FAR, other.config_path)
    assert done.returncode == 1 and FAR in done.stderr and folder.name in done.stderr
    assert not other.root.exists()


# ---- trouble

def test_what_was_interrupted_goes_with_the_next(serve, tmp_path):
    server, client = serve()
    client.push_image("a/b", "v1")
    left = tmp_path / "backups" / f"{FAR}.partial" / "blobs/sha256/aa"
    left.mkdir(parents=True)
    (left / "file").write_text("x")
    (tmp_path / "backups/mine.partial").mkdir()
    assert run("backup", tmp_path / "backups", server.config_path).returncode == 0
    assert [n for n in names(tmp_path / "backups") if "partial" in n] == ["mine.partial"]


def test_a_caller_that_goes_away_leaves_nothing(serve, tmp_path, disk):
    server, client = serve()
    for _ in range(4):
        client.push_blob("a/b", content.noise(32 << 20, seed=os.urandom(8)))
    dest = disk("512m")
    with subprocess.Popen([str(binary()), "backup", str(dest), str(server.config_path)], env=environment(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: list(dest.glob("*.partial/blobs")) or process.poll() is not None)
        process.kill()
    until(lambda: not list(dest.glob("*.partial")))
    assert len(names(dest)) <= 1
    backup(server, dest)


@pytest.mark.parametrize("running", [True, False])
def test_a_full_disk_leaves_nothing_of_it(serve, tmp_path, disk, running):
    server, client = serve()
    client.push_image("a/b", "v1", size=1_000_000)
    dest = disk("24m")
    backup(server, dest)
    repo, large = content.name(), content.noise(30 << 20, seed="too large for the disk")
    client.push_blob(repo, large)
    if not running:
        server.stop()
    done = run("backup", "--keep", "1", dest, server.config_path)
    assert done.returncode == 1 and "No space left" in done.stderr, done.stderr
    assert len(names(dest)) == 1
    assert sum(p.stat().st_size for p in dest.rglob("*") if p.is_file()) < 5 << 20
    other = elsewhere(tmp_path / "other")
    restore(other, dest)
    assert_verified(other)


def test_a_restore_that_finds_no_space_changes_nothing(serve, tmp_path, disk):
    server, client = serve()
    client.push_blob("a/b", content.noise(30 << 20, seed="too large for the other disk"))
    backup(server, tmp_path / "backups")
    small = disk("24m")
    other = elsewhere(tmp_path / "other", small / "root")
    with other:
        _, data = Client(other.url).push_image("old/one", "v1")
    done = restore(other, tmp_path / "backups", "--replace", status=1)
    assert "No space left" in done.stderr
    with other:
        assert Client(other.url).get_manifest("old/one", "v1").content == data
    # With more room it goes on from there.
    subprocess.run(["mount", "-o", "remount,size=128m", str(small)], check=True)
    restore(other, tmp_path / "backups", "--replace")
    assert run("verify", "--repair", other.config_path).returncode == 0
    assert_verified(other)
    assert not list(other.root.glob("berth/*restoring*"))


def damage(path, how):
    """Does it to a file."""
    data = bytearray(path.read_bytes())
    path.unlink()  # others may share its bytes
    if how == "bits":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif how == "short":
        path.write_bytes(data[:-1])


@pytest.mark.parametrize("how", ["gone", "short", "bits"])
@pytest.mark.parametrize("where", ["same disk", "other disk"])
def test_a_damaged_backup_is_told_by_name_and_the_rest_restored(serve, tmp_path, disk, how, where):
    server, client = serve()
    _, good = client.push_image("a/good", "v1")
    _, bad = client.push_image("a/bad", "v1")
    dest = tmp_path / "backups" if where == "same disk" else disk()
    folder, _ = backup(server, dest)
    digest = layer_of(bad)
    damage(blobs_in(folder)[digest.partition(":")[2]], how)
    other = elsewhere(tmp_path / "other")
    options = ["--blobs"] if how == "bits" and where == "same disk" else []  # links are not read
    done = restore(other, dest, *options, status=1)
    assert digest in done.stdout and "needed by a/bad:v1" in done.stdout and "damaged" in done.stderr
    assert "a/good" not in done.stdout
    with other:
        there = Client(other.url)
        assert there.get_manifest("a/good", "v1").content == good
        answer = there.get(f"/v2/a/good/blobs/{layer_of(good)}")
        assert content.digest(answer.content) == layer_of(good)


@pytest.mark.parametrize("how", ["gone", "short", "bits"])
def test_a_damaged_database_is_not_restored(serve, tmp_path, how):
    server, client = serve()
    client.push_image("a/b", "v1")
    folder, _ = backup(server, tmp_path / "backups")
    _, data = client.push_image("a/b", "v2")
    server.stop()
    damage(folder / "berth.db", how)
    done = restore(server, tmp_path / "backups", "--replace", status=1)
    assert folder.name in done.stderr and "damaged" in done.stderr
    server.start()
    assert client.get_manifest("a/b", "v2").content == data
    (folder / "backup.json").write_text("{")
    server.stop()
    done = restore(server, tmp_path / "backups", "--replace", status=1)
    assert "backup.json" in done.stderr


def test_what_the_registry_has_lost_is_told_and_keeps_old_backups(serve, tmp_path):
    server, client = serve()
    dest = tmp_path / "backups"
    _, lost = client.push_image("a/b", "lost")
    _, good = client.push_image("a/b", "good")
    live_file(server, layer_of(lost)).unlink()
    done = run("backup", dest, server.config_path)
    assert done.returncode == 1 and layer_of(lost) in done.stdout and "missing or damaged" in done.stderr
    done = run("backup", "--keep", "1", dest, server.config_path)
    assert done.returncode == 1 and len(names(dest)) == 2
    other = elsewhere(tmp_path / "other")
    done = restore(other, dest, status=1)
    with other:
        assert Client(other.url).get_manifest("a/b", "good").content == good


def test_what_the_registry_has_lost_comes_from_the_backup_before(serve, tmp_path):
    server, client = serve()
    dest = tmp_path / "backups"
    _, data = client.push_image("a/b", "v1")
    backup(server, dest)
    live_file(server, layer_of(data)).unlink()
    backup(server, dest, "--keep", "1")
    other = elsewhere(tmp_path / "other")
    restore(other, dest)
    assert_verified(other)


def test_the_end_of_the_server_ends_a_backup(tmp_path, disk):
    server = Server(tmp_path / "server", {"http": {"draintimeout": "1s"}}).start()
    client, dest = Client(server.url), disk("512m")
    for _ in range(4):
        client.push_blob("a/b", content.noise(32 << 20, seed=os.urandom(8)))
    with subprocess.Popen([str(binary()), "backup", str(dest), str(server.config_path)], env=environment(),
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        until(lambda: list(dest.glob("*.partial/blobs")) or process.poll() is not None)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_end()
        process.wait(30)
    assert not list(dest.glob("*.partial"))
