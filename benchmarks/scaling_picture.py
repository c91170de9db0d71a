"""`python -m benchmarks.scaling_picture`: the picture of what a draw costs, from the table of benchmarks.scaling."""

from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sweepjax.figures import styled

FOLDER = Path(__file__).parent.parent / "results" / "benchmarks"
SIZES = {
    "n at λ = 0.45": [(n, round(0.45 * n), n) for n in (100, 200, 400, 800, 1600, 2400)],
    "n at λ = 0.6": [(n, round(0.6 * n), n) for n in (100, 200, 400, 800, 1600, 2400)],
    "d at n = 1600, below": [(1600, d, d) for d in (80, 160, 320, 480, 640)],
    "d at n = 1600, above": [(1600, d, d) for d in (960, 1120, 1280, 1440)],
    "1/(1 - 2λ) at n = 400": [(400, d, 400 / (400 - 2 * d)) for d in (100, 150, 175, 188, 194, 197, 198)],
    "1/(2λ - 1) at n = 400": [(400, d, 400 / (2 * d - 400)) for d in (300, 250, 225, 212, 206, 203, 202)],
}


class Point(NamedTuple):
    """One measurement: a curve, where on it, what was found there."""

    curve: str
    x: float
    value: float
    unit: str


class Slope(NamedTuple):
    """How a curve grows."""

    curve: str
    first: str
    last: str
    exponent: float


def slope(curve: str, points: list[Point]) -> Slope:
    """Return the exponent of a curve."""
    x, y = np.log([(point.x, point.value) for point in points[-3:]]).T
    ends = (f"{point.value:.3g} {point.unit} at {point.x:.3g}" for point in (points[0], points[-1]))
    return Slope(curve, *ends, float(np.polyfit(x, y, 1)[0]))


def curves(points: list[Point]) -> dict[str, list[Point]]:
    """Return the points of each curve."""
    return {name: list(group) for name, group in groupby(points, key=lambda point: point.curve)}


@styled
def picture(points: list[Point]) -> Figure:
    """Draw the costs of a draw, each curve with its exponent."""
    figure = Figure(figsize=(7.0, 2.6))
    panels = figure.subplots(1, 3, sharey=True)
    for axes, label in zip(panels, ("n", "d", "1/"), strict=True):
        for name, group in curves(points).items():
            if name in SIZES and name.startswith(label):
                x, y = zip(*((point.x, point.value) for point in group), strict=True)
                axes.loglog(x, y, "o-", mew=0, label=f"{name}: {slope(name, group).exponent:.2f}")
        axes.set_xlabel({"n": "N", "1/": "1/|1 - 2λ|"}.get(label, label))
        if axes.get_lines():
            axes.legend(title="exponent at the end", title_fontsize=7)
    panels[0].set_ylabel("ms of one core a draw")
    top = panels[0].get_ylim()[1]
    panels[0].set_ylim(None, 8 * top)
    return figure


def draw(points: list[Point], path: Path) -> None:
    """Draw the picture into a file."""
    picture(points).savefig(path)


def main() -> None:
    """Draw the stored table again."""
    table = pd.read_csv(FOLDER / "scaling.csv", comment="#")
    draw([Point(*line) for line in table.itertuples(index=False)], FOLDER / "scaling.png")


if __name__ == "__main__":
    main()
