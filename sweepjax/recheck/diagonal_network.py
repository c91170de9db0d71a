"""The diagonal network trained again in its 2d parameters, without the reduction, and its margins by SciPy.

The largest L2 margin is a nonnegative least squares problem, the largest L1 margin a linear program.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.optimize import linprog
from scipy.special import expit

from sweepjax.recheck._contradiction import Contradiction
from sweepjax.recheck._paths import AGREEMENT, states, unlike
from sweepjax.recheck.limit import nearest_point

VANISHED = 1e-6  # a norm below which SciPy's own errors are a direction
MOST_MARGIN = 3e7  # entries of a dataset whose hard margin SciPy finds in a minute


def contradictions(row: Mapping[str, Any], model: Any, data: Any) -> Iterator[Contradiction]:
    """Yield what descent and flow in NumPy find otherwise."""
    x = np.asarray(data.x, dtype=np.float64) * np.asarray(data.y, dtype=np.float64)[:, None]
    n, d = x.shape
    start = np.full(2 * d, row["alpha"] / np.sqrt(2 * d))

    def gradient(y: ndarray) -> ndarray:
        u, v = y[:d], y[d:]
        slope = -2 * (expit(-(x @ (u**2 - v**2))) / n) @ x
        return np.concatenate([u * slope, -v * slope]) + row["l2"] * y

    separable = row.get("largest_margin_l2", math.inf) is not None
    nearest = nearest_point(x) if separable and x.size <= MOST_MARGIN else None
    found = ((place, _columns(x, y, nearest)) for place, y in states(row, gradient, start, 4.0 * x.size))
    yield from unlike(row, found)
    if nearest:
        largest, most = largest_l1_margin(x)[1], max(value for value in row["margin_l1"] if value is not None)
        if not most <= largest * (1 + AGREEMENT):
            yield Contradiction("margin_l1", most, largest)


def largest_l1_margin(rows: ndarray) -> tuple[ndarray, float]:
    """Return w of the least |w|₁ with w·x_i ≥ 1, and min w·x_i/|w|₁: the most that any w has."""
    n, d = rows.shape
    sides = np.hstack([-rows, rows])
    w = linprog(np.ones(2 * d), A_ub=sides, b_ub=-np.ones(n), bounds=(0, None), method="highs").x
    return w[:d] - w[d:], float(1 / np.sum(w))


def _columns(x: ndarray, y: ndarray, nearest: tuple[ndarray, float] | None) -> dict[str, float]:
    u, v = np.split(y, 2)
    w = u**2 - v**2
    right, length = x @ w, np.linalg.norm(w)
    columns = {"train_loss": float(np.mean(np.logaddexp(0, -right))), "norm": float(np.linalg.norm(y))}
    if columns["norm"] < VANISHED:
        return columns
    columns["margin_l1"] = float(np.min(right) / np.sum(np.abs(w))) if length > 0 else 0.0
    if nearest:
        direction, distance = nearest
        columns["cosine_l2"] = float(w @ direction / distance / length) if length > 0 else 0.0
    return columns
