"""The mean is fitted in a window by a parabola, weighted by the draws; it says where a value is crossed."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

NORMAL_95 = 1.959963984540054
PILOT = 64  # draws at a point that is only to show the way


class Sample(NamedTuple):
    """The draws at one point."""

    draws: int
    mean: float
    variance: float


class Crossing(NamedTuple):
    """Where a mean crosses a value, and the standard error of that point."""

    x: float
    se: float

    def interval(self, least: float = -math.inf, most: float = math.inf) -> tuple[float, float]:
        """Return the interval at 95 %, as far as it lies between two points; all between them if it does not."""
        low, high = self.x - NORMAL_95 * self.se, self.x + NORMAL_95 * self.se
        if low > most or high < least:
            return least, most
        return max(low, least), min(high, most)


def crossing(value: float, window: tuple[float, float], inside: Mapping[float, Sample], reach: float) -> Crossing:
    """Return where the mean crosses a value.

    Args:
        value: of the mean.
        window: two points, in which the mean is fitted.
        inside: the draws at each point of the window.
        reach: how far apart the means are that the search began with.
    """
    low, high = window
    x, middle, unit = np.array([*inside]), 0.5 * (low + high), 0.5 * (high - low)
    means, known = np.array([sample.mean for sample in inside.values()]), errors([*inside.values()], reach)
    degree = min(2, len(x) - 1)
    fitted, covariance = np.polyfit((x - middle) / unit, means, degree, w=1 / known, cov="unscaled")
    start = (crossed(value, x, means) - middle) / unit
    root = _root(fitted - np.array([*(0.0,) * degree, value]), start)
    powers, slope = root ** np.arange(degree, -1, -1), float(np.polyval(np.polyder(fitted), root))
    turns = np.append(np.arange(degree, 0, -1) * root ** np.arange(degree - 1, -1, -1), 0.0)
    # A slope that is not known well is counted twice: rounds end where it is taken to be too steep.
    doubt = 1 + 4 * float(turns @ covariance @ turns) / slope**2 if slope else math.inf
    error = math.sqrt(doubt * (powers @ covariance @ powers)) / abs(slope) if slope else math.inf
    return Crossing(float(middle + unit * root), float(unit * error))


def errors(samples: Sequence[Sample], reach: float) -> np.ndarray:
    """Return standard errors; draws that are all equal prove no more than that others are rare."""
    counts, variances = (np.array([sample[k] for sample in samples], dtype=float) for k in (0, 2))
    pooled = counts @ variances / counts.sum() + reach**2 / (4 * counts.sum())
    return np.sqrt((counts * variances + PILOT * pooled) / (counts + PILOT) / counts)


def crossed(value: float, x: np.ndarray, y: np.ndarray) -> float:
    """Return where the line through some points first crosses a value."""
    order = np.argsort(x)
    x, y = x[order], y[order] - value
    change = np.flatnonzero(y[:-1] * y[1:] <= 0)
    if not len(change):
        return float(x[np.argmin(np.abs(y))])
    i = change[0]
    span = y[i + 1] - y[i]
    return float(x[i] - y[i] * (x[i + 1] - x[i]) / span) if span else float(x[i])


def _root(polynomial: np.ndarray, near: float) -> float:
    """Return the real root next to a point; that of the tangent where there is none."""
    roots = np.roots(polynomial)
    real = roots[np.abs(roots.imag) < 1e-12].real
    if len(real):
        return float(real[np.argmin(np.abs(real - near))])
    slope = np.polyval(np.polyder(polynomial), near)
    return float(near - np.polyval(polynomial, near) / slope) if slope else near
