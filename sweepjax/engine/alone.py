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

SIDE_BY_SIDE = 4  # stages of a group: where a row waits for none of them, one look tells


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
        for group in self._groups:
            flags, waits, slot = group(at.waits, at.slot)
            taken += flags
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
    def _groups(self) -> list[Callable[[Array, Leaves], tuple[list[Array], Array, Leaves]]]:
        """Stages that follow one another, as functions of what the row waits for and of the slot."""
        numbers = range(len(self.kernel.stages))
        size = SIDE_BY_SIDE if len(numbers) > SIDE_BY_SIDE else 1
        return [self._group(numbers[first : first + size]) for first in range(0, len(numbers), size)]

    def _group(self, numbers: range) -> Callable[[Array, Leaves], tuple[list[Array], Array, Leaves]]:
        """Return stages as a function that says which of them were taken; where none is due, none is looked at."""
        stages = [self._stage(number) for number in numbers]
        if len(stages) == 1:
            return stages[0].alone
        changed = [any(each) for each in zip(*(stage.changed for stage in stages), strict=True)]

        def due(waits: Array, slot: Leaves) -> tuple[list[Array], Array, Leaves]:
            taken = []
            for stage in stages:
                flags, waits, slot = stage.alone(waits, slot)
                taken += flags
            return taken, waits, _some(slot, changed)

        def nothing(waits: Array, slot: Leaves) -> tuple[list[Array], Array, Leaves]:
            return [jnp.zeros((), bool) for _ in stages], waits, _some(slot, changed)

        def if_due(waits: Array, slot: Leaves) -> tuple[list[Array], Array, Leaves]:
            within = (waits > numbers[0]) & (waits <= numbers[-1] + 1)
            taken, waits, new = lax.cond(within, due, nothing, waits, slot)
            return taken, waits, _with(slot, new, changed)

        return if_due

    def _stage(self, number: int) -> "_Stage":
        return _Stage(number, *stage_of(self.kernel, number, self.slot))

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


class _Stage(NamedTuple):
    """A stage as a function of the leaves of a slot, and which of them it changes."""

    number: int
    through: Callable[..., list[Array]]
    changed: list[bool]

    def alone(self, waits: Array, slot: Leaves) -> tuple[list[Array], Array, Leaves]:
        """Take the stage if the row waits for it."""
        now = waits == self.number + 1

        def due(_: Array, slot: Leaves) -> tuple[Array, Leaves]:
            waits, *new = self.through(*slot)
            pairs = zip(_some(new, self.changed), _some(slot, self.changed), strict=True)
            return waits, [leaf.astype(old.dtype) for leaf, old in pairs]

        waits, new = lax.cond(now, due, lambda waits, slot: (waits, _some(slot, self.changed)), waits, slot)
        return [now], waits, _with(slot, new, self.changed)


def _some(leaves: Leaves, chosen: list[bool]) -> Leaves:
    return [leaf for leaf, one in zip(leaves, chosen, strict=True) if one]


def _with(leaves: Leaves, new: Leaves, chosen: list[bool]) -> Leaves:
    """Return the leaves with new ones in the places that are chosen."""
    rest = iter(new)
    return [next(rest) if one else leaf for leaf, one in zip(leaves, chosen, strict=True)]


def _once(due: Bool[Array, ""], step: Callable[[_At], _At], at: _At) -> _At:
    """Take a step if it is due; a loop is a branch that works in place."""
    return lax.while_loop(lambda now: now[0], lambda now: (jnp.zeros((), bool), step(now[1])), (due, at))[1]
