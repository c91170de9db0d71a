"""When each training generalizes, against the time that the limit of its dataset predicts."""

from math import nan

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset
from scipy.special import ndtri

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import INK, needs, styled
from sweepjax.figures._limits import with_limits
from sweepjax.figures._panels import colored
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.theory.margin import limiting_accuracy

ACCURACY = 0.95
BEYOND = 1e3  # how far the picture goes beyond the latest time
FIELDS = "lam,n,d,sigma"


@styled
@needs("test_accuracy", "train_accuracy", "time", "sigma", of="rows of a trajectory solver, then of the solver limit")
def predicted_times(rows: Dataset, limit: Dataset | None = None) -> Figure:
    """Draw a point for each inseparable dataset: when accuracy 0.95 is reached, over the time its S_∞ and L_∞ predict.

    That is t = (e^(zσ‖S_∞‖) - 1)/L_∞ with Φ(z) = 0.95, which holds where S has arrived by then; below the line it has
    not, and predictions beyond the picture stand at its edge. Triangles are trainings that end before. Time is that
    of gradient flow, η = 1.
    """
    if limit is None:
        raise ValueError("this figure compares trainings with limits; give the trainings, then rows of solver limit")
    drawing.last_time(rows)
    table = times(rows, limit)
    figure = Figure(figsize=(3.4, 3.2))
    axes = figure.subplots()
    inside = drawing.with_rows(table.query("not separable"))
    found = inside["t_test"].to_numpy(np.float64)
    if np.isnan(found).all():
        raise ValueError("no training of an inseparable dataset is a number in these rows; there is nothing to draw")
    edge = BEYOND * float(np.nanmax(found))
    for color, lam in colored(sorted(set(inside["lam"]))):
        _points(axes, pd.DataFrame(inside[inside["lam"] == lam]), color, f"λ = {lam:.3g}", edge=edge)
    start = float(inside["predicted"].to_numpy().min()) / 2
    axes.plot((start, edge), (start, edge), color=INK, linewidth=0.6, zorder=1)
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(start, edge),
        ylim=(start, edge),
        xlabel="predicted time",
        ylabel=f"time to accuracy {ACCURACY:g} (η = 1)",
    )
    axes.legend(loc="lower right")
    size = mpl.rcParams["legend.fontsize"]
    axes.text(0.03, 0.97, _said(table), transform=axes.transAxes, va="top", fontsize=size, color=INK)
    return figure


def times(rows: Dataset, limit: Dataset) -> pd.DataFrame:
    """Return a line a dataset: when it generalizes, whether that is censored, and what its limit predicts.

    `predicted` is a time for inseparable datasets; `reaches` says of separable ones whether Φ(1/σM) is above.
    """
    trained = GrokkingTime(threshold=ACCURACY, each=True, by=FIELDS)(rows)
    table = with_limits(trained, limit, rows)
    with np.errstate(over="ignore"):
        predicted = np.expm1(ndtri(ACCURACY) * table["s_inf"]) / table["loss_inf"]
    ends = limiting_accuracy(table["margin"].to_numpy() * table["sigma"].to_numpy() ** 2)
    apart = table["separable"].astype(bool)
    return table.assign(predicted=predicted.where(~apart, nan), reaches=apart & (ends > ACCURACY), separable=apart)


def _points(axes: Axes, points: pd.DataFrame, color: str, label: str, *, edge: float) -> None:
    points = points.assign(predicted=points["predicted"].clip(upper=edge))
    reached = ~points["censored_test"].astype(bool)
    style = {"color": color, "linestyle": "none", "markeredgewidth": 0, "alpha": 0.6, "zorder": 2, "clip_on": False}
    axes.plot(points["predicted"][reached], points["t_test"][reached], marker="o", markersize=2.4, label=label, **style)
    axes.plot(points["predicted"][~reached], points["t_test"][~reached], marker="^", markersize=3.5, **style)


def _said(table: pd.DataFrame) -> str:
    reached, apart = ~table["censored_test"].astype(bool) & table["t_test"].notna(), table["separable"]
    inside = f"{(reached & ~apart).sum()} of {(~apart).sum()} inseparable datasets reach it"
    if not np.any(apart):
        return inside
    known = f"Φ(1/σM) lies above it for {table['reaches'].sum()}"
    return f"{inside}\n{(reached & apart).sum()} of {apart.sum()} separable ones do\n({known})"
