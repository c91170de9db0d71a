"""How much memory a process may use where a container or a batch job limits it."""

import os
from types import SimpleNamespace

import pytest

from sweepjax.engine import memory as module
from sweepjax.engine.memory import memory

CPU = SimpleNamespace(platform="cpu", memory_stats=lambda: None)
MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
JOB = "slurm/job_7"


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A folder of control groups, and what makes a file in it and tells which groups this process is in."""
    monkeypatch.setattr(module, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(module, "OWN_GROUPS", tmp_path / "own")

    def write(own, limits):
        (tmp_path / "own").write_text(own)
        for name, text in limits.items():
            file = tmp_path / "groups" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    return write


@pytest.mark.parametrize(
    ("own", "limits", "bytes_"),
    [
        (f"0::/{JOB}/step_0\n", {f"{JOB}/memory.max": "1024\n", f"{JOB}/step_0/memory.max": "max\n"}, 1024),
        (f"0::/{JOB}\n", {f"{JOB}/memory.max": "2048\n", "slurm/memory.max": "1024\n"}, 1024),
        ("0::/\n", {"memory.max": "1024\n"}, 1024),
        (f"4:cpu,memory:/{JOB}\n0::/\n", {f"memory/{JOB}/memory.limit_in_bytes": "1024\n"}, 1024),
        ("4:memory:/docker/outside\n", {"memory/memory.limit_in_bytes": "1024\n"}, 1024),
        (f"3:cpu:/{JOB}\n", {f"{JOB}/memory.max": "1024\n"}, MACHINE),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, MACHINE),
        ("0::/\n", {}, MACHINE),
    ],
)
def test_the_smallest_limit_of_the_groups_around_a_process_holds(groups, own, limits, bytes_):
    groups(own, limits)
    assert memory(CPU) == bytes_


def test_a_machine_without_control_groups_is_all_for_this_process(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "OWN_GROUPS", tmp_path / "none")
    assert memory(CPU) == MACHINE


def test_what_a_device_says_of_itself_holds(groups):
    groups("0::/\n", {"memory.max": "1024\n"})
    assert memory(SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 4096})) == 4096
    assert memory(SimpleNamespace(platform="gpu", memory_stats=lambda: None)) is None
