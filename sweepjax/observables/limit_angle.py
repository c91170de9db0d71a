"""How far the direction of S is from its limit."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import part, require
from sweepjax.plugins import find
from sweepjax.types import Moment, Problem, Trajectory, plugin


@plugin
class LimitAngle:
    """Angle in radians between S and its limit for t → ∞, which solver `limit` computes for each dataset.

    The limit is S_∞ on inseparable draws, which S approaches like a power of t down to the error of the
    solver, and the hard-margin direction on separable ones, where the angle falls like 1/log t; of undecided
    draws it is the best guess. nan at S = 0.
    """

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, " d"]:
        require(hasattr(problem.model, "signed_rows"), "signed_rows", observable=self, problem=problem)
        return part(problem, moment, "s", observable=self)

    def finish(self, problem: Problem, trajectory: Trajectory) -> Float[Array, " t"]:
        limit = find("solvers", "limit")().direction(problem.model.signed_rows(problem.data))
        return _angle(trajectory.kept, limit)

    def absolute(self, relative: float) -> float:
        return relative


def _angle(s: Float[Array, "t d"], limit: Float[Array, " d"]) -> Float[Array, " t"]:
    """Return the angle as exactly as the directions are known: an arc cosine would lose half the digits near 0."""
    u, v = s / jnp.linalg.norm(s, axis=1, keepdims=True), limit / jnp.linalg.norm(limit)
    return 2 * jnp.arctan2(jnp.linalg.norm(u - v, axis=1), jnp.linalg.norm(u + v, axis=1))
