# SPDX-License-Identifier: Apache-2.0
"""Makes archives of images as clients write them: OCI image layouts and docker save, as files by name."""
import gzip
import hashlib
import io
import json
import random
import tarfile

import content

REF = "org.opencontainers.image.ref.name"
CONTAINERD = "io.containerd.image.name"


def layer(seed, size=3000):
    """A tar of one file, always the same for the same seed."""
    out = io.BytesIO()
    data = random.Random(seed).randbytes(size)
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo(f"etc/file-{seed}")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def zipped(data):
    """gzip, always the same for the same bytes."""
    return gzip.compress(data, mtime=0)


def config_of(layers, architecture="amd64"):
    """The image configuration over these tars."""
    return content.encode({"architecture": architecture, "os": "linux", "config": {}, "rootfs": {
        "type": "layers", "diff_ids": [content.digest(one) for one in layers]}})


class Layout:
    """An OCI image layout: `files` are its files by name, `blobs` what must arrive in a registry."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.entries = []
        self.manifests = {}

    def add(self, data, media_type, algorithm="sha256", **more):
        """Adds a blob: its descriptor."""
        found = content.descriptor(data, media_type, algorithm, **more)
        self.files[f"blobs/{found['digest'].replace(':', '/')}"] = data
        return found

    def image(self, seeds, architecture="amd64", docker=False, size=3000, **more):
        """Adds an image of layers made from these seeds: its descriptor."""
        tars = [layer(seed, size) for seed in seeds]
        config, layers = config_of(tars, architecture), [zipped(tar) for tar in tars]
        types = (content.DOCKER_CONFIG, content.DOCKER_LAYER) if docker else (content.OCI_CONFIG, content.OCI_LAYER)
        for data, media_type in [(config, types[0])] + [(one, types[1]) for one in layers]:
            self.add(data, media_type)
        return self.manifest(content.image(config, layers, docker=docker, **more))

    def manifest(self, data):
        """Adds a manifest: its descriptor."""
        found = self.add(data, json.loads(data)["mediaType"])
        self.manifests[found["digest"]] = data
        return found

    def index(self, children, docker=False, **more):
        """Adds an index over descriptors: its descriptor."""
        kind = content.DOCKER_LIST if docker else content.OCI_INDEX
        return self.manifest(content.encode({"schemaVersion": 2, "mediaType": kind, "manifests": children, **more}))

    def signature(self, subject, note="", **more):
        """Adds an artifact that refers to a descriptor: its descriptor."""
        self.add(content.EMPTY, content.OCI_EMPTY)
        return self.manifest(content.artifact("application/vnd.test.signature", {
            k: subject[k] for k in ("mediaType", "digest", "size")}, annotations={"note": note}, **more))

    def enter(self, descriptor, name=None, containerd=None):
        """Lists a descriptor in index.json."""
        entry = {k: descriptor[k] for k in ("mediaType", "digest", "size")}
        annotations = ({REF: name} if name else {}) | ({CONTAINERD: containerd} if containerd else {})
        self.entries.append(entry | ({"annotations": annotations} if annotations else {}))
        return descriptor

    def finish(self):
        """All files, index.json among them."""
        return self.files | {"index.json": content.encode({"schemaVersion": 2, "manifests": self.entries})}


def simple(name="app:1.0", seeds=(1, 2), **more):
    """A layout of one image: (its files, its digest, the manifest's bytes)."""
    made = Layout()
    top = made.enter(made.image(seeds, **more), name)
    return made.finish(), top["digest"], made.manifests[top["digest"]]


def docker_save(images, compress=False):
    """What `docker save` writes for [(tags, seeds)]: files by name; a layer that repeats is a link, given as a str."""
    files, entries, seen = {}, [], {}
    for tags, seeds in images:
        tars, names = [layer(seed) for seed in seeds], []
        config = config_of(tars)
        identity = hashlib.sha256(config).hexdigest()
        for place, tar in enumerate(tars):
            folder = hashlib.sha256(f"{identity}{place}".encode()).hexdigest()
            names.append(f"{folder}/layer.tar")
            files[f"{folder}/VERSION"] = b"1.0"
            files[f"{folder}/json"] = b"{}"
            files[names[-1]] = seen.get(tar) or (zipped(tar) if compress else tar)
            seen.setdefault(tar, f"../{folder}/layer.tar")
        files[f"{identity}.json"] = config
        entries.append({"Config": f"{identity}.json", "RepoTags": tags or None, "Layers": names})
    files["manifest.json"] = content.encode(entries)
    files["repositories"] = b"{}"
    return files


def tar_of(files, order=None, hard=False, prefix=""):
    """A tar of files by name, links (str) after all else; `order` lists names to put first."""
    out = io.BytesIO()
    names = list(order or []) + [name for name in sorted(files, key=lambda n: (isinstance(files[n], str), n))
                                 if name not in (order or [])]
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            entry, data = tarfile.TarInfo(prefix + name), files[name]
            if isinstance(data, str):
                entry.type = tarfile.LNKTYPE if hard else tarfile.SYMTYPE
                entry.linkname = data.removeprefix("../") if hard else data
                tar.addfile(entry)
            else:
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def write(files, folder):
    """Writes files into a directory: it."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, str):
            path.symlink_to(data)
        else:
            path.write_bytes(data)
    return folder
