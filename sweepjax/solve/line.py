"""The points of a sweep along one field, every other field of which has one value."""

import math
from typing import NamedTuple, Self

import numpy as np
import pyarrow.compute as pc

from sweepjax.columns import curves
from sweepjax.plugins import unknown
from sweepjax.reducers import ends
from sweepjax.solve.fit import Sample
from sweepjax.solve.search import Unsolved
from sweepjax.store.store import Store
from sweepjax.sweep.fields import as_typed
from sweepjax.sweep.sweep import Sweep

FINEST = 4096  # points of a field that is not counted in whole numbers


class Line(NamedTuple):
    """The points between two values of a field."""

    sweep: Sweep
    field: str
    low: float
    high: float

    @classmethod
    def of(cls, sweep: Sweep, field: str, span: str) -> Self:
        """Return the line of a field and a text such as 0.4:0.6.

        Raises:
            ValueError: the field is none with numbers, or another one has several values; the message says which.
        """
        if field not in sweep.fields:
            raise ValueError(unknown("field", field, [*sweep.fields]))
        if field == "seed" or sweep.fields[field].kind not in (int, float):
            raise ValueError(f"{as_typed(field)} has no numbers to solve for; give a field that has")
        line = cls(sweep, field, *_ends(field, span))
        for name, values in line.at(line.low).values.items():
            if len(values) > 1:
                raise ValueError(f"{as_typed(name)} has {len(values)} values; give it one, since {field} is solved for")
        return line

    def at(self, x: float, order: int = 0) -> Sweep:
        """Return the sweep of one point.

        Points of one seed may share their noise, and then their means are not independent: each has a seed of its own.
        """
        kind = self.sweep.fields[self.field].kind
        one = self.sweep.replaced(**{self.field: str(kind(x)) if kind is int else repr(float(x))})
        return one.replaced(seed=str(one.values["seed"][0] + order)) if order else one

    def snapped(self, x: float) -> float:
        """Return the nearest point that there is."""
        x = min(max(x, self.low), self.high)
        if self.sweep.fields[self.field].kind is int:
            return float(round(x))
        if self.field == "lam":
            ((n, d),) = self.at(x).shapes
            return d / n
        fine = (x - self.low) / (self.high - self.low)
        return float(f"{self.low + (self.high - self.low) * round(fine * FINEST) / FINEST:.12g}")


def sampled(store: Store, column: str, count: int) -> Sample:
    """Return the mean and the variance of a column over the first realizations; of a curve its last value counts.

    Raises:
        Unsolved: the column exists in none of them.
    """
    rows = store.dataset().filter(pc.field("realization") < count)
    rows = ends(rows) if column in curves(rows) else rows
    values = rows.to_table(columns=[column])[column].drop_null().to_numpy().astype(np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        raise Unsolved(f"{column} exists in none of {count} rows of {store.path}; choose another column")
    return Sample(len(values), float(values.mean()), float(values.var()))


def _ends(field: str, span: str) -> tuple[float, float]:
    """Return the two numbers of a text such as 0.4:0.6."""
    try:
        low, high = map(float, span.split(":"))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"--over {as_typed(field)}={span} is not understood; give two numbers, the lower first: 0.4:0.6"
        )
    return low, high
