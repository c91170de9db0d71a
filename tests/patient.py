"""A solver that trains nothing and takes its time."""

import time

import jax
import jax.numpy as jnp
from probe import Bits

from sweepjax.types import plugin

PAUSE = 0.5  # seconds a row


@plugin
class Patient(Bits):
    """The bits of the dataset, told after a pause."""

    def info(self, problem, state):
        bits = super().info(problem, state)
        return bits | {
            "bits": jax.pure_callback(
                _later, jax.ShapeDtypeStruct((), jnp.uint32), bits["bits"], vmap_method="sequential"
            )
        }


def _later(value):
    time.sleep(PAUSE)
    return value
