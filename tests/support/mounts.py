# SPDX-License-Identifier: Apache-2.0
"""Programs that mount things below a folder, and how such a folder is removed again.

What debootstrap or a container daemon mounts, /proc and /dev among it, would
outlive a run that is killed; and who then removes the folder empties the /dev of
the machine. So these programs get a mount namespace of their own, which ends
with them, and no folder is removed that something is mounted below.
"""
import functools
import os
import pathlib
import re
import shutil
import subprocess


@functools.cache
def apart():
    """Words before a command that keep its mounts to itself; none where the kernel does not let us."""
    prefix = ["unshare", "--mount", "--propagation", "private"]
    try:
        works = subprocess.run(prefix + ["true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        works = False
    return prefix if works else []


def below(folder):
    """What is mounted at the folder or below it, the innermost first."""
    top, found = os.path.realpath(folder), []
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), line.split()[4])
        if point == top or point.startswith(top + "/"):
            found.append(point)
    return found[::-1]


def remove(folder):
    """Removes a folder, if there is one, after what is mounted below it; never what is in a mount."""
    for point in below(folder):
        subprocess.run(["umount", point], capture_output=True, check=False)
    left = below(folder)
    if left:
        raise AssertionError(f"{folder} is not removed, unmount this first: {', '.join(left)}")
    if os.path.lexists(folder):
        shutil.rmtree(folder)
