# SPDX-License-Identifier: Apache-2.0
"""What a power cut can leave, at every point of a recorded history.

The registry runs on shim.c, which writes down every change of its directory,
SQLite's files included, and every answer it sends. From that record the states
are made that a medium may show after a cut: what was synced is there, what was
not is there, is not, or is torn, each write and each directory entry for
itself. On each of these a registry is started, and must have all it had
acknowledged before the cut, nothing of what it had acknowledged to be gone, and
nothing by halves.
"""
import bisect
import concurrent.futures
import contextlib
import copy
import dataclasses
import json
import pathlib
import random
import re
import shutil
import subprocess
import tempfile
import time

import pytest

import content
import layouts
import shim
import stock
from server import Server, binary, environment
from wire import OCTETS, Wire, blobs_of, relative

SECTOR = 512
CONFIG = {"log": {"level": "warn", "accesslog": {"disabled": True}}, "http": {"secret": "the same after every cut"},
          "berth": {"gc": {"enabled": False, "grace": "1h"}}}


# ---- the medium

class File:
    """Bytes, durable up to the last sync."""

    def __init__(self, data=b""):
        self.durable, self.pending = bytearray(data), []

    def sync(self):
        """All of it is durable."""
        for change in self.pending:
            apply(self.durable, *change)
        self.pending = []

    def left(self, chance):
        """What a cut leaves."""
        data = bytearray(self.durable)
        for at, piece in self.pending:
            fate = chance()
            if fate == "keep" or (fate == "torn" and piece is None):
                apply(data, at, piece)
            elif fate == "torn":
                tear(data, at, piece, chance.random)
        return data


class Folder:
    """Entries, durable up to the last sync of the folder."""

    def __init__(self):
        self.durable, self.now, self.pending = {}, {}, []

    def change(self, name, node):
        """An entry is made, replaced, or (no node) removed."""
        self.pending.append((name, node))
        set_entry(self.now, name, node)

    def sync(self):
        """All entries are durable."""
        self.durable, self.pending = dict(self.now), []

    def left(self, chance):
        """What a cut leaves."""
        entries = dict(self.durable)
        for name, node in self.pending:
            if chance() != "drop":
                set_entry(entries, name, node)
        return entries


def set_entry(entries, name, node):
    """Makes or removes an entry."""
    if node is None:
        entries.pop(name, None)
    else:
        entries[name] = node


def apply(data, at, piece):
    """A write, or (no bytes) a truncation."""
    if piece is None:
        del data[at:]
        data.extend(bytes(at - len(data)))
        return
    data.extend(bytes(max(0, at - len(data))))
    data[at:at + len(piece)] = piece


def tear(data, at, piece, rng):
    """Only some sectors of a write arrived; the file may have grown all the same."""
    if rng.random() < 0.5:
        data.extend(bytes(max(0, at + len(piece) - len(data))))
    step = SECTOR - at % SECTOR
    done = 0
    while done < len(piece):
        if rng.random() < 0.5:
            apply(data, at + done, piece[done:done + step])
        done, step = done + step, SECTOR


class Medium:
    """The directory as the record tells it."""

    def __init__(self, root):
        self.prefix = str(root)
        self.root = Folder()
        self.inodes = {root.stat().st_ino: self.root}

    def load(self, path, node=None):
        """What is in the directory before the record begins is there durably."""
        node = node or self.root
        for child in path.iterdir():
            made = Folder() if child.is_dir() else File(child.read_bytes())
            self.inodes[child.stat().st_ino] = made
            node.change(child.name, made)
            if child.is_dir():
                self.load(child, made)
        node.sync()

    def folder(self, path):
        """The folder an entry stands in, and its name."""
        parts = path.decode()[len(self.prefix):].strip("/").split("/")
        node = self.root
        for part in parts[:-1]:
            node = node.now[part]
        return node, parts[-1]

    def play(self, event):
        """Carries out one event."""
        if event.kind in (shim.CREATE, shim.MKDIR):
            node = self.inodes[event.inode] = File() if event.kind == shim.CREATE else Folder()
            self.entry(event.one, node)
        elif event.kind == shim.WRITE:
            self.inodes[event.inode].pending.append((event.at, event.one))
        elif event.kind == shim.TRUNCATE:
            self.inodes[event.inode].pending.append((event.at, None))
        elif event.kind == shim.SYNC:
            self.inodes[event.inode].sync()
        elif event.kind == shim.SYNC_FS:
            for node in self.inodes.values():
                node.sync()
        elif event.kind == shim.LINK and not event.one.startswith(self.prefix.encode() + b"/"):
            self.entry(event.two, File(pathlib.Path(event.one.decode()).read_bytes()))
        elif event.kind in (shim.RENAME, shim.LINK):
            folder, name = self.folder(event.one)
            self.entry(event.two, folder.now[name])
            if event.kind == shim.RENAME:
                folder.change(name, None)
        elif event.kind in (shim.UNLINK, shim.RMDIR):
            folder, name = self.folder(event.one)
            if name in folder.now:
                folder.change(name, None)

    def entry(self, path, node):
        """Makes an entry."""
        folder, name = self.folder(path)
        folder.change(name, node)

    def leave(self, target, chance):
        """Writes what a cut leaves into a fresh directory."""
        self.put(self.root, target, chance)

    def put(self, folder, target, chance):
        """Writes a folder out."""
        target.mkdir(parents=True, exist_ok=True)
        for name, node in folder.left(chance).items():
            if isinstance(node, Folder):
                self.put(node, target / name, chance)
            else:
                (target / name).write_bytes(node.left(chance))


class Chance:
    """Decides about each thing that was not synced."""

    def __init__(self, rule, rng):
        self.rule, self.random = rule, rng
        self.keep = rng.choice((0.15, 0.5, 0.85))

    def __call__(self):
        if self.rule in ("drop", "keep"):
            return self.rule
        if self.random.random() < 0.2:
            return "torn"
        return "keep" if self.random.random() < self.keep else "drop"


# ---- the history

@dataclasses.dataclass
class Truth:
    """What is there after a step: digests of tags, manifests, blobs."""
    tags: dict = dataclasses.field(default_factory=dict)
    manifests: set = dataclasses.field(default_factory=set)
    blobs: set = dataclasses.field(default_factory=set)


class History:
    """Things done one after the other, with what each is to leave behind."""

    def __init__(self, folder, library):
        self.record = folder / "record"
        self.root = folder / "recorded" / "root"
        self.root.mkdir(parents=True)
        self.server = Server(folder / "recorded", CONFIG,
                             env=shim.environment(library, self.root, SHIM_RECORD=self.record))
        self.truth = Truth()
        self.steps = []  # (name, where its last answer is in the record, what is true then)
        self.bytes = {}
        self.wire = None

    @contextlib.contextmanager
    def step(self, name):
        """One step: `truth` is changed within, and holds once the answer is sent."""
        yield
        self.steps.append((name, self.record.stat().st_size, copy.deepcopy(self.truth)))

    def blob(self, repo, data, way="put"):
        """Pushes a blob."""
        digest = content.digest(data)
        with self.step(f"blob by {way}"):
            answer = self.wire.push_blob(repo, data, way)
            assert answer.status == 201, answer
            self.bytes[digest] = data
            self.truth.blobs.add((repo, digest))
        return digest

    def manifest(self, repo, data, tag=None):
        """Pushes a manifest."""
        digest = content.digest(data)
        with self.step("manifest"):
            answer = self.wire.put_manifest(repo, tag or digest, data)
            assert answer.status == 201, answer
            self.bytes[digest] = data
            self.truth.manifests.add((repo, digest))
            if tag:
                self.truth.tags[repo, tag] = digest
        return digest

    def image(self, repo, tag, *sizes):
        """Pushes an image; its bytes."""
        config = content.config_bytes()
        layers = [content.noise(size) for size in sizes]
        for way, data in zip(("post", "put", "chunks", "put"), [config, *layers]):
            self.blob(repo, data, way)
        data = content.image(config, layers)
        self.manifest(repo, data, tag)
        return data

    def mount(self, repo, source, digest):
        """Mounts a blob of another repository."""
        with self.step("mount"):
            assert self.wire.mount(repo, digest, source)[0].status == 201
            self.truth.blobs.add((repo, digest))

    def delete_tag(self, repo, tag):
        """Deletes a tag."""
        with self.step("delete a tag"):
            assert self.wire.delete(repo, tag).status == 202
            del self.truth.tags[repo, tag]

    def delete(self, repo, data):
        """Deletes a manifest."""
        digest = content.digest(data)
        with self.step("delete a manifest"):
            assert self.wire.delete(repo, digest).status == 202
            self.truth.manifests.discard((repo, digest))
            self.truth.tags = {k: d for k, d in self.truth.tags.items() if (k[0], d) != (repo, digest)}

    def collect(self):
        """`berth gc --now`: what speaks of a manifest that was deleted is gone, and blobs that no manifest
        of their repository needs."""
        with self.step("collect"):
            done = subprocess.run([str(binary()), "gc", "--now", str(self.server.config_path)], env=environment(),
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            self.truth.manifests = {(repo, m) for repo, m in self.truth.manifests if self.has_subject(repo, m)}
            needed = {(repo, d) for repo, m in self.truth.manifests for d in blobs_of(self.bytes[m])}
            self.truth.blobs &= needed

    def load(self, repo, tag):
        """`berth import --input` of an archive: all of it is there when the command has ended."""
        made = layouts.Layout()
        made.enter(made.index([made.image([seed, seed + 1], size=20_000 + seed) for seed in (1, 2)]), f"{repo}:{tag}")
        files = made.finish()
        with self.step("import an archive"):
            done = subprocess.run([str(binary()), "import", "--quiet", "--input", "-", str(self.server.config_path)],
                                  env=environment(), input=layouts.tar_of(files), capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            for name, data in files.items():
                digest = name.removeprefix("blobs/").replace("/", ":")
                if not name.startswith("blobs/"):
                    continue
                self.bytes[digest] = data
                (self.truth.manifests if digest in made.manifests else self.truth.blobs).add((repo, digest))
            self.truth.tags[repo, tag] = made.entries[0]["digest"]

    def has_subject(self, repo, digest):
        """It speaks of nothing, or of what is there."""
        subject = json.loads(self.bytes[digest]).get("subject")
        return subject is None or (repo, subject["digest"]) in self.truth.manifests

    def restart(self, way="stop"):
        """Ends the registry and starts it again."""
        self.wire.close()
        with self.step("restart"):
            getattr(self.server, way)()
            self.start()

    def start(self):
        """Starts the registry."""
        self.server.start()
        self.wire = Wire(self.server.port)

    def resumed(self, repo):
        """An upload that outlives its registry."""
        data = content.noise(150_000)
        with self.step("begin an upload"):
            _, location = self.wire.upload(repo)
            answer = self.wire.call("PATCH", location, data[:90_000], OCTETS | {"Content-Range": "0-89999"})
            assert answer.status == 202, answer
        self.restart("kill")
        digest = content.digest(data)
        with self.step("resume an upload"):
            location = relative(answer.headers["Location"])
            answer = self.wire.call("GET", location)
            assert answer.headers["Range"] == "0-89999", answer
            answer = self.wire.call("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", data[90_000:],
                                    OCTETS | {"Content-Range": f"90000-{len(data) - 1}"})
            assert answer.status == 201, answer
            self.bytes[digest] = data
            self.truth.blobs.add((repo, digest))

    def ever(self, what):
        """All tags, manifests or blobs there ever were."""
        return {key for _, _, truth in self.steps for key in getattr(truth, what)}

    def answers(self, events):
        """How many events there are up to and including the last answer of each step."""
        ends, last, at = [], 0, 0
        for _, size, _ in self.steps:
            while at < len(events) and events[at].offset <= size:
                at += 1
                if events[at - 1].kind == shim.SEND:
                    last = at
            ends.append(last)
        return ends

    def around(self, events, cut):
        """What was true before the step a cut falls into, what after it, and its name."""
        done = sum(end <= cut for end in self.answers(events))
        before = self.steps[done - 1][2] if done else Truth()
        if done == len(self.steps):
            return before, before, "the end"
        return before, self.steps[done][2], self.steps[done][0]

    def play(self):
        """All that happens."""
        self.start()
        first = self.image("a/x", "v1", 30_000, 90_000)
        second = self.image("a/x", "v2", 5_000, 70_000, 1_000)
        self.manifest("a/x", second, "v1")
        for digest in blobs_of(second):
            self.mount("b/y", "a/x", digest)
        self.manifest("b/y", second, "latest")
        self.resumed("a/x")
        self.manifest("a/x", content.index([(first, None), (second, None)]), "all")
        self.blob("b/y", content.EMPTY)
        self.manifest("b/y", content.artifact("application/x.sbom", content.descriptor(second, content.OCI_MANIFEST)))
        third = self.image("c/z", "v1", 40_000)
        self.delete("c/z", third)
        self.collect()
        self.image("a/x", "v3", 2_000)
        self.load("e/v", "1.0")
        self.restart()
        self.blob("c/z", next(self.bytes[d] for d in blobs_of(third)[1:]))
        self.delete_tag("a/x", "v3")
        self.delete("b/y", second)
        self.collect()
        for number in range(14):
            self.image("d/w", f"v{number % 3}", 1_000 + number)
        self.collect()
        self.wire.close()
        self.server.kill()


class Crowd(History):
    """Many push at once, so that their writes share transactions and syncs. What was acknowledged is known only
    once the client has the answer, a little later than above."""
    THREADS, IMAGES = 6, 5

    def __init__(self, folder, library):
        super().__init__(folder, library)
        self.acknowledged = []  # (where the record was, what, key, digest)

    def ever(self, what):
        return set(getattr(self.truth, what))

    def answers(self, events):
        return [bisect.bisect_right(events, size, key=lambda e: e.offset) for size, _, _, _ in self.acknowledged]

    def around(self, events, cut):
        before, at = Truth(), events[cut - 1].offset if cut else 0
        for size, what, key, digest in self.acknowledged:
            if size <= at and what == "tags":
                before.tags[key] = digest
            elif size <= at:
                getattr(before, what).add(key)
        return before, self.truth, "many pushes"

    def note(self, what, key, data):
        """It was acknowledged."""
        digest = content.digest(data)
        self.acknowledged.append((self.record.stat().st_size, what, key, digest))

    def push(self, number):
        """Pushes images one after the other. Some layers are common to all."""
        wire, repo = Wire(self.server.port), f"crowd/r{number}"
        for count in range(self.IMAGES):
            config, layers = content.config_bytes(), [content.noise(900 + count), content.noise(60_000, seed=count)]
            image, tag = content.image(config, layers), (repo, f"v{count}")
            for data in (config, *layers, image):
                self.bytes[content.digest(data)] = data
            self.truth.blobs |= {(repo, content.digest(data)) for data in (config, *layers)}
            self.truth.manifests.add((repo, content.digest(image)))
            self.truth.tags[tag] = content.digest(image)
            for way, data in zip(("put", "chunks", "post"), (config, *layers)):
                assert wire.push_blob(repo, data, way).status == 201
                self.note("blobs", (repo, content.digest(data)), data)
            assert wire.put_manifest(*tag, image).status == 201
            self.note("manifests", (repo, content.digest(image)), image)
            self.note("tags", tag, image)
        wire.close()

    def play(self):
        self.server.start()
        with concurrent.futures.ThreadPoolExecutor(self.THREADS) as pool:
            for job in [pool.submit(self.push, number) for number in range(self.THREADS)]:
                job.result()
        self.server.kill()


# ---- looking at what is left

class Look:
    """One state after a cut, compared with what was true before and after the step it fell into."""

    def __init__(self, history, server, before, after):
        self.history, self.server, self.before, self.after = history, server, before, after

    def check(self):
        """Starts a registry there and asks for everything."""
        with self.server:
            self.wire = Wire(self.server.port)
            try:
                self.tags()
                self.manifests()
                self.blobs()
                self.goes_on()
            finally:
                self.wire.close()
            done = subprocess.run([str(binary()), "verify", "--blobs", str(self.server.config_path)],
                                  env=environment(), capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

    def same(self, what, key, there):
        """Is it there if it must be, and not if it must not?"""
        was, is_now = key in getattr(self.before, what), key in getattr(self.after, what)
        assert there or not (was and is_now), f"{what}: {key} is lost"
        assert not there or was or is_now, f"{what}: {key} was acknowledged to be gone, or never was"

    def tags(self):
        """Every tag there ever was."""
        for key in self.history.ever("tags"):
            answer = self.wire.manifest(*key)
            assert answer.status in (200, 404), answer
            digest = content.digest(answer.body) if answer.status == 200 else None
            assert digest in (self.before.tags.get(key), self.after.tags.get(key)), f"{key} is {digest}"

    def manifests(self):
        """Every manifest there ever was, with all that belongs to it."""
        for repo, digest in self.history.ever("manifests"):
            answer = self.wire.manifest(repo, digest)
            assert answer.status in (200, 404), answer
            self.same("manifests", (repo, digest), answer.status == 200)
            if answer.status == 200:
                assert answer.body == self.history.bytes[digest]
                for blob in blobs_of(answer.body):
                    assert self.wire.blob(repo, blob).body == self.history.bytes[blob], "served without a blob"

    def blobs(self):
        """Every blob there ever was."""
        for repo, digest in self.history.ever("blobs"):
            answer = self.wire.blob(repo, digest)
            assert answer.status in (200, 404), answer
            self.same("blobs", (repo, digest), answer.status == 200)
            if answer.status == 200:
                assert answer.body == self.history.bytes[digest], f"blob {digest} has other bytes"

    def goes_on(self):
        """It takes an image again."""
        config, layer = content.config_bytes(), content.noise(3000)
        for data in (config, layer):
            answer = self.wire.push_blob("after/cut", data)
            assert answer.status == 201, answer
        answer = self.wire.put_manifest("after/cut", "v1", content.image(config, [layer]))
        assert answer.status == 201, answer


def choose(events, acknowledged, wanted, rng):
    """Where to cut and what becomes of that which was not synced: (events before the cut, rule)."""
    cuts = [(at, "drop") for at in acknowledged]
    rng.shuffle(cuts)
    cuts = cuts[:wanted // 3]
    changes = [n + 1 for n, e in enumerate(events) if e.kind != shim.SEND]
    names = [n for n in changes if events[n - 1].kind not in (shim.WRITE, shim.TRUNCATE)]
    while len(cuts) < wanted:
        at = rng.choice(names if rng.random() < 0.5 else changes)
        cuts.append((at, rng.choice(("drop", "keep", "mixed", "mixed"))))
    return sorted(cuts)


@pytest.fixture(name="scratch", scope="module")
def scratch_fixture(tmp_path_factory):
    """Memory, where there is some: nothing here needs to outlive the test."""
    if not pathlib.Path("/dev/shm").is_dir():
        yield tmp_path_factory.mktemp("cut")
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="berth-cut-") as folder:
        yield pathlib.Path(folder)


@pytest.fixture(name="history", scope="module")
def history_fixture(tmp_path_factory, scratch):
    """One history for all tests."""
    history = History(scratch, shim.build(tmp_path_factory.mktemp("shim")))
    history.play()
    return history


def examine(history, events, cuts, scratch, seed):
    """Looks at the state after each cut."""
    medium, played = Medium(history.root), 0
    for number, (cut, rule) in enumerate(cuts):
        while played < cut:
            medium.play(events[played])
            played += 1
        before, after, step = history.around(events, cut)
        server = Server(scratch / f"state-{number}", CONFIG)
        try:
            medium.leave(server.root, Chance(rule, random.Random(f"{seed}-{number}")))
            Look(history, server, before, after).check()
        except AssertionError as error:
            raise Lost(f"--seed {seed}: cut {number} before event {cut} of {len(events)}, in the step '{step}', "
                       f"rule '{rule}': {error}\n{server.text()[-3000:]}") from error
        finally:
            shutil.rmtree(server.folder)


class Lost(AssertionError):
    """What a cut took and must not have taken."""


def test_a_power_cut_loses_nothing_that_was_acknowledged(history, scratch, request):
    look_at_many(history, scratch, request.config.option.cuts, request.config.option.seed)


def test_a_power_cut_in_a_crowd_loses_nothing_that_was_acknowledged(tmp_path, scratch, request):
    crowd = Crowd(scratch / "crowd", shim.build(tmp_path))
    crowd.play()
    look_at_many(crowd, scratch, request.config.option.cuts // 3, request.config.option.seed)


def look_at_many(history, scratch, wanted, seed):
    """So many cuts, chosen by the seed."""
    began = time.monotonic()
    events = shim.read_record(history.record)
    cuts = choose(events, history.answers(events), wanted, random.Random(seed))
    examine(history, events, cuts, scratch, seed)
    print(f"{len(events)} events, {len(history.answers(events))} answers, {len(cuts)} cuts in "
          f"{time.monotonic() - began:.0f} s")


@pytest.mark.parametrize("forgotten", [
    pytest.param(r"/uploads/[^/]+$", id="bytes of blobs"),
    pytest.param(r"/blobs/sha256/[^/]+/[^/]+$", id="folders of blobs"),
    pytest.param(r"/blobs/sha256/[^/]+$", id="two-digit folders"),
    pytest.param(r"-wal$", id="log of the database"),
])
def test_a_forgotten_sync_would_be_noticed(history, scratch, forgotten):
    """The test itself is tested: with the syncs of some files left out of the record, something is lost."""
    events = without_syncs(shim.read_record(history.record), forgotten)
    cuts = [(end, "drop") for end in history.answers(events)]
    with pytest.raises(Lost):
        examine(history, events, cuts, scratch, 0)


def test_imported_blobs_outlive_a_power_cut_once_the_file_system_was_synced(tmp_path, scratch):
    """A restore copies blobs without a sync each, and syncs the file system before the database speaks of them."""
    blobs = {content.digest(data): data for data in (content.noise(70_000 + n) for n in range(6))}
    with Server(tmp_path / "server", CONFIG) as server:
        wire = Wire(server.port)
        for data in blobs.values():
            assert wire.push_blob("a/x", data).status == 201
        wire.close()
        command("backup", tmp_path / "backups", server.config_path)
    root, record = scratch / "restored", scratch / "restore.record"
    root.mkdir()
    config = tmp_path / "restore.yml"
    config.write_text(json.dumps({"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(root)}}}))
    library = shim.build(tmp_path)
    command("restore", tmp_path / "backups", config,
            env=shim.environment(library, root, SHIM_RECORD=record))
    events = shim.read_record(record)
    synced = next(n for n, e in enumerate(events) if e.kind == shim.SYNC_FS)
    assert any(b"/berth.db" in e.two for e in events[synced:] if e.kind == shim.RENAME), "the database came first"
    assert not restored(root, events[:synced], scratch / "before", blobs)
    assert restored(root, events[:synced + 1], scratch / "after", blobs) == set(blobs)


def test_a_takeover_that_lost_its_power_is_gone_on_with(tmp_path, scratch, request):
    """Whatever is left of the metadata: the next start takes over what is missing, and nothing of the tree is lost."""
    if stock.program() is None:
        pytest.skip("docker-registry is not installed")
    root, images = scratch / "taken" / "root", {}
    with stock.Stock(tmp_path / "stock", root) as registry:
        wire = Wire(registry.port)
        for number in range(12):
            blobs = [content.config_bytes(), content.noise(2_000), content.noise(30_000, seed=number % 3)]
            for data in blobs:
                assert wire.push_blob(f"team/r{number % 4}", data).status == 201
            image = content.image(blobs[0], blobs[1:])
            assert wire.put_manifest(f"team/r{number % 4}", f"v{number}", image).status == 201
            images[f"team/r{number % 4}", f"v{number}"] = image, blobs
        wire.close()
    medium, record = Medium(root), scratch / "taken.record"
    medium.load(root)
    config = tmp_path / "taken.yml"
    config.write_text(json.dumps({"version": 0.1, "storage": {"filesystem": {"rootdirectory": str(root)}}}))
    command("import", config, env=shim.environment(shim.build(tmp_path), root, SHIM_RECORD=record))
    events, rng = shim.read_record(record), random.Random(request.config.option.seed)
    cuts = sorted(rng.sample(range(len(events)), request.config.option.cuts // 3)) + [len(events)]
    for number, (begin, end) in enumerate(zip([0, *cuts], cuts)):
        for event in events[begin:end]:
            medium.play(event)
        server = Server(scratch / f"taken-{number}", CONFIG)
        medium.leave(server.root, Chance(rng.choice(("drop", "keep", "mixed")), rng))
        with server:
            taken_over(server, images)
        shutil.rmtree(server.folder)
    print(f"{len(events)} events, {len(cuts)} cuts")


def taken_over(server, images):
    """Every image is there, byte for byte, and nothing is damaged."""
    wire = Wire(server.port)
    for (repo, tag), (image, blobs) in images.items():
        assert wire.manifest(repo, tag).body == image, server.text()
        for data in blobs:
            assert wire.blob(repo, content.digest(data)).body == data
    wire.close()
    command("verify", "--blobs", server.config_path)


def command(*words, env=None):
    """Runs berth."""
    done = subprocess.run([str(binary()), *map(str, words)], env={**environment(), **(env or {})},
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def restored(root, events, target, blobs):
    """Which blobs are there whole after a cut behind these events that takes all that was not synced."""
    medium = Medium(root)
    for event in events:
        medium.play(event)
    medium.leave(target, Chance("drop", random.Random(0)))
    files = {digest: target / "docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:] / "data" for digest in blobs}
    return {digest for digest, path in files.items() if path.exists() and path.read_bytes() == blobs[digest]}


def without_syncs(events, forgotten):
    """The record without the syncs of the files or folders whose path has this part."""
    paths, kept = {}, []
    for event in events:
        if event.kind in (shim.CREATE, shim.MKDIR):
            paths[event.inode] = event.one.decode()
        if event.kind != shim.SYNC or not re.search(forgotten, paths.get(event.inode, "")):
            kept.append(event)
    return kept
