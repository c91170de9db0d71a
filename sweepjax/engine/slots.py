"""What goes into a pool, what is in it and what comes out of it; all of it is data."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun
from jaxtyping import Array, ArrayLike, Bool, Int

from sweepjax.engine.drawing import Row
from sweepjax.engine.kernel import Kernel

ENDLESS = 2**31 - 1  # steps of a call that is not to be cut short


class Pool(NamedTuple):
    """Rows under way. Between two calls this is all there is, and it is data."""

    number: Int[Array, " p"]  # of the row in each slot
    waits: Int[Array, " p"]  # for which step; 0, to enter, where the slot is free
    slots: Any  # [p ...]


class Queue(NamedTuple):
    """Rows that are to enter: those up to `many`, from `first` on. After the last of all, lanes may run empty.

    A call ends after so many steps at the latest, whatever is left to do.
    """

    number: Int[Array, " r"]
    rows: Row  # [r ...]
    many: Int[ArrayLike, ""]
    last: Bool[ArrayLike, ""]
    first: Int[ArrayLike, ""]
    steps: Int[ArrayLike, ""]


def queue_of(number: Any, rows: Row, many: int, *, last: bool = True) -> Queue:
    """Return a queue of which nothing has entered; its counts are of the types that a compiled call takes."""
    return Queue(number, rows, np.int32(many), np.bool_(last), np.int32(0), np.int32(ENDLESS))


class Left(NamedTuple):
    """Rows that left: the first `many` of these; how often each step was taken, and for how many rows in all.

    The first step is to enter: it was taken for as many rows as entered.
    """

    number: Int[Array, " q"]
    columns: Any  # [q ...]
    many: Int[Array, ""]
    taken: Int[Array, " s"]
    served: Int[Array, " s"]


def empty(kernel: Kernel, row: Row, slots: int) -> Pool:
    """Return a pool that holds nothing, for rows of the shape of this one."""
    free = jnp.zeros(slots, jnp.int32)
    return Pool(free.astype(jnp.int64), free, blank(jax.eval_shape(kernel.enter, row), slots))


def following(kernel: Kernel, slot: Any) -> Int[Array, ""]:
    """Return the step that a row waits for."""
    return jnp.asarray(1 + kernel.waits(slot), jnp.int32)


def stage_of(kernel: Kernel, number: int, slot: Any) -> tuple[Callable[..., list[Array]], list[bool]]:
    """Return a stage as a function of the leaves of a slot of this shape, and which of them it changes.

    It returns what the row waits for then, and the leaves.
    """

    def through(slot: Any) -> tuple[Array, Any]:
        slot = kernel.stages[number](slot)
        return following(kernel, slot), slot

    closed = jax.make_jaxpr(through)(slot)
    changed = [out is not into for out, into in zip(closed.jaxpr.outvars[1:], closed.jaxpr.invars, strict=True)]
    return jaxpr_as_fun(closed), changed


def no_rows_left(kernel: Kernel, queue: Queue, slot: Any, slots: int) -> Left:
    """Return room for all rows that may leave in a call, given the shape of a slot."""
    places = queue.number.size + slots
    columns = blank(jax.eval_shape(kernel.leave, slot), places)
    none = jnp.zeros(2 + len(kernel.stages), jnp.int32)
    return Left(jnp.zeros(places, jnp.int64), columns, jnp.int32(0), none, none)


def shape_of(slots: Any) -> Any:
    """Return the shape of one slot."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), slots)


def blank(shapes: Any, *places: int) -> Any:
    """Return zeros of these shapes, for so many places."""
    return jax.tree.map(lambda leaf: jnp.zeros((*places, *leaf.shape), leaf.dtype), shapes)
