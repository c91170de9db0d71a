"""A directory seen from outside while others fill it: rows, rate, workers, and how far the main number is known."""

import math
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sweepjax.columns import CLOCKS, FACT, curves, kinds, measured
from sweepjax.reducers import ends
from sweepjax.reducers.mean import SMALLEST_SKETCH, Mean
from sweepjax.store.beats import Beat, beats
from sweepjax.store.chunkfile import footer
from sweepjax.store.directory import chunk_files
from sweepjax.store.paths import answers
from sweepjax.store.store import Store

WINDOW = 60.0  # seconds over which the rate is taken
RARELY = 15.0  # seconds between two looks at the rows themselves
POINTS = 3  # at which the main number is shown


class Known(NamedTuple):
    """The mean of a column at one point, with its standard error and how many rows it is of."""

    column: str
    point: str
    mean: float
    se: float
    rows: int


class View(NamedTuple):
    """What is seen at one moment; planned is 0 where nobody can say it."""

    rows: int
    planned: int
    files: int
    rate: float  # rows a second; nan at first
    beats: list[Beat]
    known: list[Known]

    @property
    def left(self) -> float:
        """Seconds that are left at this rate; nan where nobody can say it."""
        return (self.planned - self.rows) / self.rate if self.planned and self.rate > 0 else math.nan

    @property
    def complete(self) -> bool:
        """Whether every row of the plan is stored."""
        return 0 < self.planned <= self.rows


@dataclass
class Watcher:
    """Looks at a directory again and again, and reads what is new."""

    path: Path
    seen: dict[str, int] = field(default_factory=dict)  # rows of the files that grow no more
    past: deque[tuple[float, int]] = field(default_factory=deque)
    known: list[Known] = field(default_factory=list)
    read: tuple[float, int] = (-math.inf, 0)  # when the rows were read, and how many there were

    def look(self) -> View:
        """Return what is seen now."""
        store = Store.open(self.path)
        files = chunk_files(store.path)
        new = [file for file in files if file.name not in self.seen]
        counts = dict(zip(new, answers(lambda file: footer(file).num_rows, new, store.path), strict=True))
        self.seen |= {file.name: rows for file, rows in counts.items() if rows >= store.chunk_rows}
        rows = sum(self.seen[file.name] if file.name in self.seen else counts[file] for file in files)
        now = time.monotonic()
        if rows and rows != self.read[1] and now - self.read[0] >= RARELY:
            self.known, self.read = headline(store), (now, rows)
        return View(rows, store.sweep.rows_total, len(files), self._rate(now, rows), beats(store.path), self.known)

    def _rate(self, now: float, rows: int) -> float:
        self.past.append((now, rows))
        while len(self.past) > 2 and now - self.past[0][0] > WINDOW:
            self.past.popleft()
        before, span = self.past[0][1], now - self.past[0][0]
        return (rows - before) / span if span > 0 else math.nan


def headline(store: Store) -> list[Known]:
    """Return the mean of the first thing that is measured, at a few points from the first to the last."""
    rows, said = store.dataset(), kinds(store.dataset())
    facts = [name for name in measured(rows) if said[name] == FACT and name != "certified"]
    others = [name for name in curves(rows) if name not in CLOCKS]
    if not (facts or others):
        return []
    column = (others or facts)[0]
    table = Mean(column=column, quantiles="", sketch=SMALLEST_SKETCH)(ends(rows) if others else rows)
    keys = list(table.columns[: table.columns.get_loc("column")])
    lines = table.iloc[sorted({0, (len(table) - 1) // 2, len(table) - 1})[:POINTS]]
    return [
        Known(column, ", ".join(f"{key} {_short(line[key])}" for key in keys), line["mean"], line["se"], line["kept"])
        for _, line in lines.iterrows()
    ]


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
