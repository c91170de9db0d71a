"""Damped Newton on log Σ exp(x_i·S), whose minimiser is S_∞ wherever one exists.

Each Hessian is factorised once and serves several chord steps with float64 gradients. The first
factors are float32, good enough to precondition; the last is float64 and carries the certificate.
The step is capped by the spread of the exponents, without which near-critical draws stall.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._certificates import convexity_needed
from sweepjax.solvers._linear import Factor, factorise, hessian

CONVERGED = 1e-9  # relative length of the last step; the error of S is about its square
CHORDS = 20  # steps with one factor at most
ROUGH, EXACT = 12, 30  # float32 factors at most, factors in all at most


class Iterate(NamedTuple):
    """Where the descent stands."""

    s: Float[Array, " d"]
    z: Float[Array, " n"]  # x @ s
    decrement: Float[Array, ""]  # squared Newton decrement of the last step
    shift: Float[Array, ""]  # what the last Hessian needed on its diagonal, relative to its mean
    factors: Int[Array, ""]
    separated: Bool[Array, ""]
    converged: Bool[Array, ""]
    certified: Bool[Array, ""]  # the origin is proved to lie inside the convex hull
    finished: Bool[Array, ""]


def minimise(x: Float[Array, "n d"], wanted: Bool[Array, ""]) -> Iterate:
    """Descend until the rows are separated, or the minimum is reached and certified.

    Where it is not `wanted` no loop starts.
    """
    rough, exact = x.astype(jnp.float32), x.astype(jnp.float64)
    start = _start(exact, wanted)
    near = lax.while_loop(
        lambda it: ~(it.finished | it.separated | it.converged | (it.shift > 1e-4)) & (it.factors < ROUGH),
        lambda it: _chords(exact, _rough_solve(rough, it), it),
        start,
    )
    return lax.while_loop(
        lambda it: ~(it.separated | it.finished) & (it.factors < EXACT),
        lambda it: _certify_and_step(exact, it),
        near,
    )


def _start(x: Float[Array, "n d"], wanted: Bool[Array, ""]) -> Iterate:
    """The step from S = 0 with an isotropic Hessian, which costs nothing."""
    s = -jnp.mean(x, axis=0) / jnp.mean(jnp.square(x))
    z = x @ s
    false = jnp.zeros((), dtype=bool)
    zero = jnp.zeros((), dtype=x.dtype)
    return Iterate(s, z, zero + jnp.inf, zero, jnp.zeros((), dtype=jnp.int32), jnp.max(z) < 0, false, false, ~wanted)


def _rough_solve(x: Float[Array, "n d"], it: Iterate) -> Factor:
    return factorise(hessian(x, jax.nn.softmax(it.z)), jnp.float32(1e-6), 1e-5)


def _certify_and_step(x: Float[Array, "n d"], it: Iterate) -> Iterate:
    z = x @ it.s
    p = jax.nn.softmax(z)
    h = hessian(x, p)
    trace = jnp.trace(h)
    wanted = -convexity_needed(x, p, trace) / (trace / x.shape[1])
    factor = factorise(h, wanted, 1e-13)
    certified = jnp.isfinite(factor.lower[-1, -1]) & (factor.shift == wanted)
    stepped = _chords(x, factor, it._replace(z=z))
    return stepped._replace(certified=certified, finished=it.converged | (certified & stepped.converged))


def _chords(x: Float[Array, "n d"], factor: Factor, it: Iterate) -> Iterate:
    """Step with one factor while it contracts the decrement well."""

    def step(carry: tuple[Iterate, Int[Array, ""], Bool[Array, ""]]) -> tuple[Iterate, Int[Array, ""], Bool[Array, ""]]:
        now, k, _ = carry
        following = _step(x, factor.solve, now)
        contracts = following.decrement < 0.3 * now.decrement
        return following, k + 1, contracts

    def goes_on(carry: tuple[Iterate, Int[Array, ""], Bool[Array, ""]]) -> Bool[Array, ""]:
        now, k, contracts = carry
        return ~(now.separated | now.converged) & contracts & (k < CHORDS)

    it = it._replace(
        factors=it.factors + 1,
        shift=factor.shift.astype(it.shift.dtype),
        decrement=jnp.full_like(it.decrement, jnp.inf),
        converged=jnp.zeros_like(it.converged),
    )
    return lax.while_loop(goes_on, step, (it, jnp.int32(0), jnp.ones((), dtype=bool)))[0]


def _step(x: Float[Array, "n d"], solve: Callable[[Array], Array], it: Iterate) -> Iterate:
    """One damped step: capped by the spread of the exponents, then backtracked on log Σ exp."""
    r = jax.nn.softmax(it.z) @ x
    y = solve(r)
    q = r @ y
    direction = -y / (1 - jnp.clip(q, 0.0, 0.9))
    dz = x @ direction
    spread = jnp.maximum(4.0, jnp.max(it.z) - jnp.min(it.z))
    value = jax.nn.logsumexp(it.z)
    slope = 1e-4 * jnp.minimum(q, 1e3 * jnp.abs(value) + 1)
    t = lax.while_loop(
        lambda t: (jax.nn.logsumexp(it.z + t * dz) > value - t * slope + 1e-13 * jnp.abs(value)) & (t > 1e-8),
        lambda t: t / 2,
        jnp.minimum(1.0, spread / jnp.max(jnp.abs(dz))),
    )
    s, z = it.s + t * direction, it.z + t * dz
    converged = (t == 1) & (jnp.linalg.norm(direction) <= CONVERGED * jnp.linalg.norm(s))
    return it._replace(s=s, z=z, decrement=q, separated=jnp.max(z) < 0, converged=converged)
