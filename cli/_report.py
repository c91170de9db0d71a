"""Numbers as people read them."""

from collections.abc import Collection, Sequence
from pathlib import Path, PurePath
from typing import Any

from ._options import rows


def size(count: float) -> str:
    """Return a number of bytes in the largest fitting unit."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    place = 0
    while count >= 999.5 and place < len(units) - 1:
        count, place = count / 1000, place + 1
    return f"{count:.3g} {units[place]}"


def counted(many: int, one: str, several: str) -> str:
    """Return a number of things in words."""
    return f"{many} {one if many == 1 else several}"


def duration(seconds: float) -> str:
    """Return a time span in two units, or in years."""
    if seconds < 99.5:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60 * 48:
        return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
    if minutes < 60 * 24 * 730:
        return f"{minutes // 1440} d {minutes % 1440 // 60} h"
    return f"{minutes / 60 / 24 / 365.25:.2g} years"


def uncertified(path: Path, own: Collection[str] | None = None) -> int | None:
    """Return how many rows of a directory, or of its own files alone, are uncertified; None without certificates."""
    import pyarrow.compute as pc  # noqa: PLC0415

    with rows([path]) as data:
        if "certified" not in data.schema.names:
            return None
        parts = [data] if own is None else (each for each in data.get_fragments() if PurePath(each.path).name in own)
        return sum(each.count_rows(filter=~pc.field("certified")) for each in parts)


def aligned(lines: Sequence[tuple[str, Any]]) -> str:
    """Return names and values as two columns."""
    width = max(len(name) for name, _ in lines) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in lines)
