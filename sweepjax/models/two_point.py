"""The smallest model that groks: two points on a line, -σ and σ(1-2λ), and a bias.

They stand for the extreme projections of the full model on S_∞; with x = 1-2λ, they are separable from
the origin when x < 0. Fresh points are drawn from N(0, σ²), and correct is S·x + b < 0.

Source:
    Beck, Levi, Bar-Sinai, "Grokking at the Edge of Linear Separability", arXiv 2410.04489, section 4;
    the closed form at all times is derived here.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Key

from sweepjax.models._losses import WORDS, absolute_tolerance, mean_loss, population_columns, training_columns
from sweepjax.models.logistic import Weights
from sweepjax.primitives.batches import with_replacement
from sweepjax.types import Columns, parameter, plugin

TINY = 1e-150  # stands for x = 0 and for 1 + x = 0
PANELS, ORDER = 256, 16  # of the integral for t: panels, and Gauss-Legendre nodes in each
STEEP = 8.0  # the most its logarithm changes over a panel
PLACES, WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
NEWTON_STEPS = 14  # to invert it inside a panel


class Points(NamedTuple):
    """The dataset: nothing is drawn, and float64 keeps x₂ exact near λ = 1/2."""

    x: Float[Array, "2 1"]


@plugin
class TwoPoint:
    """Two points, -σ and σ(1-2λ), classified by the sign of S·x + b."""

    lam: float = parameter(0.48, at_least=0, at_most=1, symbol="λ")  # the second point is σ(1 - 2λ)
    sigma: float = parameter(1.0, above=0, symbol="σ")  # deviation of fresh points, and distance of the first
    loss: str = parameter(  # of a score
        "exponential", choices=("exponential", "logistic"), words=WORDS, draws=False, rules_out=("solution",)
    )
    init_norm: float = parameter(0.0, at_least=0, symbol="‖S₀‖")  # of S at the start
    init_bias: float = parameter(0.0, symbol="b₀")  # b at the start
    usual_axes: ClassVar[dict[str, str]] = {"lam": "0.4:0.6"}
    figures: ClassVar[tuple[str, ...]] = ("trajectories", "two_point_times", "two_point_delay", "accuracy_time")

    def sample(self, key: Key[Array, ""]) -> Points:
        return Points(jnp.stack([-self.sigma, self.sigma * (1 - 2 * self.lam)]).astype(jnp.float64)[:, None])

    def init(self, key: Key[Array, ""], data: Points) -> Weights:
        return Weights(jnp.asarray([self.init_norm], jnp.float64), jnp.asarray(self.init_bias, jnp.float64))

    def training_loss(self, params: Weights, data: Points, batch: Array | None = None) -> Float[Array, ""]:
        return mean_loss(self.loss, scores(params, data.x if batch is None else data.x[batch]))

    def metrics(self, params: Weights, data: Points) -> Columns:
        norm = jnp.linalg.norm(params.s)
        fresh = population_columns(self.loss, params.b[None], self.sigma * norm)
        return training_columns(self.loss, scores(params, data.x)) | fresh | {"s_norm": norm, "b": params.b}

    def absolute(self, relative: float) -> dict[str, float]:
        return absolute_tolerance(relative, 2)

    def batch(self, key: Key[Array, ""], data: Points, size: int) -> Int[Array, " size"]:
        return with_replacement(key, data.x.shape[0], size)

    def signed_rows(self, data: Points) -> Float[Array, "2 1"]:
        """Rows z_i with the asymptotic loss Σ exp(z_i·S): minimised or separated by `limit`."""
        return data.x

    def prepare(self, start: Weights, data: Points) -> "Prepared":
        """Cut the integral for the time into panels, from S ≥ 0 at t = 0."""
        path = _path(self.lam, self.sigma, start)
        return Prepared(start, jnp.asarray(self.sigma, jnp.float64), path, _panels(path))

    def solution(self, prepared: "Prepared", time: Float[Array, ""]) -> Weights:
        """Gradient flow at one time, to ten digits; nan where the loss at t = 0 overflows."""
        start, sigma, path, panels = prepared
        clock = _clock_at(path, panels, time)
        s, b = _position(path, clock) / sigma, _bias(path, clock)
        return Weights(jnp.where(time > 0, s, start.s[0])[None], jnp.where(time > 0, b, start.b))


def scores(params: Weights, x: Float[Array, "n 1"]) -> Float[Array, " n"]:
    """Return S·x + b of every point."""
    return x @ params.s + params.b


class Path(NamedTuple):
    """The path of σS and b on a clock k on which both are elementary, dk = ½σ² e^{xσS + b} dt.

    With p = 1 + x and q = 1/σ², e^{pσS} - 1 = (e^{pσS₀} - 1) e^{-pxk} + (1 - x)(1 - e^{-pxk})/x, in which every
    term is positive; b = b₀ - q(σS - σS₀ + pk), and t = ∫ 2q e^{-b - xσS} dk.
    """

    x: Float[Array, ""]
    p: Float[Array, ""]
    q: Float[Array, ""]
    s: Float[Array, ""]  # σS₀
    b: Float[Array, ""]  # b₀


def _path(lam: float, sigma: float, start: Weights) -> Path:
    x = 1 - 2 * lam
    p, q = jnp.maximum(2 * (1 - lam), TINY), 1 / jnp.square(sigma)
    return Path(jnp.where(jnp.abs(x) < TINY, TINY, x), p, q, sigma * start.s[0], start.b)


def _position(path: Path, clock: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return σS."""
    x, p = path.x, path.p
    start = _log_growth(p, path.s) - p * x * clock
    return jax.nn.softplus(jnp.log(p) + jnp.logaddexp(start, jnp.log(1 - x) + _log_growth(-p * x, clock))) / p


def _log_growth(rate: Float[Array, ""], length: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return log ∫₀^length e^{rate·k} dk."""
    a = rate * length
    return jnp.maximum(a, 0) + jnp.log(-jnp.expm1(-jnp.abs(a))) - jnp.log(jnp.abs(rate))


def _bias(path: Path, clock: Float[Array, "..."]) -> Float[Array, "..."]:
    return path.b - path.q * (_position(path, clock) - path.s + path.p * clock)


def _log_pace(path: Path, clock: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return log dt/dk."""
    return jnp.log(2 * path.q) - _bias(path, clock) - path.x * _position(path, clock)


def _width(path: Path, clock: Float[Array, ""], singular: tuple[Array, Array]) -> Float[Array, ""]:
    """Return the width of the panel that starts at a clock: no singularity is nearer, and log dt/dk is not steep."""
    x, p = path.x, path.p
    distance = jnp.hypot(singular[0] - clock, singular[1])
    slope = jnp.exp(-p * _position(path, clock)) - x
    return jnp.minimum(distance, STEEP / (path.q * (slope + p) + jnp.abs(x * slope)))


def _singularity(path: Path) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return real and imaginary part of the clock at which e^{pσS} = 0.

    It solves 1 - x e^{pσS} = (1 - x e^{pσS₀}) e^{-pxk}.
    """
    x, p, s = path.x, path.p, path.s
    z = jnp.log(jnp.abs(x)) + p * s
    log_gap = jnp.maximum(z, 0) + jnp.log1p(-jnp.sign(x) * jnp.exp(-jnp.abs(z)))
    return log_gap / (p * x), jnp.where((x > 0) & (z > 0), jnp.pi, 0.0) / (p * x)


class Panels(NamedTuple):
    """Where the integral for t is cut, and the logarithms of each panel's time and of the time before it."""

    start: Float[Array, "*k"]
    width: Float[Array, "*k"]
    time: Float[Array, "*k"]
    before: Float[Array, "*k"]


def _panels(path: Path) -> Panels:
    singular = _singularity(path)

    def advance(clock: Float[Array, ""], _: None) -> tuple[Array, tuple[Array, Array]]:
        width = _width(path, clock, singular)
        return clock + width, (clock, width)

    _, (start, width) = lax.scan(advance, jnp.zeros_like(path.s), length=PANELS)
    time = _log_time(path, start, width)
    before = jnp.concatenate([jnp.full_like(time[:1], -jnp.inf), lax.cumlogsumexp(time)[:-1]])
    return Panels(start, width, time, before)


def _log_time(path: Path, start: Float[Array, "*k"], width: Float[Array, "*k"]) -> Float[Array, "*k"]:
    """Return the logarithm of the time that the clock takes for `width`."""
    log_pace = _log_pace(path, start[..., None] + width[..., None] * (PLACES + 1) / 2)
    return jax.nn.logsumexp(log_pace, axis=-1, b=WEIGHTS / 2) + jnp.log(width)


def _clock_at(path: Path, panels: Panels, time: Float[Array, ""]) -> Float[Array, ""]:
    """Find the panel a time falls into, then by Newton's method its place in the panel; nan beyond the last."""
    log_time = jnp.log(time)
    panel = Panels(*(leaf[jnp.maximum(jnp.searchsorted(panels.before, log_time) - 1, 0)] for leaf in panels))
    share = jnp.minimum(jnp.exp(log_time - panel.time) - jnp.exp(panel.before - panel.time), 1)

    def improve(_: int, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        place, low, high = carry
        excess = jnp.exp(_log_time(path, panel.start, place * panel.width) - panel.time) - share
        pace = jnp.exp(_log_pace(path, panel.start + place * panel.width) - panel.time) * panel.width
        low, high = jnp.where(excess > 0, low, place), jnp.where(excess > 0, place, high)
        return jnp.clip(place - excess / pace, low, high), low, high

    zero = jnp.zeros_like(time)
    place = lax.fori_loop(0, NEWTON_STEPS, improve, (zero, zero, zero + 1))[0]
    beyond = log_time > jnp.logaddexp(panels.before[-1], panels.time[-1])
    return jnp.where(beyond, jnp.nan, panel.start + place * panel.width)


class Prepared(NamedTuple):
    """The solution for all times: where it starts, its path and the panels of the clock."""

    start: Weights
    sigma: Float[Array, ""]
    path: Path
    panels: Panels
