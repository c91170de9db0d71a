"""The two equations that fix |S_∞| below the transition, solved once for each λ."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from sweepjax.theory._arguments import floats, require
from sweepjax.theory._gaussian import graded, normal_density

Array = NDArray[np.float64]
FAR = 12.0  # φ(12) is 1e-32


class Loss(NamedTuple):
    """A loss ℓ of one sample as a function of u = S·x, with two derivatives."""

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    curvature: Callable[[Array], Array]


class Nodes(NamedTuple):
    """Where the equations are integrated: v = u/r, the quantile z it comes from, and the weight dv."""

    v: Array
    z: Array
    weight: Array


class Fixed(NamedTuple):
    """The solution: r = lim σ|S_∞| and the ratio g = γ/r."""

    r: float
    g: float


def _exponential(u: Array) -> Array:
    # Beyond e^60 the normal density has vanished; clipping only avoids an overflow.
    return np.exp(np.minimum(u, 60.0))


LOSSES = {
    "exponential": Loss(_exponential, _exponential, _exponential),
    "logistic": Loss(lambda u: np.logaddexp(0.0, u), expit, lambda u: expit(u) * expit(-u)),
}


def loss_named(loss: str) -> Loss:
    """Return the loss of a name, or refuse it."""
    require(loss in LOSSES, f"loss is {loss!r}; choose one of: {', '.join(LOSSES)}")
    return LOSSES[loss]


@functools.lru_cache(maxsize=4096)
def solve(lam: float, loss: str = "exponential") -> Fixed:
    """Solve for r and g at 0 < λ < 1/2.

    With Z normal and p the proximal point, p + γ ℓ'(p) = rZ, the equations are 1 - λ = E[p'(rZ)] and
    λr² = E[(rZ - p)²]. Taking u = p as the variable needs no proximal point, and an integration by parts
    makes every term of ½ - λ positive, so that nothing cancels near the transition:

    ½ - λ = ∫_{v<0} 2|v| [Φ(z) - Φ(v)] dv + ∫_{v>0} 2v Φ(-z) dv = ∫_{v<0} [φ(z) - φ(v)] dv + ∫_{v>0} φ(z) dv

    where v = u/r and z = v + g ℓ'(rv).

    Source:
        Montanari et al. (2019), arXiv:1911.01544; Sur & Candès (2019), PNAS 116, 14516, without a signal.
    """
    logarithms = np.log(_start(lam, loss))
    for _ in range(30):
        step = _newton_step(*np.exp(logarithms), lam=lam, loss=loss_named(loss))
        logarithms = logarithms + np.clip(step, -0.7, 0.7)
        if np.abs(step).max() < 1e-13:
            break
    r, g = np.exp(logarithms)
    return Fixed(float(r), float(g))


def nodes(fixed: Fixed, loss: Loss) -> tuple[Nodes, Nodes]:
    """Return the nodes at negative v and those at positive v, dense where |u| is of order one."""
    v, weight = graded(FAR, 1 / fixed.r)
    return _nodes(-v[::-1], weight[::-1], fixed, loss), _nodes(v, weight, fixed, loss)


def _nodes(v: Array, weight: Array, fixed: Fixed, loss: Loss) -> Nodes:
    return Nodes(v, v + fixed.g * loss.slope(fixed.r * v), weight)


def _start(lam: float, loss: str) -> Fixed:
    if lam > 0.25:
        farther = solve(2 * lam - 0.5, loss)
        return Fixed(1.5 * farther.r, farther.g)
    slope, curvature = (float(of(np.zeros(()))) for of in LOSSES[loss][1:])
    return Fixed(np.sqrt(lam) * slope / curvature / (1 - lam), np.sqrt(lam) / slope)


def _newton_step(r: float, g: float, *, lam: float, loss: Loss) -> Array:
    below, above = nodes(Fixed(r, g), loss)
    distance = 2 * np.sum(below.weight * -below.v * (ndtr(below.z) - ndtr(below.v)))
    distance += 2 * np.sum(above.weight * above.v * ndtr(-above.z))
    slope = np.sum(below.weight * (normal_density(below.z) - normal_density(below.v)))
    slope += np.sum(above.weight * normal_density(above.z))
    return floats(np.linalg.solve(_jacobian(Fixed(r, g), loss), 0.5 - lam - np.array([distance, slope])))


def _jacobian(fixed: Fixed, loss: Loss) -> Array:
    v, z, weight = (np.concatenate(parts) for parts in zip(*nodes(fixed, loss), strict=True))
    moves = np.stack([v * loss.curvature(fixed.r * v) * fixed.r, loss.slope(fixed.r * v)], axis=1) * fixed.g
    return np.stack([-2 * v, -z]) * normal_density(z) * weight @ moves
