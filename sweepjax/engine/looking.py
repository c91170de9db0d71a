"""First crossings between the recorded times: a training is looked at often, and only the time of each is kept.

Looks are 1 % of the time apart, and at each step where that is less than one, so that a crossing is as exact as that
however far apart the recorded times are. What is seen at a recorded time counts as a look, too: no row has a number
above its threshold in a curve, or is ended because of it, and does not know that it was there.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from sweepjax.types import Columns, Params, Problem

APART = 0.01  # of the time
FIRST = 0.01  # the first time after 0 in a flow, or at least two decades before its end


class Looks(NamedTuple):
    """When the next look is due, and when each number first was not negative; infinite where never."""

    due: Float[Array, ""]
    crossed: Columns


def watches(model: Any) -> bool:
    """Whether a model has numbers whose first crossings are columns."""
    return hasattr(model, "crossings")


def first_look(problem: Problem) -> Looks:
    """Return the looks at a training that has not begun."""
    names = jax.eval_shape(problem.model.crossings, problem.start, problem.data)
    return Looks(jnp.float64(0.0), {name: jnp.float64(jnp.inf) for name in sorted(names)})


def looked(looks: Looks, problem: Problem, params: Params, clock: str, times: Float[Array, " t"]) -> Looks:
    """Return the looks after the one that was due, at which these were the parameters."""
    found = problem.model.crossings(params, problem.data)
    crossed = {
        name: jnp.where(jnp.isinf(before) & (found[name] >= 0), looks.due, before)
        for name, before in looks.crossed.items()
    }
    done = jnp.all(jnp.stack([jnp.isfinite(time) for time in crossed.values()])) | (looks.due >= times[-1])
    step = jnp.maximum(jnp.floor(APART * looks.due), 1) if clock == "step" else APART * looks.due
    later = jnp.maximum(looks.due + step, jnp.minimum(FIRST, times[-1] / 100))
    return Looks(jnp.where(done, jnp.inf, jnp.minimum(later, times[-1])), crossed)


def recorded(looks: Looks, found: Columns, times: Float[Array, " t"], there: Bool[Array, " t"]) -> Looks:
    """Return the looks after times were recorded, those that are `there`, at which these numbers [t] were found."""

    def first(name: str, before: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.minimum(before, jnp.min(jnp.where(there & (found[name] >= 0), times, jnp.inf)))

    return looks._replace(crossed={name: first(name, before) for name, before in looks.crossed.items()})


def first_crossings(looks: Looks, clock: str) -> Columns:
    """Return the columns of a row: NULL where a number was never there."""
    kind = jnp.int64 if clock == "step" else jnp.float64
    there = {name: jnp.isfinite(time) for name, time in looks.crossed.items()}
    return {name: (jnp.where(there[name], time, 0).astype(kind), there[name]) for name, time in looks.crossed.items()}
