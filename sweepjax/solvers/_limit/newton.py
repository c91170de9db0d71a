"""Newton's method on log Σ exp(x_i·S), whose minimiser is S_∞ wherever one exists.

Message passing comes near the minimum. Each Hessian is factorised once and preconditions conjugate
gradients on the function itself. As long as these are far from the minimum factors are of float32; the
last is of float64, leads to the minimum and carries the certificate. Most draws need that one only.
The step is capped by the spread of the exponents, without which near-critical draws stall.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._limit import curvature
from sweepjax.solvers._limit.certificates import convexity_needed, least_curvature, pull, rounding, surrounds
from sweepjax.solvers._limit.linear import (
    Count,
    Factor,
    factorise,
    filled,
    hessian,
    mean_diagonal,
    ready,
    triangular,
    widened,
)

CONVERGED = 1e-10  # relative length of a step from which on the minimum counts as reached
ROUNDING = 1e-15  # of each component of Σ p_i x_i, in units of a typical x
SETTLED = 1e-26  # squared Newton decrement at which nothing is left to gain
HANDED_OVER = 1e-6  # that at which a float64 factor goes on faster than one of float32
STEPS = 40  # with one factor at most
BLOCK = 4  # of them in one visit
CONTRACTION = 0.3  # of the decrement by a step, on average, with which a factor is good enough
ROUGH, FACTORS = 12, 60  # float32 factors at most, factors in all at most
EARLY, FAR_OFF = 2, 0.3  # factors after which a larger squared decrement tells of rows that are separable
NEAR = 1e-2  # squared Newton decrement from which on a float64 factor is expected to lead to convergence
PROVABLE = 1e-7  # least curvature looked for, relative to the trace of the Hessian
TO_COME, IN_USE, GIVEN_UP = range(3)
SURELY = 2.2  # times what its products are off by: the shift with which a proof in float32 is tried
STRUGGLING = 1e-4  # diagonal shift, relative to the mean, at which float32 is given up


class Direction(NamedTuple):
    """That of the last step, the preconditioned gradient y there, and the decrement q."""

    v: Float[Array, " d"]
    y: Float[Array, " d"]
    q: Float[Array, ""]


class Iterate(NamedTuple):
    """Where the descent stands."""

    s: Float[Array, " d"]
    z: Float[Array, " n"]  # x @ s
    decrement: Float[Array, ""]  # squared Newton decrement of the last step
    factor: Factor  # of the last Hessian; its shift is what that needed on its diagonal, relative to its mean
    exact: Bool[Array, ""]  # it is one of float64
    weights: Float[Array, " n"]  # of that Hessian
    curvature: Float[Array, ""]  # that it proves
    last: Direction
    bar: Float[Array, ""]  # a decrement above it ends the steps with this factor
    steps: Int[Array, ""]  # with this factor
    factors: Int[Array, ""]
    near: Bool[Array, ""]  # near enough for a float64 factor to serve all further steps
    provable: Bool[Array, ""]  # the next one is shifted down for the proof; if that led nowhere, not at once again
    separated: Bool[Array, ""]
    converged: Bool[Array, ""]
    certified: Bool[Array, ""]  # the origin is proved to lie inside the convex hull
    tried: Bool[Array, ""]  # the proof was tried before
    finished: Bool[Array, ""]
    short: Int[Array, ""]  # the proof by float32: to come, with this factor, or given up

    @property
    def goes_on(self) -> Bool[Array, ""]:
        """Whether there is anything left to do."""
        return ~(self.separated | self.finished) & (self.factors < FACTORS)

    @property
    def doubtful(self) -> Bool[Array, ""]:
        """Whether rows that have a minimum would be nearer to it by now."""
        return (self.factors >= EARLY) & (self.decrement > FAR_OFF)

    @property
    def wants_exact(self) -> Bool[Array, ""]:
        """Whether the next factor is one of float64: it is to lead to convergence, and proves it."""
        return self.near | self.converged | (self.factor.shift > STRUGGLING) | (self.factors >= ROUGH)

    @property
    def wants_short(self) -> Bool[Array, ""]:
        """Whether a float32 factor is to lead to convergence and to prove it, where one of float64 is dear."""
        return (self.near | self.converged) & (self.short == TO_COME)

    @property
    def steps_on(self) -> Bool[Array, ""]:
        """Whether this factor still contracts the decrement well, and it is not settled for."""
        settled = jnp.where(self.exact, SETTLED, HANDED_OVER)
        return ~self.separated & (self.decrement > settled) & (self.decrement <= self.bar) & (self.steps < STEPS)


def nowhere(n: int, d: int) -> Iterate:
    """Return an iterate before it begins."""
    zero, false, none = jnp.zeros((), jnp.float64), jnp.zeros((), bool), jnp.int32(0)
    s, z, infinite = jnp.zeros(d, jnp.float64), jnp.zeros(n, jnp.float64), zero + jnp.inf
    factor = Factor(jnp.zeros((d, d), jnp.float64), zero)
    flags = (false, ~false, false, false, false, false, false, none)
    return Iterate(s, z, infinite, factor, false, z, zero, Direction(s, s, infinite), infinite, none, none, *flags)


def begin(
    exact: Float[Array, "n d"],
    square: Float[Array, ""],
    guess: tuple[Float[Array, " d"], Bool[Array, ""]] | None,
    it: Iterate,
) -> Iterate:
    """Start from message passing's guess, or from the step from S = 0 with an isotropic Hessian if that is lower."""
    first = -jnp.mean(exact, axis=0) / square
    s, near = guess or (first, jnp.zeros((), bool))
    lower = jax.nn.logsumexp(exact @ s) < jax.nn.logsumexp(exact @ first)
    s = jnp.where(lower, s, first)
    z = exact @ s
    return it._replace(s=s, z=z, near=near & lower, separated=jnp.max(z) < 0)


def rough_factor(rough: Float[Array, "n d"], exact: Float[Array, "n d"], it: Iterate, used: Count) -> Iterate:
    """Factorise the Hessian in float32, which proves nothing of its curvature."""
    z = exact @ it.s
    p = jax.nn.softmax(z)
    factor = widened(factorise(hessian(rough, p), 1e-6, 1e-5, used))
    return _factored(it._replace(z=z, exact=jnp.zeros((), bool)), factor, p, jnp.zeros((), jnp.float64))


def exact_factor(x: Float[Array, "n d"], radius: Float[Array, ""], it: Iterate, used: Count) -> Iterate:
    """Factorise H - τI in float64; it proves a curvature, if τ > 0 is wanted and possible."""
    z = x @ it.s
    p = jax.nn.softmax(z)
    h = hessian(x, p)
    trace = jnp.trace(h)
    mean = trace / (x.shape[1] if used is None else used)
    tau = jnp.where(it.provable, jnp.minimum(2 * convexity_needed(x, p, trace, radius), PROVABLE * trace), 0.0)
    factor = triangular(filled(h, used), mean_diagonal(h, used), -tau / mean, 1e-13)

    def by_residual(h: Array, factor: Factor) -> Array:
        """A Cholesky factor of whose routine no bound is known."""
        return curvature.proved(filled(h, used), -factor.shift * mean, factor.upper, rounding(len(x)) * trace)

    least = lax.platform_dependent(
        h, factor, cpu=lambda _, factor: least_curvature(x, trace, -factor.shift * mean), default=by_residual
    )
    least = jnp.where(factor.succeeded, least, 0.0)
    return _factored(it._replace(z=z, exact=jnp.ones((), bool)), ready(factor), p, least)


def short_factor(
    single: Float[Array, "n d"], exact: Float[Array, "n d"], radius: Float[Array, ""], it: Iterate, used: Count
) -> Iterate:
    """Factorise H - τI in float32, of products in short sums; it proves a curvature, if the least is not too small."""
    z = exact @ it.s
    p = jax.nn.softmax(z)
    q = jnp.sqrt(p).astype(jnp.float32)
    b = q[:, None] * single
    off = curvature.short_rounding(b) + curvature.WEIGHING * curvature.square(b)
    h = curvature.short_products(b)
    mean = mean_diagonal(h, used)
    # Near the minimum Σ p_i x_i is as nothing beside the rounding.
    tau = SURELY * off + jnp.minimum(2 * pull(exact, p, radius), PROVABLE * jnp.trace(h))
    h = filled(h, used)
    factor = triangular(h.astype(jnp.float32), mean.astype(jnp.float32), -tau / mean, 1e-6)
    shift = factor.shift.astype(jnp.float64)
    least = curvature.proved(h, -shift * mean, factor.upper, off)
    now = it._replace(z=z, exact=jnp.ones((), bool), short=jnp.int32(IN_USE))
    return _factored(now, widened(ready(factor)), jnp.square(q.astype(jnp.float64)), jnp.where(least > 0, least, 0.0))


def _factored(it: Iterate, factor: Factor, p: Float[Array, " n"], curvature: Float[Array, ""]) -> Iterate:
    """Return an iterate that is about to take steps with a new factor."""
    infinite = jnp.full_like(it.decrement, jnp.inf)
    return it._replace(
        factor=factor,
        weights=p,
        curvature=curvature,
        decrement=infinite,
        last=Direction(jnp.zeros_like(it.s), jnp.zeros_like(it.s), infinite),
        bar=infinite,
        steps=jnp.zeros_like(it.steps),
        factors=it.factors + 1,
        converged=jnp.zeros_like(it.converged),
    )


def descend(x: Float[Array, "n d"], it: Iterate) -> Iterate:
    """Take a few steps with one factor, as long as it serves."""
    end = it.steps + BLOCK

    def step(now: Iterate) -> Iterate:
        following = _step(x, now)
        bar = jnp.where(now.steps == 0, following.decrement, CONTRACTION * now.bar)
        return following._replace(bar=bar, steps=now.steps + 1)

    return lax.while_loop(lambda now: now.steps_on & (now.steps < end), step, it)


def judge(x: Float[Array, "n d"], radius: Float[Array, ""], it: Iterate) -> Iterate:
    """Decide what the steps with a factor have led to; where they converged, try to prove it."""
    certified = it.converged & surrounds(x, jax.nn.softmax(it.z), it.weights, it.curvature, radius)
    short = it.short == IN_USE
    tried = it.exact & ~short & it.provable & it.converged
    return it._replace(
        near=it.decrement < NEAR,
        provable=it.converged | ~it.exact | ~it.provable | short,
        certified=certified,
        tried=tried,
        finished=(tried & (certified | it.tried)) | (short & certified),
        short=jnp.where(short, GIVEN_UP, it.short),
    )


def _step(x: Float[Array, "n d"], it: Iterate) -> Iterate:
    """One step of conjugate gradients: to the minimum of the parabola along the line, backtracked on log Σ exp."""
    last, p = it.last, jax.nn.softmax(it.z)
    r = p @ x
    y = it.factor.solve(r)
    q = r @ y
    direction = jnp.maximum(0, (q - r @ last.y) / last.q) * last.v - y
    direction = jnp.where(r @ direction < 0, direction, -y)
    dz = x @ direction
    slope = p @ dz
    newton = -slope / (p @ jnp.square(dz - slope))
    spread = jnp.maximum(4.0, jnp.max(it.z) - jnp.min(it.z))
    value = jax.nn.logsumexp(it.z)
    least = 1e-4 * jnp.maximum(slope, -1e3 * jnp.abs(value) - 1)

    def tried(t: Float[Array, ""]) -> tuple[Array, Array]:  # the step, and whether the function rises
        return t, ~(jax.nn.logsumexp(it.z + t * dz) <= value + t * least + 1e-13 * jnp.abs(value))

    longest = jnp.minimum(newton, spread / jnp.max(jnp.abs(dz)))
    t, rises = lax.while_loop(lambda at: at[1] & (at[0] > 1e-8), lambda at: tried(at[0] / 2), tried(longest))
    # An old factor may point uphill; standing still, it is replaced.
    t = jnp.where(rises, 0.0, t)
    s, z = it.s + t * direction, it.z + t * dz
    # Exactly at the minimum there is no step to take, and beside S = 0 none is short.
    whole = (t == newton) | (q == 0)
    length, floor = jnp.linalg.norm(y), ROUNDING * x.shape[1] ** 0.5
    nothing_left = (jnp.linalg.norm(r) <= floor) & (length <= CONVERGED)
    converged = it.converged | (whole & (length <= CONVERGED * jnp.linalg.norm(s))) | nothing_left
    moved = it._replace(s=s, z=z, decrement=q, separated=jnp.max(z) < 0, converged=converged)
    return moved._replace(last=Direction(direction, y, q))
