"""What theory says beforehand of every point, over the axis that varies, and what the rows came to."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.api.types import is_numeric_dtype
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import INK, styled
from sweepjax.figures._panels import colored, grid
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers.foretold import Foretold

RATIO = 30.0  # an axis that spans more is logarithmic
MOST = 24  # places along the axis


@styled
def foretold(rows: Dataset) -> Figure:
    """Draw means of what the model knows beforehand, with standard errors, and lines by theory.

    A colour is a point of the fields other than the axis. Of many values along the axis 24 are drawn, evenly from
    first to last, and of more than seven colours seven.
    """
    points = points_of([rows])
    keys, words = varying(points), Words.of(points)
    axis = _axis(points, keys)
    table = Foretold(by=",".join(keys))(_thinned(rows, points, axis)).dropna(subset="mean")
    if table.empty:
        raise ValueError("theory knows nothing beforehand of what these rows hold")
    hues = [name for name in keys if name != axis]
    figure, panels = grid(list(dict.fromkeys(table["quantity"])), words.symbols.get(axis, axis))
    groups = [lines for _, lines in table.groupby(hues)] if hues else [table]
    entries: dict[str, Any] = {"theory": drawing.handle(INK, linestyle="-")}
    for color, lines in colored(groups):
        entries |= {words.say_all(hues, lines.iloc[0].to_dict()): drawing.handle(color, marker="o")} if hues else {}
        for name, axes in panels.items():
            _draw(axes, lines.query(f"quantity == '{name}'").sort_values(axis), axis, color)
    _scale(figure, table[axis].to_numpy(np.float64))
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=2)
    return figure


def _axis(points: pd.DataFrame, keys: list[str]) -> str:
    """Return the numeric field of the most values."""
    numeric = [name for name in keys if is_numeric_dtype(points[name])]
    if not numeric:
        raise ValueError("these rows are of one point; give rows over a field that varies, or reduce them by foretold")
    return max(numeric, key=lambda name: len(set(points[name])))


def _draw(axes: Axes, lines: pd.DataFrame, axis: str, color: str) -> None:
    axes.plot(lines[axis], lines["theory"], color=color, linestyle="-")
    axes.errorbar(lines[axis], lines["mean"], yerr=lines["se"], color=color, fmt="o", mew=0, elinewidth=0.8)


def _scale(figure: Figure, values: np.ndarray) -> None:
    for axes in figure.axes if values.min() > 0 and values.max() / values.min() > RATIO else ():
        axes.set_xscale("log")


def _thinned(rows: Dataset, points: pd.DataFrame, axis: str) -> Dataset:
    """Return the rows of some values of the axis, the first and the last among them."""
    values = np.unique(points[axis].to_numpy())
    if values.size <= MOST:
        return rows
    chosen = values[np.unique(np.linspace(0, values.size - 1, MOST).round().astype(int))]
    return rows.filter(pc.field(axis).isin(chosen.tolist()))
