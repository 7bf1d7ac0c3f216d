# SPDX-License-Identifier: Apache-2.0
"""Makes blobs, manifests and indexes to push."""
import hashlib
import itertools
import json
import os

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
ALL_MANIFESTS = ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST))

_count = itertools.count(1)


def name(word="repo"):
    """A repository name that no other test uses."""
    return f"test/{word}-{os.getpid()}-{next(_count)}"


def digest(data, algorithm="sha256"):
    """The digest of bytes as registries write it."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def noise(size, seed=None):
    """Bytes that nobody has pushed before (with a seed: always the same)."""
    if seed is None:
        return os.urandom(size)
    out = hashlib.shake_256(str(seed).encode()).digest(min(size, 1 << 16))
    return (out * (size // max(len(out), 1) + 1))[:size]


def encode(value):
    """JSON as bytes."""
    return json.dumps(value, indent=2).encode()


def descriptor(data, media_type, algorithm="sha256", **more):
    """The descriptor of bytes."""
    return {"mediaType": media_type, "digest": digest(data, algorithm), "size": len(data), **more}


def config_bytes(architecture="amd64", system="linux"):
    """An image configuration; each is different."""
    return encode({"architecture": architecture, "os": system, "config": {}, "rootfs": {"type": "layers", "diff_ids": []},
                   "author": os.urandom(8).hex()})


def image(config, layers, docker=False, algorithm="sha256", **more):
    """The bytes of an image manifest of these blobs."""
    types = (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER) if docker else (OCI_MANIFEST, OCI_CONFIG, OCI_LAYER)
    return encode({
        "schemaVersion": 2,
        "mediaType": types[0],
        "config": descriptor(config, types[1], algorithm),
        "layers": [descriptor(layer, types[2], algorithm) for layer in layers],
        **more,
    })


def index(manifests, docker=False, media_type=None, **more):
    """The bytes of an index of these (manifest bytes, platform or None)."""
    child = DOCKER_MANIFEST if docker else OCI_MANIFEST
    entries = []
    for data, platform in manifests:
        kind = json.loads(data).get("mediaType", child)
        entries.append(descriptor(data, kind) | ({"platform": platform} if platform else {}))
    return encode({
        "schemaVersion": 2,
        "mediaType": media_type or (DOCKER_LIST if docker else OCI_INDEX),
        "manifests": entries,
        **more,
    })


EMPTY = b"{}"


def artifact(artifact_type, subject=None, algorithm="sha256", **more):
    """The bytes of an artifact manifest: the empty config, one empty layer, perhaps a subject."""
    value = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor(EMPTY, OCI_EMPTY, algorithm),
        "layers": [descriptor(EMPTY, OCI_EMPTY, algorithm)],
        **more,
    }
    if subject is not None:
        value["subject"] = subject
    return encode(value)
