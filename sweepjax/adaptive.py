"""How many realizations each point needs, decided by a pilot whose draws are no rows of the run.

The mean of a point is taken over draws that had no say in how many there are, so that it is unbiased, and its standard
error is what it is for a number that was fixed beforehand. Were the run's own draws to decide, a point that happens to
look quiet would stop early.
"""

import math
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow.dataset import Dataset

from sweepjax.columns import labels
from sweepjax.reducers import source
from sweepjax.reducers.mean import SMALLEST_SKETCH, Mean, without_variance
from sweepjax.sweep.adaptive import Adaptive
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk

APART = 2**31  # from the seeds of the run to those of the pilot
SAFETY = 1.2  # more draws than the variance of the pilot asks for, since it may be too small
SEEDS = 2**32


class Unreachable(Exception):  # noqa: N818  named for what happened
    """No number of draws makes a mean as well known as was asked for; the text says why."""


def pilot(sweep: Adaptive) -> Sweep:
    """Return the sweep of the pilot: the same points with seeds of their own, and no rule."""
    plain = Sweep(**{name: getattr(sweep, name) for name in Sweep.__dataclass_fields__})
    seeds = ",".join(str((seed + APART) % SEEDS) for seed in sweep.values["seed"])
    return plain.replaced(seed=seeds)


def counts(sweep: Adaptive, most: int, rows: Dataset) -> dict[str, int]:
    """Return the realizations of each family, by its digits, from the rows of the pilot.

    Raises:
        Unreachable: the law of the column has no variance somewhere, as far as its tail tells.
    """
    rule = sweep.rule
    table = Mean(column=rule.column, quantiles="", sketch=SMALLEST_SKETCH)(rows)
    if without_variance(table).any():
        what = f"the tail of {rule.column} falls off too slowly for a variance"
        raise Unreachable(f"{what}, so that no standard error can be reached; give {rule.column}_inverse_square")
    keys = list(table.columns[: table.columns.get_loc("column")])
    truth = pa.types.is_boolean(rows.schema.field(source(rule.column)).type)
    wanted: dict[tuple[Any, ...], float] = {}
    for line in table.to_dict("records"):  # of a curve one a recorded time
        point = tuple(line[key] for key in keys)
        wanted[point] = max(wanted.get(point, 0), _needed(line, rule.se, truth))
    return {name: int(min(max(wanted[point], sweep.realizations), most)) for name, point in _points(sweep, keys)}


def capped(sweep: Adaptive, most: int) -> int:
    """Return how many points have as many realizations as are allowed, and may need more."""
    return sum(count >= most for count in sweep.counts.values())


def _needed(line: dict[Any, Any], se: float, truth: bool) -> float:
    """Return the realizations of a point; of truth values the error is taken to be at least 1/R."""
    kept, rows = line["kept"], line["rows"]
    if kept < 2:
        return math.inf
    draws = max(SAFETY * kept * (line["se"] / se) ** 2, 1 / se if truth else 2)
    return math.ceil(draws * rows / kept)


def _points(sweep: Adaptive, keys: list[str]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the digits of each family and what some columns say of it."""
    for family in sweep.families():
        columns = labels(Chunk(family, 0, 1))
        yield family.id, tuple(pa.array(columns[key]).to_pylist()[0] for key in keys)
