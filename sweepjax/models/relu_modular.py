"""A homogeneous two-layer ReLU network that learns modular arithmetic by full-batch descent with weight decay.

f(a, b) = W₂ relu(U_a + V_b + c), cross entropy and ½λ‖θ‖². Started large, or decaying slowly, it memorises first; the
test accuracy jumps at a time of order 1/λ.

Source:
    Lyu, Jin, Li, Du, Lee, Hu, "Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    arXiv 2311.18817, section 2.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import norm, square_norm
from sweepjax.models._modular import ModularTable, Table, weighted_pair
from sweepjax.models._operations import OPERATIONS
from sweepjax.types import Columns, parameter, plugin

TINY = -15.0  # a logarithm of odds below which log(1 + odds) is odds - odds²/2 to the last digit of float32


class Weights(NamedTuple):
    """The first layer by operand, its bias, and the second by result."""

    u: Float[Array, "k h"]
    v: Float[Array, "k h"]
    c: Float[Array, " h"]
    w: Float[Array, "k h"]


@plugin
class ReluModular(ModularTable):
    """W₂ relu(W₁x + c) on the pairs of an operation modulo p; `l2` is λ, of all weights and the bias.

    At the start weights are He normal times `init_scale`, the bias is 0, and so is W₂ where `output` is `zero`. The
    losses of the columns are without the penalty. Training of the `normalized` loss descends the logarithm of the
    cross entropy, which is descent at a learning rate divided by the loss.
    """

    p: int = parameter(31, at_least=2)  # modulus; S5 has none
    width: int = parameter(256, at_least=1, symbol="N")  # hidden units
    fraction: float = parameter(0.75, above=0, below=1, symbol="r")  # share of the table that is trained on
    init_scale: float = parameter(1.0, above=0, symbol="α")  # factor of all weights at the start
    l2: float = parameter(2e-3, at_least=0, symbol="λ")  # weight decay
    output: str = parameter("normal", choices=("normal", "zero"), draws=False)  # second layer at the start
    loss: str = parameter("logistic", choices=("logistic", "normalized"), draws=False)  # or its log
    operation: str = parameter("a+b", choices=OPERATIONS)  # whose results are learned
    word: ClassVar[str] = "ReLU network"
    unit_axes: ClassVar[dict[str, int]] = {"w": 0}

    def init(self, key: Key[Array, ""], data: Table) -> Weights:
        k, shape = self.table.kinds, (self.table.kinds, self.width)
        u, v, w = (jax.random.normal(each, shape, jnp.float32) for each in jax.random.split(key, 3))
        first, second = (jnp.asarray(self.init_scale / size**0.5, jnp.float32) for size in (k, self.width))
        return Weights(first * u, first * v, jnp.zeros(self.width, jnp.float32), (self.output != "zero") * second * w)

    def scores(self, params: Weights, pairs: Int[Array, " m"] | None = None) -> Float[Array, "m k"]:
        if pairs is None:
            return jax.nn.relu(weighted_pair(params.u, params.v + params.c, self.table)) @ params.w.T
        a, b = jnp.asarray(self.table.a)[pairs], jnp.asarray(self.table.b)[pairs]
        return jax.nn.relu(params.u[a] + params.v[b] + params.c) @ params.w.T

    def loss_of(self, scores: Float[Array, "m k"], label: Int[Array, " m"]) -> Float[Array, " m"]:
        return jax.nn.softplus(_log_odds(scores, label))

    def training_loss(self, params: Weights, data: Table, batch: Array | None = None) -> Float[Array, ""]:
        penalty = jnp.asarray(self.l2 / 2, jnp.float32) * square_norm(params)
        if self.loss == "logistic":
            return self.mean_loss(params, data, batch) + penalty
        if batch is not None:
            return _log_mean(_log_odds(self.scores(params, batch), data.label[batch])) + penalty
        return _log_mean(_log_odds(self.scores(params), data.label), data.train) + penalty

    def embedding(self, params: Weights) -> Float[Array, "k h"]:
        return params.u

    def metrics(self, params: Weights, data: Table) -> Columns:
        loss = _log_mean(_log_odds(self.scores(params), data.label), data.train)
        return super().metrics(params, data) | {"log_train_loss": loss, "norm": norm(params)}


def _log_odds(scores: Float[Array, "m k"], label: Int[Array, " m"]) -> Float[Array, " m"]:
    """Return log Σ exp(f_j - f_y) over wrong answers j, whose softplus is the cross entropy, however small."""
    is_label = jnp.arange(scores.shape[1]) == label[:, None]
    wrong = logsumexp(jnp.where(is_label, -jnp.inf, scores), axis=1)
    return wrong - jnp.sum(jnp.where(is_label, scores, 0), axis=1)


def _log_mean(odds: Float[Array, " m"], where: Array | None = None) -> Float[Array, ""]:
    """Return the logarithm of the mean cross entropy, which may lie far below the smallest number."""
    small = jnp.minimum(odds, TINY)
    each = jnp.where(odds < TINY, small - jnp.exp(small) / 2, jnp.log(jax.nn.softplus(jnp.maximum(odds, TINY))))
    count = each.size if where is None else jnp.sum(where)
    return logsumexp(each, where=where) - jnp.log(count).astype(each.dtype)
