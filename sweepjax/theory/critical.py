"""The critical window |1 - 2λ| ~ 1/√n, where |S_∞| grows like n^{1/4} and its variance is infinite."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, ndtri_exp

from sweepjax.theory._arguments import Numbers, floats, positive, require
from sweepjax.theory.s_inf import s_inf

CRITICAL_AMPLITUDE = float(np.sqrt(np.log(2) ** 2 + np.pi**2 / 8))  # C of |S_∞| = C (1-2λ)^{-1/2}, 1.3092569
CRITICAL_POSITIVE_FRACTION = float(ndtr(-np.exp((np.log(2) - np.euler_gamma) / 2)))  # 0.144645


def critical_quantile(q: ArrayLike, *, n: ArrayLike, lam: ArrayLike = 0.5, sigma: float = 1.0) -> Numbers:
    """Quantile q of |S_∞| over the inseparable realizations, exponential loss, near λ = 1/2.

    σ|S_∞| = C [(1-2λ) - ξ/√n]^{-1/2} with ξ standard normal; a negative bracket is a separable draw. At
    λ = 1/2 this is n^{1/4} C/√|ξ|. Heuristic, with corrections of order n^{-1/4}: medians measured at
    n = 1024 are 8 % smaller.
    """
    positive(sigma=sigma)
    require((floats(q) > 0) & (floats(q) < 1), f"q is {q}; it must lie between 0 and 1")
    root, shift = _window(n, lam)
    bracket = (shift - ndtri_exp(np.log(floats(q)) + log_ndtr(shift))) / root
    return CRITICAL_AMPLITUDE / (sigma * np.sqrt(bracket))


def critical_tail(s_norm: ArrayLike, *, n: ArrayLike, lam: ArrayLike = 0.5, sigma: float = 1.0) -> Numbers:
    """Probability that |S_∞| of an inseparable realization exceeds s_norm, by the same law.

    At λ = 1/2 it falls like 1.37 √n / (σ s_norm)², so the variance diverges: report quantiles.
    """
    positive(s_norm=s_norm, sigma=sigma)
    root, shift = _window(n, lam)
    bracket = (CRITICAL_AMPLITUDE / (sigma * floats(s_norm))) ** 2
    return -np.expm1(log_ndtr(shift - root * bracket) - log_ndtr(shift))


def s_inf_standard_deviation(lam: ArrayLike, *, n: ArrayLike, sigma: float = 1.0) -> Numbers:
    """Standard deviation of |S_∞| between realizations, r'(λ)/(2σ√n), far below the critical window.

    Each realization acts as one of aspect ratio λ + ξ/(2√n). Not proved; nan from λ = 1/2.
    """
    positive(lam=lam, n=n)
    step = 1e-4 * np.minimum(floats(lam), np.abs(0.5 - floats(lam)))
    rise = floats(s_inf(floats(lam) + step, sigma=sigma)) - floats(s_inf(floats(lam) - step, sigma=sigma))
    return rise / (4 * step * np.sqrt(floats(n)))


def _window(n: ArrayLike, lam: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    positive(n=n, lam=lam)
    root = np.sqrt(floats(n))
    return root, root * (1 - 2 * floats(lam))
