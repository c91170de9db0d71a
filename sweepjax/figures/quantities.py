"""Every number that is measured once a row, over the axis that varies, whatever the model measures."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_numeric_dtype
from pyarrow.dataset import Dataset

from sweepjax.columns import FACT, kinds, measured
from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import styled
from sweepjax.figures._panels import colored, grid
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers.mean import Mean

RATIO = 30.0  # an axis that spans more is logarithmic


@styled
def quantities(rows: Dataset) -> Figure:
    """Draw every measured number against the field of the most values, a colour for each point of the others.

    Marks are medians with 95 % intervals, and of truth values the fraction that is true with its standard error. Of
    more than seven colours seven are drawn, evenly from first to last.
    """
    points = points_of([rows])
    keys, words = varying(points), Words.of(points)
    axis = _axis(points, keys)
    hues = [name for name in keys if name != axis]
    table = Mean(column=",".join(_names(rows)), by=",".join([axis, *hues]), quantiles="")(rows).query("kept > 0")
    if table.empty:
        raise ValueError("these rows hold NULL in every measured column; there is nothing to draw")
    figure, panels = grid(list(dict.fromkeys(table["column"])), words.symbols.get(axis, axis))
    groups = [lines for _, lines in table.groupby(hues)] if hues else [table]
    entries = {}
    for color, lines in colored(groups):
        entries |= {words.say_all(hues, lines.iloc[0].to_dict()): drawing.handle(color, marker="o")} if hues else {}
        for name, axes in panels.items():
            points = lines.query(f"column == '{name}'")
            _draw(axes, points.assign(x=points[axis]), color, truth=pa.types.is_boolean(rows.schema.field(name).type))
    _finish(figure, entries, wide=_is_wide(table[axis].to_numpy()))
    return figure


def _names(rows: Dataset) -> list[str]:
    """List what is measured: facts, or the effort of a solver where there are none."""
    every, kind = measured(rows), kinds(rows)
    names = [name for name in every if kind[name] == FACT] or every
    if not names:
        raise ValueError("these rows hold no number that is measured once a row; figure curves draws what is over time")
    return names


def _axis(points: pd.DataFrame, keys: list[str]) -> str:
    """Return the numeric field of the most values, the first of equals; a text only where no number varies."""
    numeric = [name for name in keys if is_numeric_dtype(points[name])]
    able = numeric or keys or [name for name in points if is_numeric_dtype(points[name])] or list(points)
    return max(able, key=lambda name: len(set(points[name])))


def _draw(axes: Axes, lines: pd.DataFrame, color: str, *, truth: bool) -> None:
    middle = lines["mean" if truth else "median"]
    low, high = (middle - lines["se"], middle + lines["se"]) if truth else (lines["median_low"], lines["median_high"])
    bars = [np.nan_to_num(np.maximum(each, 0), posinf=0) for each in (middle - low, high - middle)]
    axes.errorbar(lines["x"], middle, yerr=bars, color=color, fmt="o", mew=0, elinewidth=0.8)


def _is_wide(values: Any) -> bool:
    return bool(np.issubdtype(values.dtype, np.number) and values.min() > 0 and values.max() / values.min() > RATIO)


def _finish(figure: Figure, entries: dict[str, Any], *, wide: bool) -> None:
    for axes in figure.axes:
        axes.set_xscale("log" if wide else axes.get_xscale())
    if entries:
        figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=2)
