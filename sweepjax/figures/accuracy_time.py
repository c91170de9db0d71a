"""How long the two-point model takes to generalize, over the width of the data and the distance from λ = 1/2."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import INK, Array, needs, styled
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.theory.two_point_path import accuracy_time as exact_time

ACCURACY = 0.95
SIGMA, GAP = (0.8, 20.0), (1e-4, 0.5)  # the range of the map
CELLS = 64  # a side
LABELS = 12.0  # the σ at which the contours are named
NEVER = "0.85"  # the colour where accuracy is never below
COLORS = mpl.colormaps["viridis"].with_extremes(bad=NEVER)
TIMES = LogNorm(1, 1e6)


@styled
@needs("lam", "sigma", "test_accuracy", of="rows of the model two_point over time")
def accuracy_time(rows: Dataset | None = None) -> Figure:
    """Draw the time after which accuracy stays above 0.95, over σ and 1 - 2λ, from S = b = 0.

    The map is theory. Circles, if there are rows of the model two_point, are measured and coloured alike: one that
    cannot be seen but for its rim agrees. In the grey part the accuracy is never below 0.95.
    """
    table = _measured(rows) if rows is not None else pd.DataFrame({"lam": [], "sigma": [], "time": []})
    sigma, gap = np.geomspace(*SIGMA, CELLS), np.geomspace(*GAP, CELLS)
    time = np.array([[exact_time(ACCURACY, (1 - x) / 2, sigma=float(width)) for width in sigma] for x in gap])
    figure = Figure(figsize=(3.4, 2.7))
    axes = figure.subplots()
    mesh = axes.pcolormesh(sigma, gap, np.where(time > 0, time, np.nan), norm=TIMES, cmap=COLORS, rasterized=True)
    _contours(axes, sigma, gap, time)
    style = {"norm": TIMES, "cmap": COLORS, "edgecolors": "white", "linewidths": 0.6, "s": 22, "zorder": 3}
    axes.scatter(table["sigma"], 1 - 2 * table["lam"], c=table["time"], plotnonfinite=True, clip_on=False, **style)
    axes.set(xscale="log", yscale="log", xlabel="σ", ylabel="1 - 2λ", facecolor=NEVER)
    axes.set_xticks([1, 2, 5, 10, 20], labels=["1", "2", "5", "10", "20"])
    axes.minorticks_off()
    axes.text(0.87, 1e-3, "never below", rotation=90, ha="center", va="center", fontsize=7, color=INK)
    figure.colorbar(mesh, label=f"time to accuracy {ACCURACY} (η = 1)", extend="max").minorticks_off()
    return figure


def _measured(rows: Dataset) -> pd.DataFrame:
    drawing.require_own(rows, "accuracy_time")
    table = GrokkingTime(quantity="accuracy", threshold=ACCURACY, by="lam,sigma")(rows)
    # Below from the start on, in exact arithmetic, is below up to the first recorded time here.
    return table.assign(time=table["t_test"].where(np.isfinite(table["half_width_test"]))).query("lam < 0.5")


def _contours(axes: Axes, sigma: Array, gap: Array, time: Array) -> None:
    levels = [10.0**power for power in range(1, 6)]
    lines = axes.contour(sigma, gap, np.where(time > 0, time, np.nan), levels=levels, colors="white", linewidths=0.5)
    column = int(np.searchsorted(sigma, LABELS))
    places = [(sigma[column], gap[np.argmin(np.abs(time[:, column] - level))]) for level in levels]
    axes.clabel(lines, fmt=lambda level: f"$10^{np.log10(level):.0f}$", fontsize=7, manual=places)
