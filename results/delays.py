"""When networks memorise and when they grok, over one field: OUT.png FIELD DIR.

Dots are draws, lines their medians, where half of them got there; both axes are logarithmic. Another field that varies
has a colour for each value.
"""

import sys

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

import sweepjax as sj
from sweepjax.figures._drawing import styled

TIMES = {"t_train_99": ("s", "99 % in training"), "t_test_99": ("o", "99 % of fresh data")}
NAMES = {"l2": "weight decay", "init_scale": "scale", "fraction": "fraction of the table"}
FIELDS = ("init_scale", "l2", "weight_decay", "fraction")


def main(picture: str, field: str, directory: str) -> None:
    """Draw the picture."""
    delays(sj.read(directory), field).savefig(picture)


@styled
def delays(rows: pd.DataFrame, field: str) -> Figure:
    """Draw both times of all rows over a field, the legend beside the axes."""
    hues = [name for name in FIELDS if name in rows and name != field and rows[name].nunique() > 1]
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    figure = Figure(figsize=(4.8, 2.6) if hues else None, layout="constrained")
    axes = figure.add_subplot(
        xlabel=NAMES.get(field, field.replace("_", " ")), ylabel="steps", xscale="log", yscale="log"
    )
    for k, (value, group) in enumerate(rows.groupby(hues[0]) if hues else [("", rows)]):
        draw(axes, field, group, colors[k], f", {NAMES.get(hues[0], hues[0])} {value:g}" if hues else "")
    values = sorted(set(rows[field]))
    shown = values[:: -(-len(values) // 7)]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    if hues:
        figure.legend(loc="outside right upper")
    else:
        axes.legend(loc="upper right")
    return figure


def draw(axes: Axes, field: str, rows: pd.DataFrame, color: str, where: str) -> None:
    """Draw the draws of one colour."""
    for name, (marker, words) in TIMES.items():
        style = {"color": color, "marker": marker, "markerfacecolor": "none" if name == "t_train_99" else color}
        axes.plot(rows[field], rows[name], linestyle="none", markersize=3, alpha=0.6, **style)
        median = rows.fillna({name: float("inf")}).groupby(field)[name].median()
        axes.plot(median.index, median, color=color, linestyle="--" if name == "t_train_99" else "-")
        axes.plot([], [], linestyle="--" if name == "t_train_99" else "-", label=words + where, **style)


if __name__ == "__main__":
    main(*sys.argv[1:])
