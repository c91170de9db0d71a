"""Where slingshots come from: OUT.csv OUT.png DIR, of rows with every step recorded and observable `slingshots`.

A line for each setting: draws, slingshots of a draw (mean, fewest, most), the least training loss, and medians over
draws that have one of the step of the first, the share of underflowing pairs 10 steps before it, and the growth of the
norm over the 60 steps before it.
"""

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import sweepjax as sj
from sweepjax.figures._drawing import styled

FIELDS = ["layer_norm", "precision", "learning_rate", "weight_decay"]
PANELS, COLOURS = FIELDS[:2], FIELDS[2:]
NORMS = {"none": "no layer norm", "post": "layer norms"}


def main(out: str, picture: str, directory: str) -> None:
    """Write the table and the picture."""
    rows = sj.read(directory)
    rows = rows.assign(
        **{name: [np.array(each, float) for each in rows[name]] for name in ("slingshots", "train_loss")}
    )
    lines = [dict(zip(FIELDS, key, strict=True)) | of(group) for key, group in rows.groupby(FIELDS)]
    pd.DataFrame(lines).to_csv(out, index=False, float_format="%.4g")
    mpl.use("agg")
    draw(rows).savefig(picture)


def of(rows: pd.DataFrame) -> dict[str, float]:
    """Return the line of a setting."""
    counts = np.array([each[-1] for each in rows["slingshots"]])
    first = [first_of(row) for row in rows.to_dict("records") if row["slingshots"][-1]]
    line = {"draws": len(rows), "slingshots": counts.mean(), "fewest": counts.min(), "most": counts.max()}
    line["least_train_loss"] = min(each.min() for each in rows["train_loss"])
    names = ("first_step", "underflow_before", "norm_growth")
    return line | dict(zip(names, np.median(first, axis=0) if first else [np.nan] * 3, strict=True))


def first_of(row: dict) -> tuple[float, float, float]:
    """Return the step of the first slingshot, underflow shortly before, and how much the norm grew on the way."""
    place = int(np.argmax(row["slingshots"] > 0))
    before, grown = row["underflow"][place - 10], row["norm"][place] / row["norm"][place - 60]
    return float(row["step"][place]), float(before), float(grown)


@styled
def draw(rows: pd.DataFrame) -> Figure:
    """Draw the training loss of every draw, a panel for each norm and precision."""
    cases = list(rows.groupby(PANELS))
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    panels = figure.subplots(2, -(-len(cases) // 2), sharex=True, sharey=True).ravel()
    cycle = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    colours = dict(zip([key for key, _ in rows.groupby(COLOURS)], cycle, strict=False))
    for axes, ((norms, precision), case) in zip(panels, cases, strict=False):
        for row in case.to_dict("records"):
            colour = colours[row["learning_rate"], row["weight_decay"]]
            axes.semilogy(row["step"], np.maximum(row["train_loss"], 1e-16), color=colour, linewidth=0.6, alpha=0.8)
        axes.set_title(f"{NORMS[norms]}, {precision}")
    for (rate, decay), colour in colours.items():
        panels[0].plot([], [], color=colour, label=f"rate {rate:g}, decay {decay:g}")
    size = mpl.rcParams["axes.labelsize"]
    figure.supxlabel("step", fontsize=size)
    figure.supylabel("training loss", fontsize=size)
    figure.legend(loc="outside upper center", ncols=len(colours))
    return figure


if __name__ == "__main__":
    main(*sys.argv[1:])
