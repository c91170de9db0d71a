"""Exact expectations over fresh data, on the device: f = b + sZ with Z standard normal and s = σ|S| ≥ 0.

All samples belong to f < 0, unless a threshold k labels those with u > k positive, where u is a feature of
unit variance: then f = b + s_1 u + s_rest Z. Every function is elementwise and broadcasts.
"""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float
from scipy.special import erfcx

from sweepjax.theory.series import alternating_weights

Numbers = Float[Array, "..."] | float
TERMS = 18
SMALLEST = 1e-140  # stands for s = 0: squares of b/s stay finite
FARTHEST = 40.0  # deviations beyond which a normal tail is zero


def log_logistic_loss(b: Numbers, s: Numbers) -> Array:
    """Natural logarithm of the logistic loss, finite where the loss underflows."""
    below = _log_loss_below(b, s)
    return jnp.where(jnp.asarray(b) > 0, jnp.log(jnp.maximum(b, SMALLEST) + jnp.exp(below)), below)


def accuracy(b: Numbers, s: Numbers) -> Array:
    """P(f < 0) = Φ(-b/s); 1/2 at b = s = 0."""
    return ndtr(-_deviations(b, s))


def log_error(b: Numbers, s: Numbers) -> Array:
    """Natural logarithm of 1 - accuracy, finite where the accuracy rounds to 1."""
    return _log_normal(_deviations(b, s))


def log_exponential_loss(b: Numbers, s: Numbers) -> Array:
    """Natural logarithm of the exponential loss, b + s²/2."""
    return b + 0.5 * jnp.square(s)


def labelled_accuracy(b: Numbers, s1: Numbers, s_rest: Numbers, k: Numbers) -> Array:
    """P(f > 0 where u > k, f < 0 elsewhere), to 1e-14; k = ∞ gives the accuracy of one label.

    The errors are two opposite wedges, whose weights are Owen's T functions.

    Source:
        Owen (1956), Ann. Math. Statist. 27, 1075.
    """
    s, correlation, rest = _split(s1, s_rest)
    h = jnp.where(jnp.asarray(b) == 0, SMALLEST, -b / s)  # between two zeros there would be no angle
    ends = jnp.clip(jnp.stack(jnp.broadcast_arrays(h, jnp.asarray(k))), -FARTHEST, FARTHEST)
    side = jnp.where(correlation < 0, -1.0, 1.0)
    # (k - ρh)/√(1 - ρ²) and the same for h, without the difference 1 - |ρ|
    turned = (ends[::-1] - side * ends) / rest + side * rest / (1 + jnp.abs(correlation)) * ends
    wedges = jnp.sum(_owen(ends, turned), axis=0)
    return jnp.clip(jnp.where((ends[0] < 0) == (ends[1] < 0), 1.0, 0.0) - 2 * wedges, 0, 1)


def labelled_loss(b: Numbers, s1: Numbers, s_rest: Numbers, k: Numbers) -> Array:
    """E log(1 + e^{-yf}), to 1e-12 relative; k = ∞ gives the loss of one label.

    It is E log(1 + e^{-|f|}), which no label changes, plus the mean of |f| over the errors,
    s [∫_h^k (t - h) φ(t) dt + (1 - ρ) φ(k)] where h = -b/s and ρ = s_1/s.
    """
    s, correlation, rest = _split(s1, s_rest)
    h = -jnp.asarray(b) / s
    scale, remainder, _ = _parts(b, s)
    misalignment = jnp.where(correlation > 0, jnp.square(rest) / (1 + jnp.abs(correlation)), 1 - correlation)
    return jnp.exp(scale + jnp.log(remainder)) + s * (_partial_mean(h, k) + misalignment * _density(k))


def exponential_labelled_loss(b: Numbers, s1: Numbers, s_rest: Numbers, k: Numbers) -> Array:
    """E e^{-yf} = e^{s²/2} [e^b Φ(k - s_1) + e^{-b} Φ(-k - s_1)], s² = s_1² + s_rest²; inf where it overflows."""
    growth = 0.5 * (jnp.square(s1) + jnp.square(s_rest))
    k = jnp.asarray(k)
    negative, positive = _log_normal(jnp.stack(jnp.broadcast_arrays(k - s1, -k - s1)))
    return jnp.exp(b + growth + negative) + jnp.exp(-b + growth + positive)


def _log_loss_below(b: Numbers, s: Numbers) -> Array:
    """Logarithm of L(-|b|, s); L(|b|, s) = |b| + L(-|b|, s)."""
    scale, remainder, hinge = _parts(b, s)
    return scale + jnp.log(remainder + hinge)


def _parts(b: Numbers, s: Numbers) -> tuple[Array, Array, Array]:
    """Split L(-|b|, s) = e^scale (remainder + hinge) into E log(1 + e^{-|f|}) and E max(f, 0).

    For c = |b|/s the first is Σ_k (-1)^{k+1}/k [e^{-k|b| + k²s²/2} Φ(c - ks) + φ(c) m(c + ks)], m the Mills ratio,
    summed by weights that suffice for moments of a positive measure on (0, 1). The scale is the logarithm of
    the largest factor, so that nothing overflows and only e^scale may vanish.

    Source:
        Cohen, Rodriguez Villegas & Zagier (2000), Experiment. Math. 9, 3.
    """
    bias, spread = (value[..., None] for value in jnp.broadcast_arrays(jnp.abs(jnp.asarray(b)), jnp.asarray(s)))
    k = jnp.arange(1, TERMS + 1, dtype=bias.dtype)
    c = bias / jnp.maximum(spread, SMALLEST)
    x = c - k * spread
    distances = jnp.concatenate([c, jnp.abs(x), c + k * spread], axis=-1)
    ratio, left, right = jnp.split(_mills_ratio(distances), (1, TERMS + 1), axis=-1)
    density = _density(jnp.maximum(c - spread, 0))
    growth = jnp.minimum((k - 1) * (0.5 * (k + 1) * jnp.square(spread) - bias), 0)
    left = jnp.where(x > 0, jnp.exp(growth) * (1 - _density(x) * left), density * left)
    remainder = jnp.sum((left + density * right) * ALTERNATING, axis=-1)
    hinge = spread * density * jnp.maximum(1 - c * ratio, 0)
    scale = jnp.where(c > spread, 0.5 * jnp.square(spread) - bias, -0.5 * jnp.square(c))
    return scale[..., 0], remainder, hinge[..., 0]


def _split(s1: Numbers, s_rest: Numbers) -> tuple[Array, Array, Array]:
    """The deviation s, and the correlations s_1/s and s_rest/s of f with u and Z."""
    s_rest = jnp.maximum(s_rest, SMALLEST)
    s = jnp.hypot(s1, s_rest)
    return s, s1 / s, s_rest / s


def _deviations(b: Numbers, s: Numbers) -> Array:
    return b / jnp.maximum(s, SMALLEST)


def _partial_mean(h: Array, k: Numbers) -> Array:
    """∫_h^k (t - h) φ(t) dt, by quadrature where the closed form would cancel."""
    width = k - h
    nodes = h[..., None] + jnp.clip(width, -1, 1)[..., None] * NODES
    near = jnp.square(width) * jnp.sum(WEIGHTS * NODES * _density(nodes), axis=-1)
    ends = jnp.stack(jnp.broadcast_arrays(h, k))
    side = jnp.where(h + k > 0, -1.0, 1.0)
    density, below = _density(ends), side * ndtr(side * ends)
    far = density[0] - density[1] + h * (below[0] - below[1])
    return jnp.where(jnp.abs(width) < 1, near, far)


def _owen(h: Array, y: Array) -> Array:
    """Owen's T(h, y/h); a zero counts as positive."""
    far, near = jnp.maximum(jnp.abs(h), jnp.abs(y)), jnp.minimum(jnp.abs(h), jnp.abs(y))
    slope = near / far
    stretch = 1 + jnp.square(slope[..., None] * NODES)
    angle = jnp.sum(WEIGHTS * jnp.exp(-0.5 * jnp.square(far)[..., None] * stretch) / stretch, axis=-1)
    inner = slope * angle / (2 * np.pi)
    beyond, aside = ndtr(-jnp.stack([far, near]))
    value = jnp.where(jnp.abs(y) > jnp.abs(h), 0.5 * (beyond + aside) - beyond * aside - inner, inner)
    return jnp.where((h < 0) == (y < 0), value, -value)


def _log_normal(x: Array) -> Array:
    """Natural logarithm of Φ(x); JAX's own is off by 4e-9 at x = -20."""
    ratio = _mills_ratio(jnp.abs(x))
    return jnp.where(x > 0, jnp.log1p(-_density(x) * ratio), jnp.log(ratio / np.sqrt(2 * np.pi)) - 0.5 * jnp.square(x))


def _density(x: Numbers) -> Array:
    return jnp.exp(-0.5 * jnp.square(x)) / np.sqrt(2 * np.pi)


def _mills_ratio(x: Array) -> Array:
    """Φ(-x)/φ(x) for x ≥ 0, to 4e-15 relative: a polynomial in t = (x - 4)/(x + 4), over 1 + x."""
    t = 1 - 8 / (x + 4)
    value = jnp.zeros_like(t)
    for coefficient in reversed(MILLS):
        value = value * t + coefficient
    return value / (1 + x)


def _mills_coefficients(degree: int = 22, points: int = 400) -> list[float]:
    """Powers of the truncated Chebyshev series; they sum to 1.7 in magnitude, so that nothing cancels."""
    angle = np.pi * (np.arange(points) + 0.5) / points
    x = 4 / np.square(np.tan(angle / 2))
    values = (1 + x) * np.sqrt(np.pi / 2) * erfcx(x / np.sqrt(2))
    series = 2 / points * np.cos(np.outer(np.arange(degree + 1), angle)) @ values
    series[0] /= 2
    return np.polynomial.chebyshev.cheb2poly(series).tolist()


MILLS = _mills_coefficients()
ALTERNATING = alternating_weights(TERMS) / np.arange(1, TERMS + 1)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
NODES, WEIGHTS = (NODES + 1) / 2, WEIGHTS / 2  # on (0, 1)
