"""The curvature of the training loss: flattest and steepest direction."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.primitives.lapack import one_by_one
from sweepjax.types import Moment, Problem, plugin


@plugin
class HessianExtremes:
    """Smallest and largest eigenvalue of the Hessian of the training loss in all p parameters, a column [t 2].

    The Hessian is formed and diagonalised in the parameters' precision: a time of order p³ and room for p² numbers,
    and for p numbers a sample.
    """

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, "2"]:
        wide = jax.tree.map(_widened, problem.data)
        y, unravel = ravel_pytree(moment.params)
        hessian = jax.hessian(lambda y: problem.model.training_loss(unravel(y), wide))(y)
        return _eigenvalues(hessian)[jnp.array([0, -1])]


@one_by_one
def _eigenvalues(hessian: Float[Array, "p p"]) -> Float[Array, " p"]:
    return jnp.linalg.eigvalsh(hessian)


def _widened(leaf: Any) -> Any:
    return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
