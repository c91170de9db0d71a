"""Weights of a quadratic network that computes f₁(a) + f₂(b) modulo p, without training.

Hidden unit i has a frequency ν and phases φ₁, φ₂: its square holds cos(2πν(f₁(a) + f₂(b))/p + φ₁ + φ₂), which the
second layer compares with every result. Over many units the other terms average out, since phases are random.

Source:
    Gromov (2023), "Grokking modular arithmetic", arXiv 2301.02679.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]


class Layers(NamedTuple):
    """Rows u_a and v_b of the first layer by operand, and w_c of the second by result: w_c·(u_a + v_b)²."""

    u: Matrix
    v: Matrix
    w: Matrix


def analytic_weights(first: ArrayLike, second: ArrayLike, *, p: int, width: int, seed: int = 0) -> Layers:
    """Return weights of so many hidden units that solve f₁(a) + f₂(b) mod p for odd p, the better the more there are.

    Args:
        first: f₁ of every operand from 0 to p - 1.
        second: f₂, likewise.
        p: the modulus.
        width: the number of hidden units.
        seed: of the random phases.
    """
    frequency = 2 * np.pi * (1 + np.arange(width) % ((p - 1) // 2)) / p
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (2, width))
    u, v = (
        np.cos(np.outer(np.asarray(each), frequency) + shift)
        for each, shift in zip((first, second), phase, strict=True)
    )
    return Layers(u, v, np.cos(np.outer(np.arange(p), -frequency) - phase.sum(axis=0)))


def answers(layers: Layers) -> NDArray[np.int64]:
    """Return which result [a b] the network says for every pair of operands."""
    hidden = (layers.u[:, None] + layers.v[None]) ** 2
    return np.argmax(hidden @ layers.w.T, axis=2)
