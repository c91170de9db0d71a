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


def unsought(problem: Problem) -> Any:
    """Return the state of a model's search that has not begun; None if it seeks nothing."""
    search = getattr(problem.model, "search", None)
    return search.init(problem) if search else None


def facts_of(problem: Problem, sought: Any) -> Columns:
    """Return what a model says once a row: of the data, and of the start if it takes it; and what it sought."""
    facts, search = (getattr(problem.model, name, None) for name in ("facts", "search"))
    looks = len(inspect.signature(facts).parameters) if facts else 0
    said = facts(*(problem.data, problem.start)[:looks]) if facts else {}
    return said | (search.info(problem, sought) if search else {})


def completed(observable: Observable, problem: Problem, trajectory: Trajectory) -> Array:
    """Return the column of an observable: what it kept, or what it makes of that."""
    finish = getattr(observable, "finish", None)
    return finish(problem, trajectory) if finish else trajectory.kept
