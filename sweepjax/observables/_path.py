"""The recorded path of parameters: as vectors, or one part of it."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from sweepjax.identity import name_of

PARTS = {"s": (2, "a direction s"), "b": (1, "a bias b")}  # dimensions of the path, and in words


def flat_path(params: Any) -> Float[Array, "t p"]:
    """Return all parameters as one vector at each recorded time."""
    return jax.vmap(lambda each: ravel_pytree(each)[0])(params)


def part(params: Any, name: str, *, observable: str, model: Any) -> Array:
    """Return the direction s [t d] or the bias b [t] of the path.

    Raises:
        ValueError: the parameters of the model have no such part.
    """
    (dimensions, words), found = PARTS[name], getattr(params, name, None)
    require(found is not None and jnp.ndim(found) == dimensions, words, observable=observable, model=model)
    return jnp.asarray(found)


def require(there: bool, what: str, *, observable: str, model: Any) -> None:
    """Refuse a model that lacks what an observable needs."""
    if not there:
        lack = f"observable {observable!r} needs {what}, which model {name_of(model)!r} lacks"
        raise ValueError(f"{lack}; leave it out or choose another model")
