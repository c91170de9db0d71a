"""Population accuracy where a share r of the points has one label: those short of the r-quantile along one axis."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, owens_t

from sweepjax.theory._arguments import Numbers, floats, require
from sweepjax.theory.population import SMALLEST

Array = NDArray[np.float64]
FARTHEST = 40.0  # deviations beyond which a normal tail is zero


def label_fraction_accuracy(b: ArrayLike, s: ArrayLike, *, cosine: ArrayLike, fraction: ArrayLike) -> Numbers:
    """Accuracy of f = S·x + b, x ~ N(0, σ² I), that is to be positive where the first component exceeds σk.

    A = 1 - Φ(h) - Φ(k) + 2Φ₂(h, k; ρ) with h = -b/s, s = σ|S|, ρ the cosine of S with the first axis and Φ(k) = r
    the fraction of points at f < 0. The errors are two opposite wedges, whose weights are Owen's T functions.
    It is 1 where S lies on the axis and b = -σk|S|; at r = 1 it is Φ(-b/s) whatever the cosine.

    Source:
        Beck, Levi & Bar-Sinai (2024), arXiv:2410.04489v2, appendix I; Owen (1956), Ann. Math. Statist. 27, 1075.
    """
    share, rho = floats(fraction), floats(cosine)
    require(floats(s) >= 0, f"s is {s}; it must be zero or positive")
    require((share > 0) & (share <= 1), f"fraction is {fraction}; it must lie in (0, 1]")
    require(np.abs(rho) <= 1, f"cosine is {cosine}; it must lie in [-1, 1]")
    h, k = (_end(end) for end in (-floats(b) / np.maximum(s, SMALLEST), ndtri(share)))
    errors = np.where((h < 0) == (k < 0), 0.0, 1.0) + 2 * _wedge(h, k, rho) + 2 * _wedge(k, h, rho)
    return np.clip(1 - errors, 0, 1)[()]


def _end(end: ArrayLike) -> Array:
    return np.clip(np.where(np.equal(end, 0), SMALLEST, end), -FARTHEST, FARTHEST)


def _wedge(h: Array, k: Array, rho: Array) -> Array:
    """T(h, (k - ρh)/(h √(1-ρ²))); 0 where the two ends coincide."""
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (k - rho * h) / (h * np.sqrt((1 - rho) * (1 + rho)))
    return owens_t(h, np.where(np.isnan(slope), 0.0, slope))
