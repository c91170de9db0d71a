"""How the training samples project on the direction that training finds.

Source:
    Montanari et al. (2019), arXiv:1911.01544, for the equations whose solution they are densities of.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sweepjax.theory._arguments import Numbers, floats, positive, require
from sweepjax.theory._gaussian import normal_density
from sweepjax.theory._proximal import loss_named, solve
from sweepjax.theory.margin import margin, support_fraction


class Atom(NamedTuple):
    """A share of the samples that sit at one point."""

    position: Numbers
    mass: Numbers


def projection_density(u: ArrayLike, lam: float, *, sigma: float = 1.0, loss: str = "exponential") -> Numbers:
    """Density of Ŝ·x over the training samples, Ŝ the direction of S_∞, for λ < 1/2.

    At σ = 1 it is φ(u + g ℓ'(ru)) (1 + g r ℓ''(ru)), r = |S_∞|: a Gaussian whose positive side is pushed back.
    """
    positive(lam=lam, sigma=sigma)
    require(lam < 0.5, f"lam is {lam}; S_∞ exists only below 1/2, see margin_projection_density")
    known, (r, g) = loss_named(loss), solve(float(lam), loss)
    v = floats(u) / sigma
    stretch = 1 + g * r * known.curvature(r * v)
    return stretch * normal_density(v + g * known.slope(r * v)) / sigma


def margin_projection_density(u: ArrayLike, lam: ArrayLike, *, sigma: float = 1.0) -> Numbers:
    """Density of Ŝ·x over the samples off the margin, Ŝ the hard-margin direction, for λ ≥ 1/2.

    The normal density left of -M and 0 right of it; the rest is `margin_projection_atom`.
    """
    _separable(lam)
    v = floats(u) / sigma
    return np.where(v < -floats(margin(lam)), normal_density(v) / sigma, 0.0)[()]


def margin_projection_atom(lam: ArrayLike, *, sigma: float = 1.0) -> Atom:
    """Return the support vectors: a share Φ(κ) of the samples, all at -M = -σκ, for λ ≥ 1/2."""
    _separable(lam)
    return Atom(-margin(lam, sigma=sigma), support_fraction(lam))


def _separable(lam: ArrayLike) -> None:
    require(floats(lam) >= 0.5, f"lam is {lam}; a margin exists only from 1/2, see projection_density")
