# SPDX-License-Identifier: Apache-2.0
"""Real images to push: a Debian made with debootstrap, in several layers.

They are made once, as OCI image layouts below build/cache/images, and serve all
clients. Nothing of them is in the tree.
"""
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import tarfile

import pytest

import content
import mounts

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / "build/cache/images"
NOISE = 48 << 20  # bytes that do not compress, so that the image is over 100 MB
PLATFORMS = [("amd64", None), ("arm64", "v8"), ("arm", "v7")]


def _mirror():
    """(suite, address) of the Debian mirror that apt is configured with."""
    release = dict(line.rstrip().split("=", 1) for line in open("/etc/os-release", encoding="utf-8") if "=" in line)
    suite = release.get("VERSION_CODENAME", "").strip('"')
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                              "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    for line in targets.splitlines():
        address, found, component = line.split()
        if found == suite and component == "main":
            return suite, address
    raise RuntimeError(f"apt is not configured with a mirror of {suite}")


def root_file_system():
    """A tar archive of a small Debian."""
    archive = CACHE / "debian.tar"
    if archive.exists():
        return archive
    if os.getuid() != 0:
        pytest.skip("debootstrap needs root")
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / "debian"
    suite, address = _mirror()
    mounts.remove(folder)
    done = subprocess.run([*mounts.apart(), "debootstrap", "--variant=minbase", suite, str(folder), address],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"debootstrap: {done.stdout[-1500:]}{done.stderr[-1500:]}"
    unfinished = archive.with_suffix(".part")
    with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(os.listdir(folder)):
            tar.add(folder / name, name, filter=lambda entry: None if entry.isdev() else entry)
    unfinished.rename(archive)
    mounts.remove(folder)
    return archive


def noise_file(size=NOISE):
    """A file that does not compress, the same each time it is made."""
    path = CACHE / f"noise-{size}"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        source = random.Random(size)
        with open(path.with_suffix(".part"), "wb") as out:
            for _ in range(size >> 20):
                out.write(source.randbytes(1 << 20))
        path.with_suffix(".part").rename(path)
    return path


def small_layer(files):
    """A layer of a few files, tar: bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


class Layout:
    """An OCI image layout being written."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.blobs = self.path / "blobs/sha256"
        self.blobs.mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add(self, data, media_type, **more):
        """Adds a blob: its descriptor."""
        found = content.descriptor(data, media_type, **more)
        (self.blobs / found["digest"].split(":")[1]).write_bytes(data)
        return found

    def add_layer(self, source, level=6):
        """Adds a layer of tar bytes read from a file, compressed: (descriptor, diff id)."""
        raw, packed, size = hashlib.sha256(), hashlib.sha256(), 0
        part = self.blobs / "part"
        with open(part, "w+b") as out:
            with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=level, mtime=0, filename="") as zipped:
                while data := source.read(1 << 20):
                    raw.update(data)
                    zipped.write(data)
            out.seek(0)
            while data := out.read(1 << 20):
                packed.update(data)
                size += len(data)
        part.rename(self.blobs / packed.hexdigest())
        return ({"mediaType": content.OCI_LAYER, "digest": f"sha256:{packed.hexdigest()}", "size": size},
                f"sha256:{raw.hexdigest()}")

    def add_image(self, layers, architecture="amd64", variant=None):
        """Adds config and manifest over (descriptor, diff id) pairs: the manifest's descriptor."""
        platform = {"architecture": architecture, "os": "linux"} | ({"variant": variant} if variant else {})
        config = platform | {"config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
                             "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in layers]},
                             "history": [{"created_by": f"layer {i}"} for i in range(len(layers))]}
        manifest = {"schemaVersion": 2, "mediaType": content.OCI_MANIFEST,
                    "config": self.add(content.encode(config), content.OCI_CONFIG),
                    "layers": [layer for layer, _ in layers]}
        return self.add(content.encode(manifest), content.OCI_MANIFEST) | {"platform": platform}

    def finish(self, descriptor, tag="latest"):
        """Writes the index of the layout."""
        entry = {k: v for k, v in descriptor.items() if k != "platform"}
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
        (self.path / "index.json").write_bytes(content.encode({"schemaVersion": 2, "manifests": [entry]}))
        return self.path


def _cached(name, build):
    """A layout of this name; built if it is not there."""
    path = CACHE / name
    if not path.exists():
        part = CACHE / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        build(Layout(part))
        part.rename(path)
    return path


def _debian_layers(layout):
    """The layers of the Debian image."""
    with open(root_file_system(), "rb") as tar:
        base = layout.add_layer(tar)
    files = {"usr/share/berth-test/noise": noise_file().read_bytes()}
    return [base, layout.add_layer(io.BytesIO(small_layer(files)), level=1),
            layout.add_layer(io.BytesIO(small_layer({"etc/berth-test": b"a small layer on top\n"}))),
            layout.add_layer(io.BytesIO(small_layer({})))]


def debian():
    """A layout of one image: Debian and more, over 100 MB in four layers."""
    return _cached("debian-image", lambda layout: layout.finish(layout.add_image(_debian_layers(layout))))


def several_platforms():
    """A layout of an index over three platforms that share a layer."""
    def build(layout):
        shared = layout.add_layer(io.BytesIO(small_layer({"etc/shared": b"shared\n" * 1000})))
        children = []
        for architecture, variant in PLATFORMS:
            own = layout.add_layer(io.BytesIO(small_layer({"etc/machine": architecture.encode()})))
            children.append(layout.add_image([shared, own], architecture, variant))
        index = {"schemaVersion": 2, "mediaType": content.OCI_INDEX, "manifests": children}
        layout.finish(layout.add(content.encode(index), content.OCI_INDEX))
    return _cached("several-platforms", build)


def two_gigabytes():
    """A layout of an image with one layer of 2 GiB."""
    size = 2 << 30
    if shutil.disk_usage(ROOT).free < 5 * size:
        pytest.skip("a layer of 2 GiB needs 10 GiB of disk")

    def build(layout):
        block = noise_file()
        tar = CACHE / "large.tar"
        big = CACHE / "large"
        with open(big, "wb") as out:
            data = block.read_bytes()
            for i in range(size // len(data) + 1):
                out.write(i.to_bytes(8, "big") + data)
        with tarfile.open(tar, "w") as archive:
            archive.add(big, "large")
        big.unlink()
        with open(tar, "rb") as source:
            layer = layout.add_layer(source, level=0)
        tar.unlink()
        layout.finish(layout.add_image([layer]))
    return _cached("two-gigabytes", build)


def top(layout):
    """(digest, bytes) of what a layout's index points to."""
    entry = json.loads((pathlib.Path(layout) / "index.json").read_text())["manifests"][0]
    return entry["digest"], blob(layout, entry["digest"])


def blob(layout, digest):
    """The bytes of a blob of a layout."""
    return (pathlib.Path(layout) / "blobs" / digest.replace(":", "/")).read_bytes()


def config_of(layout):
    """The digest and the value of the config of a layout's image."""
    digest = json.loads(top(layout)[1])["config"]["digest"]
    return digest, json.loads(blob(layout, digest))


def blobs_of(layout):
    """All blobs of a layout: names with the digest of what is really in them."""
    found = {}
    for path in sorted((pathlib.Path(layout) / "blobs").glob("*/*")):
        value = hashlib.new(path.parent.name)
        with open(path, "rb") as file:
            while data := file.read(1 << 20):
                value.update(data)
        found[f"{path.parent.name}:{path.name}"] = f"{path.parent.name}:{value.hexdigest()}"
    return found


def same(one, other):
    """Two layouts hold the same image, byte for byte."""
    assert top(one) == top(other)
    first, second = blobs_of(one), blobs_of(other)
    assert first == second
    assert all(name == real for name, real in first.items())
