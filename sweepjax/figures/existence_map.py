"""Where the estimate of a logistic regression exists, over d/n and the strength of the signal."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures._drawing import cell_borders, needs, require_own, styled
from sweepjax.reducers.separable_fraction import SeparableFraction
from sweepjax.theory.logistic_signal import existence_threshold

SIDES = ["lam", "gamma"]
FARTHEST = 4.0  # standard errors, at both ends of the colors


@needs("separable", "certified", "gamma", of="rows of solver limit with a strength of the signal")
@styled
def existence_map(rows: Dataset) -> Figure:
    """Draw the share of separable draws, whose estimate does not exist, and how far it is off its law.

    The line is h(γ), above which no estimate exists as n → ∞. Beside it are the z scores of each point.

    Source:
        Candès, Sur (2020), Ann. Statist. 48, 27, figure 1.
    """
    require_own(rows, "existence_map")
    table = SeparableFraction(by="lam,gamma")(rows)
    if min(len(set(table[name])) for name in SIDES) < 2 or len(set(table["n"])) > 1:
        raise ValueError("a map needs several values of lam and of gamma, and one n; reduce by separable_fraction")
    figure = Figure(figsize=(6.2, 2.7), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    shares = _cells(left, table, "fraction", "viridis", (0, 1))
    scores = _cells(right, table, "z", "RdBu_r", (-FARTHEST, FARTHEST))
    gamma = np.linspace(table["gamma"].min(), table["gamma"].max(), 200)
    for axes, color in ((left, "white"), (right, "black")):
        axes.plot(existence_threshold(gamma), gamma, color=color, linewidth=1.2)
        axes.set_xlabel("κ = d/n")
    left.set_ylabel("γ")
    figure.colorbar(shares, ax=left, label="separable fraction", pad=0.01)
    figure.colorbar(scores, ax=right, label="z score", pad=0.01, extend="both")
    test, size = table.attrs, mpl.rcParams["legend.fontsize"]
    left.set_title(f"n = {table['n'].iloc[0]}; line: h(γ), n → ∞", fontsize=size)
    if test["chi_square_dof"]:
        said = f"χ² = {test['chi_square']:.1f} in {test['chi_square_dof']} bins, p = {test['chi_square_p']:.2g}"
        right.set_title(said, fontsize=size)
    return figure


def _cells(axes: Axes, table: pd.DataFrame, name: str, colors: str, ends: tuple[float, float]) -> QuadMesh:
    square = table.pivot_table(index="gamma", columns="lam", values=name)
    x, y = (cell_borders(np.asarray(each, np.float64)) for each in (square.columns, square.index))
    shown = np.clip(square.to_numpy(np.float64), *ends)
    return axes.pcolormesh(x, y, shown, vmin=ends[0], vmax=ends[1], cmap=mpl.colormaps[colors], rasterized=True)
