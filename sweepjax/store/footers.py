"""What the footer of a chunk file says: where its rows belong, and what wrote them."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from sweepjax.identity import digest_of_folded, folded
from sweepjax.sources import sources_of
from sweepjax.types import Chunk, Family

FORMAT = 1
AND = " | "  # between what the files said of which one file is made
MOST_TASKS = 1000  # of a family that every footer describes whole


@dataclass(frozen=True)
class Described(Family):
    """A family that is known by a footer alone: how many tasks it has, and the digits that name its files."""

    tasks: Any
    id: str  # pyright: ignore[reportIncompatibleVariableOverride]


def described(footer: Mapping[str, str]) -> Described:
    """Return the family of a footer; of a large one it may describe a few tasks, which do not prove the digits.

    Raises:
        ValueError: it describes no family, or another one than it names.
    """
    family, name = json.loads(footer.get("family", "")), footer["chunk"][:12]
    if "tasks" in footer:
        return Described(range(int(footer["tasks"])), name)
    count = max(_counts(family), default=1)
    if digest_of_folded(family, count) != name:
        raise ValueError("it describes another family")
    return Described(range(count), name)


def _counts(family: Any) -> Iterator[int]:
    """Yield how many values of each field differ."""
    if isinstance(family, dict):
        yield from [len(family["each"])] if family.keys() == {"each"} else chain(*map(_counts, family.values()))


def stem(chunk: Chunk) -> str:
    """Return the name of a chunk's file without its suffix; an extended chunk keeps it."""
    return f"{chunk.family.id}-{chunk.start:09d}"


def origin(chunk: Chunk) -> dict[str, str]:
    """Return the entries of a footer that say where the rows belong.

    Of a large family they describe the tasks that have rows in the chunk: otherwise most bytes of a run are footers.
    """
    count = len(chunk.family.tasks)
    if chunk.rows >= count or count <= MOST_TASKS:
        return _origin(chunk, chunk.family.description)
    own = [chunk.family.tasks[row % count] for row in range(chunk.start, chunk.stop)]
    return _origin(chunk, json.dumps(folded(own))) | {"tasks": str(count)}


def is_origin(footer: Mapping[str, str], chunk: Chunk) -> bool:
    """Whether a footer says that its rows are those of a chunk; it may describe a large family whole."""
    return any(each.items() <= footer.items() for each in (origin(chunk), _origin(chunk, chunk.family.description)))


def _origin(chunk: Chunk, description: str) -> dict[str, str]:
    return {"chunk": stem(chunk), "start": str(chunk.start), "stop": str(chunk.stop), "family": description}


def code(chunk: Chunk) -> dict[str, str]:
    """Return the entries of a footer that say which code the plug-ins from outside have where this runs."""
    source = sources_of(chunk.family.tasks[0])
    return {"source": source} if source else {}


@cache
def software() -> dict[str, str]:
    """Return the entries of a footer that say which program wrote it."""
    return {"format": str(FORMAT), "version": version("sweepjax"), "jax": version("jax"), "git": _git_state()}


def _git_state() -> str:
    root = Path(__file__).parents[2]
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):
        if (root / ".git").exists():
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=10)
            return done.stdout.strip()
    return "unknown"
