"""An explicit integrator for gradient flows, which are stiff but never oscillate.

The Runge–Kutta–Chebyshev method of second order spends s evaluations to be stable on a stretch of 0.65 s²
of the negative real axis: a step takes as many stages as the largest eigenvalue asks for, which a power
iteration follows. Steps never end at a recorded position; what is recorded is interpolated, so that the
path does not depend on it.

Source:
    Sommeijer, Shampine, Verwer (1998), J. Comput. Appl. Math. 88, 315.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

Slope = Callable[[Array, Array], Array]  # (position, y [p]) -> dy/dposition [p]
Tangent = Callable[[Array, Array, Array], Array]  # (position, y [p], v [p]) -> the slope's change along v, roughly

DAMPING = 2 / 13
SMALLEST_STEP = 1e-10
FIRST_STEP = 0.1
MOST_STAGES = 200
REFRESH = 4  # steps between two looks at the largest eigenvalue
CAUTION = 1.25  # a power iteration approaches it from below
FLOOR = 1e-2  # errors are relative to the norm of a part, but to no less than this


class Node(NamedTuple):
    """A point of the path and the slope there."""

    position: Float[Array, ""]
    y: Float[Array, " p"]
    slope: Float[Array, " p"]


class Path(NamedTuple):
    """The state of the integrator: the last step taken, and what the next one starts from."""

    before: Node
    now: Node
    step: Float[Array, ""]
    radius: Float[Array, ""]  # largest eigenvalue of the Jacobian, in absolute value
    direction: Float[Array, " p"]  # its eigenvector, as far as known
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]
    failed: Bool[Array, ""]


class Equation(NamedTuple):
    """What is integrated: the slope, the sizes of the parts y consists of, and the tolerance of a step."""

    slope: Slope
    tangent: Tangent
    parts: tuple[int, ...]
    tolerance: Float[Array, ""] | float


def start(equation: Equation, position: Float[Array, ""], y: Float[Array, " p"]) -> Path:
    """Return the path that begins at `position` with y."""
    node = Node(position, y, equation.slope(position, y))
    direction = jnp.cos(jnp.arange(y.size, dtype=y.dtype))
    zero = jnp.zeros((), dtype=jnp.int32)
    path = Path(node, node, jnp.asarray(FIRST_STEP, y.dtype), position * 0, direction, zero, zero + 1, zero != 0)
    path = lax.fori_loop(0, 4, lambda _, path: _refreshed(equation, path), path)
    return path._replace(step=jnp.minimum(FIRST_STEP, 1 / jnp.maximum(path.radius, 1)))


def advance(equation: Equation, path: Path, target: Float[Array, ""]) -> Path:
    """Return the path once it has reached or passed `target`, or has failed."""
    return lax.while_loop(
        lambda path: (path.now.position < target) & ~path.failed, lambda path: _step(equation, path), path
    )


def interpolated(path: Path, position: Float[Array, ""]) -> Float[Array, " p"]:
    """Return y within the last step, by cubic Hermite interpolation; nan if the path has failed."""
    (x0, y0, f0), (x1, y1, f1) = path.before, path.now
    h = jnp.where(x1 > x0, x1 - x0, 1)
    u = jnp.where(x1 > x0, (position - x0) / h, 0)
    y = (1 - u) ** 2 * ((1 + 2 * u) * y0 + u * h * f0) + u**2 * ((3 - 2 * u) * y1 + (u - 1) * h * f1)
    return jnp.where(path.failed, jnp.nan, y)


def _step(equation: Equation, path: Path) -> Path:
    path = lax.cond(path.steps % REFRESH == 0, lambda: _refreshed(equation, path), lambda: path)
    room = (MOST_STAGES**2 - 1) / (1.54 * jnp.maximum(CAUTION * path.radius, 1e-100))
    h, now = jnp.minimum(path.step, room), path.now
    wanted = jnp.ceil(jnp.sqrt(1 + 1.54 * h * CAUTION * path.radius))
    stages = jnp.clip(wanted, 2, MOST_STAGES).astype(jnp.int32)
    end = _chebyshev(equation.slope, now, h, stages)
    error = relative(equation, 0.8 * (now.y - end.y) + 0.4 * h * (now.slope + end.slope), (now.y, end.y))
    accepted = error <= 1
    factor = 0.8 * jnp.maximum(error, 1e-4) ** (-1 / 3)
    grown = h * jnp.where(accepted, jnp.clip(factor, 0.5, 5), jnp.clip(jnp.nan_to_num(factor, nan=0), 0.1, 0.8))
    taken = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), end, now)
    return path._replace(
        before=jax.tree.map(lambda new, old: jnp.where(accepted, new, old), now, path.before),
        now=taken,
        step=grown,
        steps=path.steps + 1,
        evaluations=path.evaluations + stages,
        failed=~accepted & ~(grown >= SMALLEST_STEP),
    )


def relative(equation: Equation, error: Float[Array, " p"], ends: tuple[Array, Array]) -> Float[Array, ""]:
    """Return the largest error of a part in units of the tolerance."""

    def norms(y: Array) -> Array:
        return jnp.stack([jnp.linalg.norm(part) for part in jnp.split(y, _cuts(equation.parts))])

    size = jnp.maximum(FLOOR, jnp.maximum(*map(norms, ends)))
    return jnp.max(norms(error) / size) / equation.tolerance


def _cuts(parts: tuple[int, ...]) -> list[int]:
    return [sum(parts[: k + 1]) for k in range(len(parts) - 1)]


def _refreshed(equation: Equation, path: Path) -> Path:
    """Return the path after one more power iteration on its Jacobian."""
    position, y, _ = path.now
    length = jnp.maximum(jnp.linalg.norm(path.direction), 1e-300)
    image = equation.tangent(position, y, path.direction / length)
    known = jnp.linalg.norm(image)
    direction = jnp.where(known > 0, image, path.direction)
    return path._replace(direction=direction, radius=known, evaluations=path.evaluations + 1)


class Stage(NamedTuple):
    """Two neighbouring stages j-1 and j, and the coefficients that belong to them."""

    earlier: Float[Array, " p"]
    latest: Float[Array, " p"]
    slope: Float[Array, " p"]  # at the stage before the latest
    weights: tuple[Float[Array, ""], Float[Array, ""]]  # b of either
    place: Float[Array, ""]  # c of the latest, in units of the step
    before: Float[Array, "3"]  # T, T', T'' of the Chebyshev polynomials at 1 + ε/s²
    polynomial: Float[Array, "3"]


def _chebyshev(slope: Slope, now: Node, h: Float[Array, ""], stages: Int[Array, ""]) -> Node:
    """Return the end of a step of length h in `stages` stages, at least two."""
    position, y0, f0 = now
    w0 = 1 + DAMPING / stages.astype(h.dtype) ** 2
    w1 = _stretch(w0, stages)
    first = 1 / (4 * w0**2)

    def stage(j: Array, at: Stage) -> Stage:
        shift = jnp.stack([0 * w0, 2 * at.polynomial[0], 4 * at.polynomial[1]])
        polynomial = 2 * w0 * at.polynomial - at.before + shift
        weight = polynomial[2] / polynomial[1] ** 2
        mu, nu = 2 * weight / at.weights[1], weight / at.weights[0]
        here = slope(position + jnp.where(j > stages, 1, at.place) * h, at.latest)
        pull = h * (here - (1 - at.weights[1] * at.polynomial[0]) * f0)
        y = (1 - mu * w0 + nu) * y0 + mu * w0 * at.latest - nu * at.earlier + mu * w1 * pull
        place = w1 * polynomial[2] / polynomial[1]
        return Stage(at.latest, y, here, (at.weights[1], weight), place, at.polynomial, polynomial)

    one, zero = w0 / w0, 0 * w0
    begin = jnp.stack([one, zero, zero]), jnp.stack([w0, one, zero])
    at = Stage(y0, y0 + first * w1 * h * f0, f0, (first, first), w1 * first, *begin)
    # One pass beyond the last stage: it gives the slope there, and its own y is not used.
    at = lax.fori_loop(2, stages + 2, stage, at)
    return Node(position + h, at.earlier, at.slope)


def _stretch(w0: Float[Array, ""], stages: Int[Array, ""]) -> Float[Array, ""]:
    """Return T'/T'' of the Chebyshev polynomial of degree `stages` at w0."""
    square = w0**2 - 1
    angle, root = stages * jnp.arccosh(w0), jnp.sqrt(square)
    return jnp.sinh(angle) * square / (jnp.cosh(angle) * stages * root - w0 * jnp.sinh(angle))
