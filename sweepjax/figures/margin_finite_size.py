"""The margin of separable draws near λ = 1/2, where its scatter is as wide as it is large."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, INK, Series, needs, styled
from sweepjax.theory.margin import margin_median

WINDOW = 6.0  # of √N (2λ - 1)
PLACES = 120
LARGE = 1e12  # stands for N → ∞
SLOPE = np.sqrt(2 * np.pi) / 4  # of κ against 2λ - 1 at 1/2
MEASURED = ("median", "median_low", "median_high")


@styled
@needs("separable", "margin", of="rows of the solver limit")
def margin_finite_size(rows: Dataset) -> Figure:
    """Draw √N M/σ against √N (2λ - 1), on which every N has one curve, and the ratio to that curve beneath.

    Points are medians of separable draws with 95 % intervals. The law, a thin line for each N, has no free number: M is
    normal about the exact κ(λ) with its exact deviation, and it is positive since other draws are inseparable.
    """
    drawing.require_own(rows, "margin_finite_size")
    table = drawing.averaged(rows, "margin").query(f"lam >= {CRITICAL}")
    table = drawing.with_rows(_scaled(table).query(f"place <= {WINDOW}"))
    figure = Figure(figsize=(3.4, 3.4))
    upper, lower = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [2, 1]})
    place = np.linspace(0, WINDOW, PLACES)
    for curve in drawing.series(table):
        drawing.mark(upper, curve, "median", along="place", interval=MEASURED[1:])
        n = float(curve.points["n"].iloc[0])
        law = np.sqrt(n) * margin_median(CRITICAL + place / (2 * np.sqrt(n)), n=n)
        upper.plot(place, law, color=curve.color, linewidth=0.7, zorder=1)
        _ratio(lower, curve)
    upper.plot(
        place,
        np.sqrt(LARGE) * margin_median(CRITICAL + place / (2 * np.sqrt(LARGE)), n=LARGE),
        color=INK,
        label="N → ∞",
    )
    upper.plot(place, SLOPE * place, color=FAINT, linestyle="--", zorder=1, label="κ(λ), without scatter")
    lower.axhline(1, color=INK, zorder=2)
    upper.set(ylabel=r"$\sqrt{N}\,M/\sigma$", ylim=(0, None))
    lower.set(xlabel=r"$\sqrt{N}\,(2λ - 1)$", ylabel="ratio to law", xlim=(-0.03 * WINDOW, 1.02 * WINDOW))
    upper.legend(loc="upper left")
    return figure


def _scaled(table: pd.DataFrame) -> pd.DataFrame:
    scale = np.sqrt(table["n"]) / table.get("sigma", 1.0)
    return table.assign(place=np.sqrt(table["n"]) * (2 * table["lam"] - 1), **{m: table[m] * scale for m in MEASURED})


def _ratio(axes: Axes, curve: Series) -> None:
    points = curve.points
    law = np.sqrt(points["n"]) * margin_median(points["lam"], n=points["n"])
    points = points.assign(**{name: points[name] / law for name in MEASURED})
    drawing.mark(axes, curve._replace(points=points), "median", along="place", interval=MEASURED[1:])
