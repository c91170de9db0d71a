"""Unbalanced clusters and slow draws of XOR networks: OUT.csv OUT.png DIR [TIME], after 15 steps by default.

A line for each range of `imbalance`, how many more samples one cluster of a class has than the other: draws, their mean
accuracy on fresh data and its standard error; the last line is Spearman's correlation over all draws, its 95 % interval
by Fisher's transformation, and its p.
"""

import sys
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import spearmanr

import sweepjax as sj
from sweepjax.figures._drawing import styled

EDGES = (0, 4, 8, 13, 10**6)


def main(out: str, picture: str, directory: str, time: str = "15") -> None:
    """Write the table and the picture."""
    rows = sj.read(directory)
    place = list(rows["step"].iloc[0]).index(float(time))
    accuracy = np.array([curve[place] for curve in rows["test_accuracy"]])
    imbalance = rows["imbalance"].to_numpy(float)
    lines = [of(accuracy[(imbalance >= low) & (imbalance < high)], low) for low, high in pairwise(EDGES)]
    pd.DataFrame([*lines, correlation(imbalance, accuracy)]).to_csv(out, index=False, float_format="%.4g")
    draw(imbalance, accuracy, time).savefig(picture)


def of(accuracy: np.ndarray, low: int) -> dict[str, float]:
    """Return the line of the draws of a range."""
    error = accuracy.std(ddof=1) / np.sqrt(accuracy.size) if accuracy.size > 1 else np.nan
    return {"imbalance_from": low, "rows": accuracy.size, "test_accuracy": accuracy.mean(), "se": error}


def correlation(imbalance: np.ndarray, accuracy: np.ndarray) -> dict[str, float]:
    """Return the line of the correlation."""
    found = spearmanr(imbalance, accuracy)
    half = 1.96 * np.sqrt((1 + found.statistic**2 / 2) / (accuracy.size - 3))
    low, high = np.tanh(np.arctanh(found.statistic) + np.array([-half, half]))
    return {"rows": accuracy.size, "spearman": found.statistic, "low": low, "high": high, "p": found.pvalue}


@styled
def draw(imbalance: np.ndarray, accuracy: np.ndarray, time: str) -> Figure:
    """Draw every draw."""
    figure = Figure(layout="constrained")
    axes = figure.add_subplot(xlabel="imbalance of the clusters", ylabel=f"accuracy on fresh data after {time} steps")
    axes.plot(imbalance, accuracy, "o", markersize=3, alpha=0.6)
    return figure


if __name__ == "__main__":
    main(*sys.argv[1:])
