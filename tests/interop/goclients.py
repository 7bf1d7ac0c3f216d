# SPDX-License-Identifier: Apache-2.0
"""Clients that are built from their Go modules, each in one fixed version."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / "build/go"
MODULES = {
    "crane": "github.com/google/go-containerregistry/cmd/crane@v0.22.1",
    "oras": "oras.land/oras/cmd/oras@v1.3.0",
    "regctl": "github.com/regclient/regclient/cmd/regctl@v0.11.7",
    "helm": "helm.sh/helm/v3/cmd/helm@v3.22.0",
}
_why_not = {}


def need(program):
    """The path of a client, built if need be; where it cannot be had the test is skipped and says why."""
    path = _folder(program) / program
    if not path.exists() and program not in _why_not:
        _why_not[program] = _build(program)
    if path.exists():
        return str(path)
    installed = shutil.which(program)
    if installed is None:
        pytest.skip(_why_not[program])
    return installed


def _folder(program):
    """Where it is built to: another version is another folder."""
    return BUILT / f"{program}@{MODULES[program].split('@')[1]}"


def _build(program):
    """Builds a client; what stood in the way, if anything."""
    if not shutil.which("go"):
        return f"{program} is not installed, and there is no Go to build it with"
    done = subprocess.run(["go", "install", MODULES[program]], env=dict(os.environ, GOBIN=str(_folder(program))),
                          capture_output=True, text=True, check=False, timeout=1500)
    return f"{MODULES[program]} could not be built: {done.stderr.strip()[-300:]}"
