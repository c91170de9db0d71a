"""Exact expectations over fresh data: f = S·x + b is normal with mean b and deviation s = σ|S|."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erfcx, log_ndtr, ndtr

from sweepjax.theory._arguments import Numbers, floats, require
from sweepjax.theory._gaussian import normal_density
from sweepjax.theory.series import alternating_weights

Array = NDArray[np.float64]
TERMS = 24
SMALLEST = 1e-140  # stands for s = 0: squares of b/s stay finite


def population_loss(b: ArrayLike, s: ArrayLike) -> Numbers:
    """Expected logistic loss E log(1 + e^{b + sZ}), Z normal, s = σ|S| ≥ 0, to 1e-12 relative.

    Split at f = 0 and expand the logarithm. For b ≤ 0 and c = -b/s,
    L = s [φ(c) - cΦ(-c)] + Σ_k (-1)^{k+1}/k (E[e^{kf}; f<0] + E[e^{-kf}; f>0]), and L(b) = b + L(-b).
    The terms are moments of a positive measure on (0, 1), so 24 of them suffice.

    Source:
        Cohen, Rodriguez Villegas & Zagier (2000), Experiment. Math. 9, 3, for the alternating sum.
    """
    bias, spread = _normal(b, s)
    distance = np.abs(bias) / np.maximum(spread, SMALLEST)
    hinge = spread * normal_density(distance) * np.maximum(1 - distance * _mills_ratio(distance), 0)
    return np.maximum(bias, 0) + hinge + _alternating_sum(np.abs(bias), spread, distance)


def population_accuracy(b: ArrayLike, s: ArrayLike) -> Numbers:
    """Expected accuracy Φ(-b/s) on fresh samples, all of which belong to f < 0; 1/2 at b = s = 0."""
    bias, spread = _normal(b, s)
    return ndtr(-bias / np.maximum(spread, SMALLEST))


def log_population_error(b: ArrayLike, s: ArrayLike) -> Numbers:
    """Natural logarithm of 1 - accuracy, finite where the accuracy itself rounds to 1."""
    bias, spread = _normal(b, s)
    return log_ndtr(bias / np.maximum(spread, SMALLEST))


def exponential_population_loss(b: ArrayLike, s: ArrayLike) -> Numbers:
    """Expected exponential loss E e^{b + sZ} = e^{b + s²/2}; inf where it overflows."""
    bias, spread = _normal(b, s)
    with np.errstate(over="ignore"):
        return np.exp(bias + 0.5 * spread**2)


def _alternating_sum(bias: Array, spread: Array, distance: Array) -> Array:
    k = np.arange(1, TERMS + 1)
    left = _tail_moment(k * spread[..., None], distance[..., None], -k * bias[..., None])
    right = _tail_moment(k * spread[..., None], -distance[..., None], k * bias[..., None])
    return (left + right) / k @ alternating_weights(TERMS)


def _tail_moment(a: Array, c: Array, mean: Array) -> Array:
    # e^{mean + a²/2} Φ(c - a) where c = -mean/a; the second form holds where that factor overflows.
    x = c - a
    direct = np.exp(np.minimum(mean + 0.5 * a**2, 0)) * ndtr(x)
    scaled = normal_density(c) * _mills_ratio(-np.minimum(x, 0))
    return np.where(x > 0, direct, scaled)


def _mills_ratio(x: Array) -> Array:
    """Φ(-x)/φ(x)."""
    return np.sqrt(np.pi / 2) * erfcx(x / np.sqrt(2))


def _normal(b: ArrayLike, s: ArrayLike) -> tuple[Array, Array]:
    require(floats(s) >= 0, f"s is {s}; it must be zero or positive")
    bias, spread = np.broadcast_arrays(floats(b), floats(s))
    return bias, spread
