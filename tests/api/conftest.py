# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the black-box tests: a registry for all, or one of one's own."""
import pytest

from client import Client
from raw import Raw
from server import Server


def pytest_addoption(parser):
    """What takes too long for every day."""
    parser.addoption("--full", action="store_true", help="take over 200 repositories with 5,000 tags, not a tenth of it")


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One server for all tests of the protocol, plain and without login."""
    with Server(tmp_path_factory.mktemp("shared")) as server:
        yield server


@pytest.fixture
def server(shared_server):
    """The shared server; a test that crashes it fails itself."""
    yield shared_server
    shared_server.check()


@pytest.fixture
def client(server):
    """A client of the shared server."""
    with Client(server.url) as session:
        yield session


@pytest.fixture
def raw(server):
    """Opens connections to the shared server, to be used byte by byte."""
    opened = []

    def connect(**kw):
        opened.append(Raw(server.port, **kw))
        return opened[-1]
    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def serve(tmp_path):
    """Starts servers of the test's own: serve(config, env=...) -> (server, client)."""
    started = []

    def start(config=None, folder="server", client=None, **kw):
        server = Server(tmp_path / folder, config, **kw).start()
        started.append(server)
        return server, Client(server.url, **(client or {}))
    yield start
    for server in started:
        server.stop()
