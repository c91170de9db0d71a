"""Which frequencies a network of modular arithmetic knows its numbers by.

Source:
    Nanda, Chan, Lieberum, Smith, Steinhardt (2023), arXiv 2301.05217.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import require
from sweepjax.types import Moment, Problem, plugin


@plugin
class EmbeddingSpectrum:
    """Share of each frequency in the power of the embedding over numbers 0 to k - 1, a column [t k//2].

    Frequency ν runs from 1 to k//2; the mean over numbers is left out, and units are summed over.
    """

    def measure(self, problem: Problem, moment: Moment) -> Float[Array, " f"]:
        require(hasattr(problem.model, "embedding"), "an embedding", observable=self, problem=problem)
        rows = problem.model.embedding(moment.params)
        power = jnp.sum(jnp.abs(jnp.fft.rfft(rows.astype(jnp.float32), axis=0)) ** 2, axis=1)[1:]
        return power / jnp.sum(power)

    def absolute(self, relative: float) -> float:
        return relative
