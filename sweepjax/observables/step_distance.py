"""How far the parameters turn from one record to the next.

Source:
    Notsawo, Zhou, Pezeshki, Rish, Dumas (2023), arXiv 2306.13253.
"""

import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.types import Moment, Problem, Trajectory, plugin


@plugin
class StepDistance:
    """Cosine distance 1 - cos(θ_{k-1}, θ_k) of all parameters between successive records; nan at the first.

    It is half the square of the distance between the two directions, in float64: angles below 10⁻⁴ count. The whole
    path is kept.
    """

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, " p"]:
        return ravel_pytree(moment.params)[0]

    def finish(self, problem: Problem, trajectory: Trajectory) -> Float[Array, " t"]:
        path = trajectory.kept.astype(jnp.float64)
        path = path / jnp.linalg.norm(path, axis=1, keepdims=True)
        turned = jnp.sum(jnp.diff(path, axis=0) ** 2, axis=1) / 2
        return jnp.concatenate([jnp.full(1, jnp.nan, turned.dtype), turned])

    def absolute(self, relative: float) -> float:
        return 10 * relative**2  # of squares of differences between near points
