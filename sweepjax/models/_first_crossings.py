"""When a quadratic loss with an L1 penalty is first trained so far that nothing is wrong, and whether it stays so.

Without a penalty both times are found on the closed form of the flow. With one the flow is walked until it rests. That
takes some draws far longer than others, so a row goes through stages, as with a solver.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.primitives import orthants
from sweepjax.primitives.quadratic import flow_spans, modes, moved
from sweepjax.types import Columns, Problem, Stage

PLACES = 256  # times at which a flow is looked at, evenly in the logarithm
EARLY, LATE = 1e-3, 40.0  # the first and the last, over the fastest and the slowest relaxation
HALVINGS = 40  # to find a time between two of them
MOST_STEPS = 100_000  # of a flow with a penalty; of one that goes on the end is not known
BLOCK = 4  # steps of one visit
FORESEE, WALK, TURN, CROSS, DONE = range(5)


class Sought(NamedTuple):
    """A search under way: the times are infinite as long as they are not found."""

    waits: Int[Array, ""]
    path: orthants.Path
    right: Bool[Array, ""]  # whether fresh inputs are right at the end of the path
    due: Bool[Array, "2"]  # what was first right in the last step, but is not looked for yet
    times: Float[Array, "2"]


class FirstCrossings:
    """The first times at which nothing is wrong on the samples (`t_train`), and on fresh inputs (`t_test`).

    The model says by `heights(params, data)` what is not negative there. A draw generalizes where nothing is wrong in
    the end; only such a draw has a time to generalize. Where the flow does not rest within MOST_STEPS the end is not
    known, and both are NULL.
    """

    clock: ClassVar[Literal["time", "step", "none"]] = "none"

    @property
    def stages(self) -> tuple[Stage, ...]:
        return self._foresee, self._walk, self._turn, self._cross

    def init(self, problem: Problem) -> Sought:
        loss, theta = problem.model.penalized(problem.data), _theta(problem.start)
        right = problem.model.heights(theta, problem.data) >= 0
        first = jnp.where(loss.strength > 0, WALK, FORESEE).astype(jnp.int32)
        path = orthants.start(loss, theta)
        return Sought(first, path, right[1], jnp.zeros_like(right), jnp.where(right, 0.0, jnp.inf))

    def waits(self, state: Sought, until: Float[Array, ""]) -> Int[Array, ""]:
        return state.waits

    def info(self, problem: Problem, state: Sought) -> Columns:
        known = state.path.resting | (problem.model.penalized(problem.data).strength == 0)
        (t_train, t_test), generalizes = state.times, state.right & known
        return {
            "generalizes": (state.right, known),
            "t_train": _if(jnp.isfinite(t_train), t_train),
            "t_test": _if(generalizes, t_test),
            "t_grok": _if(generalizes, t_test - t_train),
        }

    def _foresee(self, problem: Problem, state: Sought, until: Float[Array, ""]) -> Sought:
        """Find all from the flow in closed form."""
        model, data = problem.model, problem.data
        each = modes(model.quadratic(data), _theta(problem.start))

        def heights(time: Float[Array, ""]) -> Float[Array, "2"]:
            return model.heights(moved(each, flow_spans(each.rates, time)), data)

        ends = jnp.log(EARLY / each.rates[-1]), jnp.log(LATE / jnp.maximum(each.rates[0], 1e-9 * each.rates[-1]))
        times = jnp.append(0.0, jnp.exp(jnp.linspace(*ends, PLACES)))
        right = jax.vmap(heights)(times) >= 0
        before = jnp.maximum(jnp.argmax(right, axis=0) - 1, 0)

        def crossing(which: Int[Array, ""], place: Int[Array, ""]) -> Float[Array, ""]:
            return _between(lambda time: heights(time)[which], times[place], times[place + 1])

        first = jax.vmap(crossing)(jnp.arange(2), before)
        first = jnp.where(jnp.any(right, axis=0), first, jnp.inf)
        return state._replace(waits=jnp.int32(DONE), right=right[-1, 1], times=jnp.where(right[0], 0.0, first))

    def _walk(self, problem: Problem, state: Sought, until: Float[Array, ""]) -> Sought:
        """Take the next steps, up to one in which something is first right or a sign changes."""
        loss, last = problem.model.penalized(problem.data), state.path.steps + BLOCK
        return lax.while_loop(
            lambda state: (state.waits == WALK) & (state.path.steps < last),
            lambda state: _stepped(problem, state, orthants.advance(loss, state.path)),
            state,
        )

    def _turn(self, problem: Problem, state: Sought, until: Float[Array, ""]) -> Sought:
        return _stepped(problem, state, orthants.turn(problem.model.penalized(problem.data), state.path))

    def _cross(self, problem: Problem, state: Sought, until: Float[Array, ""]) -> Sought:
        """Find when one of the heights rose to 0 in the last step."""
        which, path = jnp.argmax(state.due), state.path

        def height(time: Float[Array, ""]) -> Float[Array, ""]:
            return problem.model.heights(orthants.position(path, time), problem.data)[which]

        times = state.times.at[which].set(_between(height, path.before, path.now))
        return _next(state._replace(times=times, due=state.due.at[which].set(False)))


def _stepped(problem: Problem, state: Sought, path: orthants.Path) -> Sought:
    """Return the search after a step, or the beginning of one."""
    right = problem.model.heights(path.theta, problem.data) >= 0
    return _next(state._replace(path=path, right=right[1], due=right & jnp.isinf(state.times)))


def _next(state: Sought) -> Sought:
    rests = state.path.resting | (state.path.steps >= MOST_STEPS)
    walks = jnp.where(jnp.any(state.due), CROSS, jnp.where(rests, DONE, WALK))
    return state._replace(waits=jnp.where(state.path.turning, TURN, walks).astype(jnp.int32))


def _between(height: Callable[[Array], Array], early: Float[Array, ""], late: Float[Array, ""]) -> Float[Array, ""]:
    """Return when a height rises to 0 between two times."""

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = 0.5 * (ends[0] + ends[1])
        wrong = height(middle) < 0
        return jnp.where(wrong, middle, ends[0]), jnp.where(wrong, ends[1], middle)

    return lax.fori_loop(0, HALVINGS, halve, (early, late))[1]


def _theta(start: Any) -> Float[Array, " p"]:
    (theta,) = jax.tree.leaves(start)
    return theta


def _if(true: Bool[Array, ""], value: Float[Array, ""]) -> tuple[Array, Array]:
    """Return a column that exists where something is true."""
    return jnp.where(true, value, 0), true
