"""The perceptron on balls: its error, and how long after training it generalizes when there are many samples.

With N → ∞ the flow relaxes towards the first axis alone: along it at the rate ε² + λ, across it at λ = λ₂ + 1/(D + 2).
Here training counts as done where the angle to the axis has cos ≥ 1/√(1 + ε²), generalization where cos ≥ 1/ε. In
rows training is done when every sample is right, so that their delay vanishes as N → ∞.

Source:
    Žunkovič, Ilievski, "Grokking phase transitions in learning local rules with gradient descent",
    arXiv 2210.15435, section 3.2, of which equation 47 is corrected.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc
from scipy.stats import chi2

from sweepjax.theory._arguments import Numbers, floats, require


def test_error(h: ArrayLike, *, d: int) -> Numbers:
    """Return the share of a unit ball beyond a plane at the distance h = ε cos(w, e₁) from its centre."""
    h = floats(h)
    cap = 0.5 * betainc(0.5 * (d + 1), 0.5, np.maximum(1 - h**2, 0))
    return np.where(h < 0, 1 - cap, cap)[()]


def exponent(d: int) -> float:
    """Return the exponent with which the error vanishes as h → 1, (D + 1)/2."""
    return (d + 1) / 2


def relaxation_rate(*, d: int, l2: ArrayLike) -> Numbers:
    """Return λ₂ + 1/(D + 2), at which what lies across the first axis decays."""
    return floats(l2) + 1 / (d + 2)


def fast_probability(epsilon: ArrayLike, *, d: int) -> Numbers:
    """Return the probability of a start so close to the axis that it generalizes while w grows along it, for ε > 1."""
    return chi2.cdf(1 - 1 / _beyond_one(epsilon) ** 2, d - 1)


def fast_delay(epsilon: ArrayLike, across: ArrayLike) -> Numbers:
    """Return the delay of such a start, of length `across` across the axis, for λ → 0: equation 42 of the source.

    λ is at least 1/(D + 2): at D = 5, ε = 2 and λ₂ = 0.01 the delay of starts that training has to move is 0.74 of this
    in the median.
    """
    epsilon, across = _beyond_one(epsilon), floats(across)
    return np.log((1 - across) / (1 - epsilon * across / np.sqrt(epsilon**2 - 1))) / epsilon**2


def slow_delay(epsilon: ArrayLike, *, d: int, l2: ArrayLike) -> Numbers:
    """Return the delay of all other starts, log(ε²/(ε² - 1))/(2λ).

    Equation 47 of the source has ε⁴ in place of ε², and so a third of it or less.
    """
    square = _beyond_one(epsilon) ** 2
    return np.log(square / (square - 1)) / (2 * relaxation_rate(d=d, l2=l2))


def _beyond_one(epsilon: ArrayLike) -> np.ndarray:
    require(floats(epsilon) > 1, f"epsilon = {epsilon} is not allowed; only beyond 1 do the balls have a gap")
    return floats(epsilon)
