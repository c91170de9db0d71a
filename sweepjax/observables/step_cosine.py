"""How straight the path through the space of all parameters is."""

import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.types import Moment, Problem, Trajectory, plugin


@plugin
class StepCosine:
    """Cosine of the angle by which the path of all parameters turns at each record; 1 where it goes straight.

    It is that between θ_k - θ_{k-1} and θ_{k+1} - θ_k. nan at the first and the last record, which have
    one neighbour only, and where a neighbour is the same point. The whole path is kept.
    """

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, " p"]:
        return ravel_pytree(moment.params)[0]

    def finish(self, problem: Problem, trajectory: Trajectory) -> Float[Array, " t"]:
        steps = jnp.diff(trajectory.kept.astype(jnp.float64), axis=0)
        directions = steps / jnp.linalg.norm(steps, axis=1, keepdims=True)
        turns = jnp.sum(directions[:-1] * directions[1:], axis=1)
        return jnp.full(len(steps) + 1, jnp.nan, dtype=turns.dtype).at[1:-1].set(turns)

    def absolute(self, relative: float) -> float:
        return 10 * relative  # of differences between near points
