"""When networks memorise and when they grok, over one field: OUT.png FIELD DIR... [LEVEL].

They memorise at an accuracy of 99 % in training, and grok at LEVEL % of fresh data, 99 or 50. Dots are draws, lines
their medians, where half of them got there; both axes are logarithmic. Another field that varies has a colour for each
value.
"""

import sys
from typing import NamedTuple

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

import sweepjax as sj
from sweepjax.figures._drawing import styled

NAMES = {"l2": "weight decay", "init_scale": "scale of the start", "fraction": "fraction of the table"}
FIELDS = ("p", "init_scale", "l2", "weight_decay", "fraction")


class Mark(NamedTuple):
    """A time of the rows, how it is drawn, and what it is."""

    column: str
    marker: str
    line: str
    filled: bool
    words: str


def main(picture: str, field: str, *rest: str) -> None:
    """Draw the picture."""
    *directories, level = rest if rest[-1].isdigit() else (*rest, "99")
    rows = pd.concat([sj.read(each) for each in directories])
    marks = (
        Mark("t_train_99", "s", "--", filled=False, words="99 % in training"),
        Mark(f"t_test_{level}", "o", "-", filled=True, words=f"{level} % of fresh data"),
    )
    delays(rows, field, marks).savefig(picture)


@styled
def delays(rows: pd.DataFrame, field: str, marks: tuple[Mark, ...]) -> Figure:
    """Draw both times of all rows over a field."""
    hues = [name for name in FIELDS if name in rows and name != field and rows[name].nunique() > 1]
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    figure = Figure(figsize=(4.8, 2.6) if hues else None, layout="constrained")
    axes = figure.add_subplot(xlabel=_name(field), ylabel="steps", xscale="log", yscale="log")
    for color, (value, group) in zip(colors, rows.groupby(hues[0]) if hues else [("", rows)], strict=False):
        for mark in marks:
            where = f", {_name(hues[0])} {value:g}" if hues else ""
            _draw(axes, group.groupby(field)[mark.column], mark, color, where)
    values = sorted(set(rows[field]))
    shown = values[:: -(-len(values) // 7)]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    if hues:
        figure.legend(loc="outside right upper")
    else:
        axes.legend(loc="upper right")
    return figure


def _name(field: str) -> str:
    return NAMES.get(field, field.replace("_", " "))


def _draw(axes: Axes, times: "pd.api.typing.SeriesGroupBy", mark: Mark, color: str, where: str) -> None:
    """Draw the draws of one colour, and their medians; a time that never comes is infinite."""
    style = {"color": color, "marker": mark.marker, "markerfacecolor": color if mark.filled else "none"}
    for value, each in times:
        axes.plot([value] * len(each), each, linestyle="none", markersize=3, alpha=0.6, **style)
    medians = times.apply(lambda each: each.fillna(float("inf")).median())
    axes.plot(medians.index, medians, color=color, linestyle=mark.line)
    axes.plot([], [], linestyle=mark.line, label=mark.words + where, **style)


if __name__ == "__main__":
    main(*sys.argv[1:])
