"""How often random points are separable, against Wendel's exact law."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.columns import plug_ins
from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, Series, styled
from sweepjax.reducers import separable_fraction as reducer
from sweepjax.theory.separability import separable_probability


@styled
def separable_fraction(rows: Dataset) -> Figure:
    """Draw the measured fraction with 95 % Wilson bars on the exact curve, and its z scores beneath.

    A grey bar behind a point is where it could be if its uncertified rows were decided otherwise. A pair
    (n, d) is drawn once: groups that differ in σ or the loss are the same datasets.
    """
    strange = [name for name, model in plug_ins(rows, "model").items() if not getattr(model, "is_symmetric", False)]
    if strange:
        what = f"these rows are of the model {strange[0]}, whose draws need not follow Wendel's law"
        raise ValueError(f"{what}, which this figure draws; reduce them by separable_fraction")
    every = reducer.SeparableFraction()(rows)
    table = every.drop_duplicates(["n", "d"]).drop(columns="sigma", errors="ignore")
    figure = Figure(figsize=(3.4, 3.2))
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    curves = list(drawing.series(table))
    for curve in curves:
        _draw(upper, curve, color=INK if len(curves) == 1 else curve.color)
        lower.plot(curve.points["lam"], curve.points["z"], "o", color=curve.color, markeredgewidth=0)
    drawing.critical_line(upper)
    upper.set(ylabel="separable fraction", ylim=(-0.02, 1.02))
    named = {curve.label: drawing.handle(curve.color, marker="o") for curve in curves}
    drawing.legend(upper, {"Wendel, exact": drawing.handle(INK, linestyle="-")} | named, "best")
    _residuals(lower, table, every.attrs)
    return figure


def _draw(axes: Axes, curve: Series, *, color: str) -> None:
    points = curve.points
    n, d = (np.arange(min(points[name]), max(points[name]) + 1) for name in ("n", "d"))
    axes.plot(*np.broadcast_arrays(d / n, separable_probability(n=n, d=d)), color=color, zorder=2)
    axes.vlines(points["lam"], points["bound_low"], points["bound_high"], color=FAINT, alpha=0.5, linewidth=3, zorder=1)
    drawing.mark(axes, curve, "fraction", interval=("fraction_low", "fraction_high"))


def _residuals(axes: Axes, table: pd.DataFrame, test: dict) -> None:
    axes.axhspan(-2, 2, color=FAINT, alpha=0.2, linewidth=0, zorder=0)
    axes.axhline(0, color=INK, linewidth=0.6, zorder=1)
    reach = 1.5 * max(3.0, np.abs(table["z"].replace([np.inf, -np.inf], np.nan)).max())
    axes.set(xlabel="λ = d/N", ylabel="z score", ylim=(-reach, reach), yticks=[-2, 0, 2])
    text = f"χ² = {test['chi_square']:.1f} in {test['chi_square_dof']} bins, p = {test['chi_square_p']:.2g}"
    size = mpl.rcParams["legend.fontsize"]
    if test["chi_square_dof"]:
        axes.text(0.01, 0.97, text, transform=axes.transAxes, va="top", fontsize=size, color=INK)
