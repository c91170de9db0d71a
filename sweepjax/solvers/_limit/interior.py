"""The interior point of a hard margin: Mehrotra's predictor-corrector on min ½‖w‖² subject to y_i·w ≥ 1.

A step solves two linear systems, by conjugate gradients that one factor preconditions. Some rows need two of these
and some need twenty, so that a row waits for a few of them at a time.

Source:
    Mehrotra, SIAM J. Optim. 2, 575 (1992).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._limit.linear import (
    Conjugate,
    Count,
    Factor,
    advanced,
    begun,
    factorise,
    hessian,
    no_system,
    widened,
)

IDENTIFIED = 3e-3  # relative gap at which the interior point's guess is tried
VANISHING = 1e-9  # upper bound on the margin, in units of the typical ‖y_i‖, taken for zero
WARM = 0.1  # complementarity of a start from a direction that separates, relative to that from none
FAR = 100.0  # margins from the boundary, at which a start from none lies
RESIDUAL, REFINEMENTS = 1e-6, 25  # of a step's linear system, relative, and the conjugate gradients at most
BLOCK = 2  # of them in one visit


class Step(NamedTuple):
    """A step of the interior point on its way: of the predictor first, then of the corrector."""

    target: Float[Array, " n"]  # what is wanted of a·ds + s·da
    system: Conjugate  # of dw
    predicts: Bool[Array, ""]
    exact: Bool[Array, ""]  # all its systems have been solved


class Interior(NamedTuple):
    """An interior point: direction w, slacks s > 0 and multipliers a > 0."""

    w: Float[Array, " d"]
    s: Float[Array, " n"]
    a: Float[Array, " n"]
    yw: Float[Array, " n"]  # y @ w
    ay: Float[Array, " d"]  # a @ y
    gap: Float[Array, ""]
    goal: Float[Array, ""]  # the gap to stop at
    rough: Bool[Array, ""]  # whether float32 still does for the factors
    hopeless: Bool[Array, ""]
    iterations: Int[Array, ""]
    step: Step

    @property
    def solves(self) -> Bool[Array, ""]:
        """Whether the system of the step is still to be solved."""
        return self.step.system.goes_on(REFINEMENTS)


def nowhere(n: int, d: int) -> Interior:
    """Return a point before it is anywhere."""
    w, none, infinite = jnp.zeros(d, jnp.float64), jnp.zeros(n, jnp.float64), jnp.array(jnp.inf, jnp.float64)
    false = jnp.zeros((), bool)
    step = Step(none, no_system(d), false, false)
    return Interior(w, none, none, none, w, infinite, infinite, false, false, jnp.int32(0), step)


def start(y: Float[Array, "n d"], w: Float[Array, " d"], a: Float[Array, " n"]) -> Interior:
    """Start near a direction that separates; else along the mean, so far out that |y_i·w| is typically FAR margins."""
    mean = jnp.mean(y, axis=0)
    least = jnp.min(y @ w)
    warm = least > 0
    w = jnp.where(warm, w / least, FAR * mean / jnp.std(y @ mean))
    m = y @ w - 1
    s = jnp.where(warm, jnp.maximum(m, WARM * jnp.mean(m)), jnp.maximum(m, 0) + 0.1 * FAR)
    total = jnp.vdot(w, w)
    floor = jnp.where(warm, WARM / s, 1.0) * total / m.size
    a = jnp.where(warm, jnp.maximum(a * total / jnp.sum(a), floor), floor)
    infinite, goal = jnp.full_like(least, jnp.inf), jnp.full_like(least, IDENTIFIED)
    yes = jnp.ones((), dtype=bool)
    return Interior(w, s, a, y @ w, a @ y, infinite, goal, yes, ~yes, jnp.int32(0), nowhere(*y.shape).step)


def normal_factor(y: Float[Array, "n d"], point: Interior, used: Count = None) -> Factor:
    """Factorise (I + Σ weights_i y_i y_iᵀ)/scale for the next step, in the precision of y, shifted if need be."""
    weights = point.a / point.s
    scale = jnp.max(weights)
    least = 1e-7 if y.dtype == jnp.float32 else 1e-15
    normal = hessian(y, weights / scale)
    diagonal = jnp.arange(normal.shape[0])
    return widened(factorise(normal.at[diagonal, diagonal].add((1 / scale).astype(y.dtype)), 0.0, least, used))


def predict(y: Float[Array, "n d"], factor: Factor, point: Interior) -> Interior:
    """Begin a step with the factor made for it: the predictor aims at nothing being left of a·s."""
    target = -point.a * point.s
    step = point.step._replace(target=target, predicts=jnp.ones((), bool), exact=jnp.sum(target) <= 0)
    return _aimed(y, factor, point._replace(step=step))


def solve(y: Float[Array, "n d"], factor: Factor, point: Interior) -> Interior:
    """Take a few conjugate gradients towards a step; on a CPU, where few lanes wait, as many as it needs."""
    weights = point.a / point.s
    scale = jnp.max(weights)

    def multiply(v: Float[Array, " d"]) -> Float[Array, " d"]:
        return (weights * (y @ v)) @ y / scale + v / scale

    block = lax.platform_dependent(cpu=lambda: jnp.int32(REFINEMENTS), default=lambda: jnp.int32(BLOCK))
    system = advanced(multiply, factor, point.step.system, most=REFINEMENTS, block=block)
    return point._replace(step=point.step._replace(system=system))


def correct(y: Float[Array, "n d"], factor: Factor, point: Interior) -> Interior:
    """Begin the corrector, whose target follows from what the predictor would reach."""
    s, a, step = point.s, point.a, point.step
    ds, da = _changes(y, point)
    mu = jnp.vdot(a, s) / s.size
    reached = jnp.vdot(s + _longest(s, ds) * ds, a + _longest(a, da) * da) / s.size
    target = -a * s - da * ds + mu * (reached / mu) ** 3
    step = step._replace(target=target, predicts=jnp.zeros((), bool), exact=step.exact & step.system.met)
    return _aimed(y, factor, point._replace(step=step))


def take(y: Float[Array, "n d"], point: Interior) -> Interior:
    """Take the step.

    Its factor is of float32 as long as that preconditions well enough. A step that shows that it does not is not
    taken; float64 starts where it started.
    """
    ds, da = _changes(y, point)
    exact = point.step.exact & point.step.system.met
    primal, dual = 0.995 * _longest(point.s, ds), 0.995 * _longest(point.a, da)
    w, s, a = point.w + primal * point.step.system.v, point.s + primal * ds, point.a + dual * da
    moved = point._replace(w=w, s=s, a=a, yw=y @ w, ay=a @ y)
    taken = jax.tree.map(lambda new, old: jnp.where(exact | ~point.rough, new, old), moved, point)
    return _assess(y, taken._replace(rough=point.rough & exact))


def _aimed(y: Float[Array, "n d"], factor: Factor, point: Interior) -> Interior:
    """Begin to solve for the step at which a·ds + s·da would be the target."""
    right = point.ay - point.w + ((point.step.target - point.a * _residual(point)) / point.s) @ y
    system = begun(factor, right / jnp.max(point.a / point.s), RESIDUAL)
    return solve(y, factor, point._replace(step=point.step._replace(system=system)))


def _residual(point: Interior) -> Float[Array, " n"]:
    """Return what is left of the constraints y_i·w - 1 = s_i."""
    return point.yw - 1 - point.s


def _changes(y: Float[Array, "n d"], point: Interior) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Return what a step adds to the slacks and to the multipliers."""
    ds = y @ point.step.system.v + _residual(point)
    return ds, (point.step.target - point.a * ds) / point.s


def _assess(y: Float[Array, "n d"], point: Interior) -> Interior:
    upper = jnp.linalg.norm(point.ay) / jnp.sum(point.a)
    lower = jnp.min(point.yw) / jnp.linalg.norm(point.w)
    typical = jnp.sqrt(jnp.mean(jnp.square(y)) * y.shape[1])
    vanishes = ~(upper > VANISHING * typical)
    return point._replace(gap=(upper - lower) / upper, hopeless=vanishes, iterations=point.iterations + 1)


def _longest(value: Float[Array, " n"], change: Float[Array, " n"]) -> Float[Array, ""]:
    """The longest step up to 1/0.995 that keeps value + step·change ≥ 0."""
    return jnp.minimum(1 / 0.995, jnp.min(jnp.where(change < 0, -value / change, jnp.inf)))
