"""Panels for any number of quantities, and colours for a few points of a sweep."""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH, HEIGHT, LEGEND = 3.4, 1.35, 0.7  # of a panel and of the legend above them, in inches
TALL = 5  # panels in a column at most
MOST = 7  # colours that can be told apart


def grid(names: Sequence[str], label: str) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with a panel for each name, in even columns; the lowest of each names the axis they share."""
    across = -(-len(names) // TALL)
    tall = -(-len(names) // across)
    figure = Figure(figsize=(WIDTH * across, HEIGHT * tall + LEGEND))
    panels = list(figure.subplots(tall, across, sharex=True, squeeze=False).T.flat)
    for axes in panels[len(names) :]:
        axes.remove()
    for place, (axes, name) in enumerate(zip(panels, names, strict=False), start=1):
        axes.set_ylabel(name.replace("_", " "))
        if place % tall == 0 or place == len(names):
            axes.set_xlabel(label)
            axes.tick_params(labelbottom=True)
    return figure, dict(zip(names, panels, strict=False))


def colored(points: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield colours with points: all of them, or seven that lie evenly from the first to the last."""
    colors = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    places = np.unique(np.linspace(0, len(points) - 1, min(len(points), MOST)).round().astype(int))
    for color, place in zip(colors, places, strict=False):
        yield color, points[place]
