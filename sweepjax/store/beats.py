"""What each process that fills a directory says of itself now and then, in a small file beside the rows.

It is put whole, as everything is, so that a bucket can hold it. A process removes its own at its end, unless it has
failures to show; of one that was killed it stays, and is silent.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sweepjax.store.chunkfile import put
from sweepjax.store.leftovers import HOST, gone
from sweepjax.store.paths import Overtaken, content, entries, remove, tag

EVERY = 10.0  # seconds between two beats
SILENT = 60.0  # seconds after which a process is taken to be gone
COMPILING = 900.0  # the same while it compiles: it says nothing before its first program is ready
FORGOTTEN = 3600.0  # seconds after which what it left is removed by others
MOST_FAILURES = 20


@dataclass
class Beat:
    """One process: who it is, and how far it is."""

    host: str
    process: int
    device: str
    part: str = "1/1"
    doing: str = "starting"
    computed: int = 0  # rows
    along: float = 0.0  # how far the rows under way are, in rows
    chunks: int = 0  # under way
    taken: int = 0  # steps of lanes
    served: int = 0  # steps of lanes in which a row went on
    seconds: float = 0.0
    ended: bool = False
    failures: list[str] = field(default_factory=list)
    time: float = 0.0  # when it was said

    @property
    def silent(self) -> float:
        """Seconds since it was last heard of."""
        return max(0.0, time.time() - self.time)


class Pulse:
    """The beats of this process; one that cannot be written is left out."""

    def __init__(self, directory: Path, device: str, part: str) -> None:
        self.beat = Beat(HOST, os.getpid(), device, part)
        self.file = directory / f"_worker-{self.beat.host}-{self.beat.process}.json"
        self.next = time.monotonic() + EVERY

    def tell(self, **state: Any) -> None:
        """Take note of how far this process is, and say so if the last time is long ago or it does something else."""
        before = self.beat.doing
        for name, value in state.items():
            setattr(self.beat, name, value)
        if self.beat.doing != before or time.monotonic() >= self.next:
            self._put()
            self.next = time.monotonic() + EVERY

    def fail(self, sentence: str) -> None:
        """Take note of a failure."""
        self.beat.failures = [*self.beat.failures, sentence][-MOST_FAILURES:]
        self._put()

    def end(self) -> None:
        """Remove what this process said, unless it has failures to show, and what others left that are gone."""
        if self.beat.failures:
            self.beat.ended = True
            self._put()
        with suppress(OSError):
            old = [file for file, beat in _all(self.file.parent).items() if _is_over(beat)]
            for file in [*old, *([] if self.beat.failures else [self.file])]:
                remove(file)

    def _put(self) -> None:
        self.beat.time = time.time()
        with suppress(OSError, Overtaken):
            put(self.file, json.dumps(asdict(self.beat)).encode(), tag(self.file))


def beats(directory: Path) -> list[Beat]:
    """Return what the processes that fill a directory say, the last that was heard of first."""
    return sorted(_all(directory).values(), key=lambda beat: -beat.time)


def failure(traceback: str) -> str:
    """Return the line of a traceback that says what went wrong."""
    lines = [line for line in traceback.splitlines() if line.strip() and line[0] not in " \t"]
    return (lines or [traceback.strip()])[-1].strip()


def _is_over(beat: Beat) -> bool:
    """Whether nobody asks for a process any more; failures are shown for a while."""
    return beat.silent > FORGOTTEN or (not beat.failures and gone(beat.host, beat.process))


def _all(directory: Path) -> dict[Path, Beat]:
    found: dict[Path, Beat] = {}
    for file in entries(directory):
        if file.name.startswith("_worker-") and file.name.endswith(".json"):
            with suppress(OSError, ValueError, TypeError):
                told: Mapping[str, Any] = json.loads(content(file))
                beat = Beat(**told)
                if _is_whole(beat):
                    found[file] = beat
    return found


def _is_whole(beat: Beat) -> bool:
    """Whether what a file says is of the kinds that a process says."""
    usual = asdict(Beat("", 0, ""))
    kinds = {name: (int, float) if isinstance(value, float) else type(value) for name, value in usual.items()}
    return all(isinstance(value, kinds[name]) for name, value in asdict(beat).items())
