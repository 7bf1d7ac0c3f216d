# SPDX-License-Identifier: Apache-2.0
"""The part `gc` of the benchmark: what the online collection costs, in a large store and in
one a tenth as large, and what the stock collector takes for a store of its own.

The databases are made by seed_meta: every manifest has a config and a top layer of its own,
which become garbage with it, a middle layer that ten share, and one that thousands share. Only
the blobs that become garbage have files, of the size the metadata says; the collector never
looks at others, which is the point. SEEDS names a folder with ready databases, called
MANIFESTS-REPOS.db."""

import concurrent.futures
import http.client
import json
import os
import random
import shutil
import statistics
import subprocess
import time

import servers
from figures import Row

OCI = "application/vnd.oci.image.manifest.v1+json"
PEER = {True: 500, False: 10000}  # manifests in the peer's store


class Store:
    """A full database in a folder of its own, and a registry that serves it and collects when told."""

    def __init__(self, b, seeder, manifests, repos):
        self.b, self.manifests, self.repos = b, manifests, repos
        self.folder = b.house.folder(f"gc-{manifests}")
        self.root = os.path.join(self.folder, "data")
        self.left = list(range(manifests))
        random.Random(manifests).shuffle(self.left)
        database = os.path.join(self.root, "berth", "berth.db")
        os.makedirs(os.path.dirname(database))
        ready = os.path.join(os.environ.get("SEEDS", "/nonexistent"), f"{manifests}-{repos}.db")
        if os.path.exists(ready):
            shutil.copyfile(ready, database)
        else:
            subprocess.run([seeder(), database, str(manifests), str(repos)], check=True, timeout=3000, capture_output=True)
        self.config = os.path.join(self.folder, "config.yml")

    def serve(self):
        """Starts the registry."""
        port = servers.free_port()
        with open(self.config, "w") as f:
            f.write(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n"
                    f"storage: {{filesystem: {{rootdirectory: {self.root}}}, delete: {{enabled: true}}}}\n"
                    f"http: {{addr: '127.0.0.1:{port}'}}\nberth: {{gc: {{enabled: false}}}}\n")
        return servers.Server("berth", [servers.berth_binary(), "serve", self.config], port,
                              os.path.join(self.folder, "log"))

    def name(self, i):
        """Repository and tag of a manifest of seed_meta."""
        nr = i % self.repos
        return f"group-{nr % 100:02d}/app-{nr:06d}", f"build-{i:08d}"

    def file_of(self, digest, size):
        """Gives a blob its bytes."""
        hexes = digest.split(":")[1]
        folder = os.path.join(self.root, "docker/registry/v2/blobs/sha256", hexes[:2], hexes)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "data"), "wb") as f:
            f.write(os.urandom(size))

    def make_garbage(self, server, count):
        """Deletes this many images as clients do, after giving their own blobs bytes."""
        chosen, self.left = self.left[:count], self.left[count:]

        def delete(part):
            conn = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
            for i in part:
                repo, tag = self.name(i)
                conn.request("GET", f"/v2/{repo}/manifests/{tag}", headers={"Accept": OCI})
                answer = conn.getresponse()
                value = json.loads(answer.read())
                if answer.status != 200:
                    raise RuntimeError(f"GET {repo}:{tag}: {value}")
                for blob in (value["config"], value["layers"][-1]):
                    self.file_of(blob["digest"], blob["size"])
                conn.request("DELETE", f"/v2/{repo}/manifests/{answer.headers['Docker-Content-Digest']}")
                gone = conn.getresponse()
                gone.read()
                if gone.status != 202:
                    raise RuntimeError(f"DELETE {repo}:{tag}: {gone.status}")
            conn.close()
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(delete, [chosen[k::16] for k in range(16)]))
        os.sync()

    def collect(self):
        """The command, not yet waited for."""
        return subprocess.Popen([servers.berth_binary(), "gc", "--now", "--quiet", self.config],
                                stderr=subprocess.PIPE, text=True)

    def urls(self, count):
        """Pulls of manifests by tag, anywhere."""
        return "".join("/v2/{}/manifests/{}\n".format(*self.name(random.choice(self.left))) for _ in range(count))


def io(server):
    """What the process has read and written on the medium."""
    with open(f"/proc/{server.process.pid}/io") as f:
        found = dict(line.strip().split(": ") for line in f)
    return int(found["read_bytes"]), int(found["write_bytes"])


def wait(process):
    _, said = process.communicate(timeout=3600)
    if process.returncode != 0:
        raise RuntimeError(f"berth gc: {said.strip()}")


def quiet_run(store, server, count):
    """A collection that has the machine to itself: seconds, MiB read, MiB written."""
    store.make_garbage(server, count)
    before, begun = io(server), time.monotonic()
    wait(store.collect())
    took = time.monotonic() - begun
    read, written = (now - then for now, then in zip(io(server), before))
    return took, read / (1 << 20), written / (1 << 20)


def p99(took):
    return statistics.quantiles(took, n=100)[98]


def busy_run(b, store, server, count):
    """p99 of pulls without and during a collection, in ms: the same kind of pulls on both sides, and those
    without a collection half before it and half behind it."""
    def pulls():
        return b.load("urls", server.port, stdin=store.urls(200))["ms"]

    rounds = 20 if b.quick else 80
    for _ in range(rounds // 4):
        pulls()
    without = [ms for _ in range(rounds) for ms in pulls()]
    store.make_garbage(server, count)
    collection, during = store.collect(), []
    while collection.poll() is None:
        during += pulls()
    wait(collection)
    without += [ms for _ in range(rounds) for ms in pulls()]
    return p99(without), p99(during), len(during)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def peer_store(root, manifests):
    """The same kind of store as registry:2 keeps it, one in a hundred manifests without its revision."""
    import hashlib  # pylint: disable=import-outside-toplevel
    v2 = os.path.join(root, "docker/registry/v2")

    def blob(data):
        hexes = hashlib.sha256(data).hexdigest()
        write(f"{v2}/blobs/sha256/{hexes[:2]}/{hexes}/data", data)
        return hexes

    for i in range(manifests):
        repo = f"{v2}/repositories/group-{i % 100:02d}/app-{i % max(manifests // 100, 1):06d}"
        layers = [blob(text.encode()) for text in (f"config {i}", f"base {i % 50}", f"mid {i // 10}", f"top {i}")]
        refs = [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 1, "digest": "sha256:" + x}
                for x in layers]
        hexes = blob(json.dumps({"schemaVersion": 2, "mediaType": OCI, "config": refs[0], "layers": refs[1:]}).encode())
        link = b"sha256:" + hexes.encode()
        for x in layers:
            write(f"{repo}/_layers/sha256/{x}/link", b"sha256:" + x.encode())
        if i % 100:
            write(f"{repo}/_manifests/revisions/sha256/{hexes}/link", link)
            write(f"{repo}/_manifests/tags/build-{i:08d}/current/link", link)
            write(f"{repo}/_manifests/tags/build-{i:08d}/index/sha256/{hexes}/link", link)


def peer_run(b):
    """Seconds that docker-registry garbage-collect takes; it must be stopped or read-only meanwhile."""
    folder = b.house.folder("gc-peer")
    peer_store(os.path.join(folder, "data"), PEER[b.quick])
    config = b.house.registry_config(folder, 1, False, False)
    os.sync()
    begun = time.monotonic()
    done = subprocess.run(["docker-registry", "garbage-collect", config], check=True, capture_output=True, text=True,
                          timeout=3600)
    took = time.monotonic() - begun
    if "blob eligible for deletion" not in done.stdout:
        raise RuntimeError(f"docker-registry found no garbage: {done.stdout[-300:]}")
    shutil.rmtree(folder)
    return took


def gc(b, seeder):
    """The collection of 1 % of a store, against a store a tenth as large; pulls meanwhile; the peer."""
    count = b.many // 100
    runs = {}
    for manifests in (b.many // 10, b.many):
        store = Store(b, seeder, manifests, max(manifests // 100, 1))
        with store.serve().wait() as server:
            runs[manifests] = quiet_run(store, server, count)
            if manifests == b.many:
                without, during, pulls = busy_run(b, store, server, count // 2)
        shutil.rmtree(store.folder)
    small, full = runs[b.many // 10], runs[b.many]
    peer = peer_run(b)
    scaled = peer * b.many / PEER[b.quick]
    what = f"collection of {count:,} deleted images out of {b.many:,}"
    b.table.add(Row("gc", what, "s", {"berth": full[0], "Distribution": scaled}, "against Distribution",
                    full[0] / scaled, None,
                    f"Distribution {peer:.1f} s for {PEER[b.quick]:,} images, times {b.many // PEER[b.quick]}"))
    b.table.add(Row("gc", f"  the same deletes out of {b.many // 10:,}", "s", {"berth": small[0]}, "<= 1.5 x of these",
                    full[0] / small[0], full[0] / small[0] <= 1.5))
    b.table.add(Row("gc", "  written to the disk", "MiB", {"berth": full[2]}, "<= 1.5 x of the smaller store's",
                    full[2] / max(small[2], 0.01), full[2] <= 1.5 * small[2],
                    f"{small[2]:.1f} MiB there; read: {full[1]:.1f} and {small[1]:.1f} MiB"))
    b.table.add(Row("gc", "  pulls of manifests meanwhile, p99", "ms", {"berth": during}, "<= 1.2 x without",
                    during / without, during / without <= 1.2, f"{without:.2f} ms without, {pulls:,} pulls"))
