# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured: berth, CNCF Distribution and nginx, each on its
own folder and free loopback port, all quiet (no access log)."""

import os
import signal
import socket
import subprocess
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_TIMEOUT = 30

# user "bench", password "bench", bcrypt of cost 5 as `htpasswd -B` makes it.
HTPASSWD = "bench:$2y$05$abcdefghijklmnopqrstuu9v.wgSpAQwnM0MaCtd.77WoEHF.lu62\n"
AUTHORIZATION = "Basic YmVuY2g6YmVuY2g="


def berth_binary():
    return os.environ.get("BERTH", os.path.join(REPO, "build", "berth"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A process that listens on 127.0.0.1:port, and its children."""

    def __init__(self, name, command, port, log):
        self.name = name
        self.port = port
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def wait(self):
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with status {self.process.returncode}:\n{self.tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.005)
        raise RuntimeError(f"{self.name} does not listen after {START_TIMEOUT} s:\n{self.tail()}")

    def tail(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-2000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def pids(self):
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children) as f:
            return [self.process.pid, *map(int, f.read().split())]

    def memory(self):
        """Resident and proportional memory of the process and its children, in MiB."""
        rss = pss = 0
        for pid in self.pids():
            rss += kib(f"/proc/{pid}/status", "VmRSS:")
            pss += kib(f"/proc/{pid}/smaps_rollup", "Pss:")
        return rss / 1024, pss / 1024


def kib(path, key):
    try:
        with open(path) as f:
            return next((int(line.split()[1]) for line in f if line.startswith(key)), 0)
    except OSError:
        return 0


class House:
    """Makes servers below one temporary folder."""

    def __init__(self, directory):
        self.directory = directory
        self.made = 0
        self.certificate = None

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def folder(self, name):
        self.made += 1
        path = self.path(f"{name}.{self.made}")
        os.mkdir(path)
        os.chmod(path, 0o755)
        return path

    def tls(self):
        """Certificate and key, made once."""
        if not self.certificate:
            self.certificate = self.path("server.crt"), self.path("server.key")
            subprocess.run(["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-x509", "-days", "2", "-subj",
                            "/CN=localhost", "-out", self.certificate[0], "-keyout", self.certificate[1]],
                           check=True, capture_output=True)
        return self.certificate

    def registry_config(self, folder, port, tls, htpasswd):
        lines = ["version: 0.1", "log:", "  level: error", "  accesslog:", "    disabled: true", "storage:",
                 "  cache:", "    blobdescriptor: inmemory", "  filesystem:", f"    rootdirectory: {folder}/data",
                 "http:", f"  addr: 127.0.0.1:{port}"]
        if tls:
            lines += ["  tls:", f"    certificate: {self.tls()[0]}", f"    key: {self.tls()[1]}"]
        if htpasswd:
            lines += ["auth:", "  htpasswd:", "    realm: bench", f"    path: {folder}/htpasswd"]
            with open(os.path.join(folder, "htpasswd"), "w") as f:
                f.write(HTPASSWD)
        path = os.path.join(folder, "config.yml")
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        return path

    def registry(self, name, binary, folder=None, tls=False, htpasswd=False):
        """Not waited for, so that the start can be measured."""
        folder = folder or self.folder(name)
        port = free_port()
        config = self.registry_config(folder, port, tls, htpasswd)
        server = Server(name, [binary, "serve", config], port, os.path.join(folder, "log"))
        server.folder = folder
        return server

    def berth(self, **kw):
        return self.registry("berth", berth_binary(), **kw).wait()

    def distribution(self, **kw):
        return self.registry("Distribution", "docker-registry", **kw).wait()

    def nginx(self, tls=False):
        """Static files of `root` with sendfile, two workers, connections kept for ever."""
        folder = self.folder("nginx")
        port = free_port()
        root = os.path.join(folder, "root")
        os.mkdir(root)
        security = f"ssl_certificate {self.tls()[0]}; ssl_certificate_key {self.tls()[1]};" if tls else ""
        config = os.path.join(folder, "nginx.conf")
        with open(config, "w") as f:
            f.write(f"""
daemon off; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log error;
events {{ worker_connections 16384; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  keepalive_timeout 600s; keepalive_requests 1000000000;
  default_type application/octet-stream;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 127.0.0.1:{port}{' ssl' if tls else ''}; {security} root {root};
    location = /v2/ {{ return 200 "{{}}"; }} }}
}}
""")
        server = Server("nginx", ["nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", config], port,
                        os.path.join(folder, "log"))
        server.root = root
        return server.wait()
