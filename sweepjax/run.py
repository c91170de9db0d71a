"""The only loop that touches both the device and the disk. Read it first.

A sweep is a grid of tasks times many realizations. Each realization is one row, a pure function of
its task and index. Rows are computed and kept a chunk at a time; running again computes what is missing.
"""

import math
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from sweepjax.engine import contract
from sweepjax.engine.engine import Engine, Watch, provenance
from sweepjax.engine.lanes import Lanes
from sweepjax.engine.sizes import check_memory, default_chunk_rows
from sweepjax.executors import Done, Executor, Failed, Outcome, settled
from sweepjax.executors.local import Local
from sweepjax.plugins import blame
from sweepjax.store.footers import code, stem
from sweepjax.store.leftovers import remove_forsaken
from sweepjax.store.paths import locate
from sweepjax.store.rows import read
from sweepjax.store.states import States
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk

if TYPE_CHECKING:
    import pandas as pd


ENGINE, LOCAL = Engine(), Local()
EVERY = 60.0  # seconds between two states of what is under way


class Part(NamedTuple):
    """One of several disjoint shares of the whole plan, counted from 1."""

    number: int = 1
    of: int = 1


def account(chunk: Chunk, failed: Failed) -> str:
    """Return what is told of a chunk that failed."""
    task = chunk.family.tasks[0]
    what = f"{chunk.rows} rows of {task.model} and {task.solver}"
    return f"chunk {stem(chunk)}, {what}, failed {failed.attempts} times:\n{failed.traceback}"


def raise_failure(chunk: Chunk, failed: Failed) -> None:
    """Raise what a chunk has failed of."""
    raise RuntimeError(account(chunk, failed))


Report = Callable[[Chunk, Failed], None]


def fill(  # noqa: PLR0913  two of them only listen
    store: Store,
    chunks: Iterator[Chunk],
    *,
    engine: Engine,
    execute: Executor = LOCAL,
    watch: Watch,
    report: Report = raise_failure,
    every: float = EVERY,
) -> None:
    """Compute and keep what chunks the store lacks, report those that fail. Safe to interrupt, safe to repeat.

    In this process the state of chunks under way is kept besides, every so many seconds.
    """
    remove_forsaken(store.path)
    states = States(store.path, every, partial(_computed, engine)) if isinstance(execute, Local) else None
    with closing(settled(execute, Attempt(engine, states), store.missing(chunks), watch)) as outcomes:
        for chunk, outcome in outcomes:
            if isinstance(outcome, Failed):
                report(chunk, outcome)
                continue
            replace(store, provenance=outcome.provenance).write(chunk, outcome.columns)
            if states:
                states.remove(chunk)
    if states:
        states.tidy()


@dataclass(frozen=True)
class Attempt:
    """An engine, wherever it runs; what fails is a chunk, unless the machine is at fault."""

    engine: Engine
    states: States | None = None

    def __call__(self, chunk: Chunk, watch: Watch) -> Outcome:
        """Compute one chunk."""
        try:
            counted = Lanes(watch)
            return Done(self.engine.compute(chunk, counted, self.states), self._told(chunk, counted))
        except OSError:
            raise
        except Exception as error:
            return Failed(blame(error) or traceback.format_exc())

    def stream(self, chunks: Iterable[Chunk], watch: Watch) -> Generator[tuple[Chunk, Done], None, None]:
        """Compute chunks that share the lanes of this process."""
        counted = Lanes(watch)
        with closing(self.engine.stream(chunks, counted, self.states)) as done:
            for chunk, columns in done:
                yield chunk, Done(columns, self._told(chunk, counted))

    def _told(self, chunk: Chunk, counted: Lanes) -> dict[str, str]:
        """Return what the footer tells of how a chunk was computed; a single lane is always full."""
        counts, told = counted.told(), _computed(self.engine, chunk)
        return told | counts if int(told["lanes"]) > 1 and chunk.family.tasks[0].solver.stages else told

    def prepare(self, chunk: Chunk) -> None:
        """Begin to compile what a chunk needs; what fails now fails again where the chunk is computed."""
        with suppress(Exception):
            self.engine.prepare(chunk.family)


def _computed(engine: Engine, chunk: Chunk) -> dict[str, str]:
    """Return what a footer tells of the machine and the code that compute a chunk."""
    return provenance(engine) | {"lanes": str(engine.shape(chunk.family).lanes)} | code(chunk)


WHOLE = Part()


def share(sweep: Sweep, chunk_rows: int, part: Part = WHOLE) -> Iterator[Chunk]:
    """Yield the chunks of one part: of the whole plan, counted from 0, those that are number - 1 modulo the parts."""
    plan = enumerate(sweep.chunks(chunk_rows))
    return (chunk for index, chunk in plan if index % part.of == part.number - 1)


def default_directory(sweep: Sweep) -> Path:
    """Return the directory of a sweep for which none is typed; equal sweeps have the same one."""
    return Path("results") / f"{sweep.model}-{sweep.solver}-{sweep.id}".replace(":", ".")


def open_store(sweep: Sweep, out: str | Path, *, chunk_rows: int = 0, engine: Engine | None = None) -> Store:
    """Start or resume the directory of a sweep; first an engine that is to compute here must find its devices."""
    contract.check(sweep)
    told = provenance(engine) if engine else {}
    if engine:
        check_memory(sweep, engine.devices[0])
    return Store(locate(out), sweep, chunk_rows or default_chunk_rows(sweep), told).create()


def run(
    sweep: Sweep | str | None = None,
    *,
    out: str | Path | None = None,
    engine: Engine = ENGINE,
    execute: Executor = LOCAL,
    **axes: Any,
) -> "pd.DataFrame":
    """Run a sweep to the end and return its rows.

    Args:
        sweep: a Sweep, or an axis of λ such as "0.4:0.6".
        out: the directory to keep the rows in, started or resumed; nothing is kept without it.
        engine: device and lanes.
        execute: where chunks are computed.
        axes: realizations, and axes of fields as on the command line: `n=400, sigma="1:2"`.

    Raises:
        ValueError: an axis or option is not allowed; the message says what is.
        RuntimeError: a chunk failed three times.
    """
    sweep = sweep.replaced(**axes) if isinstance(sweep, Sweep) else Sweep().replaced(**{"lam": sweep} | axes)
    with TemporaryDirectory() as temporary:
        store = open_store(sweep, out or temporary, engine=engine if execute == LOCAL else None)
        chunks = share(sweep, store.chunk_rows)
        every = EVERY if out else math.inf
        fill(store, chunks, engine=engine, execute=execute, watch=lambda what, rows: None, every=every)
        return read(store.path)
