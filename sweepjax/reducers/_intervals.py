"""Intervals at 95 %: of a fraction, and of a median of which some values are known from below only."""

import warnings
from math import inf, nan

import numpy as np
from numpy.typing import NDArray
from scipy.stats import CensoredData, ecdf

NORMAL_95 = 1.959963984540054
Array = NDArray[np.float64]


def wilson(successes: Array, trials: Array) -> tuple[Array, Array]:
    """Return the 95 % interval of a fraction; it stays within [0, 1] and has width at 0 and 1."""
    fraction, square = successes / trials, NORMAL_95**2
    centre = (fraction + square / (2 * trials)) / (1 + square / trials)
    half = np.sqrt(fraction * (1 - fraction) * square / trials + (square / (2 * trials)) ** 2) / (1 + square / trials)
    low = np.where(successes == 0, 0.0, centre - half)
    return low, np.where(successes == trials, 1.0, centre + half)


def kaplan_meier_median(values: Array, censored: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the median and its 95 % interval; a censored value is at least what it says, and may be inf.

    Each is the smallest value at which the survival curve, or its log-log band, is at most 1/2. Where
    that is never, the median and the lower end are nan and the upper end is inf.

    Source:
        Kaplan, Meier (1958), J. Am. Stat. Assoc. 53, 457; Brookmeyer, Crowley (1982), Biometrics 38, 29.
    """
    if not values.size:
        return nan, nan, inf
    # A value of inf lies beyond every other, as does one censored at the largest number.
    late, largest = censored | np.isinf(values), np.finfo(np.float64).max
    survival = ecdf(CensoredData(values[~late], right=np.minimum(values[late], largest))).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the band has no width at 0 and 1
        band = survival.confidence_interval(0.95, method="log-log")
    curves = (survival, band.low, band.high)
    median, low, high = (_halved(survival.quantiles, curve.probabilities) for curve in curves)
    return median, low, inf if np.isnan(high) else high


def _halved(values: Array, curve: Array) -> float:
    reached = values[curve <= 0.5 + 1e-9]
    return float(reached[0]) if reached.size else nan
