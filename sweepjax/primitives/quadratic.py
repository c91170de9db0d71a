"""Quadratic losses in the basis of their Hessian, where the flow and descent are known at any time.

Every component z relaxes by itself: along the flow z(t) = z₀ + (c - νz₀)(1 - e^(-νt))/ν, and after k steps of descent
e^(-νt) becomes (1 - ην)^k. At ν = 0 the last factor is t, or ηk.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from sweepjax.primitives.lapack import eigh

Theta = Float[Array, "*p"]  # p numbers, or columns of p


class Quadratic(NamedTuple):
    """The loss ½θ·Hθ - c·θ + const of parameters θ [p], or the sum of this over columns θ [p m]."""

    hessian: Float[Array, "p p"]
    pull: Theta  # c


class Modes(NamedTuple):
    """A quadratic loss and a start in the basis of the Hessian."""

    rates: Float[Array, " p"]  # ν, none negative
    axes: Float[Array, "p p"]
    start: Theta  # z₀
    speed: Theta  # c - νz₀, dz/dt at the start


def modes(loss: Quadratic, start: Theta) -> Modes:
    """Find the basis of a loss; rounding may have made a rate that is 0 negative."""
    rates, axes = eigh(loss.hessian)
    rates = jnp.maximum(rates, 0)
    origin = axes.T @ start
    return Modes(rates, axes, origin, axes.T @ loss.pull - _each(rates, origin) * origin)


def moved(each: Modes, spans: Float[Array, " p"]) -> Theta:
    """Return the parameters after what `flow_spans` or `descent_spans` returns."""
    # A mode that rests stays where it is, though its span may be infinite.
    gone = jnp.where(each.speed == 0, 0, _each(spans, each.speed) * each.speed)
    return each.axes @ (each.start + gone)


def flow_spans(rates: Float[Array, " p"], time: Float[Array, ""]) -> Float[Array, " p"]:
    """Return (1 - e^(-νt))/ν."""
    return _over(-jnp.expm1(-rates * time), rates, time)


def descent_spans(rates: Float[Array, " p"], learning_rate: Float[Array, ""], steps: Float[Array, ""]) -> Array:
    """Return (1 - (1 - ην)^k)/ν; beyond ην = 2 it grows without bound."""
    x = learning_rate * rates
    beyond = x > 1
    log_size = jnp.where(beyond, jnp.log(jnp.where(beyond, x - 1, 1)), jnp.log1p(-jnp.where(beyond, 0, x)))
    odd = beyond & (steps % 2 == 1)
    shrunk = jnp.where(odd, 1 + jnp.exp(steps * log_size), -jnp.expm1(steps * log_size))
    return _over(jnp.where(steps > 0, shrunk, 0), rates, learning_rate * steps)


def _over(shrunk: Float[Array, " p"], rates: Float[Array, " p"], limit: Float[Array, ""]) -> Float[Array, " p"]:
    """Return what shrinks over its rate; where that is no normal number, what it is without."""
    tiny = rates * limit < 1e-300
    return jnp.where(tiny, limit, shrunk / jnp.where(tiny, 1, rates))


def _each(values: Float[Array, " p"], like: Theta) -> Array:
    """Return a number a row, for columns if there are any."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))
