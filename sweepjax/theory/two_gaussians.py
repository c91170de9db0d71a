"""Two Gaussians of opposite labels, n → ∞: the hard margin through the origin, and the accuracy it leaves.

x in R^{d+1} has first component N(yμ, σ_a²) and the others N(0, σ_b²), y = ±1 its label, λ = d/n. A unit S at an
angle θ to the first axis has margins of mean μ cos θ and variance v² = σ_a² cos²θ + σ_b² sin²θ, so that

κ = max_θ [μ cos θ + v a(θ)],  v² F(a) = λ σ_b² sin²θ,  F(a) = E[(Z + a)₊²] = (1 + a²)Φ(a) + aφ(a).

Source:
    Beck, Levi & Bar-Sinai (2024), arXiv:2410.04489v2, for the model; Gordon's inequality as in
    Montanari et al. (2019), arXiv:1911.01544.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import erfcx, ndtr

from sweepjax.theory._arguments import Numbers, each, floats, positive, require
from sweepjax.theory._gaussian import normal_density

Array = NDArray[np.float64]
BEYOND = 12.0  # how far the logarithm of tan θ is searched beyond the scales of the problem


class Widths(NamedTuple):
    """Half the distance of the centres μ, and the deviations σ_a along it and σ_b across."""

    mu: float
    along: float
    across: float


class Separator(NamedTuple):
    """The margin of the best direction, and the tangent of its angle to the first axis; nan if it separates nothing."""

    margin: float
    tangent: float


def margin(lam: ArrayLike, *, mu: float = 0.2, sigma_a: float = 0.0, sigma_b: float = 1.0) -> Numbers:
    """Hard margin κ in units of x; nan where the data are not separable.

    At σ_a = 0 it is μ up to λ = 1/2, where S points along the first axis; above, √(μ² + σ_b² M²) with M the margin
    of standard normal points.
    """
    widths = _widths(lam, mu, (sigma_a, sigma_b))
    return each(lambda ratio: _separator(ratio, widths).margin, lam)


def limiting_accuracy(lam: ArrayLike, *, mu: float = 0.2, sigma_a: float = 0.0, sigma_b: float = 1.0) -> Numbers:
    """Population accuracy Φ(μ cos θ / v) reached as t → ∞; nan where the data are not separable."""
    tangent = floats(separating_tangent(lam, mu=mu, sigma_a=sigma_a, sigma_b=sigma_b))
    with np.errstate(divide="ignore"):
        return ndtr(mu / np.hypot(sigma_a, sigma_b * tangent))[()]


def separating_tangent(lam: ArrayLike, *, mu: float = 0.2, sigma_a: float = 0.0, sigma_b: float = 1.0) -> Numbers:
    """Tangent of the angle between the first axis and the direction of largest margin; nan where nothing separates."""
    widths = _widths(lam, mu, (sigma_a, sigma_b))
    return each(lambda ratio: _separator(ratio, widths).tangent, lam)


def _widths(lam: ArrayLike, mu: float, sigmas: tuple[float, float]) -> Widths:
    positive(lam=lam, mu=mu, sigma_b=sigmas[1])
    require(sigmas[0] >= 0, f"sigma_a is {sigmas[0]}; it must be zero or positive")
    return Widths(mu, *sigmas)


def _separator(lam: float, widths: Widths) -> Separator:
    mu, along, across = widths
    reach = across * float(_argument(np.log(floats(lam))))
    if along == 0:
        return Separator(np.hypot(mu, max(reach, 0.0)), max(reach, 0.0) / mu)
    scales = np.log([along / across, max(along / across, abs(reach) / mu)])
    grid = np.linspace(scales[0] - BEYOND, scales[1] + BEYOND, 400)
    best = int(np.argmax(_margin(grid, lam, widths)))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    found: Any = minimize_scalar(
        lambda u: -_margin(u, lam, widths), bounds=bounds, method="bounded", options={"xatol": 1e-9}
    )
    return Separator(-found.fun, np.exp(found.x)) if found.fun < 0 else Separator(np.nan, np.nan)


def _margin(log_tangent: ArrayLike, lam: float, widths: Widths) -> Array:
    """Return μ cos θ + v a(θ)."""
    tangent = np.exp(floats(log_tangent))
    spread = np.hypot(widths.along, widths.across * tangent)
    a = _argument(np.log(lam) + 2 * np.log(widths.across * tangent / spread))
    return (widths.mu + a * spread) / np.hypot(1, tangent)


def _argument(log_value: Array) -> Array:
    """Return a with log F(a) = `log_value`; the logarithm is concave, so Newton comes from one side."""
    a = np.sqrt(np.maximum(np.exp(log_value) - 1, 0))
    for _ in range(40):
        # Left of 0, F and F' are taken relative to the normal density, which underflows.
        below, log_unit = np.minimum(a, 0), np.where(a > 0, 0, -0.5 * a**2 - 0.5 * np.log(2 * np.pi))
        normal = np.where(a > 0, ndtr(a), np.sqrt(np.pi / 2) * erfcx(-below / np.sqrt(2)))
        density = np.where(a > 0, normal_density(a), 1)
        value, slope = (1 + a**2) * normal + a * density, 2 * (a * normal + density)
        step = (log_value - np.log(value) - log_unit) * value / slope
        a = a + step
        if np.all(np.abs(step) <= 1e-15 * (1 + np.abs(a))):
            break
    return a
