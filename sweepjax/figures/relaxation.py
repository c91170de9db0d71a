"""How slowly trainings come to rest near λ = 1/2: the rate μ with which S reaches S_∞, like t^(-μ)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, needs, styled

FEWEST, INTERVAL = 3, ("median_all_low", "median_all_high")  # points of a power; of a median


@styled
@needs("relaxation_rate", "s_norm", "lam", "n", "sigma", of="rows of the solver limit, of this version")
def relaxation(rows: Dataset) -> Figure:
    """Draw medians of μ/σ² against 1 - 2λ, and μ ‖S_∞‖² dataset by dataset against ‖S_∞‖.

    μ is the least eigenvalue of Σ p_i x_i x_iᵀ at S_∞. Medians, with 95 % bars, are of all draws: a
    separable one never comes to rest, μ = 0.
    Dashed is the power of 1 - 2λ through the points of the largest N.
    """
    figure = Figure(figsize=(3.4, 5.0))
    upper, lower = figure.subplots(2, 1)
    _medians(upper, rows)
    _draws(lower, rows)
    return figure


def _medians(axes: Axes, rows: Dataset) -> None:
    table = drawing.averaged(rows, "relaxation_rate").query(f"lam < {CRITICAL} and median_all > 0")
    table = drawing.with_rows(table).assign(gap=1 - 2 * table["lam"])
    for name in ("median_all", *INTERVAL):
        table[name] = table[name] / table["sigma"] ** 2
    bottom, top = table["median_all"].min() / 5, 2 * table["median_all_high"].max()
    table["median_all_low"] = np.maximum(table["median_all_low"], bottom)  # 0 where separable draws are many
    for curve in drawing.series(table):
        drawing.mark(axes, curve, "median_all", along="gap", interval=INTERVAL)
    largest = pd.DataFrame(table[table["n"] == table["n"].max()])
    if len(largest) >= FEWEST:
        _power(axes, largest)
    axes.set(xscale="log", yscale="log", xlabel="1 - 2λ", ylabel=r"$\mu/\sigma^2$", ylim=(bottom, top))
    drawing.decimal_ticks(axes)
    axes.legend(loc="upper left")


def _power(axes: Axes, points: pd.DataFrame) -> None:
    spread = np.log(
        points["median_all_high"]
        / np.maximum(points["median_all_low"], points["median_all"] ** 2 / points["median_all_high"])
    )
    power, height = np.polyfit(np.log(points["gap"]), np.log(points["median_all"]), 1, w=1 / spread)
    gap = np.array([points["gap"].min() / 1.5, points["gap"].max() * 1.5])
    label = f"power {power:.2f}, N = {points['n'].iloc[0]:g}"
    axes.plot(gap, np.exp(height) * gap**power, color=FAINT, linestyle="--", zorder=1, label=label)


def _draws(axes: Axes, rows: Dataset) -> None:
    columns = ["n", "d", "lam", "sigma", "s_norm", "relaxation_rate"]
    table = rows.to_table(columns=columns).to_pandas().dropna(subset="s_norm")
    unknown = int(table["relaxation_rate"].isna().sum())
    for curve in drawing.series(table):
        points = curve.points
        length = points["s_norm"] * points["sigma"]
        product = points["relaxation_rate"] * points["s_norm"] ** 2
        style = {"linestyle": "none", "markeredgewidth": 0, "alpha": 0.4, "zorder": 2}
        axes.plot(length, product, marker="o", markersize=2.2, color=curve.color, **style)
    axes.set(xscale="log", yscale="log", xlabel=r"$\sigma\Vert S_\infty\Vert$", ylabel=r"$\mu\,\Vert S_\infty\Vert^2$")
    if unknown:
        axes.set_title(f"not drawn: {unknown} of {len(table)} draws, whose μ is unknown")
