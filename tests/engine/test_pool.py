"""Rows that share the lanes of a pool are the rows of one lane, and lanes are full."""

import re
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweepjax.engine.pool import advance
from sweepjax.engine.slots import empty, queue_of

COUNT = 200


class Slot(NamedTuple):
    """A row that needs so many more visits to stages, in an order of its own."""

    row: Any
    left: Any
    trace: Any


class Toy:
    """Rows that need a geometric number of visits to either of two stages."""

    def enter(self, row):
        draw = jax.random.uniform(jax.random.fold_in(jax.random.key(0), row))
        return Slot(row, jnp.ceil(-4 * jnp.log(draw)).astype(jnp.int32), jnp.zeros((), jnp.int64))

    @property
    def stages(self):
        return (lambda slot: self._visited(slot, 1), lambda slot: self._visited(slot, 2))

    def _visited(self, slot, digit):
        return slot._replace(left=slot.left - 1, trace=(3 * slot.trace + digit) % 1_000_003)

    def waits(self, slot):
        return jnp.where(slot.left > 0, (slot.left * 7919 + slot.row) % 2, 2)

    def leave(self, slot):
        return slot.trace


def streamed(lanes, slots, piece, *, keep=lambda pool: pool):
    """Send the rows through a pool piece by piece; return what left, by number, and the work of all calls."""
    with jax.enable_x64(True):
        toy = Toy()
        pool = jax.jit(lambda: empty(toy, jnp.int32(0), slots))()
        call = jax.jit(lambda pool, queue: advance(toy, lanes, pool, queue))
        left, calls = {}, []
        for start in range(0, COUNT, piece):
            rows = np.arange(start, start + piece, dtype=np.int32)
            last = start + piece >= COUNT
            pool, some = call(keep(pool), queue_of(rows, rows, min(piece, COUNT - start), last=last))
            left |= dict(
                zip(np.asarray(some.number)[: some.many].tolist(), np.asarray(some.columns).tolist(), strict=False)
            )
            calls.append(some)
    return left, calls


ALONE = streamed(1, 1, COUNT)[0]


@pytest.mark.parametrize(("lanes", "slots", "piece"), [(1, 1, 7), (4, 16, 40), (8, 32, 16), (8, 8, 24), (3, 12, 50)])
def test_every_row_leaves_once_and_as_it_would_alone(lanes, slots, piece):
    left, calls = streamed(lanes, slots, piece)
    assert left == ALONE
    assert sum(int(some.many) for some in calls) == COUNT


def test_lanes_are_full_until_no_more_rows_come():
    _, (*before, _) = streamed(8, 32, 40)
    for some in before:
        assert np.asarray(some.served).tolist() == (8 * np.asarray(some.taken)).tolist()


def test_a_pool_that_goes_through_the_host_between_two_calls_goes_on_as_if_it_had_not():
    there_and_back = streamed(8, 32, 24, keep=lambda pool: jax.tree.map(jnp.asarray, jax.device_get(pool)))[0]
    assert there_and_back == ALONE


def test_what_a_stage_does_not_change_is_not_written():
    toy = Toy()
    with jax.enable_x64(True):
        pool = jax.eval_shape(lambda: empty(toy, jnp.int32(0), 32))
        rows = np.arange(8, dtype=np.int32)
        text = str(jax.make_jaxpr(lambda pool, queue: advance(toy, 8, pool, queue))(pool, queue_of(rows, rows, 8)))
    # Of each stage: what it waits for, `left` and `trace`; the row is written where it enters.
    assert text.count("scatter[") < 20


class Factorising(Toy):
    """Rows of which some wait for a factor of a matrix that no stage changes."""

    def enter(self, row):
        return super().enter(row), jnp.eye(3) * row

    @property
    def stages(self):
        def factorised(slot):
            visited, matrix = slot
            return self._visited(visited, 1)._replace(trace=jnp.linalg.cholesky(matrix)[0, 0].astype(jnp.int64)), matrix

        return (factorised, lambda slot: (self._visited(slot[0], 2), slot[1]))

    def waits(self, slot):
        return super().waits(slot[0])

    def leave(self, slot):
        return super().leave(slot[0])


def test_a_row_alone_computes_nothing_of_a_stage_for_which_it_does_not_wait():
    toy = Factorising()
    with jax.enable_x64(True):
        pool = jax.eval_shape(lambda: empty(toy, jnp.int32(0), 1))
        rows = np.arange(8, dtype=np.int32)
        call = jax.jit(lambda pool, queue: advance(toy, 1, pool, queue))
        text = call.lower(pool, queue_of(rows, rows, 8)).compile().as_text()
    computations = {block.split(" ", 1)[0].lstrip("%"): block for block in text.split("\n\n")}
    holders = [name for name, block in computations.items() if "potrf" in block]
    branches = ", ".join(re.findall(r"(?:branch_computations=\{|(?:true|false)_computation=)([^}\n]*)", text))
    assert len(holders) == 1
    assert re.search(rf"%{re.escape(holders[0])}\b", branches)
