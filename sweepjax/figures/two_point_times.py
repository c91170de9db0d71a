"""Loss and accuracy of the two-point model on fresh data, over λ, at a few times and in the limit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, INK, Array, needs, styled
from sweepjax.reducers.mean import Mean
from sweepjax.theory.margin import limiting_accuracy
from sweepjax.theory.population import population_accuracy
from sweepjax.theory.two_point_path import s_and_b

COLUMNS = ("log_test_loss", "test_accuracy")
MOST = 5  # times that can be told apart
LOSSES = 1e-8, 1e8  # beyond 1/2 the loss is soon greater than any number
LARGEST = 100.0  # logarithm of a loss that is far off the picture
PLACES = 81  # of λ on a theory curve


@styled
@needs("lam", "sigma", *COLUMNS, of="rows of the model two_point over time")
def two_point_times(rows: Dataset) -> Figure:
    """Draw the exponential loss and the accuracy against λ: points are rows, lines the closed form from S = b = 0.

    A colour is a recorded time, the same as in `loss_and_accuracy`; black is the limit, in which the
    loss is 0 below λ = 1/2 and infinite above.
    """
    table, sigma = _table(rows)
    figure = Figure(figsize=(3.4, 3.6))
    loss, accuracy = figure.subplots(2, 1, sharex=True)
    lam = np.unique(np.append(np.linspace(table["lam"].min(), table["lam"].max(), PLACES), CRITICAL))
    for time, color, points in _curves(table):
        _points(loss, points.query("column == 'log_test_loss'"), color, logarithm=True)
        _points(accuracy, points.query("column == 'test_accuracy'"), color)
        s, b = _path(time, lam, sigma)
        loss.plot(lam, np.exp(np.minimum(b + 0.5 * s**2, LARGEST)), color=color, label=_power(time))
        accuracy.plot(lam, population_accuracy(b, s), color=color)
    end = limiting_accuracy(np.maximum(2 * lam - 1, 0) * sigma, sigma=sigma)
    accuracy.plot(lam, end, color=INK, linestyle="--", label="t → ∞")
    for axes in (loss, accuracy):
        drawing.critical_line(axes)
    loss.set(yscale="log", ylabel="loss on fresh data", ylim=LOSSES)
    accuracy.set(xlabel="λ", ylabel="accuracy on fresh data", ylim=(0.48, 1.02))
    loss.legend(loc="upper left", title=f"σ = {sigma:g}, η = 1", alignment="left")
    accuracy.legend(loc="upper right")
    return figure


def _table(rows: Dataset) -> tuple[pd.DataFrame, float]:
    drawing.require_own(rows, "two_point_times")
    table = Mean(column=",".join(COLUMNS), by="lam,sigma")(rows)
    sigmas = np.unique(table["sigma"])
    if len(sigmas) > 1:
        raise ValueError(f"these rows hold {len(sigmas)} values of σ; this figure draws one")
    return table.query("time > 0"), float(sigmas[0])


def _curves(table: pd.DataFrame) -> Iterator[tuple[float, str, pd.DataFrame]]:
    groups: list[tuple[Any, pd.DataFrame]] = list(table.sort_values("lam").groupby("time"))
    shown = np.unique(np.linspace(0, len(groups) - 1, MOST).round().astype(int))
    for place in shown:
        yield groups[place][0], drawing.time_color(groups[place][0]), groups[place][1]


def _points(axes: Axes, points: pd.DataFrame, color: str, *, logarithm: bool = False) -> None:
    value = np.exp(np.minimum(points["median"], LARGEST)) if logarithm else points["median"]
    axes.plot(points["lam"], value, "o", color=color, mew=0, zorder=3)


def _path(time: float, lam: Array, sigma: float) -> tuple[Array, Array]:
    places = [s_and_b(time, float(ratio), sigma=sigma) for ratio in lam]
    return sigma * np.array([place.s for place in places]), np.array([place.b for place in places])


def _power(time: float) -> str:
    power = np.log10(time)
    return f"$t = 10^{{{power:.0f}}}$" if power == round(power) and power else f"$t = {time:.3g}$"
