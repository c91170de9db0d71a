"""The curvature of the training loss: flattest and steepest direction."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.primitives.lapack import one_by_one


def hessian_extremes(model: Any, data: Any, params: Any) -> Float[Array, "t 2"]:
    """Smallest and largest eigenvalue of the Hessian of the training loss in all p parameters.

    The Hessian is formed and diagonalised in the parameters' precision, one record at a time: a time of
    order p³ and room for p² numbers, and for p numbers a sample.
    """
    wide = jax.tree.map(_widened, data)

    def extremes(each: Any) -> Float[Array, "2"]:
        y, unravel = ravel_pytree(each)
        hessian = jax.hessian(lambda y: model.training_loss(unravel(y), wide))(y)
        return _eigenvalues(hessian)[jnp.array([0, -1])]

    return lax.map(extremes, params)


@one_by_one
def _eigenvalues(hessian: Float[Array, "p p"]) -> Float[Array, " p"]:
    return jnp.linalg.eigvalsh(hessian)


def _widened(leaf: Array) -> Array:
    return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
