"""How far from each other the directions of a dataset are."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.observables._path import require
from sweepjax.types import Problem, plugin


@plugin
class GramExtremes:
    """Smallest and largest eigenvalue of XᵀX/n, once a row, of the samples x as they are.

    For Gaussian samples they tend to σ²(1 ∓ √λ)² as n → ∞ at λ = d/n; the smallest is 0 where d > n.

    Source:
        Marchenko, Pastur (1967), Mat. Sb. 72, 507.
    """

    def fact(self, problem: Problem) -> Float[Array, "2"]:
        require(hasattr(problem.data, "x"), "samples x", observable=self, problem=problem)
        x = problem.data.x.astype(jnp.float64)
        n, d = x.shape
        spectrum = jnp.linalg.eigvalsh((x @ x.T if n < d else x.T @ x) / n)
        least = jnp.zeros((), x.dtype) if n < d else spectrum[0]
        return jnp.stack([least, spectrum[-1]])
