"""Rows on their way through the pools of all devices, and the chunks that come together from them."""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from sweepjax.columns import join
from sweepjax.engine.drawing import Row
from sweepjax.engine.programs import Program
from sweepjax.engine.slots import ENDLESS, Left, Pool, queue_of
from sweepjax.engine.underway import Arrays, Rows, State, fits, joined, put_back, taken
from sweepjax.types import Chunk, Columns

CALL = 5.0  # seconds that a call takes, in order of magnitude; between two of them a run is interrupted, or kept
FIRST, FASTER = 64, 8  # steps of the first call of a program, and by how much the next one may be longer


def paced(steps: int, seconds: float, wanted: float) -> int:
    """Return the steps of the next call, after one of so many steps that took so many seconds."""
    return int(min(max(1.0, steps * wanted / max(seconds, 1e-6)), FASTER * steps, ENDLESS // FASTER))


class Piece(NamedTuple):
    """Rows of one shape that enter together; rows beyond the numbers are repeated ones.

    Those that were under way in an earlier process go on from there.
    """

    program: Callable[[Any], Program]  # of a device
    numbers: np.ndarray
    rows: Row
    under: Rows | None = None


class Done(NamedTuple):
    """Rows that left a pool, by their numbers; the steps that its lanes took, and how many were of a row."""

    numbers: np.ndarray
    columns: Any  # [r ...]
    taken: int
    served: int
    hand: int
    along: float  # how far this hand is with the rows under way, in rows
    under: Rows | None = None  # these rows, if they are to be kept now


class Hand:
    """One device with its pool: rows enter piece by piece, and those that leave are handed on.

    Args:
        number: which of the hands this is.
        device: that of the pool.
        every: seconds after which the rows under way are handed on, too, to be kept.
    """

    def __init__(self, number: int, device: Any, every: float = math.inf) -> None:
        self.number, self.device, self.every = number, device, every
        self.program: Program | None = None
        self.pool: Pool | None = None
        self.steps, self.due = FIRST, time.monotonic() + every

    def __call__(self, pieces: Iterator[Piece], give: Callable[[Done], None]) -> None:
        """Take pieces until there are no more; a pool is emptied before one of another shape is begun."""
        last = None
        for piece in pieces:
            program, count = piece.program(self.device), len(piece.numbers)
            if piece.under or not program.same(self.program):
                self._drain(last, give)
                self.program, self.pool, self.steps = program, program.start(), FIRST
                if piece.under and fits(piece.under, self.pool):
                    self.pool, count = put_back(piece.under, self.pool, program.completed), 0
            # A pool of one lane has no reason to wait for more rows.
            self._advance(piece, count, program.shape.lanes == 1, give)
            last = piece
        self._drain(last, give)

    def _drain(self, last: Piece | None, give: Callable[[Done], None]) -> None:
        if last and self.program and self.program.shape.lanes > 1:
            self._advance(last, 0, True, give)

    def _advance(self, piece: Piece, count: int, final: bool, give: Callable[[Done], None]) -> None:
        """Let so many rows of a piece enter and go on, in calls of a few seconds."""
        assert self.program is not None
        assert self.pool is not None
        entered, shape = 0, self.program.shape
        padded = np.resize(piece.numbers, shape.rows)
        while True:
            begun, steps = time.monotonic(), self.steps
            queue = queue_of(padded, piece.rows, count, last=final)
            queue = queue._replace(first=np.int32(entered), steps=np.int32(steps))
            self.pool, left = self.program.run(self.pool, queue)
            left = Left(*map(jax.device_get, left))
            give(self._done(left))
            entered += int(left.served[0])
            if int(np.sum(left.taken)) < steps:
                return
            self.steps = paced(steps, time.monotonic() - begun, min(CALL, self.every))

    def _done(self, left: Left) -> Done:
        assert self.program is not None
        numbers, columns = jax.tree.map(lambda leaf: leaf[: left.many], (left.number, left.columns))
        taken, served = self.program.shape.lanes * int(np.sum(left.taken)), int(np.sum(left.served))
        return Done(np.asarray(numbers), columns, taken, served, self.number, self._along(), self._under())

    def _along(self) -> float:
        """Return how many rows the parts that are done make: of steps taken, or else of times that are recorded."""
        assert self.program is not None
        assert self.pool is not None
        times = self.program.times
        if not times.size:
            return 0.0
        waits, recorded = jax.device_get((self.pool.waits, self.pool.slots.recorded))
        here = waits > 0
        if self.pool.slots.row.solver.clock != "step" or not times[-1]:
            return float(np.sum(recorded[here])) / times.size
        done = np.append(0.0, times)[recorded]
        # A state that counts its steps says what was done since the last record.
        step = jax.device_get(getattr(self.pool.slots.state, "step", done))
        if getattr(step, "shape", None) != done.shape:
            step = done  # it is something else of that name
        return float(np.sum(np.clip(step, done, times[-1])[here])) / times[-1]

    def _under(self) -> Rows | None:
        """Return the rows under way, if it is time to keep them."""
        if time.monotonic() < self.due:
            return None
        assert self.pool is not None
        rows = taken(self.pool)
        self.due = time.monotonic() + max(self.every, rows.pause)
        return rows


class Under(NamedTuple):
    """A chunk under way: the number of its first row, and its columns so far."""

    chunk: Chunk
    first: int
    parts: list[tuple[np.ndarray, Any]]

    @property
    def done(self) -> np.ndarray:
        """The numbers of the rows that are done."""
        return np.concatenate([np.zeros(0, np.int64), *(numbers for numbers, _ in self.parts)])

    def has(self, numbers: np.ndarray) -> np.ndarray:
        """Return which rows are of this chunk."""
        return (numbers >= self.first) & (numbers < self.first + self.chunk.rows)

    def state(self, hands: Iterable[Rows]) -> State:
        """Return what is to be kept of it, given the rows that each hand has, or had, under way."""
        done = self.done
        rest = [rows.some(self.has(rows.numbers) & ~np.isin(rows.numbers, done)) for rows in hands]
        columns = zip(*(jax.tree.leaves(part) for _, part in self.parts), strict=True)
        return State(done, [np.concatenate(leaves) for leaves in columns], joined(rest))

    def go_on(self, state: State, columns: Any) -> None:
        """Take the rows that were done before; their columns are built as these."""
        if len(state.done):
            self.parts.append((state.done, jax.tree.unflatten(jax.tree.structure(columns), state.columns)))


class Gathering:
    """Chunks of which some rows are computed and some are not."""

    def __init__(self) -> None:
        self.next = 0
        self.under: list[Under] = []
        self.hands: dict[int, Rows] = {}  # the rows that each had under way when they were kept last
        self.parts: dict[int, float] = {}  # how far each is with the rows under way, in rows

    @property
    def rows(self) -> int:
        """How many rows are done, of chunks that are not."""
        return sum(len(numbers) for under in self.under for numbers, _ in under.parts)

    def along(self, done: Done) -> float:
        """Return how far the rows under way are, in rows."""
        self.parts[done.hand] = done.along
        return sum(self.parts.values())

    def begin(self, chunk: Chunk) -> Under:
        """Note that the rows of a chunk are on their way."""
        first, self.next = self.next, self.next + chunk.rows
        self.under.append(Under(chunk, first, []))
        return self.under[-1]

    def complete(self, done: Done) -> Iterator[tuple[Chunk, Columns]]:
        """Take rows that are done, and yield the chunks that are whole now."""
        if done.under is not None:
            self.hands[done.hand] = done.under
        for under in list(self.under):
            mine = under.has(done.numbers)
            if not mine.any():
                continue
            under.parts.append((done.numbers[mine], jax.tree.map(lambda leaf, mine=mine: leaf[mine], done.columns)))
            if sum(len(numbers) for numbers, _ in under.parts) == under.chunk.rows:
                self.under.remove(under)
                yield under.chunk, _whole(under)

    def states(self) -> Iterator[tuple[Chunk, Arrays]]:
        """Yield what is to be kept of each chunk under way."""
        for under in list(self.under):
            yield under.chunk, under.state(self.hands.values()).arrays(under.first)


def _whole(under: Under) -> Columns:
    """Return the columns of a chunk, its rows in order."""
    order = np.argsort(np.concatenate([numbers for numbers, _ in under.parts]))
    found = jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], *(columns for _, columns in under.parts))
    return join([found], under.chunk)


def batched(rows: Any, size: int) -> Iterator[Any]:
    """Cut rows into pieces of at most `size`."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
