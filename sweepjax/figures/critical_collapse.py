"""The law of ‖S_∞‖ at λ = 1/2: of one shape at every N, on a scale that grows like N^(1/4)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset
from scipy.special import expit, logit

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, INK, needs, styled
from sweepjax.reducers import wilson
from sweepjax.reducers.mean import Mean
from sweepjax.theory.critical import critical_quantile, s_inf_quantile

PERCENTS = (1, 2, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9)
FEW = 10  # draws beyond a quantile below which it is not drawn
APART = 0.08  # between the sizes, which stand side by side, in log odds
TICKS = (0.99, 0.9, 0.5, 0.1, 0.01, 0.001)
PLACES = 24  # points of a curve


@styled
@needs("separable", "s_norm", "sigma", of="rows of the solver limit")
def critical_collapse(rows: Dataset) -> Figure:
    """Draw quantiles of s = σ‖S_∞‖/N^(1/4) over their law, and the median of s against N, at λ = 1/2.

    Of inseparable draws; above, from the lower quantiles on the left to the tail, by log odds, the sizes of one
    quantile side by side. Bars are 95 %. The law has no free number: each draw acts as one of the aspect ratio
    1/2 + ξ/(2√N), ξ normal. Dashed is its limit, whose tail 1/s² has no variance, over the law at the smallest N
    above.
    """
    drawing.require_own(rows, "critical_collapse")
    drawing.require_one_law(rows)
    table = _table(rows)
    figure = Figure(figsize=(3.4, 4.2))
    upper, lower = figure.subplots(2, 1, gridspec_kw={"height_ratios": [3, 2]})
    for place, curve in enumerate(drawing.series(table)):
        _ratios(upper, curve.points.to_dict("records")[0], curve, shift=place * APART)
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
    sizes = np.unique(np.asarray(table["n"]))
    if sizes.size < 2:
        raise ValueError(f"these rows are of one N, {sizes[0]}; a collapse compares several")
    scale = table["sigma"] / table["n"] ** 0.25
    lengths = [name for name in table if name.startswith(("q", "median"))]
    return table.assign(**{name: table[name] * scale for name in lengths})


def _ratios(axes: Axes, line: Mapping[Any, Any], curve: drawing.Series, *, shift: float) -> None:
    """Draw the quantiles of one N over their law; each bar is what the draws beyond a quantile may be, at 95 %."""
    kept = float(line["kept"])
    percents = [percent for percent in PERCENTS if (1 - percent / 100) * kept >= FEW]
    q = np.array(percents) / 100
    values = np.array([float(line[f"q{percent:g}"]) for percent in percents])
    law = s_inf_quantile(q, n=line["n"]) / line["n"] ** 0.25
    low, high = wilson(q * kept, np.full(q.shape, kept))
    ends = [s_inf_quantile(np.clip(end, 1e-6, 1 - 1e-6), n=line["n"]) / line["n"] ** 0.25 for end in (low, high)]
    bars = {"fmt": "o", "mew": 0, "elinewidth": 0.8, "zorder": 3}
    down, up = values * (1 - ends[0] / law), values * (ends[1] / law - 1)
    beyond = expit(logit(1 - q) + shift)
    axes.errorbar(beyond, values / law, yerr=[down / law, up / law], color=curve.color, label=curve.label, **bars)


def _limit(axes: Axes, table: pd.DataFrame) -> None:
    q = expit(np.linspace(-6, 8, 4 * PLACES))
    n = int(np.min(np.asarray(table["n"])))
    ratio = critical_quantile(q, n=1) / (s_inf_quantile(q, n=n) / n**0.25)
    axes.plot(1 - q, ratio, color=INK, linestyle="--", zorder=1, label=f"N → ∞ over N = {n}")
    axes.axhline(1, color=INK, zorder=2, label="law at each N")
    axes.set(xscale="logit", xlabel="fraction of draws beyond s", ylabel="s over its law", xlim=(0.996, 8e-4))
    axes.set_xticks(TICKS, labels=[f"{tick:g}" for tick in TICKS])
    axes.minorticks_off()
    axes.set_ylim(0.6, 1.6)
    axes.legend(loc="upper right", ncols=2)


def _medians(axes: Axes, table: pd.DataFrame) -> None:
    n = np.geomspace(0.7 * table["n"].min(), 1.5 * table["n"].max(), PLACES)
    axes.plot(n, s_inf_quantile(0.5, n=n) / n**0.25, color=INK, zorder=2)
    limit = float(critical_quantile(0.5, n=1))
    axes.axhline(limit, color=INK, linestyle="--", zorder=1)
    drawing.tag(axes, f"N → ∞: {limit:.3f}", at=(n[0], limit), shift=(2, -2))
    axes.set(xscale="log", xlabel="N", ylabel="median of s", xlim=(n[0], n[-1]))
    sizes = np.unique(np.asarray(table["n"]))
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.minorticks_off()
