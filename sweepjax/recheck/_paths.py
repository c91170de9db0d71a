"""Trainings in NumPy and SciPy, float64, from a gradient that is written out: no JAX, none of our solvers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import DOP853

from sweepjax.recheck._contradiction import Contradiction

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], Vector]

WORK = 2e10  # multiplications that a recheck may take; what comes after is left alone
BEYOND = 1e12  # a parameter of a training that diverges
CALL = 1e5  # of them in the time that any gradient takes, however small
AGREEMENT = 1e-3  # of a column's largest value, between two integrators


def states(row: Mapping[str, Any], gradient: Gradient, start: Vector, work: float) -> Iterator[tuple[int, Vector]]:
    """Yield the place of each recorded time and the parameters there, of descent and of the flow; of others nothing.

    A training that diverges is left alone from where single precision may not follow it.

    Args:
        row: a stored row.
        gradient: of the training loss.
        start: the parameters at t = 0.
        work: multiplications in one gradient.
    """
    most = max(1, int(WORK / max(work, CALL)))
    if row["solver"] == "gradient_descent":
        yield from _descended(row, gradient, start, most)
    if row["solver"] == "gradient_flow":
        yield from _flowed(row, gradient, start, most)


def _descended(row: Mapping[str, Any], gradient: Gradient, start: Vector, most: int) -> Iterator[tuple[int, Vector]]:
    y, taken = start.copy(), 0
    for place, step in enumerate(row["step"]):
        if step is None or step > most:
            return
        for _ in range(int(step) - taken):
            y = y - row["learning_rate"] * gradient(y)
            if not np.max(np.abs(y)) < BEYOND:
                return
        taken = int(step)
        yield place, y


def _flowed(row: Mapping[str, Any], gradient: Gradient, start: Vector, most: int) -> Iterator[tuple[int, Vector]]:
    times = [time for time in row["time"] if time is not None]
    path = DOP853(lambda t, y: -gradient(y), 0.0, start, max(times) * (1 + 1e-9), rtol=1e-8, atol=1e-12)
    place = 0
    while place < len(times) and path.nfev < most:
        if times[place] == 0:
            yield place, start
        elif path.t >= times[place]:
            yield place, path.dense_output()(times[place])
        elif path.status != "running":
            return
        else:
            path.step()
            continue
        place += 1


def unlike(row: Mapping[str, Any], found: Iterable[tuple[int, Mapping[str, float]]]) -> Iterator[Contradiction]:
    """Yield the first recorded value of each column that differs from what was found at its place, if anything was."""
    listed = list(found)
    for name in listed[0][1] if listed else ():
        scale = max(abs(value) for value in islice(row[name], len(listed)))
        for place, columns in listed:
            if name in columns and not abs(row[name][place] - columns[name]) <= AGREEMENT * max(scale, 1e-9):
                yield Contradiction(f"{name}[{place}]", row[name][place], columns[name])
                break
