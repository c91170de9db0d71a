"""Two linear layers that learn a linear teacher: with few outputs and many units they grok like one layer, but slower.

The student is x ↦ S₂ᵀ(S₁ᵀx). Entries of S₁ have the variance 1/(2 d outputs) and those of S₂ 1/(2 width outputs). For
outputs ≪ width ≪ d training begins as that of one layer at the learning rate η S₂ᵀS₂, S₂ᵀS₂ = 1/(2 outputs), and ends
at one of √(2 outputs) times as much, since the second layer grows with what is learned.

Source:
    Levi, Beck, Bar-Sinai, "Grokking in Linear Estimators – A Solvable Model that Groks without Understanding",
    arXiv 2310.16441, section on two layers, where S₂ᵀS₂ stays what it is; its growth is derived here.
"""

import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from sweepjax.models.linear_regression import SHORT, LinearRegression, Student, Taught
from sweepjax.primitives.batches import with_replacement
from sweepjax.theory import linear_regression as theory
from sweepjax.types import Columns, parameter, plugin


class Layers(NamedTuple):
    """The trained parameters."""

    first: Float[Array, "d h"]
    second: Float[Array, "h m"]


@plugin
class LinearNetwork:
    """n samples x ~ N(0, I_d) with the outputs of a random linear teacher, learned by `width` linear units."""

    n: int = parameter(444, at_least=1, symbol="N")  # samples
    d: int = parameter(400, at_least=1)  # features
    width: int = parameter(50, at_least=1, symbol="units")  # units between the layers
    outputs: int = parameter(1, at_least=1, symbol="outputs")  # of teacher and student
    tolerance: float = parameter(1e-3, above=0, symbol="ε")  # squared error below which a sample is right
    figures: ClassVar[tuple[str, ...]] = ("curves",)
    overrides: ClassVar[tuple[str, ...]] = ("tolerance",)
    word: ClassVar[str] = "two linear layers"

    def sample(self, key: Key[Array, ""]) -> Taught:
        return self._one_layer().sample(key)

    def init(self, key: Key[Array, ""], data: Taught) -> Layers:
        shapes = (self.d, self.width), (self.width, self.outputs)
        draws = (jax.random.normal(*each, jnp.float32) for each in zip(jax.random.split(key), shapes, strict=True))
        first, second = (each.astype(jnp.float64) / jnp.sqrt(2.0 * len(each) * self.outputs) for each in draws)
        return Layers(first, second)

    def training_loss(self, params: Layers, data: Taught, batch: Array | None = None) -> Float[Array, ""]:
        return self._one_layer().training_loss(_together(params), data, batch)

    def metrics(self, params: Layers, data: Taught) -> Columns:
        return self._one_layer().metrics(_together(params), data)

    def limit_known(self) -> dict[str, float]:
        """Return losses at the end and times to an accuracy of 0.95 of a wide network, as n → ∞."""
        training = theory.Training(self.d / self.n, SHORT, 0.0, self.outputs, self.tolerance)
        ends, steps = theory.two_layer_losses(math.inf, training), theory.two_layer_crossing_steps(training)
        found = {"train_loss": float(ends.train), "test_loss": float(ends.test)}
        if math.isinf(steps.test):
            return {"generalizes": 0.0} | found
        times = {"t_train": SHORT * float(steps.train), "t_test": SHORT * float(steps.test)}
        return found | times | {"grokking_time": times["t_test"] - times["t_train"]}

    def absolute(self, relative: float) -> dict[str, float]:
        return self._one_layer().absolute(relative)

    def batch(self, key: Key[Array, ""], data: Taught, size: int) -> Int[Array, " size"]:
        return with_replacement(key, self.n, size)

    def _one_layer(self) -> LinearRegression:
        """Return the model of what both layers are together, whose dataset is the same law."""
        return LinearRegression(n=self.n, d=self.d, outputs=self.outputs, l2=0.0, tolerance=self.tolerance)


def _together(params: Layers) -> Student:
    return Student(params.first @ params.second)
