# SPDX-License-Identifier: Apache-2.0
"""What the programs of these tests mount goes with them, and is never taken for files to remove."""
import subprocess

import pytest

import mounts
from clients import need_root


@pytest.fixture(name="treasure")
def treasure_fixture(tmp_path):
    """A folder that is to be mounted elsewhere, and must keep what is in it."""
    need_root("mounting")
    (tmp_path / "treasure").mkdir()
    (tmp_path / "treasure" / "file").write_text("precious")
    (tmp_path / "tree" / "a b").mkdir(parents=True)
    yield tmp_path / "treasure"
    assert (tmp_path / "treasure" / "file").read_text() == "precious"


def test_a_killed_program_leaves_no_mount(treasure, tmp_path):
    if not mounts.apart():
        pytest.skip("no mount namespace can be made here")
    point = tmp_path / "tree" / "a b"
    with subprocess.Popen([*mounts.apart(), "sh", "-c", f"mount --bind {treasure} '{point}' && ls '{point}' && cat"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "file\n", "it was mounted"
        assert not mounts.below(tmp_path) and not list(point.iterdir()), "and nobody else saw it"
        process.kill()
    mounts.remove(tmp_path / "tree")


def test_a_folder_is_removed_after_what_is_mounted_below_it(treasure, tmp_path):
    point = tmp_path / "tree" / "a b"
    done = subprocess.run(["mount", "--bind", treasure, point], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    with open(point / "file", encoding="utf-8"):  # in use: it cannot be unmounted
        assert mounts.below(tmp_path) == [str(point)]
        with pytest.raises(AssertionError, match="unmount this first"):
            mounts.remove(tmp_path / "tree")
        assert (point / "file").exists()
    mounts.remove(tmp_path / "tree")
    assert not (tmp_path / "tree").exists()
