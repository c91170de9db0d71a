"""The only vmap: slots that hold rows under way, and lanes in which rows go side by side.

Again and again the stage for which most rows wait is run, for as many of them as there are lanes. A row that leaves
makes room for the next one of the queue. With as many slots as stages times lanes some stage always has enough rows
waiting: nobody waits for the slowest row, and no row computes what it does not need. Only when no more rows come do
lanes run empty. A pool of one lane is one row after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

from sweepjax.engine.alone import one_by_one
from sweepjax.engine.drawing import Row
from sweepjax.engine.kernel import Kernel
from sweepjax.engine.slots import Left, Pool, Queue, following, no_rows_left, shape_of, stage_of

NOTHING = -1  # the step that is chosen where a call ends


class Round(NamedTuple):
    """Where a call stands."""

    chosen: Int[Array, ""]
    entered: Int[Array, ""]
    pool: Pool
    left: Left


def advance(kernel: Kernel, lanes: int, pool: Pool, queue: Queue) -> tuple[Pool, Left]:
    """Let the queue enter, and take steps as long as there are rows for every lane; after the last, until all left."""
    if lanes == 1:
        return one_by_one(kernel, pool, queue)
    return _Call(kernel, lanes, queue, shape_of(pool.slots)).run(pool)


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
        at = Round(jnp.int32(NOTHING), first, pool, no_rows_left(self.kernel, self.queue, self.slot, pool.number.size))

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
        waits, slots = jax.vmap(self._entering)(jax.tree.map(lambda leaf: leaf[place], self.queue.rows))
        pool = Pool(
            _put(at.pool.number, self.queue.number[place], write),
            _put(at.pool.waits, waits, write),
            jax.tree.map(lambda old, new: _put(old, new, write), at.pool.slots, slots),
        )
        served = jnp.sum(write < at.pool.waits.size, dtype=jnp.int32)
        return at._replace(pool=pool, entered=at.entered + served), served

    def _stage(self, number: int) -> Callable[[int, Round], tuple[Round, Array]]:
        """Return the step that one stage is; what the stage does not change is not written."""
        stage, changed = stage_of(self.kernel, number, self.slot)

        def step(k: int, at: Round) -> tuple[Round, Array]:
            read, write = self._lanes(at.pool.waits == k)
            old, tree = jax.tree.flatten(at.pool.slots)
            waits, *new = jax.vmap(stage)(*_taken(old, read))
            both = zip(old, new, changed, strict=True)
            slots = [_put(before, after, write) if written else before for before, after, written in both]
            pool = at.pool._replace(waits=_put(at.pool.waits, waits, write), slots=tree.unflatten(slots))
            return at._replace(pool=pool), jnp.sum(write < at.pool.waits.size, dtype=jnp.int32)

        return step

    def _leave(self, k: int, at: Round) -> tuple[Round, Array]:
        read, write = self._lanes(at.pool.waits == k)
        columns = jax.vmap(self.kernel.leave)(_taken(at.pool.slots, read))
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
        return following(self.kernel, slot), slot

    def _lanes(self, waiting: Bool[Array, " p"]) -> tuple[Int[Array, " w"], Int[Array, " w"]]:
        """Return which slots the lanes read and write; a lane to spare reads the first slot again and writes none."""
        write = jnp.nonzero(waiting, size=self.lanes, fill_value=waiting.size)[0].astype(jnp.int32)
        return jnp.where(write < waiting.size, write, write[0]), write


def _taken(slots: Any, read: Int[Array, " w"]) -> Any:
    return jax.tree.map(lambda leaf: leaf.at[read].get(mode="promise_in_bounds"), slots)


def _put(old: Array, new: Array, where: Int[Array, " w"]) -> Array:
    """Write lanes to their places; those beyond the end are dropped."""
    return old.at[where].set(new.astype(old.dtype), mode="drop", unique_indices=True)
