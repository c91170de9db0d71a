"""How long training and generalizing take along λ, and the law of their ratio."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset
from scipy.special import ndtri

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, INK, needs, styled
from sweepjax.figures._variation import along_lambda
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.theory.s_inf import loss_inf, s_inf

ACCURACY = 0.95
CURVES = ("train_accuracy", "test_accuracy")
TRAIN, TEST = "#D55E00", "#0072B2"
DASHED = (0, (3, 1.5))
LATE = 10.0  # where the law of late times begins to be worth drawing
BEYOND: dict[str, Any] = {"marker": "^", "markerfacecolor": "white", "markeredgewidth": 0.8, "markersize": 4}


@styled
@needs("lam", *CURVES, of="rows of a trajectory solver over λ")
def grokking_delay(rows: Dataset) -> Figure:
    """Draw when accuracy 0.95 is crossed for the last time, and √log of the ratio of test to training time.

    Medians of Kaplan and Meier with 95 % intervals; a triangle at the last recorded time says that the median,
    or the upper end of its interval, lies beyond. Dashed is the law of late times for N → ∞ and large σ: S = S_∞ and
    e^(-b) = 1 + L_∞ t, so t_test = (e^(1.645 σ‖S_∞‖) - 1)/L_∞, over the measured t_train in the lower panel.

    Source:
        Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489, section 4.
    """
    along_lambda(rows, "grokking_delay", CURVES)
    table = GrokkingTime(threshold=ACCURACY, by="lam")(rows)
    figure = Figure(figsize=(3.4, 4.4))
    upper, lower = figure.subplots(2, 1)
    _times(upper, table, end=drawing.last_time(rows))
    _ratio(lower, table.query(f"lam < {CRITICAL}"), table.attrs)
    return figure


def _times(axes: Axes, table: pd.DataFrame, *, end: float) -> None:
    for side, color in (("train", TRAIN), ("test", TEST)):
        _medians(axes, table.assign(x=table["lam"]), f"t_{side}", color=color, end=end)
        beyond = table[~np.isfinite(table[f"t_{side}_high"]) & (table[f"censored_{side}"] > 0)]
        if len(beyond):
            look = {"color": color, "linestyle": "none", "clip_on": False, "zorder": 4} | BEYOND
            axes.plot(beyond["lam"], np.full(len(beyond), end), **look)
    axes.set(yscale="log", xlabel="λ = d/N", ylabel=f"time of accuracy {ACCURACY:g} (η = 1)")
    lam = drawing.below(axes)
    late = _late(lam)
    axes.plot(lam[late < end], late[late < end], color=INK, linestyle=DASHED, zorder=1)
    drawing.critical_line(axes)
    entries = {"fresh data": drawing.handle(TEST, marker="o"), "training set": drawing.handle(TRAIN, marker="o")}
    entries |= {"beyond the record": drawing.handle(TEST, **BEYOND)}
    entries |= {"late times, N → ∞": drawing.handle(INK, linestyle=DASHED)}
    drawing.legend(axes, entries)


def _ratio(axes: Axes, table: pd.DataFrame, fit: Mapping[Any, Any]) -> None:
    table = table.assign(x=1 - 2 * table["lam"])
    _medians(axes, table, "sqrt_log_ratio", color=TEST)
    axes.set(xscale="log", xlabel="1 - 2λ", ylabel=r"$\sqrt{\log(t_{test}/t_{train})}$")
    finite = table.query("sqrt_log_ratio < inf")
    lam, t_train, height = (finite[name].to_numpy(np.float64) for name in ("lam", "t_train", "sqrt_log_ratio"))
    axes.plot(finite["x"], np.sqrt(np.log(_late(lam) / t_train)), color=INK, linestyle=DASHED, zorder=1)
    entries = {"late times, N → ∞": drawing.handle(INK, linestyle=DASHED)}
    if fit:
        x = 1 - 2 * np.array([lam.max(), lam.min()])
        mean = np.log1p(-2 * lam).mean(), height.mean()
        axes.plot(x, mean[1] + fit["slope"] * (np.log(x) - mean[0]), color=TEST, linewidth=0.8, zorder=1)
        axes.plot(x, mean[1] - np.sqrt(0.5) * (np.log(x) - mean[0]), color=FAINT, linewidth=0.8, zorder=0)
        entries |= {f"slope {fit['slope']:.3f} ± {fit['slope_se']:.3f}": drawing.handle(TEST, linestyle="-")}
        entries |= {r"slope $-1/\sqrt{2}$, two-point model": drawing.handle(FAINT, linestyle="-")}
    drawing.legend(axes, entries, "lower left")


def _late(lam: drawing.Array) -> drawing.Array:
    """Return when e^(-b) = 1 + L_∞ t makes the accuracy Φ(-b/σ‖S_∞‖) reach its threshold; nan if early."""
    with np.errstate(over="ignore"):
        time = np.expm1(ndtri(ACCURACY) * s_inf(lam)) / loss_inf(lam)
    return np.where(time > LATE, time, np.nan)


def _medians(axes: Axes, table: pd.DataFrame, column: str, *, color: str, end: float = np.inf) -> None:
    """Draw medians with their intervals, as far as they are known and up to `end`."""
    known = table.query(f"{column} < inf")
    middle, low, high = (known[name].to_numpy(np.float64) for name in (column, f"{column}_low", f"{column}_high"))
    up = np.minimum(high, end) - middle
    style = {"fmt": "o", "mew": 0, "elinewidth": 0.8, "clip_on": False, "zorder": 3, "color": color}
    axes.errorbar(known["x"], middle, yerr=[np.nan_to_num(middle - low), np.where(np.isfinite(up), up, 0)], **style)
