# SPDX-License-Identifier: Apache-2.0
"""Pushers that know what they were told.

Each pusher has repositories of its own and notes, for every tag and manifest in
them, what the answers allow: an acknowledged write leaves one possibility, a
request without an answer leaves both. `Pusher.check` compares that with what is
served. The bytes of many blobs are common to all pushers, so that they push,
mount and give up the same digests at the same time.
"""
import random
import threading
import time

import content
from wire import Gone, Wire, blobs_of, children_of

COMMON = 48
TAGS = [f"t{n}" for n in range(4)]


class Wrong(AssertionError):
    """The registry did what it must not."""


class Manifest:
    """A manifest of one repository: `there` is True, False, or None where nobody can know,
    as after a request without an answer, and as soon as the collector may take it."""

    def __init__(self, data, there=None, subject=None):
        self.data = data
        self.digest = content.digest(data)
        self.blobs = blobs_of(data)
        self.children = children_of(data)
        self.subject = subject
        self.there = there


class Repository:
    """What one repository may contain."""

    def __init__(self, name):
        self.name = name
        self.tags = {tag: {None} for tag in TAGS}
        self.manifests = {}

    def must(self, digest, seen=()):
        """Has this manifest to be there? Only what a tag, an index or its subject keeps has to be:
        the collector takes the others when it likes."""
        manifest = self.manifests.get(digest)
        if manifest is None or manifest.there is not True or digest in seen:
            return False
        seen = (*seen, digest)
        return any(values == {digest} for values in self.tags.values()) or \
            any(digest in m.children and self.must(m.digest, seen) for m in self.manifests.values()) or \
            (manifest.subject is not None and self.must(manifest.subject, seen))

    def settle(self):
        """What nothing keeps may be collected from now on, even when something speaks of it again later."""
        loose = [m for m in self.manifests.values() if m.there and not self.must(m.digest)]
        for manifest in loose:
            manifest.there = None

    def known(self):
        """What is there, or may be."""
        return [m for m in self.manifests.values() if m.there is not False]

    def deleted(self, digest):
        """The manifest was deleted, and its tags with it."""
        self.manifests[digest].there = False
        for values in self.tags.values():
            if digest in values:
                values.discard(digest)
                values.add(None)

    def perhaps_deleted(self, digest):
        """Nobody knows whether it was."""
        self.manifests[digest].there = None
        for values in self.tags.values():
            if digest in values:
                values.add(None)


class Pusher:
    """One client with its repositories."""

    def __init__(self, number, seed, grace, names):
        self.random = random.Random(f"{seed}-{number}")
        self.grace = grace
        self.names = names
        self.repositories = [Repository(f"fleet/p{number}-{n}") for n in range(2)]
        self.wire = None
        self.count = {}
        self.asked = 0.0  # when the oldest blob of the push under way was asked for

    # ---- bytes

    def data(self):
        """A blob: mostly one that others push too, 1 KiB to 1 MiB."""
        seed = self.random.randrange(COMMON) if self.random.random() < 0.7 else self.random.random()
        size = int(1024 * 2 ** (random.Random(f"size {seed}").random() ** 2 * 10))
        return content.noise(size, seed=f"blob {seed}")

    def note(self, what):
        """Counts for the report."""
        self.count[what] = self.count.get(what, 0) + 1

    # ---- pushing

    def bring(self, repository, data):
        """Gets a blob into the repository: asks for it, mounts it, or pushes it."""
        digest = content.digest(data)
        if self.random.random() < 0.6:
            status = self.wire.blob(repository.name, digest, "HEAD").status
            expect(status in (200, 404), f"HEAD of blob {digest}: {status}")
            if status == 200:
                return self.note("blob known")
        if self.random.random() < 0.4:
            answer, location = self.wire.mount(repository.name, digest, self.random.choice(self.names))
            expect(answer.status in (201, 202), f"mount of {digest}: {answer}")
            if answer.status == 201:
                return self.note("blob mounted")
            answer = self.wire.fill(location, digest, data, self.random.choice(("put", "chunks")))
        else:
            answer = self.wire.push_blob(repository.name, data, self.random.choice(("put", "chunks", "post")))
        expect(answer.status == 201, f"push of blob {digest}: {answer}")
        return self.note("blob pushed")

    def put(self, repository, tag, data, subject=None, excuse=False):
        """PUTs a manifest by its digest or with a tag, and notes what came of it."""
        digest = content.digest(data)
        known = repository.manifests.setdefault(digest, Manifest(data, False, subject))
        try:
            answer = self.wire.put_manifest(repository.name, tag or digest, data)
        except Gone:
            if known.there is not True:
                known.there = None
            if tag:
                repository.tags[tag].add(digest)
            raise
        if answer.status == 201:
            known.there = True
            if tag:
                repository.tags[tag] = {digest}
            return self.note("manifest")
        took = time.monotonic() - self.asked
        expect(answer.code() in ("MANIFEST_BLOB_UNKNOWN", "MANIFEST_UNKNOWN") and (took >= self.grace * 0.95 or excuse),
               f"push of a manifest to {repository.name} {took:.2f} s after its blobs: {answer}")
        return self.note("came too late")

    def push_image(self, repository):
        """An image with one to three layers."""
        self.asked = time.monotonic()
        layers = [self.data() for _ in range(self.random.randint(1, 3))]
        config = content.config_bytes()
        for data in [config, *layers]:
            self.bring(repository, data)
        tag = self.random.choice(TAGS) if self.random.random() < 0.85 else None
        self.put(repository, tag, content.image(config, layers, docker=self.random.random() < 0.3))

    def push_index(self, repository):
        """An index of manifests that are there already."""
        there = [m for m in repository.known() if m.blobs]
        if not there:
            return
        self.asked = time.monotonic()
        chosen = self.random.sample(there, min(len(there), 2))
        data = content.index([(m.data, {"os": "linux", "architecture": "amd64"}) for m in chosen])
        excuse = not all(repository.must(m.digest) for m in chosen)
        self.put(repository, self.random.choice(TAGS), data, excuse=excuse)

    def push_referrer(self, repository):
        """An artifact that speaks of a manifest."""
        subjects = repository.known()
        if not subjects:
            return
        subject = self.random.choice(subjects)
        self.asked = time.monotonic()
        self.bring(repository, content.EMPTY)
        data = content.artifact("application/x.note", content.descriptor(subject.data, content.OCI_MANIFEST),
                                annotations={"n": str(self.random.random())})
        self.put(repository, None, data, subject=subject.digest)

    def retag(self, repository):
        """Another tag for a manifest that is there."""
        there = repository.known()
        if there:
            manifest = self.random.choice(there)
            self.asked = time.monotonic()
            self.put(repository, self.random.choice(TAGS), manifest.data, manifest.subject,
                     excuse=not repository.must(manifest.digest))

    # ---- deleting

    def delete_tag(self, repository):
        """Deletes a tag."""
        tag = self.random.choice(TAGS)
        values = repository.tags[tag]
        try:
            status = self.wire.delete(repository.name, tag).status
        except Gone:
            values.add(None)
            raise
        expect(status == 202 or (status == 404 and None in values), f"DELETE of tag {tag}, {values}: {status}")
        repository.tags[tag] = {None}
        self.note("tag deleted")

    def delete_manifest(self, repository):
        """Deletes a manifest by its digest, unless an index would be left without it."""
        listed = {d for m in repository.known() for d in m.children}
        known = [m for m in repository.known() if m.digest not in listed]
        if not known:
            return
        digest = self.random.choice(known).digest
        try:
            status = self.wire.delete(repository.name, digest).status
        except Gone:
            repository.perhaps_deleted(digest)
            raise
        expect(status == 202 or (status == 404 and not repository.must(digest)),
               f"DELETE of {repository.name}@{digest}: {status}")
        repository.deleted(digest)
        self.note("manifest deleted")

    def pull(self, repository):
        """Pulls one tag, as it should be."""
        self.check_tag(repository, self.random.choice(TAGS))

    # ---- checking

    def check(self):
        """Compares all that is served with what is known; what was in doubt is not any more."""
        for repository in self.repositories:
            good = set()
            for tag in TAGS:
                self.check_tag(repository, tag, good)
            for manifest in list(repository.manifests.values()):
                self.check_manifest(repository, manifest, good)
            repository.manifests = {d: m for d, m in repository.manifests.items() if m.there is not False}
            repository.settle()

    def check_tag(self, repository, tag, good=None):
        """The tag is what it must or may be, and what it names is whole."""
        values = repository.tags[tag]
        answer = self.wire.manifest(repository.name, tag)
        expect(answer.status in (200, 404), f"GET of {repository.name}:{tag}: {answer}")
        digest = content.digest(answer.body) if answer.status == 200 else None
        expect(digest in values, f"{repository.name}:{tag} is {digest}, told was {values}")
        repository.tags[tag] = {digest}
        if digest:
            repository.manifests[digest].there = True
            self.check_manifest(repository, repository.manifests[digest], set() if good is None else good)
        return self.note("pulled")

    def check_manifest(self, repository, manifest, good):
        """It is there if it must be, and then with all that belongs to it."""
        where = f"{repository.name}@{manifest.digest}"
        answer = self.wire.manifest(repository.name, manifest.digest)
        expect(answer.status in (200, 404), f"GET of {where}: {answer}")
        if answer.status == 404:
            expect(not repository.must(manifest.digest), f"{where} is lost")
            manifest.there = False
            return
        expect(answer.body == manifest.data, f"{where} has other bytes than were pushed")
        expect(manifest.there is not False, f"{where} is there again after it was deleted")
        manifest.there = True
        lacking = [d for d in manifest.blobs if not self.blob_is_good(repository, d, good)]
        lacking += [d for d in manifest.children if self.wire.manifest(repository.name, d, "HEAD").status != 200]
        if lacking:
            again = self.wire.manifest(repository.name, manifest.digest).status
            expect(again == 404 and not repository.must(manifest.digest), f"{where} is served without {lacking}")
            manifest.there = False

    def blob_is_good(self, repository, digest, good):
        """Byte for byte; False when it is not there."""
        if digest in good:
            return True
        answer = self.wire.blob(repository.name, digest)
        expect(answer.status in (200, 404), f"GET of blob {digest} in {repository.name}: {answer}")
        if answer.status == 200:
            expect(content.digest(answer.body) == digest, f"blob {digest} in {repository.name} has other bytes")
            good.add(digest)
        return answer.status == 200

    # ---- running

    def act(self):
        """One thing a client does."""
        deeds = (self.push_image, self.push_index, self.push_referrer, self.retag, self.delete_tag,
                 self.delete_manifest, self.pull)
        deed = self.random.choices(deeds, (40, 8, 8, 12, 10, 12, 10))[0]
        repository = self.random.choice(self.repositories)
        try:
            deed(repository)
        finally:
            repository.settle()

    def run(self, port, stop, checked):
        """Checks everything, waits for the others at the barrier `checked`, and works until the
        registry is gone or `stop` is set."""
        self.wire = Wire(port)
        try:
            self.check()
            checked.wait(120)
            while not stop.is_set():
                self.act()
        except (Gone, threading.BrokenBarrierError):
            pass
        except BaseException:
            checked.abort()
            raise
        finally:
            self.wire.close()

    def leave(self, port):
        """Checks everything for the last time and deletes it."""
        self.wire = Wire(port)
        self.check()
        for repository in self.repositories:
            for digest in list(repository.manifests):
                status = self.wire.delete(repository.name, digest).status
                expect(status == 202 or not repository.must(digest), f"DELETE of {repository.name}@{digest}: {status}")
                repository.deleted(digest)
        self.wire.close()


def expect(condition, what):
    """Raises when a promise is broken."""
    if not condition:
        raise Wrong(what)
