"""A network with squares for activations that learns modular arithmetic: it memorises first and groks later.

f(a, b) = W₂ (U_a + V_b)², without biases or prefactor, trained on the mean square distance from the one-hot code of the
result. Products with one-hot codes are rows of U and V.

Source:
    Gromov (2023), "Grokking modular arithmetic", arXiv 2301.02679; label noise: Doshi, Das, He, Gromov (2023),
    arXiv 2310.13061.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._modular import ModularTable, Table, participation, weighted_pair
from sweepjax.models._operations import OPERATIONS
from sweepjax.types import Columns, parameter, plugin


class Weights(NamedTuple):
    """The first layer by operand and the second by result: rows of N numbers, which is how they are multiplied fast."""

    u: Float[Array, "k h"]
    v: Float[Array, "k h"]
    w: Float[Array, "k h"]


@plugin
class QuadraticModular(ModularTable):
    """W₂ (W₁x)² on the pairs of an operation modulo p; `noise` of the labels it is trained on are drawn at random."""

    p: int = parameter(23, at_least=2)  # modulus; S5 has none
    width: int = parameter(128, at_least=1, symbol="N")  # hidden units
    fraction: float = parameter(0.5, above=0, below=1, symbol="r")  # share of the table that is trained on
    noise: float = parameter(0.0, at_least=0, at_most=1)  # share of the labels to train on that is random
    operation: str = parameter("a+b", choices=OPERATIONS)  # whose results are learned
    word: ClassVar[str] = "quadratic network"
    unit_axes: ClassVar[dict[str, int]] = {"w": 0}

    def init(self, key: Key[Array, ""], data: Table) -> Weights:
        scale, k = jnp.float32(0.5 / (2 * self.width) ** (1 / 3)), self.table.kinds
        return Weights(
            *(scale * jax.random.normal(each, (k, self.width), jnp.float32) for each in jax.random.split(key, 3))
        )

    def scores(self, params: Weights, pairs: Int[Array, " m"] | None = None) -> Float[Array, "m k"]:
        if pairs is None:
            return weighted_pair(params.u, params.v, self.table) ** 2 @ params.w.T
        a, b = jnp.asarray(self.table.a)[pairs], jnp.asarray(self.table.b)[pairs]
        return (params.u[a] + params.v[b]) ** 2 @ params.w.T

    def loss_of(self, scores: Float[Array, "m k"], label: Int[Array, " m"]) -> Float[Array, " m"]:
        code = jax.nn.one_hot(label, scores.shape[1], dtype=scores.dtype)
        return jnp.mean((scores - code) ** 2, axis=1)

    def training_loss(self, params: Weights, data: Table, batch: Array | None = None) -> Float[Array, ""]:
        return self.mean_loss(params, data, batch)

    def embedding(self, params: Weights) -> Float[Array, "k h"]:
        return params.u

    def metrics(self, params: Weights, data: Table) -> Columns:
        rows = jnp.concatenate([params.u.T, params.v.T, params.w.T])
        return super().metrics(params, data) | {"ipr": participation(rows)}
