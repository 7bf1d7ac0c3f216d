# SPDX-License-Identifier: Apache-2.0
"""Builds shim.c and reads what it leaves."""
import dataclasses
import mmap
import os
import pathlib
import shutil
import struct
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).with_name("shim.c")
HEAD = struct.Struct("=IIIIQQ")
CREATE, WRITE, TRUNCATE, SYNC, RENAME, LINK, UNLINK, MKDIR, RMDIR, SEND, SYNC_FS = range(1, 12)
KINDS = C_OPEN, C_CREATE, C_READ, C_WRITE, C_SYNC, C_NAMES = 1, 2, 4, 8, 16, 32


def build(folder):
    """Compiles the library; its path."""
    compiler = next((c for c in (os.environ.get("CC"), "cc", "gcc", "clang") if c and shutil.which(c)), None)
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = folder / "shim.so"
    subprocess.run([compiler, "-std=gnu17", "-O1", "-Wall", "-Werror", "-fPIC", "-shared", "-o", str(library),
                    str(SOURCE), "-ldl", "-lpthread"], check=True)
    return library


def environment(library, root, **more):
    """What loads it into a process; with sanitizers it comes after their own library."""
    return {"LD_PRELOAD": str(library), "SHIM_ROOT": str(root), **{k: str(v) for k, v in more.items()}}


@dataclasses.dataclass
class Event:
    """One entry of the record."""
    kind: int
    inode: int
    at: int
    one: bytes
    two: bytes
    offset: int  # of its end in the record


def read_record(path):
    """All events in their order."""
    data, at, events = path.read_bytes(), 0, []
    while at < len(data):
        kind, n1, n2, _, inode, where = HEAD.unpack_from(data, at)
        at += HEAD.size
        events.append(Event(kind, inode, where, data[at:at + n1], data[at + n1:at + n1 + n2], at + n1 + n2))
        at += n1 + n2
    return events


class Faults:
    """Tells the shim in a running process what is to fail."""
    FIELDS = struct.Struct("=iiiiii40s")

    def __init__(self, path):
        path.write_bytes(bytes(self.FIELDS.size))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), self.FIELDS.size)

    def arm(self, nth, error, kinds, again=0):
        """The nth call of these kinds fails, and the next `again` of them."""
        self.map[:] = self.FIELDS.pack(0, again, error, kinds, 0, 0, b"")
        self.map[:4] = struct.pack("=i", nth)

    def watch(self):
        """Nothing fails, all is counted."""
        self.map[:] = self.FIELDS.pack(0, 0, 0, sum(KINDS), 0, 0, b"")

    def calls(self):
        """How many there were since they are counted."""
        return self.FIELDS.unpack(self.map[:])[5]

    def disarm(self):
        """(how many calls failed, which one was the last)"""
        self.map[:4] = bytes(4)
        _, _, _, _, hits, _, last = self.FIELDS.unpack(self.map[:])
        self.map[12:16] = bytes(4)
        return hits, last.split(b"\0")[0].decode()
