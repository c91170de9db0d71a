"""Approximate message passing: the quick guess, in float32, for Gaussian-like rows.

Each iteration is two products with the data. Far from the transition it comes close to the minimum of
Σ exp(x_i·S), or finds the active set of the hard margin; near it, and for rows unlike Gaussian ones, it
may not converge: it proves nothing, and nothing depends on it.

Source:
    Donoho, Maleki, Montanari, PNAS 106, 18914 (2009), with the output functions of the exponential loss
    and of the hard margin.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

CLOSE = 1e-4  # relative gap at which the active set is taken
MESSAGES = 600  # iterations at most
DAMPING, INERTIA = 0.7, 0.25  # of the multipliers; of the variance


SHORT = 1e-2  # relative length of the last step to the minimum at which Newton's method takes over
STEPS = 40  # to the minimum at most


class Descent(NamedTuple):
    """A vector S, the exponents x @ S, the responses of the last step, and the logarithm of their strength."""

    s: Float[Array, " d"]
    z: Float[Array, " n"]
    w: Float[Array, " n"]
    strength: Float[Array, ""]
    step: Float[Array, ""]  # relative length of the last one
    iterations: Int[Array, ""]


class Margin(NamedTuple):
    """A direction w, multipliers a ≥ 0, the variance of y_i·w without constraint i, and the gap left."""

    w: Float[Array, " d"]
    z: Float[Array, " n"]  # y @ w
    a: Float[Array, " n"]
    variance: Float[Array, ""]
    gap: Float[Array, ""]
    iterations: Int[Array, ""]


def near_minimum(x: Float[Array, "n d"], wanted: Bool[Array, ""]) -> tuple[Float[Array, " d"], Bool[Array, ""]]:
    """Return a vector S [d] near argmin Σ exp(x_i·S), and whether the steps became short. d < n."""
    n, d = x.shape
    scale = jnp.sqrt(jnp.mean(jnp.square(x)))
    x, lam = x / scale, d / n
    zero = jnp.zeros((), dtype=x.dtype)
    none = jnp.zeros(n, x.dtype)
    start = Descent(
        jnp.zeros(d, x.dtype), none, none, zero + math.log(lam / (1 - lam)) + lam / (1 - lam), zero + 1, jnp.int32(0)
    )
    last = lax.while_loop(
        lambda now: wanted & (now.step > SHORT) & (jnp.max(now.z) >= 0) & (now.iterations < STEPS),
        lambda now: _towards_minimum(x, lam, now),
        start,
    )
    return (last.s / scale).astype(jnp.float64), last.step <= SHORT


def _towards_minimum(x: Float[Array, "n d"], lam: float, now: Descent) -> Descent:
    u = now.z + now.w
    strength = lax.fori_loop(0, 2, lambda _, strength: _adjusted(u, lam, strength), now.strength)
    w = _lambert(u + strength)
    step = -_product(w, x) / x.shape[1]
    s = now.s + step
    return Descent(s, _product(x, s), w, strength, jnp.linalg.norm(step) / jnp.linalg.norm(s), now.iterations + 1)


def _adjusted(u: Float[Array, " n"], lam: float, strength: Float[Array, ""]) -> Float[Array, ""]:
    """One Newton step towards the strength at which the mean response to u is λ."""
    w = _lambert(u + strength)
    q = w / (1 + w)
    return strength - jnp.clip((jnp.mean(q) - lam) / jnp.maximum(jnp.mean(q / jnp.square(1 + w)), 0.02), -1, 1)


def _lambert(y: Float[Array, " n"]) -> Float[Array, " n"]:
    """Return W(e^y) of the principal branch to a few per mille or better."""
    y = jnp.maximum(y, -80)
    small = jnp.exp(jnp.minimum(y, 1))
    w = jnp.where(y > 1, y - jnp.log(jnp.maximum(y, 1)), small / (1 + small))
    for _ in range(2):
        w = w * (1 + y - jnp.log(w)) / (1 + w)
    return w


def near_margin(y: Float[Array, "n d"]) -> tuple[Array, Array]:
    """Return a direction w [d] and multipliers a [n] of the constraints y_i·w ≥ 1."""
    n, d = y.shape
    y = y / jnp.sqrt(jnp.mean(jnp.square(y)))
    zero = jnp.zeros((), dtype=y.dtype)
    start = Margin(
        jnp.zeros(d, y.dtype), jnp.zeros(n, y.dtype), jnp.zeros(n, y.dtype), zero + d, zero + jnp.inf, jnp.int32(0)
    )
    last = lax.while_loop(
        lambda now: ~(now.gap < CLOSE) & ~jnp.isnan(now.variance) & (now.iterations < MESSAGES),
        lambda now: _iterate(y, now),
        start,
    )
    return last.w.astype(jnp.float64), last.a.astype(jnp.float64)


def _iterate(y: Float[Array, "n d"], now: Margin) -> Margin:
    w, z, a, variance, _, iterations = now
    short = jnp.maximum(1 - (z - variance * a), 0)
    a = a + DAMPING * (short / variance - a)
    spread = variance / jnp.sum(short > 0)
    v = _product(a, y)
    w = (w + spread * v) / (1 + spread)
    variance = variance + INERTIA * (y.shape[1] * spread / (1 + spread) - variance)
    z = _product(y, w)
    upper = jnp.linalg.norm(v) / jnp.sum(a)
    gap = 1 - jnp.min(z) / jnp.linalg.norm(w) / upper
    return Margin(w, z, a, variance, gap, iterations + 1)


def _product(a: Array, b: Array) -> Array:
    """Return a @ b in float32 on every platform."""
    return jnp.matmul(a, b, precision=lax.Precision.HIGHEST)
