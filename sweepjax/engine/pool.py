"""The only vmap: slots that hold rows under way, and lanes in which rows go side by side.

Again and again the stage for which most rows wait is run, for as many of them as there are lanes. A row that leaves
makes room for the next one of the queue. With as many slots as stages times lanes some stage always has enough rows
waiting: nobody waits for the slowest row, and no row computes what it does not need. Only when no more rows come do
lanes run empty. A pool of one lane is one row after the other, and copies nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import jaxpr_as_fun
from jaxtyping import Array, ArrayLike, Bool, Int

from sweepjax.engine.kernel import Kernel, Row

MANY = 1000  # numbers of a leaf that is not converted where it need not be
NOTHING = -1  # the step that is chosen where a call ends
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


class Round(NamedTuple):
    """Where a call stands."""

    chosen: Int[Array, ""]
    entered: Int[Array, ""]
    pool: Pool
    left: Left


def empty(kernel: Kernel, row: Row, slots: int) -> Pool:
    """Return a pool that holds nothing, for rows of the shape of this one."""
    free = jnp.zeros(slots, jnp.int32)
    return Pool(free.astype(jnp.int64), free, _blank(slots, jax.eval_shape(kernel.enter, row)))


def advance(kernel: Kernel, lanes: int, pool: Pool, queue: Queue) -> tuple[Pool, Left]:
    """Let the queue enter, and take steps as long as there are rows for every lane; after the last, until all left."""
    return _Call(kernel, lanes, queue, _shape(pool.slots)).run(pool)


@dataclass(frozen=True)
class _Call:
    """One call of `advance`. Its steps are to enter, the stages, and to leave."""

    kernel: Kernel
    lanes: int
    queue: Queue
    slot: Any  # the shape of one

    def run(self, pool: Pool) -> tuple[Pool, Left]:
        steps = [self._enter, *map(self._stage, range(len(self.kernel.stages))), self._leave]
        first = jnp.asarray(self.queue.first, jnp.int32)
        at = Round(jnp.int32(NOTHING), first, pool, self._none_left(pool, len(steps)))

        def turn(at: Round) -> Round:
            for k, step in enumerate(steps):
                # A loop is a branch that works in place.
                at = lax.while_loop(
                    lambda at, k=k: at.chosen == k, lambda at, k=k, step=step: self._then(k, step, at), at
                )
            return at

        at = lax.while_loop(lambda at: at.chosen != NOTHING, turn, at._replace(chosen=self._choice(at, len(steps))))
        return at.pool, at.left

    def _then(self, k: int, step: Callable[[int, Round], tuple[Round, Array]], at: Round) -> Round:
        at, served = step(k, at)
        left = at.left._replace(taken=at.left.taken.at[k].add(1), served=at.left.served.at[k].add(served))
        at = at._replace(left=left)
        return at._replace(chosen=self._choice(at, left.taken.size))

    def _choice(self, at: Round, steps: int) -> Int[Array, ""]:
        """Return the step for which most rows wait, if they fill the lanes or no more rows come."""
        rest = self.queue.many - at.entered
        over = jnp.sum(at.left.taken) >= jnp.asarray(self.queue.steps)
        if self._alone(at):
            waits = at.pool.waits[0]
            return jnp.where(jnp.logical_or(over, (waits == 0) & (rest <= 0)), NOTHING, waits).astype(jnp.int32)
        waiting = jnp.sum(at.pool.waits == jnp.arange(steps)[:, None], axis=1, dtype=jnp.int32).at[0].min(rest)
        best = jnp.argmax(waiting)
        enough = jnp.where(jnp.logical_or(self.queue.last, rest > 0), 1, self.lanes)
        return jnp.where(over | (waiting[best] < enough), NOTHING, best).astype(jnp.int32)

    def _enter(self, k: int, at: Round) -> tuple[Round, Array]:
        _, write = self._lanes(at.pool.waits == k)
        place = at.entered + jnp.arange(self.lanes, dtype=jnp.int32)
        write = jnp.where(place < self.queue.many, write, at.pool.waits.size)
        # Lanes without a row of their own repeat one.
        place = jnp.where(write < at.pool.waits.size, place, at.entered)
        waits, slots = self._side_by_side(self._entering, jax.tree.map(lambda leaf: leaf[place], self.queue.rows))
        pool = Pool(
            _put(at.pool.number, self.queue.number[place], write),
            _put(at.pool.waits, waits, write),
            jax.tree.map(lambda old, new: _put(old, new, write), at.pool.slots, slots),
        )
        served = jnp.sum(write < at.pool.waits.size, dtype=jnp.int32)
        return at._replace(pool=pool, entered=at.entered + served), served

    def _stage(self, number: int) -> Callable[[int, Round], tuple[Round, Array]]:
        """Return the step that one stage is; what the stage does not change is not written."""

        def through(slot: Any) -> tuple[Array, Any]:
            slot = self.kernel.stages[number](slot)
            return self._following(slot), slot

        closed = jax.make_jaxpr(through)(self.slot)
        changed = [out is not into for out, into in zip(closed.jaxpr.outvars[1:], closed.jaxpr.invars, strict=True)]
        stage = jaxpr_as_fun(closed)

        def step(k: int, at: Round) -> tuple[Round, Array]:
            read, write = self._lanes(at.pool.waits == k)
            old, tree = jax.tree.flatten(at.pool.slots)
            waits, *new = self._side_by_side(lambda leaves: stage(*leaves), self._taken(at, old, read))
            both = zip(old, new, changed, strict=True)
            slots = [_put(before, after, write) if written else before for before, after, written in both]
            pool = at.pool._replace(waits=_put(at.pool.waits, waits, write), slots=tree.unflatten(slots))
            return at._replace(pool=pool), jnp.sum(write < at.pool.waits.size, dtype=jnp.int32)

        return step

    def _leave(self, k: int, at: Round) -> tuple[Round, Array]:
        read, write = self._lanes(at.pool.waits == k)
        columns = self._side_by_side(self.kernel.leave, self._taken(at, at.pool.slots, read))
        served = jnp.sum(write < at.pool.waits.size, dtype=jnp.int32)
        place = jnp.where(write < at.pool.waits.size, at.left.many + jnp.arange(self.lanes), at.left.number.size)
        left = at.left._replace(
            number=_put(at.left.number, at.pool.number[read], place),
            columns=jax.tree.map(lambda old, new: _put(old, new, place), at.left.columns, columns),
            many=at.left.many + served,
        )
        pool = at.pool._replace(waits=_put(at.pool.waits, jnp.zeros_like(write), write))
        return at._replace(pool=pool, left=left), served

    def _entering(self, row: Row) -> tuple[Array, Any]:
        slot = self.kernel.enter(row)
        return self._following(slot), slot

    def _following(self, slot: Any) -> Array:
        return jnp.asarray(1 + self.kernel.waits(slot), jnp.int32)

    def _lanes(self, waiting: Bool[Array, " p"]) -> tuple[Int[Array, " w"], Int[Array, " w"]]:
        """Return which slots the lanes read and write; a lane to spare reads the first slot again and writes none."""
        write = jnp.nonzero(waiting, size=self.lanes, fill_value=waiting.size)[0].astype(jnp.int32)
        return jnp.where(write < waiting.size, write, write[0]), write

    def _taken(self, at: Round, slots: Any, read: Int[Array, " w"]) -> Any:
        """Return the slots of the lanes; a single one is where it is."""
        if self._alone(at):
            # Without it the compiler takes conversions of a whole dataset out of the stages that are not run.
            return jax.tree.map(lambda leaf: _held(leaf, at.chosen) if leaf.size > MANY else leaf, slots)
        return jax.tree.map(lambda leaf: leaf.at[read].get(mode="promise_in_bounds"), slots)

    def _side_by_side(self, function: Callable[[Any], Any], leaves: Any) -> Any:
        if self.lanes > 1:
            return jax.vmap(function)(leaves)
        result = function(jax.tree.map(lambda leaf: leaf[0], leaves))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], result)

    def _alone(self, at: Round) -> bool:
        return at.pool.waits.size == 1

    def _none_left(self, pool: Pool, steps: int) -> Left:
        places = self.queue.number.size + pool.number.size
        columns = _blank(places, jax.eval_shape(self.kernel.leave, self.slot))
        none = jnp.zeros(steps, jnp.int32)
        return Left(jnp.zeros(places, jnp.int64), columns, jnp.int32(0), none, none)


def _held(leaf: Array, chosen: Int[Array, ""]) -> Array:
    return lax.optimization_barrier((leaf, chosen))[0]


def _put(old: Array, new: Array, where: Int[Array, " w"]) -> Array:
    """Write lanes to their places; those beyond the end are dropped."""
    if old.shape == new.shape == (1, *new.shape[1:]) and where.size == 1 and old.shape[0] == 1:
        return new.astype(old.dtype)
    return old.at[where].set(new.astype(old.dtype), mode="drop", unique_indices=True)


def _shape(slots: Any) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), slots)


def _blank(places: int, shapes: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.zeros((places, *leaf.shape), leaf.dtype), shapes)
