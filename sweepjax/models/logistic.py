"""Logistic regression with bias on Gaussian points that all carry one label.

x_i ~ N(0, σ² I_d), label -1, f(x) = S·x + b: correct classification is f(x) < 0. The data are
separable from the origin with Wendel's probability, which jumps from 0 to 1 at λ = d/n = 1/2.

Source:
    Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489.
"""

from typing import ClassVar

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._losses import WORDS, population_columns
from sweepjax.models._regression import Dataset, Regression, Weights
from sweepjax.primitives import padding
from sweepjax.theory.margin import limiting_accuracy, margin
from sweepjax.theory.s_inf import loss_inf, s_inf
from sweepjax.types import Columns, parameter, plugin

CRITICAL = 0.5  # λ, above which a large draw is separable


@plugin
class Logistic(Regression):
    """n points x ~ N(0, σ² I_d) of one label, classified by the sign of S·x + b."""

    n: int = parameter(400, at_least=1, symbol="N")  # samples
    d: int = parameter(160, at_least=1)  # features
    sigma: float = parameter(1.0, at_least=1e-30, at_most=1e30, symbol="σ")  # deviation of a feature
    loss: str = parameter("logistic", choices=("logistic", "exponential"), words=WORDS, draws=False)  # of a score
    init_norm: float = parameter(0.1, at_least=0, symbol="‖S₀‖")  # of S at the start
    init_bias: float = parameter(0.0, symbol="b₀")  # b at the start

    figures: ClassVar[tuple[str, ...]] = (
        "trajectories",
        "s_norm_and_margin",
        "projections",
        "loss_and_accuracy",
        "grokking_delay",
        "loss_delay",
        "critical_growth",
        "critical_collapse",
        "margin_finite_size",
    )
    is_symmetric: ClassVar[bool] = True

    padded: ClassVar[str] = "d"

    def sample(self, key: Key[Array, ""], used: Int[Array, ""] | None = None) -> Dataset:
        # The barrier keeps σ out of the noise: fused, they would differ in the last bit.
        noise = lax.optimization_barrier(padding.normal(key, self.n, self.d, used))
        x = noise * jnp.asarray(self.sigma, dtype=jnp.float32)
        return Dataset(x, jnp.full(self.n, -1, dtype=jnp.float32))

    def width(self) -> int:
        return padding.width(self.n, self.d)

    def population(self, params: Weights) -> Columns:
        return population_columns(self.loss, params.b[None], self.sigma * jnp.linalg.norm(params.s))

    def limits(self) -> dict[str, float]:
        """Below λ = 1/2 almost every draw is inseparable and has ‖S_∞‖ and a loss; above, it has a margin."""
        lam = self.d / self.n
        if lam < CRITICAL:
            length, loss = float(s_inf(lam, sigma=self.sigma)), float(loss_inf(lam))
            return {"test_accuracy": 1.0, "s_norm": length, "loss_inf": loss}
        if lam > CRITICAL:
            gap = float(margin(lam, sigma=self.sigma))
            return {"test_accuracy": float(limiting_accuracy(gap, sigma=self.sigma)), "margin": gap}
        return {}

    def signed_rows(self, data: Dataset) -> Float[Array, "n d"]:
        """Rows z_i with the asymptotic loss Σ exp(z_i·S): minimised or separated by `limit`."""
        return data.x
