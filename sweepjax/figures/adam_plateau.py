"""Adam's first steps, in which no sample is told from another: accuracy stays near one half."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset
from scipy.special import ndtr

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, needs, styled
from sweepjax.figures._limits import DATASET, with_limits
from sweepjax.figures._variation import Words, points_of, varying
from sweepjax.reducers.mean import Mean

CURVES = ("train_accuracy", "test_accuracy", "s_norm", "b")
NEEDED = (*CURVES, "step", "learning_rate", "d")
DASHED, DOTTED = (0, (3, 1.5)), (0, (1, 1.2))
SMALL: dict[str, Any] = {"textcoords": "offset points", "xycoords": ("axes fraction", "data"), "fontsize": 7}


@styled
@needs(*NEEDED, of="rows of a solver whose first steps move every coordinate alike")
def adam_plateau(rows: Dataset, limit: Dataset | None = None) -> Figure:
    """Draw accuracies, ‖S‖/√d and -b against the step, with what equal moves of all coordinates would give.

    While Adam moves every coordinate by the learning rate η a step, ‖S‖ ≈ η√d k and -b ≈ ηk after k steps, so
    that the accuracy is Φ(1/σ√d), hardly above one half. Medians over realizations, in a band of quartiles. From
    -b = log 1/ε on gradients are smaller than Adam's own ε, and b goes on like log k. With rows of the solver limit as
    well the legend says whether the datasets are separable.

    Source:
        Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489, figure 5.
    """
    drawing.require_own(rows, "adam_plateau", "solver")
    points = points_of([rows])
    keys, words, cycle = varying(points), Words.of(points), mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    if len(points) > len(cycle):
        raise ValueError(
            f"{len(points)} points of a sweep are too many to tell apart; give rows of at most {len(cycle)}"
        )
    table = Mean(column=",".join(CURVES), by=",".join(keys), quantiles="25,75", sketch=256)(rows).query("step > 0")
    figure = Figure(figsize=(3.4, 4.0))
    accuracy, weights = figure.subplots(2, 1, sharex=True)
    entries = {}
    for color, point in zip(cycle, points.to_dict("records"), strict=False):
        same = np.all([table[name] == point[name] for name in keys], axis=0) if keys else slice(None)
        lines = pd.DataFrame(table[same])
        _accuracies(accuracy, lines, point, color)
        _weights(weights, lines, point, color)
        entries |= {words.say_all(keys, point): drawing.handle(color, linestyle="-")} if keys else {}
    _finish(accuracy, weights, entries, title=_kinds(rows, limit))
    _slowed(weights, points)
    return figure


def _kinds(rows: Dataset, limit: Dataset | None) -> str:
    """Return what the legend says of the class of the datasets, if it is known and the same of all."""
    if limit is None:
        return ""
    trained = rows.to_table(columns=DATASET).to_pandas().drop_duplicates()
    found = set(with_limits(trained, limit, rows)["separable"])
    if len(found) != 1:
        return ""
    many = "datasets" if len(trained) > 1 else "dataset"
    return f"{'separable' if found.pop() else 'inseparable'} {many}"


def _slowed(axes: Axes, points: pd.DataFrame) -> None:
    """Mark where the gradient of b falls below ε."""
    for eps in sorted(set(points["eps"])) if "eps" in points else ():
        level = -float(np.log(eps))
        axes.axhline(level, color=FAINT, linewidth=0.6, linestyle=DOTTED, zorder=0)
        axes.annotate(r"$\log\,1/\epsilon$", (0.72, level), (0, 2), ha="right", va="bottom", **SMALL)


def _accuracies(axes: Axes, lines: pd.DataFrame, point: dict[Any, Any], color: str) -> None:
    _line(axes, lines, "train_accuracy", color=color, linestyle=DASHED)
    _line(axes, lines, "test_accuracy", color=color)
    level = float(ndtr(1 / (point.get("sigma", 1.0) * np.sqrt(point["d"]))))
    axes.axhline(level, color=FAINT, linewidth=0.8, zorder=0)
    axes.annotate(rf"$\Phi(1/\sigma\sqrt{{d}}) = {level:.3f}$", (1, level), (0, -3), ha="right", va="top", **SMALL)


def _weights(axes: Axes, lines: pd.DataFrame, point: dict[Any, Any], color: str) -> None:
    _line(axes, lines, "s_norm", color=color, scale=1 / np.sqrt(point["d"]))
    _line(axes, lines, "b", color=color, scale=-1, linestyle=DOTTED)
    steps = np.unique(lines["step"])
    axes.plot(steps, point["learning_rate"] * steps, color=FAINT, linewidth=0.8, zorder=0)


def _line(axes: Axes, lines: pd.DataFrame, column: str, *, color: str, scale: float = 1, **look: Any) -> None:
    curve = lines.query(f"column == '{column}'").sort_values("step")
    axes.plot(curve["step"], scale * curve["median"], color=color, **look)
    if int(curve["kept"].to_numpy().max(initial=0)) > 1:
        band = scale * curve["q25"], scale * curve["q75"]
        axes.fill_between(curve["step"], *band, color=color, alpha=0.18, linewidth=0)


def _finish(accuracy: Axes, weights: Axes, named: dict[str, Any], *, title: str) -> None:
    accuracy.set(xscale="log", ylabel="accuracy", ylim=(0.44, 1.02))
    styles = {"fresh data": drawing.handle(INK, linestyle="-"), "training set": drawing.handle(INK, linestyle=DASHED)}
    entries = named | styles
    figure: Any = accuracy.figure
    figure.legend(list(entries.values()), list(entries), loc="outside upper center", ncols=2, title=title or None)
    weights.set(yscale="log", xlabel="step k", ylabel="weights")
    low = min(float(np.asarray(line.get_ydata())[0]) for line in weights.lines if line.get_color() == FAINT)
    weights.set_ylim(0.3 * low, None)
    marks = {r"$\Vert S\Vert/\sqrt{d}$": drawing.handle(INK, linestyle="-")}
    marks |= {r"$-b$": drawing.handle(INK, linestyle=DOTTED)}
    drawing.legend(weights, marks | {"η k": drawing.handle(FAINT, linestyle="-")}, "lower right")
