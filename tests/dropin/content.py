# SPDX-License-Identifier: Apache-2.0
"""Blobs and manifests the scenes push; the same bytes in every run."""

import hashlib
import json

SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_NONDIST = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
EMPTY_JSON = "application/vnd.oci.empty.v1+json"

ABSENT = "sha256:" + "0" * 64


def digest(data, algorithm="sha256"):
    return algorithm + ":" + hashlib.new(algorithm, data).hexdigest()


def blob(name, size=1000):
    """Bytes that depend on the name only."""
    out = b""
    i = 0
    while len(out) < size:
        out += hashlib.sha256(f"{name} {i}".encode()).digest()
        i += 1
    return out[:size]


def descriptor(data, media_type, **more):
    return {"mediaType": media_type, "size": len(data), "digest": digest(data), **more}


def encode(obj):
    return json.dumps(obj, indent=3).encode()


def image(config, layers, media_type=SCHEMA2, config_type=None, layer_type=None, **more):
    docker = media_type == SCHEMA2
    return encode({"schemaVersion": 2, "mediaType": media_type,
                   "config": descriptor(config, config_type or (CONFIG if docker else OCI_CONFIG)),
                   "layers": [descriptor(x, layer_type or (LAYER if docker else OCI_LAYER)) for x in layers],
                   **more})


def index(children, media_type=LIST, child_type=SCHEMA2, arches=("amd64", "arm64", "s390x"), **more):
    return encode({"schemaVersion": 2, "mediaType": media_type, "manifests": [
        descriptor(x, child_type, platform={"architecture": arch, "os": "linux"})
        for x, arch in zip(children, arches)], **more})


CONFIG_BLOB = encode({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
LAYER_A = blob("layer a", 3000)
LAYER_B = blob("layer b", 40)


def push_blob(s, repo, data, note=None):
    """POST then PUT, recorded under one name; returns the digest."""
    name = note or f"{repo} blob {digest(data)[7:15]}"
    start = s(f"{name}: start", "POST", f"/v2/{repo}/blobs/uploads/")
    s(f"{name}: put", "PUT", with_digest(start.path(), digest(data)), data,
      {"Content-Type": "application/octet-stream"})
    return digest(data)


def with_digest(path, value):
    return path + ("&" if "?" in path else "?") + "digest=" + value


def push_image(s, repo, tag, manifest=None, media_type=SCHEMA2, layers=(LAYER_A, LAYER_B), config=CONFIG_BLOB):
    """Blobs and manifest of an image; returns the bytes of the manifest."""
    for data in (config, *layers):
        push_blob(s, repo, data, f"{repo}:{tag} blob {digest(data)[7:15]}")
    manifest = manifest or image(config, layers, media_type)
    s(f"{repo}:{tag} put", "PUT", f"/v2/{repo}/manifests/{tag}", manifest, {"Content-Type": media_type})
    return manifest
