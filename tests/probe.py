"""A solver that trains nothing: it tells the bits of the dataset it was given."""

from typing import ClassVar

import jax
import jax.numpy as jnp

from sweepjax.types import plugin


class Still:
    """A solver that does nothing."""

    clock: ClassVar[str] = "none"
    stages: ClassVar[tuple] = ()

    def init(self, problem):
        return ()

    def waits(self, state, until):
        return 0


@plugin
class Bits(Still):
    """Sums of the dataset's bit patterns, plain and weighted by place: equal only for equal datasets."""

    scale: float = 1.0

    def info(self, problem, state):
        bits = jax.lax.bitcast_convert_type(problem.data.x, jnp.uint32).ravel()
        place = jnp.arange(1, bits.size + 1, dtype=jnp.uint32)
        return {"bits": jnp.sum(bits, dtype=jnp.uint32), "placed": jnp.sum(bits * place, dtype=jnp.uint32)}


@plugin
class Thirds(Still):
    """A number of double precision, and a whole one, that differ between datasets."""

    def info(self, problem, state):
        first = problem.data.x.ravel()[0].astype(jnp.float64)
        return {"third": first / 3, "sign": jnp.sign(first).astype(jnp.int32)}
