"""The law of one column, counted in bins."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, nan
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset

from sweepjax.reducers._states import Range
from sweepjax.reducers._stream import Piece, State, fold


@dataclass(frozen=True)
class Histogram:
    """Counts and density of one column in bins common to all groups: one line a group and bin.

    Where `low` or `high` is not given, a first pass over the rows finds it. Bins hold their lower edge,
    the last one its upper edge too; values outside are counted in `underflow` and `overflow`, never dropped. `left_out`
    rows are NULL or nan.
    """

    column: str = "s_norm"  # whose values are counted
    bins: int = 50  # between low and high
    low: float = nan  # not given: the least value
    high: float = nan  # not given: the largest value
    by: str = ""  # separated by commas; empty: every configured field that varies
    scale: str = "linear"  # or "log": bins of equal ratio
    tabulated: ClassVar[bool] = False

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, bin_low, bin_high, count, density with its se, and the counts of the group.

        A density is per unit of the column and normalised to all kept values, those outside included.
        """
        if self.scale not in ("linear", "log"):
            raise ValueError(f"unknown scale {self.scale!r} of a histogram; choose one of: linear, log")
        if self.bins < 1:
            raise ValueError(f"a histogram needs at least one bin, not {self.bins}")
        edges = self._edges(rows)
        groups, states = fold(rows, self.by, [self.column], lambda piece: _count(piece[self.column], edges))
        keys = groups.to_dict("records")
        return pd.DataFrame(line for key, state in zip(keys, states, strict=True) for line in _lines(key, state, edges))

    def _edges(self, rows: Dataset) -> NDArray[np.float64]:
        low, high = self.low, self.high
        if not (isfinite(low) and isfinite(high)):
            _, states = fold(rows, self.by, [self.column], self._range)
            seen = sum((state["range"] for state in states), Range())
            low, high = (low if isfinite(low) else seen.low), (high if isfinite(high) else seen.high)
        if not low <= high < np.inf or (self.scale == "log" and low <= 0):
            raise ValueError(
                f"no bins of {self.column!r} fit between {low:g} and {high:g}; give low < high within its values"
            )
        high = high if low < high else low + max(abs(low), 1.0) * 1e-9
        return np.geomspace(low, high, self.bins + 1) if self.scale == "log" else np.linspace(low, high, self.bins + 1)

    def _range(self, piece: Piece) -> State:
        values = piece[self.column].compressed()
        values = values[np.isfinite(values) & ((values > 0) | (self.scale == "linear"))]
        return {"range": Range(values.min(), values.max()) if values.size else Range()}


def _count(values: np.ma.MaskedArray, edges: NDArray[np.float64]) -> State:
    present = values.compressed()
    return {
        "counts": np.histogram(present, edges)[0].astype(np.int64),
        "underflow": int(np.sum(present < edges[0])),
        "overflow": int(np.sum(present > edges[-1])),
        "rows": values.size,
        "null": values.size - present.size,
        "nan": int(np.sum(np.isnan(present))),
    }


def _lines(key: dict, state: State, edges: NDArray[np.float64]) -> Iterator[dict]:
    outside = {name: state[name] for name in ("underflow", "overflow", "rows", "null", "nan")}
    left_out = state["null"] + state["nan"]
    outside["left_out"], kept = left_out, state["rows"] - left_out
    for low, high, count in zip(edges[:-1], edges[1:], state["counts"], strict=True):
        density, se = (nan, nan) if not kept else (count / kept, np.sqrt(count * (1 - count / kept)) / kept)
        width = high - low
        bin_ = {"bin_low": low, "bin_high": high, "count": count, "density": density / width, "se": se / width}
        yield key | bin_ | outside
