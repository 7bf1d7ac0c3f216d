# SPDX-License-Identifier: Apache-2.0
"""Directories of registry:2: taken over in place, served, given back.

The tree is written by docker-registry through real pushes. Every tag and every
digest is pulled with skopeo, byte for byte: from berth after the takeover, and
from docker-registry after the way back. With --full there are 200 repositories
with 5,000 tags, without it a tenth of that.
"""
import concurrent.futures
import contextlib
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

import pytest

import content
import server
import stock

pytestmark = pytest.mark.skipif(not stock.program(), reason="docker-registry is not installed")

REPOS, REPOS_FULL, TAGS = 20, 200, 25  # tags: of each repository
DISTRIBUTION_TYPES = (content.DOCKER_MANIFEST, content.DOCKER_LIST, content.OCI_MANIFEST, content.OCI_INDEX)


class Tree:
    """What was pushed: blobs and manifests by repository and digest, tags."""

    def __init__(self):
        self.blobs = {}      # (repo, digest) -> bytes
        self.manifests = {}  # (repo, digest) -> bytes
        self.tags = {}       # (repo, tag) -> digest

    def repositories(self):
        """Their names."""
        return sorted({repo for repo, _ in self.tags})

    def push_blob(self, wire, repo, data):
        """Pushes a blob."""
        digest = content.digest(data)
        wire.push_blob(repo, digest, data)
        self.blobs[repo, digest] = data

    def push_manifest(self, wire, repo, data, tag=None):
        """Pushes a manifest by tag or digest: its bytes."""
        digest = content.digest(data)
        wire.expect(201, "PUT", f"/v2/{repo}/manifests/{tag or digest}", data,
                    Content_Type=json.loads(data)["mediaType"])
        self.manifests[repo, digest] = data
        if tag:
            self.tags[repo, tag] = digest
        return data

    def push_image(self, wire, repo, tag=None, docker=False, system="amd64"):
        """Pushes an image of two blobs; the layer is the same in many."""
        config, layer = content.config_bytes(system), content.noise(3000, seed=random.randrange(20))
        self.push_blob(wire, repo, config)
        self.push_blob(wire, repo, layer)
        return self.push_manifest(wire, repo, content.image(config, [layer], docker=docker), tag)

    def fill(self, wire, number):
        """One repository: images of both kinds, indexes of both kinds, moved tags, what has no tag."""
        repo = f"team-{number % 7}/product/app-{number}" if number % 3 else f"app-{number}"
        made = [self.push_image(wire, repo, "latest", docker=number % 2 == 0)]
        for docker in (False, True):
            children = [(self.push_image(wire, repo, docker=docker, system=arch), {"os": "linux", "architecture": arch})
                        for arch in ("amd64", "arm64")]
            made.append(self.push_manifest(wire, repo, content.index(children, docker=docker),
                                           "multi-docker" if docker else "multi"))
        self.push_image(wire, repo, "moved")
        made.append(self.push_image(wire, repo, "moved"))
        for i in range(TAGS - 4):
            self.push_manifest(wire, repo, made[i % len(made)], f"{i // 5}.{i % 5}-build_{i}")

    def check(self, port, every_blob=True):
        """Every tag, every digest, every blob: byte for byte."""
        wire = stock.Wire(port)
        accept = ", ".join(DISTRIBUTION_TYPES)

        def manifest(repo, reference, digest):
            _, headers, body = wire.expect(200, "GET", f"/v2/{repo}/manifests/{reference}", Accept=accept)
            data = self.manifests[repo, digest]
            assert body == data and headers["Docker-Content-Digest"] == digest
            assert headers["Content-Type"] == json.loads(data)["mediaType"]

        def blob(key):
            assert wire.expect(200, "GET", f"/v2/{key[0]}/blobs/{key[1]}")[2] == self.blobs[key]

        def tags(repo):
            listed = json.loads(wire.expect(200, "GET", f"/v2/{repo}/tags/list")[2])["tags"]
            assert sorted(listed) == sorted(t for r, t in self.tags if r == repo)

        wire.each(lambda t: manifest(t[0][0], t[0][1], t[1]), self.tags.items())
        wire.each(lambda k: manifest(k[0], k[1], k[1]), self.manifests)
        if every_blob:
            wire.each(blob, self.blobs)
        wire.each(tags, self.repositories())
        catalog = json.loads(wire.expect(200, "GET", "/v2/_catalog?n=1000")[2])["repositories"]
        assert catalog == self.repositories()

    def check_skopeo(self, host, folder):
        """Every tag and every digest as a client pulls it, all platforms, byte for byte."""
        started, repos = time.monotonic(), self.repositories()
        with concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count())) as pool:
            pulled = list(pool.map(lambda repo: self.pull(host, repo, folder / repo.replace("/", "+")), repos))
        images, files = map(sum, zip(*pulled))
        assert images == len(self.tags) + len(self.manifests)
        print(f"{len(self.tags)} tags and {len(self.manifests)} digests pulled with skopeo, {files} files compared "
              f"in {time.monotonic() - started:.1f} s")

    def pull(self, host, repo, folder):
        """Pulls and compares one repository: how many images, how many files."""
        wanted = {tag: digest for (r, tag), digest in self.tags.items() if r == repo}
        wanted |= {digest: digest for r, digest in self.manifests if r == repo}
        folder.mkdir()
        listing = folder.with_suffix(".yml")
        listing.write_text(json.dumps({host: {"tls-verify": False, "images": {repo: sorted(wanted)}}}))
        done = subprocess.run(["skopeo", "sync", "--all", "--preserve-digests", "--src=yaml", "--dest=dir",
                               str(listing), str(folder)], capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr[-2000:]
        files = 0
        for name, digest in wanted.items():
            target = folder / f"{repo.rsplit('/', 1)[-1]}{'@' if name == digest else ':'}{name}"
            found = {p.name: p.read_bytes() for p in target.iterdir() if p.name != "version"}
            assert found == self.as_directory(repo, digest), f"{repo}: {name}"
            files += len(found)
        assert len(list(folder.iterdir())) == len(wanted)
        shutil.rmtree(folder)
        return len(wanted), files

    def as_directory(self, repo, digest, name="manifest.json"):
        """The files that skopeo makes of a manifest and all that belongs to it."""
        data = self.manifests[repo, digest]
        value, files = json.loads(data), {name: data}
        for child in value.get("manifests", []):
            child = child["digest"]
            files |= self.as_directory(repo, child, f"{child[7:]}.manifest.json")
        for part in value.get("layers", []) + ([value["config"]] if "config" in value else []):
            files[part["digest"][7:]] = self.blobs[repo, part["digest"]]
        return files


@pytest.fixture(scope="module")
def written(tmp_path_factory, request):
    """A directory that docker-registry has written, at rest, and what is in it. Copy it."""
    folder = tmp_path_factory.mktemp("stock")
    tree = Tree()
    random.seed(7)
    count = REPOS_FULL if request.config.getoption("full") else REPOS
    with stock.Stock(folder, folder / "root") as registry:
        wire = stock.Wire(registry.port)
        started = time.monotonic()
        wire.each(lambda i: tree.fill(wire, i), range(count))
        took = time.monotonic() - started
    assert len(tree.repositories()) == count and len(tree.tags) == count * TAGS
    indexes = sum("manifests" in json.loads(data) for data in tree.manifests.values())
    print(f"{count} repositories, {len(tree.tags)} tags, {len(tree.manifests)} manifests ({indexes} of them indexes), "
          f"{len(tree.blobs)} blobs ({len({d for _, d in tree.blobs})} different ones) pushed in {took:.1f} s")
    return folder / "root", tree


@pytest.fixture
def root(written, tmp_path):
    """A copy of the directory, where serve() looks for it."""
    target = tmp_path / "server" / "root"
    target.parent.mkdir()
    shutil.copytree(written[0], target)
    return target


@pytest.fixture
def scratch(tmp_path):
    """For what is pulled: in memory, where there is some."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else tmp_path) as folder:
        yield pathlib.Path(folder)


def config_for(root, folder, **more):
    """A configuration file for commands on the directory."""
    path = folder / "command.yml"
    path.write_text(json.dumps(server.merge({"version": 0.1, "storage": {
        "filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{server.free_port()}"}}, more)))
    return path


def snapshot(folder):
    """Every file of the tree with its content's size and its times."""
    return {str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns)
            for p in folder.rglob("*") if p.is_file()}


def test_take_over_serve_and_give_back(written, root, serve, tmp_path, scratch):
    tree = written[1]
    before = snapshot(root / "docker")
    started = time.monotonic()
    running, _ = serve({"berth": {"gc": {"grace": "0s", "interval": "1s"}}})
    print(f"taken over and serving after {time.monotonic() - started:.1f} s")
    text = running.text()
    found = re.search(r'taken over.*repositories=(\d+).*tags=(\d+).*manifests=(\d+)', text)
    assert found and [int(g) for g in found.groups()] == [len(tree.repositories()), len(tree.tags), len(tree.manifests)], text
    assert re.search(r"taken over.*problems=0", text), text
    started = time.monotonic()
    tree.check(running.port)
    print(f"every tag, digest and blob compared over HTTP in {time.monotonic() - started:.1f} s")
    tree.check_skopeo(running.host, scratch)
    time.sleep(2.5)  # a collection or two: nothing that was pushed is garbage
    assert snapshot(root / "docker") == before, "the tree was changed"
    # New things, and one less.
    wire = stock.Wire(running.port)
    tree = clone(tree)
    tree.push_image(wire, "app-0", "new")
    tree.push_image(wire, "brand/new", "v1")
    digest = tree.tags["app-3", "moved"]
    wire.expect(202, "DELETE", f"/v2/app-3/manifests/{digest}")
    del tree.tags["app-3", "moved"], tree.manifests["app-3", digest]
    for tag in [t for t, d in tree.tags.items() if d == digest and t[0] == "app-3"]:
        del tree.tags[tag]
    running.stop()
    forget_blobs_of_the_deleted(tree)
    started = time.monotonic()
    done = server.run("export", running.config_path, seconds=600)
    print(f"given back in {time.monotonic() - started:.1f} s")
    assert done.returncode == 0, done.stderr
    assert "registry:2 can serve the directory" in done.stdout and "before" in done.stdout
    with stock.Stock(tmp_path / "again", root) as registry:
        tree.check(registry.port)
        tree.check_skopeo(registry.host, scratch)


def clone(tree):
    """A tree of one's own."""
    copy = Tree()
    copy.blobs, copy.manifests, copy.tags = dict(tree.blobs), dict(tree.manifests), dict(tree.tags)
    return copy


def forget_blobs_of_the_deleted(tree):
    """Blobs that no manifest of the repository speaks of may have been collected."""
    needed = set()
    for (repo, _), data in tree.manifests.items():
        value = json.loads(data)
        for one in value.get("layers", []) + [value.get("config", {})]:
            needed.add((repo, one.get("digest")))
    tree.blobs = {key: data for key, data in tree.blobs.items() if key in needed}


def taken_over(root):
    """How many tags are in the database."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{root}/berth/berth.db?mode=ro", uri=True)) as database:
            return database.execute("SELECT count(*) FROM tag").fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # it is only being made


def kill_when(command, config, reached):
    """Runs a command and kills it as soon as `reached` says so. False when it came to its end before."""
    with subprocess.Popen([str(server.binary()), command, str(config)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, env=server.environment()) as process:
        while not reached() and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        return process.wait() == -signal.SIGKILL


def interrupt(written, root, config):
    """Takes a directory over, killed after a part of it, after some more, and so on."""
    tags, killed = len(written[1].tags), []
    for share, command in zip((0, 0.05, 0.15, 0.3, 0.45), itertools.cycle(("import", "serve"))):
        if kill_when(command, config, lambda: taken_over(root) > share * tags):  # pylint: disable=cell-var-from-loop
            killed.append(taken_over(root))
    assert len(killed) > 1 and 0 < killed[0] < killed[-1] < tags, f"killed after {killed} of {tags} tags"
    print(f"killed after {killed} of {tags} tags")


def test_killed_in_the_middle_and_gone_on(written, root, tmp_path):
    config = config_for(root, tmp_path)
    interrupt(written, root, config)
    done = server.run("import", config)
    total = len(written[1].repositories())
    assert done.returncode == 0 and f"took over {total} repositories" in done.stdout, done.stderr + done.stdout
    assert "0 problems" in done.stdout
    with server.Server(tmp_path / "server") as running:
        written[1].check(running.port)


def test_collection_of_a_half_taken_over_directory(written, root, tmp_path):
    """Its layers are there, their manifests have not come: they are no garbage."""
    config = config_for(root, tmp_path)
    interrupt(written, root, config)
    done = server.run("garbage-collect", config)
    assert done.returncode == 0, done.stderr
    with server.Server(tmp_path / "server") as running:
        written[1].check(running.port)


def test_verify_refuses_before_the_takeover(root, tmp_path):
    """Nothing speaks of the blobs yet; --repair would remove them all."""
    before = snapshot(root / "docker")
    done = server.run("verify", "--repair", config_for(root, tmp_path))
    assert done.returncode == 1 and "berth import" in done.stderr, done.stderr + done.stdout
    assert snapshot(root / "docker") == before


def test_verify_after_the_takeover(root, tmp_path):
    config = config_for(root, tmp_path)
    assert server.run("import", config).returncode == 0
    before = snapshot(root / "docker")
    done = server.run("verify", "--blobs", "--repair", config)
    assert done.returncode == 0 and "0 damaged or missing, 0 useless files" in done.stdout, done.stdout
    assert snapshot(root / "docker") == before


def test_second_import_adds_what_came_since(written, root, tmp_path):
    tree = clone(written[1])
    config = config_for(root, tmp_path)
    assert server.run("import", config).returncode == 0
    with stock.Stock(tmp_path / "stock", root) as registry:
        wire = stock.Wire(registry.port)
        tree.push_image(wire, "app-0", "latest")
        tree.push_image(wire, "since/then", "v1")
    done = server.run("import", config)
    assert done.returncode == 0 and f"{len(tree.repositories())} repositories" in done.stdout, done.stdout + done.stderr
    with server.Server(tmp_path / "server") as running:
        tree.check(running.port, every_blob=False)


def link(root, digest):
    """The directory of a digest's bytes."""
    return root / "docker/registry/v2/blobs/sha256" / digest[7:9] / digest[7:]


def test_what_is_broken_is_named_and_the_rest_served(written, root, serve, tmp_path):
    tree = clone(written[1])
    repos = root / "docker/registry/v2/repositories"
    victim = tree.tags["app-0", "latest"]
    index = tree.tags["app-3", "multi"]
    layer = json.loads(tree.manifests["app-6", tree.tags["app-6", "latest"]])["config"]["digest"]
    link(root, victim).joinpath("data").write_bytes(b"{}")                      # a damaged manifest
    shutil.rmtree(link(root, layer))                                            # a missing blob
    child = json.loads(tree.manifests["app-3", index])["manifests"][0]["digest"]
    shutil.rmtree(repos / f"app-3/_manifests/revisions/sha256/{child[7:]}")     # a child that was deleted
    (repos / "app-9/_manifests/tags/latest/current/link").write_text("")        # what power cuts leave
    (repos / "app-12/_manifests/tags/moved/current/link").unlink()
    (repos / "app-12/_layers/sha256/nonsense").mkdir()
    (repos / "Bad.Name/_layers").mkdir(parents=True)
    bad = os.fsencode(str(repos)) + b"/not-\xff\x1b[31mtext"
    os.makedirs(bad + b"/_manifests")
    running, client = serve({"log": {"formatter": "json"}})
    lines = [json.loads(line) for line in running.text().splitlines() if line.startswith("{")]
    told = [f"{x['repository']}: {x['what']}" for x in lines if "broken in the directory" in x["msg"]]
    for expected in (f"app-0: manifest {victim}: its bytes are damaged", f"app-6: layer {layer}: the blob is missing",
                     f"app-3: index {index}: the manifest {child} is missing", "app-9: tag latest: the link is broken",
                     "app-12: tag moved: the link is broken", "app-12: layer: 'nonsense' is no digest",
                     "Bad.Name: it is no valid name", "not-??[31mtext: it is no valid name"):
        assert any(line.startswith(expected) for line in told), (expected, told)
    # What was left out is unknown, what was not is there.
    assert client.get_manifest("app-0", "latest").status_code == 404
    assert client.get_manifest("app-9", "latest").status_code == 404
    assert client.get_manifest("app-6", "latest").status_code == 200
    for (repo, tag), digest in tree.tags.items():
        if repo not in ("app-0", "app-3", "app-6", "app-9", "app-12"):
            assert client.get_manifest(repo, tag).headers["Docker-Content-Digest"] == digest


def test_layers_of_what_was_left_out_are_kept(written, root, serve):
    """A manifest that berth does not serve (schema 1, damaged) keeps its layers: the way back needs them."""
    tree = written[1]
    victim = tree.tags["app-0", "latest"]
    config = json.loads(tree.manifests["app-0", victim])["config"]["digest"]
    data = link(root, victim) / "data"
    data.write_bytes(json.dumps({"schemaVersion": 1, "name": "app-0", "signatures": []}).encode())
    running, _ = serve({"berth": {"gc": {"grace": "0s", "interval": "1s"}}})
    time.sleep(2.5)
    running.stop()
    assert link(root, config).joinpath("data").exists(), "its config was collected"
    done = server.run("verify", "--repair", running.config_path)
    assert done.returncode == 0, done.stdout
    assert data.exists() and link(root, config).joinpath("data").exists()


def heal(client, root, repo, image, damaged):
    """A client finds one blob missing, pushes it, and all is well."""
    value = json.loads(image)
    for part in [value["config"], *value["layers"]]:
        wanted = 404 if part["digest"] == content.digest(damaged) else 200
        assert client.head(f"/v2/{repo}/blobs/{part['digest']}").status_code == wanted, part
    assert client.get(f"/v2/{repo}/blobs/{content.digest(damaged)}").status_code == 404
    client.push_blob(repo, damaged)
    assert client.get(f"/v2/{repo}/blobs/{content.digest(damaged)}").content == damaged
    assert link(root, content.digest(damaged)).joinpath("data").read_bytes() == damaged


def test_truncated_blobs_are_named_and_healed_by_a_push(written, root, serve):
    """Their size is not taken for the right one; a layer of several repositories is healed in all of them."""
    tree = written[1]
    image = tree.manifests["app-0", tree.tags["app-0", "latest"]]
    layer = json.loads(image)["layers"][0]["digest"]
    good = link(root, layer).joinpath("data").read_bytes()
    repos = sorted({r for (r, _), data in tree.manifests.items() if layer.encode() in data})
    assert len(repos) > 1, "the layer is to be in several repositories"
    os.truncate(link(root, layer) / "data", 5)
    running, client = serve({"log": {"formatter": "json"}})
    told = [json.loads(line) for line in running.text().splitlines() if line.startswith("{")]
    told = [line for line in told if layer in line.get("what", "")]
    assert {line["repository"] for line in told} == set(repos)
    assert any(f"the blob {layer} is damaged: it has 5 bytes, the manifest says {len(good)}" in line["what"]
               for line in told), told
    done = server.run("verify", running.config_path)
    assert done.returncode == 1 and f"{layer}: the size is wrong" in done.stdout, done.stdout
    heal(client, root, "app-0", image, good)
    for repo in repos:
        assert client.get(f"/v2/{repo}/blobs/{layer}").content == good
    done = server.run("verify", "--blobs", running.config_path)
    assert done.returncode == 0 and "0 damaged or missing" in done.stdout, done.stdout


def test_a_blob_that_another_size_was_recorded_for_is_healed_by_a_push(written, root, serve):
    """As it was recorded by versions that believed the file."""
    tree = written[1]
    layer = json.loads(tree.manifests["app-0", tree.tags["app-0", "latest"]])["layers"][0]["digest"]
    good = link(root, layer).joinpath("data").read_bytes()
    running, client = serve()
    running.stop()
    os.truncate(link(root, layer) / "data", 5)
    record_size(root, layer, 5)
    running.start()
    assert client.get(f"/v2/app-0/blobs/{layer}").content == good[:5]
    client.push_blob("app-0", good)
    assert client.get(f"/v2/app-0/blobs/{layer}").content == good
    assert server.run("verify", "--blobs", running.config_path).returncode == 0


def record_size(root, digest, size):
    """Changes the size in the database."""
    with contextlib.closing(sqlite3.connect(root / "berth/berth.db")) as database, database:
        done = database.execute("UPDATE blob SET size = ? WHERE digest = ?", (size, b"\1" + bytes.fromhex(digest[7:])))
        assert done.rowcount == 1


def test_a_manifest_with_a_wrong_size_damages_no_blob(root, tmp_path, serve):
    """docker-registry does not compare sizes: the bytes decide who is right."""
    config, layer = content.config_bytes(), content.noise(500)
    image = json.loads(content.image(config, [layer]))
    image["layers"][0]["size"] = 499
    with stock.Stock(tmp_path / "stock", root) as registry:
        wire = stock.Wire(registry.port)
        for data in (config, layer):
            wire.push_blob("odd/one", content.digest(data), data)
        wire.expect(201, "PUT", "/v2/odd/one/manifests/v1", json.dumps(image).encode(), Content_Type=image["mediaType"])
    running, client = serve({"log": {"formatter": "json"}})
    assert f"the manifest says 499 bytes, the blob {content.digest(layer)} has 500" in running.text()
    assert client.get(f"/v2/odd/one/blobs/{content.digest(layer)}").content == layer
    assert server.run("verify", "--blobs", running.config_path).returncode == 0


def test_files_of_manifests_go_with_the_last_manifest(written, root, serve, tmp_path):
    """registry:2 keeps manifests among the blobs; nobody needs such a file when the manifest is gone."""
    tree = clone(written[1])
    with stock.Stock(tmp_path / "stock", root) as registry:
        wire = stock.Wire(registry.port)
        config, layer = content.config_bytes(), content.noise(900)
        image = content.image(config, [layer])
        for repo in ("one/a", "one/b"):
            for data in (config, layer):
                tree.push_blob(wire, repo, data)
            tree.push_manifest(wire, repo, image, "v1")
        alone = content.digest(tree.push_image(wire, "one/a", "v2"))
    shared = content.digest(image)
    running, client = serve({"berth": {"gc": {"grace": "0s", "enabled": False}}})

    def collect():
        done = server.run("gc", "--now", running.config_path)
        assert done.returncode == 0, done.stderr

    for repo, digest in (("one/a", alone), ("one/a", shared)):
        assert client.delete(f"/v2/{repo}/manifests/{digest}").status_code == 202
    collect()
    assert not link(root, alone).exists() and link(root, shared).joinpath("data").exists()
    assert client.get_manifest("one/b", "v1").content == image
    assert client.delete(f"/v2/one/b/manifests/{shared}").status_code == 202
    collect()
    assert not link(root, shared).exists()
    done = server.run("verify", running.config_path)
    assert done.returncode == 0 and "0 damaged or missing, 0 useless files" in done.stdout, done.stdout
    tree.manifests = {k: v for k, v in tree.manifests.items() if k[1] not in (alone, shared)}
    tree.tags = {k: v for k, v in tree.tags.items() if v not in (alone, shared)}
    for (repo, digest) in tree.manifests:
        assert link(root, digest).joinpath("data").exists(), f"{repo} lost the file of {digest}"


def test_files_that_export_wrote_go_with_their_manifests(root, serve):
    """Also of what registry:2 never had."""
    running, client = serve({"berth": {"gc": {"grace": "0s", "enabled": False}}})
    digest, _ = client.push_image("born/here", "v1")
    assert not link(root, digest).exists()
    running.stop()
    done = server.run("export", running.config_path)
    assert done.returncode == 0 and link(root, digest).joinpath("data").exists(), done.stderr
    running.start()
    assert client.delete(f"/v2/born/here/manifests/{digest}").status_code == 202
    done = server.run("gc", "--now", running.config_path)
    assert done.returncode == 0 and not link(root, digest).exists(), done.stdout + done.stderr


def push_by_sha512(tree, wire, repo, tag):
    """An image whose layer is known by its sha512: (manifest, that digest, its bytes)."""
    config, layer = content.config_bytes(), content.noise(700)
    name = content.digest(layer, "sha512")
    image = json.loads(content.image(config, []))
    image["layers"] = [content.descriptor(layer, content.OCI_LAYER, "sha512")]
    tree.push_blob(wire, repo, config)
    wire.push_blob(repo, name, layer)
    tree.blobs[repo, name] = layer
    return tree.push_manifest(wire, repo, json.dumps(image).encode(), tag), name, layer


def test_layers_by_sha512_come_over_and_go_back(written, root, tmp_path):
    """registry:2 keeps them by sha256 and links the one digest to the other."""
    tree, config = clone(written[1]), config_for(root, tmp_path)
    with stock.Stock(tmp_path / "stock", root) as registry:
        wire = stock.Wire(registry.port)
        name, layer = push_by_sha512(tree, wire, "app-0", "by-sha512")[1:]
        push_by_sha512(tree, wire, "sha512/only", "v1")
    done = server.run("import", config)
    assert done.returncode == 0 and "0 problems" in done.stdout, done.stdout + done.stderr
    bytes_of = root / f"docker/registry/v2/blobs/sha512/{name[7:9]}/{name[7:]}/data"
    assert bytes_of.read_bytes() == layer and bytes_of.stat().st_nlink == 2
    assert server.run("import", config).returncode == 0, "again"
    with server.Server(tmp_path / "server", {"berth": {"gc": {"grace": "0s", "interval": "1s"}}}) as running:
        tree.check(running.port)
        time.sleep(2.5)  # what is known by sha256 only is garbage, and goes
        tree.check(running.port)
        assert bytes_of.read_bytes() == layer and bytes_of.stat().st_nlink == 1
        done = server.run("verify", "--blobs", running.config_path)
        assert done.returncode == 0 and "0 damaged or missing, 0 useless" in done.stdout, done.stdout
    done = server.run("export", config)
    assert done.returncode == 0, done.stderr
    with stock.Stock(tmp_path / "again", root) as registry:
        tree.check(registry.port)
    done = server.run("verify", "--blobs", config)
    assert done.returncode == 0 and "0 damaged or missing, 0 useless" in done.stdout, done.stdout


def test_a_layer_by_sha512_with_other_bytes_is_named(written, root, tmp_path):
    tree, config = clone(written[1]), config_for(root, tmp_path)
    with stock.Stock(tmp_path / "stock", root) as registry:
        wire = stock.Wire(registry.port)
        _, wrong, layer = push_by_sha512(tree, wire, "odd/wrong", "v1")
        _, lost, gone = push_by_sha512(tree, wire, "odd/lost", "v1")
    link(root, content.digest(layer)).joinpath("data").write_bytes(b"x" + layer[1:])
    link(root, content.digest(gone)).joinpath("data").unlink()
    done = server.run("import", config)
    assert done.returncode == 0, done.stderr
    assert f"layer {wrong}: the bytes it leads to, {content.digest(layer)}, do not have this digest" in done.stdout
    assert f"layer {lost}: the blob is missing" in done.stdout
    with server.Server(tmp_path / "server") as running:
        wire = stock.Wire(running.port)
        wire.expect(404, "GET", f"/v2/odd/wrong/blobs/{wrong}")
        wire.push_blob("odd/wrong", wrong, layer)
        assert wire.expect(200, "GET", f"/v2/odd/wrong/blobs/{wrong}")[2] == layer


def test_an_empty_directory_is_nothing_to_take_over(serve):
    running, client = serve()
    assert client.get("/v2/_catalog").json() == {"repositories": []}
    assert "taking it over" not in running.text()


def test_import_wants_the_registry_stopped(root, serve):
    running, _ = serve()
    for command in ("import", "export"):
        done = server.run(command, running.config_path)
        assert done.returncode == 1 and "in use" in done.stderr, done.stderr


def test_interrupted_export_leaves_the_directory_as_it_was(written, root, tmp_path):
    config = config_for(root, tmp_path)
    assert server.run("import", config).returncode == 0
    before = snapshot(root / "docker")
    fresh = root / "docker/registry/v2/repositories.new"
    assert kill_when("export", config, fresh.exists), "it was through before it could be killed"
    left = {k: v for k, v in snapshot(root / "docker").items() if "repositories.new/" not in k}
    assert left == before
    done = server.run("export", config)
    assert done.returncode == 1 and "remove it and try again" in done.stderr
    shutil.rmtree(fresh)
    assert server.run("export", config).returncode == 0
    with stock.Stock(tmp_path / "stock", root) as registry:
        written[1].check(registry.port)
