"""A folder is one process's, or several that share it, and a lock never touches a file outside it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from interp.files.lock import locked

HOLD = """
import sys
from interp.files.lock import locked
with locked(sys.argv[1], shared=sys.argv[2] == "shared"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held(tmp_path):
    """Start another process that holds the folder; gives it when it does."""
    begun = []

    def hold(how: str) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), how], stdin=-1, stdout=-1, text=True)
        begun.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in begun:
        process.kill()
        process.communicate()


def test_shared_goes_with_shared_alone_and_a_killed_process_lets_go(tmp_path, held):
    other = held("shared")
    with pytest.raises(RuntimeError, match=rf"{tmp_path} is in use by process {other.pid}"), locked(tmp_path):
        pass
    with locked(tmp_path, shared=True):
        pass
    other.kill()
    other.wait()
    with locked(tmp_path):
        pass
    alone = held("alone")
    for shared in (True, False):
        with pytest.raises(RuntimeError, match=f"in use by process {alone.pid}"), locked(tmp_path, shared=shared):
            pass


@pytest.mark.parametrize("system", ["posix", "without O_NOFOLLOW"])
def test_a_link_for_a_lock_is_refused_and_what_it_points_to_stays(system, tmp_path, monkeypatch):
    if system != "posix":
        monkeypatch.delattr(os, "O_NOFOLLOW")
    (tmp_path / "precious").write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".lock").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="cannot write"), locked(folder):
        pass
    assert (tmp_path / "precious").read_text() == "mine"
