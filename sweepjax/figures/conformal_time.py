"""The length of S on the clock that does not see the bias, and how far the bias outgrows it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import INK, styled
from sweepjax.figures._limits import DATASET, with_limits
from sweepjax.theory.margin import margin
from sweepjax.theory.s_inf import s_inf

CURVES = ("time", "conformal_time", "bias_ratio", "s_norm")
POINT = ("lam", "sigma", "loss")
DASHED = (0, (3, 1.5))
APART = 14  # records between two marks


class Training(NamedTuple):
    """One row: its λ and loss, the limits ‖S_∞‖ and 1/M, nan where there is none, and its curves."""

    lam: float
    loss: str
    s_inf: float
    inverse_margin: float
    curves: dict[str, drawing.Array]

    @property
    def kind(self) -> str:
        """Say whether the dataset is separable."""
        return ", separable" if np.isnan(self.s_inf) else ", inseparable"


@styled
def conformal_time(rows: Dataset, limit: Dataset | None = None) -> Figure:
    """Draw ‖S‖ against conformal time, and |b|/‖S‖ against time, of the first realization at each λ.

    The flow of the exponential loss (lines) is in conformal time that without a bias, exactly; with cross entropy
    (circles) S joins it once all samples are classified well. Dashed are ‖S_∞‖ of inseparable and 1/M of
    separable datasets, which labels name, if rows of the solver limit are given too, else those of N → ∞. Rows of
    both losses are needed, with --observe conformal_time,bias_ratio.

    Source:
        Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489, figure 2.
    """
    trainings = list(_trainings(rows, limit))
    values = sorted({training.lam for training in trainings})
    cycle = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    if len(values) > len(cycle):
        raise ValueError(f"{len(values)} values of λ are too many to tell apart; give rows of at most {len(cycle)}")
    colors = dict(zip(values, cycle, strict=False))
    figure = Figure(figsize=(3.4, 4.4))
    upper, lower = figure.subplots(2, 1)
    for training in trainings:
        _draw(upper, training, ("conformal_time", "s_norm"), color=colors[training.lam])
        _draw(lower, training, ("time", "bias_ratio"), color=colors[training.lam])
        _limits(upper, lower, training, color=colors[training.lam])
    name = r"$\Vert S_\infty\Vert$ and $1/M$" + (", N → ∞" if limit is None else " of the dataset")
    drawing.legend(lower, {name: drawing.handle(INK, linestyle=DASHED)})
    kinds = {training.lam: training.kind for training in trainings} if limit is not None else {}
    named = {f"λ = {lam:g}{kinds.get(lam, '')}": color for lam, color in colors.items()}
    _finish(upper, lower, {name: drawing.handle(color, linestyle="-") for name, color in named.items()})
    return figure


def _trainings(rows: Dataset, limit: Dataset | None) -> Iterator[Training]:
    missing = [name for name in (*CURVES, *POINT, *DATASET) if name not in rows.schema.names]
    if missing:
        needed = "rows of gradient_flow with --observe conformal_time,bias_ratio"
        raise ValueError(f"these rows have no {missing[0]}; this figure draws {needed}")
    drawing.last_time(rows)
    table = rows.to_table(columns=[*POINT, *DATASET, *CURVES]).to_pandas().sort_values(["seed", "realization"])
    table = table.groupby(list(POINT), as_index=False).first()
    table = _expected(table) if limit is None else with_limits(table, limit, rows)
    for row in table.to_dict("records"):
        curves = {name: np.asarray(row[name], np.float64)[1:] for name in CURVES}
        lengths = row["s_inf"] / row["sigma"], 1 / (row["margin"] * row["sigma"])
        yield Training(row["lam"], row["loss"], *lengths, curves)


def _expected(table: pd.DataFrame) -> pd.DataFrame:
    lam = table["lam"].to_numpy()
    return table.assign(s_inf=s_inf(lam), margin=np.where(lam > drawing.CRITICAL, margin(lam), np.nan))


def _draw(axes: Axes, training: Training, names: tuple[str, str], *, color: str) -> None:
    look: dict[str, Any] = {"linewidth": 1.0}
    if training.loss == "logistic":
        look = {
            "linestyle": "none",
            "marker": "o",
            "markerfacecolor": "white",
            "markeredgewidth": 0.8,
            "markevery": APART,
        }
    axes.plot(*(training.curves[name] for name in names), color=color, zorder=2, **look)


def _limits(upper: Axes, lower: Axes, training: Training, *, color: str) -> None:
    for axes, height in ((upper, training.s_inf), (lower, training.inverse_margin)):
        if np.isfinite(height):
            axes.axhline(height, color=color, linestyle=DASHED, linewidth=0.7, zorder=1)


def _finish(upper: Axes, lower: Axes, named: dict[str, Any]) -> None:
    upper.set(xscale="log", xlabel=r"conformal time $\tau = \int e^{b}\,dt$", ylabel=r"$\Vert S\Vert$")
    lower.set(xscale="log", yscale="log", xlabel="time t (η = 1)", ylabel=r"$|b|\,/\,\Vert S\Vert$", ylim=(0.05, None))
    marks = {"no bias (exponential loss)": drawing.handle(INK, linestyle="-")}
    marks |= {"cross entropy": drawing.handle(INK, marker="o", markerfacecolor="white", markeredgewidth=0.8)}
    drawing.legend(upper, named | marks)
