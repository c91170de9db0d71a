"""The finite limit of S on inseparable Gaussian data, and how the samples project on it.

Source:
    Montanari et al. (2019), arXiv:1911.01544; Sur & Candès (2019), PNAS 116, 14516, without a signal.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from sweepjax.theory._arguments import Numbers, each, positive
from sweepjax.theory._gaussian import normal_density
from sweepjax.theory._proximal import Fixed, Loss, Nodes, loss_named, nodes, solve


def s_inf(lam: ArrayLike, *, sigma: float = 1.0, loss: str = "exponential") -> Numbers:
    """Length of the minimiser S_∞ of the mean loss for n → ∞ points x ~ N(0, σ² I_d); nan from λ = 1/2.

    Ten digits for every λ < 1/2. Training with any loss of exponential tail ends at the minimiser of
    the exponential one; the logistic minimiser is where S rests while b is still of order one.
    """
    positive(sigma=sigma)
    return _each(lambda fixed, _: fixed.r / sigma, lam, loss)


def positive_fraction(lam: ArrayLike, *, loss: str = "exponential") -> Numbers:
    """Fraction of samples on the wrong side of S_∞, S_∞·x > 0; nan from λ = 1/2."""
    return _each(lambda fixed, loss: ndtr(-fixed.g * loss.slope(np.zeros(()))), lam, loss)


def positive_mean(lam: ArrayLike, *, sigma: float = 1.0, loss: str = "exponential") -> Numbers:
    """Mean of the positive projections Ŝ·x on the direction of S_∞, in units of x; nan from λ = 1/2."""
    positive(sigma=sigma)
    return _each(lambda fixed, loss: sigma * _positive_mean(fixed, loss), lam, loss)


def negative_mean(lam: ArrayLike, *, sigma: float = 1.0, loss: str = "exponential") -> Numbers:
    """Mean of the negative projections Ŝ·x on the direction of S_∞, in units of x; nan from λ = 1/2."""
    positive(sigma=sigma)
    return _each(lambda fixed, loss: sigma * _negative_mean(fixed, loss), lam, loss)


def loss_inf(lam: ArrayLike, *, loss: str = "exponential") -> Numbers:
    """Smallest mean loss without a bias, L_∞ = mean ℓ(S_∞·x), for any σ; nan from λ = 1/2."""
    return _each(_loss_inf, lam, loss)


def _each(quantity: Callable[[Fixed, Loss], float], lam: ArrayLike, loss: str) -> Numbers:
    positive(lam=lam)
    known = loss_named(loss)
    return each(lambda ratio: quantity(solve(float(ratio), loss), known) if ratio < 0.5 else np.nan, lam)


def _positive_mean(fixed: Fixed, loss: Loss) -> float:
    _, above = nodes(fixed, loss)
    return np.sum(above.weight * ndtr(-above.z)) / ndtr(-fixed.g * loss.slope(np.zeros(())))


def _negative_mean(fixed: Fixed, loss: Loss) -> float:
    below, _ = nodes(fixed, loss)
    return -np.sum(below.weight * ndtr(below.z)) / ndtr(fixed.g * loss.slope(np.zeros(())))


def _loss_inf(fixed: Fixed, loss: Loss) -> float:
    return sum(_mean_loss(side, fixed, loss) for side in nodes(fixed, loss))


def _mean_loss(side: Nodes, fixed: Fixed, loss: Loss) -> float:
    u = fixed.r * side.v
    density = normal_density(side.z) * (1 + fixed.g * fixed.r * loss.curvature(u))
    return float(np.sum(side.weight * density * loss.value(u)))
