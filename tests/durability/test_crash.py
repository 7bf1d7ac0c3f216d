# SPDX-License-Identifier: Apache-2.0
"""The registry is killed at random moments, under load and with the collector at work:
nothing that was acknowledged is lost, nothing useless stays.

`pytest tests/durability/test_crash.py --kills 500` is the long run.
"""
import concurrent.futures
import random
import re
import threading
import time

from fleet import Pusher
from server import Server, run

PUSHERS = 16
GRACE = 1.5
CONFIG = {
    "log": {"level": "warn", "accesslog": {"disabled": True}},
    "http": {"secret": "the same after every kill"},
    "berth": {
        "gc": {"grace": f"{int(GRACE * 1000)}ms", "interval": "1s", "untagged": True, "untaggedafter": "2s"},
        # On a busy machine the pushers, not the registry, may be slow.
        "http": {"minrate": 0},
    },
}
SUMMARY = re.compile(r"(\d+) damaged or missing, (\d+) useless files")
# What a kill can leave without a record: what each pusher was committing, and one batch of the collector.
ORPHANS_OF_A_KILL = PUSHERS + 64
# Without these the kills hit nothing.
DEEDS = ("blob pushed", "blob known", "blob mounted", "manifest", "tag deleted", "manifest deleted", "pulled")


class Crash:
    """A registry, its pushers, and what became of them."""

    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        self.server = Server(folder, CONFIG)
        names = [f"fleet/p{n}-{k}" for n in range(PUSHERS) for k in range(2)]
        self.pushers = [Pusher(n, seed, GRACE, names) for n in range(PUSHERS)]
        self.kills = self.orphans_allowed = self.orphans_seen = self.killed_starting = 0

    def load(self, seconds):
        """Checks everything, then works for so long, and is killed in the middle of it."""
        stop, checked = threading.Event(), threading.Barrier(PUSHERS + 1)

        with concurrent.futures.ThreadPoolExecutor(PUSHERS) as pool:
            jobs = [pool.submit(pusher.run, self.server.port, stop, checked) for pusher in self.pushers]
            try:
                checked.wait(120)
                time.sleep(seconds)
                self.server.check()
            except threading.BrokenBarrierError:
                pass
            finally:
                self.server.kill()
                stop.set()
        for job in jobs:
            job.result()

    def total(self):
        """How often the pushers did what."""
        total = {}
        for pusher in self.pushers:
            for what, count in pusher.count.items():
                total[what] = total.get(what, 0) + count
        return total

    def kill_while_starting(self):
        """Killed before it answers, perhaps in the middle of putting right what the last kill left."""
        self.server.launch()
        time.sleep(self.random.random() * 0.1)
        self.server.kill()
        self.killed_starting += 1

    def verify(self, *options):
        """`berth verify`: no damage; how many files nothing speaks of."""
        done = run("verify", *options, self.server.config_path, seconds=300)
        found = SUMMARY.search(done.stdout)
        assert done.returncode == 0 and found, done.stdout + done.stderr
        assert found[1] == "0", done.stdout
        return int(found[2])

    def look(self):
        """Looks at the directory, with the registry running or not."""
        orphans = self.verify("--blobs")
        assert orphans <= self.orphans_allowed, f"{orphans} useless files after {self.kills} kills"
        self.orphans_seen = max(self.orphans_seen, orphans)

    def tidy(self):
        """What a crash left is gone after a collection and a repair."""
        done = run("gc", "--now", "--quiet", self.server.config_path)
        assert done.returncode == 0, done.stderr
        self.verify("--blobs", "--repair")
        assert self.verify("--blobs") == 0
        self.orphans_allowed = 0

    def once(self):
        """One life of the registry."""
        if self.random.random() < 0.1:
            self.kill_while_starting()
        offline = self.kills > 0 and self.random.random() < 0.25
        if offline:
            self.look()
        self.server.start()
        if not offline and self.random.random() < 0.25:
            self.look()
        self.load(self.random.random() ** 2 * 2.5)
        self.kills += 1
        self.orphans_allowed += ORPHANS_OF_A_KILL
        if self.kills % 10 == 0:
            self.tidy()


def test_nothing_acknowledged_is_lost_and_nothing_useless_stays(tmp_path, request):
    crash = Crash(tmp_path / "server", request.config.option.seed)
    began = time.monotonic()
    try:
        while crash.kills < request.config.option.kills:
            crash.once()
        crash.look()
        crash.tidy()
        with crash.server as server:
            # All references are deleted: everything must go, by itself.
            for pusher in crash.pushers:
                pusher.leave(server.port)
            deadline = time.monotonic() + 60
            while list(server.root.glob("docker/registry/v2/blobs/*/*/*/data")):
                assert time.monotonic() < deadline, "useless blobs stay"
                time.sleep(0.2)
            check_log(server)
        assert all(crash.total().get(what) for what in DEEDS), f"not all was done: {crash.total()}"
    finally:
        print(f"{crash.kills} kills and {crash.killed_starting} while starting in {time.monotonic() - began:.0f} s; "
              f"at most {crash.orphans_seen} useless files found; {crash.total()}")


def check_log(server):
    """Nothing went wrong but what the kills explain."""
    wrong = [line for line in server.text().splitlines() if re.search(r"level=(error|fatal)", line)]
    assert not wrong, "\n".join(wrong[:20])
