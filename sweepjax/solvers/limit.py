"""The limit t → ∞ without walking there, each row with its certificate.

Gradient descent with a bias ends at S_∞ = argmin Σ exp(x_i·S) when no half-space holds all
points, whatever the training loss; otherwise its direction tends to that of the hard margin.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from sweepjax.solvers._limit.certificates import separates
from sweepjax.solvers._limit.margin import Margin, hard_margin, unknown
from sweepjax.solvers._limit.messages import near_margin
from sweepjax.solvers._limit.newton import Iterate, begin, minimise
from sweepjax.types import Claim, Columns, Problem, plugin

MARGIN_GAP = 1e-6
RESIDUAL = 1e-6
GAP = "largest gap between the bounds of a certified margin"
SLOPE = "largest residual ‖Σ p_i x_i‖ of a certified minimum"


class Answer(NamedTuple):
    """Either a finite minimiser or a separating direction, and which of the two is proved."""

    minimum: Iterate
    margin: Margin
    separated: Bool[Array, ""]  # proved
    separable: Bool[Array, ""]  # proved or believed
    certified: Bool[Array, ""]


@plugin
class Limit:
    """S_∞ of inseparable draws, the hard margin of separable ones."""

    clock: ClassVar[Literal["time", "step", "none"]] = "none"
    needs: ClassVar[str] = "signed_rows"
    figures: ClassVar[tuple[str, ...]] = ("s_norm_and_margin", "separable_fraction")
    absent: ClassVar[Mapping[str, float]] = {"s_norm": math.inf, "loss_inf": 0.0, "margin": 0.0}
    claims: ClassVar[tuple[Claim, ...]] = (
        Claim("certified", True, "Every row is certified"),
        Claim("margin_gap", MARGIN_GAP, "Margins are proved to 10⁻⁶", GAP),
        Claim("residual", RESIDUAL, "‖S_∞‖ is taken at the minimum", SLOPE),
    )
    effort: ClassVar[tuple[str, ...]] = ("iterations", "residual", "margin_gap", "support_vectors")

    def init(self, problem: Problem) -> Answer:
        return solve_limit(problem.model.signed_rows(problem.data))

    def solve(self, problem: Problem, state: Answer, times: Any, measure: Any) -> tuple[Answer, Columns]:
        return state, {}

    def info(self, problem: Problem, state: Answer) -> Columns:
        return columns(problem.model.signed_rows(problem.data), state)


def solve_limit(x: Float[Array, "n d"]) -> Answer:
    """Decide whether the rows are separable from the origin, and solve what exists.

    What one solver has proved the next does not start on. Above λ = 1/2 most draws are separable, and
    message passing shows it at once; below, the descent proves most draws inseparable. If it does not within a few
    steps it waits for the search of a margin, and goes on only where none is found.
    """
    n, d = x.shape
    exact, always = x.astype(jnp.float64), jnp.ones((), dtype=bool)
    warm = 2 * d > n
    guess = near_margin(-x) if warm else None

    def attempt(carry: tuple[Bool[Array, ""], Iterate, Margin]) -> tuple[Bool[Array, ""], Iterate, Margin]:
        again, minimum, before = carry
        minimum = minimise(x, minimum, again)
        pair = guess or (minimum.s, jax.nn.softmax(minimum.z))
        # In lanes both branches are executed; then no loop starts where a minimum is certified.
        wanted = ~minimum.certified
        margin = lax.cond(wanted, lambda: hard_margin(-x, pair, wanted, warm=warm), lambda: unknown(-x))
        return always, minimum, margin._replace(factors=margin.factors + before.factors)

    def undecided(carry: tuple[Bool[Array, ""], Iterate, Margin]) -> Bool[Array, ""]:
        again, minimum, margin = carry
        return ~again | (minimum.goes_on & ~separates(-exact, margin.w))

    start = begin(x, ~separates(-exact, guess[0]) if guess else always)
    _, minimum, margin = lax.while_loop(undecided, attempt, (~always, start, unknown(-x)))
    separated = separates(-exact, margin.w)
    separable = separated | (minimum.separated & ~minimum.certified)
    certified = jnp.where(separable, separated & (margin.gap <= MARGIN_GAP), minimum.certified & minimum.converged)
    return Answer(minimum, margin, separated, separable, certified)


def columns(x: Float[Array, "n d"], answer: Answer) -> Columns:
    """The columns of a row; masked where a quantity does not exist."""
    minimum, margin, separable = answer.minimum, answer.margin, answer.separable
    inside = {name: (value, ~separable) for name, value in _minimum_columns(x, minimum).items()}
    outside = {
        "margin": (0.5 * (margin.lower + margin.upper), separable),
        "margin_gap": (margin.gap, separable),
        "support_vectors": (margin.support, separable),
    }
    return {
        "separable": separable,
        "certified": answer.certified,
        **inside,
        **outside,
        "iterations": minimum.factors + margin.factors,
    }


def _minimum_columns(x: Float[Array, "n d"], minimum: Iterate) -> Columns:
    z = x.astype(jnp.float64) @ minimum.s
    norm = jnp.linalg.norm(minimum.s)
    projection = z / norm
    positive = projection > 0
    p = jax.nn.softmax(z)
    return {
        "s_norm": norm,
        "loss_inf": jnp.mean(jnp.exp(z)),
        "positive_fraction": jnp.mean(positive.astype(jnp.float64)),
        "positive_mean": _mean(projection, positive),
        "negative_mean": _mean(projection, ~positive),
        "max_projection": jnp.max(projection),
        "min_projection": jnp.min(projection),
        "residual": jnp.linalg.norm(p @ x.astype(jnp.float64)),
    }


def _mean(value: Float[Array, " n"], chosen: Bool[Array, " n"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(chosen, value, 0)) / jnp.sum(chosen, dtype=value.dtype)
