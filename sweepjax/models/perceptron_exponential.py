"""A perceptron on a line whose only parameter is its bias: the smallest model with a phase transition in grokking.

N inputs of either label lie at x = y(ε + E), E exponential of mean 1; sgn(x - b) is trained by the mean of
½(x - b - y)² + ½λ₂b² + λ₁|b|. The bias relaxes exponentially, so that all is known: fresh inputs are classified without
error where |b| < ε, and a draw generalizes where its final bias is there. With λ₁ > 0 train it by `proximal_flow`: the
steps of `gradient_flow` become tiny where b comes to 0.

Source:
    Žunkovič, Ilievski, "Grokking phase transitions in learning local rules with gradient descent",
    arXiv 2210.15435, section 3.1; its equation 8 lacks the factor 1/(1 + λ₂).
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from sweepjax.models._accuracy import accuracy_of
from sweepjax.primitives.batches import with_replacement
from sweepjax.primitives.orthants import Penalized
from sweepjax.primitives.quadratic import Quadratic
from sweepjax.theory import perceptron_exponential as theory
from sweepjax.types import Columns, parameter, plugin

SURE = 10  # the smallest input of a label is beyond the start of the bias in e^-10 of all draws


class Inputs(NamedTuple):
    """One draw: n inputs of label 1, then n of label -1, and these labels; float64, since only their means matter."""

    x: Float[Array, " 2*n"]
    y: Float[Array, " 2*n"]


class Bias(NamedTuple):
    """The trained parameter."""

    b: Float[Array, ""]


@plugin
class PerceptronExponential:
    """n inputs of either label beyond a gap ±ε, exponentially distributed, classified by the sign of x - b."""

    n: int = parameter(5, at_least=1, symbol="N")  # inputs of either label
    epsilon: float = parameter(0.2, at_least=0, symbol="ε")  # half the gap between the labels
    l1: float = parameter(0.0, at_least=0, symbol="λ₁")  # of the penalty λ₁|b|
    l2: float = parameter(0.0, at_least=0, symbol="λ₂")  # of the penalty ½λ₂b²
    init_bias: float = parameter(4.0, symbol="b₀")  # b at the start
    figures: ClassVar[tuple[str, ...]] = ("foretold",)

    def sample(self, key: Key[Array, ""]) -> Inputs:
        excess = jax.random.exponential(key, (2, self.n), dtype=jnp.float32).astype(jnp.float64)
        y = jnp.array([[1.0], [-1.0]], dtype=jnp.float64)
        return Inputs((y * (self.epsilon + excess)).ravel(), jnp.broadcast_to(y, excess.shape).ravel())

    def init(self, key: Key[Array, ""], data: Inputs) -> Bias:
        return Bias(jnp.asarray(self.init_bias, jnp.float64))

    def training_loss(self, params: Bias, data: Inputs, batch: Array | None = None) -> Float[Array, ""]:
        part = data if batch is None else jax.tree.map(lambda leaf: leaf[batch], data)
        return _loss(params, part) + 0.5 * self.l2 * params.b**2 + self.l1 * jnp.abs(params.b)

    def metrics(self, params: Bias, data: Inputs) -> Columns:
        margins = data.y * (data.x - params.b)
        error = -0.5 * jnp.expm1(jnp.minimum(self.epsilon - jnp.abs(params.b), 0))
        return {
            "train_loss": _loss(params, data),
            "train_accuracy": accuracy_of(margins > 0, margins),
            "test_loss": 0.5 * (1 + self.epsilon**2 + params.b**2),
            "test_accuracy": 1 - error,
            "b": params.b,
        }

    def facts(self, data: Inputs, start: Bias) -> Columns:
        """Where the bias ends, and from when on nothing is wrong: on the samples, and on fresh inputs.

        `transient` is true of a bias that passes through the gap: its test error vanishes for a while, and comes back.
        """
        side, path = _path(self, start, data)
        nearest = jnp.min(data.x * data.y, where=data.y == side, initial=jnp.inf)
        farthest = jnp.min(data.x * data.y, where=data.y != side, initial=jnp.inf)
        trained = (path.end < nearest) & (path.end > -farthest)
        generalizes = jnp.abs(jnp.mean(data.x)) < self.epsilon * (1 + self.l2) + self.l1
        passes = (path.end <= -self.epsilon) | (path.start < self.epsilon)
        t_train, t_test = (_time_below(path, level) for level in (nearest, self.epsilon))
        return {
            "b_inf": side * path.end,
            "generalizes": generalizes,
            "transient": ~generalizes & (self.epsilon > 0) & passes,
            "t_train": _if(trained, t_train),
            "t_test": _if(generalizes, t_test),
            "t_grok": _if(generalizes, t_test - t_train),
        }

    def limit_known(self) -> dict[str, float]:
        """Return means over draws: who generalizes, their delay if the bias starts beyond all inputs, the accuracy."""
        gap = float(theory.effective_gap(self.epsilon, l1=self.l1, l2=self.l2))
        found = {
            "generalizes": float(theory.generalizing_probability(gap, n=self.n)),
            "test_accuracy": theory.mean_accuracy(gap, n=self.n, l2=self.l2),
        }
        beyond = self.n * (abs(self.init_bias) - self.epsilon) > SURE
        return found | ({"t_grok": theory.mean_grokking_time(gap, n=self.n, l2=self.l2)} if beyond and gap > 0 else {})

    def absolute(self, relative: float) -> dict[str, float]:
        return dict.fromkeys(("b", "b_inf"), relative)

    def batch(self, key: Key[Array, ""], data: Inputs, size: int) -> Int[Array, " size"]:
        return with_replacement(key, data.y.size, size)

    def penalized(self, data: Inputs) -> Penalized:
        smooth = Quadratic(jnp.full((1, 1), 1 + self.l2, jnp.float64), jnp.mean(data.x)[None])
        return Penalized(smooth, jnp.asarray(self.l1, jnp.float64))

    def prepare(self, start: Bias, data: Inputs) -> "tuple[Array, Path]":
        return _path(self, start, data)

    def solution(self, prepared: "tuple[Array, Path]", time: Float[Array, ""]) -> Bias:
        side, path = prepared
        return Bias(side * _position(path, time))


class Path(NamedTuple):
    """The bias over time, mirrored to start at 0 or above: it decays towards `aim`, from 0 on towards `end`."""

    start: Float[Array, ""]
    aim: Float[Array, ""]
    end: Float[Array, ""]
    rate: Float[Array, ""]


def _loss(params: Bias, data: Inputs) -> Float[Array, ""]:
    return 0.5 * jnp.mean((data.x - params.b - data.y) ** 2)


def _path(model: PerceptronExponential, start: Bias, data: Inputs) -> tuple[Float[Array, ""], Path]:
    """Return the side on which the bias starts, or to which it goes from 0, and its path there."""
    mean = jnp.mean(data.x)
    first = jnp.where(start.b == 0, mean, start.b)
    side = jnp.where(first < 0, -1.0, 1.0)
    rate = jnp.asarray(1 + model.l2, jnp.float64)
    pull = side * mean
    end = jnp.sign(pull) * jnp.maximum(jnp.abs(pull) - model.l1, 0) / rate
    return side, Path(side * start.b, (pull - model.l1) / rate, end, rate)


def _position(path: Path, time: Float[Array, ""]) -> Float[Array, ""]:
    """Return the mirrored bias; the penalty changes its sign with it, and holds it at 0 where it is strong enough."""
    ahead = path.start + (path.start - path.aim) * jnp.expm1(-path.rate * time)
    late = jnp.maximum(time - _time_below(path, 0.0), 0)
    beyond = -path.end * jnp.expm1(-path.rate * late)
    return jnp.where(ahead >= 0, ahead, beyond)


def _time_below(path: Path, level: Float[Array, ""] | float) -> Float[Array, ""]:
    """Return when the mirrored bias falls to a level from 0 on; 0 if it starts there, of no use if it never does."""
    ratio = jnp.maximum(path.start - path.aim, 0) / (level - path.aim)
    return jnp.log(jnp.maximum(ratio, 1)) / path.rate


def _if(true: Bool[Array, ""], value: Float[Array, ""]) -> tuple[Array, Array]:
    """Return a column that exists where something is true."""
    return jnp.where(true, value, 0), true
