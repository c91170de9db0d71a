"""The law of the delay measured by losses: √log(t_test/t_train) along 1 - 2λ, for thresholds ε."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, INK, needs, styled
from sweepjax.figures._variation import along_lambda
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.theory.s_inf import loss_inf, s_inf

THRESHOLDS = {"logistic": (1e-1, 1e-2, 1e-4, 1e-8), "exponential": (1e-4,)}
LOSSES = {"logistic": "cross entropy", "exponential": "exponential"}
CURVES = ("loss", "train_loss", "test_loss")
APART = 1.03  # between the thresholds, whose marks stand side by side at each λ
DASHED = (0, (3, 1.5))


class Points(NamedTuple):
    """The medians at one threshold, and the slope through them."""

    label: str
    color: str
    marker: str
    table: pd.DataFrame


@styled
@needs("lam", *CURVES, of="rows of a trajectory solver over λ")
def loss_delay(*tables: Dataset) -> Figure:
    """Draw √log of the ratio of the times at which population and training loss fall below ε for good.

    Ratios are medians of Kaplan and Meier for λ < 1/2 with 95 % intervals, which go on to the top of the picture
    where the record does not show their upper ends; marks of one λ stand side by side, the last at its place. ±
    is the standard error of the least-squares slope. Dashed is √(σ²‖S_∞‖²/2 - log L_∞), exact for exponential
    losses, N → ∞ and small ε, whatever ε is; the two-point model has the slope -1/√2.

    Source:
        Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489, section 4.
    """
    figure = Figure(figsize=(3.4, 3.9))
    axes = figure.subplots()
    drawn = [points for rows in tables for points in _points(rows)]
    if not drawn:
        raise ValueError("at no λ below 1/2 do half of the trainings cross a threshold; give longer trainings")
    lam = np.unique(np.concatenate([points.table["lam"] for points in drawn]))
    exact = np.sqrt(s_inf(lam) ** 2 / 2 - np.log(loss_inf(lam)))
    top = 1.05 * max(exact.max(), *(_highest(points.table) for points in drawn))
    for place, points in enumerate(reversed(drawn)):
        _draw(axes, points, shift=APART**place, top=top)
    _theory(axes, lam, exact, top=top)
    entries = {points.label: drawing.handle(points.color, marker=points.marker) for points in drawn}
    marks = {"exponential, exact, N → ∞": drawing.handle(INK, linestyle=DASHED)}
    marks |= {r"slope $-1/\sqrt{2}$, two-point model": drawing.handle(FAINT, linestyle="-")}
    every = entries | marks
    figure.legend(list(every.values()), list(every), loc="outside upper left")
    return figure


def _points(rows: Dataset) -> Iterator[Points]:
    known = along_lambda(rows, "loss_delay", CURVES, besides=["loss"])
    for loss in sorted(set(known["loss"])):
        shades = mpl.colormaps["viridis"](np.linspace(0.8, 0, len(THRESHOLDS[loss])))
        for threshold, shade in zip(THRESHOLDS[loss], shades, strict=True):
            chosen: Any = rows.filter((pc.field("loss") == loss) & (pc.field("lam") < CRITICAL))
            table = GrokkingTime(quantity="loss", threshold=threshold, by="lam")(chosen)
            if np.isfinite(table["sqrt_log_ratio"]).any():
                yield _named(table, loss, threshold, to_hex(shade))


def _named(table: pd.DataFrame, loss: str, threshold: float, color: str) -> Points:
    power = rf"$\epsilon = 10^{{{round(np.log10(threshold))}}}$"
    slope = f": slope {table.attrs['slope']:.2f} ± {table.attrs['slope_se']:.2f}" if "slope" in table.attrs else ""
    kept = table.query("sqrt_log_ratio < inf")
    marker, color = ("o", color) if loss == "logistic" else ("s", "#D55E00")
    return Points(f"{LOSSES[loss]}, {power}{slope}", color, marker, kept)


def _highest(table: pd.DataFrame) -> float:
    """Return the highest end of the intervals that have one, or the highest median."""
    ends = table[["sqrt_log_ratio", "sqrt_log_ratio_high"]].to_numpy(np.float64)
    return float(ends[np.isfinite(ends)].max())


def _draw(axes: Axes, points: Points, *, shift: float, top: float) -> None:
    table, column = points.table, "sqrt_log_ratio"
    low, high = table[column] - table[f"{column}_low"], table[f"{column}_high"] - table[column]
    error = [low.fillna(0), high.fillna(np.inf).clip(upper=2 * top).where(low.notna(), 0)]
    style = {"fmt": points.marker, "mfc": "none", "mew": 0.7, "elinewidth": 0.6, "zorder": 3}
    axes.errorbar(shift * (1 - 2 * table["lam"]), table[column], yerr=error, color=points.color, **style)


def _theory(axes: Axes, lam: drawing.Array, exact: drawing.Array, *, top: float) -> None:
    x = 1 - 2 * lam
    axes.plot(x, exact, color=INK, linestyle=DASHED, zorder=1)
    axes.plot(x, exact[0] - np.sqrt(0.5) * np.log(x / x[0]), color=FAINT, linewidth=0.8, zorder=0)
    axes.set(xscale="log", xlabel="1 - 2λ", ylabel=r"$\sqrt{\log(t_{test}/t_{train})}$", ylim=(0, top))
    drawing.decimal_ticks(axes)
