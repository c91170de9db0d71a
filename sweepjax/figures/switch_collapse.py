"""A curve on the clock of weight decay, λt - log α, on which trainings from any size fall together."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, needs, styled
from sweepjax.reducers.mean import Mean

CLOCK, START = "l2", "alpha"
CURVES = ("test_accuracy", "test_loss")  # the first that the rows have is drawn


@styled
@needs("time", CLOCK, START, of="trainings of a model with the fields alpha and l2")
def switch_collapse(rows: Dataset) -> Figure:
    """Draw test accuracy, or test loss, against time on the left and against λt - log α on the right.

    Lines are medians over realizations, a colour for each α and a dash for each λ. The dotted line is λt = log α, where
    a norm that decays as e^(-λt) has fallen from α to 1.
    """
    column = next((name for name in CURVES if name in rows.schema.names), CURVES[0])
    drawing.require(rows, [column], "a test accuracy or a test loss over time")
    table = Mean(column=column, by=f"{CLOCK},{START}")(rows).query(f"time > 0 and {CLOCK} > 0")
    looks = _looks(table)
    figure = Figure(figsize=(6.0, 2.5))
    left, right = figure.subplots(1, 2, sharey=True)
    for _, curve in drawing.with_rows(table).groupby([CLOCK, START]):
        rate, start = float(curve[CLOCK].iloc[0]), float(curve[START].iloc[0])
        look: dict[str, Any] = {"color": looks[START, start], "linestyle": looks[CLOCK, rate], "linewidth": 1.0}
        time = curve["time"].to_numpy(np.float64)
        left.plot(time, curve["median"], **look)
        right.plot(rate * time - np.log(start), curve["median"], **look)
    right.axvline(0, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)), zorder=0)
    _finish(left, right, column, looks)
    return figure


def _looks(table: Any) -> dict[tuple[str, float], Any]:
    """Return a colour for each start, from light to dark, and a dash for each rate."""
    starts, rates = sorted(set(table[START])), sorted(set(table[CLOCK]))
    shades = mpl.colormaps["viridis_r"](np.linspace(0.15, 1, len(starts)))
    dashes = ["-", *((0, (4, 1 + k)) for k in range(1, len(rates)))]
    named = {(START, start): shade for start, shade in zip(starts, shades, strict=True)}
    return named | {(CLOCK, rate): dash for rate, dash in zip(rates, dashes, strict=True)}


def _finish(left: Axes, right: Axes, column: str, looks: Mapping[tuple[str, float], Any]) -> None:
    left.set(xlabel="time t", xscale="log", ylabel=column.replace("_", " "))
    right.set(xlabel=r"$\lambda t-\log\alpha$", xlim=(-3, None))
    several = len([name for name, _ in looks if name == CLOCK]) > 1
    entries = {
        f"{'α' if name == START else 'λ'} = {value:g}": drawing.handle(
            look if name == START else INK, linestyle="-" if name == START else look
        )
        for (name, value), look in looks.items()
        if name == START or several
    }
    drawing.legend(left, entries, "best")
