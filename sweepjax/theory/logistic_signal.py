"""When the maximum-likelihood estimate of a logistic regression exists: samples x ~ N(0, I_d), labels by a signal.

A label is 1 with probability 1/(1 + exp(-γ x₁)), else -1; there is no intercept. With V = y x₁ and an independent
normal Z the samples are separable, and the estimate does not exist, if κ = d/n is above

    h(γ) = min over t of E (tV - Z)₊²,

as n → ∞. At finite n the number that d is compared with is nearly normal: n times a minimum of a mean of n terms.

Source:
    Candès, Sur (2020), Ann. Statist. 48, 27, theorem 1; McCoy, Tropp (2014), Found. Comput. Math. 14, 926, for the
    fluctuations, which are those of the intrinsic volumes of a cone.
"""

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import expit, ndtr

from sweepjax.theory._arguments import Numbers, floats, require
from sweepjax.theory._gaussian import legendre, normal_density

REACH = 12.0  # standard deviations beyond which a normal has no weight
LARGEST = 1e3  # γ, above which the labels are as good as those of a sign


class Edge(NamedTuple):
    """Where the estimate ceases to exist: h, and the mean n·h - shift and variance n·spread of the edge in d - 1."""

    threshold: float
    shift: float
    spread: float


def existence_threshold(gamma: ArrayLike) -> Numbers:
    """Return h(γ), the κ = d/n above which the estimate does not exist as n → ∞: 1/2 at γ = 0, 0 as γ → ∞."""
    signal = _signals(gamma)
    return np.vectorize(lambda each: _edge(each).threshold, otypes=[np.float64])(signal)[()]


def separable_probability(*, n: ArrayLike, d: ArrayLike, gamma: ArrayLike) -> Numbers:
    """Return the probability that n samples in d dimensions are separable, to about 1 % at n = 100 and better above.

    The normal law of the edge, which at γ = 0 is the normal limit of Wendel's.
    """
    samples, features, signal = np.broadcast_arrays(floats(n), floats(d), _signals(gamma))
    edges = [_edge(float(each)) for each in signal.ravel()]
    threshold, shift, spread = (np.reshape([edge[k] for edge in edges], signal.shape) for k in range(3))
    return ndtr((features - 1 - samples * threshold + shift) / np.sqrt(samples * spread))[()]


@functools.lru_cache(maxsize=1024)
def _edge(gamma: float) -> Edge:
    nodes, weights = legendre(64)
    v = REACH * (2 * nodes - 1)
    # Labels of a strong signal change within 1/γ of 0.
    fine = np.sign(v) * np.abs(v / REACH) ** 3 * REACH
    weight = 2 * REACH * weights * 3 * (v / REACH) ** 2 * 2 * normal_density(fine) * expit(gamma * fine)

    def mean(values: np.ndarray) -> float:
        return float(weight @ values)

    def second(t: float) -> float:
        return mean(_second(t * fine))

    found: Any = minimize_scalar(second, bounds=(-20.0 - gamma, 1.0), method="bounded", options={"xatol": 1e-10})
    t = float(found.x)
    h = second(t)
    shift = mean(fine**2 * _second(t * fine)) / mean(fine**2 * ndtr(t * fine))
    return Edge(h, shift, mean(_fourth(t * fine)) - h**2 - 2 * h)


def _second(a: np.ndarray) -> np.ndarray:
    """Return E (a - Z)₊² for a normal Z."""
    return (1 + a**2) * ndtr(a) + a * normal_density(a)


def _fourth(a: np.ndarray) -> np.ndarray:
    """Return E (a - Z)₊⁴ for a normal Z."""
    return (a**4 + 6 * a**2 + 3) * ndtr(a) + (a**3 + 5 * a) * normal_density(a)


def _signals(gamma: ArrayLike) -> np.ndarray:
    signal = floats(gamma)
    require((signal >= 0) & (signal <= LARGEST), f"gamma is {gamma}; it must be a number from 0 to {LARGEST:g}")
    return np.asarray(signal)
