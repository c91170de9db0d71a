"""The smallest model that groks: two points on a line, x₁ = -σ and x₂ = σ(1-2λ), exponential loss.

They stand for the extreme projections of the full model on S_∞. With x = 1-2λ, the points are separable
from the origin when x < 0; everything here is for 0 ≤ λ ≤ 1 and, unless said, gradient flow from S = b = 0.

Source:
    Beck, Levi & Bar-Sinai (2024), arXiv:2410.04489, section 4 and appendix E; exact forms derived here.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import root_scalar
from scipy.special import lambertw, ndtri, xlogy

from sweepjax.theory._arguments import Numbers, each, floats, positive, require
from sweepjax.theory.population import population_loss
from sweepjax.theory.two_point_path import SAndB, accuracy_time, conformal_time, physical_time, s_and_b

__all__ = [
    "SAndB",
    "accuracy_time",
    "accuracy_time_limit",
    "conformal_time",
    "generalization_time",
    "late_s_and_b",
    "log_grokking_ratio",
    "loss_inf",
    "margin",
    "physical_time",
    "s_and_b",
    "s_inf",
    "train_time",
]


def s_inf(lam: ArrayLike, *, sigma: float = 1.0) -> Numbers:
    """Limit of S: log(1/x)/(σ(1+x)) with x = 1-2λ; inf at λ = 1/2 and nan above."""
    positive(sigma=sigma)
    x = _x(lam)
    with np.errstate(divide="ignore"):
        return np.where(x >= 0, (0.0 - np.log(np.maximum(x, 0))) / (sigma * (1 + np.maximum(x, 0))), np.nan)[()]


def margin(lam: ArrayLike, *, sigma: float = 1.0) -> Numbers:
    """Margin M = σ(2λ-1); nan below λ = 1/2."""
    positive(sigma=sigma)
    return np.where(_x(lam) <= 0, sigma * (0 - _x(lam)), np.nan)[()]


def loss_inf(lam: ArrayLike) -> Numbers:
    """Training loss without the bias at S_∞, L_∞ = ½(1+x) x^{-x/(1+x)}, ½ at λ = 1/2; nan above."""
    x = np.maximum(_x(lam), 0)
    return np.where(_x(lam) >= 0, 0.5 * (1 + x) * np.exp(-xlogy(x, x) / (1 + x)), np.nan)[()]


def late_s_and_b(t: ArrayLike, lam: ArrayLike, *, learning_rate: float = 1.0) -> SAndB:
    """S and b for t ≫ 1 at σ = 1, with the constants that stand beside log t.

    λ < 1/2: S_∞ and -log(1 + ηL_∞t), up to a constant that depends on how S got there.
    λ = 1/2: exact, S = log(1 + W(ηt/2)), b = -W - S, W the Lambert function.
    λ > 1/2: (1+M²) S = M log T + C, (1+M²) b = -log T + MC, T = ½η(1+M²)t, C = log(1 + 1/M); where the
    two points coincide, M = 1, the law jumps to C = 0 and 2T. The approach is slow near M = 0 and M = 1.
    """
    time, x = np.broadcast_arrays(learning_rate * floats(t), _x(lam))
    below, above = _late_below(time, np.maximum(x, 0)), _late_above(time, np.maximum(-x, 0))
    critical = _late_critical(time)
    cases = [x > 0, x < 0]
    return SAndB(*(np.select(cases, parts[:2], parts[2])[()] for parts in zip(below, above, critical, strict=True)))


def train_time(threshold: ArrayLike, lam: ArrayLike, *, learning_rate: float = 1.0) -> Numbers:
    """Time at which the training loss falls below the threshold, σ ≫ 1 and λ < 1/2: (1/ε - 1/L_∞)/η.

    For large σ, S rests at S_∞ from the start, and e^{-b} = 1 + ηL_∞t. 0 if the loss starts below it.
    """
    positive(threshold=threshold, learning_rate=learning_rate)
    return np.maximum(1 / floats(threshold) - 1 / loss_inf(lam), 0) / learning_rate


def generalization_time(
    threshold: ArrayLike, lam: ArrayLike, *, learning_rate: float = 1.0, loss: str = "exponential"
) -> Numbers:
    """Time at which the population loss falls below the threshold, σ ≫ 1 and λ < 1/2: (e^{-b} - 1)/(ηL_∞) there.

    The exponential loss e^{b + σ²S_∞²/2} gives e^{-b} = e^{σ²S_∞²/2}/ε. The logistic loss is smaller and falls
    earlier; it agrees only for ε ≪ e^{-σ²S_∞²/2}.
    """
    positive(threshold=threshold, learning_rate=learning_rate)
    require(loss in ("exponential", "logistic"), f"loss is {loss!r}; choose one of: exponential, logistic")
    spread, log_threshold = floats(s_inf(lam)), np.log(threshold)
    fall = 0.5 * spread**2 - log_threshold if loss == "exponential" else each(_logistic_fall, log_threshold, spread)
    return np.maximum(np.expm1(fall), 0) / (learning_rate * loss_inf(lam))


def log_grokking_ratio(lam: ArrayLike) -> Numbers:
    """Leading log of generalization time over training time near λ = 1/2: ½ log²(1-2λ), whatever the threshold."""
    x = _x(lam)
    with np.errstate(divide="ignore"):
        return np.where(x >= 0, 0.5 * np.log(np.maximum(x, 0)) ** 2, np.nan)[()]


def accuracy_time_limit(accuracy: ArrayLike, lam: ArrayLike, *, learning_rate: float = 1.0) -> Numbers:
    """Time at which the population accuracy passes a value Φ(z), σ → ∞ and λ < 1/2: (e^{zσS_∞} - 1)/(ηL_∞)."""
    require((floats(accuracy) >= 0.5) & (floats(accuracy) < 1), f"accuracy is {accuracy}; it must lie in [0.5, 1)")
    return np.expm1(ndtri(accuracy) * s_inf(lam)) / (learning_rate * loss_inf(lam))


def _logistic_fall(log_threshold: float, spread: float) -> float:
    """Return -b where the logistic population loss, between those of s = 0 and of e^f, is at the threshold."""
    top = 0.5 * spread**2 - log_threshold
    if not np.isfinite(top):
        return top
    low = -float(np.log(np.expm1(np.exp(log_threshold))))

    def excess(fall: float) -> float:
        return float(np.log(population_loss(-fall, spread))) - log_threshold

    return root_scalar(excess, bracket=(low - 1e-9, top + 1e-9), xtol=1e-14, rtol=1e-14).root


def _x(lam: ArrayLike) -> NDArray[np.float64]:
    ratio = floats(lam)
    require((ratio >= 0) & (ratio <= 1), f"lam is {lam}; the two-point model has 0 <= lam <= 1")
    return 1 - 2 * ratio


def _late_below(time: NDArray[np.float64], x: NDArray[np.float64]) -> SAndB:
    lam = (1 - x) / 2
    return SAndB(s_inf(lam), -np.log1p(loss_inf(lam) * time))


def _late_critical(time: NDArray[np.float64]) -> SAndB:
    product = lambertw(time / 2).real
    return SAndB(np.log1p(product), -product - np.log1p(product))


def _late_above(time: NDArray[np.float64], margin: NDArray[np.float64]) -> SAndB:
    with np.errstate(divide="ignore", invalid="ignore"):
        size, together = 1 + margin**2, margin == 1
        growth = np.log(size * time * np.where(together, 1.0, 0.5))
        constant = np.where(together, 0.0, np.log1p(1 / margin))
        return SAndB((margin * growth + constant) / size, (margin * constant - growth) / size)
