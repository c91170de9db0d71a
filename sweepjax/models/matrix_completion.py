"""Completion of a matrix of rank one by W = UUᵀ - VVᵀ, which weight decay carries from a kernel to low rank.

Started at U = V = αI the network first fits what is observed and leaves the rest at 0: the kernel's solution, whose
test loss is a plateau. The factors decay meanwhile as e^(-λt), and near λt = log α the network turns to the matrix of
least nuclear norm. This is grokking of a regression.

Source:
    Lyu, Jin, Li, Du, Lee, Hu, "Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    arXiv 2311.18817, section 3.3; sizes and rates are those of its code.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from sweepjax.primitives.lapack import eigenvalues
from sweepjax.types import Columns, parameter, plugin


class Entries(NamedTuple):
    """One draw: the matrix, which of its entries are observed, and their number."""

    x: Float[Array, "d d"]
    observed: Bool[Array, "d d"]
    many: Int[Array, ""]


class Factors(NamedTuple):
    """The trained parameters."""

    u: Float[Array, "d d"]
    v: Float[Array, "d d"]


class Halves(NamedTuple):
    """The flow's variables, (U - V)/√2 and (U + V)/√2: the first is small where W is a small difference."""

    difference: Float[Array, "d d"]
    sum: Float[Array, "d d"]


@plugin
class MatrixCompletion:
    """A share `fraction` of the entries of X_ij = ij/d², i and j from 0 on; mean squared error and ½λ(‖U‖² + ‖V‖²).

    The number of observed entries is rounded down; a larger fraction observes the same entries and others.
    """

    d: int = parameter(20, at_least=2)  # rows, and columns, of the matrix
    fraction: float = parameter(0.3, above=0, below=1)  # share of the entries that is observed
    alpha: float = parameter(10.0, above=0, symbol="α")  # U = V = αI at the start
    l2: float = parameter(0.01, at_least=0, symbol="λ")  # weight decay
    figures: ClassVar[tuple[str, ...]] = ("switch_collapse",)

    def sample(self, key: Key[Array, ""]) -> Entries:
        index = jnp.arange(self.d, dtype=jnp.float64)
        place = jax.random.permutation(key, jnp.arange(self.d**2, dtype=jnp.int32)).reshape(self.d, self.d)
        # A little more than rounding errors, so that 0.3 of 400 entries are 120.
        many = jnp.clip(jnp.floor(self.fraction * self.d**2 * (1 + 1e-12)).astype(jnp.int32), 1, self.d**2 - 1)
        x = (jnp.outer(index, index) / self.d**2).astype(jnp.float32)
        return Entries(x, place < many, many)

    def init(self, key: Key[Array, ""], data: Entries) -> Factors:
        start = jnp.asarray(self.alpha, jnp.float32) * jnp.eye(self.d, dtype=jnp.float32)
        return Factors(start, start)

    def training_loss(self, params: Factors, data: Entries, batch: Array | None = None) -> Float[Array, ""]:
        errors = _errors(product(params), data)
        fit = jnp.sum(errors * data.observed) / data.many if batch is None else jnp.mean(errors.ravel()[batch])
        return fit + 0.5 * self.l2 * (jnp.sum(params.u**2) + jnp.sum(params.v**2))

    def metrics(self, params: Factors, data: Entries) -> Columns:
        w = product(jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params))
        errors = _errors(w, data)
        return {
            "train_loss": jnp.sum(errors * data.observed) / data.many,
            "test_loss": jnp.sum(errors * ~data.observed) / (data.x.size - data.many),
            "nuclear_norm": jnp.sum(jnp.abs(eigenvalues(w))),
            "relative_error": jnp.sqrt(jnp.sum(errors) / jnp.sum(data.x.astype(jnp.float64) ** 2)),
            "off_support": jnp.linalg.norm(w * ~(data.observed | data.observed.T)),
            "norm": jnp.sqrt(jnp.sum(params.u**2) + jnp.sum(params.v**2)),
        }

    def facts(self, data: Entries) -> Columns:
        """The kernel fits observed entries and their mirror images, and leaves the others at 0."""
        unknown = ~(data.observed | data.observed.T)
        exact = data.x.astype(jnp.float64)
        return {
            "kernel_plateau": jnp.sum(exact**2 * unknown) / (data.x.size - data.many),
            "true_nuclear_norm": jnp.trace(exact),
            "observed": data.many,
        }

    def batch(self, key: Key[Array, ""], data: Entries, size: int) -> Int[Array, " size"]:
        chances = data.observed.ravel().astype(jnp.float32)
        return jax.random.choice(key, data.x.size, (size,), p=chances / jnp.sum(chances))

    def absolute(self, relative: float) -> dict[str, float]:
        return dict.fromkeys(("train_loss", "test_loss", "off_support", "relative_error"), relative)

    def reduced(self, start: Factors, data: Entries) -> Halves:
        u, v = (leaf.astype(jnp.float64) for leaf in start)
        return Halves((u - v) * 0.5**0.5, (u + v) * 0.5**0.5)

    def velocity(self, now: Halves, data: Entries, time: Float[Array, ""]) -> Halves:
        p = _times(now.difference, now.sum.T)
        e = jnp.where(data.observed, p + p.T - data.x, 0)
        pull = (2 / data.many) * (e + e.T)
        return Halves(
            -self.l2 * now.difference - _times(pull, now.sum), -self.l2 * now.sum - _times(pull, now.difference)
        )

    def expanded(self, now: Halves, data: Entries, time: Float[Array, ""]) -> Factors:
        return Factors((now.sum + now.difference) * 0.5**0.5, (now.sum - now.difference) * 0.5**0.5)


def product(params: Factors) -> Float[Array, "d d"]:
    """Return UUᵀ - VVᵀ, as the symmetric part of (U - V)(U + V)ᵀ: half the work, and no cancellation."""
    p = _times(params.u - params.v, (params.u + params.v).T)
    return 0.5 * (p + p.T)


def _errors(w: Float[Array, "d d"], data: Entries) -> Float[Array, "d d"]:
    return (w - data.x) ** 2


def _times(a: Float[Array, "d d"], b: Float[Array, "d d"]) -> Float[Array, "d d"]:
    return jnp.matmul(a, b, precision="highest")
