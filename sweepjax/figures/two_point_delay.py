"""How long after training the two-point model generalizes, as λ approaches 1/2 from below."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, Array, needs, styled
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.reducers.mean import Mean
from sweepjax.theory.two_point import generalization_time, loss_inf, s_inf, train_time

GAP = 1e-3  # 1 - 2λ of the upper panel
THRESHOLDS = (1e-2, 1e-4, 1e-8)  # ε
SHOWN = 1e-4  # the one of the upper panel
RANGE = (3e-4, 0.3)  # of 1 - 2λ, in the lower panel
PLACES = 40
DASHED = (0, (3, 1.5))
RING: dict[str, Any] = {"mfc": "none", "mec": INK, "mew": 0.6}


@styled
@needs("lam", "sigma", "train_loss", "test_loss", of="rows of the model two_point over time")
def two_point_delay(rows: Dataset | None = None) -> Figure:
    """Draw both losses over time at 1 - 2λ = 0.001, and √log(t_gen/t_train) against 1 - 2λ for three thresholds ε.

    Lines are theory for large σ, where S rests at S_∞ from the start; circles are rows of the model two_point,
    whose loss is exponential, and if σ is large they lie on the blue line for every ε.
    """
    figure = Figure(figsize=(3.4, 4.2))
    losses, delays = figure.subplots(2, 1)
    _losses(losses)
    _delays(delays)
    if rows is not None:
        drawing.require_own(rows, "two_point_delay")
        _measured_losses(losses, rows)
        _measured_delays(delays, rows)
    handles, labels = delays.get_legend_handles_labels()
    curves = 1 + len(THRESHOLDS)
    drawing.legend(delays, dict(zip(labels[:curves], handles[:curves], strict=True)))
    drawing.legend(delays, dict(zip(labels[curves:], handles[curves:], strict=True)), "lower right")
    return figure


def _losses(axes: Axes) -> None:
    lam, color = (1 - GAP) / 2, _color(0)
    rise = float(loss_inf(lam))
    train, test = (float(time(SHOWN, lam)) for time in (train_time, generalization_time))
    times = np.geomspace(1, 1e3 * test, 400)
    fall = -np.log1p(rise * times)
    curves = {"training set": (np.exp(fall) * rise, DASHED), "fresh data": (np.exp(fall + 0.5 * s_inf(lam) ** 2), "-")}
    for label, (loss, line) in curves.items():
        axes.plot(times, loss, color=color, linestyle=line, label=label)
    axes.axhline(SHOWN, color=FAINT, linewidth=0.6)
    for time, name in ((train, r"$t_\mathrm{train}$"), (test, r"$t_\mathrm{gen}$")):
        axes.vlines(time, 0, SHOWN, color=FAINT, linewidth=0.6, linestyle=":")
        axes.plot(time, SHOWN, "o", color=INK, markersize=4, zorder=4)
        drawing.tag(axes, name, at=(time, SHOWN), shift=(4, 2))
    drawing.tag(axes, "ε", at=(1, SHOWN), shift=(3, 2))
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="time t (η = 1)",
        ylabel="exponential loss",
        ylim=(1e-7, None),
        xlim=(1, times[-1]),
    )
    axes.legend(loc="upper right", title=f"1 - 2λ = {GAP:g}", alignment="left")


def _delays(axes: Axes) -> None:
    gap = np.geomspace(*RANGE, PLACES)
    for index, (label, ratio) in enumerate(_ratios((1 - gap) / 2)):
        axes.plot(gap, np.sqrt(np.log(ratio)), color=_color(index), label=label)
    axes.plot(gap, np.abs(np.log(gap)) / np.sqrt(2), color=FAINT, linestyle="--", zorder=1, label="slope 1/√2")
    axes.set(xscale="log", xlabel="1 - 2λ", ylabel=r"$\sqrt{\log(t_\mathrm{gen}/t_\mathrm{train})}$")
    axes.set(xlim=RANGE[::-1], ylim=(0, None))


def _ratios(lam: Array) -> Iterator[tuple[str, Array]]:
    yield "exponential loss, any ε", np.asarray(generalization_time(1e-12, lam) / train_time(1e-12, lam))
    for threshold in sorted(THRESHOLDS):
        times = generalization_time(threshold, lam, loss="logistic"), train_time(threshold, lam)
        yield f"cross-entropy, $ε = 10^{{{np.log10(threshold):.0f}}}$", np.asarray(times[0] / times[1])


def _measured_losses(axes: Axes, rows: Dataset) -> None:
    table = Mean(column="train_loss,test_loss", by="lam,sigma")(rows)
    near = table[np.isclose(1 - 2 * table["lam"], GAP, rtol=1e-6)]
    for _, points in near.query("time > 0").groupby("column"):
        axes.plot(points["time"], points["median"], "o", ms=4, markevery=20, zorder=3, **RING)


def _measured_delays(axes: Axes, rows: Dataset) -> None:
    for threshold in THRESHOLDS:
        table = GrokkingTime(quantity="loss", threshold=threshold, by="lam,sigma")(rows).query("lam < 0.5")
        label = "rows, exponential loss" if threshold == SHOWN else None
        axes.plot(1 - 2 * table["lam"], table["sqrt_log_ratio"], "o", ms=4, zorder=4, label=label, **RING)


def _color(index: int) -> str:
    return mpl.rcParams["axes.prop_cycle"].by_key()["color"][index]
