"""Logistic regression with bias on points whose law is symmetric about the origin.

In the plain case x_i ~ N(0, σ² I_d), all labels are -1 and f(x) = S·x + b: correct classification is
f(x) < 0. The data are separable from the origin with Wendel's probability, which jumps from 0 to 1 at
λ = d/n = 1/2; symmetry is all it needs, so the other laws here share it.

Source:
    Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, Key

from sweepjax.models._linear_model import product
from sweepjax.models._losses import labelled_columns, mean_loss, population_columns, training_columns
from sweepjax.types import Columns, parameter, plugin


class Dataset(NamedTuple):
    """One draw of the disorder: points and their labels, -1 or 1."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]


class Weights(NamedTuple):
    """The trained parameters: direction S and bias b."""

    s: Float[Array, " d"]
    b: Float[Array, ""]


@plugin
class Logistic:
    """n points x of one label, or of two, classified by the sign of S·x + b.

    `anisotropy` is the ratio of the largest to the smallest deviation: component j has σ times the
    power 1/2 - j/(d-1) of it. `mixture` puts the points around ±mixture on the first axis, either with
    probability 1/2. `label_fraction` r < 1 labels 1 the points beyond the r-quantile of the first
    component (that of its Gaussian, where there is a mixture), and -1 all others.
    """

    n: int = parameter(400, at_least=1)
    d: int = parameter(160, at_least=1)
    sigma: float = parameter(1.0, above=0)
    loss: str = parameter("logistic", choices=("logistic", "exponential"), draws=False)
    init_norm: float = parameter(0.1, at_least=0)
    init_bias: float = parameter(0.0)
    label_fraction: float = parameter(1.0, above=0, at_most=1, rules_out="signed_rows")
    anisotropy: float = parameter(1.0, at_least=1)
    mixture: float = parameter(0.0, at_least=0)

    def sample(self, key: Key[Array, ""]) -> Dataset:
        # The barrier keeps the deviations out of the noise: fused, they would differ in the last bit.
        noise = lax.optimization_barrier(jax.random.normal(key, (self.n, self.d), dtype=jnp.float32))
        side = jax.random.rademacher(jax.random.fold_in(key, 1), (self.n, 1), dtype=jnp.float32)
        shift = side * jnp.asarray(self.mixture, dtype=jnp.float32)
        first = jnp.arange(self.d) == 0
        x = noise * self._deviations().astype(jnp.float32) + jnp.where(first, shift, 0)
        return Dataset(x, jnp.where(x[:, 0] > self._threshold(), 1, -1).astype(jnp.float32))

    def init(self, key: Key[Array, ""], data: Dataset) -> Weights:
        direction = jax.random.normal(key, (self.d,), dtype=jnp.float32).astype(jnp.float64)
        s = self.init_norm * direction / jnp.linalg.norm(direction)
        return Weights(s, jnp.asarray(self.init_bias, dtype=jnp.float64))

    def training_loss(self, params: Weights, data: Dataset, batch: Array | None = None) -> Float[Array, ""]:
        part = data if batch is None else jax.tree.map(lambda leaf: leaf[batch], data)
        return mean_loss(self.loss, signed_scores(params, part))

    def metrics(self, params: Weights, data: Dataset) -> Columns:
        norm = {"s_norm": jnp.linalg.norm(params.s), "b": params.b}
        return training_columns(self.loss, signed_scores(params, data)) | self._population(params) | norm

    def facts(self, data: Dataset) -> Columns:
        return {}

    def signed_rows(self, data: Dataset) -> Float[Array, "n d"]:
        """Rows z_i with the asymptotic loss Σ exp(z_i·S): minimised or separated by `limit`."""
        return data.x

    def _deviations(self) -> Float[Array, " d"]:
        place = 0.5 - jnp.arange(self.d, dtype=jnp.float64) / max(self.d - 1, 1)
        return self.sigma * jnp.asarray(self.anisotropy, dtype=jnp.float64) ** place

    def _threshold(self) -> Float[Array, ""]:
        return self._deviations()[0] * ndtri(jnp.asarray(self.label_fraction, dtype=jnp.float64))

    def _population(self, params: Weights) -> Columns:
        """Return exact expectations over fresh samples: a Gaussian around each of the two modes."""
        spread = self._deviations() * params.s
        modes = jnp.array([1.0, -1.0]) * self.mixture
        scores = params.b + modes * params.s[0]
        threshold = (self._threshold() - modes) / self._deviations()[0]
        rest = jnp.linalg.norm(spread[1:])
        one_label = jnp.asarray(self.label_fraction, dtype=jnp.float64) == 1
        return lax.cond(
            one_label,
            lambda: population_columns(self.loss, scores, jnp.hypot(spread[0], rest)),
            lambda: labelled_columns(self.loss, scores, (spread[0], rest), threshold),
        )


def signed_scores(params: Weights, data: Dataset) -> Float[Array, " n"]:
    """Return -y (S·x + b) of every sample: negative where it is classified correctly."""
    return -data.y.astype(jnp.float64) * (product(data.x, params.s) + params.b)
