"""Parameters as one vector in float64, whatever precision the model computes in."""

from collections.abc import Callable
from typing import Any, NamedTuple

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


class Flow(NamedTuple):
    """A flow as an integrator takes it."""

    start: Float[Array, " p"]
    velocity: Callable[[Array, Array], Array]  # (time, y [p]) -> dy/dt
    params: Callable[[Array, Array], Any]  # (time, y [p]) -> the parameters of the model
    parts: tuple[int, ...]  # the sizes of what y consists of


def flow_of(problem: Problem) -> Flow:
    """Return the flow -∇L of a problem or the model's own, in the variables that the model chooses."""
    model, data, start = problem.model, problem.data, problem.start
    if hasattr(model, "reduced"):
        variables = model.reduced(start, data)
        y, unravel = flat_start(problem._replace(start=variables))

        def params(time: Array, y: Array) -> Any:
            return rounded(model.expanded(unravel(y), data, time), start)

    else:
        variables, (y, unravel) = start, flat_start(problem)

        def params(time: Array, y: Array) -> Any:
            return unravel(y)

    if not hasattr(model, "velocity"):
        gradient = flat_gradient(problem)
        return Flow(y, lambda time, y: -gradient(y), params, part_sizes(variables))
    return Flow(
        y,
        lambda time, y: ravel_pytree(model.velocity(unravel(y), data, time))[0],
        params,
        part_sizes(variables),
    )


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
