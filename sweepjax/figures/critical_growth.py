"""By which law ‖S_∞‖ grows as λ approaches 1/2 from below: a power, or a logarithm."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, INK, Array, Series, needs, styled
from sweepjax.theory import two_point
from sweepjax.theory.critical import CRITICAL_AMPLITUDE, s_inf_quantile
from sweepjax.theory.s_inf import s_inf

TOP, INTERVAL = 2.35, ("median_all_low", "median_all_high")
MEDIANS = tuple(f"median{which}{end}" for which in ("", "_all") for end in ("", "_low", "_high"))
SMALLEST, PLACES = 2e-4, 45  # 1 - 2λ where the curves end, and how many points they have


@styled
@needs("separable", "s_norm", of="rows of the solver limit")
def critical_growth(rows: Dataset) -> Figure:
    """Draw σ²‖S_∞‖² (1 - 2λ) of inseparable draws: constant for a square root, and falling to 0 for a logarithm.

    Points are squares of medians with 95 % intervals. Filled, they are of all draws, a separable one being infinite,
    and follow the law of N → ∞ (black) at every N. Open, they are of inseparable draws alone, and follow the coloured
    lines, where each draw acts as one of the aspect ratio λ + ξ/(2√N), ξ normal. Dashed is the two-point model.
    """
    drawing.require_own(rows, "critical_growth")
    table = drawing.averaged(rows, "s_norm").query(f"lam < {CRITICAL}")
    table = drawing.with_rows(table).assign(gap=1 - 2 * table["lam"])
    for name in MEDIANS:
        table[name] = table["gap"] * (table[name] * table.get("sigma", 1.0)) ** 2
    figure = Figure(figsize=(3.4, 3.4))
    axes = figure.subplots()
    gap = np.geomspace(1.3 * table["gap"].max(), SMALLEST, PLACES)
    for curve in drawing.series(table):
        _of_all(axes, curve)
        axes.plot(curve.points["gap"], curve.points["median"], "o", color=curve.color, mfc="none", mew=0.6, zorder=2)
        _at_size(axes, curve, gap)
    axes.plot(gap, gap * s_inf((1 - gap) / 2) ** 2, color=INK, zorder=2, label="exact, N → ∞")
    style = {"color": FAINT, "linestyle": "--", "zorder": 1}
    axes.plot(gap, gap * two_point.s_inf((1 - gap) / 2) ** 2, label="two-point model (logarithm)", **style)
    look = {"color": FAINT, "linewidth": 0.7, "marker": "o", "markerfacecolor": "none", "markeredgewidth": 0.6}
    axes.plot([], [], label="inseparable draws alone, law at each N", **look)
    _limit(axes)
    axes.set(xscale="log", xlabel="1 - 2λ", ylabel=r"$\sigma^2\Vert S_\infty\Vert^2\,(1-2\lambda)$")
    axes.set(xlim=(gap[0], gap[-1]), ylim=(0, TOP))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=1)
    return figure


def _of_all(axes: Axes, curve: Series) -> None:
    """Draw the medians that are finite; an interval without an upper end goes on to the top of the picture."""
    points = curve.points.query("median_all < inf")
    top = np.nan_to_num(points["median_all_high"].to_numpy(np.float64), nan=np.inf)
    points = points.assign(median_all_high=np.minimum(top, TOP))
    drawing.mark(axes, curve._replace(points=points), "median_all", along="gap", interval=INTERVAL)


def _at_size(axes: Axes, curve: Series, gap: Array) -> None:
    n = float(curve.points["n"].iloc[0])
    gap = gap[gap > 0.1 / np.sqrt(n)]
    axes.plot(gap, gap * s_inf_quantile(0.5, n=n, lam=(1 - gap) / 2) ** 2, color=curve.color, linewidth=0.7, zorder=2)


def _limit(axes: Axes) -> None:
    axes.plot(
        [100 * SMALLEST, SMALLEST], 2 * [CRITICAL_AMPLITUDE**2], color=INK, linewidth=0.6, linestyle=":", zorder=0
    )
    text = f"ln²2 + π²/8 = {CRITICAL_AMPLITUDE**2:.3f}"
    drawing.tag(axes, text, at=(SMALLEST, CRITICAL_AMPLITUDE**2), shift=(-2, 1))
