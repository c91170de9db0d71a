"""Logistic regression whose labels follow a signal, and whether its maximum-likelihood estimate exists.

Samples x_i ~ N(0, I_d), labels y_i = ±1 with log-odds γ x_i1, no intercept. The estimate exists exactly when no
half-space holds all y_i x_i, which as n → ∞ is so for κ = d/n below h(γ); `separable` says that it does not.

Source:
    Candès, Sur (2020), Ann. Statist. 48, 27.
"""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import accuracy_of
from sweepjax.models._linear_model import product, softplus
from sweepjax.models._regression import Dataset
from sweepjax.primitives.batches import with_replacement
from sweepjax.theory.logistic_signal import LARGEST, separable_probability
from sweepjax.types import Columns, parameter, plugin


@plugin
class LogisticSignal:
    """n points x ~ N(0, I_d), labelled 1 with probability 1/(1 + e^(-γ x₁)); regression without an intercept."""

    n: int = parameter(400, at_least=1, symbol="N")  # samples
    d: int = parameter(80, at_least=1)  # features
    gamma: float = parameter(2.0, at_least=0, at_most=LARGEST, symbol="γ")  # strength of the signal

    usual_axes: ClassVar[dict[str, str]] = {"lam": "0.1:0.5:0.1"}
    figures: ClassVar[tuple[str, ...]] = ("quantities", "existence_map")

    def sample(self, key: Key[Array, ""]) -> Dataset:
        # The barrier keeps γ out of the noise: fused, they would differ in the last bit.
        x = lax.optimization_barrier(jax.random.normal(key, (self.n, self.d), dtype=jnp.float32))
        coin = jax.random.uniform(jax.random.fold_in(key, 1), (self.n,), dtype=jnp.float32)
        odds = jax.nn.sigmoid(jnp.asarray(self.gamma, dtype=jnp.float32) * x[:, 0])
        return Dataset(x, jnp.where(coin < odds, 1, -1).astype(jnp.float32))

    def init(self, key: Key[Array, ""], data: Dataset) -> Float[Array, " d"]:
        return jnp.zeros(self.d, dtype=jnp.float64)

    def training_loss(self, params: Float[Array, " d"], data: Dataset, batch: Array | None = None) -> Float[Array, ""]:
        x, y = (data.x, data.y) if batch is None else (data.x[batch], data.y[batch])
        return jnp.mean(softplus(-y.astype(jnp.float64) * product(x, params)))

    def metrics(self, params: Float[Array, " d"], data: Dataset) -> Columns:
        scores = data.y.astype(jnp.float64) * product(data.x, params)
        return {
            "train_loss": jnp.mean(softplus(-scores)),
            "train_accuracy": accuracy_of(scores > 0, scores),
            "norm": jnp.linalg.norm(params),
            "signal": params[0],
        }

    def batch(self, key: Key[Array, ""], data: Dataset, size: int) -> Int[Array, " size"]:
        return with_replacement(key, self.n, size)

    def signed_rows(self, data: Dataset) -> Float[Array, "n d"]:
        """Rows -y_i x_i: exp(-y_i x_i·S) is small where a sample is classified well."""
        return -data.y[:, None] * data.x

    def absolute(self, relative: float) -> dict[str, float]:
        return {"signal": relative}

    def separable_probability(self) -> float:
        """The law of the column `separable`."""
        return float(separable_probability(n=self.n, d=self.d, gamma=self.gamma))
