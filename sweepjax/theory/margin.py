"""Largest margin of Gaussian points above the transition, and the accuracy it leaves."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf, ndtr, ndtri

from sweepjax.theory._arguments import Numbers, floats, positive, require
from sweepjax.theory._gaussian import normal_density


class ExtendedSvm(NamedTuple):
    """Hard-margin solution with a bias: length of S, and b."""

    s_norm: Numbers
    b: Numbers


def margin(lam: ArrayLike, *, sigma: float = 1.0) -> Numbers:
    """Hard margin M = σκ of n → ∞ points x ~ N(0, σ² I_d); 0 at λ = 1/2 and nan below.

    κ solves λ = E[(Z + κ)₊²] = (1 + κ²)Φ(κ) + κφ(κ). Near the transition κ = (√(2π)/4)(2λ - 1).

    Source:
        Gardner (1988), J. Phys. A 21, 257; Montanari et al. (2019), arXiv:1911.01544.
    """
    positive(lam=lam, sigma=sigma)
    excess = floats(lam) - 0.5
    return np.where(excess > 0, sigma * _kappa(np.abs(excess)), np.where(excess < 0, np.nan, 0.0))[()]


def support_fraction(lam: ArrayLike) -> Numbers:
    """Fraction Φ(κ) of the samples that lie on the margin; nan below λ = 1/2."""
    return ndtr(margin(lam))


def margin_standard_deviation(lam: ArrayLike, *, n: ArrayLike, sigma: float = 1.0) -> Numbers:
    """Standard deviation of the margin between realizations, to leading order in 1/√n.

    n Var M / σ² = [λ - Φ(κ) + (1/2π) ∫₀^{π/2} sin²θ e^{-κ²/(1+sinθ)} dθ] / (2 (κΦ(κ) + φ(κ))²),
    which is π/8 at λ = 1/2 and tends to 1/2. Compares two correlated copies of the data by Gordon's
    inequality: not proved, but within a per cent of simulation for every λ.
    """
    positive(n=n)
    kappa = floats(margin(lam))
    first, second = kappa * ndtr(kappa) + normal_density(kappa), floats(lam)
    variance = (second - ndtr(kappa) + _overlap(kappa)) / (2 * first**2)
    return sigma * np.sqrt(variance / floats(n))


def margin_median(lam: ArrayLike, *, n: ArrayLike, sigma: float = 1.0) -> Numbers:
    """Median margin of the separable realizations from λ = 1/2 on, where scatter is as wide as the margin is large.

    M is taken as normal about σκ with the deviation above, and positive, since other realizations are
    inseparable: at λ = 1/2 half a normal law. Heuristic; nan below λ = 1/2.
    """
    centre, deviation = margin(lam, sigma=sigma), margin_standard_deviation(lam, n=n, sigma=sigma)
    return centre - deviation * ndtri(0.5 * ndtr(centre / deviation))


def limiting_accuracy(margin: ArrayLike, *, sigma: float = 1.0) -> Numbers:
    """Population accuracy Φ(1/(σM)) reached as t → ∞ on separable data of margin M, in units of x.

    Source:
        Beck, Levi & Bar-Sinai (2024), arXiv:2410.04489.
    """
    _not_negative(margin)
    positive(sigma=sigma)
    with np.errstate(divide="ignore"):
        return ndtr(1 / (sigma * floats(margin)))


def extended_svm(margin: ArrayLike) -> ExtendedSvm:
    """Hard-margin solution of the data extended by a constant feature: |S| = M/(1+M²), b = -1/(1+M²).

    M = 0 stands for inseparable data, whose solution is S = 0, b = -1.
    """
    _not_negative(margin)
    size = 1 + floats(margin) ** 2
    return ExtendedSvm(floats(margin) / size, -1 / size)


def _kappa(excess: NDArray[np.float64]) -> NDArray[np.float64]:
    # The left side is convex, and the start lies above the root: Newton descends and cannot overshoot.
    kappa = np.sqrt(2 * excess + 1)
    for _ in range(12):
        value = 0.5 * (1 + kappa**2) * erf(kappa / np.sqrt(2)) + 0.5 * kappa**2 + kappa * normal_density(kappa)
        kappa = kappa - (value - excess) / (2 * kappa * ndtr(kappa) + 2 * normal_density(kappa))
    return kappa


def _overlap(kappa: NDArray[np.float64]) -> NDArray[np.float64]:
    nodes, weights = np.polynomial.legendre.leggauss(60)
    sine = np.sin(np.pi / 4 * (nodes + 1))
    return np.exp(-(kappa[..., None] ** 2) / (1 + sine)) @ (weights * sine**2) / 8


def _not_negative(margin: ArrayLike) -> None:
    require(~(floats(margin) < 0), f"margin is {margin}; it must be zero or positive")
