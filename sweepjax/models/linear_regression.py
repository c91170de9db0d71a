"""A linear student of a linear teacher, trained by the squared error: grokking without features or classes.

x ~ N(0, I_d), labels are those of the teacher T, without noise; both T and the student's start S₀ have entries of
variance 1/(2 d outputs). With D = S - T and Σ = XᵀX/n the training loss is tr DᵀΣD/outputs, to which weight decay
adds γ‖S‖²/(2 outputs); the loss of fresh samples is ‖D‖²/outputs. A sample counts as correct where its squared error,
a mean over the outputs, is below a tolerance. Accuracy generalizes later than it trains, since the slow modes of Σ
hardly show in the training loss.

Source:
    Levi, Beck, Bar-Sinai, "Grokking in Linear Estimators – A Solvable Model that Groks without Understanding",
    arXiv 2310.16441.
"""

import math
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import erf, gammainc
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import accuracy_of
from sweepjax.models._linear_model import product
from sweepjax.models._quadratic import QuadraticLoss
from sweepjax.primitives.batches import with_replacement
from sweepjax.primitives.quadratic import Quadratic
from sweepjax.theory import linear_regression as theory
from sweepjax.types import Columns, parameter, plugin

SHORT = 1e-3  # a learning rate at which descent is the flow


class Taught(NamedTuple):
    """One draw: samples and their teacher."""

    x: Float[Array, "n d"]
    teacher: Float[Array, "d m"]


class Student(NamedTuple):
    """The trained parameters."""

    s: Float[Array, "d m"]


@plugin
class LinearRegression(QuadraticLoss):
    """n samples x ~ N(0, I_d) with the outputs of a random linear teacher, learned by the squared error."""

    n: int = parameter(444, at_least=1, symbol="N")  # samples
    d: int = parameter(400, at_least=1)  # features
    outputs: int = parameter(1, at_least=1, symbol="outputs")  # of teacher and student
    l2: float = parameter(0.0, at_least=0, symbol="γ")  # weight decay
    tolerance: float = parameter(1e-3, above=0, symbol="ε")  # squared error below which a sample is right
    figures: ClassVar[tuple[str, ...]] = ("foretold",)
    overrides: ClassVar[tuple[str, ...]] = ("tolerance",)

    def sample(self, key: Key[Array, ""]) -> Taught:
        x = jax.random.normal(key, (self.n, self.d), dtype=jnp.float32)
        return Taught(x, self._entries(jax.random.fold_in(key, 1)))

    def init(self, key: Key[Array, ""], data: Taught) -> Student:
        return Student(self._entries(key))

    def training_loss(self, params: Student, data: Taught, batch: Array | None = None) -> Float[Array, ""]:
        x = data.x if batch is None else data.x[batch]
        error = jax.vmap(product, (None, 1), 1)(x, params.s - data.teacher)
        decay = 0.5 * self.l2 * jnp.sum(params.s**2) / self.outputs
        return jnp.mean(error**2) + decay

    def metrics(self, params: Student, data: Taught) -> Columns:
        difference = params.s - data.teacher
        error = jnp.mean((data.x.astype(jnp.float64) @ difference) ** 2, axis=1)
        test_loss = jnp.sum(difference**2) / self.outputs
        return {
            "train_loss": jnp.mean(error),
            "train_accuracy": accuracy_of(error < self.tolerance, error),
            "test_loss": test_loss,
            "test_accuracy": self._accuracy(test_loss),
        }

    def facts(self, data: Taught, start: Student) -> Columns:
        """The losses of the optimum that training tends to."""
        x = data.x.astype(jnp.float64)
        end = self._end(x, data, start)
        return {
            "train_loss_inf": jnp.mean((x @ end) ** 2),
            "test_loss_inf": jnp.sum(end**2) / self.outputs,
        }

    def limit_known(self) -> dict[str, float]:
        """Return losses and accuracies at the end as n → ∞, and times to an accuracy of 0.95, in units of the flow.

        Where the test loss ends above what this accuracy needs, no draw of many samples generalizes.
        """
        training = theory.Training(self.d / self.n, SHORT, self.l2, self.outputs, self.tolerance)
        ends, steps = theory.losses(math.inf, training), theory.crossing_steps(training)
        accuracies = (theory.accuracy(loss, tolerance=self.tolerance, outputs=self.outputs) for loss in ends)
        found = dict(zip(("train_accuracy", "test_accuracy"), map(float, accuracies), strict=True))
        found |= {"train_loss_inf": float(ends.train), "test_loss_inf": float(ends.test)}
        if math.isinf(steps.test):
            return {"generalizes": 0.0} | found
        times = {"t_train": SHORT * float(steps.train), "t_test": SHORT * float(steps.test)}
        return found | times | {"grokking_time": times["t_test"] - times["t_train"]}

    def absolute(self, relative: float) -> dict[str, float]:
        losses = ("train_loss", "test_loss", "train_loss_inf", "test_loss_inf")
        return {"train_accuracy": 1.01 / self.n, "test_accuracy": relative} | dict.fromkeys(losses, 1e-24)

    def batch(self, key: Key[Array, ""], data: Taught, size: int) -> Int[Array, " size"]:
        return with_replacement(key, self.n, size)

    def quadratic(self, data: Taught) -> Quadratic:
        x = data.x.astype(jnp.float64)
        moment = 2 * (x.T @ x) / (self.n * self.outputs)
        return Quadratic(moment + self.l2 / self.outputs * jnp.eye(self.d), moment @ data.teacher)

    def _entries(self, key: Key[Array, ""]) -> Float[Array, "d m"]:
        size = 1 / jnp.sqrt(2.0 * self.d * self.outputs)
        return size * jax.random.normal(key, (self.d, self.outputs), dtype=jnp.float32).astype(jnp.float64)

    def _accuracy(self, test_loss: Float[Array, ""]) -> Float[Array, ""]:
        """Return the probability that the mean of squared normal errors, of the same variance each, is small enough."""
        scaled = 0.5 * self.outputs * self.tolerance / jnp.maximum(test_loss, 1e-300)
        return erf(jnp.sqrt(scaled)) if self.outputs == 1 else gammainc(0.5 * self.outputs, scaled)

    def _end(self, x: Float[Array, "n d"], data: Taught, start: Student) -> Float[Array, "d m"]:
        """Return D at the end: what decay leaves of -T, or without it what no sample sees of S₀ - T."""
        half = 0.5 * self.l2
        if self.d <= self.n:
            moment = x.T @ x / self.n + half * jnp.eye(self.d)
            return -half * jax.scipy.linalg.solve(moment, data.teacher, assume_a="pos")
        seen = jnp.where(self.l2 > 0, -data.teacher, start.s - data.teacher)
        gram = x @ x.T / self.n + half * jnp.eye(self.n)
        return seen - x.T @ jax.scipy.linalg.solve(gram, x @ seen / self.n, assume_a="pos")
