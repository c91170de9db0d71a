"""The Runge–Kutta method of Dormand and Prince: fifth order, with an error estimate and a value half-way.

Source:
    Dormand, Prince (1980), J. Comput. Appl. Math. 6, 19; Shampine (1986), Math. Comp. 46, 135, for the middle.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sweepjax.solvers._flow.node import Node, Slope

EVALUATIONS = 6
STABLE = 3.0  # h times an eigenvalue, at most
PLACES = np.array([0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1])
STAGES = np.zeros((7, 7))
STAGES[1, :1] = 1 / 5
STAGES[2, :2] = 3 / 40, 9 / 40
STAGES[3, :3] = 44 / 45, -56 / 15, 32 / 9
STAGES[4, :4] = 19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729
STAGES[5, :5] = 9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656
STAGES[6, :6] = 35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84
FOURTH = np.array([5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40])
MIDDLE = np.array([6025192743 / 30085553152, 0, 51252292925 / 65400821598, -2691868925 / 45128329728])
MIDDLE = np.append(MIDDLE, [187940372067 / 1594534317056, -1776094331 / 19743644256, 11237099 / 235043384]) / 2


class Step(NamedTuple):
    """The end of a step, y half-way, and the local error."""

    end: Node
    middle: Float[Array, " p"]
    error: Float[Array, " p"]


def dormand_prince_step(slope: Slope, now: Node, h: Float[Array, ""]) -> Step:
    """Return a step of length h."""

    def stage(j: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        slopes, _ = carry
        y = now.y + h * (jnp.asarray(STAGES)[j] @ slopes)
        return slopes.at[j].set(slope(now.position + jnp.asarray(PLACES)[j] * h, y)), y

    first = jnp.zeros((7, now.y.size), now.y.dtype).at[0].set(now.slope)
    slopes, y = lax.fori_loop(1, 7, stage, (first, now.y))
    end = Node(now.position + h, y, slopes[6])
    return Step(end, now.y + h * (MIDDLE @ slopes), h * ((STAGES[6] - FOURTH) @ slopes))
