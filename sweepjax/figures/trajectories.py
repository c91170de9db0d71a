"""Losses, accuracies and weights over the course of training."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.columns import limits, plug_in
from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, needs, styled
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers.mean import Mean

CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "s_norm", "b")
WIDTHS, HEIGHT = {1: 3.4, 2: 5.2, 3: 7.0}, 5.2
DASHED, DOTTED = (0, (3, 1.5)), (0, (1, 1.2))
FAR = 1e8  # from the loss at the start to the ends of its axis
MOST = 7  # curves that can be told apart


class Curves(NamedTuple):
    """What was configured, and the reduced curves."""

    point: Mapping[str, Any]
    lines: pd.DataFrame


@styled
@needs(*CURVES, of="rows of a trajectory solver")
def trajectories(*tables: Dataset) -> Figure:
    """Draw loss, accuracy, ‖S‖ and -b against time, a colour for each point of the sweep.

    Lines are medians over realizations, in a band of quartiles where there are several; solid on fresh data
    (exact expectations), dashed on the training set. Where two fields vary, that of fewer values makes columns.
    Tables of different columns, such as those of two solvers, are drawn together. Diamonds on the right are the
    exact limits of accuracy and ‖S‖ for N → ∞ and t → ∞, where the model has them.
    """
    for rows in tables[1:]:
        drawing.require(rows, CURVES, "rows of a trajectory solver")
    points = points_of(tables)
    keys, words = varying(points), Words.of(points)
    across = _across(points, keys)
    hues = [name for name in keys if name != across]
    colors = _colors(points, hues, words)
    columns = sorted(set(points[across])) if across else [""]
    figure = Figure(figsize=(WIDTHS[len(columns)], HEIGHT))
    panels = dict(
        zip(columns, figure.subplots(3, len(columns), sharex="col", sharey="row", squeeze=False).T, strict=True)
    )
    for rows in tables:
        for curves in _reduced(rows, keys):
            color = colors[words.say_all(hues, curves.point)]
            _draw(panels[curves.point[across] if across else ""], curves, color=color)
    for value, column in panels.items():
        _finish(column)
        column[0].set_title(words.say(across, value) if across else "")
    _explain(figure, colors)
    return figure


def _across(points: pd.DataFrame, keys: list[str]) -> str | None:
    """Return the field that makes columns: that of the fewest values, if there is another for the colors."""
    able = [name for name in keys if points[name].nunique(dropna=False) in WIDTHS and not points[name].hasnans]
    return min(able, key=lambda name: points[name].nunique()) if able and len(keys) > 1 else None


def _colors(points: pd.DataFrame, hues: list[str], words: Words) -> dict[str, str]:
    """Return a color for each label, in the order of the values."""
    ordered = points.sort_values(hues) if hues else points
    labels = list(dict.fromkeys(words.say_all(hues, point) for point in ordered.to_dict("records")))
    if len(labels) > MOST:
        raise ValueError(f"{len(labels)} points of a sweep are too many to tell apart; give rows of at most {MOST}")
    return dict(zip(labels, mpl.rcParams["axes.prop_cycle"].by_key()["color"], strict=False))


def _reduced(rows: Dataset, keys: Sequence[str]) -> Iterator[Curves]:
    points = points_of([rows])
    by = [name for name in keys if name in points]
    table = Mean(column=",".join(CURVES), by=",".join(by), quantiles="25,75", sketch=256)(rows).query("time > 0")
    for point in points.to_dict("records"):
        same = np.ones(len(table), dtype=bool)
        for name in by:
            same &= table[name].to_numpy() == point[name]
        yield Curves(point, pd.DataFrame(table[same]))


def _draw(panels: Sequence[Axes], curves: Curves, *, color: str) -> None:
    loss, accuracy, weights = panels
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        _line(axes, curves.lines, f"train_{quantity}", color=color, linestyle=DASHED)
        _line(axes, curves.lines, f"test_{quantity}", color=color)
    _line(weights, curves.lines, "s_norm", color=color)
    _line(weights, curves.lines, "b", color=color, linestyle=DOTTED, sign=-1)
    weights.set_xlabel("time t = η × step" if "step" in curves.lines else "time t")
    limit, s_norm = _limits(curves.point)
    for axes, value in ((accuracy, limit), (weights, s_norm)):
        look = {"color": color, "markerfacecolor": "white", "markeredgewidth": 0.8, "markersize": 4, "clip_on": False}
        if np.isfinite(value):
            axes.plot(1.0, value, "D", transform=axes.get_yaxis_transform(), zorder=4, **look)


def _line(axes: Axes, lines: pd.DataFrame, column: str, *, color: str, sign: int = 1, **look: Any) -> None:
    curve = lines.query(f"column == '{column}'").sort_values("time")
    axes.plot(curve["time"], sign * curve["median"], color=color, **look)
    if int(curve["kept"].to_numpy().max(initial=0)) > 1:
        axes.fill_between(curve["time"], sign * curve["q25"], sign * curve["q75"], color=color, alpha=0.18, linewidth=0)


def _limits(point: Mapping[str, Any]) -> tuple[float, float]:
    """Return accuracy and ‖S‖ for N → ∞, t → ∞; nan where nothing is known or ‖S‖ diverges."""
    if not getattr(plug_in("solver", point["solver"]), "follows_gradient", False):
        return np.nan, np.nan
    known = limits(point)
    return known.get("test_accuracy", np.nan), known.get("s_norm", np.nan)


def _finish(panels: Sequence[Axes]) -> None:
    loss, accuracy, weights = panels
    loss.set(xscale="log", yscale="log")
    start, (low, high) = max(float(np.asarray(line.get_ydata())[0]) for line in loss.lines), loss.get_ylim()
    loss.set_ylim(max(low, start / FAR), min(high, start * FAR))
    accuracy.set_ylim(None, 1.02)
    for axes, height in ((accuracy, 0.5), (weights, 0)):
        axes.axhline(height, color=FAINT, linewidth=0.4, zorder=0)
    if loss.get_subplotspec().is_first_col():  # pyright: ignore
        for axes, label in zip(panels, ("loss", "accuracy", r"$\Vert S\Vert$ and $-b$"), strict=True):
            axes.set_ylabel(label)
        marks = {r"$\Vert S\Vert$": drawing.handle(INK, linestyle="-"), r"$-b$": drawing.handle(INK, linestyle=DOTTED)}
        drawing.legend(weights, marks)


def _explain(figure: Figure, colors: dict[str, str]) -> None:
    entries = {label: drawing.handle(color, linestyle="-") for label, color in colors.items() if label}
    entries |= {"fresh data": drawing.handle(INK, linestyle="-")}
    entries |= {"training set": drawing.handle(INK, linestyle=DASHED)}
    if any(mark.get_marker() == "D" for axes in figure.axes for mark in axes.lines):
        entries |= {"exact, N, t → ∞": drawing.handle(INK, marker="D")}
    figure.legend(
        list(entries.values()), list(entries), loc="outside upper center", ncols=3 if figure.get_figwidth() < 5 else 5
    )
