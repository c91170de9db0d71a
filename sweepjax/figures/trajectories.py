"""Losses, accuracies and weights over the course of training."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pyarrow.dataset import Dataset

from sweepjax.columns import limits, plug_in
from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, needs, styled
from sweepjax.figures._limits import DATASET
from sweepjax.figures._limits import limits as limits_of
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers.mean import Mean
from sweepjax.theory.margin import limiting_accuracy

SEPARABLE = "separable"  # a column of the solver limit
CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "s_norm", "b")
WIDTHS, HEIGHT = {1: 3.4, 2: 5.2, 3: 7.0}, 5.2
DASHED, DOTTED = (0, (3, 1.5)), (0, (1, 1.2))
FAR = 1e8  # from the loss at the start to the ends of its axis
LONG = 18  # letters of a label, of which three stand side by side in one column of a journal, five in two
MOST = 7  # curves that can be told apart
PLACES = ((0.1, 0.18, 0.4, 0.3), (0.64, 0.76, 0.35, 0.24))  # of the inset
TICKS = 0.09  # of the panel, for the ticks of the inset


class Curves(NamedTuple):
    """What was configured, the reduced curves, and the limit of the dataset, if there is one and it is known."""

    point: Mapping[str, Any]
    lines: pd.DataFrame
    own: Mapping[str, Any] | None

    @property
    def kind(self) -> str:
        """Say whether the dataset is separable."""
        if self.own is None:
            return ""
        return ", separable" if self.own["separable"] else ", inseparable"


@styled
@needs(*CURVES, of="rows of a trajectory solver")
def trajectories(*tables: Dataset) -> Figure:
    """Draw loss, accuracy, ‖S‖ and -b against time, a colour for each point of the sweep.

    Lines are medians over realizations, in a band of quartiles where there are several; solid on fresh data
    (exact expectations), dashed on the training set. Where two fields vary, that of fewer values makes columns.
    Tables of different columns, such as those of two solvers, are drawn together. Diamonds on the right are the
    exact limits of accuracy and ‖S‖ for N → ∞ and t → ∞, where the model has them. With rows of the solver limit
    as well they are those of the dataset itself, filled, and labels or titles say whether it is separable. An
    inset shows losses that rise before they fall.
    """
    ends = [rows for rows in tables if SEPARABLE in rows.schema.names]
    tables = tuple(rows for rows in tables if SEPARABLE not in rows.schema.names)
    known = [limits_of(rows, *tables) for rows in ends]
    datasets = pd.concat(known) if known else None
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
    kinds: dict[Any, str] = {}
    for rows in tables:
        for curves in _reduced(rows, keys, datasets):
            label, value = words.say_all(hues, curves.point), curves.point[across] if across else ""
            for part in (("hue", label), ("column", value)):
                kinds[part] = curves.kind if kinds.get(part, curves.kind) == curves.kind else ""
            _draw(panels[value], curves, color=colors[label])
    labels = {label + kinds["hue", label]: color for label, color in colors.items()}
    for value, column in panels.items():
        _finish(column)
        apart = kinds["column", value] if list(labels) == list(colors) else ""
        column[0].set_title(words.say(across, value) + apart if across else "")
    if not across:
        _inset(panels[""][0])
    _explain(figure, labels, own=datasets is not None)
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


def _reduced(rows: Dataset, keys: Sequence[str], datasets: pd.DataFrame | None) -> Iterator[Curves]:
    points = points_of([rows])
    by = [name for name in keys if name in points]
    table = Mean(column=",".join(CURVES), by=",".join(by), quantiles="25,75", sketch=256)(rows)
    table = drawing.later(table)
    for point in points.to_dict("records"):
        same = np.ones(len(table), dtype=bool)
        for name in by:
            same &= table[name].to_numpy() == point[name]
        own = None if datasets is None else _own(rows, point, by, datasets)
        yield Curves(point, pd.DataFrame(table[same]), own)


def _own(rows: Dataset, point: Mapping[str, Any], by: list[str], datasets: pd.DataFrame) -> Mapping[str, Any] | None:
    """Return the limit of the only dataset of a point; nothing where there are several, or it is not known."""
    stored = rows.to_table(columns=list(dict.fromkeys([*by, *DATASET]))).to_pandas()
    same = np.all([stored[name] == point[name] for name in by], axis=0) if by else np.ones(len(stored), dtype=bool)
    found = stored[same].drop_duplicates(DATASET)[DATASET].merge(datasets, on=DATASET)
    return found.iloc[0].to_dict() if len(found) == 1 else None


def _draw(panels: Sequence[Axes], curves: Curves, *, color: str) -> None:
    loss, accuracy, weights = panels
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        _line(axes, curves.lines, f"train_{quantity}", color=color, linestyle=DASHED)
        _line(axes, curves.lines, f"test_{quantity}", color=color)
    _line(weights, curves.lines, "s_norm", color=color)
    _line(weights, curves.lines, "b", color=color, linestyle=DOTTED, sign=-1)
    weights.set_xlabel("time t = η × step" if "step" in curves.lines else "time t (η = 1)")
    limit, s_norm = _limits(curves)
    for axes, value in ((accuracy, limit), (weights, s_norm)):
        face = "white" if curves.own is None else color
        look = {"color": color, "markerfacecolor": face, "markeredgewidth": 0.8, "markersize": 4, "clip_on": False}
        if np.isfinite(value):
            axes.plot(1.0, value, "D", transform=axes.get_yaxis_transform(), zorder=4, **look)


def _line(axes: Axes, lines: pd.DataFrame, column: str, *, color: str, sign: int = 1, **look: Any) -> None:
    curve = lines.query(f"column == '{column}'").sort_values("time")
    axes.plot(curve["time"], sign * curve["median"], color=color, **look)
    if int(curve["kept"].to_numpy().max(initial=0)) > 1:
        axes.fill_between(curve["time"], sign * curve["q25"], sign * curve["q75"], color=color, alpha=0.18, linewidth=0)


def _limits(curves: Curves) -> tuple[float, float]:
    """Return accuracy and ‖S‖ for t → ∞, of the dataset or for N → ∞; nan where nothing is known or ‖S‖ diverges."""
    point = curves.point
    if not getattr(plug_in("solver", point["solver"]), "follows_gradient", False):
        return np.nan, np.nan
    if curves.own is None:
        known = limits(point)
        return known.get("test_accuracy", np.nan), known.get("s_norm", np.nan)
    if not curves.own["separable"]:
        return 1.0, float(curves.own["s_inf"] / point["sigma"])
    return float(limiting_accuracy(curves.own["margin"] * point["sigma"] ** 2)), np.nan


def _inset(loss: Axes) -> None:
    """Show losses on fresh data that rise before they fall, on a linear axis."""
    lines = [line for line in loss.lines if line.get_linestyle() == "-" and _turns(line)]
    if not lines:
        return
    heights = [np.asarray(line.get_ydata(), dtype=np.float64) for line in lines]
    inset = loss.inset_axes(min(PLACES, key=lambda place: _hidden(loss, place)))
    ends, starts = [], []
    for line, height in zip(lines, heights, strict=True):
        time = np.asarray(line.get_xdata(), dtype=np.float64)
        inset.plot(time, height, color=line.get_color())
        starts.append(time[0])
        ends.append(time[np.argmax(height < height[0] / 2)])
    inset.set(xscale="log", xlim=(min(starts), 3 * max(ends)), ylim=(0, 1.1 * max(map(np.max, heights))))
    inset.tick_params(labelsize=7)


def _hidden(axes: Axes, place: tuple[float, float, float, float]) -> int:
    """Return how many points of the lines lie behind an inset, or behind its ticks."""
    left, low, width, height = place
    points = [axes.transAxes.inverted().transform(axes.transData.transform(line.get_xydata())) for line in axes.lines]
    x, y = np.concatenate(points).T
    return int(np.sum((x > left - TICKS) & (x < left + width) & (y > low - TICKS) & (y < low + height)))


def _turns(line: Line2D) -> bool:
    height = np.asarray(line.get_ydata(), dtype=np.float64)
    return bool(1.02 * height[0] < height.max() < 10 * height[0] and height[-1] < height[0] / 2)


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


def _explain(figure: Figure, colors: dict[str, str], *, own: bool) -> None:
    entries = {label: drawing.handle(color, linestyle="-") for label, color in colors.items() if label}
    entries |= {"fresh data": drawing.handle(INK, linestyle="-")}
    entries |= {"training set": drawing.handle(INK, linestyle=DASHED)}
    if any(mark.get_marker() == "D" for axes in figure.axes for mark in axes.lines):
        entries |= {"t → ∞, this dataset" if own else "exact, N, t → ∞": drawing.handle(INK, marker="D")}
    short = max(map(len, entries)) <= LONG
    wide = (5 if short else 3) if figure.get_figwidth() >= 5 else 3 if short else 2
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=wide)
