# SPDX-License-Identifier: Apache-2.0
"""A file system that fails, under the whole process: the n-th call of a push, a
delete and a collection fails with every error that disks are known for. (With
--every 1 each call does; by default a choice of them, and always the first of
every kind of call.)

The calls of SQLite fail too. Whatever fails: the client is told with a 5xx (or
the fault did no harm and the answer is as always), the log says what it was,
no descriptor is lost, nothing is by halves, and the same request succeeds when
the fault is over.
"""
import contextlib
import errno
import json
import os
import re
import subprocess
import time

import pytest

import content
import shim
from server import Server, binary, environment
from wire import Gone, Wire

CONFIG = {"log": {"level": "info", "accesslog": {"disabled": True}}, "berth": {"gc": {"enabled": False, "grace": "1h"}}}
FAULTS = [
    pytest.param(errno.ENOSPC, shim.C_WRITE | shim.C_SYNC | shim.C_CREATE, id="ENOSPC"),
    pytest.param(errno.EDQUOT, shim.C_WRITE | shim.C_SYNC | shim.C_CREATE, id="EDQUOT"),
    pytest.param(errno.EIO, shim.C_WRITE | shim.C_SYNC | shim.C_NAMES | shim.C_READ | shim.C_OPEN, id="EIO"),
    pytest.param(errno.EMFILE, shim.C_OPEN, id="EMFILE"),
]
FULL = (errno.ENOSPC, errno.EDQUOT)
CALLS_MAX = 400
CONNECTION = 3  # descriptors that one connection to the database has


class Bench:
    """A registry whose file system fails on demand."""

    def __init__(self, folder, library):
        self.faults = shim.Faults(folder / "faults")
        root = folder / "server" / "root"
        root.mkdir(parents=True)
        self.server = Server(folder / "server", CONFIG,
                             env=shim.environment(library, root, SHIM_FAULTS=folder / "faults"))
        self.wire = None
        self.chosen = range(1, 2)

    def descriptors(self):
        """What it has open, besides sockets: (all but the database, how many of the database)."""
        self.quiet()
        folder, names = f"/proc/{self.server.process.pid}/fd", []
        for number in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                names.append(os.readlink(f"{folder}/{number}"))
        database = [name for name in names if "/berth.db" in name]
        return sorted(n for n in names if n not in database and not n.startswith("socket:")), len(database)

    def check_descriptors(self, before):
        """None is lost. The database may have been opened once more, by the thread that copies its log."""
        others, database = self.descriptors()
        assert others == before[0], f"{others}, before it all {before[0]}"
        assert database <= before[1] + CONNECTION, f"{database} of the database, before it all {before[1]}"

    def quiet(self):
        """Waits until no thread in the background touches a file."""
        self.faults.watch()
        while (calls := self.faults.calls()) != (time.sleep(0.05) or self.faults.calls()):
            assert calls < 100_000, "it never comes to rest"

    def log_after(self, at):
        """What it wrote since then."""
        with open(self.server.log, encoding="utf-8", errors="replace") as log:
            log.seek(at)
            return log.read()

    def collect(self):
        """`berth gc --now`."""
        return subprocess.run([str(binary()), "gc", "--now", str(self.server.config_path)], env=environment(),
                              capture_output=True, text=True, check=False, timeout=60)

    def verify(self):
        """Nothing is damaged; files without a record may stay, until they are removed on demand."""
        for options in (["--blobs"], ["--blobs", "--repair"], ["--blobs"]):
            done = subprocess.run([str(binary()), "verify", *options, str(self.server.config_path)],
                                  env=environment(), capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
        assert " 0 damaged or missing, 0 useless files" in done.stdout, done.stdout


@pytest.fixture(name="library", scope="module")
def library_fixture(tmp_path_factory):
    """The shim."""
    return shim.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture(name="bench")
def bench_fixture(tmp_path, library, request):
    """Such a registry, running and warm."""
    bench = Bench(tmp_path, library)
    step = request.config.option.every
    bench.chosen = range(1 + request.config.option.seed % step, CALLS_MAX, step)
    with bench.server as server:
        bench.wire = Wire(server.port)
        for _ in range(2):
            push(bench, "warm/up", "v1")
        yield bench
        bench.wire.close()


def push(bench, repo, tag):
    """Pushes an image in all ways there are; its bytes, or the first answer that was not as it should be."""
    config, layers = content.config_bytes(), [content.noise(70_000), content.noise(300)]
    for way, data in zip(("post", "chunks", "put"), [config, *layers]):
        answer = bench.wire.push_blob(repo, data, way)
        if answer.status != 201:
            return None, answer
    data = content.image(config, layers)
    answer = bench.wire.put_manifest(repo, tag, data)
    return (data, answer) if answer.status == 201 else (None, answer)


def troubles(log):
    """The lines of a log that say that something went wrong."""
    return [line for line in log.splitlines() if re.search(r"level=(error|warn)", line)]


def check_refusal(answer, error, log, what):
    """A 5xx that says what is wrong, and a line in the log that says more."""
    assert answer.status in (500, 503, 507), f"{what}: {answer}"
    assert json.loads(answer.body)["errors"][0]["message"], what
    assert troubles(log), f"{what}: {answer}, and nothing in the log"
    if error in FULL:
        assert answer.status == 507, f"{what}: {answer}\n{log}"


class Sweep:
    """Does something again and again, each time with another call that fails.

    `needs` are the kinds of calls it cannot do without. `deed` does it. `judge(outcome, what, log)` checks
    what came of it, and says whether somebody was told that it failed."""

    def __init__(self, bench, error, kinds, needs, deed, judge):
        self.bench, self.error, self.kinds, self.needs = bench, error, kinds, needs
        self.deed, self.judge = deed, judge
        self.calls = self.told = 0

    def once(self, nth, kinds):
        """The nth call of these kinds fails: (did it come to that, was it told)."""
        bench, at = self.bench, self.bench.server.log.stat().st_size
        bench.faults.arm(nth, self.error, kinds)
        try:
            outcome = self.deed()
        except Gone as gone:
            raise AssertionError(f"call {nth}: {gone}\n{bench.server.text()[-2000:]}") from gone
        hits, last = bench.faults.disarm()
        log = bench.log_after(at)
        told = self.judge(outcome, f"call {nth} of kinds {kinds:#x}, {last or 'none failed'}", log)
        assert hits or not told, f"call {nth}: nothing failed, but {outcome}"
        return hits > 0, told

    def first(self, kind):
        """The first call of a kind that is needed fails, and that cannot go unnoticed. (Where a thread in the
        background came first it may; then once more.)"""
        for _ in range(5):
            self.bench.quiet()
            if self.once(1, kind) == (True, True):
                return
        raise AssertionError(f"the first call of kind {kind:#x} failed five times, and nobody was told")

    def run(self):
        """The first call of each kind alone, so that every run has them; then of all kinds the first, the
        second, and so on, or every so many, until none is left that fails."""
        for kind in shim.KINDS:
            if kind & self.kinds & self.needs:
                self.first(kind)
        for nth in self.bench.chosen:
            hit, told = self.once(nth, self.kinds)
            self.told += told
            if not hit:
                return self
            self.calls = nth
        raise AssertionError("there is no end of calls")


@pytest.mark.parametrize("error, kinds", FAULTS)
def test_a_push_meets_a_failing_file_system(bench, error, kinds):
    before = bench.descriptors()
    pushed, refused = [], []

    def deed():
        repo = f"faulty/r{len(pushed) + len(refused)}"
        data, answer = push(bench, repo, "v1")
        (pushed if data else refused).append((repo, data))
        return answer

    def judge(answer, what, log):
        if answer.status != 201:
            check_refusal(answer, error, log, what)
        return answer.status != 201

    sweep = Sweep(bench, error, kinds, ~0, deed, judge).run()
    for repo, data in pushed:
        assert bench.wire.manifest(repo, "v1").body == data
    for repo, _ in refused[::7]:
        data, answer = push(bench, repo, "v1")
        assert data, f"after the fault: {answer}"
    bench.check_descriptors(before)
    bench.verify()
    print(f"{sweep.calls} calls, {len(refused)} refusals")


def test_a_manifest_is_looked_at_though_nothing_can_be_read(bench):
    """What cannot be looked up is not taken on trust: here, that the layer is as long as the manifest says."""
    layer, refused = content.noise(300), 0
    for data in (content.EMPTY, layer):
        assert bench.wire.push_blob("faulty/sizes", data).status == 201
    data = json.loads(content.image(content.EMPTY, [layer]))
    data["layers"][0]["size"] += 1
    data = content.encode(data)
    for nth in range(1, CALLS_MAX):
        # Somebody writes, so that the pages have to be read again.
        assert push(bench, f"faulty/others{nth % 3}", "v1")[0]
        at = bench.server.log.stat().st_size
        bench.faults.arm(nth, errno.EIO, shim.C_READ)
        answer = bench.wire.put_manifest("faulty/sizes", "v1", data)
        hits, last = bench.faults.disarm()
        if answer.status != 400:
            refused += 1
            check_refusal(answer, errno.EIO, bench.log_after(at), f"call {nth}, {last}")
        if hits == 0:
            break
    assert refused > 0 and answer.code() == "MANIFEST_INVALID", answer
    assert bench.wire.manifest("faulty/sizes", "v1").status == 404


@pytest.mark.parametrize("error, kinds", FAULTS[:-1])
def test_a_delete_meets_a_failing_file_system(bench, error, kinds):
    before = bench.descriptors()
    images = [push(bench, "faulty/deletes", "v0")[0]]

    def judge(answer, what, log):
        there = bench.wire.manifest("faulty/deletes", content.digest(images[-1])).status
        assert there == (404 if answer.status == 202 else 200), f"{what}: {answer}, then {there}"
        if answer.status != 202:
            check_refusal(answer, error, log, what)
            return True
        images.append(push(bench, "faulty/deletes", f"v{len(images)}")[0])
        return False

    sweep = Sweep(bench, error, kinds, shim.C_WRITE | shim.C_SYNC,
                  lambda: bench.wire.delete("faulty/deletes", content.digest(images[-1])), judge).run()
    assert bench.wire.delete("faulty/deletes", content.digest(images[-1])).status == 202
    bench.check_descriptors(before)
    bench.verify()
    print(f"{sweep.calls} calls, {sweep.told} refusals")


def test_a_delete_needs_no_descriptor(bench):
    image = push(bench, "faulty/deletes", "v0")[0]
    bench.faults.arm(1, errno.EMFILE, shim.C_OPEN, again=1_000_000)
    assert bench.wire.delete("faulty/deletes", content.digest(image)).status == 202
    assert bench.wire.push_blob("faulty/deletes", content.noise(10)).status == 503
    assert bench.faults.disarm()[0] > 0
    assert bench.wire.manifest("faulty/deletes", "v0").status == 404


def folders(bench):
    """The folders of blobs, and how many of `push`'s layers are in them."""
    found = list(bench.server.root.glob("docker/registry/v2/blobs/*/*/*"))
    return len(found), sum((p / "data").exists() and (p / "data").stat().st_size == 70_000 for p in found)


@pytest.mark.parametrize("error, kinds", FAULTS)
def test_a_collection_meets_a_failing_file_system(bench, error, kinds):
    before = bench.descriptors()
    kept = push(bench, "faulty/kept", "v1")[0]
    rest = folders(bench)
    assert rest == (9, 3)

    def deed():
        return bench.collect()

    def judge(done, what, log):
        if done.returncode:
            # Some of it may be done. What could not be is told, does not keep the rest, and is tried again.
            assert re.search("failed: .{20}|could not be removed; .{20}", done.stderr), f"{what}: {done.stderr}"
            assert "failed: " in done.stderr or troubles(log), f"{what}: nothing in the log"
            again = bench.collect()
            assert again.returncode == 0, f"after {what}: {again.stderr}"
        assert folders(bench) == rest, f"{what}: folders and layers: {folders(bench)}, then {done.stderr}"
        litter()
        return done.returncode != 0

    def litter():
        data, _ = push(bench, "faulty/gone", "v1")
        assert bench.wire.delete("faulty/gone", content.digest(data)).status == 202

    litter()
    needs = shim.C_OPEN | shim.C_READ | shim.C_WRITE | shim.C_SYNC | shim.C_NAMES
    sweep = Sweep(bench, error, kinds | shim.C_NAMES, needs, deed, judge).run()
    assert bench.wire.manifest("faulty/kept", "v1").body == kept
    bench.check_descriptors(before)
    assert bench.collect().returncode == 0
    bench.verify()
    print(f"{sweep.calls} calls, {sweep.told} collections failed and were repeated")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_medium_that_stays_broken_serves_what_it_has(bench, error):
    kept = push(bench, "faulty/kept", "v1")[0]
    at = bench.server.log.stat().st_size
    bench.faults.arm(1, error, shim.C_WRITE | shim.C_SYNC | shim.C_CREATE, again=1_000_000)
    for nth in range(20):
        _, answer = push(bench, f"faulty/full{nth}", "v1")
        check_refusal(answer, error, bench.log_after(at), f"push {nth}")
        assert bench.wire.manifest("faulty/kept", "v1").body == kept
    assert bench.collect().returncode in (0, 1)
    assert bench.faults.disarm()[0] >= 20
    data, answer = push(bench, "faulty/after", "v1")
    assert data, answer
    bench.verify()


@pytest.fixture(name="small_disk")
def small_disk_fixture(tmp_path):
    """A file system of 32 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(path):
    """Takes the last bytes, if there are any."""
    try:
        with open(path, "wb", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass
    except OSError as error:
        assert error.errno == errno.ENOSPC, error


def test_a_full_disk_refuses_pushes_and_serves_pulls(tmp_path, small_disk):
    config = CONFIG | {"storage": {"filesystem": {"rootdirectory": str(small_disk / "root")}}}
    (small_disk / "reserve").write_bytes(bytes(1 << 20))
    with Server(tmp_path / "server", config) as server:
        wire, images, refused = Wire(server.port), [], []
        for number in range(200):
            config_data, layer = content.config_bytes(), content.noise(900_000)
            answers = [wire.push_blob("full/r", data) for data in (config_data, layer)]
            data = content.image(config_data, [layer])
            answers.append(wire.put_manifest("full/r", f"v{number}", data))
            if answers[-1].status == 201:
                images.append((f"v{number}", data, layer))
                continue
            refused += [a for a in answers if a.status >= 500]
            if len(refused) > 20:
                break
        assert len(images) > 10 and len(refused) > 20
        # The last bytes too, so that the database cannot grow either.
        fill(small_disk / "ballast")
        for number in range(30):
            refused.append(wire.put_manifest("full/r", f"again{number}", images[0][1]))
            answer = wire.push_blob("full/r", content.noise(50_000))
            assert answer.status != 201
            refused.append(answer)
        for answer in [a for a in refused if a.status != 201]:
            assert answer.status == 507 and "full" in answer.body.decode(), answer
        assert "No space left" in server.text()
        for tag, data, layer in images:
            assert wire.manifest("full/r", tag).body == data
            assert wire.blob("full/r", content.digest(layer)).body == layer
        (small_disk / "ballast").unlink()
        (small_disk / "reserve").unlink()
        for tag, _, _ in images[:5]:
            assert wire.delete("full/r", tag).status == 202
            assert wire.delete("full/r", content.digest(dict((t, d) for t, d, _ in images)[tag])).status == 202
        done = subprocess.run([str(binary()), "gc", "--now", str(server.config_path)], env=environment(),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        layer = content.noise(900_000)
        assert wire.push_blob("full/r", layer).status == 201
        done = subprocess.run([str(binary()), "verify", "--blobs", str(server.config_path)], env=environment(),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0 and " 0 damaged or missing, 0 useless files" in done.stdout, done.stdout
        wire.close()
