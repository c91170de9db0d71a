"""How far S goes below the transition, and how wide the gap is above it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, INK, Array, Series, needs, styled
from sweepjax.figures._sides import sides
from sweepjax.theory import two_point
from sweepjax.theory.margin import margin
from sweepjax.theory.s_inf import s_inf
from sweepjax.theory.separability import inseparable_probability, separable_probability

COLUMNS = "s_norm,margin"
RARE = 1e-3
EXACT, MARKS = "exact", 6  # what the legend explains besides the curves; the last takes two lines
OPEN = {"marker": "o", "markerfacecolor": "none", "markeredgewidth": 0.6}
LINE, HIGH = 0.14, 2.6  # of a line of the legend, and of all below it, in inches


@styled
@needs("lam", "n", "d", "s_norm", "margin", of="rows of the solver limit")
def s_norm_and_margin(rows: Dataset) -> Figure:
    """Draw ‖S_∞‖ for λ ≤ 1/2 and the margin for λ ≥ 1/2.

    Points are medians of all draws with 95 % intervals in a band of quartiles: a separable draw has an infinite
    ‖S_∞‖, an inseparable one no margin, and those beyond the picture are not drawn. Circles are medians of
    inseparable draws alone (left) and of separable ones (right). Diamonds are means of these, shown only where draws
    of the other kind are rarer than one in a thousand: nearer to λ = 1/2 they have no standard error. On a side
    where points crowd at λ = 1/2 the distance from it is drawn by its square root.
    """
    drawing.with_rows(drawing.averaged(rows, COLUMNS))
    table = _both(rows)
    below = table.query(f"column == 's_norm' and lam <= {CRITICAL}")
    above = table.query(f"column == 'margin' and lam >= {CRITICAL}")
    curves = list(drawing.series(table))
    marks = len(curves) + MARKS
    room = LINE * max(-(-marks // 2), marks // 2 + 1)
    figure = Figure(figsize=(3.4, HIGH + room))
    figure.set_layout_engine("none")
    left, right = sides(figure, below, above, room=room)
    for axes, points, label in ((left, below, r"$\Vert S_\infty\Vert$"), (right, above, r"margin $M$")):
        if axes is not None:
            _draw(axes, points)
            axes.set_ylabel(label)
    if drawing.owned(rows, "s_norm_and_margin"):
        if left is not None:
            _theory(left, drawing.below(left), below, s_inf, lambda lam, sigma: two_point.s_inf(lam) / sigma)
        if right is not None:
            _theory(right, drawing.above(right), above, margin, lambda lam, sigma: sigma * (2 * lam - 1))
    figure.text(0.485, 0.015, "λ = d/N" + (", by √(1/2 - λ) below 1/2" if _by_roots(figure) else ""), ha="center")
    _explain(figure, curves)
    return figure


def _both(rows: Dataset) -> pd.DataFrame:
    """Return medians and quartiles of all draws, and by names that end in `_own` what is of one class alone."""
    own = drawing.averaged(rows, COLUMNS)
    every = drawing.averaged(drawing.of_all(rows, COLUMNS), COLUMNS)
    names = [name for name in (*drawing.KEYS, "column") if name in own]
    return every.merge(own[[*names, "mean", "se", "median"]], on=names, how="left", suffixes=("", "_own"))


def _by_roots(figure: Figure) -> bool:
    return figure.axes[0].get_xscale() == "function"


def _draw(axes: Axes, table: pd.DataFrame) -> None:
    curves = list(drawing.series(table))
    ends = table[["median_high", "q75", "median_own"]].to_numpy(np.float64)
    top = (1.05 + 0.05 * len(curves)) * float(np.max(ends[np.isfinite(ends)], initial=0.0))
    for curve in curves:
        _points(axes, curve, top=top)
    drawing.critical_line(axes)
    axes.set_ylim(0, top)


def _theory(axes: Axes, lam: Array, table: pd.DataFrame, exact: Callable, simple: Callable) -> None:
    """Draw the exact curve and that of the two-point model, for each σ."""
    for sigma in sorted({curve.sigma for curve in drawing.series(table)}):
        axes.plot(lam, exact(lam, sigma=sigma), color=INK, zorder=2, label=EXACT)
        axes.plot(lam, simple(lam, sigma), color=FAINT, linestyle="--", zorder=1, label="two-point model")


def _points(axes: Axes, curve: Series, *, top: float) -> None:
    points = curve.points
    low, high = (np.minimum(points[name].to_numpy(np.float64), top) for name in ("q25", "q75"))
    axes.fill_between(points["lam"], low, high, color=curve.color, alpha=0.18, linewidth=0)
    inside = points.query("median < inf")
    inside = inside.assign(median_high=np.minimum(inside["median_high"].to_numpy(np.float64), top))
    drawing.mark(axes, curve._replace(points=inside), "median", interval=("median_low", "median_high"))
    axes.plot(points["lam"], points["median_own"], color=curve.color, linestyle="none", clip_on=False, **OPEN)
    n, d = points["n"].to_numpy(), points["d"].to_numpy()
    other = np.where(points["lam"] < CRITICAL, separable_probability(n=n, d=d), inseparable_probability(n=n, d=d))
    settled = points.assign(other=other).query(f"other < {RARE}")
    style = {"fmt": "D", "ms": 4.5, "mfc": "none", "mew": 0.6, "elinewidth": 0.6, "capsize": 0, "clip_on": False}
    axes.errorbar(settled["lam"], settled["mean_own"], yerr=settled["se_own"].fillna(0), color=curve.color, **style)


def _explain(figure: Figure, curves: list[Series]) -> None:
    """Explain the marks above the panels, into whose corners points and bands reach."""
    color = curves[0].color if len(curves) == 1 else FAINT
    lines = [line for axes in figure.axes for line in axes.lines]
    marks = {curve.label: drawing.handle(curve.color, marker="o") for curve in curves}
    marks |= {"median of all draws (95 %)": drawing.handle(color, marker="o")}
    marks |= {"quartiles of all draws": Patch(color=color, alpha=0.18, linewidth=0)}
    marks |= {"median of one class": drawing.handle(color, **OPEN)}
    if any(line.get_label() == EXACT for line in lines):
        marks |= {"exact, N → ∞": drawing.handle(INK, linestyle="-")}
        marks |= {"two-point model": drawing.handle(FAINT, linestyle="--")}
    if any(line.get_marker() == "D" and np.size(line.get_xdata()) for line in lines):
        marks["mean ± s.e. of one class,\nthe other below 0.1 %"] = drawing.handle(color, marker="D")
    figure.legend(list(marks.values()), list(marks), loc="upper center", ncols=2)
