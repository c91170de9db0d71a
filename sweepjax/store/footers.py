"""What the footer of a chunk file tells: where its rows belong, and what wrote them."""

import json
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sweepjax.types import Chunk, describe

FORMAT = 1


def label(chunk: Chunk) -> str:
    """Return what the file of a chunk is called; an extended chunk keeps its name."""
    return f"{chunk.family.id}-{chunk.start:09d}"


def origin(chunk: Chunk) -> dict[str, str]:
    """Return what the footer tells of where the rows belong."""
    family = json.dumps(_folded([describe(task) for task in chunk.family.tasks]))
    return {"chunk": label(chunk), "start": str(chunk.start), "stop": str(chunk.stop), "family": family}


def _folded(values: list[Any]) -> Any:
    """Say once what all have in common, and under "each" what differs: a family may have 10^6 tasks."""
    if all(value == values[0] for value in values):
        return values[0]
    if not isinstance(values[0], dict):
        return {"each": values}
    return {key: _folded([value[key] for value in values]) for key in values[0]}


@cache
def software() -> dict[str, str]:
    """Return what the footer tells of the program that wrote it."""
    return {"format": str(FORMAT), "version": version("sweepjax"), "jax": version("jax"), "git": _git_state()}


def _git_state() -> str:
    root = Path(__file__).parents[2]
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    with suppress(OSError, subprocess.SubprocessError):
        if (root / ".git").exists():
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=10)
            return done.stdout.strip()
    return "unknown"
