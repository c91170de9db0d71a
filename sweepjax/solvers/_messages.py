"""Approximate message passing for the hard margin: the quick guess, in float32, for Gaussian-like rows.

Each iteration is two products with the data. Far from the transition it finds the active set; near it,
and for rows unlike Gaussian ones, it may not converge: it proves nothing, and nothing depends on it.

Source:
    Donoho, Maleki, Montanari, PNAS 106, 18914 (2009), with the hard-margin output function.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

CLOSE = 1e-4  # relative gap at which the active set is taken
MESSAGES = 600  # iterations at most
DAMPING, INERTIA = 0.7, 0.25  # of the multipliers; of the variance


class Messages(NamedTuple):
    """A direction w, multipliers a ≥ 0, the variance of y_i·w without constraint i, and the gap left."""

    w: Float[Array, " d"]
    z: Float[Array, " n"]  # y @ w
    a: Float[Array, " n"]
    variance: Float[Array, ""]
    gap: Float[Array, ""]
    iterations: Int[Array, ""]


def pass_messages(y: Float[Array, "n d"]) -> tuple[Array, Array]:
    """Return a direction w [d] and multipliers a [n] of the constraints y_i·w ≥ 1."""
    n, d = y.shape
    y = y / jnp.sqrt(jnp.mean(jnp.square(y)))
    zero = jnp.zeros((), dtype=y.dtype)
    start = Messages(
        jnp.zeros(d, y.dtype), jnp.zeros(n, y.dtype), jnp.zeros(n, y.dtype), zero + d, zero + jnp.inf, jnp.int32(0)
    )
    last = lax.while_loop(
        lambda now: ~(now.gap < CLOSE) & ~jnp.isnan(now.variance) & (now.iterations < MESSAGES),
        lambda now: _iterate(y, now),
        start,
    )
    return last.w.astype(jnp.float64), last.a.astype(jnp.float64)


def _iterate(y: Float[Array, "n d"], now: Messages) -> Messages:
    w, z, a, variance, _, iterations = now
    short = jnp.maximum(1 - (z - variance * a), 0)
    a = a + DAMPING * (short / variance - a)
    spread = variance / jnp.sum(short > 0)
    v = a @ y
    w = (w + spread * v) / (1 + spread)
    variance = variance + INERTIA * (y.shape[1] * spread / (1 + spread) - variance)
    z = y @ w
    upper = jnp.linalg.norm(v) / jnp.sum(a)
    gap = 1 - jnp.min(z) / jnp.linalg.norm(w) / upper
    return Messages(w, z, a, variance, gap, iterations + 1)
