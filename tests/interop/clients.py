# SPDX-License-Identifier: Apache-2.0
"""Running client programs: found on the machine, output in every failure."""
import os
import shutil
import subprocess

import pytest


def need(program):
    """The path of a client; without it the test is skipped and says so."""
    # Debian's own first: a wrapper elsewhere on the PATH is not the client that is meant.
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") or shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def need_root(what):
    """Skips the test where this is not root."""
    if os.getuid() != 0:
        pytest.skip(f"{what} needs root")


class Tool:
    """A client program with arguments that every call has."""

    def __init__(self, path, *common, env=None, folder=None):
        self.path, self.common, self.folder = str(path), [str(word) for word in common], folder
        self.env = dict(os.environ, **(env or {}))

    def run(self, *arguments, seconds=600, text=None):
        """Runs it: (status, what it said)."""
        done = subprocess.run([self.path, *self.common, *map(str, arguments)], env=self.env, cwd=self.folder, input=text,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=seconds)
        return done.returncode, done.stdout

    def __call__(self, *arguments, **kw):
        """Runs it; it must succeed: what it said."""
        status, said = self.run(*arguments, **kw)
        assert status == 0, f"{self.path} {' '.join(map(str, arguments))}: status {status}\n{said[-4000:]}"
        return said

    def out(self, *arguments, seconds=600):
        """Runs it; it must succeed: its standard output alone, stripped."""
        done = subprocess.run([self.path, *self.common, *map(str, arguments)], env=self.env, cwd=self.folder,
                              capture_output=True, text=True, check=False, timeout=seconds)
        assert done.returncode == 0, f"{self.path} {' '.join(map(str, arguments))}: {done.stderr[-4000:]}"
        return done.stdout.strip()

    def fails(self, *arguments, **kw):
        """Runs it; it must fail: what it said."""
        status, said = self.run(*arguments, **kw)
        assert status != 0, f"{self.path} {' '.join(map(str, arguments))} succeeded:\n{said[-4000:]}"
        return said
