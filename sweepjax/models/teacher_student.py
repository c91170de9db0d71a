"""A tanh network that learns a random one of the same shape: the larger it starts, the later it generalises.

Source:
    Liu, Michaud, Tegmark, "Omnigrok: Grokking Beyond Algorithmic Data", arXiv 2210.01117.
"""

from itertools import pairwise
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import accuracy_of, crossings, norm
from sweepjax.primitives.batches import with_replacement
from sweepjax.types import Columns, parameter, plugin

INPUTS = OUTPUTS = 5


class Layer(NamedTuple):
    """Weights and biases."""

    weight: Float[Array, "i o"]
    bias: Float[Array, " o"]


Network = tuple[Layer, Layer, Layer]


class Pairs(NamedTuple):
    """Inputs and what the teacher says of them, to train on and to test on."""

    x: Float[Array, "n i"]
    y: Float[Array, "n o"]
    test_x: Float[Array, "m i"]
    test_y: Float[Array, "m o"]


@plugin
class TeacherStudent:
    """A 5-width-width-5 student of a teacher drawn like it; its weights and biases start `alpha` times as large.

    The loss is the mean square error; a sample is right where its square error, a mean over outputs, is below
    `tolerance`.
    """

    n: int = parameter(100, at_least=1)  # samples to train on
    n_test: int = parameter(100, at_least=1)  # samples to test on
    alpha: float = parameter(2.0, above=0, symbol="α")  # factor of weights and biases at the start
    width: int = parameter(100, at_least=1)  # units of either hidden layer
    tolerance: float = parameter(0.01, above=0)  # square error below which a sample is right
    figures: ClassVar[tuple[str, ...]] = ("curves",)
    word: ClassVar[str] = "student"
    overrides: ClassVar[tuple[str, ...]] = ("tolerance",)

    def sample(self, key: Key[Array, ""]) -> Pairs:
        teacher, points = jax.random.split(key)
        x = jax.random.normal(points, (self.n + self.n_test, INPUTS), jnp.float32)
        y = _outputs(_drawn(teacher, self.width), x)
        return Pairs(x[: self.n], y[: self.n], x[self.n :], y[self.n :])

    def init(self, key: Key[Array, ""], data: Pairs) -> Network:
        alpha = jnp.asarray(self.alpha, jnp.float32)
        return jax.tree.map(lambda leaf: alpha * lax.optimization_barrier(leaf), _drawn(key, self.width))

    def training_loss(self, params: Network, data: Pairs, batch: Array | None = None) -> Float[Array, ""]:
        x, y = (data.x, data.y) if batch is None else (data.x[batch], data.y[batch])
        return jnp.mean(_errors(params, x, y))

    def metrics(self, params: Network, data: Pairs) -> Columns:
        train, test = _errors(params, data.x, data.y), _errors(params, data.test_x, data.test_y)
        accuracies = {"train_accuracy": self._right(train), "test_accuracy": self._right(test)}
        return {"train_loss": jnp.mean(train), "test_loss": jnp.mean(test)} | accuracies | {"norm": norm(params)}

    def crossings(self, params: Network, data: Pairs) -> Columns:
        train, test = _errors(params, data.x, data.y), _errors(params, data.test_x, data.test_y)
        return crossings(self._right(train), self._right(test))

    def absolute(self, relative: float) -> dict[str, float]:
        return {"train_accuracy": 4 / self.n + relative, "test_accuracy": 4 / self.n_test + relative}

    def batch(self, key: Key[Array, ""], data: Pairs, size: int) -> Int[Array, " size"]:
        return with_replacement(key, self.n, size)

    def _right(self, errors: Float[Array, " n"]) -> Float[Array, ""]:
        return accuracy_of(errors < self.tolerance, errors)


def _drawn(key: Key[Array, ""], width: int) -> Network:
    """Draw weights and biases uniformly within ±1/√inputs of each layer, as PyTorch does unless told otherwise."""
    sizes = (INPUTS, width, width, OUTPUTS)
    layers = []
    for each, (inputs, outputs) in zip(jax.random.split(key, 3), pairwise(sizes), strict=True):
        first, second = jax.random.split(each)
        bound = inputs**-0.5
        weight = jax.random.uniform(first, (inputs, outputs), jnp.float32, -bound, bound)
        layers.append(Layer(weight, jax.random.uniform(second, (outputs,), jnp.float32, -bound, bound)))
    return tuple(layers)  # type: ignore[return-value]


def _outputs(network: Network, x: Float[Array, "n i"]) -> Float[Array, "n o"]:
    for layer in network[:-1]:
        x = jnp.tanh(x @ layer.weight + layer.bias)
    return x @ network[-1].weight + network[-1].bias


def _errors(network: Network, x: Float[Array, "n i"], y: Float[Array, "n o"]) -> Float[Array, " n"]:
    return jnp.mean((_outputs(network, x) - y) ** 2, axis=1)
