# SPDX-License-Identifier: Apache-2.0
"""Options of the durability suites: how much of each is run."""
import os


def pytest_addoption(parser):
    """The short runs are for every day, the long ones for before a release."""
    parser.addoption("--kills", type=int, default=15, help="how many times the registry is killed under load")
    parser.addoption("--race-seconds", type=float, default=10, help="how long pushes race with the collector")
    parser.addoption("--cuts", type=int, default=90, help="how many states after a power cut are looked at")
    parser.addoption("--every", type=int, default=5, help="every so many calls one fails; 1: all of them")
    parser.addoption("--seed", type=int, default=None, help="repeats the choices of an earlier run")


def pytest_configure(config):
    """A seed for all, printed so that a failure can be repeated."""
    if config.option.seed is None:
        config.option.seed = int.from_bytes(os.urandom(4), "big")


def pytest_report_header(config):
    """Where to find the seed again."""
    return f"durability: --seed {config.option.seed}"
