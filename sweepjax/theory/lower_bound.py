"""A bound that ties |S_∞| to how close the origin is to the boundary of the convex hull."""

import numpy as np
from numpy.typing import ArrayLike

from sweepjax.theory._arguments import Numbers, floats, positive, require


def s_inf_lower_bound(*, n: ArrayLike, d: ArrayLike, delta: ArrayLike, diameter: ArrayLike) -> Numbers:
    """Smallest |S_∞| of n points in R^d whose origin is δ-close to the boundary of their hull; 0 if it says nothing.

    |S_∞| ≥ (1/D) log[((n-d)/d) ((1-δ)/δ)], D the largest distance between two points. δ-close means: some d
    points carry a weight of at least 1-δ in every convex combination that gives the origin. It is an
    equality for two points on a line.

    Source:
        Beck, Levi & Bar-Sinai (2024), arXiv:2410.04489, appendix D; constants derived here.
    """
    positive(d=d, diameter=diameter)
    require(floats(n) > floats(d), f"n is {n} and d is {d}; inseparable points need n > d")
    require((floats(delta) > 0) & (floats(delta) < 1), f"delta is {delta}; it must lie between 0 and 1")
    odds = (floats(n) / floats(d) - 1) * (1 / floats(delta) - 1)
    return np.maximum(np.log(odds), 0) / floats(diameter)
