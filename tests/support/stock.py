# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry (CNCF Distribution) on a directory, and plain fast connections to it."""
import concurrent.futures
import http.client
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse

import yaml

from server import free_port


def program():
    """Where it is installed, None when it is not."""
    return shutil.which("docker-registry")


class Stock:
    """One process of it, serving `root`."""

    def __init__(self, folder, root, **storage):
        self.port = free_port()
        self.folder = folder
        self.log = folder / "stock.log"
        self.config_path = folder / "stock.yml"
        folder.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text(yaml.safe_dump({
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True},
                        "maintenance": {"uploadpurging": {"enabled": False}}, **storage},
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }))
        self.process = None

    @property
    def host(self):
        """host:port"""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        """Where it is to be reached."""
        return f"http://{self.host}"

    def __enter__(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([program(), "serve", str(self.config_path)], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=os.environ | {"OTEL_TRACES_EXPORTER": "none"})
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)

    def garbage_collect(self, *options):
        """Its own collection, on the directory at rest: what it printed."""
        return subprocess.run([program(), "garbage-collect", *options, str(self.config_path)], check=True,
                              capture_output=True, text=True, timeout=600).stdout


class Wire:
    """Connections that are kept, one for each thread; small requests in little time."""

    def __init__(self, port, threads=8):
        self.port = port
        self.threads = threads
        self.local = threading.local()

    def ask(self, method, path, body=None, **headers):
        """(status, headers, body) of one request."""
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def expect(self, status, method, path, body=None, **headers):
        """The same, with the only status that is right."""
        got = self.ask(method, path, body, **headers)
        assert got[0] == status, f"{method} {path}: {got[0]} {got[2][:500]!r}"
        return got

    def push_blob(self, repo, digest, data):
        """POST and PUT."""
        _, headers, _ = self.expect(202, "POST", f"/v2/{repo}/blobs/uploads/")
        parts = urllib.parse.urlsplit(headers["Location"])
        query = parts.query + ("&" if parts.query else "") + "digest=" + urllib.parse.quote(digest)
        self.expect(201, "PUT", f"{parts.path}?{query}", data, Content_Type="application/octet-stream")

    def each(self, work, things):
        """Calls work(thing) for all, in threads; the first failure is raised."""
        with concurrent.futures.ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(work, things))
