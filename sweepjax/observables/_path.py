"""One part of the parameters at a recorded time."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from sweepjax.identity import name_of
from sweepjax.types import Moment, Problem

PARTS = {"s": (1, "a direction s"), "b": (0, "a bias b")}  # dimensions of the part, and in words


def part(problem: Problem, moment: Moment, name: str, *, observable: Any) -> Array:
    """Return the direction s [d] or the bias b of the parameters.

    Raises:
        ValueError: the parameters of the model have no such part.
    """
    (dimensions, words), found = PARTS[name], getattr(moment.params, name, None)
    require(found is not None and jnp.ndim(found) == dimensions, words, observable=observable, problem=problem)
    return jnp.asarray(found)


def require(there: bool, what: str, *, observable: Any, problem: Problem) -> None:
    """Refuse a model that lacks what an observable needs."""
    if not there:
        lack = f"observable {name_of(observable)!r} needs {what}, which model {name_of(problem.model)!r} lacks"
        raise ValueError(f"{lack}; leave it out or choose another model")
