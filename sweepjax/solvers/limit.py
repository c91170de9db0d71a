"""The limit t → ∞ without walking there, each row with its certificate.

Gradient descent with a bias ends at S_∞ = argmin Σ exp(x_i·S) when no half-space holds all
points, whatever the training loss; otherwise its direction tends to that of the hard margin.

What one part proves the next does not start on. Above λ = 1/2 most draws are separable, and message passing
shows it at once; below, the descent proves most draws inseparable. If it does not within a few steps it waits
for the search of a margin, and goes on only where there is none.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._flat import alike
from sweepjax.solvers._limit import margin, messages, newton
from sweepjax.solvers._limit.certificates import separates
from sweepjax.types import Claim, Columns, Problem, Stage, plugin

MARGIN_GAP = 1e-6
RESIDUAL = 1e-6
GAP = "largest gap between the bounds of a certified margin"
SLOPE = "largest residual ‖Σ p_i x_i‖ of a certified minimum"


class Rows(NamedTuple):
    """The rows x_i with the loss Σ exp(x_i·S), as they are, and in float64."""

    x: Float[Array, "n d"]
    exact: Float[Array, "n d"]


class State(NamedTuple):
    """What a row waits for, and where its three parts stand; `search` looks for -w, which has x_i·w > 0."""

    stage: Int[Array, ""]
    messages: messages.Messages
    minimum: newton.Iterate
    search: margin.Search
    margin: margin.Margin  # of the searches so far
    patient: Bool[Array, ""]  # a search found no margin: the descent goes on to its end


class Answer(NamedTuple):
    """Either a finite minimiser or a separating direction, and which of the two is proved."""

    minimum: newton.Iterate
    margin: margin.Margin
    separated: Bool[Array, ""]  # proved
    separable: Bool[Array, ""]  # proved or believed
    certified: Bool[Array, ""]

    @property
    def direction(self) -> Float[Array, " d"]:
        """S_∞ or, of separable rows, the direction in which S grows."""
        return jnp.where(self.separable, -self.margin.w, self.minimum.s)


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

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(map(_on_rows, STAGES))

    def view(self, problem: Problem) -> Rows:
        x = problem.model.signed_rows(problem.data)
        return Rows(x, x.astype(jnp.float64))

    def init(self, problem: Problem) -> State:
        return start(*jax.eval_shape(problem.model.signed_rows, problem.data).shape)

    def waits(self, state: State, until: Float[Array, ""]) -> Int[Array, ""]:
        return state.stage

    def params(self, problem: Problem, state: State, time: Float[Array, ""]) -> Any:
        return None

    def direction(self, x: Float[Array, "n d"]) -> Float[Array, " d"]:
        """Return S_∞ of the rows x or, where they are separable, the direction in which S grows."""
        return _direction(x)

    def info(self, problem: Problem, state: State) -> Columns:
        return columns(problem.view, answer(problem.view, state))


def solve_limit(x: Float[Array, "n d"]) -> Answer:
    """Decide whether the rows are separable from the origin, and solve what exists."""
    rows = Rows(x, x.astype(jnp.float64))
    branches = [lambda state, stage=stage: alike(stage(rows, state), state) for stage in STAGES]
    state = jax.lax.while_loop(
        lambda state: state.stage < DONE, lambda state: jax.lax.switch(state.stage, branches, state), start(*x.shape)
    )
    return answer(rows, state)


@sequential_vmap
def _direction(x: Float[Array, "n d"]) -> Float[Array, " d"]:
    """Solve one row after the other: side by side all would wait for the slowest."""
    return solve_limit(x).direction


def start(n: int, d: int) -> State:
    """Return the state of rows that wait for their first messages."""
    nothing, search = newton.nowhere(n, d), margin.no_search(n, d)
    return State(jnp.int32(MESSAGES), messages.start(n, d), nothing, search, margin.unknown(d), jnp.zeros((), bool))


def _on_rows(stage: Any) -> Stage:
    return lambda problem, state, until: stage(problem.view, state)


def _messages(rows: Rows, state: State) -> State:
    now = messages.iterate(rows.x, state.messages)
    return state._replace(messages=now, stage=jnp.where(now.goes_on, MESSAGES, BEGIN))


def _begin(rows: Rows, state: State) -> State:
    now, it = state.messages, state.minimum
    if isinstance(now, messages.ToMargin):
        it = newton.begin(rows.exact, None, it)
        it = it._replace(finished=separates(rows.exact, messages.margin_of(now)[0]))
    else:
        it = newton.begin(rows.exact, messages.minimum_of(rows.x, now), it)
    return state._replace(minimum=it, stage=jnp.where(it.goes_on & ~it.doubtful, _factor_for(it), SEARCH))


def _factor_for(it: newton.Iterate) -> Int[Array, ""]:
    return jnp.where(it.wants_exact, EXACT, ROUGH)


def _rough(rows: Rows, state: State) -> State:
    it = newton.rough_factor(rows.x.astype(jnp.float32), rows.exact, state.minimum)
    return state._replace(minimum=it, stage=jnp.int32(DESCEND))


def _exact(rows: Rows, state: State) -> State:
    return state._replace(minimum=newton.exact_factor(rows.exact, state.minimum), stage=jnp.int32(DESCEND))


def _descend(rows: Rows, state: State) -> State:
    it = newton.descend(rows.exact, state.minimum)
    return state._replace(minimum=it, stage=jnp.where(it.steps_on, DESCEND, JUDGE))


def _judge(rows: Rows, state: State) -> State:
    it = newton.judge(rows.exact, state.minimum)
    again = it.goes_on & (state.patient | ~it.doubtful)
    # Where a minimum is certified there is no margin.
    nothing = margin.unknown(rows.x.shape[1])._replace(factors=state.margin.factors)
    known = jax.tree.map(lambda new, old: jnp.where(~again & it.certified, new, old), nothing, state.margin)
    stage = jnp.where(again, _factor_for(it), jnp.where(it.certified, DONE, SEARCH))
    return state._replace(minimum=it, margin=known, stage=stage)


def _search(rows: Rows, state: State) -> State:
    now, it = state.messages, state.minimum
    warm = isinstance(now, messages.ToMargin)
    guess = messages.margin_of(now) if warm else (-it.s, jax.nn.softmax(it.z))
    return _searching(state, margin.search(rows.exact, guess, warm=warm))


def _searching(state: State, search: margin.Search) -> State:
    """Return the state with the search, and what that waits for."""
    steps = jnp.where(search.point.rough, ROUGH_STEP, EXACT_STEP)
    within = jnp.where(search.corrects, CORRECT, jnp.where(search.steps_on, steps, BOUND))
    return state._replace(search=search, stage=jnp.where(search.goes_on, within, VERDICT))


def _correct(rows: Rows, state: State) -> State:
    return _searching(state, margin.correct(rows.exact, state.search))


def _rough_step(rows: Rows, state: State) -> State:
    return _stepped(state, margin.step(rows.exact, rows.x.astype(jnp.float32), state.search))


def _exact_step(rows: Rows, state: State) -> State:
    return _stepped(state, margin.step(rows.exact, rows.exact, state.search))


def _stepped(state: State, search: margin.Search) -> State:
    """Return the state after a step of the interior point, which is followed by steps until it shows its guess."""
    steps = jnp.where(search.point.rough, ROUGH_STEP, EXACT_STEP)
    return state._replace(search=search, stage=jnp.where(search.steps_on, steps, BOUND))


def _bound(rows: Rows, state: State) -> State:
    return _searching(state, margin.bound(rows.exact, state.search))


def _verdict(rows: Rows, state: State) -> State:
    it, best = state.minimum, state.search.best
    best = best._replace(factors=best.factors + state.margin.factors)
    undecided = it.goes_on & ~separates(rows.exact, best.w)
    return state._replace(
        margin=best, patient=jnp.ones_like(state.patient), stage=jnp.where(undecided, _factor_for(it), DONE)
    )


STAGES = (
    *(_messages, _begin, _rough, _exact, _descend, _judge),
    *(_search, _correct, _rough_step, _exact_step, _bound, _verdict),
)
MESSAGES, BEGIN, ROUGH, EXACT, DESCEND, JUDGE = range(6)
SEARCH, CORRECT, ROUGH_STEP, EXACT_STEP, BOUND, VERDICT, DONE = range(6, 13)


def answer(rows: Rows, state: State) -> Answer:
    """Return what a row that waits for nothing more has come to."""
    minimum, best = state.minimum, state.margin
    separated = separates(rows.exact, best.w)
    separable = separated | (minimum.separated & ~minimum.certified)
    certified = jnp.where(separable, separated & (best.gap <= MARGIN_GAP), minimum.certified & minimum.converged)
    return Answer(minimum, best, separated, separable, certified)


def columns(rows: Rows, answer: Answer) -> Columns:
    """Return the columns of a row; masked where a quantity does not exist."""
    minimum, best, separable = answer.minimum, answer.margin, answer.separable
    inside = {name: (value, ~separable) for name, value in _minimum_columns(rows.exact, minimum).items()}
    outside = {
        "margin": (0.5 * (best.lower + best.upper), separable),
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


def _minimum_columns(x: Float[Array, "n d"], minimum: newton.Iterate) -> Columns:
    z = x @ minimum.s
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
        "residual": jnp.linalg.norm(p @ x),
    }


def _mean(value: Float[Array, " n"], chosen: Bool[Array, " n"]) -> Float[Array, ""]:
    return jnp.sum(jnp.where(chosen, value, 0)) / jnp.sum(chosen, dtype=value.dtype)
