"""`python -m benchmarks.played`: what a row costs in pools that do not fit this machine, from rows computed alone.

A row is taken through its stages one by one, and what each visit executes is counted (`benchmarks.counting`). Then the
pool is played with these rows, drawn at random: its rule chooses the stage for which most wait, as many go together as
there are lanes, and each product, factorisation and triangular solve of the stage is executed as often as by the lane
that needs it most. Of loops within loops that is less than lanes side by side take, which for these solvers hardly
counts: where the pool itself was run and counted (`benchmarks.lanes`), both are in the table. Times are the least of an
H100 (`benchmarks.roofline`).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.counting import Counter, Site
from benchmarks.roofline import FAST, FOLDER, circumstances, kernels, markdown, title, write
from benchmarks.timing import limited
from sweepjax.engine.drawing import Row
from sweepjax.engine.kernel import Kernel
from sweepjax.engine.programs import kernel_of
from sweepjax.engine.slots import following
from sweepjax.engine.widths import rows_of
from sweepjax.presets import preset
from sweepjax.types import Family

LANES = 1, 64, 1024
ROWS = {400: 1000, 2400: 60}  # that are computed alone, by n
FILLING, PLAYED = 40, 40  # rows a lane that leave before counting begins, and while it goes on
LEGEND = """# Work a row in the lanes of a pool, played with rows that were counted alone

Least microseconds of an H100 a row, relative to one lane, and how many of the lanes' steps were of a row. The lanes are
always full: rows come without end. Two standard errors are those of the mean of the rows that were computed alone,
whose chance all numbers of lanes share.

{lines}
"""
HOURS = "Experiment 1, {rows:,} rows: {each} of an H100 at the least, {lanes} lanes; interpolated between these d.\n"


class Line(NamedTuple):
    """A kernel with so many lanes: least microseconds of an H100 a row, and relative to one lane."""

    kernel: str
    lanes: int
    rows: int
    microseconds: float
    two_standard_errors: float
    ratio: float
    full: float


class Visit(NamedTuple):
    """One step of a row: which, and how often it executed each site."""

    step: int
    executions: np.ndarray


class Rows(NamedTuple):
    """Rows that were computed alone: their visits one after the other, and what each site of a step costs."""

    visits: list[list[Visit]]
    seconds: list[np.ndarray]  # by step


def alone(family: Family, count: int) -> Rows:
    """Take rows through their stages one by one, and count."""
    task, first = family.tasks[0], jax.tree.map(lambda leaf: leaf[0], rows_of(family, np.arange(1)))
    with jax.enable_x64(True), limited(1, "blas"):
        times, always = jnp.asarray(task.times, jnp.float64), jnp.asarray(True)
        counters = _counters(kernel_of(task, 2, first, times, always), first)
        rows = rows_of(family, np.arange(count))
        visits = [_visits(counters, jax.tree.map(lambda leaf, k=k: leaf[k], rows)) for k in range(count)]
    return Rows(visits, [np.array([FAST.least(site)[0] for site in sites]) for _, sites in counters])


def _counters(kernel: Kernel, row: Row) -> list[tuple[Counter, list[Site]]]:
    """Return a counter for every step: to enter, the stages, and to leave."""

    def entering(row: Row) -> Any:
        slot = kernel.enter(row)
        return following(kernel, slot), slot

    def after(stage: Any) -> Any:
        def step(slot: Any) -> Any:
            new = jax.tree.map(lambda new, old: new.astype(old.dtype), stage(slot), slot)
            return following(kernel, new), new

        return step

    counters = [Counter(entering, row)]
    _, slot = counters[0].tally(row).answer
    counters += [Counter(after(stage), slot) for stage in kernel.stages] + [Counter(kernel.leave, slot)]
    return [(counter, counter.sites) for counter in counters]


def _visits(counters: list[tuple[Counter, list[Site]]], row: Row) -> list[Visit]:
    """Return the steps of a row until it has left."""
    tally = counters[0][0].tally(row)
    found = [_visit(0, tally)]
    while found[-1].step < len(counters) - 1:
        step, slot = int(tally.answer[0]), tally.answer[1]
        tally = counters[step][0].tally(slot)
        found.append(_visit(step, tally))
    return found


def _visit(step: int, tally: Any) -> Visit:
    return Visit(step, np.array([count for _, count in tally.sites], dtype=np.int64))


class Pool:
    """A pool that is never empty, and what its rounds have cost."""

    def __init__(self, rows: Rows, lanes: int, seed: int = 0) -> None:
        self.rows, self.lanes, self.draw = rows, lanes, np.random.default_rng(seed)
        steps = len(rows.seconds)
        self.row = np.zeros(steps * lanes if lanes > 1 else 1, np.int64)  # in each slot
        self.place = np.zeros_like(self.row)  # among its visits
        self.waits = np.zeros_like(self.row)
        self.left, self.seconds, self.taken, self.served = 0, 0.0, 0, 0

    def until(self, left: int) -> None:
        """Go on until so many rows have left."""
        while self.left < left:
            self._round()

    def _round(self) -> None:
        """Take the step for which most rows wait, for as many of them as there are lanes."""
        step = int(np.argmax(np.bincount(self.waits, minlength=len(self.rows.seconds))))
        slots = np.flatnonzero(self.waits == step)[: self.lanes]
        if step == 0:
            self.row[slots], self.place[slots] = self.draw.integers(len(self.rows.visits), size=len(slots)), 0
        visits = [self.rows.visits[row][place] for row, place in zip(self.row[slots], self.place[slots], strict=True)]
        most = np.max([visit.executions for visit in visits], axis=0, initial=0)
        self.seconds += self.lanes * float(most @ self.rows.seconds[step])
        self.taken, self.served = self.taken + self.lanes, self.served + len(slots)
        ends = step == len(self.rows.seconds) - 1
        self.left += ends * len(slots)
        self.place[slots] += 1
        self.waits[slots] = 0 if ends else self._following(slots)

    def _following(self, slots: np.ndarray) -> list[int]:
        pairs = zip(self.row[slots], self.place[slots], strict=True)
        return [self.rows.visits[row][place].step for row, place in pairs]


def lines(family: Family, count: int, widths: tuple[int, ...]) -> Iterator[Line]:
    """Play the pool of a kernel with every number of lanes."""
    rows = alone(family, count)
    each = np.array([sum(float(visit.executions @ rows.seconds[visit.step]) for visit in row) for row in rows.visits])
    error = 2 * float(np.std(each, ddof=1)) / count**0.5
    for lanes in widths:
        if lanes == 1:
            yield Line(title(family), 1, count, 1e6 * float(np.mean(each)), 1e6 * error, 1.0, 1.0)
            continue
        pool = Pool(rows, lanes)
        pool.until(len(pool.row) + FILLING * lanes)
        seconds, taken, served, left = pool.seconds, pool.taken, pool.served, pool.left
        pool.until(left + max(PLAYED * lanes, 4 * count))
        mean = (pool.seconds - seconds) / (pool.left - left)
        full = (pool.served - served) / (pool.taken - taken)
        ratio = mean / float(np.mean(each))
        yield Line(title(family), lanes, count, 1e6 * mean, 1e6 * error * ratio, ratio, full)


def hours(found: list[Line]) -> str:
    """Return the least hours of experiment 1 with every number of lanes, from the d of its size that were played."""
    sweep = preset("s_statistics")
    families = {title(family): family.tasks[0].model.d for family in sweep.families()}
    text = ""
    for lanes in sorted({line.lanes for line in found}):
        known = {
            families[line.kernel]: line.microseconds
            for line in found
            if line.lanes == lanes and line.kernel in families
        }
        if len(known) > 1:
            places = sorted(known)
            mean = np.interp(list(families.values()), places, [known[d] for d in places])
            total = float(np.sum(mean)) * sweep.realizations / 3.6e9
            text += HOURS.format(rows=sweep.rows_total, each=f"{total:.2g} hours", lanes=lanes)
    return text


def _long(family: Family) -> bool:
    """Whether a row takes a hundred visits: beyond the transition, of which N = 400 has to tell."""
    model = family.tasks[0].model
    return model.n > 400 and 2 * model.d > model.n


def main() -> None:
    """Count, play, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.played", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / "played")
    parser.add_argument("--only", default="limit", help="kernels whose name holds this")
    parser.add_argument("--short", action="store_true", help="tiny sizes: only shows that everything runs")
    options = parser.parse_args()
    families = [each for each in kernels(short=options.short) if options.only in title(each) and not _long(each)]
    if not families:
        parser.error(f"no kernel's name holds {options.only!r}; leave --only out to play them all")
    found: list[Line] = []
    for family in families:
        for line in lines(family, 8 if options.short else ROWS[family.tasks[0].model.n], LANES[: 3 - options.short]):
            print(line, flush=True)
            found.append(line)
        text = LEGEND.format(lines=markdown(found)) + ("" if options.short else hours(found))
        options.out.mkdir(parents=True, exist_ok=True)
        command = f"python -m benchmarks.played --only {options.only!r}{' --short' * options.short}"
        write(options.out / "table", found, text, circumstances(command, "none; an H100 SXM is assumed"))


if __name__ == "__main__":
    main()
