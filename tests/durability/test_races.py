# SPDX-License-Identifier: Apache-2.0
"""Pushes that count on a blob at the moment in which it becomes garbage.

The collector runs again and again, without any grace or with little, while many
threads push, find and mount the same few digests and give them up again. A push
may be told that a blob is unknown, though never within the grace period. It may
never be accepted without one. And `registry garbage-collect`, as cron calls it
on the registry that runs, breaks no push at all.
"""
import json
import random
import re
import subprocess
import threading
import time

import pytest

import content
from server import Server, binary, environment
from wire import Wire, blobs_of

THREADS = 16
REPOSITORIES = [f"race/r{n}" for n in range(4)]
BLOBS = [content.noise(200 + 4000 * (n % 6), seed=f"race {n}") for n in range(96)]
DIGESTS = [content.digest(data) for data in BLOBS]
SUMMARY = re.compile(r"^(removed|would remove) \d+ manifests and (\d+) blobs", re.M)
# Without these there is no race: blobs are found and mounted, pushed, and collected meanwhile.
HAPPENS = ("accepted", "index", "found", "mounted", "pushed", "collected")
UNKNOWN = ("MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN")


class Racer(threading.Thread):
    """Pushes images of the few blobs in every way there is."""

    def __init__(self, port, seed, stop, grace, few):
        super().__init__()
        self.wire, self.stop, self.grace, self.few = Wire(port), stop, grace, few
        self.random = random.Random(seed)
        self.count = {}
        self.failure = None

    def note(self, what):
        """Counts for the report."""
        self.count[what] = self.count.get(what, 0) + 1

    def bring(self, repo, which):
        """Asks for the blob, mounts it, or pushes it. True when the registry says that it is there."""
        way = self.random.choice(("head", "head", "mount", "push"))
        if way == "head":
            status = self.wire.blob(repo, DIGESTS[which], "HEAD").status
            assert status in (200, 404), f"HEAD: {status}"
            if status == 200:
                self.note("found")
                return
        elif way == "mount":
            answer, location = self.wire.mount(repo, DIGESTS[which], self.random.choice(REPOSITORIES))
            assert answer.status in (201, 202), f"mount: {answer}"
            if answer.status == 201:
                self.note("mounted")
                return
            answer = self.wire.fill(location, DIGESTS[which], BLOBS[which])
            assert answer.status == 201, f"push after a mount: {answer}"
            self.note("pushed")
            return
        answer = self.wire.push_blob(repo, BLOBS[which], self.random.choice(("put", "post", "chunks")))
        assert answer.status == 201, f"push: {answer}"
        self.note("pushed")

    def whole(self, repo, data):
        """Everything an accepted manifest names is there, byte for byte."""
        answer = self.wire.manifest(repo, content.digest(data))
        assert (answer.status, answer.body) == (200, data), f"an accepted manifest: {answer}"
        for digest in blobs_of(data):
            answer = self.wire.blob(repo, digest)
            assert answer.status == 200, f"accepted without blob {digest}: {answer}"
            assert content.digest(answer.body) == digest, f"blob {digest} has other bytes"

    def image(self):
        """Pushes an image, pulls it twice if it was accepted, and deletes it."""
        repo = self.random.choice(REPOSITORIES)
        chosen = self.random.sample(range(self.few), self.random.randint(1, 3))
        asked = time.monotonic()
        for which in chosen:
            self.bring(repo, which)
        data = content.image(BLOBS[chosen[0]], [BLOBS[n] for n in chosen[1:]],
                             annotations={"n": str(self.random.random())})
        digest = content.digest(data)
        tag = f"t{self.ident}" if self.random.random() < 0.5 else None
        answer = self.wire.put_manifest(repo, tag or digest, data)
        if answer.status != 201:
            took = time.monotonic() - asked
            assert answer.status in (400, 404) and answer.code() in UNKNOWN, f"push of a manifest: {answer}"
            assert took > self.grace, f"refused {took:.3f} s after it began to ask for blobs: {answer}"
            self.note("refused")
            return
        self.note("accepted")
        self.whole(repo, data)
        if self.random.random() < 0.5:
            time.sleep(self.random.random() * 0.01)
            self.whole(repo, data)
        if self.random.random() < 0.3:
            self.index(repo, data)
        answer = self.wire.delete(repo, digest)
        assert answer.status == 202, f"delete: {answer}"

    def index(self, repo, child):
        """The manifest has a second support for a while."""
        data = content.index([(child, None)], annotations={"n": str(self.random.random())})
        answer = self.wire.put_manifest(repo, content.digest(data), data)
        assert answer.status == 201, f"push of an index: {answer}"
        answer = self.wire.manifest(repo, json.loads(data)["manifests"][0]["digest"], "HEAD")
        assert answer.status == 200, f"accepted without its child: {answer}"
        assert self.wire.delete(repo, content.digest(data)).status == 202
        self.note("index")

    def strays(self):
        """Asks for a blob of which nobody knows whether it is there."""
        which = self.random.randrange(self.few)
        answer = self.wire.blob(self.random.choice(REPOSITORIES), DIGESTS[which])
        assert answer.status in (200, 404), f"pull: {answer}"
        assert answer.status == 404 or answer.body == BLOBS[which], "a blob with other bytes"

    def run(self):
        try:
            while not self.stop.is_set():
                self.image()
                self.strays()
        except BaseException as error:  # pylint: disable=broad-except
            self.failure = error
            self.stop.set()
        finally:
            self.wire.close()


class Pusher(threading.Thread):
    """Pushes to two repositories of its own, takes its time, and deletes what the next push has in common.

    Nothing is ever refused: what it was told is there is there when the manifest comes.
    """

    def __init__(self, port, seed, stop, name):
        super().__init__()
        self.wire, self.stop = Wire(port), stop
        self.random = random.Random(seed)
        self.repos = [f"push/{name}/a", f"push/{name}/b"]
        self.pool = [content.noise(100 + 900 * n, seed=f"push {name} {n}") for n in range(6)]
        self.images = []  # what is there: (repository, tag or digest, bytes)
        self.count = {}
        self.failure = None

    def note(self, what):
        """Counts for the report."""
        self.count[what] = self.count.get(what, 0) + 1

    def pause(self):
        """Time for a collection, or part of one."""
        time.sleep(self.random.random() ** 3 * 0.2)

    def bring(self, repo, data):
        """The blob is there: it was, was mounted, or is pushed."""
        digest = content.digest(data)
        if self.random.random() < 0.7 and self.wire.blob(repo, digest, "HEAD").status == 200:
            self.note("found")
            return
        if self.random.random() < 0.5:
            answer, location = self.wire.mount(repo, digest, self.random.choice(self.repos))
            self.note("mounted" if answer.status == 201 else "pushed")
            answer = answer if answer.status == 201 else self.wire.fill(location, digest, data)
        else:
            answer = self.wire.push_blob(repo, data, self.random.choice(("put", "post", "chunks")))
            self.note("pushed")
        assert answer.status == 201, f"a blob: {answer}"

    def delete_some(self):
        """Deletes an image, and with it perhaps all that needed what a push has found."""
        if self.images and self.random.random() < 0.6:
            repo, reference, _ = self.images.pop(self.random.randrange(len(self.images)))
            assert self.wire.delete(repo, reference).status == 202
            self.note("deleted")

    def image(self, repo, tag=None):
        """Blobs, time, perhaps a deletion, and the manifest."""
        chosen = self.random.sample(self.pool, self.random.randint(1, 3))
        for blob in chosen:
            self.bring(repo, blob)
        self.pause()
        if tag:
            self.delete_some()
            self.pause()
        data = content.image(chosen[0], chosen[1:], annotations={"n": str(self.random.random())})
        answer = self.wire.put_manifest(repo, tag or content.digest(data), data)
        assert answer.status == 201, f"a push of an image was broken: {answer}"
        self.note("accepted")
        return data

    def tagged(self):
        """A tag that may have been another image's, which then has none."""
        repo, tag = self.random.choice(self.repos), self.random.choice(("v1", "v2"))
        data = self.image(repo, tag)
        self.images = [i for i in self.images if i[:2] != (repo, tag)] + [(repo, tag, data)]

    def index(self):
        """The children come first, by digest."""
        repo = self.random.choice(self.repos)
        children = [self.image(repo) for _ in range(2)]
        self.pause()
        data = content.index([(child, None) for child in children])
        digest = content.digest(data)
        answer = self.wire.put_manifest(repo, digest, data)
        assert answer.status == 201, f"a push of an index was broken: {answer}"
        self.pause()
        answer = self.wire.put_manifest(repo, "multi", data)
        assert answer.status == 201, f"an index was broken: {answer}"
        self.note("index")
        self.images = [i for i in self.images if i[:2] != (repo, "multi")] + [(repo, "multi", data)]

    def whole(self):
        """All that has a tag is there."""
        for repo, reference, data in self.images:
            answer = self.wire.manifest(repo, reference)
            assert (answer.status, answer.body) == (200, data), f"a tagged image: {answer}"
            for child in [d["digest"] for d in json.loads(data).get("manifests", [])]:
                assert self.wire.manifest(repo, child, "HEAD").status == 200, "a child of a tagged index"
            for digest in blobs_of(data) if "config" in json.loads(data) else []:
                assert self.wire.blob(repo, digest, "GET").status == 200, "a blob of a tagged image"

    def run(self):
        try:
            while not self.stop.is_set():
                self.random.choice((self.tagged, self.tagged, self.index))()
                self.whole()
        except BaseException as error:  # pylint: disable=broad-except
            self.failure = error
            self.stop.set()
        finally:
            self.wire.close()


def collect(server, stop, runs, command):
    """`berth gc`, without end."""
    while not stop.is_set():
        done = subprocess.run([str(binary()), *command, str(server.config_path)], env=environment(),
                              capture_output=True, text=True, check=False, timeout=60)
        found = SUMMARY.search(done.stdout)
        blobs = int(found[2]) if found and found[1] == "removed" else 0
        runs.append((blobs, done.stderr if done.returncode or not found else ""))
        if runs[-1][1]:
            stop.set()


def race(racers, collectors, stop, seconds, runs, happens):
    """Lets them run until everything has happened: the counts."""
    for thread in racers + collectors:
        thread.start()
    stop.wait(seconds)
    # On a busy machine it takes longer until each of them has happened.
    deadline = time.monotonic() + 120
    while not all(counts(racers, runs).get(what) for what in happens) and time.monotonic() < deadline:
        if stop.wait(0.5):
            break
    stop.set()
    for thread in racers + collectors:
        thread.join()
    total = counts(racers, runs)
    print(f"{len(runs)} collections; {total}")
    wrong = [text for _, text in runs if text]
    assert not wrong, wrong[:3]
    failures = [racer.failure for racer in racers if racer.failure]
    assert not failures, failures
    assert all(total.get(what) for what in happens), f"there was no race: {total}"


def quiet(server):
    """It had nothing to complain about."""
    wrong = [line for line in server.text().splitlines() if "level=error" in line or "level=warn" in line]
    assert not wrong, "\n".join(wrong[:20])


def counts(racers, runs):
    """What happened so far."""
    total = {"collected": sum(blobs for blobs, _ in runs)}
    for racer in racers:
        for what, count in list(racer.count.items()):
            total[what] = total.get(what, 0) + count
    return total


# How few blobs there are decides how long one is left alone: for longer than the grace period, now and then.
@pytest.mark.parametrize("options, grace, few", [(["--now"], 0, 6), ([], 0.1, len(BLOBS))],
                         ids=["at once", "after a grace period"])
def test_no_manifest_is_accepted_without_its_blobs(tmp_path, request, options, grace, few):
    config = {"log": {"level": "warn", "accesslog": {"disabled": True}},
              "berth": {"gc": {"grace": f"{int(grace * 1000) + 1}ms", "interval": "1s"}}}
    with Server(tmp_path / "server", config) as server:
        stop, runs = threading.Event(), []
        racers = [Racer(server.port, f"{request.config.option.seed}-{n}", stop, grace, few)
                  for n in range(THREADS)]
        collectors = [threading.Thread(target=collect, args=(server, stop, runs, ["gc", *options])) for _ in range(2)]
        race(racers, collectors, stop, request.config.option.race_seconds, runs, HAPPENS)
        quiet(server)
        done = subprocess.run([str(binary()), "gc", "--now", "--quiet", str(server.config_path)], env=environment(),
                              check=False)
        assert done.returncode == 0
        done = subprocess.run([str(binary()), "verify", "--blobs", str(server.config_path)], env=environment(),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0 and " 0 damaged or missing, 0 useless files" in done.stdout, done.stdout
        assert not list(server.root.glob("docker/registry/v2/blobs/*/*/*/data")), "useless blobs stay"


def test_no_push_is_broken_by_the_stock_command(tmp_path, request):
    config = {"log": {"level": "warn", "accesslog": {"disabled": True}}}
    with Server(tmp_path / "server", config) as server:
        stop, runs = threading.Event(), []
        racers = [Pusher(server.port, f"{request.config.option.seed}-{n}", stop, n) for n in range(THREADS)]
        collectors = [threading.Thread(target=collect, args=(server, stop, runs, ["garbage-collect", *options]))
                      for options in (["-m"], ["-m"], ["-m", "--dry-run"])]
        race(racers, collectors, stop, request.config.option.race_seconds, runs, HAPPENS + ("deleted",))
        quiet(server)
        # Now nobody pushes: what is left are the images that are there.
        for racer in racers:
            racer.wire = Wire(server.port)
            racer.whole()
            racer.wire.close()
        server.stop()
        done = subprocess.run([str(binary()), "garbage-collect", "-m", "-q", str(server.config_path)],
                              env=environment(), check=False)
        assert done.returncode == 0
        done = subprocess.run([str(binary()), "verify", "--blobs", str(server.config_path)], env=environment(),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0 and " 0 damaged or missing, 0 useless files" in done.stdout, done.stdout
