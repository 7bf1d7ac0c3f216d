# SPDX-License-Identifier: Apache-2.0
"""Plays a scene against a registry and returns the recorded answers."""

import inspect
import json
import os
import shutil
import tempfile

import client
import scene as scenes
import server


def basic_config(port):
    return {"version": 0.1,
            "log": {"level": "info", "fields": {"service": "registry"}},
            "storage": {"cache": {"blobdescriptor": "inmemory"}, "filesystem": {"rootdirectory": "@DIR@/data"}},
            "http": {"addr": f"127.0.0.1:{port}"}}


def yaml(value, indent=0):
    """Block YAML as an operator writes it; strings are quoted as JSON."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{k}:" + (f" {json.dumps(v)}\n" if not isinstance(v, (dict, list)) or not v
                                       else "\n" + yaml(v, indent + 1)) for k, v in value.items())
    return "".join(f"{pad}- {json.dumps(v)}\n" for v in value)


class Stage:
    """The directory, port and configuration file that both registries get."""

    def __init__(self, scene):
        self.scene = scene
        self.directory = tempfile.mkdtemp(prefix="berth-dropin.")
        self.port = server.free_port()
        self.debug_port = server.free_port()
        self.config = os.path.join(self.directory, "config.yml")
        self.elsewhere = os.path.join(self.directory, "elsewhere")  # where commands are run
        os.mkdir(self.elsewhere)
        scene.files(self.directory)
        with open(self.config, "w") as f:
            f.write(self.placed(yaml(scenes.merged(basic_config(self.port), scene.config))))
        self.env = {k: self.placed(v) for k, v in scene.env.items()}

    def placed(self, text):
        return (text.replace("@DIR@", self.directory).replace("@CONFIG@", self.config)
                .replace("@DEBUG@", f"127.0.0.1:{self.debug_port}"))

    def start(self, binary):
        s = server.Server(binary, self.config, self.env, self.port, os.path.join(self.directory, "log"))
        s.wait_ready()
        return s

    def play(self, binary):
        """The session, and what went wrong (None when it went to its end)."""
        shutil.rmtree(os.path.join(self.directory, "data"), ignore_errors=True)
        session = client.Session(self.port, client.trusting_nothing() if self.scene.tls else None)
        session.directory = self.directory
        session.debug_port = self.debug_port
        session.command = lambda *a, **kw: self.command(session, binary, *a, **kw)
        process = None
        try:
            process = self.start(binary)
            acts = self.scene.play(session)
            if inspect.isgenerator(acts):
                process = self.play_acts(session, binary, acts, process)
            if process.process.poll() is not None:
                return session, f"died with status {process.process.returncode}:\n{process.log_tail()}"
            return session, None
        except (OSError, RuntimeError) as e:
            return session, str(e)
        finally:
            if process:
                process.stop()

    def play_acts(self, session, binary, acts, process):
        """At each yield the server is started anew; what is yielded is a command for the time between."""
        for between in acts:
            process.stop()
            if between:
                self.command(session, binary, *between)
            process = self.start(binary)
        return process

    def command(self, session, binary, label, arguments, config=None, env=None, seconds=30):
        """Records the exit status of another process: 0, 1 for any failure, or that it serves."""
        if config is not None:
            with open(os.path.join(self.directory, "other.yml"), "w") as f:
                f.write(self.placed(config))
        status = server.exit_status(binary, [self.placed(a) for a in arguments],
                                    {k: self.placed(v) for k, v in (env or {}).items()},
                                    self.elsewhere, seconds)
        status = status if status in (0, server.SERVES) else 1
        session.record(label, " ".join(arguments), {"status": status, "headers": {}, "body": None})

    def close(self):
        shutil.rmtree(self.directory, ignore_errors=True)
