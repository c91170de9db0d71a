"""The model `logistic` on other laws that are symmetric about the origin.

Symmetry and general position are all that Wendel's law needs: the transition stays at λ = 1/2 whatever
the shape of the cloud. It is an anisotropic Gaussian here, or two of them.

Source:
    Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489v2, appendix G.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from sweepjax.models._losses import WORDS, population_columns
from sweepjax.models._regression import Dataset, Regression, Weights
from sweepjax.types import Columns, parameter, plugin


@plugin
class Symmetric(Regression):
    """n points around ±mixture·e₁, either with probability 1/2, of deviations spread over a ratio.

    Component j has deviation σ times the power 1/2 - j/(d-1) of `anisotropy`, the ratio of the largest
    to the smallest.
    """

    n: int = parameter(400, at_least=1, symbol="N")  # samples
    d: int = parameter(160, at_least=1)  # features
    sigma: float = parameter(1.0, at_least=1e-30, at_most=1e30, symbol="σ")  # geometric mean of the deviations
    anisotropy: float = parameter(10.0, at_least=1)  # largest deviation over the smallest
    mixture: float = parameter(0.0, at_least=0)  # distance of either mean from the origin
    loss: str = parameter("logistic", choices=("logistic", "exponential"), words=WORDS, draws=False)  # of a score
    init_norm: float = parameter(0.1, at_least=0, symbol="‖S₀‖")  # of S at the start
    init_bias: float = parameter(0.0, symbol="b₀")  # b at the start

    is_symmetric: ClassVar[bool] = True

    def sample(self, key: Key[Array, ""]) -> Dataset:
        # The barrier keeps the deviations out of the noise: fused, they would differ in the last bit.
        noise = lax.optimization_barrier(jax.random.normal(key, (self.n, self.d), dtype=jnp.float32))
        side = jax.random.rademacher(jax.random.fold_in(key, 1), (self.n,), dtype=jnp.float32)
        x = noise * self._deviations().astype(jnp.float32)
        x = x.at[:, 0].add(side * jnp.asarray(self.mixture, dtype=jnp.float32))
        return Dataset(x, jnp.full(self.n, -1, dtype=jnp.float32))

    def population(self, params: Weights) -> Columns:
        modes = params.b + jnp.array([1.0, -1.0]) * self.mixture * params.s[0]
        return population_columns(self.loss, modes, jnp.linalg.norm(self._deviations() * params.s))

    def signed_rows(self, data: Dataset) -> Float[Array, "n d"]:
        """Rows z_i with the asymptotic loss Σ exp(z_i·S): minimised or separated by `limit`."""
        return data.x

    def _deviations(self) -> Float[Array, " d"]:
        place = 0.5 - jnp.arange(self.d, dtype=jnp.float64) / (self.d - 1) if self.d > 1 else jnp.zeros(1)
        return self.sigma * jnp.asarray(self.anisotropy, dtype=jnp.float64) ** place
