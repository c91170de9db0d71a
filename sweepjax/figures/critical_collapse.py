"""The law of ‖S_∞‖ at λ = 1/2: of one shape at every N, on a scale that grows like N^(1/4)."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, INK, needs, styled
from sweepjax.reducers import wilson
from sweepjax.reducers.mean import Mean
from sweepjax.theory.critical import critical_quantile, critical_tail, s_inf_quantile

PERCENTS = (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9)
FEW = 10  # draws beyond a quantile below which it is not drawn
PLACES = 24  # points of a curve


@styled
@needs("separable", "s_norm", "sigma", of="rows of the solver limit")
def critical_collapse(rows: Dataset) -> Figure:
    """Draw how often σ‖S_∞‖/N^(1/4) exceeds a value, and its median against N, over inseparable draws at λ = 1/2.

    Bars are 95 %. Coloured lines, and the curve beneath, are the law without a free number, where each draw acts as
    one of the aspect ratio 1/2 + ξ/(2√N), ξ normal; dashed is its limit, whose tail 1/s² has no variance.
    """
    drawing.require_own(rows, "critical_collapse")
    table = _table(rows)
    figure = Figure(figsize=(3.4, 4.2))
    upper, lower = figure.subplots(2, 1, gridspec_kw={"height_ratios": [3, 2]})
    for curve in drawing.series(table):
        _survival(upper, curve.points, color=curve.color, label=curve.label)
        drawing.mark(lower, curve, "median", along="n", interval=("median_low", "median_high"))
    _limit(upper, table)
    _medians(lower, table)
    return figure


def _table(rows: Dataset) -> pd.DataFrame:
    percents = ",".join(str(percent) for percent in PERCENTS)
    table = Mean(column="s_norm", by="lam,n,d,sigma", quantiles=percents, sketch=65_535)(rows)
    table = table.query(f"lam == {CRITICAL} and kept > 0")
    if table.empty:
        raise ValueError(
            "these rows hold no inseparable draw at λ = 1/2, which is what this figure shows; add --lambda 0.5"
        )
    scale = table["sigma"] / table["n"] ** 0.25
    lengths = [name for name in table if name.startswith(("q", "median"))]
    return table.assign(**{name: table[name] * scale for name in lengths})


def _survival(axes: Axes, points: pd.DataFrame, *, color: str, label: str) -> None:
    line = points.iloc[0]
    percents = np.array([percent for percent in PERCENTS if (1 - percent / 100) * line["kept"] >= FEW])
    values = line[[f"q{percent:g}" for percent in percents]].to_numpy(np.float64)
    above = 1 - percents / 100
    low, high = wilson(above * line["kept"], np.full(above.shape, line["kept"]))
    bars = {"fmt": "o", "mew": 0, "elinewidth": 0.8, "zorder": 3}
    axes.errorbar(values, above, yerr=[above - low, high - above], color=color, label=label, **bars)
    q = np.concatenate([np.linspace(0.002, 0.9, PLACES), 1 - np.geomspace(0.1, 2e-4, PLACES)])
    exact = s_inf_quantile(q, n=line["n"]) / line["n"] ** 0.25
    axes.plot(exact, 1 - q, color=color, linewidth=0.7, zorder=2)


def _limit(axes: Axes, table: pd.DataFrame) -> None:
    values = np.geomspace(0.4, 60, 200)
    axes.plot(values, critical_tail(values, n=1), color=INK, linestyle="--", zorder=1, label="N → ∞")
    axes.plot([], [], color=FAINT, linewidth=0.7, label="law at each N")
    drawing.tag(axes, "∝ 1/s²", at=(20, float(critical_tail(20, n=1))), shift=(3, 1))
    axes.set(
        xscale="log", yscale="log", xlabel=r"$s = \sigma\Vert S_\infty\Vert\,/\,N^{1/4}$", ylabel="fraction beyond s"
    )
    axes.set(xlim=(0.4, 60), ylim=(5e-4, 1.3))
    axes.legend(loc="lower left")


def _medians(axes: Axes, table: pd.DataFrame) -> None:
    n = np.geomspace(0.7 * table["n"].min(), 1.5 * table["n"].max(), PLACES)
    axes.plot(n, s_inf_quantile(0.5, n=n) / n**0.25, color=INK, zorder=2)
    limit = float(critical_quantile(0.5, n=1))
    axes.axhline(limit, color=INK, linestyle="--", zorder=1)
    drawing.tag(axes, f"N → ∞: {limit:.3f}", at=(n[0], limit), shift=(2, -2))
    axes.set(xscale="log", xlabel="N", ylabel="median of s", xlim=(n[0], n[-1]))
