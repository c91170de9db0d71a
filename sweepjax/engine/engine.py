"""From chunks to their columns: which devices compute, how wide, and what becomes of an error of theirs.

A row is a pure function (kernel), many rows share the lanes of a pool, and every device of the process has a pool
whose rows come from one queue. Families of one shape share a compiled program.
"""

import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import wait
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import jax
import numpy as np

from sweepjax.engine import programs, sizes
from sweepjax.engine.dealing import deal
from sweepjax.engine.devices import devices
from sweepjax.engine.drawing import Row
from sweepjax.engine.kernel import RowColumns
from sweepjax.engine.settings import settled, single_threaded
from sweepjax.engine.stream import Done, Gathering, Hand, Piece, Under, batched
from sweepjax.engine.underway import Keeper, state
from sweepjax.engine.widths import rows_of
from sweepjax.types import Chunk, Columns, Family

# ("compiling", 0), ("computing", 0), ("rows", how many more are done); of the lanes, in steps of one row each:
# ("taken", how many more there were), ("served", in how many of them a row went on); of what is under way now:
# ("chunks", how many), ("along", how far its rows are, in thousandths of a row)
Watch = Callable[[str, int], None]


SAFE = "finished rows are safe, and the same command in a new process goes on from them"


def unwatched(what: str, rows: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Engine:
    """Where and how wide to compute: a device kind ("" for JAX's own choice), lanes per device (0: automatic)."""

    device: str = ""
    lanes: int = 0

    @property
    def devices(self) -> tuple[Any, ...]:
        """The devices of this process."""
        return devices(self.device)

    @property
    def hands(self) -> tuple[Any, ...]:
        """The device of each pool. A CPU's devices are all the same cores, and share the program of the first."""
        first = self.devices[0]
        return (first,) * len(self.devices) if first.platform == "cpu" else self.devices

    def compute(self, chunk: Chunk, watch: Watch = unwatched, keeper: Keeper | None = None) -> Columns:
        """Return the columns of a chunk [r ...]; `watch` is told of compilations, and of rows as they are done."""
        ((_, columns),) = self.stream([chunk], watch, keeper)
        return columns

    def stream(
        self, chunks: Iterable[Chunk], watch: Watch = unwatched, keeper: Keeper | None = None
    ) -> Generator[tuple[Chunk, Columns], None, None]:
        """Yield chunks with their columns as their last rows are done; the next chunk fills the lanes meanwhile.

        A keeper is given what is under way now and then, and rows go on from what it has of an earlier process.
        Where rows do not fit the device's memory, half as many are computed side by side, from then on.
        """
        chunks = iter(chunks)
        while True:
            gathering = Gathering()
            try:
                yield from self._streamed(gathering, chunks, watch, keeper)
            except jax.errors.JaxRuntimeError as error:
                if sizes.lost(error):
                    raise OSError(f"a device died ({_first_line(error)}); {SAFE}") from error
                if not sizes.out_of_memory(error) or not self._narrowed(gathering):
                    raise
                watch("rows", -gathering.rows)
                chunks = chain([under.chunk for under in gathering.under], chunks)
            else:
                return

    def _streamed(
        self, gathering: Gathering, chunks: Iterator[Chunk], watch: Watch, keeper: Keeper | None
    ) -> Iterator[tuple[Chunk, Columns]]:
        every = keeper.every if keeper else math.inf
        hands = [Hand(number, device, every) for number, device in enumerate(self.hands)]
        # Devices share the cores already: a second layer of threads in LAPACK only waits for them.
        with (
            single_threaded(),
            closing(deal(hands, self._pieces(gathering, chunks, watch, keeper))) as results,
        ):
            for done in results:
                _tell(done, gathering, watch)
                yield from gathering.complete(done)
                if keeper and done.under is not None:
                    for chunk, arrays in gathering.states():
                        keeper.save(chunk, arrays)

    def _pieces(
        self, gathering: Gathering, chunks: Iterator[Chunk], watch: Watch, keeper: Keeper | None
    ) -> Iterator[Piece]:
        for chunk in chunks:
            shape, under = self.shape(chunk.family), gathering.begin(chunk)
            program, fresh = partial(self._program, chunk.family, watch), under.first + np.arange(chunk.rows)
            arrays = keeper.load(chunk) if keeper else None
            before = state(arrays, under.first, chunk.rows) if arrays else None
            if before and len(before.done) < chunk.rows:
                under.go_on(before, outline(chunk.family))
                watch("rows", len(before.done))
                for rows in before.under.batched(min(shape.slots, shape.rows)):
                    yield Piece(program, rows.numbers, _rows(under, rows.numbers, shape), rows)
                fresh = np.setdiff1d(fresh, [*before.done, *before.under.numbers])
            for numbers in batched(fresh, shape.rows):
                yield Piece(program, numbers, _rows(under, numbers, shape))

    def _narrowed(self, gathering: Gathering) -> bool:
        return any(sizes.narrow(self.lanes, under.chunk.family, self.devices) for under in gathering.under)

    def shape(self, family: Family) -> sizes.Shape:
        """Return how wide the program of a family is."""
        return sizes.shape(self.lanes, family, self.devices)

    def program(self, family: Family, watch: Watch = unwatched) -> programs.Program:
        """Return the program of a family, compiled for the first device."""
        return self._program(family, watch, self.devices[0])

    def prepare(self, family: Family) -> None:
        """Begin to compile what a family needs, beside whatever is computed meanwhile."""
        for device in set(self.hands):
            programs.program(family.tasks[0], _one(family), self.shape(family), device)

    def lower(self, family: Family, platform: str) -> Any:
        """Return a family's program lowered for a platform such as "cuda", which need not be here."""
        return programs.lowered(family.tasks[0], _one(family), self.shape(family), platform)

    def _program(self, family: Family, watch: Watch, device: Any) -> programs.Program:
        compiled = programs.program(family.tasks[0], _one(family), self.shape(family), device)
        if not compiled.done():
            watch("compiling", 0)
            wait([compiled])
            watch("computing", 0)
        # One program serves all recorded times of one number.
        return compiled.result()._replace(times=np.asarray(family.tasks[0].times, dtype=np.float64))


def _tell(done: Done, gathering: Gathering, watch: Watch) -> None:
    """Tell what a hand has done, and what is under way now."""
    watch("rows", len(done.numbers))
    watch("taken", done.taken)
    watch("served", done.served)
    watch("chunks", len(gathering.under))
    watch("along", round(1000 * gathering.along(done)))


def _rows(under: Under, numbers: np.ndarray, shape: sizes.Shape) -> Row:
    """Return what rows of a chunk are computed from, by their numbers; the rest of a call repeats them."""
    chunk = under.chunk
    return rows_of(chunk.family, chunk.start + np.resize(numbers - under.first, shape.rows))


def _one(family: Family) -> Row:
    return jax.tree.map(lambda leaf: leaf[0], rows_of(family, np.arange(1)))


def outline(family: Family) -> RowColumns:
    """Return the shape and type of each column of a row; nothing is computed and no device is looked for.

    Raises:
        ValueError: an observable does not fit the model or the solver.
    """
    task = family.tasks[0]

    def life(row: Row, times: Any, always: Any) -> RowColumns:
        kernel = programs.kernel_of(task, 1, row, times, always)
        return kernel.leave(kernel.enter(row))

    with settled():
        return jax.eval_shape(life, _one(family), np.asarray(task.times, dtype=np.float64), True)


def provenance(engine: Engine) -> dict[str, str]:
    """Return what a row's value may depend on besides the code: devices, their driver, precision and flags."""
    first = engine.devices[0]
    told = {
        "device": first.device_kind,
        "devices": str(len(engine.devices)),
        "driver": "" if first.platform == "cpu" else " ".join(first.client.platform_version.split()),
        "lanes": str(engine.lanes or "auto"),
        "matmul_precision": str(jax.config.values.get("jax_default_matmul_precision") or "default"),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }
    return {name: text for name, text in told.items() if text}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
