# SPDX-License-Identifier: Apache-2.0
"""A file system that fails, under the whole process: the n-th call of a push, a
delete and a collection fails with every error that disks are known for. (With
--every 1 each call does; by default a choice of them.)

The calls of SQLite fail too. Whatever fails: the client is told with a 5xx (or
the fault did no harm and the answer is as always), the log says what it was,
no descriptor is lost, nothing is by halves, and the same request succeeds when
the fault is over.
"""
import errno
import json
import os
import re
import subprocess

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


class Bench:
    """A registry whose file system fails on demand."""

    def __init__(self, folder, library):
        self.faults = shim.Faults(folder / "faults")
        root = folder / "server" / "root"
        root.mkdir(parents=True)
        self.server = Server(folder / "server", CONFIG,
                             env=shim.environment(library, root, SHIM_FAULTS=folder / "faults"))
        self.wire = None
        self.told = 0
        self.chosen = range(1, 2)

    def descriptors(self):
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

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


def check_refusal(bench, answer, error, log, what):
    """A 5xx that says what is wrong, and a line in the log that says more."""
    assert answer.status in (500, 503, 507), f"{what}: {answer}"
    assert json.loads(answer.body)["errors"][0]["message"], what
    lines = [line for line in log.splitlines() if re.search(r"level=(error|warn)", line)]
    assert lines, f"{what}: {answer}, and nothing in the log"
    if error in FULL:
        assert answer.status == 507, f"{what}: {answer}\n{log}"
    bench.told += 1


def every_call(bench, error, kinds, deed, again=0):
    """Lets the first call of `deed` fail, then the second, until none is left (or every so many). `deed` returns
    the answer that was not as it should be, or None."""
    for nth in bench.chosen:
        at = bench.server.log.stat().st_size
        bench.faults.arm(nth, error, kinds, again)
        try:
            answer = deed(nth)
        except Gone as gone:
            raise AssertionError(f"call {nth}: {gone}\n{bench.server.text()[-2000:]}") from gone
        hits, last = bench.faults.disarm()
        if hits == 0:
            assert answer is None, answer
            return nth - 1
        if answer is not None:
            check_refusal(bench, answer, error, bench.log_after(at), f"call {nth}, {last}")
    raise AssertionError("there is no end of calls")


@pytest.mark.parametrize("error, kinds", FAULTS)
def test_a_push_meets_a_failing_file_system(bench, error, kinds):
    before = bench.descriptors()
    pushed = []

    def deed(nth):
        data, answer = push(bench, f"faulty/r{nth}", "v1")
        if data:
            pushed.append((f"faulty/r{nth}", data))
        return None if data else answer

    calls = every_call(bench, error, kinds, deed)
    assert calls > 5 and bench.told > 0
    for repo, data in pushed:
        assert bench.wire.manifest(repo, "v1").body == data
    for nth in range(1, calls + 1, 7):
        data, answer = push(bench, f"faulty/r{nth}", "v1")
        assert data, f"after the fault: {answer}"
    assert bench.descriptors() <= before + 2, os.listdir(f"/proc/{bench.server.process.pid}/fd")
    bench.verify()
    print(f"{calls} calls, {bench.told} refusals")


@pytest.mark.parametrize("error, kinds", FAULTS[1:])
def test_a_delete_meets_a_failing_file_system(bench, error, kinds):
    before = bench.descriptors()
    image = push(bench, "faulty/deletes", "v0")[0]
    for nth in bench.chosen:
        at = bench.server.log.stat().st_size
        bench.faults.arm(nth, error, kinds)
        answer = bench.wire.delete("faulty/deletes", content.digest(image))
        hits, last = bench.faults.disarm()
        there = bench.wire.manifest("faulty/deletes", content.digest(image)).status
        assert there == (404 if answer.status == 202 else 200), f"{answer}, then {there}"
        if answer.status == 202:
            image = push(bench, "faulty/deletes", f"v{nth}")[0]
        else:
            check_refusal(bench, answer, error, bench.log_after(at), f"call {nth}, {last}")
        if hits == 0:
            break
    assert bench.descriptors() <= before + 2
    bench.verify()


def layers(bench):
    """How many layers of `push` are in the storage."""
    return sum(p.stat().st_size == 70_000 for p in bench.server.root.glob("docker/registry/v2/blobs/*/*/*/data"))


@pytest.mark.parametrize("error, kinds", FAULTS[1:])
def test_a_collection_meets_a_failing_file_system(bench, error, kinds):
    before = bench.descriptors()
    kept = push(bench, "faulty/kept", "v1")[0]
    failed = 0
    for nth in bench.chosen:
        data, _ = push(bench, "faulty/gone", "v1")
        assert bench.wire.delete("faulty/gone", content.digest(data)).status == 202
        at = bench.server.log.stat().st_size
        bench.faults.arm(nth, error, kinds | shim.C_NAMES)
        done = bench.collect()
        hits, last = bench.faults.disarm()
        if done.returncode:
            failed += 1
            assert hits and "failed" in done.stderr and len(done.stderr) > 40, f"{last}: {done.stderr}"
        if layers(bench) > 3:
            # A file that could not be removed does not keep the others, but it is told, and tried again.
            assert done.returncode or "tries again" in bench.log_after(at), f"call {nth}, {last}"
            done = bench.collect()
            assert done.returncode == 0, f"after {last} failed: {done.stderr}"
        assert layers(bench) == 3, f"call {nth}, {last}: {layers(bench)} layers are left"
        if hits == 0:
            break
    assert nth > 2 and failed > 0
    assert bench.wire.manifest("faulty/kept", "v1").body == kept
    assert bench.descriptors() <= before + 2
    bench.verify()
    print(f"{nth} calls, {failed} collections failed and were repeated")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
def test_a_medium_that_stays_broken_serves_what_it_has(bench, error):
    kept = push(bench, "faulty/kept", "v1")[0]
    at = bench.server.log.stat().st_size
    bench.faults.arm(1, error, shim.C_WRITE | shim.C_SYNC | shim.C_CREATE, again=1_000_000)
    for nth in range(20):
        _, answer = push(bench, f"faulty/full{nth}", "v1")
        check_refusal(bench, answer, error, bench.log_after(at), f"push {nth}")
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
        (small_disk / "ballast").unlink(missing_ok=True)
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
