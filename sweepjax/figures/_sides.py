"""A panel on each side of λ = 1/2, which meet there."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from sweepjax.figures._drawing import CRITICAL, Array

CROWDED = 0.05  # the nearest point to 1/2 over the farthest, from where on distances are drawn by their roots
FOOT = 0.4  # below the panels, in inches
PLACES = (0.4, 0.2, 0.1, 0.05, 0.02, 0.005)  # distances from 1/2 of the ticks on an axis of roots


class Span(NamedTuple):
    """How far one side reaches from λ = 1/2, and whether its points crowd there."""

    reach: float
    crowded: bool

    @classmethod
    def of(cls, table: pd.DataFrame) -> "Span":
        """Return the span of some points."""
        away = np.abs(table["lam"].to_numpy(np.float64) - CRITICAL)
        near = float(np.min(away[away > 0], initial=1.0))
        return cls(1.04 * max(float(away.max()), 0.02), near < CROWDED * float(away.max()))


def sides(figure: Figure, below: pd.DataFrame, above: pd.DataFrame, *, room: float) -> tuple[Axes | None, Axes | None]:
    """Return a panel for λ ≤ 1/2 and one for λ ≥ 1/2 that meet there; None where a table is empty.

    Above them there is `room`, in inches, for a legend. On a side where points crowd at 1/2 the distance from it
    is drawn by its square root.
    """
    spans = [Span.of(table) for table in (below, above) if len(table)]
    high = figure.get_figheight()
    frame = {"left": 0.145, "right": 0.825 if len(spans) > 1 else 0.97, "wspace": 0}
    frame |= {"bottom": FOOT / high, "top": 1 - (room + 0.08) / high}
    widths = [1.0 if any(span.crowded for span in spans) else span.reach for span in spans]
    panels = iter(figure.subplots(1, len(spans), squeeze=False, gridspec_kw={"width_ratios": widths} | frame)[0])
    left, right = (next(panels) if len(table) else None for table in (below, above))
    for axes, span, sign, width in ((left, spans[0], -1, widths[0]), (right, spans[-1], 1, widths[-1])):
        if axes is not None:
            _place(axes, span, sign, share=width / sum(widths))
    if left is not None and right is not None:
        _join(right)
    return left, right


def _place(axes: Axes, span: Span, sign: int, *, share: float) -> None:
    """Set limits and ticks of one side, which has a share of the width; of two that meet the left one names 1/2."""
    if span.crowded:
        axes.set_xscale("function", functions=(_root, _square))
        away = [place for place in PLACES if 0.003 * span.reach < place**2 / span.reach and place < span.reach]
        axes.xaxis.set_minor_locator(NullLocator())
        ticks = [CRITICAL + sign * place for place in away]
    else:
        found = MaxNLocator(max(1, round(6 * share)), steps=[1, 2, 5, 10]).tick_values(0, span.reach)
        ticks = [CRITICAL + sign * float(place) for place in found if 1e-9 < place <= span.reach]
    ticks += [CRITICAL] if sign < 0 or share == 1 else []
    axes.set(xlim=sorted((CRITICAL, CRITICAL + sign * span.reach)), xticks=sorted(ticks))
    axes.xaxis.set_major_formatter("{x:.4g}")
    axes.locator_params("y", nbins=6)


def _root(lam: Array) -> Array:
    away = np.asarray(lam, dtype=np.float64) - CRITICAL
    return np.sign(away) * np.sqrt(np.abs(away))


def _square(root: Array) -> Array:
    away = np.asarray(root, dtype=np.float64)
    return CRITICAL + np.sign(away) * away**2


def _join(right: Axes) -> None:
    right.spines["left"].set_visible(False)
    right.spines["right"].set_visible(True)
    right.patch.set_visible(False)
    right.yaxis.tick_right()
    right.yaxis.set_label_position("right")
