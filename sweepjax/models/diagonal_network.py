"""A two-layer diagonal network: a linear classifier w = u² - v², which weight decay carries from one margin to another.

Started large it first learns like a linear model, whose direction tends to that of the largest L2 margin. The norm
decays meanwhile as e^(-λt); near λt = log α the network turns to the largest L1 margin, which is sparse. Where the
labels depend on few features this is grokking; where they do not, it is its opposite.

The gradient flow is solved in n variables, whatever d: u and v are u₀ e^(-λt ± 2 xᵀq), and dq_i/dt = y_i σ(-y_i f_i)/n.
They are kept as α²q, which is of the size of the margins, or as q where α is below 1 and they have to grow first.

Source:
    Lyu, Jin, Li, Du, Lee, Hu, "Dichotomy of Early and Late Phase Implicit Biases Can Provably Induce Grokking",
    arXiv 2311.18817, section 3.2; the reduction is derived here.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import ndtr
from jaxtyping import Array, Float, Int, Key, UInt32

from sweepjax.models import _population as population
from sweepjax.models import _signs
from sweepjax.models._hard_margin import hard_margin
from sweepjax.models._linear_model import combination, product, softplus
from sweepjax.models._losses import absolute_tolerance
from sweepjax.primitives.batches import with_replacement
from sweepjax.types import Columns, parameter, plugin

FARTHEST = 9.0  # deviations beyond which a normal tail is zero
PLACES, WEIGHTS = np.polynomial.legendre.leggauss(48)
DISTANCES = FARTHEST * (PLACES + 1) / 2  # of a normal number from 0, and how likely they are
LIKELY = FARTHEST * WEIGHTS * np.exp(-(DISTANCES**2) / 2) / np.sqrt(2 * np.pi)


class Examples(NamedTuple):
    """One draw: inputs, labels ±1, the vector whose product with an input decides its label, and fresh inputs."""

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    teacher: Float[Array, " d"]
    fresh: UInt32[Array, "blocks rows words"]  # none of task `misgrok`
    margin: Float[Array, " d"]  # the unit direction of the largest L2 margin


class Layers(NamedTuple):
    """The trained parameters."""

    u: Float[Array, " d"]
    v: Float[Array, " d"]


@plugin
class DiagonalNetwork:
    """n inputs, classified by the sign of (u² - v²)·x; logistic loss and ½λ(‖u‖² + ‖v‖²).

    Task `grok`: random signs, labelled by the majority of the first `sparsity` features, each with a sign of its own;
    test columns are of `n_test` fresh inputs. Task `misgrok`: Gaussian inputs, labelled by a direction along which
    the two classes are moved apart by `gamma`; test columns are exact expectations. Ties count half.
    """

    n: int = parameter(96, at_least=1)  # samples to train on
    d: int = parameter(1000, at_least=1)  # features
    alpha: float = parameter(32.0, above=0, symbol="α")  # norm of the parameters at the start
    l2: float = parameter(0.01, at_least=0, symbol="λ")  # weight decay
    sparsity: int = parameter(3, at_least=1, symbol="k")  # features that decide a label of task grok
    gamma: float = parameter(14.0, at_least=0, symbol="γ")  # distance between the classes of task misgrok
    task: str = parameter("grok", choices=("grok", "misgrok"))  # whether few features decide a label, or one direction
    n_test: int = parameter(10000, at_least=1)  # samples to test on, of task grok
    figures: ClassVar[tuple[str, ...]] = ("switch_collapse",)

    def check(self) -> None:
        if self.task == "grok" and self.sparsity > self.d:
            what = f"labels depend on {self.sparsity} signs (sparsity), and an input has {self.d} (d)"
            raise ValueError(f"{what}; give a sparsity of at most {self.d}")

    def sample(self, key: Key[Array, ""]) -> Examples:
        keys = jax.random.split(key, 3)
        x, y, teacher = _sparse(self, keys) if self.task == "grok" else _separated(self, keys)
        fresh = _signs.packed_signs(keys[2], self.n_test if self.task == "grok" else 0, self.d)
        return Examples(x, y, teacher, fresh, hard_margin(y[:, None] * x))

    def init(self, key: Key[Array, ""], data: Examples) -> Layers:
        each = jnp.full(self.d, jnp.exp(self._log_start()), dtype=jnp.float64)
        return Layers(each, each)

    def training_loss(self, params: Layers, data: Examples, batch: Array | None = None) -> Float[Array, ""]:
        x, y = (data.x, data.y) if batch is None else (data.x[batch], data.y[batch])
        penalty = jnp.sum(params.u**2) + jnp.sum(params.v**2)
        return jnp.mean(softplus(-y * product(x, self.predictor(params)))) + 0.5 * self.l2 * penalty

    def metrics(self, params: Layers, data: Examples) -> Columns:
        w = self.predictor(params)
        right = data.y * product(data.x, w)
        length = jnp.linalg.norm(w)
        fresh = _on_signs(self, data, w) if self.task == "grok" else _on_gaussians(self, data, w)
        return {
            "train_loss": jnp.mean(softplus(-right)),
            "train_accuracy": _share(right),
            **fresh,
            "norm": jnp.hypot(jnp.linalg.norm(params.u), jnp.linalg.norm(params.v)),
            "cosine_l2": _over(jnp.vdot(w, data.margin), length),
            "margin_l2": _over(jnp.min(right), length),
            "margin_l1": _over(jnp.min(right), jnp.sum(jnp.abs(w))),
        }

    def facts(self, data: Examples) -> Columns:
        """The largest L2 margin, and the accuracy of its direction on fresh inputs."""
        fresh = _on_signs(self, data, data.margin) if self.task == "grok" else _on_gaussians(self, data, data.margin)
        margin = jnp.min(data.y * product(data.x, data.margin))
        found, exists = {"largest_margin_l2": margin, "accuracy_l2": fresh["test_accuracy"]}, jnp.isfinite(margin)
        return {name: (jnp.where(exists, value, 0), exists) for name, value in found.items()}

    def absolute(self, relative: float) -> dict[str, float]:
        near = dict.fromkeys(("cosine_l2", "margin_l2", "margin_l1", "train_loss", "test_loss"), relative)
        jumps = {"test_accuracy": 2.01 / self.n_test, "accuracy_l2": 2.01 / self.n_test}
        return near | absolute_tolerance(relative, self.n) | jumps

    def batch(self, key: Key[Array, ""], data: Examples, size: int) -> Int[Array, " size"]:
        return with_replacement(key, data.y.size, size)

    def reduced(self, start: Layers, data: Examples) -> Float[Array, " n"]:
        return jnp.zeros(data.y.size, dtype=jnp.float64)

    def velocity(self, q: Float[Array, " n"], data: Examples, time: Float[Array, ""]) -> Float[Array, " n"]:
        w = self.predictor(self.expanded(q, data, time))
        return self._scale() * data.y * jax.nn.sigmoid(-data.y * product(data.x, w)) / data.y.size

    def expanded(self, q: Float[Array, " n"], data: Examples, time: Float[Array, ""]) -> Layers:
        pull, level = 2 * combination(data.x, q / self._scale()), self._log_start() - self.l2 * time
        return Layers(jnp.exp(level + pull), jnp.exp(level - pull))

    def predictor(self, params: Layers) -> Float[Array, " d"]:
        """Return w = u² - v², which is exactly 0 where u = v."""
        return (params.u - params.v) * (params.u + params.v)

    def _scale(self) -> Float[Array, ""]:
        return jnp.maximum(jnp.square(jnp.asarray(self.alpha, jnp.float64)), 1)

    def _log_start(self) -> Float[Array, ""]:
        """Return log u₀; α is the norm of all parameters at t = 0."""
        return jnp.log(jnp.asarray(self.alpha, jnp.float64)) - 0.5 * jnp.log(2.0 * self.d)


def _sparse(model: DiagonalNetwork, keys: Key[Array, " 3"]) -> tuple[Array, Array, Array]:
    """Draw inputs of signs, whose label is the majority of a few, 1 where there is none."""
    x = _signs.signs(_signs.packed_signs(keys[0], model.n, model.d), model.d).reshape(-1, model.d)[: model.n]
    first = jnp.arange(model.d) < model.sparsity
    teacher = jax.random.rademacher(keys[1], (model.d,), dtype=jnp.float32) * first
    return x, jnp.where(x @ teacher >= 0, 1, -1).astype(jnp.float32), teacher


def _separated(model: DiagonalNetwork, keys: Key[Array, " 3"]) -> tuple[Array, Array, Array]:
    """Draw Gaussian inputs whose classes are moved apart along a random direction."""
    # The barrier keeps γ out of the noise: fused, they would differ in the last bit.
    z = jax.random.normal(keys[0], (model.n, model.d), jnp.float32)
    z, raw = lax.optimization_barrier((z, jax.random.normal(keys[1], (model.d,), jnp.float32)))
    teacher = raw / jnp.linalg.norm(raw)
    y = jnp.where(jnp.matmul(z, teacher, precision=lax.Precision.HIGHEST) >= 0, 1, -1).astype(jnp.float32)
    return z + (0.5 * jnp.asarray(model.gamma, jnp.float32) * y)[:, None] * teacher, y, teacher


def _on_signs(model: DiagonalNetwork, data: Examples, w: Float[Array, " d"]) -> Columns:
    """Return loss and accuracy on the fresh inputs."""
    f, decides = _signs.scores(data.fresh, jnp.stack([w, data.teacher.astype(w.dtype)]), model.n_test)
    right = jnp.where(decides >= 0, 1, -1) * f
    return {"test_loss": jnp.mean(softplus(-right)), "test_accuracy": _share(right)}


def _on_gaussians(model: DiagonalNetwork, data: Examples, w: Float[Array, " d"]) -> Columns:
    """Return exact loss and accuracy of w, from the law of an input's distance to the plane that labels it."""
    along = jnp.vdot(data.teacher.astype(w.dtype), w)
    across = jnp.sqrt(jnp.maximum(jnp.sum(w**2) - along**2, 0))
    right, spread = along * (DISTANCES + 0.5 * model.gamma), jnp.maximum(across, population.SMALLEST)
    loss = jnp.exp(population.log_logistic_loss(-right, spread))
    accuracy = jnp.minimum(jnp.vdot(LIKELY, ndtr(right / spread)), 1)
    return {"test_loss": jnp.vdot(LIKELY, loss), "test_accuracy": accuracy}


def _share(right: Float[Array, " n"]) -> Float[Array, ""]:
    """Return the share of samples on the right side; ties count half."""
    return jnp.mean(0.5 + 0.5 * jnp.sign(right))


def _over(value: Float[Array, ""], length: Float[Array, ""]) -> Float[Array, ""]:
    """Return value/length; 0 of the predictor 0, which has no direction."""
    return jnp.where(length > 0, value / jnp.where(length > 0, length, 1), 0.0)
