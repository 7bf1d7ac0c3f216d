# SPDX-License-Identifier: Apache-2.0
"""Images from archives, and into them: `berth import --input`, `berth export --oci`."""
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import threading
import time

import pytest
import yaml

import content
import layouts
from client import Client
from server import REPORT, Server, binary, environment, run


class Registry:
    """A registry that runs or not, and the commands on it."""

    def __init__(self, folder, running, config=None):
        self.server = Server(folder, config)
        self.running = running
        self.server.config_path.write_text(yaml.safe_dump(self.server.config, sort_keys=False))
        if running:
            self.server.start()

    def command(self, *arguments, data=None, seconds=120):
        """Runs a command of berth with this registry's configuration; bytes."""
        done = subprocess.run([str(binary()), *map(str, arguments), str(self.server.config_path)], input=data,
                              capture_output=True, check=False, env=environment(), timeout=seconds,
                              stdin=None if data is not None else subprocess.DEVNULL, cwd=self.server.folder)
        assert not REPORT.search(done.stderr.decode(errors="replace")), done.stderr.decode()
        return done

    def load(self, archive, *options):
        """Imports bytes, a path, or files by name (as a tar); it must succeed: the lines it said."""
        done = self.try_load(archive, *options)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()

    def try_load(self, archive, *options):
        """Imports."""
        if isinstance(archive, dict):
            archive = layouts.tar_of(archive)
        if isinstance(archive, bytes):
            return self.command("import", "-i", "-", *options, data=archive)
        return self.command("import", "-i", archive, *options)

    def refuses(self, archive, *words, options=()):
        """The import fails with status 1, says these words, and leaves nothing."""
        done = self.try_load(archive, *options)
        said = done.stderr.decode()
        assert done.returncode == 1 and said.startswith("berth: ") and said.count("\n") == 1, said
        for word in words:
            assert word in said, f"{word!r} is not in {said}"
        assert not self.uploads(), "uploads were left"
        return said

    def save(self, dest, *names):
        """Exports; it must succeed."""
        done = self.command("export", "--oci", dest, *[word for name in names for word in ("-i", name)])
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def uploads(self):
        """What is half-way."""
        folder = self.server.root / "docker/registry/v2/berth/uploads"
        folder = folder if folder.exists() else self.server.root / "berth/uploads"
        return list(folder.iterdir()) if folder.exists() else []

    def client(self):
        """A client; starts the server if need be."""
        if not self.running:
            self.server.start()
            self.running = True
        return Client(self.server.url)

    def rest(self):
        """Stops the server, for tests of the directory at rest."""
        if self.running:
            self.server.stop()
            self.running = False

    def end(self):
        """Everything is whole, and the server was well to the end."""
        self.rest()
        done = run("verify", "--blobs", self.server.config_path, seconds=120)
        assert done.returncode == 0 and ": 0 damaged or missing, 0 useless files" in done.stdout, done.stdout


@pytest.fixture(name="new")
def new_fixture(tmp_path):
    """Makes registries: new(running=True, config=None); all are verified in the end."""
    made = []

    def make(running=True, config=None):
        made.append(Registry(tmp_path / f"registry{len(made)}", running, config))
        return made[-1]
    yield make
    for registry in made:
        registry.end()


@pytest.fixture(name="registry", params=["running", "stopped"])
def registry_fixture(request, new):
    """A registry, running and stopped."""
    return new(request.param == "running")


@pytest.fixture(name="one")
def one_fixture(new):
    """A running registry."""
    return new()


def tags(client):
    """All tags of all repositories: {(repo, tag): digest}."""
    found = {}
    for repo in client.get("/v2/_catalog?n=1000").json()["repositories"]:
        for tag in client.get(f"/v2/{repo}/tags/list").json()["tags"] or []:
            found[repo, tag] = client.get_manifest(repo, tag).headers["Docker-Content-Digest"]
    return found


def everything(client, repo, digest, seen=None):
    """All that belongs to a manifest as it is served: {digest: bytes}, referrers too."""
    seen = {} if seen is None else seen
    if digest in seen:
        return seen
    data = client.get_manifest(repo, digest).content
    assert content.digest(data, digest.split(":")[0]) == digest
    seen[digest] = data
    value = json.loads(data)
    for child in value.get("manifests", []):
        everything(client, repo, child["digest"], seen)
    for blob in value.get("layers", []) + [value[key] for key in ("config",) if key in value]:
        body = client.get(f"/v2/{repo}/blobs/{blob['digest']}").content
        assert content.digest(body, blob["digest"].split(":")[0]) == blob["digest"]
        seen[blob["digest"]] = body
    for other in client.get(f"/v2/{repo}/referrers/{digest}").json()["manifests"]:
        everything(client, repo, other["digest"], seen)
    return seen


# ---- import of image layouts

def packed(way, files, tmp_path):
    """The same files in another form."""
    tar = layouts.tar_of(files, prefix="./" if way == "dots" else "",
                         order=["index.json"] if way == "index first" else None)
    if way == "directory":
        return layouts.write(files, tmp_path / "layout")
    if way == "file":
        (tmp_path / "a.tar").write_bytes(tar)
        return tmp_path / "a.tar"
    if way in ("gzip", "zstd", "xz", "bzip2"):
        return subprocess.run([way, "-c"], input=tar, capture_output=True, check=True).stdout
    return tar


WAYS = ["directory", "file", "standard input", "index first", "dots", "gzip", "zstd", "xz", "bzip2"]


@pytest.mark.parametrize("way", WAYS)
def test_a_layout_comes_in_byte_for_byte(registry, tmp_path, way):
    if way in ("zstd", "xz", "bzip2") and not shutil.which(way):
        pytest.skip(f"{way} is not installed")
    files, digest, manifest = layouts.simple()
    said = registry.load(packed(way, files, tmp_path))
    size = sum(len(data) for name, data in files.items() if name.startswith("blobs")) - len(manifest)
    assert said == [f"app:1.0 {digest} (3 blobs, {size / 1024:.1f} KiB; 0 were there already)"]
    client = registry.client()
    assert client.get_manifest("app", "1.0").content == manifest
    for data in everything(client, "app", digest).values():
        assert data in files.values()


def test_a_second_import_finds_everything_there(registry):
    files, digest, _ = layouts.simple()
    registry.load(files)
    assert registry.load(files)[0].endswith("3 were there already)")
    more = layouts.Layout()
    more.enter(more.image((1, 2, 3)), "app:2.0")
    assert "(4 blobs," in (line := registry.load(more.finish())[0]) and line.endswith("; 2 were there already)"), line
    assert tags(registry.client())["app", "1.0"] == digest


def test_indexes_of_both_kinds_nested_and_with_sha512(registry):
    made = layouts.Layout()
    inner = made.index([made.image((1,), "arm64"), made.image((2,), "riscv64")])
    top = made.enter(made.index([made.image((3,)), inner]), "multi:1")
    listed = made.enter(made.index([made.image((4,), docker=True)], docker=True), "multi:docker")
    config = made.add(b'{"x": 1}', content.OCI_CONFIG, "sha512")
    strong = made.enter(made.manifest(content.encode({
        "schemaVersion": 2, "mediaType": content.OCI_MANIFEST, "config": config, "layers": []})), "multi:strong")
    registry.load(made.finish())
    client = registry.client()
    assert tags(client) == {("multi", "1"): top["digest"], ("multi", "docker"): listed["digest"],
                            ("multi", "strong"): strong["digest"]}
    for descriptor in (top, listed, strong):
        found = everything(client, "multi", descriptor["digest"])
        assert all(data in made.files.values() for data in found.values())


@pytest.mark.parametrize("ref,containerd,place", [
    ("app:1.0", None, ("app", "1.0")),
    ("team/app", None, ("team/app", "latest")),
    ("registry.example.com/team/app:2", None, ("team/app", "2")),
    ("registry.example.com:5000/app", None, ("app", "latest")),
    ("localhost/app:3", None, ("app", "3")),
    ("docker.io/library/alpine:3", None, ("library/alpine", "3")),
    ("1.0", "docker.io/library/app:1.0", ("library/app", "1.0")),
    ("1.0", "example.org/a/b/c:9", ("a/b/c", "9")),
])
def test_names_are_those_of_the_archive_without_its_host(one, ref, containerd, place):
    made = layouts.Layout()
    top = made.enter(made.image((1,)), ref, containerd)
    one.load(made.finish())
    assert tags(one.client()) == {place: top["digest"]}


def test_a_name_with_a_digest_needs_no_tag(one):
    made = layouts.Layout()
    top = made.image((1,))
    made.enter(top, f"example.org/app@{top['digest']}")
    assert one.load(made.finish())[0].startswith(f"app {top['digest']} ")
    assert one.client().get_manifest("app", top["digest"]).status_code == 200


def test_without_a_name_the_error_lists_what_is_there(one):
    made = layouts.Layout()
    made.enter(made.image((1,)), "1.0")
    second = made.enter(made.image((2,)))
    one.refuses(made.finish(), "1.0 is sha256:", second["digest"][:19], "--name REPOSITORY")
    only = layouts.Layout()
    only.enter(only.image((1,)))
    one.refuses(only.finish(), "--name REPOSITORY:TAG")
    assert tags(one.client()) == {}


def test_the_users_name_overrides(registry):
    files, digest, _ = layouts.simple("docker.io/library/app:1.0")
    registry.load(files, "--name", "mirror/app")
    registry.load(files, "--name", "other:edge")
    made = layouts.Layout()
    made.enter(made.image((5,)), "1")
    made.enter(made.image((6,)), "2")
    registry.load(made.finish(), "-n", "both")
    bare = layouts.Layout()
    bare.enter(bare.image((7,)))
    registry.load(bare.finish(), "-n", "bare")
    registry.refuses(made.finish(), "2 images", "--name both,", options=("-n", "both:x"))
    found = tags(registry.client())
    assert found["mirror/app", "1.0"] == found["other", "edge"] == digest
    assert {("both", "1"), ("both", "2"), ("bare", "latest")} < set(found) and ("both", "x") not in found


def test_images_that_are_listed_beside_their_index(one):
    """As oras copies an index into a layout."""
    made = layouts.Layout()
    inner = made.enter(made.image((1,), "arm64"))
    second = made.enter(made.image((2,)))
    top = made.enter(made.index([inner, second]), "1.0")
    signature = made.enter(made.signature(inner))
    files = made.finish()
    said = one.load(files, "-n", "app")
    assert [line.split(" (")[0] for line in said] == [f"app:1.0 {top['digest']}", f"app {signature['digest']}"]
    one.load(files, "-n", "other:x")
    assert tags(one.client()) == {("app", "1.0"): top["digest"], ("other", "x"): top["digest"]}
    assert signature["digest"] in everything(one.client(), "other", top["digest"])
    one.refuses(files, "(1.0 is sha256:", "--name REPOSITORY\n")


def test_names_that_are_none_and_names_that_clash(one):
    files, _, _ = layouts.simple("Not/A:Name")
    one.refuses(files, "'Not/A:Name'", "--name")
    made = layouts.Layout()
    made.enter(made.image((1,)), "a/app:1")
    made.enter(made.image((2,)), "b/app:1")
    one.refuses(made.finish(), "would become app:1", options=("-n", "app"))
    for bad in ("UPPER", "app:", "a//b", "app:b:c", "-x"):
        done = one.try_load(files, f"--name={bad}")
        assert done.returncode == 2 and bad in done.stderr.decode(), done.stderr


def test_what_refers_to_an_image_comes_along(registry):
    made = layouts.Layout()
    child = made.image((1,), "arm64")
    top = made.enter(made.index([child, made.image((2,))]), "app:1.0")
    first = made.enter(made.signature(top))
    second = made.enter(made.signature(first, "of the signature"))
    third = made.enter(made.signature(child, "of a child"))
    stray = made.enter(made.signature({"mediaType": content.OCI_MANIFEST, "digest": "sha256:" + "0" * 64, "size": 3}))
    done = registry.try_load(made.finish())
    assert done.returncode == 0 and f"left out {stray['digest']}" in done.stderr.decode()
    client = registry.client()
    found = everything(client, "app", top["digest"])
    assert {first["digest"], second["digest"], third["digest"]} <= set(found) and stray["digest"] not in found


def test_what_the_repository_has_need_not_be_in_the_archive(registry):
    files, _, _ = layouts.simple("app:1.0", (1, 2))
    registry.load(files)
    made = layouts.Layout()
    top = made.enter(made.image((1, 2, 3)), "app:2.0")
    sparse = {name: data for name, data in made.finish().items() if name not in files or name == "index.json"}
    assert len(sparse) < len(made.finish())
    registry.load(sparse)
    said = registry.refuses(sparse, "elsewhere", "layers[0]", "neither in the archive", options=("-n", "elsewhere:1"))
    assert content.digest(layouts.zipped(layouts.layer(1))) in said
    assert tags(registry.client()) == {("app", "1.0"): content.digest(layouts.simple("app:1.0", (1, 2))[2]),
                                       ("app", "2.0"): top["digest"]}


def test_an_index_with_one_of_its_platforms_leads_to_that(new):
    """As `ctr image export` writes it of an image for several platforms."""
    made = layouts.Layout()
    mine, other = made.image((1,), "amd64"), made.image((2,), "arm64")
    for one in (mine, other):
        one["platform"] = {"os": "linux", "architecture": "amd64" if one is mine else "arm64"}
    top = made.enter(made.index([other, mine]), containerd="docker.io/library/app:1.0")
    files = made.finish()
    del files[f"blobs/{other['digest'].replace(':', '/')}"]
    strict = new()
    done = strict.try_load(files)
    assert done.returncode == 0 and "only the image for amd64 of the 2" in done.stderr.decode(), done.stderr
    assert tags(strict.client()) == {("library/app", "1.0"): mine["digest"]}
    lenient = new(config={"validation": {"manifests": {"indexes": {"platforms": "none"}}}})
    lenient.load(files)
    assert tags(lenient.client()) == {("library/app", "1.0"): top["digest"]}
    del files[f"blobs/{mine['digest'].replace(':', '/')}"]
    new().refuses(files, "library/app:1.0", "0 of the 2", "sha256:", "--all-platforms")


# ---- import of what docker saves

@pytest.mark.parametrize("links", ["symbolic", "hard"])
@pytest.mark.parametrize("compress", [False, True], ids=["tar", "gzip"])
def test_what_docker_saves_comes_in_as_it_would_be_pushed(registry, compress, links):
    images = [(["app:1.0", "example.org/team/app:one"], (1, 2)), (["other:latest"], (1, 3))]
    files = layouts.docker_save(images, compress)
    assert any(isinstance(data, str) for data in files.values())
    registry.load(layouts.tar_of(files, hard=links == "hard"))
    client = registry.client()
    found = tags(client)
    assert set(found) == {("app", "1.0"), ("team/app", "one"), ("other", "latest")}
    assert found["app", "1.0"] == found["team/app", "one"]
    for repo, tag, seeds in (("app", "1.0", (1, 2)), ("other", "latest", (1, 3))):
        answer = client.get_manifest(repo, tag)
        value = answer.json()
        assert answer.headers["Content-Type"] == value["mediaType"] == content.DOCKER_MANIFEST
        assert value["config"]["mediaType"] == content.DOCKER_CONFIG
        tars = [layouts.layer(seed) for seed in seeds]
        assert client.get(f"/v2/{repo}/blobs/{value['config']['digest']}").content == layouts.config_of(tars)
        for part, tar in zip(value["layers"], tars, strict=True):
            body = client.get(f"/v2/{repo}/blobs/{part['digest']}").content
            assert part["mediaType"] == content.DOCKER_LAYER and len(body) == part["size"]
            assert gzip.decompress(body) == tar
            assert body[3:8] == bytes(5), "the head of the gzip tells a name or a time"
            assert not compress or body == layouts.zipped(tar)


def test_the_same_archive_gives_the_same_digests(new):
    files = layouts.docker_save([(["app:1.0"], (1, 2))])
    assert new().load(files) == new(False).load(layouts.tar_of(files, order=["manifest.json"]))


def test_an_unpacked_archive_of_docker(registry, tmp_path):
    files = layouts.docker_save([(["app:1.0"], (1, 2)), (["app:2.0"], (1, 3))])
    registry.load(layouts.write(files, tmp_path / "unpacked"))
    assert set(tags(registry.client())) == {("app", "1.0"), ("app", "2.0")}


def test_an_archive_that_is_both_is_read_as_a_layout(one):
    files, digest, _ = layouts.simple()
    one.load(files | layouts.docker_save([(["wrong:name"], (5,))]))
    assert tags(one.client()) == {("app", "1.0"): digest}


def test_a_docker_archive_below_blobs_without_an_index(one):
    tar = layouts.layer(1)
    made = layouts.Layout()
    config, raw = (made.add(data, "x")["digest"].replace(":", "/") for data in (layouts.config_of([tar]), tar))
    made.files["manifest.json"] = content.encode([
        {"Config": f"blobs/{config}", "RepoTags": ["raw:1"], "Layers": [f"blobs/{raw}"]}])
    one.load(made.files)
    part = one.client().get_manifest("raw", "1").json()["layers"][0]
    assert part["mediaType"] == content.DOCKER_LAYER.removesuffix(".gzip")
    assert one.client().get(f"/v2/raw/blobs/{part['digest']}").content == tar


def test_damage_in_what_docker_saved_is_named(one):
    files = layouts.docker_save([(["app:1.0"], (1, 2))])
    name = json.loads(files["manifest.json"])[0]["Layers"][1]
    changed = bytearray(files[name])
    changed[1500] ^= 1
    one.refuses(files | {name: bytes(changed)}, name, "is damaged", "the config of image 1 says")
    one.refuses({k: v for k, v in files.items() if k != name}, name, "not in the archive")
    config = json.loads(files["manifest.json"])[0]["Config"]
    one.refuses({k: v for k, v in files.items() if k != config}, config, "not in the archive")
    one.refuses(files | {name: "../nowhere/layer.tar"}, name, "not in the archive")
    one.refuses(files | {name: b"no tar"}, name, "neither a tar nor")
    one.refuses(files | {name: layouts.zipped(layouts.layer(2))[:-20]}, name, "cut off")
    one.refuses(files | {config: b"{"}, config, "not valid JSON")
    assert tags(one.client()) == {}


# ---- bad archives

def raw_tar(*entries):
    """A tar of (name, kind, data, link)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, kind, data, link in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.size, entry.linkname = kind, len(data), link
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


FILE = tarfile.REGTYPE
BOMB = b"[" * 100000 + b"]" * 100000
BAD = {
    "nothing": (b"", "no tar archive"),
    "garbage": (os.urandom(5000), "no tar archive"),
    "an empty tar": (bytes(10240), "neither index.json"),
    "a file system": (raw_tar(("bin/sh", FILE, b"x", "")), "docker export"),
    "a way out": (raw_tar(("../../etc/passwd", FILE, b"x", "")), "'../../etc/passwd'", "out of the archive"),
    "a hidden way out": (raw_tar(("a/../../b", FILE, b"x", "")), "'a/../../b'"),
    "an absolute name": (raw_tar(("/etc/passwd", FILE, b"x", "")), "'/etc/passwd'", "absolute"),
    "escapes of terminals": (raw_tar(("a\x1b[31mb", FILE, b"x", "")), "'a?[31mb'"),
    "a long name": (raw_tar(("a/" * 400 + "b", FILE, b"x", "")), "longer than"),
    "a device": (raw_tar(("dev/sda", tarfile.BLKTYPE, b"", "")), "'dev/sda'", "device"),
    "a fifo": (raw_tar(("pipe", tarfile.FIFOTYPE, b"", "")), "'pipe'", "FIFO"),
    "a link out": (raw_tar(("a/b", tarfile.SYMTYPE, b"", "../../x")), "'a/b'", "out of it"),
    "an absolute link": (raw_tar(("a", tarfile.SYMTYPE, b"", "/etc/passwd")), "'/etc/passwd'"),
    "no JSON": (raw_tar(("index.json", FILE, b"{", "")), "index.json", "line 1"),
    "another JSON": (raw_tar(("index.json", FILE, b"[]", "")), "index.json", "no list of manifests"),
    "an empty index": (raw_tar(("index.json", FILE, b'{"manifests": []}', "")), "lists no images"),
    "a deep JSON": (raw_tar(("index.json", FILE, BOMB, "")), "100000 levels"),
    "many values": (raw_tar(("index.json", FILE, b"[" + b"1," * 3000000 + b"1]", "")), "values"),
    "a large index": (raw_tar(("index.json", FILE, b" " * (17 << 20), "")), "index.json", "at most"),
    "two indexes": (raw_tar(*[("index.json", FILE, b'{"manifests": []}', "")] * 2), "twice"),
    "no digest": (raw_tar(("index.json", FILE, b'{"manifests": [{"digest": 5}]}', "")), "manifests[0]"),
    "a docker archive of nothing": (raw_tar(("manifest.json", FILE, b"[]", "")), "lists no images"),
    "a docker archive of numbers": (raw_tar(("manifest.json", FILE, b"[1, 2]", "")), "image 1"),
    "a top directory": (raw_tar(("my/index.json", FILE, b"{}", "")), "'my'", "pack the contents"),
    "different files of one name": (raw_tar(("x", FILE, b"1", ""), ("x", FILE, b"2", ""),
                                            ("manifest.json", FILE, b"[]", "")), "'x'", "twice"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_archives_are_refused_with_a_reason(one, what):
    one.refuses(*BAD[what], options=("-n", "x:y"))


def test_a_huge_file_that_is_not_there(one):
    entry = tarfile.TarInfo("layer.tar")
    entry.size = 1 << 62
    one.refuses(entry.tobuf(tarfile.GNU_FORMAT) + bytes(5000), "cut off", "layer.tar")


def test_sparse_files_are_refused(one, tmp_path):
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 20)
        file.write(b"x")
    subprocess.run(["tar", "-cSf", tmp_path / "a.tar", "-C", tmp_path, "sparse"], check=True)
    one.refuses(tmp_path / "a.tar", "'sparse'", "a sparse file")


def test_the_same_file_twice_is_no_matter(one):
    files, digest, _ = layouts.simple()
    name = next(n for n in files if n.startswith("blobs"))
    one.load(raw_tar(*[(n, FILE, d, "") for n, d in files.items()], (name, FILE, files[name], "")))
    assert tags(one.client()) == {("app", "1.0"): digest}


def test_bytes_that_are_not_what_their_name_says(registry):
    files, _, _ = layouts.simple()
    for name in [n for n in files if n.startswith("blobs")]:
        changed = bytearray(files[name])
        changed[len(changed) // 2] ^= 1
        registry.refuses(files | {name: bytes(changed)}, name, "is damaged", "sha256:")
    assert tags(registry.client()) == {}


def test_the_reason_arrives_although_much_more_would_follow(one):
    """The server answers while the command still sends."""
    files, _, _ = layouts.simple()
    name = min(n for n in files if n.startswith("blobs"))
    files |= {name: b"damaged", "later.bin": bytes(64 << 20)}
    one.refuses(layouts.tar_of(files, order=[name]), name, "is damaged")


def test_each_missing_file_is_named_and_nothing_is_visible(one):
    made = layouts.Layout()
    made.enter(made.index([made.image((1,)), made.image((2,), "arm64")]), "app:1.0")
    files = made.finish()
    for name in [n for n in files if n.startswith("blobs")]:
        without = {n: d for n, d in files.items() if n != name}
        digest = name.removeprefix("blobs/").replace("/", ":")
        if digest in made.manifests and b"manifests" not in made.manifests[digest]:
            continue  # one platform of two: that is let in
        one.refuses(without, "app:1.0", digest)
    assert tags(one.client()) == {}


def test_an_archive_that_is_cut_off_anywhere(one):
    files, digest, _ = layouts.simple(size=20000)
    tar = layouts.tar_of(files, order=["index.json", "oci-layout"])
    end = len(tar.rstrip(b"\0"))
    for cut in list(range(1, end, end // 23)) + [end - 1]:
        one.refuses(tar[:cut])
        assert tags(one.client()) == {}
    zipped = layouts.zipped(tar)
    for cut in range(10, len(zipped) - 100, len(zipped) // 7):
        one.refuses(zipped[:cut], "cut off")
    one.load(tar)
    assert tags(one.client()) == {("app", "1.0"): digest}


def test_a_manifest_that_a_push_would_not_pass(new):
    strict = new()
    made = layouts.Layout()
    config = made.add(b"{}", content.OCI_CONFIG)
    wrong = made.manifest(content.encode({"schemaVersion": 2, "mediaType": content.OCI_MANIFEST,
                                          "config": config | {"size": 3}, "layers": []}))
    made.enter(wrong, "app:1")
    strict.refuses(made.finish(), "app:1", "says 3 bytes", "has 2")
    made = layouts.Layout()
    foreign = {"mediaType": content.OCI_FOREIGN, "digest": "sha256:" + "1" * 64, "size": 5, "urls": ["https://x/y"]}
    made.enter(made.manifest(content.encode({"schemaVersion": 2, "mediaType": content.OCI_MANIFEST,
                                             "config": made.add(b"{}", content.OCI_CONFIG), "layers": [foreign]})), "app:1")
    strict.refuses(made.finish(), "app:1", "URL 'https://x/y' is not allowed")
    new(config={"validation": {"manifests": {"urls": {"allow": ["^https://x/"]}}}}).load(made.finish())
    made = layouts.Layout()
    made.enter(made.manifest(content.encode({"schemaVersion": 2, "mediaType": content.OCI_MANIFEST})), "app:1")
    strict.refuses(made.finish(), "app:1", "config is missing")
    deep = layouts.Layout()
    top = deep.image((1,))
    for _ in range(20):
        top = deep.index([top])
    deep.enter(top, "deep:1")
    strict.refuses(deep.finish(), "deep:1", "nest more than")
    small = new(config={"berth": {"manifest": {"maxbytes": "64KiB"}}})
    made = layouts.Layout()
    made.enter(made.image((1,), annotations={"a": "b" * 70000}), "app:1")
    small.refuses(made.finish(), "at most 65536")


def test_a_read_only_registry_takes_nothing(new):
    registry = new(config={"storage": {"maintenance": {"readonly": {"enabled": True}}}})
    registry.refuses(layouts.simple()[0], "read-only")


def test_what_is_no_archive_at_all(one, tmp_path):
    one.refuses(tmp_path / "nowhere.tar", "nowhere.tar", "No such file")
    (tmp_path / "empty").mkdir()
    one.refuses(tmp_path / "empty", "neither index.json")
    (tmp_path / "odd").mkdir()
    os.mkfifo(tmp_path / "odd/pipe")
    one.refuses(tmp_path / "odd", "pipe", "neither a file nor a directory")


# ---- trouble

def interruptible():
    """Whoever started the tests in the background may have made them deaf to SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start_import(registry, **more):
    """An import that reads what the test writes."""
    return subprocess.Popen([str(binary()), "import", "-i", "-", str(registry.server.config_path)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
                            preexec_fn=interruptible, **more)


def wait_for_upload(registry, size=100000):
    """Until so many bytes have arrived."""
    deadline = time.monotonic() + 30
    while sum(path.stat().st_size for path in registry.uploads() if path.exists()) < size:
        assert time.monotonic() < deadline, "nothing arrives"
        time.sleep(0.01)


def test_the_server_is_killed_in_the_middle(new):
    registry = new()
    files, digest, _ = layouts.simple(size=2 << 20)
    tar = layouts.tar_of(files, order=["index.json"])
    process = start_import(registry)
    process.stdin.write(tar[:len(tar) // 2])
    process.stdin.flush()
    wait_for_upload(registry)
    registry.server.kill()
    _, said = process.communicate(tar[len(tar) // 2:])
    assert process.returncode == 1 and b"ended the connection" in said, said
    registry.running = False
    client = registry.client()
    assert tags(client) == {}
    registry.load(tar)
    assert tags(client) == {("app", "1.0"): digest}
    for path in registry.uploads():
        path.unlink()  # purging does it after a week


def test_a_stalled_import_or_export_does_not_keep_the_server_from_stopping(one):
    made = layouts.Layout()
    made.enter(made.image(range(3), size=4 << 20), "app:1.0")
    files = made.finish()
    one.load(files)
    stalled = start_import(one)
    stalled.stdin.write(layouts.tar_of(layouts.simple("b:1", (9,), size=1 << 20)[0])[:700000])
    stalled.stdin.flush()
    wait_for_upload(one)
    reader = subprocess.Popen([str(binary()), "export", "--oci", "-", str(one.server.config_path)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    reader.stdout.read(1000)
    started = time.monotonic()
    one.rest()
    assert time.monotonic() - started < 15
    _, said = stalled.communicate(bytes(3 << 20))
    assert stalled.returncode == 1 and said.startswith(b"berth: nothing was imported: "), said
    rest, said = reader.communicate()
    assert reader.returncode == 1 and b"ended" in said, said
    assert not rest.endswith(bytes(1024)) and not one.uploads()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_the_command_is_killed_in_the_middle(one, how):
    files, digest, _ = layouts.simple(size=2 << 20)
    tar = layouts.tar_of(files, order=["index.json"])
    process = start_import(one)
    process.stdin.write(tar[:len(tar) // 2])
    process.stdin.flush()
    wait_for_upload(one)
    process.send_signal(how)
    process.wait(30)
    process.stdin.close()
    process.stdout.close()
    process.stderr.close()
    deadline = time.monotonic() + 30
    while one.uploads():
        assert time.monotonic() < deadline, "uploads were left"
        time.sleep(0.05)
    assert tags(one.client()) == {}
    one.load(tar)
    assert tags(one.client()) == {("app", "1.0"): digest}


def test_killed_at_any_moment_a_tag_is_whole_or_not_there(new):
    """On the directory: import, kill, look; what is tagged can be pulled."""
    registry = new(False)
    made = layouts.Layout()
    for number in range(12):
        made.enter(made.image(range(number, number + 5), size=100000), f"app:{number}")
    tar = layouts.tar_of(made.finish())
    (registry.server.folder / "a.tar").write_bytes(tar)
    for delay in (0.2, 0.35, 0.5, 0.65, 0.8):
        process = subprocess.Popen([str(binary()), "import", "-q", "-i", registry.server.folder / "a.tar",
                                    str(registry.server.config_path)], env=environment(), stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
        client = registry.client()
        for (repo, _), digest in tags(client).items():
            everything(client, repo, digest)
        registry.rest()
    registry.load(tar)
    assert len(tags(registry.client())) == 12
    for path in registry.uploads():
        path.unlink()


def test_a_tag_leads_to_the_old_image_or_to_the_whole_new_one(one):
    """Looked at all the time while an index of many images is imported."""
    old, made = layouts.Layout(), layouts.Layout()
    before = old.enter(old.image((1000,)), "app:1.0")["digest"]
    one.load(old.finish())
    children = [made.image((number, number + 1), f"arch{number}") for number in range(40)]
    after = made.enter(made.index(children), "app:1.0")["digest"]
    seen, done = [], threading.Event()

    def watch():
        client = Client(one.server.url)
        while not done.is_set():
            seen.append(client.get_manifest("app", "1.0", method="HEAD").headers["Docker-Content-Digest"])
    threads = [threading.Thread(target=watch) for _ in range(2)]
    for thread in threads:
        thread.start()
    one.load(made.finish())
    done.set()
    for thread in threads:
        thread.join()
    assert before in seen and set(seen) <= {before, after}
    assert tags(one.client()) == {("app", "1.0"): after}


@pytest.fixture(name="small_disk")
def small_disk_fixture(tmp_path):
    """A file system of 8 MiB."""
    if os.getuid() != 0:
        pytest.skip("mounting a file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_nothing_is_visible(small_disk):
    registry = Registry(small_disk / "registry", True)
    made = layouts.Layout()
    made.enter(made.image((1, 2), size=8 << 20), "app:1.0")
    registry.refuses(made.finish(), "No space left on device", "blobs/sha256/")
    assert tags(registry.client()) == {}
    files, digest, _ = layouts.simple("small:1")
    registry.load(files)
    assert tags(registry.client()) == {("small", "1"): digest}
    done = registry.command("export", "--oci", small_disk / "full.tar", "-i", "small")
    assert done.returncode == 0, done.stderr
    with open(small_disk / "filler", "wb", buffering=0) as filler:
        with pytest.raises(OSError):
            while True:
                filler.write(bytes(4096))
    (small_disk / "full.tar").unlink()
    done = registry.command("export", "--oci", small_disk / "layout", "-i", "small")
    assert done.returncode == 1 and b"No space left" in done.stderr, done.stderr
    assert [p.name for p in small_disk.iterdir() if p.name not in ("registry", "filler")] == []
    (small_disk / "filler").unlink()
    registry.end()


def test_import_beside_pushes_and_the_collector(new):
    registry = new(config={"berth": {"gc": {"grace": "0s", "interval": "1s"}}})
    client, stop, failed = registry.client(), threading.Event(), []

    def push():
        own = Client(registry.server.url)
        while not stop.is_set():
            try:
                own.push_image("busy", "latest")
            except AssertionError as error:
                if "BLOB" not in str(error):
                    failed.append(error)
    threads = [threading.Thread(target=push) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(8):
        files, digest, _ = layouts.simple(f"app:{number}", (number, number + 1), size=200000)
        for _ in range(5):
            done = registry.try_load(files)
            if done.returncode == 0:
                break
            assert b"again" in done.stderr or b"not in repository" in done.stderr, done.stderr
        everything(client, "app", tags(client)["app", str(number)])
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]


# ---- export

@pytest.fixture(name="filled")
def filled_fixture(registry):
    """A registry with a bit of everything: (registry, {tag: digest})."""
    made = layouts.Layout()
    child = made.image((1,), "arm64")
    top = made.enter(made.index([child, made.image((2,))]), "app:multi")
    made.enter(made.image((3, 4)), "app:1.0")
    made.enter(made.image((3, 5), docker=True), "team/other:latest")
    made.enter(made.index([made.image((6,), docker=True)], docker=True), "team/other:list")
    made.enter(made.signature(made.enter(made.signature(top)), "of the signature"))
    made.enter(made.signature(child, "of a child"))
    made.enter(made.image((7,)), f"app:{child['digest'].replace(':', '-')}.sig")
    registry.load(made.finish())
    client = registry.client()
    expected = tags(client)
    assert len(expected) == 5
    return registry, expected


def same_everywhere(one, other, expected):
    """Two registries serve the same, byte for byte."""
    for (repo, _), digest in expected.items():
        assert everything(one, repo, digest) == everything(other, repo, digest)


@pytest.mark.parametrize("dest", ["-", "images.tar", "images.tar.gz", "images.tgz", "layout"])
def test_everything_goes_round_byte_for_byte(filled, new, request, tmp_path, dest):
    registry, expected = filled
    here = registry.client()
    if "stopped" in request.node.callspec.id:
        registry.rest()
    target = dest if dest == "-" else tmp_path / dest
    written = registry.save(target)
    again = new()
    again.load(written if dest == "-" else target)
    assert tags(again.client()) == expected
    here = registry.client()
    same_everywhere(here, again.client(), expected)
    assert dest == "-" or f"{target}: " in written.decode()
    assert dest == "-" or [p.name for p in tmp_path.iterdir() if not p.name.startswith("registry")] == [dest]


def test_the_pipe_from_one_registry_to_another(filled, new, request):
    registry, expected = filled
    if "stopped" in request.node.callspec.id:
        registry.rest()
    other = new(False)
    export = subprocess.Popen([str(binary()), "export", "--oci", "-", str(registry.server.config_path)],
                              stdout=subprocess.PIPE, env=environment())
    done = subprocess.run([str(binary()), "import", "-i", "-", str(other.server.config_path)], stdin=export.stdout,
                          capture_output=True, env=environment(), check=False)
    assert export.wait() == 0 and done.returncode == 0, done.stderr
    assert tags(other.client()) == expected
    same_everywhere(registry.client(), other.client(), expected)


def test_what_is_asked_for_comes_with_all_that_belongs_to_it(filled, new, tmp_path):
    registry, expected = filled
    registry.save(tmp_path / "one", "app:multi")
    index = json.loads((tmp_path / "one/index.json").read_text())
    named = {e["annotations"][layouts.REF]: e for e in index["manifests"] if "annotations" in e}
    assert [e["annotations"][layouts.CONTAINERD] for e in named.values()] == [f"app:{tag}" for tag in named]
    assert len(named) == 2 and "multi" in named and any(tag.endswith(".sig") for tag in named), named
    assert len(index["manifests"]) == 5  # two signatures of it, one of a child
    other = new()
    other.load(tmp_path / "one")
    digest = expected["app", "multi"]
    assert everything(other.client(), "app", digest) == everything(registry.client(), "app", digest)
    registry.save(tmp_path / "by-digest", f"app@{expected['app', '1.0']}", "team/other")
    third = new()
    third.load(tmp_path / "by-digest")
    assert set(tags(third.client())) == {("team/other", "latest"), ("team/other", "list")}
    assert third.client().get_manifest("app", expected["app", "1.0"]).status_code == 200


def test_the_same_content_gives_the_same_bytes(filled, new, request):
    registry, _ = filled
    first = registry.save("-")
    time.sleep(1.1)
    assert registry.save("-") == first
    for name in ("a.tar.gz", "b.tar.gz"):
        registry.save(registry.server.folder / name)
        time.sleep(1.1)
    assert (registry.server.folder / "a.tar.gz").read_bytes() == (registry.server.folder / "b.tar.gz").read_bytes()
    other = new("stopped" not in request.node.callspec.id)
    other.load(first)
    assert other.save("-") == first, "a round trip changes nothing"
    with tarfile.open(fileobj=io.BytesIO(first)) as tar:
        names = tar.getnames()
        assert names == sorted(names) and all(m.mtime == 0 and m.uid == 0 for m in tar.getmembers())


def test_a_layout_that_is_there_is_added_to(filled, tmp_path):
    registry, expected = filled
    registry.save(tmp_path / "layout", "app:1.0")
    registry.save(tmp_path / "layout", "team/other:latest")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert sorted(e["annotations"][layouts.CONTAINERD] for e in index["manifests"]) == ["app:1.0", "team/other:latest"]
    client = registry.client()
    digest, _ = client.push_image("app", "1.0")
    registry.save(tmp_path / "layout", "app:1.0")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    found = {e["annotations"][layouts.CONTAINERD]: e["digest"] for e in index["manifests"]}
    assert found == {"app:1.0": digest, "team/other:latest": expected["team/other", "latest"]}
    assert not (tmp_path / "layout/manifest.json").exists()
    assert not list((tmp_path / "layout").rglob("*.part"))


def test_docker_load_finds_its_manifest_json(one):
    files, _, manifest = layouts.simple("team/app:1.0")
    one.load(files)
    with tarfile.open(fileobj=io.BytesIO(one.save("-"))) as tar:
        value = json.load(tar.extractfile("manifest.json"))
        parts = json.loads(manifest)
        assert value == [{"Config": f"blobs/{parts['config']['digest'].replace(':', '/')}", "RepoTags": ["team/app:1.0"],
                          "Layers": [f"blobs/{p['digest'].replace(':', '/')}" for p in parts["layers"]]}]
        assert all(name in tar.getnames() for name in value[0]["Layers"])


def blob_file(registry, digest):
    """Where a blob lies."""
    name = digest.split(":")[1]
    return registry.server.root / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data"


@pytest.mark.parametrize("dest", ["-", "images.tar", "layout"])
@pytest.mark.parametrize("harm", ["missing", "shorter", "changed"])
def test_a_blob_that_is_not_whole_is_told_and_nothing_is_written(registry, tmp_path, harm, dest):
    files, _, manifest = layouts.simple("app:1.0", size=50000)
    registry.load(files)
    victim = json.loads(manifest)["layers"][1]["digest"]
    path = blob_file(registry, victim)
    whole = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-1] if harm == "shorter" else whole[:100] + b"?" + whole[101:])
    target = dest if dest == "-" else tmp_path / dest
    done = registry.command("export", "--oci", target)
    said = done.stderr.decode()
    assert done.returncode == 1 and f"app:1.0: " in said and victim in said and "berth" in said, said
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith("registry")] == []
    if dest == "-":
        assert not done.stdout.endswith(bytes(1024)), "half an archive has an end"
        fresh = Registry(tmp_path / "registry-other", True)
        fresh.refuses(done.stdout)
        fresh.end()
    path.write_bytes(whole)


def test_what_is_not_there_cannot_be_exported(registry, tmp_path):
    registry.load(layouts.simple()[0])
    for name, words in (("nowhere", "no repository nowhere"), ("app:2", "tag 2 is not in"),
                        (f"app@sha256:{'0' * 64}", "is not in repository")):
        done = registry.command("export", "--oci", tmp_path / "x.tar", "-i", name)
        assert done.returncode == 1 and words in done.stderr.decode(), done.stderr
    for name in ("UPPER", "app:", "app@x", "a b"):
        done = registry.command("export", "--oci", tmp_path / "x.tar", "-i", name)
        assert done.returncode == 2 and name in done.stderr.decode(), done.stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("x")
    done = registry.command("export", "--oci", tmp_path / "full")
    assert done.returncode == 1 and b"neither empty nor" in done.stderr
    assert not list(tmp_path.glob("x.tar*"))


def test_many_images_take_time_in_proportion(new):
    """Thousands of names and images: what grows with the square of them would take minutes."""
    registry, made = new(False), layouts.Layout()
    config = made.add(b"{}", content.OCI_CONFIG)
    for number in range(3000):
        made.enter(made.manifest(content.encode({
            "schemaVersion": 2, "mediaType": content.OCI_MANIFEST, "config": config, "layers": [],
            "annotations": {"n": str(number)}})), f"app-{number % 10}:{number}")
    same = made.image((1,))
    for number in range(6000):
        made.enter(same, f"tags:{number}")
    started = time.monotonic()
    assert len(registry.load(made.finish())) == 9000
    registry.save(registry.server.folder / "all.tar")
    again = new(False)
    assert len(again.load(registry.server.folder / "all.tar")) == 9000
    assert time.monotonic() - started < 90


def test_an_empty_registry_has_nothing_to_export(new, tmp_path):
    done = new().command("export", "--oci", tmp_path / "x")
    assert done.returncode == 1 and b"nothing in the registry has a tag" in done.stderr
    stopped = Registry(tmp_path / "registry-none", False)
    done = stopped.command("export", "--oci", tmp_path / "x")
    assert done.returncode == 1 and b"no registry to export from" in done.stderr
    assert not stopped.server.root.exists() and not (tmp_path / "x").exists()


def test_an_export_that_is_killed_leaves_nothing_under_its_name(one, tmp_path):
    made = layouts.Layout()
    made.enter(made.image(range(6), size=6 << 20), "app:1.0")
    one.load(made.finish())
    for dest in ("images.tar", "layout"):
        process = subprocess.Popen([str(binary()), "export", "--oci", tmp_path / dest, str(one.server.config_path)],
                                   env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(f"{dest}.*.part")):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
        process.wait()
        assert not (tmp_path / dest).exists()


def test_an_export_is_not_broken_by_deletions_and_the_collector(new, tmp_path):
    registry = new(config={"berth": {"gc": {"grace": "0s", "interval": "1s"}}})
    made = layouts.Layout()
    top = made.enter(made.image(range(5), size=2 << 20), "app:1.0")
    registry.load(made.finish())
    client = registry.client()
    export = subprocess.Popen([str(binary()), "export", "--oci", "-", str(registry.server.config_path)],
                              stdout=subprocess.PIPE, env=environment())
    first = export.stdout.read(100000)
    assert client.delete(f"/v2/app/manifests/{top['digest']}").status_code == 202
    time.sleep(2.5)
    written = first + export.communicate()[0]
    assert export.returncode == 0
    other = new()
    other.load(written)
    assert tags(other.client()) == {("app", "1.0"): top["digest"]}
    everything(other.client(), "app", top["digest"])
    deadline = time.monotonic() + 20
    while blob_file(registry, json.loads(made.manifests[top["digest"]])["config"]["digest"]).exists():
        assert time.monotonic() < deadline, "the collector does not go on"
        time.sleep(0.1)


def test_a_reader_that_goes_away(one):
    made = layouts.Layout()
    made.enter(made.image(range(4), size=4 << 20), "app:1.0")
    one.load(made.finish())
    export = subprocess.Popen([str(binary()), "export", "--oci", "-", str(one.server.config_path)],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    export.stdout.read(1000)
    export.stdout.close()
    said = export.stderr.read().decode()
    export.stderr.close()
    assert export.wait() == 1 and "Broken pipe" in said, said


# ---- the command line, memory, other programs

def test_usage(one):
    for words, status in ((["import", "-n", "app"], 2), (["export", "-i", "app"], 2), (["import", "--bogus"], 2),
                          (["export", "--oci="], 2), (["import", "-n", "app", "-i"], 1),
                          (["import", "a", "b"], 2)):
        assert one.command(*words).returncode == status, words
    for command in ("import", "export"):
        said = run("help", command).stdout
        assert "registry:2" in said and ("--input" in said or "--oci" in said)


def test_memory_does_not_grow_with_the_layer(one):
    """A layer of 64 MiB goes through a server that has little; the sanitizer's own memory is in the figure."""
    made = layouts.Layout()
    made.enter(made.image((1,), size=64 << 20), "app:1.0")
    one.load(layouts.simple("warm:up")[0])
    one.save("-", "warm")
    before = one.server.resident()
    one.load(made.finish())
    one.save(one.server.folder / "x.tar", "app")
    assert one.server.resident() - before < 32 << 20


def need(program):
    """Skips without a program."""
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


@pytest.mark.parametrize("form", ["oci-archive", "docker-archive", "oci"])
def test_what_skopeo_writes_comes_in(one, tmp_path, form):
    need("skopeo")
    source, digest, manifest = layouts.simple("app:1.0")
    layouts.write(source, tmp_path / "source")
    path = tmp_path / "out"
    subprocess.run(["skopeo", "copy", "-q", f"oci:{tmp_path}/source:app:1.0", f"{form}:{path}:example.org/team/app:2"],
                   check=True, capture_output=True)
    one.load(path)
    client = one.client()
    found = tags(client)
    assert set(found) == {("team/app", "2")}
    if form != "docker-archive":
        assert found["team/app", "2"] == digest
    tars = [gzip.decompress(client.get(f"/v2/team/app/blobs/{part['digest']}").content)
            for part in client.get_manifest("team/app", "2").json()["layers"]]
    assert tars == [layouts.layer(1), layouts.layer(2)] and manifest


def test_skopeo_reads_what_is_exported(filled, tmp_path, new):
    need("skopeo")
    registry, expected = filled
    registry.save(tmp_path / "all.tar")
    registry.save(tmp_path / "all")
    other = new()
    for (repo, tag), digest in expected.items():
        if repo == "team/other":
            continue  # in layouts skopeo sees manifests of OCI types only
        for source in (f"oci-archive:{tmp_path}/all.tar", f"oci:{tmp_path}/all"):
            done = subprocess.run(["skopeo", "copy", "-q", "--all", "--preserve-digests", "--dest-tls-verify=false",
                                   f"{source}:{repo}:{tag}", f"docker://{other.server.host}/{repo}:{tag}"],
                                  capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        assert other.client().get_manifest(repo, tag).content == registry.client().get_manifest(repo, digest).content
    # A manifest of Docker's is found by way of manifest.json.
    subprocess.run(["skopeo", "copy", "-q", f"docker-archive:{tmp_path}/all.tar:team/other:latest", f"dir:{tmp_path}/d"],
                   check=True, capture_output=True)
