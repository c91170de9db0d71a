"""A diagonal linear network of any depth: f(x) = (u^L - v^L)·x, whose labels depend on a few signs.

Source:
    Lyu, Jin, Li, Du, Lee, Hu, "Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    arXiv 2311.18817, section 3.2 and its appendix on deep networks.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import crossings, norm, right, square_norm
from sweepjax.primitives.batches import with_replacement
from sweepjax.types import Columns, parameter, plugin


class Signs(NamedTuple):
    """Random signs and the majority of the first few of them, to train on and to test on."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    test_x: Float[Array, "m d"]
    test_y: Float[Array, " m"]


class Layers(NamedTuple):
    """The trained parameters."""

    u: Float[Array, " d"]
    v: Float[Array, " d"]


@plugin
class DeepDiagonal:
    """n inputs of d random signs, labelled by the majority of `sparsity` of them; logistic loss and ½λ‖θ‖².

    All parameters start at α/√(2d), so that α is their norm and f is 0 everywhere. `layers` is L.
    """

    n: int = parameter(96, at_least=1)  # samples to train on
    d: int = parameter(1000, at_least=1)  # features, random signs
    n_test: int = parameter(1000, at_least=1)  # samples to test on
    alpha: float = parameter(32.0, above=0, symbol="α")  # norm of the parameters at the start
    layers: int = parameter(3, at_least=2, symbol="L")  # depth
    l2: float = parameter(1e-2, at_least=0, symbol="λ")  # weight decay
    sparsity: int = parameter(3, at_least=1)  # features that decide a label
    figures: ClassVar[tuple[str, ...]] = ("curves",)
    word: ClassVar[str] = "deep diagonal network"

    def check(self) -> None:
        if self.sparsity > self.d:
            what = f"labels depend on {self.sparsity} signs (sparsity), and an input has {self.d} (d)"
            raise ValueError(f"{what}; give a sparsity of at most {self.d}")

    def sample(self, key: Key[Array, ""]) -> Signs:
        """Draw signs; of an even `sparsity` a tie is a label of +1."""
        x = jax.random.rademacher(key, (self.n + self.n_test, self.d), jnp.float32)
        y = jnp.where(jnp.sum(x[:, : self.sparsity], axis=1) >= 0, 1, -1).astype(jnp.float32)
        return Signs(x[: self.n], y[: self.n], x[self.n :], y[self.n :])

    def init(self, key: Key[Array, ""], data: Signs) -> Layers:
        start = jnp.full(self.d, self.alpha / (2 * self.d) ** 0.5, jnp.float32)
        return Layers(start, start)

    def training_loss(self, params: Layers, data: Signs, batch: Array | None = None) -> Float[Array, ""]:
        x, y = (data.x, data.y) if batch is None else (data.x[batch], data.y[batch])
        penalty = jnp.asarray(self.l2 / 2, jnp.float32) * square_norm(params)
        return jnp.mean(jax.nn.softplus(-y * (x @ self._weights(params)))) + penalty

    def metrics(self, params: Layers, data: Signs) -> Columns:
        train, test = self._scores(params, data)
        return {
            "train_loss": jnp.mean(jax.nn.softplus(-data.y * train)),
            "test_loss": jnp.mean(jax.nn.softplus(-data.test_y * test)),
            "train_accuracy": right(train, data.y),
            "test_accuracy": right(test, data.test_y),
            "norm": norm(params),
        }

    def crossings(self, params: Layers, data: Signs) -> Columns:
        train, test = self._scores(params, data)
        return crossings(right(train, data.y), right(test, data.test_y))

    def absolute(self, relative: float) -> dict[str, float]:
        return {"train_accuracy": 4 / self.n + relative, "test_accuracy": 4 / self.n_test + relative}

    def batch(self, key: Key[Array, ""], data: Signs, size: int) -> Int[Array, " size"]:
        return with_replacement(key, self.n, size)

    def _weights(self, params: Layers) -> Float[Array, " d"]:
        return params.u**self.layers - params.v**self.layers

    def _scores(self, params: Layers, data: Signs) -> tuple[Array, Array]:
        w = self._weights(params)
        return data.x @ w, data.test_x @ w
