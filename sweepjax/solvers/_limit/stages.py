"""What a row of solver `limit` goes through, one stage at a time.

What one part proves the next does not start on. Above λ = 1/2 most draws are separable, and message passing
shows it at once; below, the descent proves most draws inseparable. If it does not within a few steps it waits
for the search of a margin, and goes on only where there is none.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sweepjax.primitives.hardware import slow_float64
from sweepjax.solvers._limit import interior, margin, messages, newton, relaxation
from sweepjax.solvers._limit.certificates import largest_of, separates
from sweepjax.solvers._limit.linear import Count, Factor, columns_of, mean_square


class Rows(NamedTuple):
    """The rows x_i with the loss Σ exp(x_i·S), in a unit, and also in float64; columns beyond those used are zero."""

    x: Float[Array, "n d"]  # in float32
    exact: Float[Array, "n d"]
    unit: Float[Array, ""]  # a power of two near their typical entry, so that no square underflows
    radius: Float[Array, ""]  # max_i ‖x_i‖, rounded up
    square: Float[Array, ""]  # the mean of all
    used: Count = None


def rows_of(x: Float[Array, "n d"], used: Count = None) -> Rows:
    """Return rows in a unit of their own; dividing by it rounds nothing."""
    largest = jnp.max(jnp.abs(x))
    typical = largest.astype(jnp.float64) * jnp.sqrt(mean_square(x / largest, used)).astype(jnp.float64)
    _, power = jnp.frexp(jnp.where(typical > 0, jnp.sqrt(2.0) * typical, 1.0))
    unit = jnp.ldexp(jnp.ones_like(typical), power - 1)
    exact = x.astype(jnp.float64) / unit
    squares = jnp.sum(jnp.square(exact), axis=1)
    square = jnp.sum(squares) / (x.shape[0] * columns_of(x.shape[1], used))
    return Rows(exact.astype(jnp.float32), exact, unit, largest_of(squares, x.shape[1]), square, used)


class State(NamedTuple):
    """What a row waits for, and where its parts stand; `search` looks for -w, which has x_i·w > 0."""

    stage: Int[Array, ""]
    messages: messages.Messages
    minimum: newton.Iterate
    search: margin.Search
    margin: margin.Margin  # of the searches so far
    patient: Bool[Array, ""]  # a search found no margin: the descent goes on to its end
    softest: relaxation.Softest  # direction at the minimum


def start(n: int, d: int, used: Count = None) -> State:
    """Return the state of rows that wait for their first messages."""
    nothing, search = newton.nowhere(n, d), margin.no_search(n, d)
    return State(
        *(jnp.int32(MESSAGES), messages.start(n, d, used), nothing, search, margin.unknown(d), jnp.zeros((), bool)),
        relaxation.unknown(n, d),
    )


def _messages(rows: Rows, state: State) -> State:
    now = messages.iterate(rows.x, rows.square, state.messages, rows.used)
    return state._replace(messages=now, stage=jnp.where(now.goes_on, MESSAGES, BEGIN))


def _begin(rows: Rows, state: State) -> State:
    now, it = state.messages, state.minimum
    if isinstance(now, messages.ToMargin):
        it = newton.begin(rows.exact, rows.square, None, it)
        it = it._replace(finished=separates(rows.exact, messages.margin_of(now)[0], rows.radius))
    else:
        it = newton.begin(rows.exact, rows.square, messages.minimum_of(rows.square, now), it)
    return state._replace(minimum=it, stage=jnp.where(it.goes_on & ~it.doubtful, _factor_for(it), SEARCH))


def _factor_for(it: newton.Iterate) -> Int[Array, ""]:
    exact = jnp.where(it.wants_short, SHORT, EXACT) if slow_float64() else EXACT
    return jnp.where(it.wants_exact, exact, ROUGH)


def _rough(rows: Rows, state: State) -> State:
    it = newton.rough_factor(rows.x, rows.exact, state.minimum, rows.used)
    return state._replace(minimum=it, stage=jnp.int32(DESCEND))


def _exact(rows: Rows, state: State) -> State:
    it = newton.exact_factor(rows.exact, rows.radius, state.minimum, rows.used)
    return state._replace(minimum=it, stage=jnp.int32(DESCEND))


def _short(rows: Rows, state: State) -> State:
    if not slow_float64():
        return state  # no row comes here
    it = newton.short_factor(rows.x, rows.exact, rows.radius, state.minimum, rows.used)
    return state._replace(minimum=it, stage=jnp.int32(DESCEND))


def _descend(rows: Rows, state: State) -> State:
    it = newton.descend(rows.exact, state.minimum)
    return state._replace(minimum=it, stage=jnp.where(it.steps_on, DESCEND, JUDGE))


def _judge(rows: Rows, state: State) -> State:
    it = newton.judge(rows.exact, rows.radius, state.minimum)
    again = it.goes_on & (state.patient | ~it.doubtful)
    # Where a minimum is certified there is no margin.
    nothing = margin.unknown(rows.x.shape[1])._replace(factors=state.margin.factors)
    known = jax.tree.map(lambda new, old: jnp.where(~again & it.certified, new, old), nothing, state.margin)
    stage = jnp.where(again, _factor_for(it), jnp.where(it.certified, RELAX, SEARCH))
    return state._replace(minimum=it, margin=known, stage=stage)


def _search(rows: Rows, state: State) -> State:
    now, it = state.messages, state.minimum
    warm = isinstance(now, messages.ToMargin)
    guess = messages.margin_of(now) if warm else (-it.s, jax.nn.softmax(it.z))
    return _searching(state, margin.search(rows.exact, rows.radius, guess, warm=warm))


def _searching(state: State, search: margin.Search) -> State:
    """Return the state with the search, and what that waits for."""
    within = jnp.where(search.corrects, CORRECT, _step_or_bound(search))
    return state._replace(search=search, stage=jnp.where(search.goes_on, within, VERDICT))


def _step_or_bound(search: margin.Search) -> Int[Array, ""]:
    """Return what follows, but for a correction: a step, which needs a factor first, until the guess is to be seen."""
    return jnp.where(search.steps_on, jnp.where(search.point.rough, ROUGH_NORMAL, EXACT_NORMAL), BOUND)


def _correct(rows: Rows, state: State) -> State:
    return _searching(state, margin.correct(rows.exact, rows.radius, state.search, rows.used))


def _rough_normal(rows: Rows, state: State) -> State:
    return _about_to_step(state, interior.normal_factor(rows.x, state.search.point, rows.used))


def _exact_normal(rows: Rows, state: State) -> State:
    return _about_to_step(state, interior.normal_factor(rows.exact, state.search.point, rows.used))


def _about_to_step(state: State, factor: Factor) -> State:
    """Return the state with the factor in the place of that of the descent, which takes a new one if it goes on."""
    place = state.minimum.factor._replace(upper=factor.upper)
    return state._replace(minimum=state.minimum._replace(factor=place), stage=jnp.int32(PREDICT))


def _predict(rows: Rows, state: State) -> State:
    return _solving(state, interior.predict(rows.exact, state.minimum.factor, state.search.point))


def _solve(rows: Rows, state: State) -> State:
    return _solving(state, interior.solve(rows.exact, state.minimum.factor, state.search.point))


def _correct_step(rows: Rows, state: State) -> State:
    return _solving(state, interior.correct(rows.exact, state.minimum.factor, state.search.point))


def _solving(state: State, point: interior.Interior) -> State:
    """Return the state with the interior point, and what its step waits for."""
    solved = jnp.where(point.step.predicts, CORRECT_STEP, TAKE)
    stage = jnp.where(point.solves, SOLVE, solved)
    return state._replace(search=state.search._replace(point=point), stage=stage)


def _take(rows: Rows, state: State) -> State:
    search = state.search._replace(point=interior.take(rows.exact, state.search.point))
    return state._replace(search=search, stage=_step_or_bound(search))


def _bound(rows: Rows, state: State) -> State:
    return _searching(state, margin.bound(rows.exact, rows.radius, state.search))


def _verdict(rows: Rows, state: State) -> State:
    it, best = state.minimum, state.search.best
    best = best._replace(factors=best.factors + state.margin.factors)
    separated = separates(rows.exact, best.w, rows.radius)
    end = jnp.where(separated | it.separated, DONE, RELAX)
    stage = jnp.where(it.goes_on & ~separated, _factor_for(it), end)
    return state._replace(margin=best, patient=jnp.ones_like(state.patient), stage=stage)


def _relax(rows: Rows, state: State) -> State:
    it = state.minimum
    now = relaxation.search(rows.x, it.s, it.z, it.factor, state.softest)
    return state._replace(softest=now, stage=jnp.where(now.goes_on, RELAX, DONE))


STAGES = (
    *(_messages, _begin, _rough, _exact, _descend, _judge),
    *(_search, _correct, _rough_normal, _exact_normal, _predict, _solve, _correct_step, _take, _bound, _verdict),
    *(_short, _relax),
)
MESSAGES, BEGIN, ROUGH, EXACT, DESCEND, JUDGE = range(6)
SEARCH, CORRECT, ROUGH_NORMAL, EXACT_NORMAL, PREDICT, SOLVE, CORRECT_STEP, TAKE, BOUND, VERDICT = range(6, 16)
SHORT, RELAX, DONE = range(16, 19)
