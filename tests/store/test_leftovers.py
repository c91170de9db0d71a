"""Temporaries of writes that were cut off."""

import os
import signal
import subprocess
import sys
import time

import pytest
from sweepjax_cli import app

from sweepjax.store.disk import save
from sweepjax.store.leftovers import FORSAKEN, HOST, gone, leftovers, remove_forsaken, temporary

CUT_OFF = """
import os, signal, sys
from pathlib import Path
from sweepjax.store import disk
disk._rename = lambda partial, path: os.kill(os.getpid(), signal.SIGKILL)
disk.save(Path(sys.argv[1]), b"half", "")
"""


@pytest.fixture
def cut_off(tmp_path):
    """A directory in which a process was killed while it wrote, and its number."""
    process = subprocess.Popen([sys.executable, "-c", CUT_OFF, str(tmp_path / "a.npz")])
    assert process.wait() == -signal.SIGKILL
    return process.pid


def test_a_write_that_was_cut_off_is_removed_by_the_next_process(tmp_path, cut_off):
    (left,) = leftovers(tmp_path)
    assert f"{HOST}-{cut_off}" in left.name
    assert remove_forsaken(tmp_path) == [left]
    assert not [*tmp_path.iterdir()]


def test_writes_under_way_stay_unless_they_are_old(tmp_path):
    mine, others, unknown = temporary(tmp_path / "a"), tmp_path / "_a.node7-1-00000000.tmp", tmp_path / "_x.tmp"
    for file in (mine, others, unknown):
        file.write_bytes(b"half")
    assert remove_forsaken(tmp_path) == []
    before = time.time() - FORSAKEN - 10
    os.utime(others, (before, before))
    assert remove_forsaken(tmp_path) == [others]


def test_finished_files_are_none_of_them(tmp_path):
    save(tmp_path / "a.npz", b"whole", "")
    assert leftovers(tmp_path) == remove_forsaken(tmp_path) == []


def test_who_lives_is_not_gone_and_of_other_hosts_nobody_knows(cut_off):
    assert gone(HOST, cut_off)
    assert not gone(HOST, os.getpid())
    assert not gone("elsewhere", cut_off)


def test_a_run_removes_what_was_cut_off_before_it(tmp_path, cut_off):
    run = ["run", "--n", "20", "--lambda", "0.5", "--solver", "probe:Thirds", "--realizations", "2", "-o"]
    assert app([*run, str(tmp_path / "run")]) == 0
    (left,) = leftovers(tmp_path)
    left.rename(tmp_path / "run" / left.name)
    assert app([*run, str(tmp_path / "run")]) == 0
    assert not leftovers(tmp_path / "run")
