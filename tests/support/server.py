# SPDX-License-Identifier: Apache-2.0
"""Starts and stops the binary under test, and watches it.

The path of the binary is in the environment variable BERTH. Every server gets a
folder of its own and a free port on the loopback address. Wherever a server is
stopped it must still be alive, end with status 0 on SIGTERM, and have written
no sanitizer's report: those three are proved by every test.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
REPORT = re.compile(r"(?:ERROR|WARNING): \w+Sanitizer|runtime error:|[Aa]ssertion .*failed")
START_SECONDS = 30
STOP_SECONDS = 60
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1",
}


def binary():
    """The path of the binary under test."""
    path = pathlib.Path(os.environ.get("BERTH", ROOT / "build/berth")).resolve()
    assert os.access(path, os.X_OK), f"no binary at {path}: set BERTH, or run `make build`"
    return path


def free_port():
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def merge(base, extra):
    """A configuration with another over it; a value of None removes the key."""
    result = dict(base)
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def environment(extra=None):
    """The environment of a server: nothing of REGISTRY_* or BERTH_* but what the test says."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("REGISTRY_", "BERTH"))}
    return env | SANITIZERS | (extra or {})


class Server:
    """One process of the registry."""

    def __init__(self, folder, config=None, env=None, port=None, wrapper=(), inherited=()):
        self.folder = pathlib.Path(folder)
        self.port = port or free_port()
        self.root = self.folder / "root"
        self.env = environment(env)
        self.wrapper = list(wrapper)
        self.inherited = inherited
        self.process = None
        self.log = self.folder / "stderr.log"
        self.out = self.folder / "stdout.log"
        self.config = merge({
            "version": 0.1,
            "log": {"level": "info", "formatter": "text"},
            "storage": {"filesystem": {"rootdirectory": str(self.root)}, "delete": {"enabled": True}},
            "http": {"addr": f"127.0.0.1:{self.port}"},
        }, config or {})
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_path = self.folder / "config.yml"

    @property
    def scheme(self):
        """http or https."""
        return "https" if "tls" in self.config["http"] else "http"

    @property
    def url(self):
        """Where it is to be reached."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def host(self):
        """What clients call it: host:port."""
        return f"127.0.0.1:{self.port}"

    def launch(self):
        """Starts the process and does not wait for it."""
        self.config_path.write_text(yaml.safe_dump(self.config, sort_keys=False))
        with open(self.out, "ab") as out, open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.wrapper + [str(binary()), "serve", str(self.config_path)], cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=self.env, start_new_session=True,
                pass_fds=self.inherited)
        return self

    def start(self):
        """Starts the process and waits until it answers."""
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.text()}")
            if time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"no answer within {START_SECONDS} s:\n{self.text()}")
            time.sleep(0.02)
        return self

    def answers(self):
        """Does somebody take connections there?"""
        if self.config["http"].get("net") == "unix":
            path = pathlib.Path(self.config["http"]["addr"])
            if not path.exists():
                return False
            folder = os.open(path.parent, os.O_PATH)  # the path itself may be too long for an address
            with socket.socket(socket.AF_UNIX) as probe:
                error = probe.connect_ex(f"/proc/self/fd/{folder}/{path.name}")
            os.close(folder)
            return error == 0
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def text(self):
        """All it has written, both streams."""
        return "".join(p.read_text(errors="replace") for p in (self.out, self.log) if p.exists())

    def check(self):
        """It is alive and has reported nothing."""
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{self.text()[-8000:]}"
        self.check_report()

    def check_report(self):
        """No sanitizer has reported anything."""
        text = self.text()
        found = REPORT.search(text)
        assert not found, text[max(0, found.start() - 500):found.start() + 8000]

    def stop(self):
        """Ends it as an operator does, and checks that it went well."""
        if self.process is None:
            return
        self.check()
        self.process.send_signal(signal.SIGTERM)
        self.wait_for_end()

    def wait_for_end(self):
        """Waits for the end after a SIGTERM; the status must be 0."""
        process, self.process = self.process, None
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise AssertionError(f"still there {STOP_SECONDS} s after SIGTERM:\n{self.text()[-4000:]}") from None
        self.check_report()
        assert status == 0, f"ended with {status} on SIGTERM:\n{self.text()[-8000:]}"

    def kill(self):
        """Ends it as a power cut does."""
        process, self.process = self.process, None
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def resident(self):
        """Resident memory in bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self.process is not None:
            self.kill()


def run(*arguments, env=None, folder=None, seconds=60):
    """Runs the binary to its end; a subprocess.CompletedProcess with text."""
    done = subprocess.run([str(binary()), *map(str, arguments)], capture_output=True, text=True, check=False,
                          env=environment(env), cwd=folder, timeout=seconds, stdin=subprocess.DEVNULL)
    assert not REPORT.search(done.stderr), done.stderr
    return done
