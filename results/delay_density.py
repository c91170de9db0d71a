"""The law of the delay of perceptrons with a bias, against its density: OUT.csv OUT.png DIR, rows of perceptron_times.

A line for each N and ε: draws that generalize, mean and median of their delay, the latter with its 95 % interval, and
both by theory; the largest distance of the two distributions, its p by Kolmogorov and Smirnov, and the largest
difference between the share of one of 40 equal bins and the integral of the density over it.
"""

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import binom, kstwo

import sweepjax as sj
from sweepjax.figures._drawing import STYLE
from sweepjax.theory import perceptron_exponential as theory

BINS, FINE = 40, 8  # of a histogram, and places in each at which theory is evaluated
PLACES, SHARES = np.polynomial.legendre.leggauss(5)
TAIL = 0.999  # of the draws are in the histogram
Groups = dict[tuple[int, float], NDArray[np.float64]]


def main(out: str, picture: str, directory: str) -> None:
    """Write the table and the picture."""
    rows = sj.read(directory)
    rows = rows[rows["generalizes"]]
    groups: Groups = {
        (int(n), float(epsilon)): np.sort(rows["t_grok"].to_numpy(float)[place])
        for (n, epsilon), place in rows.groupby(["n", "epsilon"]).indices.items()
    }
    lines = [line(n, epsilon, delays) for (n, epsilon), delays in groups.items()]
    pd.DataFrame(lines).to_csv(out, index=False, float_format="%.5g")
    mpl.use("agg")
    with mpl.rc_context(fname=STYLE):  # colours are looked up when the picture is written
        draw(groups).savefig(picture, dpi=160)


def line(n: int, epsilon: float, delays: NDArray) -> dict[str, float]:
    """Return a line of the table."""
    edges = np.linspace(0, np.quantile(delays, TAIL), BINS * FINE + 1)
    law = probability(edges, n, epsilon)
    expected = np.interp(delays, edges, law, right=1)
    steps = np.arange(delays.size + 1) / delays.size
    within = delays <= edges[-1]
    distance = float(np.max(np.maximum(expected - steps[:-1], steps[1:] - expected)[within]))
    shares = np.histogram(delays, edges[::FINE])[0] / delays.size
    rank = int(binom.ppf(0.025, delays.size, 0.5))  # of the order statistics about the median
    return {
        "n": n,
        "epsilon": epsilon,
        "rows": delays.size,
        "mean": delays.mean(),
        "se": delays.std(ddof=1) / np.sqrt(delays.size),
        "mean_theory": theory.mean_grokking_time(epsilon, n=n),
        "median": np.median(delays),
        "median_low": delays[rank - 1],
        "median_high": delays[-rank],
        "median_theory": np.interp(0.5, law, edges),
        "distance": distance,
        "p": kstwo.sf(distance, delays.size),
        "largest_bin_difference": np.abs(shares - np.diff(law[::FINE])).max(),
    }


def probability(edges: NDArray, n: int, epsilon: float) -> NDArray:
    """Return the integral of the density from the first of some times, by Gauss's rule between neighbours."""
    spans = np.diff(edges)
    density = theory.grokking_time_density(edges[:-1, None] + spans[:, None] * (PLACES + 1) / 2, epsilon, n=n)
    return np.append(0.0, np.cumsum(density @ SHARES * spans / 2))


def draw(groups: Groups) -> Figure:
    """Draw a panel for each N, a colour for each ε: histograms as steps, densities as lines."""
    numbers, gaps = (sorted({key[place] for key in groups}) for place in (0, 1))
    figure = Figure(figsize=(9.0, 3.0), layout="constrained")
    panels = figure.subplots(1, len(numbers), sharex=True, sharey=True)
    for axes, n in zip(panels, numbers, strict=True):
        axes.set(title=f"N = {n}", xlabel="delay t_test - t_train", yscale="log", xlim=(0, 8), ylim=(3e-3, 6))
        for color, epsilon in enumerate(gaps):
            delays = groups[n, epsilon]
            edges = np.linspace(0, np.quantile(delays, TAIL), BINS + 1)
            shares = np.histogram(delays, edges)[0] / delays.size / np.diff(edges)
            axes.stairs(shares, edges, color=f"C{color}", alpha=0.5, label="draws")
            times = np.linspace(1e-3, 8, 400)
            axes.plot(
                times,
                theory.grokking_time_density(times, epsilon, n=n),
                color=f"C{color}",
                linewidth=1.2,
                label=f"density, ε = {epsilon:g}",
            )
    panels[0].set_ylabel("density")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2 * len(gaps))
    return figure


if __name__ == "__main__":
    main(*sys.argv[1:])
