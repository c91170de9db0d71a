"""Every curve of a training over time, whatever its model records."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pyarrow.dataset import Dataset

from sweepjax import columns
from sweepjax.columns import plug_in
from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import INK, needs, styled
from sweepjax.figures._panels import colored, grid
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers.mean import Mean

TRAIN, TEST = "train_", "test_"
DASHED = (0, (3, 1.5))
LETTERS = 5.0  # of a label, for an inch of the figure, with which two columns of the legend fit
LINE, SPARE = 0.2, 3  # inches of a line of the legend, and how many lines a figure has room for
DOT, DOTS = 2.6, 24  # size of a dot, and about how many stand for a curve
DECADES = 2.0  # a curve that spans more has a logarithmic axis


@styled
@needs("time", of="rows of a trajectory solver")
def curves(*tables: Dataset) -> Figure:
    """Draw every curve against time, a colour for each point of the sweep, and a panel for each quantity.

    Lines are medians over realizations in a band of quartiles; `train_` and `test_` share a panel, dashed and solid. Of
    more than seven points seven are drawn, evenly from first to last. Beside a solver that takes steps, one that
    evaluates a closed form is drawn as dots: those of the training set are open.
    """
    shown, points = _shown(tables), points_of(tables)
    keys, words = varying(points), Words.of(points)
    figure, panels = grid(list(shown), "time t")
    chosen = list(colored((points.sort_values(keys) if keys else points).to_dict("records")))
    closed = _closed(points)
    for rows in tables:
        lines = _reduced(rows, keys)
        for color, point in chosen:
            draw = _dot if point.get("solver") in closed else _draw
            draw(panels, shown, _of(lines, keys, point), color=color)
    for axes in panels.values():
        _scale(axes)
    marks = {words.say_all(keys, point): _mark(color, closed, point) for color, point in chosen}
    _explain(figure, marks, len(points))
    return figure


def _closed(points: pd.DataFrame) -> set[str]:
    """Return the solvers that take no steps, if others do."""
    firsts = points.drop_duplicates("solver").to_dict("records") if "solver" in points else []
    closed = {str(point["solver"]) for point in firsts if _takes_no_steps(point)}
    return closed if len(closed) < len(firsts) else set()


def _takes_no_steps(point: Mapping[Any, Any]) -> bool:
    found = plug_in("solver", point["solver"])
    if found is None:
        return False
    known = pd.Series(dict(point)).dropna()
    return not found(
        **{field.name: known[field.name] for field in dataclasses.fields(found) if field.name in known}
    ).stages


def _mark(color: str, closed: set[str], point: Mapping[Any, Any]) -> Line2D:
    style: dict[str, Any] = {"marker": "o", "markersize": DOT} if point.get("solver") in closed else {"linestyle": "-"}
    return drawing.handle(color, **style)


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


def _dot(panels: Mapping[str, Axes], shown: Mapping[str, list[str]], lines: pd.DataFrame, *, color: str) -> None:
    for quantity, name in ((quantity, name) for quantity, names in shown.items() for name in names):
        curve = lines.query(f"column == '{name}'").sort_values("time")
        face = "none" if name.startswith(TRAIN) else color
        style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": DOT, "markerfacecolor": face}
        every = max(1, len(curve) // DOTS)
        panels[quantity].plot(curve["time"], curve["median"], color=color, markevery=every, zorder=3, **style)


def _scale(axes: Axes) -> None:
    """Make time logarithmic, and a curve that spans decades."""
    axes.set_xscale("log")
    heights = np.concatenate([np.asarray(line.get_ydata(), np.float64) for line in axes.lines])
    heights = heights[np.isfinite(heights)]
    if heights.size and heights.min() > 0 and np.log10(heights.max() / heights.min()) > DECADES:
        axes.set_yscale("log")


def _explain(figure: Figure, marks: Mapping[str, Line2D], points: int) -> None:
    entries = {label: mark for label, mark in marks.items() if label}
    if any(line.get_linestyle() == "--" for axes in figure.axes for line in axes.lines):
        entries |= {"fresh data": drawing.handle(INK, linestyle="-")}
        entries |= {"training set": drawing.handle(INK, linestyle=DASHED)}
    title = f"{len(marks)} of {points} points" if len(marks) < points else None
    if entries:
        columns = 2 if max(map(len, entries)) <= figure.get_figwidth() * LETTERS else 1
        # The panels keep their height below however many lines there are.
        lines = -(-len(entries) // columns) + bool(title)
        figure.set_figheight(figure.get_figheight() + LINE * max(0, lines - SPARE))
        look: dict[str, Any] = {"loc": "outside upper center", "ncols": columns, "title": title, "alignment": "left"}
        figure.legend(list(entries.values()), list(entries), **look)
