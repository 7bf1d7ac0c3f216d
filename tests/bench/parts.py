# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmark, each with its servers started and stopped inside."""

import contextlib
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import time

import collect
import servers
from figures import Row, Rounds

GIB = 1 << 30
MIB = 1 << 20
OCI = "application/vnd.oci.image.manifest.v1+json"


class Bench:
    """What the parts share: the folder, the load generator, sizes, the table."""

    def __init__(self, house, load, table, quick, database=None):
        self.house = house
        self.binary = load
        self.table = table
        self.quick = quick
        self.many = 20000 if quick else 1000000  # manifests, repositories and tags of the full database
        self.database = database
        self.seeded = None
        self.rounds = 2 if quick else 5
        self.seconds = 1 if quick else 4

    def load(self, *arguments, tls=False, auth=False, stdin="", timeout=180):
        """Runs one load to its end; returns what it says."""
        options = (["-t"] if tls else []) + (["-a", servers.AUTHORIZATION] if auth else [])
        done = subprocess.run([self.binary, *options, *map(str, arguments)], input=stdin, capture_output=True, text=True,
                              timeout=timeout)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip() or f"load {arguments[0]}: status {done.returncode}")
        return json.loads(done.stdout)

    def both(self, stack, **kw):
        """berth and Distribution, started alike."""
        return {"berth": stack.enter_context(self.house.berth(**kw)),
                "Distribution": stack.enter_context(self.house.distribution(**kw))}


def pull(b):
    """One client pulls a large blob, plain and over TLS."""
    size = 256 * MIB if b.quick else GIB
    what = f"pull of a {size >> 20} MiB blob, one client"
    for tls in (False, True):
        with contextlib.ExitStack() as stack:
            running = b.both(stack, tls=tls)
            paths = {n: "/v2/bench/blob/blobs/" + b.load("push", s.port, "bench/blob", size, tls=tls)["digest"]
                     for n, s in running.items()}
            running["nginx"] = stack.enter_context(b.house.nginx(tls=tls))
            paths["nginx"] = "/blob"
            with open(os.path.join(running["nginx"].root, "blob"), "wb") as f:
                for _ in range(size // MIB):
                    f.write(os.urandom(MIB))
            os.sync()

            def measure(name):
                return b.load("pull", running[name].port, paths[name], 1, 0, tls=tls)["rate"] / 1e9

            for name in running:
                measure(name)  # once for the page cache
            rounds = Rounds(("berth", "nginx", "Distribution")).run(b.rounds, measure)
            b.table.against("pull", what + (", TLS" if tls else ""), "GB/s", rounds, "nginx", None if tls else 0.95)


def layer(i):
    """A blob of a few bytes: only its digest and size matter here."""
    return b"layer %07d" % i


def manifest_bytes():
    """An image manifest of usual size: seven layers."""
    def descriptor(kind, data):
        return {"mediaType": f"application/vnd.oci.image.{kind}", "size": len(data),
                "digest": "sha256:" + hashlib.sha256(data).hexdigest()}

    return json.dumps({"schemaVersion": 2, "mediaType": OCI, "config": descriptor("config.v1+json", layer(0)),
                       "layers": [descriptor("layer.v1.tar+gzip", layer(i)) for i in range(7)]}).encode()


def push_manifest(port, auth):
    """The image of manifest_bytes, as bench/manifest:latest."""
    headers = {"Authorization": servers.AUTHORIZATION} if auth else {}
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def ask(method, path, body=None, **more):
        conn.request(method, path, body, {**headers, **more})
        answer = conn.getresponse()
        text = answer.read()
        if answer.status not in (201, 202):
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
        return re.sub(r"^https?://[^/]*", "", answer.headers.get("Location", ""))

    for i in range(7):
        data = layer(i)
        location = ask("POST", "/v2/bench/manifest/blobs/uploads/")
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        ask("PUT", location + ("&" if "?" in location else "?") + "digest=" + digest, data,
            **{"Content-Type": "application/octet-stream"})
    ask("PUT", "/v2/bench/manifest/manifests/latest", manifest_bytes(), **{"Content-Type": OCI})
    conn.close()


def wrk(port, path, seconds, auth=False):
    """Requests a second of 32 connections that are kept."""
    command = ["wrk", "-t2", "-c32", f"-d{seconds}s", "-H", f"Accept: {OCI}"]
    if auth:
        command += ["-H", "Authorization: " + servers.AUTHORIZATION]
    out = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True,
                         timeout=seconds + 30).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"wrk on port {port}: {out}")
    return float(re.search(r"Requests/sec:\s+([0-9.]+)", out).group(1))


def manifest(b):
    """A manifest by tag, anonymous and with a password."""
    what = "GET manifest by tag, 32 connections"
    path = "/v2/bench/manifest/manifests/latest"
    with contextlib.ExitStack() as stack:
        running = b.both(stack)
        locked = b.both(stack, htpasswd=True)
        nginx = stack.enter_context(b.house.nginx())
        with open(os.path.join(nginx.root, "manifest"), "wb") as f:
            f.write(manifest_bytes())
        for auth, group in ((False, running), (True, locked)):
            for server in group.values():
                push_manifest(server.port, auth)
        kinds = {"berth": (running["berth"], path, False), "nginx": (nginx, "/manifest", False),
                 "Distribution": (running["Distribution"], path, False), "berth locked": (locked["berth"], path, True),
                 "Distribution locked": (locked["Distribution"], path, True)}

        def measure(name):
            server, where, auth = kinds[name]
            return wrk(server.port, where, b.seconds, auth)

        rounds = Rounds(kinds).run(b.rounds, measure)
    b.table.against("manifest", what, "/s", rounds, "nginx", 0.8)
    b.table.against("manifest", what, "/s", rounds, "Distribution", 20)
    with_password = Rounds(())
    with_password.values = {"berth": rounds.values["berth locked"], "nginx": rounds.values["nginx"],
                            "Distribution": rounds.values["Distribution locked"]}
    b.table.against("manifest", what + ", htpasswd", "/s", with_password, "nginx", 0.8)
    b.table.against("manifest", what + ", htpasswd", "/s", with_password, "Distribution", 20)
    b.table.add(Row("manifest", "  htpasswd against anonymous", "/s", {"berth": with_password.medians()["berth"]},
                    "against itself", rounds.ratio("berth locked", "berth")))


def push(b):
    """One client pushes a large blob."""
    size = 128 * MIB if b.quick else 512 * MIB
    with contextlib.ExitStack() as stack:
        running = b.both(stack)

        folder = b.house.folder("write")

        def measure(name):
            os.sync()
            if name == "disk":
                return b.load("write", folder, size)["rate"] / 1e6
            return b.load("push", running[name].port, "bench/push", size)["rate"] / 1e6

        rounds = Rounds((*running, "disk")).run(min(b.rounds, 3), measure)
    b.table.against("push", f"push of a {size >> 20} MiB blob", "MB/s", rounds, "Distribution", 2.5)
    b.table.add(Row("push", f"  a file of {size >> 20} MiB written and synced", "MB/s", {},
                    f"the disk alone: {rounds.medians()['disk']:,.0f} MB/s"))


def images(b):
    """Small images, one client and sixteen; and what the disk does by itself."""
    for clients in (1, 16):
        with contextlib.ExitStack() as stack:
            running = b.both(stack)
            folder = b.house.folder("fsync")
            kinds = (*running, "disk")

            def measure(name):
                if name == "disk":
                    return b.load("fsync", folder, clients, b.seconds / 2)["rate"]
                return b.load("images", running[name].port, clients, b.seconds)["rate"]

            rounds = Rounds(kinds).run(min(b.rounds, 3), measure)
        b.table.against("images", f"push of small images, {clients} client{'s' * (clients > 1)}", "/s", rounds,
                        "Distribution", 10 if clients == 16 else None)
        b.table.add(Row("images", f"  32 KiB files made durable by {clients} writer{'s' * (clients > 1)}", "files/s",
                        {}, f"the disk alone: {rounds.medians()['disk']:,.0f}/s",
                        note="4 files in each image"))


def peak_memory(server, seconds):
    """The highest figures seen in this time."""
    end = time.monotonic() + seconds
    rss = pss = 0
    while time.monotonic() < end:
        now_rss, now_pss = server.memory()
        rss, pss = max(rss, now_rss), max(pss, now_pss)
        time.sleep(0.2)
    return rss, pss


def memory(b):
    """Resident memory idle, with 10,000 connections, during 64 pulls."""
    connections = 2000 if b.quick else 10000
    size = 64 * MIB if b.quick else GIB
    states = (("idle after the start", 16), (f"{connections:,} idle connections", 48),
              (f"64 concurrent {size >> 20} MiB pulls", 64))
    seen = {}
    for name, start in (("berth", b.house.berth), ("Distribution", b.house.distribution), ("nginx", b.house.nginx)):
        with start() as server:
            b.load("urls", server.port, stdin="/v2/\n")
            time.sleep(1)
            figures = [server.memory()]
            figures.append(with_connections(b, server, connections))
        with start() as server:  # afresh: nothing of the connections is left over
            if name == "nginx":
                path = "/blob"
                with open(os.path.join(server.root, "blob"), "wb") as f:
                    f.truncate(size)
            else:
                path = "/v2/bench/blob/blobs/" + b.load("push", server.port, "bench/blob", size)["digest"]
            figures.append(during_pulls(b, server, path))
        seen[name] = figures
    for i, (what, bar) in enumerate(states):
        rss = {n: f[i][0] for n, f in seen.items()}
        b.table.at_most("memory", "memory, " + what, "MiB", rss.pop("berth"), bar, rss,
                        f"Pss {seen['berth'][i][1]:.1f} MiB")


def with_connections(b, server, connections):
    """Memory while this many connections are kept open and idle."""
    with subprocess.Popen([b.binary, "idle", str(server.port), str(connections)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as holder:
        try:
            if not holder.stdout.readline():
                raise RuntimeError(f"{server.name}: {holder.stderr.read().strip()}")
            time.sleep(1)
            return server.memory()
        finally:
            holder.stdin.close()
            holder.wait(30)


def during_pulls(b, server, path):
    with subprocess.Popen([b.binary, "pull", str(server.port), path, "64", "600"], stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as pulls:
        try:
            figures = peak_memory(server, 3 if b.quick else 8)
            if pulls.poll() is not None:
                raise RuntimeError(f"{server.name}: {pulls.stderr.read().strip()}")
            return figures
        finally:
            pulls.kill()


def seeder():
    """The program that fills a database."""
    found = os.environ.get("SEED_META", os.path.join(servers.REPO, "build/bench/tests/tools/seed_meta"))
    if not os.access(found, os.X_OK):
        raise RuntimeError(f"{found} is not there: `make bench` builds it")
    return found


def seeded(b):
    """A folder for berth whose database is full: made once, or copied from --database."""
    if not b.seeded:
        folder = b.house.folder("seeded")
        database = os.path.join(folder, "data", "berth", "berth.db")
        os.makedirs(os.path.dirname(database))
        if b.database:
            shutil.copyfile(b.database, database)
        else:
            print("  (filling the database)", flush=True)
            subprocess.run([seeder(), database, str(b.many), str(b.many), str(b.many)], check=True, timeout=2400,
                           capture_output=True)
        b.seeded = folder
    return b.seeded


def answers(port):
    """Has /v2/ been answered?"""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
            s.sendall(b"GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return s.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def start(b):
    """From exec to the first answer, with a full database."""
    folder = seeded(b)
    taken = []
    for _ in range(5):
        begun = time.monotonic()
        with b.house.registry("berth", servers.berth_binary(), folder=folder) as server:
            while not answers(server.port):
                if time.monotonic() > begun + 60 or server.process.poll() is not None:
                    raise RuntimeError(f"berth does not answer:\n{server.tail()}")
                time.sleep(0.001)
            taken.append(1e3 * (time.monotonic() - begun))
    b.table.at_most("start", f"start with {b.many:,} manifests to the first answer", "ms", statistics.median(taken),
                    100, note=f"slowest of 5: {max(taken):.0f} ms")


def positions(port, path):
    """The `last` of every page of 1000, found by walking the whole list."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    found, following = [], f"{path}?n=1000"
    while following:
        conn.request("GET", following)
        answer = conn.getresponse()
        names = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"GET {following}: {answer.status} {names}")
        names = names.get("tags") or names.get("repositories") or []
        link = answer.headers.get("Link") or ""
        following = re.search(r"<(?:https?://[^/]*)?([^>]*)>", link).group(1) if link else None
        if names:
            found.append(names[-1])
    conn.close()
    return found


def pages(b):
    """Pages of 100 out of very many, anywhere in the list."""
    folder = seeded(b)
    with b.house.registry("berth", servers.berth_binary(), folder=folder).wait() as server:
        for what, path in (("tags", "/v2/many/tags/tags/list"), ("repositories", "/v2/_catalog")):
            list_pages(b, server, what, path)


def list_pages(b, server, what, path):
    ends = positions(server.port, path)
    if len(ends) < b.many // 1000:
        raise RuntimeError(f"only {len(ends)} pages of 1000 {what} in a list of {b.many}")
    asked = [i for i in range(len(ends) - 1) for _ in range(2 if not b.quick else 20)]
    random.shuffle(asked)
    urls = "".join(f"{path}?n=100&last={ends[i].replace('/', '%2F')}\n" for i in asked)
    passes = [b.load("urls", server.port, stdin=urls)["ms"] for _ in range(3)]
    p99 = statistics.median(statistics.quantiles(took, n=100)[98] for took in passes)
    took = [statistics.median(three) for three in zip(*passes)]
    b.table.at_most("pages", f"page of 100 {what} out of {b.many:,}, p99", "ms", p99, 5,
                    note=f"median {statistics.median(took):.2f} ms")
    tenth = len(ends) // 10
    first = statistics.median(t for i, t in zip(asked, took) if i < tenth)
    last = statistics.median(t for i, t in zip(asked, took) if i >= len(ends) - 1 - tenth)
    b.table.add(Row("pages", "  last tenth of the list against the first", "ms", {"berth": last}, "<= 1.5 x",
                    last / first, last / first <= 1.5))


def gc(b):
    """The online collection: time, disk, pulls meanwhile; the stock collector."""
    collect.gc(b, seeder)


PARTS = {"pull": pull, "manifest": manifest, "push": push, "images": images, "memory": memory, "start": start,
         "pages": pages, "gc": gc}
