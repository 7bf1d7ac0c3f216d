# SPDX-License-Identifier: Apache-2.0
"""The list of scenes: a configuration and the requests that are made of it."""

import dataclasses
import typing

SCENES = []


@dataclasses.dataclass
class Scene:
    name: str
    play: typing.Callable
    config: dict                 # merged over the basic configuration
    env: dict                    # beside the configuration file
    files: typing.Callable       # (directory) -> None: what the configuration refers to
    tls: bool = False


def scene(name, config=None, env=None, files=None, tls=False):
    """Registers the function below it; when that is a generator the server is started anew at each yield.

    In configuration, environment and commands "@DIR@" is the scene's directory, "@CONFIG@" its configuration
    file and "@DEBUG@" an address for the debug listener.
    """
    def register(function):
        SCENES.append(Scene(name, function, config or {}, env or {}, files or (lambda directory: None), tls))
        return function
    return register


def merged(base, over):
    """Mappings are merged, everything else is replaced; None removes a key."""
    out = dict(base)
    for key, value in over.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = merged(out[key], value)
        else:
            out[key] = value
    return out
