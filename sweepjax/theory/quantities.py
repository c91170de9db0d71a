"""The curves of λ that `sweepjax theory` prints: a name -> a function of λ, n and σ."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from sweepjax.theory import two_point
from sweepjax.theory._arguments import Numbers, floats, require
from sweepjax.theory.critical import critical_quantile, s_inf_quantile, s_inf_standard_deviation
from sweepjax.theory.margin import (
    limiting_accuracy,
    margin,
    margin_median,
    margin_standard_deviation,
    support_fraction,
)
from sweepjax.theory.s_inf import loss_inf, negative_mean, positive_fraction, positive_mean, s_inf
from sweepjax.theory.separability import large_deviation_rate, separable_probability


def evaluate(quantity: str, lam: ArrayLike, *, n: int = 400, sigma: float = 1.0) -> Numbers:
    """Evaluate a quantity of the table at every λ; nan on the side of the transition where it does not exist."""
    require(quantity in QUANTITIES, f"unknown quantity {quantity!r}; choose one of: {', '.join(QUANTITIES)}")
    return QUANTITIES[quantity](floats(lam), n, sigma)


def _separable_probability(lam: ArrayLike, n: int) -> Numbers:
    d = np.rint(floats(lam) * n)
    require((d >= 1) | (n < 1), f"lambda = {np.min(lam):g} at n = {n} makes d = 0; change lambda or n")
    return separable_probability(n=n, d=d)


def _accuracy(lam: ArrayLike, sigma: float) -> Numbers:
    return limiting_accuracy(np.nan_to_num(margin(lam, sigma=sigma)), sigma=sigma)


QUANTITIES: dict[str, Callable[[ArrayLike, int, float], Numbers]] = {
    "separable_probability": lambda lam, n, sigma: _separable_probability(lam, n),
    "large_deviation_rate": lambda lam, n, sigma: large_deviation_rate(lam),
    "margin": lambda lam, n, sigma: margin(lam, sigma=sigma),
    "margin_median": lambda lam, n, sigma: margin_median(lam, n=n, sigma=sigma),
    "margin_standard_deviation": lambda lam, n, sigma: margin_standard_deviation(lam, n=n, sigma=sigma),
    "support_fraction": lambda lam, n, sigma: support_fraction(lam),
    "limiting_accuracy": lambda lam, n, sigma: _accuracy(lam, sigma),
    "s_inf": lambda lam, n, sigma: s_inf(lam, sigma=sigma),
    "s_inf_standard_deviation": lambda lam, n, sigma: s_inf_standard_deviation(lam, n=n, sigma=sigma),
    "s_inf_median": lambda lam, n, sigma: s_inf_quantile(0.5, n=n, lam=lam, sigma=sigma),
    "critical_median": lambda lam, n, sigma: critical_quantile(0.5, n=n, lam=lam, sigma=sigma),
    "positive_fraction": lambda lam, n, sigma: positive_fraction(lam),
    "positive_mean": lambda lam, n, sigma: positive_mean(lam, sigma=sigma),
    "negative_mean": lambda lam, n, sigma: negative_mean(lam, sigma=sigma),
    "loss_inf": lambda lam, n, sigma: loss_inf(lam),
    "two_point_s_inf": lambda lam, n, sigma: two_point.s_inf(lam, sigma=sigma),
}
