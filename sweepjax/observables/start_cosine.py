"""How far the parameters have turned from where they started."""

import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.types import Moment, Problem, plugin


@plugin
class StartCosine:
    """Cosine of the angle between all parameters θ_t and θ_0; nan where one of them is 0."""

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, ""]:
        (now, _), (start, _) = ravel_pytree(moment.params), ravel_pytree(problem.start)
        return jnp.sum(_unit(now) * _unit(start))

    def absolute(self, relative: float) -> float:
        return relative


def _unit(vector: Float[Array, " p"]) -> Float[Array, " p"]:
    """Return the direction of a vector, however small its numbers are."""
    vector = vector / jnp.max(jnp.abs(vector))
    return vector / jnp.linalg.norm(vector)
