"""The hard margin of rows y_i: max over ‖w‖ = 1 of min_i y_i·w, with a proved gap.

A guess of the active constraints y_i·w = 1 is corrected until primal and dual bounds meet (a primal-dual
active set), in one to three factorisations from a good guess. The first guess is message passing's. Where that does not
do, an interior point (Mehrotra's predictor-corrector on min ½‖w‖² subject to y_i·w ≥ 1) makes a better one or goes on.

Source:
    Hintermüller, Ito, Kunisch, SIAM J. Optim. 13, 865 (2002); Mehrotra, SIAM J. Optim. 2, 575 (1992).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._limit.certificates import margin_bounds
from sweepjax.solvers._limit.linear import Count, Factor, factorise, hessian, refined, widened

Pair = tuple[Float[Array, " d"], Float[Array, " n"]]  # a direction w and multipliers a ≥ 0 with w ≈ Σ a_i y_i

PROMISING = 3e-2  # relative gap below which a guess of the active set is worth correcting
IDENTIFIED = 3e-3  # relative gap at which the interior point's guess is tried
CLOSED = 1e-7  # relative gap that ends the search
VANISHING = 1e-9  # upper bound on the margin, in units of the typical ‖y_i‖, taken for zero
WARM = 0.1  # complementarity of a start from a direction that separates, relative to that from none
FAR = 100.0  # margins from the boundary, at which a start from none lies
INTERIOR, ACTIVE = 40, 6  # iterations at most, in all and of one try
ASTRAY = 0.1  # share of the constraints that change their side where a try leads nowhere
RESIDUAL, REFINEMENTS = 1e-6, 25  # of a step's linear system, relative, and the conjugate gradients at most
STRICTER = 1e-2  # the next goal, relative to the last
TRIES = 4  # of the guess, and of the active sets that the interior point shows at one goal after the other


class Interior(NamedTuple):
    """An interior point: direction w, slacks s > 0 and multipliers a > 0."""

    w: Float[Array, " d"]
    s: Float[Array, " n"]
    a: Float[Array, " n"]
    gap: Float[Array, ""]
    goal: Float[Array, ""]  # the gap to stop at
    rough: Bool[Array, ""]  # whether float32 still does for the factors
    hopeless: Bool[Array, ""]
    iterations: Int[Array, ""]


class Margin(NamedTuple):
    """The best direction found, with proved bounds on the margin."""

    w: Float[Array, " d"]
    lower: Float[Array, ""]
    upper: Float[Array, ""]
    support: Int[Array, ""]
    factors: Int[Array, ""]  # factorisations so far

    @property
    def gap(self) -> Float[Array, ""]:
        """(upper - lower)/upper."""
        return (self.upper - self.lower) / self.upper


class Search(NamedTuple):
    """Where the search for a margin stands."""

    best: Margin
    point: Interior
    active: Bool[Array, " n"]  # the constraints guessed to hold with equality
    near: Bool[Array, ""]  # the guess is worth correcting
    tries: Int[Array, ""]
    factors: Int[Array, ""]  # when this try began
    iterations: Int[Array, ""]  # of the interior point, when this try began

    @property
    def goes_on(self) -> Bool[Array, ""]:
        """Whether another try may close the gap."""
        return ~(self.best.gap <= CLOSED) & ~self.point.hopeless & (self.tries < TRIES)

    @property
    def corrects(self) -> Bool[Array, ""]:
        """Whether the guess of the active set is corrected once more."""
        return self.near & (self.best.gap > CLOSED) & (self.best.factors < self.factors + ACTIVE)

    @property
    def steps_on(self) -> Bool[Array, ""]:
        """Whether the interior point has a step to take before its guess is tried."""
        point = self.point
        unsolved = ~(self.best.gap <= CLOSED) & ~(point.gap <= point.goal)
        return unsolved & ~point.hopeless & (point.iterations < INTERIOR)


def unknown(d: int) -> Margin:
    """Return what is known of a margin before it is looked for."""
    infinite = jnp.array(jnp.inf, dtype=jnp.float64)
    return Margin(jnp.zeros(d, dtype=jnp.float64), -infinite, infinite, jnp.int32(0), jnp.int32(0))


def no_search(n: int, d: int) -> Search:
    """Return a search before it begins."""
    none, infinite, false = jnp.zeros(n, jnp.float64), jnp.array(jnp.inf, jnp.float64), jnp.zeros((), bool)
    w = jnp.zeros(d, jnp.float64)
    point = Interior(w, none, none, infinite, infinite, false, false, jnp.int32(0))
    return Search(unknown(d), point, none > 0, false, jnp.int32(0), jnp.int32(0), jnp.int32(0))


def search(y: Float[Array, "n d"], radius: Float[Array, ""], guess: Pair, *, warm: bool) -> Search:
    """Begin to close the gap of a guess of the direction w [d] and multipliers a [n], if there is a margin.

    Args:
        y: the rows, to be separated from the origin.
        radius: max_i ‖y_i‖.
        guess: multipliers that show the active set.
        warm: whether the interior point starts from the guess, if that separates. What Newton's method leaves
            is a worse start than none.
    """
    best = _bounded(y, radius, guess, jnp.int32(0))
    point = _start(y, *(guess if warm else jax.tree.map(jnp.zeros_like, guess)))
    return _trying(Search(best, point, guess[1] > 0, point.hopeless, jnp.int32(0), jnp.int32(0), jnp.int32(0)))


def _trying(now: Search) -> Search:
    """Return a search at the beginning of a try."""
    near = now.best.gap < PROMISING
    return now._replace(near=near, factors=now.best.factors, iterations=now.point.iterations)


def correct(y: Float[Array, "n d"], radius: Float[Array, ""], now: Search, used: Count = None) -> Search:
    """Solve y_i·w = 1 on the guessed active set, and correct the guess."""
    w, a = _equality(y, now.active, used)
    found = _bounded(y, radius, (w, jnp.maximum(a, 0)), now.best.factors + 1)
    following = (now.active & (a > 0)) | (~now.active & (y @ w < 1))
    near = jnp.mean(following ^ now.active) < ASTRAY
    return now._replace(active=following, best=_better(now.best, found), near=near)


def normal_factor(y: Float[Array, "n d"], now: Search, used: Count = None) -> Factor:
    """Factorise (I + Σ weights_i y_i y_iᵀ)/scale for the next step, in the precision of y, shifted if need be."""
    weights = now.point.a / now.point.s
    scale = jnp.max(weights)
    least = 1e-7 if y.dtype == jnp.float32 else 1e-15
    normal = hessian(y, weights / scale)
    diagonal = jnp.arange(normal.shape[0])
    return widened(factorise(normal.at[diagonal, diagonal].add((1 / scale).astype(y.dtype)), 0.0, least, used))


def step(y: Float[Array, "n d"], factor: Factor, now: Search) -> Search:
    """Take a step of the interior point, with the factor made for it."""
    return now._replace(point=_assess(y, _step(y, factor, now.point)))


def bound(y: Float[Array, "n d"], radius: Float[Array, ""], now: Search) -> Search:
    """Take the bounds of the interior point and the active set that it shows: the next try."""
    point = now.point
    factors = now.best.factors + point.iterations - now.iterations
    best = _better(now.best._replace(factors=factors), _bounded(y, radius, (point.w, point.a), factors))
    active = point.a / jnp.max(point.a) > point.s / jnp.max(point.s)
    point = point._replace(goal=point.goal * STRICTER)
    return _trying(now._replace(best=best, point=point, active=active, tries=now.tries + 1))


def _start(y: Float[Array, "n d"], w: Float[Array, " d"], a: Float[Array, " n"]) -> Interior:
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
    return Interior(w, s, a, infinite, goal, yes, ~yes, jnp.int32(0))


def _assess(y: Float[Array, "n d"], point: Interior) -> Interior:
    upper = jnp.linalg.norm(point.a @ y) / jnp.sum(point.a)
    lower = jnp.min(y @ point.w) / jnp.linalg.norm(point.w)
    typical = jnp.sqrt(jnp.mean(jnp.square(y)) * y.shape[1])
    vanishes = ~(upper > VANISHING * typical)
    return point._replace(gap=(upper - lower) / upper, hopeless=vanishes, iterations=point.iterations + 1)


def _step(y: Float[Array, "n d"], factor: Factor, point: Interior) -> Interior:
    """One predictor-corrector step.

    Its factor is of float32 as long as that preconditions well enough. A step that shows that it does not is not
    taken; float64 starts where it started.
    """
    w, s, a = point.w, point.s, point.a
    dual_residual, primal_residual = w - a @ y, y @ w - 1 - s
    weights, mu = a / s, jnp.vdot(a, s) / s.size
    scale = jnp.max(weights)

    def multiply(v: Float[Array, " d"]) -> Float[Array, " d"]:
        return (weights * (y @ v)) @ y / scale + v / scale

    def correct(_: Array, carry: tuple[Array, ...]) -> tuple[Array, ...]:
        target, exact = carry[0], carry[-1]
        right = -dual_residual + ((target - a * primal_residual) / s) @ y
        dw, met = refined(multiply, factor, right / scale, tolerance=RESIDUAL, most=REFINEMENTS)
        ds = y @ dw + primal_residual
        da = (target - a * ds) / s
        reached = jnp.vdot(s + _longest(s, ds) * ds, a + _longest(a, da) * da) / s.size
        return -a * s - da * ds + mu * (reached / mu) ** 3, dw, ds, da, exact & met

    # The first pass predicts.
    _, dw, ds, da, exact = lax.fori_loop(0, 2, correct, (-a * s, w, s, a, mu >= 0))
    primal, dual = 0.995 * _longest(s, ds), 0.995 * _longest(a, da)
    moved = point._replace(w=w + primal * dw, s=s + primal * ds, a=a + dual * da)
    taken = jax.tree.map(lambda new, old: jnp.where(exact | ~point.rough, new, old), moved, point)
    return taken._replace(rough=point.rough & exact)


def _longest(value: Float[Array, " n"], change: Float[Array, " n"]) -> Float[Array, ""]:
    """The longest step up to 1/0.995 that keeps value + step·change ≥ 0."""
    return jnp.minimum(1 / 0.995, jnp.min(jnp.where(change < 0, -value / change, jnp.inf)))


def _equality(y: Float[Array, "n d"], active: Bool[Array, " n"], used: Count) -> tuple[Array, Array]:
    """Return the shortest w [d] with y_i·w = 1 on the active rows (the first d of them), and its multipliers [n]."""
    n, d = y.shape
    rows = jnp.argsort(~active, stable=True)[:d]
    filled = jnp.arange(rows.size) < jnp.minimum(jnp.sum(active), d if used is None else used)
    # Unused places hold zero rows; a one on the diagonal keeps the Gram matrix regular.
    chosen = jnp.where(filled[:, None], y[rows], 0)
    rough = chosen.astype(jnp.float32)
    diagonal = jnp.arange(rows.size)
    gram = lax.dot(rough, rough.T, precision=lax.Precision.HIGHEST).at[diagonal, diagonal].add(~filled)
    factor = widened(factorise(gram, 0.0, 1e-7))
    a = refined(
        lambda v: jnp.where(filled, chosen @ (v @ chosen), v), factor, filled.astype(y.dtype), tolerance=1e-13
    ).v
    return a @ chosen, jnp.zeros(n, dtype=y.dtype).at[rows].set(a * filled, unique_indices=True)


def _bounded(y: Float[Array, "n d"], radius: Float[Array, ""], pair: Pair, factors: Array) -> Margin:
    w, a = pair
    lower, upper = margin_bounds(y, radius, w, a)
    support = a * jnp.vdot(w, w) > jnp.maximum(y @ w - 1, 0) * jnp.sum(a)
    return Margin(w, lower, upper, jnp.sum(support, dtype=jnp.int32), factors)


def _better(one: Margin, other: Margin) -> Margin:
    """The one with the smaller gap; nan never wins."""
    wins = ~(one.gap <= other.gap)
    chosen = Margin(*(jnp.where(wins, new, old) for old, new in zip(one, other, strict=True)))
    return chosen._replace(factors=other.factors)
