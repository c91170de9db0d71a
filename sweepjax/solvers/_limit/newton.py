"""Newton's method on log Σ exp(x_i·S), whose minimiser is S_∞ wherever one exists.

Message passing comes near the minimum. Each Hessian is factorised once and preconditions conjugate
gradients on the function itself. As long as these are far from the minimum factors are of float32; the
last is of float64, leads to the minimum and carries the certificate. Most draws need that one only.
The step is capped by the spread of the exponents, without which near-critical draws stall.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._limit.certificates import convexity_needed, least_curvature, surrounds
from sweepjax.solvers._limit.linear import Factor, factorise, hessian, widened
from sweepjax.solvers._limit.messages import near_minimum

CONVERGED = 1e-10  # relative length of a step from which on the minimum counts as reached
SETTLED = 1e-26  # squared Newton decrement at which nothing is left to gain
HANDED_OVER = 1e-6  # that at which a float64 factor goes on faster than one of float32
STEPS = 40  # with one factor at most
CONTRACTION = 0.3  # of the decrement by a step, on average, with which a factor is good enough
ROUGH, FACTORS = 12, 60  # float32 factors at most, factors in all at most
EARLY, FAR_OFF = 2, 0.3  # factors after which a larger squared decrement tells of rows that are separable
NEAR = 1e-2  # squared Newton decrement from which on a float64 factor is expected to lead to convergence
PROVABLE = 1e-7  # least curvature looked for, relative to the trace of the Hessian
STRUGGLING = 1e-4  # diagonal shift, relative to the mean, at which float32 is given up


class Iterate(NamedTuple):
    """Where the descent stands."""

    s: Float[Array, " d"]
    z: Float[Array, " n"]  # x @ s
    decrement: Float[Array, ""]  # squared Newton decrement of the last step
    shift: Float[Array, ""]  # what the last Hessian needed on its diagonal, relative to its mean
    factors: Int[Array, ""]
    near: Bool[Array, ""]  # near enough for a float64 factor to serve all further steps
    provable: Bool[Array, ""]  # the next one is shifted down for the proof; if that led nowhere, not at once again
    separated: Bool[Array, ""]
    converged: Bool[Array, ""]
    certified: Bool[Array, ""]  # the origin is proved to lie inside the convex hull
    tried: Bool[Array, ""]  # the proof was tried before
    finished: Bool[Array, ""]

    @property
    def goes_on(self) -> Bool[Array, ""]:
        """Whether there is anything left to do."""
        return ~(self.separated | self.finished) & (self.factors < FACTORS)

    @property
    def doubtful(self) -> Bool[Array, ""]:
        """Whether rows that have a minimum would be nearer to it by now."""
        return (self.factors >= EARLY) & (self.decrement > FAR_OFF)


class Direction(NamedTuple):
    """That of the last step, the preconditioned gradient y there, and the decrement q."""

    v: Float[Array, " d"]
    y: Float[Array, " d"]
    q: Float[Array, ""]


def begin(x: Float[Array, "n d"], wanted: Bool[Array, ""]) -> Iterate:
    """Message passing's S, or the step from S = 0 with an isotropic Hessian if that is lower.

    Where it is not `wanted` no loop starts, now or later.
    """
    rough, exact = x.astype(jnp.float32), x.astype(jnp.float64)
    first = -jnp.mean(exact, axis=0) / jnp.mean(jnp.square(exact))
    s, near = near_minimum(rough, wanted) if 2 * x.shape[1] <= x.shape[0] else (first, jnp.zeros((), dtype=bool))
    lower = jax.nn.logsumexp(exact @ s) < jax.nn.logsumexp(exact @ first)
    s = jnp.where(lower, s, first)
    z = exact @ s
    zero, false = jnp.zeros((), dtype=exact.dtype), jnp.zeros((), dtype=bool)
    none = jnp.zeros((), dtype=jnp.int32)
    return Iterate(s, z, zero + jnp.inf, zero, none, near & lower, ~false, jnp.max(z) < 0, false, false, false, ~wanted)


def minimise(x: Float[Array, "n d"], it: Iterate, patient: Bool[Array, ""]) -> Iterate:
    """Descend until the rows are separated, or the minimum is reached and certified.

    Who is not `patient` stops where the decrement says that there may be no minimum.
    """
    rough, exact = x.astype(jnp.float32), x.astype(jnp.float64)
    return lax.while_loop(
        lambda it: it.goes_on & (patient | ~it.doubtful),
        lambda it: _round(rough, exact, it),
        it,
    )


def _round(rough: Float[Array, "n d"], exact: Float[Array, "n d"], it: Iterate) -> Iterate:
    """Factorise once and step. A float64 factor is to lead to convergence and proves it."""
    it = it._replace(z=exact @ it.s)
    p = jax.nn.softmax(it.z)
    in_float64 = it.near | it.converged | (it.shift > STRUGGLING) | (it.factors >= ROUGH)
    factor, curvature = lax.cond(
        in_float64, lambda: _exact_factor(exact, p, it.provable), lambda: _rough_factor(rough, p)
    )
    after = _descend(exact, factor, it, jnp.where(in_float64, SETTLED, HANDED_OVER))
    certified = after.converged & surrounds(exact, jax.nn.softmax(after.z), p, curvature)
    tried = in_float64 & it.provable & after.converged
    return after._replace(
        near=after.decrement < NEAR,
        provable=after.converged | ~in_float64 | ~it.provable,
        certified=certified,
        tried=tried,
        finished=tried & (certified | it.tried),
    )


def _rough_factor(x: Float[Array, "n d"], p: Float[Array, " n"]) -> tuple[Factor, Float[Array, ""]]:
    """Return a float32 factor of the Hessian, which proves nothing of its curvature."""
    return widened(factorise(hessian(x, p), 1e-6, 1e-5)), jnp.zeros((), dtype=jnp.float64)


def _exact_factor(
    x: Float[Array, "n d"], p: Float[Array, " n"], provable: Bool[Array, ""]
) -> tuple[Factor, Float[Array, ""]]:
    """Return a float64 factor of H - τI and the curvature that it proves, if τ > 0 is wanted and possible."""
    h = hessian(x, p)
    trace = jnp.trace(h)
    mean = trace / x.shape[1]
    tau = jnp.where(provable, jnp.minimum(2 * convexity_needed(x, p, trace), PROVABLE * trace), 0.0)
    factor = factorise(h, -tau / mean, 1e-13)
    return factor, jnp.where(factor.succeeded, least_curvature(x, trace, -factor.shift * mean), 0.0)


def _descend(x: Float[Array, "n d"], factor: Factor, it: Iterate, settled: Float[Array, ""]) -> Iterate:
    """Step with one factor, as long as it contracts the decrement well, to the one that is settled for."""

    def goes_on(carry: tuple[Iterate, Direction, Float[Array, ""], Int[Array, ""]]) -> Bool[Array, ""]:
        now, _, bar, k = carry
        return ~now.separated & (now.decrement > settled) & (now.decrement <= bar) & (k < STEPS)

    def step(carry: tuple[Iterate, Direction, Float[Array, ""], Int[Array, ""]]) -> tuple[Any, ...]:
        now, last, bar, k = carry
        following, direction = _step(x, factor.solve, now, last)
        return following, direction, jnp.where(k == 0, following.decrement, CONTRACTION * bar), k + 1

    infinite = jnp.full_like(it.decrement, jnp.inf)
    it = it._replace(
        factors=it.factors + 1, shift=factor.shift, decrement=infinite, converged=jnp.zeros_like(it.converged)
    )
    none = Direction(jnp.zeros_like(it.s), jnp.zeros_like(it.s), infinite)
    return lax.while_loop(goes_on, step, (it, none, infinite, jnp.int32(0)))[0]


def _step(
    x: Float[Array, "n d"], solve: Callable[[Array], Array], it: Iterate, last: Direction
) -> tuple[Iterate, Direction]:
    """One step of conjugate gradients: to the minimum of the parabola along the line, backtracked on log Σ exp."""
    p = jax.nn.softmax(it.z)
    r = p @ x
    y = solve(r)
    q = r @ y
    direction = jnp.maximum(0, (q - r @ last.y) / last.q) * last.v - y
    direction = jnp.where(r @ direction < 0, direction, -y)
    dz = x @ direction
    slope = p @ dz
    newton = -slope / (p @ jnp.square(dz - slope))
    spread = jnp.maximum(4.0, jnp.max(it.z) - jnp.min(it.z))
    value = jax.nn.logsumexp(it.z)
    least = 1e-4 * jnp.maximum(slope, -1e3 * jnp.abs(value) - 1)

    def rises(t: Float[Array, ""]) -> Bool[Array, ""]:
        return ~(jax.nn.logsumexp(it.z + t * dz) <= value + t * least + 1e-13 * jnp.abs(value))

    longest = jnp.minimum(newton, spread / jnp.max(jnp.abs(dz)))
    t = lax.while_loop(lambda t: rises(t) & (t > 1e-8), lambda t: t / 2, longest)
    # An old factor may point uphill; standing still, it is replaced.
    t = jnp.where(rises(t), 0.0, t)
    s, z = it.s + t * direction, it.z + t * dz
    converged = it.converged | ((t == newton) & (jnp.linalg.norm(y) <= CONVERGED * jnp.linalg.norm(s)))
    it = it._replace(s=s, z=z, decrement=q, separated=jnp.max(z) < 0, converged=converged)
    return it, Direction(direction, y, q)
