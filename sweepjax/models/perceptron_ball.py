"""A perceptron in D dimensions whose inputs of either label fill a ball: grokking with an exponent (D + 1)/2.

N inputs of either label are uniform in the unit ball, moved by ±ε along the first axis; sgn(w·x) is trained by the mean
of ½(w·x - y)² + ½λ₂‖w‖² + λ₁‖w‖₁ from w ~ N(0, I). With h = ε w₁/‖w‖ the error of fresh inputs is that of a cap of the
ball, and 0 from h = 1 on. With λ₁ > 0 weights come to 0 and stay there: train it by `proximal_flow`, since the steps of
`gradient_flow` become tiny there.

Source:
    Žunkovič, Ilievski, "Grokking phase transitions in learning local rules with gradient descent",
    arXiv 2210.15435, section 3.2.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import betainc
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import accuracy_of
from sweepjax.models._first_crossings import FirstCrossings
from sweepjax.models._quadratic import QuadraticLoss
from sweepjax.primitives.batches import with_replacement
from sweepjax.primitives.orthants import Penalized
from sweepjax.primitives.quadratic import Quadratic
from sweepjax.types import Columns, parameter, plugin


class Inputs(NamedTuple):
    """One draw: n inputs of label 1, then n of label -1, and these labels; float64, since they are few."""

    x: Float[Array, "2*n d"]
    y: Float[Array, " 2*n"]


class Weights(NamedTuple):
    """The trained parameters."""

    w: Float[Array, " d"]


@plugin
class PerceptronBall(QuadraticLoss):
    """n inputs of either label in balls around ±ε on the first axis, classified by the sign of w·x."""

    n: int = parameter(10, at_least=1, symbol="N")  # inputs of either label
    d: int = parameter(10, at_least=1, symbol="D")  # features
    epsilon: float = parameter(1.01, at_least=0, symbol="ε")  # distance of either ball's centre from the origin
    l1: float = parameter(0.0, at_least=0, symbol="λ₁", rules_out=("solution", "quadratic"))  # of the penalty λ₁‖w‖₁
    l2: float = parameter(0.1, at_least=0, symbol="λ₂")  # of the penalty ½λ₂‖w‖²

    def sample(self, key: Key[Array, ""]) -> Inputs:
        direction, size = jax.random.split(key)
        noise = jax.random.normal(direction, (2 * self.n, self.d), dtype=jnp.float32).astype(jnp.float64)
        radius = jax.random.uniform(size, (2 * self.n, 1), dtype=jnp.float32).astype(jnp.float64) ** (1 / self.d)
        y = jnp.repeat(jnp.array([1.0, -1.0], jnp.float64), self.n)
        shift = self.epsilon * y[:, None] * (jnp.arange(self.d) == 0)
        return Inputs(radius * noise / _lengths(noise)[:, None] + shift, y)

    def init(self, key: Key[Array, ""], data: Inputs) -> Weights:
        return Weights(jax.random.normal(key, (self.d,), dtype=jnp.float32).astype(jnp.float64))

    def training_loss(self, params: Weights, data: Inputs, batch: Array | None = None) -> Float[Array, ""]:
        part = data if batch is None else jax.tree.map(lambda leaf: leaf[batch], data)
        penalty = 0.5 * self.l2 * jnp.sum(params.w**2) + self.l1 * jnp.sum(jnp.abs(params.w))
        return _loss(params, part) + penalty

    def metrics(self, params: Weights, data: Inputs) -> Columns:
        w, e, margins = params.w, self.epsilon, _margins(params.w, data)
        fresh = jnp.sum(w**2) / (self.d + 2) + (e * w[0] - 1) ** 2
        return {
            "train_loss": _loss(params, data),
            "train_accuracy": accuracy_of(margins > 0, margins),
            "test_loss": 0.5 * fresh,
            "test_accuracy": 1 - self._error(w),
        }

    @property
    def search(self) -> FirstCrossings:
        return FirstCrossings()

    def limit_known(self) -> dict[str, float]:
        """Return that no draw generalizes, where h = ε w₁/‖w‖ stays below 1; beyond it depends on the samples."""
        touching = self.epsilon == 1 and self.l1 == 0 and self.d > 1
        return {"generalizes": 0.0} if self.epsilon < 1 or touching else {}

    def absolute(self, relative: float) -> dict[str, float]:
        return dict.fromkeys(("t_train", "t_test", "t_grok"), 1e-3 * relative)

    def batch(self, key: Key[Array, ""], data: Inputs, size: int) -> Int[Array, " size"]:
        return with_replacement(key, data.y.size, size)

    def quadratic(self, data: Inputs) -> Quadratic:
        return self.penalized(data).smooth

    def penalized(self, data: Inputs) -> Penalized:
        moment = data.x.T @ data.x / data.y.size + self.l2 * jnp.eye(self.d)
        return Penalized(Quadratic(moment, data.y @ data.x / data.y.size), jnp.asarray(self.l1, jnp.float64))

    def _error(self, w: Float[Array, " d"]) -> Float[Array, ""]:
        """Return the share of a ball beyond a plane at the distance h = ε w₁/‖w‖ from its centre; half for w = 0."""
        size = jnp.sum(w**2)
        beyond = jnp.where(size == 0, 1, -self._ahead(w) / jnp.maximum(size, 1e-300))  # 1 - h²
        cap = 0.5 * betainc(0.5 * (self.d + 1), 0.5, jnp.clip(beyond, 0, 1))
        return jnp.where(w[0] < 0, 1 - cap, cap)

    def heights(self, w: Float[Array, " d"], data: Inputs) -> Float[Array, "2"]:
        """Return what is not negative where nothing is wrong: on the samples, and on fresh inputs (h ≥ 1)."""
        return jnp.stack([jnp.min(_margins(w, data)), jnp.where(w[0] > 0, self._ahead(w), -1.0)])

    def _ahead(self, w: Float[Array, " d"]) -> Float[Array, ""]:
        """Return (h² - 1)‖w‖², which does not cancel: at ε = 1 it is 0 on the axis, and below 0 elsewhere."""
        return (self.epsilon - 1) * (self.epsilon + 1) * w[0] ** 2 - jnp.sum(w[1:] ** 2)


def _lengths(noise: Float[Array, "2*n d"]) -> Float[Array, " 2*n"]:
    """Return the norms of rows, summed a column at a time: to the same bits however many draws are side by side."""
    start = jnp.zeros(noise.shape[0], noise.dtype)
    return jnp.sqrt(lax.scan(lambda total, column: (total + column**2, None), start, noise.T)[0])


def _loss(params: Weights, data: Inputs) -> Float[Array, ""]:
    return 0.5 * jnp.mean((data.x @ params.w - data.y) ** 2)


def _margins(w: Float[Array, " d"], data: Inputs) -> Float[Array, " 2*n"]:
    return data.y * (data.x @ w)
