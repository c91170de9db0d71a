"""How likely random points are to lie on one side of some plane through the origin."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, erfc, xlogy

from sweepjax.theory._arguments import Numbers, floats, require


def separable_probability(*, n: ArrayLike, d: ArrayLike) -> Numbers:
    """Probability that n symmetric random points in R^d are separable from the origin.

    P = 2^{1-n} Σ_{k<d} C(n-1, k), the chance of fewer than d heads in n-1 fair tosses. Exactly 1/2
    at n = 2d and 1 for d ≥ n; eleven digits or better down to 1e-300, for n of many millions.

    Source:
        Wendel (1962), Math. Scand. 11, 109; Cover (1965), IEEE Trans. EC-14, 326.
    """
    samples, features = _counts(n, d)
    return np.where(features >= samples, 1.0, _fewer_heads(features, samples))[()]


def inseparable_probability(*, n: ArrayLike, d: ArrayLike) -> Numbers:
    """Complement of the separable probability, with as many digits when it is tiny.

    By the symmetry of a fair coin, 1 - P(n, d) = P(n, n-d).
    """
    samples, features = _counts(n, d)
    return np.where(features >= samples, 0.0, _fewer_heads(samples - features, samples))[()]


def separable_probability_gaussian(*, n: ArrayLike, d: ArrayLike) -> Numbers:
    """Normal limit of the separable probability, ½[1 + erf((2d - n) / √(2(n-1)))].

    Good near λ = 1/2, where the transition has width 1/(2√n) in λ; far in the tails it is wrong
    by orders of magnitude.
    """
    samples, features = _counts(n, d)
    return 0.5 * erfc((samples - 2 * features) / np.sqrt(2 * np.maximum(samples - 1, 0.5)))


def large_deviation_rate(lam: ArrayLike) -> Numbers:
    """Rate I(λ) in P ~ e^{-n I}: ln 2 minus the entropy of a coin of bias λ, in nats; 0 above λ = 1/2."""
    ratio = floats(lam)
    require(ratio >= 0, f"lam is {lam}; it must be zero or positive")
    lower = np.minimum(ratio, 0.5)
    return np.log(2) + xlogy(lower, lower) + xlogy(1 - lower, 1 - lower)


def _fewer_heads(d: NDArray[np.float64], n: NDArray[np.float64]) -> NDArray[np.float64]:
    shape = np.clip(d, 1, np.maximum(n - 1, 1))
    return np.where(2 * d == n, 0.5, betainc(np.maximum(n - shape, 1), shape, 0.5))


def _counts(n: ArrayLike, d: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    for name, values in {"n": n, "d": d}.items():
        count = floats(values)
        require((count >= 1) & (count == np.floor(count)), f"{name} is {values}; it must be a positive whole number")
    return floats(n), floats(d)
