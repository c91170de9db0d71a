"""Two Gaussians of opposite labels, learned without a bias: where the model with one label comes from.

x in R^{d+1} has label y = ±1, first component N(yμ, σ_a²) and the others N(0, σ_b²); the loss is that of
-y S·x, logistic. For σ_a = 0 the data z = -y x_⊥/μ, the weights μS_⊥ and the bias -μS₁ are exactly the model
`logistic` with σ = σ_b/μ and learning rate η μ².

Source:
    Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489v2, section 2.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._linear_model import product
from sweepjax.models._losses import mean_loss, population_columns, training_columns
from sweepjax.primitives.batches import with_replacement
from sweepjax.theory import two_gaussians as theory
from sweepjax.types import Columns, parameter, plugin

LOSS = "logistic"


class Signed(NamedTuple):
    """One draw: the rows z = -y x, whose noise is as symmetric as that of x, and the labels y = ±1."""

    z: Float[Array, "n d+1"]
    y: Float[Array, " n"]


class Direction(NamedTuple):
    """The trained parameters: S, whose first component plays the bias."""

    w: Float[Array, " d+1"]


@plugin
class TwoGaussians:
    """n points in d + 1 dimensions around ±μ on the first axis, classified by the sign of S·x.

    S starts across that axis, where the equivalent model starts with no bias.
    """

    n: int = parameter(400, at_least=1, symbol="N")  # samples
    d: int = parameter(160, at_least=1)  # features beside the first
    mu: float = parameter(0.2, above=0, symbol="μ")  # distance of either mean from the origin
    sigma_a: float = parameter(0.0, at_least=0, symbol=r"$\sigma_A$")  # deviation of the first feature
    sigma_b: float = parameter(1.0, above=0, symbol=r"$\sigma_B$")  # deviation of the others
    init_norm: float = parameter(0.1, at_least=0, symbol="‖S₀‖")  # of S at the start
    usual_axes: ClassVar[dict[str, str]] = {"lam": "0.4:0.6"}
    figures: ClassVar[tuple[str, ...]] = ("trajectories",)

    def sample(self, key: Key[Array, ""]) -> Signed:
        # The barrier keeps the deviations out of the noise: fused, they would differ in the last bit.
        noise = lax.optimization_barrier(jax.random.normal(key, (self.n, self.d + 1), dtype=jnp.float32))
        first = jnp.arange(self.d + 1) == 0
        z = noise * jnp.where(first, self.sigma_a, self.sigma_b).astype(jnp.float32)
        y = jax.random.rademacher(jax.random.fold_in(key, 1), (self.n,), dtype=jnp.float32)
        return Signed(z - jnp.where(first, self.mu, 0.0).astype(jnp.float32), y)

    def init(self, key: Key[Array, ""], data: Signed) -> Direction:
        across = jax.random.normal(key, (self.d,), dtype=jnp.float32).astype(jnp.float64)
        return Direction(jnp.append(0.0, self.init_norm * across / jnp.linalg.norm(across)))

    def training_loss(self, params: Direction, data: Signed, batch: Array | None = None) -> Float[Array, ""]:
        return mean_loss(LOSS, product(data.z if batch is None else data.z[batch], params.w))

    def metrics(self, params: Direction, data: Signed) -> Columns:
        s_norm, b = jnp.linalg.norm(params.w[1:]), -self.mu * params.w[0]
        fresh = population_columns(LOSS, b[None], jnp.hypot(self.sigma_a * params.w[0], self.sigma_b * s_norm))
        return training_columns(LOSS, product(data.z, params.w)) | fresh | {"s_norm": s_norm, "b": b}

    def limits(self) -> dict[str, float]:
        """Accuracy, of almost every draw."""
        widths = {"mu": self.mu, "sigma_a": self.sigma_a, "sigma_b": self.sigma_b}
        return {"test_accuracy": float(theory.limiting_accuracy(self.d / self.n, **widths))}

    def batch(self, key: Key[Array, ""], data: Signed, size: int) -> Int[Array, " size"]:
        return with_replacement(key, data.y.size, size)

    def signed_rows(self, data: Signed) -> Float[Array, "n d+1"]:
        """Rows z_i with the asymptotic loss Σ exp(z_i·S): minimised or separated by `limit`."""
        return data.z
