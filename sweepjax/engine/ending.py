"""Trainings that end before their time: at which recorded time, and what their columns are from then on."""

from collections import OrderedDict
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

from sweepjax.sweep.stop import Stop
from sweepjax.types import Columns


def ending(
    stop: Stop, streak: Int[Array, ""], seen: Columns, count: Int[Array, ""]
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """Return how many of the next `count` times are recorded, and the streak after them.

    Args:
        stop: what ends the training.
        streak: at how many recorded times in a row, the last one before these among them, it was to end.
        seen: the columns at the next times [t], of which `count` are reached.
        count: how many that are.
    """
    holds = jax.vmap(stop.holds)({name: seen[name] for name in stop.columns})
    place = jnp.arange(holds.size)
    streaks = place - lax.cummax(jnp.where(holds, -1 - streak, place))  # counted from the last time that broke it
    ends = jnp.argmax(jnp.append(streaks >= stop.last, True)).astype(jnp.int32)
    count = jnp.minimum(count, ends + 1)
    return count, jnp.where(count > 0, streaks[count - 1], streak).astype(jnp.int32)


def unrecorded(kept: Any, recorded: Int[Array, ""]) -> Any:
    """Return what is kept of each time [t ...], with nan in place of floats after the first so many."""

    def erased(values: Array) -> Array:
        real = jnp.issubdtype(values.dtype, jnp.inexact)
        return jnp.where(_exists(values, recorded), values, jnp.nan) if real else values

    return jax.tree.map(erased, kept)


def begun(columns: Columns, recorded: Int[Array, ""]) -> Columns:
    """Return columns [t ...] that exist at the first so many times only."""
    return OrderedDict((name, _begun(values, recorded)) for name, values in columns.items())


def _begun(values: Array, recorded: Int[Array, ""]) -> tuple[Array, Array]:
    return values, jnp.broadcast_to(_exists(values, recorded), values.shape)


def _exists(values: Array, recorded: Int[Array, ""]) -> Bool[Array, "..."]:
    return (jnp.arange(len(values)) < recorded).reshape(-1, *(1,) * (values.ndim - 1))
