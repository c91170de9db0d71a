"""What a model and its observables say of a row that is finished."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool

from sweepjax.protocols import Observable
from sweepjax.types import Columns, Problem, Trajectory


def fact_of(observable: Any, problem: Problem, always: Bool[ArrayLike, ""]) -> Any:
    """Return what an observable says of a dataset, the same bits whatever else is computed from it."""

    def fact(data: Any, start: Any) -> Any:
        return jax.tree.map(jnp.asarray, observable.fact(problem._replace(data=data, start=start, view=None)))

    shapes = jax.eval_shape(fact, problem.data, problem.start)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.cond(always, fact, lambda data, start: nothing, problem.data, problem.start)


def facts_of(problem: Problem) -> Columns:
    """Return what a model says once a row; it may say nothing, or look at the data only."""
    facts = getattr(problem.model, "facts", None)
    if facts is None:
        return {}
    looks = len(inspect.signature(facts).parameters)
    return facts(problem.data, problem.start) if looks > 1 else facts(problem.data)


def completed(observable: Observable, problem: Problem, trajectory: Trajectory) -> Array:
    """Return the column of an observable: what it kept, or what it makes of that."""
    finish = getattr(observable, "finish", None)
    return finish(problem, trajectory) if finish else trajectory.kept
