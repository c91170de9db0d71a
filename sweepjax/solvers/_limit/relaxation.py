"""How slowly a training comes to rest at S_∞: the least eigenvalue μ of H = Σ p_i x_i x_iᵀ there.

S(t) - S_∞ falls like t^(-μ), since dS/d log t = -H (S - S_∞) near the minimum.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._limit.linear import Factor

SETTLED = 1e-6  # r·H⁻¹r over the eigenvalue at which the search ends
SOLVES = 40  # at most
BLOCK = 4  # turns of one visit


class Softest(NamedTuple):
    """A direction v, the direction p of the last turn, the products of both with x, and what is left to gain."""

    v: Float[Array, " d"]
    xv: Float[Array, " n"]
    p: Float[Array, " d"]
    xp: Float[Array, " n"]
    value: Float[Array, ""]  # v·Hv
    r: Float[Array, " d"]  # Hv - (v·Hv) v
    w: Float[Array, " d"]  # about H⁻¹ r
    gain: Float[Array, ""]  # r·w
    kept: Float[Array, ""]  # how much of p is kept, by Polak and Ribière
    solves: Int[Array, ""]

    @property
    def goes_on(self) -> Bool[Array, ""]:
        """Whether the search takes another turn."""
        return ~self.settled & (self.solves < SOLVES)

    @property
    def settled(self) -> Bool[Array, ""]:
        """Whether the eigenvalue is found: what is left to gain is small beside it."""
        return self.gain <= SETTLED * self.value


def unknown(n: int, d: int) -> Softest:
    """Return the search for the softest direction before it begins."""
    zero, along, values = jnp.zeros((), jnp.float64), jnp.zeros(d, jnp.float64), jnp.zeros(n, jnp.float64)
    return Softest(along, values, along, values, zero, along, along, zero + jnp.inf, zero, jnp.int32(0))


def search(
    x: Float[Array, "n d"], s: Float[Array, " d"], z: Float[Array, " n"], factor: Factor, now: Softest
) -> Softest:
    """Take a few turns towards the least eigenvalue of H: inverse iteration, made faster by conjugate gradients.

    The factor is of a matrix near H, so that it preconditions and is not itself what is asked of. Products in between
    are of float32, since the eigenvalue is off by the square of what the direction is. S_∞ is a good start: near
    λ = 1/2 it is the softest direction.

    Args:
        x: the rows x_i in float32.
        s: S_∞.
        z: its products with them.
        factor: of the descent.
        now: where the search stands.

    Source:
        Knyazev (2001), SIAM J. Sci. Comput. 23, 517.
    """
    weights, norm, end = jax.nn.softmax(z), jnp.linalg.norm(s), now.solves + BLOCK
    axis = jnp.zeros_like(s).at[0].set(1)
    first = jnp.where(norm > 0, s / norm, axis), jnp.where(norm > 0, z / norm, x[:, 0].astype(z.dtype))
    begins = now.solves == 0
    now = now._replace(v=jnp.where(begins, first[0], now.v), xv=jnp.where(begins, first[1], now.xv))

    def turn(now: Softest) -> Softest:
        turned = jax.tree.map(lambda new, old: jnp.where(now.solves > 0, new, old), _turned(x, weights, now), now)
        return _measured(x, weights, factor, turned)

    return lax.while_loop(lambda now: now.goes_on & (now.solves < end), turn, now)


def relaxation_rate(exact: Float[Array, "n d"], z: Float[Array, " n"], end: Softest) -> Float[Array, ""]:
    """Return λ_min(Σ p_i x_i x_iᵀ), whose direction the search has found; nan where it has not settled."""
    return jnp.where(end.settled, jax.nn.softmax(z) @ jnp.square(exact @ end.v), jnp.nan)


def _measured(x: Float[Array, "n d"], weights: Float[Array, " n"], factor: Factor, now: Softest) -> Softest:
    value = weights @ jnp.square(now.xv)
    r = _along(x, weights * now.xv) - value * now.v
    w = factor.solve(r)
    kept = jnp.maximum(0, w @ (r - now.r)) / now.gain
    return now._replace(value=value, r=r, w=w, gain=r @ w, kept=kept, solves=now.solves + 1)


def _turned(x: Float[Array, "n d"], weights: Float[Array, " n"], now: Softest) -> Softest:
    """Return the search at the least v·Hv in the plane of v and a direction that improves it."""
    p, xp = now.w + now.kept * now.p, _times(x, now.w) + now.kept * now.xp
    along = p @ now.v
    p, xp = p - along * now.v, xp - along * now.xv
    length = jnp.linalg.norm(p)
    p, xp = p / length, xp / length
    mixed, other = weights @ (now.xv * xp), weights @ jnp.square(xp)
    angle = 0.5 * jnp.arctan2(-2 * mixed, other - now.value)
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    v, xv = cosine * now.v + sine * p, cosine * now.xv + sine * xp
    p, xp = length * (cosine * p - sine * now.v), length * (cosine * xp - sine * now.xv)
    return now._replace(v=v, xv=xv, p=p, xp=xp)


def _times(x: Float[Array, "n d"], v: Float[Array, " d"]) -> Float[Array, " n"]:
    """Return x v by float32 products, as float64."""
    return jnp.matmul(x, v.astype(x.dtype), precision=lax.Precision.HIGHEST).astype(v.dtype)


def _along(x: Float[Array, "n d"], p: Float[Array, " n"]) -> Float[Array, " d"]:
    """Return p x by float32 products, as float64; a CPU takes ten times as long for the transpose of x."""
    return jnp.matmul(p.astype(x.dtype), x, precision=lax.Precision.HIGHEST).astype(p.dtype)
