"""When networks memorise and when they grok, over one field: OUT.png FIELD DIR [PERCENT], of fresh data, by default 99.

Dots are draws, lines their medians, where half of them got there; both axes are logarithmic. Another field that varies
has a colour for each value.
"""

import sys

import matplotlib as mpl
import matplotlib.ticker
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import sweepjax as sj

FIELDS = ("init_scale", "l2", "weight_decay", "fraction")


def main(picture: str, field: str, directory: str, percent: str = "99") -> None:
    """Draw the picture."""
    rows = sj.read(directory)
    hues = [name for name in FIELDS if name in rows and name != field and rows[name].nunique() > 1]
    mpl.use("agg")
    figure = Figure(figsize=(5.0, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel=field.replace("_", " "), ylabel="steps", xscale="log", yscale="log")
    for k, (value, group) in enumerate(rows.groupby(hues[0]) if hues else [("", rows)]):
        draw(axes, field, group, k, (percent, f", {hues[0]} = {value:g}" if hues else ""))
    values = sorted(set(rows[field]))
    shown = values[:: -(-len(values) // 7)]
    axes.set_xticks(shown, [f"{value:g}" for value in shown])
    axes.xaxis.set_minor_locator(mpl.ticker.NullLocator())  # pyright: ignore
    axes.legend(fontsize=7)
    figure.savefig(picture, dpi=160)


def draw(axes: Axes, field: str, rows: pd.DataFrame, k: int, said: tuple[str, str]) -> None:
    """Draw the draws of one colour, of a percentage and at a place in words."""
    percent, where = said
    times = {"t_train_99": ("s", "99 % in training"), f"t_test_{percent}": ("o", f"{percent} % of fresh data")}
    for name, (marker, words) in times.items():
        style = {"color": f"C{k}", "marker": marker, "markerfacecolor": "none" if name == "t_train_99" else f"C{k}"}
        axes.plot(rows[field], rows[name], linestyle="none", markersize=3.5, alpha=0.6, **style)
        median = rows.fillna({name: float("inf")}).groupby(field)[name].median()
        axes.plot(median.index, median, color=f"C{k}", linestyle="--" if name == "t_train_99" else "-")
        axes.plot([], [], linestyle="--" if name == "t_train_99" else "-", label=words + where, **style)


if __name__ == "__main__":
    main(*sys.argv[1:])
