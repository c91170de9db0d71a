"""Two Gaussians that almost touch, and the line to which training turns between them."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import FAINT, INK, styled
from sweepjax.theory.two_gaussians import limiting_accuracy, separating_tangent

LAM, MU = 0.4, 0.2
WIDTHS = (0.0, 0.01, 0.05, 0.1)
POINTS = 250  # fresh points of each label
COLORS = ("#0072B2", "#D55E00")
HIGH, WIDE = 3.0, 0.55


@styled
def separators() -> Figure:
    """Draw fresh points of both labels in the plane of the mean and of S, with the separator for N, t → ∞ at λ = 0.4.

    The centres are 0.4 apart along x₁, and σ_A is the deviation there; that across is 1. Where σ_A is small enough
    the line lies along the gap. Where it is not, training tilts it to gain a margin among the samples it has seen,
    and a share of fresh points is beyond it. The axes have different scales.

    Source:
        Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489v2, figure 4.
    """
    figure = Figure(figsize=(7.0, 2.6))
    panels = figure.subplots(1, len(WIDTHS), sharex=True, sharey=True)
    generator = np.random.default_rng(0)
    for axes, width in zip(panels, WIDTHS, strict=True):
        noise = generator.standard_normal((2, 2, POINTS))
        _points(axes, width, noise)
        _line(axes, width)
    panels[0].set(ylabel="projection on S without $x_1$", xlim=(-WIDE, WIDE), ylim=(-HIGH, HIGH))
    names = {f"y = {sign}1": drawing.handle(color, marker="o") for sign, color in zip("+-", COLORS, strict=True)}
    figure.legend(list(names.values()), list(names), loc="outside upper center", ncols=2)
    return figure


def _points(axes: Axes, width: float, noise: drawing.Array) -> None:
    for sign, color, (along, across) in zip((1, -1), COLORS, noise, strict=True):
        axes.plot(sign * MU + width * along, across, "o", color=color, markersize=1.6, mew=0, alpha=0.7)


def _line(axes: Axes, width: float) -> None:
    tangent = float(separating_tangent(LAM, mu=MU, sigma_a=width))
    accuracy = float(limiting_accuracy(LAM, mu=MU, sigma_a=width))
    height = np.array([-HIGH, HIGH])
    axes.axvline(0, color=FAINT, linewidth=0.6, zorder=0)
    axes.plot(-tangent * height, height, color=INK, linewidth=1.2, zorder=3)
    axes.set(title=rf"$\sigma_A$ = {width:g}, accuracy {accuracy:.3f}", xlabel="$x_1$")
