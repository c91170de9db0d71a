"""Logistic regression with bias on Gaussian points that all carry one label.

x_i ~ N(0, σ² I_d), label -1, f(x) = S·x + b: correct classification is f(x) < 0. The data are
separable from the origin with Wendel's probability, which jumps from 0 to 1 at λ = d/n = 1/2.

Source:
    Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from sweepjax.models._losses import population_columns
from sweepjax.models._regression import Dataset, Regression, Weights
from sweepjax.types import Columns, parameter, plugin


@plugin
class Logistic(Regression):
    """n points x ~ N(0, σ² I_d) of one label, classified by the sign of S·x + b."""

    n: int = parameter(400, at_least=1)
    d: int = parameter(160, at_least=1)
    sigma: float = parameter(1.0, above=0)
    loss: str = parameter("logistic", choices=("logistic", "exponential"), draws=False)
    init_norm: float = parameter(0.1, at_least=0)
    init_bias: float = parameter(0.0)

    def sample(self, key: Key[Array, ""]) -> Dataset:
        # The barrier keeps σ out of the noise: fused, they would differ in the last bit.
        noise = lax.optimization_barrier(jax.random.normal(key, (self.n, self.d), dtype=jnp.float32))
        x = noise * jnp.asarray(self.sigma, dtype=jnp.float32)
        return Dataset(x, jnp.full(self.n, -1, dtype=jnp.float32))

    def population(self, params: Weights) -> Columns:
        return population_columns(self.loss, params.b[None], self.sigma * jnp.linalg.norm(params.s))

    def signed_rows(self, data: Dataset) -> Float[Array, "n d"]:
        """Rows z_i with the asymptotic loss Σ exp(z_i·S): minimised or separated by `limit`."""
        return data.x
