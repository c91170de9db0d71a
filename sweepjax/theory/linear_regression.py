"""Linear students of a linear teacher as n, d → ∞: losses, accuracies and times from the Marchenko–Pastur law.

The eigenvalues ν of XᵀX/n follow this law at λ = d/n, and each component of S - T relaxes by itself. Losses are of
descent at a learning rate η from S₀ of the teacher's size, with weight decay γ; η counts over the number of outputs.

Source:
    Levi, Beck, Bar-Sinai, "Grokking in Linear Estimators – A Solvable Model that Groks without Understanding",
    arXiv 2310.16441; its equations 12 and 16 are limits, or twice too large, as `leading_delay` and `plateaus` say.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv, ive

from sweepjax.theory._arguments import Numbers, floats, positive

PLACES = 4000  # of the quadrature over the law's angle
ANGLES = (np.arange(PLACES) + 0.5) * np.pi / PLACES
LATEST = 1e15  # steps
CLOCK = 1000  # places from 0.001 steps on


class Law(NamedTuple):
    """The Marchenko–Pastur law by quadrature: eigenvalues and their weights, which sum to 1."""

    values: Any
    weights: Any


class Training(NamedTuple):
    """What a training is of: λ = d/n, learning rate, weight decay γ, outputs, and what is correct below an error ε."""

    lam: float
    learning_rate: float = 0.01
    l2: float = 0.0
    outputs: int = 1
    tolerance: float = 1e-3


class Losses(NamedTuple):
    """Losses on the samples and on fresh ones."""

    train: Numbers
    test: Numbers


def eigenvalue_law(lam: float) -> Law:
    """Return the law of the eigenvalues of XᵀX/n; ν = 1 + λ - 2√λ cos θ removes the singularities at its edges.

    For λ > 1 a share 1 - 1/λ of them is 0.
    """
    positive(lam=lam)
    values = 1 + lam - 2 * np.sqrt(lam) * np.cos(ANGLES)
    weights = 2 * np.sin(ANGLES) ** 2 / values / PLACES
    if lam <= 1:
        return Law(values, weights)
    return Law(np.append(0.0, values), np.append(1 - 1 / lam, weights))


def losses(step: ArrayLike, training: Training) -> Losses:
    """Return the mean losses after so many steps, which may be infinite."""
    law, (_, rate, l2, outputs, _) = eigenvalue_law(training.lam), training
    steps = floats(step)[..., None]
    pull = law.values + 0.5 * l2
    factor = 1 - 2 * rate / outputs * pull
    with np.errstate(divide="ignore", invalid="ignore"):
        # A step that is too long turns what is left around: of odd steps it has the other sign.
        turned = np.where((factor < 0) & (np.rint(np.where(np.isfinite(steps), steps, 0)) % 2 == 1), -1.0, 1.0)
        left = np.where(pull == 0, 1.0, turned * np.exp(steps * np.log(np.abs(factor))))
        resting = np.where(pull == 0, 1.0, (0.5 * l2 + left * law.values) / np.where(pull == 0, 1, pull))
    each = 0.5 * (left**2 + resting**2) / outputs
    return Losses((law.values * each) @ law.weights, each @ law.weights)


def accuracy(loss: ArrayLike, *, tolerance: float = 1e-3, outputs: int = 1) -> Numbers:
    """Return the probability that the mean of squared errors, normal and of this variance each, is below ε.

    For one output it is erf(√(ε/2L)).
    """
    return gammainc(0.5 * outputs, 0.5 * outputs * tolerance / np.maximum(loss, 1e-300))


def loss_at(level: float, *, tolerance: float = 1e-3, outputs: int = 1) -> float:
    """Return the loss at which an accuracy is reached: ε/3.8415 for 0.95 and one output."""
    return 0.5 * outputs * tolerance / float(gammaincinv(0.5 * outputs, level))


def crossing_steps(training: Training, *, level: float = 0.95) -> Losses:
    """Return the steps after which each accuracy is above a level; infinite for one that ends below."""
    return _crossing_steps(training, level, losses)


def _crossing_steps(training: Training, level: float, curve: Callable[[ArrayLike, Training], Losses]) -> Losses:
    goal = loss_at(level, tolerance=training.tolerance, outputs=training.outputs)

    def crossing(pick: Callable[[Losses], Numbers]) -> float:
        def excess(log_step: float) -> float:
            return float(pick(curve(np.exp(log_step), training))) - goal

        if pick(curve(np.inf, training)) >= goal:
            return np.inf
        if excess(np.log(1e-6)) < 0:
            return 0.0
        last = np.log(LATEST)
        return float(np.exp(brentq(excess, np.log(1e-6), last))) if excess(last) < 0 else np.inf  # pyright: ignore

    return Losses(crossing(lambda each: each.train), crossing(lambda each: each.test))


def two_layer_losses(step: ArrayLike, training: Training) -> Losses:
    """Return the mean losses of two linear layers, outputs ≪ width ≪ d; without weight decay.

    They are those of one layer at the rate η/(2·outputs) that the second layer gives at the start, on a clock that
    `second_layer` speeds up; the product of both starts smaller than the teacher. The source has the clock stand still.
    """
    steps = floats(step)
    share, clock = 0.5 + 0.25 / training.outputs, np.append(0.0, np.logspace(-3, np.log10(LATEST), CLOCK))
    pace = np.asarray(1 / second_layer(clock, training))
    passed = np.append(0.0, np.cumsum(0.5 * (pace[1:] + pace[:-1]) * np.diff(clock)))
    later = clock[-1] + (steps - passed[-1]) / pace[-1]
    place = np.where(steps > passed[-1], later, np.interp(steps, passed, clock))
    return Losses(*(share * each for each in losses(place, _by_the_first_layer(training))))


def second_layer(clock: ArrayLike, training: Training) -> Numbers:
    """Return how many times S₂ᵀS₂ is what it was, on the clock of a second layer that stands still: 1 to √(2·outputs).

    Flow keeps S₁ᵀS₁ - S₂S₂ᵀ, so that S₂ᵀS₂ is as long as what both layers say, which grows towards the teacher.
    """
    law, clock = eigenvalue_law(training.lam), floats(clock)[..., None]
    rate = _by_the_first_layer(training).learning_rate / training.outputs
    left = np.exp(clock * np.log(np.abs(1 - 2 * rate * law.values)))
    return np.sqrt(left**2 @ law.weights + 2 * training.outputs * ((1 - left) ** 2 @ law.weights))


def _by_the_first_layer(training: Training) -> Training:
    return training._replace(learning_rate=training.learning_rate / (2 * training.outputs))


def two_layer_crossing_steps(training: Training, *, level: float = 0.95) -> Losses:
    """Return the steps after which each accuracy of `two_layer_losses` is above a level."""
    return _crossing_steps(training, level, two_layer_losses)


def flow_train_loss(time: ArrayLike, lam: ArrayLike) -> Numbers:
    """Return the training loss of gradient flow without weight decay, e^(-4(1 + λ)t) ₀F₁(;2; 16 t²λ), t = η·step."""
    time, lam = floats(time), floats(lam)
    z = 8 * time * np.sqrt(lam)
    return np.where(z == 0, 1.0, 2 * ive(1, z) / np.where(z == 0, 1, z) * np.exp(z - 4 * (1 + lam) * time))


def late_flow_losses(time: ArrayLike, lam: ArrayLike) -> Losses:
    """Return what both losses tend to at late times, from the lower edge of the law; λ < 1.

    The test loss approaches it slowly: at λ = 0.9 it is 0.35 of it at t = 50, and 0.88 at t = 1000.
    """
    time, lam = floats(time), floats(lam)
    gap = 1 - np.sqrt(lam)
    train = np.exp(-4 * gap**2 * time) / (16 * np.sqrt(np.pi) * lam**0.75 * time**1.5)
    return Losses(train, train / gap**2)


def plateaus(lam: ArrayLike, *, l2: ArrayLike) -> Losses:
    """Return the losses at which a small weight decay γ ends, γ²/(8(1 - λ)) and γ²/(8(1 - λ)³); λ < 1.

    Equation 16 of the source has both twice as large.
    """
    lam, small = floats(lam), floats(l2) ** 2 / 8
    return Losses(small / (1 - lam), small / (1 - lam) ** 3)


def leading_delay(lam: ArrayLike, *, learning_rate: ArrayLike = 0.01) -> Numbers:
    """Return log(1/(1 - √λ))/(2η(1 - √λ)²), equation 12 of the source: the delay in steps as ε → 0.

    At ε = 10⁻³ the delay is 0.57 of it at λ = 0.1 and 0.36 at 0.9.
    """
    gap = 1 - np.sqrt(floats(lam))
    return np.log(1 / gap) / (2 * floats(learning_rate) * gap**2)
