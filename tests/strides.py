"""Descent whose state has a `step` of its own: how far its parameters moved, rather than how many steps were taken."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from sweepjax.types import plugin


class State(NamedTuple):
    taken: jax.Array
    s: jax.Array
    step: jax.Array


@plugin
class Strides:
    """Gradient descent that remembers its last step."""

    clock: ClassVar[str] = "step"

    @property
    def stages(self):
        return (self.walk,)

    def init(self, problem):
        return State(jnp.zeros((), jnp.int64), problem.start, jax.tree.map(jnp.zeros_like, problem.start))

    def waits(self, state, until):
        return jnp.where(state.taken < until, 0, 1)

    def walk(self, problem, state, until):
        slope = jax.grad(problem.model.training_loss)(state.s, problem.data)
        step = jax.tree.map(lambda each: -0.01 * each, slope)
        return State(state.taken + 1, jax.tree.map(jnp.add, state.s, step), step)

    def params(self, problem, state, time):
        return state.s

    def info(self, problem, state):
        return {}
