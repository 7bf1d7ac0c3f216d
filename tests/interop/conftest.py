# SPDX-License-Identifier: Apache-2.0
"""Fixtures for real clients: a registry that asks for a password, and the images."""
import shutil
import subprocess

import pytest

import images
from client import Client
from server import Server

USER, PASSWORD = "testuser", "testpassword"


@pytest.fixture(scope="session", name="registry_server")
def registry_server_fixture(tmp_path_factory):
    """One server for all clients, with login."""
    folder = tmp_path_factory.mktemp("registry")
    line = subprocess.run(["htpasswd", "-Bbn", USER, PASSWORD], capture_output=True, text=True, check=True).stdout
    (folder / "htpasswd").write_text(line)
    config = {"auth": {"htpasswd": {"realm": "Registry Realm", "path": str(folder / "htpasswd")}}}
    with Server(folder, config) as server:
        yield server
    shutil.rmtree(server.root)  # gigabytes, and pytest keeps its folders


@pytest.fixture
def registry(registry_server):
    """host:port of the registry; a client that breaks it fails its test."""
    yield registry_server.host
    registry_server.check()


@pytest.fixture
def api(registry_server):
    """A plain HTTP client of the registry, logged in."""
    with Client(registry_server.url, auth=(USER, PASSWORD)) as client:
        yield client


@pytest.fixture(scope="session")
def debian():
    """The layout of the Debian image."""
    return images.debian()


@pytest.fixture(scope="session")
def platforms():
    """The layout of the index over three platforms."""
    return images.several_platforms()
