"""Means with their standard errors, and the quantiles to use where a mean has none."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax.reducers._states import Moments, Quantiles
from sweepjax.reducers._stream import DERIVED, Piece, State, fold, measured, source, split

SMALLEST_SKETCH, LARGEST_SKETCH = 8, 65_535  # what the sketch's own format allows


@dataclass(frozen=True)
class Mean:
    """Mean, standard error, median and quantiles of each column: one line a group and column.

    Near λ = 1/2 the law of s_norm falls off as 1/s², so its variance is infinite and `se` says nothing:
    read the median with its interval, or the mean of s_norm_inverse_square, whose law has light tails.
    Rows that are not certified stay in, since they are the tail: their s_norm is a lower bound.

    `kept` values are neither NULL nor nan; truth values average to fractions. Quantiles are exact up to
    `sketch` values a group; beyond, their rank is off by less than 0.07 % of `kept` with 99 % confidence
    (at the default size), and two reductions of the same rows may differ by as much.
    """

    column: str = ""  # separated by commas; empty: every measured number, and s_norm_inverse_square
    by: str = ""  # separated by commas; empty: every configured field that varies
    quantiles: str = "5,25,75,95"  # in percent
    separable_is_zero: bool = False  # count 1/‖S‖² of separable draws as 0, not as missing
    sketch: int = 4096

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, column, mean, se, median, median_low, median_high (95 %), q5 …, and counts."""
        if not SMALLEST_SKETCH <= self.sketch <= LARGEST_SKETCH:
            allowed = f"a number from {SMALLEST_SKETCH} to {LARGEST_SKETCH}"
            raise ValueError(f"sketch = {self.sketch} is not allowed; give {allowed}")
        percents, columns = _percents(self.quantiles), split(self.column) or _default(rows)
        flags = [name for name in ("certified", "separable") if name in rows.schema.names]
        groups, states = fold(rows, self.by, dict.fromkeys([*columns, *flags]), self._summarize)
        lines = (
            key | {"column": name} | _line(state, name, percents)
            for key, state in zip(groups.to_dict("records"), states, strict=True)
            for name in columns
        )
        return pd.DataFrame(lines)

    def _summarize(self, piece: Piece) -> State:
        state: State = {"rows": len(next(iter(piece.values()))), "uncertified": _count_false(piece, "certified")}
        for name, values in piece.items():
            if self.separable_is_zero and name.endswith(DERIVED) and "separable" in piece:
                values[values.mask & (piece["separable"] == 1).filled(False)] = 0.0
            present = values.compressed()
            kept = present[~np.isnan(present)]
            with np.errstate(invalid="ignore"):
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
    return [name for column in measured(rows) for name in _with_derived(column)]


def _with_derived(column: str) -> Iterator[str]:
    yield column
    if column == source("s_norm" + DERIVED):
        yield column + DERIVED


def _count_false(piece: Piece, name: str) -> int:
    return int(np.sum(piece[name] == 0)) if name in piece else 0
