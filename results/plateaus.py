"""The losses at which weight decay ends linear students, over γ: OUT.csv OUT.png DIR, rows of `linear_regression`.

A line for each λ, γ and loss: equation 16 of the source, half of it, the integral over eigenvalues (n → ∞), and what
the optimum of each dataset came to, with its 95 % interval; losses are divided by γ², which equation 16 has constant.
"""

import sys
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import sweepjax as sj
from sweepjax.figures._drawing import STYLE
from sweepjax.theory import linear_regression as theory

SIDES = {"train": "in training", "test": "on fresh samples"}


def main(out: str, picture: str, directory: str) -> None:
    """Write the table and the picture."""
    table = pd.DataFrame(lines(sj.read(directory)))
    table.to_csv(out, index=False, float_format="%.5g")
    mpl.use("agg")
    with mpl.rc_context(fname=STYLE):  # colours are looked up when the picture is written
        draw(table).savefig(picture, dpi=160)


def lines(rows: pd.DataFrame) -> Iterator[dict[str, float | str]]:
    """Yield the lines of the table."""
    for (lam, l2), group in rows.groupby(["lam", "l2"]):
        exact, half = theory.losses(np.inf, theory.Training(lam, l2=l2)), theory.plateaus(lam, l2=l2)
        for side in SIDES:
            found = group[f"{side}_loss_inf"] / l2**2
            error = 1.96 * found.std(ddof=1) / np.sqrt(len(found))
            known = {"printed": 2 * getattr(half, side), "half": getattr(half, side), "theory": getattr(exact, side)}
            yield {
                "lam": lam,
                "gamma": l2,
                "loss": side,
                **{name: float(value) / l2**2 for name, value in known.items()},
                "measured": found.mean(),
                "low": found.mean() - error,
                "high": found.mean() + error,
                "rows": len(found),
            }


def draw(table: pd.DataFrame) -> Figure:
    """Draw a panel for each loss, a colour for each λ."""
    figure = Figure(figsize=(7.2, 3.1), layout="constrained")
    panels = figure.subplots(1, len(SIDES))
    for axes, (side, words) in zip(panels, SIDES.items(), strict=True):
        axes.set(xlabel="weight decay γ", ylabel=f"final loss {words} / γ²", xscale="log", yscale="log")
        for place, (lam, each) in enumerate(table[table["loss"] == side].groupby("lam")):
            color, ends = f"C{place}", np.abs(each[["low", "high"]].to_numpy().T - each["measured"].to_numpy())
            axes.plot(each["gamma"], each["printed"], "--", color=color, label=f"equation 16, λ = {lam:.2g}")
            axes.plot(each["gamma"], each["theory"], "-", color=color, label=f"theory, λ = {lam:.2g}")
            axes.errorbar(each["gamma"], each["measured"], yerr=ends, fmt="o", color=color, label="mean of the draws")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


if __name__ == "__main__":
    main(*sys.argv[1:])
