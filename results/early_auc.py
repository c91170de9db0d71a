"""How well each early signal tells who groks early: OUT.png DIR...

A dot for each signal and scope is the area under the ROC curve, with its 95 % interval, as the reducer `predictor` has
them; a panel for each run.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweepjax.figures._drawing import styled
from sweepjax.reducers.predictor import Predictor
from sweepjax.store.rows import scan

SCOPES = {"pooled": "all rows", "learning_rate": "one learning rate", "all of them": "one rate, decay and fraction"}
LEFT_OUT = ("hjorth.printed_complexity", "hjorth.log_printed_complexity", "underflow", "train_accuracy", "head_norm")


def main(picture: str, *directories: str) -> None:
    """Draw the picture."""
    mpl.use("agg")
    found = {Path(directory).name: Predictor()(scan([directory])) for directory in directories}
    pictured(found).savefig(picture)


@styled
def pictured(found: dict[str, pd.DataFrame]) -> Figure:
    """Draw a panel for each run."""
    figure = Figure(figsize=(3.2 * len(found) + 1.2, 3.8), layout="constrained")
    for axes, (name, table) in zip(figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True):
        draw(axes, table[~table["signal"].isin(LEFT_OUT)])
        axes.set_title(name.replace("_", " "))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def draw(axes: Axes, table: pd.DataFrame) -> None:
    """Draw the signals of a table from top to bottom."""
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    signals = list(dict.fromkeys(table["signal"]))
    for k, (within, words) in enumerate(SCOPES.items()):
        chosen = table[table["within"] == within].set_index("signal")
        there = [name for name in signals if name in chosen.index]
        value, low, high = (chosen.loc[there, name].to_numpy(float) for name in ("auc", "auc_low", "auc_high"))
        heights = np.array([signals.index(name) for name in there]) + 0.22 * (k - 1)
        axes.errorbar(
            value, heights, xerr=(value - low, high - value), fmt="o", markersize=3.5, color=colors[k], label=words
        )
    axes.axvline(0.5, color="0.6", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(signals)), [name.replace("_", " ").replace(".", ": ") for name in signals])
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(len(signals) - 0.4, -0.6)
    axes.set_xlabel("area under the ROC curve")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)


if __name__ == "__main__":
    main(*sys.argv[1:])
