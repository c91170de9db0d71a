"""The size of all parameters together."""

import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.types import Moment, Problem, plugin


@plugin
class WeightNorm:
    """Euclidean norm ‖θ‖ of all parameters together, biases included."""

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, ""]:
        return jnp.linalg.norm(ravel_pytree(moment.params)[0].astype(jnp.float64))
