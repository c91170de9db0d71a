"""Where the weights of the largest margin lie, for two points on a line and a bias."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, styled
from sweepjax.theory.margin import extended_svm

FIRST, SECOND = -1.0, (0.5, 0.0, -0.5)
TITLES = ("inseparable", "critical", "separable")
LEFT, RIGHT, LOW, HIGH = -1.15, 1.15, -0.3, 2.0
COLORS = ("#0072B2", "#D55E00")


@styled
def svm_geometry() -> Figure:
    """Draw the half-planes sx + b ≥ 1 of the points x₁ = -1 and x₂, and -w, where they come nearest to the origin.

    It lies on the b axis, so S stays finite, exactly where x₂ ≥ 0.
    """
    figure = Figure(figsize=(3.4, 1.75))
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    for axes, second, title in zip(panels, SECOND, TITLES, strict=True):
        for x, color in zip((FIRST, second), COLORS, strict=True):
            _half_plane(axes, x, color)
        _nearest(axes, margin=max(-second, 0.0))
        sign = ">" if second > 0 else "<" if second < 0 else "="
        axes.set_title(f"$x_2 {sign} 0$\n{title}")
        axes.set(
            xlim=(LEFT, RIGHT), ylim=(LOW, HIGH), xticks=[-1, 0, 1], yticks=[0, 1, 2], xlabel="$s$", aspect="equal"
        )
    panels[0].set_ylabel("$b$")
    _names(panels[0])
    return figure


def _half_plane(axes: Axes, x: float, color: str) -> None:
    s = np.array([LEFT, RIGHT])
    axes.fill_between(s, np.maximum(1 - s * x, LOW), HIGH, color=color, alpha=0.18, linewidth=0)
    axes.plot(s, 1 - s * x, color=color)


def _nearest(axes: Axes, *, margin: float) -> None:
    found = extended_svm(margin)
    s, b = -float(found.s_norm), -float(found.b)
    axes.axhline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.axvline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.plot([0, s], [0, b], color=INK, linewidth=1.2, zorder=3)
    axes.plot(s, b, "o", color=INK, markersize=4, zorder=4)
    drawing.tag(axes, "$-w$", at=(0.45 * s, 0.45 * b), shift=(-3, -2))


def _names(axes: Axes) -> None:
    for text, place, color in zip(("$x_1$", "$x_2$"), ((-0.8, 0.62), (0.85, 1.2)), COLORS, strict=True):
        axes.text(*place, text, color=color, ha="center", va="center")
