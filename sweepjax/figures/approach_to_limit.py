"""Where trainings arrive, dataset by dataset, against the limit of each."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, styled
from sweepjax.figures._limits import DATASET, with_limits
from sweepjax.theory.margin import limiting_accuracy
from sweepjax.theory.population import population_accuracy

CURVES = ("time", "s_norm", "b")
SPAN = 3.0  # decades of time over which the last slope is taken
BELOW, ABOVE = "#0072B2", "#D55E00"
DOT: dict[str, Any] = {"markersize": 2.2, "markeredgewidth": 0, "alpha": 0.5, "zorder": 2}


@styled
def approach_to_limit(rows: Dataset, limit: Dataset | None = None) -> Figure:
    """Draw the end of every training against the limit of its dataset: the speed of b, and the accuracy.

    Inseparable: e^(-b)/t against L_∞, the least mean of e^(S·x). Separable of margin M: the accuracy at the
    last recorded time (faint), which approaches Φ(1/σM) like 1/log t, and the accuracy Φ(-Δb/σΔ‖S‖) that the
    last decades point to. Needs the trainings, and then rows of the solver limit on the same datasets.
    """
    if limit is None:
        raise ValueError(
            "this figure compares trainings with limits; give the trainings, then rows of the solver limit"
        )
    table = ends(rows, limit)
    figure = Figure(figsize=(3.4, 5.0))
    upper, lower = figure.subplots(2, 1)
    _inseparable(upper, table.query("not separable"))
    _separable(lower, table.query("separable"))
    return figure


def ends(rows: Dataset, limit: Dataset) -> pd.DataFrame:
    """Return where each training ends: `rate` e^(-b)/t with `loss_inf`; `accuracy`, `towards` and `accuracy_inf`."""
    table = with_limits(_read(rows), limit, rows)
    expected = limiting_accuracy(table["margin"].to_numpy() * table["sigma"].to_numpy() ** 2)
    towards = population_accuracy(-table["slope"], table["sigma"])
    spread = table["s_norm"] * table["sigma"]
    accuracy = np.where(spread.notna(), population_accuracy(table["b"], spread.fillna(0)), np.nan)
    rate = np.exp(-table["b"] - np.log(table["time"]))
    return table.assign(rate=rate, accuracy=accuracy, towards=towards, accuracy_inf=expected)


def _read(rows: Dataset) -> pd.DataFrame:
    missing = [name for name in (*CURVES, *DATASET, "sigma") if name not in rows.schema.names]
    if missing:
        raise ValueError(f"these rows have no {missing[0]}; this figure draws rows of a trajectory solver")
    table = rows.to_table(columns=["lam", "sigma", *DATASET, *CURVES]).to_pandas()
    time, s_norm, b = (_carried(table[name]) for name in CURVES)
    if not time.size:
        raise ValueError(drawing.NOTHING_LATER)
    start = np.argmin(np.abs(np.log10(time / time[:, -1:]) + SPAN), axis=1)
    each = np.arange(len(table))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = -(b[:, -1] - b[each, start]) / (s_norm[:, -1] - s_norm[each, start])
    return table.assign(time=time[:, -1], s_norm=s_norm[:, -1], b=b[:, -1], slope=slope)


def _carried(curves: pd.Series) -> drawing.Array:
    """Return curves [r t] at positive times; one that was stopped keeps its last value."""
    values = np.stack(curves.to_numpy()).astype(np.float64)[:, 1:]  # pyright: ignore
    return pd.DataFrame(values).ffill(axis=1).to_numpy()


def _counted(error: Any, kind: str) -> str:
    """Return how many datasets there are, and of how many there is nothing to draw."""
    absent = int(np.isnan(error).sum())
    return f"{len(error)} {kind} datasets" + (f", {absent} not drawn" if absent else "")


def _short(value: Any) -> str:
    """Return one digit of a number, with a power of ten where it is small."""
    digit, _, power = f"{value:.0e}".partition("e")
    return rf"${digit}\cdot10^{{{int(power)}}}$" if power and int(power) < -2 else f"{value:.1g}"


def _inseparable(axes: Axes, table: pd.DataFrame) -> None:
    axes.plot(table["loss_inf"], table["rate"], "o", color=BELOW, **DOT)
    axes.set(xlabel=r"$L_\infty$ of the dataset", ylabel=r"$e^{-b}/t$ at the last time")
    error = (table["rate"] / table["loss_inf"] - 1).abs()
    deviations = f"median deviation {_short(error.median())}, largest {_short(error.max())}"
    _finish(axes, f"{_counted(error, 'inseparable')}\n{deviations}")


def _separable(axes: Axes, table: pd.DataFrame) -> None:
    axes.plot(table["accuracy_inf"], table["accuracy"], "o", color=FAINT, **DOT)
    axes.plot(table["accuracy_inf"], table["towards"], "o", color=ABOVE, **DOT)
    axes.set(xlabel=r"$\Phi(1/\sigma M)$ of the dataset", ylabel="accuracy on fresh data")
    marks = {"at the last time": drawing.handle(FAINT, marker="o")}
    drawing.legend(axes, marks | {"where the last decades point": drawing.handle(ABOVE, marker="o")}, "lower right")
    error = (table["towards"] - table["accuracy_inf"]).abs()
    _finish(axes, f"{_counted(error, 'separable')}\nmedian difference {_short(error.median())}")


def _finish(axes: Axes, text: str) -> None:
    low, high = axes.get_xlim()
    axes.plot((low, high), (low, high), color=INK, linewidth=0.6, zorder=1)
    axes.set_xlim(low, high)
    axes.text(0.03, 0.97, text, transform=axes.transAxes, va="top", fontsize=mpl.rcParams["legend.fontsize"], color=INK)
