"""An adaptive explicit integrator for gradient flows, which may be stiff but never oscillate.

Two methods take turns, the fifth-order one of Dormand and Prince where accuracy limits the step, and the
Runge–Kutta–Chebyshev method where stability does: after each step the one is chosen that will need fewer
evaluations for the same stretch. Steps never end at a recorded position; what is recorded is interpolated,
so that the path does not depend on it.

A path waits for one of three stages: a look at the largest eigenvalue, a step of Dormand and Prince, and a few
evaluations of a step of Chebyshev's, which may take many.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from sweepjax.solvers._flow import chebyshev, dormand_prince
from sweepjax.solvers._flow.node import Node, Slope

Tangent = Callable[[Array, Array, Array], Array]  # (position, y [p], v [p]) -> the slope's change along v, roughly

SMALLEST_STEP = 1e-10  # relative to the position, where that is below 1
EARLIEST = 1e-20  # no position counts as less
FIRST_STEP = 0.1
BLOCK = 4  # evaluations of a step of Chebyshev's in one visit
REFRESH = 4  # steps between two looks at the largest eigenvalue
CAUTION = 1.25  # a power iteration approaches it from below
FLOOR = 1e-2  # errors are relative to the norm of a part, but to no less than this, or than all parts ever were
CLEARLY = 0.8  # the share of the evaluations at which it is worth to change methods


class Equation(NamedTuple):
    """What is integrated: the slope, the sizes of the parts y consists of, and the tolerance of a step."""

    slope: Slope
    tangent: Tangent
    parts: tuple[int, ...]
    tolerance: Float[Array, ""] | float


class Path(NamedTuple):
    """The state of the integrator: the last step taken, and what the next one starts from."""

    before: Node
    middle: Float[Array, " p"]  # y half-way between the two
    now: Node
    scale: Float[Array, ""]  # the largest norm of y so far
    step: Float[Array, ""]
    stiff: Bool[Array, ""]  # the next step is one of Chebyshev's
    radius: Float[Array, ""]  # largest eigenvalue of the Jacobian, in absolute value
    direction: Float[Array, " p"]  # its eigenvector, as far as known
    inner: chebyshev.Stage  # within a step of Chebyshev's
    within: Int[Array, ""]  # evaluations of that step so far, and two
    looked: Int[Array, ""]  # steps at the last look at the eigenvalue
    steps: Int[Array, ""]
    evaluations: Int[Array, ""]
    failed: Bool[Array, ""]


class Trial(NamedTuple):
    """A step of one method, what it cost, by how much the next may grow, and what the other method would do."""

    end: Node
    middle: Float[Array, " p"]
    error: Float[Array, ""]  # in units of the tolerance
    factor: Float[Array, ""]
    evaluations: Int[Array, ""]
    other_step: Float[Array, ""]
    other_evaluations: Float[Array, ""]


def start(
    equation: Equation, position: Float[Array, ""], y: Float[Array, " p"], scale: Float[Array, ""] | float = 0.0
) -> Path:
    """Return the path that begins at `position` with y, whose norm has been as large as `scale` before."""
    position = position.astype(y.dtype)
    node = Node(position, y, equation.slope(position, y).astype(y.dtype))
    direction = jnp.cos(jnp.arange(y.size, dtype=y.dtype))
    zero, step = jnp.zeros((), dtype=jnp.int32), jnp.asarray(FIRST_STEP, y.dtype)
    inner = chebyshev.begin(node, step, chebyshev.FEWEST)
    largest, counts = jnp.maximum(jnp.linalg.norm(y), scale), (zero + 2, zero - 1, zero, zero + 1)
    path = Path(node, y, node, largest, step, zero != 0, 0 * position, direction, inner, *counts, zero != 0)
    path = lax.fori_loop(0, 4, lambda _, path: look(equation, path), path)
    return path._replace(step=jnp.minimum(step, 1 / jnp.maximum(path.radius, 1)), looked=zero - 1)


def waits(path: Path, target: Float[Array, ""]) -> Int[Array, ""]:
    """Return which of STAGES a path waits for; their number once it has reached or passed `target`, or failed."""
    looks = (path.steps % REFRESH == 0) & (path.looked != path.steps)
    stage = jnp.where(looks, 0, jnp.where(path.stiff, 2, 1))
    return jnp.where((path.now.position < target) & ~path.failed, stage, len(STAGES)).astype(jnp.int32)


def interpolated(path: Path, position: Float[Array, ""]) -> Float[Array, " p"]:
    """Return y within the last step, by the quartic through its middle; nan if the path has failed."""
    (x0, y0, f0), (x1, y1, f1) = path.before, path.now
    h = jnp.where(x1 > x0, x1 - x0, 1)
    u = jnp.where(x1 > x0, (position - x0) / h, 0)
    cubic = (1 - u) ** 2 * ((1 + 2 * u) * y0 + u * h * f0) + u**2 * ((3 - 2 * u) * y1 + (u - 1) * h * f1)
    excess = path.middle - _half_way(h, path.before, path.now)
    return jnp.where(path.failed, jnp.nan, cubic + 16 * (u * (1 - u)) ** 2 * excess)


def _half_way(h: Float[Array, ""], before: Node, after: Node) -> Float[Array, " p"]:
    return 0.5 * (before.y + after.y) + 0.125 * h * (before.slope - after.slope)


def plain(equation: Equation, path: Path) -> Path:
    """Try a step of Dormand and Prince."""
    h, radius = _length(path)
    now = path.now
    end, middle, error = dormand_prince.dormand_prince_step(equation.slope, now, h)
    own = relative(equation, error, (now.y, end.y), path.scale)
    defect = relative(equation, chebyshev.defect(h, now, end), (now.y, end.y), path.scale)
    other = h * jnp.clip(_factor(defect, 3), 0.01, 5)
    used = jnp.asarray(dormand_prince.EVALUATIONS, jnp.int32)
    return _tried(path, h, Trial(end, middle, own, _factor(own, 5), used, other, chebyshev.stages_for(other * radius)))


def stiff(equation: Equation, path: Path) -> Path:
    """Go on with a step of Chebyshev's; the last of its evaluations tries it."""
    h, radius = _length(path)
    now, most = path.now, jnp.minimum(chebyshev.stages_for(h * radius), chebyshev.MOST_STAGES).astype(jnp.int32)
    fresh = chebyshev.begin(now, h, most)
    inner = jax.tree.map(lambda new, old: jnp.where(path.within == 2, new, old), fresh, path.inner)
    # One evaluation beyond the last stage gives the slope there, and its own y is not used.
    last = jnp.minimum(path.within + BLOCK, most + 2)
    step = chebyshev.stage_of(equation.slope, now, h, most)
    inner = lax.fori_loop(path.within, last, step, inner)
    end = Node(now.position + h, inner.earlier, inner.slope)
    error = relative(equation, chebyshev.defect(h, now, end), (now.y, end.y), path.scale)
    other = jnp.minimum(5 * h, dormand_prince.STABLE / jnp.maximum(radius, 1e-100))
    used = jnp.asarray(dormand_prince.EVALUATIONS, h.dtype)
    tried = _tried(path, h, Trial(end, _half_way(h, now, end), error, _factor(error, 3), most, other, used))
    ended = last == most + 2
    path = jax.tree.map(lambda new, old: jnp.where(ended, new, old), tried, path)
    return path._replace(inner=inner, within=jnp.where(ended, 2, last))


def _length(path: Path) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Return the length of the step to come and the largest eigenvalue to reckon with."""
    radius = CAUTION * path.radius
    return jnp.minimum(path.step, chebyshev.longest_step(radius)), radius


def _tried(path: Path, h: Float[Array, ""], trial: Trial) -> Path:
    """Return the path after a trial: the step is taken, or will be shorter."""
    accepted = trial.error <= 1
    shrunk = jnp.clip(jnp.nan_to_num(trial.factor, nan=0), 0.1, 0.8)
    step = h * jnp.where(accepted, jnp.clip(trial.factor, 0.5, 5), shrunk)
    change = accepted & (trial.other_evaluations / trial.other_step < CLEARLY * trial.evaluations / step)
    taken = path.now, trial.middle, trial.end
    kept = path.before, path.middle, path.now
    before, middle, now = jax.tree.map(lambda new, old: jnp.where(accepted, new, old), taken, kept)
    return path._replace(
        before=before,
        middle=middle,
        now=now,
        scale=jnp.maximum(path.scale, jnp.linalg.norm(now.y)),
        step=jnp.where(change, trial.other_step, step),
        stiff=path.stiff ^ change,
        steps=path.steps + 1,
        evaluations=path.evaluations + trial.evaluations,
        failed=~accepted & ~(step >= SMALLEST_STEP * jnp.clip(path.now.position, EARLIEST, 1)),
    )


def _factor(error: Float[Array, ""], order: int) -> Float[Array, ""]:
    """Return by how much a step may grow whose error goes with this power of its length."""
    return 0.8 * jnp.maximum(error, 1e-5) ** (-1 / order)


def relative(
    equation: Equation, error: Float[Array, " p"], ends: tuple[Array, Array], scale: Float[Array, ""]
) -> Float[Array, ""]:
    """Return the largest error of a part in units of the tolerance; `scale` is the largest norm of all parts so far."""

    def norms(y: Array) -> Array:
        return jnp.stack([jnp.linalg.norm(part) for part in jnp.split(y, _cuts(equation.parts))])

    size = jnp.maximum(jnp.clip(scale, 1e-300, FLOOR), jnp.maximum(*map(norms, ends)))
    return jnp.max(norms(error) / size) / equation.tolerance


def _cuts(parts: tuple[int, ...]) -> list[int]:
    return [sum(parts[: k + 1]) for k in range(len(parts) - 1)]


def look(equation: Equation, path: Path) -> Path:
    """Return the path after one more power iteration on its Jacobian."""
    position, y, _ = path.now
    length = jnp.maximum(jnp.linalg.norm(path.direction), 1e-300)
    image = equation.tangent(position, y, path.direction / length)
    known = jnp.linalg.norm(image)
    direction = jnp.where(known > 0, image, path.direction)
    return path._replace(direction=direction, radius=known, looked=path.steps, evaluations=path.evaluations + 1)


STAGES = (look, plain, stiff)
