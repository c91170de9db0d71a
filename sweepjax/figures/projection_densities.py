"""How the training samples project on the direction of S at the end of training, on either side of λ = 1/2."""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pyarrow.dataset import Dataset

from sweepjax.figures import _drawing as drawing
from sweepjax.figures._drawing import CRITICAL, FAINT, INK, Array, needs, styled
from sweepjax.figures._limits import DATASET, limits
from sweepjax.theory.projections import margin_projection_atom, margin_projection_density, projection_density

COUNTS = "projection_histogram"
REACH = 6.0  # of its bins, in units of σ
SHOWN = -4.0, 2.5
MOST = 6  # panels
PLACES = 400


@styled
@needs(COUNTS, "lam", *DATASET, of="trained rows with --observe projection_histogram")
def projection_densities(rows: Dataset, limit: Dataset | None = None) -> Figure:
    """Draw the distribution of Ŝ·x over the samples at the last recorded time, a panel for each λ.

    Ŝ is S/‖S‖, and projections are in units of σ. Lines are the exact densities for N, t → ∞: below 1/2 a normal
    law whose positive side is pushed back, above it one that is cut at the margin -M, where the share Φ(M) of the
    samples sits (black bar, over one bin). With rows of the solver limit as well, titles say whether each dataset
    is separable.

    Source:
        Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489, figure 2.
    """
    table = rows.to_table(columns=["lam", *DATASET, COUNTS]).to_pandas()
    table = table if limit is None else table.merge(limits(limit, rows), on=DATASET, how="left")
    groups = list(table.groupby("lam"))
    if len(groups) > MOST:
        raise ValueError(f"these rows have {len(groups)} values of λ; this figure has room for {MOST}")
    figure = Figure(figsize=(3.4, 0.4 + 1.15 * len(groups)))
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (lam, group) in zip(panels, groups, strict=True):
        _histogram(axes, group)
        _law(axes, float(lam))  # pyright: ignore[reportArgumentType]
        axes.set_title(f"λ = {lam:g}, N = {group['n'].iloc[0]}{_kinds(group)}", loc="left")
    panels[0].set_xlim(*SHOWN)
    panels[-1].set_xlabel(r"projection $\hat{S}\cdot x_i$, in units of σ")
    entries = {"samples": drawing.handle(mpl.rcParams["axes.prop_cycle"].by_key()["color"][0], linestyle="-")}
    drawing.legend(panels[0], entries | {"exact, N, t → ∞": drawing.handle(INK, linestyle="-")})
    return figure


def _histogram(axes: Axes, group: pd.DataFrame) -> None:
    """Draw the counts of all datasets of a λ, at the last time of each."""
    counts = np.sum([_last(row) for row in group[COUNTS]], axis=0)
    edges = np.linspace(-REACH, REACH, counts.size + 1)
    width = edges[1] - edges[0]
    color = mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
    axes.stairs(counts / counts.sum() / width, edges, color=color, fill=True, alpha=0.35, linewidth=0)
    axes.stairs(counts / counts.sum() / width, edges, color=color, linewidth=0.7)
    axes.set_ylabel("density")


def _last(row: Any) -> Array:
    """Return the last recorded histogram of a row, which keeps them one after the other."""
    recorded = np.stack([np.asarray(each, np.float64) for each in row])
    return recorded[np.flatnonzero(recorded.sum(axis=1))[-1]]


def _law(axes: Axes, lam: float) -> None:
    u = np.linspace(*SHOWN, PLACES)
    axes.axvline(0, color=FAINT, linewidth=0.6, zorder=0)
    if lam < CRITICAL:
        axes.plot(u, projection_density(u, lam), color=INK, zorder=3)
        return
    axes.plot(u, margin_projection_density(u, lam), color=INK, zorder=3)
    atom = margin_projection_atom(lam)
    height = float(atom.mass) / 0.1
    axes.bar(float(atom.position), height, width=0.1, color="none", edgecolor=INK, linewidth=0.7, zorder=3)
    drawing.tag(axes, f"{atom.mass:.3f} at -M", at=(float(atom.position), height), shift=(6, -9))


def _kinds(group: pd.DataFrame) -> str:
    """Say the class of the datasets of a λ, where it is known and the same."""
    known = set(group["separable"]) if "separable" in group else set()
    if known == {True}:
        return ", separable"
    return ", inseparable" if known == {False} else ""
