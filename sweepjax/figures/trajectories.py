"""Losses, accuracies and weights over the course of training."""

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, styled
from sweepjax.reducers._stream import configuration
from sweepjax.reducers.mean import Mean

CURVES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "s_norm", "b")
FIELDS = ("lam", "sigma", "init_norm", "init_bias", "label_fraction", "sigma_a", "learning_rate", "n", "d")
SYMBOLS = {"lam": "λ", "sigma": "σ", "init_norm": "‖S₀‖", "init_bias": "b₀", "label_fraction": "r", "sigma_a": "σ_A"}
SYMBOLS |= {"learning_rate": "η", "n": "N"}
SIZE = (3.4, 5.2)
MOST = 7  # curves that can be told apart


@styled
def trajectories(rows: Dataset) -> Figure:
    """Draw loss, accuracy, ‖S‖ and -b against time, a colour for each point of the sweep.

    Lines are medians over realizations, in a band of quartiles where there are several; solid on fresh data
    (exact expectations), dashed on the training set.
    """
    missing = [name for name in CURVES if name not in rows.schema.names]
    if missing:
        raise ValueError(f"these rows have no {missing[0]} over time; this figure draws rows of a trajectory solver")
    keys = _varying(rows)
    table = Mean(column=",".join(CURVES), by=",".join(keys), quantiles="25,75", sketch=256)(rows)
    groups: list[tuple[Any, pd.DataFrame]] = list(table.groupby(keys)) if keys else [((), table)]
    if len(groups) > MOST:
        raise ValueError(f"{len(groups)} points of a sweep are too many to tell apart; give rows of at most {MOST}")
    figure = Figure(figsize=SIZE)
    loss, accuracy, weights = figure.subplots(3, 1, sharex=True)
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    for color, (key, points) in zip(colors, groups, strict=False):
        label = ", ".join(f"{SYMBOLS.get(name, name)} = {value:g}" for name, value in zip(keys, key, strict=True))
        for axes, names in ((loss, CURVES[:2]), (accuracy, CURVES[2:4])):
            _line(axes, points, names[0], color=color, linestyle=(0, (3, 1.5)))
            _line(axes, points, names[1], color=color, label=label)
        _line(weights, points, "s_norm", color=color)
        _line(weights, points, "b", color=color, linestyle=":", sign=-1)
    _finish(loss, accuracy, weights)
    if keys:
        loss.legend(loc="lower left")
    return figure


def _varying(rows: Dataset) -> list[str]:
    known = [name for name in FIELDS if name in configuration(rows)]
    values = rows.to_table(columns=known).to_pandas()
    found = [name for name in known if values[name].nunique() > 1]
    # Where λ varies at one n, d says the same.
    return [name for name in found if name != "d" or "lam" not in found]


def _line(axes: Axes, points: pd.DataFrame, column: str, *, color: str, sign: int = 1, **look: Any) -> None:
    curve = points.query(f"column == '{column}' and time > 0").sort_values("time")
    axes.plot(curve["time"], sign * curve["median"], color=color, **look)
    if int(curve["kept"].to_numpy().max(initial=0)) > 1:
        axes.fill_between(curve["time"], sign * curve["q25"], sign * curve["q75"], color=color, alpha=0.18, linewidth=0)


def _finish(loss: Axes, accuracy: Axes, weights: Axes) -> None:
    loss.set(xscale="log", yscale="log", ylabel="loss")
    top = loss.get_ylim()[1]
    loss.set_ylim(max(loss.get_ylim()[0], 1e-8 * top), top)
    accuracy.set(ylabel="accuracy", ylim=(None, 1.02))
    weights.set(xlabel="time t", ylabel=r"$\Vert S\Vert$ and $-b$")
    styles = {
        "fresh data": drawing.handle(INK, linestyle="-"),
        "training set": drawing.handle(INK, linestyle=(0, (3, 1.5))),
    }
    drawing.legend(accuracy, styles, "lower right")
    marks = {r"$\Vert S\Vert$": drawing.handle(INK, linestyle="-"), r"$-b$": drawing.handle(INK, linestyle=":")}
    drawing.legend(weights, marks)
    for axes in (accuracy, weights):
        axes.axhline(0.5 if axes is accuracy else 0, color=FAINT, linewidth=0.4, zorder=0)
    for axes in (loss, accuracy, weights):
        axes.margins(x=0.02)
