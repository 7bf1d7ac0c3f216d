# SPDX-License-Identifier: Apache-2.0
"""What clients save: archives of images, looked into and compared."""
import hashlib
import json
import tarfile


def _digest(file):
    value = hashlib.sha256()
    while data := file.read(1 << 20):
        value.update(data)
    return f"sha256:{value.hexdigest()}"


def docker_archive(path):
    """(config digest, [digest of each layer's tar]) of what `docker save` wrote."""
    with tarfile.open(path) as tar:
        entry = json.load(tar.extractfile("manifest.json"))[0]
        config = _digest(tar.extractfile(entry["Config"]))
        layers = []
        for name in entry["Layers"]:
            member = tar.getmember(name)
            while member.issym():
                member = tar.getmember(f"{name.rsplit('/', 1)[0]}/{member.linkname}")
            layers.append(_digest(tar.extractfile(member)))
    return config, layers
