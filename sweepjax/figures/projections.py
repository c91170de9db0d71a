"""How the samples project on the direction of S_∞, and on that of the margin."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset
from scipy.special import ndtr, ndtri

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, INK, Series, needs, styled
from sweepjax.theory.critical import CRITICAL_POSITIVE_FRACTION
from sweepjax.theory.margin import margin
from sweepjax.theory.s_inf import negative_mean, positive_fraction, positive_mean

PLACES = 40  # points of a curve, and of the law at each of them
SIGNS = {"positive_mean": positive_mean, "negative_mean": negative_mean}
LENGTHS = (*SIGNS, "margin")


@styled
@needs("lam", "n", "d", "sigma", "positive_fraction", *LENGTHS, of="rows of the solver limit")
def projections(rows: Dataset) -> Figure:
    """Draw the positive fraction of S_∞·x, and the mean projections of either sign with the margin.

    Inseparable draws for λ ≤ 1/2, separable ones for λ ≥ 1/2; means with standard errors. Lengths are in
    units of σ, so every σ has the same theory. Coloured is the law below 1/2 at each N; dashed is the nearer
    sample of the two-point model, at |1 - 2λ|.
    """
    drawing.require_own(rows, "projections")
    table = drawing.averaged(rows, ",".join(("positive_fraction", *LENGTHS)))
    table = drawing.with_rows(table.query(f"lam == {CRITICAL} or (column == 'margin') == (lam > {CRITICAL})"))
    fractions, lengths = table.query("column == 'positive_fraction'"), table.query(f"column in {LENGTHS}")
    heights = [2, 3] if len(fractions) else [3]
    figure = Figure(figsize=(3.4, 0.8 * sum(heights)))
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    panels[0].set_xlim(*_limits(table))
    if len(fractions):
        _fractions(panels[0], fractions)
    _lengths(panels[-1], lengths)
    named = {curve.label: drawing.handle(curve.color, marker="o") for curve in drawing.series(table)}
    if len(fractions):
        named |= {"law at each N": drawing.handle(drawing.FAINT, linestyle="-", linewidth=0.7)}
    drawing.legend(panels[0], named, "lower left" if len(fractions) else "upper left")
    return figure


def _fractions(axes: Axes, table: pd.DataFrame) -> None:
    for curve in drawing.series(table):
        drawing.mark(axes, curve, "mean", interval=("mean_low", "mean_high"))
        _at_size(axes, curve, positive_fraction)
    lam = drawing.below(axes)
    axes.plot(lam, positive_fraction(lam), color=INK, zorder=2)
    if axes.get_xlim()[1] >= CRITICAL:
        place = CRITICAL, CRITICAL_POSITIVE_FRACTION
        axes.plot(*place, "o", mfc="white", mec=INK, mew=0.8, zorder=4, clip_on=False)
        drawing.tag(axes, f"{CRITICAL_POSITIVE_FRACTION:.4f}", at=place, shift=(5, -5))
    drawing.critical_line(axes)
    axes.set(ylabel=r"fraction of $S_\infty\cdot x_i > 0$", ylim=(0, None))


def _at_size(axes: Axes, curve: Series, law: Callable) -> None:
    """Draw the mean over inseparable draws at a finite N: each acts as one of λ + ξ/(2√N) below 1/2, ξ normal."""
    n = float(curve.points["n"].iloc[0])
    lam = np.linspace(axes.get_xlim()[0], CRITICAL, PLACES)
    most = ndtr(2 * np.sqrt(n) * (CRITICAL - lam))
    shift = ndtri(most[:, None] * (np.arange(PLACES) + 0.5) / PLACES) / (2 * np.sqrt(n))
    known = np.linspace(0.01, np.cbrt(CRITICAL - 1e-3), 2 * PLACES) ** 3  # distances from 1/2, denser near it
    distance = np.clip(CRITICAL - lam[:, None] - shift, known[0], known[-1])
    mean = np.interp(distance, known, law(CRITICAL - known)).mean(axis=1)
    axes.plot(lam, mean, color=curve.color, linewidth=0.7, zorder=2)


def _lengths(axes: Axes, table: pd.DataFrame) -> None:
    table = table.assign(**{name: table[name] / table["sigma"] for name in ("mean", "mean_low", "mean_high")})
    for column, points in table.groupby("column"):
        for curve in drawing.series(points):
            drawing.mark(axes, curve, "mean", interval=("mean_low", "mean_high"))
            if law := SIGNS.get(str(column)):
                _at_size(axes, curve, law)
    below, above = drawing.below(axes), drawing.above(axes)
    if set(table["column"]) - {"margin"}:
        axes.plot(below, positive_mean(below), color=INK, zorder=2)
        axes.plot(below, negative_mean(below), color=INK, zorder=2)
        axes.plot(below, 1 - 2 * below, color=FAINT, linestyle="--", zorder=1)
    if "margin" in set(table["column"]):
        axes.plot(above, margin(above), color=INK, zorder=2)
        axes.plot(above, 2 * above - 1, color=FAINT, linestyle="--", zorder=1)
    axes.axhline(0, color=INK, linewidth=0.6, zorder=0)
    drawing.critical_line(axes)
    axes.set(xlabel="λ = d/N", ylabel=r"projection on $\hat{S}$, in units of σ")
    _names(axes, table)


def _names(axes: Axes, table: pd.DataFrame) -> None:
    low, high = axes.get_xlim()
    if set(table["column"]) - {"margin"}:
        drawing.tag(axes, r"mean of $\hat{S}\cdot x_i > 0$", at=(low, 0), shift=(4, -3))
        start = float(negative_mean(drawing.below(axes)[0]))
        drawing.tag(axes, r"mean of $\hat{S}\cdot x_i < 0$", at=(low, start), shift=(4, 15))
    if max(table["lam"]) > CRITICAL and "margin" in set(table["column"]):
        end = 0.6 * float(margin(min(high, max(table["lam"]))))
        drawing.tag(axes, "margin $M$", at=(high, end), shift=(-1e-9, -3))
    lines = {
        "exact, N → ∞": drawing.handle(INK, linestyle="-"),
        "two-point model": drawing.handle(FAINT, linestyle="--"),
    }
    both = "negative_mean" in set(table["column"])  # there is room between what is positive and what is negative
    drawing.legend(axes, lines, "center right" if both else "lower right")


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    low, high = min(table["lam"]), max(table["lam"])
    pad = 0.04 * max(high - low, 0.05)
    return low - pad, high + pad
