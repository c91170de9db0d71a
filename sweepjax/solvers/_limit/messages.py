"""Approximate message passing: the quick guess, in float32, for Gaussian-like rows.

Each iteration is two products with the data. Far from the transition it comes close to the minimum of
Σ exp(x_i·S), or finds the active set of the hard margin; near it, and for rows unlike Gaussian ones, it
may not converge: it proves nothing, and nothing depends on it.

Source:
    Donoho, Maleki, Montanari, PNAS 106, 18914 (2009), with the output functions of the exponential loss
    and of the hard margin.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._limit.linear import Count, columns_of

CLOSE = 1e-4  # relative gap at which the active set is taken
MESSAGES = 600  # iterations at most
DAMPING, INERTIA = 0.7, 0.25  # of the multipliers; of the variance
SHORT = 1e-2  # relative length of the last step to the minimum at which Newton's method takes over
STEPS = 40  # to the minimum at most
BLOCK = 8  # iterations of one visit


class ToMinimum(NamedTuple):
    """A vector S, the exponents x @ S, the responses of the last step, and the logarithm of their strength."""

    s: Float[Array, " d"]
    z: Float[Array, " n"]
    w: Float[Array, " n"]
    strength: Float[Array, ""]
    step: Float[Array, ""]  # relative length of the last one
    iterations: Int[Array, ""]

    @property
    def goes_on(self) -> Bool[Array, ""]:
        """Whether another iteration may help."""
        return (self.step > SHORT) & (jnp.max(self.z) >= 0) & (self.iterations < STEPS)


class ToMargin(NamedTuple):
    """A direction w, multipliers a ≥ 0, the variance of y_i·w without constraint i, and the gap left."""

    w: Float[Array, " d"]
    z: Float[Array, " n"]  # y @ w
    a: Float[Array, " n"]
    variance: Float[Array, ""]
    gap: Float[Array, ""]
    iterations: Int[Array, ""]

    @property
    def goes_on(self) -> Bool[Array, ""]:
        """Whether another iteration may help."""
        return ~(self.gap < CLOSE) & ~jnp.isnan(self.variance) & (self.iterations < MESSAGES)


Messages = ToMinimum | ToMargin


def start(n: int, d: int, used: Count = None) -> Messages:
    """Return the start towards the minimum, or where most rows are separable, towards the margin."""
    zero, none, lam = jnp.zeros((), jnp.float32), jnp.zeros(n, jnp.float32), columns_of(d, used, jnp.float32) / n
    if separable_mostly(n, d):
        variance = zero + columns_of(d, used, jnp.float32)
        return ToMargin(jnp.zeros(d, jnp.float32), none, none, variance, zero + jnp.inf, jnp.int32(0))
    strength = zero + (math.log(lam / (1 - lam)) if used is None else jnp.log(lam / (1 - lam))) + lam / (1 - lam)
    return ToMinimum(jnp.zeros(d, jnp.float32), none, none, strength, zero + 1, jnp.int32(0))


def separable_mostly(n: int, d: int) -> bool:
    """Whether d is beyond the transition at n/2."""
    return 2 * d > n


def iterate(x: Float[Array, "n d"], square: Float[Array, ""], now: Messages, used: Count = None) -> Messages:
    """Return the messages after another visit: a few iterations on rows in float32, whose mean square is given."""
    data, columns = _Data(x, (1 / jnp.sqrt(square)).astype(jnp.float32)), columns_of(x.shape[1], used, jnp.float32)
    end = now.iterations + BLOCK

    def step(now: Any) -> Any:
        if isinstance(now, ToMargin):
            return _towards_margin(data, columns, now)
        return _towards_minimum(data, columns, now)

    return lax.while_loop(lambda now: now.goes_on & (now.iterations < end), step, now)


def minimum_of(square: Float[Array, ""], now: ToMinimum) -> tuple[Float[Array, " d"], Bool[Array, ""]]:
    """Return a vector S [d] near argmin Σ exp(x_i·S), and whether the steps became short."""
    return now.s / jnp.sqrt(square), now.step <= SHORT


def margin_of(now: ToMargin) -> tuple[Array, Array]:
    """Return a direction w [d] and multipliers a [n] of the constraints y_i·w ≥ 1."""
    return now.w.astype(jnp.float64), now.a.astype(jnp.float64)


class _Data(NamedTuple):
    """Rows, in float32, and what brings their mean square to one: products are scaled, of which there are fewer."""

    x: Float[Array, "n d"]
    scale: Float[Array, ""]

    def along(self, a: Float[Array, " n"]) -> Float[Array, " d"]:
        """Return a @ x."""
        return self.scale * jnp.matmul(a, self.x, precision=lax.Precision.HIGHEST)

    def times(self, w: Float[Array, " d"]) -> Float[Array, " n"]:
        """Return x @ w."""
        return self.scale * jnp.matmul(self.x, w, precision=lax.Precision.HIGHEST)


def _towards_minimum(data: _Data, columns: Any, now: ToMinimum) -> ToMinimum:
    lam = columns / len(data.x)
    u = now.z + now.w
    strength = lax.fori_loop(0, 2, lambda _, strength: _adjusted(u, lam, strength), now.strength)
    w = _lambert(u + strength)
    step = -data.along(w) / columns
    s = now.s + step
    return ToMinimum(s, data.times(s), w, strength, jnp.linalg.norm(step) / jnp.linalg.norm(s), now.iterations + 1)


def _adjusted(u: Float[Array, " n"], lam: Any, strength: Float[Array, ""]) -> Float[Array, ""]:
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


def _towards_margin(data: _Data, columns: Any, now: ToMargin) -> ToMargin:
    w, z, a, variance, _, iterations = now
    short = jnp.maximum(1 - (z - variance * a), 0)
    a = a + DAMPING * (short / variance - a)
    spread = variance / jnp.sum(short > 0)
    v = data.along(a)
    w = (w + spread * v) / (1 + spread)
    variance = variance + INERTIA * (columns * spread / (1 + spread) - variance)
    z = data.times(w)
    upper = jnp.linalg.norm(v) / jnp.sum(a)
    gap = 1 - jnp.min(z) / jnp.linalg.norm(w) / upper
    return ToMargin(w, z, a, variance, gap, iterations + 1)
