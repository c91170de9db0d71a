"""Means with their standard errors, and the quantiles to use where a mean has none."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax.columns import CLOCKS, curves, measured
from sweepjax.reducers._states import Moments, Quantiles, Range
from sweepjax.reducers._stream import DERIVED, Piece, State, fold, is_curve, numbers, source, split

SMALLEST_SKETCH, LARGEST_SKETCH = 8, 65_535  # what the sketch's own format allows


@dataclass(frozen=True)
class Mean:
    """Mean, standard error, median and quantiles of each column: one line a group and column.

    Of a curve, which has one number at each recorded time, there is a line a group, column and time; the
    rows of a group must share their times. Each line keeps a sketch of its own: lower it if memory is short.

    Near λ = 1/2 the law of s_norm falls off as 1/s², so its variance is infinite and `se` says nothing:
    read the median with its interval, or the mean of s_norm_inverse_square, whose law has light tails.
    Rows that are not certified stay in, since they are the tail: their s_norm is a lower bound.

    `kept` values are neither NULL nor nan; truth values average to fractions. Quantiles are exact up to
    `sketch` values a line; beyond, their rank is off by less than 0.07 % of `kept` with 99 % confidence
    (at the default size), and two reductions of the same rows may differ by as much.
    """

    column: str = ""  # separated by commas; empty: every measured number, and s_norm_inverse_square, else every curve
    by: str = ""  # separated by commas; empty: every configured field that varies
    quantiles: str = "5,25,75,95"  # in percent
    separable_is_zero: bool = False  # count 1/‖S‖² of separable draws as 0, not as missing
    sketch: int = 4096

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, column, time and step of a curve, mean, se, median with median_low, median_high (95 %), q5 …."""
        if not SMALLEST_SKETCH <= self.sketch <= LARGEST_SKETCH:
            allowed = f"a number from {SMALLEST_SKETCH} to {LARGEST_SKETCH}"
            raise ValueError(f"sketch = {self.sketch} is not allowed; give {allowed}")
        percents, columns = _percents(self.quantiles), split(self.column) or _default(rows)
        along = _along(rows, columns)
        flags = [name for name in ("certified", "separable") if name in rows.schema.names]
        scalars = list(dict.fromkeys(flags if along else [*columns, *flags]))
        groups, states = fold(rows, self.by, scalars, self._summarize, along)
        lines = (
            key | {"column": name} | moment | _line(state, name + place, percents)
            for key, state in zip(groups.to_dict("records"), states, strict=True)
            for name in columns
            for place, moment in _moments(state)
        )
        return pd.DataFrame(lines)

    def _summarize(self, piece: Piece) -> State:
        state: State = {"rows": len(next(iter(piece.values()))), "uncertified": _count_false(piece, "certified")}
        state |= {f"clock {name}": _range(piece[name]) for name in _clocks(piece)}
        for name, values in _one_by_one(piece):
            if self.separable_is_zero and name.endswith(DERIVED) and "separable" in piece:
                values[values.mask & (piece["separable"] == 1).filled(False)] = 0.0
            present = values.compressed()
            kept = present[~np.isnan(present)]
            with np.errstate(invalid="ignore", over="ignore"):
                state[f"moments {name}"] = Moments.of(kept)
            state[f"quantiles {name}"] = Quantiles.of(kept, self.sketch)
            state[f"null {name}"] = values.size - present.size
        return state


def _line(state: State, name: str, percents: list[float]) -> dict[str, float]:
    moments, order = state[f"moments {name}"], state[f"quantiles {name}"]
    low, high = order.median_interval()
    kept, null, rows = moments.count, state[f"null {name}"], state["rows"]
    line = {"mean": moments.mean if kept else nan, "se": moments.se}
    line |= {"median": order.quantile(0.5), "median_low": low, "median_high": high}
    line |= {f"q{percent:g}": order.quantile(percent / 100) for percent in percents}
    counts = {"rows": rows, "kept": kept, "null": null, "nan": rows - kept - null}
    return line | counts | {"uncertified": state["uncertified"]}


def _percents(text: str) -> list[float]:
    try:
        percents = [float(word) for word in split(text)]
    except ValueError:
        percents = [nan]
    if not all(0 <= percent <= 100 for percent in percents):
        raise ValueError(f"quantiles = {text!r} is not allowed; give numbers from 0 to 100, separated by commas")
    return percents


def _default(rows: Dataset) -> list[str]:
    return [name for column in measured(rows) for name in _with_derived(column)] or _curves(rows)


def _curves(rows: Dataset) -> list[str]:
    return [name for name in curves(rows) if name not in CLOCKS]


def _along(rows: Dataset, columns: list[str]) -> list[str]:
    """Return the curves and the clocks to read if `columns` are curves, nothing if they are single numbers."""
    found = [name for name in columns if is_curve(rows, name)]
    single = numbers(rows, [name for name in columns if name not in found])
    if found and single:
        raise ValueError(f"{single[0]!r} holds one number a row and {found[0]!r} a curve; reduce them in two calls")
    for name in CLOCKS:
        if name in found:
            raise ValueError(f"{name!r} is when the curves were recorded; choose one of: {', '.join(_curves(rows))}")
    return ["time", *(["step"] if "step" in curves(rows) else []), *found] if found else []


def _clocks(piece: Piece) -> list[str]:
    return [name for name in CLOCKS if name in piece and piece[name].ndim == 2]


def _range(times: np.ma.MaskedArray) -> Range:
    return Range(times.filled(np.inf).min(axis=0), times.filled(-np.inf).max(axis=0))


def _one_by_one(piece: Piece) -> Iterator[tuple[str, np.ma.MaskedArray]]:
    """Yield columns [r] with their names; a curve as one column a recorded time, with its place in the name."""
    for name, values in piece.items():
        if values.ndim == 1:
            yield name, values
        elif name not in CLOCKS:
            yield from ((f"{name} {place}", column) for place, column in enumerate(values.T))


def _moments(state: State) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield each recorded time with its place, or nothing, once, where there are no times."""
    clocks = {name: _shared(name, state[f"clock {name}"]) for name in CLOCKS if f"clock {name}" in state}
    if not clocks:
        yield "", {}
    for place in range(len(clocks.get("time", ()))):
        yield f" {place}", {name: times[place] for name, times in clocks.items()}


def _shared(name: str, times: Range) -> NDArray[np.float64]:
    if np.any(times.high - times.low > 1e-9 * np.abs(times.high)):
        what = f"the rows of a group were recorded at different values of {name}"
        raise ValueError(f"{what}; group by what sets them too, such as --by lam,learning_rate")
    return np.where(times.low <= times.high, times.low, np.nan)


def _with_derived(column: str) -> Iterator[str]:
    yield column
    if column == source("s_norm" + DERIVED):
        yield column + DERIVED


def _count_false(piece: Piece, name: str) -> int:
    return int(np.sum(piece[name] == 0)) if name in piece else 0
