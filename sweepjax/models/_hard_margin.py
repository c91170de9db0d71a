"""The direction of the largest L2 margin of a dataset, by the kernel of solver `limit`."""

import jax.numpy as jnp
from jax import lax
from jax.custom_batching import sequential_vmap
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Float

from sweepjax.models._linear_model import combination
from sweepjax.plugins import find

SHIFT = 1e-10  # of the largest diagonal element
WIDE = 2  # features a sample from which on the margin is sought in the span of the samples


@sequential_vmap
def hard_margin(rows: Float[Array, "n d"]) -> Float[Array, " d"]:
    """Return the unit w with the largest least product w·x_i; nan where it is not certified that this is positive.

    Many features are reduced first: the rows of the Cholesky factor of x xᵀ are x in other, n axes.
    """
    n, d = rows.shape
    separator = find("solvers", "limit")().separator
    if d < WIDE * n:
        return _unit(separator(-rows))
    gram = lax.dot_general(rows, rows, (((1,), (1,)), ((), ())), precision=lax.Precision.HIGHEST)
    factor = _factor(gram.astype(jnp.float64) / d)
    weights = solve_triangular(factor, separator(-factor), trans=1, lower=True)
    return _unit(combination(rows, weights))


def _factor(gram: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """Return the Cholesky factor, shifted where equal rows leave none."""
    factor = jnp.linalg.cholesky(gram)
    shift = SHIFT * jnp.max(jnp.diagonal(gram)) * jnp.eye(len(gram))
    return lax.cond(jnp.all(jnp.isfinite(factor)), lambda: factor, lambda: jnp.linalg.cholesky(gram + shift))


def _unit(w: Float[Array, " d"]) -> Float[Array, " d"]:
    return w.astype(jnp.float64) / jnp.linalg.norm(w)
