"""One row after the other, for a pool of one lane.

A turn passes all steps in order and takes those that the row waits for. A stage that is not due is a branch that is
not taken. It is not a loop without a turn, as in a pool of many lanes, since the compiler takes out of a loop what does
not change in it, which is most of a stage, and computes it whether the stage is due or not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int

from sweepjax.engine.kernel import Kernel
from sweepjax.engine.slots import Left, Pool, Queue, blank, following, no_rows_left, shape_of, stage_of

Leaves = list[Array]


class _At(NamedTuple):
    """Where a call stands."""

    entered: Int[Array, ""]
    number: Int[Array, ""]
    waits: Int[Array, ""]
    slot: Leaves
    left: Left


def one_by_one(kernel: Kernel, pool: Pool, queue: Queue) -> tuple[Pool, Left]:
    """Let the queue enter, and take steps until all of it has left; the pool has one slot."""
    return _Call(kernel, queue, shape_of(pool.slots)).run(pool)


@dataclass(frozen=True)
class _Call:
    """One call of `one_by_one`."""

    kernel: Kernel
    queue: Queue
    slot: Any  # the shape of one

    def run(self, pool: Pool) -> tuple[Pool, Left]:
        tree = jax.tree.structure(pool.slots)
        number, waits, *slot = (leaf[0] for leaf in jax.tree.leaves(pool))
        left = no_rows_left(self.kernel, self.queue, self.slot, 1)
        first = _At(jnp.asarray(self.queue.first, jnp.int32), number, waits, slot, left)
        at = lax.while_loop(self._goes_on, self._turn, first)
        end = Pool(at.number[None], at.waits[None], tree.unflatten([leaf[None] for leaf in at.slot]))
        return end, at.left._replace(served=at.left.taken)

    def _goes_on(self, at: _At) -> Bool[Array, ""]:
        within = jnp.sum(at.left.taken) < jnp.asarray(self.queue.steps)
        return within & ((at.waits > 0) | (at.entered < self.queue.many))

    def _turn(self, at: _At) -> _At:
        entering = (at.waits == 0) & (at.entered < self.queue.many)
        at, taken = _once(entering, self._enter, at), [entering]
        for k, stage in enumerate(self._stages, 1):
            taken.append(at.waits == k)
            waits, slot = stage(taken[-1], at.waits, at.slot)
            at = at._replace(waits=waits, slot=slot)
        taken.append(at.waits == len(taken))
        at = _once(taken[-1], self._leave, at)
        place = jnp.arange(len(taken))
        counts = sum((jnp.where(place == k, step, 0) for k, step in enumerate(taken)), at.left.taken)
        return at._replace(left=at.left._replace(taken=counts.astype(jnp.int32)))

    def _enter(self, at: _At) -> _At:
        row = jax.tree.map(lambda leaf: leaf[at.entered], self.queue.rows)
        slot = self.kernel.enter(row)
        return at._replace(
            entered=at.entered + 1,
            number=self.queue.number[at.entered].astype(at.number.dtype),
            waits=following(self.kernel, slot),
            slot=[leaf.astype(old.dtype) for leaf, old in zip(jax.tree.leaves(slot), at.slot, strict=True)],
        )

    @property
    def _stages(self) -> list[Callable[[Array, Array, Leaves], tuple[Array, Leaves]]]:
        return [self._stage(number) for number in range(len(self.kernel.stages))]

    def _stage(self, number: int) -> Callable[[Array, Array, Leaves], tuple[Array, Leaves]]:
        """Return a stage as a function of whether it is due, what the row waits for, and the slot."""
        stage, changed = stage_of(self.kernel, number, self.slot)

        def some(leaves: Leaves) -> Leaves:
            return [leaf for leaf, written in zip(leaves, changed, strict=True) if written]

        def due(_: Array, slot: Leaves) -> tuple[Array, Leaves]:
            waits, *new = stage(*slot)
            return waits, [leaf.astype(old.dtype) for leaf, old in zip(some(new), some(slot), strict=True)]

        def if_due(now: Array, waits: Array, slot: Leaves) -> tuple[Array, Leaves]:
            waits, new = lax.cond(now, due, lambda waits, slot: (waits, some(slot)), waits, slot)
            rest = iter(new)
            return waits, [next(rest) if written else leaf for leaf, written in zip(slot, changed, strict=True)]

        return if_due

    def _leave(self, at: _At) -> _At:
        slot = jax.tree.unflatten(jax.tree.structure(self.slot), at.slot)
        nothing = blank(jax.eval_shape(self.kernel.leave, self.slot))
        columns = lax.cond(at.waits > 0, self.kernel.leave, lambda _: nothing, slot)
        place = at.left.many
        left = at.left._replace(
            number=at.left.number.at[place].set(at.number),
            columns=jax.tree.map(lambda old, new: old.at[place].set(new), at.left.columns, columns),
            many=place + 1,
        )
        return at._replace(waits=jnp.int32(0), left=left)


def _once(due: Bool[Array, ""], step: Callable[[_At], _At], at: _At) -> _At:
    """Take a step if it is due; a loop is a branch that works in place."""
    return lax.while_loop(lambda now: now[0], lambda now: (jnp.zeros((), bool), step(now[1])), (due, at))[1]
