"""How much memory this process may use: a device's, the machine's, or what a container or a batch job is given."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

GROUPS = Path("/sys/fs/cgroup")  # the control groups of Linux
OWN_GROUPS = Path("/proc/self/cgroup")  # those of this process, a line each: "number:controllers:path"


def memory(device: Any) -> int | None:
    """Return the bytes that this process may use on a device; None where nobody can tell."""
    limit = (device.memory_stats() or {}).get("bytes_limit")
    if limit is None and device.platform == "cpu" and hasattr(os, "sysconf"):
        return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_granted()])
    return limit


def _granted() -> Iterator[int]:
    """Yield the limits of this process's control group and of all groups around it, where the system has any."""
    for file in _files():
        with suppress(OSError, ValueError):  # not mounted here; or "max"
            yield int(file.read_text())


def _files() -> Iterator[Path]:
    with suppress(OSError):
        for line in OWN_GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            # No controllers are named where one tree of groups is for all of them (cgroup v2).
            tree, name = (GROUPS / "memory", "memory.limit_in_bytes") if controllers else (GROUPS, "memory.max")
            group = PurePosixPath(path.lstrip("/"))
            yield from (tree / each / name for each in (group, *group.parents))
