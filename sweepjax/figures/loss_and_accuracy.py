"""Loss and accuracy on fresh data along λ, at several times, with where they end."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, needs, styled
from sweepjax.figures._variation import along_lambda
from sweepjax.reducers.mean import Mean
from sweepjax.theory.margin import limiting_accuracy, margin
from sweepjax.theory.population import population_accuracy, population_loss
from sweepjax.theory.s_inf import loss_inf, s_inf

CURVES = ("test_loss", "test_accuracy")
MOST = 7  # times that can be told apart
DASHED = (0, (3, 1.5))
NEAR = 4.0  # widths of the transition that the right column shows
LATE = 100.0  # from here on the law of late times is worth drawing


class Moment(NamedTuple):
    """What is drawn of one recorded time: the nearest power of ten names it."""

    time: float
    color: str
    lines: pd.DataFrame

    @property
    def label(self) -> str:
        """The time in words."""
        return rf"$t = 10^{{{round(np.log10(self.time))}}}$"


@styled
@needs("lam", *CURVES, of="rows of a trajectory solver over λ")
def loss_and_accuracy(rows: Dataset) -> Figure:
    """Draw medians with their 95 % intervals and quartiles at powers of ten of the time, and the limit.

    On the right the same points over √N (1 - 2λ), where the transition has one width at every N.

    The black line is t → ∞ for N → ∞: accuracy 1 below λ = 1/2 and Φ(1/σM) above. Dashed below 1/2 is the law
    of late times for N → ∞ and large σ, S = S_∞ and e^(-b) = 1 + L_∞ t, as far as |b| > σ‖S_∞‖.

    Source:
        Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489, figure 1.
    """
    sigma = float(along_lambda(rows, "loss_and_accuracy", CURVES)["sigma"].iloc[0])
    table = drawing.later(Mean(column=",".join(CURVES), by="lam", quantiles="25,75", sketch=256)(rows))
    figure = Figure(figsize=(7.0, 4.2))
    (loss, near_loss), (accuracy, near_accuracy) = figure.subplots(2, 2, sharex="col", sharey="row")
    moments = list(_moments(table))
    for moment in moments:
        for axes, near, column in zip((loss, accuracy), (near_loss, near_accuracy), CURVES, strict=True):
            _draw(axes, moment, column)
            _draw(near, moment, column, scale=_scale)
    _limits(loss, accuracy, moments, sigma)
    for axes in (near_loss, near_accuracy):
        axes.axvline(0, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
    near_accuracy.axhline(0.5, color=FAINT, linewidth=0.4, zorder=0)
    near_accuracy.set(xlim=(NEAR, -NEAR), xlabel=r"$\sqrt{N}\,(1-2\lambda)$")
    entries = {moment.label: drawing.handle(moment.color, marker="o") for moment in reversed(moments)}
    near_loss.legend(list(entries.values()), list(entries), loc="lower right", title="η = 1")
    return figure


def _moments(table: pd.DataFrame) -> Iterator[Moment]:
    """Yield the recorded times nearest to evenly spaced powers of ten, from t = 1 to the last."""
    times = np.unique(table["time"])
    end = int(np.floor(np.log10(times[-1]) + 1e-9))
    step = max(1, -(-end // (MOST - 1)))
    exponents = range(end % step, end + 1, step)
    for exponent in exponents:
        time = float(times[np.argmin(np.abs(np.log10(times) - exponent))])
        yield Moment(time, drawing.time_color(10.0**exponent), table.query(f"time == {time!r}").sort_values("lam"))


def _draw(axes: Axes, moment: Moment, column: str, *, scale: Callable = lambda lines: lines["lam"]) -> None:
    lines = moment.lines.query(f"column == '{column}'")
    lines = lines.assign(along=scale(lines))
    if scale is _scale:
        lines = lines.query(f"-{NEAR} <= along <= {NEAR}")
    curve = drawing.Series(moment.label, moment.color, 1.0, lines)
    axes.plot(lines["along"], lines["median"], color=moment.color, linewidth=0.5, zorder=1)
    axes.fill_between(lines["along"], lines["q25"], lines["q75"], color=moment.color, alpha=0.18, linewidth=0)
    drawing.mark(axes, curve, "median", along="along", interval=("median_low", "median_high"))


def _scale(lines: pd.DataFrame) -> Any:
    """Return how far from λ = 1/2 the points lie, in units of the width of the transition at their N."""
    size = np.asarray(lines.get("n", 1.0), dtype=np.float64)
    return np.sqrt(size) * (1 - 2 * lines["lam"])


def _limits(loss: Axes, accuracy: Axes, moments: list[Moment], sigma: float) -> None:
    for axes in (loss, accuracy):
        drawing.critical_line(axes)
    below, above = drawing.below(accuracy), drawing.above(accuracy)
    end = limiting_accuracy(margin(above, sigma=sigma), sigma=sigma)
    accuracy.plot(np.append(below, above), np.append(np.ones_like(below), end), color=INK, zorder=2)
    for moment in moments:
        if moment.time >= LATE:
            _late(loss, accuracy, moment, below)
    _finish(loss, accuracy, moments)


def _late(loss: Axes, accuracy: Axes, moment: Moment, lam: drawing.Array) -> None:
    b, spread = -np.log1p(np.asarray(loss_inf(lam)) * moment.time), np.asarray(s_inf(lam))
    valid = -b > spread
    look = {"color": moment.color, "linestyle": DASHED, "linewidth": 0.8, "zorder": 2}
    for axes, law in ((accuracy, population_accuracy), (loss, population_loss)):
        axes.plot(lam[valid], law(b[valid], spread[valid]), **look)


def _finish(loss: Axes, accuracy: Axes, moments: list[Moment]) -> None:
    lam = moments[0].lines["lam"].to_numpy(np.float64)
    loss.set(yscale="log", ylabel="loss on fresh data", xlim=(lam.min() - 0.02, lam.max() + 0.02))
    lowest = [moment.lines.query("column == 'test_loss'")["median"].to_numpy(np.float64).min() for moment in moments]
    loss.set_ylim(min(lowest) / 3, None)
    accuracy.axhline(0.5, color=FAINT, linewidth=0.4, zorder=0)
    accuracy.set(xlabel="λ = d/N", ylabel="accuracy on fresh data", ylim=(None, 1.02))
    marks = {"exact, N, t → ∞": drawing.handle(INK, linestyle="-")}
    drawing.legend(loss, marks | {"late times, N → ∞": drawing.handle(FAINT, linestyle=DASHED)}, "lower right")
