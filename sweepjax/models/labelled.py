"""The model `logistic` with a few samples of the other label: those beyond a threshold.

A hyperplane beyond the origin always separates the two labels, so that training ends at a separator of
the extended space (x, 1); with all samples on one side the model is `logistic`.

Source:
    Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489v2, appendix I.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, Key

from sweepjax.models._losses import WORDS, labelled_columns
from sweepjax.models._regression import Dataset, Regression, Weights
from sweepjax.types import Columns, parameter, plugin


@plugin
class Labelled(Regression):
    """n points x ~ N(0, σ² I_d), labelled 1 where x₁ exceeds its quantile `label_fraction`, else -1."""

    n: int = parameter(400, at_least=1, symbol="N")  # samples
    d: int = parameter(160, at_least=1)  # features
    sigma: float = parameter(1.0, at_least=1e-30, at_most=1e30, symbol="σ")  # deviation of a feature
    label_fraction: float = parameter(0.95, above=0, at_most=1, symbol="r")  # probability of the label -1
    loss: str = parameter("logistic", choices=("logistic", "exponential"), words=WORDS, draws=False)  # of a score
    init_norm: float = parameter(0.1, at_least=0, symbol="‖S₀‖")  # of S at the start
    init_bias: float = parameter(0.0, symbol="b₀")  # b at the start

    def sample(self, key: Key[Array, ""]) -> Dataset:
        # The barrier keeps σ out of the noise: fused, they would differ in the last bit.
        noise = lax.optimization_barrier(jax.random.normal(key, (self.n, self.d), dtype=jnp.float32))
        y = jnp.where(noise[:, 0] > self._threshold(), 1, -1).astype(jnp.float32)
        return Dataset(noise * jnp.asarray(self.sigma, dtype=jnp.float32), y)

    def population(self, params: Weights) -> Columns:
        spread = self.sigma * params.s[0], self.sigma * jnp.linalg.norm(params.s[1:])
        return labelled_columns(self.loss, params.b, spread, self._threshold())

    def _threshold(self) -> Float[Array, ""]:
        """Return the quantile in units of σ; infinity where all samples carry one label."""
        return ndtri(jnp.asarray(self.label_fraction, dtype=jnp.float64))
