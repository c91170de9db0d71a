"""A model that is none of ours, whose facts take many steps: how long a whole number of Collatz goes on."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from probe import Still

import sweepjax as sj


class Walk:
    """Steps from a number to 1: even ones and odd ones are stages of their own."""

    clock: ClassVar[str] = "none"

    @property
    def stages(self):
        return self._half, self._triple

    def init(self, problem):
        return problem.data, jnp.int32(0)

    def waits(self, state, until):
        number, _ = state
        return jnp.where(number == 1, 2, number % 2)

    def info(self, problem, state):
        return {"steps_to_one": state[1] + problem.model.offset}

    def _half(self, problem, state, until):
        return state[0] // 2, state[1] + 1

    def _triple(self, problem, state, until):
        return 3 * state[0] + 1, state[1] + 1


@sj.plugin
class Collatz:
    """A number from 1 to `most`."""

    most: int = sj.parameter(30, at_least=1)
    offset: float = sj.parameter(0.0)

    @property
    def search(self):
        return Walk()

    def sample(self, key):
        return jax.random.randint(key, (), 1, self.most + 1, dtype=jnp.int32)

    def init(self, key, data):
        return jnp.float64(1.0)

    def training_loss(self, params, data, batch=None):
        return params**2

    def metrics(self, params, data):
        return {"train_loss": params**2}

    def facts(self, data):
        return {"number": data}


@sj.plugin
class Named(Still):
    """A solver that does nothing, and says what the search says."""

    def info(self, problem, state):
        return {"steps_to_one": jnp.float64(0)}
