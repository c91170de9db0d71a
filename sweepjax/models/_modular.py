"""Networks that learn the table of an operation from a part of its pairs: what all of them share.

The whole table is one dataset, of which a mask says what is trained on. So trainings on different fractions are one
compiled program, and their training sets are nested.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, Int32, Key

from sweepjax.models._accuracy import crossings, flips, judged, share
from sweepjax.models._operations import Operation, operation
from sweepjax.types import Columns, Params

BLOCK = 128  # pairs that are computed side by side where those in training alone are


class Table(NamedTuple):
    """Every pair of operands: its result, what training takes for it, whether it is trained on, all in random order."""

    result: Int32[Array, " n"]
    label: Int32[Array, " n"]  # the result, unless it is noise
    train: Bool[Array, " n"]
    order: Int32[Array, " n"]  # the pairs, those trained on first


class ModularTable:
    """A model whose subclass has these fields and says what a network answers, `scores`, and `loss_of` each pair."""

    p: int
    fraction: float
    operation: str
    figures: ClassVar[tuple[str, ...]] = ("curves",)

    def scores(self, params: Params, pairs: Int[Array, " m"] | None = None) -> Float[Array, "m k"]:
        """Return one number for each possible result, of some of the pairs or all of them."""
        raise NotImplementedError

    def loss_of(self, scores: Float[Array, "m k"], label: Int[Array, " m"]) -> Float[Array, " m"]:
        """Return the loss of each pair."""
        raise NotImplementedError

    @property
    def table(self) -> Operation:
        """All pairs of the operation."""
        return operation(self.operation, self.p)

    def check(self) -> None:
        """Refuse a modulus that the operation does not have."""
        operation(self.operation, self.p)

    def sample(self, key: Key[Array, ""]) -> Table:
        shuffle, results, wrong = jax.random.split(key, 3)
        known, kinds = self.table, self.table.kinds
        n = known.result.size
        result = jnp.asarray(known.result, jnp.int32)
        if self.operation == "random":
            result = jax.random.randint(results, (n,), 0, kinds, jnp.int32)
        order = jax.random.permutation(shuffle, jnp.arange(n, dtype=jnp.int32))
        rank = jnp.zeros(n, jnp.int32).at[order].set(jnp.arange(n, dtype=jnp.int32))
        count = jnp.clip(jnp.round(self.fraction * n), 1, n - 1).astype(jnp.int32)
        noisy = rank < jnp.round(getattr(self, "noise", 0.0) * count)
        label = jnp.where(noisy, jax.random.randint(wrong, (n,), 0, kinds, jnp.int32), result)
        return Table(result, label, rank < count, order)

    def batch(self, key: Key[Array, ""], data: Table, size: int) -> Int32[Array, " size"]:
        """Draw pairs that are trained on, each from all of them."""
        return data.order[jax.random.randint(key, (size,), 0, jnp.sum(data.train))]

    def mean_loss(self, params: Params, data: Table, batch: Int[Array, " m"] | None = None) -> Float[Array, ""]:
        """Return the mean loss of the pairs that are trained on, or of a batch."""
        if batch is not None:
            return jnp.mean(self.loss_of(self.scores(params, batch), data.label[batch]))
        return share(self.loss_of(self.scores(params), data.label), data.train)

    def metrics(self, params: Params, data: Table) -> Columns:
        scores = self.scores(params)
        right, clean = self._right(scores, data)
        return {
            "train_loss": share(self.loss_of(scores, data.label), data.train),
            "test_loss": share(self.loss_of(scores, data.result), ~data.train),
            "train_accuracy": share(right, data.train),
            "test_accuracy": share(clean, ~data.train),
        }

    def crossings(self, params: Params, data: Table) -> Columns:
        right, clean = self._right(self.scores(params), data)
        return crossings(share(right, data.train), share(clean, ~data.train))

    def absolute(self, relative: float) -> dict[str, float]:
        return flips(relative, self.table.result.size)

    def _right(self, scores: Float[Array, "n k"], data: Table) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Return which labels and which results the network says."""
        said = jnp.argmax(scores, axis=1)
        return judged(said == data.label, scores), judged(said == data.result, scores)


Losses = Callable[[Params, Table, Int[Array, " m"]], Float[Array, " m"]]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def mean_by_blocks(losses: Losses, params: Params, data: Table) -> Float[Array, ""]:
    """Return the mean loss of the pairs that are trained on, block by block; blocks without any cost nothing.

    That pays where a pair costs much: the mean of a whole table computes those of the test set for nothing. The
    gradient of a block is computed with its loss, so that a block keeps nothing of the one before it.
    """
    return _over_blocks(lambda pairs, there: _sum(losses, params, data, pairs, there), data)


def _with_gradient(losses: Losses, params: Params, data: Table) -> tuple[Float[Array, ""], Params]:
    def block(pairs: Int[Array, " m"], there: Bool[Array, " m"]) -> tuple[Float[Array, ""], Params]:
        return jax.value_and_grad(partial(_sum, losses))(params, data, pairs, there)

    return _over_blocks(block, data)


def _scaled(_: Losses, gradient: Params, by: Float[Array, ""]) -> tuple[Params, None]:
    return jax.tree.map(lambda leaf: by.astype(leaf.dtype) * leaf, gradient), None


mean_by_blocks.defvjp(_with_gradient, _scaled)


def _sum(losses: Losses, params: Params, data: Table, pairs: Array, there: Array) -> Float[Array, ""]:
    return jnp.sum(jnp.where(there, losses(params, data, pairs), 0))


def _over_blocks(block: Callable[[Array, Array], Any], data: Table) -> Any:
    """Return the sum over blocks, divided by how many pairs are trained on."""
    n, count = data.order.size, jnp.sum(data.train)
    size = min(BLOCK, n)
    blocks = jnp.pad(data.order, (0, -n % size)).reshape(-1, size)

    def more(total: Any, first: Array, pairs: Int[Array, " m"]) -> Any:
        return jax.tree.map(jnp.add, total, block(pairs, first + jnp.arange(size) < count))

    def add(total: Any, each: tuple[Array, Array]) -> tuple[Any, None]:
        return lax.cond(each[0] < count, more, lambda total, *_: total, total, *each), None

    shapes = jax.eval_shape(block, blocks[0], blocks[0] >= 0)
    total = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = lax.scan(add, total, (jnp.arange(0, blocks.size, size), blocks))
    return jax.tree.map(lambda leaf: leaf / count.astype(leaf.dtype), total)


def weighted_pair(first: Float[Array, "k h"], second: Float[Array, "k h"], table: Operation) -> Float[Array, "n h"]:
    """Return first[a] + second[b] for every pair, which is what a layer makes of two one-hot codes.

    A product with ones repeats `second`, so that its gradient is a product, too: the sum over a that it would be
    otherwise takes XLA nine times as long on a CPU. Its precision is the highest, since nothing may be rounded here.
    """
    (k, width), other = first.shape, len(second)
    if table.result.size == k * other:
        ones = jnp.ones((k, 1), second.dtype)
        repeated = jnp.matmul(ones, second.reshape(1, -1), precision=lax.Precision.HIGHEST)
        return (first[:, None] + repeated.reshape(k, other, width)).reshape(-1, width)
    return first[jnp.asarray(table.a)] + second[jnp.asarray(table.b)]


def participation(rows: Float[Array, "r k"]) -> Float[Array, ""]:
    """Return the inverse participation ratio of the power spectrum of each row, averaged over rows.

    It is Σ P_ν² of the normalised power: 1/k where all frequencies are alike, 1/2 for a cosine.

    Source:
        Gromov (2023), arXiv 2301.02679.
    """
    power = jnp.abs(jnp.fft.fft(rows.astype(jnp.float32), axis=1)) ** 2
    power = power / jnp.maximum(jnp.sum(power, axis=1, keepdims=True), jnp.finfo(jnp.float32).tiny)
    return jnp.mean(jnp.sum(power**2, axis=1))
