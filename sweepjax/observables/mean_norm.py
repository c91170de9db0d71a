"""How far the samples are from being centred."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import require
from sweepjax.types import Problem, plugin


@plugin
class MeanNorm:
    """Length of the mean of the samples x, once a row; σ√λ as n → ∞ for Gaussian samples at λ = d/n."""

    def fact(self, problem: Problem) -> Float[Array, ""]:
        require(hasattr(problem.data, "x"), "samples x", observable=self, problem=problem)
        return jnp.linalg.norm(jnp.mean(problem.data.x.astype(jnp.float64), axis=0))
