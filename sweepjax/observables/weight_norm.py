"""The size of all parameters together."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import flat_path


def weight_norm(model: Any, data: Any, params: Any) -> Float[Array, " t"]:
    """Euclidean norm ‖θ‖ of all parameters together, biases included."""
    return jnp.linalg.norm(flat_path(params), axis=1)
