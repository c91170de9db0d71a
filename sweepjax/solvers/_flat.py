"""Parameters as one vector in float64, whatever precision the model computes in."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float

from sweepjax.types import Problem


def flat_start(problem: Problem) -> tuple[Float[Array, " p"], Callable[[Array], Any]]:
    """Return the parameters at t = 0 as a vector, and what makes parameters of a vector, in their own precision."""
    y, unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), problem.start))
    return y, lambda y: rounded(unravel(y), problem.start)


def rounded(params: Any, start: Any) -> Any:
    """Return parameters in the precision that the model gave them at t = 0."""
    return jax.tree.map(lambda leaf, first: leaf.astype(jnp.asarray(first).dtype), params, start)


def flat_gradient(problem: Problem) -> Callable[[Array], Array]:
    """Return the gradient of the training loss as a function of the flattened parameters."""
    unravel = flat_start(problem)[1]
    return jax.grad(lambda y: problem.model.training_loss(unravel(y), problem.data))


def flat_velocity(problem: Problem) -> Callable[[Array, Array], Array]:
    """Return dθ/dt as a function of the time and the flattened parameters: -∇L, unless the model has a velocity."""
    unravel, gradient = flat_start(problem)[1], flat_gradient(problem)
    if not hasattr(problem.model, "velocity"):
        return lambda time, y: -gradient(y)
    return lambda time, y: ravel_pytree(problem.model.velocity(unravel(y), problem.data, time))[0]


def hessian_product(gradient: Callable[[Array], Array], y: Float[Array, " p"], v: Float[Array, " p"]) -> Array:
    """Return ∇²L v, given the gradient."""
    return jax.jvp(gradient, (y,), (v,))[1]


def part_sizes(params: Any) -> tuple[int, ...]:
    """Return how many numbers each leaf of the parameters holds."""
    return tuple(leaf.size for leaf in jax.tree.leaves(params))


def finite(params: Any) -> Bool[Array, ""]:
    """Whether every parameter is a finite number."""
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]))


def alike(new: Any, old: Any) -> Any:
    """Return new values in the types of the old ones, whatever a learning rate of float64 made of them."""
    return jax.tree.map(lambda after, before: after.astype(before.dtype), new, old)
