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

from sweepjax.solvers._limit import interior
from sweepjax.solvers._limit.certificates import margin_bounds
from sweepjax.solvers._limit.linear import Count, factorise, refined, widened

Pair = tuple[Float[Array, " d"], Float[Array, " n"]]  # a direction w and multipliers a ≥ 0 with w ≈ Σ a_i y_i

PROMISING = 3e-2  # relative gap below which a guess of the active set is worth correcting
CLOSED = 1e-7  # relative gap that ends the search
INTERIOR, ACTIVE = 40, 6  # iterations at most, in all and of one try
ASTRAY = 0.1  # share of the constraints that change their side where a try leads nowhere
STRICTER = 1e-2  # the next goal, relative to the last
TRIES = 4  # of the guess, and of the active sets that the interior point shows at one goal after the other


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
    point: interior.Interior
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
    false, none = jnp.zeros((), bool), jnp.int32(0)
    return Search(unknown(d), interior.nowhere(n, d), jnp.zeros(n, bool), false, none, none, none)


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
    point = interior.start(y, *(guess if warm else jax.tree.map(jnp.zeros_like, guess)))
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


def bound(y: Float[Array, "n d"], radius: Float[Array, ""], now: Search) -> Search:
    """Take the bounds of the interior point and the active set that it shows: the next try."""
    point = now.point
    factors = now.best.factors + point.iterations - now.iterations
    best = _better(now.best._replace(factors=factors), _bounded(y, radius, (point.w, point.a), factors))
    active = point.a / jnp.max(point.a) > point.s / jnp.max(point.s)
    point = point._replace(goal=point.goal * STRICTER)
    return _trying(now._replace(best=best, point=point, active=active, tries=now.tries + 1))


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
    wins = ~(one.gap <= other.gap) & ~jnp.isnan(other.gap)
    chosen = Margin(*(jnp.where(wins, new, old) for old, new in zip(one, other, strict=True)))
    return chosen._replace(factors=other.factors)
