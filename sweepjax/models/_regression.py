"""Logistic regression with a bias: what every law of the data has in common."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._linear_model import product
from sweepjax.models._losses import absolute_tolerance, mean_loss, training_columns
from sweepjax.primitives.batches import with_replacement
from sweepjax.types import Columns


class Dataset(NamedTuple):
    """One draw of the disorder: points and their labels, -1 or 1."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]


class Weights(NamedTuple):
    """The trained parameters: direction S and bias b."""

    s: Float[Array, " d"]
    b: Float[Array, ""]


class Regression:
    """A model whose subclass has these fields, draws the data, and knows the law of fresh samples."""

    n: int
    d: int
    loss: str
    init_norm: float
    init_bias: float
    usual_axes: ClassVar[dict[str, str]] = {"lam": "0.4:0.6"}
    figures: ClassVar[tuple[str, ...]] = ("trajectories",)

    def population(self, params: Weights) -> Columns:
        """Return the exact expectations of `population_columns` over fresh samples."""
        raise NotImplementedError

    def init(self, key: Key[Array, ""], data: Dataset) -> Weights:
        direction = jax.random.normal(key, (self.d,), dtype=jnp.float32).astype(jnp.float64)
        s = self.init_norm * direction / jnp.linalg.norm(direction)
        return Weights(s, jnp.asarray(self.init_bias, dtype=jnp.float64))

    def training_loss(self, params: Weights, data: Dataset, batch: Array | None = None) -> Float[Array, ""]:
        part = data if batch is None else jax.tree.map(lambda leaf: leaf[batch], data)
        return mean_loss(self.loss, signed_scores(params, part))

    def metrics(self, params: Weights, data: Dataset) -> Columns:
        norm = {"s_norm": jnp.linalg.norm(params.s), "b": params.b}
        return training_columns(self.loss, signed_scores(params, data)) | self.population(params) | norm

    def absolute(self, relative: float) -> dict[str, float]:
        return absolute_tolerance(relative, self.n)

    def batch(self, key: Key[Array, ""], data: Dataset, size: int) -> Int[Array, " size"]:
        return with_replacement(key, data.y.size, size)


def signed_scores(params: Weights, data: Dataset) -> Float[Array, " n"]:
    """Return -y (S·x + b) of every sample: negative where it is classified correctly."""
    return -data.y.astype(jnp.float64) * (product(data.x, params.s) + params.b)
