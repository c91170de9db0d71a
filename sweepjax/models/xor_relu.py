"""XOR clusters with noisy labels and a two-layer ReLU network: it overfits in one step and generalises later.

Inputs are N(±μ₁, I) with label +1 and N(±μ₂, I) with label -1, μ₁ and μ₂ orthogonal and of one length, and a part of
the labels it is trained on are flipped. Only the first layer of f(x) = Σ a_j relu(w_j·x) is trained.

Training moves w_j by sums of inputs only. So the `reduced` form draws the inputs by their coordinates along μ₁, μ₂
and, for all of them together, along the Gram-Schmidt basis of the rest: rows of Bartlett's triangular factor of a
Wishart matrix. It has the law of the `full` form, and its cost does not depend on d.

Source:
    Xu, Wang, Frei, Vardi, Hu, "Benign Overfitting and Grokking in ReLU Networks for XOR Cluster Data",
    arXiv 2310.02541; Bartlett (1933), Proc. R. Soc. Edinburgh 53, 260; the reduction is derived here.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._accuracy import crossings, right
from sweepjax.primitives.batches import with_replacement
from sweepjax.types import Columns, parameter, plugin


class Clusters(NamedTuple):
    """One draw: inputs to train on, with their labels, then those to test on, with clean ones; and the output layer."""

    x: Float[Array, "n k"]
    y: Float[Array, " n"]
    test_x: Float[Array, "m k"]
    test_y: Float[Array, " m"]
    output: Float[Array, " width"]
    counts: Int[Array, "4"]  # inputs to train on around +μ₁, -μ₁, +μ₂, -μ₂


@plugin
class XorRelu:
    """n inputs of dimension d in four clusters at a distance `mu`; a share `noise` of the labels is flipped."""

    n: int = parameter(200, at_least=1)  # samples to train on
    n_test: int = parameter(200, at_least=1)  # samples to test on
    d: int = parameter(40_000, at_least=3)  # features
    mu: float = parameter(35.36, at_least=0, symbol="μ")  # distance of each cluster from the origin
    noise: float = parameter(0.05, at_least=0, below=1, symbol="η")  # share of the labels to train on that is flipped
    width: int = parameter(1000, at_least=1, symbol="m")  # hidden units
    init_scale: float = parameter(1e-15, above=0, symbol="ω")  # deviation of the weights at the start
    form: str = parameter("reduced", choices=("reduced", "full"))  # all features, or as many coordinates as matter
    figures: ClassVar[tuple[str, ...]] = ("curves",)
    word: ClassVar[str] = "XOR network"

    def sample(self, key: Key[Array, ""]) -> Clusters:
        cluster, flip, noise, signs = jax.random.split(key, 4)
        which = jax.random.randint(cluster, (self.n + self.n_test,), 0, 4, jnp.int32)
        clean = jnp.where(which < 2, 1, -1).astype(jnp.float32)
        center = jnp.where(which % 2 == 0, 1, -1).astype(jnp.float32) * jnp.asarray(self.mu, jnp.float32)
        x = self._noise(noise)
        x = x.at[:, 0].add(jnp.where(which < 2, center, 0)).at[:, 1].add(jnp.where(which < 2, 0, center))
        flipped = jax.random.uniform(flip, (self.n,), jnp.float32) < self.noise
        y = jnp.where(flipped, -clean[: self.n], clean[: self.n])
        output = jax.random.rademacher(signs, (self.width,), jnp.float32) / jnp.float32(self.width**0.5)
        counts = jnp.sum(which[: self.n] == jnp.arange(4)[:, None], axis=1)
        return Clusters(x[: self.n], y, x[self.n :], clean[self.n :], output, counts)

    def init(self, key: Key[Array, ""], data: Clusters) -> Float[Array, "width k"]:
        shape = self.width, data.x.shape[1]
        return jax.random.normal(key, shape, jnp.float32) * jnp.asarray(self.init_scale, jnp.float32)

    def facts(self, data: Clusters, start: Array) -> Columns:
        names = ("n_plus_1", "n_minus_1", "n_plus_2", "n_minus_2")
        imbalance = jnp.maximum(*(jnp.abs(data.counts[k] - data.counts[k + 1]) for k in (0, 2)))
        return {"imbalance": imbalance} | {name: data.counts[k] for k, name in enumerate(names)}

    def scores(self, params: Float[Array, "width k"], x: Float[Array, "n k"], output: Array) -> Float[Array, " n"]:
        """Return f(x) of every input."""
        return jax.nn.relu(x @ params.T) @ output

    def training_loss(self, params: Array, data: Clusters, batch: Array | None = None) -> Float[Array, ""]:
        x, y = (data.x, data.y) if batch is None else (data.x[batch], data.y[batch])
        return jnp.mean(jax.nn.softplus(-y * self.scores(params, x, data.output)))

    def metrics(self, params: Array, data: Clusters) -> Columns:
        """Return losses and accuracies, and E|w·μ₁|/E|w·μ₂| over the units with a_j > 0."""
        train, test = self._outputs(params, data)
        along = jnp.sum(jnp.where(data.output[:, None] > 0, jnp.abs(params[:, :2]), 0), axis=0) / self.init_scale
        return {
            "train_loss": jnp.mean(jax.nn.softplus(-data.y * train)),
            "test_loss": jnp.mean(jax.nn.softplus(-data.test_y * test)),
            "train_accuracy": right(train, data.y),
            "test_accuracy": right(test, data.test_y),
            "feature_ratio": along[0] / along[1],
        }

    def crossings(self, params: Array, data: Clusters) -> Columns:
        train, test = self._outputs(params, data)
        return crossings(right(train, data.y), right(test, data.test_y))

    def absolute(self, relative: float) -> dict[str, float]:
        return {"train_accuracy": 4 / self.n + relative, "test_accuracy": 4 / self.n_test + relative}

    def batch(self, key: Key[Array, ""], data: Clusters, size: int) -> Int[Array, " size"]:
        return with_replacement(key, self.n, size)

    def _outputs(self, params: Array, data: Clusters) -> tuple[Array, Array]:
        return tuple(self.scores(params, x, data.output) for x in (data.x, data.test_x))  # type: ignore[return-value]

    def _noise(self, key: Key[Array, ""]) -> Float[Array, "all k"]:
        """Return N(0, I_d) inputs, or their coordinates along μ₁, μ₂ and the orthonormal basis of the rest."""
        every = self.n + self.n_test
        if self.form == "full":
            return jax.random.normal(key, (every, self.d), jnp.float32)
        basis = min(every, self.d - 2)
        normal, lengths = jax.random.split(key)
        x = jnp.tril(jax.random.normal(normal, (every, 2 + basis), jnp.float32), 1)
        place = jnp.arange(basis)
        square = 2 * jax.random.gamma(lengths, (self.d - 2 - place).astype(jnp.float32) / 2, dtype=jnp.float32)
        return x.at[place, 2 + place].set(jnp.sqrt(square))
