"""What the analytic weights of quadratic networks solve: OUT.csv OUT.png [DRAWS].

A line for each operation, modulus and width: the mean share of all pairs that are right over draws of the phases, its
standard error and the number of draws. Weights exist for f₁(a) + f₂(b) alone.
"""

import sys

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from sweepjax.figures._drawing import FAINT, styled
from sweepjax.theory.modular_addition import analytic_weights, answers

OPERATIONS = {
    "a+b": (lambda a: a, lambda b: b),
    "a-b": (lambda a: a, lambda b: -b),
    "a^2+b^2": (lambda a: a**2, lambda b: b**2),
    "a^2-b^2": (lambda a: a**2, lambda b: -(b**2)),
    "a^3+b": (lambda a: a**3, lambda b: b),
}
SIZES = [(23, 11), (23, 22), (23, 44), (23, 88), (23, 176), (23, 352)]


def line(name: str, p: int, width: int, draws: int) -> dict[str, float | str]:
    """Return the line of an operation at one size."""
    first, second = (function(np.arange(p)) for function in OPERATIONS[name])
    right = (first[:, None] + second) % p
    shares = [
        np.mean(answers(analytic_weights(first, second, p=p, width=width, seed=k)) == right) for k in range(draws)
    ]
    found = {"accuracy": np.mean(shares), "se": np.std(shares, ddof=1) / np.sqrt(draws), "draws": draws}
    return {"operation": name, "p": p, "width": width} | found


@styled
def picture(table: pd.DataFrame) -> Figure:
    """Draw the share that is right over the width, with one standard error, side by side where operations coincide."""
    figure = Figure(layout="constrained")
    axes = figure.add_subplot(xlabel="width", ylabel="share of all pairs that are right", xscale="log", ylim=(0, 1.03))
    for k, (name, lines) in enumerate(table.groupby("operation", sort=False)):
        beside = lines["width"] * 1.03 ** (k - (len(OPERATIONS) - 1) / 2)
        axes.errorbar(
            beside, lines["accuracy"], lines["se"], fmt="o-", label=str(name).replace("^2", "²").replace("^3", "³")
        )
    axes.axhline(1 / table["p"].iloc[0], color=FAINT, linestyle=":", label="a guess")
    widths = sorted(set(table["width"]))
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(loc="center right")
    return figure


def main(out: str, drawing: str, draws: str = "20") -> None:
    """Write the table and the picture."""
    table = pd.DataFrame([line(name, *size, int(draws)) for name in OPERATIONS for size in SIZES])
    table.to_csv(out, index=False, float_format="%.5g")
    picture(table).savefig(drawing)


if __name__ == "__main__":
    main(*sys.argv[1:])
