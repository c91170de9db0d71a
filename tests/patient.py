"""A solver that trains nothing and takes its time."""

import time
from typing import ClassVar

import jax
import jax.numpy as jnp
from probe import Bits

from sweepjax.types import plugin

PAUSE = 0.5  # seconds a row


@plugin
class Patient(Bits):
    """The bits of the dataset, told after a pause."""

    clock: ClassVar[str] = "none"

    @property
    def stages(self):
        return (self.rest,)

    def init(self, problem):
        return jnp.int32(0)

    def waits(self, state, until):
        return state

    def rest(self, problem, state, until):
        """Take a while, and wait for nothing more."""
        return jax.pure_callback(_later, jax.ShapeDtypeStruct((), jnp.int32), state)


def _later(state):
    time.sleep(PAUSE)
    return state + 1
