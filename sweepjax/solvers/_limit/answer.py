"""What a row of solver `limit` has come to, and the columns that say so."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sweepjax.solvers._limit import margin, newton
from sweepjax.solvers._limit.certificates import separates
from sweepjax.solvers._limit.relaxation import Softest, relaxation_rate
from sweepjax.solvers._limit.stages import Rows, State
from sweepjax.types import Columns

MARGIN_GAP = 1e-6


class Answer(NamedTuple):
    """Either a finite minimiser or a separating direction, and which of the two is proved."""

    minimum: newton.Iterate
    margin: margin.Margin
    unit: Float[Array, ""]  # of the rows: S_∞ is in units of its inverse, a margin in units of it
    separated: Bool[Array, ""]  # proved
    separable: Bool[Array, ""]  # proved or believed
    certified: Bool[Array, ""]
    softest: Softest  # direction at the minimum

    @property
    def direction(self) -> Float[Array, " d"]:
        """S_∞ or, of separable rows, the direction in which S grows."""
        return jnp.where(self.separable, -self.margin.w, self.minimum.s / self.unit)


def answer(rows: Rows, state: State) -> Answer:
    """Return what a row that waits for nothing more has come to."""
    minimum, best = state.minimum, state.margin
    separated = separates(rows.exact, best.w, rows.radius)
    separable = separated | (minimum.separated & ~minimum.certified)
    certified = jnp.where(separable, separated & (best.gap <= MARGIN_GAP), minimum.certified & minimum.converged)
    return Answer(minimum, best, rows.unit, separated, separable, certified, state.softest)


def columns(rows: Rows, answer: Answer) -> Columns:
    """Return the columns of a row; masked where a quantity does not exist."""
    minimum, best, separable = answer.minimum, answer.margin, answer.separable
    inside = {name: (value, ~separable & exists) for name, (value, exists) in _minimum_columns(rows, answer).items()}
    outside = {
        "margin": (rows.unit * (0.5 * (best.lower + best.upper)), separable),
        "margin_gap": (best.gap, separable),
        "support_vectors": (best.support, separable),
    }
    return {
        "separable": separable,
        "certified": answer.certified,
        **inside,
        **outside,
        "iterations": minimum.factors + best.factors,
    }


def _minimum_columns(rows: Rows, answer: Answer) -> dict[str, tuple[Array, Bool[Array, ""]]]:
    """Return each column with whether it exists at a minimum: projections on S_∞ = 0 do not."""
    x, minimum = rows.exact, answer.minimum
    z = x @ minimum.s
    norm = jnp.linalg.norm(minimum.s)
    projection = rows.unit * (z / norm)
    positive = projection > 0
    always, directed = jnp.ones((), bool), norm > 0
    return {
        "s_norm": (norm / rows.unit, always),
        "loss_inf": (jnp.mean(jnp.exp(z)), always),
        "positive_fraction": (jnp.mean(positive.astype(jnp.float64)), directed),
        "positive_mean": (_mean(projection, positive), directed),
        "negative_mean": (_mean(projection, ~positive), directed),
        "max_projection": (jnp.max(projection), directed),
        "min_projection": (jnp.min(projection), directed),
        "residual": (jnp.linalg.norm(jax.nn.softmax(z) @ x), always),
        "relaxation_rate": (jnp.square(rows.unit) * relaxation_rate(x, z, answer.softest), always),
    }


def _mean(value: Float[Array, " n"], chosen: Bool[Array, " n"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(chosen, value, 0)) / jnp.sum(chosen, dtype=value.dtype)
