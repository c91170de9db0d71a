"""The Runge–Kutta–Chebyshev method: second order, and stable far along the negative real axis.

A step of s stages is stable for eigenvalues down to -0.65 s²/h, so that stiffness costs its square root.

Source:
    Sommeijer, Shampine, Verwer (1998), J. Comput. Appl. Math. 88, 315.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from sweepjax.solvers._flow.node import Node, Slope

DAMPING = 2 / 13
FEWEST, MOST_STAGES = 2, 200


def stages_for(stiffness: Float[Array, ""]) -> Float[Array, ""]:
    """Return how many stages, a whole number of at least 2, are stable for h times the largest eigenvalue."""
    return jnp.maximum(2, jnp.ceil(jnp.sqrt(1 + 1.54 * stiffness)))


def longest_step(radius: Float[Array, ""]) -> Float[Array, ""]:
    """Return the longest step that the most stages allow."""
    return (MOST_STAGES**2 - 1) / (1.54 * jnp.maximum(radius, 1e-100))


def defect(h: Float[Array, ""], before: Node, after: Node) -> Float[Array, " p"]:
    """Return the local error that the method has over a step, from the two ends of any step."""
    return 0.8 * (before.y - after.y) + 0.4 * h * (before.slope + after.slope)


class Stage(NamedTuple):
    """Two neighbouring stages j-1 and j, and the coefficients that belong to them."""

    earlier: Float[Array, " p"]
    latest: Float[Array, " p"]
    slope: Float[Array, " p"]  # at the stage before the latest
    weights: tuple[Float[Array, ""], Float[Array, ""]]  # b of either
    place: Float[Array, ""]  # c of the latest, in units of the step
    before: Float[Array, "3"]  # T, T', T'' of the Chebyshev polynomials at 1 + ε/s²
    polynomial: Float[Array, "3"]


def begin(now: Node, h: Float[Array, ""], stages: Int[Array, ""] | int) -> Stage:
    """Return the first two stages of a step of length h in `stages` stages, at least two."""
    w0, w1 = _shift(h, stages), _stretch(_shift(h, stages), stages)
    first, one, zero = 1 / (4 * w0**2), w0 / w0, 0 * w0
    polynomials = jnp.stack([one, zero, zero]), jnp.stack([w0, one, zero])
    return Stage(now.y, now.y + first * w1 * h * now.slope, now.slope, (first, first), w1 * first, *polynomials)


def stage_of(slope: Slope, now: Node, h: Float[Array, ""], stages: Int[Array, ""]) -> Callable[[Array, Stage], Stage]:
    """Return what leads from stage j - 1 to stage j = 2, 3, … of a step; at j = stages + 2 the step has ended."""
    position, y0, f0 = now
    w0 = _shift(h, stages)
    w1 = _stretch(w0, stages)

    def stage(j: Array, at: Stage) -> Stage:
        shift = jnp.stack([0 * w0, 2 * at.polynomial[0], 4 * at.polynomial[1]])
        polynomial = 2 * w0 * at.polynomial - at.before + shift
        weight = polynomial[2] / polynomial[1] ** 2
        mu, nu = 2 * weight / at.weights[1], weight / at.weights[0]
        here = slope(position + jnp.where(j > stages, 1, at.place) * h, at.latest)
        pull = h * (here - (1 - at.weights[1] * at.polynomial[0]) * f0)
        y = (1 - mu * w0 + nu) * y0 + mu * w0 * at.latest - nu * at.earlier + mu * w1 * pull
        place = w1 * polynomial[2] / polynomial[1]
        return Stage(at.latest, y, here, (at.weights[1], weight), place, at.polynomial, polynomial)

    return stage


def _shift(h: Float[Array, ""], stages: Int[Array, ""] | int) -> Float[Array, ""]:
    return 1 + DAMPING / jnp.asarray(stages, h.dtype) ** 2


def _stretch(w0: Float[Array, ""], stages: Int[Array, ""] | int) -> Float[Array, ""]:
    """Return T'/T'' of the Chebyshev polynomial of degree `stages` at w0."""
    square = w0**2 - 1
    angle, root = stages * jnp.arccosh(w0), jnp.sqrt(square)
    return jnp.sinh(angle) * square / (jnp.cosh(angle) * stages * root - w0 * jnp.sinh(angle))
