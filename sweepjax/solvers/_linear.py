"""Weighted Gram matrices and the Cholesky factors that solvers share."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


class Factor(NamedTuple):
    """A Cholesky factor and the diagonal shift it took, relative to the mean diagonal."""

    lower: Float[Array, "d d"]
    shift: Float[Array, ""]

    def solve(self, r: Float[Array, " d"]) -> Float[Array, " d"]:
        y = jax.scipy.linalg.cho_solve((self.lower, True), r.astype(self.lower.dtype))
        return y.astype(r.dtype)


def factorise(h: Float[Array, "d d"], first: Float[Array, ""] | float, least: float) -> Factor:
    """Factorise H + shift·mean(diag H)·I, from the first shift, then upwards from `least` until it succeeds."""
    mean = jnp.trace(h) / h.shape[0]
    identity = jnp.eye(h.shape[0], dtype=h.dtype)

    def attempt(shift: Float[Array, ""]) -> Factor:
        lower = lax.linalg.cholesky(h + (shift * mean) * identity, symmetrize_input=False)
        return Factor(lower, shift)

    return lax.while_loop(
        lambda factor: ~jnp.isfinite(factor.lower[-1, -1]) & (factor.shift < 1),
        lambda factor: attempt(jnp.maximum(30 * factor.shift, jnp.asarray(least, dtype=h.dtype))),
        attempt(jnp.asarray(first, dtype=h.dtype)),
    )


def hessian(x: Float[Array, "n d"], p: Float[Array, " n"]) -> Float[Array, "d d"]:
    """Return Σ p_i x_i x_iᵀ as one plain matrix product, the fastest form on every backend."""
    return lax.dot(x.T * p.astype(x.dtype), x, precision=lax.Precision.HIGHEST)
