"""The gradient flow of a quadratic loss with an L1 penalty, from one change of sign to the next.

While no parameter changes its sign, dθ/dt = c - λs - Hθ is linear, s the signs: a step is a Taylor series, and so is
the path between its ends. A parameter that comes to 0 is held there as long as the penalty is stronger than the pull
|c - Hθ| on it; a step ends where one comes to 0, or is no longer held.

Where it ends is found by halving, which most steps do not need: it is a part of its own, so that paths that are
walked side by side do not wait for those that turn.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from sweepjax.primitives.quadratic import Quadratic

ORDER = 8  # of the series
STRIDE = 0.5  # of a step, in units of the fastest relaxation: the series errs by 10^-8 of the step
HALVINGS = 40  # to find where a step ends
ROUNDING = 1e-13
RESTING = 1e-13  # of a speed relative to the pull at the start


class Penalized(NamedTuple):
    """A quadratic loss of parameters [p] and the strength of the L1 penalty on each."""

    smooth: Quadratic
    strength: Float[Array, ""]


class Path(NamedTuple):
    """The last step, and what the next one starts from."""

    before: Float[Array, ""]  # time at which the last step began
    now: Float[Array, ""]
    series: Float[Array, "k p"]  # in time since then over `unit`
    unit: Float[Array, ""]
    theta: Float[Array, " p"]
    signs: Float[Array, " p"]  # 0 where a parameter is held at 0
    turning: Bool[Array, ""]  # the step that the series is of ends where a sign changes, which is not found yet
    resting: Bool[Array, ""]
    steps: Int[Array, ""]


def start(loss: Penalized, theta: Float[Array, " p"], resting: Bool[ArrayLike, ""] = False) -> Path:
    """Return the path that begins at these parameters, and takes no step if it rests there."""
    zero = jnp.zeros((), theta.dtype)
    series = jnp.zeros((ORDER + 1, theta.size), theta.dtype).at[0].set(theta)
    signs = jnp.where(theta == 0, _departing(loss, theta), jnp.sign(theta))
    return Path(zero, zero, series, zero + 1, theta, signs, zero != 0, jnp.asarray(resting), jnp.int32(0))


def advance(loss: Penalized, path: Path) -> Path:
    """Take a step; where a sign changes before its end, begin it only."""
    unit = STRIDE / jnp.linalg.norm(loss.smooth.hessian)
    series = _series(loss, path, unit)
    end = jnp.sum(series, axis=0)
    cut = jnp.any(_broken(loss, path.signs, end))
    speed = jnp.max(jnp.abs(_slope(loss, path.signs, end)))
    resting = ~cut & (speed <= RESTING * (1 + jnp.max(jnp.abs(loss.smooth.pull))))
    theta, now = jnp.where(cut, path.theta, end), jnp.where(cut, path.now, path.now + unit)
    return Path(path.now, now, series, unit, theta, path.signs, cut, resting, path.steps + 1)


def turn(loss: Penalized, path: Path) -> Path:
    """End a step that was begun, where the first sign changes."""
    share = _first_break(loss, path.signs, path.series)
    theta = at(path.series, share)
    changes = _broken(loss, path.signs, at(path.series, jnp.minimum(share + 2.0**-HALVINGS, 1)))
    theta = jnp.where(changes, 0.0, theta)
    signs = jnp.where(changes, _departing(loss, theta), path.signs)
    now = path.before + share * path.unit
    return path._replace(now=now, theta=theta, signs=signs, turning=jnp.zeros((), bool))


def position(path: Path, time: Float[Array, ""]) -> Float[Array, " p"]:
    """Return the parameters at a time within the last step, or beyond it where the path rests."""
    return jnp.where(time >= path.now, path.theta, at(path.series, (time - path.before) / path.unit))


def at(series: Float[Array, "k p"], share: Float[Array, ""]) -> Float[Array, " p"]:
    """Return the value of a series by Horner's rule."""
    value = series[-1]
    for each in series[-2::-1]:
        value = each + share * value
    return value


def _series(loss: Penalized, path: Path, unit: Float[Array, ""]) -> Float[Array, "k p"]:
    moving = path.signs != 0
    terms = [path.theta, unit * _slope(loss, path.signs, path.theta)]
    for k in range(2, ORDER + 1):
        terms.append(jnp.where(moving, -unit / k * (loss.smooth.hessian @ terms[-1]), 0.0))
    return jnp.stack(terms)


def _slope(loss: Penalized, signs: Float[Array, " p"], theta: Float[Array, " p"]) -> Float[Array, " p"]:
    return jnp.where(signs != 0, _pull(loss, theta) - loss.strength * signs, 0.0)


def _pull(loss: Penalized, theta: Float[Array, " p"]) -> Float[Array, " p"]:
    return loss.smooth.pull - loss.smooth.hessian @ theta


def _departing(loss: Penalized, theta: Float[Array, " p"]) -> Float[Array, " p"]:
    """Return the sign with which each parameter would leave 0; 0 where it is held."""
    pull = _pull(loss, theta)
    return jnp.where(jnp.abs(pull) > loss.strength, jnp.sign(pull), 0.0)


def _broken(loss: Penalized, signs: Float[Array, " p"], theta: Float[Array, " p"]) -> Bool[Array, " p"]:
    """Whether each parameter has another sign than it had, or is held no longer."""
    pull = jnp.abs(_pull(loss, theta))
    escapes = pull > loss.strength + ROUNDING * (1 + loss.strength)
    return jnp.where(signs == 0, escapes, signs * theta < -ROUNDING)


def _first_break(loss: Penalized, signs: Array, series: Array) -> Float[Array, ""]:
    """Return the share of a step after which a sign changes."""

    def halve(_: Array, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = 0.5 * (low + high)
        broken = jnp.any(_broken(loss, signs, at(series, middle)))
        return jnp.where(broken, low, middle), jnp.where(broken, middle, high)

    return lax.fori_loop(0, HALVINGS, halve, (jnp.zeros(()), jnp.ones(())))[0]
