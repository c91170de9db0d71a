"""The perceptron with one parameter, its bias, on exponential inputs: who generalizes, and after how long.

N inputs of either label lie at ±(ε + E), E exponential of mean 1. The loss is quadratic, so that the bias relaxes to
soft(x̄, λ₁)/(1 + λ₂), x̄ the mean of all inputs. Fresh inputs are all classified correctly in the end where
|x̄| < ε(1 + λ₂) + λ₁, the effective gap, on which everything here depends.

Source:
    Žunkovič, Ilievski, "Grokking phase transitions in learning local rules with gradient descent",
    arXiv 2210.15435, section 3.1, whose equations 8 and 14 are corrected; the finite sums are derived here.
"""

from collections.abc import Callable
from math import comb, inf

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import quad
from scipy.special import gamma, gammaincc, gammaln, logsumexp

from sweepjax.theory._arguments import Numbers, floats, require

NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)  # of x̄, on either side of a kink
PLACES, SHARES = np.polynomial.legendre.leggauss(12)  # of a panel of time
SMALL = 1e-6  # x̄ at which the density is as at 0
NEGLIGIBLE = 40.0  # e^-40 of a density is left out
LATEST = 40.0  # and e^-40 of the draws, which grok later


def effective_gap(epsilon: ArrayLike, *, l1: ArrayLike = 0.0, l2: ArrayLike = 0.0) -> Numbers:
    """Return ε(1 + λ₂) + λ₁, below which |x̄| is small enough to generalize."""
    return floats(epsilon) * (1 + floats(l2)) + floats(l1)


def test_error(b: ArrayLike, *, epsilon: ArrayLike) -> Numbers:
    """Return the probability that a fresh input is on the wrong side of the bias: 0 within the gap, on either side.

    The source has 0 for every b ≤ ε, and so no error of a bias below -ε.
    """
    return -0.5 * np.expm1(np.minimum(floats(epsilon) - np.abs(b), 0))


def generalizing_probability(gap: ArrayLike, *, n: int) -> Numbers:
    """Return the probability that the final test error is 0, at an effective gap and n inputs of either label.

    It is P(|X₊ - X₋| < 2 gap) for two means of n exponential numbers each, a finite sum of incomplete gamma functions.
    """
    gap = _gap(gap, n)
    j = np.arange(n)
    weights = np.exp(gammaln(n + j) - gammaln(j + 1) - gammaln(n) - (n + j) * np.log(2))
    return 1 - 2 * (gammaincc(n - j, 2 * n * np.asarray(gap)[..., None]) @ weights)


def mean_density(x: ArrayLike, *, n: int) -> Numbers:
    """Return the density of x̄ = (X₊ - X₋)/2: a Bessel function K of half-integer order, as its finite sum."""
    z = 2 * n * np.maximum(np.abs(floats(x)), SMALL)[..., None]
    k = np.arange(n)
    terms = gammaln(n + k) - gammaln(k + 1) - gammaln(n - k) + (n - 1 - k) * np.log(z) - (n - 1 + k) * np.log(2)
    return np.exp(logsumexp(terms, axis=-1) + np.log(n) - gammaln(n) - z[..., 0])


def generalizing_probability_bessel(gap: float, *, n: int) -> float:
    """Return the same probability as the integral of `mean_density`, by quadrature."""
    return 2 * quad(lambda x: float(mean_density(x, n=n)), 0, gap, epsabs=1e-13, epsrel=1e-11)[0]


def generalizing_probability_hypergeometric(gap: float, *, n: int) -> float:
    """Return the same probability by equation 14 of the source, with its B and Γ(Nd) read as N and Γ(N).

    Its two terms grow like e^(2 N gap) and cancel: of 16 digits, 0.9 N gap are lost.
    """
    z = n * gap
    even = np.sqrt(np.pi) * (-1) ** n * z ** (2 * n) * _hypergeometric(n, n + 0.5, n + 1, z * z)
    odd = np.pi * (-1) ** (n + 1) * z * _hypergeometric(0.5, 1.5, 1.5 - n, z * z) / gamma(n)
    return float(even + odd)


def mean_accuracy(gap: float, *, n: int, l2: float = 0.0) -> float:
    """Return the mean accuracy on fresh inputs at the end of training, over all draws."""

    def error(beyond: float) -> float:
        return float(-np.expm1(-beyond / (1 + l2)) * mean_density(gap + beyond, n=n))

    return 1 - quad(error, 0, LATEST, epsabs=1e-12, limit=200)[0]


def grokking_time_density(time: ArrayLike, gap: float, *, n: int, l2: float = 0.0) -> Numbers:
    """Return the density of the delay between training and generalization, over draws that generalize.

    The smallest input m of one side and what the others of this side add to their mean are independent; from a bias
    that starts beyond all inputs, the delay is log(1 + (1 + λ₂)m/(gap - x̄))/(1 + λ₂).
    """
    rate = 1 + l2
    growth = np.expm1(rate * floats(time)) / rate  # m/(gap - x̄)
    kink = 2 * gap / (growth + 2)  # gap - x̄ where m alone makes up x̄
    with np.errstate(divide="ignore"):
        far = np.minimum(kink + NEGLIGIBLE / (n * growth), 2 * gap)
    # Before the kink what the others add on this side exceeds the mean of the other side, and beyond it falls short.
    joint = _joint(growth, gap, (0 * kink, kink), (n - 1, n)) + _joint(growth, gap, (kink, far), (n, n - 1))
    # d growth/dt is 1 + rate·growth.
    return joint * (1 + rate * growth) / generalizing_probability(gap, n=n)


def _joint(growth: Numbers, gap: float, ends: tuple[Numbers, Numbers], inputs: tuple[int, int]) -> Numbers:
    """Integrate the joint density of gap - x̄ and of the growth between two ends of gap - x̄."""
    n, half = max(inputs), (ends[1] - ends[0]) / 2
    room = np.asarray(ends[0])[..., None] + np.asarray(half)[..., None] * (NODES + 1)
    m = np.asarray(growth)[..., None] * room
    density = 2 * n * np.exp(-n * m) * _excess_density(np.abs(2 * (gap - room) - m), *inputs) * room
    return half * (density @ WEIGHTS)


def mean_grokking_time(gap: float, *, n: int, l2: float = 0.0) -> float:
    """Return the mean delay between training and generalization, over draws that generalize."""
    return _integral(lambda time: time * grokking_time_density(time, gap, n=n, l2=l2))


def grokking_time_probability(time: float, gap: float, *, n: int, l2: float = 0.0) -> float:
    """Return the probability that the delay is at most `time`, over draws that generalize."""
    return _integral(lambda each: grokking_time_density(each, gap, n=n, l2=l2), time)


def _integral(function: Callable[[Numbers], Numbers], end: float = inf) -> float:
    """Integrate over times, in panels."""
    edges = np.linspace(0, min(end, LATEST), 81)
    places = edges[:-1, None] + np.diff(edges)[:, None] * (PLACES + 1) / 2
    return float(np.sum(function(places) @ (SHARES / 2) * np.diff(edges)))


def _excess_density(y: Numbers, a: int, b: int) -> Numbers:
    """Return the density at y > 0 of Γ(a, n) - Γ(b, n), where n is the larger of both: a finite sum of powers.

    With z = n y: n e^-z Σ C(k + b - 1, k) 2^-(k + b) z^(a - 1 - k)/(a - 1 - k)! over k < a; b = 0 leaves the first.
    """
    n = max(a, b)
    shares = [comb(k + b - 1, k) * 2.0 ** -(k + b) if b else float(k == 0) for k in range(a)]
    powers = np.polyval([share / gamma(a - k) for k, share in enumerate(shares)], n * y)
    return n * np.exp(-n * y) * np.asarray(powers, np.float64)


def _hypergeometric(a: float, b: float, c: float, z: float) -> float:
    """Return the regularized ₁F₂(a; b, c; z) by its power series."""
    term, total, k = 1 / (gamma(b) * gamma(c)), 0.0, 0
    while abs(term) > 1e-18 * abs(total) or k < 2 * abs(c):
        total += term
        term *= (a + k) * z / ((b + k) * (c + k) * (k + 1))
        k += 1
    return total


def _gap(gap: ArrayLike, n: int) -> Numbers:
    require(n >= 1, f"n = {n} is not allowed; give a whole number from 1")
    require(floats(gap) >= 0, "the effective gap is negative; give numbers from 0")
    return floats(gap)
