"""Every curve of a training over time, whatever its model records."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax import columns
from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import INK, needs, styled
from sweepjax.figures._panels import colored, grid
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers.mean import Mean

TRAIN, TEST = "train_", "test_"
DASHED = (0, (3, 1.5))
LETTERS = 5.0  # of a label, for an inch of the figure, with which two columns of the legend fit
LINE, SPARE = 0.2, 3  # inches of a line of the legend, and how many lines a figure has room for
DECADES = 2.0  # a curve that spans more has a logarithmic axis


@styled
@needs("time", of="rows of a trajectory solver")
def curves(*tables: Dataset) -> Figure:
    """Draw every curve against time, a colour for each point of the sweep, and a panel for each quantity.

    Lines are medians over realizations in a band of quartiles; `train_` and `test_` share a panel, dashed and solid. Of
    more than seven points seven are drawn, evenly from first to last.
    """
    shown, points = _shown(tables), points_of(tables)
    keys, words = varying(points), Words.of(points)
    figure, panels = grid(list(shown), "time t")
    chosen = list(colored((points.sort_values(keys) if keys else points).to_dict("records")))
    for rows in tables:
        lines = _reduced(rows, keys)
        for color, point in chosen:
            _draw(panels, shown, _of(lines, keys, point), color=color)
    for axes in panels.values():
        _scale(axes)
    _explain(figure, {words.say_all(keys, point): color for color, point in chosen}, len(points))
    return figure


def _shown(tables: Sequence[Dataset]) -> dict[str, list[str]]:
    """Return the curves of each panel; a logarithm is left out where what it is of is a curve, too."""
    every = set().union(*(columns.curves(rows) for rows in tables)) - {*columns.CLOCKS}
    shown: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for rows in tables for name in columns.curves(rows) if name in every):
        if name.removeprefix("log_") not in every - {name}:
            shown.setdefault(name.removeprefix(TRAIN).removeprefix(TEST), []).append(name)
    if not shown:
        raise ValueError("these rows hold no curve; this figure draws numbers that are recorded at every time")
    return shown


def _reduced(rows: Dataset, keys: Sequence[str]) -> pd.DataFrame:
    every = ",".join(name for name in columns.curves(rows) if name not in columns.CLOCKS)
    by = ",".join(name for name in keys if name in rows.schema.names)
    return Mean(column=every, by=by, quantiles="25,75", sketch=256)(rows).query("time > 0 and kept > 0")


def _of(lines: pd.DataFrame, keys: Sequence[str], point: Mapping[Any, Any]) -> pd.DataFrame:
    same = np.ones(len(lines), dtype=bool)
    for name in keys:
        same &= lines[name].to_numpy() == point[name] if name in lines else pd.isna(point[name])
    return lines.loc[same]


def _draw(panels: Mapping[str, Axes], shown: Mapping[str, list[str]], lines: pd.DataFrame, *, color: str) -> None:
    for quantity, name in ((quantity, name) for quantity, names in shown.items() for name in names):
        axes, curve = panels[quantity], lines.query(f"column == '{name}'").sort_values("time")
        style = DASHED if name.startswith(TRAIN) else "-"
        axes.plot(curve["time"], curve["median"], color=color, linestyle=style)
        if int(curve["kept"].to_numpy().max(initial=0)) > 1:
            axes.fill_between(curve["time"], curve["q25"], curve["q75"], color=color, alpha=0.18, linewidth=0)


def _scale(axes: Axes) -> None:
    """Make time logarithmic, and a curve that spans decades."""
    axes.set_xscale("log")
    heights = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axes.lines])
    heights = heights[np.isfinite(heights)]
    if heights.size and heights.min() > 0 and np.log10(heights.max() / heights.min()) > DECADES:
        axes.set_yscale("log")


def _explain(figure: Figure, colors: Mapping[str, str], points: int) -> None:
    entries = {label: drawing.handle(color, linestyle="-") for label, color in colors.items() if label}
    if any(line.get_linestyle() == "--" for axes in figure.axes for line in axes.lines):
        entries |= {"fresh data": drawing.handle(INK, linestyle="-")}
        entries |= {"training set": drawing.handle(INK, linestyle=DASHED)}
    title = f"{len(colors)} of {points} points" if len(colors) < points else None
    if entries:
        columns = 2 if max(map(len, entries)) <= figure.get_figwidth() * LETTERS else 1
        # The panels keep their height below however many lines there are.
        lines = -(-len(entries) // columns) + bool(title)
        figure.set_figheight(figure.get_figheight() + LINE * max(0, lines - SPARE))
        look: dict[str, Any] = {"loc": "outside upper center", "ncols": columns, "title": title, "alignment": "left"}
        figure.legend(list(entries.values()), list(entries), **look)
