# SPDX-License-Identifier: Apache-2.0
"""Starts a registry on a configuration file and stops it again.

Both registries get the very same file, environment, port and (emptied)
directory, one after the other, as they would when an operator exchanges one
for the other.
"""

import os
import shutil
import signal
import socket
import subprocess
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_TIMEOUT = 10


def berth_binary():
    return os.environ.get("BERTH", os.path.join(REPO, "build", "berth"))


def peer_binary():
    return shutil.which(os.environ.get("DISTRIBUTION", "docker-registry"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A registry process; its output goes to a file that is shown when it fails to start."""

    def __init__(self, binary, config_path, env, port, log_path):
        self.port = port
        self.log_path = log_path
        clean = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
        clean.update(env)
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen([binary, "serve", config_path], env=clean,
                                            cwd=os.path.dirname(config_path), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)

    def wait_ready(self):
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"exited with status {self.process.returncode} at start:\n{self.log_tail()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"does not listen after {START_TIMEOUT} s:\n{self.log_tail()}")

    def log_tail(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()[-2000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


SERVES = "serves"  # instead of an exit status


def exit_status(binary, arguments, env, directory, seconds=30):
    """The exit status of a command run in `directory`; SERVES when it is still there after `seconds`."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("REGISTRY_")}
    clean.update(env)
    try:
        return subprocess.run([binary, *arguments], env=clean, cwd=directory, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds).returncode
    except subprocess.TimeoutExpired:
        return SERVES
