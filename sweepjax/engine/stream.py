"""Rows on their way through the pools of all devices, and the chunks that come together from them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from sweepjax.columns import join
from sweepjax.engine.kernel import Row
from sweepjax.engine.pool import Left, Pool, Queue
from sweepjax.engine.programs import Program
from sweepjax.types import Chunk, Columns


class Piece(NamedTuple):
    """Rows of one shape that enter together; rows beyond the numbers are repeated ones."""

    program: Callable[[Any], Program]  # of a device
    numbers: np.ndarray
    rows: Row


class Done(NamedTuple):
    """Rows that left a pool, by their numbers; the steps that its lanes took, and how many were of a row."""

    numbers: np.ndarray
    columns: Any  # [r ...]
    taken: int
    served: int


class Hand:
    """One device with its pool: rows enter piece by piece, and those that leave are handed on."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.program: Program | None = None
        self.pool: Pool | None = None

    def __call__(self, pieces: Iterator[Piece], give: Callable[[Done], None]) -> None:
        """Take pieces until there are no more; a pool is emptied before one of another shape is begun."""
        last = None
        for piece in pieces:
            program = piece.program(self.device)
            if not program.same(self.program):
                self._drain(last, give)
                self.program, self.pool = program, program.start()
            # A pool of one lane has no reason to wait for more rows.
            self._advance(piece, len(piece.numbers), program.shape.lanes == 1, give)
            last = piece
        self._drain(last, give)

    def _drain(self, last: Piece | None, give: Callable[[Done], None]) -> None:
        if last and self.program and self.program.shape.lanes > 1:
            self._advance(last, 0, True, give)

    def _advance(self, piece: Piece, count: int, final: bool, give: Callable[[Done], None]) -> None:
        assert self.program is not None
        assert self.pool is not None
        padded = np.resize(piece.numbers, self.program.shape.rows)
        queue: Any = padded, piece.rows, np.int32(count), np.asarray(final)
        self.pool, left = self.program.run(self.pool, Queue(*queue))
        give(_fetched(left, self.program.shape.lanes))


def _fetched(left: Left, lanes: int) -> Done:
    left = Left(*map(jax.device_get, left))
    numbers, columns = jax.tree.map(lambda leaf: leaf[: left.many], (left.number, left.columns))
    return Done(np.asarray(numbers), columns, lanes * int(np.sum(left.taken)), int(np.sum(left.served)))


class Under(NamedTuple):
    """A chunk under way: the number of its first row, and its columns so far."""

    chunk: Chunk
    first: int
    parts: list[tuple[np.ndarray, Any]]


class Gathering:
    """Chunks of which some rows are computed and some are not."""

    def __init__(self) -> None:
        self.next = 0
        self.under: list[Under] = []

    @property
    def rows(self) -> int:
        """How many rows are done, of chunks that are not."""
        return sum(len(numbers) for under in self.under for numbers, _ in under.parts)

    def begin(self, chunk: Chunk) -> int:
        """Note that the rows of a chunk are on their way, and return the number of the first."""
        first, self.next = self.next, self.next + chunk.rows
        self.under.append(Under(chunk, first, []))
        return first

    def complete(self, done: Done) -> Iterator[tuple[Chunk, Columns]]:
        """Take rows that are done, and yield the chunks that are whole now."""
        for under in list(self.under):
            mine = (done.numbers >= under.first) & (done.numbers < under.first + under.chunk.rows)
            if not mine.any():
                continue
            under.parts.append((done.numbers[mine], jax.tree.map(lambda leaf, mine=mine: leaf[mine], done.columns)))
            if sum(len(numbers) for numbers, _ in under.parts) == under.chunk.rows:
                self.under.remove(under)
                yield under.chunk, _whole(under)


def _whole(under: Under) -> Columns:
    """Return the columns of a chunk, its rows in order."""
    order = np.argsort(np.concatenate([numbers for numbers, _ in under.parts]))
    found = jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], *(columns for _, columns in under.parts))
    return join([found], under.chunk)


def batched(first: int, rows: int, size: int) -> Iterable[np.ndarray]:
    """Cut rows that are numbered from `first` on into pieces of at most `size`."""
    numbers = first + np.arange(rows)
    return (numbers[start : start + size] for start in range(0, rows, size))
